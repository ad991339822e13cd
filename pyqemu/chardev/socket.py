"""The backend ``socket``: a serial line or a monitor on a Unix or TCP socket, as a server or as a client.

A server takes one client at a time; others wait in the host's queue until it leaves. A client connects when the
machine is built, or with ``reconnect`` whenever the server is there. TCP lines may speak telnet or WebSocket.

Limits   a peer that does not finish the WebSocket handshake is dropped after HANDSHAKE_S; 4 KiB of input wait
         for the guest and 64 KiB of output for the peer; at most FDS_LIMIT descriptors are taken from a message
Errors   ConfigError when the socket cannot be made; later the line is merely unconnected
"""

from __future__ import annotations

import array
import contextlib
import errno
import logging
import os
import select
import socket
import stat
from collections.abc import Callable
from dataclasses import dataclass

from pyqemu.chardev.address import Address
from pyqemu.chardev.stream import StreamChardev
from pyqemu.core.errors import ConfigError
from pyqemu.core.events import EventLoop, Later
from pyqemu.core.messages import report
from pyqemu.core.wakeup import Wakeup

HANDSHAKE_S = 10.0
CLOSE_S = 0.2  # for the last bytes to a peer that has closed its end
FDS_LIMIT = 16
KEEPALIVE = ((socket.TCP_KEEPIDLE, 60), (socket.TCP_KEEPINTVL, 10), (socket.TCP_KEEPCNT, 6))

log = logging.getLogger("pyqemu.chardev")


@dataclass(frozen=True)
class SocketOptions:
    """*addresses*: in the order they are tried; empty with *fd*, a socket that the process was started with."""

    addresses: tuple[Address, ...] = ()
    fd: int = -1
    server: bool = False
    wait: bool = True
    protocol: str = "tcp"  # tcp, telnet or websocket: what is spoken on it
    reconnect_s: int = 0
    to_port: int = 0  # a server may take a port up to this one


