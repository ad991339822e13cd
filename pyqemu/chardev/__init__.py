"""Character backends: the host's side of a serial or parallel line, or of a monitor.

A device connects once and then calls ``write``; the backend calls ``receive`` with bytes from outside, never
more than ``can_receive()`` says there is room for. After making room the device calls ``accept_input()``.

A backend also tells its device what happens outside, where the device has set a callback: ``on_writable`` (room
again after a short write), ``on_break`` (a break arrived), ``on_open`` and ``on_close`` (somebody came, or left).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

UNLIMITED = 1 << 16

Receive = Callable[[bytes], None]
Callback = Callable[[], None]


class Chardev(Protocol):
    def connect(self, receive: Receive, can_receive: Callable[[], int] = lambda: UNLIMITED) -> None:
        """Join the device: where bytes from outside go, and how many it can take now."""

    def write(self, data: bytes) -> int:
        """Send bytes out; returns how many were taken (fewer when the other side is slow)."""

    def accept_input(self) -> None:
        """The device has room again: deliver what was held back."""


class Backend:
    """What all backends have. By itself it is one that never has input and always somebody there.

    ``label`` is the id it is known by, ``filename`` says where it goes, as ``info chardev`` shows it, ``is_open``
    whether somebody is at the other end, ``on_terminal`` whether it is the terminal that we were started from.
    """

    on_terminal = False

    def __init__(self, filename: str) -> None:
        self.label = ""
        self.filename = filename
        self.is_open = True
        self.on_writable: Callback | None = None
        self.on_break: Callback | None = None
        self.on_open: Callback | None = None
        self.on_close: Callback | None = None
        self._held = bytearray()  # from outside, until the device has room
        self._receive: Receive = lambda _data: None
        self._can_receive: Callable[[], int] = lambda: 0

    def connect(self, receive: Receive, can_receive: Callable[[], int] = lambda: UNLIMITED) -> None:
        self._receive, self._can_receive = receive, can_receive
        if self.is_open and self.on_open is not None:
            self.on_open()
        self.accept_input()

    def write(self, data: bytes) -> int:
        raise NotImplementedError

    def accept_input(self) -> None:
        held = self._held
        while held and (room := self._can_receive()) > 0:
            piece = bytes(held[:room])
            del held[:room]
            self._receive(piece)

    def flush(self) -> None:
        """Hand what is collected to the host."""

    def close(self) -> None:
        """Give back what the host lent. Safe to call twice."""

    def _writable(self) -> None:
        if self.on_writable is not None:
            self.on_writable()

    def _opened(self) -> None:
        if self.on_open is not None:
            self.on_open()

    def _closed(self) -> None:
        if self.on_close is not None:
            self.on_close()


class BufferChardev(Backend):
    """A backend for tests: keeps what the guest sends in ``sent``, delivers what ``send()`` is given."""

    def __init__(self) -> None:
        super().__init__("buffer")
        self.sent = bytearray()

    def write(self, data: bytes) -> int:
        self.sent += data
        return len(data)

    def send(self, data: bytes) -> None:
        """Bytes from outside."""
        self._held += data
        self.accept_input()


class NullChardev(Backend):
    """Takes everything, keeps nothing, sends nothing (``-serial null``)."""

    def __init__(self) -> None:
        super().__init__("null")

    def write(self, data: bytes) -> int:
        return len(data)
