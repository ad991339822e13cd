"""The backend ``udp``: what the guest sends goes out as datagrams, what comes from that peer is its input.

A datagram that finds no receiver is lost, as datagrams are.
"""

from __future__ import annotations

import contextlib
import socket

from pyqemu.chardev import Backend
from pyqemu.chardev.address import resolve
from pyqemu.core.errors import ConfigError
from pyqemu.core.events import EventLoop

DATAGRAM_BYTES = 65536
COLLECT_BYTES = 1024  # a datagram of ours, at most


class UdpChardev(Backend):
    def __init__(
        self, host: str, port: str, loop: EventLoop, *, local_host: str = "", local_port: str = "", family: int = 0
    ) -> None:
        """*family*: ``socket.AF_INET``, ``AF_INET6`` or 0 for either. Raises ConfigError."""
        super().__init__("udp")
        peer = resolve(host or "localhost", port, socket.SOCK_DGRAM, family)[0]
        self._socket = socket.socket(peer.family, socket.SOCK_DGRAM)
        try:
            self._socket.setblocking(False)
            if local_host or local_port:
                local = resolve(local_host, local_port or "0", socket.SOCK_DGRAM, peer.family, passive=True)[0]
                self._socket.bind(local.address)
            self._socket.connect(peer.address)
        except OSError as error:
            self._socket.close()
            raise ConfigError(f"Failed to bind socket: {error.strerror}") from None
        except ConfigError:
            self._socket.close()
            raise
        self._loop = loop
        self._pending = bytearray()
        self._watching = False
        self._idle_asked = False

    def write(self, data: bytes) -> int:
        self._pending += data
        if len(self._pending) >= COLLECT_BYTES or b"\n" in data:
            self.flush()
        elif not self._idle_asked:
            self._idle_asked = True
            self._loop.call_idle(self._idle)
        return len(data)

    def _idle(self) -> None:
        self._idle_asked = False
        self.flush()

    def flush(self) -> None:
        while self._pending:
            with contextlib.suppress(OSError):  # nobody there, or no room: the datagram is lost
                self._socket.send(self._pending[:COLLECT_BYTES])
            del self._pending[:COLLECT_BYTES]

    def accept_input(self) -> None:
        super().accept_input()
        if not self._watching and not self._held and self._socket.fileno() >= 0 and self._can_receive() > 0:
            self._loop.add_reader(self._socket.fileno(), self._readable)
            self._watching = True

    def _readable(self) -> None:
        if self._held:
            self._unwatch()  # datagrams wait in the host, which drops those that do not fit
            return
        try:
            self._held += self._socket.recv(DATAGRAM_BYTES)
        except OSError:  # also an answer that the peer does not listen
            return
        Backend.accept_input(self)
        if self._held:
            self._unwatch()

    def _unwatch(self) -> None:
        if self._watching:
            self._watching = False
            self._loop.remove_reader(self._socket.fileno())

    def close(self) -> None:
        if self._socket.fileno() >= 0:
            self.flush()
            self._unwatch()
            self._socket.close()
