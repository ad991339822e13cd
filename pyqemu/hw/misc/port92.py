"""System control port A, device type ``port92``: fast reset and A20.

Source   IBM PS/2 Model 50/60 technical reference, port 92; 82371SB (PIIX3) datasheet
Port     92: bit 0 resets the machine when it goes from 0 to 1, bit 1 opens A20; the rest is storage
Output   ``a20_line``, which the board connects
"""

from __future__ import annotations

from typing import Any

from pyqemu.core.device import IsaDevice, State
from pyqemu.core.lines import Line

PORT = 0x92
FAST_RESET = 0x01
A20 = 0x02


class Port92(IsaDevice, type="port92"):
    outport = State.u8(0)

    a20_line: Line | None = None

    def realize(self, bus: Any) -> None:
        bus.ports.map_each(PORT, [(self.read, self.write)], owner=self)
        # QEMU's board shows the register in both halves of a word.
        bus.ports.map(PORT, 1, self.read_word, self.write_word, owner=self, width=2)

    def refresh(self) -> None:
        if self.a20_line is not None:
            self.a20_line.set(self.outport & A20)

    def read(self, _offset: int) -> int:
        return self.outport

    def write(self, _offset: int, value: int) -> None:
        before, self.outport = self.outport, value
        self.refresh()
        if value & ~before & FAST_RESET:
            self.bus.power.request_reset()

    def read_word(self, _offset: int) -> int:
        return self.outport * 0x0101

    def write_word(self, _offset: int, value: int) -> None:
        self.write(0, value & 0xFF)
