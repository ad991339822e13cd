"""What the VGA shows: the text screen as characters, and any mode as an RGB picture.

Source   IBM PS/2 Hardware Interface Technical Reference, Video Subsystems (1992), "CRT controller" and
         "Attribute controller"
Units    pictures count dots of the full dot clock: 40-column text and mode 13h are 640 dots (and 400 lines) wide
         and high, as a monitor shows them; RGB is three bytes a dot, lines from the top, no padding
Errors   any register values give a picture; without a mode it is black
Missing  overscan border, character clocks divided by 2 or 4 (SR1 bits 2 and 4), blinking in graphics modes

Everything is made on demand from registers and memory; the chip does no periodic work. The work is done on
whole frames with ``translate``, slices and big integers, never by the dot.
"""

from __future__ import annotations

from collections.abc import Callable

from pyqemu.display import Picture, TextScreen
from pyqemu.hw.display.dispi import BPP, X_OFFSET, XRES, Y_OFFSET, YRES, Dispi
from pyqemu.hw.display.vga_memory import TEXT, VgaMemory
from pyqemu.hw.display.vga_registers import Attr, Crtc, Gfx, Seq

PLANE_BYTES = 0x10000
FONT_BYTES = 0x2000
GLYPH_BYTES = 32
LEGACY_BYTES = 4 * PLANE_BYTES

# One table for each bit of a byte: translate() by it gives that bit, as 0 or 1.
_BIT = [bytes(byte >> bit & 1 for byte in range(256)) for bit in range(7, -1, -1)]
_PAIR = [bytes(byte >> shift & 3 for byte in range(256)) for shift in (6, 4, 2, 0)]


