"""Direct Linux boot: a bzImage, an initial RAM disk and a command line, handed over through fw_cfg.

Source   Linux documentation, Documentation/arch/x86/boot.rst (boot protocol 2.00 to 2.15)
Layout   real-mode part at 10000, command line at 20000, kernel at 100000; kernels that are not loaded high,
         and protocols before 2.02, get the real-mode part at 90000 and the command line before 9A000. The RAM
         disk lies as high as kernel and RAM allow. The option ROM moves all this there and jumps
Units    bytes, physical addresses; setup_sects counts 512 bytes
Errors   ConfigError in QEMU's wording for what cannot be read, is no kernel, or does not fit
Missing  PVH kernels; device trees (Multiboot: multiboot_loader.py)
"""

from __future__ import annotations

import errno
import re
from dataclasses import dataclass
from typing import Protocol

from pyqemu.core.errors import ConfigError
from pyqemu.firmware.host_file import read_file

SECTOR_BYTES = 512
PAGE_BYTES = 4096
KERNEL_LIMIT = 1 << 30  # a file with all its debugging symbols
HEADER_MAGIC = b"HdrS"

# Offsets in the setup header.
SETUP_SECTS, VID_MODE, MAGIC, VERSION, TYPE_OF_LOADER, LOADFLAGS = (
    0x1F1, 0x1FA, 0x202, 0x206, 0x210, 0x211,
)  # fmt: skip
RAMDISK_IMAGE, RAMDISK_SIZE, HEAP_END_PTR, CMD_LINE_PTR, INITRD_ADDR_MAX, XLOADFLAGS, CMDLINE_SIZE = (
    0x218, 0x21C, 0x224, 0x228, 0x22C, 0x236, 0x238,
)  # fmt: skip
HEADER_END = 0x268
SYSSIZE = 0x1F4  # 16-byte units behind the setup part
SETUP_LIMIT = 0x8000  # the heap and stack of the real-mode part follow
OLD_CMD_LINE_MAGIC, OLD_CMD_LINE_OFFSET, OLD_MAGIC = 0x20, 0x22, 0xA33F

LOADED_HIGH, CAN_USE_HEAP = 0x01, 0x80
CAN_BE_ABOVE_4G = 0x02
LOADER_QEMU = 0xB0
OLD_INITRD_MAX = 0x37FFFFFF  # before protocol 2.03
FIRMWARE_BYTES = 0x28000  # kept free at the top of RAM for the firmware's tables

VIDEO_MODES = {"normal": 0xFFFF, "ext": 0xFFFE, "ask": 0xFFFD}

# fw_cfg keys: address, size, data.
KERNEL_KEYS, INITRD_KEYS = (0x07, 0x08, 0x11), (0x0A, 0x0B, 0x12)
CMDLINE_KEYS, SETUP_KEYS = (0x13, 0x14, 0x15), (0x16, 0x17, 0x18)

OPTION_ROM_FILE = "genroms/linuxboot.bin"
BOOTORDER_PATH = "/rom@genroms/linuxboot.bin"


class ItemStore(Protocol):
    """What is needed of fw_cfg."""

    def add(self, key: int, content: bytes) -> None: ...


@dataclass(frozen=True)
class LinuxImage:
    """Where everything goes; ``initrd_address`` is 0 without a RAM disk."""

    protocol: int
    setup_address: int
    cmdline_address: int
    kernel_address: int
    initrd_address: int
    initrd_bytes: int


