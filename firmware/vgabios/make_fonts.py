"""Make font_tables.S, the character sets of the VGA BIOS, from two fonts of the X Window System.

Source   IBM code page 437; Portable Compiled Format (X.Org, "pcf"); the fonts 8x13 and 6x9 of font-misc-misc
Usage    make_fonts.py DIRECTORY > font_tables.S, where DIRECTORY holds 8x13.pcf.gz and 6x9.pcf.gz (Debian:
         /usr/share/fonts/X11/misc of xfonts-base). Run by hand; the result is committed
Licence  font-misc-misc is in the public domain ("Public domain font. Share and enjoy.", its COPYING)

8x13 becomes 8x16 and 8x14 with empty lines above and below. 6x9 becomes 8x8 without its top line; where that is
in use (accents on capitals) it is joined with the next. Lines, corners, shades and blocks have to meet at the
edges of the cell, so they are drawn here for each height.
"""

import gzip
import struct
import sys
from pathlib import Path

LOW = "\0☺☻♥♦♣♠•◘○◙♂♀♪♫☼►◄↕‼¶§▬↨↑↓→←∟↔▲▼"
CODE_PAGE = LOW + bytes(range(32, 127)).decode("ascii") + "⌂" + bytes(range(128, 256)).decode("cp437")
INVERSE = {"◘": "•", "◙": "○"}

ACCELERATORS, METRICS, BITMAPS, ENCODINGS = 1 << 1, 1 << 2, 1 << 3, 1 << 5
BIG_ENDIAN, BITS_FROM_LEFT, COMPRESSED = 0x04, 0x08, 0x100

# Arms upwards, to the right, downwards, to the left: 1 single, 2 double.
BOXES = {
    "│": "1010", "┤": "1011", "╡": "1012", "╢": "2021", "╖": "0021", "╕": "0012", "╣": "2022", "║": "2020",
    "╗": "0022", "╝": "2002", "╜": "2001", "╛": "1002", "┐": "0011", "└": "1100", "┴": "1101", "┬": "0111",
    "├": "1110", "─": "0101", "┼": "1111", "╞": "1210", "╟": "2120", "╚": "2200", "╔": "0220", "╩": "2202",
    "╦": "0222", "╠": "2220", "═": "0202", "╬": "2222", "╧": "1202", "╨": "2101", "╤": "0212", "╥": "0121",
    "╙": "2100", "╘": "1200", "╒": "0210", "╓": "0120", "╫": "2121", "╪": "1212", "┘": "1001", "┌": "0110",
}  # fmt: skip


class Pcf:
    """The bitmaps of a font at most 8 dots wide: ``glyphs[character]`` has a byte a line, leftmost dot in bit 7."""

    def __init__(self, path: Path) -> None:
        self.data = gzip.decompress(path.read_bytes())
        count = struct.unpack_from("<I", self.data, 4)[0]
        self.tables = {}
        for i in range(count):
            kind, _, _, offset = struct.unpack_from("<4I", self.data, 8 + 16 * i)
            self.tables[kind] = offset
        form, at = self._open(ACCELERATORS)
        self.ascent, self.descent = struct.unpack_from(form[0] + "2i", self.data, at + 8)
        metrics, bitmaps = self._metrics(), self._bitmaps()
        self.glyphs = {code: self._glyph(metrics[i], *bitmaps, i) for code, i in self._encodings().items()}

    def _open(self, kind: int) -> tuple[tuple[str, int], int]:
        at = self.tables[kind]
        form = struct.unpack_from("<I", self.data, at)[0]
        return (">" if form & BIG_ENDIAN else "<", form), at + 4

    def _metrics(self) -> list[tuple[int, ...]]:
        (order, form), at = self._open(METRICS)
        if form & COMPRESSED:
            count = struct.unpack_from(order + "H", self.data, at)[0]
            rows = [self.data[at + 2 + 5 * i : at + 7 + 5 * i] for i in range(count)]
            return [tuple(byte - 0x80 for byte in row) for row in rows]
        count = struct.unpack_from(order + "I", self.data, at)[0]
        return [struct.unpack_from(order + "5h", self.data, at + 4 + 12 * i) for i in range(count)]

    def _bitmaps(self) -> tuple[int, tuple[int, ...], int]:
        (order, form), at = self._open(BITMAPS)
        count = struct.unpack_from(order + "I", self.data, at)[0]
        return form, struct.unpack_from(f"{order}{count}I", self.data, at + 4), at + 4 + 4 * count + 16

    def _encodings(self) -> dict[str, int]:
        (order, _), at = self._open(ENCODINGS)
        low_first, low_last, high_first, high_last, _ = struct.unpack_from(order + "5H", self.data, at)
        codes = [
            high << 8 | low for high in range(high_first, high_last + 1) for low in range(low_first, low_last + 1)
        ]
        indices = struct.unpack_from(f"{order}{len(codes)}H", self.data, at + 10)
        return {chr(code): index for code, index in zip(codes, indices, strict=True) if index != 0xFFFF}

    def _glyph(
        self, metric: tuple[int, ...], form: int, offsets: tuple[int, ...], start: int, index: int
    ) -> list[int]:
        left, right, _, ascent, descent = metric[:5]
        pad = 1 << (form & 3)
        stride = (right - left + 8 * pad - 1) // (8 * pad) * pad
        lines = [0] * (self.ascent + self.descent)
        for i in range(ascent + descent):
            byte = self.data[start + offsets[index] + i * stride] if stride else 0
            if not form & BITS_FROM_LEFT:
                byte = int(f"{byte:08b}"[::-1], 2)
            lines[self.ascent - ascent + i] = byte >> left if left >= 0 else byte << -left & 0xFF
        return lines