class Scanout:
    """The display side of a VGA. Nothing is kept but what ``changed()`` compares with."""

    def __init__(self, vga: Dispi, memory: VgaMemory) -> None:
        self.vga = vga
        self.memory = memory
        self._seen: tuple[object, ...] = ()

    # -- the mode -------------------------------------------------------------------------------------

    @property
    def is_text(self) -> bool:
        """Whether the screen consists of characters."""
        return not self.vga.dispi_enabled and not self.vga.gr[Gfx.MISC] & Gfx.GRAPHICS

    @property
    def is_blank(self) -> bool:
        """Whether the picture is switched off."""
        vga = self.vga
        return bool(vga.sr[Seq.CLOCKING] & Seq.SCREEN_OFF) or not vga.ar_index & Attr.PALETTE_SOURCE

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the picture in dots."""
        vga = self.vga
        if vga.dispi_enabled:
            return vga.vbe_regs[XRES], vga.vbe_regs[YRES]
        return self._characters * self._dots * self._dot_repeat, self._lines

    def changed(self) -> bool:
        """Whether there may be something new to see since the last call. Cheap, and exact for memory."""
        vga = self.vga
        shown: bytes
        if vga.dispi_enabled:
            start = vga.vbe_regs[Y_OFFSET] * vga.vbe_line_offset
            shown = bytes(self.memory.vram.view[start : start + vga.vbe_regs[YRES] * vga.vbe_line_offset])
        elif self.is_text:
            columns, rows = self._text_size()
            shown = self._text_cells(columns, rows)
        else:
            self.memory.sync()
            shown = bytes(self.memory.vram.view[:LEGACY_BYTES])
        now = (vga.generation, shown)
        if now == self._seen:
            return False
        self._seen = now
        return True

    # -- CRTC values ----------------------------------------------------------------------------------

    @property
    def _characters(self) -> int:
        """Character clocks in the visible part of a line."""
        return self.vga.cr[Crtc.H_DISPLAY_END] + 1

    @property
    def _dots(self) -> int:
        """Dots in a character clock."""
        return 9 if self.is_text and not self.vga.sr[Seq.CLOCKING] & Seq.DOTS_8 else 8

    @property
    def _dot_repeat(self) -> int:
        return 2 if self.vga.sr[Seq.CLOCKING] & Seq.HALF_CLOCK else 1

    @property
    def _lines(self) -> int:
        return self.vga.display_lines * (2 if self.vga.cr[Crtc.MODE] & 0x04 else 1)

    @property
    def _start(self) -> int:
        cr = self.vga.cr
        return cr[Crtc.START_HIGH] << 8 | cr[Crtc.START_LOW]

    @property
    def _row_step(self) -> int:
        """How far the address counter moves from one row to the next."""
        return self.vga.cr[Crtc.OFFSET] * 2

    def _scan(self) -> list[tuple[int, int, bool]]:
        """For each visible line: address counter, row scan counter, whether it lies above the split."""
        cr = self.vga.cr
        last_row = cr[Crtc.MAX_SCAN_LINE] & 0x1F
        repeat = 2 if cr[Crtc.MAX_SCAN_LINE] & 0x80 else 1
        compare = cr[Crtc.LINE_COMPARE] | (cr[Crtc.OVERFLOW] & 0x10) << 4 | (cr[Crtc.MAX_SCAN_LINE] & 0x40) << 3
        step = self._row_step
        address = self._start + (cr[Crtc.PRESET_ROW] >> 5 & 3)
        row = cr[Crtc.PRESET_ROW] & 0x1F
        above = True
        lines = []
        shown = 0
        for line in range(self._lines):
            lines.append((address & 0xFFFF, row, above))
            if line == compare:
                address, row, shown, above = 0, 0, 0, False
                continue
            shown += 1
            if shown == repeat:
                shown = 0
                if row == last_row:
                    row = 0
                    address += step
                else:
                    row = row + 1 & 0x1F
        return lines

    def _plane_address(self, counter: int, row: int) -> int:
        """Where the CRTC fetches: the address counter as bytes or words, with row scan bits mixed in.

        In doubleword mode the counter is taken as it is: that mode belongs to chain 4, which counts
        words of four planes in this memory.
        """
        mode = self.vga.cr[Crtc.MODE]
        address = counter & 0xFFFF
        if self._word_mode:
            address = address << 1 & 0xFFFF | address >> (15 if mode & 0x20 else 13) & 1
        if not mode & 0x01:
            address = address & ~0x2000 | (row & 1) << 13
        if not mode & 0x02:
            address = address & ~0x4000 | (row >> 1 & 1) << 14
        return address

    @property
    def _word_mode(self) -> bool:
        return not self.vga.cr[Crtc.MODE] & 0x40 and not self.vga.cr[Crtc.UNDERLINE] & 0x40

    def _fetch(self, counter: int, count: int, row: int) -> bytes:
        """*count* words of four planes from an address counter on."""
        step = 2 if self._word_mode else 1
        first = self._plane_address(counter, row)
        end = first + count * step
        if end <= PLANE_BYTES and self._plane_address(counter + count - 1, row) == end - step:
            return self.memory.words[first:end:step].tobytes()
        words = self.memory.words
        return b"".join(words[self._plane_address(counter + i, row)].to_bytes(4, "little") for i in range(count))

    # -- text -----------------------------------------------------------------------------------------

    def text(self) -> TextScreen:
        """The screen as characters. Only meaningful while ``is_text``."""
        cr = self.vga.cr
        columns, rows = self._text_size()
        cursor = None
        if not cr[Crtc.CURSOR_START] & 0x20 and cr[Crtc.CURSOR_START] & 0x1F <= cr[Crtc.CURSOR_END] & 0x1F:
            place = (cr[Crtc.CURSOR_HIGH] << 8 | cr[Crtc.CURSOR_LOW]) + (cr[Crtc.CURSOR_END] >> 5 & 3)
            for row in range(rows):
                column = (place - self._start - row * self._row_step) & 0xFFFF
                if column < columns:
                    cursor = column, row
                    break
        blink = bool(self.vga.ar[Attr.MODE] & Attr.BLINK)
        cells = bytes(columns * rows * 2) if self.is_blank else self._text_cells(columns, rows)
        return TextScreen(columns, rows, cells, cursor, blink)

    def _text_size(self) -> tuple[int, int]:
        cr = self.vga.cr
        height = ((cr[Crtc.MAX_SCAN_LINE] & 0x1F) + 1) * (2 if cr[Crtc.MAX_SCAN_LINE] & 0x80 else 1)
        return self._characters, max(self._lines // height, 1)

    def _text_cells(self, columns: int, rows: int) -> bytes:
        """Characters and attributes. While the window is RAM they lie there as the guest wrote them."""
        start, step = self._start, self._row_step
        layout = self.memory.layout
        end = start + rows * columns
        plain = self._word_mode and self.vga.cr[Crtc.MODE] & 3 == 3 and step == columns
        if layout is not None and layout.kind == TEXT and plain and end * 2 <= layout.size:
            return bytes(self.memory.shadow.view[start * 2 : end * 2])
        self.memory.sync()
        cells = bytearray(columns * rows * 2)
        words = b"".join(self._fetch(start + row * step & 0xFFFF, columns, 0) for row in range(rows))
        cells[0::2] = words[0::4]
        cells[1::2] = words[1::4]
        return bytes(cells)

    def _text_dots(self, cursor_on: bool, blink_on: bool) -> tuple[list[bytes], list[int]]:
        """Rows of attribute indices (0-15) before panning, and which of them each line shows."""
        vga = self.vga
        cr = vga.cr
        self.memory.sync()
        fonts = self.memory.vram.map[2:LEGACY_BYTES:4]
        select = vga.sr[Seq.CHARACTER_MAP]
        font_a = _font_offset(select >> 2 & 3 | select >> 3 & 4)  # attribute bit 3 set
        font_b = _font_offset(select & 3 | select >> 2 & 4)
        mode = vga.ar[Attr.MODE]
        pieces = _Pieces(nine=self._dots == 9, blink=bool(mode & Attr.BLINK), blink_on=blink_on)
        line_graphics = range(0xC0, 0xE0) if mode & Attr.LINE_GRAPHICS else range(0)
        underline = cr[Crtc.UNDERLINE] & 0x1F
        cursor_place = -1
        if cursor_on and not cr[Crtc.CURSOR_START] & 0x20:
            cursor_place = (cr[Crtc.CURSOR_HIGH] << 8 | cr[Crtc.CURSOR_LOW]) + (cr[Crtc.CURSOR_END] >> 5 & 3)
        cursor_rows = range(cr[Crtc.CURSOR_START] & 0x1F, (cr[Crtc.CURSOR_END] & 0x1F) + 1)
        count = self._characters + 1  # one more for panning

        made: dict[tuple[int, int], int] = {}
        rows: list[bytes] = []
        order = []
        cells: list[tuple[int, int]] = []
        cells_of = -1, -1
        for address, row, _ in self._scan():
            key = address, row
            if key not in made:
                # Only with row scan bits in the address does the row select other characters.
                place = address, row if cr[Crtc.MODE] & 3 != 3 else 0
                if cells_of != place:
                    cells_of = place
                    words = self._fetch(address, count, row)
                    cells = [
                        (
                            attribute << 9 | (code in line_graphics) << 8,
                            (font_a if attribute & 8 else font_b) + code * GLYPH_BYTES,
                        )
                        for code, attribute in zip(words[0::4], words[1::4], strict=True)
                    ]
                dots = [pieces[look | fonts[glyph + row]] for look, glyph in cells]
                if row == underline:
                    for column, (look, _glyph) in enumerate(cells):
                        if look >> 9 & 0x77 == 0x01:
                            dots[column] = pieces[look | 0x1FF]
                if row in cursor_rows and 0 <= cursor_place - address < count:
                    column = cursor_place - address
                    dots[column] = pieces[cells[column][0] & ~(0x80 << 9) | 0x1FF]
                made[key] = len(rows)
                rows.append(b"".join(dots))
            order.append(made[key])
        return rows, order

    # -- pictures -------------------------------------------------------------------------------------

    def picture(self, *, cursor_on: bool = True, blink_on: bool = True) -> Picture:
        """The whole screen. In text modes the two phases say whether cursor and blinking text show."""
        width, height = self.size
        if self.is_blank:
            return Picture(width, height, bytes(width * height * 3))
        vga = self.vga
        if vga.dispi_enabled:
            return Picture(width, height, self._dispi_rgb(width, height))
        if self.is_text:
            rows, order = self._text_dots(cursor_on, blink_on)
            return self._assemble(rows, order, self._panning(), self._index_tables())
        self.memory.sync()
        if vga.gr[Gfx.MODE] & Gfx.SHIFT_256:
            return self._graphics(_packed_dots, 4, 2, self._dac_tables())
        decode = _interleaved_dots if vga.gr[Gfx.MODE] & Gfx.INTERLEAVED else _planar_dots
        return self._graphics(decode, 8, 1, self._index_tables())

    def _graphics(
        self, decode: Callable[[bytes], bytes], dots: int, repeat: int, tables: tuple[bytes, bytes, bytes]
    ) -> Picture:
        """Fetch every different line once, decode them all together, put the frame together.

        A character clock gives *dots* pixels of *repeat* dots each.
        """
        count = self._characters + 1
        row_matters = self.vga.cr[Crtc.MODE] & 3 != 3
        made: dict[tuple[int, int], int] = {}
        fetched: list[bytes] = []
        order = []
        for address, row, _ in self._scan():
            key = address, row if row_matters else 0
            if key not in made:
                made[key] = len(fetched)
                fetched.append(self._fetch(address, count, row))
            order.append(made[key])
        pixels = decode(b"".join(fetched))
        size = count * dots
        rows = [pixels[at : at + size] for at in range(0, len(pixels), size)]
        return self._assemble(rows, order, self._panning() // repeat, tables, repeat)

    def _panning(self) -> int:
        """Dots by which the picture is moved to the left."""
        value = self.vga.ar[Attr.PANNING] & 0x0F
        if self._dots == 9:
            return 0 if value >= 8 else value + 1
        return value & 7

    def _assemble(
        self, rows: list[bytes], order: list[int], panning: int, tables: tuple[bytes, bytes, bytes], repeat: int = 1
    ) -> Picture:
        """Rows of indices, panned, each as often as it shows → the frame."""
        width, height = self.size
        repeat *= self._dot_repeat
        pixels = width // repeat
        split = height
        if self.vga.ar[Attr.MODE] & Attr.PANNING_SPLIT:  # below the split there is no panning
            split = next((line for line, (_, _, above) in enumerate(self._scan()) if not above), height)
        shown = [rows[row][panning : panning + pixels] for row in order[:split]]
        shown += [rows[row][:pixels] for row in order[split:]]
        indices = b"".join(shown)
        if repeat > 1:
            wide = bytearray(len(indices) * repeat)
            for phase in range(repeat):
                wide[phase::repeat] = indices
            indices = bytes(wide)
        return Picture(width, height, _rgb(indices, tables))

    # -- colours --------------------------------------------------------------------------------------

    def _dac_tables(self) -> tuple[bytes, bytes, bytes]:
        """Red, green and blue for each 8-bit colour."""
        vga = self.vga
        scale = _FROM_8 if vga.dac_8bit else _FROM_6
        mask = vga.dac_mask
        palette = bytes(vga.palette).translate(scale)
        if mask != 0xFF:
            palette = b"".join(palette[(i & mask) * 3 : (i & mask) * 3 + 3] for i in range(256))
        return palette[0::3], palette[1::3], palette[2::3]

    def _index_tables(self) -> tuple[bytes, bytes, bytes]:
        """Red, green and blue for each 4-bit attribute, through the attribute controller's palette."""
        ar = self.vga.ar
        select = ar[Attr.COLOUR_SELECT]
        through = bytearray(256)
        for i in range(256):
            colour = ar[i & ar[Attr.PLANE_ENABLE] & 0x0F] & 0x3F | (select & 0x0C) << 4
            if ar[Attr.MODE] & Attr.P54_SELECT:
                colour = colour & 0xCF | (select & 0x03) << 4
            through[i] = colour
        red, green, blue = (bytes(through).translate(table) for table in self._dac_tables())
        return red, green, blue

    # -- dispi ----------------------------------------------------------------------------------------

    def _dispi_rgb(self, width: int, height: int) -> bytes:
        vga = self.vga
        depth, line_bytes = vga.vbe_regs[BPP], vga.vbe_line_offset
        view = self.memory.vram.view
        self.memory.sync()
        if depth == 4:
            first = vga.vbe_regs[Y_OFFSET] * line_bytes + vga.vbe_regs[X_OFFSET] // 8 * 4
            size = width // 2
        else:
            pixel_bytes = (depth + 7) // 8
            first = vga.vbe_regs[Y_OFFSET] * line_bytes + vga.vbe_regs[X_OFFSET] * pixel_bytes
            size = width * pixel_bytes
        if size == line_bytes:
            data = bytes(view[first : first + size * height])
        else:
            data = b"".join(view[at : at + size] for at in range(first, first + line_bytes * height, line_bytes))
        data = data.ljust(size * height, b"\0")
        if depth == 4:
            return _rgb(_planar_dots(data), self._index_tables())
        if depth == 8:
            return _rgb(data, self._dac_tables())
        big_endian = vga.big_endian
        out = bytearray(width * height * 3)
        if depth in (15, 16):
            low, high = (data[1::2], data[0::2]) if big_endian else (data[0::2], data[1::2])
            out[0::3] = high.translate(_HIGH_RED[depth])
            out[1::3] = _either(high.translate(_HIGH_GREEN[depth]), low.translate(_LOW_GREEN[depth]))
            out[2::3] = low.translate(_LOW_BLUE)
        else:
            step = depth // 8
            places = (step - 3, step - 2, step - 1) if big_endian else (2, 1, 0)
            for colour, place in enumerate(places):
                out[colour::3] = data[place::step]
        return bytes(out)


