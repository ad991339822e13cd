"""Binary-coded decimal: two digits to a byte, as clock chips and counters keep numbers."""

from __future__ import annotations


def to_bcd(number: int) -> int:
    """0 to 99 as one BCD byte; higher digits are dropped."""
    return number // 10 % 10 << 4 | number % 10


def from_bcd(byte: int) -> int:
    """The number in a BCD byte. Digits above 9 count with their weight, as an adder would take them."""
    return (byte >> 4) * 10 + (byte & 0x0F)


def to_bcd16(number: int) -> int:
    """The last four decimal digits of a number as a BCD word."""
    return to_bcd(number // 100) << 8 | to_bcd(number)


def from_bcd16(word: int) -> int:
    """The number in a BCD word."""
    return from_bcd(word >> 8) * 100 + from_bcd(word & 0xFF)
