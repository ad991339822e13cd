"""Bytes as text that a person can compare: 16 a line, by offset. Lines of zeros are left out."""

from __future__ import annotations

LINE_BYTES = 16


def hex_lines(data: bytes) -> dict[str, str]:
    """``{"010": "00 01 …"}``"""
    digits = max(2, len(f"{max(len(data) - 1, 0):x}"))
    return {
        f"{start:0{digits}x}": line.hex(" ")
        for start in range(0, len(data), LINE_BYTES)
        if (line := data[start : start + LINE_BYTES]).strip(b"\0")
    }
