"""JSON from a stream, whole or broken."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pyqemu.monitor.json_stream import VALUE_BYTES, JsonError, JsonStream

PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 70), 1 << 70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner),
    max_leaves=20,
)


def read(*pieces: bytes) -> list[Any]:
    stream = JsonStream()
    return [
        value if not isinstance(value, JsonError) else str(value)
        for piece in pieces
        for value in stream.feed(piece)
    ]


@PATIENT
@given(VALUES, st.booleans(), st.data())
def test_any_value_in_any_pieces(value: Any, ascii: bool, data: st.DataObject) -> None:
    text = json.dumps([value], ensure_ascii=ascii).encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=5)))
    pieces = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    assert read(*pieces) == [[value]]


@PATIENT
@given(st.lists(st.binary(max_size=200), max_size=10))
def test_no_bytes_break_the_stream(pieces: list[bytes]) -> None:
    """Whatever came before: after the end of a line and an unbalanced end of everything, a value is read."""
    stream = JsonStream()
    for piece in pieces:
        list(stream.feed(piece))
    list(stream.feed(b"\n\x01"))  # a control character ends even an open string
    assert list(stream.feed(b'{"a": 1}')) == [{"a": 1}]


@PATIENT
@given(st.text(alphabet="{}[],:\"'\\ truefalsn0123456789.-+eE\n", max_size=300))
def test_nearly_json_never_raises(text: str) -> None:
    read(text.encode(), b"\n")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"{'a': 'b\\'c'}", [{"a": "b'c"}]),
        (b'{"a": 1}{"a": 2} \n {"a": 3}', [{"a": 1}, {"a": 2}, {"a": 3}]),
        (b"garbage\n", ["JSON parse error, invalid keyword 'garbage'"]),
        (b'{"a": 1,}', ["JSON parse error, expecting value"]),
        (b'{1: 2}', ["JSON parse error, key is not a string in object"]),
        (b'{"a" 2}', ["JSON parse error, missing : in object pair"]),
        (b'{"a": 1 "b": 2}', ["JSON parse error, expected separator in dict"]),
        (b"[1 2]", ["JSON parse error, expected separator in list"]),
        (b'{"a": 1, "a": 2}', ["JSON parse error, duplicate key"]),
        (b'"\\x"', ["JSON parse error, invalid escape sequence in string"]),
        (b'"\\u0000"', ["JSON parse error, invalid escape sequence in string"]),
        (b'"\xff"', ["JSON parse error, invalid UTF-8 sequence in string"]),
        (b'"\\ud83d\\ude00"', ["😀"]),
        (b'"\\ud83d"', ["\ufffd"]),
        (b"[1e999]", ["JSON parse error, invalid number"]),
        (b"[-]", ["JSON parse error, stray '-'", "JSON parse error, expecting value"]),
    ],
)  # fmt: skip
def test_reads_and_refuses(text: bytes, expected: list[Any]) -> None:
    assert read(text) == expected


def test_an_endless_string_is_given_up() -> None:
    stream = JsonStream()
    problems = [p for _ in range(2 * VALUE_BYTES // 4096) for p in stream.feed(b'"' * (_ == 0) + b"x" * 4096)]
    assert [str(problem) for problem in problems] == ["JSON token size limit exceeded"]
    assert list(stream.feed(b"\n[1]")) == [[1]]
