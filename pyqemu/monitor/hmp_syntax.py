"""From a typed line to a command's arguments.

A command declares its arguments as ``name:type`` with commas between them:

    F  a file name          B  a block device        s  a word, or a text in double quotes
    S  the rest of the line  O  key=value,key=value  i  an integer expression of 32 bits, l of 64
    M  MiB, as expression   o  a size, MiB without a suffix
    b  on or off            /  /FORMAT (count, format letter, size letter)
    -x  a flag: True or absent;  -xs  a flag with a word behind it

A ``?`` behind the type: may be left out. QEMU's command table has the same notation.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pyqemu.core.errors import ConfigError
from pyqemu.core.sizes import parse_size
from pyqemu.monitor.expression import Expression, ExpressionError

MISSING = {"F": "filename expected", "B": "block device name expected"}
MAX_COUNT = 1 << 20

_WORD = re.compile(r'"(?:[^"\\]|\\.)*"|[^\s"]\S*', re.DOTALL)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPES = {"n": "\n", "r": "\r", "\\": "\\", "'": "'", '"': '"'}
_FORMAT = re.compile(r"/(\d*)([a-zA-Z]*)")


class SyntaxProblem(Exception):
    """The line does not fit the command; the text is QEMU's."""


@dataclass(frozen=True)
class Format:
    """``/count format size`` of x, xp, print, i and o. *size* 0: not given; *kind* in ``doxuci``."""

    count: int = 1
    kind: str = "x"
    size: int = 0


def parse_declaration(syntax: str) -> list[tuple[str, str, bool]]:
    """``(name, type, may be left out)`` for each argument."""
    declared = []
    for item in filter(None, syntax.split(",")):
        name, _, kind = item.partition(":")
        optional = kind.endswith("?") or kind[:1] == "-" or kind == "/"
        declared.append((name, kind.removesuffix("?"), optional))
    return declared


class Arguments:
    """Reads a line's arguments for one command. *formats*: the last format used, which the next one starts from."""

    def __init__(self, command: str, text: str, registers: Callable[[str], int | None], last: Format) -> None:
        self.format = last
        self._command = command
        self._text = text
        self._at = 0
        self._registers = registers

    def parse(self, syntax: str) -> dict[str, Any]:
        """Name → value; an argument that was left out is absent. Raises SyntaxProblem."""
        values: dict[str, Any] = {}
        for name, kind, optional in parse_declaration(syntax):
            self._skip_blanks()
            if kind[0] == "-":
                value = self._flag(kind)
            elif kind == "/":
                value = self._format_argument()
            elif self._at >= len(self._text):
                value = None
            else:
                value = self._argument(kind)
            if value is not None:
                values[name] = value
            elif not optional:
                raise self._missing(kind)
        self._skip_blanks()
        if self._at < len(self._text):
            raise SyntaxProblem(f"{self._command}: extraneous characters at the end of line")
        return values

    def _skip_blanks(self) -> None:
        while self._text[self._at : self._at + 1].isspace():
            self._at += 1

    def _missing(self, kind: str) -> SyntaxProblem:
        if kind in "ilMo":
            return SyntaxProblem("unexpected end of expression")
        return SyntaxProblem(f"{self._command}: {MISSING.get(kind, 'string expected')}")

    def _argument(self, kind: str) -> Any:
        match kind:
            case "F" | "B" | "s":
                return self._word()
            case "S":
                rest, self._at = self._text[self._at :].rstrip(), len(self._text)
                return rest
            case "O":
                return _pairs(self._word())
            case "b":
                word = self._word()
                if word not in ("on", "off"):
                    raise SyntaxProblem("Expected 'on' or 'off'")
                return word == "on"
            case "o":
                try:
                    return parse_size(self._word(), "Parameter 'size'", default_suffix="M")
                except ConfigError:
                    raise SyntaxProblem("invalid size") from None
        value = self._integer()
        if kind == "i" and value != value & 0xFFFFFFFF and not -(1 << 31) <= value < 0:
            raise SyntaxProblem(f"'{self._command}' has failed: integer is for 32-bit values")
        return value << 20 if kind == "M" else value

    def _word(self) -> str:
        match = _WORD.match(self._text, self._at)
        if match is None:
            raise SyntaxProblem("unterminated string")
        self._at = match.end()
        word = match[0]
        return word if word[0] != '"' else _ESCAPE.sub(_unescape, word[1:-1])

    def _integer(self) -> int:
        expression = Expression(self._text, self._at, self._registers)
        try:
            value = expression.value()
        except ExpressionError as error:
            raise SyntaxProblem(str(error)) from None
        self._at = expression.position
        return value

    def _flag(self, kind: str) -> Any:
        text = self._text[self._at :]
        if text[:1] != "-" or text[1:2].isdigit():
            return None
        if not (text[1:2] == kind[1] and (len(text) == 2 or text[2:3].isspace())):
            if text[1:2].isspace() or len(text) == 1:
                raise SyntaxProblem(f"{self._command}: unsupported option -")
            return None
        self._at += 2
        if kind[2:] != "s":
            return True
        self._skip_blanks()
        if self._at >= len(self._text):
            raise SyntaxProblem(f"{self._command}: string expected")
        return self._word()

    def _format_argument(self) -> Format:
        match = _FORMAT.match(self._text, self._at)
        last = self.format
        if match is None:
            return Format(1, last.kind, last.size)
        count, kind, size = int(match[1] or 1), last.kind, 0
        for letter in match[2]:
            if letter in "oduxic":
                kind = letter
            elif letter in "bhwgL":
                size = {"b": 1, "h": 2, "w": 4, "g": 8, "L": 8}[letter]
            else:
                raise SyntaxProblem(f"invalid char in format: '{letter}'")
        self._at = match.end()
        if self._at < len(self._text) and not self._text[self._at].isspace():
            raise SyntaxProblem(f"invalid char in format: '{self._text[self._at]}'")
        if kind == "i":
            size = -1 if size == 0 else size
        elif size == 0:
            size = last.size if last.size > 0 else 4
        self.format = Format(min(count, MAX_COUNT), kind, size)
        return self.format


def _unescape(match: re.Match[str]) -> str:
    if match[1] not in _ESCAPES:
        raise SyntaxProblem(f"unsupported escape code: '\\{match[1]}'")
    return _ESCAPES[match[1]]


def _pairs(text: str) -> dict[str, str]:
    """``driver,key=value,flag`` with the first key implied."""
    from pyqemu.cli.values import split

    return {key: "on" if value is None else value for key, value in split(text, implied="driver")}
