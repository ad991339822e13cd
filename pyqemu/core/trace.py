"""Trace events: what chips and the machine do, told as it happens (``-trace``, ``trace-event``).

An event stands beside the code that tells it: ``if EVENT.on: EVENT(values)``, so that one that is off costs a look.
Names and texts are QEMU's where the event is. They go where ``-d`` logs go, each with the process id and the time.
"""

from __future__ import annotations

import fnmatch
import logging
import os
import time

log = logging.getLogger("pyqemu.trace")


class Event:
    """*form*: a %-format for the values it is called with."""

    __slots__ = ("form", "name", "on")

    def __init__(self, name: str, form: str) -> None:
        self.name, self.form = name, form
        self.on = False

    def __call__(self, *values: object) -> None:
        now = time.time_ns() // 1000
        log.info("%d@%d.%06d:%s %s", os.getpid(), now // 10**6, now % 10**6, self.name, self.form % values)


_events: dict[str, Event] = {}
_switched: list[tuple[str, bool]] = []  # for events whose modules come later


def event(name: str, form: str) -> Event:
    """Define an event."""
    made = _events[name] = Event(name, form)
    for pattern, on in _switched:
        if fnmatch.fnmatchcase(name, pattern):
            made.on = on
    return made


def events(pattern: str = "*") -> list[Event]:
    """Those that are known, by name."""
    return [_events[name] for name in sorted(_events) if fnmatch.fnmatchcase(name, pattern)]


def switch(pattern: str, on: bool) -> None:
    """Turn events on or off, those that are not known yet as well."""
    _switched.append((pattern, on))
    for each in events(pattern):
        each.on = on


def forget() -> None:
    """All events are off."""
    _switched.clear()
    for each in _events.values():
        each.on = False
