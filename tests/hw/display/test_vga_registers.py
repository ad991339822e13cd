"""VGA registers as a guest sees them. Reset values, masks and undecoded widths are those that a probe read from
QEMU 7.2's standard VGA on pc-i440fx-1.4."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pyqemu.core.state import StateError
from pyqemu.hw.display.stdvga import IsaVga, StdVga

DISPI_ID, XRES, YRES, BPP, ENABLE, BANK, VIRT_WIDTH, VIRT_HEIGHT, X_OFFSET, Y_OFFSET, MEMORY = range(11)

# Registers of the BIOS's mode 3 (IBM VGA technical reference, table of mode values).
MODE_3_CRTC = bytes.fromhex("5f4f50825581bf1f004f0d0e000000009c8e8f281f96b9a3ff")


@pytest.fixture
def vga(bench: Any) -> Any:
    return bench.plug_pci(StdVga())


def read_indexed(bench: Any, port: int, index: int) -> int:
    bench.outb(port, index)
    return int(bench.inb(port + 1))


def write_indexed(bench: Any, port: int, index: int, value: int) -> None:
    bench.outb(port, index)
    bench.outb(port + 1, value)


def dispi(bench: Any, index: int, value: int | None = None) -> int:
    bench.outw(0x1CE, index)
    if value is not None:
        bench.outw(0x1CF, value)
    return int(bench.inw(0x1CF))


def test_reset_values(bench: Any, vga: Any) -> None:
    assert bench.inb(0x3CC) == 0
    assert [read_indexed(bench, 0x3C4, i) for i in range(0x20)] == [0] * 0x20
    assert [read_indexed(bench, 0x3CE, i) for i in range(0x40)] == [0] * 0x40
    assert [read_indexed(bench, 0x3B4, i) for i in range(0x40)] == [0] * 0x40
    assert [read_indexed(bench, 0x3D4, i) for i in range(0x40)] == [0xFF] * 0x40
    assert [bench.inb(port) for port in (0x3C6, 0x3C7, 0x3C8)] == [0, 0, 0]


def test_misc_bit_0_moves_the_crtc_to_the_colour_ports(bench: Any, vga: Any) -> None:
    bench.outb(0x3C2, 0x01)
    assert bench.inb(0x3CC) == 0x01
    write_indexed(bench, 0x3D4, 0x0E, 0x12)
    assert read_indexed(bench, 0x3D4, 0x0E) == 0x12
    assert read_indexed(bench, 0x3B4, 0x0E) == 0xFF
    assert bench.inb(0x3BA) == 0xFF
    bench.outb(0x3C2, 0x00)
    assert read_indexed(bench, 0x3B4, 0x0E) == 0x12


def test_undecoded_ports_and_widths_read_ones(bench: Any, vga: Any) -> None:
    for port in (0x3B0, 0x3B6, 0x3BB, 0x3D0, 0x3D4, 0x3DA, 0x1CE, 0x1CF, 0x1D0):
        assert bench.inb(port) == 0xFF
    for port in (0x3B4, 0x3B8, 0x3C0, 0x3CC, 0x3D4, 0x3D8, 0x1CC, 0x1CE, 0x1D0):
        assert bench.inl(port) == 0xFFFFFFFF
    bench.inb(0x3BA)
    bench.outb(0x3C0, 0x1F)
    assert bench.inw(0x3C0) == 0x001F
    assert bench.inw(0x3BA) & 0xFF00 == 0xFF00
    assert [bench.inb(port) for port in range(0x3C2, 0x3D0)] == [0] * 14


@pytest.mark.parametrize(
    ("port", "masks"),
    [
        (0x3C4, [0x03, 0x3D, 0x0F, 0x3F, 0x0E, 0, 0, 0xFF]),
        (0x3CE, [0x0F, 0x0F, 0x0F, 0x1F, 0x03, 0x7B, 0x0F, 0x0F, 0xFF, 0, 0, 0, 0, 0, 0, 0]),
    ],
)
def test_reserved_bits_read_zero(bench: Any, vga: Any, port: int, masks: list[int]) -> None:
    for index in range(len(masks)):
        write_indexed(bench, port, index, 0xFF)
    assert [read_indexed(bench, port, i) for i in range(len(masks))] == masks


def test_a_word_write_sets_index_and_data(bench: Any, vga: Any) -> None:
    bench.outw(0x3C4, 0x0502)
    assert read_indexed(bench, 0x3C4, 2) == 5
    assert bench.inb(0x3C4) == 2


def test_attribute_port_takes_index_and_data_in_turn(bench: Any, vga: Any) -> None:
    bench.inb(0x3BA)
    bench.outb(0x3C0, 0x10)
    bench.outb(0x3C0, 0xFF)
    bench.outb(0x3C0, 0x30)
    assert bench.inb(0x3C0) == 0x30
    assert bench.inb(0x3C1) == 0xEF
    bench.inb(0x3BA)  # begin with an index again, in the middle of a pair
    bench.outb(0x3C0, 0x05)
    bench.outb(0x3C0, 0xFF)
    assert bench.inb(0x3C1) == 0x3F
    bench.outb(0x3C0, 0x1F)
    assert bench.inb(0x3C1) == 0


def test_the_status_port_that_is_not_decoded_leaves_the_flip_flop(bench: Any, vga: Any) -> None:
    bench.outb(0x3C2, 0x01)
    bench.inb(0x3DA)
    bench.outb(0x3C0, 0x05)
    bench.inb(0x3BA)
    bench.outb(0x3C0, 0x2A)
    bench.outb(0x3C0, 0x05)
    assert bench.inb(0x3C1) == 0x2A


def test_crtc_protection_leaves_only_the_line_compare_bit(bench: Any, vga: Any) -> None:
    bench.outb(0x3C2, 0x01)
    write_indexed(bench, 0x3D4, 0x07, 0x02)
    write_indexed(bench, 0x3D4, 0x11, 0x80)
    for index in range(8):
        write_indexed(bench, 0x3D4, index, 0xFF)
    assert [read_indexed(bench, 0x3D4, i) for i in range(9)] == [0, 0, 0, 0, 0, 0, 0, 0x12, 0]
    write_indexed(bench, 0x3D4, 0x08, 0x55)
    assert read_indexed(bench, 0x3D4, 0x08) == 0x55


def test_feature_control_reads_back_at_3ca(bench: Any, vga: Any) -> None:
    bench.outb(0x3BA, 0xFF)
    assert bench.inb(0x3CA) == 0x10
    bench.outb(0x3DA, 0)
    assert bench.inb(0x3CA) == 0x10


# -- palette ------------------------------------------------------------------------------------------


def test_dac_counts_through_the_entries(bench: Any, vga: Any) -> None:
    bench.outb(0x3C8, 0xFF)
    for value in (1, 2, 3, 4, 5, 0xFF):
        bench.outb(0x3C9, value)
    assert bench.inb(0x3C8) == 1
    assert bench.inb(0x3C7) == 0
    bench.outb(0x3C7, 0xFF)
    assert bench.inb(0x3C7) == 3
    assert [bench.inb(0x3C9) for _ in range(6)] == [1, 2, 3, 4, 5, 0x3F]


def test_dac_entry_changes_with_its_third_byte(bench: Any, vga: Any) -> None:
    bench.outb(0x3C8, 7)
    bench.outb(0x3C9, 9)
    bench.outb(0x3C9, 9)
    bench.outb(0x3C7, 7)
    assert [bench.inb(0x3C9) for _ in range(3)] == [0, 0, 0]


def test_dispi_widens_the_dac(bench: Any, vga: Any) -> None:
    dispi(bench, ENABLE, 0x20)
    bench.outb(0x3C8, 0)
    for value in (0xFF, 0x80, 0x41):
        bench.outb(0x3C9, value)
    bench.outb(0x3C7, 0)
    assert [bench.inb(0x3C9) for _ in range(3)] == [0xFF, 0x80, 0x41]


def test_pixel_mask_reads_back(bench: Any, vga: Any) -> None:
    bench.outb(0x3C6, 0xA5)
    assert bench.inb(0x3C6) == 0xA5
    vga.reset()
    assert bench.inb(0x3C6) == 0


# -- input status 1 -----------------------------------------------------------------------------------


def test_without_a_mode_the_status_alternates(bench: Any, vga: Any) -> None:
    assert [bench.inb(0x3BA) for _ in range(4)] == [9, 0, 9, 0]


def test_retrace_bits_follow_the_programmed_timing(bench: Any, vga: Any) -> None:
    bench.outb(0x3C2, 0x67)
    for index, value in enumerate(MODE_3_CRTC):
        write_indexed(bench, 0x3D4, index, value)
    retrace_us = display_us = 0
    edges = []
    previous = bench.inb(0x3DA) & 8
    for microsecond in range(40_000):
        bench.advance(1000)
        status = bench.inb(0x3DA)
        assert status in (0, 1, 9)
        retrace_us += status == 9
        display_us += status == 0
        if status & 8 and not previous:
            edges.append(microsecond)
        previous = status & 8
    frame_us = edges[1] - edges[0]
    assert 14_200 < frame_us < 14_320  # 70.1 Hz
    assert 60 < retrace_us / len(edges) < 68  # 2 lines of 31.8 µs
    assert 0.65 < display_us / 40_000 < 0.75  # 400 of 449 lines, 80 of 100 characters


# -- dispi --------------------------------------------------------------------------------------------


def test_dispi_registers_after_reset(bench: Any, vga: Any) -> None:
    assert [dispi(bench, i) for i in range(16)] == [0xB0C5] + [0] * 9 + [0x100] + [0] * 5
    assert bench.inw(0x1D0) == 0


def test_dispi_memory_of_pc_1_0(bench: Any) -> None:
    bench.plug_pci(StdVga(vgamem_mb=8, mmio=False))
    assert dispi(bench, MEMORY) == 0x80


def test_dispi_ids(bench: Any, vga: Any) -> None:
    answers = [dispi(bench, DISPI_ID, value) for value in range(0xB0BF, 0xB0C8)]
    assert answers == [0xB0C5, 0xB0C0, 0xB0C1, 0xB0C2, 0xB0C3, 0xB0C4, 0xB0C5, 0xB0C5, 0xB0C5]


def test_dispi_limits(bench: Any, vga: Any) -> None:
    dispi(bench, ENABLE, 2)
    values = [dispi(bench, i) for i in range(12)]
    assert values == [0xB0C5, 0x3E80, 0x2EE0, 0x20, 2, 0, 0, 0, 0, 0, 0x100, 0]


def set_mode(bench: Any, width: int, height: int, depth: int, flags: int = 0x41) -> None:
    dispi(bench, ENABLE, 0)
    for index, value in ((XRES, width), (YRES, height), (BPP, depth), (ENABLE, flags)):
        dispi(bench, index, value)


def test_enabling_fills_in_the_virtual_screen(bench: Any, vga: Any) -> None:
    dispi(bench, X_OFFSET, 7)
    set_mode(bench, 1024, 768, 32)
    assert dispi(bench, VIRT_WIDTH) == 1024
    assert dispi(bench, VIRT_HEIGHT) == 4096
    assert dispi(bench, X_OFFSET) == 0
    dispi(bench, VIRT_WIDTH, 2048)
    assert dispi(bench, VIRT_HEIGHT) == 2048
    dispi(bench, VIRT_HEIGHT, 5)
    assert dispi(bench, VIRT_HEIGHT) == 2048


@pytest.mark.parametrize("depth", [4, 8, 15, 16, 24, 32])
def test_impossible_modes_are_brought_into_range(bench: Any, vga: Any, depth: int) -> None:
    set_mode(bench, 0xFFFF, 0xFFFF, depth)
    dispi(bench, X_OFFSET, 0xFFFF)
    dispi(bench, Y_OFFSET, 0xFFFF)
    assert dispi(bench, XRES) == 16000
    line = 16000 * {15: 16}.get(depth, depth) // 8
    assert (dispi(bench, YRES) + dispi(bench, Y_OFFSET)) * line <= 16 << 20
    set_mode(bench, 0, 0, 99)
    assert (dispi(bench, XRES), dispi(bench, YRES), dispi(bench, BPP)) == (8, 1, 8)


def test_enabling_clears_the_picture_unless_told_not_to(bench: Any, vga: Any) -> None:
    memory = vga.vga.vram.view
    memory[:4] = memory[640 * 480 - 1 : 640 * 480 + 3] = b"\xaa" * 4
    set_mode(bench, 640, 480, 8, 0xC1)
    assert bytes(memory[:4]) == b"\xaa" * 4
    set_mode(bench, 640, 480, 8, 0x41)
    assert bytes(memory[640 * 480 - 1 : 640 * 480 + 3]) == b"\0\xaa\xaa\xaa"
    assert bytes(memory[:4]) == bytes(4)


def test_the_bank_is_masked_by_the_memory_size(bench: Any, vga: Any) -> None:
    assert dispi(bench, BANK, 0xFFFF) == 0xFF
    dispi(bench, BPP, 4)
    assert dispi(bench, BANK, 0xFFFF) == 0x3F


# -- PCI ----------------------------------------------------------------------------------------------


def config(bench: Any, device: Any, offset: int, value: int | None = None, width: int = 4) -> int:
    if value is not None:
        bench.pci.write_config(device.devfn, offset, width, value)
    return int(bench.pci.read_config(device.devfn, offset, width))


def test_pci_identity_and_bars(bench: Any) -> None:
    class WithRom(StdVga):
        rom = b"\x55\xaa" * 100

    vga = bench.plug_pci(WithRom())
    assert config(bench, vga, 0) == 0x11111234
    assert config(bench, vga, 8) == 0x03000002
    assert config(bench, vga, 0x2C) == 0x11001AF4
    assert config(bench, vga, 0x10) == 0x00000008
    sizes = [config(bench, vga, offset, 0xFFFFFFFF) for offset in (0x10, 0x14, 0x18, 0x30)]
    assert sizes == [0xFF000008, 0, 0xFFFFF000, 0xFFFF0001]
    config(bench, vga, 0x10, 0xE0000000)
    config(bench, vga, 0x18, 0)
    config(bench, vga, 0x30, 0xE2000001)
    config(bench, vga, 4, 2, width=2)
    assert bench.memory.load(0xE2000000, 4) == 0xAA55AA55
    bench.memory.store(0xE0000123, 4, 0x12345678)
    assert bytes(vga.vga.vram.view[0x123:0x127]) == b"\x78\x56\x34\x12"
    assert [block.name for block in vga.ram_blocks()] == ["vga.vram", "0000:00:00.0/vga.rom"]


def test_pc_1_0_has_no_register_window(bench: Any) -> None:
    vga = bench.plug_pci(StdVga(vgamem_mb=8, mmio=False))
    assert config(bench, vga, 8) == 0x03000000
    sizes = [config(bench, vga, offset, 0xFFFFFFFF) for offset in (0x10, 0x18, 0x30)]
    assert sizes == [0xFF800008, 0, 0]


@pytest.fixture
def window(bench: Any, vga: Any) -> Any:
    config(bench, vga, 0x18, 0xE1000000)
    config(bench, vga, 4, 2, width=2)
    return lambda width, offset: bench.memory.load(0xE1000000 + offset, width)


def test_register_window(bench: Any, window: Any) -> None:
    bench.inb(0x3BA)
    bench.outb(0x3C0, 0x1F)
    assert window(2, 0x400) == 0x001F
    assert window(2, 0x500) == 0xB0C5
    assert window(1, 0x501) == 0xB0
    assert window(4, 0x512) == 0x01000000
    assert window(4, 0x514) == 0x0100
    assert [window(4, offset) for offset in (0, 0x420, 0x516, 0x608, 0xFFC)] == [0xFFFFFFFF] * 5
    store = bench.memory.store
    store(0xE1000404, 2, 0x0F02)
    assert read_indexed(bench, 0x3C4, 2) == 0x0F
    store(0xE1000502, 4, 600 << 16 | 800)
    assert (dispi(bench, XRES), dispi(bench, YRES)) == (800, 600)
    store(0xE1000502, 1, 0xFF)
    assert dispi(bench, XRES) == 800


def test_extended_registers_hold_the_byte_order(bench: Any, window: Any) -> None:
    assert window(4, 0x600) == 8
    assert window(4, 0x604) == 0x1E1E1E1E
    bench.memory.store(0xE1000604, 4, 0xBEBEBEBE)
    assert window(4, 0x604) == 0xBEBEBEBE
    bench.memory.store(0xE1000604, 4, 0x12345678)
    assert window(4, 0x604) == 0xBEBEBEBE
    assert window(2, 0x600) == 0


# -- life ---------------------------------------------------------------------------------------------


def disturb(bench: Any) -> None:
    bench.outb(0x3C2, 0x67)
    for index, value in enumerate(MODE_3_CRTC):
        write_indexed(bench, 0x3D4, index, value)
    for index in range(9):
        write_indexed(bench, 0x3CE, index, index * 29 + 1)
    bench.outb(0x3C8, 12)
    bench.outb(0x3C9, 55)
    bench.outb(0x3C9, 54)
    bench.inb(0x3DA)
    bench.outb(0x3C0, 0x33)
    set_mode(bench, 800, 600, 16, 0x61)
    dispi(bench, BANK, 3)


@pytest.mark.parametrize("kind", [StdVga, IsaVga])
def test_save_load_save_round_trip(bench: Any, kind: Any) -> None:
    vga = bench.plug_pci(kind()) if kind is StdVga else bench.plug(kind())
    disturb(bench)
    bench.outb(0x3C6, 0x7F)
    saved = vga.save()
    fields = list(saved["vga"])
    assert fields[:3] == ["latch", "sr_index", "sr"]
    assert fields[-5:] == ["vbe_start_addr", "vbe_line_offset", "vbe_bank_mask", "pel_mask", "big_endian"]
    vga.reset()
    assert vga.save() != saved
    vga.load(2, saved)
    assert vga.save() == saved
    bench.outb(0x3C9, 53)  # the palette write that was under way goes on
    bench.outb(0x3C7, 12)
    assert [bench.inb(0x3C9) for _ in range(3)] == [55, 54, 53]


def test_reset_equals_power_on(bench: Any, vga: Any) -> None:
    fresh = vga.save()
    disturb(bench)
    vga.reset()
    assert vga.save() == fresh


def test_a_foreign_state_is_refused_or_brought_into_range(bench: Any, vga: Any) -> None:
    saved = vga.save()
    with pytest.raises(StateError, match="vga: version 1"):
        vga.load(1, saved)
    wild = dict(saved["vga"], vbe_regs=[0xFFFF] * 10, bank_offset=-5, vbe_line_offset=0xFFFFFFFF, dac_sub_index=200)
    vga.load(2, dict(saved, vga=wild))
    vga.scanout.changed()
    bench.memory.load(0xA0000, 1)
    bench.outb(0x3C9, 1)
    assert bench.inb(0x3C9) >= 0


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(
            st.sampled_from([0x1CE, 0x1CF, 0x1D0, *range(0x3B4, 0x3DB)]),
            st.sampled_from([1, 2, 4]),
            st.integers(0, 0xFFFFFFFF),
            st.booleans(),
        ),
        max_size=60,
    )
)
def test_no_port_access_raises(fuzz_bench: Any, accesses: list[tuple[int, int, int, bool]]) -> None:
    bench = fuzz_bench
    for port, width, value, write in accesses:
        if write:
            bench.ports.write(port, width, value & ((1 << 8 * width) - 1))
        else:
            assert 0 <= bench.ports.read(port, width) < 1 << 8 * width
    bench.memory.store(0xA0000 + len(accesses), 4, 0x12345678)
    bench.memory.load(0xB8000 + len(accesses), 4)
    bench.advance(1)
    bench.card.scanout.changed()
    saved = bench.card.save()
    bench.card.load(2, saved)
    assert bench.card.save() == saved


@pytest.fixture
def fuzz_bench(bench: Any) -> Any:
    bench.card = bench.plug_pci(StdVga(vgamem_mb=1))
    return bench
