"""Host names and ports, and Unix paths, as options write them → addresses of sockets."""

from __future__ import annotations

import socket
from typing import Any, NamedTuple

from pyqemu.core.errors import ConfigError

UNIX_PATH_BYTES = 107


class Address(NamedTuple):
    family: int
    address: Any  # as the socket module takes it

    def __str__(self) -> str:
        if self.family == socket.AF_UNIX:
            return _unix_text(self.address)
        host, port = self.address[:2]
        return f"{host}:{port}" if ":" not in host else f"[{host}]:{port}"


def resolve(host: str, port: str, kind: int, family: int = 0, *, passive: bool = False) -> list[Address]:
    """The addresses of *host*, in the host's order of preference. Raises ConfigError."""
    flags = socket.AI_PASSIVE if passive else 0
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    if port.isdecimal() and int(port) > 0xFFFF:
        raise ConfigError(
            f"address resolution failed for {host}:{port}: port is out of range", "Accepted: 0 to 65535."
        )
    try:
        found = socket.getaddrinfo(host or None, port, family, kind, 0, flags)
    except (socket.gaierror, UnicodeError, ValueError) as error:
        reason = error.strerror if isinstance(error, socket.gaierror) else "Name or service not known"
        raise ConfigError(f"address resolution failed for {host}:{port}: {reason}") from None
    addresses = [Address(entry[0], entry[4]) for entry in found]
    if passive and not host and not family:
        addresses.sort(key=lambda address: address.family != socket.AF_INET6)  # it takes IPv4, too
    return addresses


def unix_address(path: str, *, abstract: bool = False, tight: bool = True) -> Address:
    """A Unix socket; *abstract* names are not in the file system. Raises ConfigError."""
    raw = path.encode("utf-8", "surrogateescape")
    if abstract:
        raw = b"\0" + raw
        if not tight:
            raw = raw.ljust(UNIX_PATH_BYTES + 1, b"\0")
    if len(raw) > UNIX_PATH_BYTES + abstract:
        raise ConfigError(
            f"UNIX socket path '{path}' is too long", f"Path must be less than {UNIX_PATH_BYTES + 1} bytes"
        )
    if not abstract and b"\0" in raw:
        raise ConfigError("UNIX socket path contains a null byte")
    return Address(socket.AF_UNIX, raw if abstract else path)


def _unix_text(address: Any) -> str:
    if isinstance(address, bytes):
        return "@" + address[1:].rstrip(b"\0").decode("utf-8", "replace")
    return str(address)