# -- whole-frame decoding -----------------------------------------------------------------------------


def _either(first: bytes, second: bytes) -> bytes:
    """Byte-wise OR."""
    total = int.from_bytes(first, "little") | int.from_bytes(second, "little")
    return total.to_bytes(len(first), "little")


def _packed_dots(words: bytes) -> bytes:
    """256 colours: the four planes of a word are four pixels."""
    return words


def _planar_dots(words: bytes) -> bytes:
    """16 colours: bit 7 of the four planes is the first pixel."""
    out = bytearray(len(words) * 2)
    planes = [words[plane::4] for plane in range(4)]
    length = len(planes[0])
    for position, bit in enumerate(_BIT):
        total = 0
        for plane, data in enumerate(planes):
            total |= int.from_bytes(data.translate(bit), "little") << plane
        out[position::8] = total.to_bytes(length, "little")
    return bytes(out)


def _interleaved_dots(words: bytes) -> bytes:
    """CGA's four colours: planes 0 and 1 hold four pixels each, planes 2 and 3 their upper bits."""
    out = bytearray(len(words) * 2)
    planes = [words[plane::4] for plane in range(4)]
    length = len(planes[0])
    for half in (0, 1):
        for position, pair in enumerate(_PAIR):
            total = int.from_bytes(planes[half].translate(pair), "little")
            total |= int.from_bytes(planes[half + 2].translate(pair), "little") << 2
            out[half * 4 + position :: 8] = total.to_bytes(length, "little")
    return bytes(out)


