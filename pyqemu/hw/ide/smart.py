"""SMART: what a healthy disk says about itself.

Source   ATA/ATAPI-7 volume 1, 6.51; the attribute table's layout is the customary one of SFF-8035i
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from enum import IntEnum
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from pyqemu.hw.ide.registers import SECTOR_BYTES

if TYPE_CHECKING:
    from pyqemu.hw.ide.ata import AtaDisk

PASSWORD = (0x4F, 0xC2)  # cylinder low and high; 0xF4, 0x2C would report a failing disk
REVISION = 0x0001


class Sub(IntEnum):  # features register
    READ_DATA = 0xD0
    READ_THRESHOLDS = 0xD1
    AUTOSAVE = 0xD2
    SAVE = 0xD3
    OFFLINE = 0xD4
    READ_LOG = 0xD5
    ENABLE = 0xD8
    DISABLE = 0xD9
    STATUS = 0xDA
    AUTO_OFFLINE = 0xDB


class Attribute(NamedTuple):
    """*value* is the normalized one (worst is the same), *raw* the counter behind it."""

    number: int
    flags: int
    value: int
    raw: int
    threshold: int


ATTRIBUTES = (
    Attribute(1, 0x03, 100, 0, 6),  # raw read error rate
    Attribute(3, 0x03, 100, 16, 0),  # spin-up time
    Attribute(4, 0x02, 100, 100, 20),  # start and stop count
    Attribute(5, 0x03, 100, 0, 36),  # reallocated sectors
    Attribute(9, 0x03, 100, 1, 0),  # power-on hours
    Attribute(12, 0x03, 100, 0, 0),  # power cycles
    Attribute(190, 0x03, 69, 31, 50),  # airflow temperature
)


def _checksummed(data: bytearray) -> bytes:
    data[511] = -sum(data[:511]) & 0xFF
    return bytes(data)


def values(self_tests: int) -> bytes:
    """READ DATA."""
    data = bytearray(SECTOR_BYTES)
    struct.pack_into("<H", data, 0, REVISION)
    for i, a in enumerate(ATTRIBUTES):
        raw = a.raw.to_bytes(6, "little")
        struct.pack_into("<BHBB6s", data, 2 + 12 * i, a.number, a.flags, a.value, a.value, raw)
    data[362] = 0x02 if self_tests else 0x00  # off-line collection: completed, or never started
    data[363] = 0x00  # the last self-test found nothing
    struct.pack_into("<H", data, 364, 0x0120)  # seconds that off-line collection takes
    data[367] = 0x19  # off-line immediate, its interruption by commands, self-tests
    struct.pack_into("<H", data, 368, 0x0003)  # saves attributes, by itself too
    data[370] = 0x01  # has error logs
    data[372], data[373] = 2, 54  # minutes of a short and an extended self-test
    return _checksummed(data)


def thresholds() -> bytes:
    """READ THRESHOLDS."""
    data = bytearray(SECTOR_BYTES)
    struct.pack_into("<H", data, 0, REVISION)
    for i, a in enumerate(ATTRIBUTES):
        struct.pack_into("<BB", data, 2 + 12 * i, a.number, a.threshold)
    return _checksummed(data)


def log(address: int, self_tests: int) -> bytes | None:
    """READ LOG: 0 the directory, 1 the error summary, 6 the self-tests; None for the others."""
    data = bytearray(SECTOR_BYTES)
    if address == 0:
        data[0] = 1
        data[2 * 1] = data[2 * 6] = 1  # sectors of logs 1 and 6
        return bytes(data)
    if address == 1:
        data[0] = 1
        return _checksummed(data)
    if address == 6:
        data[0] = 1
        for i in range(min(self_tests, 21)):
            struct.pack_into("<BB", data, 2 + 24 * i, 1, 0)  # a short test, completed without error
        data[508] = (self_tests - 1) % 21 + 1 if self_tests else 0
        return _checksummed(data)
    return None


def command(disk: AtaDisk) -> None:
    """B0h: the features register says what."""
    unit, channel = disk.unit, disk.channel
    sub = unit.feature
    if (unit.lcyl, unit.hcyl) != PASSWORD or (not unit.smart_enabled and sub != Sub.ENABLE):
        channel.abort()
        return
    handler = _SUBCOMMANDS.get(sub)
    if handler is None:
        channel.abort()
    else:
        handler(disk)


def _read_data(disk: AtaDisk) -> None:
    disk.offer(values(disk.unit.smart_self_tests))


def _read_thresholds(disk: AtaDisk) -> None:
    disk.offer(thresholds())


def _read_log(disk: AtaDisk) -> None:
    data = log(disk.unit.sector, disk.unit.smart_self_tests) if disk.unit.nsector == 1 else None
    if data is None:
        disk.channel.abort()
    else:
        disk.offer(data)


def _enable(disk: AtaDisk, on: bool) -> None:
    disk.unit.smart_enabled = on
    disk.channel.complete()


def _autosave(disk: AtaDisk) -> None:
    if disk.unit.nsector not in (0x00, 0xF1):
        disk.channel.abort()
        return
    disk.unit.smart_autosave = disk.unit.nsector == 0xF1
    disk.channel.complete()


def _nothing(disk: AtaDisk) -> None:
    disk.channel.complete()


def _offline(disk: AtaDisk) -> None:
    """EXECUTE OFF-LINE IMMEDIATE: collection (0), short and extended tests (1, 2; 81h, 82h captive), stop."""
    kind = disk.unit.sector
    if kind in (1, 2, 0x81, 0x82):
        disk.unit.smart_self_tests = min(disk.unit.smart_self_tests + 1, 255)
    elif kind not in (0x00, 0x7F):
        disk.channel.abort()
        return
    disk.channel.complete()


_SUBCOMMANDS: dict[int, Callable[[AtaDisk], None]] = {
    Sub.READ_DATA: _read_data,
    Sub.READ_THRESHOLDS: _read_thresholds,
    Sub.AUTOSAVE: _autosave,
    Sub.SAVE: _nothing,
    Sub.OFFLINE: _offline,
    Sub.READ_LOG: _read_log,
    Sub.ENABLE: partial(_enable, on=True),
    Sub.DISABLE: partial(_enable, on=False),
    Sub.STATUS: _nothing,
    Sub.AUTO_OFFLINE: _nothing,
}
