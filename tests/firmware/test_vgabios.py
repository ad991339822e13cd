"""Our VGA BIOS: int 10h in every mode, and VBE, called from a guest that runs under pyqemu.

The guest is a boot sector that calls int 10h with the registers of a list in its memory and stores what comes
back. Pictures are compared with what a small model of each mode expects.
"""

from __future__ import annotations

import hashlib
import random
import re
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from pyqemu.api import VirtualMachine
from pyqemu.core.errors import ConfigError
from pyqemu.launch import BootConfig, DriveConfig, GlobalConfig, LaunchConfig

SOURCE = Path(__file__).parents[2] / "firmware" / "vgabios"
IMAGES = Path(__file__).parents[2] / "firmware" / "images"
PCI_ROM, ISA_ROM = IMAGES / "pyqemu-vgabios.bin", IMAGES / "pyqemu-vgabios-isa.bin"
ROM_BYTES = 49152

# The character sets: renew the hashes only after looking at them.
FONT_SHA256 = {
    8: "52f5070aa471043dcf77660a99f27c6f8728f26a9670ab12c69842caa5425700",
    14: "1df794709a1a7863cf8a07bbd4f98ba014acda2ed480eb171afcbba75632366e",
    16: "44b22c1ef80db26f2f3709ad53f564176193c7e3f8e1e4f028049fe76ebc5997",
}
DAC_256_SHA256 = "58d253e8f2d9b14a7dc486f5f4f04295d4c66ad04e00f3e16ce7580dfc50e6a4"

SECTOR, FLOPPY_BYTES = 512, 1440 << 10
CALLS, CALL_BYTES, CALLS_MAX = 0x8000, 32, 250
GO, DONE_PORT = 0x7FF0, 0x640
ANSWER_LIMIT_NS = 30 * 10**9
BUFFER_SEGMENT, BUFFER = 0x2000, 0x20000
CALL_WINDOW_FUNCTION = 0xFFFE  # in place of ax: the far pointer at WINDOW_FUNCTION instead of int 10h
WINDOW_FUNCTION = 0x7FF8
CALL_PRINT_SCREEN = 0xFFFD  # interrupt 5
PRINTER, PAPER_POINTER, PAPER = 0x7D00, 0x7FE0, 0xA000  # the guest's int 17h; where it writes next

NASTY = (0, 1, 2, 3, 7, 8, 0x10, 0x20, 0x41, 0x7F, 0x80, 0xFF, 0x100, 0x101, 0x111, 0x1900, 0x4101, 0x7FFF, 0xFFFF)

GUEST = """
        .code16
        .globl  _start
_start: ljmp    $0, $1f
1:      xor     %ax, %ax
        mov     %ax, %ds
        mov     %ax, %ss
        mov     $0x7c00, %sp
        jmp     finish
list:   mov     $0x8000, %si
next:   cmpw    $0xffff, (%si)
        je      finish
        push    %si
        mov     (%si), %ax
        mov     2(%si), %bx
        mov     4(%si), %cx
        mov     6(%si), %dx
        mov     10(%si), %di
        mov     12(%si), %bp
        mov     14(%si), %es
        mov     8(%si), %si
        cmp     $0xfffe, %ax
        je      window
        cmp     $0xfffd, %ax
        je      screen
        int     $0x10
        jmp     store
screen: int     $0x05
        jmp     store
window: lcall   *0x7ff8
store:  push    %es
        push    %bp
        mov     %sp, %bp
        mov     4(%bp), %si
        pop     24(%si)
        pop     28(%si)
        mov     %ax, 16(%si)
        mov     %bx, 18(%si)
        mov     %cx, 20(%si)
        mov     %dx, 22(%si)
        mov     %di, 26(%si)
        pop     %ax
        add     $32, %si
        jmp     next
finish: mov     $0x640, %dx
        out     %al, %dx
1:      cmpb    $1, 0x7ff0
        jne     1b
        jmp     list
        .org    256
        push    %ds
        push    %di
        xor     %di, %di
        mov     %di, %ds
        mov     0x7fe0, %di
        mov     %al, (%di)
        incw    0x7fe0
        pop     %di
        pop     %ds
        mov     $0x90, %ah
        iret
        .org    510
        .word   0xaa55
"""


class Registers(NamedTuple):
    ax: int
    bx: int
    cx: int
    dx: int
    bp: int
    di: int
    es: int


def build_guest(folder: Path) -> Path:
    if not (shutil.which("as") and shutil.which("ld")):
        pytest.skip("as and ld are needed")
    source, part, image = folder / "guest.S", folder / "guest.o", folder / "guest.img"
    source.write_text(GUEST)
    subprocess.run(["as", "--32", "-o", part, source], check=True)
    link: list[str | Path] = [
        "ld",
        "-m",
        "elf_i386",
        "-Ttext",
        "0x7c00",
        "--oformat",
        "binary",
        "-e",
        "0",
        "-o",
        image,
        part,
    ]
    subprocess.run(link, check=True)
    image.write_bytes(image.read_bytes().ljust(FLOPPY_BYTES, b"\0"))
    return image


class Guest:
    def __init__(
        self, image: Path, machine: str = "pc-1.0", bios: str = "", folder: str = "", vgamem_mb: int | None = None
    ) -> None:
        config = LaunchConfig(
            machine=machine,
            drives=[DriveConfig(str(image), interface="floppy", index=0, format="raw")],
            boot=BootConfig(order="a"),
            globals=[GlobalConfig("VGA", "romfile", str(PCI_ROM))]
            + ([GlobalConfig("VGA", "vgamem_mb", str(vgamem_mb))] if vgamem_mb else []),
            bios=bios,
            firmware_dirs=[folder] if folder else [],
            nodefaults=True,
            vga="std",
            serials=["null"],
            display="none",
        )
        try:
            self.vm = VirtualMachine(config)
        except ConfigError as error:
            pytest.skip(f"no BIOS to start with: {error}")
        board = self.vm.board
        assert board is not None
        self.memory = board.ram.view
        devices: list[Any] = list(board.devices.values())
        self.card = next(device for device in devices if hasattr(device, "scanout"))
        self.registers = self.card.vga
        self.scanout = self.card.scanout
        board.isa.ports.map(DONE_PORT, 1, None, self._done, owner=self)
        self.vm.start()
        self._run()
        self.memory[GO] = 1

    def _done(self, _offset: int, _value: int) -> None:
        self.vm.power.request_exit(0)

    def _run(self) -> None:
        self.vm.power.exit_status = None
        limit = self.vm.clock.timer(self._done_late)
        limit.start(self.vm.clock.now() + ANSWER_LIMIT_NS)
        self.late = False
        self.vm.run()
        limit.stop()
        assert not self.late, "the guest does not answer"

    def _done_late(self) -> None:
        self.late = True
        self.vm.power.request_exit(1)

    def calls(self, *calls: dict[str, int]) -> list[Registers]:
        """Interrupt 10h with each of these registers."""
        assert len(calls) <= CALLS_MAX
        at = CALLS
        for call in calls:
            values = {"es": BUFFER_SEGMENT} | call
            names = ("ax", "bx", "cx", "dx", "si", "di", "bp", "es")
            self.memory[at : at + 16] = struct.pack("<8H", *(values.get(name, 0) for name in names))
            at += CALL_BYTES
        self.memory[at : at + 2] = b"\xff\xff"
        self._run()
        answers = []
        for i in range(len(calls)):
            ax, bx, cx, dx, bp, di, es = struct.unpack_from("<7H", self.memory, CALLS + 16 + CALL_BYTES * i)
            answers.append(Registers(ax, bx, cx, dx, bp, di, es))
        return answers

    def __call__(self, ax: int, **registers: int) -> Registers:
        return self.calls({"ax": ax} | registers)[0]

    def type(self, text: str, attribute: int = 7) -> None:
        self.calls(*({"ax": 0x0E00 | code, "bx": attribute} for code in text.encode("cp437")))

    def put(self, row: int, column: int, code: int, attribute: int, count: int = 1) -> None:
        self.calls({"ax": 0x0200, "dx": row << 8 | column}, {"ax": 0x0900 | code, "bx": attribute, "cx": count})

    def row(self, number: int) -> bytes:
        screen = self.scanout.text()
        return bytes(screen.cells[number * screen.columns * 2 : (number + 1) * screen.columns * 2])

    def byte(self, address: int) -> int:
        return int(self.memory[address])

    def word(self, address: int) -> int:
        return int(struct.unpack_from("<H", self.memory, address)[0])

    def buffer(self, length: int, at: int = 0) -> bytes:
        return bytes(self.memory[BUFFER + at : BUFFER + at + length])

    def fill(self, data: bytes, at: int = 0) -> None:
        self.memory[BUFFER + at : BUFFER + at + len(data)] = data

    def close(self) -> None:
        self.vm.close()


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guest]:
    guest = Guest(build_guest(tmp_path_factory.mktemp("vgabios")))
    yield guest
    guest.close()


