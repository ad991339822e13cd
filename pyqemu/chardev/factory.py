"""From a checked ChardevConfig to an open backend. Modules are imported for the backends that are asked for."""

from __future__ import annotations

from collections.abc import Callable

from pyqemu.chardev import Backend, NullChardev
from pyqemu.chardev.syntax import is_on
from pyqemu.core.events import EventLoop
from pyqemu.core.sizes import parse_size
from pyqemu.launch import ChardevConfig


def open_backend(config: ChardevConfig, loop: EventLoop, *, signal: bool = True, about: str = "") -> Backend:
    """*signal*: what stdio does with Ctrl-C unless the options say; *about* begins the lines that are printed.

    Raises ConfigError: the host refuses.
    """
    backend = _MAKERS[config.backend](config.values, loop, signal, about)
    backend.label = config.id
    if log_path := config.values.get("logfile"):
        from pyqemu.chardev.log import keep_log

        try:
            keep_log(backend, log_path, loop, append=is_on(config.values, "logappend"))
        except BaseException:
            backend.close()
            raise
    return backend


def _file(values: dict[str, str], loop: EventLoop, _signal: bool, _about: str) -> Backend:
    from pyqemu.chardev.file import FileChardev

    return FileChardev(values["path"], loop, append=is_on(values, "append"))


def _null(_values: dict[str, str], _loop: EventLoop, _signal: bool, _about: str) -> Backend:
    return NullChardev()


def _pipe(values: dict[str, str], loop: EventLoop, _signal: bool, _about: str) -> Backend:
    from pyqemu.chardev.pipe import PipeChardev

    return PipeChardev(values["path"], loop)


def _pty(_values: dict[str, str], loop: EventLoop, _signal: bool, _about: str) -> Backend:
    from pyqemu.chardev.pty import PtyChardev

    return PtyChardev(loop)


def _ringbuf(values: dict[str, str], _loop: EventLoop, _signal: bool, _about: str) -> Backend:
    from pyqemu.chardev.ringbuf import DEFAULT_BYTES, RingbufChardev

    size = values.get("size")
    return RingbufChardev(DEFAULT_BYTES if size is None else parse_size(size, "Parameter 'size'"))


def _stdio(values: dict[str, str], loop: EventLoop, signal: bool, _about: str) -> Backend:
    from pyqemu.chardev.stdio import StdioChardev

    return StdioChardev(loop, signal=is_on(values, "signal", signal))


def _vc(values: dict[str, str], _loop: EventLoop, _signal: bool, _about: str) -> Backend:
    from pyqemu.chardev.vc import VcChardev
    from pyqemu.display.console import COLUMNS, ROWS

    def cells(number: str, dots: str, cell_dots: int, default: int) -> int:
        """As so many cells, or as many as fit into so many dots."""
        return int(values.get(number) or 0) or int(values.get(dots) or 0) // cell_dots or default

    return VcChardev(cells("cols", "width", 8, COLUMNS), cells("rows", "height", 16, ROWS))


def _family(values: dict[str, str]) -> int:
    """One of the two families, if the options leave only one."""
    import socket

    four, six = values.get("ipv4"), values.get("ipv6")
    if four is not None and six is None:
        return socket.AF_INET if is_on(values, "ipv4") else socket.AF_INET6
    if six is not None and four is None:
        return socket.AF_INET6 if is_on(values, "ipv6") else socket.AF_INET
    if four is not None and is_on(values, "ipv4") != is_on(values, "ipv6"):
        return socket.AF_INET if is_on(values, "ipv4") else socket.AF_INET6
    return 0


def _socket(values: dict[str, str], loop: EventLoop, _signal: bool, about: str) -> Backend:
    import socket

    from pyqemu.chardev.address import Address, resolve, unix_address
    from pyqemu.chardev.socket import SocketChardev, SocketOptions

    server = is_on(values, "server")
    addresses: list[Address] = []
    if "path" in values:
        abstract, tight = is_on(values, "abstract"), is_on(values, "tight", True)
        addresses = [unix_address(values["path"], abstract=abstract, tight=tight)]
    elif "fd" not in values:
        host = values.get("host", "")
        if not host and not server:
            host = "localhost"
        addresses = resolve(host, values["port"], socket.SOCK_STREAM, _family(values), passive=server)
    protocol = next((word for word in ("telnet", "websocket") if is_on(values, word)), "tcp")
    options = SocketOptions(
        addresses=tuple(addresses),
        fd=int(values.get("fd", -1)),
        server=server,
        wait=is_on(values, "wait", True),
        protocol=protocol,
        reconnect_s=int(values.get("reconnect", 0)),
        to_port=min(int(values.get("to", 0)), 0xFFFF),
    )
    return SocketChardev(options, loop, about)


def _udp(values: dict[str, str], loop: EventLoop, _signal: bool, _about: str) -> Backend:
    from pyqemu.chardev.udp import UdpChardev

    return UdpChardev(
        values.get("host", ""),
        values["port"],
        loop,
        local_host=values.get("localaddr", ""),
        local_port=values.get("localport", ""),
        family=_family(values),
    )


_MAKERS: dict[str, Callable[[dict[str, str], EventLoop, bool, str], Backend]] = {
    "file": _file,
    "null": _null,
    "pipe": _pipe,
    "pty": _pty,
    "ringbuf": _ringbuf,
    "socket": _socket,
    "stdio": _stdio,
    "udp": _udp,
    "vc": _vc,
}
