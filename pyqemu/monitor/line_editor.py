"""Editing a line on a terminal: cursor keys, history, completion.

Keys     the usual control keys (A B D E F H K N P T U W) and what cursor keys send (ECMA-48, xterm)
Output   the line is redrawn from the place that changed
Units    positions and lengths count characters
"""

from __future__ import annotations

import codecs
from collections.abc import Callable

LINE_LIMIT = 4096
HISTORY_LINES = 64
SEQUENCE_LIMIT = 16  # what is longer is none of ours

_SEQUENCES = {
    "[A": "up", "[B": "down", "[C": "right", "[D": "left", "[H": "home", "[F": "end", "OH": "home", "OF": "end",
    "OA": "up", "OB": "down", "OC": "right", "OD": "left", "[1~": "home", "[4~": "end", "[7~": "home",
    "[8~": "end", "[3~": "delete", "b": "word left", "f": "word right", "d": "kill word right",
    "\x7f": "kill word", "\x08": "kill word",
}  # fmt: skip
_CONTROLS = {
    1: "home", 2: "left", 4: "delete", 5: "end", 6: "right", 8: "backspace", 9: "complete", 11: "kill end",
    12: "redraw", 14: "down", 16: "up", 21: "kill line", 23: "kill word", 127: "backspace",
}  # fmt: skip


class LineEditor:
    """``write(text)`` draws; ``accept(line)`` gets each line typed; ``complete(text)`` the words that could follow.

    *complete* returns how many characters of the end of *text* the words replace, and the words.
    """

    def __init__(
        self,
        write: Callable[[str], None],
        accept: Callable[[str], None],
        complete: Callable[[str], tuple[int, list[str]]],
        prompt: str,
    ) -> None:
        self.prompt = prompt
        self.history: list[str] = []
        self._write = write
        self._accept = accept
        self._complete = complete
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._line: list[str] = []
        self._cursor = 0
        self._sequence: str | None = None  # after ESC
        self._recalled = 0
        self._draft: list[str] = []
        self._after_return = False

    def show_prompt(self) -> None:
        """Begin a new line."""
        self._line, self._cursor, self._sequence = [], 0, None
        self._recalled = len(self.history)
        self._write(self.prompt)

    def feed(self, data: bytes) -> None:
        """Take what was typed."""
        for character in self._decoder.decode(data):
            self._take(character)

    def _take(self, character: str) -> None:
        if self._sequence is not None:
            if len(self._sequence) < SEQUENCE_LIMIT:
                self._sequence += character
            is_first = len(self._sequence) == 1
            if not (is_first and character in "[O") and not (self._sequence[0] == "[" and character < "@"):
                name, self._sequence = _SEQUENCES.get(self._sequence, ""), None
                self._act(name)
            return
        if character == "\n" and self._after_return:
            self._after_return = False  # CR LF is one line's end
            return
        self._after_return = character == "\r"
        if character in "\r\n":
            self._finish()
        elif character == "\x1b":
            self._sequence = ""
        elif ord(character) in _CONTROLS:
            self._act(_CONTROLS[ord(character)])
        elif character.isprintable() and len(self._line) < LINE_LIMIT:
            self._line.insert(self._cursor, character)
            self._cursor += 1
            self._redraw(self._cursor - 1, self._cursor - 1)

    def _finish(self) -> None:
        line = "".join(self._line)
        self._move(len(self._line))
        self._write("\r\n")
        self._line, self._cursor = [], 0
        if line.strip():
            if line in self.history:
                self.history.remove(line)
            self.history.append(line)
            del self.history[:-HISTORY_LINES]
        self._accept(line)

    # -- keys -----------------------------------------------------------------------------------------

    def _act(self, name: str) -> None:
        line, cursor = self._line, self._cursor
        match name:
            case "left":
                self._move(cursor - 1)
            case "right":
                self._move(cursor + 1)
            case "home":
                self._move(0)
            case "end":
                self._move(len(line))
            case "word left":
                self._move(self._word_start())
            case "word right":
                self._move(self._word_end())
            case "backspace":
                self._delete(cursor - 1, cursor)
            case "delete":
                self._delete(cursor, cursor + 1)
            case "kill end":
                self._delete(cursor, len(line))
            case "kill line":
                self._delete(0, len(line))
            case "kill word":
                self._delete(self._word_start(), cursor)
            case "kill word right":
                self._delete(cursor, self._word_end())
            case "up":
                self._recall(self._recalled - 1)
            case "down":
                self._recall(self._recalled + 1)
            case "complete":
                self._do_complete()
            case "redraw":
                self._write("\x1b[H\x1b[2J" + self.prompt)
                self._redraw(0, 0)

    def _word_start(self) -> int:
        at = self._cursor
        while at > 0 and self._line[at - 1].isspace():
            at -= 1
        while at > 0 and not self._line[at - 1].isspace():
            at -= 1
        return at

    def _word_end(self) -> int:
        at = self._cursor
        while at < len(self._line) and self._line[at].isspace():
            at += 1
        while at < len(self._line) and not self._line[at].isspace():
            at += 1
        return at

    def _delete(self, start: int, end: int) -> None:
        start, end = max(start, 0), min(end, len(self._line))
        if start >= end:
            return
        shown = self._cursor
        del self._line[start:end]
        self._cursor = start
        self._redraw(start, shown)

    def _recall(self, number: int) -> None:
        if not 0 <= number <= len(self.history) or number == self._recalled:
            return
        if self._recalled == len(self.history):
            self._draft = self._line
        self._recalled = number
        shown = self._cursor
        self._line = list(self.history[number]) if number < len(self.history) else self._draft
        self._cursor = len(self._line)
        self._redraw(0, shown)

    # -- completion -----------------------------------------------------------------------------------

    def _do_complete(self) -> None:
        replaced, words = self._complete("".join(self._line[: self._cursor]))
        if not words:
            return
        common = _common_start(words)
        if len(words) == 1 and not common.endswith(("/", "-")):
            common += " "
        typed = "".join(self._line[self._cursor - replaced : self._cursor])
        if common != typed and common.startswith(typed):
            start = self._cursor
            self._line[start:start] = common[replaced:]
            self._cursor = start + len(common) - replaced
            self._redraw(start, start)
        elif len(words) > 1:
            self._write("\r\n" + _columns(sorted(words)) + self.prompt)
            self._redraw(0, 0)

    # -- drawing --------------------------------------------------------------------------------------

    def _move(self, target: int) -> None:
        target = min(max(target, 0), len(self._line))
        self._write(_step(target - self._cursor))
        self._cursor = target

    def _redraw(self, start: int, shown: int) -> None:
        """Draw from *start* on; the terminal's cursor stands at *shown*."""
        rest = "".join(self._line[start:])
        erase = "" if shown == start and len(rest) == 1 else "\x1b[K"  # a character at the end covers nothing
        self._write(_step(start - shown) + rest + erase + _step(self._cursor - len(self._line)))


def _step(columns: int) -> str:
    if columns == 0:
        return ""
    return f"\x1b[{columns}C" if columns > 0 else "\b" * -columns if columns > -4 else f"\x1b[{-columns}D"


def _common_start(words: list[str]) -> str:
    first, last = min(words), max(words)
    length = 0
    while length < min(len(first), len(last)) and first[length] == last[length]:
        length += 1
    return first[:length]


def _columns(words: list[str], width: int = 80) -> str:
    column = max(len(word) for word in words) + 2
    each = max(1, width // column)
    lines = [words[at : at + each] for at in range(0, len(words), each)]
    return "".join("".join(word.ljust(column) for word in line).rstrip() + "\r\n" for line in lines)
