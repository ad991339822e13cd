"""Trace events: which are on, and what they tell."""

from __future__ import annotations

import re

import pytest

from pyqemu.core import trace
from pyqemu.core.errors import ConfigError
from pyqemu.core.logfile import LogOutput


@pytest.fixture(autouse=True)
def all_off():
    trace.forget()
    yield
    trace.forget()


@pytest.fixture
def known(monkeypatch):
    monkeypatch.setattr(trace, "_events", {})
    return [trace.event(name, "value %d") for name in ("ide_read", "ide_write", "pci_read")]


def test_patterns_turn_events_on_and_off(known):
    trace.switch("ide_*", True)
    trace.switch("ide_write", False)
    assert [each.on for each in known] == [True, False, False]
    assert [each.name for each in trace.events("*_read")] == ["ide_read", "pci_read"]
    trace.forget()
    assert not any(each.on for each in known)


def test_an_event_that_comes_later_is_on_at_once(known):
    trace.switch("late_*", True)
    trace.switch("late_off", False)
    assert trace.event("late_on", "%d").on and not trace.event("late_off", "%d").on
    trace.forget()
    assert not trace.event("late_again", "%d").on


def test_what_is_told_goes_to_the_log(known, tmp_path):
    path = tmp_path / "log"
    output = LogOutput((), str(path))
    output.trace("ide_read", True)
    output.select([])  # of -d: does not matter here
    known[0](7)
    output.trace("ide_read", False)
    assert not known[0].on
    output.close()
    assert re.fullmatch(r"\d+@\d+\.\d{6}:ide_read value 7\n", path.read_text())


def test_a_log_that_cannot_be_opened_traces_nothing(known, tmp_path):
    with pytest.raises(ConfigError):
        LogOutput((), str(tmp_path / "nosuch" / "log")).trace("*", True)
    assert not any(each.on for each in known)


def test_a_machine_that_ends_leaves_them_off(known, tmp_path):
    output = LogOutput((), str(tmp_path / "log"))
    output.trace("*", True)
    output.close()
    assert not any(each.on for each in known)
