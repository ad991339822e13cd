"""PC speaker and system control port B, device type ``isa-pcspk``.

Source   IBM PC/AT technical reference, port 61; 82371SB (PIIX3) datasheet, NMISC register
Port     iobase: bit 0 gate of timer counter 2, 1 speaker data, 4 refresh toggle, 5 output of counter 2;
         2 and 3 (parity and channel check) and 6, 7 read 0, as on QEMU's board
Units    refresh toggles each 15085 ns of virtual time
Missing  sound output: only the state of the speaker is kept
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pyqemu.core.clock import NS_PER_SECOND
from pyqemu.core.device import IsaDevice, Prop, State
from pyqemu.core.errors import ConfigError
from pyqemu.core.state import Record
from pyqemu.hw.timer.i8254 import PIT_HZ, Channel

REFRESH_NS = 15085
GATE = 0x01
DATA = 0x02
REFRESH = 0x10
OUTPUT = 0x20


class PcSpeaker(IsaDevice, type="isa-pcspk", vmstate="pcspk"):
    iobase = Prop.u16(0x61, help="I/O port")
    migrate = Prop.bool(True, help="whether saved states have a section for the speaker")
    pit = Prop.link(help="the timer whose counter 2 drives the speaker")

    data_on = State.bool(False, wire="uint8")
    dummy_refresh_clock = State.constant("uint8", 0)

    def sections(self) -> list[tuple[str, Record]]:
        return super().sections() if self.migrate else []

    _counter: Channel
    _now: Callable[[], int]

    def realize(self, bus: Any) -> None:
        if self.pit is None:
            raise ConfigError("Property 'isa-pcspk.pit' is missing", "The speaker needs the board's timer.")
        self._counter = self.pit.channels[2]
        self._now = bus.clock.now
        bus.ports.map_each(self.iobase, [(self.read, self.write)], owner=self)

    def reset(self) -> None:
        self.pit.set_gate(2, False)
        super().reset()

    def read(self, _offset: int) -> int:
        """Guests wait in loops on the refresh and output bits."""
        now = self._now()
        counter = self._counter
        value = REFRESH if now // REFRESH_NS & 1 else 0
        if counter.output(now * PIT_HZ // NS_PER_SECOND):
            value |= OUTPUT
        if counter.gate:
            value |= GATE
        return value | DATA if self.data_on else value

    def write(self, _offset: int, value: int) -> None:
        self.data_on = bool(value & DATA)
        self.pit.set_gate(2, bool(value & GATE))
