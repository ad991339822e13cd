"""The interval timer: modes, counts and edges at exact ticks."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pyqemu.hw.timer.i8254 import I8254, PIT_HZ

CONTROL = 0x43


def ns(ticks):
    """The first nanosecond at which *ticks* have passed."""
    return -(-ticks * 1_000_000_000 // PIT_HZ)


class Driven:
    """A timer with a clock told in ticks since the start of the test."""

    def __init__(self, bench):
        self.bench = bench
        self.pit = bench.plug(I8254())

    def go(self, tick):
        self.bench.advance(ns(tick) - self.bench.clock.now())

    def program(self, channel, mode, count, bcd=0):
        """Mode and 16-bit count, now; the next tick loads it."""
        self.bench.outb(CONTROL, channel << 6 | 0x30 | mode << 1 | bcd)
        self.bench.outb(0x40 + channel, count & 0xFF)
        self.bench.outb(0x40 + channel, count >> 8)

    def count(self, channel):
        self.bench.outb(CONTROL, channel << 6)
        return self.bench.inb(0x40 + channel) | self.bench.inb(0x40 + channel) << 8

    def status(self, channel):
        self.bench.outb(CONTROL, 0xE0 | 2 << channel)
        return self.bench.inb(0x40 + channel)

    def edges(self):
        return self.bench.edges[0]


@pytest.fixture
def pit(bench):
    return Driven(bench)


def test_status_after_reset(pit, bench):
    assert [pit.status(n) & 0x7F for n in range(3)] == [0x06] * 3
    assert bench.inb(CONTROL) == 0


def test_reset_counts_as_a_square_wave_of_the_longest_period(pit):
    before = pit.edges()
    pit.go(65536 - 1)
    assert pit.edges() == before
    pit.go(65536)
    assert pit.edges() == before + 1
    pit.go(65536 * 10)
    assert pit.edges() == before + 10


def test_after_reset_the_counters_show_the_low_byte_even_when_latched(pit, bench):
    pit.go(3)
    bench.outb(CONTROL, 0x00)
    assert bench.inb(0x40) == 0xFA
    pit.go(5)
    assert bench.inb(0x40) == 0xF6


def test_mode_0_raises_its_output_when_the_count_ends_and_stays(pit):
    pit.program(0, 0, 100)
    assert not pit.pit.output(0)
    before = pit.edges()
    pit.go(100)
    assert pit.edges() == before and not pit.pit.output(0)
    pit.go(101)  # one tick to load
    assert pit.edges() == before + 1 and pit.pit.output(0)
    pit.go(301)
    assert pit.edges() == before + 1
    assert pit.count(0) == (100 - 300) & 0xFFFF


def test_mode_0_first_byte_stops_the_count(pit, bench):
    pit.program(0, 0, 100)
    pit.go(50)
    bench.outb(0x40, 20)
    before = pit.edges()
    pit.go(500)
    assert pit.edges() == before and not pit.pit.output(0)
    bench.outb(0x40, 0)
    pit.go(521)
    assert pit.edges() == before + 1


def test_mode_0_gate_pauses_the_count(pit):
    pit.pit.set_gate(2, True)
    pit.program(2, 0, 100)
    pit.go(11)
    pit.pit.set_gate(2, False)
    pit.go(500)
    assert pit.count(2) == 90
    pit.pit.set_gate(2, True)
    pit.go(589)
    assert not pit.pit.output(2)
    pit.go(590)
    assert pit.pit.output(2)


def test_mode_0_loads_with_a_low_gate_and_counts_from_its_rise(pit):
    pit.program(2, 0, 100)
    pit.go(50)
    assert pit.count(2) == 100
    assert not pit.status(2) & 0x40
    pit.pit.set_gate(2, True)
    pit.go(150)
    assert pit.pit.output(2)


def test_mode_1_waits_for_a_trigger_and_may_be_triggered_again(pit):
    pit.program(2, 1, 50)
    pit.go(100)
    assert pit.pit.output(2)
    pit.pit.set_gate(2, True)
    pit.go(101)
    assert not pit.pit.output(2)
    pit.pit.set_gate(2, False)  # does not stop it
    pit.go(130)
    pit.pit.set_gate(2, True)
    pit.go(180)
    assert not pit.pit.output(2)
    pit.go(181)
    assert pit.pit.output(2)


def test_mode_1_takes_a_new_count_with_the_next_trigger(pit, bench):
    pit.program(2, 1, 50)
    pit.pit.set_gate(2, True)
    pit.go(10)
    bench.outb(0x42, 5)
    bench.outb(0x42, 0)
    assert pit.status(2) & 0x40
    pit.go(50)
    assert not pit.pit.output(2)
    pit.go(51)
    assert pit.pit.output(2)
    pit.pit.set_gate(2, False)
    pit.pit.set_gate(2, True)
    pit.go(56)
    assert not pit.pit.output(2)
    pit.go(57)
    assert pit.pit.output(2)


def test_mode_2_is_low_for_one_tick_each_period(pit):
    pit.pit.set_gate(2, True)
    pit.program(2, 2, 10)
    levels = []
    for tick in range(1, 22):
        pit.go(tick)
        levels.append(pit.pit.output(2))
    assert [n for n, level in enumerate(levels) if not level] == [9, 19]


def test_mode_2_edges_keep_phase_for_ever(pit):
    pit.program(0, 2, 1193)
    pit.go(1)
    before = pit.edges()
    for period in (1, 2, 1000, 50000):
        pit.go(1 + 1193 * period - 1)
        assert pit.edges() == before + period - 1
        pit.go(1 + 1193 * period)
        assert pit.edges() == before + period


def test_each_period_costs_one_timer_callback(pit, bench):
    pit.program(0, 2, 1193)
    pit.go(1)
    callbacks = []
    edge = pit.pit.timer.callback
    pit.pit.timer.callback = lambda: (callbacks.append(1), edge())
    pit.go(1 + 1193 * 100)
    assert len(callbacks) == 100


def test_missed_periods_become_one_edge_and_phase_is_kept(pit, bench):
    pit.program(0, 2, 1000)
    pit.go(1)
    before = pit.edges()
    bench.clock.set(ns(50_500))
    bench.clock.run_due()
    assert pit.edges() == before + 1
    pit.go(51_000)
    assert pit.edges() == before + 1
    pit.go(51_001)
    assert pit.edges() == before + 2


def test_an_edge_that_is_due_survives_reprogramming(pit, bench):
    pit.program(0, 2, 1000)
    before = pit.edges()
    bench.clock.set(ns(1200))
    pit.program(0, 2, 5000)
    assert pit.edges() == before + 1


def test_tiny_periods_do_not_flood_the_machine(pit, bench):
    pit.program(0, 2, 2)
    before = pit.edges()
    pit.go(12_000)
    assert 900 <= pit.edges() - before <= 1001


def test_mode_2_takes_a_new_count_at_the_end_of_the_period(pit, bench):
    pit.program(0, 2, 1000)
    pit.go(401)
    before = pit.edges()
    bench.outb(0x40, 200)
    bench.outb(0x40, 0)
    assert pit.status(0) & 0x40
    pit.go(1000)
    assert pit.edges() == before
    pit.go(1001)
    assert pit.edges() == before + 1
    assert not pit.status(0) & 0x40
    pit.go(1201)
    assert pit.edges() == before + 2


def test_modes_2_and_3_stop_with_a_low_gate_and_start_anew(pit):
    for mode in (2, 3):
        start = pit.bench.clock.now() * PIT_HZ // 10**9 + 1
        pit.go(start)
        pit.pit.set_gate(2, True)
        pit.program(2, mode, 100)
        pit.go(start + 80)
        pit.pit.set_gate(2, False)
        assert pit.pit.output(2)
        held = pit.count(2)
        pit.go(start + 300)
        assert pit.count(2) == held and pit.pit.output(2)
        pit.pit.set_gate(2, True)
        pit.go(start + 301)
        assert pit.count(2) == 100


@pytest.mark.parametrize("count", [6, 7, 2, 3])
def test_mode_3_halves_and_counts_by_two(pit, count):
    pit.pit.set_gate(2, True)
    pit.program(2, 3, count)
    high = (count + 1) // 2
    for tick in range(3 * count):
        pit.go(1 + tick)
        phase = tick % count
        assert pit.pit.output(2) == (phase < high)
        assert pit.count(2) == count - count % 2 - 2 * (phase if phase < high else phase - high)


def test_mode_3_takes_a_new_count_at_the_half(pit, bench):
    pit.program(0, 3, 1000)
    pit.go(101)
    bench.outb(0x40, 100)
    bench.outb(0x40, 0)
    before = pit.edges()
    pit.go(501)
    assert not pit.pit.output(0)
    pit.go(550)
    assert not pit.pit.output(0) and pit.edges() == before
    pit.go(551)
    assert pit.pit.output(0) and pit.edges() == before + 1
    pit.go(651)
    assert pit.edges() == before + 2


def test_mode_4_strobes_once(pit):
    pit.program(0, 4, 100)
    before = pit.edges()
    pit.go(100)
    assert pit.pit.output(0)
    pit.go(101)
    assert not pit.pit.output(0)
    pit.go(102)
    assert pit.pit.output(0) and pit.edges() == before + 1
    pit.go(200_000)
    assert pit.edges() == before + 1


def test_mode_5_strobes_after_a_trigger(pit):
    pit.program(2, 5, 20)
    pit.go(100)
    assert pit.pit.output(2)
    pit.pit.set_gate(2, True)
    pit.go(121)
    assert not pit.pit.output(2)
    pit.go(122)
    assert pit.pit.output(2)


def test_modes_6_and_7_are_2_and_3(pit):
    pit.program(2, 6, 10)
    assert pit.status(2) & 0x0E == 0x04
    pit.program(2, 7, 10)
    assert pit.status(2) & 0x0E == 0x06


def test_a_count_of_zero_is_the_largest(pit):
    pit.program(0, 2, 0)
    pit.go(1)
    before = pit.edges()
    pit.go(65536)
    assert pit.edges() == before
    pit.go(65537)
    assert pit.edges() == before + 1
    pit.program(0, 2, 0, bcd=1)
    before = pit.edges()
    pit.go(65538 + 10000)
    assert pit.edges() == before + 1


def test_bcd_counts_in_decimal(pit):
    pit.program(0, 2, 0x1000, bcd=1)
    pit.go(2)
    assert pit.count(0) == 0x0999
    assert pit.status(0) & 0x01
    pit.program(0, 0, 0x0005, bcd=1)
    pit.go(3 + 6)
    assert pit.count(0) == 0x9999


def test_a_latched_count_stands_until_it_is_read(pit, bench):
    pit.program(0, 2, 0x1234)
    pit.go(1)
    bench.outb(CONTROL, 0x00)
    pit.go(100)
    bench.outb(CONTROL, 0x00)  # ignored
    assert (bench.inb(0x40), bench.inb(0x40)) == (0x34, 0x12)
    assert bench.inb(0x40) == (0x1234 - 99) & 0xFF


def test_access_to_one_byte_of_the_count(pit, bench):
    bench.outb(CONTROL, 0x14)
    bench.outb(0x40, 0x80)
    pit.go(2)
    assert (bench.inb(0x40), bench.inb(0x40)) == (0x7F, 0x7F)
    bench.outb(CONTROL, 0x24)
    bench.outb(0x40, 0x80)
    pit.go(4)
    assert bench.inb(0x40) == 0x7F
    assert pit.status(0) & 0x30 == 0x20


def test_read_back_gives_status_first_and_then_the_count(pit, bench):
    pit.program(0, 2, 0x1234)
    assert pit.status(0) == 0xF4  # output high, count not loaded yet
    pit.go(1)
    bench.outb(CONTROL, 0xC2)
    pit.go(50)
    assert [bench.inb(0x40) for _ in range(3)] == [0xB4, 0x34, 0x12]


def test_read_back_latches_only_the_chosen_counters(pit, bench):
    for channel in range(3):
        pit.program(channel, 0, 0x1000)
    pit.pit.set_gate(2, True)
    pit.go(1)
    bench.outb(CONTROL, 0xD4)  # counts of counter 1
    pit.go(17)
    assert pit.count(1) == 0x1000
    assert pit.count(0) == 0x0FF0


def test_a_control_word_without_a_count_waits(pit, bench):
    bench.outb(CONTROL, 0x34)
    before = pit.edges()
    pit.go(200_000)
    assert pit.edges() == before
    assert pit.status(0) == 0xF4


def test_interrupt_can_be_taken_away(pit, bench):
    pit.program(0, 2, 100)
    pit.pit.disable_irq(True)
    before = pit.edges()
    pit.go(1000)
    assert pit.edges() == before and not bench.irq_pin(0).level
    pit.pit.disable_irq(False)
    pit.go(1101)
    assert pit.edges() == before + 3  # the idle level, and the edges at 1001 and 1101


def test_reset_between_the_bytes_of_a_count(pit, bench):
    bench.outb(CONTROL, 0x34)
    bench.outb(0x40, 0x55)
    pit.pit.reset()
    assert pit.status(0) & 0x7F == 0x06
    pit.program(0, 2, 0x200)
    pit.go(1)
    assert pit.count(0) == 0x200


def test_load_restores_counts_line_and_the_next_edge(pit, bench):
    pit.program(0, 2, 1000)
    pit.go(400)
    saved = pit.pit.save()
    pit.pit.reset()
    pit.pit.load(3, saved)
    assert pit.pit.save() == saved
    assert bench.irq_pin(0).level
    before = pit.edges()
    pit.go(1000)
    assert pit.edges() == before
    pit.go(1001)
    assert pit.edges() == before + 1


actions = st.lists(
    st.one_of(
        st.tuples(st.just("out"), st.integers(0x40, 0x43), st.integers(0, 255)),
        st.tuples(st.just("in"), st.integers(0x40, 0x43), st.just(0)),
        st.tuples(st.just("gate"), st.integers(0, 2), st.booleans()),
        st.tuples(st.just("wait"), st.integers(0, 200_000), st.just(0)),
        st.tuples(st.just("load"), st.just(0), st.just(0)),
    ),
    max_size=50,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=actions)
def test_random_access_never_raises_and_state_round_trips(bench, steps):
    pit = Driven(type(bench)())
    for kind, where, value in steps:
        if kind == "out":
            pit.bench.outb(where, value)
        elif kind == "in":
            assert 0 <= pit.bench.inb(where) <= 255
        elif kind == "gate":
            pit.pit.set_gate(where, value)
        elif kind == "wait":
            pit.bench.advance(where)
        else:
            saved = pit.pit.save()
            pit.pit.load(3, saved)
            assert pit.pit.save() == saved


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(mode=st.sampled_from([0, 2, 3, 4]), count=st.integers(12, 400), rewrite=st.integers(12, 400))
def test_edges_are_where_the_output_rises(bench, mode, count, rewrite):
    """Counter 0's interrupt against its own output, looked at on every tick."""
    pit = Driven(type(bench)())
    pit.program(0, mode, count)
    rises, edges = [], []
    level, seen = pit.pit.output(0), pit.edges()
    for tick in range(1, 1000):
        pit.go(tick)
        now, total = pit.pit.output(0), pit.edges()
        rises += [tick] * (now and not level)
        edges += [tick] * (total - seen)
        level, seen = now, total
        if tick == 300:
            pit.bench.outb(0x40, rewrite & 0xFF)
            pit.bench.outb(0x40, rewrite >> 8)
            level = pit.pit.output(0)
    assert edges == rises
