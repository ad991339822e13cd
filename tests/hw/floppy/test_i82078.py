"""The floppy controller as a driver sees it: registers, commands, DMA and PIO transfers, errors."""

from __future__ import annotations

import pytest
from bench import Bench
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pyqemu.block import MemoryDrive
from pyqemu.core.state import StateError
from pyqemu.hw.dma.i8237 import I8237
from pyqemu.hw.floppy.i82078 import I82078

SRB, DOR, TDR, MSR, FIFO, DIR = 0x3F1, 0x3F2, 0x3F3, 0x3F4, 0x3F5, 0x3F7
BUFFER = 0x10000
DISK = b"".join(bytes([n & 0xFF, n >> 8]) * 256 for n in range(2880))
READ, WRITE, READ_DELETED, WRITE_DELETED, READ_TRACK, FORMAT = 0xE6, 0xC5, 0x4C, 0xC9, 0x42, 0x4D
VERIFY = 0xF6
TO_MEMORY, FROM_MEMORY = 0x46, 0x4A


def sector(cylinder, head, number):
    """What sector it is, as every word of the test disk says."""
    n = (cylinder * 2 + head) * 18 + number - 1
    return bytes([n & 0xFF, n >> 8]) * 256


class Driver:
    """A guest's driver."""

    def __init__(self, bench, **props):
        self.bench = bench
        bench.plug(I8237())
        self.disk = MemoryDrive(DISK)
        self.chip = bench.plug(I82078(**{"drive_a": self.disk, **props}))
        self.inb, self.outb = bench.inb, bench.outb

    def send(self, *command):
        for byte in command:
            assert self.inb(MSR) & 0xC0 == 0x80
            self.outb(FIFO, byte)

    def answer(self):
        data = []
        while self.inb(MSR) & 0xC0 == 0xC0:
            data.append(self.inb(FIFO))
        return data

    def do(self, *command):
        self.send(*command)
        self.bench.advance(1_000_000)
        return self.answer()

    def dma(self, length, mode, address=BUFFER):
        count = length - 1
        for port, value in (
            (0x0A, 6), (0x0C, 0), (0x0B, mode), (4, address & 0xFF), (4, address >> 8 & 0xFF),
            (0x81, address >> 16), (5, count & 0xFF), (5, count >> 8), (0x0A, 2),
        ):  # fmt: skip
            self.outb(port, value)

    def transfer(self, code, c, h, r, *, length=512, mode=TO_MEMORY, eot=18, n=2, unit=0, last=0xFF):
        self.dma(length, mode)
        return self.do(code, h << 2 | unit, c, h, r, n, eot, 0x1B, last)

    def memory(self, length=512):
        return self.bench.memory.read(BUFFER, length)

    @property
    def irq(self):
        return self.bench.irq_pin(6).level


@pytest.fixture
def fdc(bench):
    return Driver(bench)


@pytest.fixture
def empty(bench):
    driver = Driver(bench, drive_a=MemoryDrive(None))
    return driver


# -- registers ----------------------------------------------------------------------------------------


def test_registers_after_reset_are_those_of_the_board(empty, bench):
    """The fdc.* keys of the reference probe, recorded with an empty drive; 3F6 is the disk controller's."""
    assert [bench.inb(port) for port in range(0x3F0, 0x3F8)] == [0xFF, 0xC0, 0x0C, 0, 0x80, 0, 0xFF, 0x80]
    bench.outb(DOR, 0)
    assert bench.inb(MSR) == 0x80
    bench.outb(DOR, 0x0C)
    assert (bench.inb(DOR), bench.inb(MSR)) == (0x0C, 0x80)
    assert [empty.do(0x08) for _ in range(5)] == [[0x80]] * 5
    assert empty.do(0x10) == [0x90]
    assert empty.do(0x18) == [0x41]
    assert empty.do(0x0E) == [0, 0, 0, 0, 0, 1, 0xFF, 0, 0x60, 0]
    assert empty.do(0x04, 0) == [0x78]
    assert empty.do(0x04, 1) == [0x79]
    bench.outb(DOR, 0x1C)
    assert [bench.inb(port) for port in (DIR, 0x3F0, SRB, TDR)] == [0x80, 0xFF, 0xC1, 0]


