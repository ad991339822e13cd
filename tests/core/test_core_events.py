"""The event loop, with real descriptors and the real timer."""

from __future__ import annotations

import os
import select
import socket
import threading
import time

import pytest

from pyqemu.core.clock import Clock
from pyqemu.core.events import IDLE_LIMIT_NS, EventLoop
from pyqemu.cpu.library import native

MS = 1_000_000


@pytest.fixture
def clock():
    return Clock()


def too_late():
    raise AssertionError("the loop sleeps on")


@pytest.fixture
def loop(clock):
    module = native()
    loop = EventLoop(clock, module.timer_create(), module.timer_set)
    clock.start()
    watchdog = threading.Timer(5, loop.post, [too_late])
    watchdog.start()
    yield loop
    watchdog.cancel()
    watchdog.join()
    loop.close()


@pytest.fixture
def pair():
    left, right = socket.socketpair()
    left.setblocking(False)
    right.setblocking(False)
    yield left, right
    left.close()
    right.close()


def test_nothing_to_do(loop):
    loop.poll()
    loop.poll()


def test_a_reader_is_called_while_there_is_data(loop, pair):
    left, right = pair
    seen = []
    loop.add_reader(left.fileno(), lambda: seen.append(left.recv(1)))
    loop.poll()
    assert seen == []
    right.send(b"ab")
    loop.wait()
    loop.poll()
    loop.poll()
    assert seen == [b"a", b"b"]
    loop.remove_reader(left.fileno())
    right.send(b"c")
    loop.poll()
    assert len(seen) == 2


def test_a_writer_is_called_while_there_is_room(loop, pair):
    left, _right = pair
    seen = []
    loop.add_writer(left.fileno(), lambda: seen.append(1))
    loop.poll()
    loop.poll()
    assert seen == [1, 1]
    loop.remove_writer(left.fileno())
    loop.poll()
    assert seen == [1, 1]


def test_reader_and_writer_of_one_descriptor(loop, pair):
    left, right = pair
    seen = []
    loop.add_reader(left.fileno(), lambda: seen.append(left.recv(10)))
    loop.add_writer(left.fileno(), lambda: seen.append("room"))
    right.send(b"x")
    loop.poll()
    assert seen == [b"x", "room"]
    loop.remove_writer(left.fileno())
    right.send(b"y")
    loop.poll()
    assert seen[2:] == [b"y"]


def test_a_callback_replaces_the_one_before(loop, pair):
    left, right = pair
    seen = []
    loop.add_reader(left.fileno(), lambda: seen.append("old"))
    loop.add_reader(left.fileno(), lambda: (left.recv(10), seen.append("new")))
    right.send(b"x")
    loop.poll()
    assert seen == ["new"]


def test_the_end_of_a_stream_reaches_the_reader(loop, pair):
    left, right = pair
    seen = []
    loop.add_reader(left.fileno(), lambda: seen.append(left.recv(10)))
    right.close()
    loop.poll()
    assert seen == [b""]


def test_a_callback_may_remove_another(loop):
    """Both are ready in one round; the one that was removed is not called."""
    with_pair = [socket.socketpair() for _ in range(2)]
    seen = []
    for number, (left, right) in enumerate(with_pair):
        other = with_pair[1 - number][0]
        loop.add_reader(
            left.fileno(),
            lambda number=number, other=other: (seen.append(number), loop.remove_reader(other.fileno())),
        )
        right.send(b"x")
    loop.poll()
    assert len(seen) == 1
    for left, right in with_pair:
        left.close()
        right.close()


def test_a_closed_descriptor_can_be_removed_and_its_number_used_again(loop):
    left, right = socket.socketpair()
    number = left.fileno()
    loop.add_reader(number, lambda: None)
    left.close()
    loop.remove_reader(number)
    right.close()
    read_end, write_end = os.pipe()
    seen = []
    loop.add_reader(read_end, lambda: seen.append(os.read(read_end, 10)))
    os.write(write_end, b"x")
    loop.poll()
    assert seen == [b"x"]
    loop.remove_reader(read_end)
    os.close(read_end)
    os.close(write_end)


