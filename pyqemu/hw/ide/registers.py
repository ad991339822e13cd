"""ATA task file: register bits and command codes.

Source   ATA/ATAPI-7 volume 1 (T13 1532D), chapter 6 (commands), volume 2 chapter 7 (registers)
"""

from __future__ import annotations

from enum import IntEnum, IntFlag

SECTOR_BYTES = 512


class Status(IntFlag):
    ERR = 0x01
    DRQ = 0x08
    DSC = 0x10  # seek complete
    DF = 0x20
    DRDY = 0x40
    BSY = 0x80


class Error(IntFlag):
    ABRT = 0x04
    IDNF = 0x10
    UNC = 0x40


DIAGNOSTIC_PASSED = 0x01  # the error register after a reset or EXECUTE DEVICE DIAGNOSTIC


class Control(IntFlag):  # device control, write only
    NIEN = 0x02
    SRST = 0x04
    HOB = 0x80


class Select(IntFlag):  # device/head
    HEAD = 0x0F
    DEV = 0x10
    LBA = 0x40
    FIXED = 0xA0  # reads as ones


class Reason(IntFlag):  # sector count while a packet command runs
    COMMAND = 0x01
    TO_HOST = 0x02


class Cmd(IntEnum):
    NOP = 0x00
    DATA_SET_MANAGEMENT = 0x06
    DEVICE_RESET = 0x08
    RECALIBRATE = 0x10
    READ = 0x20
    READ_ONCE = 0x21
    READ_EXT = 0x24
    READ_DMA_EXT = 0x25
    READ_NATIVE_MAX_EXT = 0x27
    READ_MULTIPLE_EXT = 0x29
    WRITE = 0x30
    WRITE_ONCE = 0x31
    WRITE_EXT = 0x34
    WRITE_DMA_EXT = 0x35
    WRITE_MULTIPLE_EXT = 0x39
    WRITE_VERIFY = 0x3C
    VERIFY = 0x40
    VERIFY_ONCE = 0x41
    VERIFY_EXT = 0x42
    SEEK = 0x70
    DIAGNOSTIC = 0x90
    INITIALIZE_PARAMETERS = 0x91
    STANDBY_NOW_OLD = 0x94
    IDLE_NOW_OLD = 0x95
    STANDBY_OLD = 0x96
    IDLE_OLD = 0x97
    CHECK_POWER_OLD = 0x98
    SLEEP_OLD = 0x99
    PACKET = 0xA0
    IDENTIFY_PACKET = 0xA1
    SMART = 0xB0
    READ_MULTIPLE = 0xC4
    WRITE_MULTIPLE = 0xC5
    SET_MULTIPLE = 0xC6
    READ_DMA = 0xC8
    READ_DMA_ONCE = 0xC9
    WRITE_DMA = 0xCA
    WRITE_DMA_ONCE = 0xCB
    STANDBY_NOW = 0xE0
    IDLE_NOW = 0xE1
    STANDBY = 0xE2
    IDLE = 0xE3
    CHECK_POWER = 0xE5
    SLEEP = 0xE6
    FLUSH = 0xE7
    FLUSH_EXT = 0xEA
    IDENTIFY = 0xEC
    SET_FEATURES = 0xEF
    READ_NATIVE_MAX = 0xF8


class Feature(IntEnum):  # SET FEATURES subcommands
    WRITE_CACHE_ON = 0x02
    TRANSFER_MODE = 0x03
    APM_ON = 0x05
    ACOUSTIC_ON = 0x42
    READ_AHEAD_OFF = 0x55
    KEEP_SETTINGS = 0x66
    ECC_BYTES = 0x44
    RETRIES_OFF = 0x33
    WRITE_CACHE_OFF = 0x82
    APM_OFF = 0x85
    RETRIES_ON = 0x99
    READ_AHEAD_ON = 0xAA
    ACOUSTIC_OFF = 0xC2
    REVERT_SETTINGS = 0xCC


class Power(IntEnum):
    ACTIVE, STANDBY, SLEEP = range(3)
