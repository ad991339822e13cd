"""The terminal display, drawn on a small model of a terminal."""

from __future__ import annotations

import os
import re
from types import SimpleNamespace
from typing import Any

import pytest

from pyqemu.chardev.vc import VcChardev
from pyqemu.core.clock import Clock
from pyqemu.display import TextScreen
from pyqemu.display.curses_ui import FAST_NS, SLOW_NS, CursesDisplay, rendition, show


class FakeScreen:
    """An adapter that shows what the test puts into ``cells``."""

    def __init__(self, columns: int = 80, rows: int = 25) -> None:
        self.columns, self.rows = columns, rows
        self.cells = bytearray(b"\x20\x07" * (columns * rows))
        self.cursor: tuple[int, int] | None = (0, 0)
        self.blink = False
        self.is_text = True
        self.size = (columns * 9, rows * 16)
        self._seen: Any = None

    def put(self, column: int, row: int, text: bytes, attribute: int = 0x07) -> None:
        for offset, code in enumerate(text, column):
            at = (row * self.columns + offset) * 2
            self.cells[at : at + 2] = bytes((code, attribute))

    def changed(self) -> bool:
        now = bytes(self.cells), self.cursor, self.blink
        self._seen, before = now, self._seen
        return now != before

    def text(self) -> TextScreen:
        return TextScreen(self.columns, self.rows, bytes(self.cells), self.cursor, self.blink)


class Terminal:
    """Understands cursor addressing, clearing and renditions. Writing outside is an error."""

    def __init__(self, columns: int, rows: int, encoding: str = "utf-8") -> None:
        self.encoding = encoding
        self.output = b""
        self.resize(columns, rows)

    def resize(self, columns: int, rows: int) -> None:
        self.columns, self.rows = columns, rows
        self.cells = [[" "] * columns for _ in range(rows)]
        self.looks = [[b""] * columns for _ in range(rows)]
        self.x = self.y = 0
        self.look = b""
        self.visible = True

    def write(self, data: bytes) -> None:
        self.output = data
        for sequence, text in re.findall(r"(\x1b\[[^a-zA-Z]*[a-zA-Z])|([^\x1b])", data.decode(self.encoding)):
            if text:
                self.cells[self.y][self.x] = text
                self.looks[self.y][self.x] = self.look
                self.x += 1
            elif sequence[-1] == "H":
                row, column = map(int, sequence[2:-1].split(";"))
                self.y, self.x = row - 1, column - 1
            elif sequence == "\x1b[2J":
                self.cells = [[" "] * self.columns for _ in range(self.rows)]
            elif sequence[-1] == "m":
                self.look = sequence.encode()
            elif sequence in ("\x1b[?25h", "\x1b[?25l"):
                self.visible = sequence[-1] == "h"

    def line(self, row: int) -> str:
        return "".join(self.cells[row]).rstrip()


class Pair:
    def __init__(self, columns: int = 80, rows: int = 25, encoding: str = "utf-8") -> None:
        self.screen = FakeScreen()
        self.keys: list[tuple[str, bool]] = []
        self.terminal = Terminal(columns, rows, encoding)
        self.display = CursesDisplay(self.screen, lambda *key: self.keys.append(key), encoding=encoding)
        self.display.write = self.terminal.write
        self.display.terminal_size = lambda: (self.terminal.columns, self.terminal.rows)

    def refresh(self) -> bytes:
        self.terminal.output = b""
        self.display.refresh()
        return self.terminal.output


@pytest.fixture
def pair() -> Pair:
    return Pair()


def test_draws_characters_colours_and_cursor(pair: Pair) -> None:
    pair.screen.put(0, 0, b"Hello", 0x1E)
    pair.screen.put(75, 24, b"end\xb3\xdb", 0x07)
    pair.screen.cursor = (5, 0)
    pair.refresh()
    assert pair.terminal.line(0) == "Hello"
    assert pair.terminal.line(24).endswith("end│█")
    assert pair.terminal.looks[0][0] == b"\x1b[0;93;44m"
    assert (pair.terminal.x, pair.terminal.y, pair.terminal.visible) == (5, 0, True)


def test_only_what_differs_is_drawn(pair: Pair) -> None:
    pair.refresh()
    pair.screen.put(10, 3, b"abc")
    pair.screen.put(20, 3, b"d")
    output = pair.refresh()
    assert output.startswith(b"\x1b[4;11H")
    assert len(output) < 60
    assert pair.terminal.line(3) == " " * 10 + "abc" + " " * 7 + "d"
    pair.screen.cursor = (4, 4)
    assert pair.refresh() == b"\x1b[5;5H\x1b[?25h"
    pair.screen.cursor = None
    assert pair.refresh() == b"\x1b[?25l"
    assert pair.refresh() == b""


