"""What guests draw in VBE modes, looked at dot by dot: colours, and text by its glyphs."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from glyphs import Font, pff2_font, vga_font
from picture import Picture, Rgb, Screen

from pyqemu.launch import BootConfig, DriveConfig, LaunchConfig

sys.path.append(str(Path(__file__).resolve().parents[1] / "guests"))
import grub
import syslinux

LIMIT_S = 60
WHITE, YELLOW, RED = (0xFF, 0xFF, 0xFF), (0xFE, 0xFE, 0x54), (0xA8, 0, 0)  # as each program defines them
GRUB_WHITE = (0xFE, 0xFE, 0xFE)
CELL = 8


def screen_of(cd: Path, folder: Path) -> Screen:
    drive = DriveConfig(str(cd), index=2, bus=1, media="cdrom", read_only=True)
    config = LaunchConfig(drives=[drive], boot=BootConfig(order="d"), display="none", serials=["null"], vga="std")
    return Screen(config, folder)


def written(text: str, font: Font, colour: Rgb) -> Callable[[Picture], tuple[int, int] | None]:
    """A condition: *text* stands somewhere in this colour."""
    return lambda picture: picture.find([(font(character), CELL) for character in text], colour)


def written_anyhow(text: str, font: Font) -> Callable[[Picture], bool]:
    """A condition: *text* stands somewhere in one colour."""
    glyphs = [(font(character), CELL) for character in text]
    return lambda picture: any(picture.find(glyphs, colour) for colour in picture.colours())


def rgb(digits: str) -> Rgb:
    red, green, blue = bytes.fromhex(digits)
    return red, green, blue


def test_grub_draws_its_menu_over_a_picture(guest: Callable[..., Path], tmp_path: Path) -> None:
    font = pff2_font(guest("unicode.pf2"))
    with screen_of(guest("grub-graphics.iso"), tmp_path) as screen:
        picture = screen.wait_picture((800, 600), written("Beta entry", font, YELLOW), LIMIT_S)
        x, y = written("Alpha entry", font, GRUB_WHITE)(picture) or pytest.fail("no first entry")
        assert picture.dot(x + 300, y + 8) == RED  # the bar of the entry that is chosen
        corners = [picture.dot(x, y) for y in (5, 590) for x in (5, 785)]
        assert corners == list(grub.BACKGROUND)
        screen.press("down")
        picture = screen.wait_picture((800, 600), written("Beta entry", font, GRUB_WHITE), LIMIT_S)
        assert written("Alpha entry", font, YELLOW)(picture) == (x, y)
        assert picture.dot(x + 300, y + 8) != RED == picture.dot(x + 300, y + 24)


def test_grub_writes_text_in_modes_of_every_depth(guest: Callable[..., Path], tmp_path: Path) -> None:
    font = pff2_font(guest("unicode.pf2"))
    with screen_of(guest("grub-graphics.iso"), tmp_path) as screen:
        screen.wait_picture((800, 600), written("Beta entry", font, YELLOW), LIMIT_S)
        screen.type("c")
        screen.wait_picture((800, 600), written_anyhow("grub>", font), LIMIT_S)
        for width, height, depth in ((640, 480, 8), (1024, 768, 16), (800, 600, 24), (1280, 1024, 32)):
            screen.type(f"terminal_output console\nset gfxmode={width}x{height}x{depth}\nterminal_output gfxterm\n")
            screen.type(f"echo depth-{depth}\n")
            screen.wait_picture((width, height), written_anyhow(f"depth-{depth}", font), LIMIT_S)
            assert screen.depth == depth


def test_isolinux_draws_its_menu_with_the_font_of_the_vga_bios(guest: Callable[..., Path], tmp_path: Path) -> None:
    font, selected = vga_font(), rgb(syslinux.SELECTED)
    with screen_of(guest("isolinux.iso"), tmp_path) as screen:
        screen.wait_text("ISOLINUX CD\nboot:", LIMIT_S)
        screen.type("menu\n")
        picture = screen.wait_picture((640, 480), written("Second entry", font, WHITE), LIMIT_S)
        assert picture.dot(320, 400) == rgb(syslinux.BACKGROUND)
        x, y = written("First entry", font, WHITE)(picture) or pytest.fail("no first entry")
        assert picture.dot(x + 300, y + 8) == selected
        screen.press("down")
        screen.wait_picture((640, 480), lambda picture: picture.dot(x + 300, y + 24) == selected, LIMIT_S)


def reads_like(text: str) -> Callable[[Picture], bool]:
    """A condition for a font that is not known: in some row of 8x16 cells equal letters look equal, different
    ones different, and spaces are empty."""
    empty = bytes(CELL * 3 * 16)

    def cell(picture: Picture, row: int, column: int) -> bytes:
        start = (row * 16 * picture.width + column * CELL) * 3
        lines = range(start, start + 16 * picture.width * 3, picture.width * 3)
        return b"".join(picture.rgb[at : at + CELL * 3] for at in lines)

    def condition(picture: Picture) -> bool:
        for row in range(picture.height // 16):
            seen = [cell(picture, row, column) for column in range(len(text) + 1)]
            looks = {" ": empty}
            alike = all(looks.setdefault(letter, image) == image for letter, image in zip(text, seen, strict=False))
            if alike and len(set(looks.values())) == len(looks) and seen[-1] == empty:
                return True
        return False

    return condition


@pytest.mark.full
@pytest.mark.parametrize("number, size", [(0x314, (800, 600)), (0x318, (1024, 768))], ids=["16 bits", "24 bits"])
def test_linux_uses_the_frame_buffer_of_a_vbe_mode(
    guest: Callable[..., Path], tmp_path: Path, number: int, size: tuple[int, int]
) -> None:
    """Its set-up code asks the VGA BIOS for the mode; the console is then drawn without it."""
    config = LaunchConfig(
        kernel=str(guest("vmlinuz32")),
        initrd=str(guest("shell32.gz")),
        append=f"vga={number:#x} console=tty0 quiet nokaslr",
        ram_bytes=256 << 20,
        display="none",
        serials=["null"],
        vga="std",
    )
    with Screen(config, tmp_path) as screen:
        screen.wait_picture(size, reads_like("SYSTEM READY"), 120)
        screen.wait_picture(size, reads_like("guest login:"), 60)