def _rgb(indices: bytes, tables: tuple[bytes, bytes, bytes]) -> bytes:
    out = bytearray(len(indices) * 3)
    for colour, table in enumerate(tables):
        out[colour::3] = indices.translate(table)
    return bytes(out)


class _Pieces(dict[int, bytes]):
    """Look (attribute << 9 | line graphics << 8 | glyph bits) → 8 or 9 attribute indices."""

    def __init__(self, *, nine: bool, blink: bool, blink_on: bool) -> None:
        super().__init__()
        self.nine, self.blink, self.blink_on = nine, blink, blink_on

    def __missing__(self, look: int) -> bytes:
        attribute = look >> 9
        foreground, background = attribute & 0x0F, attribute >> 4
        if self.blink:
            background &= 7
            if attribute & 0x80 and not self.blink_on:
                foreground = background
        dots = bytes(foreground if look >> bit & 1 else background for bit in range(7, -1, -1))
        if self.nine:
            dots += dots[7:] if look & 0x100 else bytes((background,))
        self[look] = dots
        return dots


def _font_offset(number: int) -> int:
    """Fonts 0 to 3 lie 16 KiB apart, 4 to 7 between them."""
    return (number & 3) * 2 * FONT_BYTES + (number >> 2) * FONT_BYTES


def _spread(value: int, bits: int) -> int:
    """A colour of 5 or 6 bits in 8."""
    return value << 8 - bits | value >> 2 * bits - 8


_FROM_6 = bytes(_spread(value & 0x3F, 6) for value in range(256))
_FROM_8 = bytes(range(256))
_HIGH_RED = {
    15: bytes(_spread(value >> 2 & 0x1F, 5) for value in range(256)),
    16: bytes(_spread(value >> 3, 5) for value in range(256)),
}
# Spreading only shifts and ORs, so green can be spread from its two parts.
_HIGH_GREEN = {
    15: bytes(_spread((value & 3) << 3, 5) for value in range(256)),
    16: bytes(_spread((value & 7) << 3, 6) for value in range(256)),
}
_LOW_GREEN = {
    15: bytes(_spread(value >> 5, 5) for value in range(256)),
    16: bytes(_spread(value >> 5, 6) for value in range(256)),
}
_LOW_BLUE = bytes(_spread(value & 0x1F, 5) for value in range(256))