def test_idle_backs_off_and_news_bring_it_back(pair: Pair) -> None:
    pair.refresh()
    assert pair.display.interval_ns == FAST_NS
    for _ in range(20):
        assert pair.refresh() == b""
    assert pair.display.interval_ns == SLOW_NS
    pair.screen.put(0, 0, b"x")
    pair.refresh()
    assert pair.display.interval_ns == FAST_NS
    for _ in range(20):
        pair.refresh()
    pair.display.receive(b"x")
    assert pair.display.interval_ns == FAST_NS


def test_a_small_terminal_shows_the_rows_around_the_cursor() -> None:
    pair = Pair(columns=20, rows=10)
    for row in range(25):
        pair.screen.put(0, row, b"row %02d and more than fits" % row)
    pair.screen.cursor = (3, 24)
    pair.refresh()
    assert pair.terminal.line(0) == "row 15 and more than"
    assert pair.terminal.line(9) == "row 24 and more than"
    assert (pair.terminal.x, pair.terminal.y) == (3, 9)
    pair.screen.cursor = (30, 2)
    pair.refresh()
    assert pair.terminal.line(0) == "row 00 and more than"
    assert not pair.terminal.visible


def test_resizing_draws_anew(pair: Pair) -> None:
    pair.screen.put(0, 0, b"Hello")
    pair.refresh()
    pair.terminal.resize(40, 12)
    pair.refresh()
    assert pair.terminal.line(0) == "Hello"
    pair.screen.columns, pair.screen.rows = 40, 25
    pair.screen.cells = bytearray(b"\x41\x07" * 1000)
    pair.refresh()
    assert pair.terminal.line(11) == "A" * 40


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp437", "utf-8"])
def test_every_character_takes_one_column_in_any_encoding(encoding: str) -> None:
    pair = Pair(encoding=encoding)
    for row in range(4):
        pair.screen.put(0, row, bytes(range(row * 64, row * 64 + 64)))
    pair.screen.put(70, 0, b"|")
    pair.refresh()
    assert pair.terminal.cells[0][70] == "|"
    if encoding == "ascii":
        assert pair.terminal.line(3)[:6] == "++++-+"
        assert pair.terminal.line(2)[0xB3 - 0x80] == "|"


def test_graphics_modes_are_named(pair: Pair) -> None:
    pair.screen.put(0, 0, b"Hello")
    pair.refresh()
    pair.screen.is_text, pair.screen.size = False, (640, 480)
    pair.refresh()
    assert pair.terminal.line(12).strip() == "640x480 graphic mode"
    assert pair.terminal.line(0) == ""
    assert pair.refresh() == b""
    pair.screen.is_text = True
    pair.refresh()
    assert pair.terminal.line(0) == "Hello"
    assert pair.terminal.line(12) == ""


def test_renditions() -> None:
    assert rendition(0x07, blink=True) == b"\x1b[0;37;40m"
    assert rendition(0x9C, blink=True) == b"\x1b[0;91;44;5m"
    assert rendition(0x9C, blink=False) == b"\x1b[0;91;104m"


def test_a_lone_escape_is_a_key_after_a_while(pair: Pair) -> None:
    pair.display.receive(b"\x1b")
    pair.refresh()
    assert pair.keys == []
    pair.refresh()
    assert pair.keys == [("esc", True), ("esc", False)]
    pair.display.receive(b"\x1b[")
    pair.refresh()
    pair.display.receive(b"A")
    assert pair.keys[2:] == [("up", True), ("up", False)]


class Consoles(Pair):
    """A screen and two consoles, whose typed bytes are in ``got``."""

    def __init__(self, *, adapter: bool = True) -> None:
        super().__init__()
        self.vcs = [VcChardev(), VcChardev(40, 10)]
        self.got = [bytearray(), bytearray()]
        for vc, got in zip(self.vcs, self.got, strict=True):
            vc.connect(got.extend)
        screen = self.screen if adapter else None
        self.display = CursesDisplay(
            screen, lambda *key: self.keys.append(key), consoles=self.vcs, encoding="utf-8"
        )
        self.display.write = self.terminal.write
        self.display.terminal_size = lambda: (80, 25)


def test_consoles_are_shown_with_alt_and_their_number() -> None:
    pair = Consoles()
    pair.screen.put(0, 0, b"the guest")
    pair.vcs[0].write(b"(qemu) ")
    pair.vcs[1].write(b"login: ")
    seen = []
    for key in (b"", b"\x1b3", b"\x1b2", b"\x1b1"):
        pair.display.receive(key)
        pair.refresh()
        seen.append(pair.terminal.line(0))
    assert seen == ["the guest", "login:", "(qemu)", "the guest"]
    assert pair.keys == []