def test_with_a_disk_in(fdc):
    assert fdc.do(0x0E)[6] == 18
    assert fdc.do(0x04, 0) == [0x38]
    assert fdc.do(0x04, 4) == [0x3C]
    fdc.disk.read_only = True
    assert fdc.do(0x04, 0) == [0x78]


def test_read_back_masks(bench, fdc):
    bench.outb(TDR, 0xFF)
    assert bench.inb(TDR) == 0x03
    bench.outb(DOR, 0x3D)
    assert (bench.inb(DOR), bench.inb(SRB)) == (0x3D, 0xE3)
    bench.outw(0x3F0, 0xFFFF)
    assert bench.inw(0x3F2) == 0x033D
    assert bench.inl(0x3F2) == 0x0080_033D


def test_reset_interrupts_and_wants_four_senses(bench, fdc):
    bench.outb(DOR, 0x00)
    assert not fdc.irq
    bench.outb(DOR, 0x0C)
    assert fdc.irq
    assert [fdc.do(0x08) for _ in range(5)] == [[0xC0, 0], [0xC1, 0], [0xC2, 0], [0xC3, 0], [0x80]]
    assert not fdc.irq
    bench.outb(MSR, 0x80)  # the DSR's reset ends by itself
    assert fdc.irq
    assert fdc.do(0x08) == [0xC0, 0]


def test_the_gate_bit_holds_the_interrupt_back(bench, fdc):
    bench.outb(DOR, 0x00)
    bench.outb(DOR, 0x04)
    assert not fdc.irq
    bench.outb(DOR, 0x0C)
    assert fdc.irq


def test_writes_during_reset_are_dropped(bench, fdc):
    bench.outb(DOR, 0x08)
    bench.outb(FIFO, 0x10)
    bench.outb(DOR, 0x0C)
    assert bench.inb(MSR) == 0x80


def test_reset_in_the_middle_of_anything(bench, fdc):
    for partial in ([0xE6, 0, 0], [0x0F, 0, 9], [0x10], [0xE6, 0, 0, 0, 1, 2, 18, 0x1B, 0xFF]):
        fdc.send(*partial)
        bench.outb(DOR, 0x08)
        bench.outb(DOR, 0x0C)
        assert bench.inb(MSR) == 0x80
        bench.advance(10_000_000)
        assert fdc.do(0x08) == [0xC0, 0]


# -- commands without data ----------------------------------------------------------------------------


@pytest.mark.parametrize("code", [0x00, 0x01, 0x0B, 0x1F, 0x34, 0xAD, 0xFF])
def test_unknown_commands(fdc, code):
    assert fdc.do(code) == [0x80]


def test_seek_takes_time_and_interrupts(bench, fdc):
    assert bench.inb(DIR) == 0x80  # the disk has not been looked at yet
    fdc.send(0x0F, 0, 5)
    assert (bench.inb(MSR), fdc.irq) == (0x81, False)
    bench.advance(1_000_000)
    assert fdc.irq
    assert fdc.do(0x08) == [0x20, 5]
    assert (bench.inb(MSR), bench.inb(DIR), fdc.irq) == (0x80, 0, False)
    assert fdc.do(0x08) == [0x80]
    assert fdc.do(0x04, 0) == [0x28]
    fdc.do(0x07, 0)
    assert fdc.irq
    assert fdc.do(0x08) == [0x20, 0]


def test_two_drives_seek_at_once(bench):
    fdc = Driver(bench, drive_b=MemoryDrive(DISK))
    fdc.send(0x0F, 0, 5)
    fdc.send(0x0F, 1, 7)
    assert bench.inb(MSR) == 0x83
    bench.advance(1_000_000)
    edges = bench.edges[6]
    assert fdc.do(0x08) == [0x20, 5]
    assert bench.edges[6] == edges + 1
    assert fdc.do(0x08) == [0x21, 7]
    assert not fdc.irq
    assert fdc.do(0x0E)[:4] == [5, 7, 0, 0]


