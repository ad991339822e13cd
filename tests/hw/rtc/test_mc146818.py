"""The real-time clock: time, alarm, periodic and update interrupts, CMOS RAM."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pyqemu.core.clock import NEVER
from pyqemu.hw.rtc.mc146818 import Mc146818

S = 1_000_000_000
A, B, C, D = 0x0A, 0x0B, 0x0C, 0x0D
SET, PIE, AIE, UIE, BINARY, H24 = 0x80, 0x40, 0x20, 0x10, 0x04, 0x02
NEW_YEAR_2020 = int(datetime(2020, 1, 1, tzinfo=UTC).timestamp())


class Clock:
    def __init__(self, bench, when=NEW_YEAR_2020, **props):
        self.bench = bench
        self.chip = bench.plug(Mc146818(start_time=when, **props))

    def get(self, index):
        self.bench.outb(0x70, index)
        return self.bench.inb(0x71)

    def put(self, index, value):
        self.bench.outb(0x70, index)
        self.bench.outb(0x71, value)

    def time(self):
        """Century, year, month, day, weekday, hour, minute, second, as they stand."""
        return " ".join(f"{self.get(i):02x}" for i in (0x32, 9, 8, 7, 6, 4, 2, 0))

    def set_time(self, *values):
        """The same order; None leaves a register."""
        self.put(B, self.get(B) | SET)
        for index, value in zip((0x32, 9, 8, 7, 6, 4, 2, 0), values, strict=True):
            if value is not None:
                self.put(index, value)
        self.put(B, self.get(B) & ~SET)

    @property
    def line(self):
        return self.bench.irq_pin(8).level

    @property
    def idle(self):
        return self.bench.clock.next_deadline() == NEVER


@pytest.fixture
def rtc(bench):
    return Clock(bench)


def at(bench, *when, **props):
    return Clock(bench, int(datetime(*when, tzinfo=UTC).timestamp()), **props)


def test_registers_at_power_on(rtc, bench):
    assert [rtc.get(i) for i in range(16)] == [0, 0, 0, 0, 0, 0, 4, 1, 1, 0x20, 0x26, 0x02, 0, 0x80, 0, 0]
    assert rtc.get(0x32) == rtc.get(0x37) == 0x20


def test_index_port_reads_ff_and_words_are_split(rtc, bench):
    assert bench.inb(0x70) == 0xFF
    bench.outw(0x70, 0x5A40)
    assert bench.inw(0x70) == 0x5AFF


def test_bit_7_of_the_index_masks_nmi_and_selects_nothing(rtc, bench):
    seen = []
    rtc.chip.on_nmi_mask = seen.append
    rtc.put(0x40, 0x77)
    assert rtc.get(0xC0) == 0x77
    assert seen == [True] and rtc.chip.nmi_masked
    rtc.chip.reset()
    assert seen[-1] is False


def test_cmos_ram_keeps_every_byte_through_reset(rtc):
    rtc.chip.set_cmos(0x15, 0x80)
    for index in range(14, 128):
        if index not in (0x15, 0x32, 0x37):
            rtc.put(index, index ^ 0xFF)
    rtc.chip.reset()
    assert rtc.get(0x15) == 0x80
    assert all(rtc.get(i) == i ^ 0xFF for i in range(14, 128) if i not in (0x15, 0x32, 0x37))


def test_an_idle_clock_arms_no_timer(rtc, bench):
    for _ in range(5):
        bench.advance(S)
        rtc.time()
        rtc.get(C)
    assert rtc.idle


def test_time_passes(rtc, bench):
    bench.advance(S - 1)
    assert rtc.time() == "20 20 01 01 04 00 00 00"
    bench.advance(1)
    assert rtc.time() == "20 20 01 01 04 00 00 01"
    bench.advance(86399 * S)
    assert rtc.time() == "20 20 01 02 05 00 00 00"


@pytest.mark.parametrize(
    ("start", "after"),
    [
        ((1999, 12, 31), "20 00 01 01 07 00 00 00"),
        ((2000, 2, 28), "20 00 02 29 03 00 00 00"),
        ((2100, 2, 28), "21 00 03 01 02 00 00 00"),
        ((2023, 2, 28), "20 23 03 01 04 00 00 00"),
        ((2024, 2, 29), "20 24 03 01 06 00 00 00"),
        ((1969, 12, 31), "19 70 01 01 05 00 00 00"),
    ],
)
def test_midnight(bench, start, after):
    rtc = at(bench, *start, 23, 59, 59)
    bench.advance(S)
    assert rtc.time() == after


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(start=st.integers(-2_000_000_000, 60_000_000_000), passed=st.integers(0, 4_000_000_000))
def test_any_span_counts_as_the_calendar_does(bench, start, passed):
    rtc = Clock(type(bench)(), start)
    rtc.bench.advance(passed * S)
    when = datetime.fromtimestamp(start + passed, UTC)
    weekday = when.isoweekday() % 7 + 1
    assert rtc.time() == f"{when:%C %y %m %d} {weekday:02} {when:%H %M %S}"


def test_base_year_is_subtracted(bench):
    rtc = at(bench, 2020, 2, 28, 23, 59, 59, base_year=1980)
    assert rtc.time().startswith("00 40 02 28")
    bench.advance(S)
    assert rtc.time().startswith("00 40 02 29")


def test_binary_and_twelve_hours(bench):
    rtc = at(bench, 2020, 12, 31, 23, 59, 58)
    rtc.put(B, BINARY)
    assert rtc.time() == "14 14 0c 1f 05 8b 3b 3a"
    bench.advance(2 * S)
    assert rtc.time() == "14 15 01 01 06 0c 00 00"
    rtc.put(B, 0)
    assert rtc.time() == "20 21 01 01 06 12 00 00"
    bench.advance(12 * 3600 * S)
    assert rtc.get(4) == 0x92
    bench.advance(3600 * S)
    assert rtc.get(4) == 0x81
    rtc.put(B, H24)
    assert rtc.get(4) == 0x13


def test_setting_the_clock(rtc, bench):
    bench.advance(S // 3)
    rtc.set_time(0x19, 0x87, 0x12, 0x31, 0x03, 0x23, 0x59, 0x58)
    assert rtc.time() == "19 87 12 31 03 23 59 58"
    bench.advance(2 * S)
    assert rtc.time() == "19 88 01 01 04 00 00 00"  # its own day of the week goes on


def test_set_stops_the_time_but_not_the_divider(rtc, bench):
    bench.advance(S // 2)
    rtc.put(B, SET | H24)
    bench.advance(10 * S)
    assert rtc.get(0) == 0
    rtc.put(B, H24)
    bench.advance(S // 2 - 1)
    assert rtc.get(0) == 0
    bench.advance(1)
    assert rtc.get(0) == 1


def test_single_registers_can_be_set_while_it_runs(bench):
    rtc = at(bench, 2023, 2, 10)
    rtc.put(7, 0x31)
    rtc.put(8, 0x03)
    bench.advance(S)
    assert rtc.time() == "20 23 03 31 06 00 00 01"


def test_first_update_half_a_second_after_divider_reset(rtc, bench):
    rtc.put(A, 0x76)
    bench.advance(10 * S)
    assert rtc.get(0) == 0 and rtc.get(A) == 0x76
    rtc.put(A, 0x26)
    bench.advance(S // 2 - 1)
    assert rtc.get(0) == 0
    bench.advance(1)
    assert rtc.get(0) == 1


def test_update_in_progress_warns_for_244_microseconds(rtc, bench):
    assert rtc.get(A) == 0x26
    bench.advance(S - 244_141)
    assert rtc.get(A) == 0x26
    bench.advance(1)
    assert rtc.get(A) == 0xA6
    bench.advance(244_140)
    assert rtc.get(A) == 0x26
    rtc.put(B, SET | H24)
    bench.advance(S - 1)
    assert rtc.get(A) == 0x26


def test_a_c_and_d_have_bits_that_cannot_be_written(rtc):
    rtc.put(A, 0xA6)
    rtc.put(C, 0xFF)
    rtc.put(D, 0x00)
    assert (rtc.get(A), rtc.get(C), rtc.get(D)) == (0x26, 0, 0x80)


@pytest.mark.parametrize("rate", range(1, 16))
def test_periodic_interrupt_at_every_rate(rtc, bench, rate):
    hz = {1: 256, 2: 128}.get(rate, 65536 >> rate)
    rtc.put(A, 0x20 | rate)
    rtc.put(B, PIE | H24)
    for n in range(1, 5):
        edge = -(-n * S // hz)
        bench.advance(edge - 1 - bench.clock.now())
        assert not rtc.line
        bench.advance(1)
        assert rtc.line
        assert rtc.get(C) & ~0x10 == 0xC0  # slow rates meet the update
        assert not rtc.line


def test_periodic_phase_does_not_drift(rtc, bench):
    rtc.put(A, 0x26)
    rtc.put(B, PIE | H24)
    bench.advance(3600 * S)
    assert rtc.get(C) & 0x40
    bench.advance(-(-S // 1024) - 1)
    assert not rtc.line
    bench.advance(1)
    assert rtc.line


def test_rate_zero_has_no_periodic_interrupt(rtc, bench):
    rtc.put(A, 0x20)
    rtc.put(B, PIE | H24)
    bench.advance(2 * S)
    assert rtc.get(C) == 0x10 and rtc.idle


def test_an_unread_interrupt_costs_nothing_more(rtc, bench):
    rtc.put(A, 0x26)
    rtc.put(B, PIE | H24)
    bench.advance(S)
    assert rtc.line and rtc.idle
    assert bench.edges[8] == 1


def test_flags_are_set_without_their_enables(rtc, bench):
    bench.advance(S)
    assert rtc.get(C) == 0x50
    assert rtc.get(C) == 0
    assert not rtc.line


def test_enabling_a_set_flag_raises_the_line_at_once(rtc, bench):
    bench.advance(S)
    rtc.put(B, UIE | H24)
    assert rtc.line
    assert rtc.get(C) == 0xD0
    assert not rtc.line


def test_update_ended_interrupt(rtc, bench):
    rtc.put(B, UIE | H24)
    for second in (1, 2, 3):
        bench.advance(S - 1)
        assert not rtc.line
        bench.advance(1)
        assert rtc.line and rtc.get(0) == second
        assert rtc.get(C) & 0x90 == 0x90


def test_set_clears_the_update_interrupt_enable(rtc):
    rtc.put(B, SET | UIE | H24)
    assert rtc.get(B) == SET | H24


def test_disabling_drops_the_line(rtc, bench):
    rtc.put(B, UIE | H24)
    bench.advance(S)
    rtc.put(B, H24)
    assert not rtc.line
    assert rtc.get(C) & 0x90 == 0x10


@pytest.mark.parametrize(
    ("hour", "minute", "second", "delay"),
    [
        (0x12, 0x34, 0x56, 12 * 3600 + 34 * 60 + 56),
        (0x00, 0x00, 0x00, 86400),
        (0x00, 0x00, 0x01, 1),
        (0xFF, 0x00, 0x00, 3600),
        (0xC0, 0xC0, 0x10, 10),
        (0xFF, 0xFF, 0xFF, 1),
        (0x02, 0xFF, 0xFF, 7200),
        (0xFF, 0x05, 0xFF, 300),
    ],
)
def test_alarm(rtc, bench, hour, minute, second, delay):
    for index, value in ((5, hour), (3, minute), (1, second)):
        rtc.put(index, value)
    rtc.get(C)
    rtc.put(B, AIE | H24)
    bench.advance(delay * S - 1)
    assert not rtc.line
    bench.advance(1)
    assert rtc.line
    assert rtc.get(C) & 0xA0 == 0xA0


def test_alarm_in_twelve_hour_mode(bench):
    rtc = at(bench, 2020, 1, 1, 11, 0, 0)
    rtc.put(B, 0)
    rtc.put(5, 0x81)  # one in the afternoon
    rtc.put(B, AIE)
    bench.advance(7199 * S)
    assert not rtc.line
    bench.advance(S)
    assert rtc.line


@pytest.mark.parametrize(("index", "value"), [(5, 0x24), (3, 0x60), (1, 0x0A), (1, 0x99)])
def test_an_alarm_that_no_time_matches_never_comes(rtc, bench, index, value):
    rtc.put(index, value)
    rtc.put(B, AIE | H24)
    assert rtc.idle
    bench.advance(3 * 86400 * S)
    assert not rtc.get(C) & 0x20


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    start=st.integers(0, 86399),
    hour=st.sampled_from([0xFF, *range(24)]),
    minute=st.sampled_from([0xFF, 0, 30, 59]),
    second=st.sampled_from([0xFF, 0, 30, 59]),
)
def test_alarm_comes_at_the_first_match(bench, start, hour, minute, second):
    rtc = Clock(type(bench)(), start)
    rtc.put(B, BINARY | H24)
    for index, value in ((5, hour), (3, minute), (1, second)):
        rtc.put(index, value)
    rtc.put(B, AIE | BINARY | H24)

    def matches(t):
        fields = (t // 3600 % 24, t // 60 % 60, t % 60)
        return all(w in (0xFF, f) for w, f in zip((hour, minute, second), fields, strict=True))

    delay = next(n for n in range(1, 86401) if matches(start + n))
    assert rtc.bench.clock.next_deadline() == delay * S


def test_reset_turns_interrupts_off_and_keeps_the_time(rtc, bench):
    rtc.put(B, PIE | AIE | UIE | 0x08 | H24)
    bench.advance(5 * S)
    assert rtc.line
    rtc.chip.reset()
    assert not rtc.line and rtc.idle
    assert (rtc.get(B), rtc.get(C)) == (H24, 0)
    assert rtc.get(0) == 5


def test_impossible_dates_are_counted_on(rtc, bench):
    rtc.set_time(0x20, 0x23, 0x13, 0x32, 0x09, 0x25, 0x61, 0x62)
    assert rtc.time() == "20 23 13 32 09 25 61 62"
    bench.advance(S)
    assert rtc.time()[:11] == "20 24 02 02"
    rtc.set_time(*[0xFF] * 8)
    bench.advance(S)
    rtc.time()
    rtc.set_time(*[0] * 8)
    bench.advance(S)
    rtc.time()


def test_save_and_load_with_an_interrupt_pending_and_one_to_come(rtc, bench):
    rtc.put(A, 0x2F)
    rtc.put(B, PIE | H24)
    for pending in (False, True):
        bench.advance(S // 2 - 1 if not pending else S)
        saved = rtc.chip.save()
        rtc.chip.reset()
        assert not rtc.line
        rtc.chip.load(3, saved)
        assert rtc.chip.save() == saved
        assert rtc.line == pending
    rtc.get(C)
    bench.advance(S // 2)
    assert rtc.line


actions = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.integers(0, 255), st.integers(0, 255)),
        st.tuples(st.just("get"), st.integers(0, 255), st.just(0)),
        st.tuples(st.just("wait"), st.integers(0, 3_000_000), st.just(0)),
        st.tuples(st.just("leap"), st.integers(0, 1_000_000_000), st.just(0)),
        st.tuples(st.just("load"), st.just(0), st.just(0)),
    ),
    max_size=40,
)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=actions)
def test_random_access_never_raises_and_state_round_trips(bench, steps):
    rtc = Clock(type(bench)())
    for kind, where, value in steps:
        if kind == "put":
            rtc.put(where & 0x3F if value & 1 else where, value)
        elif kind == "get":
            assert 0 <= rtc.get(where) <= 255
        elif kind == "wait":
            rtc.bench.advance(where)
        elif kind == "leap":
            rtc.bench.clock.set(rtc.bench.clock.now() + where * S)
            rtc.bench.clock.run_due()
        else:
            saved = rtc.chip.save()
            rtc.chip.load(3, saved)
            assert rtc.chip.save() == saved
