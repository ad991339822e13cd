"""Bus-master DMA: descriptor tables, status bits, hostile tables."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from pyqemu.block import MemoryDrive
from pyqemu.core.memory import Mmio, Ram, RamBlock
from pyqemu.hw.ide.piix3 import Piix3Ide

BM = 0xC000
TABLE = 0x1000
EOT = 0x80000000
ACTIVE, ERROR, INTERRUPT = 1, 2, 4
READ_DMA, WRITE_DMA, READ_DMA_EXT = 0xC8, 0xCA, 0x25


class CountingDrive(MemoryDrive):
    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.calls: list[tuple[int, int]] = []
        self.bad: int | None = None

    def _check(self, offset: int, length: int) -> bytearray:
        self.calls.append((offset, length))
        if self.bad is not None and offset <= self.bad * 512 < offset + length:
            raise OSError(5, "Input/output error")
        return super()._check(offset, length)


@pytest.fixture
def disk() -> CountingDrive:
    return CountingDrive(b"".join(i.to_bytes(4, "little") * 128 for i in range(1024)))


@pytest.fixture
def ide(bench: Any, disk: CountingDrive) -> Piix3Ide:
    controller = Piix3Ide()
    controller.attach_drive(0, 0, disk)
    controller.attach_drive(1, 0, MemoryDrive(disk.data, media="cdrom", read_only=True), "ide-cd")
    bench.plug_pci(controller)
    bench.pci.write_config(0, 0x20, 4, BM)
    bench.pci.write_config(0, 0x04, 2, 0x0005)
    return controller


def table(bench: Any, *entries: tuple[int, int], at: int = TABLE) -> None:
    bench.memory.write(at, b"".join(struct.pack("<II", a, c) for a, c in entries))
    bench.outl(BM + 4, at)


def start(bench: Any, code: int, lba: int, count: int, *, write: bool = False) -> None:
    bench.outb(BM + 2, ERROR | INTERRUPT)
    bench.outb(BM, 0 if write else 8)
    bench.outb(0x1F6, 0xE0)
    for port, value in ((0x1F2, count & 0xFF), (0x1F3, lba & 0xFF), (0x1F4, lba >> 8), (0x1F5, 0)):
        bench.outb(port, value)
    bench.outb(0x1F7, code)
    bench.outb(BM, 1 if write else 9)


def memory(bench: Any, address: int, size: int) -> bytes:
    return bytes(bench.memory.read(address, size))


# -- registers --------------------------------------------------------------------------------------------


def test_registers_read_as_the_reference_board(bench: Any, ide: Piix3Ide) -> None:
    assert bytes(bench.inb(BM + i) for i in range(16)).hex() == "00ff00ff0000000000ff00ff00000000"
    for i, value in ((0, 8), (1, 0xFE), (2, 0xFF), (3, 0xFF), (4, 0xFE), (5, 0xFE), (6, 0xFF), (7, 0xFF)):
        bench.outb(BM + 8 + i, value)
    assert bytes(bench.inb(BM + 8 + i) for i in range(8)).hex() == "08ff60fffcfeffff"
    bench.outl(BM + 4, 0x12345677)
    assert bench.inl(BM + 4) == 0x12345674
    assert bench.inw(BM + 6) == 0x1234


def test_start_sets_active_and_stop_clears_it(bench: Any, ide: Piix3Ide) -> None:
    bench.outb(BM, 9)
    assert bench.inb(BM + 2) == ACTIVE
    bench.outb(BM + 2, 0xFF)
    assert bench.inb(BM + 2) == ACTIVE | 0x60
    bench.outb(BM, 8)
    assert bench.inb(BM + 2) == 0x60


def test_ports_follow_the_bar(bench: Any, ide: Piix3Ide) -> None:
    bench.pci.write_config(0, 0x20, 4, 0xD000)
    assert bench.inb(BM) == 0xFF
    assert bench.inb(0xD000) == 0
    bench.pci.write_config(0, 0x04, 2, 0)
    assert bench.inb(0xD000) == 0xFF


# -- transfers --------------------------------------------------------------------------------------------


def test_read_is_seen_running_and_then_done(bench: Any, ide: Piix3Ide, disk: CountingDrive) -> None:
    table(bench, (0x20000, 4096 | EOT))
    start(bench, READ_DMA, 8, 8)
    assert bench.inb(0x1F7) & 0x80
    assert bench.inb(BM + 2) == ACTIVE
    assert not bench.irq_pin(14).level
    bench.advance(0)
    assert bench.inb(BM + 2) == INTERRUPT
    assert bench.irq_pin(14).level
    assert bench.inb(0x1F7) == 0x50
    assert memory(bench, 0x20000, 4096) == disk.data[4096:8192]
    assert (bench.inb(0x1F2), bench.inb(0x1F3)) == (0, 15)
    bench.outb(BM, 0)
    bench.outb(BM + 2, INTERRUPT)
    assert bench.inb(BM + 2) == 0


def test_pieces_anywhere_take_one_host_call(bench: Any, ide: Piix3Ide, disk: CountingDrive) -> None:
    pieces = [(0x30000 + 0x2000 * i, 0x1000) for i in range(15)] + [(0x2FFF0, 0x10), (0x60002, 0xFF0 | EOT)]
    table(bench, *pieces)
    start(bench, READ_DMA, 0, 128)
    bench.advance(0)
    assert bench.inb(BM + 2) == INTERRUPT
    got = b"".join(memory(bench, a, c & 0xFFFF) for a, c in pieces)
    assert got == disk.data[: 128 * 512]
    assert len(disk.calls) == 1


def test_neighbours_are_joined_and_zero_is_64_kib(bench: Any, ide: Piix3Ide, disk: CountingDrive) -> None:
    table(bench, (0x40000, 0), (0x50001, EOT | 1))
    start(bench, READ_DMA, 0, 0)
    bench.advance(0)
    assert bench.inb(BM + 2) == INTERRUPT
    assert memory(bench, 0x40000, 0x20000) == disk.data[:0x20000]
    assert disk.calls == [(0, 0x20000)]


def test_write(bench: Any, ide: Piix3Ide, disk: CountingDrive) -> None:
    bench.memory.write(0x20000, b"A" * 700)
    bench.memory.write(0x30000, b"B" * 324)
    table(bench, (0x20000, 700), (0x30000, 324 | EOT))
    start(bench, WRITE_DMA, 3, 2, write=True)
    bench.advance(0)
    assert bench.inb(BM + 2) == INTERRUPT
    assert disk.data[3 * 512 : 5 * 512] == b"A" * 700 + b"B" * 324
    assert disk.flushes == 0


def test_the_master_may_start_before_the_command(bench: Any, ide: Piix3Ide, disk: CountingDrive) -> None:
    table(bench, (0x20000, 512 | EOT))
    bench.outb(BM, 9)
    bench.outb(0x1F6, 0xE0)
    bench.outb(0x1F2, 1)
    bench.outb(0x1F7, READ_DMA)
    bench.advance(0)
    assert bench.inb(BM + 2) == INTERRUPT


def test_translated_code_is_told_of_the_bytes_stored(bench: Any, ide: Piix3Ide) -> None:
    stored: list[tuple[int, int]] = []
    bench.memory.on_ram_written = lambda _block, offset, length: stored.append((offset, length))
    table(bench, (0x20000, 0x10000), (0x34000, 512 | EOT))
    stored.clear()
    start(bench, READ_DMA, 0, 129)
    bench.advance(0)
    assert stored == [(0x20000, 0x10000), (0x34000, 512)]


# -- lengths that do not fit ------------------------------------------------------------------------------


def test_a_longer_table_leaves_the_master_active(bench: Any, ide: Piix3Ide) -> None:
    table(bench, (0x20000, 1024 | EOT))
    start(bench, READ_DMA, 0, 1)
    bench.advance(0)
    assert bench.inb(BM + 2) == ACTIVE | INTERRUPT
    assert memory(bench, 0x20200, 512) == bytes(512)


def test_a_shorter_table_stops_the_master_and_the_drive_waits(
    bench: Any, ide: Piix3Ide, disk: CountingDrive
) -> None:
    table(bench, (0x20000, 512), (0x20200, 514 | EOT))
    start(bench, READ_DMA, 0, 4)
    bench.advance(0)
    assert bench.inb(BM + 2) == 0
    assert bench.inb(0x1F7) & 0x80
    assert not bench.irq_pin(14).level
    bench.outb(BM, 8)
    table(bench, (0x20400, 1024 | EOT))  # the rest, with a second table
    bench.outb(BM, 9)
    bench.advance(0)
    assert bench.inb(BM + 2) == INTERRUPT
    assert memory(bench, 0x20000, 2048) == disk.data[:2048]


def test_stopping_in_between(bench: Any, ide: Piix3Ide) -> None:
    table(bench, (0x20000, 512 | EOT))
    start(bench, READ_DMA, 1, 1)
    bench.outb(BM, 0)
    bench.advance(1000)
    assert bench.inb(BM + 2) == 0
    assert bench.inb(0x1F7) & 0x80
    assert memory(bench, 0x20000, 512) == bytes(512)
    bench.outb(0x3F6, 4)
    bench.outb(0x3F6, 0)
    assert bench.inb(0x1F7) == 0x50


def test_without_bus_mastering_the_transfer_waits(bench: Any, ide: Piix3Ide) -> None:
    bench.pci.write_config(0, 0x04, 2, 0x0001)
    table(bench, (0x20000, 512 | EOT))
    start(bench, READ_DMA, 1, 1)
    bench.advance(1000)
    assert bench.inb(BM + 2) == ACTIVE
    bench.pci.write_config(0, 0x04, 2, 0x0005)
    bench.advance(0)
    assert bench.inb(BM + 2) == INTERRUPT


# -- errors -----------------------------------------------------------------------------------------------


def test_a_read_error_delivers_what_is_good(bench: Any, ide: Piix3Ide, disk: CountingDrive) -> None:
    disk.bad = 5
    table(bench, (0x20000, 4096 | EOT))
    start(bench, READ_DMA, 0, 8)
    bench.advance(0)
    assert bench.inb(BM + 2) == ACTIVE | INTERRUPT
    assert bench.inb(0x1F7) == 0x41
    assert (bench.inb(0x1F1), bench.inb(0x1F3), bench.inb(0x1F2)) == (0x40, 5, 3)
    assert memory(bench, 0x20000, 4096) == disk.data[: 5 * 512] + bytes(3 * 512)
    assert disk.reported


def test_a_write_error(bench: Any, ide: Piix3Ide, disk: CountingDrive) -> None:
    disk.bad = 1
    table(bench, (0x20000, 1024 | EOT))
    start(bench, WRITE_DMA, 0, 2, write=True)
    bench.advance(0)
    assert bench.inb(0x1F7) == 0x41
    assert bench.inb(0x1F1) == 0x04
    assert disk.reported


def test_write_without_cache_is_flushed_before_the_interrupt(
    bench: Any, ide: Piix3Ide, disk: CountingDrive
) -> None:
    bench.outb(0x1F1, 0x82)
    bench.outb(0x1F7, 0xEF)
    flushes = disk.flushes
    table(bench, (0x20000, 512 | EOT))
    start(bench, WRITE_DMA, 0, 1, write=True)
    bench.advance(0)
    assert disk.flushes == flushes + 1


def test_machine_reset_in_mid_transfer(bench: Any, ide: Piix3Ide) -> None:
    table(bench, (0x20000, 512 | EOT))
    start(bench, READ_DMA, 0, 1)
    ide.reset()
    bench.advance(1000)
    assert memory(bench, 0x20000, 512) == bytes(512)
    assert not bench.irq_pin(14).level
    assert bench.inb(0x1F7) == 0x50


def test_save_and_load_in_mid_transfer(bench: Any, ide: Piix3Ide, disk: CountingDrive) -> None:
    table(bench, (0x20000, 1024 | EOT))
    start(bench, READ_DMA, 2, 2)
    saved = ide.save()
    ide.reset()
    bench.advance(1)
    ide.load(3, saved)
    assert ide.save() == saved
    bench.advance(0)
    assert bench.inb(BM + 2) == INTERRUPT
    assert memory(bench, 0x20000, 1024) == disk.data[1024:2048]


# -- hostile tables ---------------------------------------------------------------------------------------


def test_an_endless_table_of_tiny_pieces_ends(bench: Any, ide: Piix3Ide) -> None:
    bench.memory.write(0x10000, struct.pack("<II", 0x80000, 2) * 8192)
    bench.outl(BM + 4, 0x10000)
    start(bench, READ_DMA, 0, 256)
    bench.advance(0)
    assert bench.inb(BM + 2) == 0  # 16 KiB came, the drive waits for more
    assert bench.inb(0x1F7) & 0x80


def test_a_table_nowhere_or_at_the_end_of_memory(bench: Any, ide: Piix3Ide) -> None:
    for address in (0xE0000000, 0xFFFFFFFC, 0xFFFF8):
        bench.outl(BM + 4, address)
        start(bench, READ_DMA, 0, 1)
        bench.advance(0)
        bench.outb(BM, 0)
        bench.outb(0x3F6, 4)
        bench.outb(0x3F6, 0)
    assert bench.inb(0x1F7) == 0x50


def test_registers_and_rom_are_reached_within_limits(bench: Any, ide: Piix3Ide, disk: CountingDrive) -> None:
    stores: list[int] = []
    bench.memory.map(0x200000, Mmio(0x100000, lambda _w, _o: 0xAB, lambda w, _o, _v: stores.append(w)))
    bench.memory.map(0x300000, Ram(RamBlock("rom", 4096), readonly=True))
    table(bench, (0x200000, 512), (0x300000, 512 | EOT))
    start(bench, READ_DMA, 0, 2)
    bench.advance(0)
    assert bench.inb(BM + 2) == INTERRUPT
    assert stores == [4] * 128
    start(bench, WRITE_DMA, 0, 2, write=True)
    bench.outb(BM, 0)
    bench.outb(BM, 1)
    bench.advance(0)
    assert disk.data[:1024] == b"\xab\0\0\0" * 128 + bytes(512)
    disk.insert(bytes(4 << 20))
    bench.inb(0x1F7)
    bench.outb(BM, 0)
    table(bench, *[(0x200000, 0)] * 64, at=TABLE)
    for port, value in ((0x1F2, 16), (0x1F3, 0), (0x1F4, 0)):  # upper bytes: 4096 sectors from 0
        bench.outb(port, value)
    start(bench, READ_DMA_EXT, 0, 0)
    bench.advance(0)
    assert bench.inb(BM + 2) == ERROR
    assert bench.inb(0x1F7) & 0x80


# -- ATAPI ------------------------------------------------------------------------------------------------


def test_packet_read_by_dma(bench: Any, ide: Piix3Ide, disk: CountingDrive) -> None:
    bench.memory.write(TABLE, struct.pack("<IIII", 0x20000, 3000, 0x30000, 1096 | EOT))
    bench.outl(BM + 12, TABLE)
    bench.outb(0x176, 0xA0)
    bench.outb(0x171, 1)
    bench.outb(0x177, 0xA0)
    for word in struct.unpack("<6H", bytes((0x28, 0, 0, 0, 0, 7, 0, 0, 2, 0, 0, 0))):
        bench.outw(0x170, word)
    assert bench.inb(0x177) & 0x80
    bench.outb(BM + 8, 9)
    bench.advance(0)
    assert bench.inb(BM + 10) == INTERRUPT
    assert bench.irq_pin(15).level
    assert (bench.inb(0x177), bench.inb(0x172)) == (0x50, 3)
    data = memory(bench, 0x20000, 3000) + memory(bench, 0x30000, 1096)
    assert data == disk.data[7 * 2048 : 9 * 2048]


def test_packet_reply_shorter_than_the_table(bench: Any, ide: Piix3Ide) -> None:
    bench.memory.write(TABLE, struct.pack("<II", 0x20000, 512 | EOT))
    bench.outl(BM + 12, TABLE)
    bench.outb(BM + 8, 9)
    bench.outb(0x171, 1)
    bench.outb(0x177, 0xA0)
    for word in struct.unpack("<6H", bytes((0x25,)) + bytes(11)):
        bench.outw(0x170, word)
    bench.advance(0)
    assert bench.inb(BM + 10) == ACTIVE | INTERRUPT
    assert memory(bench, 0x20000, 8) == struct.pack(">II", 255, 2048)
