"""Character backends, and descriptors from clients."""

from __future__ import annotations

import base64
import binascii
import contextlib
import os
from typing import Any

from pyqemu.core.errors import ConfigError
from pyqemu.core.fdset import fdsets
from pyqemu.launch import ChardevConfig
from pyqemu.monitor.errors import QmpError
from pyqemu.monitor.monitor import Monitor
from pyqemu.monitor.qapi import BOOL, INT, SIZE, STR, U16, Array, Enum, Struct, Type, Union
from pyqemu.monitor.table import Hmp, command

CHARDEV = Struct("ChardevInfo", {"label": STR, "filename": STR, "frontend-open": BOOL})


def show_chardevs(reply: list[dict[str, Any]]) -> str:
    return "".join(f"{entry['label']}: filename={entry['filename']}\n" for entry in reply)


@command(
    "query-chardev",
    returns=Array(CHARDEV),
    hmp=Hmp("info chardev", help="show the character devices", show=show_chardevs),
)
def query_chardev(monitor: Monitor) -> list[dict[str, Any]]:
    return [
        {"frontend-open": True, "filename": backend.filename, "label": label}
        for label, backend in monitor.vm.named_chardevs()
    ]


# -- adding and removing ----------------------------------------------------------------------------------------

_LOG: dict[str, Type] = {"?logfile": STR, "?logappend": BOOL}


def _variant(kind: str, members: dict[str, Type]) -> Struct:
    return Struct(f"Chardev{kind}Wrapper", {"data": Struct(f"Chardev{kind}", members | _LOG)})


_INET = Struct(
    "InetSocketAddress", {"host": STR, "port": STR, "?to": U16, "?ipv4": BOOL, "?ipv6": BOOL, "?numeric": BOOL}
)
_UNIX = Struct("UnixSocketAddress", {"path": STR, "?abstract": BOOL, "?tight": BOOL})
_ADDRESS = Union(
    "SocketAddressLegacy",
    {"type": Enum("SocketAddressType", ("inet", "unix", "fd"))},
    "type",
    {
        "inet": Struct("InetSocketAddressWrapper", {"data": _INET}),
        "unix": Struct("UnixSocketAddressWrapper", {"data": _UNIX}),
        "fd": Struct("FdSocketAddressWrapper", {"data": Struct("FdSocketAddress", {"str": STR})}),
    },
)
_SOCKET: dict[str, Type] = {
    "addr": _ADDRESS, "?server": BOOL, "?wait": BOOL, "?nodelay": BOOL, "?telnet": BOOL, "?websocket": BOOL,
    "?reconnect": INT,
}  # fmt: skip
_VARIANTS = {
    "file": _variant("File", {"out": STR, "?append": BOOL}),
    "null": _variant("Common", {}),
    "pipe": _variant("Hostdev", {"device": STR}),
    "pty": _variant("Common", {}),
    "ringbuf": _variant("Ringbuf", {"?size": INT}),
    "memory": _variant("Ringbuf", {"?size": INT}),
    "socket": _variant("Socket", _SOCKET),
    "stdio": _variant("Stdio", {"?signal": BOOL}),
    "udp": _variant("Udp", {"remote": _ADDRESS, "?local": _ADDRESS}),
    "vc": _variant("VC", {"?width": INT, "?height": INT, "?cols": INT, "?rows": INT}),
}
BACKEND = Union("ChardevBackend", {"type": Enum("ChardevBackendKind", _VARIANTS)}, "type", _VARIANTS)


def _values(kind: str, data: dict[str, Any]) -> dict[str, str]:
    """QMP's form of a backend as ``-chardev`` would have it."""
    values: dict[str, Any] = {}
    for key, value in data.items():
        if key in ("addr", "remote", "local"):
            address = value["data"]
            if value["type"] == "fd":
                address = {"fd": address["str"]}
            prefix = "local" if key == "local" else ""
            address.pop("numeric", None)
            values |= {f"{prefix}{'addr' if prefix and name == 'host' else name}": v for name, v in address.items()}
        else:
            values[{"out": "path", "device": "path"}.get(key, key)] = value
    return {
        key: ("on" if value else "off") if isinstance(value, bool) else str(value) for key, value in values.items()
    }


@command(
    "chardev-add",
    {"id": STR, "backend": BACKEND},
    Struct("ChardevReturn", {"?pty": STR}),
    hmp=Hmp("chardev-add", "args:s", "args", "add chardev", run=lambda monitor, args: _hmp_add(monitor, args)),
)
def chardev_add(monitor: Monitor, id: str, backend: dict[str, Any]) -> dict[str, str]:
    values = _values(backend["type"], backend["data"])
    if backend["type"] == "socket":
        values.setdefault("server", "on")
        if values.setdefault("wait", "off") == "on":
            raise QmpError("'wait' would hold up the machine until somebody connects")
        if "fd" in values and values["fd"] in monitor.fds:
            values["fd"] = str(monitor.pop_fd(values["fd"]))
    try:
        made = monitor.vm.chardevs.add(ChardevConfig(backend["type"], id, values))
    except ConfigError as error:
        raise QmpError(str(error)) from None
    path = getattr(made, "path", "")
    return {"pty": path} if backend["type"] == "pty" and path else {}


