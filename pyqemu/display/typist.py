"""Typing at a speed that the guest can follow.

A terminal delivers a pasted line at once; a PS/2 keyboard holds 16 bytes and drops the rest. The typist keeps
what does not fit and goes on when the guest has read.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
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
        self._held: deque[tuple[str, bool] | int] = deque()  # a number: wait so many nanoseconds
        self._timer = clock.timer(self._feed)
        self.on_done: Callable[[], None] | None = None
        """Called when everything has been typed."""

    @property
    def is_done(self) -> bool:
        return not self._held

    def type(self, name: str, pressed: bool) -> None:
        """Pass an event on now, or as soon as there is room. Beyond HELD_EVENTS the newest are dropped."""
        if len(self._held) < HELD_EVENTS:
            self._held.append((name, pressed))
        if not self._timer.pending:
            self._feed()

    def press_together(self, names: Sequence[str], hold_ns: int) -> None:
        """Press keys one after the other, hold them, and release them in the opposite order."""
        if len(self._held) + 2 * len(names) >= HELD_EVENTS:
            return
        self._held.extend((name, True) for name in names)
        self._held.append(hold_ns)
        self._held.extend((name, False) for name in reversed(names))
        self._held.append(hold_ns)
        if not self._timer.pending:
            self._feed()

    def _feed(self) -> None:
        while self._held and len(self._keyboard.keys) <= ROOM_BYTES:
            event = self._held.popleft()
            if isinstance(event, int):
                self._timer.start(self._clock.now() + event)
                return
            self._keyboard.press(*event)
        if self._held:
            self._timer.start(self._clock.now() + PAUSE_NS)
        elif self.on_done is not None:
            self.on_done()
