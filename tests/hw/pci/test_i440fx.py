"""The host bridge: configuration ports, memory layout, PAM and SMRAM, seen through ports and memory."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pyqemu.core.errors import ConfigError
from pyqemu.core.memory import Mmio, RamBlock
from pyqemu.hw.pci.i440fx import I440fx, I440fxHost

MIB = 1 << 20
OFF, READ, WRITE, BOTH = 0x00, 0x11, 0x22, 0x33  # the same mode in both nibbles


class Chipset:
    """A host bridge on a bench with *ram_mib* and a BIOS whose bytes name their place."""

    def __init__(self, bench: Any, ram_mib: int = 4, bios_kib: int = 256, **props: Any) -> None:
        self.bench = bench
        for mapping in list(bench.memory._mappings):
            bench.memory.unmap(mapping)
        self.ram = RamBlock("pc.ram", ram_mib * MIB)
        self.bios = RamBlock("pc.bios", bios_kib * 1024)
        self.bios.view[:] = bytes(0x80 | n >> 12 & 0x7F for n in range(self.bios.size))
        self.bridge = I440fx(addr=0, **props)
        self.bridge.set_memory(self.ram, self.bios)
        bench.plug_pci(self.bridge)
        self.host = bench.plug(I440fxHost(bench.pci))

    def select(self, offset: int, devfn: int = 0) -> None:
        self.bench.outl(0xCF8, 0x80000000 | devfn << 8 | offset & 0xFC)

    def read(self, offset: int, devfn: int = 0) -> int:
        self.select(offset, devfn)
        return self.bench.inb(0xCFC + (offset & 3))

    def write(self, offset: int, value: int) -> None:
        self.select(offset)
        self.bench.outb(0xCFC + (offset & 3), value)


@pytest.fixture
def chipset(bench: Any) -> Chipset:
    return Chipset(bench)


def test_identity_and_reset_values(chipset: Chipset) -> None:
    config = bytes(chipset.read(n) for n in range(256))
    assert config[:16] == bytes.fromhex("86803712000000000200000600000000")
    assert config[0x2C:0x30] == bytes.fromhex("f41a0011")
    assert {n: v for n, v in enumerate(config[0x40:], 0x40) if v} == {0x72: 0x02}


def test_upper_configuration_space_is_storage(chipset: Chipset) -> None:
    for offset in (0x40, 0x57, 0x59, 0x72, 0xFF):
        for value in (0xFF, 0x00):
            chipset.write(offset, value)
            assert chipset.read(offset) == value


@pytest.mark.parametrize(("ram_mib", "row"), [(16, 2), (128, 0x10), (23, 2)])
def test_register_57_holds_ram_in_8_mib_units(bench: Any, ram_mib: int, row: int) -> None:
    assert Chipset(bench, ram_mib, below_4g_limit=16 * MIB).read(0x57) == row


def test_configuration_address_takes_32_bits_only(chipset: Chipset) -> None:
    bench = chipset.bench
    bench.outl(0xCF8, 0x80001234)
    assert bench.inl(0xCF8) == 0x80001234
    bench.outb(0xCF8, 0xFF)
    bench.outw(0xCF8, 0xFFFF)
    bench.outw(0xCFA, 0xFFFF)
    assert bench.inl(0xCF8) == 0x80001234
    assert bench.inb(0xCFA) == 0x34 and bench.inw(0xCF8) == 0x1234


def test_data_port_works_at_every_width_and_offset(chipset: Chipset) -> None:
    bench = chipset.bench
    chipset.select(0)
    assert bench.inl(0xCFC) == 0x12378086
    assert bench.inw(0xCFE) == 0x1237
    assert bench.inw(0xCFD) == 0x3780
    assert [bench.inb(0xCFC + n) for n in range(4)] == [0x86, 0x80, 0x37, 0x12]
    chipset.select(0x40)
    bench.outl(0xCFC, 0x11223344)
    bench.outw(0xCFD, 0xAABB)
    assert bench.inl(0xCFC) == 0x11AABB44


def test_nobody_answers_when_disabled_on_other_buses_or_empty_slots(chipset: Chipset) -> None:
    bench = chipset.bench
    for address in (0, 0x80010000, 0x8000F800):
        bench.outl(0xCF8, address)
        assert bench.inl(0xCFC) == 0xFFFFFFFF
        bench.outl(0xCFC, 0)


def test_bios_is_below_4_gib_and_its_end_below_1_mib(chipset: Chipset) -> None:
    memory = chipset.bench.memory
    assert memory.read(0x100000000 - 256 * 1024, 256 * 1024) == bytes(chipset.bios.view)
    assert memory.read(0xE0000, 0x20000) == bytes(chipset.bios.view[-0x20000:])
    memory.store(0xFFFFFFF0, 1, 0x55)
    assert memory.load(0xFFFFFFF0, 1) == chipset.bios.view[-16]


def test_ram_shows_through_where_a_small_bios_leaves_a_hole(bench: Any) -> None:
    chipset = Chipset(bench, bios_kib=64)
    bench.memory.store(0xE1000, 4, 0xCAFE)
    assert bench.memory.load(0xE1000, 4) == 0xCAFE
    assert bench.memory.load(0xF0000, 1) == chipset.bios.view[0]


def test_option_rom_area_is_read_only(chipset: Chipset) -> None:
    memory = chipset.bench.memory
    memory.store(0xC0000, 4, 0xCAFE)
    assert memory.load(0xC0000, 4) == 0
    assert chipset.bridge.option_roms is not None
    chipset.bridge.option_roms.view[0:2] = b"\x55\xaa"
    assert memory.load(0xC0000, 2) == 0xAA55


def test_ram_beyond_the_hole_continues_at_4_gib(bench: Any) -> None:
    chipset = Chipset(bench, ram_mib=6, below_4g_limit=4 * MIB)
    memory = bench.memory
    memory.store(4 * MIB, 4, 1)
    assert memory.load(4 * MIB, 4) == 0
    memory.store(1 << 32, 4, 0x1234)
    assert int.from_bytes(chipset.ram.view[4 * MIB : 4 * MIB + 4], "little") == 0x1234
    assert memory.load((1 << 32) + 2 * MIB, 4) == 0
    assert (chipset.bridge.below_4g_bytes, chipset.bridge.above_4g_bytes) == (4 * MIB, 2 * MIB)


def test_ram_is_never_hidden_by_a_pci_window(chipset: Chipset) -> None:
    memory = chipset.bench.memory
    memory.store(2 * MIB, 1, 0x77)
    memory.map(2 * MIB, Mmio(4096, lambda w, o: 0, lambda w, o, v: None), priority=1)
    assert memory.load(2 * MIB, 1) == 0x77


SEGMENTS = [(0x59, 4, 0xF0000)] + [
    (0x5A + n // 2, n % 2 * 4, 0xC0000 + n * 0x4000) for n in range(12)
]  # fmt: skip


@pytest.mark.parametrize(("register", "shift", "base"), SEGMENTS)
def test_pam_modes(chipset: Chipset, register: int, shift: int, base: int) -> None:
    memory, ram = chipset.bench.memory, chipset.ram.view
    rom = memory.load(base, 1)
    ram[base] = 0x11
    chipset.write(register, WRITE)
    memory.store(base, 1, 0x22)
    assert memory.load(base, 1) == rom and ram[base] == 0x22
    chipset.write(register, READ)
    memory.store(base, 1, 0x33)
    assert memory.load(base, 1) == 0x22 and ram[base] == 0x22
    chipset.write(register, BOTH)
    memory.store(base, 1, 0x44)
    assert memory.load(base, 1) == 0x44 and ram[base] == 0x44
    chipset.write(register, OFF)
    memory.store(base, 1, 0x55)
    assert memory.load(base, 1) == rom and ram[base] == 0x44
    # one nibble governs this segment, and only this one
    chipset.write(register, 0x3 << shift)
    assert memory.load(base, 1) == 0x44
    chipset.write(register, 0x33 & ~(0x3 << shift))
    assert memory.load(base, 1) == rom


def test_write_only_stores_keep_their_width_and_tell_the_cpu(chipset: Chipset) -> None:
    seen: list[tuple[int, int]] = []
    memory = chipset.bench.memory
    memory.on_ram_written = lambda block, offset, length: seen.append((offset, length))
    chipset.write(0x59, WRITE)
    memory.store(0xF1230, 8, 0x1122334455667788)
    assert bytes(chipset.ram.view[0xF1230:0xF1238]) == bytes.fromhex("8877665544332211")
    assert seen == [(0xF1230, 8)]


def test_one_configuration_write_is_one_new_map_and_equal_values_none(chipset: Chipset) -> None:
    changes: list[Any] = []
    chipset.bench.memory.listeners.append(lambda removed, added: changes.append(added))
    chipset.select(0x5C)
    chipset.bench.outl(0xCFC, 0x33333333)
    assert len(changes) == 1
    chipset.bench.outl(0xCFC, 0x33333333)
    chipset.write(0x58, 0xFF)
    assert len(changes) == 1


def test_smram_window(chipset: Chipset) -> None:
    memory, ram = chipset.bench.memory, chipset.ram.view
    window = Mmio(0x20000, lambda width, offset: 0x99, lambda width, offset, value: None)
    memory.map(0xA0000, window, priority=1)
    ram[0xA0000] = 0x42
    for value, shown in ((0x02, 0x99), (0x42, 0x99), (0x0A, 0x99), (0x4A, 0x42), (0x5A, 0x99), (0x0A, 0x99)):
        chipset.write(0x72, value)
        assert memory.load(0xA0000, 1) == shown, hex(value)


def test_reset_and_load_restore_the_map(chipset: Chipset) -> None:
    memory = chipset.bench.memory
    chipset.write(0x59, BOTH)
    chipset.write(0x72, 0x4A)
    saved = chipset.bridge.save()
    flat = list(memory.flat)
    chipset.bridge.reset()
    assert chipset.read(0x59) == 0 and memory.flat != flat
    chipset.bridge.load(3, saved)
    assert memory.flat == flat and chipset.bridge.save() == saved
    chipset.select(0x59)
    saved = chipset.host.save()
    chipset.host.reset()
    assert chipset.bench.inl(0xCF8) == 0
    chipset.host.load(1, saved)
    assert chipset.bench.inb(0xCFD) == BOTH


def test_less_than_1_mib_is_refused(bench: Any) -> None:
    bridge = I440fx(addr=0)
    bridge.set_memory(RamBlock("pc.ram", 640 * 1024), None)
    with pytest.raises(ConfigError, match="1 MiB"):
        bench.plug_pci(bridge)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0xCF8, 0xCFF), st.sampled_from((1, 2, 4)), st.integers(0, 0xFFFFFFFF))))
def test_any_writes_leave_a_map_that_loads(chipset: Chipset, writes: list[tuple[int, int, int]]) -> None:
    bench = chipset.bench
    chipset.bridge.reset()
    for port, width, value in writes:
        bench.outl(0xCF8, 0x80000000 | value & 0xFC)
        bench.ports.write(port, width, value & ((1 << 8 * width) - 1))
        bench.ports.read(port, width)
    flat = list(bench.memory.flat)
    saved = chipset.bridge.save()
    chipset.bridge.reset()
    chipset.bridge.load(3, saved)
    assert list(bench.memory.flat) == flat