def test_relative_seeks_and_their_ends(fdc):
    def where(*command):
        fdc.do(*command)
        return fdc.do(0x08)

    assert where(0xCF, 0, 30) == [0x20, 30]
    assert where(0x8F, 0, 10) == [0x20, 20]
    assert where(0x8F, 0, 200) == [0x20, 0]
    assert where(0xCF, 0, 255) == [0x20, 255]
    assert where(0x07, 0) == [0x70, 176]  # recalibrate gives up after 79 steps
    assert where(0x0F, 0, 83) == [0x20, 83]


def test_specify_configure_lock_and_perpendicular_show_in_the_registers(bench, fdc):
    assert fdc.do(0x03, 0xAF, 0x04) == []
    assert fdc.do(0x13, 0, 0x57, 0x22) == []
    assert fdc.do(0x12, 0x87) == []
    assert fdc.do(0x0E) == [0, 0, 0, 0, 0xAF, 0x04, 18, 0x07, 0x57, 0x22]
    assert fdc.do(0x12, 0x0A) == []  # without the overwrite bit only gap and gate change
    assert fdc.do(0x94) == [0x10]
    assert fdc.do(0x0E)[7:] == [0x86, 0x57, 0x22]
    bench.outb(MSR, 0x80)
    assert fdc.do(0x0E)[7:] == [0x84, 0x57, 0x22]
    assert fdc.do(0x14) == [0x00]
    bench.outb(MSR, 0x80)
    assert fdc.do(0x0E)[7:] == [0x04, 0x70, 0x00]


def test_save_and_restore(fdc):
    fdc.do(0x03, 0xAF, 0x04)
    fdc.do(0x13, 0, 0x57, 0x22)
    saved, registers = fdc.do(0x2E), fdc.do(0x0E)
    assert len(saved) == 15
    fdc.do(0x03, 0x11, 0x01)
    fdc.do(0x13, 0, 0, 0)
    assert fdc.do(0x4E, *saved, 0, 0) == []
    assert fdc.do(0x0E) == registers
    assert fdc.transfer(READ, 0, 0, 1)[0] == 0  # by DMA again


def test_82078_extras(fdc):
    assert fdc.do(0x33, 0) == []
    assert fdc.do(0x17, 0x02) == [0x02]
    assert fdc.do(0x8E, 0x05, 0x2A, 0x80) == [0x05, 0x0A, 0, 0]
    assert fdc.do(0x8E, 0xC0) == []
    assert fdc.do(0x10) == [0x90]


# -- reading ------------------------------------------------------------------------------------------


def test_read_with_dma_and_its_interrupt(bench, fdc):
    fdc.dma(1024, TO_MEMORY)
    fdc.send(READ, 0, 0, 0, 3, 2, 18, 0x1B, 0xFF)
    assert (bench.inb(MSR), fdc.irq) == (0x10, False)
    bench.advance(1_000_000)
    assert (bench.inb(MSR), fdc.irq) == (0xD0, True)
    assert bench.inb(FIFO) == 0
    assert not fdc.irq
    assert fdc.answer() == [0, 0, 0, 0, 5, 2]
    assert fdc.memory(1024) == sector(0, 0, 3) + sector(0, 0, 4)
    assert bench.inb(0x08) & 0x44 == 0x04  # terminal count, and no request any more


# (MT, head, sector, sectors) → result; 82077AA table 5-6
END_CASES = [
    ("mt", 0, 1, 1, [0x00, 0, 0, 0, 0, 2, 2]),
    ("mt", 0, 18, 1, [0x04, 0, 0, 0, 1, 1, 2]),
    ("mt", 1, 18, 1, [0x00, 0, 0, 1, 0, 1, 2]),
    ("mt", 0, 15, 8, [0x04, 0, 0, 0, 1, 5, 2]),
    ("mt", 1, 17, 3, [0x40, 0x80, 0, 1, 0, 1, 2]),
    ("", 0, 18, 1, [0x00, 0, 0, 1, 0, 1, 2]),
    ("", 1, 17, 1, [0x04, 0, 0, 0, 1, 18, 2]),
    ("", 0, 17, 3, [0x40, 0x80, 0, 1, 0, 1, 2]),
]


