"""The text consoles beside the guest's screen."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyqemu.chardev.vc import HELD_LIMIT, VcChardev
from pyqemu.core.errors import ConfigError
from pyqemu.display.console import HISTORY, TextConsole
from pyqemu.display.screen import CP437


def console(columns: int = 10, rows: int = 4) -> TextConsole:
    return TextConsole(columns, rows)


def lines(shown: TextConsole) -> list[str]:
    screen = shown.text()
    codes = screen.cells[::2]
    rows = [codes[at : at + screen.columns] for at in range(0, len(codes), screen.columns)]
    assert len(rows) == screen.rows
    return ["".join(CP437[code] for code in row).rstrip() for row in rows]


def attributes(shown: TextConsole, row: int = 0) -> list[int]:
    screen = shown.text()
    return list(screen.cells[row * screen.columns * 2 + 1 : (row + 1) * screen.columns * 2 : 2])


@pytest.mark.parametrize(
    ("written", "shown", "cursor"),
    [
        (b"one\r\ntwo", ["one", "two", "", ""], (3, 1)),
        (b"one\ntwo", ["one", "   two", "", ""], (6, 1)),
        (b"0123456789ab", ["0123456789", "ab", "", ""], (2, 1)),
        (b"0123456789", ["0123456789", "", "", ""], (9, 0)),
        (b"0123456789\rx", ["x123456789", "", "", ""], (1, 0)),
        (b"a\tb\bc", ["a       c", "", "", ""], (9, 0)),
        (b"1\r\n2\r\n3\r\n4\r\n5", ["2", "3", "4", "5"], (1, 3)),
        (b"\xe2\x94\x80\xc3\xa9\xb0\xf0\x9f\x98\x80\x07\0", ["─é░?", "", "", ""], (4, 0)),
        (b"\x1b[2;3Hx\x1b[Hy\x1b[9;99fz", ["y", "  x", "", "         z"], (9, 3)),
        (b"\x1b[3B\x1b[4C^\x1b[A\x1b[2D<\x1b[2dd\x1b[Gg", ["", "g   d", "   <", "    ^"], (1, 1)),
        (b"abc\x1b7\x1b[4;4Hd\x1b8e\x1b[s\r\x1b[uf", ["abcef", "", "", "   d"], (5, 0)),
        (b"abcdef\x1b[3G\x1b[K", ["ab", "", "", ""], (2, 0)),
        (b"abcdef\x1b[3G\x1b[1K", ["   def", "", "", ""], (2, 0)),
        (b"abcdef\x1b[3G\x1b[2P", ["abef", "", "", ""], (2, 0)),
        (b"abcdef\x1b[3G\x1b[2@", ["ab  cdef", "", "", ""], (2, 0)),
        (b"abcdefghij\x1b[3G\x1b[99@", ["ab", "", "", ""], (2, 0)),
        (b"abcdef\x1b[3G\x1b[2X", ["ab  ef", "", "", ""], (2, 0)),
        (b"a\r\nb\r\nc\r\nd\x1b[2;1H\x1b[J", ["a", "", "", ""], (0, 1)),
        (b"a\r\nb\r\nc\r\nd\x1b[2;1H\x1b[1J", ["", "", "c", "d"], (0, 1)),
        (b"a\r\nb\r\nc\r\nd\x1b[2;1H\x1b[2J", ["", "", "", ""], (0, 1)),
        (b"a\r\nb\r\nc\r\nd\x1b[2;1H\x1b[L", ["a", "", "b", "c"], (0, 1)),
        (b"a\r\nb\r\nc\r\nd\x1b[2;1H\x1b[2M", ["a", "d", "", ""], (0, 1)),
        (b"abc\x1bcd", ["d", "", "", ""], (1, 0)),
        (b"a\x1b[?25l", ["a", "", "", ""], None),
        (b"a\x1b[?25l\x1b[?25h", ["a", "", "", ""], (1, 0)),
        (b"a\x1b[1;2r\x1b[>c\x1b[5 q\x1b(B\x1b[?1049hb", ["ab", "", "", ""], (2, 0)),
    ],
)
def test_what_is_written_is_shown_however_it_is_cut(written, shown, cursor):
    whole, cut = console(), console()
    whole.feed(written)
    for at in range(len(written)):
        cut.feed(written[at : at + 1])
    assert lines(whole) == shown and whole.text().cursor == cursor
    assert cut.text() == whole.text()


@pytest.mark.parametrize(
    ("rendition", "attribute"),
    [(b"", 0x07), (b"0", 0x07), (b"1", 0x0F), (b"31", 0x04), (b"34;1", 0x09), (b"33;44", 0x16), (b"7", 0x70),
     (b"5", 0x87), (b"31;7;27", 0x04), (b"1;22;31;39", 0x07), (b"44;49", 0x07), (b"5;25", 0x07), (b"38;5;9", 0x87)],
)  # fmt: skip
def test_renditions_are_the_vgas(rendition, attribute):
    shown = console()
    shown.feed(b"\x1b[%smx\x1b[my" % rendition)
    assert attributes(shown)[:2] == [attribute, 0x07]


def test_news_are_told_once():
    shown = console()
    assert shown.changed() and not shown.changed()
    shown.feed(b"x")
    assert shown.changed() and not shown.changed()


def test_rows_that_have_left_can_be_looked_at():
    shown = console()
    shown.feed(b"".join(b"%d\r\n" % number for number in range(HISTORY + 50)))
    last = HISTORY + 49
    assert lines(shown) == [str(last - 2), str(last - 1), str(last), ""]
    shown.scroll(2)
    assert lines(shown) == [str(last - 4), str(last - 3), str(last - 2), str(last - 1)]
    assert shown.text().cursor is None
    shown.feed(b"more\r\n")
    assert lines(shown)[0] == str(last - 4)
    shown.scroll(10 * HISTORY)
    assert lines(shown)[0] == str(last - 1 - HISTORY)
    shown.scroll(-10 * HISTORY)
    assert lines(shown) == [str(last - 1), str(last), "more", ""]


def test_reports_are_answered():
    answers: list[bytes] = []
    shown = TextConsole(10, 4, answers.append)
    shown.feed(b"\x1b[5n\x1b[3;4H\x1b[6n\x1b[7n")
    assert answers == [b"\x1b[0n", b"\x1b[3;4R"]


@given(st.lists(st.binary(max_size=200) | st.from_regex(rb"(\x1b\[[0-9;]{0,8}[@-~]|[ -~])*", fullmatch=True)))
@settings(max_examples=300, deadline=None)
def test_whatever_is_written_leaves_a_screen(pieces):
    shown = TextConsole(7, 3, lambda _data: None)
    for piece in pieces:
        shown.feed(piece)
        screen = shown.text()
        assert len(screen.cells) == 7 * 3 * 2
        assert screen.cursor is None or (0 <= screen.cursor[0] < 7 and 0 <= screen.cursor[1] < 3)
        assert len(shown._held) < 64


def test_what_is_typed_waits_for_room_and_is_bounded():
    vc, got, room = VcChardev(), bytearray(), 0
    vc.connect(got.extend, lambda: room)
    vc.type(b"a" * (2 * HELD_LIMIT))
    assert not got
    room = 1 << 20
    vc.accept_input()
    assert got == b"a" * HELD_LIMIT


@pytest.mark.parametrize(("columns", "rows"), [(0, 24), (80, 1), (513, 24), (80, 10**9)])
def test_a_size_that_is_none_is_refused(columns, rows):
    with pytest.raises(ConfigError, match="a console cannot have"):
        VcChardev(columns, rows)
