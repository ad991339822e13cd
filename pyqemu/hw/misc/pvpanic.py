"""A port by which a guest says that it has crashed, device type ``pvpanic``.

Source   QEMU's specification docs/specs/pvpanic.txt
Ports    ioport, one byte: reads give the events that are understood; writing 1 says that the guest has
         panicked, 2 that its crash kernel is being loaded
IRQ      none
Errors   realize() raises ConfigError if the port is taken; unknown bits are logged
Missing  nothing
"""

from __future__ import annotations

from pyqemu.core.bus import Bus
from pyqemu.core.device import IsaDevice, Prop

PANICKED = 0x01
CRASH_LOADED = 0x02
EVENTS = PANICKED | CRASH_LOADED


class PvPanic(IsaDevice, type="pvpanic"):
    ioport = Prop.u16(0x505, help="the I/O port")
    events = Prop.u8(EVENTS, help="events that the guest is told of")

    def realize(self, bus: Bus) -> None:
        bus.ports.map(self.ioport, 1, self._read, self._write, owner=self)

    def _read(self, _offset: int) -> int:
        return self.events

    def _write(self, _offset: int, value: int) -> None:
        if value & ~EVENTS:
            self.guest_error(f"unknown event {value:#04x}")
        if value & PANICKED:
            self.bus.power.report_panic("panicked")
        elif value & CRASH_LOADED:
            self.bus.power.report_panic("crashloaded")
