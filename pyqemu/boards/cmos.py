"""What the board puts into the CMOS before the firmware starts.

Source   the PC CMOS map (Ralf Brown's CMOS.LST), with the memory sizes, floppy types, disk geometry and boot
         order where SeaBIOS and other PC firmware look for them
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyqemu.boards.board import Board

FLOPPY_TYPES = 0x10
DISK_TYPES = 0x12
EQUIPMENT = 0x14
BASE_MEMORY = 0x15
EXTENDED_MEMORY = (0x17, 0x30)
DISK_TYPE_C, DISK_TYPE_D = 0x19, 0x1A
DISK_GEOMETRY = (0x1B, 0x24)
MEMORY_ABOVE_16M = 0x34
BOOT_ORDER_3 = 0x38
DISK_TRANSLATION = 0x39
BOOT_ORDER = 0x3D
MEMORY_ABOVE_4G = 0x5B
EXTRA_CPUS = 0x5F

EQUIPMENT_FPU = 0x02
EQUIPMENT_MOUSE = 0x04
EQUIPMENT_FLOPPY = 0x01
EQUIPMENT_SECOND_FLOPPY = 0x40
USER_TYPE = 0x2F  # a disk whose geometry stands in the extended bytes
BASE_KIB = 640
BOOT_CODES = {"a": 1, "c": 2, "d": 3, "n": 4}
DEFAULT_BOOT = "cad"
FLOPPY_144 = 4


def fill(board: Board) -> None:
    """Write the fixed part. The order of ``-boot once=`` is put back at the first reset."""
    rtc: Any = board.devices.get("rtc")
    if rtc is None:
        return
    _memory(rtc, board.ram_bytes)
    _floppies(rtc, board)
    _disks(rtc, board)
    boot = board.config.boot
    set_boot_order(rtc, boot.once or boot.order or DEFAULT_BOOT)


def set_boot_order(rtc: Any, order: str) -> None:
    """Up to three devices by QEMU's letters: a floppy, c disk, d CD-ROM, n network."""
    codes = [BOOT_CODES.get(letter, 0) for letter in order[:3]] + [0, 0, 0]
    rtc.set_cmos(BOOT_ORDER, codes[1] << 4 | codes[0])
    rtc.set_cmos(BOOT_ORDER_3, codes[2] << 4)


def _word(rtc: Any, index: int, value: int) -> None:
    rtc.set_cmos(index, value & 0xFF)
    rtc.set_cmos(index + 1, value >> 8)


def _memory(rtc: Any, ram_bytes: int) -> None:
    from pyqemu.boards.board import BELOW_4G_LIMIT

    below, above = min(ram_bytes, BELOW_4G_LIMIT), max(0, ram_bytes - BELOW_4G_LIMIT)
    _word(rtc, BASE_MEMORY, min(BASE_KIB, ram_bytes >> 10))
    extended_kib = min(max(0, below - (1 << 20)) >> 10, 0xFFFF)
    for index in EXTENDED_MEMORY:
        _word(rtc, index, extended_kib)
    _word(rtc, MEMORY_ABOVE_16M, min(max(0, below - (16 << 20)) >> 16, 0xFFFF))
    units = above >> 16
    for byte in range(3):
        rtc.set_cmos(MEMORY_ABOVE_4G + byte, units >> 8 * byte & 0xFF)
    rtc.set_cmos(EXTRA_CPUS, 0)


def _floppies(rtc: Any, board: Board) -> None:
    types = [_floppy_type(board.drives.get(("floppy", number))) for number in range(2)]
    rtc.set_cmos(FLOPPY_TYPES, types[0] << 4 | types[1])
    equipment = EQUIPMENT_FPU | EQUIPMENT_MOUSE
    if any(types):
        equipment |= EQUIPMENT_FLOPPY
    if all(types):
        equipment |= EQUIPMENT_SECOND_FLOPPY
    rtc.set_cmos(EQUIPMENT, equipment)


def _floppy_type(drive: Any) -> int:
    """The drive fits its medium: 1.44M unless that needs a 1.2M or a 2.88M drive."""
    if drive is None:
        return 0
    by_size = {1200 << 10: 2, 720 << 10: 4, 2880 << 10: 5, 360 << 10: 2}
    return by_size.get(drive.size, FLOPPY_144)


def _disks(rtc: Any, board: Board) -> None:
    from pyqemu.hw.ide.identify import default_geometry

    types = 0
    translation = 0
    for number in range(4):
        drive = board.drives.get(("ide", number))
        if drive is None or drive.media == "cdrom":
            continue
        geometry = default_geometry(drive.size // 512)
        if number < 2:
            types |= 0xF0 >> 4 * number
            rtc.set_cmos((DISK_TYPE_C, DISK_TYPE_D)[number], USER_TYPE)
            at = DISK_GEOMETRY[number]
            _word(rtc, at, geometry.cylinders)
            rtc.set_cmos(at + 2, geometry.heads)
            _word(rtc, at + 3, 0xFFFF)
            rtc.set_cmos(at + 5, 0xC0 | (geometry.heads > 8) << 3)
            _word(rtc, at + 6, geometry.cylinders)
            rtc.set_cmos(at + 8, geometry.sectors)
        # 0: no translation fits up to 1024 cylinders, 1: logical block addresses
        translation |= (geometry.cylinders > 1024) << 2 * number
    rtc.set_cmos(DISK_TYPES, types)
    rtc.set_cmos(DISK_TRANSLATION, translation)
