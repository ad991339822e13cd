"""Bursts of keys arrive whole, at the guest's pace."""

from __future__ import annotations

from collections import deque

from pyqemu.core.clock import Clock
from pyqemu.display.typist import HELD_EVENTS, PAUSE_NS, Typist


class Keyboard:
    """A queue of 16 bytes that loses what does not fit; one byte an event."""

    def __init__(self) -> None:
        self.keys: deque[int] = deque()
        self.lost = 0
        self.seen: list[tuple[str, bool]] = []

    def press(self, name: str, down: bool) -> None:
        self.seen.append((name, down))
        if len(self.keys) < 16:
            self.keys.append(0)
        else:
            self.lost += 1


def test_a_burst_arrives_whole_and_in_order():
    clock, keyboard = Clock(source=None), Keyboard()
    typist = Typist(keyboard, clock)
    burst = [(letter, down) for letter in "the quick brown fox" for down in (True, False)]
    for event in burst:
        typist.type(*event)
    assert len(keyboard.seen) < len(burst)
    for _ in range(100):
        keyboard.keys.clear()
        clock.advance(PAUSE_NS)
    assert keyboard.seen == burst
    assert keyboard.lost == 0


def test_a_guest_that_never_reads_does_not_fill_the_host():
    clock, keyboard = Clock(source=None), Keyboard()
    typist = Typist(keyboard, clock)
    for _ in range(2 * HELD_EVENTS):
        typist.type("a", True)
    clock.advance(PAUSE_NS)
    while clock.next_deadline() < 1 << 60 and len(keyboard.seen) < 3 * HELD_EVENTS:
        keyboard.keys.clear()
        clock.advance(PAUSE_NS)
    assert len(keyboard.seen) <= HELD_EVENTS + 16
