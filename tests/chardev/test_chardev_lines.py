"""The other ways out: pseudo-terminals, FIFOs, datagrams, and sets of passed descriptors."""

from __future__ import annotations

import os
import select
import socket
import time

import pytest

from pyqemu.chardev.factory import open_backend
from pyqemu.chardev.syntax import parse_spec
from pyqemu.core.clock import Clock
from pyqemu.core.errors import ConfigError
from pyqemu.core.events import EventLoop
from pyqemu.core.fdset import FdSets
from pyqemu.cpu.library import native

LIMIT_S = 5.0


@pytest.fixture
def loop():
    module = native()
    loop = EventLoop(Clock(), module.timer_create(), module.timer_set)
    yield loop
    loop.close()


@pytest.fixture
def line(loop):
    made = []

    def make(spec, room=1 << 16):
        backend = open_backend(parse_spec(spec, "line"), loop)
        backend.got, backend.room, backend.events = bytearray(), room, []
        backend.on_open = lambda: backend.events.append("open")
        backend.on_close = lambda: backend.events.append("close")

        def receive(data):
            backend.room -= len(data)
            backend.got.extend(data)

        backend.connect(receive, lambda: backend.room)
        made.append(backend)
        return backend

    yield make
    for backend in made:
        backend.close()


def until(loop, condition):
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < deadline
        select.select([loop.fileno()], [], [], 0.05)
        loop._run_idle()
        loop.poll()


# -- pseudo-terminals -----------------------------------------------------------------------------------------


def test_a_terminal_is_connected_while_somebody_has_it_open(loop, line):
    pty = line("pty")
    assert pty.filename.startswith("pty:/dev/pts/") and not pty.is_open
    assert pty.write(b"lost\n" * 100_000) == 500_000
    for _ in range(2):
        user = os.open(pty.path, os.O_RDWR | os.O_NOCTTY)
        until(loop, lambda: pty.is_open)
        os.write(user, b"\x03root\r")  # raw: nothing is translated
        until(loop, lambda: pty.got.endswith(b"\r"))
        pty.write(b"login\n")
        assert os.read(user, 100) == b"login\n"
        os.close(user)
        until(loop, lambda: not pty.is_open)
    assert pty.got == b"\x03root\r" * 2 and pty.events == ["open", "close"] * 2


def test_nobody_spins_while_a_terminal_is_closed(loop, line):
    line("pty")
    loop.poll()
    assert not select.select([loop.fileno()], [], [], 0.1)[0]


def test_a_terminal_that_nobody_reads_gives_backpressure(loop, line):
    pty = line("pty")
    user = os.open(pty.path, os.O_RDWR | os.O_NOCTTY)
    until(loop, lambda: pty.is_open)
    sent, room = 0, []
    pty.on_writable = lambda: room.append(1)
    while taken := pty.write(b"z" * 500):
        sent += taken
    assert sent < 1 << 20
    got = 0
    while got < sent:
        until(loop, lambda: select.select([user], [], [], 0)[0])
        got += len(os.read(user, 1 << 16))
    assert room
    os.close(user)


# -- FIFOs ----------------------------------------------------------------------------------------------------


def test_two_fifos(loop, line, tmp_path):
    for end in ("in", "out"):
        os.mkfifo(tmp_path / f"p.{end}")
    pipe = line(f"pipe:{tmp_path}/p")
    writer = os.open(tmp_path / "p.in", os.O_WRONLY)
    os.write(writer, b"typed")
    os.close(writer)
    until(loop, lambda: pipe.got == b"typed")
    pipe.write(b"printed\n")
    reader = os.open(tmp_path / "p.out", os.O_RDONLY | os.O_NONBLOCK)
    assert os.read(reader, 100) == b"printed\n"
    os.close(reader)
    writer = os.open(tmp_path / "p.in", os.O_WRONLY)  # the next one
    os.write(writer, b"!")
    until(loop, lambda: pipe.got == b"typed!")
    os.close(writer)


def test_fifos_that_are_not_there(loop, tmp_path):
    before = len(os.listdir("/proc/self/fd"))
    os.mkfifo(tmp_path / "half.in")
    for name in ("nosuch", "half"):
        with pytest.raises(ConfigError, match=f"Could not open '{tmp_path}/{name}': No such file or directory"):
            open_backend(parse_spec(f"pipe:{tmp_path}/{name}"), loop)
    assert len(os.listdir("/proc/self/fd")) == before


# -- datagrams ------------------------------------------------------------------------------------------------


def test_datagrams_both_ways(loop, line):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.bind(("127.0.0.1", 0))
        peer.settimeout(LIMIT_S)
        udp = line(f"udp:127.0.0.1:{peer.getsockname()[1]}@127.0.0.1:0", room=2)
        udp.write(b"hello\n")
        data, address = peer.recvfrom(100)
        assert data == b"hello\n"
        peer.sendto(b"abcd", address)
        peer.sendto(b"ef", address)
        until(loop, lambda: udp.got == b"ab")
        udp.room = 100
        udp.accept_input()
        until(loop, lambda: udp.got == b"abcdef")


def test_nobody_listens(loop, line):
    udp = line("udp:127.0.0.1:1")
    for _ in range(3):
        assert udp.write(b"lost\n") == 5
        loop.poll()


# -- descriptors that were passed -----------------------------------------------------------------------------


def test_a_set_is_a_path(tmp_path):
    sets = FdSets()
    fd = os.open(tmp_path / "log", os.O_WRONLY | os.O_CREAT)
    assert sets.add(fd, 2, "log") == 2
    opened = sets.open_path("/dev/fdset/2", os.O_WRONLY | os.O_TRUNC)
    assert opened != fd and not os.get_inheritable(opened)
    os.write(opened, b"x")
    os.close(opened)
    with pytest.raises(PermissionError):
        sets.open_path("/dev/fdset/2", os.O_RDONLY)
    with pytest.raises(FileNotFoundError):
        sets.open_path("/dev/fdset/3", os.O_RDONLY)
    assert sets.remove(2) and not sets.remove(2)
    with pytest.raises(OSError):
        os.fstat(fd)


def test_sets_are_numbered_from_0():
    sets = FdSets()
    numbers = [sets.add(os.dup(2)) for _ in range(3)]
    assert numbers == [0, 1, 2]
    sets.remove(1)
    assert sets.add(os.dup(2)) == 1
    for number in (0, 1, 2):
        sets.remove(number)