@pytest.mark.parametrize(("mt", "head", "first", "count", "result"), END_CASES)
def test_where_a_read_ends(fdc, mt, head, first, count, result):
    assert fdc.transfer(READ if mt else READ & 0x7F, 0, head, first, length=512 * count) == result
    assert fdc.memory() == sector(0, head, first)


def test_a_whole_cylinder_in_one_command(fdc):
    assert fdc.transfer(READ, 3, 0, 1, length=36 * 512) == [0x20, 0, 0, 4, 0, 1, 2]
    assert fdc.memory(36 * 512) == DISK[3 * 36 * 512 : 4 * 36 * 512]


def test_implied_seek_is_a_matter_of_configuration(bench, fdc):
    assert fdc.transfer(READ, 40, 1, 7)[0] == 0x24
    assert fdc.memory() == sector(40, 1, 7)
    assert bench.inb(DIR) == 0
    fdc.do(0x13, 0, 0x20, 0)
    assert fdc.transfer(READ, 3, 0, 1) == [0x40, 0x04, 0x10, 3, 0, 1, 2]
    assert fdc.transfer(READ, 0xFF, 0, 1)[:3] == [0x40, 0x04, 0x02]
    fdc.do(0x0F, 0, 3)
    fdc.do(0x08)
    assert fdc.transfer(READ, 3, 0, 1)[0] == 0


@pytest.mark.parametrize(
    ("c", "h", "r", "n", "status"),
    [
        (0, 0, 19, 2, [0x40, 4, 0]),
        (0, 0, 0, 2, [0x40, 4, 0]),
        (0, 0, 1, 1, [0x40, 4, 0]),
        (80, 0, 1, 2, [0x60, 1, 0]),
    ],
)
def test_sectors_that_are_not_there(fdc, c, h, r, n, status):
    assert fdc.transfer(READ, c, h, r, n=n)[:3] == status


def test_the_head_in_the_id_must_be_the_selected_one(fdc):
    assert fdc.do(READ, 0, 0, 1, 1, 2, 18, 0x1B, 0xFF)[:3] == [0x40, 4, 0]


def test_no_disk_and_no_drive(fdc, bench):
    fdc.disk.eject()
    assert fdc.transfer(READ, 0, 0, 1)[:3] == [0x40, 1, 0]
    assert fdc.transfer(WRITE, 0, 0, 1, mode=FROM_MEMORY)[:3] == [0x40, 1, 0]
    assert fdc.transfer(READ, 0, 0, 1, unit=1)[:3] == [0x41, 1, 0]
    assert fdc.do(0x4A, 0)[:3] == [0x40, 1, 0]
    assert bench.inb(DIR) == 0x80


def test_changing_the_disk_raises_the_change_signal(bench, fdc):
    fdc.do(0x0F, 0, 1)
    assert bench.inb(DIR) == 0
    fdc.disk.insert(b"B" * 737280)
    assert bench.inb(DIR) == 0x80
    bench.outb(DIR, 2)  # 250 kbit/s
    assert fdc.transfer(READ, 0, 0, 9)[0] == 0x20
    assert fdc.memory() == b"B" * 512
    assert fdc.transfer(READ, 0, 0, 10)[:3] == [0x40, 4, 0]


def test_the_data_rate_must_fit_the_disk(bench, fdc):
    bench.outb(DIR, 2)
    assert fdc.transfer(READ, 0, 0, 1)[:3] == [0x40, 1, 0]
    assert fdc.do(0x4A, 0)[:3] == [0x40, 1, 0]
    bench.outb(MSR, 0)
    assert fdc.transfer(READ, 0, 0, 1)[0] == 0


