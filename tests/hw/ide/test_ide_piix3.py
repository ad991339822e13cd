"""The PIIX3 IDE function as a guest probes it, and its disks by PIO."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pyqemu.block import MemoryDrive
from pyqemu.core.errors import ConfigError
from pyqemu.core.state import StateError
from pyqemu.hw.ide.isa import IsaIde
from pyqemu.hw.ide.piix3 import Piix3Ide

SECTORS = 131072  # 64 MiB, as in the recording


class SparseDrive(MemoryDrive):
    """64 MiB of zeros that cost nothing; keeps how often the host was asked."""

    def __init__(self, sectors: int = SECTORS) -> None:
        super().__init__(bytes(512 * 600))
        self.size = sectors * 512
        self.calls: list[tuple[str, int, int]] = []
        self.bad: set[int] = set()

    def _check(self, offset: int, length: int) -> bytearray:
        for sector in self.bad:
            if offset <= sector * 512 < offset + length:
                raise OSError(5, "Input/output error")
        return super()._check(offset, length)

    def read_into(self, offset: int, buffer: memoryview | bytearray) -> None:
        self.calls.append(("read", offset, len(buffer)))
        super().read_into(offset, buffer)

    def write(self, offset: int, data: bytes | bytearray | memoryview) -> None:
        self.calls.append(("write", offset, len(data)))
        super().write(offset, data)


def pattern(sector: int) -> bytes:
    return sector.to_bytes(4, "little") * 128


@pytest.fixture
def disk() -> SparseDrive:
    drive = SparseDrive()
    drive._data[:] = b"".join(pattern(i) for i in range(600))  # type: ignore[index]
    return drive


@pytest.fixture
def ide(bench: Any, disk: SparseDrive) -> Piix3Ide:
    controller = Piix3Ide(addr=9, ver="1.4.0")
    controller.attach_drive(0, 0, disk)
    controller.attach_drive(1, 0, MemoryDrive(None, media="cdrom", read_only=True), "ide-cd")
    bench.plug_pci(controller)
    return controller


def task_file(bench: Any, base: int, select: int) -> str:
    bench.outb(base + 6, select)
    return bytes(bench.inb(base + i) for i in range(1, 8)).hex()


def command(bench: Any, code: int, lba: int = 0, count: int = 1, *, feature: int = 0, select: int = 0xE0) -> int:
    """LBA28 command on the primary channel; returns the status."""
    for port, value in zip(
        range(0x1F1, 0x1F8),
        (feature, count & 0xFF, lba & 0xFF, lba >> 8 & 0xFF, lba >> 16 & 0xFF, select | lba >> 24, code),
        strict=True,
    ):
        if port == 0x1F6:
            continue
        if port == 0x1F7:
            bench.outb(0x1F6, select | lba >> 24)
        bench.outb(port, value)
    return int(bench.inb(0x1F7))


def command_ext(bench: Any, code: int, lba: int, count: int) -> int:
    bench.outb(0x1F6, 0xE0)
    for shift in (24, 0):
        bench.outb(0x1F2, (count >> 8 if shift else count) & 0xFF)
        for i, port in enumerate((0x1F3, 0x1F4, 0x1F5)):
            bench.outb(port, lba >> shift + 8 * i & 0xFF)
    bench.outb(0x1F7, code)
    return int(bench.inb(0x1F7))


def read_block(bench: Any, size: int = 512) -> bytes:
    return b"".join(bench.inw(0x1F0).to_bytes(2, "little") for _ in range(size // 2))


def identify_words(bench: Any) -> list[int]:
    assert command(bench, 0xEC) == 0x58
    data = read_block(bench)
    return [data[i] | data[i + 1] << 8 for i in range(0, 512, 2)]


# -- what the reference machine shows ---------------------------------------------------------------------

# Recorded from QEMU 7.2's pc-i440fx-1.4 with a 64 MiB disk and an empty CD drive; zeros behind.
DISK_IDENTIFY = bytes.fromhex(
    "4000820000001000007e00023f000000000000004d5130303030203120202020"
    "20202020202020200300000204002e312e34203020204551554d482052414444"
    "5349204b20202020202020202020202020202020202020202020202020201080"
    "0100000b0000000200020700820010003f00e0ff010010010000020007000700"
    "0300780078007800780000000000000000000000000000000000000000000000"
    "f00016002140007400402140003400403f200000000000000000016000000000"
    "0000000000000000000002000000000000000000006000000000000000000000"
).ljust(512, b"\0")


def test_task_files_after_reset_are_the_boards(bench: Any, ide: Piix3Ide) -> None:
    assert task_file(bench, 0x1F0, 0xA0) == "0001010000a050"
    assert bench.inb(0x3F6) == 0x50
    assert task_file(bench, 0x1F0, 0xB0) == "000101ffffb000"
    assert bench.inb(0x3F6) == 0x00
    assert task_file(bench, 0x170, 0xA0) == "00010114eba050"
    assert task_file(bench, 0x170, 0xB0) == "000101ffffb000"


def test_wide_reads_of_the_command_block(bench: Any, ide: Piix3Ide) -> None:
    assert [bench.inw(0x1F0 + i) for i in (0, 2, 4, 6)] == [0x0000, 0x0101, 0x0000, 0x50A0]
    assert (bench.inl(0x1F0), bench.inl(0x1F4), bench.inb(0x1F0)) == (0, 0xFFFFFFFF, 0)


def test_identify_is_the_recorded_one(bench: Any, ide: Piix3Ide) -> None:
    bench.outb(0x3F6, 2)
    assert command(bench, 0xEC, select=0xA0) == 0x58
    assert task_file_now(bench) == "0001000000a058"
    assert read_block(bench) == DISK_IDENTIFY
    assert task_file_now(bench) == "0001000000a050"


def task_file_now(bench: Any) -> str:
    return bytes(bench.inb(0x1F0 + i) for i in range(1, 8)).hex()


def test_identify_for_an_absent_slave_is_ignored(bench: Any, ide: Piix3Ide) -> None:
    bench.outb(0x1F6, 0xB0)
    bench.outb(0x1F7, 0xEC)
    assert task_file_now(bench) == "000101ffffb000"
    assert not bench.irq_pin(14).level


def test_a_channel_without_drives_reads_zero(bench: Any) -> None:
    bench.plug_pci(Piix3Ide())
    assert task_file(bench, 0x170, 0xA0) == "00" * 7
    assert (bench.inb(0x376), bench.inw(0x170), bench.inl(0x170)) == (0, 0, 0)
    bench.outb(0x177, 0x90)
    bench.outb(0x376, 4)
    bench.outb(0x376, 0)
    assert not bench.irq_pin(15).level


def test_pci_header(bench: Any, ide: Piix3Ide) -> None:
    header = bytes(bench.pci.read_config(9, i, 1) for i in range(0x40))
    assert header[:16].hex() == "86801070000080020080010100000000"
    assert header[0x20:0x30].hex() == "010000000000000000000000f41a0011"
    bench.pci.write_config(9, 0x20, 4, 0xFFFFFFFF)
    assert bench.pci.read_config(9, 0x20, 4) == 0xFFFFFFF1
    bench.pci.write_config(9, 0x40, 4, 0x80008000)
    assert bench.pci.read_config(9, 0x40, 4) == 0x80008000


def test_drive_labels(bench: Any) -> None:
    ide = Piix3Ide()
    drive = MemoryDrive(bytes(1 << 20))
    drive.serial = "ABC"
    ide.attach_drive(0, 0, drive)
    ide.attach_drive(0, 1, MemoryDrive(bytes(1 << 20)), ver="2.5+", model="MY DISK")
    bench.plug_pci(ide)
    words = identify_words(bench)
    assert b"".join(w.to_bytes(2, "big") for w in words[10:20]) == b"ABC".ljust(20)
    assert b"".join(w.to_bytes(2, "big") for w in words[23:27]) == b"1.0".ljust(8)
    bench.outb(0x1F6, 0xB0)
    bench.outb(0x1F7, 0xEC)
    data = read_block(bench)
    swapped = b"".join(data[i : i + 2][::-1] for i in range(0, 512, 2))
    assert swapped[20:40] == b"QM00002".ljust(20)
    assert swapped[46:54] == b"2.5+".ljust(8)
    assert swapped[54:94] == b"MY DISK".ljust(40)


def test_positions_are_checked() -> None:
    ide = Piix3Ide()
    ide.attach_drive(0, 0, MemoryDrive(bytes(512)))
    for channel, unit, kind in ((0, 0, "ide-hd"), (2, 0, "ide-hd"), (0, 2, "ide-hd"), (0, 1, "ide-dh")):
        with pytest.raises(ConfigError):
            ide.attach_drive(channel, unit, MemoryDrive(bytes(512)), kind)


# -- PIO --------------------------------------------------------------------------------------------------


def test_read_sectors_one_interrupt_a_block_and_one_host_call(bench: Any, ide: Piix3Ide, disk: SparseDrive) -> None:
    assert command(bench, 0x20, 5, 3) == 0x58
    for i in range(3):
        assert bench.edges[14] == i + 1
        assert bench.inb(0x1F7) == 0x58
        assert not bench.irq_pin(14).level
        assert read_block(bench) == pattern(5 + i)
    assert bench.inb(0x1F7) == 0x50
    assert bench.edges[14] == 3
    assert disk.calls == [("read", 5 * 512, 3 * 512)]
    assert bench.inb(0x1F2) == 0
    assert bench.inb(0x1F3) == 7


def test_string_reads_move_a_block_at_a_time(bench: Any, ide: Piix3Ide) -> None:
    reader = bench.ports.string_readers[0x1F0]
    command(bench, 0x20, 1, 2)
    assert reader(2, 100) + reader(2, 1000) == pattern(1)
    assert reader(4, 128) == pattern(2)
    assert reader(2, 1) == b""
    assert bench.inb(0x1F7) == 0x50


def test_byte_strings_and_byte_reads_take_no_data(bench: Any, ide: Piix3Ide) -> None:
    command(bench, 0x20, 1, 1)
    assert bench.ports.string_readers[0x1F0](1, 512) == b""
    assert bench.inb(0x1F0) == 0
    bench.outb(0x1F0, 1)
    assert read_block(bench) == pattern(1)


def test_dword_reads(bench: Any, ide: Piix3Ide) -> None:
    command(bench, 0x20, 9, 1)
    assert [bench.inl(0x1F0) for _ in range(128)] == [9] * 128
    assert bench.inb(0x1F7) == 0x50
    assert bench.inl(0x1F0) == 0


def test_count_zero_is_256_sectors(bench: Any, ide: Piix3Ide, disk: SparseDrive) -> None:
    command(bench, 0x20, 0, 0)
    blocks = 0
    while bench.inb(0x1F7) & 8:
        assert read_block_fast(bench) == pattern(blocks)
        blocks += 1
    assert blocks == 256
    assert len(disk.calls) == 1


def read_block_fast(bench: Any, size: int = 512) -> bytes:
    return bytes(bench.ports.string_readers[0x1F0](2, size // 2))


def test_read_multiple_groups_sectors(bench: Any, ide: Piix3Ide) -> None:
    assert command(bench, 0xC6, count=8) == 0x50
    command(bench, 0xC4, 2, 12)
    assert read_block_fast(bench, 8192) == b"".join(pattern(i) for i in range(2, 10))
    assert read_block_fast(bench, 8192) == b"".join(pattern(i) for i in range(10, 14))
    assert bench.inb(0x1F7) == 0x50


def test_set_multiple_zero_disables_and_odd_values_abort(bench: Any, ide: Piix3Ide) -> None:
    assert command(bench, 0xC6, count=3) == 0x41
    assert command(bench, 0xC6, count=32) == 0x41
    assert command(bench, 0xC6, count=0) == 0x50
    assert command(bench, 0xC4, 0, 1) == 0x41
    assert identify_words(bench)[59] == 0


def test_lba48_read_and_previous_content(bench: Any, ide: Piix3Ide) -> None:
    assert command_ext(bench, 0x24, 0x0101, 0x0101) == 0x58
    for i in range(0x101):
        assert read_block_fast(bench) == pattern(0x101 + i)
    assert bench.inb(0x1F7) == 0x50
    bench.outb(0x1F3, 0x12)
    bench.outb(0x1F3, 0x34)
    assert bench.inb(0x1F3) == 0x34
    bench.outb(0x3F6, 0x80)
    assert bench.inb(0x1F3) == 0x12
    bench.outb(0x1F2, 0)  # any write of the command block ends HOB reading
    assert bench.inb(0x1F3) == 0x34


def test_chs_and_initialize_parameters(bench: Any, ide: Piix3Ide) -> None:
    bench.outb(0x1F3, 3)  # cylinder 0, head 1, sector 3 of 16 * 63
    command(bench, 0x20, 3, 1, select=0xA1)
    assert read_block(bench) == pattern(63 + 2)
    assert command(bench, 0x91, 0, 17, select=0xA3) == 0x50  # four heads, 17 sectors
    command(bench, 0x20, 0x0101, 1, select=0xA2)  # cylinder 1, head 2, sector 1
    assert read_block(bench) == pattern((1 * 4 + 2) * 17)
    words = identify_words(bench)
    assert words[54:57] == [SECTORS // 68, 4, 17]
    assert command(bench, 0x20, 0, 1, select=0xA0) == 0x41  # there is no sector 0
    assert bench.inb(0x1F1) == 0x10
    assert command(bench, 0x20, 1, 1, select=0xA4) == 0x41  # nor a fifth head
    assert command(bench, 0x91, 0, 0, select=0xA3) == 0x41


def test_write_sectors(bench: Any, ide: Piix3Ide, disk: SparseDrive) -> None:
    assert command(bench, 0x30, 10, 2) == 0x58
    assert bench.edges[14] == 0
    for word in range(256):
        bench.outw(0x1F0, word)
    assert bench.edges[14] == 1
    assert bench.inb(0x1F7) == 0x58
    assert bench.ports.string_writers[0x1F0](2, b"\xa5" * 1000) == 512
    assert bench.inb(0x1F7) == 0x50
    assert disk.data[5120:6144] == b"".join(i.to_bytes(2, "little") for i in range(256)) + b"\xa5" * 512
    assert disk.calls == [("write", 5120, 1024)]
    assert disk.flushes == 0


def test_write_without_cache_is_flushed(bench: Any, ide: Piix3Ide, disk: SparseDrive) -> None:
    assert command(bench, 0xEF, feature=0x82) == 0x50
    flushes = disk.flushes
    command(bench, 0x30, 10, 1)
    bench.ports.string_writers[0x1F0](2, bytes(512))
    assert bench.inb(0x1F7) == 0x50
    assert disk.flushes == flushes + 1
    assert identify_words(bench)[85] == 0x4001


def test_write_multiple_and_dwords(bench: Any, ide: Piix3Ide, disk: SparseDrive) -> None:
    command_ext(bench, 0x39, 20, 16)
    for i in range(16 * 128):
        bench.outl(0x1F0, i)
    assert bench.inb(0x1F7) == 0x50
    assert disk.data[20 * 512 : 36 * 512] == b"".join(i.to_bytes(4, "little") for i in range(2048))


def test_past_the_end_is_idnf_and_moves_nothing(bench: Any, ide: Piix3Ide, disk: SparseDrive) -> None:
    assert command(bench, 0x20, SECTORS - 1, 2) == 0x41
    assert bench.inb(0x1F1) == 0x10
    assert command_ext(bench, 0x24, 1 << 47, 1) == 0x41
    assert command(bench, 0x70, SECTORS) == 0x41
    assert not disk.calls


def test_an_unreadable_sector_ends_the_command_there(bench: Any, ide: Piix3Ide, disk: SparseDrive) -> None:
    disk.bad = {12}
    command(bench, 0x20, 10, 8)
    assert read_block_fast(bench) == pattern(10)
    assert bench.inb(0x1F7) == 0x58
    assert read_block_fast(bench) == pattern(11)
    assert bench.inb(0x1F7) == 0x41
    assert bench.inb(0x1F1) == 0x40
    assert (bench.inb(0x1F3), bench.inb(0x1F2)) == (12, 6)
    assert disk.reported
    assert bench.inw(0x1F0) == 0


def test_a_failed_write_stores_what_it_can(bench: Any, ide: Piix3Ide, disk: SparseDrive) -> None:
    disk.bad = {31}
    command(bench, 0x30, 30, 3)
    for _ in range(3):
        bench.ports.string_writers[0x1F0](2, b"x" * 512)
    assert bench.inb(0x1F7) == 0x41
    assert bench.inb(0x1F1) == 0x04
    assert (bench.inb(0x1F3), bench.inb(0x1F2)) == (31, 2)
    assert disk.data[30 * 512 : 33 * 512] == b"x" * 512 + pattern(31) + pattern(32)
    assert disk.reported


def test_a_failed_flush_is_an_error(bench: Any, ide: Piix3Ide, disk: SparseDrive) -> None:
    disk.error = OSError(28, "No space left on device")
    assert command(bench, 0xE7) == 0x41
    assert disk.reported


def test_read_only_drives_refuse_writes(bench: Any) -> None:
    ide = Piix3Ide()
    ide.attach_drive(0, 0, MemoryDrive(bytes(1 << 20), read_only=True))
    bench.plug_pci(ide)
    assert command(bench, 0x30) == 0x41
    assert bench.inb(0x1F1) == 0x04


def test_commands_without_data(bench: Any, ide: Piix3Ide) -> None:
    for code in (0x10, 0x1F, 0x40, 0x41, 0x70, 0xE0, 0xE1, 0xE2, 0xE3, 0xE7, 0xEA):
        assert command(bench, code) == 0x50, hex(code)
    for code in (0x00, 0x08, 0xA0, 0xA1, 0xF1, 0xFF):
        assert command(bench, code) == 0x41, hex(code)
        assert bench.inb(0x1F1) == 0x04
    assert command_ext(bench, 0x42, 0, 600) == 0x50


def test_native_max(bench: Any, ide: Piix3Ide) -> None:
    assert command(bench, 0xF8, select=0xE0) == 0x50
    assert [bench.inb(p) for p in (0x1F3, 0x1F4, 0x1F5)] == [0xFF, 0xFF, 0x01]
    assert command(bench, 0x27, select=0xE0) == 0x50
    bench.outb(0x3F6, 0x80)
    assert [bench.inb(p) for p in (0x1F3, 0x1F4, 0x1F5)] == [0, 0, 0]


def test_power_modes(bench: Any, ide: Piix3Ide) -> None:
    command(bench, 0xE5, count=7)
    assert bench.inb(0x1F2) == 0xFF
    command(bench, 0xE0)
    command(bench, 0xE5)
    assert bench.inb(0x1F2) == 0x00
    command(bench, 0x20)
    read_block(bench)
    command(bench, 0xE5)
    assert bench.inb(0x1F2) == 0xFF
    command(bench, 0xE6)
    bench.outb(0x1F2, 9)
    bench.outb(0x1F7, 0xE5)  # asleep
    assert bench.inb(0x1F2) == 9
    bench.outb(0x3F6, 4)
    bench.outb(0x3F6, 0)
    command(bench, 0xE5)
    assert bench.inb(0x1F2) == 0xFF


def test_transfer_modes(bench: Any, ide: Piix3Ide) -> None:
    assert command(bench, 0xEF, count=0x22, feature=3) == 0x50
    words = identify_words(bench)
    assert (words[62], words[63], words[88]) == (0x0007, 0x0407, 0x003F)
    assert command(bench, 0xEF, count=0x46, feature=3) == 0x41
    assert command(bench, 0xEF, count=0x0C, feature=3) == 0x50
    assert command(bench, 0xEF, feature=0x77) == 0x41


def test_smart(bench: Any, ide: Piix3Ide) -> None:
    key = 0xC24F00
    assert command(bench, 0xB0, key, feature=0xDA) == 0x50
    assert (bench.inb(0x1F4), bench.inb(0x1F5)) == (0x4F, 0xC2)
    for sub in (0xD0, 0xD1):
        assert command(bench, 0xB0, key, feature=sub) == 0x58
        assert sum(read_block(bench)) & 0xFF == 0
    for log, status in ((0, 0x58), (1, 0x58), (6, 0x58), (9, 0x41)):
        assert command(bench, 0xB0, key | log, feature=0xD5) == status
        if status & 8:
            read_block(bench)
    assert command(bench, 0xB0, 0, feature=0xD0) == 0x41
    assert command(bench, 0xB0, key, feature=0xD9) == 0x50
    assert command(bench, 0xB0, key, feature=0xD0) == 0x41
    assert identify_words(bench)[85] & 1 == 0
    assert command(bench, 0xB0, key, feature=0xD8) == 0x50


# -- interrupts, resets -----------------------------------------------------------------------------------


def test_nien_holds_the_interrupt_back(bench: Any, ide: Piix3Ide) -> None:
    bench.outb(0x3F6, 2)
    bench.outb(0x1F7, 0xE7)
    assert not bench.irq_pin(14).level
    assert bench.inb(0x3F6) == 0x50  # the alternate status leaves it pending
    bench.outb(0x3F6, 0)
    assert bench.irq_pin(14).level
    bench.inb(0x1F7)
    assert not bench.irq_pin(14).level


def test_registers_do_not_change_while_data_moves(bench: Any, ide: Piix3Ide) -> None:
    command(bench, 0x20, 1, 1)
    bench.outb(0x1F2, 77)
    bench.outb(0x1F6, 0xB0)
    bench.outb(0x1F7, 0xEC)
    assert bench.inb(0x1F2) == 1
    assert read_block(bench) == pattern(1)


def test_software_reset_drops_the_command(bench: Any, ide: Piix3Ide) -> None:
    command(bench, 0x20, 1, 4)
    bench.inw(0x1F0)
    bench.outb(0x3F6, 4)
    assert bench.inb(0x1F7) == 0x80
    bench.outb(0x1F7, 0xEC)
    assert bench.inb(0x1F7) == 0x80
    bench.outb(0x3F6, 0)
    assert task_file_now(bench) == "01010100" + "00a050"
    assert bench.inw(0x1F0) == 0
    assert not bench.irq_pin(14).level


def test_diagnostics_reach_both_drives(bench: Any, ide: Piix3Ide) -> None:
    bench.outb(0x1F6, 0xB0)
    bench.outb(0x1F7, 0x90)
    assert bench.irq_pin(14).level
    assert task_file_now(bench) == "0101010000a050"
    bench.outb(0x177, 0x90)
    assert bytes(bench.inb(0x170 + i) for i in range(1, 8)).hex() == "01010114eba000"


def test_machine_reset_in_mid_transfer(bench: Any, ide: Piix3Ide) -> None:
    power_on = ide.save()
    command(bench, 0x30, 1, 4)
    bench.outw(0x1F0, 1)
    ide.reset()
    assert ide.save() == power_on
    assert task_file(bench, 0x1F0, 0xA0) == "0001010000a050"


# -- saved state ------------------------------------------------------------------------------------------


def test_save_and_load_in_mid_transfer(bench: Any, ide: Piix3Ide) -> None:
    command(bench, 0x20, 5, 3)
    head = [bench.inw(0x1F0) for _ in range(300)]
    saved = ide.save()
    rest = read_block(bench, 3 * 512 - 600)
    ide.reset()
    ide.load(3, saved)
    assert ide.save() == saved
    assert bench.irq_pin(14).level
    assert read_block(bench, 3 * 512 - 600) == rest
    assert bench.inb(0x1F7) == 0x50
    assert len(head) == 300


def test_bad_states_are_refused(bench: Any, ide: Piix3Ide) -> None:
    for field, value in (("unit", 2), ("position", 9), ("block_end", 9)):
        saved = ide.save()
        saved["channels"][0][field] = value
        with pytest.raises(StateError):
            ide.load(3, saved)


def test_isa_channel_does_pio_but_not_dma(bench: Any, disk: SparseDrive) -> None:
    ide = IsaIde(iobase=0x1F0, iobase2=0x3F6, irq=11)
    ide.attach_drive(0, 0, disk)
    bench.plug(ide)
    assert command(bench, 0x20, 3) == 0x58
    assert bench.edges[11] == 1
    assert read_block(bench) == pattern(3)
    assert command(bench, 0xC8, 3) == 0x41
    saved = ide.save()
    ide.load(3, saved)
    assert ide.save() == saved
    assert ide.type == "isa-ide"


def test_second_isa_channel_numbers_its_drives_from_three(bench: Any) -> None:
    ide = IsaIde(iobase=0x170, iobase2=0x376, irq=15)
    device = ide.attach_drive(0, 0, MemoryDrive(None), "ide-cd")
    assert device.label.serial == "QM00003"


# -- hostile guests ---------------------------------------------------------------------------------------

PORTS = [*range(0x1F0, 0x1F8), 0x3F6, *range(0x170, 0x178), 0x376, *range(0xC000, 0xC010)]
INTERESTING = [0x00, 0x20, 0x24, 0x25, 0x30, 0x35, 0xA0, 0xA1, 0xB0, 0xC4, 0xC5, 0xC8, 0xCA, 0xEC, 0xEF, 0x09, 0xFF]


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(PORTS),
            st.sampled_from((1, 1, 1, 2, 4)),
            st.one_of(st.none(), st.sampled_from(INTERESTING), st.integers(0, 0xFFFFFFFF)),
        ),
        max_size=80,
    ),
    st.randoms(use_true_random=False),
)
def test_nothing_a_guest_does_raises(bench: Any, accesses: list[tuple[int, int, int | None]], random: Any) -> None:
    fresh = type(bench)()
    ide = Piix3Ide()
    ide.attach_drive(0, 0, MemoryDrive(bytes(64 << 10)))
    ide.attach_drive(1, 0, MemoryDrive(bytes(64 << 10), media="cdrom", read_only=True), "ide-cd")
    fresh.plug_pci(ide)
    fresh.pci.write_config(0, 0x20, 4, 0xC000)
    fresh.pci.write_config(0, 4, 2, 5)
    for port, width, value in accesses:
        if value is None:
            assert 0 <= fresh.ports.read(port, width) < 1 << 8 * width
            strings = fresh.ports.string_readers.get(port & ~7)
            if strings and random.random() < 0.5:
                strings(2, random.randrange(2000))
        else:
            fresh.ports.write(port, width, value & ((1 << 8 * width) - 1))
            writer = fresh.ports.string_writers.get(port & ~7)
            if writer and random.random() < 0.3:
                writer(2, random.randbytes(12))
        if random.random() < 0.2:
            fresh.advance(1)
    saved = ide.save()
    ide.load(3, saved)
    assert ide.save() == saved
