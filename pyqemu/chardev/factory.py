"""From a backend as options name it (``-serial file:log``) to a backend."""

from __future__ import annotations

from collections.abc import Callable

from pyqemu.chardev import Chardev, NullChardev
from pyqemu.chardev.file import FileChardev
from pyqemu.chardev.mux import MuxChardev
from pyqemu.chardev.stdio import StdioChardev
from pyqemu.core.errors import ConfigError, nearest
from pyqemu.core.events import EventLoop

KINDS = ("none", "null", "stdio", "mon:stdio", "file")
UNSUPPORTED = (
    "vc pty pipe con tcp telnet tn3270 websocket udp unix msmouse wctablet braille testdev ringbuf chardev mon"
)
ACCEPTED = "Accepted: none, null, stdio, mon:stdio, file:PATH."


def _nothing() -> None:
    pass


def create_chardev(
    spec: str,
    loop: EventLoop,
    *,
    on_quit: Callable[[], None] = _nothing,
    on_save: Callable[[], None] = _nothing,
) -> Chardev | None:
    """The backend for *spec*; None for ``none``. *on_quit* and *on_save* are for ``mon:stdio``'s commands.

    Raises ConfigError: *spec* is not a backend, or not one of ours, or cannot be opened.
    """
    kind, colon, argument = spec.partition(":")
    match kind:
        case "none" if not colon:
            return None
        case "null" if not colon:
            return NullChardev()
        case "stdio" if not colon:
            return StdioChardev(loop)
        case "mon" if argument == "stdio":
            return MuxChardev(StdioChardev(loop, signal=False), on_quit, on_save)
        case "file" if colon:
            return FileChardev(argument, loop)
    if kind in UNSUPPORTED.split() or spec.startswith("/dev/"):
        raise ConfigError(f"'{spec}': this character backend is not supported by pyqemu", ACCEPTED)
    raise ConfigError(f"'{spec}' is not a valid char driver", f"{ACCEPTED} {nearest(kind, KINDS)}".rstrip())
