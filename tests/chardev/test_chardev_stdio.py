"""Standard input and output as a serial line."""

from __future__ import annotations

import contextlib
import os

import pytest

from pyqemu.chardev.stdio import StdioChardev
from pyqemu.core.clock import Clock
from pyqemu.core.errors import ConfigError
from pyqemu.core.events import EventLoop


class CountingLoop(EventLoop):
    """An event loop that counts how often it calls readers."""

    def __init__(self):
        super().__init__(Clock(source=None), os.eventfd(0), lambda _fd, _ns: None)
        self.reads = 0

    def add_reader(self, fd, callback):
        def counted():
            self.reads += 1
            callback()

        super().add_reader(fd, counted)


class Device:
    """Has room for some bytes."""

    def __init__(self, room):
        self.room = room
        self.got = bytearray()

    def receive(self, data):
        assert 0 < len(data) <= self.room
        self.room -= len(data)
        self.got += data

    def can_receive(self):
        return self.room


@pytest.fixture
def loop():
    loop = CountingLoop()
    yield loop
    loop.close()


@pytest.fixture
def stdio(loop):
    """Makes a backend with pipes: returns (backend, our end of its input, our end of its output)."""
    made = []

    def make(input_fd=None):
        output = os.pipe()
        source = os.pipe() if input_fd is None else (input_fd, -1)
        os.set_blocking(output[0], False)
        backend = StdioChardev(loop, True, source[0], output[1])
        made.append((backend, *source, *output))
        return backend, source[1], output[0]

    yield make
    for backend, *fds in made:
        backend.close()
        for fd in fds:
            with contextlib.suppress(OSError):
                os.close(fd)


def test_input_reaches_the_device(loop, stdio):
    backend, keys, _ = stdio()
    device = Device(100)
    backend.connect(device.receive, device.can_receive)
    os.write(keys, b"root\n")
    loop.poll()
    assert device.got == b"root\n"


def test_no_more_is_read_than_there_is_room_for(loop, stdio):
    backend, keys, _ = stdio()
    device = Device(3)
    backend.connect(device.receive, device.can_receive)
    os.write(keys, b"abcdef")
    for _ in range(10):
        loop.poll()
    assert (device.got, loop.reads) == (b"abc", 1)  # does not spin while full
    device.room = 2
    backend.accept_input()
    loop.poll()
    assert device.got == b"abcde"


def test_full_device_at_the_start(loop, stdio):
    backend, keys, _ = stdio()
    device = Device(0)
    backend.connect(device.receive, device.can_receive)
    os.write(keys, b"x")
    loop.poll()
    assert loop.reads == 0
    device.room = 1
    backend.accept_input()
    loop.poll()
    assert device.got == b"x"


def test_end_of_input_does_not_spin(loop, stdio):
    backend, keys, _ = stdio()
    device = Device(100)
    backend.connect(device.receive, device.can_receive)
    os.write(keys, b"last")
    os.close(keys)
    for _ in range(10):
        loop.poll()
        backend.accept_input()
    assert (device.got, loop.reads) == (b"last", 2)


def test_regular_file_is_read_as_the_device_takes_it(loop, stdio, tmp_path):
    path = tmp_path / "input"
    path.write_bytes(bytes(range(256)) * 40)
    backend, _, _ = stdio(os.open(path, os.O_RDONLY))
    device = Device(16)
    backend.connect(device.receive, device.can_receive)
    assert device.got == bytes(range(16))
    while len(device.got) < 10240:
        device.room = 16
        before = len(device.got)
        backend.accept_input()
        assert len(device.got) > before
    assert device.got == path.read_bytes()
    device.room = 16
    backend.accept_input()
    assert loop.reads == 0


def test_large_room_is_filled_piece_by_piece(loop, stdio):
    backend, _, _ = stdio(os.open("/dev/zero", os.O_RDONLY))
    device = Device(1 << 30)
    backend.connect(device.receive, device.can_receive)
    assert 0 < len(device.got) <= 4096
    loop._run_idle()
    assert 4096 < len(device.got) <= 8192


def test_dev_null_is_an_end_of_input(loop, stdio):
    backend, _, out = stdio(os.open("/dev/null", os.O_RDONLY))
    device = Device(100)
    backend.connect(device.receive, device.can_receive)
    loop._run_idle()
    assert loop._idle == [] and device.got == b""
    backend.write(b"still alive\n")
    assert os.read(out, 100) == b"still alive\n"


def test_closed_standard_input(loop, stdio):
    fd = os.open("/dev/null", os.O_RDONLY)
    backend, _, _ = stdio(fd)
    os.close(fd)
    backend.connect(Device(1).receive, lambda: 1)
    backend.accept_input()


def test_output_and_room_callback(loop, stdio):
    backend, _, out = stdio()
    called = []
    backend.on_writable = lambda: called.append(1)
    while backend.write(b"x" * 1000):
        pass
    received = 0
    while True:
        try:
            received += len(os.read(out, 1 << 20))
        except BlockingIOError:
            break
        loop.poll()
    assert received > 1 << 16 and called == [1]


def test_only_one_can_have_it(loop, stdio):
    backend, _, _ = stdio()
    with pytest.raises(ConfigError, match="cannot use stdio by multiple character devices"):
        StdioChardev(loop, True, backend._fd, 1)
    backend.close()
    StdioChardev(loop, True, backend._fd, 1).close()