def test_an_old_board_does_not_check_the_rate(bench):
    fdc = Driver(bench, check_media_rate="off")
    bench.outb(DIR, 3)
    assert fdc.transfer(READ, 0, 0, 1)[0] == 0


def test_read_id_tells_the_sector_that_comes_by(bench, fdc):
    fdc.do(0x0F, 0, 2)
    fdc.do(0x08)
    first = fdc.do(0x4A, 4)
    assert first[:5] == [0x04, 0, 0, 2, 1]
    seen = {fdc.do(0x4A, 4)[5] for _ in range(18) if bench.advance(10_111_111) is None}
    assert seen == set(range(1, 19))


def test_read_deleted_finds_no_deleted_data(fdc):
    assert fdc.transfer(READ_DELETED, 0, 0, 5, length=1024) == [0, 0, 0x40, 0, 0, 5, 2]
    assert fdc.memory() == sector(0, 0, 5)
    assert fdc.transfer(READ_DELETED | 0x20, 0, 0, 5)[:3] == [0x40, 0x80, 0x40]


def test_read_track_takes_sectors_as_they_come(fdc):
    assert fdc.transfer(READ_TRACK, 0, 0, 1, length=4 * 512, eot=4)[:3] == [0, 0, 0]
    assert fdc.memory(2048) == DISK[:2048]
    assert fdc.transfer(READ_TRACK, 0, 0, 9, length=1024, eot=18)[:3] == [0, 0, 0]
    assert fdc.memory(1024) == DISK[:1024]
    assert fdc.transfer(READ_TRACK, 0, 0, 1, length=512, eot=0)[0] == 0
    assert fdc.transfer(READ_TRACK, 0, 0, 1, length=0x10000, eot=255)[:3] == [0x40, 5, 0]


def test_verify_needs_no_host(bench, fdc):
    assert fdc.do(VERIFY, 0, 0, 0, 1, 2, 18, 0x1B, 0xFF) == [0, 0, 0, 1, 0, 1, 2]
    assert fdc.do(VERIFY, 0x80, 0, 0, 17, 2, 18, 0x1B, 3) == [4, 0, 0, 0, 1, 2, 2]
    assert fdc.do(VERIFY, 0x80, 0, 0, 1, 2, 18, 0x1B, 37)[:3] == [0x40, 0x80, 0]
    assert fdc.do(VERIFY, 0, 0, 0, 1, 2, 19, 0x1B, 0)[:3] == [0x40, 4, 0]
    assert bench.inb(0x08) == 0


# -- writing ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [WRITE, WRITE_DELETED])
def test_write_with_dma(bench, fdc, code):
    bench.memory.write(BUFFER, b"W" * 512 + b"X" * 512)
    assert fdc.transfer(code, 0, 0, 18, length=1024, mode=FROM_MEMORY) == [4, 0, 0, 0, 1, 2, 2]
    assert fdc.disk.data[17 * 512 : 19 * 512] == b"W" * 512 + b"X" * 512
    assert fdc.disk.data[19 * 512 :] == DISK[19 * 512 :]


def test_a_short_write_fills_its_sector_with_zeros(bench, fdc):
    bench.memory.write(BUFFER, b"W" * 512)
    assert fdc.transfer(WRITE, 0, 0, 1, length=100, mode=FROM_MEMORY)[:2] == [0, 0]
    assert fdc.disk.data[:512] == b"W" * 100 + bytes(412)


def test_write_protect(fdc):
    fdc.disk.read_only = True
    for command in (WRITE, WRITE_DELETED):
        assert fdc.transfer(command, 0, 0, 1, mode=FROM_MEMORY)[:3] == [0x40, 2, 0]
    assert fdc.do(FORMAT, 0, 2, 18, 0x54, 0xF6)[:3] == [0x40, 2, 0]
    assert fdc.disk.data == DISK


