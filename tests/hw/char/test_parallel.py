"""The parallel port and its printer."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pyqemu.chardev import BufferChardev
from pyqemu.core.errors import ConfigError
from pyqemu.hw.char.parallel import Parallel

DATA, STATUS, CONTROL = 0x378, 0x379, 0x37A


@pytest.fixture
def lpt(bench):
    return bench.plug(Parallel(chardev=BufferChardev()))


def print_byte(bench, byte, control=0x0C):
    bench.outb(DATA, byte)
    bench.outb(CONTROL, control | 1)
    bench.outb(CONTROL, control)


def test_registers_are_those_of_the_board(bench, lpt):
    """From the reference probe of the same board."""
    assert bytes(bench.inb(DATA + n) for n in range(8)) == bytes.fromhex("ffd9cc ffffffffff")
    assert (bench.inw(DATA), bench.inw(CONTROL), bench.inl(DATA)) == (0xD9FF, 0xFFCC, 0xFFFFFFFF)
    bench.outb(DATA, 0x5A)
    assert [bench.inb(DATA + n) for n in range(3)] == [0x5A, 0xD9, 0xCC]
    bench.outb(CONTROL, 0x0C)
    assert bench.inb(CONTROL) == 0xCC
    bench.outb(CONTROL, 0xFF)
    assert (bench.inb(CONTROL), bench.inb(STATUS)) == (0xFF, 0x59)
    bench.outb(CONTROL, 0x0C)
    assert bench.inb(STATUS) == 0x59


def test_strobe_prints_once(bench, lpt):
    for byte in b"Hi":
        print_byte(bench, byte)
    bench.outb(CONTROL, 0x0D)
    bench.outb(CONTROL, 0x0D)  # still low: no new edge
    assert lpt.chardev.sent == b"Hii"


def test_printer_is_busy_then_acknowledges_then_ready(bench, lpt):
    bench.outb(CONTROL, 0x0D)
    assert bench.inb(STATUS) == bench.inb(STATUS) == 0x59  # while the strobe lasts
    bench.outb(CONTROL, 0x0C)
    assert [bench.inb(STATUS) for _ in range(4)] == [0x59, 0x19, 0xD9, 0xD9]


def test_unselected_printer_ignores_the_strobe(bench, lpt):
    print_byte(bench, 0x41, control=0x04)
    assert (lpt.chardev.sent, bench.inb(STATUS)) == (b"", 0xD9)


def test_init_resets_the_printer(bench, lpt):
    print_byte(bench, 0x41)
    bench.outb(CONTROL, 0x08)
    assert bench.inb(STATUS) == 0xD9


def test_acknowledge_interrupt_for_each_byte(bench, lpt):
    print_byte(bench, 0x41, control=0x1C)
    print_byte(bench, 0x42, control=0x1C)
    assert bench.edges[7] == 2 and bench.irq_pin(7).level
    bench.inb(STATUS)
    assert not bench.irq_pin(7).level
    print_byte(bench, 0x43)
    assert bench.edges[7] == 2


def test_input_direction_reads_the_open_lines(bench, lpt):
    bench.outb(DATA, 0x12)
    bench.outb(CONTROL, 0x2C)
    assert bench.inb(DATA) == 0xFF
    bench.outb(CONTROL, 0x0C)
    assert bench.inb(DATA) == 0x12


def test_places_and_limits(bench):
    assert [bench.plug(Parallel()).iobase for _ in range(3)] == [0x378, 0x278, 0x3BC]
    print_byte(bench, 0x41)
    with pytest.raises(ConfigError, match=r"Max\. supported number of parallel ports is 3"):
        bench.plug(Parallel())


def test_save_and_load_restore_the_line(bench, lpt):
    print_byte(bench, 0x41, control=0x1C)
    state = lpt.save()
    lpt.reset()
    assert not bench.irq_pin(7).level and bench.inb(CONTROL) == 0xCC
    lpt.load(1, state)
    assert bench.irq_pin(7).level and lpt.save() == state


accesses = st.tuples(st.integers(0, 7), st.sampled_from([1, 2, 4]), st.integers(-1, 0xFFFFFFFF))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(
        st.tuples(st.integers(0, 7), st.sampled_from([1, 2, 4]), st.integers(-1, 0xFFFFFFFF)), max_size=30
    )
)
def test_nothing_a_guest_does_raises(bench, lpt, steps):
    lpt.reset()
    for port, width, value in steps:
        if value < 0:
            assert 0 <= bench.ports.read(0x378 + port, width) < 1 << 8 * width
        else:
            bench.ports.write(0x378 + port, width, value & ((1 << 8 * width) - 1))
