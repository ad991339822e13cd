"""Pins and lines."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pyqemu.core.lines import Pin


def test_a_pin_is_the_or_of_its_lines():
    changes: list[bool] = []
    pin = Pin(changes.append)
    first, second = pin.connect(), pin.connect()
    first.set(True)
    second.set(1)
    first.set(False)
    assert pin.level
    second.set(0)
    assert not pin.level
    assert changes == [True, False]


def test_driving_one_level_twice_changes_nothing():
    changes: list[bool] = []
    pin = Pin(changes.append)
    line = pin.connect()
    for level in (False, True, True, False, False):
        line.set(level)
    assert changes == [True, False]


def test_no_line_lowers_another():
    pin = Pin()
    holder, other = pin.connect(), pin.connect()
    holder.set(True)
    other.set(False)
    other.pulse()
    assert pin.level
    assert holder.level and not other.level


def test_a_pulse_is_an_edge_only_on_a_low_pin():
    changes: list[bool] = []
    pin = Pin(changes.append)
    pin.connect().pulse()
    assert changes == [True, False]
    pin.connect().set(True)
    pin.connect().pulse()
    assert changes == [True, False, True]


def test_a_handler_may_be_connected_later():
    pin = Pin()
    line = pin.connect()
    line.set(True)
    changes: list[bool] = []
    pin.handler = changes.append
    line.set(True)
    assert changes == []
    line.set(False)
    assert changes == [False]


def test_a_handler_may_change_the_line_itself():
    pin = Pin()
    line = pin.connect()
    pin.handler = lambda level: line.set(False) if level else None
    line.set(True)
    assert not pin.level and not line.level


@given(st.lists(st.tuples(st.integers(0, 3), st.booleans())))
def test_any_sequence(steps):
    changes: list[bool] = []
    pin = Pin(changes.append)
    lines = [pin.connect() for _ in range(4)]
    levels = [False] * 4
    for number, level in steps:
        lines[number].set(level)
        levels[number] = level
        assert pin.level == any(levels)
    assert changes == [i % 2 == 0 for i in range(len(changes))]
