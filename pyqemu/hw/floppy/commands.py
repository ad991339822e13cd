"""The floppy controller's commands: how many bytes each takes, and what those without data do.

Source   82077AA datasheet (290166), 5.0 command set; 82078 datasheet (290474), 5.0
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from pyqemu.hw.floppy import transfer as t

if TYPE_CHECKING:
    from pyqemu.hw.floppy.i82078 import I82078

# A handler takes the command's bytes and returns its result; None: the command goes on by itself.
Handler = Callable[["I82078", list[int]], list[int] | None]

INVALID = 0x80
VERSION_82078 = 0x90
PART_ID_82078 = 0x41

ST0_SEEK_END = 0x20
ST0_EQUIPMENT_CHECK = 0x50  # with abnormal termination: no track 0 signal
ST0_RESET = 0xC0
ST3_ALWAYS = 0x28  # ready, two-sided
ST3_PROTECTED = 0x40
ST3_TRACK_0 = 0x10

RECALIBRATE_STEPS = 79
RESTORED_BYTES = 17
SPECIFY_NON_DMA = 0x01
PERPENDICULAR_OVERWRITE = 0x80
PERPENDICULAR_DRIVES = 0x3C
SPECIFICATION_DONE = 0x80
SPECIFICATION_SILENT = 0x40


def invalid(_fdc: I82078, _command: list[int]) -> list[int]:
    return [INVALID]


def data(fdc: I82078, command: list[int]) -> None:
    """Every command that moves sectors."""
    fdc.begin_transfer(command)


def read_id(fdc: I82078, command: list[int]) -> None:
    fdc.begin_read_id(command)


def specify(fdc: I82078, command: list[int]) -> list[int]:
    fdc.step_rate, fdc.head_load = command[1:]
    fdc.non_dma = bool(command[2] & SPECIFY_NON_DMA)
    return []


def sense_drive(fdc: I82078, command: list[int]) -> list[int]:
    number = command[1] & 1
    unit = fdc.units[number]
    status = ST3_ALWAYS | command[1] & 0x04 | number
    if unit.track == 0:
        status |= ST3_TRACK_0
    if unit.is_protected:
        status |= ST3_PROTECTED
    return [status]


def sense_interrupt(fdc: I82078, _command: list[int]) -> list[int]:
    return fdc.take_interrupt()


def recalibrate(fdc: I82078, command: list[int]) -> list[int]:
    number = command[1] & 1
    track = fdc.units[number].track
    status = ST0_SEEK_END if track <= RECALIBRATE_STEPS else ST0_SEEK_END | ST0_EQUIPMENT_CHECK
    fdc.begin_seek(number, max(0, track - RECALIBRATE_STEPS), status)
    return []


def seek(fdc: I82078, command: list[int]) -> list[int]:
    fdc.begin_seek(command[1] & 1, command[2], ST0_SEEK_END)
    return []


def seek_in(fdc: I82078, command: list[int]) -> list[int]:
    track = fdc.units[command[1] & 1].track + command[2]
    fdc.begin_seek(command[1] & 1, min(track, 0xFF), ST0_SEEK_END)
    return []


def seek_out(fdc: I82078, command: list[int]) -> list[int]:
    track = fdc.units[command[1] & 1].track - command[2]
    fdc.begin_seek(command[1] & 1, max(track, 0), ST0_SEEK_END)
    return []


def dump_registers(fdc: I82078, _command: list[int]) -> list[int]:
    return [
        *(unit.track for unit in fdc.units),
        0,
        0,
        fdc.step_rate,
        fdc.head_load,
        fdc.last_sector(),
        fdc.lock << 7 | fdc.perpendicular,
        fdc.configuration,
        fdc.precompensation_track,
    ]


def perpendicular(fdc: I82078, command: list[int]) -> list[int]:
    writable = 0x03 | (PERPENDICULAR_DRIVES if command[1] & PERPENDICULAR_OVERWRITE else 0)
    fdc.perpendicular = fdc.perpendicular & ~writable | command[1] & writable
    return []


def configure(fdc: I82078, command: list[int]) -> list[int]:
    fdc.configuration, fdc.precompensation_track = command[2] & 0x7F, command[3]
    return []


def lock(fdc: I82078, command: list[int]) -> list[int]:
    fdc.lock = bool(command[0] & 0x80)
    return [fdc.lock << 4]


def version(_fdc: I82078, _command: list[int]) -> list[int]:
    return [VERSION_82078]


def part_id(_fdc: I82078, _command: list[int]) -> list[int]:
    return [PART_ID_82078]


def power_down_mode(_fdc: I82078, command: list[int]) -> list[int]:
    return [command[1]]


def save(fdc: I82078, command: list[int]) -> list[int]:
    registers = dump_registers(fdc, command)
    registers[5] = registers[5] & ~SPECIFY_NON_DMA | fdc.non_dma
    return [0, 0, *registers, 0, 0, 0]


def restore(fdc: I82078, command: list[int]) -> list[int]:
    """Take back what SAVE gave, in the same places."""
    saved = command[1:]
    for unit, track in zip(fdc.units, saved[2:4], strict=True):
        unit.track = track
    fdc.step_rate, fdc.head_load, fdc.end_of_track = saved[6:9]
    fdc.non_dma = bool(fdc.head_load & SPECIFY_NON_DMA)
    fdc.lock = bool(saved[9] & 0x80)
    fdc.perpendicular = saved[9] & (PERPENDICULAR_DRIVES | 0x03)
    fdc.configuration, fdc.precompensation_track = saved[10] & 0x7F, saved[11]
    return []


def option(_fdc: I82078, _command: list[int]) -> list[int]:
    """Where sectors start after the index, which images know nothing of."""
    return []


def drive_specification(fdc: I82078, command: list[int]) -> list[int] | None:
    """One more byte: a drive's type, or the end. The answer is what is known of the four drives."""
    value = command.pop()
    if not value & SPECIFICATION_DONE:
        fdc.drive_types[value >> 5 & 3] = value & 0x1F
        fdc.await_more(command)
        return None
    return [] if value & SPECIFICATION_SILENT else list(fdc.drive_types)


