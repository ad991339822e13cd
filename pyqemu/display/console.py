"""A text console beside the guest's screen (a ``vc``): control sequences in, cells like a VGA's out.

Source   ECMA-48 5th edition, 8.3 (control functions); what is not in ``_FUNCTIONS`` is skipped
Units    columns and rows from 0; a cell is a code of code page 437 and a VGA attribute
Limits   HISTORY rows that have left at the top are kept; a control sequence has at most LONGEST_SEQUENCE bytes
Errors   bytes that are neither UTF-8 nor a control function are shown as code page 437 has them
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable
from itertools import islice

from pyqemu.display import TextScreen
from pyqemu.display.screen import CP437

COLUMNS, ROWS = 80, 24
HISTORY = 500
TAB = 8
LONGEST_SEQUENCE = 64
LARGEST_NUMBER = 9999

NORMAL = 0x07  # grey on black
BRIGHT, BLINK = 0x08, 0x80

_CODES = {character: code for code, character in enumerate(CP437)}
# Terminals count red, green, blue; the VGA blue, green, red.
_VGA = [(colour & 1) << 2 | colour & 2 | colour >> 2 for colour in range(8)]

_PIECE = re.compile(
    rb"(?P<text>[\x20-\x7e]+)"
    rb"|\x1b\[(?P<numbers>[0-?]*)(?P<between>[ -/]*)(?P<function>[@-~])"
    rb"|(?P<cut>\x1b(?:\[[0-?]*)?[ -/]*\Z|[\xc2-\xdf]\Z|[\xe0-\xef][\x80-\xbf]?\Z|[\xf0-\xf4][\x80-\xbf]{0,2}\Z)"
    rb"|(?P<escape>\x1b(?:[ -/]+[0-~]|[^ -/\[]))"
    rb"|(?P<wide>[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3})"
    rb"|(?P<byte>.)",
    re.DOTALL,
)


class TextConsole:
    """``answer`` gets what a device status report asks for."""

    is_text = True

    def __init__(
        self, columns: int = COLUMNS, rows: int = ROWS, answer: Callable[[bytes], None] | None = None
    ) -> None:
        self.columns, self.rows = columns, rows
        self._answer = answer
        self._history: deque[bytes] = deque(maxlen=HISTORY)
        self._held = b""  # the beginning of something longer
        self._view = 0  # so many rows further up
        self._changed = True
        self._reset()

    def _reset(self) -> None:
        self._lines = [self._blank() for _ in range(self.rows)]
        self._column = self._row = 0  # the column may be one too far: the next character begins a row
        self._saved = (0, 0)
        self._cursor_on = True
        self._set_rendition([0])

    def _blank(self) -> bytearray:
        return bytearray(bytes((0x20, NORMAL)) * self.columns)

    # -- what is shown --------------------------------------------------------------------------------

    @property
    def size(self) -> tuple[int, int]:
        """Dots, with the VGA's font."""
        return self.columns * 8, self.rows * 16

    def changed(self) -> bool:
        """Whether there is news since the last call."""
        changed, self._changed = self._changed, False
        return changed

    def text(self) -> TextScreen:
        above = self._view
        old = list(islice(self._history, len(self._history) - above, None)) if above else []
        lines = (old + self._lines)[: self.rows]
        cursor = (min(self._column, self.columns - 1), self._row) if self._cursor_on and not above else None
        return TextScreen(self.columns, self.rows, b"".join(lines), cursor, True)

    def scroll(self, rows: int) -> None:
        """Look further up (positive) or down."""
        self._view = min(max(self._view + rows, 0), len(self._history))
        self._changed = True

    # -- what is written ------------------------------------------------------------------------------

    def feed(self, data: bytes) -> None:
        data, self._held = self._held + data, b""
        self._changed = True
        for piece in _PIECE.finditer(data):
            match piece.lastgroup:
                case "text":
                    self._put(piece[0])
                case "function":
                    if not piece["between"]:
                        self._function(piece["numbers"], chr(piece["function"][0]))
                case "cut":
                    if len(piece[0]) < LONGEST_SEQUENCE:
                        self._held = piece[0]
                case "wide":
                    code = _CODES.get(piece[0].decode("utf-8", "replace"), ord("?"))
                    self._put(bytes((code,)))
                case "byte":
                    self._byte(piece[0])
                case "escape":
                    self._escape(piece[0])

    def _put(self, codes: bytes) -> None:
        at = 0
        while at < len(codes):
            if self._column >= self.columns:
                self._column = 0
                self._line_feed()
            piece = codes[at : at + self.columns - self._column]
            line = self._lines[self._row]
            begin, end = self._column * 2, (self._column + len(piece)) * 2
            line[begin:end:2] = piece
            line[begin + 1 : end : 2] = bytes((self._attribute,)) * len(piece)
            self._column += len(piece)
            at += len(piece)

    def _byte(self, byte: bytes) -> None:
        match byte:
            case b"\r":
                self._column = 0
            case b"\n" | b"\v" | b"\f":
                self._line_feed()
            case b"\b":
                self._column = max(min(self._column, self.columns) - 1, 0)
            case b"\t":
                self._column = min((self._column // TAB + 1) * TAB, self.columns - 1)
            case _ if byte >= b"\x80":
                self._put(byte)

    def _escape(self, sequence: bytes) -> None:
        match sequence[1:]:
            case b"c":  # RIS
                self._reset()
            case b"7":
                self._saved = self._column, self._row
            case b"8":
                self._move(*self._saved)
            case b"\x1b":  # the first was for nothing
                self._held = b"\x1b"

    def _line_feed(self) -> None:
        if self._row < self.rows - 1:
            self._row += 1
            return
        self._history.append(bytes(self._lines.pop(0)))
        self._lines.append(self._blank())
        if self._view:  # what is looked at stays
            self._view = min(self._view + 1, len(self._history))

    # -- control functions ----------------------------------------------------------------------------

    def _function(self, text: bytes, final: str) -> None:
        if text.startswith(b"?"):
            if final in "hl" and b"25" in text[1:].split(b";"):
                self._cursor_on = final == "h"
            return
        numbers = [min(int(word), LARGEST_NUMBER) if word.isdigit() else 0 for word in text.split(b";")]
        if final == "m":
            self._set_rendition(numbers)
        elif final in _FUNCTIONS:
            _FUNCTIONS[final](self, numbers[0], numbers[1] if len(numbers) > 1 else 0)

    def _move(self, column: int, row: int) -> None:
        self._column = min(max(column, 0), self.columns - 1)
        self._row = min(max(row, 0), self.rows - 1)

    def _move_by(self, columns: int, rows: int) -> None:
        self._move(min(self._column, self.columns - 1) + columns, self._row + rows)

    def _erase(self, row: int, begin: int, end: int) -> None:
        self._lines[row][begin * 2 : end * 2] = bytes((0x20, self._attribute)) * (end - begin)

    def _erase_in_line(self, which: int, _: int) -> None:
        begin = 0 if which else self._column
        end = min(self._column + 1, self.columns) if which == 1 else self.columns
        if which <= 2:
            self._erase(self._row, min(begin, self.columns), end)

    def _erase_in_page(self, which: int, _: int) -> None:
        if which > 2:
            return
        self._erase_in_line(which, 0)
        first, last = (self._row + 1, self.rows) if which == 0 else (0, self._row if which == 1 else self.rows)
        for row in range(first, last):
            self._erase(row, 0, self.columns)

    def _delete_characters(self, count: int, _: int) -> None:
        line, column = self._lines[self._row], min(self._column, self.columns)
        count = min(count or 1, self.columns - column)
        del line[column * 2 : (column + count) * 2]
        line += bytes((0x20, self._attribute)) * count

    def _insert_characters(self, count: int, _: int) -> None:
        line, column = self._lines[self._row], min(self._column, self.columns)
        count = min(count or 1, self.columns - column)
        line[column * 2 : column * 2] = bytes((0x20, self._attribute)) * count
        del line[self.columns * 2 :]

    def _erase_characters(self, count: int, _: int) -> None:
        column = min(self._column, self.columns)
        self._erase(self._row, column, min(column + (count or 1), self.columns))

    def _insert_lines(self, count: int, _: int) -> None:
        for _ in range(min(count or 1, self.rows - self._row)):
            self._lines.insert(self._row, self._blank())
            self._lines.pop()

    def _delete_lines(self, count: int, _: int) -> None:
        for _ in range(min(count or 1, self.rows - self._row)):
            self._lines.pop(self._row)
            self._lines.append(self._blank())

    def _save(self, _: int, __: int) -> None:
        self._saved = self._column, self._row

    def _report(self, what: int, _: int) -> None:
        if self._answer is None:
            return
        if what == 5:
            self._answer(b"\x1b[0n")
        elif what == 6:
            self._answer(b"\x1b[%d;%dR" % (self._row + 1, min(self._column, self.columns - 1) + 1))

    def _set_rendition(self, numbers: list[int]) -> None:
        for number in numbers:
            if number == 0:
                self._colours, self._bright, self._inverse, self._blink = [7, 0], False, False, False
            elif number in (1, 22):
                self._bright = number == 1
            elif number in (5, 25):
                self._blink = number == 5
            elif number in (7, 27):
                self._inverse = number == 7
            elif 30 <= number <= 37:
                self._colours[0] = _VGA[number - 30]
            elif 40 <= number <= 47:
                self._colours[1] = _VGA[number - 40]
            elif number in (39, 49):
                self._colours[number // 49] = 7 if number == 39 else 0
        front, back = reversed(self._colours) if self._inverse else self._colours
        self._attribute = back << 4 | front | (BRIGHT if self._bright else 0) | (BLINK if self._blink else 0)


_FUNCTIONS: dict[str, Callable[[TextConsole, int, int], None]] = {
    "@": TextConsole._insert_characters,
    "A": lambda self, count, _: self._move_by(0, -(count or 1)),
    "B": lambda self, count, _: self._move_by(0, count or 1),
    "C": lambda self, count, _: self._move_by(count or 1, 0),
    "D": lambda self, count, _: self._move_by(-(count or 1), 0),
    "G": lambda self, column, _: self._move(column - 1, self._row),
    "H": lambda self, row, column: self._move(column - 1, row - 1),
    "J": TextConsole._erase_in_page,
    "K": TextConsole._erase_in_line,
    "L": TextConsole._insert_lines,
    "M": TextConsole._delete_lines,
    "P": TextConsole._delete_characters,
    "X": TextConsole._erase_characters,
    "d": lambda self, row, _: self._move(self._column, row - 1),
    "f": lambda self, row, column: self._move(column - 1, row - 1),
    "n": TextConsole._report,
    "s": TextConsole._save,
    "u": lambda self, _, __: self._move(*self._saved),
}
