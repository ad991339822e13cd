"""The panic port."""

from __future__ import annotations

import pytest

from pyqemu.hw.misc.pvpanic import PvPanic


class Power:
    def __init__(self):
        self.reported = []

    def report_panic(self, what):
        self.reported.append(what)


@pytest.fixture
def port(bench):
    bench.bus_power = bench.power = Power()
    device = bench.plug(PvPanic())
    device.bus.power = bench.power
    return bench


def test_reads_tell_the_events(port):
    assert port.inb(0x505) == 3


def test_writes_are_reported(port):
    port.outb(0x505, 1)
    port.outb(0x505, 2)
    port.outb(0x505, 3)
    assert port.power.reported == ["panicked", "crashloaded", "panicked"]


def test_unknown_events_are_none(port):
    port.outb(0x505, 0x80)
    assert port.power.reported == []
