"""IDENTIFY DEVICE and IDENTIFY PACKET DEVICE data: 256 words about a drive.

Source   ATA/ATAPI-7 volume 1, 6.17 (table 20) and 6.18 (table 33)
Words    little-endian; text has the first character of each pair in the word's high byte
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from pyqemu.hw.ide.registers import SECTOR_BYTES
from pyqemu.hw.ide.unit import MULTIPLE_SECTORS, Unit

WORDS = 256
LBA28_SECTORS = (1 << 28) - 1
BUFFER_SECTORS = 512
VALID = 0x4000  # bit 14 set and bit 15 clear: the word's content is valid
UDMA_MODES = 0x3F
DMA_MODES = 0x07


@dataclass(frozen=True)
class Label:
    """What is printed on the drive: at most 20, 8 and 40 characters."""

    serial: str
    version: str
    model: str


@dataclass(frozen=True)
class Geometry:
    """The default CHS translation."""

    cylinders: int
    heads: int
    sectors: int


def default_geometry(sectors: int) -> Geometry:
    """The translation of a disk whose partition table says nothing: 16 heads, 63 sectors (ATA-4, B.2)."""
    return Geometry(min(max(sectors // (16 * 63), 2), 16383), 16, 63)


def text(words: list[int], first: int, count: int, value: str) -> None:
    """Store a string in *count* words from *first*, padded with blanks."""
    raw = value.encode("ascii", "replace")[: 2 * count].ljust(2 * count)
    words[first : first + count] = struct.unpack(f">{count}H", raw)


def _common(unit: Unit, label: Label) -> list[int]:
    words = [0] * WORDS
    text(words, 10, 10, label.serial)
    words[20] = 3  # dual ported, with read cache (retired)
    words[21] = BUFFER_SECTORS
    words[22] = 4  # ECC bytes of READ LONG (retired)
    text(words, 23, 4, label.version)
    text(words, 27, 20, label.model)
    words[48] = 1  # 32-bit data port (retired)
    words[53] = 0x07  # words 54-58, 64-70 and 88 are valid
    kind, mode = unit.transfer_mode & 0xF8, unit.transfer_mode & 7
    chosen = 0x100 << mode
    words[62] = DMA_MODES | (chosen if kind == 0x10 else 0)
    words[63] = DMA_MODES | (chosen if kind == 0x20 else 0)
    words[64] = 0x0003  # PIO modes 3 and 4
    words[88] = UDMA_MODES | (chosen if kind == 0x40 else 0)
    return words


def ata(unit: Unit, label: Label, sectors: int, geometry: Geometry) -> bytes:
    """IDENTIFY DEVICE."""
    words = _common(unit, label)
    words[0] = 0x0040  # fixed drive
    words[1] = geometry.cylinders
    words[3] = geometry.heads
    words[4] = SECTOR_BYTES * geometry.sectors
    words[5] = SECTOR_BYTES
    words[6] = geometry.sectors
    words[47] = 0x8000 | MULTIPLE_SECTORS
    words[49] = 0x0B00  # IORDY, LBA, DMA
    words[51] = words[52] = 0x0200  # PIO and DMA timing mode 2 (retired)
    track = max(unit.heads * unit.sectors, 1)
    cylinders = min(sectors // track, 0xFFFF)
    if (unit.heads, unit.sectors) == (geometry.heads, geometry.sectors):
        cylinders = geometry.cylinders
    words[54:57] = cylinders, unit.heads, unit.sectors
    words[57:59] = _low_first(cylinders * track, 2)
    words[59] = 0x0100 | unit.mult_sectors if unit.mult_sectors else 0
    words[60:62] = _low_first(min(sectors, LBA28_SECTORS), 2)
    words[65:69] = [120] * 4  # DMA and PIO cycle times in ns
    words[80] = 0x00F0  # ATA/ATAPI-4 to -7
    words[81] = 0x0016
    words[82] = 0x4021  # NOP, write cache, SMART
    words[83] = VALID | 0x3400  # FLUSH CACHE (EXT), 48-bit addresses
    words[84] = VALID
    words[85] = 0x4000 | (0x20 if unit.write_cache else 0) | unit.smart_enabled
    words[86] = 0x3400
    words[87] = VALID
    words[93] = 0x6001  # hardware reset: 80-conductor cable, device 0 passed
    words[100:104] = _low_first(sectors, 4)
    words[106] = VALID | 0x2000  # one logical sector per physical one
    return struct.pack(f"<{WORDS}H", *words)


def atapi(unit: Unit, label: Label) -> bytes:
    """IDENTIFY PACKET DEVICE."""
    words = _common(unit, label)
    words[0] = 0x85C0  # ATAPI, CD-ROM, removable, DRQ within 50 us, packets of 12 bytes
    words[49] = 0x0300  # LBA, DMA
    words[65:69] = 180, 180, 300, 180  # cycle times in ns
    words[71] = words[72] = 30  # ns from PACKET to bus release, and from SERVICE to BSY clear
    words[80] = 0x001E  # ATA-1 to ATA/ATAPI-4
    return struct.pack(f"<{WORDS}H", *words)


def _low_first(value: int, count: int) -> list[int]:
    return [value >> 16 * i & 0xFFFF for i in range(count)]
