from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from pyqemu.display import TextScreen
from pyqemu.display.screen import CP437, decode, dump_text, lines


def test_code_page_437() -> None:
    assert len(CP437) == 256
    assert len(set(CP437)) == 255  # 00 and 20 both look like a blank
    assert decode(b"\x00\x01A\x7f\x80\xb3\xdb\xe1\xff") == " ☺A⌂Ç│█ß\xa0"


def source(text: bytes, columns: int, rows: int) -> Any:
    cells = b"".join(bytes((code, 7)) for code in text.ljust(columns * rows))
    screen = TextScreen(columns, rows, cells, None, False)
    return SimpleNamespace(is_text=True, text=lambda: screen, size=(0, 0))


def test_rows_keep_their_width_and_dumps_lose_trailing_blanks() -> None:
    shown = source(b"ab  " + b"    " + b" c  ", 4, 4)
    assert lines(shown.text()) == ["ab  ", "    ", " c  ", "    "]
    assert dump_text(shown) == "ab\n\n c\n"
    assert dump_text(source(b"", 4, 4)) == ""


def test_graphics_are_named() -> None:
    assert dump_text(SimpleNamespace(is_text=False, size=(640, 480))) == "640x480 graphic mode\n"  # type: ignore[arg-type]