def _hmp_add(monitor: Monitor, args: str) -> str:
    from pyqemu.cli.backends import Backends
    from pyqemu.cli.messages import Typed

    monitor.vm.chardevs.add(Backends().chardev(Typed("chardev-add", args)))
    return ""


@command("chardev-remove", {"id": STR}, hmp=Hmp("chardev-remove", "id:s", "id", "remove chardev"))
def chardev_remove(monitor: Monitor, id: str) -> None:
    monitor.vm.chardevs.remove(id)


@command(
    "chardev-send-break",
    {"id": STR},
    hmp=Hmp("chardev-send-break", "id:s", "id", "send a break on chardev"),
)
def chardev_send_break(monitor: Monitor, id: str) -> None:
    backend = _find(monitor, id)
    if backend.on_break is not None:
        backend.on_break()


def _find(monitor: Monitor, id: str) -> Any:
    backend = monitor.vm.chardevs.get(id)
    if backend is None:
        raise QmpError(f"Chardev '{id}' not found")
    return backend


# -- ring buffers -----------------------------------------------------------------------------------------------

FORMAT = Enum("DataFormat", ("utf8", "base64"))


def _ringbuf(monitor: Monitor, device: str) -> Any:
    backend = monitor.vm.chardevs.get(device)
    if backend is None:
        raise QmpError(f"Device '{device}' not found")
    if not hasattr(backend, "inject"):
        raise QmpError(f"{device} is not a ringbuf device")
    return backend


@command(
    "ringbuf-read",
    {"device": STR, "size": INT, "?format": FORMAT},
    STR,
    hmp=Hmp(
        "ringbuf_read",
        "device:s,size:i",
        "device size",
        "Read from a ring buffer character device",
        show=lambda reply: (
            "".join(c if c == "\n" or (c >= " " and c != "\x7f") else f"\\u{ord(c):04X}" for c in reply) + "\n"
        ),
    ),
)
def ringbuf_read(monitor: Monitor, device: str, size: int, format: str = "utf8") -> str:
    if size <= 0:
        raise QmpError("size must be greater than zero")
    data: bytes = _ringbuf(monitor, device).read(size)
    return base64.b64encode(data).decode() if format == "base64" else data.decode("utf-8", "replace")


@command(
    "ringbuf-write",
    {"device": STR, "data": STR, "?format": FORMAT},
    hmp=Hmp("ringbuf_write", "device:s,data:s", "device data", "Write to a ring buffer character device"),
)
def ringbuf_write(monitor: Monitor, device: str, data: str, format: str = "utf8") -> None:
    try:
        raw = base64.b64decode(data, validate=True) if format == "base64" else data.encode()
    except binascii.Error:
        raise QmpError("Base64 data is not valid") from None
    backend = _ringbuf(monitor, device)
    if backend.inject(raw) < len(raw):
        raise QmpError(f"Failed to write to device {device}")


# -- descriptors ------------------------------------------------------------------------------------------------


@command(
    "getfd",
    {"fdname": STR},
    hmp=Hmp("getfd", "fdname:s", "getfd name", "receive a file descriptor via SCM rights and assign it a name"),
)
def getfd(monitor: Monitor, fdname: str) -> None:
    monitor.keep_fd(fdname)


@command(
    "closefd",
    {"fdname": STR},
    hmp=Hmp("closefd", "fdname:s", "closefd name", "close a file descriptor previously passed via SCM rights"),
)
def closefd(monitor: Monitor, fdname: str) -> None:
    fd = monitor.pop_fd(fdname)
    with contextlib.suppress(OSError):
        os.close(fd)


ADDED = Struct("AddfdInfo", {"fdset-id": INT, "fd": INT})
FDSET = Struct("FdsetInfo", {"fdset-id": INT, "fds": Array(Struct("FdsetFdInfo", {"fd": INT, "?opaque": STR}))})


@command("add-fd", {"?fdset-id": SIZE, "?opaque": STR}, ADDED)
def add_fd(monitor: Monitor, fdset_id: int | None = None, opaque: str = "") -> dict[str, int]:
    monitor.keep_fd("")
    fd = monitor.pop_fd("")
    return {"fdset-id": fdsets.add(fd, fdset_id, opaque), "fd": fd}


@command("remove-fd", {"fdset-id": SIZE, "?fd": INT})
def remove_fd(monitor: Monitor, fdset_id: int, fd: int | None = None) -> None:
    if not fdsets.remove(fdset_id, fd):
        name = f"fdset-id:{fdset_id}" + ("" if fd is None else f", fd:{fd}")
        raise QmpError(f"File descriptor named '{name}' not found")


@command("query-fdsets", returns=Array(FDSET))
def query_fdsets(monitor: Monitor) -> list[dict[str, Any]]:
    return [
        {
            "fdset-id": number,
            "fds": [{"fd": member.fd} | ({"opaque": member.opaque} if member.opaque else {}) for member in members],
        }
        for number, members in fdsets.sets.items()
    ]
