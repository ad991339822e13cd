"""Integer expressions as HMP's arguments have them: ``$eip + 2 * (0x10 - 4)``.

Values are 64 bits and wrap. From the weakest to the strongest: ``+ -``, then ``& | ^``, then ``* / %``, then the
signs ``+ - ~``. That order is QEMU's, not C's.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

MASK = (1 << 64) - 1
NESTING = 100

_NUMBER = re.compile(r"0[xX][0-9a-fA-F]+|[0-9]+")
_REGISTER = re.compile(r"\$([A-Za-z0-9._]*)")


class ExpressionError(Exception):
    """What is wrong, in QEMU's words."""


class Expression:
    """Reads one expression out of *text*, from *position* on. ``registers(name)`` is a register's value or None."""

    def __init__(self, text: str, position: int, registers: Callable[[str], int | None]) -> None:
        self.position = position
        self._text = text
        self._registers = registers
        self._depth = 0
        self._skip_blanks()

    def value(self) -> int:
        """The value, as a signed 64-bit number; ``position`` is behind it then. Raises ExpressionError."""
        value = self._sum()
        return value - (1 << 64) if value >> 63 else value

    def _peek(self) -> str:
        return self._text[self.position : self.position + 1]

    def _advance(self, count: int = 1) -> None:
        self.position += count
        self._skip_blanks()

    def _skip_blanks(self) -> None:
        while self._peek().isspace():
            self.position += 1

    def _sum(self) -> int:
        return self._chain("+-", self._logic)

    def _logic(self) -> int:
        return self._chain("&|^", self._product)

    def _product(self) -> int:
        return self._chain("*/%", self._unary)

    def _chain(self, operators: str, operand: Callable[[], int]) -> int:
        value = operand()
        while (operator := self._peek()) and operator in operators:
            self._advance()
            value = _apply(operator, value, operand()) & MASK
        return value

    def _unary(self) -> int:
        self._depth += 1
        if self._depth > NESTING:
            raise ExpressionError("expression too complex")
        try:
            return self._operand()
        finally:
            self._depth -= 1

    def _operand(self) -> int:
        character = self._peek()
        if character in ("+", "-", "~") and character:
            self._advance()
            value = self._unary()
            return {"+": value, "-": -value, "~": ~value}[character] & MASK
        if character == "(":
            self._advance()
            value = self._sum()
            if self._peek() != ")":
                raise ExpressionError("')' expected")
            self._advance()
            return value
        if character == "'":
            code = self._text[self.position + 1 : self.position + 2]
            if not code:
                raise ExpressionError("character constant expected")
            if self._text[self.position + 2 : self.position + 3] != "'":
                raise ExpressionError("missing terminating ' character")
            self._advance(3)
            return ord(code)
        if character == "$":
            return self._register()
        if not character:
            raise ExpressionError("unexpected end of expression")
        match = _NUMBER.match(self._text, self.position)
        if match is None:
            raise ExpressionError(f"invalid char '{character}' in expression")
        digits = match[0]
        base = 16 if digits[:2].lower() == "0x" else 8 if digits[0] == "0" else 10
        try:
            number = int(digits, base)
        except ValueError:  # an 8 or 9 in an octal number
            raise ExpressionError("invalid char in expression") from None
        if number > MASK:
            raise ExpressionError("number too large")
        self._advance(len(digits))
        return number

    def _register(self) -> int:
        match: Any = _REGISTER.match(self._text, self.position)
        value = self._registers(match[1])
        if value is None:
            raise ExpressionError("unknown register")
        self._advance(len(match[0]))
        return value & MASK


def _apply(operator: str, left: int, right: int) -> int:
    match operator:
        case "+":
            return left + right
        case "-":
            return left - right
        case "&":
            return left & right
        case "|":
            return left | right
        case "^":
            return left ^ right
        case "*":
            return left * right
    if right == 0:
        raise ExpressionError("division by zero")
    return left // right if operator == "/" else left % right
