"""The packet commands of a CD-ROM or DVD-ROM drive.

Source   MMC-3 (T10 1363-D), chapters 5 and 6; SPC-2 for INQUIRY and sense data; SFF-8020i for the timing of
         sense data and the capabilities page
Units    lba and counts in sectors of 2048 bytes; MSF addresses start at 00:02:00
Medium   one data track in one session; more than 80 minutes of it make a DVD
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pyqemu.hw.ide.atapi import AtapiDrive

CD_SECTOR_BYTES = 2048
FRAMES_PER_SECOND = 75
LEAD_IN_FRAMES = 150
CD_MAXIMUM_SECTORS = 80 * 60 * FRAMES_PER_SECOND
DVD_FIRST_SECTOR = 0x30000
DATA_TRACK = 0x14  # ADR 1, control 4
LEAD_OUT = 0xAA


class Sense(NamedTuple):
    key: int
    asc: int
    ascq: int = 0


NO_MEDIUM = Sense(0x02, 0x3A, 0x00)
TRAY_OPEN = Sense(0x02, 0x3A, 0x02)
UNREADABLE = Sense(0x03, 0x11)
INVALID_COMMAND = Sense(0x05, 0x20)
OUT_OF_RANGE = Sense(0x05, 0x21)
INVALID_FIELD = Sense(0x05, 0x24)
INCOMPATIBLE_MEDIUM = Sense(0x05, 0x30, 0x02)
NOT_SAVED = Sense(0x05, 0x39)
REMOVAL_PREVENTED = Sense(0x05, 0x53, 0x02)
WRONG_TRACK_MODE = Sense(0x05, 0x64)
MEDIUM_CHANGED = Sense(0x06, 0x28)


class Profile(IntEnum):
    NONE = 0x0000
    CD_ROM = 0x0008
    DVD_ROM = 0x0010


class MediaEvent(IntEnum):
    NONE, EJECT_REQUEST, NEW, REMOVAL = range(4)


def _profile(drive: AtapiDrive) -> Profile:
    if not drive.drive.inserted:
        return Profile.NONE
    return Profile.CD_ROM if drive.total_sectors <= CD_MAXIMUM_SECTORS else Profile.DVD_ROM


def _be(data: bytes) -> int:
    return int.from_bytes(data, "big")


def _msf(frames: int) -> tuple[int, int, int]:
    seconds, frame = divmod(frames, FRAMES_PER_SECOND)
    minute, second = divmod(seconds, 60)
    return min(minute, 255), second, frame


# -- dispatch -----------------------------------------------------------------------------------------


class Command(NamedTuple):
    handler: Callable[[AtapiDrive, bytes], None]
    needs_medium: bool = False
    reports_change: bool = True


def execute(drive: AtapiDrive, cdb: bytes) -> None:
    """Run a command, after the checks that come before any of them."""
    unit = drive.unit
    command = COMMANDS.get(cdb[0])
    if command is None:
        drive.check(INVALID_COMMAND)
        return
    if cdb[0] != REQUEST_SENSE:
        unit.sense_key = unit.asc = unit.ascq = 0
        unit.sense_info = 0
    if command.reports_change and unit.cdrom_changed and not unit.tray_open:
        # A changed medium looks like an empty drive once, then like a new medium: software that only polls
        # for presence notices too.
        first, unit.cdrom_changed = unit.cdrom_changed == 1, 2 if unit.cdrom_changed == 1 else 0
        drive.check(NO_MEDIUM if first else MEDIUM_CHANGED)
    elif command.needs_medium and (unit.tray_open or not drive.drive.inserted):
        drive.check(TRAY_OPEN if unit.tray_open else NO_MEDIUM)
    else:
        command.handler(drive, cdb)


# -- drive --------------------------------------------------------------------------------------------


def _nothing(drive: AtapiDrive, _cdb: bytes) -> None:
    drive.done()


def _request_sense(drive: AtapiDrive, cdb: bytes) -> None:
    unit = drive.unit
    data = struct.pack(">BBBIBIBB4x", 0xF0, 0, unit.sense_key, unit.sense_info, 10, 0, unit.asc, unit.ascq)
    unit.sense_key = unit.asc = unit.ascq = 0
    unit.sense_info = 0
    drive.reply(data, cdb[4])


def _inquiry(drive: AtapiDrive, cdb: bytes) -> None:
    limit = _be(cdb[3:5])
    version = drive.label.version.encode("ascii", "replace")
    if not cdb[1] & 1:
        if cdb[2]:
            drive.check(INVALID_FIELD)
            return
        text = b"QEMU".ljust(8) + b"QEMU DVD-ROM".ljust(16) + version[:4].ljust(4)
        drive.reply(bytes((0x05, 0x80, 0x00, 0x21, 31, 0, 0, 0)) + text, limit)
    elif cdb[2] == 0x00:
        drive.reply(bytes((0x05, 0x00, 0, 2, 0x00, 0x83)), limit)
    elif cdb[2] == 0x83:
        serial = drive.label.serial.encode("ascii", "replace")[:20]
        name = bytes((0x02, 0x00, 0, len(serial))) + serial
        drive.reply(bytes((0x05, 0x83, 0, len(name))) + name, limit)
    else:
        drive.check(INVALID_FIELD)


def _start_stop(drive: AtapiDrive, cdb: bytes) -> None:
    """LoEj moves the tray; without it the disc starts or stops, which nobody sees."""
    unit = drive.unit
    load_eject, start = cdb[4] & 2, cdb[4] & 1
    if not cdb[4] & 0xF0 and load_eject:
        if not start and unit.tray_locked:
            drive.check(REMOVAL_PREVENTED)
            return
        if unit.tray_open == bool(start):
            unit.tray_open = not start
            drive.on_tray(unit.tray_open)
        if not start and drive.drive.inserted:
            drive.drive.eject()
    drive.done()


def _prevent_removal(drive: AtapiDrive, cdb: bytes) -> None:
    drive.unit.tray_locked = bool(cdb[4] & 1)
    drive.done()


def _mode_sense(drive: AtapiDrive, cdb: bytes) -> None:
    control, page = cdb[2] >> 6, cdb[2] & 0x3F
    if control == 3:
        drive.check(NOT_SAVED)
        return
    changeable = control == 1
    pages = [build(drive, changeable) for number, build in MODE_PAGES.items() if page in (number, 0x3F)]
    if not pages:
        drive.check(INVALID_FIELD)
        return
    body = b"".join(pages)
    drive.reply(struct.pack(">HB5x", len(body) + 6, 0x70) + body, _be(cdb[7:9]))


def _error_page(_drive: AtapiDrive, changeable: bool) -> bytes:
    return bytes((0x01, 0x06)) + (bytes(6) if changeable else bytes((0x00, 0x05, 0, 0, 0, 0)))


def _capabilities_page(drive: AtapiDrive, changeable: bool) -> bytes:
    head = bytes((0x2A, 0x14))
    if changeable:
        return head + bytes(20)
    speed_kbytes, buffer_kbytes = 704, 512
    lock = 0x29 | (0x02 if drive.unit.tray_locked else 0)  # a tray that can be locked and ejected
    return head + struct.pack(
        ">6B4H6x", 0x3B, 0x00, 0x71, 0x60, lock, 0x00, speed_kbytes, 2, buffer_kbytes, speed_kbytes
    )


MODE_PAGES = {0x01: _error_page, 0x2A: _capabilities_page}


def _mode_select(drive: AtapiDrive, cdb: bytes) -> None:
    drive.take_parameters(_be(cdb[7:9]))


def _mechanism_status(drive: AtapiDrive, cdb: bytes) -> None:
    door = 0x10 if drive.unit.tray_open else 0
    drive.reply(bytes((0, door, 0, 0, 0, 1, 0, 0)), _be(cdb[8:10]))


def _get_configuration(drive: AtapiDrive, cdb: bytes) -> None:
    """The list of profiles is the only feature that this drive describes."""
    current = _profile(drive)
    features = b""
    if _be(cdb[2:4]) == 0:
        features = struct.pack(
            ">HBBHBxHBx",
            0x0000, 0x03, 8,
            Profile.DVD_ROM, current == Profile.DVD_ROM,
            Profile.CD_ROM, current == Profile.CD_ROM,
        )  # fmt: skip
    drive.reply(struct.pack(">IHH", len(features) + 4, 0, current) + features, _be(cdb[7:9]))


def _get_event(drive: AtapiDrive, cdb: bytes) -> None:
    """Polled only; media events are the only class."""
    media_class, media_bit = 4, 0x10
    if not cdb[1] & 1:
        drive.check(INVALID_FIELD)
        return
    if not cdb[4] & media_bit:
        drive.reply(bytes((0, 2, 0x80, media_bit)), _be(cdb[7:9]))
        return
    unit = drive.unit
    event, unit.media_event = unit.media_event, MediaEvent.NONE
    status = 1 if unit.tray_open else 2 if drive.drive.inserted else 0
    drive.reply(bytes((0, 6, media_class, media_bit, event & 0x0F, status, 0, 0)), _be(cdb[7:9]))


# -- medium -------------------------------------------------------------------------------------------


def _read(drive: AtapiDrive, lba: int, count: int, fields: int) -> None:
    if lba + count > drive.total_sectors:
        drive.check(OUT_OF_RANGE)
    elif not count:
        drive.done()
    else:
        drive.send_sectors(lba, count, fields)


def _read_10(drive: AtapiDrive, cdb: bytes) -> None:
    _read(drive, _be(cdb[2:6]), _be(cdb[7:9]), 0)


def _read_12(drive: AtapiDrive, cdb: bytes) -> None:
    _read(drive, _be(cdb[2:6]), _be(cdb[6:10]), 0)


def _seek(drive: AtapiDrive, cdb: bytes) -> None:
    if _be(cdb[2:6]) >= drive.total_sectors:
        drive.check(OUT_OF_RANGE)
    else:
        drive.done()


def _read_capacity(drive: AtapiDrive, _cdb: bytes) -> None:
    last = max(drive.total_sectors - 1, 0) & 0xFFFFFFFF
    drive.reply(struct.pack(">II", last, CD_SECTOR_BYTES), 8)


def _read_cd(drive: AtapiDrive, cdb: bytes) -> None:
    _read_fields(drive, cdb, _be(cdb[2:6]), _be(cdb[6:9]))


def _read_cd_msf(drive: AtapiDrive, cdb: bytes) -> None:
    first, end = ((m * 60 + s) * FRAMES_PER_SECOND + f - LEAD_IN_FRAMES for m, s, f in (cdb[3:6], cdb[6:9]))
    if first < 0 or end < first:
        drive.check(INVALID_FIELD)
    else:
        _read_fields(drive, cdb, first, end - first)


SYNC, HEADER, SUBHEADER, USER, ECC = 0x80, 0x20, 0x40, 0x10, 0x08
FIELD_BYTES = ((SYNC, 12), (HEADER, 4), (USER, CD_SECTOR_BYTES), (ECC, 288))
SYNC_PATTERN = b"\x00" + b"\xff" * 10 + b"\x00"
ANY_TYPE, MODE_1 = 0, 2


def _read_fields(drive: AtapiDrive, cdb: bytes, lba: int, count: int) -> None:
    """READ CD and READ CD MSF: byte 9 selects the parts of each sector."""
    fields = cdb[9] & 0xF8
    if cdb[9] & 0x06 or cdb[10] & 0x07:  # error flags, subchannels
        drive.check(INVALID_FIELD)
    elif cdb[1] >> 2 & 7 not in (ANY_TYPE, MODE_1):
        drive.check(WRONG_TRACK_MODE)
    elif not sector_bytes(fields or SUBHEADER):
        drive.done()
    else:
        _read(drive, lba, count, 0 if fields & ~SUBHEADER == USER else fields)


def sector_bytes(fields: int) -> int:
    """How many bytes of each sector go to the host. A mode 1 sector has no subheader."""
    if not fields:
        return CD_SECTOR_BYTES
    return sum(size for field, size in FIELD_BYTES if fields & field)


def framed(data: bytearray, lba: int, fields: int) -> bytearray:
    """Sectors with the parts around the user data that *fields* asks for."""
    out = bytearray()
    for start in range(0, len(data), CD_SECTOR_BYTES):
        if fields & SYNC:
            out += SYNC_PATTERN
        if fields & HEADER:
            out += bytes(part // 10 % 16 << 4 | part % 10 for part in _msf(lba + LEAD_IN_FRAMES)) + b"\x01"
        if fields & USER:
            out += data[start : start + CD_SECTOR_BYTES]
        if fields & ECC:
            out += bytes(288)
        lba += 1
    return out


def _read_toc(drive: AtapiDrive, cdb: bytes) -> None:
    layout = cdb[2] & 0x0F or cdb[9] >> 6  # SFF-8020i had the format in the control byte
    in_msf, start, limit = bool(cdb[1] & 2), cdb[6], _be(cdb[7:9])

    def address(lba: int) -> bytes:
        return bytes((0, *_msf(lba + LEAD_IN_FRAMES))) if in_msf else struct.pack(">I", lba)

    total = drive.total_sectors & 0xFFFFFFFF
    if layout == 0:
        if start > 1 and start != LEAD_OUT:
            drive.check(INVALID_FIELD)
            return
        body = bytes((1, 1))
        if start <= 1:
            body += bytes((0, DATA_TRACK, 1, 0)) + address(0)
        body += bytes((0, 0x16, LEAD_OUT, 0)) + address(total)
    elif layout == 1:
        body = bytes((1, 1, 0, DATA_TRACK, 1, 0)) + address(0)
    elif layout == 2:
        body = bytes((1, 1))
        points = ((0xA0, (1, 0, 0)), (0xA1, (1, 0, 0)), (0xA2, _msf(total + LEAD_IN_FRAMES)), (1, (0, 2, 0)))
        for point, msf in points:
            body += bytes((1, DATA_TRACK, 0, point, 0, 0, 0, 0, *msf))
    else:
        drive.check(INVALID_FIELD)
        return
    drive.reply(struct.pack(">H", len(body)) + body, limit)


def _read_disc_information(drive: AtapiDrive, cdb: bytes) -> None:
    if cdb[1] & 7:
        drive.check(INVALID_FIELD)
        return
    # A finished disc: one complete session, tracks 1 to 1, unrestricted use.
    drive.reply(struct.pack(">H6B26x", 32, 0x0E, 1, 1, 1, 1, 0x20), _be(cdb[7:9]))


def _read_dvd_structure(drive: AtapiDrive, cdb: bytes) -> None:
    layout, limit = cdb[7], _be(cdb[8:10])
    if cdb[1] & 0x0F or (cdb[6] and layout != 0xFF):  # media type DVD, layer 0
        drive.check(INVALID_FIELD)
        return
    if layout == 0xFF:
        body = b"".join(struct.pack(">BBH", n, 0x40, size + 4) for n, size in DVD_STRUCTURES.items())
    elif _profile(drive) != Profile.DVD_ROM:
        drive.check(INCOMPATIBLE_MEDIUM if drive.drive.inserted else NO_MEDIUM)
        return
    elif layout in DVD_STRUCTURES:
        body = bytes(DVD_STRUCTURES[layout])
        if layout == 0:
            last = DVD_FIRST_SECTOR + drive.total_sectors - 1 & 0xFFFFFF
            # DVD-ROM part 1, 120 mm, no rate given, one embossed layer
            body = struct.pack(">BBBBIII", 0x01, 0x0F, 0x01, 0x00, DVD_FIRST_SECTOR, last, 0).ljust(2048, b"\0")
    else:
        drive.check(INVALID_FIELD)
        return
    drive.reply(struct.pack(">HH", len(body) + 2, 0) + body, limit)


DVD_STRUCTURES = {0x00: 2048, 0x01: 4, 0x04: 2048}  # physical format, copyright, manufacturer: bytes of data

REQUEST_SENSE = 0x03

COMMANDS: dict[int, Command] = {
    0x00: Command(_nothing, needs_medium=True),  # TEST UNIT READY
    REQUEST_SENSE: Command(_request_sense, reports_change=False),
    0x12: Command(_inquiry, reports_change=False),
    0x1B: Command(_start_stop),
    0x1E: Command(_prevent_removal),
    0x25: Command(_read_capacity, needs_medium=True),
    0x28: Command(_read_10, needs_medium=True),
    0x2B: Command(_seek, needs_medium=True),
    0x43: Command(_read_toc, needs_medium=True),
    0x46: Command(_get_configuration, reports_change=False),
    0x4A: Command(_get_event, reports_change=False),
    0x51: Command(_read_disc_information, needs_medium=True),
    0x55: Command(_mode_select),
    0x5A: Command(_mode_sense),
    0xA8: Command(_read_12, needs_medium=True),
    0xAD: Command(_read_dvd_structure),
    0xB9: Command(_read_cd_msf, needs_medium=True),
    0xBB: Command(_nothing),  # SET CD SPEED
    0xBD: Command(_mechanism_status, reports_change=False),
    0xBE: Command(_read_cd, needs_medium=True),
}
