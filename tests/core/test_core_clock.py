"""The virtual clock and its timers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyqemu.core.clock import NEVER, Clock


class HostTime:
    """A host clock that moves when told."""

    def __init__(self) -> None:
        self.ns = 1_000_000

    def __call__(self) -> int:
        return self.ns


@pytest.fixture
def host():
    return HostTime()


def test_timers_run_at_their_own_time_in_order():
    clock = Clock(source=None)
    seen: list[tuple[str, int]] = []
    for name, deadline in (("late", 300), ("early", 100), ("middle", 200)):
        clock.timer(lambda name=name: seen.append((name, clock.now()))).start(deadline)
    clock.advance(250)
    assert seen == [("early", 100), ("middle", 200)]
    assert clock.now() == 250
    clock.advance(50)
    assert seen[-1] == ("late", 300)


def test_equal_deadlines_run_in_the_order_of_arming():
    clock = Clock(source=None)
    seen: list[int] = []
    for number in range(5):
        clock.timer(lambda number=number: seen.append(number)).start(100)
    clock.advance(100)
    assert seen == [0, 1, 2, 3, 4]


def test_a_timer_is_one_shot_and_can_rearm_itself():
    clock = Clock(source=None)
    seen: list[int] = []

    def tick() -> None:
        seen.append(clock.now())
        assert not timer.pending
        timer.start(clock.now() + 10)

    timer = clock.timer(tick)
    timer.start(10)
    clock.advance(35)
    assert seen == [10, 20, 30]
    assert timer.deadline_ns == 40


def test_stop_and_restart():
    clock = Clock(source=None)
    seen: list[int] = []
    timer = clock.timer(lambda: seen.append(clock.now()))
    assert not timer.pending
    timer.start(10)
    assert timer.pending
    timer.stop()
    assert not timer.pending
    assert clock.next_deadline() == NEVER
    clock.advance(20)
    timer.start(30)
    timer.start(40)
    clock.advance(100)
    assert seen == [40]


def test_rearming_for_the_same_time_after_a_stop():
    clock = Clock(source=None)
    seen: list[int] = []
    timer = clock.timer(lambda: seen.append(1))
    timer.start(10)
    timer.stop()
    timer.start(10)
    clock.advance(10)
    assert seen == [1]


def test_a_deadline_in_the_past_runs_at_once():
    clock = Clock(source=None)
    clock.advance(100)
    seen: list[int] = []
    clock.timer(lambda: seen.append(clock.now())).start(50)
    clock.advance(0)
    assert seen == [100]


def test_a_callback_may_stop_another_timer():
    clock = Clock(source=None)
    seen: list[str] = []
    second = clock.timer(lambda: seen.append("second"))
    first = clock.timer(lambda: (seen.append("first"), second.stop()))
    first.start(10)
    second.start(10)
    clock.advance(20)
    assert seen == ["first"]


def test_rearming_without_end_does_not_grow():
    clock = Clock(source=None)
    timer, other = clock.timer(lambda: None), clock.timer(lambda: None)
    other.start(1)
    for deadline in range(2, 100_000):
        timer.start(deadline)
    assert len(clock._heap) < 1000
    assert clock.next_deadline() == 1


def test_a_started_clock_follows_its_source(host):
    clock = Clock(source=host)
    host.ns += 100
    assert clock.now() == 0
    assert not clock.running
    clock.start()
    assert clock.running
    host.ns += 500
    assert clock.now() == 500
    assert clock.host_deadline(700) == host.ns + 200


def test_stopping_freezes_time_and_the_timers(host):
    clock = Clock(source=host)
    clock.start()
    seen: list[int] = []
    clock.timer(lambda: seen.append(clock.now())).start(100)
    host.ns += 50
    clock.stop()
    clock.stop()
    host.ns += 1000
    assert clock.now() == 50
    clock.run_due()
    assert seen == []
    clock.start()
    clock.start()
    assert clock.now() == 50
    host.ns += 60
    clock.run_due()
    assert seen == [110]


def test_time_is_set_while_stopped(host):
    clock = Clock(source=host)
    clock.start()
    with pytest.raises(AssertionError):
        clock.set(5)
    clock.stop()
    clock.set(7000)
    assert clock.now() == 7000
    clock.start()
    host.ns += 1
    assert clock.now() == 7001
    with pytest.raises(AssertionError):
        clock.advance(1)


def test_a_manual_clock_can_be_set():
    clock = Clock(source=None)
    clock.set(99)
    assert clock.now() == 99
    assert not clock.running


def test_an_earlier_deadline_is_announced():
    clock = Clock(source=None)
    told: list[int] = []
    clock.on_deadline = told.append
    first, second = clock.timer(lambda: None), clock.timer(lambda: None)
    first.start(100)
    second.start(200)
    second.start(50)
    first.start(150)
    assert told == [100, 50]


def test_a_cancelled_timer_does_not_hide_an_earlier_deadline():
    """The heap's top may be an entry that has been given up."""
    clock = Clock(source=None)
    told: list[int] = []
    first, second = clock.timer(lambda: None), clock.timer(lambda: None)
    first.start(10)
    first.stop()
    clock.on_deadline = told.append
    second.start(20)
    assert clock.next_deadline() == 20
    assert told in ([20], [])  # nobody was promised a wake-up at 20 before
    first.start(30)
    assert clock.next_deadline() == 20


@given(st.lists(st.tuples(st.integers(0, 4), st.one_of(st.none(), st.integers(0, 100)), st.integers(0, 30))))
def test_any_sequence(steps):
    clock = Clock(source=None)
    expected: dict[int, int] = {}
    fired: list[tuple[int, int]] = []
    timers = [clock.timer(lambda n=n: fired.append((n, clock.now()))) for n in range(5)]
    for number, delay, passed in steps:
        if delay is None:
            timers[number].stop()
            expected.pop(number, None)
        else:
            timers[number].start(clock.now() + delay)
            expected[number] = clock.now() + delay
        target = clock.now() + passed
        due = sorted((at, n) for n, at in expected.items() if at <= target)
        fired.clear()
        clock.advance(passed)
        assert sorted((at, n) for n, at in fired) == due
        assert [at for _, at in fired] == sorted(at for _, at in fired)
        for _, n in due:
            del expected[n]
        assert clock.next_deadline() == min(expected.values(), default=NEVER)


def test_a_restored_time_leaves_waiting_timers_what_they_have_left():
    clock = Clock(source=None)
    fired = []
    timer = clock.timer(lambda: fired.append(clock.now()))
    clock.advance(100)
    timer.start(150)
    clock.restore(1000)
    assert timer.deadline_ns == 1050
    clock.advance(49)
    assert not fired
    clock.advance(1)
    assert fired == [1050]


def test_whoever_counts_with_the_clock_hears_when_it_starts_and_stops():
    heard = []
    clock = Clock()
    clock.on_run.append(heard.append)
    clock.start()
    clock.start()
    clock.stop()
    clock.stop()
    assert heard == [True, False]
