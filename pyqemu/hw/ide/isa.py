"""An IDE channel on the ISA bus, without DMA: device type ``isa-ide``.

Source   ATA-2 (X3.279), annex on the AT bus
Ports    iobase+0..7 and iobase2, one byte each; the data port also 16 and 32 bits
Errors   realize() raises ConfigError if the ports are taken; attach_drive() if the position is
"""

from __future__ import annotations

from pyqemu.block import Drive
from pyqemu.core.bus import Bus
from pyqemu.core.device import IsaDevice, Prop, State
from pyqemu.hw.ide import drives
from pyqemu.hw.ide.ata import AtaDisk
from pyqemu.hw.ide.atapi import AtapiDrive
from pyqemu.hw.ide.channel import Channel
from pyqemu.hw.ide.identify import Geometry
from pyqemu.hw.ide.unit import Unit

SECONDARY = 0x170


class IsaIde(IsaDevice, type="isa-ide", vmstate="isa-ide", version=3, minimum=3):
    iobase = Prop.u16(0x1F0, help="first of the eight ports of the command block")
    iobase2 = Prop.u16(0x3F6, help="alternate status and device control port")
    irq = Prop.u8(14, maximum=15, help="ISA interrupt number")
    carries = drives.TYPES

    ver = Prop.str("1.0", help="firmware version that the drives report")
    absent_idle = Prop.bool(
        False, name="x-absent-drives-idle", help="drives that are not there are idle in saved states, as in QEMU's"
    )

    channels = State.records(Channel, 1, sent=False)
    channel = State.link(Channel, None, lambda chip: chip.channels[0], name="bus")
    drives0 = State.link(Unit, 2, lambda chip: chip.channels[0].units, name="bus.ifs")

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
        """Put a drive into position *unit* (channel is 0), before realize. Raises ConfigError."""
        position = unit + (2 if self.iobase == SECONDARY else 0)
        label = drives.label(kind, drive, position, serial, ver or self.ver, model)
        return drives.attach_drive(self.channels, channel, unit, drive, kind, label, geometry)

    def realize(self, bus: Bus) -> None:
        channel = self.channels[0]
        channel.connect(bus.irq(self.irq), bus.clock, self.guest_error)
        channel.map_ports(bus.ports, self.iobase, self.iobase2, self)

    def reset(self) -> None:
        self.reset_fields()
        self.channels[0].power_on()
        self.refresh()

    def before_save(self) -> None:
        self.channels[0].forget_transfer()

    def check(self) -> None:
        self.channels[0].check_units(self.absent_idle)

    def refresh(self) -> None:
        self.channels[0].refresh()
