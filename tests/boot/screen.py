"""A text terminal in memory: enough of the Linux console to read what a curses display draws.

Source   console_codes(4); programs run with TERM=linux
Units    rows and columns from 0
Missing  colours, insert mode, anything that does not move or write text
"""

from __future__ import annotations

import codecs
import re

ESCAPE = re.compile(
    r"\x1b(?:\[([?>=]?[\d;]*)([@-~])|\]P[\da-fA-F]{7}|\]R|\][^\x07\x1b]*\x07|[()][A-Za-z0-9]|[A-Za-z0-9=>])"
)


class Screen:
    """Feed it what a program writes; ``text()`` is what a person would see."""

    def __init__(self, rows: int = 25, columns: int = 80) -> None:
        self.rows, self.columns = rows, columns
        self.cells = [[" "] * columns for _ in range(rows)]
        self.row = self.column = 0
        self._saved = (0, 0)
        self._top, self._bottom = 0, rows - 1
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._pending = ""

    def text(self) -> str:
        return "\n".join("".join(line).rstrip() for line in self.cells)

    def feed(self, data: bytes) -> None:
        stream = self._pending + self._decode(data)
        position = 0
        while position < len(stream):
            if stream[position] == "\x1b":
                escape = ESCAPE.match(stream, position)
                if escape is None and len(stream) - position < 32:
                    break  # the rest has not come yet
                if escape is not None:
                    self._escape(escape)
                    position = escape.end()
                    continue
            self._character(stream[position])
            position += 1
        self._pending = stream[position:]

    def _character(self, character: str) -> None:
        match character:
            case "\r":
                self.column = 0
            case "\n":
                self._down()
            case "\b":
                self.column = max(0, self.column - 1)
            case "\t":
                self.column = min(self.columns - 1, (self.column | 7) + 1)
            case _ if character >= " ":
                if self.column >= self.columns:
                    self.column = 0
                    self._down()
                self.cells[self.row][self.column] = character
                self.column += 1

    def _down(self) -> None:
        if self.row == self._bottom:
            del self.cells[self._top]
            self.cells.insert(self._bottom, [" "] * self.columns)
        elif self.row < self.rows - 1:
            self.row += 1

    def _escape(self, escape: re.Match[str]) -> None:
        if escape[2] is None:
            match escape[0][1:]:
                case "7":
                    self._saved = (self.row, self.column)
                case "8":
                    self.row, self.column = self._saved
                case "D":
                    self._down()
                case "M":
                    self._up()
                case "c":
                    self.__init__(self.rows, self.columns)  # type: ignore[misc]
            return
        if escape[1][:1] in ("?", ">", "="):
            return
        numbers = [int(number or 0) for number in escape[1].split(";")]
        first = numbers[0]
        count = max(1, first)
        match escape[2]:
            case "H" | "f":
                self._go(count - 1, max(1, [*numbers, 1][1]) - 1)
            case "A":
                self._go(self.row - count, self.column)
            case "B" | "e":
                self._go(self.row + count, self.column)
            case "C" | "a":
                self._go(self.row, self.column + count)
            case "D":
                self._go(self.row, self.column - count)
            case "G" | "`":
                self._go(self.row, count - 1)
            case "d":
                self._go(count - 1, self.column)
            case "J":
                self._erase_display(first)
            case "K":
                line = self.cells[self.row]
                start, end = ((self.column, self.columns), (0, self.column + 1), (0, self.columns))[min(first, 2)]
                line[start:end] = [" "] * (min(end, self.columns) - min(start, self.columns))
            case "X":
                end = min(self.columns, self.column + count)
                self.cells[self.row][self.column : end] = [" "] * (end - self.column)
            case "P":
                line = self.cells[self.row]
                del line[self.column : self.column + count]
                line += [" "] * (self.columns - len(line))
            case "@":
                line = self.cells[self.row]
                line[self.column : self.column] = [" "] * count
                del line[self.columns :]
            case "L":
                for _ in range(min(count, self.rows)):
                    del self.cells[self._bottom]
                    self.cells.insert(self.row, [" "] * self.columns)
            case "M":
                for _ in range(min(count, self.rows)):
                    del self.cells[self.row]
                    self.cells.insert(self._bottom, [" "] * self.columns)
            case "r":
                bottom = [*numbers, 0][1] or self.rows
                self._top, self._bottom = min(count, self.rows) - 1, min(bottom, self.rows) - 1
                self._go(0, 0)

    def _up(self) -> None:
        if self.row == self._top:
            del self.cells[self._bottom]
            self.cells.insert(self._top, [" "] * self.columns)
        elif self.row:
            self.row -= 1

    def _go(self, row: int, column: int) -> None:
        self.row = min(max(row, 0), self.rows - 1)
        self.column = min(max(column, 0), self.columns - 1)

    def _erase_display(self, what: int) -> None:
        blank = [" "] * self.columns
        if what == 0:
            self.cells[self.row][self.column :] = [" "] * (self.columns - min(self.column, self.columns))
            self.cells[self.row + 1 :] = [blank[:] for _ in range(self.rows - self.row - 1)]
        elif what == 1:
            self.cells[: self.row] = [blank[:] for _ in range(self.row)]
            self.cells[self.row][: self.column + 1] = [" "] * min(self.column + 1, self.columns)
        else:
            self.cells = [blank[:] for _ in range(self.rows)]