def test_format_fills_the_sectors_it_names(bench, fdc):
    ids = bytes(b for r in (3, 1, 2) for b in (0, 1, r, 2))
    bench.memory.write(BUFFER, ids)
    fdc.dma(len(ids), FROM_MEMORY)
    assert fdc.do(FORMAT, 4, 2, 3, 0x54, 0xF6)[:3] == [4, 0, 0]
    assert fdc.disk.data[18 * 512 : 21 * 512] == b"\xf6" * 3 * 512
    assert fdc.disk.data[: 18 * 512] + fdc.disk.data[21 * 512 :] == DISK[: 18 * 512] + DISK[21 * 512 :]
    bench.memory.write(BUFFER, bytes([5, 0, 1, 2, 0, 0, 99, 2]))  # no place for such sectors
    fdc.dma(8, FROM_MEMORY)
    assert fdc.do(FORMAT, 0, 2, 2, 0x54, 0xF6)[:3] == [0, 0, 0]
    assert fdc.disk.data[: 18 * 512] == DISK[: 18 * 512]
    assert fdc.do(FORMAT, 0, 2, 0, 0x54, 0xF6)[:3] == [0, 0, 0]


SCAN_CASES = [
    (0x11, b"\0\0", 0, 0x08), (0x11, b"\1\0", 0, 0x04), (0x11, b"\xff\0", 0, 0x08),
    (0x19, b"\1\0", 0, 0x00), (0x19, b"\0\0", 0, 0x08), (0x1D, b"\0\0", 1, 0x00), (0x1D, b"\5\0", 0, 0x04),
]  # fmt: skip


@pytest.mark.parametrize(("code", "wanted", "skip", "status2"), SCAN_CASES)
def test_scans_compare_disk_and_memory(bench, fdc, code, wanted, skip, status2):
    bench.memory.write(BUFFER, wanted * 256)
    result = fdc.transfer(0x40 | code, 0, 0, 1 + skip, mode=FROM_MEMORY, last=1)
    assert result[:3] == [0, 0, status2]


def test_a_scan_goes_on_until_it_hits(bench, fdc):
    bench.memory.write(BUFFER, b"\5\0" * 256 * 18)
    assert fdc.transfer(0x51, 0, 0, 1, length=18 * 512, mode=FROM_MEMORY, last=1) == [0, 0, 8, 0, 0, 6, 2]
    assert fdc.transfer(0x51, 0, 0, 1, length=18 * 512, mode=FROM_MEMORY, last=2)[:3] == [0x40, 0x80, 4]


# -- DMA and PIO --------------------------------------------------------------------------------------


def test_a_masked_channel_keeps_the_command_waiting(bench, fdc):
    fdc.dma(512, TO_MEMORY)
    bench.outb(0x0A, 6)
    assert fdc.do(READ, 0, 0, 0, 1, 2, 18, 0x1B, 0xFF) == []
    assert (bench.inb(MSR), bench.inb(0x08)) == (0x10, 0x40)
    saved = fdc.chip.save()
    fdc.chip.reset()
    assert bench.inb(0x08) == 0
    fdc.chip.load(2, saved)
    assert fdc.chip.save() == saved
    bench.advance(0)
    bench.outb(0x0A, 2)
    assert fdc.answer() == [0, 0, 0, 0, 0, 2, 2]
    assert fdc.memory() == sector(0, 0, 1)


def test_a_channel_set_up_for_something_else_is_an_overrun(fdc):
    assert fdc.transfer(READ, 0, 0, 1, mode=FROM_MEMORY)[:3] == [0x40, 0x10, 0]
    assert fdc.transfer(WRITE, 0, 0, 1, mode=TO_MEMORY)[:3] == [0x40, 0x10, 0]
    assert fdc.disk.data == DISK


def test_a_closed_gate_holds_dma_back(bench, fdc):
    bench.outb(DOR, 0x04)
    assert fdc.transfer(READ, 0, 0, 1) == []
    bench.outb(DOR, 0x0C)
    assert fdc.answer()[0] == 0


