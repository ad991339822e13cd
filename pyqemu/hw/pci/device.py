"""A PCI function: its configuration space, base address registers and interrupt pin.

Source   PCI Local Bus Specification 2.1, chapter 6
Config   256 bytes; what a guest may change is a write mask beside it. As on QEMU's PIIX board, bytes
         0x40-0xFF are plain storage unless the device says otherwise
BARs     memory or I/O windows of 2^n bytes; they move and appear when the guest writes the BAR or the
         command register. An I/O window over ports that another device holds is not decoded (logged)
Units    devfn = slot * 8 + function
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntFlag
from typing import TYPE_CHECKING, Any

from pyqemu.core.device import Device, Prop, State
from pyqemu.core.memory import Mapping, Region
from pyqemu.core.state import StateError

if TYPE_CHECKING:
    from pyqemu.hw.pci.bus import PciBus

CONFIG_BYTES = 256


class Reg:
    """Offsets in the header (type 0)."""

    VENDOR, DEVICE, COMMAND, STATUS = 0x00, 0x02, 0x04, 0x06
    REVISION, PROG_IF, SUBCLASS, CLASS = 0x08, 0x09, 0x0A, 0x0B
    CACHE_LINE, LATENCY, HEADER_TYPE = 0x0C, 0x0D, 0x0E
    BAR0, SUBSYSTEM_VENDOR, SUBSYSTEM, ROM = 0x10, 0x2C, 0x2E, 0x30
    CAPABILITIES, INTERRUPT_LINE, INTERRUPT_PIN = 0x34, 0x3C, 0x3D


class Command(IntFlag):
    IO = 0x0001
    MEMORY = 0x0002
    MASTER = 0x0004
    SERR = 0x0100
    INTX_DISABLE = 0x0400


class Status(IntFlag):
    INTERRUPT = 0x0008
    CAPABILITIES = 0x0010


ROM_ENABLE = 1
STREAM_STRUCT = ("PCIDevice", 2)  # how QEMU's streams call what all functions have
CONSTANT_BYTES = (*range(4), Reg.REVISION, Reg.PROG_IF, Reg.SUBCLASS, Reg.CLASS, Reg.HEADER_TYPE)
UNMAPPED = -1


class Bar:
    """One window. *number* 0-5, or 6 for the expansion ROM; *size* in bytes, a power of two.

    Memory windows show *region*; I/O windows call ``map_ports(base)`` and ``unmap_ports(base)``.
    ``base`` is where the window is decoded now, or UNMAPPED.
    """

    def __init__(
        self,
        number: int,
        size: int,
        *,
        region: Region | None = None,
        prefetchable: bool = False,
        map_ports: Callable[[int], None] | None = None,
        unmap_ports: Callable[[int], None] | None = None,
    ) -> None:
        assert size & (size - 1) == 0 and size >= 4
        self.number = number
        self.size = size
        self.region = region
        self.is_io = region is None
        self.flags = 1 if self.is_io else 8 if prefetchable else 0
        self.offset = Reg.ROM if number == 6 else Reg.BAR0 + 4 * number
        self.map_ports = map_ports
        self.unmap_ports = unmap_ports
        self.base = UNMAPPED
        self.mapping: Mapping | None = None


class PciDevice(Device, type="pci-device"):
    """Base of PCI functions. Subclasses set the identity below and may override ``config_written``."""

    vendor_id = 0
    device_id = 0
    revision = 0
    class_code = 0  # 24 bits: class, subclass, programming interface
    subsystem = (0, 0)  # vendor, id
    interrupt_pin = 0  # 1 = INTA#
    multifunction = False

    addr = Prop.i32(-1, help="slot and function (devfn); -1: the next free slot")
    rombar = Prop.u32(1, maximum=1, help="1: an option ROM is behind a BAR; 0: the firmware gets it from fw_cfg")
    command_serr_enable = Prop.bool(True, name="command_serr_enable", help="the SERR# bit of the command register")

    stream_version = State.constant("int32 le", 2, name="version_id", group=STREAM_STRUCT)
    config = State.bytes(CONFIG_BYTES, name="config[0]", wire="pci config", group=STREAM_STRUCT)
    pins = State.view(
        "pci irq state", lambda device: device._pins(), count=16, name="irq_state", group=STREAM_STRUCT
    )

    bus: PciBus

    def __init__(self, **values: Any) -> None:
        super().__init__(**values)
        self.devfn = 0
        self.bars: list[Bar] = []
        self.writable = bytearray(CONFIG_BYTES)
        self.header = bytearray(CONFIG_BYTES)

    def attach(self, bus: Any) -> None:
        self.bus = bus
        self.devfn = bus.plug(self, self.addr)
        self._build_header()
        self.intx = bus.intx(self.devfn, self.interrupt_pin) if self.interrupt_pin else None
        self.realize(bus)
        self.reset()

    def _build_header(self) -> None:
        h, w = self.header, self.writable
        h[0:2] = self.vendor_id.to_bytes(2, "little")
        h[2:4] = self.device_id.to_bytes(2, "little")
        h[Reg.REVISION] = self.revision
        h[Reg.PROG_IF : Reg.CLASS + 1] = self.class_code.to_bytes(3, "little")
        h[Reg.HEADER_TYPE] = 0x80 if self.multifunction else 0
        h[0x2C:0x2E] = self.subsystem[0].to_bytes(2, "little")
        h[0x2E:0x30] = self.subsystem[1].to_bytes(2, "little")
        h[Reg.INTERRUPT_PIN] = self.interrupt_pin
        command = Command.IO | Command.MEMORY | Command.MASTER | Command.INTX_DISABLE
        if self.command_serr_enable:
            command |= Command.SERR
        w[Reg.COMMAND : Reg.COMMAND + 2] = command.to_bytes(2, "little")
        w[Reg.CACHE_LINE] = 0xFF
        w[Reg.INTERRUPT_LINE] = 0xFF
        w[0x40:] = b"\xff" * (CONFIG_BYTES - 0x40)

    def check(self) -> None:
        """A state of another kind of device is refused by what the guest knows it by."""
        for i in CONSTANT_BYTES:
            if self.config[i] != self.header[i]:
                raise StateError(
                    f"get_pci_config_device: Bad config data: i={i:#x} read: {self.config[i]:x} "
                    f"device: {self.header[i]:x}"
                )

    def _pins(self) -> bytes:
        """The levels of INTA# to INTD#, 32 bits each."""
        levels = [0] * 4
        if self.interrupt_pin:
            levels[self.interrupt_pin - 1] = int(bool(self.config[Reg.STATUS] & Status.INTERRUPT))
        return b"".join(level.to_bytes(4, "big") for level in levels)

    @property
    def path(self) -> str:
        """Domain, bus, slot and function: how QEMU names what belongs to the device."""
        return f"0000:00:{self.devfn >> 3:02x}.{self.devfn & 7}"

    def add_bar(self, bar: Bar) -> None:
        """Declare a window, in ``realize``."""
        self.bars.append(bar)
        self.header[bar.offset : bar.offset + 4] = bar.flags.to_bytes(4, "little")
        mask = ~(bar.size - 1) & 0xFFFFFFFF
        if bar.number == 6:
            mask |= ROM_ENABLE
        self.writable[bar.offset : bar.offset + 4] = mask.to_bytes(4, "little")

    def reset(self) -> None:
        self.reset_fields()
        self.config[:] = self.header
        self.refresh()

    def refresh(self) -> None:
        """Put windows and the interrupt pin where the configuration says. Subclasses call it from theirs."""
        self.update_bars()
        self.update_intx()

    # -- configuration cycles -------------------------------------------------------------------------

    def read_config(self, offset: int, width: int) -> int:
        """1, 2 or 4 bytes at *offset* (naturally aligned by the host bridge)."""
        return int.from_bytes(self.config[offset : offset + width], "little")

    def write_config(self, offset: int, width: int, value: int) -> None:
        """Store through the write mask, then let windows and the device follow."""
        for i in range(width):
            mask = self.writable[offset + i]
            old = self.config[offset + i]
            self.config[offset + i] = old & ~mask | value >> 8 * i & mask
        if offset < 0x40 and (offset < 0x28 or 0x30 <= offset < 0x34):
            self.update_bars()
        if Reg.COMMAND <= offset < Reg.COMMAND + 2:
            self.update_intx()
        self.config_written(offset, width)

    def config_written(self, offset: int, width: int) -> None:
        """Called after each configuration write, for registers with an effect."""

    @property
    def command(self) -> int:
        return self.config[Reg.COMMAND] | self.config[Reg.COMMAND + 1] << 8

    # -- windows --------------------------------------------------------------------------------------

    def bar_base(self, bar: Bar) -> int:
        """Where a window is to be decoded now, or UNMAPPED."""
        value = int.from_bytes(self.config[bar.offset : bar.offset + 4], "little")
        base = value & ~(bar.size - 1) & 0xFFFFFFFF
        if bar.is_io:
            if not self.command & Command.IO or base == 0 or base + bar.size > 0x10000:
                return UNMAPPED
            return base
        if not self.command & Command.MEMORY or (bar.number == 6 and not value & ROM_ENABLE):
            return UNMAPPED
        # While firmware sizes a BAR it holds all ones for a moment: 4 GiB - size is never an address.
        if base == 0 or base + bar.size >= 1 << 32:
            return UNMAPPED
        return base

    def update_bars(self) -> None:
        """Map and unmap windows after a change of the BARs or the command register."""
        moved = [(bar, base) for bar in self.bars if (base := self.bar_base(bar)) != bar.base]
        if not moved:
            return
        with self.bus.isa.memory.transaction():
            for bar, base in moved:
                if bar.is_io:
                    self._move_ports(bar, base)
                else:
                    self._move_memory(bar, base)

    def _move_ports(self, bar: Bar, base: int) -> None:
        if bar.base != UNMAPPED and bar.unmap_ports:
            bar.unmap_ports(bar.base)
        bar.base = UNMAPPED
        if base != UNMAPPED and bar.map_ports:
            if not self.bus.isa.ports.is_free(base, bar.size):
                self.guest_error(f"BAR {bar.number} at {base:#x} overlaps other ports, not decoded")
                return
            bar.map_ports(base)
            bar.base = base

    def _move_memory(self, bar: Bar, base: int) -> None:
        assert bar.region is not None
        memory = self.bus.isa.memory
        if bar.mapping is not None:
            memory.unmap(bar.mapping)
            bar.mapping = None
        if base != UNMAPPED:
            bar.mapping = memory.map(base, bar.region, priority=self.bus.window_priority)
        bar.base = base

    # -- interrupt pin --------------------------------------------------------------------------------

    def set_irq(self, level: bool) -> None:
        """Drive INTx#; the command register can hold it back, the status register shows it."""
        if level:
            self.config[Reg.STATUS] |= Status.INTERRUPT
        else:
            self.config[Reg.STATUS] &= ~Status.INTERRUPT & 0xFF
        self.update_intx()

    def update_intx(self) -> None:
        if self.intx is not None:
            self.intx.set(
                bool(self.config[Reg.STATUS] & Status.INTERRUPT) and not self.command & Command.INTX_DISABLE
            )
