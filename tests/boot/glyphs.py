"""Fonts as tests compare pictures with them: for each character its rows, bit 15 the leftmost column.

Source   GRUB Developers Manual, "PFF2 font file format"; the VGA BIOS's 8x16 set from its source
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from pathlib import Path

FONT_SOURCE = Path(__file__).resolve().parents[2] / "firmware" / "vgabios" / "font_tables.S"

Glyph = list[int]
Font = Callable[[str], Glyph]


def vga_font() -> Font:
    """The 8x16 characters of the VGA BIOS."""
    text = FONT_SOURCE.read_text().partition("font_8x16:")[2]
    rows = [line for line in text.splitlines() if ".byte" in line][:256]
    glyphs = [[int(value, 16) << 8 for value in re.findall(r"0x(..)", row)] for row in rows]
    return lambda character: glyphs[ord(character)]


def pff2_font(path: Path) -> Font:
    """GRUB's font file; glyphs as wide as they come (8 for ASCII), in lines of ascent + descent rows."""
    data = path.read_bytes()
    sections = {}
    at = 0
    while at < len(data):
        name, length = struct.unpack_from(">4sI", data, at)
        if name == b"DATA":
            break
        sections[name] = data[at + 8 : at + 8 + length]
        at += 8 + length
    ascent, descent = (int.from_bytes(sections[name], "big") for name in (b"ASCE", b"DESC"))
    places = {code: offset for code, _, offset in struct.iter_unpack(">IBI", sections[b"CHIX"])}

    def glyph(character: str) -> Glyph:
        offset = places[ord(character)]
        width, height, left, bottom, _advance = struct.unpack_from(">HHhhh", data, offset)
        bits = int.from_bytes(data[offset + 10 : offset + 10 + (width * height + 7) // 8], "big")
        bits >>= -width * height % 8
        rows = [0] * (ascent + descent)
        for row in range(height):
            line = bits >> width * (height - 1 - row) & (1 << width) - 1
            rows[ascent - bottom - height + row] = line << 16 - width - left
        return rows

    return glyph
