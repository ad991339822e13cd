"""What the program tells its user on standard error, in one style: ``-msg`` puts a time and a name before it.

report("terminating on signal 15")      # 2026-01-31T12:00:00.123456Z pyqemu: terminating on signal 15
warn("no such drive", "-boot d")        # pyqemu: -boot d: warning: no such drive
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass

PROGRAM = "pyqemu"


@dataclass
class Style:
    """What comes before each line. *name*: the machine's."""

    timestamp: bool = False
    name: Callable[[], str] | None = None

    def reset(self) -> None:
        """As at the start: only the program's name."""
        self.timestamp, self.name = False, None

    def prefix(self) -> str:
        text = ""
        if self.timestamp:
            from datetime import UTC, datetime

            text = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ ")
        name = self.name() if self.name is not None else ""
        return f"{text}{name} " if name else text


style = Style()
"""Messages are the process's, and so is their style."""


def line(message: str) -> str:
    """A line on stderr, as QEMU's begin with its name."""
    return f"{style.prefix()}{PROGRAM}: {message}"


def report(message: str) -> None:
    """Tell the user."""
    print(line(message), file=sys.stderr, flush=True)


def warn(message: str, about: str = "") -> None:
    """Tell the user, and that we go on."""
    report(f"{about}: warning: {message}" if about else f"warning: {message}")
