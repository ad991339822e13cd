"""Output to host descriptors and ``file:PATH``."""

from __future__ import annotations

import contextlib
import fcntl
import os

import pytest

from pyqemu.chardev.file import FileChardev
from pyqemu.chardev.output import PENDING_LIMIT, Output
from pyqemu.core.clock import Clock
from pyqemu.core.errors import ConfigError
from pyqemu.core.events import EventLoop


@pytest.fixture
def loop():
    loop = EventLoop(Clock(source=None), os.eventfd(0), lambda _fd, _ns: None)
    yield loop
    loop.close()


@pytest.fixture
def pipe():
    """(read end, write end) of a small pipe; the tests close what they do not leave open."""
    ends = os.pipe()
    fcntl.fcntl(ends[1], fcntl.F_SETPIPE_SZ, 4096)
    os.set_blocking(ends[0], False)
    yield ends
    for fd in ends:
        with contextlib.suppress(OSError):
            os.close(fd)


def run_idle(loop):
    loop._run_idle()


def read_now(fd):
    try:
        return os.read(fd, 1 << 20)
    except BlockingIOError:
        return b""


def test_a_line_is_written_at_once_and_the_rest_when_idle(loop, pipe):
    output = Output(pipe[1], loop, "test")
    assert output.write(b"login") == 5
    assert read_now(pipe[0]) == b""
    output.write(b":\n$ ")
    assert read_now(pipe[0]) == b"login:\n$ "
    output.write(b"x")
    run_idle(loop)
    assert read_now(pipe[0]) == b"x"


def test_long_output_without_newline_is_written(loop, pipe):
    output = Output(pipe[1], loop, "test")
    output.write(b"." * 4096)
    assert read_now(pipe[0]) == b"." * 4096


def test_of_many_lines_the_first_is_written_at_once_and_the_rest_together(loop, pipe):
    output = Output(pipe[1], loop, "test")
    for byte in b"one\ntwo\nthree\n":
        assert output.write(bytes((byte,))) == 1
    assert read_now(pipe[0]) == b"one\n"
    run_idle(loop)
    assert read_now(pipe[0]) == b"two\nthree\n"
    output.write(b"four\n")
    assert read_now(pipe[0]) == b"four\n"


@pytest.mark.parametrize("blocking", [True, False])
def test_slow_reader_never_blocks_and_loses_nothing(loop, pipe, blocking):
    os.set_blocking(pipe[1], blocking)
    output = Output(pipe[1], loop, "test")
    room = []
    output.on_writable = lambda: room.append(1)
    sent = bytearray()
    for number in range(100_000):
        line = b"line %d\n" % number
        taken = output.write(line)
        sent += line[:taken]
        if taken < len(line):
            break
    assert len(sent) >= PENDING_LIMIT and output.write(b"more") == 0 and room == []
    received = bytearray()
    while piece := read_now(pipe[0]):
        received += piece
        loop.poll()
    assert received == sent and room == [1]
    run_idle(loop)
    assert output.write(b"again\n") == 6 and read_now(pipe[0]) == b"again\n"


def test_reader_that_left_ends_the_output_quietly(loop, pipe, capsys):
    output = Output(pipe[1], loop, "test")
    os.close(pipe[0])
    assert output.write(b"a\n") == 2
    assert output.write(b"b\n") == 2
    output.close()
    assert capsys.readouterr().err == ""


def test_reader_that_leaves_while_we_wait(loop, pipe):
    output = Output(pipe[1], loop, "test")
    while output.write(b"x" * 1000):
        pass
    os.close(pipe[0])
    loop.poll()
    assert output.write(b"gone\n") == 5


def test_other_errors_are_told_once(loop, capsys):
    fd = os.open("/dev/full", os.O_WRONLY)
    output = Output(fd, loop, "log")
    output.write(b"a\n")
    output.write(b"b\n")
    os.close(fd)
    assert capsys.readouterr().err == "pyqemu: log: warning: No space left on device\n"


def test_closed_descriptor_is_no_error(loop, pipe):
    os.close(pipe[1])
    output = Output(pipe[1], loop, "test")
    assert output.write(b"x\n") == 2
    output.close()


def test_close_writes_the_rest(loop, pipe):
    output = Output(pipe[1], loop, "test")
    output.write(b"partial")
    output.close()
    assert read_now(pipe[0]) == b"partial"


def test_close_does_not_wait_for_ever(loop, pipe, capsys, monkeypatch):
    monkeypatch.setattr("pyqemu.chardev.output.CLOSE_TIMEOUT_S", 0.01)
    output = Output(pipe[1], loop, "test")
    while output.write(b"x" * 1000):
        pass
    output.close()
    assert "bytes of output were not read" in capsys.readouterr().err
    loop.poll()


def test_file_is_truncated_and_written(loop, tmp_path):
    path = tmp_path / "log"
    path.write_bytes(b"old contents")
    chardev = FileChardev(str(path), loop)
    chardev.connect(lambda _data: None)
    chardev.accept_input()
    assert path.read_bytes() == b""
    chardev.write(b"one\ntwo")
    assert path.read_bytes() == b"one\ntwo"
    chardev.write(b"three")
    chardev.close()
    chardev.close()
    assert path.read_bytes() == b"one\ntwothree"


@pytest.mark.parametrize(
    "path,reason",
    [("/nosuch/x", "No such file or directory"), ("/", "Is a directory"), ("", "No such file or directory")],
)
def test_open_errors_have_qemus_words(loop, path, reason):
    with pytest.raises(ConfigError) as error:
        FileChardev(path, loop)
    assert str(error.value) == f"Could not open '{path}': {reason}"


def test_append_keeps_what_is_there(loop, tmp_path):
    path = tmp_path / "log"
    path.write_bytes(b"old\n")
    chardev = FileChardev(str(path), loop, append=True)
    chardev.write(b"new\n")
    chardev.close()
    assert path.read_bytes() == b"old\nnew\n"


def test_encoded_output_goes_out_whole_whatever_the_reader_takes(loop, pipe):
    output = Output(pipe[1], loop, "test")
    output.encode = lambda data: data.replace(b"x", b"<x>")
    sent = 0
    while taken := output.write(b"x" * 999 + b"\n"):
        sent += taken
    output.write_raw(b"!" * PENDING_LIMIT)  # there is no room for it: dropped
    received = bytearray()
    while piece := read_now(pipe[0]):
        received += piece
        loop.poll()
    assert received.replace(b"<x>", b"x") == (b"x" * 999 + b"\n") * (sent // 1000) + b"x" * (sent % 1000)
