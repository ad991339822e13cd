"""Where a state goes to and comes from: the URIs of ``migrate`` and ``-incoming``.

    tcp:[host]:port   unix:path   exec:command   fd:number-or-name   file:path[,offset=n]   defer (incoming only)

Errors   ConfigError in QEMU's wording for a URI that cannot be; MigrationError for a host that refuses
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import stat
import subprocess
from collections.abc import Mapping

from pyqemu.core.errors import ConfigError
from pyqemu.core.sizes import parse_size
from pyqemu.migration.errors import MigrationError

SCHEMES = ("tcp", "unix", "exec", "fd", "file")
CONNECT_TIMEOUT_S = 30
SHELL = "/bin/sh"


def check_uri(uri: str, *, incoming: bool) -> tuple[str, str]:
    """The URI's protocol and the rest. Raises ConfigError."""
    if incoming and uri == "defer":
        return "defer", ""
    scheme, colon, rest = uri.partition(":")
    if not colon or scheme not in SCHEMES:
        hint = f"Accepted: {', '.join(f'{name}:' for name in SCHEMES)}{' defer' if incoming else ''}"
        if incoming:
            raise ConfigError(f"unknown migration protocol: {uri}", hint)
        raise ConfigError("Parameter 'uri' expects a valid migration protocol", f"The value was '{uri}'. {hint}")
    if scheme == "tcp":
        _address(rest)
    elif scheme == "file":
        _file(rest)
    elif not rest:
        raise ConfigError(f"{scheme}: needs something behind the colon", f"The value was '{uri}'.")
    return scheme, rest


class Channel:
    """One end of a transport: a descriptor of ours.

    ``process`` is the command that reads or writes it; ``watchable`` whether it can be waited for.
    """

    def __init__(self, fd: int, title: str, process: subprocess.Popen[bytes] | None = None) -> None:
        self.fd = fd
        self.title = title  # for messages: "write to command"
        self.process = process
        self._abandoned = False
        self.watchable = not stat.S_ISREG(os.fstat(fd).st_mode)

    def read(self, size: int) -> bytes:
        """Wait for data; empty at the end. Raises MigrationError."""
        try:
            return os.read(self.fd, size)
        except OSError as error:
            raise MigrationError(f"Unable to read from {self.title}: {error.strerror}") from None

    def close(self) -> None:
        if self.fd >= 0:
            fd, self.fd = self.fd, -1
            os.close(fd)

    def abandon(self, grace_s: float = 0) -> None:
        """Close, and end the command with all that it started: its work is of no use any more.

        It may end by itself within *grace_s*, and then its status says why.
        """
        self.close()
        if self.process is None:
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(grace_s)
            return
        self._abandoned = True
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGTERM)  # it leads a session of its own
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(1)

    def failure(self, limit_s: float | None = None) -> str:
        """What the command, which has ended or will within *limit_s*, says against success; empty: nothing."""
        if self.process is None or self._abandoned:
            return ""
        try:
            status = self.process.wait(limit_s)
        except subprocess.TimeoutExpired:
            self.abandon()
            return "command did not end"
        if status == 0:
            return ""
        return f"command exited with status {status}" if status > 0 else f"command was killed by signal {-status}"


def open_sink(uri: str, fds: Mapping[str, int] | None = None) -> Channel:
    """Connect to where the state goes. May take as long as the host does. Raises ConfigError, MigrationError."""
    scheme, rest = check_uri(uri, incoming=False)
    if scheme == "exec":
        process = _spawn(rest, stdin=subprocess.PIPE)
        assert process.stdin is not None
        return Channel(_take(process.stdin.fileno(), process.stdin), "command", process)
    if scheme == "fd":
        return Channel(_descriptor(rest, fds or {}), "descriptor")
    if scheme == "file":
        path, offset = _file(rest)
        try:
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | (0 if offset else os.O_TRUNC), 0o600)
            os.lseek(fd, offset, os.SEEK_SET)
        except OSError as error:
            raise MigrationError(f"Could not open '{path}': {error.strerror}") from None
        return Channel(fd, f"'{path}'")
    peer = _connect(scheme, rest)
    return Channel(peer.detach(), "socket")