def test_reading_through_the_fifo(bench, fdc):
    fdc.do(0x03, 0xAF, 0x03)
    assert fdc.do(0x0E)[5] == 0x03
    fdc.send(0x46, 0, 0, 0, 1, 2, 2, 0x1B, 0xFF)
    bench.advance(1_000_000)
    assert (bench.inb(MSR), fdc.irq) == (0xF0, True)
    bench.outb(FIFO, 0x55)  # nobody takes this
    data = bytes(bench.inb(FIFO) for _ in range(1024))
    assert data == DISK[:1024]
    assert bench.inb(MSR) == 0xD0
    assert fdc.answer() == [0x40, 0x80, 0, 1, 0, 1, 2]  # there is no terminal count in this mode
    assert not fdc.irq


def test_writing_through_the_fifo_and_a_save_on_the_way(bench, fdc):
    fdc.do(0x13, 0, 0x4F, 0)
    fdc.do(0x03, 0xAF, 0x03)
    fdc.send(WRITE & 0x7F, 0, 0, 0, 1, 2, 1, 0x1B, 0xFF)
    bench.advance(1_000_000)
    assert (bench.inb(MSR), bench.inb(FIFO)) == (0xB0, 0)
    edges = bench.edges[6]
    for n in range(256):
        bench.outb(FIFO, n)
    assert bench.edges[6] == edges + 16  # one for each load of the FIFO
    saved = fdc.chip.save()
    fdc.chip.reset()
    fdc.chip.load(2, saved)
    assert fdc.chip.save() == saved
    assert fdc.irq
    for n in range(256):
        bench.outb(FIFO, n)
    assert fdc.answer()[:2] == [0x40, 0x80]
    assert fdc.disk.data[:512] == bytes(range(256)) * 2


def test_formatting_through_the_fifo(bench, fdc):
    fdc.do(0x03, 0xAF, 0x01)
    fdc.send(FORMAT, 0, 2, 1, 0x54, 0x11)
    bench.advance(1_000_000)
    for byte in (0, 0, 1, 2):
        bench.outb(FIFO, byte)
    assert fdc.answer()[0] == 0
    assert fdc.disk.data[:513] == b"\x11" * 512 + b"\1"


# -- the host's side ----------------------------------------------------------------------------------


def test_host_errors_become_data_errors_and_are_reported(fdc):
    fdc.disk.error = OSError(5, "Input/output error")
    assert fdc.transfer(READ, 0, 0, 1)[:3] == [0x40, 0x20, 0x20]
    assert fdc.transfer(WRITE, 0, 0, 1, mode=FROM_MEMORY)[:3] == [0x40, 0x20, 0x20]
    assert fdc.do(VERIFY, 0, 0, 0, 1, 2, 18, 0x1B, 0xFF)[:3] == [0x40, 0x20, 0x20]
    assert [text.split(":")[0] for text in fdc.disk.reported] == ["read", "write", "read"]


def test_an_image_shorter_than_its_disk(bench):
    fdc = Driver(bench, drive_a=MemoryDrive(b"boot" * 128))
    assert fdc.transfer(READ, 0, 0, 1, length=1024)[0] == 0
    assert fdc.memory(1024) == b"boot" * 128 + bytes(512)
    assert fdc.transfer(WRITE, 0, 0, 2, mode=FROM_MEMORY)[:3] == [0x40, 4, 0]


@pytest.mark.parametrize(
    ("kib", "cylinders", "heads", "sectors", "cmos"),
    [(160, 40, 1, 8, 2), (180, 40, 1, 9, 2), (320, 40, 2, 8, 2), (360, 40, 2, 9, 2), (720, 80, 2, 9, 4),
     (1200, 80, 2, 15, 2), (1440, 80, 2, 18, 4), (1680, 80, 2, 21, 4), (2880, 80, 2, 36, 5), (999, 80, 2, 18, 4)],
)  # fmt: skip
def test_the_image_size_gives_the_format(bench, kib, cylinders, heads, sectors, cmos):
    fdc = Driver(bench, drive_a=MemoryDrive(bytes(kib * 1024)), check_media_rate=False)
    assert fdc.do(0x0E)[6] == sectors
    last = (cylinders - 1, heads - 1, sectors)
    assert fdc.transfer(READ, *last, eot=sectors)[1] == 0
    assert fdc.transfer(READ, last[0], last[1], sectors + 1, eot=99)[1] == 4
    assert fdc.transfer(READ, cylinders, 0, 1)[1] == 1
    assert fdc.chip.cmos_type(0) == cmos
    assert fdc.chip.cmos_type(1) == 0


