"""The guest's text screen as unicode.

Source   IBM code page 437 as the VGA's character generator shows it: codes below 0x20 and 0x7F are pictures
"""

from __future__ import annotations

from pyqemu.display import Source, TextScreen

_PICTURES = " ☺☻♥♦♣♠•◘○◙♂♀♪♫☼►◄↕‼¶§▬↨↑↓→←∟↔▲▼"
CP437 = _PICTURES + bytes(range(0x20, 0x7F)).decode("ascii") + "⌂" + bytes(range(0x80, 0x100)).decode("cp437")
"""Character code → what it looks like."""


def decode(characters: bytes) -> str:
    """Character codes as unicode, one for one."""
    return characters.decode("latin-1").translate(_TABLE)


def lines(screen: TextScreen) -> list[str]:
    """The rows of a text screen, full width."""
    text = decode(screen.cells[0::2])
    return [text[at : at + screen.columns] for at in range(0, screen.columns * screen.rows, screen.columns)]


def dump_text(source: Source) -> str:
    """What is on the screen, for logs and tests: rows without trailing blanks, no empty rows at the end.

    In a graphics mode one line that says which.
    """
    if not source.is_text:
        width, height = source.size
        return f"{width}x{height} graphic mode\n"
    text = "\n".join(line.rstrip() for line in lines(source.text())).rstrip("\n")
    return text + "\n" if text else ""


_TABLE = dict(enumerate(CP437))