def listen(uri: str) -> socket.socket | None:
    """A listening socket for tcp: and unix:, None for the others. Raises MigrationError."""
    scheme, rest = check_uri(uri, incoming=True)
    if scheme not in ("tcp", "unix"):
        return None
    try:
        if scheme == "unix":
            server = socket.socket(socket.AF_UNIX)
            with contextlib.suppress(FileNotFoundError):
                if stat.S_ISSOCK(os.lstat(rest).st_mode):
                    os.unlink(rest)
            server.bind(rest)
        else:
            host, port = _address(rest)
            family, kind, protocol, _, address = socket.getaddrinfo(
                host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )[0]
            server = socket.socket(family, kind, protocol)
            server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            server.bind(address)
        server.listen(1)
    except OSError as error:
        raise MigrationError(f"Failed to bind socket to {rest}: {error.strerror or error}") from None
    return server


def open_source(uri: str, fds: Mapping[str, int] | None = None) -> Channel:
    """What the state comes from, for exec:, fd: and file:. Raises ConfigError, MigrationError."""
    scheme, rest = check_uri(uri, incoming=True)
    if scheme == "exec":
        process = _spawn(rest, stdout=subprocess.PIPE)
        assert process.stdout is not None
        return Channel(_take(process.stdout.fileno(), process.stdout), "command", process)
    if scheme == "fd":
        return Channel(_descriptor(rest, fds or {}), "descriptor")
    path, offset = _file(rest)
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        os.set_blocking(fd, True)
        if offset:
            os.lseek(fd, offset, os.SEEK_SET)
    except OSError as error:
        raise MigrationError(f"Could not open '{path}': {error.strerror}") from None
    return Channel(fd, f"'{path}'")


def _spawn(command: str, **pipe: int) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen([SHELL, "-c", command], start_new_session=True, **pipe)  # type: ignore[call-overload,no-any-return]
    except OSError as error:
        raise MigrationError(f"Could not run {SHELL}: {error.strerror}") from None


def _take(fd: int, stream: object) -> int:
    """A descriptor of our own in place of the one that a Python file would close."""
    ours = os.dup(fd)
    stream.close()  # type: ignore[attr-defined]
    return ours


def _descriptor(text: str, fds: Mapping[str, int]) -> int:
    """A number, or a name that the monitor's getfd gave one."""
    if text.isdecimal():
        fd = int(text)
    elif text in fds:
        fd = fds[text]
    else:
        raise ConfigError(f"File descriptor named '{text}' has not been found")
    try:
        ours = os.dup(fd)
    except OSError:
        raise MigrationError(f"fd:{text}: Bad file descriptor") from None
    return ours


def _address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    port = port.split(",")[0]
    if not colon or not port.isdecimal() or int(port) > 0xFFFF:
        raise ConfigError(f"error parsing address '{text}'", "Accepted: tcp:host:port.")
    return host.strip("[]"), int(port)


def _connect(scheme: str, rest: str) -> socket.socket:
    try:
        if scheme == "unix":
            peer = socket.socket(socket.AF_UNIX)
            peer.settimeout(CONNECT_TIMEOUT_S)
            peer.connect(rest)
        else:
            host, port = _address(rest)
            peer = socket.create_connection((host or "localhost", port), CONNECT_TIMEOUT_S)
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
        raise MigrationError(f"Failed to connect to '{rest}': {reason}") from None
    peer.settimeout(None)
    return peer


def _file(text: str) -> tuple[str, int]:
    path, comma, rest = text.partition(",offset=")
    if not path:
        raise ConfigError("file: needs a path", f"The value was 'file:{text}'.")
    if not comma:
        return path, 0
    return path, parse_size(rest, "file: offset")