def test_what_is_typed_goes_to_what_is_shown() -> None:
    pair = Consoles()
    pair.display.receive(b"a\x1b2info\x1b[A\r\x1b3root\r\x1b1b\x1b4")
    assert pair.got == [b"info\x1b[A\r", b"root\r"]
    assert [key for key, pressed in pair.keys if pressed] == ["a", "b", "alt", "4"]  # there is no fourth


def test_a_console_is_announced_when_it_is_first_shown() -> None:
    pair, shown = Consoles(), []
    pair.vcs[0].on_shown = lambda: shown.append(1)
    pair.display.receive(b"\x1b2\x1b1\x1b2")
    assert shown == [1]


def test_one_looks_back_until_something_is_typed() -> None:
    pair = Consoles(adapter=False)
    pair.vcs[0].write(b"".join(b"%d\r\n" % number for number in range(100)))
    pair.refresh()
    assert pair.terminal.line(0) == "77"
    seen = []
    for key in (b"\x1b[1;5A", b"\x1b[5;5~", b"\x1b[1;5B", b"\x1b[6;5~", b"\x1b[5;5~", b"x"):
        pair.display.receive(key)
        pair.refresh()
        seen.append(pair.terminal.line(0))
    assert seen == ["76", "66", "67", "77", "67", "77"]
    assert pair.got[0] == b"x"


def test_a_terminal_that_is_gone_does_no_harm() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    display = CursesDisplay(FakeScreen(), lambda name, pressed: None, input_fd=writer, output_fd=writer)
    display.refresh()
    display.refresh()
    os.close(writer)
    assert not display.read_input()


def test_input_is_read_until_its_end() -> None:
    reader, writer = os.pipe()
    keys: list[tuple[str, bool]] = []
    display = CursesDisplay(FakeScreen(), lambda *key: keys.append(key), input_fd=reader)
    os.write(writer, b"x")
    assert display.read_input()
    os.close(writer)
    assert not display.read_input()
    os.close(reader)
    assert keys == [("x", True), ("x", False)]


class Machine:
    """As much of a machine as ``show`` asks for."""

    def __init__(self, screen: FakeScreen | None) -> None:
        self.clock = Clock(source=None)
        self.readers: dict[int, Any] = {}
        self.keys: list[tuple[str, bool]] = []
        self.loop = SimpleNamespace(
            add_reader=self.readers.__setitem__, remove_reader=lambda fd: self.readers.pop(fd, None)
        )
        ps2 = SimpleNamespace(keys=[], press=lambda *key: self.keys.append(key))
        devices = {"keyboard": SimpleNamespace(keyboard=ps2), "vga": SimpleNamespace(scanout=screen)}
        self.board = SimpleNamespace(devices=devices if screen else {})
        self.chardevs: list[tuple[str, Any]] = []

    def named_chardevs(self) -> list[tuple[str, Any]]:
        return self.chardevs


def test_show_runs_from_the_machines_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    screen, written = FakeScreen(), []
    calls: list[str] = []
    monkeypatch.setattr(CursesDisplay, "start", lambda self: calls.append("start"))
    monkeypatch.setattr(CursesDisplay, "stop", lambda self: calls.append("stop"))
    monkeypatch.setattr(CursesDisplay, "_write", lambda self, data: written.append(data))
    machine = Machine(screen)
    with pytest.raises(KeyError), show(machine):
        written.clear()
        screen.put(0, 0, b"news")
        machine.clock.advance(FAST_NS)
        assert b"news" in b"".join(written)
        monkeypatch.setattr(os, "read", lambda fd, size: b"x")
        machine.readers[0]()
        assert machine.keys == [("x", True), ("x", False)]
        monkeypatch.setattr(os, "read", lambda fd, size: b"")
        machine.readers[0]()
        assert machine.readers == {}
        raise KeyError
    assert calls == ["start", "stop"]
    written.clear()
    screen.put(0, 0, b"more")
    machine.clock.advance(10 * SLOW_NS)
    assert written == []


def test_show_has_the_monitor_first_among_the_consoles(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[bytes] = []
    monkeypatch.setattr(CursesDisplay, "start", lambda self: None)
    monkeypatch.setattr(CursesDisplay, "_write", lambda self, data: written.append(data))
    machine = Machine(None)
    for label in ("serial0", "compat_monitor0"):
        vc = VcChardev()
        vc.label = label
        vc.write(label.encode())
        machine.chardevs.append((label, vc))
    with show(machine):
        assert b"compat_monitor0" in b"".join(written) and b"serial0" not in b"".join(written)


def test_show_without_anything_to_show_does_nothing() -> None:
    with show(Machine(None)):
        pass
