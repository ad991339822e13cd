"""The debug console port."""

from __future__ import annotations

import pytest

from pyqemu.chardev import BufferChardev
from pyqemu.core.errors import ConfigError
from pyqemu.hw.char.debugcon import DebugConsole


def test_writes_reach_the_backend(bench):
    console = bench.plug(DebugConsole(chardev=BufferChardev()))
    for byte in b"ok":
        bench.outb(0xE9, byte)
    assert bench.ports.string_writers[0xE9](1, memoryview(b"line\n")) == 5
    assert bench.ports.string_writers[0xE9](2, b"xx") == 0
    assert console.chardev.sent == b"okline\n"


def test_read_back_is_those_of_the_board(bench):
    bench.plug(DebugConsole(iobase=0x402, chardev=BufferChardev()))
    assert (bench.inb(0x402), bench.inw(0x402), bench.inl(0x402)) == (0xE9, 0, 0)
    assert bench.inb(0xE9) == 0xFF


def test_read_back_can_be_chosen(bench):
    bench.plug(DebugConsole(readback="0x55", chardev=BufferChardev()))
    assert bench.inb(0xE9) == 0x55


def test_wide_writes_are_dropped(bench):
    console = bench.plug(DebugConsole(chardev=BufferChardev()))
    bench.outw(0xE9, 0x4142)
    bench.outl(0xE9, 0x41424344)
    assert console.chardev.sent == b""


def test_backend_is_required(bench):
    with pytest.raises(ConfigError, match="empty char device"):
        bench.plug(DebugConsole())