def box(arms: str, height: int) -> list[int]:
    """Lines through the middle. A double line is a band of three with its middle taken out."""
    up, right, down, left = map(int, arms)
    middle = height // 2 - 1
    rows = {0: [], 1: [middle], 2: [middle - 1, middle, middle + 1]}[max(left, right)]
    columns = {0: [], 1: [3, 4], 2: [2, 3, 4, 5, 6]}[max(up, down)]
    across, along = bool(left and right), bool(up and down)
    dots = set()

    def ends(arm_is_single: bool, other_is_through: bool, span: list[int], centre: list[int]) -> tuple[int, int]:
        """How far an arm from the low and from the high edge goes: a single one only touches a double line."""
        if not span:
            return centre[-1], centre[0]
        touches = arm_is_single and other_is_through and len(span) > 2
        return (span[0], span[-1]) if touches else (span[-1], span[0])

    to_right, to_left = ends(max(left, right) == 1 and not across, along, columns, [3, 4])
    to_bottom, to_top = ends(max(up, down) == 1 and not along, across, rows, [middle])
    for row in rows:
        if left:
            dots |= {(row, column) for column in range(to_right + 1)}
        if right:
            dots |= {(row, column) for column in range(to_left, 8)}
    for column in columns:
        if up:
            dots |= {(row, column) for row in range(to_bottom + 1)}
        if down:
            dots |= {(row, column) for row in range(to_top, height)}

    # What crosses a single line stays whole; the rest of the middle of a double one is empty.
    if max(left, right) == 2:
        stays = columns if max(up, down) == 1 and not (across and not along) else []
        hollow = (range(5) if left else ()), (range(4, 8) if right else ())
        dots -= {(middle, column) for part in hollow for column in part if column not in stays}
    if max(up, down) == 2:
        stays = rows if max(left, right) == 1 and not (along and not across) else []
        hollow = (range(middle + 1) if up else ()), (range(middle, height) if down else ())
        dots -= {(row, 4) for part in hollow for row in part if row not in stays}
    return [sum(0x80 >> column for column in range(8) if (row, column) in dots) for row in range(height)]


def drawn(character: str, height: int) -> list[int] | None:
    half = height // 2
    match character:
        case "░":
            return [0x22, 0x88] * half
        case "▒":
            return [0x55, 0xAA] * half
        case "▓":
            return [0xDD, 0x77] * half
        case "█":
            return [0xFF] * height
        case "▄":
            return [0x00] * half + [0xFF] * half
        case "▀":
            return [0xFF] * half + [0x00] * half
        case "▌":
            return [0xF0] * height
        case "▐":
            return [0x0F] * height
    return box(BOXES[character], height) if character in BOXES else None


def fitted(character: str, lines: list[int], height: int) -> list[int]:
    """A glyph of the X fonts in a cell of *height* lines."""
    if height == 8:
        lines = [line >> 1 for line in lines]
        return [lines[0] | lines[1], *lines[2:]]
    above = (height - len(lines)) // 2
    lines = [0] * above + lines + [0] * (height - len(lines) - above)
    if character == "⌠":  # the two halves of the integral sign meet
        last = max(i for i, line in enumerate(lines) if line)
        lines[last:] = [lines[last]] * (height - last)
    if character == "⌡":
        first = min(i for i, line in enumerate(lines) if line)
        lines[: first + 1] = [lines[first]] * (first + 1)
    return lines


def glyph(font: Pcf, character: str, height: int) -> list[int]:
    if character in "\0\xa0":
        return [0] * height
    if (lines := drawn(character, height)) is not None:
        return lines
    if character in INVERSE:
        return [line ^ 0xFF for line in glyph(font, INVERSE[character], height)]
    return fitted(character, font.glyphs[character], height)


def main(directory: str) -> None:
    large, small = (Pcf(Path(directory, f"{name}.pcf.gz")) for name in ("8x13", "6x9"))
    print("# The character sets: code page 437, a byte a line. Generated by make_fonts.py.")
    print("#")
    print(
        "# Source   the fonts 8x13 and 6x9 of the X Window System (font-misc-misc), which are in the public domain;"
    )
    print("#          lines, corners, shades and blocks are drawn by make_fonts.py\n")
    print("        .section .rodata")
    print("        .globl  font_8x8, font_8x14, font_8x16, font_9x14_changes, font_9x16_changes\n")
    for height, font in ((8, small), (14, large), (16, large)):
        print(f"font_8x{height}:")
        for code, character in enumerate(CODE_PAGE):
            lines = ", ".join(f"0x{line:02x}" for line in glyph(font, character, height))
            shown = character if character.isprintable() and character != "\xa0" else "blank"
            print(f"        .byte   {lines}  # {code:02x} {shown}")
        print()
    print("# Glyphs that look different 9 dots wide: none.")
    print("font_9x14_changes:\nfont_9x16_changes:\n        .byte   0")


main(*sys.argv[1:])