def test_the_type_of_an_empty_drive_is_the_fallback(bench):
    chip = bench.plug(I82078(drive_a=MemoryDrive(None), drive_b=MemoryDrive(None), fdtype_b="288", fallback="120"))
    assert (chip.cmos_type(0), chip.cmos_type(1)) == (2, 5)


# -- saved state --------------------------------------------------------------------------------------


def test_a_seek_under_way_is_saved(bench, fdc):
    fdc.send(0x0F, 0, 9)
    saved = fdc.chip.save()
    fdc.chip.reset()
    bench.advance(1_000_000)
    assert not fdc.irq
    fdc.chip.load(2, saved)
    assert fdc.chip.save() == saved
    bench.advance(1_000_000)
    assert fdc.do(0x08) == [0x20, 9]


@pytest.mark.parametrize(
    "change",
    [{"phase": 2}, {"phase": 7}, {"result": b"\0"}, {"command": b"\x10"}, {"reset_interrupts": 5}, {"irq": 1}],
)
def test_states_that_cannot_be_are_refused(fdc, change):
    with pytest.raises(StateError, match="fdc"):
        fdc.chip.load(2, fdc.chip.save() | change)


@pytest.mark.parametrize(
    "change",
    [{"position": 600}, {"length": 513}, {"code": 0x42}, {"unit": 2}, {"code": 2}, {"code": 13, "length": 9}],
)
def test_transfers_that_cannot_be_are_refused(fdc, change):
    saved = fdc.chip.save()
    saved["phase"] = 1
    saved["transfer"] |= {"code": 6, "length": 512} | change
    with pytest.raises(StateError, match="fdc"):
        fdc.chip.load(2, saved)


PORTS = st.sampled_from([*range(0x3F0, 0x3F8), FIFO, FIFO, FIFO, FIFO, 0x0A])
COMMANDS = st.sampled_from(
    [READ, 0x46, WRITE, 0x4C, READ_TRACK, FORMAT, VERIFY, 0x51, 0x59, 0x5D, 0x07, 0x0F, 0x08]
)
STEP = st.one_of(
    st.tuples(st.just("out"), PORTS, st.integers(0, 255) | COMMANDS),
    st.tuples(st.just("in"), PORTS, st.sampled_from([1, 2, 4])),
    st.tuples(st.just("command"), COMMANDS, st.lists(st.integers(0, 20), min_size=8, max_size=8)),
    st.tuples(st.just("time"), st.integers(0, 10**6), st.none()),
    st.tuples(st.just("media"), st.sampled_from([None, b"", bytes(512), bytes(737280)]), st.none()),
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEP, max_size=20), pio=st.booleans())
def test_nothing_a_guest_does_raises(steps, pio):
    bench = Bench()
    fdc = Driver(bench, drive_b=MemoryDrive(bytes(368640)), check_media_rate=False)
    fdc.dma(3000, TO_MEMORY)
    if pio:
        fdc.do(0x03, 0, 1)
    for kind, what, value in steps:
        if kind == "out":
            bench.outb(what, value)
        elif kind == "in":
            bench.ports.read(what, value)
        elif kind == "time":
            bench.advance(what)
        elif kind == "media":
            fdc.disk.insert(what)
        else:
            for byte in (what, *value):
                bench.outb(FIFO, byte)
            bench.advance(50_000)
            for _ in range(520 if pio else 8):
                bench.inb(FIFO)
        saved = fdc.chip.save()
        fdc.chip.load(2, saved)
        assert fdc.chip.save() == saved
