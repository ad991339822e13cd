"""Character backends as options name them (``-serial stdio``), checked by name; the chardev module opens them."""

from __future__ import annotations

from pyqemu.cli import qemu_names
from pyqemu.cli.messages import Typed, accepted, line
from pyqemu.core.errors import ConfigError, nearest

SUPPORTED = ("none", "null", "stdio", "mon", "file")
NEED_ARGUMENT = ("file", "mon", "pipe", "unix", "tcp", "udp", "telnet")


class Backends:
    """Checks backends as they are read; only one of them can have the terminal."""

    def __init__(self) -> None:
        self._stdio_taken = False

    def check(self, typed: Typed, what: str) -> str:
        """The value of a ``-serial``-like option. Raises ConfigError. *what* ends QEMU's second line."""
        kind, colon, argument = typed.value.partition(":")
        failed = line(f"{typed}: {what} '{typed.value}'")
        if kind not in SUPPORTED:
            if kind in qemu_names.CHARDEVS or typed.value.startswith("/dev/"):
                raise typed.unsupported("this backend", accepted(SUPPORTED))
            raise typed.error(f"'{typed.value}' is not a valid char driver", self._hint(failed, kind))
        if (kind in NEED_ARGUMENT) != bool(colon and argument):
            form = "mon:stdio" if kind == "mon" else f"{kind}:PATH" if kind in NEED_ARGUMENT else kind
            raise typed.error(f"'{typed.value}' is not a valid char driver", f"{failed}\nAccepted: {form}.")
        if kind == "mon" and argument != "stdio":
            raise typed.error(f"'{typed.value}' is not a valid char driver", f"{failed}\nAccepted: mon:stdio.")
        if kind in ("stdio", "mon"):
            if self._stdio_taken:
                raise typed.error("cannot use stdio by multiple character devices", failed)
            self._stdio_taken = True
        return typed.value

    def _hint(self, failed: str, kind: str) -> str:
        return f"{failed}\n{accepted(SUPPORTED)} {nearest(kind, SUPPORTED)}".rstrip()


def check_monitor(typed: Typed) -> str:
    """The value of ``-monitor``. Raises ConfigError: there is no monitor to talk to."""
    if typed.value not in ("none", "null"):
        if typed.value.partition(":")[0] in qemu_names.CHARDEVS:
            raise typed.unsupported("the monitor", accepted(("none",)))
        raise ConfigError(
            f"{typed}: '{typed.value}' is not a valid char driver",
            f"{line(f'{typed}: parse error: {typed.value}')}\n{accepted(('none',))}",
        )
    return typed.value
