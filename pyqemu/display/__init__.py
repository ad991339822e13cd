"""Displays: what an adapter shows, and the host side that draws it (as text, as PNG, on a terminal)."""

from __future__ import annotations

from typing import NamedTuple, Protocol


class TextScreen(NamedTuple):
    """Characters and attributes in turn, row by row."""

    columns: int
    rows: int
    cells: bytes
    cursor: tuple[int, int] | None  # column, row; None while it is hidden
    blink: bool  # attribute bit 7 means blinking, not a bright background


class Picture(NamedTuple):
    """RGB, three bytes a dot, rows from the top, no padding."""

    width: int
    height: int
    rgb: bytes


class TextSource(Protocol):
    """What a terminal can show (``TextConsole``, and the standard VGA's ``Scanout``)."""

    @property
    def is_text(self) -> bool: ...
    @property
    def size(self) -> tuple[int, int]: ...
    def changed(self) -> bool: ...
    def text(self) -> TextScreen: ...


class Source(TextSource, Protocol):
    """What a display adapter shows."""

    @property
    def is_blank(self) -> bool: ...
    def picture(self, *, cursor_on: bool = True, blink_on: bool = True) -> Picture: ...
