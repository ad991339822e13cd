"""The connection of a monitor: a character backend with a bounded way out.

A client that sends faster than it reads is not read from until it catches up; one that does not read at all is cut
off when the events it has not seen fill its buffer. The machine never waits for a monitor.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pyqemu.core.messages import warn

INPUT_BYTES = 4096  # taken at a time, so that a long input does not hold up the machine
SLOW_BYTES = 1 << 18  # waiting to be read: no more commands until the client reads
OUTPUT_BYTES = 1 << 22  # waiting to be read: the client is given up


class Link:
    """*chardev* is a ``pyqemu.chardev.Chardev``. Its ``on_open`` and ``on_close`` say that a client has come or
    gone; one without ``is_open`` is always open. ``receive`` gets what the client sends."""

    def __init__(
        self,
        chardev: Any,
        name: str,
        *,
        receive: Callable[[bytes], None],
        opened: Callable[[], None],
        closed: Callable[[], None],
    ) -> None:
        self.name = name
        self.is_open = False
        self.is_busy: Callable[[], bool] = lambda: False
        """Whether a command goes on, so that no other is taken."""
        self._chardev = chardev
        self._opened = opened
        self._closed = closed
        self._unsent = bytearray()
        self._receive = receive
        chardev.on_writable = self._flush

    def start(self) -> None:
        """Join the backend; clients may come from now on."""
        chardev = self._chardev
        chardev.on_open, chardev.on_close = self._open, self._close
        chardev.connect(self._receive, self._room)  # no room, and so no input, before it is open
        if getattr(chardev, "is_open", True):
            self._open()

    def take_fds(self) -> list[int]:
        """Descriptors that the client has sent along."""
        take = getattr(self._chardev, "take_fds", None)
        return list(take()) if take else []

    def send(self, data: bytes) -> None:
        """Bytes for the client, in order."""
        if not self.is_open:
            return
        self._unsent += data
        self._flush()
        if len(self._unsent) > OUTPUT_BYTES:
            warn("the client does not read; it is disconnected", self.name)
            self._unsent.clear()
            self.disconnect()

    def disconnect(self) -> None:
        """End the connection, if the backend has any; the next client may come."""
        end = getattr(self._chardev, "disconnect", None)
        if end is not None and self.is_open:
            end()

    def accept_input(self) -> None:
        """There is room for commands again."""
        self._chardev.accept_input()

    def _room(self) -> int:
        return INPUT_BYTES if self.is_open and len(self._unsent) < SLOW_BYTES and not self.is_busy() else 0

    def _flush(self) -> None:
        if not self._unsent:
            return
        was_slow = len(self._unsent) >= SLOW_BYTES
        del self._unsent[: self._chardev.write(bytes(self._unsent))]
        flush = getattr(self._chardev, "flush", None)
        if flush is not None:
            flush()
        if was_slow and len(self._unsent) < SLOW_BYTES:
            self._chardev.accept_input()

    def _open(self) -> None:
        if not self.is_open:
            self.is_open = True
            self._unsent.clear()
            self._opened()
            self._chardev.accept_input()

    def _close(self) -> None:
        if self.is_open:
            self.is_open = False
            self._unsent.clear()
            self._closed()
