"""fw_cfg: items, directory, DMA, and guests that mean no good."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pyqemu.core.errors import ConfigError
from pyqemu.core.memory import Mmio, Ram, RamBlock
from pyqemu.hw.fw_cfg.fw_cfg import FwCfg, Key

ERROR, READ, SKIP, SELECT, WRITE = 1, 2, 4, 8, 16


@pytest.fixture
def fw(bench: Any) -> FwCfg:
    return bench.plug(FwCfg())


@pytest.fixture
def dma(bench: Any) -> FwCfg:
    return bench.plug(FwCfg(dma_enabled=True))


def item(bench: Any, key: int, count: int) -> bytes:
    bench.outw(0x510, key)
    return bytes(bench.inb(0x511) for _ in range(count))


def transfer(bench: Any, control: int, length: int, target: int, at: int = 0x1000) -> int:
    """One DMA operation; the control word it leaves."""
    bench.memory.write(at, struct.pack(">IIQ", control, length, target))
    bench.outl(0x514, 0)
    bench.outl(0x518, int.from_bytes(at.to_bytes(4, "big"), "little"))
    return int.from_bytes(bench.memory.read(at, 4), "big")


def test_signature_and_version(bench: Any, fw: FwCfg) -> None:
    assert item(bench, 0, 6) == b"QEMU\0\0"
    assert item(bench, 1, 5) == b"\x01\0\0\0\0"
    assert bench.inl(0x514) == bench.inl(0x518) == 0xFFFFFFFF


def test_both_ports_give_bytes_and_wide_reads_zero(bench: Any, fw: FwCfg) -> None:
    bench.outw(0x510, 0)
    assert bench.inw(0x510) == bench.inl(0x510) == 0
    assert bytes((bench.inb(0x511), bench.inb(0x510), bench.inb(0x511))) == b"QEM"


def test_byte_writes_do_nothing(bench: Any, fw: FwCfg) -> None:
    bench.outw(0x510, 0)
    bench.outb(0x511, 0x55)
    bench.outb(0x510, 0x55)
    bench.outl(0x510, 1)
    assert bench.inb(0x511) == ord("Q")


def test_numbered_items_and_the_write_channel_bit(bench: Any, fw: FwCfg) -> None:
    fw.add_u16(Key.CPUS, 2)
    fw.add_u64(Key.RAM_SIZE, 128 << 20)
    fw.add_string(Key.CMDLINE_DATA, "hé")
    fw.add(Key.HPET, b"\x01\xa2")
    assert item(bench, 5, 3) == b"\2\0\0"
    assert item(bench, 3, 8) == (128 << 20).to_bytes(8, "little")
    assert item(bench, 0x15, 5) == "hé".encode() + b"\0\0"
    assert item(bench, 0x8004, 2) == b"\x01\xa2"
    assert item(bench, 0x4005, 2) == b"\2\0"


def test_unknown_keys_read_zero(bench: Any, fw: FwCfg) -> None:
    for key in (0x1F, 0x20, 0x2F, 0x30, 0x3FFF, 0x8030, 0xFFFF):
        assert item(bench, key, 3) == bytes(3)


def test_directory_in_order_of_arrival(bench: Any, fw: FwCfg) -> None:
    fw.add_file("etc/boot-fail-wait", b"\xff\xff\xff\xff")
    fw.add_file("bootorder", b"")
    fw.add_file("a", lambda: b"made")
    assert struct.unpack(">I", item(bench, 0x19, 4)) == (3,)
    entries = [struct.unpack(">IHH56s", bytes(bench.inb(0x511) for _ in range(64))) for _ in range(3)]
    assert [(size, key, name.rstrip(b"\0")) for size, key, _, name in entries] == [
        (4, 0x20, b"etc/boot-fail-wait"), (0, 0x21, b"bootorder"), (4, 0x22, b"a"),
    ]  # fmt: skip
    assert item(bench, fw.file_key("a"), 5) == b"made\0" and fw.file_key("b") == -1


def test_directory_in_order_of_names(bench: Any) -> None:
    fw = bench.plug(FwCfg(sorted_files=True))
    for name in ("etc/b", "genroms/x", "etc/a"):
        fw.add_file(name, name.encode())
    assert [fw.file_key(name) for name in ("etc/a", "etc/b", "genroms/x")] == [0x20, 0x21, 0x22]
    assert item(bench, 0x22, 9) == b"genroms/x"


def test_made_content_is_asked_for_at_each_selection(bench: Any, fw: FwCfg) -> None:
    made = iter((b"one", b"two"))
    fw.add(Key.ACPI_TABLES, lambda: next(made))
    assert item(bench, 0x8000, 3) == b"one" and item(bench, 0x8000, 3) == b"two"


def test_what_the_board_may_not_add(fw: FwCfg) -> None:
    fw.add_file("opt/x", b"")
    with pytest.raises(ConfigError, match="duplicate fw_cfg file name: opt/x"):
        fw.add_file("opt/x", b"")
    with pytest.raises(ConfigError, match="too long"):
        fw.add_file("x" * 56, b"")
    for n in range(15):
        fw.add_file(f"opt/{n}", b"")
    with pytest.raises(ConfigError, match="no room"):
        fw.add_file("opt/16", b"")


def test_string_input_takes_what_is_left(bench: Any, fw: FwCfg) -> None:
    fw.add(Key.KERNEL_DATA, bytes(range(100)))
    bench.outw(0x510, 0x11)
    assert bench.inb(0x511) == 0
    read = bench.ports.string_readers[0x511]
    assert bytes(read(1, 9)) == bytes(range(1, 10))
    assert not read(2, 4)
    assert bytes(read(1, 1 << 30)) == bytes(range(10, 100))
    assert not read(1, 5) and bench.inb(0x511) == 0


def test_save_and_load_go_on_in_the_middle(bench: Any, fw: FwCfg) -> None:
    bench.outw(0x510, 0)
    bench.inb(0x511)
    saved = fw.save()
    fw.reset()
    bench.outw(0x510, 1)
    fw.load(2, saved)
    assert fw.save() == saved and bench.inb(0x511) == ord("E")


def test_dma_signature(bench: Any, dma: FwCfg) -> None:
    assert bytes(bench.inb(0x514 + n) for n in range(8)) == b"QEMU CFG"
    assert bench.inl(0x518).to_bytes(4, "little") == b" CFG"
    assert item(bench, 1, 4) == b"\x03\0\0\0"


def test_dma_reads_skips_and_fills_with_zeros(bench: Any, dma: FwCfg) -> None:
    dma.add(Key.KERNEL_DATA, b"0123456789")
    bench.memory.write(0x2000, b"\xff" * 16)
    assert transfer(bench, 0x11 << 16 | SELECT | READ, 3, 0x2000) == 0
    assert transfer(bench, SKIP, 2, 0) == 0
    assert transfer(bench, READ, 8, 0x2003) == 0
    assert bench.memory.read(0x2000, 12) == b"01256789\0\0\0\xff"
    assert transfer(bench, 0x11 << 16 | SELECT, 0, 0) == 0 and bench.inb(0x511) == ord("0")
    assert transfer(bench, SKIP, 0xFFFFFFFF, 0) == 0 and bench.inb(0x511) == 0


def test_dma_starts_with_the_low_half_only(bench: Any, dma: FwCfg) -> None:
    bench.memory.write(0x1000, struct.pack(">IIQ", SELECT | READ, 4, 0x2000))
    low = int.from_bytes((0x1000).to_bytes(4, "big"), "little")
    bench.outl(0x514, 0)
    for width in (1, 2):
        bench.ports.write(0x518, width, 0x10)
    assert bench.memory.read(0x2000, 4) == bytes(4)
    bench.outl(0x514, 0x01000000)  # 4 GiB: no memory there, nothing happens
    bench.outl(0x518, low)
    assert bench.memory.read(0x2000, 4) == bytes(4)
    bench.outl(0x518, low)  # the upper half has been used up
    assert bench.memory.read(0x2000, 4) == b"QEMU"


def test_dma_errors(bench: Any, dma: FwCfg) -> None:
    assert transfer(bench, SELECT | WRITE, 4, 0x2000) == ERROR
    assert transfer(bench, SELECT | READ, 4, 0x10_0000_0000) == ERROR
    assert transfer(bench, SELECT | READ, 0xFFFFFFFF, 0) == ERROR
    assert transfer(bench, SELECT | READ, 0x200, 0xFFF80) == ERROR  # runs out of RAM
    touched: list[int] = []
    bench.memory.map(0xA0000, Mmio(4096, lambda w, o: 0, lambda w, o, v: touched.append(v)), priority=1)
    assert transfer(bench, SELECT | READ, 4, 0xA0000) == ERROR and not touched


def test_dma_into_rom_is_dropped(bench: Any, dma: FwCfg) -> None:
    bench.memory.map(0xC0000, Ram(RamBlock("rom", 4096), readonly=True), priority=1)
    assert transfer(bench, SELECT | READ, 4, 0xC0000) == 0
    assert bench.memory.read(0xC0000, 4) == bytes(4)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(st.integers(0x510, 0x51B), st.sampled_from((1, 2, 4)), st.integers(0, 0xFFFFFFFF)), max_size=40
    ),
    st.binary(max_size=64),
)
def test_any_guest(bench: Any, dma: FwCfg, writes: list[tuple[int, int, int]], memory: bytes) -> None:
    bench.memory.write(0, memory)
    for port, width, value in writes:
        bench.ports.write(port, width, value & ((1 << 8 * width) - 1))
        bench.ports.read(port, width)
    bench.outl(0x514, 0)
    bench.outl(0x518, 0)
    saved = dma.save()
    dma.load(2, saved)
    assert dma.save() == saved
