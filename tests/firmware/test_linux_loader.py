"""Linux kernels as -kernel takes them: header checks, placement, and what fw_cfg then holds."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyqemu.core.errors import ConfigError
from pyqemu.firmware.linux_loader import LinuxImage, load_linux

MIB = 1 << 20
IMAGES = Path(__file__).parents[2] / "firmware" / "images"


class Items(dict[int, bytes]):
    """Takes what would go into fw_cfg."""

    def add(self, key: int, content: bytes) -> None:
        self[key] = content

    def number(self, key: int) -> int:
        return int.from_bytes(self[key], "little")


def kernel(
    protocol: int = 0x20F, *, loadflags: int = 1, initrd_max: int = 0x7FFFFFFF, xloadflags: int = 0, sects: int = 4
) -> bytes:
    image = bytearray(((sects or 4) + 1) * 512)
    image[0x1F1] = sects
    image[0x202:0x206] = b"HdrS"
    image[0x206:0x208] = protocol.to_bytes(2, "little")
    image[0x211] = loadflags
    image[0x22C:0x230] = initrd_max.to_bytes(4, "little")
    image[0x236:0x238] = xloadflags.to_bytes(2, "little")
    image[0x238:0x23C] = (2047).to_bytes(4, "little")
    return bytes(image) + b"protected mode"


def load(
    image: bytes, initrd: bytes | None = None, cmdline: str = "", ram: int = 128 * MIB
) -> tuple[Items, LinuxImage]:
    items = Items()
    return items, load_linux(items, image, initrd, cmdline, ram_below_4g=ram)


@pytest.mark.parametrize(("bytes_there", "good"), [(32, True), (17, True), (16, False)])
def test_the_last_of_the_units_that_the_header_counts_need_not_be_full(bytes_there: int, good: bool) -> None:
    image = bytearray(kernel()[: 5 * 512] + bytes(bytes_there))
    image[0x1F4:0x1F8] = (2).to_bytes(4, "little")
    if good:
        assert len(load(bytes(image))[0][0x11]) == bytes_there
    else:
        with pytest.raises(ConfigError, match="invalid kernel header"):
            load(bytes(image))


def field(items: Items, offset: int, size: int) -> int:
    return int.from_bytes(items[0x18][offset : offset + size], "little")


def test_items_of_a_modern_kernel() -> None:
    items, image = load(kernel(), b"disk" * 100, "console=ttyS0")
    assert image == LinuxImage(0x20F, 0x10000, 0x20000, 0x100000, image.initrd_address, 400)
    assert items[0x11] == b"protected mode" and items.number(0x07) == 0x100000 and items.number(0x08) == 14
    assert len(items[0x18]) == items.number(0x17) == 5 * 512 and items.number(0x16) == 0x10000
    assert items[0x15] == b"console=ttyS0\0" and items.number(0x13) == 0x20000 and items.number(0x14) == 14
    assert items[0x12] == b"disk" * 100 and items.number(0x0B) == 400


def test_header_says_how_it_was_loaded() -> None:
    items, image = load(kernel(), b"x" * 5000)
    assert field(items, 0x210, 1) == 0xB0
    assert field(items, 0x211, 1) == 0x81
    assert field(items, 0x224, 2) == 0xFE00
    assert field(items, 0x228, 4) == 0x20000
    assert field(items, 0x218, 4) == image.initrd_address == items.number(0x0A)
    assert field(items, 0x21C, 4) == 5000


def test_without_a_ram_disk_nothing_of_it_is_offered() -> None:
    items, image = load(kernel())
    assert not items.keys() & {0x0A, 0x0B, 0x12} and image.initrd_address == 0
    assert field(items, 0x218, 4) == field(items, 0x21C, 4) == 0


@pytest.mark.parametrize(
    ("protocol", "highest", "xloadflags", "ram", "top"),
    [
        (0x20F, 0x7FFFFFFF, 0, 128 * MIB, 128 * MIB - 0x28000),
        (0x20F, 0x3FFFFFF, 0, 128 * MIB, 64 * MIB),
        (0x20F, 0x3FFFFFF, 2, 128 * MIB, 128 * MIB - 0x28000),
        (0x20B, 0x3FFFFFF, 2, 128 * MIB, 64 * MIB),
        (0x202, 0x1000, 0, 0xE0000000, 0x38000000),
    ],
)
def test_ram_disk_is_as_high_as_kernel_and_ram_allow(
    protocol: int, highest: int, xloadflags: int, ram: int, top: int
) -> None:
    _, image = load(kernel(protocol, initrd_max=highest, xloadflags=xloadflags), bytes(4096), ram=ram)
    assert image.initrd_address % 4096 == 0
    assert top - 3 * 4096 < image.initrd_address <= top - 4096


def test_old_protocols() -> None:
    items, image = load(kernel(0x201), cmdline="ro")
    assert (image.setup_address, image.kernel_address, image.cmdline_address) == (0x90000, 0x100000, 0x99FF0)
    assert field(items, 0x20, 2) == 0xA33F and field(items, 0x22, 2) == 0x9FF0
    assert field(items, 0x224, 2) == 0x9FF0 - 0x200
    items, image = load(kernel(0x200, loadflags=0))
    assert image.kernel_address == 0x10000 and field(items, 0x211, 1) == 0


def test_setup_sects_of_zero_mean_four() -> None:
    items, _ = load(kernel(sects=0))
    assert len(items[0x18]) == 5 * 512 and items[0x11] == b"protected mode"


@pytest.mark.parametrize(
    ("cmdline", "mode"),
    [("vga=normal", 0xFFFF), ("ro vga=ext", 0xFFFE), ("vga=ask ro", 0xFFFD), ("vga=791", 791), ("vga=0x317", 0x317),
     ("vga=010", 8), ("xvga=3", 0), ("ro", 0)],
)  # fmt: skip
def test_video_mode(cmdline: str, mode: int) -> None:
    assert field(load(kernel(), cmdline=cmdline)[0], 0x1FA, 2) == mode


@pytest.mark.parametrize("cmdline", ["vga=best", "vga=", "vga=09"])
def test_odd_video_modes_are_refused_or_left_alone(cmdline: str) -> None:
    if cmdline == "vga=":
        assert field(load(kernel(), cmdline=cmdline)[0], 0x1FA, 2) == 0
    else:
        with pytest.raises(ConfigError, match="video mode"):
            load(kernel(), cmdline=cmdline)


@pytest.mark.parametrize(
    "image",
    [
        b"",
        b"not a kernel" * 10,
        bytes(9999),
        kernel()[:0x210],
        kernel(sects=60)[:5000],
        kernel(sects=200),
        kernel(0x1FF),
    ],
)
def test_what_is_no_kernel(image: bytes) -> None:
    with pytest.raises(ConfigError, match="invalid kernel header"):
        load(image)


def test_messages(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="could not open kernel file 'nosuch': No such file or directory"):
        load_linux(Items(), "nosuch", ram_below_4g=MIB)
    garbage = tmp_path / "notkernel"
    garbage.write_bytes(b"garbage")
    with pytest.raises(ConfigError, match="linux kernel too old to load a ram disk"):
        load_linux(Items(), str(garbage), "nosuch", ram_below_4g=MIB)
    good = tmp_path / "kernel"
    good.write_bytes(kernel())
    with pytest.raises(ConfigError, match="error reading initrd nosuch: No such file or directory"):
        load_linux(Items(), str(good), "nosuch", ram_below_4g=MIB)
    assert load_linux(Items(), str(good), str(garbage), ram_below_4g=16 * MIB).initrd_bytes == 7


def test_too_large_for_ram() -> None:
    with pytest.raises(ConfigError, match="initrd is too large, cannot support"):
        load(kernel(), bytes(4 * MIB), ram=4 * MIB)
    with pytest.raises(ConfigError, match="initrd is too large, cannot support"):
        load(kernel() + bytes(2 * MIB), bytes(1 * MIB), ram=4 * MIB)
    with pytest.raises(ConfigError, match="kernel is too large"):
        load(kernel() + bytes(2 * MIB), ram=2 * MIB)


def test_no_more_is_read_than_ram_holds() -> None:
    with pytest.raises(ConfigError, match=r"initrd is too large, cannot support.\(max: .*, need more\)"):
        load_linux(Items(), kernel(), "/dev/zero", ram_below_4g=16 * MIB)
    with pytest.raises(ConfigError, match="could not open kernel file '/dev/zero': File too large"):
        load_linux(Items(), "/dev/zero", ram_below_4g=16 * MIB)


def test_pipes_are_read_if_somebody_writes(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for files in ((str(pipe),), (kernel(), str(pipe))):
        with pytest.raises(ConfigError, match=r"pipe.*: Nobody writes to this pipe"):
            load_linux(Items(), *files, ram_below_4g=MIB)
    end = os.open(pipe, os.O_RDWR)
    threading.Timer(0.1, lambda: (os.write(end, b"disk"), os.close(end))).start()
    assert load_linux(Items(), kernel(), str(pipe), ram_below_4g=16 * MIB).initrd_bytes == 4


def test_directories_are_no_files(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"could not open kernel file .*: Is a directory"):
        load_linux(Items(), str(tmp_path), ram_below_4g=MIB)
    with pytest.raises(ConfigError, match=r"error reading initrd .*: Is a directory"):
        load_linux(Items(), kernel(), str(tmp_path), ram_below_4g=MIB)


def test_command_line_has_a_limit() -> None:
    load(kernel(), cmdline="x" * 2047)
    with pytest.raises(ConfigError, match="too long"):
        load(kernel(), cmdline="x" * 2048)
    with pytest.raises(ConfigError, match="too long"):
        load(kernel(0x201), cmdline="x" * 256)


@given(st.binary(max_size=2000), st.integers(0x1F1, 0x267), st.binary(max_size=64))
def test_any_file_loads_or_is_refused(data: bytes, at: int, patch: bytes) -> None:
    image = bytearray(kernel() + data)
    image[at : at + len(patch)] = patch
    try:
        items, place = load(bytes(image), b"disk", "ro")
    except ConfigError:
        return
    assert len(items[0x18]) + len(items[0x11]) == len(image)
    assert place.initrd_address + 4 <= 128 * MIB


def test_option_rom_is_well_formed() -> None:
    rom = (IMAGES / "linuxboot.bin").read_bytes()
    assert rom[:2] == b"\x55\xaa" and len(rom) == rom[2] * 512 == 1024
    assert sum(rom) & 0xFF == 0
    header = rom[int.from_bytes(rom[0x1A:0x1C], "little") :]
    assert header[:4] == b"$PnP" and sum(header[: 16 * header[5]]) & 0xFF == 0
    product = int.from_bytes(header[16:18], "little")
    assert rom[product : rom.index(0, product)] == b"Linux loader"


@pytest.mark.skipif(not all(map(shutil.which, ("make", "as", "ld", "objcopy"))), reason="needs make and binutils")
def test_option_rom_is_what_its_source_makes(tmp_path: Path) -> None:
    command = [
        "make",
        "-s",
        "-C",
        str(IMAGES.parent / "optionroms"),
        f"BUILD={tmp_path}",
        f"PYTHON={sys.executable}",
    ]
    result = subprocess.run([*command, "check"], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
