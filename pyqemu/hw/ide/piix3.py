"""The IDE function of the PIIX3: device type ``piix3-ide``, PCI 8086:7010.

Source   Intel 82371FB/82371SB (PIIX/PIIX3) datasheet, 2.4 (configuration) and 2.7 (bus master)
Ports    1F0-1F7, 3F6 (IRQ 14) and 170-177, 376 (IRQ 15); BAR 4: 16 bus-master ports, 8 per channel
Config   40-43 IDETIM: timing and decode enable are stored; as QEMU's board has it, the legacy ports answer
         whatever they say
Errors   realize() raises ConfigError if the ports are taken; attach_drive() if the position is
"""

from __future__ import annotations

from typing import Any

from pyqemu.block import Drive
from pyqemu.core.device import Prop, State
from pyqemu.hw.ide import drives
from pyqemu.hw.ide.ata import AtaDisk
from pyqemu.hw.ide.atapi import AtapiDrive
from pyqemu.hw.ide.bmdma import BusMaster
from pyqemu.hw.ide.channel import Channel
from pyqemu.hw.ide.identify import Geometry
from pyqemu.hw.ide.unit import Unit
from pyqemu.hw.pci.bus import PciBus
from pyqemu.hw.pci.device import Bar, Command, PciDevice, Reg

LEGACY = ((0x1F0, 0x3F6, 14), (0x170, 0x376, 15))  # command block, control port, ISA interrupt
FAST_BACK_TO_BACK = 0x0080
DEVSEL_MEDIUM = 0x0200
BUS_MASTER_PORTS = 16
CHANNEL_PORTS = 8


class Piix3Ide(PciDevice, type="piix3-ide", vmstate="ide", version=3, minimum=3):
    vendor_id, device_id = 0x8086, 0x7010
    class_code = 0x010180  # IDE, legacy ports, bus master
    subsystem = (0x1AF4, 0x1100)

    carries = drives.TYPES

    ver = Prop.str("1.0", help="firmware version that the drives report")
    absent_idle = Prop.bool(
        False, name="x-absent-drives-idle", help="drives that are not there are idle in saved states, as in QEMU's"
    )

    bmdma = State.records(BusMaster, 2)
    channels = State.records(Channel, 2, name="bus")
    drives0 = State.link(Unit, 2, lambda chip: chip.channels[0].units, name="bus[0].ifs")
    drives1 = State.link(Unit, 2, lambda chip: chip.channels[1].units, name="bus[1].ifs")

    def attach_drive(
        self,
        channel: int,
        unit: int,
        drive: Drive,
        kind: str = "ide-hd",
        *,
        serial: str = "",
        ver: str = "",
        model: str = "",
        geometry: Geometry | None = None,
    ) -> AtaDisk | AtapiDrive:
        """Put a drive into position *unit* of a channel, before realize. Raises ConfigError."""
        label = drives.label(kind, drive, 2 * channel + unit, serial, ver or self.ver, model)
        return drives.attach_drive(self.channels, channel, unit, drive, kind, label, geometry)

    def realize(self, bus: PciBus) -> None:
        isa = bus.isa
        self.header[Reg.STATUS : Reg.STATUS + 2] = (FAST_BACK_TO_BACK | DEVSEL_MEDIUM).to_bytes(2, "little")
        for channel, master, (command, control, irq) in zip(self.channels, self.bmdma, LEGACY, strict=True):
            channel.connect(isa.irq(irq), isa.clock, self.guest_error)
            channel.bus_master = master
            master.connect(isa.memory, channel.kick_dma)
            channel.map_ports(isa.ports, command, control, self)
        self.add_bar(Bar(4, BUS_MASTER_PORTS, map_ports=self._map_bus_master, unmap_ports=self._unmap_bus_master))

    def _map_bus_master(self, base: int) -> None:
        for number, master in enumerate(self.bmdma):
            master.map_ports(self.bus.isa.ports, base + CHANNEL_PORTS * number, self)

    def _unmap_bus_master(self, base: int) -> None:
        self.bus.isa.ports.unmap(base, BUS_MASTER_PORTS, self)

    def reset(self) -> None:
        self.reset_fields()
        self.config[:] = self.header
        for channel in self.channels:
            channel.power_on()
        self.refresh()

    def refresh(self) -> None:
        self.update_bars()
        self._update_master_enable()
        for channel in self.channels:
            channel.refresh()

    def before_save(self) -> None:
        for channel in self.channels:
            channel.forget_transfer()

    def check(self) -> None:
        super().check()
        for channel in self.channels:
            channel.check_units(self.absent_idle)

    def config_written(self, offset: int, width: int) -> None:
        if offset <= Reg.COMMAND < offset + width:
            self._update_master_enable()
            for channel in self.channels:
                channel.kick_dma()

    def _update_master_enable(self) -> None:
        """Without the command register's master bit the transfers wait."""
        enabled = bool(self.command & Command.MASTER)
        for master in self.bmdma:
            master.enabled = enabled

    def describe(self) -> dict[str, Any]:
        description = super().describe()
        description["drives"] = [
            {"channel": c, "unit": u, "type": device.kind, "drive": device.drive.id}
            for c, channel in enumerate(self.channels)
            for u, device in enumerate(channel.devices)
            if isinstance(device, AtaDisk | AtapiDrive)
        ]
        return description
