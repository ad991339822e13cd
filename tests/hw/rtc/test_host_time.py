"""A clock chip whose saved times are the host's, as QEMU's are: time goes on while nobody runs it."""

from __future__ import annotations

import time

import pytest
from bench import Bench
from hw.rtc.test_mc146818 import A, B, C, Clock

from pyqemu.core import wire
from pyqemu.hw.rtc.host_time import NO_ALARM

S = 1_000_000_000


@pytest.fixture
def host(monkeypatch):
    """The host's clock, moved by hand."""
    now = [1_700_000_000 * S]
    monkeypatch.setattr(time, "time_ns", lambda: now[0])
    return now


@pytest.fixture
def clock(bench, host):
    return Clock(bench, qemu_state=True)


def save(clock):
    clock.chip.before_save()
    out = bytearray()
    described = wire.encode(clock.chip, out)
    return bytes(out), [sub["vmsd_name"] for sub in described.get("subsections", [])]


def fields(data):
    return wire.decode(type(Clock(Bench()).chip), wire.Cursor(data), 3)


def moved(data, at_ns=0):
    other = Clock(Bench(), qemu_state=True)
    other.bench.clock.advance(at_ns)
    other.chip.load_wire(fields(data), 3)
    other.chip.refresh()
    return other


def test_time_goes_on_while_nobody_runs(clock, bench, host):
    bench.advance(int(2.5 * S))
    data, ours = save(clock)
    assert not ours
    host[0] += 60 * S
    other = moved(data, at_ns=bench.clock.now())
    assert other.time().endswith("00 01 02")
    other.bench.advance(int(0.6 * S))
    assert other.time().endswith("00 01 03")


def test_registers_that_qemu_brought_up_to_date_are_not_counted_twice(clock, host):
    """QEMU's registers show the second of the save, and its last_update may be long before."""
    data, _ = save(clock)
    values = fields(data)
    values["base_rtc"] -= 100
    values["last_update"] -= 100 * S + S // 4
    other = Clock(Bench(), qemu_state=True)
    other.chip.load_wire(values, 3)
    assert other.time().endswith("00 00 00")
    other.bench.advance(S // 2)
    assert other.time().endswith("00 00 00")
    other.bench.advance(S // 4 + 1)
    assert other.time().endswith("00 00 01")


def test_what_cannot_be_is_no_time(clock):
    values = fields(save(clock)[0])
    for last_update in (0, 1, (1 << 64) - 1):
        other = Clock(Bench(), qemu_state=True)
        other.chip.load_wire(values | {"last_update": last_update}, 3)
        assert other.time() == clock.time()


def test_the_next_events_are_told_in_the_hosts_time(clock, bench, host):
    bench.advance(S // 4)
    host[0] += S // 4
    values = fields(save(clock)[0])
    assert values["update_timer"] == host[0] + 3 * S // 4
    clock.put(5, 0x00)
    clock.put(3, 0x02)
    clock.put(1, 0x03)
    assert fields(save(clock)[0])["next_alarm_time"] == host[0] - S // 4 + 123 * S
    clock.put(1, 0x7F)
    assert fields(save(clock)[0])["next_alarm_time"] == NO_ALARM


def test_periodic_interrupts_come_once_after_a_move(clock, bench):
    clock.put(A, 0x26)
    clock.put(B, 0x42)
    bench.advance(100_000_000)
    clock.get(C)
    other = moved(save(clock)[0], at_ns=bench.clock.now())
    assert other.get(C) == 0
    other.bench.advance(1_000_000)
    assert other.get(C) == 0xC0
