"""How the command line speaks: options as typed, errors about them, and answers that end the run."""

from __future__ import annotations

from dataclasses import dataclass

from pyqemu.core.errors import ConfigError
from pyqemu.core.messages import warn


@dataclass(frozen=True, slots=True)
class Typed:
    """An option as the user typed it; a bare disk image has no ``option``."""

    option: str
    value: str = ""

    def __str__(self) -> str:
        return f"{self.option} {self.value}" if self.option else self.value

    def error(self, message: str, hint: str = "") -> ConfigError:
        """A ConfigError that names the option and its value first."""
        return ConfigError(f"{self}: {message}", hint)

    def unsupported(self, what: str = "", hint: str = "") -> ConfigError:
        """What QEMU can do here and we cannot."""
        return self.error(f"{what} is not supported by pyqemu" if what else "not supported by pyqemu", hint)

    def warn(self, message: str) -> None:
        warn(message, str(self))


class Answer(Exception):
    """The user asked for text, not for a machine: print it and exit.

    ``styled`` text may have colours on a terminal; ``remark`` goes to stderr.
    """

    def __init__(self, text: str, status: int = 0, *, styled: bool = False, remark: str = "") -> None:
        super().__init__(text)
        self.text = text
        self.status = status
        self.styled = styled
        self.remark = remark


def accepted(words: list[str] | tuple[str, ...]) -> str:
    """The hint that lists what would have been right."""
    return f"Accepted: {', '.join(words)}."
