"""BCD conversions."""

from __future__ import annotations

from pyqemu.hw.rtc.bcd import from_bcd, from_bcd16, to_bcd, to_bcd16


def test_two_digits_round_trip():
    assert [from_bcd(to_bcd(n)) for n in range(100)] == list(range(100))
    assert (to_bcd(59), from_bcd(0x59)) == (0x59, 59)


def test_four_digits_round_trip():
    assert all(from_bcd16(to_bcd16(n)) == n for n in range(10000))
    assert to_bcd16(1234) == 0x1234


def test_what_is_not_decimal_takes_its_weight():
    assert from_bcd(0xFF) == 165
    assert to_bcd(165) == 0x65
