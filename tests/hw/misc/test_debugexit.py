"""The debug exit port."""

from __future__ import annotations

import pytest

from pyqemu.core.errors import ConfigError
from pyqemu.hw.misc.debugexit import DebugExit


def test_a_write_ends_with_an_odd_status(bench):
    bench.plug(DebugExit())
    bench.outb(0x501, 0x10)
    assert bench.power_switch.requests == [("exit", 0x21)]


@pytest.mark.parametrize("write", ["outb", "outw", "outl"])
def test_every_width_and_the_host_keeps_eight_bits(bench, write):
    bench.plug(DebugExit(iobase="0xf4", iosize="4"))
    getattr(bench, write)(0xF4, 0xFF)
    assert bench.power_switch.requests[0] == ("exit", 0xFF)
    assert (bench.inb(0xF4), bench.inw(0xF6), bench.inl(0xF4)) == (0, 0, 0)


def test_wide_write_to_a_narrow_device(bench):
    bench.plug(DebugExit())
    bench.outl(0x501, 3)
    assert bench.power_switch.requests[0] == ("exit", 7)


def test_its_ports_end_with_iosize(bench):
    bench.plug(DebugExit(iosize=1))
    bench.outb(0x502, 1)
    assert bench.power_switch.requests == []
    assert bench.inb(0x502) == 0xFF


def test_iosize_must_not_be_zero():
    with pytest.raises(ConfigError, match="iosize"):
        DebugExit(iosize=0)
