"""The terminal display (``-display curses``): the guest's text screen in a terminal, its keys from there.

Alt-1 shows the guest's screen, Alt-2 and on the text consoles (``vc``): the monitor, serial and parallel ports.
What is typed goes to what is shown, to a console as the terminal sends it; Ctrl with a cursor key or page key looks
back.

Source   ECMA-48 (cursor addressing, SGR); xterm control sequences (alternate screen, bright colours)
Units    ``interval_ns`` is host time until the next ``refresh()``
Errors   a terminal that goes away or does not keep up loses output, never the machine
Missing  the cursor's shape; modifiers that are held down (a terminal does not tell)

Plain control sequences, and only for cells that changed. A terminal smaller than the screen shows its left
part, and the rows around the cursor.
"""

from __future__ import annotations

import locale
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from pyqemu.chardev.vc import VcChardev
from pyqemu.display import TextScreen, TextSource
from pyqemu.display.console import HISTORY
from pyqemu.display.screen import CP437
from pyqemu.display.terminal_keys import KeyDecoder, OnKey
from pyqemu.display.typist import Typist

FAST_NS = 33_000_000
SLOW_NS = 200_000_000
IDLE_REFRESHES = 15  # so many without news, then slower

_ENTER = b"\x1b[?1049h\x1b[?7l\x1b[0m\x1b[2J"  # alternate screen, no wrapping at the margin
_LEAVE = b"\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l"
_CLEAR = b"\x1b[0m\x1b[2J"
_SHOW_CURSOR, _HIDE_CURSOR = b"\x1b[?25h", b"\x1b[?25l"

# The VGA counts blue, green, red; terminals red, green, blue.
_ANSI = [(colour & 1) << 2 | colour & 2 | colour >> 2 & 1 for colour in range(8)]

_PLAIN_LOOKS = {
    **dict.fromkeys("│║┃", "|"), **dict.fromkeys("─═━", "-"),
    **dict.fromkeys("┌┐└┘├┤┬┴┼╔╗╚╝╠╣╦╩╬╒╓╕╖╘╙╛╜╞╟╡╢╤╥╧╨╪╫", "+"),
    **dict.fromkeys("█▓▒▌▐▀▄■", "#"), "░": ".", "▲": "^", "▼": "v", "►": ">", "◄": "<", "→": ">", "←": "<",
    "↑": "^", "↓": "v", "↕": "|", "↔": "-", "•": "*", "·": ".", "∙": ".", "«": "<", "»": ">", "√": "/",
    "\xa0": " ",
}  # fmt: skip


def glyphs(encoding: str) -> list[bytes]:
    """Character code → bytes for a terminal with that encoding, one column wide each."""
    table = []
    for character in CP437:
        try:
            table.append(character.encode(encoding))
        except (UnicodeEncodeError, LookupError):
            table.append(_PLAIN_LOOKS.get(character, "?").encode("ascii"))
    return table


def rendition(attribute: int, blink: bool) -> bytes:
    """The SGR sequence for a VGA attribute."""
    foreground, background = attribute & 0x0F, attribute >> 4 & 7
    codes = [0, (90 if foreground & 8 else 30) + _ANSI[foreground & 7]]
    codes.append((100 if attribute & 0x80 and not blink else 40) + _ANSI[background])
    if attribute & 0x80 and blink:
        codes.append(5)
    return b"\x1b[%sm" % ";".join(map(str, codes)).encode()


# Alt with a digit: the console of that number.
_SELECT = re.compile(rb"\x1b([1-9])")
# Control with cursor up and down, page up and down: rows to look back.
_LOOK_BACK = {b"\x1b[1;5A": 1, b"\x1b[1;5B": -1, b"\x1b[5;5~": 10, b"\x1b[6;5~": -10}