def load_linux(
    fw_cfg: ItemStore,
    kernel: str | bytes,
    initrd: str | bytes | None = None,
    cmdline: str = "",
    *,
    name: str = "(memory)",
    ram_below_4g: int,
    reserved: int = FIRMWARE_BYTES,
) -> LinuxImage:
    """Check a kernel and put it with its RAM disk and command line into fw_cfg.

    Args: *kernel*, *initrd*: paths, or the contents. *name*: what messages call a kernel given as contents.
    *ram_below_4g*, *reserved*: bytes of RAM below 4 GiB, and how many of them at the top belong to the firmware.
    Raises ConfigError.
    """
    if isinstance(kernel, str):
        name, image = kernel, read_kernel(kernel, ram_below_4g)
    else:
        image = kernel
    setup_bytes = _setup_bytes(image, name, has_initrd=initrd is not None)
    setup = bytearray(image[:setup_bytes])
    protocol = _u16(setup, VERSION)
    line = cmdline.encode(errors="surrogateescape") + b"\0"
    setup_address, cmdline_address, kernel_address = _places(setup, protocol, len(line))
    _check_cmdline(setup, protocol, line, cmdline_address)

    if protocol >= 0x202:
        _put(setup, CMD_LINE_PTR, 4, cmdline_address)
    else:
        _put(setup, OLD_CMD_LINE_MAGIC, 2, OLD_MAGIC)
        _put(setup, OLD_CMD_LINE_OFFSET, 2, cmdline_address - setup_address)
    if (mode := _video_mode(cmdline)) is not None:
        _put(setup, VID_MODE, 2, mode)
    setup[TYPE_OF_LOADER] = LOADER_QEMU
    if protocol >= 0x201:
        setup[LOADFLAGS] |= CAN_USE_HEAP
        _put(setup, HEAP_END_PTR, 2, cmdline_address - setup_address - 0x200)

    initrd_address, disk = 0, b""
    if initrd is not None:
        disk = read_initrd(initrd, ram_below_4g - reserved) if isinstance(initrd, str) else initrd
        initrd_address = _place_initrd(setup, protocol, len(disk), ram_below_4g - reserved)
        _check_overlap(kernel_address, len(image) - setup_bytes, initrd_address, len(disk), ram_below_4g)
        _put(setup, RAMDISK_IMAGE, 4, initrd_address)
        _put(setup, RAMDISK_SIZE, 4, len(disk))
        _add(fw_cfg, INITRD_KEYS, initrd_address, disk)
    else:
        _check_overlap(kernel_address, len(image) - setup_bytes, 0, 0, ram_below_4g)
    _add(fw_cfg, KERNEL_KEYS, kernel_address, image[setup_bytes:])
    _add(fw_cfg, SETUP_KEYS, setup_address, bytes(setup))
    _add(fw_cfg, CMDLINE_KEYS, cmdline_address, line)
    return LinuxImage(protocol, setup_address, cmdline_address, kernel_address, initrd_address, len(disk))


def read_kernel(path: str, ram: int) -> bytes:
    """The file of ``-kernel``; of a pipe or device no more than *ram* bytes. Raises ConfigError."""
    try:
        return read_file(path, KERNEL_LIMIT, min(KERNEL_LIMIT, ram))
    except OSError as error:
        raise ConfigError(f"could not open kernel file '{path}': {error.strerror}") from None


def read_initrd(path: str, room: int) -> bytes:
    """The file of ``-initrd``, of at most *room* bytes. Raises ConfigError."""
    try:
        return read_file(path, max(room, 0))
    except OSError as error:
        if error.errno == errno.EFBIG:
            raise ConfigError(f"initrd is too large, cannot support.(max: {max(room - 1, 0)}, need more)") from None
        raise ConfigError(f"error reading initrd {path}: {error.strerror}") from None


def is_linux(image: bytes) -> bool:
    """Whether the file has a Linux setup header."""
    return image[MAGIC : MAGIC + 4] == HEADER_MAGIC


def _setup_bytes(image: bytes, name: str, *, has_initrd: bool) -> int:
    """The size of the real-mode part of a file that is a kernel."""
    if not is_linux(image) or _u16(image, VERSION) < 0x200:
        if has_initrd:
            raise ConfigError("linux kernel too old to load a ram disk", f"'{name}' has no Linux 2.00 boot header.")
        raise ConfigError(
            "invalid kernel header", f"'{name}' is neither a Linux kernel (bzImage) nor a Multiboot one."
        )
    size = ((image[SETUP_SECTS] or 4) + 1) * SECTOR_BYTES
    if size > len(image) or len(image) < HEADER_END:
        raise ConfigError("invalid kernel header", f"'{name}' ends within its setup part.")
    if size > SETUP_LIMIT:
        raise ConfigError("invalid kernel header", f"'{name}' has a setup part of {size} bytes.")
    if _u16(image, VERSION) >= 0x204:  # before, the field was 16 bits wide and meant nothing for large kernels
        missing = _u32(image, SYSSIZE) * 16 - (len(image) - size)
        if missing >= 16:  # the last unit need not be full (Memtest86+)
            raise ConfigError("invalid kernel header", f"'{name}' is cut off: {missing} bytes are missing.")
    return size