# (code, bits that are free, bytes with the command's own, handler)
_TABLE: tuple[tuple[int, int, int, Handler], ...] = (
    (t.READ_TRACK, 0x40, 9, data),
    (0x03, 0, 3, specify),
    (0x04, 0, 2, sense_drive),
    (t.WRITE, 0xC0, 9, data),
    (t.READ, 0xE0, 9, data),
    (0x07, 0, 2, recalibrate),
    (0x08, 0, 1, sense_interrupt),
    (t.WRITE_DELETED, 0xC0, 9, data),
    (0x0A, 0x40, 2, read_id),
    (t.READ_DELETED, 0xE0, 9, data),
    (t.FORMAT, 0x40, 6, data),
    (0x0E, 0, 1, dump_registers),
    (0x0F, 0, 3, seek),
    (0x10, 0, 1, version),
    (t.SCAN_EQUAL, 0xE0, 9, data),
    (0x12, 0, 2, perpendicular),
    (0x13, 0, 4, configure),
    (0x14, 0x80, 1, lock),
    (t.VERIFY, 0xE0, 9, data),
    (0x17, 0, 2, power_down_mode),
    (0x18, 0, 1, part_id),
    (t.SCAN_LOW, 0xE0, 9, data),
    (t.SCAN_HIGH, 0xE0, 9, data),
    (0x2E, 0, 1, save),
    (0x33, 0, 2, option),
    (0x4E, 0, 1 + RESTORED_BYTES, restore),
    (0x8E, 0, 2, drive_specification),
    (0x8F, 0, 3, seek_out),
    (0xCF, 0, 3, seek_in),
)


def command_table() -> list[tuple[int, Handler]]:
    """For each of the 256 first bytes: how many bytes the command has, and its handler."""
    table: list[tuple[int, Handler]] = [(1, invalid)] * 256
    for code, free, length, handler in _TABLE:
        for byte in range(256):
            if byte & ~free == code:
                table[byte] = (length, handler)
    return table
