"""Sizes as options write them."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyqemu.core.errors import ConfigError
from pyqemu.core.sizes import parse_size


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("512", 512),
        ("512b", 512),
        ("64k", 65536),
        ("64K", 65536),
        ("1.5G", 3 << 29),
        ("0.5k", 512),
        ("2T", 2 << 40),
        ("1P", 1 << 50),
        ("15E", 15 << 60),
        ("0x10", 16),
        ("0x10k", 16384),
        (" 7M ", 7 << 20),
        ("010", 10),
        ("1.0001k", 1024),
    ],
)
def test_accepted(text, size):
    assert parse_size(text, "x") == size


def test_default_suffix():
    assert parse_size("128", "x", default_suffix="M") == 128 << 20
    assert parse_size("128k", "x", default_suffix="M") == 128 << 10
    assert parse_size("128b", "x", default_suffix="M") == 128


@pytest.mark.parametrize(
    "text", ["", "k", "-1", "1.", ".5", "1 k", "1kk", "1z", "abc", "16E", "1e3", "１", str(1 << 64)]
)
def test_refused(text):
    with pytest.raises(ConfigError, match=r"^Parameter 'size' expects a non-negative number below 2\^64$"):
        parse_size(text, "Parameter 'size'")


@given(st.integers(0, (1 << 64) - 1))
def test_plain_numbers(number):
    assert parse_size(str(number), "x") == parse_size(hex(number), "x") == number


@given(st.text(max_size=8))
def test_any_text(text):
    with suppress(ConfigError):
        assert 0 <= parse_size(text, "x") < 1 << 64