def _places(setup: bytearray, protocol: int, line_bytes: int) -> tuple[int, int, int]:
    """Addresses of the real-mode part, the command line and the kernel."""
    before_limit = 0x9A000 - (line_bytes + 15 & ~15)
    if not setup[LOADFLAGS] & LOADED_HIGH:
        return 0x90000, before_limit, 0x10000
    if protocol < 0x202:
        return 0x90000, before_limit, 0x100000
    return 0x10000, 0x20000, 0x100000


def _check_cmdline(setup: bytearray, protocol: int, line: bytes, address: int) -> None:
    limit = _u32(setup, CMDLINE_SIZE) if protocol >= 0x206 else 255
    room = 0x80000 - address if protocol >= 0x202 and address == 0x20000 else limit + 1
    if len(line) > min(limit + 1, room):
        raise ConfigError(
            "kernel command line is too long", f"It has {len(line) - 1} bytes, the kernel takes {limit}."
        )


def _video_mode(cmdline: str) -> int | None:
    """What ``vga=`` asks for; the kernel's own parser never sees it."""
    match = re.search(r"(?:^|\s)vga=(\S+)", cmdline)
    if match is None:
        return None
    word = match[1]
    if word in VIDEO_MODES:
        return VIDEO_MODES[word]
    number = re.match(r"0[xX][0-9a-fA-F]+|[0-9]+", word)
    if number is None:
        raise ConfigError(
            f"invalid video mode '{word}' in vga=", f"Accepted: {', '.join(VIDEO_MODES)} or a number."
        )
    text = number[0]
    base = 16 if text[:2] in ("0x", "0X") else 8 if text.startswith("0") else 10
    try:
        return int(text, base) & 0xFFFF
    except ValueError:
        raise ConfigError(f"invalid video mode '{word}' in vga=") from None


def _place_initrd(setup: bytearray, protocol: int, size: int, ram_end: int) -> int:
    if protocol >= 0x20C and _u16(setup, XLOADFLAGS) & CAN_BE_ABOVE_4G:
        highest = 0xFFFFFFFF
    else:
        highest = _u32(setup, INITRD_ADDR_MAX) if protocol >= 0x203 else OLD_INITRD_MAX
    highest = min(highest, ram_end - 1)
    if size >= highest:
        raise ConfigError(f"initrd is too large, cannot support.(max: {max(highest, 0)}, need {size})")
    return (highest - size) & ~(PAGE_BYTES - 1)


def _check_overlap(kernel: int, kernel_bytes: int, initrd: int, initrd_bytes: int, ram: int) -> None:
    if kernel + kernel_bytes > ram:
        raise ConfigError(
            "kernel is too large for the guest's RAM", f"It needs {kernel + kernel_bytes} of {ram} bytes; see -m."
        )
    if initrd_bytes and initrd < kernel + kernel_bytes:
        most = ram - kernel - kernel_bytes
        raise ConfigError(f"initrd is too large, cannot support.(max: {max(most, 0)}, need {initrd_bytes})")


def _add(fw_cfg: ItemStore, keys: tuple[int, int, int], address: int, data: bytes) -> None:
    fw_cfg.add(keys[0], address.to_bytes(4, "little"))
    fw_cfg.add(keys[1], len(data).to_bytes(4, "little"))
    fw_cfg.add(keys[2], data)


def _put(header: bytearray, offset: int, size: int, value: int) -> None:
    header[offset : offset + size] = value.to_bytes(size, "little")


def _u16(data: bytes | bytearray, offset: int) -> int:
    return int.from_bytes(data[offset : offset + 2], "little")


def _u32(data: bytes | bytearray, offset: int) -> int:
    return int.from_bytes(data[offset : offset + 4], "little")
