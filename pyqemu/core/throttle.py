"""News that a guest could make all the time, passed on in moderation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pyqemu.core.events import EventLoop

INTERVAL_S = 1.0


class Throttle:
    """``set(value)`` calls ``report(value)`` at once, or with the newest value when a second has passed since the
    last call."""

    def __init__(self, loop: EventLoop, report: Callable[[Any], None]) -> None:
        self._loop = loop
        self._report = report
        self._resting = False
        self._waiting: list[Any] = []

    def set(self, value: Any) -> None:
        if self._resting:
            self._waiting = [value]
        else:
            self._resting = True
            self._loop.call_later(INTERVAL_S, self._rested)
            self._report(value)

    def _rested(self) -> None:
        waiting, self._waiting = self._waiting, []
        self._resting = False
        for value in waiting:
            self.set(value)
