"""The power switch: the first reason counts."""

from __future__ import annotations

from pyqemu.core.runstate import PowerSwitch


def test_requests_are_noted_and_announced():
    calls = []
    switch = PowerSwitch(lambda: calls.append(1))
    assert not switch.pending
    switch.request_reset()
    switch.request_reset("other")
    assert switch.pending
    assert switch.take_reset() == "guest-reset"
    assert not switch.pending and switch.take_reset() is None
    switch.request_shutdown("host-signal")
    switch.request_shutdown()
    assert switch.shutdown_cause == "host-signal"
    switch.request_exit(3)
    switch.request_exit(5)
    assert switch.exit_status == 3
    assert len(calls) == 6


def test_a_status_of_zero_is_a_request():
    switch = PowerSwitch(lambda: None)
    switch.request_exit(0)
    switch.request_exit(1)
    assert switch.pending and switch.exit_status == 0
