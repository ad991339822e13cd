"""JSON values out of a stream of bytes, as QMP clients send them.

Values need no separator and may arrive in any pieces; strings may have single quotes. What cannot be read is
reported and skipped, and the stream goes on. Everything is bounded, as the sender is not to be trusted.

Source   RFC 8259; QMP specification (docs/interop) for the extensions; messages as QEMU's parser words them
Units    limits count bytes of one value, its tokens, and how deep brackets nest
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import Any

VALUE_BYTES = 1 << 20
TOKENS = 1 << 16
NESTING = 512

_TOKEN = re.compile(
    rb"""(?P<space>[ \t\r\n]+)
    | (?P<mark>[{}\[\],:])
    | (?P<string>"(?:[^"\\\x00-\x1f]++|\\.)*+" | '(?:[^'\\\x00-\x1f]++|\\.)*+')
    | (?P<number>-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?)
    | (?P<word>[a-z]+)""",
    re.VERBOSE | re.DOTALL,
)
_OPEN_STRING = re.compile(rb"""["'](?:[^\\\x00-\x1f]++|\\.)*+\\?\Z""", re.DOTALL)
_OPEN_NUMBER = re.compile(rb"-?[0-9]*(?:\.[0-9]*)?(?:[eE][-+]?[0-9]*)?\Z")
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_ESCAPES = {'"': '"', "'": "'", "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_WORDS = {b"true": True, b"false": False, b"null": None}
_LONGEST_NUMBER = 400


class JsonError(Exception):
    """What is wrong with a value, in QEMU's words."""


class JsonStream:
    """``feed`` bytes, get values and JsonErrors (as objects, in order)."""

    def __init__(self) -> None:
        self._held: list[bytes] = []  # the beginning of a token
        self._held_bytes = 0
        self._quote = b""  # the token is a string that ends with this
        self._tokens: list[tuple[str, bytes]] = []
        self._depth = 0
        self._bytes = 0
        self._skipping = False  # to the end of the line, after a value that was too big

    def reset(self) -> None:
        self.__init__()  # type: ignore[misc]

    def feed(self, data: bytes) -> Iterator[Any]:
        if self._quote and self._quote not in data and min(data, default=0) >= ord(" "):
            yield from self._hold(data)  # without looking at the string again
            return
        data = b"".join([*self._held, data])
        self._held, self._held_bytes, self._quote = [], 0, b""
        position = 0
        while position < len(data):
            if self._skipping:
                end = data.find(b"\n", position)
                if end < 0:
                    return
                self._skipping, position = False, end + 1
                continue
            match = _TOKEN.match(data, position)
            if match is None:
                if _OPEN_STRING.match(data, position):
                    self._quote = data[position : position + 1]
                    yield from self._hold(data[position:])
                    return
                if data[position:] == b"-":
                    yield from self._hold(b"-")
                    return
                yield self._stray(data[position : position + 1])
                position += 1
                continue
            kind = match.lastgroup or ""
            if (kind == "word" and match.end() == len(data)) or (
                kind == "number" and _OPEN_NUMBER.match(data, position)
            ):
                yield from self._hold(data[position:])
                return
            position = match.end()
            if kind != "space":
                yield from self._take(kind, match[0])

    def _hold(self, piece: bytes) -> Iterator[JsonError]:
        """The end of a token is still to come."""
        self._held.append(piece)
        self._held_bytes += len(piece)
        if self._bytes + self._held_bytes > VALUE_BYTES:
            yield self._refuse("JSON token size limit exceeded")

    def _stray(self, byte: bytes) -> JsonError:
        self._tokens, self._depth, self._bytes = [], 0, 0
        shown = byte.decode("ascii") if byte < b"\x80" else "\ufffd"
        return JsonError(f"JSON parse error, stray '{shown}'")

    def _refuse(self, message: str) -> JsonError:
        self.reset()
        self._skipping = True
        return JsonError(message)

    def _take(self, kind: str, text: bytes) -> Iterator[Any]:
        self._tokens.append((kind, text))
        self._bytes += len(text)
        if text in (b"{", b"["):
            self._depth += 1
        elif text in (b"}", b"]"):
            self._depth -= 1
        if self._depth > NESTING:
            yield self._refuse("JSON nesting depth limit exceeded")
        elif self._bytes > VALUE_BYTES:
            yield self._refuse("JSON token size limit exceeded")
        elif len(self._tokens) > TOKENS:
            yield self._refuse("JSON token count limit exceeded")
        elif self._depth <= 0:
            tokens, self._tokens, self._depth, self._bytes = self._tokens, [], 0, 0
            try:
                yield _Parser(tokens).parse()
            except JsonError as error:
                yield error


class _Parser:
    """One value from its tokens; no recursion deeper than the nesting limit allows."""

    def __init__(self, tokens: list[tuple[str, bytes]]) -> None:
        self._tokens = tokens
        self._at = 0

    def parse(self) -> Any:
        """Without recursion: values nest deeper than Python's stack is safe for."""
        # Each open container with the key that waits for its value (None in a list).
        open_: list[tuple[Any, str | None]] = []
        while True:
            value: Any
            kind, text = self._next("expecting value")
            if text == b"{":
                value = {}
                if not self._skip(b"}"):
                    open_.append((value, self._key()))
                    continue
            elif text == b"[":
                value = []
                if not self._skip(b"]"):
                    open_.append((value, None))
                    continue
            else:
                value = _scalar(kind, text)
            while True:
                if not open_:
                    return value
                container, key = open_.pop()
                if key is None:
                    container.append(value)
                    close, expected = b"]", "expected separator in list"
                else:
                    if key in container:
                        raise JsonError("JSON parse error, duplicate key")
                    container[key] = value
                    close, expected = b"}", "expected separator in dict"
                if self._skip(close):
                    value = container
                    continue
                if not self._skip(b","):
                    raise JsonError(f"JSON parse error, {expected}")
                open_.append((container, None if key is None else self._key()))
                break

    def _next(self, wanted: str) -> tuple[str, bytes]:
        if self._at >= len(self._tokens):
            raise JsonError("JSON parse error, premature EOI")
        token = self._tokens[self._at]
        self._at += 1
        if token[0] == "mark" and token[1] not in (b"{", b"["):
            raise JsonError(f"JSON parse error, {wanted}")
        return token

    def _skip(self, mark: bytes) -> bool:
        if self._at < len(self._tokens) and self._tokens[self._at][1] == mark:
            self._at += 1
            return True
        return False

    def _key(self) -> str:
        kind, text = self._next("expecting value")
        if kind != "string":
            raise JsonError("JSON parse error, key is not a string in object")
        if not self._skip(b":"):
            raise JsonError("JSON parse error, missing : in object pair")
        return _string(text)


def _scalar(kind: str, text: bytes) -> Any:
    if kind == "string":
        return _string(text)
    if kind == "number":
        if len(text) > _LONGEST_NUMBER:
            raise JsonError("JSON parse error, invalid number")
        number = json.loads(text)
        if isinstance(number, float) and not math.isfinite(number):
            raise JsonError("JSON parse error, invalid number")
        return number
    if text not in _WORDS:
        raise JsonError(f"JSON parse error, invalid keyword '{text.decode('ascii', 'replace')[:80]}'")
    return _WORDS[text]


def _string(text: bytes) -> str:
    try:
        inner = text[1:-1].decode("utf-8")
    except UnicodeDecodeError:
        raise JsonError("JSON parse error, invalid UTF-8 sequence in string") from None
    if "\\" not in inner:
        return inner

    def replace(match: re.Match[str]) -> str:
        name = match[1]
        if name[0] == "u" and len(name) == 5:
            return chr(int(name[1:], 16))
        if name not in _ESCAPES:
            raise JsonError("JSON parse error, invalid escape sequence in string")
        return _ESCAPES[name]

    # Two escapes make one character beyond the first 65536; half of one is no character.
    joined = _ESCAPE.sub(replace, inner).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if "\0" in joined:
        raise JsonError("JSON parse error, invalid escape sequence in string")
    return joined
