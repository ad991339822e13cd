"""The CD-ROM drive: packet protocol, MMC commands, medium changes."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from pyqemu.block import MemoryDrive
from pyqemu.hw.ide.piix3 import Piix3Ide

SECTORS = 300


def sector(lba: int) -> bytes:
    return lba.to_bytes(4, "big") * 512


class CdDrive(MemoryDrive):
    bad: int | None = None

    def _check(self, offset: int, length: int) -> bytearray:
        if self.bad is not None and offset <= self.bad * 2048 < offset + length:
            raise OSError(5, "Input/output error")
        return super()._check(offset, length)


@pytest.fixture
def medium() -> bytes:
    return b"".join(sector(i) for i in range(SECTORS))


@pytest.fixture
def drive(medium: bytes) -> CdDrive:
    return CdDrive(medium, media="cdrom", read_only=True)


@pytest.fixture
def cd(bench: Any, drive: CdDrive) -> Any:
    ide = Piix3Ide(ver="1.4.0")
    device = ide.attach_drive(1, 0, drive, "ide-cd")
    bench.plug_pci(ide)
    device.ide = ide  # type: ignore[union-attr]
    return device


def registers(bench: Any) -> str:
    return bytes(bench.inb(0x170 + i) for i in range(1, 8)).hex()


def send(bench: Any, cdb: bytes, limit: int = 0xFFFE, feature: int = 0) -> int:
    bench.outb(0x176, 0xA0)
    bench.outb(0x171, feature)
    bench.outb(0x174, limit & 0xFF)
    bench.outb(0x175, limit >> 8)
    bench.outb(0x177, 0xA0)
    assert bench.inb(0x177) == 0x58
    assert bench.inb(0x172) == 1
    for word in struct.unpack("<6H", cdb.ljust(12, b"\0")):
        bench.outw(0x170, word)
    return int(bench.inb(0x177))


def receive(bench: Any) -> list[bytes]:
    """The data blocks of the command that runs."""
    blocks = []
    while bench.inb(0x177) & 8:
        assert bench.inb(0x172) == 2
        size = bench.inb(0x174) | bench.inb(0x175) << 8
        words = [bench.inw(0x170).to_bytes(2, "little") for _ in range((size + 1) // 2)]
        blocks.append(b"".join(words)[:size])
    return blocks


def packet(bench: Any, cdb: bytes | str, limit: int = 0xFFFE) -> bytes:
    send(bench, bytes.fromhex(cdb) if isinstance(cdb, str) else cdb, limit)
    return b"".join(receive(bench))


def sense(bench: Any) -> tuple[int, int, int]:
    data = packet(bench, "030000001200")
    return data[2], data[12], data[13]


# -- what the reference machine shows ---------------------------------------------------------------------

CD_IDENTIFY = bytes.fromhex(
    "c0850000000000000000000000000000000000004d5130303030203320202020"
    "20202020202020200300000204002e312e34203020204551554d44204456522d"
    "4d4f202020202020202020202020202020202020202020202020202020200000"
    "0100000300000000000007000000000000000000000000000000000007000700"
    "0300b400b4002c01b400000000001e001e000000000000000000000000000000"
    "1e0000000000000000000000000000003f200000000000000000000000000000"
).ljust(512, b"\0")


def test_identify(bench: Any, cd: Any) -> None:
    bench.outb(0x177, 0xEC)
    assert registers(bench) == "04010114eba041"
    bench.outb(0x177, 0xA1)
    assert registers(bench) == "00010114eba058"
    assert b"".join(bench.inw(0x170).to_bytes(2, "little") for _ in range(256)) == CD_IDENTIFY


# Packet, reply and registers as QEMU 7.2's pc-i440fx-1.4 gave them with an empty drive.
RECORDED = [
    (
        "120000006000",
        "058000211f00000051454d552020202051454d55204456442d524f4d20202020312e342e",
        "0003012400a050",
    ),
    ("000000000000", "", "200301feffa041"),
    ("030000001200", "f00002000000000a000000003a0000000000", "0003011200a050"),
    ("5a002a000000000080", "001c7000000000002a143b007160290002c00002020002c0000000000000", "0003011e00a050"),
    ("460000000000000080", "0000001000000000000003080010000000080000", "0003011400a050"),
]


def test_packets_of_an_empty_drive(bench: Any, cd: Any, drive: CdDrive) -> None:
    drive.insert(None)
    for cdb, reply, after in RECORDED:
        assert packet(bench, cdb).hex() == reply, cdb
        assert registers(bench) == after, cdb


def test_configuration_with_a_disc(bench: Any, cd: Any, drive: CdDrive) -> None:
    assert packet(bench, "460000000000000080").hex() == "0000001000000008000003080010000000080100"
    drive.size = 400000 * 2048
    assert packet(bench, "460000000000000080").hex() == "0000001000000010000003080010010000080000"
    assert packet(bench, "460000010000000080").hex() == "0000000400000010"


# -- packet protocol --------------------------------------------------------------------------------------


def test_read_in_blocks_of_the_byte_count(bench: Any, cd: Any, medium: bytes) -> None:
    send(bench, bytes.fromhex("28000000000500000300"), limit=4096)
    assert bench.irq_pin(15).level is False  # status has been read
    blocks = receive(bench)
    assert [len(b) for b in blocks] == [4096, 2048]
    assert b"".join(blocks) == medium[5 * 2048 : 8 * 2048]
    assert registers(bench)[:4] == "0003"


def test_odd_byte_counts_are_rounded_down(bench: Any, cd: Any, medium: bytes) -> None:
    send(bench, bytes.fromhex("28000000000000000200"), limit=1001)
    blocks = receive(bench)
    assert {len(b) for b in blocks[:-1]} == {1000}
    assert b"".join(blocks) == medium[:4096]


def test_long_reads_cross_the_drives_buffer(bench: Any, cd: Any, medium: bytes) -> None:
    send(bench, bytes.fromhex("a800000000000000012c0000"), limit=0xFFFF)
    blocks = []
    while bench.inb(0x177) & 8:
        size = bench.inb(0x174) | bench.inb(0x175) << 8
        blocks.append(bench.ports.string_readers[0x170](2, size // 2))
    assert b"".join(blocks) == medium


def test_every_block_has_its_interrupt(bench: Any, cd: Any) -> None:
    send(bench, bytes.fromhex("28000000000000000200"), limit=2048)
    receive(bench)
    assert bench.edges[15] == 3  # two blocks and the end


def test_byte_count_zero_is_refused_with_data_only(bench: Any, cd: Any) -> None:
    assert send(bench, bytes.fromhex("1200000024"), limit=0) == 0x41
    assert bench.inb(0x171) == 0x04
    assert send(bench, bytes(12), limit=0) == 0x50


def test_overlap_is_refused(bench: Any, cd: Any) -> None:
    bench.outb(0x171, 2)
    bench.outb(0x177, 0xA0)
    assert bench.inb(0x177) == 0x41


def test_device_reset_in_mid_command(bench: Any, cd: Any) -> None:
    send(bench, bytes.fromhex("28000000000000000200"))
    bench.outb(0x177, 0x08)
    assert registers(bench) == "01010114eba000"
    assert bench.inw(0x170) == 0
    assert packet(bench, "25")[:4] == struct.pack(">I", SECTORS - 1)


def test_save_and_load_in_mid_read(bench: Any, cd: Any, medium: bytes) -> None:
    send(bench, bytes.fromhex("28000000000100000300"), limit=2048)
    [bench.inw(0x170) for _ in range(100)]
    saved = cd.ide.save()
    cd.ide.reset()
    cd.ide.load(3, saved)
    assert cd.ide.save() == saved
    rest = b"".join(bench.inw(0x170).to_bytes(2, "little") for _ in range(924)) + b"".join(receive(bench))
    assert rest == medium[2048 + 200 : 4 * 2048]


# -- sense ------------------------------------------------------------------------------------------------


def test_unknown_commands_and_bad_addresses(bench: Any, cd: Any) -> None:
    assert send(bench, b"\xff") == 0x41
    assert bench.inb(0x171) == 0x50
    assert sense(bench) == (5, 0x20, 0)
    assert sense(bench) == (0, 0, 0)
    for cdb in ("2800000001000000ffff", "a80000000000ffffffff", "be00ffffffff00000110", "2b00ffffffff"):
        assert send(bench, bytes.fromhex(cdb)) == 0x41
        assert sense(bench) == (5, 0x21, 0)


def test_an_unreadable_sector(bench: Any, cd: Any, drive: CdDrive) -> None:
    drive.bad = 6
    send(bench, bytes.fromhex("28000000000500000300"), limit=2048)
    blocks = receive(bench)
    assert blocks == [sector(5)]
    assert bench.inb(0x177) == 0x41
    data = packet(bench, "030000001200")
    assert (data[2], data[3:7], data[12]) == (3, (6).to_bytes(4, "big"), 0x11)
    assert drive.reported


def test_medium_change_is_noticed(bench: Any, cd: Any, drive: CdDrive, medium: bytes) -> None:
    drive.insert(None)
    assert send(bench, bytes(12)) == 0x41
    assert sense(bench) == (2, 0x3A, 0)
    drive.insert(medium[: 2048 * 10])
    assert packet(bench, "4a010000100000000800").hex() == "0006041002020000"
    assert send(bench, bytes(12)) == 0x41
    assert sense(bench) == (2, 0x3A, 0)
    assert send(bench, bytes(12)) == 0x41
    assert sense(bench) == (6, 0x28, 0)
    assert send(bench, bytes(12)) == 0x50
    assert packet(bench, "25") == struct.pack(">II", 9, 2048)


def test_medium_taken_out_during_a_read(bench: Any, cd: Any, drive: CdDrive) -> None:
    send(bench, bytes.fromhex("a80000000000000000c80000"), limit=2048)
    drive.insert(None)
    assert len(receive(bench)) == 64
    assert bench.inb(0x177) == 0x41
    assert sense(bench) == (2, 0x3A, 0)


def test_eject_and_lock(bench: Any, cd: Any, drive: CdDrive) -> None:
    assert send(bench, bytes.fromhex("1e0000000100")) == 0x50
    assert cd.locked
    assert send(bench, bytes.fromhex("1b0000000200")) == 0x41
    assert sense(bench) == (5, 0x53, 2)
    cd.request_eject()
    assert packet(bench, "4a010000100000000800").hex() == "0006041001020000"
    assert packet(bench, "4a010000100000000800").hex() == "0006041000020000"
    send(bench, bytes.fromhex("1e0000000000"))
    assert send(bench, bytes.fromhex("1b0000000200")) == 0x50
    assert not drive.inserted
    assert packet(bench, "bd000000000000000008").hex() == "0010000000010000"
    assert send(bench, bytes(12)) == 0x41
    assert sense(bench) == (2, 0x3A, 2)
    send(bench, bytes.fromhex("1b0000000300"))
    assert send(bench, bytes(12)) == 0x41
    assert sense(bench) == (2, 0x3A, 0)


def test_the_tray_tells_when_the_guest_moves_it(bench: Any, cd: Any, drive: CdDrive) -> None:
    moves: list[bool] = []
    cd.on_tray = moves.append
    for cdb in ("1b0000000200", "1b0000000200", "1b0000000300", "1b0000000100"):
        send(bench, bytes.fromhex(cdb))
    assert moves == [True, False]


# -- data of the medium -----------------------------------------------------------------------------------


def test_toc(bench: Any, cd: Any) -> None:
    assert packet(bench, "430000000000000324").hex() == "001201010014010000000000" + "0016aa000000012c"
    assert packet(bench, "430200000000000324").hex() == "001201010014010000000200" + "0016aa0000000600"
    assert packet(bench, "430000000000aa0324").hex() == "000a01010016aa000000012c"
    assert packet(bench, "430001000000000324").hex() == "000a01010014010000000000"
    full = packet(bench, "430002000000000324")
    assert (len(full), full[:4].hex()) == (48, "002e0101")
    assert full[26:37].hex() == "011400a200000000000600"
    assert packet(bench, "430000000000000004").hex() == "00120101"
    assert send(bench, bytes.fromhex("430000000000020324")) == 0x41
    assert send(bench, bytes.fromhex("430005000000000324")) == 0x41


def test_read_cd(bench: Any, cd: Any) -> None:
    assert packet(bench, "be00000000070000011000") == sector(7)
    raw = packet(bench, "be0000000007000002f800")
    assert len(raw) == 2 * 2352
    assert raw[:16].hex() == "00ffffffffffffffffffff00" + "00020701"
    assert raw[16:2064] == sector(7)
    assert raw[2352 + 16 : 2352 + 2064] == sector(8)
    assert packet(bench, "be00000000070000012000").hex() == "00020701"
    assert packet(bench, "b900000002070002081000") == sector(7)
    assert send(bench, bytes.fromhex("be00000000070000010000")) == 0x50
    assert send(bench, bytes.fromhex("be04000000070000011000")) == 0x41
    assert sense(bench) == (5, 0x64, 0)


def test_disc_information_and_dvd_structure(bench: Any, cd: Any, drive: CdDrive) -> None:
    data = packet(bench, "510000000000000040")
    assert (len(data), data[:8].hex()) == (34, "00200e0101010120")
    assert send(bench, bytes.fromhex("ad0000000000000000000800")[:10]) == 0x41
    assert sense(bench) == (5, 0x30, 2)
    drive.size = 400000 * 2048
    data = packet(bench, "ad000000000000001000")
    assert len(data) == 2052
    assert data[:4].hex() == "08020000"
    assert struct.unpack(">II", data[8:16]) == (0x30000, 0x30000 + 400000 - 1)
    assert packet(bench, "ad000000000000ff1000")[:2].hex() == "000e"


def test_mode_pages(bench: Any, cd: Any) -> None:
    assert packet(bench, "5a0001000000000080").hex() == "000e700000000000" + "0106000500000000"
    assert len(packet(bench, "5a003f000000000080")) == 8 + 8 + 22
    assert packet(bench, "5a006a000000000080")[8:].hex() == "2a14" + "00" * 20
    for cdb in ("5a00c1000000000080", "5a0005000000000080"):
        assert send(bench, bytes.fromhex(cdb)) == 0x41


def test_mode_select_takes_its_list(bench: Any, cd: Any) -> None:
    status = send(bench, bytes.fromhex("551000000000000014"), limit=8)
    sizes = []
    while status & 8:
        assert bench.inb(0x172) == 0
        sizes.append(bench.inb(0x174))
        for _ in range(sizes[-1] // 2):
            bench.outw(0x170, 0)
        status = bench.inb(0x177)
    assert sizes == [8, 8, 4]
    assert status == 0x50


def test_commands_without_data(bench: Any, cd: Any) -> None:
    for cdb in ("bb00ffff", "2b0000000000", "1b00000001", "1b00000000", "5510000000000000"):
        assert send(bench, bytes.fromhex(cdb)) == 0x50, cdb


def test_inquiry_pages(bench: Any, cd: Any) -> None:
    assert packet(bench, "120100006000").hex() == "050000020083"
    assert packet(bench, "120183006000")[8:] == b"QM00003"
    assert send(bench, bytes.fromhex("120155006000")) == 0x41
    assert send(bench, bytes.fromhex("120001006000")) == 0x41


def test_features_and_power(bench: Any, cd: Any) -> None:
    bench.outb(0x171, 3)
    bench.outb(0x172, 0x22)
    bench.outb(0x177, 0xEF)
    assert bench.inb(0x177) == 0x50
    bench.outb(0x177, 0xE5)
    assert bench.inb(0x172) == 0xFF
    for code, status in ((0xE0, 0x50), (0x00, 0x41), (0xC8, 0x41), (0x20, 0x41)):
        bench.outb(0x177, code)
        assert bench.inb(0x177) == status
