"""The two interrupt controllers of a PC, driven through ports and interrupt lines."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pyqemu.core.errors import ConfigError
from pyqemu.hw.intc.i8259 import I8259

MASTER, MASTER_MASK, SLAVE, SLAVE_MASK = 0x20, 0x21, 0xA0, 0xA1
EOI = 0x20
POLL = 0x0C
READ_IRR, READ_ISR = 0x0A, 0x0B


class Pair:
    def __init__(self, bench):
        self.bench = bench
        self.master = bench.plug(I8259())
        self.slave = bench.plug(
            I8259(iobase=0xA0, elcr_addr=0x4D1, elcr_mask=0xDE, master=False, cascade=self.master)
        )
        self.levels = []
        self.master.on_intr = self.levels.append
        self.lines = {}

    def line(self, number):
        return self.lines.setdefault(number, self.bench.irq(number))

    def program(self, icw4=0x01, master_icw4=None):
        """As a BIOS does: vectors 08 and 70, nothing masked."""
        b = self.bench
        for base, vector, cascade in ((MASTER, 0x08, 4), (SLAVE, 0x70, 2)):
            b.outb(base, 0x11)
            b.outb(base + 1, vector)
            b.outb(base + 1, cascade)
            b.outb(base + 1, master_icw4 if base == MASTER and master_icw4 is not None else icw4)
        return self

    def isr(self, base=MASTER):
        self.bench.outb(base, READ_ISR)
        return self.bench.inb(base)

    def irr(self, base=MASTER):
        self.bench.outb(base, READ_IRR)
        return self.bench.inb(base)


@pytest.fixture
def pics(bench):
    return Pair(bench)


def test_registers_are_zero_after_reset(pics, bench):
    assert [bench.inb(p) for p in (0x20, 0x21, 0xA0, 0xA1, 0x4D0, 0x4D1)] == [0] * 6
    assert not pics.master.pending


def test_elcr_keeps_only_the_inputs_that_may_be_level_triggered(pics, bench):
    bench.outb(0x4D0, 0xFF)
    bench.outb(0x4D1, 0xFF)
    assert (bench.inb(0x4D0), bench.inb(0x4D1)) == (0xF8, 0xDE)
    bench.outw(0x4D0, 0)
    assert (bench.inb(0x4D0), bench.inb(0x4D1)) == (0, 0)


def test_initialization_clears_the_mask_and_sets_the_vectors(pics, bench):
    bench.outb(MASTER_MASK, 0xFF)
    pics.program()
    assert bench.inb(MASTER_MASK) == 0
    pics.line(3).set(True)
    pics.line(12).set(True)
    assert pics.master.acknowledge() == 0x74  # the cascade outranks input 3
    bench.outb(SLAVE, EOI)
    bench.outb(MASTER, EOI)
    assert pics.master.acknowledge() == 0x0B


def test_vector_base_ignores_its_low_three_bits(pics, bench):
    pics.program()
    bench.outb(MASTER, 0x11)
    for value in (0x5F, 4, 1):
        bench.outb(MASTER_MASK, value)
    pics.line(1).set(True)
    assert pics.master.acknowledge() == 0x59


def test_without_icw4_the_word_after_icw3_is_a_mask(pics, bench):
    bench.outb(MASTER, 0x10)
    for value in (0x08, 0x04, 0xAA):
        bench.outb(MASTER_MASK, value)
    assert bench.inb(MASTER_MASK) == 0xAA


def test_single_mode_has_no_icw3_and_no_cascade(pics, bench):
    bench.outb(MASTER, 0x13)
    bench.outb(MASTER_MASK, 0x40)
    bench.outb(MASTER_MASK, 0x01)
    bench.outb(MASTER_MASK, 0xF0)
    assert bench.inb(MASTER_MASK) == 0xF0
    pics.line(9).set(True)
    assert pics.master.acknowledge() == 0x42


def test_the_cpu_line_follows_requests_and_masks(pics, bench):
    pics.program()
    pics.line(4).set(True)
    assert pics.master.pending and pics.levels[-1] is True
    bench.outb(MASTER_MASK, 0x10)
    assert not pics.master.pending and pics.levels[-1] is False
    bench.outb(MASTER_MASK, 0)
    assert pics.levels[-1] is True
    assert pics.irr() == 0x10


def test_an_edge_is_remembered_after_the_line_falls_and_counts_once(pics, bench):
    pics.program()
    pics.line(0).pulse()
    pics.line(0).pulse()
    assert pics.master.acknowledge() == 0x08
    bench.outb(MASTER, EOI)
    assert not pics.master.pending


def test_a_high_line_makes_no_second_edge(pics, bench):
    pics.program()
    pics.line(5).set(True)
    assert pics.master.acknowledge() == 0x0D
    bench.outb(MASTER, EOI)
    assert not pics.master.pending
    assert pics.irr() == 0


def test_a_level_request_repeats_until_its_line_falls(pics, bench):
    pics.program()
    bench.outb(0x4D1, 0x08)
    pics.line(11).set(True)
    for _ in range(3):
        assert pics.master.acknowledge() == 0x73
        assert not pics.master.pending
        bench.outb(SLAVE, EOI)
        bench.outb(MASTER, EOI)
        assert pics.master.pending
    pics.line(11).set(False)
    assert not pics.master.pending


def test_elcr_turns_a_high_line_into_a_request_and_back(pics, bench):
    pics.program()
    pics.line(10).set(True)
    pics.master.acknowledge()
    bench.outb(SLAVE, EOI)
    bench.outb(MASTER, EOI)
    bench.outb(0x4D1, 0x04)
    assert pics.irr(SLAVE) == 0x04
    bench.outb(0x4D1, 0x00)
    assert pics.irr(SLAVE) == 0


def test_service_holds_back_lower_priorities_only(pics, bench):
    pics.program()
    pics.line(4).set(True)
    pics.master.acknowledge()
    pics.line(5).set(True)
    assert not pics.master.pending
    pics.line(1).set(True)
    assert pics.master.acknowledge() == 0x09
    assert pics.isr() == 0x12
    bench.outb(MASTER, EOI)
    assert pics.isr() == 0x10
    bench.outb(MASTER, EOI)
    assert pics.master.acknowledge() == 0x0D


def test_specific_eoi_ends_the_named_level(pics, bench):
    pics.program()
    for number in (4, 1):
        pics.line(number).set(True)
        pics.master.acknowledge()
    bench.outb(MASTER, 0x64)
    assert pics.isr() == 0x02


def test_eoi_with_nothing_in_service_does_nothing(pics, bench):
    pics.program()
    for command in range(0, 0x100, 0x20):
        bench.outb(MASTER, command)
    assert pics.isr() == 0


def test_rotation_on_eoi_makes_the_ended_level_the_lowest(pics, bench):
    pics.program()
    for number in (0, 3, 4):
        pics.line(number).set(True)
    assert pics.master.acknowledge() == 0x08
    bench.outb(MASTER, 0xA0)
    pics.line(0).set(False)
    pics.line(0).set(True)
    assert pics.master.acknowledge() == 0x0B  # 0 now comes after 7
    bench.outb(MASTER, 0xE3)  # rotate on specific: 4 is the highest
    assert pics.isr() == 0
    assert pics.master.acknowledge() == 0x0C


def test_set_priority_names_the_lowest_level(pics, bench):
    pics.program()
    bench.outb(MASTER, 0xC5)
    pics.line(5).set(True)
    pics.line(6).set(True)
    assert pics.master.acknowledge() == 0x0E
    assert not pics.master.pending


def test_automatic_eoi_and_its_rotation(pics, bench):
    pics.program(icw4=0x03)
    bench.outb(MASTER, 0x80)
    pics.line(3).set(True)
    pics.line(4).set(True)
    assert pics.master.acknowledge() == 0x0B
    assert pics.isr() == 0
    pics.line(3).pulse()
    pics.line(3).set(False)
    pics.line(3).set(True)
    assert pics.master.acknowledge() == 0x0C
    assert pics.master.acknowledge() == 0x0B
    bench.outb(MASTER, 0x00)
    assert not pics.master.pending


def test_slave_with_automatic_eoi_asks_again_for_its_second_request(pics, bench):
    pics.program(icw4=0x03)
    pics.line(8).set(True)
    pics.line(14).set(True)
    assert [pics.master.acknowledge(), pics.master.acknowledge()] == [0x70, 0x76]
    assert not pics.master.pending


def test_special_mask_mode_lets_lower_levels_in(pics, bench):
    pics.program()
    pics.line(1).set(True)
    pics.master.acknowledge()
    pics.line(6).set(True)
    bench.outb(MASTER_MASK, 0x02)
    assert not pics.master.pending
    bench.outb(MASTER, 0x68)
    assert pics.master.acknowledge() == 0x0E
    bench.outb(MASTER, EOI)  # ends 6; a masked level is passed over
    bench.outb(MASTER, EOI)
    assert pics.isr() == 0x02
    bench.outb(MASTER, 0x08)  # without ESMM the mode stays
    pics.line(7).set(True)
    assert pics.master.pending
    bench.outb(MASTER, 0x48)
    assert not pics.master.pending


def test_special_fully_nested_mode_lets_the_slave_interrupt_itself(pics, bench):
    pics.program(master_icw4=0x11)
    pics.line(15).set(True)
    assert pics.master.acknowledge() == 0x77
    pics.line(8).set(True)
    assert pics.master.acknowledge() == 0x70
    pics.program()
    pics.line(15).set(False)
    pics.line(15).set(True)
    assert pics.master.acknowledge() == 0x77
    pics.line(8).set(False)
    pics.line(8).set(True)
    assert not pics.master.pending


def test_poll_acknowledges_and_gives_the_level(pics, bench):
    pics.program()
    bench.outb(MASTER, POLL)
    assert bench.inb(MASTER) == 0
    pics.line(3).set(True)
    bench.outb(MASTER, POLL)
    assert bench.inb(MASTER) == 0x83
    assert not pics.master.pending
    assert pics.isr() == 0x08
    assert bench.inb(MASTER) == 0x08  # one read only
    pics.line(9).set(True)
    bench.outb(MASTER, POLL)
    bench.outb(SLAVE, POLL)
    assert (bench.inb(MASTER_MASK), bench.inb(SLAVE)) == (0x82, 0x81)


def test_spurious_vectors_leave_nothing_in_service(pics, bench):
    pics.program()
    assert pics.master.acknowledge() == 0x0F
    assert pics.isr() == 0


def test_a_level_that_falls_before_the_acknowledge_is_spurious(pics, bench):
    pics.program()
    bench.outb(0x4D0, 0x20)
    pics.line(5).set(True)
    pics.line(5).set(False)
    assert pics.master.acknowledge() == 0x0F


def test_a_request_that_the_slave_withdraws_is_gone(pics, bench):
    pics.program()
    bench.outb(0x4D1, 0x08)
    pics.line(11).set(True)
    bench.outb(SLAVE_MASK, 0xFF)
    assert not pics.master.pending and pics.irr() == 0
    bench.outb(SLAVE_MASK, 0)
    assert pics.master.acknowledge() == 0x73


def test_spurious_interrupt_of_the_slave_leaves_the_cascade_in_service(pics, bench):
    pics.program()
    saved = pics.master.save()
    pics.master.load(1, saved | {"irr": 4, "last_irr": 4})  # a cascade request without a cause
    assert pics.master.acknowledge() == 0x77
    assert pics.isr() == 0x04
    assert pics.isr(SLAVE) == 0


def test_icw1_forgets_edges_but_not_levels(pics, bench):
    pics.program()
    bench.outb(0x4D0, 0x08)
    pics.line(3).set(True)
    pics.line(4).set(True)
    bench.outb(MASTER, 0x11)
    assert bench.inb(MASTER) == 0x08
    for value in (8, 4, 1):
        bench.outb(MASTER_MASK, value)
    assert pics.master.acknowledge() == 0x0B


def test_reset_in_the_middle_of_initialization(pics, bench):
    pics.line(5).set(True)
    bench.outb(MASTER, 0x11)
    pics.master.reset()
    bench.outb(MASTER_MASK, 0x55)
    assert bench.inb(MASTER_MASK) == 0x55
    assert not pics.master.pending
    pics.line(5).set(False)
    pics.line(5).set(True)
    assert pics.master.pending


def test_load_restores_outputs_and_makes_no_edges(pics, bench):
    pics.program()
    pics.line(0).set(True)
    pics.master.acknowledge()
    pics.line(14).set(True)
    saved = [chip.save() for chip in (pics.master, pics.slave)]
    for chip in (pics.master, pics.slave):
        chip.reset()
    assert not pics.slave.pending
    for chip, fields in zip((pics.master, pics.slave), saved, strict=True):
        chip.load(1, fields)
    assert [chip.save() for chip in (pics.master, pics.slave)] == saved
    assert pics.slave.pending and not pics.master.pending
    bench.outb(MASTER, EOI)
    assert pics.levels[-1] is True
    assert pics.master.acknowledge() == 0x76


def test_a_slave_needs_its_master(bench):
    with pytest.raises(ConfigError, match="cascade"):
        bench.plug(I8259(master=False))


PORTS = (0x20, 0x21, 0xA0, 0xA1, 0x4D0, 0x4D1)
actions = st.lists(
    st.one_of(
        st.tuples(st.just("out"), st.sampled_from(PORTS), st.integers(0, 255)),
        st.tuples(st.just("in"), st.sampled_from(PORTS), st.just(0)),
        st.tuples(st.just("line"), st.integers(0, 15), st.booleans()),
        st.tuples(st.just("ack"), st.just(0), st.just(0)),
    ),
    max_size=60,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=actions)
def test_random_access_never_raises_and_state_round_trips(bench, steps):
    pics = Pair(type(bench)())
    for kind, where, value in steps:
        if kind == "out":
            pics.bench.outb(where, value)
        elif kind == "in":
            assert 0 <= pics.bench.inb(where) <= 255
        elif kind == "line":
            pics.line(where).set(value)
        else:
            assert 0 <= pics.master.acknowledge() <= 255
        assert pics.master.pending == (pics.levels[-1] if pics.levels else False)
    for chip in (pics.master, pics.slave):
        saved = chip.save()
        chip.load(1, saved)
        assert chip.save() == saved
