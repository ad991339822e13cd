"""Port 92: fast reset and A20."""

from __future__ import annotations

import pytest

from pyqemu.core.lines import Pin
from pyqemu.hw.misc.port92 import Port92


@pytest.fixture
def pin():
    return Pin()


@pytest.fixture
def port92(bench, pin):
    device = Port92()
    device.a20_line = pin.connect()
    return bench.plug(device)


def test_reset_value(bench, port92, pin):
    assert bench.inb(0x92) == 0
    assert bench.inw(0x92) == 0
    assert not pin.level


def test_bit_1_drives_a20(bench, port92, pin):
    bench.outb(0x92, 0x02)
    assert pin.level and bench.inb(0x92) == 0x02
    bench.outb(0x92, 0x00)
    assert not pin.level


def test_every_bit_is_kept(bench, port92):
    bench.outb(0x92, 0xFE)
    assert bench.inb(0x92) == 0xFE
    assert bench.inw(0x92) == 0xFEFE


def test_bit_0_resets_on_its_rising_edge_only(bench, port92):
    bench.outb(0x92, 0x01)
    bench.outb(0x92, 0x03)
    assert bench.power_switch.requests == [("reset", "guest-reset")]
    bench.outb(0x92, 0x02)
    bench.outw(0x92, 0xFF03)
    assert len(bench.power_switch.requests) == 2


def test_reset_and_load_drive_the_line(bench, port92, pin):
    bench.outb(0x92, 0x02)
    saved = port92.save()
    port92.reset()
    assert not pin.level
    port92.load(1, saved)
    assert pin.level and port92.save() == saved
    assert bench.power_switch.requests == []


def test_it_works_unconnected(bench):
    bench.plug(Port92())
    for value in range(256):
        bench.outb(0x92, value)
        assert bench.inb(0x92) == value