class SocketChardev(StreamChardev):
    """*about*, the option, begins the line that is printed while waiting for a client."""

    def __init__(self, options: SocketOptions, loop: EventLoop, about: str = "") -> None:
        """Raises ConfigError: the socket cannot be had."""
        super().__init__("socket", loop)
        self.options = options
        self._about = f"{about}: " if about else ""
        self._socket: socket.socket | None = None  # to the peer
        self._listener: socket.socket | None = None
        self._accepting = False
        self._connecting: socket.socket | None = None
        self._later: Later | None = None  # the next try, or the end of patience
        self._told = False  # that there is no server
        self._fds: list[int] = []
        self._unlink: tuple[str, int] | None = None  # path and inode of a socket that we made
        self._decoder: Callable[[bytes], bytes] = lambda data: data
        self.is_open = False
        self._end_closed = False
        self._name = ""
        self._is_unix = bool(options.addresses) and options.addresses[0].family == socket.AF_UNIX
        try:
            self._start()
        except BaseException:
            self.close()
            raise

    def _start(self) -> None:
        options = self.options
        if options.server:
            self._listener = self._take_fd() if options.fd >= 0 else self._listen()
            self._listener.setblocking(False)
            self._set_name(self._listener.getsockname())
            if options.wait:
                self._wait_for_client()
            else:
                self._accept_next()
        elif options.fd >= 0:
            self._begin(self._take_fd())
        else:
            self._name = str(options.addresses[0])
            self.filename = f"disconnected:{self._prefix()}{self._name}"
            if options.reconnect_s:
                self._try_to_connect()
            else:
                self._begin(self._connect())

    # -- making sockets -------------------------------------------------------------------------------

    def _take_fd(self) -> socket.socket:
        try:
            taken = socket.socket(fileno=self.options.fd)
        except (OSError, OverflowError):
            raise ConfigError(f"File descriptor '{self.options.fd}' is not a socket") from None
        taken.set_inheritable(False)
        listens = taken.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        if taken.type != socket.SOCK_STREAM or bool(listens) != self.options.server:
            taken.detach()
            raise ConfigError(
                f"File descriptor '{self.options.fd}' is not a "
                f"{'listening' if self.options.server else 'connected'} stream socket"
            )
        return taken

    def _listen(self) -> socket.socket:
        reason, last = "", self.options.addresses[0]
        for address in self._listening_addresses():
            last = address
            try:
                return self._listen_at(address)
            except OSError as error:
                reason = error.strerror or str(error)
        if last.family == socket.AF_UNIX:
            raise ConfigError(f"Failed to bind socket to {last}: {reason}")
        raise ConfigError(f"Failed to find an available port: {reason}", f"The address was {last}.")

    def _listening_addresses(self) -> list[Address]:
        addresses = list(self.options.addresses)
        for address in self.options.addresses if self.options.to_port else ():
            host, port, *rest = address.address
            addresses += [
                Address(address.family, (host, other, *rest)) for other in range(port + 1, self.options.to_port + 1)
            ]
        return addresses

    def _listen_at(self, address: Address) -> socket.socket:
        made = socket.socket(address.family, socket.SOCK_STREAM)
        try:
            if address.family == socket.AF_UNIX:
                _remove_old_socket(address.address)
            else:
                made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if address.family == socket.AF_INET6 and address.address[0] == "::":
                made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            made.bind(address.address)
            if isinstance(address.address, str) and address.family == socket.AF_UNIX:
                self._unlink = (os.path.abspath(address.address), os.stat(address.address).st_ino)
            made.listen(1)
        except OSError:
            made.close()
            raise
        return made

    def _connect(self) -> socket.socket:
        reason, last = "", self.options.addresses[0]
        for address in self.options.addresses:
            made, last = socket.socket(address.family, socket.SOCK_STREAM), address
            try:
                made.connect(address.address)
                return made
            except OSError as error:
                made.close()
                reason = error.strerror or str(error)
        raise ConfigError(f"Failed to connect to '{last}': {reason}")

    # -- a server's clients ---------------------------------------------------------------------------

    def _wait_for_client(self) -> None:
        """Nothing runs until somebody has connected."""
        listener = self._listener
        assert listener is not None
        with Wakeup() as signals:
            report(f"{self._about}info: QEMU waiting for connection on: {self.filename}")
            while not self.is_open:
                awaited: list[socket.socket | Wakeup] = [self._socket or listener, signals]
                ready = select.select(awaited, [], [], HANDSHAKE_S if self._socket else None)[0]
                if signals in ready:  # its handler has run, and has not ended us
                    signals.drain()
                elif self._socket is None:
                    self._accept()
                elif ready:
                    self._readable()
                else:
                    self._drop()
        self._stop_accepting()

    def _accept_next(self) -> None:
        if self._listener is not None and not self._accepting:
            self._accepting = True
            self._loop.add_reader(self._listener.fileno(), self._accept)

    def _stop_accepting(self) -> None:
        if self._accepting and self._listener is not None:
            self._accepting = False
            self._loop.remove_reader(self._listener.fileno())

    def _accept(self) -> None:
        assert self._listener is not None
        try:
            client = self._listener.accept()[0]
        except OSError:  # it has changed its mind
            return
        self._stop_accepting()
        self._begin(client)

    # -- a client's attempts --------------------------------------------------------------------------

    def _try_to_connect(self, index: int = 0) -> None:
        """Begin to connect without waiting; ``_settled`` goes on."""
        self._later = None
        address = self.options.addresses[index]
        self._connecting = made = socket.socket(address.family, socket.SOCK_STREAM)
        made.setblocking(False)
        error = made.connect_ex(address.address)
        if error in (0, errno.EINPROGRESS):
            self._loop.add_writer(made.fileno(), lambda: self._settled(index))
        else:
            self._failed(index, error)

    def _settled(self, index: int) -> None:
        made = self._connecting
        assert made is not None
        self._loop.remove_writer(made.fileno())
        error = made.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            self._failed(index, error)
        else:
            self._connecting = None
            self._told = False
            self._begin(made)

    def _failed(self, index: int, error: int) -> None:
        assert self._connecting is not None
        self._connecting.close()
        self._connecting = None
        if index + 1 < len(self.options.addresses):
            self._try_to_connect(index + 1)
            return
        if not self._told:
            self._told = True
            address, reason = self.options.addresses[index], os.strerror(error)
            report(f"Unable to connect character device {self.label}: Failed to connect to '{address}': {reason}")
        self._later = self._loop.call_later(self.options.reconnect_s, self._try_to_connect)

    # -- connected ------------------------------------------------------------------------------------

    def _begin(self, peer: socket.socket) -> None:
        peer.setblocking(False)
        self._socket = peer
        self._end_closed = False
        self._is_unix = peer.family == socket.AF_UNIX
        if not self._is_unix:
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for option, seconds in KEEPALIVE:
                peer.setsockopt(socket.IPPROTO_TCP, option, seconds)
        self.filename = f"{self._prefix()}{self._name}{self._server_mark()}{_peer_name(peer)}"
        if self.options.protocol == "websocket":
            self._begin_websocket(peer)
        else:
            output = self._attach(peer.fileno(), peer.fileno())
            output.on_error = lambda _error: self._drop()
            if self.options.protocol == "telnet":
                self._begin_telnet()
            self._ready()

    def _ready(self) -> None:
        self.is_open = True
        if self._later is not None:
            self._later.cancel()
            self._later = None
        self._opened()

    def _begin_telnet(self) -> None:
        from pyqemu.chardev import telnet

        assert self._output is not None
        decoder = telnet.Decoder()

        def decode(data: bytes) -> bytes:
            data, breaks = decoder.decode(data)
            if breaks and self.on_break is not None:
                self.on_break()
            return data

        self._decoder = decode
        self._output.encode = telnet.encode
        if self.options.server:
            self._output.write_raw(telnet.GREETING)

    def _begin_websocket(self, peer: socket.socket) -> None:
        """The device sees the connection after the handshake, for which there is a limit in time."""
        from pyqemu.chardev import websocket

        server = websocket.Server()
        output = self._attach(peer.fileno(), peer.fileno())
        output.on_error = lambda _error: self._drop()
        output.encode = websocket.frame

        def decode(data: bytes) -> bytes:
            try:
                data, replies = server.receive(data)
            except websocket.WebSocketError as error:
                log.info("%s: %s", self.filename, error)
                if not server.ready:
                    output.write_raw(websocket.REFUSAL)
                self._end_closed = True
                return b""
            if replies:
                output.write_raw(replies)
            if server.ready and not self.is_open:
                self._ready()
            self._end_closed |= server.closed
            return data

        self._decoder = decode
        self._later = self._loop.call_later(HANDSHAKE_S, self._drop)

    def write(self, data: bytes) -> int:
        """Without a peer the bytes are lost, as on an unconnected line."""
        output = self._output
        return len(data) if output is None or not self.is_open else output.write(data)

    def disconnect(self) -> None:
        """Send the peer away; a server takes the next one, a client tries again if it is told to."""
        self._held.clear()
        self._drop()

    def take_fds(self) -> list[int]:
        """The descriptors that came last with the input; the caller closes them."""
        fds, self._fds = self._fds, []
        return fds

    def _read(self, count: int) -> bytes:
        assert self._socket is not None
        if self._socket.family != socket.AF_UNIX:
            return self._socket.recv(count)
        space = socket.CMSG_SPACE(FDS_LIMIT * array.array("i").itemsize)
        data, ancillary, _, _ = self._socket.recvmsg(count, space, socket.MSG_CMSG_CLOEXEC)
        for level, kind, content in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                fds = array.array("i")
                fds.frombytes(content[: len(content) - len(content) % fds.itemsize])
                self._close_fds()  # nobody wanted the ones before
                self._fds = list(fds)
        return data

    def _decode(self, data: bytes) -> bytes:
        return self._decoder(data)

    def _readable(self) -> None:
        super()._readable()
        if self._end_closed:
            self._end()

    def _ended(self) -> None:
        self._end()

    def _end(self) -> None:
        """The peer has closed its end: it may still read what we have for it."""
        output = self._output
        if output is not None:
            output.flush()
        self._drop()

    def _drop(self) -> None:
        peer, self._socket = self._socket, None
        if peer is None:
            return
        was_ready, self.is_open = self.is_open, False
        self._detach()
        self._close_fds()
        peer.close()
        self._decoder = lambda data: data
        if self._later is not None:
            self._later.cancel()
            self._later = None
        self.filename = f"disconnected:{self._prefix()}{self._name}{self._server_mark()}"
        if self._listener is not None:
            self._accept_next()
        elif self.options.reconnect_s:
            self._later = self._loop.call_later(self.options.reconnect_s, self._try_to_connect)
        if was_ready:
            self._closed()

    def _close_fds(self) -> None:
        for fd in self.take_fds():
            with contextlib.suppress(OSError):
                os.close(fd)

    def close(self) -> None:
        if self._output is not None and self.is_open:
            self._output.close(CLOSE_S)
        if self._later is not None:
            self._later.cancel()
            self._later = None
        self._stop_accepting()
        listener, self._listener = self._listener, None
        self.on_open = self.on_close = None
        self._drop()
        if self._later is not None:  # a client that would try again
            self._later.cancel()
            self._later = None
        if self._connecting is not None:
            self._loop.remove_writer(self._connecting.fileno())
            self._connecting.close()
            self._connecting = None
        if listener is not None:
            listener.close()
        if self._unlink is not None:
            path, inode = self._unlink
            self._unlink = None
            with contextlib.suppress(OSError):
                if os.lstat(path).st_ino == inode:  # not another's that took the name since
                    os.unlink(path)

    # -- names ----------------------------------------------------------------------------------------

    def _set_name(self, address: object) -> None:
        assert self._listener is not None
        self._is_unix = self._listener.family == socket.AF_UNIX
        self._name = str(Address(self._listener.family, address))
        self.filename = f"disconnected:{self._prefix()}{self._name}{self._server_mark()}"

    def _prefix(self) -> str:
        return "unix:" if self._is_unix else f"{self.options.protocol}:"

    def _server_mark(self) -> str:
        return ",server=on" if self.options.server else ""


def _peer_name(peer: socket.socket) -> str:
    if peer.family == socket.AF_UNIX:
        return ""
    try:
        return f" <-> {Address(peer.family, peer.getpeername())}"
    except OSError:
        return ""


def _remove_old_socket(path: object) -> None:
    """A socket that an earlier run has left at *path*; anything else there is none of our business."""
    if isinstance(path, str):
        with contextlib.suppress(FileNotFoundError):
            if stat.S_ISSOCK(os.lstat(path).st_mode):
                os.unlink(path)
