"""How options name a backend: ``-serial tcp::4555,server=on``, ``-chardev socket,id=c,port=4555`` → ChardevConfig.

Nothing is opened here. ``-serial`` and its kin have a word with a colon for each kind; ``-chardev`` has keys.

Errors   ConfigError in QEMU's wording, without the option
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from pyqemu.core.errors import ConfigError, nearest
from pyqemu.launch import ChardevConfig


class Key(NamedTuple):
    kind: str  # str, bool, number, size
    help: str


COMMON = {
    "mux": Key("bool", "let several devices use it, one at a time; Ctrl-A c switches"),
    "logfile": Key("str", "also write what the guest sends to this file"),
    "logappend": Key("bool", "keep what the log file holds already"),
}

BACKENDS: dict[str, dict[str, Key]] = {
    "file": {
        "path": Key("str", "file for what the guest sends"),
        "append": Key("bool", "keep what it holds already"),
    },
    "mux": {"chardev": Key("str", "id of the backend to share")},
    "null": {},
    "pipe": {"path": Key("str", "PATH.in and PATH.out are FIFOs, or PATH is one for both directions")},
    "pty": {},
    "ringbuf": {"size": Key("size", "how much is kept, a power of two; default 64k")},
    "socket": {
        "path": Key("str", "a Unix socket"),
        "abstract": Key("bool", "a name that is not in the file system"),
        "tight": Key("bool", "the name is as long as it looks"),
        "host": Key("str", "a TCP socket: the address"),
        "port": Key("str", "and its port"),
        "to": Key("number", "a server may take a port up to this one"),
        "ipv4": Key("bool", "use IPv4"),
        "ipv6": Key("bool", "use IPv6"),
        "fd": Key("str", "a socket that was passed to us"),
        "nodelay": Key("bool", "send small packets at once (always)"),
        "server": Key("bool", "listen"),
        "wait": Key("bool", "a server: do not run before a client is there (default)"),
        "telnet": Key("bool", "speak telnet"),
        "websocket": Key("bool", "speak WebSocket (server only)"),
        "reconnect": Key("number", "a client: try again after so many seconds"),
    },
    "stdio": {"signal": Key("bool", "Ctrl-C ends the emulator instead of going to the guest (default)")},
    "udp": {
        "host": Key("str", "the peer; default localhost"),
        "port": Key("str", "and its port"),
        "localaddr": Key("str", "our address"),
        "localport": Key("str", "our port"),
        "ipv4": Key("bool", "use IPv4"),
        "ipv6": Key("bool", "use IPv6"),
    },
    "vc": {
        "width": Key("number", "as many columns as fit into so many dots"),
        "height": Key("number", "as many rows as fit into so many dots"),
        "cols": Key("number", "columns; default 80"),
        "rows": Key("number", "rows; default 24"),
    },
}

ALIASES = {"memory": "ringbuf"}

UNSUPPORTED = {
    "braille": "there is no braille display",
    "msmouse": "there is no serial mouse",
    "parallel": "host parallel ports are not used",
    "parport": "host parallel ports are not used",
    "qemu-vdagent": "there is no clipboard to share",
    "serial": "host serial ports are not used",
    "spiceport": "there is no SPICE",
    "spicevmc": "there is no SPICE",
    "testdev": "it is for QEMU's own tests",
    "tty": "host serial ports are not used",
    "wctablet": "there is no serial tablet",
}

UNSUPPORTED_KEYS = {
    "tls-creds": "there is no TLS",
    "tls-authz": "there is no TLS",
    "tn3270": "it is a terminal of mainframes",
}

KEYS = COMMON | {key: value for keys in BACKENDS.values() for key, value in keys.items()}
IGNORED = {"delay": Key("bool", "the opposite of nodelay"), "backend": Key("str", "")}

SPECS = ("none", "null", "vc", "pty", "stdio", "file", "pipe", "unix", "tcp", "telnet", "websocket", "udp", "mon")
"""The words that ``-serial`` knows, besides ``chardev:ID``."""

ACCEPTED = (
    "Accepted: none, null, vc, pty, stdio, file:PATH, pipe:PATH, unix:PATH, tcp:HOST:PORT, telnet:HOST:PORT, "
    "websocket:HOST:PORT, udp:HOST:PORT, chardev:ID, mon:DEV."
)

_ON = ("on", "yes", "true", "y")
_OFF = ("off", "no", "false", "n")
_INET = re.compile(r"([^:\[\],]*|\[[^\],]*\]):([^,]+)(?:,(.*))?", re.DOTALL)
_UDP_PEER = re.compile(r"([^:\[\]@]*|\[[^\]@]*\]):([^@:]+)(?:@(.*))?", re.DOTALL)
_UDP_LOCAL = re.compile(r"([^:\[\]@]*|\[[^\]@]*\]):([^@:]*)", re.DOTALL)
_CONSOLE = re.compile(r"(\d+)(C?)x(\d+)(C?)", re.IGNORECASE)


# -- the words of -serial -------------------------------------------------------------------------------------


def parse_spec(spec: str, id: str = "") -> ChardevConfig:
    """*spec* as ``-serial`` takes it, but ``none``, ``chardev:`` and ``mon:``. Raises ConfigError."""
    kind, colon, argument = spec.partition(":")
    values = _SPEC_VALUES.get(kind, _refuse)(spec, argument, bool(colon))
    backend = {"unix": "socket", "tcp": "socket", "telnet": "socket", "websocket": "socket"}.get(kind, kind)
    config = ChardevConfig(backend, id, values)
    check(config)
    return config


def _refuse(spec: str, _argument: str, _colon: bool) -> dict[str, str]:
    kind = spec.partition(":")[0]
    if kind in UNSUPPORTED or kind in ("con", "tn3270") or spec.startswith("/dev/"):
        reason = UNSUPPORTED.get(kind, UNSUPPORTED_KEYS.get(kind, "host ports and consoles are not used"))
        raise ConfigError(f"'{spec}': this character backend is not supported by pyqemu: {reason}", ACCEPTED)
    raise ConfigError(f"'{spec}' is not a valid char driver", f"{ACCEPTED} {nearest(kind, SPECS)}".rstrip())


def _plain(spec: str, _argument: str, colon: bool) -> dict[str, str]:
    return _refuse(spec, "", colon) if colon else {}


def _path(spec: str, argument: str, colon: bool) -> dict[str, str]:
    return {"path": argument} if colon else _refuse(spec, "", colon)


def _unix(spec: str, argument: str, colon: bool) -> dict[str, str]:
    if not colon or not argument:
        raise ConfigError(f"'{spec}' is not a valid char driver", "Accepted: unix:PATH[,server=on][,wait=off]")
    path, _, rest = _first(argument)
    return {"path": path} | split_options(rest)


def _inet(spec: str, argument: str, colon: bool) -> dict[str, str]:
    match = _INET.fullmatch(argument) if colon else None
    kind = spec.partition(":")[0]
    if match is None:
        raise ConfigError(f"'{spec}' is not a valid char driver", f"Accepted: {kind}:[HOST]:PORT[,server=on]")
    values = {"host": match[1], "port": match[2]} | split_options(match[3] or "")
    return values if kind == "tcp" else values | {kind: "on"}


def _udp(spec: str, argument: str, colon: bool) -> dict[str, str]:
    peer = _UDP_PEER.fullmatch(argument) if colon else None
    local = _UDP_LOCAL.fullmatch(peer[3]) if peer and peer[3] is not None else None
    if peer is None or (peer[3] is not None and local is None):
        raise ConfigError(
            f"'{spec}' is not a valid char driver", "Accepted: udp:[HOST]:PORT[@[LOCALADDR]:LOCALPORT]"
        )
    values = {"host": peer[1], "port": peer[2]}
    return values | {"localaddr": local[1], "localport": local[2]} if local else values


def _console(spec: str, argument: str, colon: bool) -> dict[str, str]:
    match = _CONSOLE.fullmatch(argument) if colon else None
    if colon and match is None:
        raise ConfigError(f"'{spec}' is not a valid char driver", "Accepted: vc, vc:WIDTHxHEIGHT, vc:80Cx24C")
    if match is None:
        return {}
    return {"cols" if match[2] else "width": match[1], "rows" if match[4] else "height": match[3]}


_SPEC_VALUES = {
    "null": _plain,
    "pty": _plain,
    "stdio": _plain,
    "file": _path,
    "pipe": _path,
    "unix": _unix,
    "tcp": _inet,
    "telnet": _inet,
    "websocket": _inet,
    "udp": _udp,
    "vc": _console,
}


def _first(text: str) -> tuple[str, str, str]:
    """Split at the first comma that is not doubled."""
    match = re.match(r"((?:[^,]|,,)*)(,?)(.*)", text, re.DOTALL)
    assert match is not None  # it matches the empty string
    return match[1].replace(",,", ","), match[2], match[3]


def split_options(text: str) -> dict[str, str]:
    """``key=value`` pairs; a word without ``=`` is a switch of the older kind (``server``, ``nowait``)."""
    values: dict[str, str] = {}
    for key, value in _pairs(text):
        if value is None:
            key, value = (
                (key[2:], "off") if key[:2] == "no" and key not in KEYS and key[2:] in KEYS else (key, "on")
            )
        values[key] = value
    return values


def _pairs(text: str) -> Iterator[tuple[str, str | None]]:
    while text:
        piece, _, text = _first(text)
        key, equals, value = piece.partition("=")
        yield key, value if equals else None


# -- checks ---------------------------------------------------------------------------------------------------


def check(config: ChardevConfig) -> list[str]:
    """Refuse a backend, keys and values that cannot be. Returns remarks on keys that mean nothing to it."""
    backend = config.backend = ALIASES.get(config.backend, config.backend)
    if backend in UNSUPPORTED:
        raise ConfigError(f"the backend '{backend}' is not supported by pyqemu: {UNSUPPORTED[backend]}")
    if backend not in BACKENDS:
        raise ConfigError(f"'{backend}' is not a valid char driver name", nearest(backend, BACKENDS))
    remarks = []
    for key, value in config.values.items():
        if key in UNSUPPORTED_KEYS:
            raise ConfigError(f"'{key}' is not supported by pyqemu: {UNSUPPORTED_KEYS[key]}")
        known = KEYS.get(key) or IGNORED.get(key)
        if known is None:
            raise ConfigError(f"Invalid parameter '{key}'", nearest(key, BACKENDS[backend] | COMMON))
        _check_value(key, known.kind, value)
        if key not in COMMON and key not in BACKENDS[backend] and key not in IGNORED:
            remarks.append(f"'{key}' means nothing to the backend {backend}")
    if backend in _CHECKS:
        _CHECKS[backend](config.values)
    return remarks


def _check_value(key: str, kind: str, value: str) -> None:
    if kind == "bool" and value not in _ON + _OFF:
        raise ConfigError(f"Parameter '{key}' expects 'on' or 'off'", f"The value was '{value}'.")
    if kind == "number" and not re.fullmatch(r"\d{1,9}", value):
        raise ConfigError(f"Parameter '{key}' expects a number", f"The value was '{value}'.")
    if kind == "size":
        from pyqemu.core.sizes import parse_size

        parse_size(value, f"Parameter '{key}'")


def is_on(values: dict[str, str], key: str, default: bool = False) -> bool:
    """A boolean that has been checked."""
    return values[key] in _ON if key in values else default


def _needs(key: str, message: str) -> Callable[[dict[str, str]], None]:
    def look(values: dict[str, str]) -> None:
        if key not in values:
            raise ConfigError(message)

    return look


def _check_socket(values: dict[str, str]) -> None:
    kinds = [key for key in ("path", "host", "fd") if key in values]
    if len(kinds) > 1:
        raise ConfigError("None or one of 'path', 'fd' or 'host' option required.")
    if not kinds and "port" not in values:
        raise ConfigError("chardev: socket: no path, fd or host given", "Accepted: path=, host= and port=, or fd=.")
    if ("host" in kinds or not kinds) and "port" not in values:
        raise ConfigError("chardev: socket: no port given")
    if "fd" in values and not re.fullmatch(r"\d{1,9}", values["fd"]):
        raise ConfigError(f"Unable to parse FD number {values['fd']}", "Accepted: a number.")
    server = is_on(values, "server")
    if server and values.get("reconnect", "0") != "0":
        raise ConfigError("'reconnect' option is incompatible with socket in server listen mode")
    if not server and "wait" in values:
        raise ConfigError("'wait' option is incompatible with socket in client connect mode")
    if not server and is_on(values, "websocket"):
        raise ConfigError("Websocket client is not implemented")
    if is_on(values, "websocket") and is_on(values, "telnet"):
        raise ConfigError("'telnet' and 'websocket' exclude each other")


_CHECKS: dict[str, Callable[[dict[str, str]], None]] = {
    "file": _needs("path", "chardev: file: no filename given"),
    "pipe": _needs("path", "chardev: pipe: no device path given"),
    "udp": _needs("port", "chardev: udp: remote port not specified"),
    "mux": _needs("chardev", "chardev: mux: no chardev given"),
    "socket": _check_socket,
}
