"""A port that ends the emulator, device type ``isa-debug-exit``: for test guests without power management.

Ports    iobase..iobase+iosize-1, accesses of any width up to iosize; reads give 0
Effect   writing *v* ends the process with status ``v << 1 | 1``, of which the host keeps eight bits;
         so no status that a guest can choose is 0
"""

from __future__ import annotations

from typing import Any

from pyqemu.core.device import IsaDevice, Prop


class DebugExit(IsaDevice, type="isa-debug-exit"):
    iobase = Prop.u16(0x501, help="first I/O port")
    iosize = Prop.u8(2, minimum=1, help="number of I/O ports")

    def realize(self, bus: Any) -> None:
        widths = [width for width in (1, 2, 4) if width <= self.iosize]
        bus.ports.map_wide(self.iobase, self.iosize, self.read, self.write, owner=self, widths=widths)

    def read(self, _width: int, _offset: int) -> int:
        return 0

    def write(self, _width: int, _offset: int, value: int) -> None:
        self.bus.power.request_exit((value << 1 | 1) & 0xFF)
