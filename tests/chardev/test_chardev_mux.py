"""The escape key and its commands."""

from __future__ import annotations

import pytest

from pyqemu.chardev import BufferChardev
from pyqemu.chardev.mux import MuxChardev


class Terminal(BufferChardev):
    room = 1 << 20

    def write(self, data):
        taken = data[: self.room]
        self.room -= len(taken)
        self.sent += taken
        return len(taken)

    def flush(self):
        self.flushed = bytes(self.sent)


class Guest:
    def __init__(self):
        self.room = 1 << 16
        self.got = bytearray()

    def receive(self, data):
        assert len(data) <= self.room
        self.room -= len(data)
        self.got += data


@pytest.fixture
def terminal():
    return Terminal()


@pytest.fixture
def guest():
    return Guest()


@pytest.fixture
def calls():
    return []


@pytest.fixture
def now():
    return [0.0]


@pytest.fixture
def mux(terminal, guest, calls, now):
    mux = MuxChardev(terminal, lambda: calls.append("quit"), lambda: calls.append("save"), seconds=lambda: now[0])
    mux.on_break = lambda: calls.append("break")
    mux.connect(guest.receive, lambda: guest.room)
    return mux


def test_text_passes_both_ways(mux, terminal, guest):
    terminal.send(b"ls\r")
    assert mux.write(b"file\r\n") == 6
    assert (guest.got, terminal.sent) == (b"ls\r", b"file\r\n")


def test_quit(mux, terminal, guest, calls):
    terminal.send(b"\x01x")
    assert calls == ["quit"] and terminal.flushed == b"QEMU: Terminated\r\n" and guest.got == b""


def test_quit_works_while_the_guest_takes_nothing(mux, terminal, guest, calls):
    guest.room = 0
    terminal.send(b"hello?" * 100 + b"\x01x")
    assert calls == ["quit"]


def test_escape_may_be_split_and_doubled(mux, terminal, guest, calls):
    terminal.send(b"a\x01")
    terminal.send(b"\x01b\x01")
    terminal.send(b"s")
    assert (guest.got, calls) == (b"a\x01b", ["save"])


def test_break(mux, terminal, guest, calls):
    terminal.send(b"\x01b")
    assert calls == ["break"] and guest.got == b""


def test_help_lists_the_commands(mux, terminal):
    terminal.send(b"\x01h")
    lines = terminal.sent.decode().split("\r\n")
    assert [line.split()[1] for line in lines if line] == ["h", "x", "s", "t", "b", "c", "C-a"]


def test_monitor_says_that_it_is_not_there(mux, terminal, guest):
    terminal.send(b"\x01cinfo\r")
    assert terminal.sent == b"\r\nmonitor not available\r\n" and guest.got == b"info\r"


def test_unknown_command_is_swallowed(mux, terminal, guest, calls):
    terminal.send(b"\x01z!")
    assert (guest.got, terminal.sent, calls) == (b"!", b"", [])


def test_timestamps(mux, terminal, now):
    mux.write(b"boot\r\n")
    now[0] = 5.0
    terminal.send(b"\x01t")
    now[0] = 3605.0 + 62.5 + 0.0005
    assert mux.write(b"one\r\ntw") == 7
    mux.write(b"o\n")
    terminal.send(b"\x01t")
    mux.write(b"end\n")
    assert terminal.sent == b"boot\r\n[01:01:02.500] one\r\n[01:01:02.500] two\nend\n"


def test_slow_terminal_gets_everything(mux, terminal):
    called = []
    mux.on_writable = lambda: called.append(1)
    terminal.send(b"\x01t")
    terminal.room = 5
    assert mux.write(b"line\n") == 5
    assert mux.write(b"more\n") == 0
    terminal.room = 100
    terminal.on_writable()
    assert terminal.sent == b"[00:00:00.000] line\n" and called == [1]


def test_input_waits_for_the_guest_and_is_bounded(mux, terminal, guest):
    guest.room = 0
    terminal.send(b"x" * 10_000)
    assert len(terminal._held) == 10_000 - 4096
    while len(guest.got) < 10_000:
        before = len(guest.got)
        guest.room = 16
        mux.accept_input()
        assert len(guest.got) == before + 16
    assert guest.got == b"x" * 10_000


def test_other_escape_key(terminal, guest, calls):
    mux = MuxChardev(terminal, lambda: calls.append("quit"), escape=0x14)
    mux.connect(guest.receive, lambda: guest.room)
    terminal.send(b"\x01\x14h\x14x")
    assert guest.got == b"\x01" and calls == ["quit"] and b"C-t C-t" in terminal.sent