class CursesDisplay:
    """Draws on a terminal what *source* shows or one of *consoles*, and reports keys. *source* None: only those.

    The event loop calls ``start()``, then ``refresh()`` every ``interval_ns`` and ``read_input()`` when
    ``input_fd`` is readable, and ``stop()`` at the end, whatever happened.
    """

    def __init__(
        self,
        source: TextSource | None,
        on_key: OnKey,
        *,
        consoles: Sequence[VcChardev] = (),
        input_fd: int = 0,
        output_fd: int = 1,
        encoding: str | None = None,
    ) -> None:
        self._consoles: list[TextSource | VcChardev] = [*([source] if source is not None else []), *consoles]
        self.input_fd = input_fd
        self.output_fd = output_fd
        self.interval_ns = FAST_NS
        self.write: Callable[[bytes], None] = self._write
        self.terminal_size: Callable[[], tuple[int, int]] = self._terminal_size
        self._decoder = KeyDecoder(on_key)
        self._glyphs = glyphs(encoding or locale.getpreferredencoding(False))
        self._renditions: dict[tuple[int, bool], bytes] = {}
        self._mode: Any = None
        self._idle = 0
        self._esc_seen = False
        self.select(0)

    # -- life -----------------------------------------------------------------------------------------

    def start(self) -> None:
        """Take the terminal: raw mode, a screen of our own."""
        from pyqemu.chardev.terminal import TerminalMode

        self._mode = TerminalMode(self.input_fd)
        self._mode.enter()
        self.write(_ENTER)
        self._forget()

    def stop(self) -> None:
        """Give the terminal back as it was."""
        if self._mode is not None:
            self.write(_LEAVE)
            self._mode.restore()
            self._mode = None

    def _forget(self) -> None:
        """The terminal's content is unknown: draw everything next time."""
        self._drawn: list[bytes] = []  # cells of each terminal row, as drawn
        self._size = (0, 0)
        self._message = ""
        self._cursor: tuple[int, int] | None = None
        self._blink = False
        self._stale = True

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self.output_fd, view) :]
        except OSError:  # gone, or not keeping up: begin anew when it takes output again
            self._forget()

    def _terminal_size(self) -> tuple[int, int]:
        """Columns and rows. Asking each time is one system call, and needs no signal handler."""
        try:
            size = os.get_terminal_size(self.output_fd)
        except OSError:
            return 80, 25
        return (size.columns or 80, size.lines or 25)

    # -- keys -----------------------------------------------------------------------------------------

    def read_input(self) -> bool:
        """The terminal has input; returns False at its end."""
        try:
            data = os.read(self.input_fd, 4096)
        except BlockingIOError:
            return True
        except OSError:
            return False
        self.receive(data)
        return bool(data)

    def select(self, number: int) -> None:
        """Show another console, by its place."""
        shown = self._consoles[number]
        self._vc = shown if isinstance(shown, VcChardev) else None
        self.source: TextSource = shown.console if isinstance(shown, VcChardev) else shown
        if self._vc is not None:
            self._vc.show()
        self._forget()

    def receive(self, data: bytes) -> None:
        """Bytes that were typed."""
        begin = 0
        for key in _SELECT.finditer(data):
            if (number := int(key[1]) - 1) < len(self._consoles):
                self._take(data[begin : key.start()])
                self.select(number)
                begin = key.end()
        self._take(data[begin:])
        self._esc_seen = False
        self._idle = 0
        self.interval_ns = FAST_NS

    def _take(self, data: bytes) -> None:
        if self._vc is None:
            self._decoder.feed(data)
        elif rows := _LOOK_BACK.get(data):
            self._vc.console.scroll(rows)
        elif data:
            self._vc.console.scroll(-HISTORY)
            self._vc.type(data)

    # -- drawing --------------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Bring the terminal up to date; the next call is due in ``interval_ns``."""
        if self._decoder.pending:
            # An ESC that is still alone one refresh later was the key.
            if self._esc_seen:
                self._decoder.flush()
            self._esc_seen = not self._esc_seen
        size = self.terminal_size()
        if size != self._size:
            self._forget()
            self._size = size
            self.write(_CLEAR)
        news = self._show_text() if self.source.is_text else self._show_message()
        self._idle = 0 if news else self._idle + 1
        self.interval_ns = SLOW_NS if self._idle > IDLE_REFRESHES and not self._decoder.pending else FAST_NS

    def _show_message(self) -> bool:
        """Graphics cannot be shown here: say which mode it is."""
        width, height = self.source.size
        message = f"{width}x{height} graphic mode"
        if message == self._message:
            return False
        columns, rows = self._size
        shown = message[:columns]
        self._drawn = []
        self._stale = True
        self._message = message
        place = b"\x1b[%d;%dH" % (rows // 2 + 1, (columns - len(shown)) // 2 + 1)
        self.write(_HIDE_CURSOR + _CLEAR + place + shown.encode("ascii"))
        return True

    def _show_text(self) -> bool:
        changed = self.source.changed()
        if not changed and not self._stale:
            return False
        out = bytearray()
        if self._message:
            self._message = ""
            out += _CLEAR
        screen = self.source.text()
        if screen.blink != self._blink:
            self._blink = screen.blink
            self._drawn = []
        size = self._size
        self._stale = False
        columns, rows = min(screen.columns, size[0]), min(screen.rows, size[1])
        top = 0
        if screen.cursor is not None:
            top = max(screen.cursor[1] - rows + 1, 0)
        if len(self._drawn) != rows or (self._drawn and len(self._drawn[0]) != columns * 2):
            out += _CLEAR
            self._drawn = [b""] * rows
        for row in range(rows):
            self._draw_row(out, screen, row, top + row, columns)
        cursor = None
        if screen.cursor is not None and screen.cursor[0] < columns:
            cursor = screen.cursor[0], screen.cursor[1] - top
        if cursor is None:
            out += _HIDE_CURSOR
        elif out or cursor != self._cursor:
            out += b"\x1b[%d;%dH" % (cursor[1] + 1, cursor[0] + 1) + _SHOW_CURSOR
        self._cursor = cursor
        if out:
            self.write(bytes(out))
        return True

    def _draw_row(self, out: bytearray, screen: TextScreen, row: int, source_row: int, columns: int) -> None:
        """Draw the cells from the first to the last that differ from what the terminal shows."""
        start = source_row * screen.columns * 2
        cells = screen.cells[start : start + columns * 2]
        old = self._drawn[row]
        if cells == old:
            return
        first, last = 0, columns
        if old:
            while cells[first * 2 : first * 2 + 2] == old[first * 2 : first * 2 + 2]:
                first += 1
            while cells[last * 2 - 2 : last * 2] == old[last * 2 - 2 : last * 2]:
                last -= 1
        self._drawn[row] = cells
        out += b"\x1b[%d;%dH" % (row + 1, first + 1)
        table = self._glyphs
        attribute = -1
        for at in range(first * 2, last * 2, 2):
            if cells[at + 1] != attribute:
                attribute = cells[at + 1]
                out += self._rendition(attribute)
            out += table[cells[at]]
        out += b"\x1b[0m"

    def _rendition(self, attribute: int) -> bytes:
        key = attribute, self._blink
        known = self._renditions.get(key)
        if known is None:
            known = self._renditions[key] = rendition(*key)
        return known


@contextmanager
def show(vm: Any) -> Iterator[None]:
    """Join a machine's screen and keyboard to this terminal; the machine's event loop does the work.

    A machine with neither a display adapter nor a text console shows nothing.
    """
    devices = vm.board.devices
    consoles = [chardev for _, chardev in vm.named_chardevs() if isinstance(chardev, VcChardev)]
    consoles.sort(key=lambda chardev: not chardev.label.startswith("compat_monitor"))
    source = devices["vga"].scanout if "vga" in devices else None
    if source is None and not consoles:
        yield
        return
    keyboard = devices.get("keyboard")
    on_key = Typist(keyboard.keyboard, vm.clock).type if keyboard else lambda *_key: None
    display = CursesDisplay(source, on_key, consoles=consoles)

    def refresh() -> None:
        display.refresh()
        timer.start(vm.clock.now() + display.interval_ns)

    def typed() -> None:
        if not display.read_input():
            vm.loop.remove_reader(display.input_fd)
        timer.start(min(timer.deadline_ns, vm.clock.now() + display.interval_ns))

    timer = vm.clock.timer(refresh)
    display.start()
    try:
        with suppress(PermissionError):  # standard input is a file: nobody types
            vm.loop.add_reader(display.input_fd, typed)
        refresh()
        yield
    finally:
        timer.stop()
        vm.loop.remove_reader(display.input_fd)
        display.stop()
