"""Pictures: small hand-made ones in every kind of mode, with the BIOS's register values for the mode."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from pyqemu.display.png import png_bytes
from pyqemu.display.screen import dump_text, lines
from pyqemu.hw.display.stdvga import StdVga

# Misc, SR1-4, CR0-18, GR0-8, AR10-14: mode values from the IBM VGA technical reference.
MODES = {
    "text": "67 00030002 5f4f50825581bf1f004f0d0e000000009c8e8f281f96b9a3ff 0000000000100e00ff 0c000f0800",
    "text40": "67 08030002 2d2728902ba0bf1f004f0d0e000000009c8e8f141f96b9a3ff 0000000000100e00ff 0c000f0800",
    "cga4": "63 09030002 2d2728902b80bf1f00c10000000000009c8e8f140096b9a2ff 0000000000300f00ff 0100030000",
    "cga2": "63 01010006 5f4f50825480bf1f00c10000000000009c8e8f280096b9c2ff 0000000000000d00ff 0100010000",
    "planar": "e3 010f0006 5f4f508254800b3e0040000000000000ea8cdf2800e704e3ff 000000000000050fff 01000f0000",
    "planar320": "63 090f0006 2d2728902b80bf1f00c00000000000009c8e8f140096b9e3ff 000000000000050fff 01000f0000",
    "256": "63 010f000e 5f4f50825480bf1f00410000000000009c8e8f284096b9a3ff 000000000040050fff 41000f0000",
}

BLACK, BLUE, GREEN, RED = b"\0\0\0", b"\0\0\xff", b"\0\xff\0", b"\xff\0\0"
WHITE = b"\xff\xff\xff"


class Screen:
    def __init__(self, bench: Any) -> None:
        self.bench = bench
        self.card = bench.plug_pci(StdVga(vgamem_mb=4))
        self.scanout = self.card.scanout
        self.vram = self.card.vga.vram.view

    def registers(self, port: int, values: bytes, first: int = 0) -> None:
        for index, value in enumerate(values, first):
            self.bench.outb(port, index)
            self.bench.outb(port + 1, value)

    def crtc(self, **values: int) -> None:
        self.registers(0x3D4, bytes([0]), 0x11)
        for name, value in values.items():
            self.registers(0x3D4, bytes([value]), int(name[2:], 16))

    def attribute(self, index: int, value: int) -> None:
        self.bench.inb(0x3DA)
        self.bench.outb(0x3C0, index)
        self.bench.outb(0x3C0, value)
        self.bench.outb(0x3C0, 0x20)

    def mode(self, name: str) -> None:
        misc, seq, crtc, gfx, attr = map(bytes.fromhex, MODES[name].split())
        self.bench.outb(0x3C2, misc[0])
        self.registers(0x3C4, seq, 1)
        self.registers(0x3D4, bytes([0]), 0x11)
        self.registers(0x3D4, crtc)
        self.registers(0x3CE, gfx)
        for index, value in enumerate(bytes(range(16)) + attr):
            self.attribute(index, value)
        self.palette({1: BLUE, 2: GREEN, 3: RED, 4: b"\x28\x4c\x70", 15: WHITE, 255: WHITE})

    def palette(self, colours: dict[int, bytes]) -> None:
        self.bench.outb(0x3C6, 0xFF)
        self.bench.outb(0x3C8, 0)
        for index in range(256):
            for component in colours.get(index, BLACK):
                self.bench.outb(0x3C9, component >> 2)

    def store(self, address: int, values: Iterable[int]) -> None:
        for offset, value in enumerate(values):
            self.bench.memory.store(address + offset, 1, value)

    def dispi(self, width: int, height: int, depth: int, **more: int) -> None:
        registers = {1: width, 2: height, 3: depth, 4: 0x41}
        for name, value in {**{f"r{k}": v for k, v in registers.items()}, **more}.items():
            self.bench.outw(0x1CE, int(name[1:]))
            self.bench.outw(0x1CF, value)
        self.attribute(0x14, 0)

    def row(self, line: int, **phases: bool) -> list[bytes]:
        """The dots of one line, three bytes each."""
        width, height, rgb = self.scanout.picture(**phases)
        assert len(rgb) == width * height * 3
        start = line * width * 3
        return [rgb[at : at + 3] for at in range(start, start + width * 3, 3)]

    def font(self, code: int, rows: dict[int, int]) -> None:
        for row, bits in rows.items():
            self.vram[(code * 32 + row) * 4 + 2] = bits


@pytest.fixture
def screen(bench: Any) -> Screen:
    return Screen(bench)


# -- text ---------------------------------------------------------------------------------------------


def test_text_screen(screen: Screen) -> None:
    screen.mode("text")
    screen.store(0xB8000, b"H\x07i\x1e\xdb\x07\x01\x07")
    screen.store(0xB8000 + 160 * 24 + 2, b"!\x07")
    screen.crtc(cr0e=0, cr0f=82)
    text = screen.scanout.text()
    assert (text.columns, text.rows, text.cursor, text.blink) == (80, 25, (2, 1), True)
    assert text.cells[:4] == b"H\x07i\x1e"
    assert lines(text)[0] == "Hi█☺".ljust(80)
    assert dump_text(screen.scanout) == "Hi█☺" + "\n" * 24 + " !\n"


def test_text_screen_scrolled_by_the_start_address(screen: Screen) -> None:
    screen.mode("text")
    screen.store(0xB8000 + 160, b"X\x07")
    screen.crtc(cr0c=0, cr0d=80, cr0e=0, cr0f=81)
    assert dump_text(screen.scanout) == "X\n"
    assert screen.scanout.text().cursor == (1, 0)
    screen.crtc(cr0a=0x2D)
    assert screen.scanout.text().cursor is None


def test_text_is_the_same_when_the_window_has_become_ram(screen: Screen) -> None:
    screen.mode("text")
    screen.store(0xB8000, bytes(range(256)) * 15)
    before = screen.scanout.text()
    picture = screen.scanout.picture()
    screen.bench.advance(0)
    assert screen.card.vga.memory.mapping is not None
    assert screen.scanout.text() == before
    assert screen.scanout.picture() == picture


def test_text_picture(screen: Screen) -> None:
    screen.mode("text")
    screen.font(0x41, {0: 0b10000001})
    screen.font(0xC4, {0: 0b00000001})
    screen.store(0xB8000, b"\x41\x21\xc4\x21")
    screen.crtc(cr0a=0x20)
    assert screen.scanout.size == (720, 400)
    row = screen.row(0)
    # The ninth dot is background, but for line graphics it repeats the eighth.
    assert row[:9] == [BLUE] + [GREEN] * 6 + [BLUE, GREEN]
    assert row[9:18] == [GREEN] * 7 + [BLUE] * 2
    assert screen.row(1)[:18] == [GREEN] * 18
    assert screen.row(0)[18:] == [BLACK] * 702


def test_text_cursor_and_blinking_phases(screen: Screen) -> None:
    screen.mode("text")
    screen.font(0x41, {13: 0xFF})
    screen.store(0xB8000, b"\x20\x01\x41\x83")
    screen.crtc(cr0a=13, cr0b=14, cr0e=0, cr0f=0)
    assert screen.row(13)[:18] == [BLUE] * 9 + [RED] * 8 + [BLACK]
    assert screen.row(12)[:9] == [BLACK] * 9
    assert screen.row(13, cursor_on=False)[:9] == [BLACK] * 9
    assert screen.row(13, blink_on=False)[9:18] == [BLACK] * 9
    screen.attribute(0x10, 0x04)  # bright backgrounds instead
    screen.palette({8: RED, 3: BLUE})
    assert screen.row(0)[9:18] == [RED] * 9


def test_underline_of_monochrome_text(screen: Screen) -> None:
    screen.mode("text")
    screen.crtc(cr14=0x0D, cr0a=0x20)
    screen.store(0xB8000, b"\x20\x01\x20\x02")
    assert screen.row(13)[:18] == [BLUE] * 9 + [BLACK] * 9
    assert screen.row(12)[:9] == [BLACK] * 9


def test_second_font_is_chosen_by_attribute_bit_3(screen: Screen) -> None:
    screen.mode("text")
    screen.registers(0x3C4, bytes([0x04]), 3)  # font 1 (16 KiB) for bit 3, font 0 else
    screen.vram[(0x4000 + 0x41 * 32) * 4 + 2] = 0xFF
    screen.store(0xB8000, b"\x41\x07\x41\x0f")
    screen.crtc(cr0a=0x20)
    assert screen.row(0)[:18] == [BLACK] * 9 + [WHITE] * 8 + [BLACK]


def test_40_columns_have_wide_dots(screen: Screen) -> None:
    screen.mode("text40")
    screen.font(0x41, {0: 0x80})
    screen.store(0xB8000, b"\x41\x01")
    screen.crtc(cr0a=0x20)
    assert screen.scanout.size == (720, 400)
    assert screen.scanout.text().columns == 40
    assert screen.row(0)[:3] == [BLUE, BLUE, BLACK]


def test_smooth_scrolling_in_both_directions(screen: Screen) -> None:
    screen.mode("text")
    screen.font(0x41, {3: 0x80})
    screen.store(0xB8000, b"\x41\x01" * 2)
    screen.crtc(cr08=3, cr0a=0x20)
    assert screen.row(0)[0] == BLUE
    screen.attribute(0x13, 0)  # with nine dots 8 means none, 0 one dot
    assert screen.row(0)[:10] == [BLACK] * 8 + [BLUE, BLACK]


# -- graphics -----------------------------------------------------------------------------------------


def test_16_colours(screen: Screen) -> None:
    screen.mode("planar")
    for plane in range(4):
        screen.registers(0x3C4, bytes([1 << plane]), 2)
        screen.store(0xA0000 + 80, [(0xFF, 0b01010101, 0b00110011, 0b00001111)[3 - plane]])
    assert screen.scanout.size == (640, 480)
    screen.palette({i: bytes([i * 4] * 3) for i in range(16)})
    values = [8, 12, 10, 14, 9, 13, 11, 15]
    assert [dot[0] >> 2 for dot in screen.row(1)[:8]] == values
    screen.attribute(0x12, 0x07)  # plane 3 off
    assert [dot[0] >> 2 for dot in screen.row(1)[:8]] == [value & 7 for value in values]


def test_start_address_panning_and_split(screen: Screen) -> None:
    screen.mode("planar")
    screen.registers(0x3C4, bytes([1]), 2)
    screen.store(0xA0000, [0x80])
    screen.store(0xA0000 + 1000, [0x10])
    screen.crtc(cr0c=1000 >> 8, cr0d=1000 & 255, cr18=99, cr07=0x2E, cr09=0x00)
    assert screen.row(0)[:5] == [BLACK, BLACK, BLACK, BLUE, BLACK]
    assert screen.row(100)[0] == BLUE
    screen.attribute(0x13, 3)
    assert screen.row(0)[0] == BLUE
    assert screen.row(100)[0] == BLACK
    screen.attribute(0x10, 0x21)  # no panning below the split
    assert screen.row(0)[0] == BLUE
    assert screen.row(100)[0] == BLUE


def test_320_dots_are_doubled_both_ways(screen: Screen) -> None:
    screen.mode("planar320")
    screen.registers(0x3C4, bytes([3]), 2)
    screen.store(0xA0000 + 40, [0x80])
    assert screen.scanout.size == (640, 400)
    assert [screen.row(line)[:3] for line in range(1, 5)] == [
        [BLACK] * 3,
        [RED, RED, BLACK],
        [RED, RED, BLACK],
        [BLACK] * 3,
    ]


def test_cga_four_colours(screen: Screen) -> None:
    screen.mode("cga4")
    screen.store(0xB8000, [0b00011011, 0b11000000])
    screen.store(0xBA000, [0b01000000])
    assert screen.scanout.size == (640, 400)
    assert screen.row(0)[:12] == [BLACK] * 2 + [BLUE] * 2 + [GREEN] * 2 + [RED] * 4 + [BLACK] * 2
    assert screen.row(2)[:3] == [BLUE, BLUE, BLACK]
    assert screen.row(4)[:2] == [BLACK] * 2


def test_cga_two_colours(screen: Screen) -> None:
    screen.mode("cga2")
    screen.store(0xB8000, [0b10100000])
    screen.store(0xBA000 + 79, [0b00000001])
    screen.store(0xB8000 + 80, [0x80])
    assert screen.scanout.size == (640, 400)
    assert screen.row(0)[:4] == [BLUE, BLACK, BLUE, BLACK]
    assert screen.row(2)[639] == BLUE
    assert screen.row(4)[0] == BLUE


def test_256_colours_chained_and_unchained(screen: Screen) -> None:
    screen.mode("256")
    screen.store(0xA0000 + 320, [1, 2, 3, 4, 255])
    assert screen.scanout.size == (640, 400)
    for line in (2, 3):
        dots = screen.row(line)
        assert dots[:10] == [BLUE] * 2 + [GREEN] * 2 + [RED] * 2 + [b"\x28\x4d\x71"] * 2 + [WHITE] * 2
    assert screen.row(1)[:10] == [BLACK] * 10
    # Mode X: planar addressing, bytes.
    screen.registers(0x3C4, bytes([0x06]), 4)
    screen.crtc(cr14=0x00, cr17=0xE3)
    for plane, value in enumerate((3, 2, 1, 255)):
        screen.registers(0x3C4, bytes([1 << plane]), 2)
        screen.store(0xA0000 + 80, [value])
    assert screen.row(2)[:8:2] == [RED, GREEN, BLUE, WHITE]
    screen.attribute(0x13, 2)
    assert screen.row(2)[:2] == [GREEN] * 2


def test_the_pixel_mask_and_the_colour_select_register(screen: Screen) -> None:
    screen.mode("256")
    screen.store(0xA0000, [255])
    screen.bench.outb(0x3C6, 0x01)
    assert screen.row(0)[0] == BLUE
    screen.mode("planar")
    screen.registers(0x3C4, bytes([1]), 2)
    screen.store(0xA0000, [0x80])
    screen.palette({0xD1: GREEN})
    screen.attribute(0x10, 0x81)
    screen.attribute(0x14, 0x0D)
    assert screen.row(0)[0] == GREEN


def test_blanking(screen: Screen) -> None:
    screen.mode("256")
    screen.store(0xA0000, [1])
    assert screen.row(0)[0] == BLUE
    screen.registers(0x3C4, bytes([0x21]), 1)
    assert screen.row(0)[0] == BLACK
    screen.registers(0x3C4, bytes([0x01]), 1)
    screen.bench.inb(0x3DA)
    screen.bench.outb(0x3C0, 0)
    assert screen.row(0)[0] == BLACK
    assert screen.scanout.is_blank


def test_addresses_wrap_at_64_kib_of_a_plane(screen: Screen) -> None:
    screen.mode("planar")
    screen.registers(0x3C4, bytes([1]), 2)
    screen.store(0xA0000, [0x80])
    screen.crtc(cr0c=0xFF, cr0d=0xFF)
    assert screen.row(0)[7:10] == [BLACK, BLUE, BLACK]


# -- dispi --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("depth", "pixels", "expected"),
    [
        (8, b"\x01\x02\x03\xff", [BLUE, GREEN, RED, WHITE]),
        (15, b"\x1f\x00\xe0\x03\x00\x7c\x21\x04", [BLUE, GREEN, RED, b"\x08\x08\x08"]),
        (16, b"\x1f\x00\xe0\x07\x00\xf8\x41\x08", [BLUE, GREEN, RED, b"\x08\x08\x08"]),
        (24, b"\xff\0\0\0\xff\0\0\0\xff\x10\x20\x30", [BLUE, GREEN, RED, b"\x30\x20\x10"]),
        (32, b"\xff\0\0\0\0\xff\0\0\0\0\xff\0\x10\x20\x30\xff", [BLUE, GREEN, RED, b"\x30\x20\x10"]),
    ],
)
def test_linear_modes(screen: Screen, depth: int, pixels: bytes, expected: list[bytes]) -> None:
    screen.mode("256")
    screen.dispi(64, 48, depth)
    screen.vram[: len(pixels)] = pixels
    assert screen.scanout.size == (64, 48)
    assert not screen.scanout.is_text
    assert screen.row(0)[:5] == [*expected, BLACK]
    # A virtual screen twice as wide, and the picture in its middle.
    line = 128 * ((depth + 7) // 8)
    screen.vram[line * 5 + line // 16 : line * 5 + line // 16 + len(pixels)] = pixels
    screen.dispi(64, 48, depth, r6=128, r8=8, r9=5)
    assert screen.row(0)[:5] == [*expected, BLACK]


def test_linear_16_colours(screen: Screen) -> None:
    screen.mode("planar")
    screen.dispi(64, 48, 4)
    screen.vram[32:36] = b"\x80\x40\x00\x00"
    assert screen.row(1)[:3] == [BLUE, GREEN, BLACK]


def test_big_endian_pixels(screen: Screen) -> None:
    screen.mode("256")
    screen.card.vga.big_endian = True
    for depth, pixel in ((16, b"\xf8\x00"), (32, b"\0\xff\0\0"), (24, b"\xff\0\0")):
        screen.dispi(64, 48, depth)
        screen.vram[: len(pixel)] = pixel
        assert screen.row(0)[0] == RED
        screen.dispi(64, 48, depth, r4=0)


# -- news ---------------------------------------------------------------------------------------------


def test_changed_sees_memory_and_registers(screen: Screen) -> None:
    changed = screen.scanout.changed
    screen.mode("text")
    assert changed()
    assert not changed()
    screen.store(0xB8000, b"A")
    assert changed()
    screen.store(0xB8000, b"A")
    screen.store(0xB8000 + 6000, b"A")  # not on the screen
    screen.bench.inb(0x3DA)
    assert not changed()
    screen.crtc(cr0f=7)
    assert changed()
    screen.mode("256")
    assert changed()
    assert not changed()
    screen.store(0xA0000 + 63999, [1])
    assert changed()
    screen.dispi(64, 48, 32)
    assert changed()
    screen.vram[64 * 48 * 4 - 1] = 1
    assert changed()
    assert not changed()


@pytest.mark.parametrize("fill", [0x00, 0xFF, 0x5A])
@pytest.mark.parametrize("graphics", [0, 1])
def test_any_register_values_give_a_picture(screen: Screen, fill: int, graphics: int) -> None:
    screen.mode("text")
    screen.crtc(**{f"cr{index:02x}": fill for index in range(0x19)})
    screen.registers(0x3CE, bytes([fill & 0xFE | graphics]), 6)
    screen.registers(0x3CE, bytes([fill]), 5)
    screen.attribute(0x13, fill)
    width, height, rgb = screen.scanout.picture()
    assert (width, height) == screen.scanout.size
    assert len(rgb) == width * height * 3
    assert png_bytes(width, height, rgb).startswith(b"\x89PNG")
    if not graphics:
        screen.scanout.text()