def test_regular_files_are_refused(loop, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"x")
    with path.open("rb") as file, pytest.raises(PermissionError):
        loop.add_reader(file.fileno(), lambda: None)
    loop.poll()


def test_removing_what_was_never_added(loop, pair):
    loop.remove_reader(pair[0].fileno())
    loop.remove_writer(pair[0].fileno())


def test_wait_sleeps_until_the_timer(loop, clock):
    seen, started = [], clock.now()
    clock.timer(lambda: seen.append(clock.now())).start(started + 5 * MS)
    while not seen:
        loop.wait()
    assert seen[0] - started >= 5 * MS


def test_timers_fire_in_order_and_rearm(loop, clock):
    seen = []

    def tick():
        seen.append(len(seen))
        if len(seen) < 5:
            timer.start(clock.now() + MS)

    timer = clock.timer(tick)
    timer.start(clock.now() + MS)
    while len(seen) < 5:
        loop.wait()
    assert seen == [0, 1, 2, 3, 4]


def test_the_loops_descriptor_becomes_ready_for_a_timer(loop, clock):
    started = time.perf_counter_ns()
    clock.timer(lambda: None).start(clock.now() + 3 * MS)
    poller = select.poll()
    poller.register(loop.fileno(), select.POLLIN)
    assert poller.poll(2000)
    assert time.perf_counter_ns() - started >= 2 * MS
    loop.poll()
    assert not poller.poll(0), "a timer that has fired must not keep the descriptor ready"


def test_a_stopped_clock_runs_no_timers(loop, clock):
    seen = []
    clock.timer(lambda: seen.append(1)).start(clock.now() + MS)
    clock.stop()
    loop.poll()
    time.sleep(0.003)
    loop.poll()
    assert seen == []
    clock.start()
    loop.poll()
    while not seen:
        loop.wait()


def test_a_deadline_in_the_past(loop, clock):
    seen = []
    clock.timer(lambda: seen.append(1)).start(0)
    loop.wait()
    assert seen == [1]


def test_idle_callbacks_run_before_sleeping(loop, pair):
    left, right = pair
    seen = []
    loop.add_reader(left.fileno(), lambda: seen.append(left.recv(10)))
    loop.call_idle(first := lambda: seen.append("idle"))
    loop.call_idle(first)
    right.send(b"x")
    loop.poll()
    assert seen == [b"x"]
    right.send(b"y")
    loop.wait()
    assert seen == [b"x", "idle", b"y"]


def test_idle_callbacks_run_after_a_while_when_the_guest_computes(loop):
    seen, started = [], time.perf_counter_ns()
    loop.call_idle(lambda: seen.append(time.perf_counter_ns()))
    while not seen:
        loop.poll()
    assert seen[0] - started >= IDLE_LIMIT_NS - MS
    loop.poll()
    assert len(seen) == 1


def test_the_loops_descriptor_becomes_ready_for_idle_callbacks(loop):
    """So that the CPU's watcher kicks a guest that never halts."""
    poller = select.poll()
    poller.register(loop.fileno(), select.POLLIN)
    seen = []
    loop.call_idle(lambda: seen.append(1))
    assert not poller.poll(0)
    assert poller.poll(2000)
    loop.poll()
    assert seen == [1]
    assert not poller.poll(0)


def test_idle_callbacks_may_ask_again(loop):
    seen = []

    def idle():
        seen.append(1)
        if len(seen) < 3:
            loop.call_idle(idle)

    loop.call_idle(idle)
    while len(seen) < 3:
        loop.wait()
    assert seen == [1, 1, 1]


def test_post_from_a_thread_wakes_the_loop(loop):
    seen = []
    threads = [
        threading.Thread(target=lambda n=n: loop.post(lambda: seen.append((n, threading.current_thread()))))
        for n in range(5)
    ]
    for thread in threads:
        thread.start()
    while len(seen) < 5:
        loop.wait()
    for thread in threads:
        thread.join()
    assert sorted(n for n, _ in seen) == [0, 1, 2, 3, 4]
    assert {thread for _, thread in seen} == {threading.current_thread()}


def test_a_posted_callback_may_post_again(loop):
    seen = []
    loop.post(lambda: loop.post(lambda: seen.append(1)))
    loop.wait()
    loop.wait()
    assert seen == [1]
