"""Intel 82371AB (PIIX4), function 3: ACPI power management, SMI command port, SMBus host.

Source   Intel 82371AB data sheet 290562-001, April 1997: 7.1 (configuration), 7.2 (power management I/O),
         7.3 (SMBus I/O); ACPI 1.0b, 4.7.3 (PM1, PM timer), 4.7.4 (general-purpose events)
Config   40 PM base, enabled by 80 bit 0; 5B bit 1 lets B2 raise SMI#; 90 SMBus base, enabled by D2 bit 0;
         5F and 67 tell the firmware which of the parallel and serial ports are there
Ports    PM base+0 PM1 status, +2 enable, +4 control (bytes and words; a 32-bit access reads zero), +8 timer;
         B2, B3 SMI command and status; AFE0 general-purpose events; AE00, AF00 hot-plug windows; SMBus base
IRQ      SCI on 9: high while an enabled PM1 or general-purpose event is pending. It does not wait for SCI_EN,
         because what goes to SMI# without it would be lost on a board that has no SMI handler
Timer    3.579545 MHz, 24 bits, of virtual time; bit 23 changing sets TMROF_STS. A clock timer runs only while
         that may interrupt
Sleep    SLP_TYP 0 powers off, 1 suspends to RAM (``on_suspend``), s4_val powers off with the state on disk
Missing  PIIX4's own registers from PM base+0C (device monitors, GPIO, clock throttling): not decoded
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntFlag
from typing import Any, ClassVar

from pyqemu.core.bus import Bus
from pyqemu.core.clock import NS_PER_SECOND
from pyqemu.core.device import Prop, State
from pyqemu.core.ports import PortSpace
from pyqemu.core.state import Record
from pyqemu.hw.acpi.hotplug import CPU_PORTS, PCI_PORTS, CpuHotplug, PciHotplug
from pyqemu.hw.acpi.smbus import SMBUS_PORTS, SmbusHost
from pyqemu.hw.acpi.spd import SpdEeprom
from pyqemu.hw.pci.device import PciDevice

PM_TIMER_HZ = 3_579_545
TIMER_MASK = 0xFFFFFF
TIMER_HALF = 0x800000  # bit 23 changes this often

PM_BASE, PM_ENABLE, SMI_ENABLE, SMBUS_BASE, SMBUS_CONFIG = 0x40, 0x80, 0x5B, 0x90, 0xD2
PM_PORTS = 0x0C
APM_COMMAND, GPE_BASE = 0xB2, 0xAFE0
PCI_HOTPLUG_BASE, CPU_HOTPLUG_BASE = 0xAE00, 0xAF00
SCI_IRQ = 9
ACPI_ENABLE, ACPI_DISABLE = 0xF1, 0xF0
SPD_ADDRESSES = range(0x50, 0x58)


class Pm1(IntFlag):
    """PM1 status and enable."""

    TIMER = 0x0001
    BUS_MASTER = 0x0010
    GLOBAL = 0x0020
    POWER_BUTTON = 0x0100
    SLEEP_BUTTON = 0x0200
    RTC = 0x0400
    WAKE = 0x8000


class Control(IntFlag):
    """PM1 control."""

    SCI_ENABLE = 0x0001
    SLEEP_TYPE = 0x1C00
    SLEEP_ENABLE = 0x2000  # reads as zero


class Gpe(IntFlag):
    PCI_HOTPLUG = 0x0002
    CPU_HOTPLUG = 0x0004


_TIMER, _WAKE = int(Pm1.TIMER), int(Pm1.WAKE)
_STATUS_BITS = int(
    Pm1.TIMER | Pm1.BUS_MASTER | Pm1.GLOBAL | Pm1.POWER_BUTTON | Pm1.SLEEP_BUTTON | Pm1.RTC | Pm1.WAKE
)
_SCI_SOURCES = int(Pm1.TIMER | Pm1.GLOBAL | Pm1.POWER_BUTTON | Pm1.SLEEP_BUTTON | Pm1.RTC)
_SCI_ENABLE, _SLEEP_ENABLE = int(Control.SCI_ENABLE), int(Control.SLEEP_ENABLE)


class I2cBus(Record, vmstate="i2c_bus"):
    """The SMBus between two transfers, which is when a state is saved: nobody is addressed."""

    saved_address = State.constant("uint8", 0xFF)


class Piix4Pm(PciDevice, type="PIIX4_PM", vmstate="piix4_pm", version=3):
    """``on_suspend`` and ``on_smi`` are the board's: suspend to RAM, and SMI# (called after a write to B2)."""

    vendor_id, device_id, revision = 0x8086, 0x7113, 0x03
    class_code = 0x068000
    subsystem = (0x1AF4, 0x1100)
    interrupt_pin = 1

    smb_io_base = Prop.u32(0xB100, maximum=0xFFC0, help="SMBus ports after reset", name="smb_io_base")
    disable_s3 = Prop.u8(0, maximum=1, help="1: suspend to RAM is not offered", name="disable_s3")
    disable_s4 = Prop.u8(0, maximum=1, help="1: suspend to disk is not offered", name="disable_s4")
    s4_val = Prop.u8(2, maximum=7, help="SLP_TYP value of suspend to disk", name="s4_val")
    smm_enabled = Prop.bool(False, help="whether the CPU takes SMI# (off: 5B says that SMM is set up)")
    pci_hotplug_window = Prop.bool(True, help="ports AE00", name="acpi-root-pci-hotplug")

    struct_names: ClassVar[dict[str, str]] = {"APM State": "apm", "gpe": "ar.gpe"}

    pm1_status = State.u16(name="ar.pm1.evt.sts")
    pm1_enable = State.u16(name="ar.pm1.evt.en")
    pm1_control = State.u16(name="ar.pm1.cnt.cnt")
    apm_command = State.u8(name="apmc", group=("APM State", 1))
    apm_status = State.u8(name="apms", group=("APM State", 1))
    deadline = State.view("timer", lambda chip: chip.timer.deadline_ns, name="ar.tmr.timer")
    overflow_ticks = State.u64(name="ar.tmr.overflow_time", wire="int64")  # TMROF_STS is set from this tick on
    gpe_status = State.u16(name="sts", group=("gpe", 1))
    gpe_enable = State.u16(name="en", group=("gpe", 1))
    pci_hotplug = State.record(PciHotplug, name="acpi_pci_hotplug.acpi_pcihp_pci_status[0x0]")
    smbus = State.record(SmbusHost, sub="smb")
    eeproms = State.records(SpdEeprom, len(SPD_ADDRESSES), sub="eeproms")

    def __init__(self, **values: Any) -> None:
        super().__init__(**values)
        self.on_suspend: Callable[[], None] | None = None
        self.on_smi: Callable[[], None] | None = None
        self.cpu_hotplug = CpuHotplug()
        self.pm_base = self.smbus_base = 0  # where the ports are now; 0: not decoded

    def sections(self) -> list[tuple[str, Record]]:
        return [("i2c_bus", I2cBus()), *super().sections()]

    def realize(self, bus: Any) -> None:
        isa: Bus = bus.isa
        self.now = isa.clock.now
        self.timer = isa.clock.timer(self.update_sci)
        self.sci = isa.irq(SCI_IRQ)
        self.smbus_line = isa.irq(SCI_IRQ)
        h = self.header
        h[0x06:0x08] = (0x0280).to_bytes(2, "little")  # fast back to back, medium DEVSEL#
        h[PM_BASE] = 0x01
        h[SMI_ENABLE] = 0 if self.smm_enabled else 0x02
        h[0x63] = 0x60
        h[SMBUS_BASE : SMBUS_BASE + 4] = (self.smb_io_base & 0xFFC0 | 1).to_bytes(4, "little")
        h[SMBUS_CONFIG] = 0x09
        self._map_ports(isa.ports)
        self.pci_hotplug.removable = self._removable_slots
        self.smbus.devices = dict(zip(SPD_ADDRESSES, self.eeproms, strict=True))
        self.smbus.changed = self._update_smbus_line
        self.smbus.guest_error = self.guest_error

    def _map_ports(self, ports: PortSpace) -> None:
        ports.map_each(APM_COMMAND, [(self.read_apm, self.write_apm), (self.read_apm, self.write_apm)], owner=self)
        ports.map(GPE_BASE, 4, self.read_gpe, self.write_gpe, owner=self)
        if self.pci_hotplug_window:
            window = self.pci_hotplug
            ports.map_wide(PCI_HOTPLUG_BASE, PCI_PORTS, window.read, window.write, owner=self)
        ports.map_wide(CPU_HOTPLUG_BASE, CPU_PORTS, self.cpu_hotplug.read, None, owner=self)

    def reset(self) -> None:
        # What the firmware reads here says which ports the ISA side of the board has.
        owner = self.bus.isa.ports.owner
        self.header[0x5F] = 0x10 | (0x80 if owner(0x378) else 0)
        self.header[0x67] = (0x08 if owner(0x3F8) else 0) | (0x90 if owner(0x2F8) else 0)
        super().reset()

    def refresh(self) -> None:
        super().refresh()
        self._move_windows()
        self.update_sci()
        self._update_smbus_line()

    # -- windows --------------------------------------------------------------------------------------

    def config_written(self, offset: int, width: int) -> None:
        if offset >= PM_BASE:
            self._move_windows()
            self._update_smbus_line()

    def _move_windows(self) -> None:
        config, ports = self.config, self.bus.isa.ports
        base = int.from_bytes(config[PM_BASE : PM_BASE + 2], "little") & 0xFFC0 if config[PM_ENABLE] & 1 else 0
        if base != self.pm_base:
            if self.pm_base:
                ports.unmap(self.pm_base, PM_PORTS, self)
            self.pm_base = 0
            if base and self._free(base, PM_PORTS):
                self._map_pm(ports, base)
                self.pm_base = base
        base = (
            int.from_bytes(config[SMBUS_BASE : SMBUS_BASE + 2], "little") & 0xFFC0
            if config[SMBUS_CONFIG] & 1
            else 0
        )
        if base != self.smbus_base:
            if self.smbus_base:
                ports.unmap(self.smbus_base, SMBUS_PORTS, self)
            self.smbus_base = 0
            if base and self._free(base, SMBUS_PORTS):
                ports.map(base, SMBUS_PORTS, self.smbus.read, self.smbus.write, owner=self)
                for width in (2, 4):
                    ports.map(base, SMBUS_PORTS, _zero, None, owner=self, width=width)
                self.smbus_base = base

    def _free(self, base: int, count: int) -> bool:
        if self.bus.isa.ports.is_free(base, count):
            return True
        self.guest_error(f"ports from {base:#x} are in use, not decoded")
        return False

    def _map_pm(self, ports: PortSpace, base: int) -> None:
        ports.map_each(
            base,
            [(self.read_status_byte, self.write_status_byte)] * 2
            + [(self.read_enable_byte, self.write_enable_byte)] * 2
            + [(self.read_control_byte, self.write_control_byte)] * 2,
            owner=self,
        )
        ports.map(base, 1, self.read_status, self.write_status, owner=self, width=2)
        ports.map(base + 2, 1, self.read_enable, self.write_enable, owner=self, width=2)
        ports.map(base + 4, 1, self.read_control, self.write_control, owner=self, width=2)
        ports.map(base, 1, _zero, None, owner=self, width=4)
        ports.map(base + 4, 1, _zero, None, owner=self, width=4)
        for width in (1, 2, 4):  # the timer's low part at every offset
            ports.map(base + 8, 4 - width + 1, self.read_timer, None, owner=self, width=width)

    # -- PM timer -------------------------------------------------------------------------------------

    def read_timer(self, _offset: int) -> int:
        return self.now() * PM_TIMER_HZ // NS_PER_SECOND & TIMER_MASK

    def _ticks(self) -> int:
        return self.now() * PM_TIMER_HZ // NS_PER_SECOND

    # -- PM1 ------------------------------------------------------------------------------------------

    def update_sci(self) -> None:
        """Drive SCI from the events, and arm the clock for the timer's next one."""
        status = self.read_status(0)
        pending = status & self.pm1_enable & _SCI_SOURCES or self.gpe_status & self.gpe_enable
        self.sci.set(bool(pending))
        if self.pm1_enable & _TIMER and not status & _TIMER:
            self.timer.start(-(-self.overflow_ticks * NS_PER_SECOND // PM_TIMER_HZ))
        else:
            self.timer.stop()

    def read_status(self, _offset: int) -> int:
        """The timer's bit follows from the time; the others are stored."""
        return self.pm1_status | _TIMER if self._ticks() >= self.overflow_ticks else self.pm1_status

    def write_status(self, _offset: int, value: int) -> None:
        """Ones clear. The timer's bit comes back when bit 23 changes next."""
        if value & _TIMER and self.read_status(0) & _TIMER:
            self.overflow_ticks = (self._ticks() & ~(TIMER_HALF - 1)) + TIMER_HALF
        self.pm1_status &= ~(value & _STATUS_BITS)
        self.update_sci()

    def read_status_byte(self, offset: int) -> int:
        return self.read_status(0) >> 8 * offset & 0xFF

    def write_status_byte(self, offset: int, value: int) -> None:
        self.write_status(0, value << 8 * offset)

    def read_enable(self, _offset: int) -> int:
        return self.pm1_enable

    def write_enable(self, _offset: int, value: int) -> None:
        self.pm1_enable = value
        self.update_sci()

    def read_enable_byte(self, offset: int) -> int:
        return self.pm1_enable >> 8 * (offset - 2) & 0xFF

    def write_enable_byte(self, offset: int, value: int) -> None:
        shift = 8 * (offset - 2)
        self.write_enable(0, self.pm1_enable & ~(0xFF << shift) | value << shift)

    def read_control(self, _offset: int) -> int:
        return self.pm1_control

    def write_control(self, _offset: int, value: int) -> None:
        self.pm1_control = value & ~_SLEEP_ENABLE & 0xFFFF
        if value & _SLEEP_ENABLE:
            self._sleep(value >> 10 & 7)

    def read_control_byte(self, offset: int) -> int:
        return self.pm1_control >> 8 * (offset - 4) & 0xFF

    def write_control_byte(self, offset: int, value: int) -> None:
        shift = 8 * (offset - 4)
        self.write_control(0, self.pm1_control & ~(0xFF << shift) | value << shift)

    def _sleep(self, sleep_type: int) -> None:
        power = self.bus.isa.power
        if sleep_type == 0 or (sleep_type == self.s4_val and not self.disable_s4):
            power.request_shutdown()
        elif sleep_type == 1 and not self.disable_s3 and self.on_suspend is not None:
            self.on_suspend()
        else:
            self.guest_error(f"sleep type {sleep_type} is not offered")

    # -- events ---------------------------------------------------------------------------------------

    def raise_event(self, event: Pm1) -> None:
        """Set a PM1 status bit, as buttons and the RTC alarm do."""
        self.pm1_status |= int(event)
        self.update_sci()

    def power_button(self) -> None:
        """Somebody pressed it."""
        self.raise_event(Pm1.POWER_BUTTON)

    def wake(self, cause: Pm1) -> None:
        """After suspend: the machine runs again because of *cause*."""
        self.raise_event(cause | Pm1.WAKE)

    def raise_gpe(self, event: Gpe) -> None:
        """Set a general-purpose event."""
        self.gpe_status |= int(event)
        self.update_sci()

    def read_gpe(self, offset: int) -> int:
        return (self.gpe_enable if offset & 2 else self.gpe_status) >> 8 * (offset & 1) & 0xFF

    def write_gpe(self, offset: int, value: int) -> None:
        shift = 8 * (offset & 1)
        if offset & 2:
            self.gpe_enable = self.gpe_enable & ~(0xFF << shift) & 0xFFFF | value << shift
        else:
            self.gpe_status &= ~(value << shift)
        self.update_sci()

    # -- hot plug -------------------------------------------------------------------------------------

    def pci_plugged(self, slot: int) -> None:
        """Tell the guest that a device is in *slot* now."""
        self.pci_hotplug.up |= 1 << slot
        self.raise_gpe(Gpe.PCI_HOTPLUG)

    def pci_unplug_request(self, slot: int) -> None:
        """Ask the guest to let go of *slot*; ``pci_hotplug.on_eject(slot)`` follows when it has."""
        self.pci_hotplug.down |= 1 << slot
        self.raise_gpe(Gpe.PCI_HOTPLUG)

    def cpu_plugged(self, apic_id: int) -> None:
        """Tell the guest that there is one more processor."""
        self.cpu_hotplug.present |= 1 << apic_id
        self.raise_gpe(Gpe.CPU_HOTPLUG)

    def _removable_slots(self) -> int:
        """All slots but those of bridges, displays and USB controllers, which the board holds for good."""
        mask = 0xFFFFFFFF
        for devfn, device in self.bus.devices.items():
            if device.class_code >> 16 in (0x03, 0x06) or device.class_code >> 8 == 0x0C03:
                mask &= ~(1 << (devfn >> 3))
        return mask

    # -- SMI command port -----------------------------------------------------------------------------

    def read_apm(self, offset: int) -> int:
        return self.apm_status if offset else self.apm_command

    def write_apm(self, offset: int, value: int) -> None:
        """B2 is the command: F1 and F0 hand the power management to the ACPI driver and take it back."""
        if offset:
            self.apm_status = value
            return
        self.apm_command = value
        if value == ACPI_ENABLE:
            self.pm1_control |= _SCI_ENABLE
        elif value == ACPI_DISABLE:
            self.pm1_control &= ~_SCI_ENABLE
        if self.smm_enabled and self.on_smi is not None and self.config[SMI_ENABLE] & 0x02:
            self.on_smi()

    def _update_smbus_line(self) -> None:
        """D2 bits 3:1 say where the SMBus interrupt goes: 100 is interrupt 9 (000, SMI#, has no taker)."""
        self.smbus_line.set(self.smbus.interrupt and self.config[SMBUS_CONFIG] >> 1 & 7 == 4)


def _zero(_offset: int) -> int:
    return 0