@pytest.fixture
def guest(machine: Guest) -> Guest:
    """In mode 3 with 400 lines, as after a start."""
    machine.calls({"ax": 0x1202, "bx": 0x30}, {"ax": 0x0003})
    return machine


def fonts() -> dict[int, list[bytes]]:
    """The glyphs as the source has them."""
    found: dict[int, list[bytes]] = {}
    for line in (SOURCE / "font_tables.S").read_text().splitlines():
        if label := re.fullmatch(r"font_8x(\d+):", line):
            glyphs = found.setdefault(int(label[1]), [])
        elif ".byte" in line and "# " in line:
            glyphs.append(bytes(int(value, 16) for value in re.findall(r"0x(..)", line)))
    return found


FONTS = fonts()

# -- images ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [PCI_ROM, ISA_ROM], ids=["pci", "isa"])
def test_an_image_has_its_size_for_ever_and_adds_up_to_nothing(path: Path) -> None:
    rom = path.read_bytes()
    assert len(rom) == ROM_BYTES
    assert rom[:3] == b"\x55\xaa" + bytes((ROM_BYTES // 512,))
    assert sum(rom) % 256 == 0
    assert rom[0x1E:0x21] == b"IBM"


def test_the_pci_image_names_its_card_and_the_isa_image_none() -> None:
    rom = PCI_ROM.read_bytes()
    at = int.from_bytes(rom[0x18:0x1A], "little")
    signature, vendor, device, _, length, _, kind, blocks, _, code, last = struct.unpack_from(
        "<4s4HB3sHHBB", rom, at
    )
    assert (signature, vendor, device, length) == (b"PCIR", 0x1234, 0x1111, 24)
    assert (kind, blocks, code, last) == (b"\0\0\3", ROM_BYTES // 512, 0, 0x80)
    assert ISA_ROM.read_bytes()[0x18:0x1A] == b"\0\0"


def test_a_rom_that_outgrows_its_size_is_refused(tmp_path: Path) -> None:
    (tmp_path / "raw").write_bytes(bytes(1030))
    files = str(SOURCE / "finish.py"), str(tmp_path / "raw"), str(tmp_path / "rom")
    done = subprocess.run([sys.executable, *files, "1024"], capture_output=True, text=True)
    assert done.returncode and "7 bytes too large" in done.stderr
    assert not (tmp_path / "rom").exists()


@pytest.mark.parametrize("height", [8, 14, 16])
def test_the_character_sets_are_the_known_ones(height: int) -> None:
    glyphs = FONTS[height]
    assert len(glyphs) == 256 and all(len(glyph) == height for glyph in glyphs)
    assert hashlib.sha256(b"".join(glyphs)).hexdigest() == FONT_SHA256[height]
    assert b"".join(glyphs) in PCI_ROM.read_bytes()


# -- start ----------------------------------------------------------------------------------------------


def test_the_started_rom_still_adds_up(guest: Guest) -> None:
    assert sum(guest.memory[0xC0000 : 0xC0000 + ROM_BYTES]) % 256 == 0


def test_vectors_and_bios_data_after_the_start(guest: Guest) -> None:
    for vector in (0x10, 0x1F, 0x43, 0x6D):
        assert guest.word(vector * 4 + 2) == 0xC000
    assert guest.word(0x463) == 0x3D4
    assert (guest.byte(0x449), guest.word(0x44A), guest.word(0x44C)) == (3, 80, 0x1000)
    assert (guest.byte(0x484), guest.word(0x485), guest.byte(0x487)) == (24, 16, 0x60)
    table = guest.word(0x4AA) * 16 + guest.word(0x4A8)
    parameters = guest.word(table + 2) * 16 + guest.word(table)
    assert bytes(guest.memory[parameters + 0x1C * 64 : parameters + 0x1C * 64 + 5]) == b"\x28\x18\x08\x00\x00"


def test_registers_that_return_nothing_are_kept(guest: Guest) -> None:
    before = {"bx": 0x0007, "cx": 0x1234, "dx": 0x0305, "di": 0x5678, "bp": 0x9ABC, "es": 0xDEF0}
    answer = guest(0x0200, **before)
    assert answer._asdict() == {"ax": 0x0200} | before


# -- colours --------------------------------------------------------------------------------------------


def spread(value: int) -> int:
    return value << 2 | value >> 4


def ega(colour: int) -> tuple[int, int, int]:
    """Colour of a six-bit palette value."""

    def level(bit: int) -> int:
        return spread((0x2A if colour >> bit & 1 else 0) + (0x15 if colour >> bit + 3 & 1 else 0))

    return level(2), level(1), level(0)


TEXT_COLOURS = [ega(value) for value in (0, 1, 2, 3, 4, 5, 0x14, 7, *range(0x38, 0x40))]
GREY, WHITE = (spread(0x2A),) * 3, (spread(0x3F),) * 3
BLACK = (0, 0, 0)


def test_the_256_colours_of_mode_13h(guest: Guest) -> None:
    guest(0x0013)
    palette = bytes(guest.registers.palette)
    assert palette[:3] == b"\0\0\0" and palette[6 * 3 : 6 * 3 + 3] == b"\x2a\x15\x00"
    assert palette[15 * 3 : 16 * 3] == b"\x3f\x3f\x3f" and palette[31 * 3 : 32 * 3] == b"\x3f\x3f\x3f"
    assert palette[32 * 3 : 34 * 3] == b"\x00\x00\x3f\x10\x00\x3f"
    assert palette[248 * 3 :] == bytes(24)
    assert hashlib.sha256(palette).hexdigest() == DAC_256_SHA256


# -- pictures -------------------------------------------------------------------------------------------


class Canvas:
    """A picture made of big dots: a mode's pixels, each *wide* x *high* dots of the monitor."""

    def __init__(self, width: int, height: int, wide: int, high: int) -> None:
        self.wide, self.high = wide, high
        self.rows = [[BLACK] * width for _ in range(height)]

    def glyph(self, glyph: bytes, x: int, y: int, colour: tuple[int, int, int]) -> None:
        for line, bits in enumerate(glyph):
            for column in range(8):
                self.rows[y + line][x + column] = colour if bits & 0x80 >> column else BLACK

    def rgb(self) -> bytes:
        lines = [b"".join(bytes(dot) * self.wide for dot in row) for row in self.rows]
        return b"".join(line * self.high for line in lines)


CGA_4 = [ega(0), ega(0x3B), ega(0x3D), ega(0x3F)]
MONO_GRAPHICS = [BLACK, GREY, BLACK, BLACK, WHITE, WHITE, BLACK, BLACK] + [BLACK] * 8

# mode: pixels, character height, dots for a pixel, colours of the first 16 numbers
GRAPHICS = {
    0x04: (320, 200, 8, 2, 2, CGA_4),
    0x05: (320, 200, 8, 2, 2, CGA_4),
    0x06: (640, 200, 8, 1, 2, [BLACK, WHITE]),
    0x0D: (320, 200, 8, 2, 2, TEXT_COLOURS),
    0x0E: (640, 200, 8, 1, 2, TEXT_COLOURS),
    0x0F: (640, 350, 14, 1, 1, MONO_GRAPHICS),
    0x10: (640, 350, 14, 1, 1, TEXT_COLOURS),
    0x11: (640, 480, 16, 1, 1, [BLACK] + [WHITE] * 15),
    0x12: (640, 480, 16, 1, 1, TEXT_COLOURS),
    0x13: (320, 200, 8, 2, 2, TEXT_COLOURS),
    0x6A: (800, 600, 16, 1, 1, TEXT_COLOURS),
}


@pytest.mark.parametrize("mode", GRAPHICS, ids=hex)
def test_graphics_mode_shows_characters_and_pixels(guest: Guest, mode: int) -> None:
    width, height, char_height, wide, high, colours = GRAPHICS[mode]
    guest(mode)
    assert guest(0x0F00).ax == width // 8 << 8 | mode
    assert guest.byte(0x484) == height // char_height - 1
    assert guest.scanout.size == (width * wide, height * high)
    canvas = Canvas(width, height, wide, high)
    assert guest.scanout.picture().rgb == canvas.rgb()  # the mode starts black

    font = FONTS[char_height]
    numbers = [number for number in range(1, len(colours)) if colours[number] != BLACK]
    for column, number in enumerate(numbers):
        guest.put(2, column, 0xDB if column % 2 else 0x41, number)
        canvas.glyph(font[0xDB if column % 2 else 0x41], column * 8, 2 * char_height, colours[number])
    calls = []
    for i, number in enumerate(numbers):
        x, y = 11 * i + 3, 7 * i + 100
        calls.append({"ax": 0x0C00 | number, "cx": x, "dx": y})
        canvas.rows[y][x] = colours[number]
    corner = {"ax": 0x0C00 | numbers[-1], "cx": width - 1, "dx": height - 1}
    canvas.rows[height - 1][width - 1] = colours[numbers[-1]]
    guest.calls(*calls, corner)
    read = guest.calls(*({"ax": 0x0D00, "cx": call["cx"], "dx": call["dx"]} for call in calls))
    if mode not in (0x0F, 0x11):  # there some planes mean nothing
        assert [answer.ax & 0xFF for answer in read] == numbers
    assert guest.scanout.picture().rgb == canvas.rgb()

    guest(0x0200, dx=0x0200)
    assert guest(0x0800).ax & 0xFF == 0x41


@pytest.mark.parametrize("mode", GRAPHICS, ids=hex)
def test_graphics_mode_scrolls_a_window_both_ways_and_at_the_end_of_the_screen(guest: Guest, mode: int) -> None:
    width, height, char_height, wide, high, colours = GRAPHICS[mode]
    white = colours[number := 3 if len(colours) == 4 else 1 if len(colours) == 2 else 15 if mode != 0x0F else 4]
    font = FONTS[char_height]
    guest(mode)
    for row in range(6):
        guest.put(row, 0, 0x30 + row, number, count=20)
    guest.calls(
        {"ax": 0x0601, "cx": 0x0104, "dx": 0x0307},  # rows 1-3, columns 4-7: up
        {"ax": 0x0702, "cx": 0x020A, "dx": 0x050B},  # rows 2-5, columns 10-11: down
    )
    expected = [[0x30 + row] * 20 for row in range(6)]
    for column in range(4, 8):
        for row, code in ((1, 0x32), (2, 0x33), (3, 0)):
            expected[row][column] = code
    for column in (10, 11):
        for row, code in ((2, 0), (3, 0), (4, 0x32), (5, 0x33)):
            expected[row][column] = code
    guest.calls({"ax": 0x0200, "dx": guest.byte(0x484) << 8}, {"ax": 0x0E0A})
    canvas = Canvas(width, height, wide, high)
    for row, codes in enumerate(expected[1:]):
        for column, code in enumerate(codes):
            canvas.glyph(font[code], column * 8, row * char_height, white)
    assert guest.scanout.picture().rgb == canvas.rgb()


def test_exclusive_or_draws_and_undraws(guest: Guest) -> None:
    for mode in (0x04, 0x06, 0x0D, 0x12):
        guest(mode)
        guest.put(1, 1, 0x58, 0x01)
        before = guest.scanout.picture().rgb
        draw = [{"ax": 0x0959, "bx": 0x81, "cx": 1}, {"ax": 0x0C81, "cx": 20, "dx": 20}]
        guest.calls(*draw)
        assert guest.scanout.picture().rgb != before
        guest.calls(*draw)
        assert guest.scanout.picture().rgb == before


# -- text -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "lines", "height", "size"),
    [
        (0x00, 2, 16, (720, 400)),
        (0x01, 2, 16, (720, 400)),
        (0x02, 2, 16, (720, 400)),
        (0x03, 2, 16, (720, 400)),
        (0x07, 2, 16, (720, 400)),
        (0x03, 1, 14, (640, 350)),
        (0x01, 1, 14, (640, 350)),
        (0x07, 1, 14, (720, 350)),
        (0x03, 0, 8, (640, 400)),
        (0x00, 0, 8, (640, 400)),
    ],
)
def test_text_mode_shows_glyphs(guest: Guest, mode: int, lines: int, height: int, size: tuple[int, int]) -> None:
    assert guest(0x1200 | lines, bx=0x30).ax & 0xFF == 0x12
    guest(mode)
    columns = 40 if mode < 2 else 80
    assert guest.scanout.size == size
    assert (guest.word(0x44A), guest.byte(0x484), guest.word(0x485)) == (columns, 24, height)
    assert guest.row(0) == b" \x07" * columns
    codes = bytes((0x41, 0xC4, 0xDB, 0x80, 0x67, 0x00, 0xB0))
    guest.calls(
        {"ax": 0x0200, "dx": 0x0302},
        *({"ax": 0x0E00 | code} for code in codes),
        {"ax": 0x0200, "dx": 0x1800},
    )
    assert guest.row(3)[4 : 4 + 2 * len(codes)] == b"".join(bytes((code, 7)) for code in codes)
    dots = size[0] // columns
    scale = dots // 8
    nine = dots % 8 and 1
    expected = []
    for line in range(height):
        row = []
        for code in codes:
            bits = FONTS[height][code][line]
            cell = [bits >> 7 - i & 1 for i in range(8)]
            row += cell + ([cell[7] if 0xC0 <= code < 0xE0 else 0] * bool(nine))
        expected += [row] * (2 if lines == 0 else 1)
    picture = guest.scanout.picture(cursor_on=False)
    line_bytes = picture.width * 3
    top = 3 * len(expected)
    for line, row in enumerate(expected):
        at = (top + line) * line_bytes + 2 * dots * 3
        wanted = b"".join(bytes(GREY if dot else BLACK) * max(scale, 1) for dot in row)
        assert picture.rgb[at : at + len(wanted)] == wanted, (line, row)


def test_teletype_wraps_obeys_controls_and_scrolls_with_the_attribute_of_the_last_row(guest: Guest) -> None:
    guest.type("x" * 79 + "yz\r\nab\bc\a")
    assert guest.row(0)[0::2] == b"x" * 79 + b"y"
    assert guest.row(1)[:4:2] == b"z "
    assert guest.row(2)[:6:2] == b"ac "
    assert guest(0x0300).dx == 0x0202
    guest.calls({"ax": 0x0600, "bx": 0x1E00, "cx": 0, "dx": 0x184F}, {"ax": 0x0200, "dx": 0x184F})
    guest.type("!")
    assert guest(0x0300).dx == 0x1800
    assert guest.row(23)[-2:] == b"!\x1e"
    assert guest.row(24) == b" \x1e" * 80


def test_text_scrolls_windows(guest: Guest) -> None:
    for row in range(6):
        guest.put(row, 0, 0x30 + row, 7, count=80)
    guest.calls(
        {"ax": 0x0601, "bx": 0x4F00, "cx": 0x0104, "dx": 0x0307},
        {"ax": 0x0702, "bx": 0x2A00, "cx": 0x0200, "dx": 0x05FF},  # brought into the screen
    )
    assert guest.row(1)[6:18] == b"1\x07" + b"2\x07" * 4 + b"1\x07"
    assert guest.row(2) == guest.row(3) == b" \x2a" * 80
    assert guest.row(4)[6:18] == b"2\x07" + b"3\x07" * 4 + b"2\x07"
    assert guest.row(5)[6:18] == b"3\x07" + b" \x4f" * 4 + b"3\x07"
    before = guest.row(4)
    guest(0x0600, bx=0x0700, cx=0x0500, dx=0x0400)  # upside down: nothing
    assert guest.row(4) == before


def test_strings_in_the_four_ways(guest: Guest) -> None:
    guest.fill(b"ab\r\ncd")
    guest.fill(b"e\x1ff\x2e", 0x40)
    guest(0x1300, bx=0x4E, cx=2, dx=0x0203)
    assert guest(0x0300).dx == 0
    guest(0x1301, bx=0x4E, cx=6, dx=0x0403)
    assert guest(0x0300).dx == 0x0502
    assert guest.row(2)[6:10] == guest.row(4)[6:10] == b"a\x4eb\x4e"
    assert guest.row(5)[:4] == b"c\x4ed\x4e"
    guest(0x1302, bx=0, cx=2, dx=0x0700, bp=0x40)
    assert guest(0x0300).dx == 0x0502
    guest(0x1303, bx=0, cx=2, dx=0x0800, bp=0x40)
    assert guest(0x0300).dx == 0x0802
    assert guest.row(7)[:4] == guest.row(8)[:4] == b"e\x1ff\x2e"


def test_pages_have_their_own_cursor_and_contents(guest: Guest) -> None:
    guest.calls({"ax": 0x0200, "bx": 0x0200, "dx": 0x0304}, {"ax": 0x0951, "bx": 0x021E, "cx": 3})
    assert guest(0x0800, bx=0x0200).ax == 0x1E51
    assert guest.row(3)[8:10] == b" \x07"
    guest(0x0502)
    assert guest.row(3)[8:16] == b"Q\x1e" * 3 + b" \x07"
    assert guest.scanout.text().cursor == (4, 3)
    assert guest(0x0F00).bx >> 8 == 2
    guest(0x0500)
    assert guest.scanout.text().cursor == (0, 0)


@pytest.mark.parametrize(
    ("shape", "start", "end"),
    [(0x0607, 13, 14), (0x0007, 0, 15), (0x0407, 8, 15), (0x0B0C, 13, 14), (0x0001, 0, 1), (0x000F, 0, 15)],
)
def test_cursor_shapes_are_made_for_the_height(guest: Guest, shape: int, start: int, end: int) -> None:
    guest(0x0100, cx=shape)
    assert (guest.registers.cr[0x0A], guest.registers.cr[0x0B]) == (start, end)
    assert guest(0x0300).cx == shape
    guest.calls({"ax": 0x1201, "bx": 0x34}, {"ax": 0x0100, "cx": shape}, {"ax": 0x1200, "bx": 0x34})
    assert (guest.registers.cr[0x0A], guest.registers.cr[0x0B]) == (shape >> 8, shape & 0xFF)


def test_a_cursor_can_be_hidden(guest: Guest) -> None:
    guest(0x0100, cx=0x2000)
    assert guest.scanout.text().cursor is None


@pytest.mark.parametrize(("lines", "rows"), [(2, 50), (1, 43)])
def test_small_characters_give_more_rows(guest: Guest, lines: int, rows: int) -> None:
    guest.calls({"ax": 0x1200 | lines, "bx": 0x30}, {"ax": 0x0003}, {"ax": 0x1112})
    assert guest.scanout.text().rows == rows
    assert (guest.byte(0x484), guest.word(0x485)) == (rows - 1, 8)
    guest(0x0200, dx=rows - 1 << 8)
    guest.type("last\n")
    assert guest.row(rows - 2)[:8:2] == b"last"
    guest(0x1114)
    assert guest.scanout.text().rows == (25 if lines == 2 else 21)


# -- fonts ----------------------------------------------------------------------------------------------


def test_fonts_can_be_found_and_replaced(guest: Guest) -> None:
    for which, font in ((2, FONTS[14]), (3, FONTS[8]), (4, FONTS[8][128:]), (6, FONTS[16])):
        answer = guest(0x1130, bx=which << 8)
        at = answer.es * 16 + answer.bp
        wanted = b"".join(font)
        assert bytes(guest.memory[at : at + len(wanted)]) == wanted
        assert (answer.cx, answer.dx & 0xFF) == (16, 24)
    guest.fill(bytes(range(1, 17)))
    guest(0x1100, bx=0x1000, cx=1, dx=0x41)
    guest.type("A")
    picture = guest.scanout.picture(cursor_on=False)
    for line in range(16):
        cell = picture.rgb[line * picture.width * 3 :][: 8 * 3]
        assert [bool(cell[3 * i]) for i in range(8)] == [bool(line + 1 & 0x80 >> i) for i in range(8)]


@pytest.mark.parametrize("mode", [3, *GRAPHICS], ids=hex)
def test_each_mode_points_to_its_characters(guest: Guest, mode: int) -> None:
    guest(mode)
    height = guest.word(0x485)
    at = guest.word(0x43 * 4 + 2) * 16 + guest.word(0x43 * 4)
    assert bytes(guest.memory[at : at + 256 * height]) == b"".join(FONTS[height])
    at = guest.word(0x1F * 4 + 2) * 16 + guest.word(0x1F * 4)
    assert bytes(guest.memory[at : at + 128 * 8]) == b"".join(FONTS[8][128:])


def test_the_upper_half_of_the_characters_of_cga_modes_is_the_users(guest: Guest) -> None:
    guest(0x0006)
    guest.fill(bytes(128 * 8 - 8) + b"\x81\x42\x24\x18\x18\x24\x42\x81")
    guest(0x1120)
    guest.put(0, 0, 0xFF, 1)
    dots = guest.calls(*({"ax": 0x0D00, "cx": x, "dx": y} for y in range(8) for x in range(8)))
    assert [answer.ax & 0xFF for answer in dots] == [int(x in (y, 7 - y)) for y in range(8) for x in range(8)]


def test_a_font_of_any_height_and_block(guest: Guest) -> None:
    """Characters 0xF0 on, ten lines each, into block 5; more than there are is cut off."""
    font = bytes((i * 37 & 0xFF) or 1 for i in range(10 * 16))
    guest.fill(font)
    vram = guest.registers.vram.view
    block_6 = bytes(vram[4 * 0xA000 + 2 : 4 * 0xC000 : 4])
    guest(0x1100, bx=0x0A05, cx=0xFFFF, dx=0xF0)
    block_5 = bytes(vram[4 * 0x6000 + 2 : 4 * 0x8000 : 4])
    for i in range(16):
        glyph = block_5[(0xF0 + i) * 32 : (0xF0 + i) * 32 + 32]
        assert glyph == font[i * 10 : i * 10 + 10] + bytes(22)
    assert bytes(vram[4 * 0xA000 + 2 : 4 * 0xC000 : 4]) == block_6
    for nonsense in ({"bx": 0x2100, "cx": 1}, {"bx": 0, "cx": 1}, {"bx": 0x1000, "cx": 1, "dx": 256}):
        before = bytes(vram[2 : 4 * 0x10000 : 4])
        guest(0x1100, **nonsense)
        assert bytes(vram[2 : 4 * 0x10000 : 4]) == before


def test_two_fonts_at_a_time(guest: Guest) -> None:
    guest.calls({"ax": 0x1104, "bx": 0}, {"ax": 0x1102, "bx": 1}, {"ax": 0x1103, "bx": 0x04})
    guest.put(0, 0, 0x41, 0x0F)  # attribute bit 3: the second font
    picture = guest.scanout.picture(cursor_on=False)
    for line in range(8):
        cell = picture.rgb[line * picture.width * 3 :][: 8 * 3]
        assert [bool(cell[3 * i]) for i in range(8)] == [bool(FONTS[8][0x41][line] & 0x80 >> i) for i in range(8)]


def test_a_users_font_draws_in_graphics_modes(guest: Guest) -> None:
    guest(0x0013)
    guest.fill(bytes(0x41 * 8) + b"\xaa\x55" * 4)
    guest(0x1121, bx=2, cx=8)
    guest.put(0, 0, 0x41, 15)
    assert [guest(0x0D00, cx=x, dx=0).ax & 0xFF for x in range(4)] == [15, 0, 15, 0]
    guest(0x1123, bx=2)
    guest.put(0, 0, 0xDB, 9)
    assert guest(0x0D00, cx=1, dx=0).ax & 0xFF == 9


# -- palette --------------------------------------------------------------------------------------------


def test_palette_registers(guest: Guest) -> None:
    guest.calls({"ax": 0x1000, "bx": 0x2A03}, {"ax": 0x1001, "bx": 0x1100})
    assert guest(0x1007, bx=3).bx == 0x2A03
    assert guest(0x1008).bx == 0x1100
    guest.fill(bytes(range(17)))
    guest.calls({"ax": 0x1002, "dx": 0}, {"ax": 0x1009, "dx": 0x40})
    assert guest.buffer(17, 0x40) == bytes(range(17))
    guest(0x1003, bx=0)
    assert not guest.registers.ar[0x10] & 0x08
    guest(0x1003, bx=1)
    assert guest.registers.ar[0x10] & 0x08


def test_dac(guest: Guest) -> None:
    guest(0x1010, bx=200, dx=0x1122, cx=0x2233)
    answer = guest(0x1015, bx=200)
    assert (answer.dx >> 8, answer.cx) == (0x11, 0x2233)
    guest.fill(bytes(range(9)))
    guest.calls({"ax": 0x1012, "bx": 20, "cx": 3}, {"ax": 0x1017, "bx": 20, "cx": 3, "dx": 0x40})
    assert guest.buffer(9, 0x40) == bytes(range(9))
    guest(0x1018, bx=0x7E)
    assert guest(0x1019).bx == 0x7E
    guest.calls({"ax": 0x1013, "bx": 0x0100}, {"ax": 0x1013, "bx": 0x0501})
    assert guest(0x101A).bx == 0x0501
    guest.fill(b"\x3f\0\0\0\x3f\0\0\0\x3f")
    guest.calls({"ax": 0x1012, "bx": 20, "cx": 3}, {"ax": 0x101B, "bx": 20, "cx": 3})
    assert bytes(guest.registers.palette[60:69]) == b"\x13\x13\x13\x25\x25\x25\x07\x07\x07"


def test_cga_palettes(guest: Guest) -> None:
    guest.calls({"ax": 0x0004}, {"ax": 0x0B00, "bx": 0x0014})
    assert bytes(guest.registers.ar[:4]) == b"\x04\x13\x15\x17"
    guest(0x0B00, bx=0x0100)
    assert bytes(guest.registers.ar[:4]) == b"\x04\x12\x14\x16"
    guest(0x0B00, bx=0x0001)
    assert bytes(guest.registers.ar[:4]) == b"\x01\x02\x04\x06"


# -- state ----------------------------------------------------------------------------------------------


def test_alternate_select(guest: Guest) -> None:
    answer = guest(0x1200, bx=0x10)
    assert (answer.bx, answer.cx & 0xFF) == (0x0003, 0x09)
    for function in (0x31, 0x32, 0x33, 0x34, 0x36):
        assert guest(0x1201, bx=function).ax == 0x1212
        assert guest(0x1207, bx=function).ax == 0x1207
        assert guest(0x1200, bx=function).ax == 0x1212
    guest.calls({"ax": 0x1201, "bx": 0x33}, {"ax": 0x1201, "bx": 0x36})
    assert guest.scanout.is_blank
    guest(0x1200, bx=0x36)
    assert not guest.scanout.is_blank
    guest.calls({"ax": 0x1201, "bx": 0x31}, {"ax": 0x1010, "bx": 7, "cx": 0x0102, "dx": 0x0300}, {"ax": 0x0003})
    assert bytes(guest.registers.palette[21:24]) == b"\x03\x01\x02"
    guest(0x1200, bx=0x31)


def test_the_screen_can_be_printed_with_all_its_rows(guest: Guest) -> None:
    guest.calls({"ax": 0x1112}, {"ax": 0x1200, "bx": 0x20}, {"ax": 0x0200, "dx": 0x3100})
    guest.type("row 49")
    vector = bytes(guest.memory[0x17 * 4 : 0x18 * 4])
    struct.pack_into("<HH", guest.memory, 0x17 * 4, PRINTER, 0)
    struct.pack_into("<H", guest.memory, PAPER_POINTER, PAPER)
    guest(CALL_PRINT_SCREEN)
    guest.memory[0x17 * 4 : 0x18 * 4] = vector
    lines = bytes(guest.memory[PAPER : guest.word(PAPER_POINTER)]).split(b"\r\n")
    assert len(lines) == 52 and lines[0] == lines[51] == b""
    assert lines[50] == b"row 49".ljust(80)
    assert guest.byte(0x500) == 0


def test_display_combination_and_functionality(guest: Guest) -> None:
    answer = guest(0x1A00)
    assert (answer.ax & 0xFF, answer.bx) == (0x1A, 0x0008)
    guest.fill(bytes([0xEE]) * 80)
    assert guest(0x1B00).ax & 0xFF == 0x1B
    table = guest.buffer(80)
    assert table[64:] == bytes([0xEE]) * 16
    static = int.from_bytes(table[2:4], "little") * 16 + int.from_bytes(table[:2], "little")
    assert bytes(guest.memory[static : static + 3]) == b"\xff\xe0\x0f"
    assert (table[4], table[5], table[0x22], table[0x23], table[0x25]) == (3, 80, 25, 16, 8)
    assert (table[0x27], table[0x29], table[0x2A], table[0x31]) == (16, 8, 2, 3)


def test_state_can_be_saved_and_restored(guest: Guest) -> None:
    def everything() -> tuple[bytes, ...]:
        card, memory = guest.registers, guest.memory
        registers = (bytes(part) for part in (card.sr, card.gr, card.ar, card.cr, card.palette))
        return (*registers, bytes(memory[0x449:0x467]), bytes(memory[0x484:0x48B]), bytes([card.msr]))

    for mode in (0x12, 0x07, 0x13):
        guest(mode)
        assert guest(0x1C00, cx=7).bx * 64 <= 0x1000
        guest(0x1C01, cx=7, bx=0x1000)
        before = everything()
        guest(0x0004)
        assert everything() != before
        guest(0x1C02, cx=7, bx=0x1000)
        assert everything() == before


def test_mode_setting_can_keep_the_memory(guest: Guest) -> None:
    guest.type("kept")
    guest(0x0083)
    assert guest.row(0)[:8:2] == b"kept"
    assert guest(0x0F00).ax == 0x5083
    assert guest(0x0063).ax == 0x0063  # there is no such mode: nothing happens
    assert guest(0x0F00).ax == 0x5083


def test_unknown_functions_change_nothing(guest: Guest) -> None:
    for ax in (0x1C7F, 0x1400, 0x10FF, 0x11FF, 0x1AFF, 0x6F00, 0xFF00):
        assert guest(ax, bx=0x55AA, cx=0x1234, dx=0x5678)[:4] == (ax, 0x55AA, 0x1234, 0x5678)


# -- VBE ------------------------------------------------------------------------------------------------

STANDARD = {
    0x100: (640, 400, 8), 0x101: (640, 480, 8), 0x102: (800, 600, 4), 0x103: (800, 600, 8), 0x105: (1024, 768, 8),
    0x107: (1280, 1024, 8), 0x10D: (320, 200, 15), 0x10E: (320, 200, 16), 0x10F: (320, 200, 24),
    0x110: (640, 480, 15), 0x111: (640, 480, 16), 0x112: (640, 480, 24), 0x113: (800, 600, 15),
    0x114: (800, 600, 16), 0x115: (800, 600, 24), 0x116: (1024, 768, 15), 0x117: (1024, 768, 16),
    0x118: (1024, 768, 24), 0x119: (1280, 1024, 15), 0x11A: (1280, 1024, 16), 0x11B: (1280, 1024, 24),
}  # fmt: skip


class ModeInfo(NamedTuple):
    attributes: int
    line: int
    size: tuple[int, int]
    planes: int
    bpp: int
    model: int
    pages: int
    masks: bytes
    linear: int


def mode_numbers(guest: Guest) -> list[int]:
    guest.fill(b"VBE2")
    assert guest(0x4F00).ax == 0x004F
    offset, segment = struct.unpack_from("<HH", guest.buffer(32), 0x0E)
    assert segment == BUFFER_SEGMENT
    numbers = struct.unpack("<111H", guest.buffer(222, offset))
    return list(numbers[: numbers.index(0xFFFF)])


def mode_info(guest: Guest, number: int) -> ModeInfo:
    guest.fill(bytes([0xEE]) * 300, 0x1000)
    assert guest(0x4F01, cx=number, di=0x1000).ax == 0x004F
    data = guest.buffer(300, 0x1000)
    assert data[256:] == bytes([0xEE]) * 44
    attributes, window_a, window_b, step, size, segment = struct.unpack_from("<HBBHHH", data)
    assert (window_a, window_b, step, size, segment) == (7, 0, 64, 64, 0xA000)
    line, width, height = struct.unpack_from("<HHH", data, 0x10)
    return ModeInfo(
        attributes, line, (width, height), data[0x18], data[0x19], data[0x1B], data[0x1D], data[0x1F:0x27],
        int.from_bytes(data[0x28:0x2C], "little"),
    )  # fmt: skip


def test_vbe_describes_itself(guest: Guest) -> None:
    guest.fill(b"VBE2" + bytes([0xEE]) * 600)
    assert guest(0x4F00).ax == 0x004F
    data = guest.buffer(600)
    assert data[:6] == b"VESA\0\3" and data[0x0A] & 1
    assert int.from_bytes(data[0x12:0x14], "little") == guest.registers.vram.size >> 16
    assert data[512:] == bytes([0xEE]) * 88
    for at in (0x06, 0x16, 0x1A, 0x1E):
        offset, segment = struct.unpack_from("<HH", data, at)
        text = bytes(guest.memory[segment * 16 + offset :][:40])
        assert text[: text.index(0)].isascii() and text[0]
    guest.fill(bytes([0xEE]) * 600)  # who does not say "VBE2" has room for 256 bytes
    assert guest(0x4F00).ax == 0x004F
    assert guest.buffer(600)[256:] == bytes([0xEE]) * 344


def test_every_mode_fits_the_memory_and_describes_itself(guest: Guest) -> None:
    numbers = mode_numbers(guest)
    assert set(STANDARD) <= set(numbers)
    assert len(set(numbers)) == len(numbers)
    seen = set()
    for number in numbers:
        info = mode_info(guest, number)
        assert number < 0x11C or number >= 0x140
        if number in STANDARD:
            assert (*info.size, info.bpp) == STANDARD[number]
        assert (*info.size, info.bpp) not in seen
        seen.add((*info.size, info.bpp))
        assert info.line == (info.size[0] * ((info.bpp + 7) // 8) if info.bpp > 4 else info.size[0] // 8)
        assert info.line * info.size[1] * (info.pages + 1) <= guest.registers.vram.size
        assert info.model == {4: 3, 8: 4}.get(info.bpp, 6)
        assert bool(info.attributes & 0x80) == bool(info.linear) == (info.bpp > 4)
        assert info.attributes & 0x1F == 0x1F
        if info.bpp == 16:
            assert info.masks == bytes((5, 11, 6, 5, 5, 0, 0, 0))
    for size in ((640, 400), (640, 480), (800, 600), (1024, 768), (1152, 864), (1280, 800), (1280, 1024)):
        assert {bpp for width, height, bpp in seen if (width, height) == size} >= {8, 15, 16, 24, 32}
    assert (1600, 1200, 32) in seen and (1920, 1080, 24) in seen
    assert guest(0x4F01, cx=0x1FF).ax == 0x014F


def test_linear_modes_are_set_as_the_list_says(guest: Guest) -> None:
    for number in mode_numbers(guest):
        info = mode_info(guest, number)
        if not info.linear:
            assert guest(0x4F02, bx=0x4000 | number).ax == 0x014F
            continue
        assert guest(0x4F02, bx=0x4000 | number).ax == 0x004F
        x, y, bpp, enable = guest.registers.vbe_regs[1:5]
        assert ((x, y), bpp, enable & 0xC1) == (info.size, info.bpp, 0x41)
        assert guest(0x4F03).bx == 0x4000 | number
        assert guest.scanout.size == info.size
        assert not guest.scanout.is_blank
    guest.card.vga.vram.view[:4] = b"\x11\x22\x33\x44"
    assert guest(0x4F02, bx=0xC118).ax == 0x004F
    assert bytes(guest.card.vga.vram.view[:4]) == b"\x11\x22\x33\x44"
    assert guest(0x4F03).bx == 0xC118
    assert guest(0x4F02, bx=0x0003).ax == 0x004F
    assert guest(0x4F03).bx == 0x0003
    assert not guest.registers.vbe_regs[4] & 1
    for number in (0x4003, 0x0120, 0x013F, 0x0081, 0x3FFF):
        assert guest(0x4F02, bx=number).ax == 0x014F


@pytest.mark.parametrize(
    ("vgamem_mb", "highest", "too_much"),
    [(1, (1024, 768, 8), (800, 600, 24)), (4, (1280, 1024, 24), (1280, 1024, 32)),
     (16, (2560, 1600, 32), (3840, 2160, 32)), (64, (3840, 2160, 32), None)],
)  # fmt: skip
def test_more_video_memory_gives_more_modes(
    tmp_path: Path, vgamem_mb: int, highest: tuple[int, int, int], too_much: tuple[int, int, int] | None
) -> None:
    guest = Guest(build_guest(tmp_path), vgamem_mb=vgamem_mb)
    try:
        infos = {number: mode_info(guest, number) for number in mode_numbers(guest)}
        modes = {(*info.size, info.bpp): number for number, info in infos.items()}
        assert highest in modes and too_much not in modes
        assert all(info.line * info.size[1] * info.planes <= vgamem_mb << 20 for info in infos.values())
        number = modes[highest]
        assert guest(0x4F02, bx=0x4000 | number).ax == 0x004F
        assert guest.scanout.size == highest[:2] and guest(0x4F03).bx == 0x4000 | number
    finally:
        guest.close()


VBE_COLOURS = [
    tuple((0xAA if colour >> bit & 1 else 0) + (0x55 if colour & 8 else 0) for bit in (2, 1, 0))
    for colour in range(16)
]
VBE_COLOURS[6] = (0xAA, 0x55, 0)


def stored_value(bpp: int, colour: int) -> int:
    red, green, blue = VBE_COLOURS[colour]
    return {
        8: colour,
        15: red >> 3 << 10 | green >> 3 << 5 | blue >> 3,
        16: red >> 3 << 11 | green >> 2 << 5 | blue >> 3,
    }.get(bpp, red << 16 | green << 8 | blue)


def test_characters_in_two_banks_are_drawn_either_way(guest: Guest) -> None:
    """800x600: row 5 of 8 bits and row 1 of 24 bits end in the next bank."""
    for number, row in ((0x103, 5), (0x115, 1)):
        guest(0x4F02, bx=number)
        vram = guest.registers.vram.view
        seen = []
        assert guest.vm.board is not None
        for a20 in (True, False):
            vram[: 1 << 21] = bytes(1 << 21)
            guest.vm.board.cpu.set_a20(a20)
            try:
                guest.put(row, 0, 0x41, 0x0E, count=100)
                guest.put(row, 3, 0xDB, 0x89, count=5)
            finally:
                guest.vm.board.cpu.set_a20(True)
            seen.append(bytes(vram[: 1 << 21]))
        assert seen[0] == seen[1] and any(seen[0])
        pitch = 800 if number == 0x103 else 2400
        lines = [line for line in range(600) if any(seen[0][line * pitch : (line + 1) * pitch])]
        assert row * 16 <= min(lines) and max(lines) < row * 16 + 16
        assert min(lines) * pitch >> 16 != max(lines) * pitch >> 16


@pytest.mark.parametrize("number", [0x101, 0x110, 0x111, 0x112, 0x154])
def test_text_and_pixels_in_vbe_modes(guest: Guest, number: int) -> None:
    guest(0x4F02, bx=number)
    bpp = guest.registers.vbe_regs[3]
    bytes_each = (bpp + 7) // 8
    pitch = 640 * bytes_each
    assert guest(0x0F00).ax & 0xFF == 0x7F
    expected = bytearray(pitch * 480)

    def dot(x: int, y: int, colour: int) -> None:
        at = y * pitch + x * bytes_each
        expected[at : at + bytes_each] = stored_value(bpp, colour).to_bytes(bytes_each, "little")

    guest.put(28, 70, 0x41, 12)  # crosses a bank in the wider modes
    guest(0x0C0E, cx=639, dx=479)
    for line, bits in enumerate(FONTS[16][0x41]):
        for column in range(8):
            if bits & 0x80 >> column:
                dot(560 + column, 448 + line, 12)
    dot(639, 479, 14)
    assert guest.registers.vram.view[: len(expected)] == expected
    guest(0x0601, cx=0x1B46, dx=0x1C46)
    assert (
        guest.registers.vram.view[27 * 16 * pitch : 28 * 16 * pitch] == expected[28 * 16 * pitch : 29 * 16 * pitch]
    )


@pytest.mark.parametrize("a20", [True, False], ids=["by linear memory", "by the window"])
@pytest.mark.parametrize("number", [0x103, 0x114, 0x115])
def test_vbe_modes_scroll_across_banks(guest: Guest, number: int, a20: bool) -> None:
    """With address line 20 closed the linear memory cannot be reached from real mode."""
    guest(0x4F02, bx=number)
    bpp = guest.registers.vbe_regs[3]
    pitch, width = 800 * ((bpp + 7) // 8), 8 * ((bpp + 7) // 8)
    vram = guest.registers.vram.view
    lines = [bytearray((x * 7 + y * 31 & 0xFF) for x in range(pitch)) for y in range(600)]
    pattern = b"".join(lines)
    vram[: len(pattern)] = pattern
    assert guest.vm.board is not None
    guest.vm.board.cpu.set_a20(a20)
    try:
        guest.calls(
            {"ax": 0x0602, "cx": 0x0305, "dx": 0x2040},  # rows 3-32, columns 5-64: up by two
            {"ax": 0x0701, "cx": 0x0000, "dx": 0x2463},  # all: down by one
            {"ax": 0x0603, "cx": 0x0000, "dx": 0x2463},  # all: up by three
        )
    finally:
        guest.vm.board.cpu.set_a20(True)
    left, right = 5 * width, 65 * width
    for y in range(3 * 16, 31 * 16):
        lines[y][left:right] = lines[y + 32][left:right]
    for y in range(31 * 16, 33 * 16):
        lines[y][left:right] = bytes(right - left)
    blank = [bytearray(pitch) for _ in range(48)]
    shown = blank[:16] + lines[: 36 * 16] + lines[37 * 16 :]
    shown = shown[48 : 37 * 16] + blank + shown[37 * 16 :]
    assert vram[: len(pattern)] == b"".join(shown)


def test_a_broken_idea_of_the_mode_reaches_no_other_memory(guest: Guest) -> None:
    """A program has overwritten the BIOS's data: rows and columns that the card does not have."""
    guest(0x4F02, bx=0x4115)

    def elsewhere() -> tuple[bytes, bytes]:
        """All but the stack, what the guest is asked with, and the BIOS's own data."""
        return bytes(guest.memory[0x500:0x7000]), bytes(guest.memory[0xA000:0x9FC00])

    before = elsewhere()
    struct.pack_into("<H", guest.memory, 0x44A, 0xFFFF)
    guest.memory[0x484] = 0xFF
    guest.calls(
        {"ax": 0x0601, "cx": 0, "dx": 0xFFFF},
        {"ax": 0x0701, "cx": 0x4040, "dx": 0xFFFF},
        {"ax": 0x0200, "dx": 0xFEFE},
        {"ax": 0x0941, "bx": 0x8F, "cx": 0xFFFF},
        {"ax": 0x0C0F, "cx": 0xFFFF, "dx": 0xFFFF},
    )
    assert elsewhere() == before


def test_windows(guest: Guest) -> None:
    guest(0x4F02, bx=0x0101)
    assert guest(0x4F05, dx=2).ax == 0x004F
    assert guest.registers.vbe_regs[5] == 2
    assert guest(0x4F05, bx=0x0100).dx == 2
    assert guest(0x4F05, dx=0x4000).ax == 0x014F
    assert guest(0x4F05, bx=0x0001).ax == 0x014F
    guest(0x4F01, cx=0x0101, di=0x1000)
    guest.memory[WINDOW_FUNCTION : WINDOW_FUNCTION + 4] = guest.buffer(4, 0x100C)
    guest(CALL_WINDOW_FUNCTION, dx=4)
    assert guest.registers.vbe_regs[5] == 4
    assert guest(CALL_WINDOW_FUNCTION, bx=0x0100).dx == 4
    guest(0x4F02, bx=0x4101)
    assert guest(0x4F05, dx=1).ax == 0x034F  # a linear mode has no window


def test_the_virtual_screen(guest: Guest) -> None:
    guest(0x4F02, bx=0x4103)
    answer = guest(0x4F06, bx=1)
    assert (answer.ax, answer.bx, answer.cx, answer.dx) == (0x004F, 800, 800, guest.registers.vram.size // 800)
    answer = guest(0x4F06, bx=0, cx=1001)
    assert (answer.ax, answer.bx, answer.cx) == (0x004F, 1008, 1008)
    assert guest(0x4F06, bx=2, cx=1024).cx == 1024
    assert guest(0x4F06, bx=0, cx=640).ax == 0x024F
    assert guest(0x4F06, bx=0, cx=0xFFFF).ax == 0x024F
    assert guest(0x4F06, bx=3).ax == 0x004F
    assert guest(0x4F07, cx=100, dx=50).ax == 0x004F
    answer = guest(0x4F07, bx=1)
    assert (answer.cx, answer.dx) == (100, 50)
    assert guest(0x4F07, cx=300, dx=0).ax == 0x014F
    guest(0x0003)
    for ax in (0x4F05, 0x4F06, 0x4F07):
        assert guest(ax).ax == 0x034F


def test_vbe_palette(guest: Guest) -> None:
    guest(0x4F02, bx=0x4101)
    assert guest(0x4F08, bx=0x0800).bx >> 8 == 8
    assert guest(0x4F08, bx=0x0001).bx >> 8 == 8
    guest.fill(b"\xfe\xdc\xba\x00\x12\x34\x56\x00")
    assert guest(0x4F09, cx=2, dx=254).ax == 0x004F
    assert bytes(guest.registers.palette[762:]) == b"\xba\xdc\xfe\x56\x34\x12"
    guest(0x4F09, bx=1, cx=2, dx=254, di=0x40)
    assert guest.buffer(8, 0x40) == guest.buffer(8)
    assert guest(0x4F09, cx=3, dx=254).ax == 0x014F
    assert guest(0x4F09, bx=2, cx=1).ax == 0x024F
    guest(0x4F02, bx=0x4111)
    assert guest(0x4F08, bx=0x0800).ax == guest(0x4F09, cx=1).ax == 0x034F


def test_vbe_state(guest: Guest) -> None:
    guest(0x4F02, bx=0x4111)
    guest.calls({"ax": 0x4F06, "cx": 800}, {"ax": 0x4F07, "cx": 16, "dx": 3})
    before = list(guest.registers.vbe_regs), bytes(guest.registers.cr), bytes(guest.memory[0x449:0x467])
    assert guest(0x4F04, cx=0x0F).bx * 64 <= 0x1000
    assert guest(0x4F04, cx=0x0F, dx=1, bx=0x1000).ax == 0x004F
    guest(0x0003)
    assert guest(0x4F04, cx=0x0F, dx=2, bx=0x1000).ax == 0x004F
    assert (list(guest.registers.vbe_regs), bytes(guest.registers.cr), bytes(guest.memory[0x449:0x467])) == before


def test_protected_mode_interface(guest: Guest) -> None:
    answer = guest(0x4F0A)
    assert answer.ax == 0x004F
    at = answer.es * 16 + answer.di
    block = bytes(guest.memory[at : at + answer.cx])
    window, start, palette, ports = struct.unpack_from("<4H", block)
    assert max(window, start, palette, ports) < len(block)
    listed = struct.unpack_from("<6H", block, ports)
    assert listed == (0x1CE, 0x1CF, 0x3C8, 0x3C9, 0xFFFF, 0xFFFF)


def run_protected(code: bytes, entry: int, **registers: int) -> tuple[int, list[tuple[int, int]]]:
    """Call into a copy of the block at an odd place; returns ax and the writes to ports. Ports read 640."""
    unicorn = pytest.importorskip("unicorn")
    x86 = pytest.importorskip("unicorn.x86_const")
    base, stack = 0x123000, 0x200000
    engine = unicorn.Uc(unicorn.UC_ARCH_X86, unicorn.UC_MODE_32)
    engine.mem_map(base, 0x2000)
    engine.mem_map(stack, 0x1000)
    engine.mem_write(base + 0x45, code)
    engine.mem_write(stack, b"\x03\x02\x01\x00\x33\x22\x11\x00")
    writes: list[tuple[int, int]] = []
    bpp = 16

    def read(_engine: Any, _port: int, _size: int, _data: Any) -> int:
        return {3: bpp, 6: 640}.get(writes[-1][1], 0)

    def write(_engine: Any, port: int, _size: int, value: int, _data: Any) -> None:
        writes.append((port, value))

    engine.hook_add(unicorn.UC_HOOK_INSN, read, None, 1, 0, x86.UC_X86_INS_IN)
    engine.hook_add(unicorn.UC_HOOK_INSN, write, None, 1, 0, x86.UC_X86_INS_OUT)
    engine.mem_write(stack + 0xF00, (base + 0x1FF0).to_bytes(4, "little"))
    engine.reg_write(x86.UC_X86_REG_ESP, stack + 0xF00)
    for name, value in registers.items():
        engine.reg_write(getattr(x86, f"UC_X86_REG_{name.upper()}"), value)
    engine.emu_start(base + 0x45 + entry, base + 0x1FF0, count=1000)
    assert engine.reg_read(x86.UC_X86_REG_ESP) == stack + 0xF04
    for name, value in registers.items():
        if name != "eax":
            assert engine.reg_read(getattr(x86, f"UC_X86_REG_{name.upper()}")) == value
    return engine.reg_read(x86.UC_X86_REG_EAX) & 0xFFFF, writes


def test_protected_mode_functions_run_anywhere(guest: Guest) -> None:
    answer = guest(0x4F0A)
    at = answer.es * 16 + answer.di
    block = bytes(guest.memory[at : at + answer.cx])
    window, start, palette, _ = struct.unpack_from("<4H", block)
    status, writes = run_protected(block, window, ebx=0, edx=7)
    assert (status, writes) == (0x004F, [(0x1CE, 5), (0x1CF, 7)])
    assert run_protected(block, window, ebx=1, edx=7) == (0x014F, [])
    first = (20 * 1280 + 6 * 2) // 4
    status, writes = run_protected(block, start, ebx=0x80, ecx=first & 0xFFFF, edx=first >> 16)
    assert status == 0x004F
    assert writes == [(0x1CE, 3), (0x1CE, 6), (0x1CE, 9), (0x1CF, 20), (0x1CE, 8), (0x1CF, 6)]
    status, writes = run_protected(block, palette, ebx=0, ecx=2, edx=100, edi=0x200000)
    colours = [(0x3C9, value) for value in (1, 2, 3, 0x11, 0x22, 0x33)]
    assert (status, writes) == (0x004F, [(0x3C8, 100), *colours])


def test_edid(guest: Guest) -> None:
    answer = guest(0x4F15)
    assert (answer.ax, answer.bx & 0xFF) == (0x004F, 2)
    assert guest(0x4F15, bx=1).ax == 0x004F
    edid = guest.buffer(128)
    assert edid[:8] == b"\0\xff\xff\xff\xff\xff\xff\0" and edid[18:20] == b"\1\3"
    assert sum(edid) % 256 == 0
    width, height = edid[56] | (edid[58] & 0xF0) << 4, edid[59] | (edid[61] & 0xF0) << 4
    assert (width, height) == (1024, 768)
    assert guest(0x4F15, bx=1, dx=1).ax == 0x014F
    assert guest(0x4F15, bx=1, cx=1).ax == 0x014F


def test_every_pixel_clock_can_be_had(guest: Guest) -> None:
    answer = guest(0x4F0B, bx=0, cx=0x1234, dx=0x4112)
    assert (answer.ax, answer.cx) == (0x004F, 0x1234)
    assert guest(0x4F0B, bx=0, cx=0x1234, dx=0x41FF).ax == 0x014F
    assert guest(0x4F0B, bx=1, dx=0x4112).ax == 0x014F


@pytest.mark.parametrize(
    "mode", [{"ax": 3}, {"ax": 0x13}, {"ax": 0x4F02, "bx": 0x4112}], ids=["text", "13h", "vbe"]
)
def test_the_display_is_switched_off_and_on(guest: Guest, mode: dict[str, int]) -> None:
    guest.calls(mode)
    kinds = guest(0x4F10, bx=0)
    assert (kinds.ax, kinds.bx) == (0x004F, 0x0410)  # version 1.0; off is all that there is
    assert guest(0x4F10, bx=2).bx == 0x0002
    assert guest(0x4F10, bx=0x0401).ax == 0x004F and guest.scanout.is_blank
    assert guest(0x4F10, bx=2).bx == 0x0402
    assert guest(0x4F10, bx=0x0001).ax == 0x004F and not guest.scanout.is_blank
    assert guest(0x4F10, bx=2).bx == 0x0002
    assert guest(0x4F10, bx=0x0101).ax == 0x014F and not guest.scanout.is_blank  # stand-by
    assert guest(0x4F10, bx=3).ax == 0x014F


def test_the_bell_rings_for_a_moment(guest: Guest) -> None:
    assert guest.vm.board is not None
    ports, counts = guest.vm.board.isa.ports, []
    ports.write(0x61, 1, 0x01)  # channel 2 counts, unheard
    begin = guest.vm.clock.now()
    guest.type("\a")
    took = guest.vm.clock.now() - begin
    assert 45_000_000 < took < 200_000_000, took
    assert ports.read(0x61, 1) & 0x0F == 0x01
    ports.write(0x43, 1, 0xE8)  # the state of channel 2, read back: output, count is loaded, both bytes, mode 3
    assert ports.read(0x42, 1) & 0x7F == 0x36
    for _ in range(16):
        ports.write(0x43, 1, 0x80)
        counts.append(ports.read(0x42, 1) | ports.read(0x42, 1) << 8)
    assert max(counts) <= 1193
    ports.write(0x61, 1, 0)


def test_unknown_vbe_functions_say_so(guest: Guest) -> None:
    for ax in (0x4F0C, 0x4F14, 0x4FFF):
        assert guest(ax).ax == 0x024F


# -- ISA ------------------------------------------------------------------------------------------------


def test_the_isa_image_shows_text_and_has_modes_without_linear_memory(tmp_path: Path) -> None:
    shutil.copy(ISA_ROM, tmp_path / "vgabios.bin")
    guest = Guest(build_guest(tmp_path), "isapc", "pyqemu-bios.bin", str(tmp_path))
    try:
        assert guest.word(0x10 * 4 + 2) == 0xC000
        guest(0x0003)
        guest.type("ISA")
        assert guest.row(0)[:6:2] == b"ISA"
        assert not mode_info(guest, 0x101).linear
        assert guest(0x4F02, bx=0x4101).ax == 0x014F
        assert guest(0x4F02, bx=0x0101).ax == 0x004F
        assert guest.scanout.size == (640, 480)
    finally:
        guest.close()


# -- anything -------------------------------------------------------------------------------------------

EVERYTHING_ON = (
    {"ax": 0x1202, "bx": 0x30},
    {"ax": 0x1201, "bx": 0x33},
    {"ax": 0x1200, "bx": 0x31},
    {"ax": 0x1200, "bx": 0x32},
    {"ax": 0x0003},
)


def nonsense(numbers: random.Random) -> dict[str, int]:
    """A call of any function but those that load a saved state (garbage in, garbage out)."""
    while True:
        ax = numbers.randrange(0x20) << 8 if numbers.random() < 0.7 else 0x4F00
        ax |= numbers.randrange(0x1F if ax == 0x4F00 else 0x100) if numbers.random() < 0.7 else 3
        registers = {name: numbers.choice(NASTY) for name in ("bx", "cx", "dx", "di", "bp")}
        if ax == 0x4F02:
            registers["bx"] = numbers.randrange(0x100, 0x1F0) | numbers.choice((0, 0x4000, 0x8000))
        if ax >> 8 == 0x13:
            registers["cx"] &= 0xFF
        if ax >> 8 != 0x1C and ax != 0x4F04:
            return {"ax": ax} | registers


def test_nonsense_neither_hangs_nor_writes_elsewhere(machine: Guest) -> None:
    """Results go to the caller's segment, the screen, the vectors and the BIOS's data, nowhere else."""

    def elsewhere() -> tuple[bytes, ...]:
        places = (0x600, 0x7000), (0xA000, 0x20000), (0x30000, 0x9FC00), (0xC0000, 0xD0000), (0x100000, 0x200000)
        return tuple(bytes(machine.memory[start:end]) for start, end in places)

    numbers = random.Random(1)
    before = elsewhere()
    for _ in range(8):
        machine.calls(*(nonsense(numbers) for _ in range(100)))
        assert elsewhere() == before
        machine.calls(*EVERYTHING_ON)
        machine.type("alive")
        assert machine.row(0)[:10:2] == b"alive"


def test_damaged_bios_data_hangs_nothing(machine: Guest) -> None:
    """A program may write what it likes over the video fields: calls end, and the next mode set repairs them."""
    numbers = random.Random(2)
    kept = bytes(machine.memory[0x4A8:0x4AC]), bytes(machine.memory[0x463:0x465])
    for _ in range(25):
        fields = bytes(numbers.choice((0, 1, 7, 0x13, 0x50, 0x7F, 0xFF)) for _ in range(30))
        machine.memory[0x449:0x467] = fields
        machine.memory[0x484:0x48B] = bytes(numbers.choice((0, 1, 24, 0x7F, 0xFF)) for _ in range(7))
        machine.memory[0x463:0x465] = kept[1]  # the card's port: with a wrong one there is no card
        calls = [nonsense(numbers) for _ in range(12)]
        machine.calls(*(call | {"cx": call["cx"] & 0x1FFF} for call in calls if call["ax"] >> 8 != 0x13))
        machine.memory[0x4A8:0x4AC] = kept[0]
        machine.memory[0x487:0x48A] = b"\x60\xf9\x51"
        machine.calls(*EVERYTHING_ON)
        machine.type("alive")
        assert machine.row(0)[:10:2] == b"alive"
