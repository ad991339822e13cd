"""The backend ``vc``: a text console of the display, beside the guest's screen.

A display that can show it hands over what is typed there; without one it is written to unseen.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

from pyqemu.chardev import Backend
from pyqemu.core.errors import ConfigError
from pyqemu.display.console import COLUMNS, ROWS, TextConsole

SMALLEST, LARGEST = 2, 512  # columns or rows
HELD_LIMIT = 4096  # typed but not yet taken


class VcChardev(Backend):
    def __init__(self, columns: int = COLUMNS, rows: int = ROWS) -> None:
        """Raises ConfigError for a size that is none."""
        super().__init__("vc")
        for number, name in ((columns, "columns"), (rows, "rows")):
            if not SMALLEST <= number <= LARGEST:
                raise ConfigError(f"a console cannot have {number} {name}", f"Accepted: {SMALLEST} to {LARGEST}.")
        self.columns, self.rows = columns, rows
        self.on_shown: Callable[[], None] | None = None  # called once, when somebody first looks

    @cached_property
    def console(self) -> TextConsole:
        return TextConsole(self.columns, self.rows, self.type)

    def write(self, data: bytes) -> int:
        self.console.feed(data)
        return len(data)

    def type(self, data: bytes) -> None:
        """What somebody types here; what nobody reads is lost."""
        self._held += data[: max(0, HELD_LIMIT - len(self._held))]
        self.accept_input()

    def show(self) -> None:
        """A display shows it now."""
        if self.on_shown is not None:
            shown, self.on_shown = self.on_shown, None
            shown()
