"""Typing at a speed that the guest can follow.

A terminal delivers a pasted line at once; a PS/2 keyboard holds 16 bytes and drops the rest. The typist keeps
what does not fit and goes on when the guest has read.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from pyqemu.core.clock import Clock

PAUSE_NS = 5_000_000  # between looks at the keyboard's queue
ROOM_BYTES = 8  # the longest code of a key
HELD_EVENTS = 4096  # a guest that never reads must not fill the host


class Typist:
    """Feeds (key, pressed) events to *keyboard*, which has a queue ``keys`` and ``press(name, down)``."""

    def __init__(self, keyboard: Any, clock: Clock) -> None:
        self._keyboard = keyboard
        self._clock = clock
        self._held: deque[tuple[str, bool]] = deque()
        self._timer = clock.timer(self._feed)

    def type(self, name: str, pressed: bool) -> None:
        """Pass an event on now, or as soon as there is room. Beyond HELD_EVENTS the newest are dropped."""
        if len(self._held) < HELD_EVENTS:
            self._held.append((name, pressed))
        if not self._timer.pending:
            self._feed()

    def _feed(self) -> None:
        while self._held and len(self._keyboard.keys) <= ROOM_BYTES:
            self._keyboard.press(*self._held.popleft())
        if self._held:
            self._timer.start(self._clock.now() + PAUSE_NS)
