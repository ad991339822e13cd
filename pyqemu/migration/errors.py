"""Why a state cannot be saved or loaded, for people."""

from __future__ import annotations

from pyqemu.core.errors import ConfigError

LONGEST = 600  # of a line: names in it may come from a stream


class MigrationError(ConfigError):
    """One line that names the section and the reason; ``hint`` holds more lines.

    What a stream says about itself is part of both, so nothing in them can command a terminal.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(_plain(message), "\n".join(_plain(line) for line in hint.split("\n")))


def _plain(line: str) -> str:
    shown = "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in line[:LONGEST])
    return shown if len(line) <= LONGEST else shown + "…"
