"""Character backends: the host's side of a serial or parallel line.

A device connects once and then calls ``write``; the backend calls ``receive`` with bytes from outside, never
more than ``can_receive()`` says there is room for. After making room the device calls ``accept_input()``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class Chardev(Protocol):
    def connect(self, receive: Callable[[bytes], None], can_receive: Callable[[], int] = lambda: 1 << 16) -> None:
        """Join the device: where bytes from outside go, and how many it can take now."""

    def write(self, data: bytes) -> int:
        """Send bytes out; returns how many were taken (fewer when the other side is slow)."""

    def accept_input(self) -> None:
        """The device has room again: deliver what was held back."""


class BufferChardev:
    """A backend for tests: keeps what the guest sends in ``sent``, delivers what ``send()`` is given."""

    def __init__(self) -> None:
        self.sent = bytearray()
        self._held = bytearray()
        self._receive: Callable[[bytes], None] = lambda _data: None
        self._can_receive: Callable[[], int] = lambda: 0

    def connect(self, receive: Callable[[bytes], None], can_receive: Callable[[], int] = lambda: 1 << 16) -> None:
        self._receive, self._can_receive = receive, can_receive
        self.accept_input()

    def write(self, data: bytes) -> int:
        self.sent += data
        return len(data)

    def send(self, data: bytes) -> None:
        """Bytes from outside."""
        self._held += data
        self.accept_input()

    def accept_input(self) -> None:
        while self._held and (room := self._can_receive()) > 0:
            piece, self._held = bytes(self._held[:room]), self._held[room:]
            self._receive(piece)


class NullChardev(BufferChardev):
    """Takes everything, keeps nothing, sends nothing (``-serial null``)."""

    def write(self, data: bytes) -> int:
        return len(data)
