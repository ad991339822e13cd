"""Sources that lie, dawdle or never end: the process ends with status 1 and a reason, soon, and grows little."""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import time
from pathlib import Path

import pytest
from migration.conftest import config, state_of
from migration.test_bad_streams import SMALL
from process.program import PATIENCE, Program

from pyqemu import migration
from pyqemu.api import VirtualMachine
from pyqemu.core.runstate import RunState
from pyqemu.migration import incoming

GROWTH_BYTES = 60 << 20
DISK = b"not a boot sector".ljust(1 << 20, b"\0")


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """The files of a small machine: its BIOS, and its state."""
    folder = tmp_path_factory.mktemp("good")
    (folder / "bios.bin").write_bytes(b"\xf4" * 0xFFF0 + b"\xea\x00\x00\x00\xf0".ljust(16, b"\0"))
    (folder / "disk.img").write_bytes(DISK)
    vm = VirtualMachine(make_config(folder))
    (folder / "state").write_bytes(state_of(vm))
    vm.close()
    return folder


def make_config(folder, **changes):
    from pyqemu.launch import DriveConfig

    drive = DriveConfig(str(folder / "disk.img"), format="raw")
    return config(bios=str(folder / "bios.bin"), drives=[drive], **SMALL, **changes)


def destination(folder: Path, uri: str) -> Program:
    disk = f"file={folder}/disk.img,format=raw"
    small = ("-m", "1", "-vga", "none", "-nodefaults", "-serial", "null", "-display", "none", "-drive", disk)
    return Program(*small, "-bios", folder / "bios.bin", "-incoming", uri)


def refused(program: Program, folder: Path, seconds: float = 10) -> str:
    """It must end with 1 and a message, soon; the disk is what it was."""
    assert program.status(seconds) == 1, program.report("not 1")
    errors = program.errors
    assert errors.startswith("pyqemu: "), errors
    assert "Traceback" not in errors
    assert len(errors) < 4000
    assert (folder / "disk.img").read_bytes() == DISK
    return errors


@pytest.mark.parametrize(
    "uri, reason",
    [
        ("file:/dev/zero", "Not a migration stream"),
        ("file:/dev/null", "the stream is empty"),
        ("file:/dev/urandom", "Not a migration stream"),
        ("file:{folder}", "Unable to read from '{folder}': Is a directory"),
        ("file:{folder}/nothing", "Could not open '{folder}/nothing': No such file or directory"),
        ("file:{folder}/state,offset=9", "Not a migration stream"),
        ("file:{folder}/state,offset=1g", "the stream is empty"),
        ("exec:false", "the stream is empty\nUnable to read from command: command exited with status 1"),
        (
            "exec:cat /nonexistent 2>&-",
            "the stream is empty\nUnable to read from command: command exited with status 1",
        ),
        ("exec:yes", "Not a migration stream"),
        ("exec:cat /dev/zero", "Not a migration stream"),
        ("exec:echo garbage; sleep 1000", "Not a migration stream"),
        ("exec:exec >&-; sleep 1000", "the stream is empty"),
        ("exec:head -c 30000 {folder}/state; sleep 0.1", "the stream ends here"),
        ("exec:cat {folder}/state; exit 3", "Unable to read from command: command exited with status 3"),
        ("exec:cat {folder}/state; echo more", "the description: something follows the end of the stream"),
        ("exec:cat {folder}/state /dev/zero", "the description: something follows the end of the stream"),
        ("fd:77", "fd:77: Bad file descriptor"),
    ],
)
def test_a_source_that_is_none(uri, reason, good):
    with destination(good, uri.format(folder=good)) as program:
        assert reason.format(folder=good) in refused(program, good).replace("pyqemu: ", "", 1)


@pytest.mark.parametrize("more", [b"\0", b"x" * 5000])
def test_a_file_that_goes_on_behind_its_end(more, good, tmp_path):
    (tmp_path / "state").write_bytes((good / "state").read_bytes() + more)
    with destination(good, f"file:{tmp_path}/state") as program:
        assert "something follows the end of the stream" in refused(program, good)


def connected(folder: Path, path: Path) -> tuple[Program, socket.socket]:
    program = destination(folder, f"unix:{path}")
    program.until(path.exists, "a socket")
    peer = socket.socket(socket.AF_UNIX)
    peer.settimeout(10 * PATIENCE)
    for _ in range(100):
        try:
            peer.connect(str(path))
            break
        except ConnectionRefusedError:
            time.sleep(0.02)
    return program, peer


def cut_before_description(data: bytes) -> bytes:
    return data[: data.rindex(b"\0\6", 0, data.rindex(b'{"page_size"'))]


def with_description(data: bytes, document: bytes) -> bytes:
    return cut_before_description(data) + b"\0\6" + struct.pack(">I", len(document)) + document


def bomb(data: bytes) -> bytes:
    """A description whose sizes are texts: times a count they would be gigabytes."""
    document = json.loads(data[data.rindex(b'{"page_size"') :])
    document["devices"][0]["fields"].append({"name": "x", "type": "y", "size": "a" * 1000, "array_len": 4_000_000})
    return with_description(data, json.dumps(document).encode())


@pytest.mark.parametrize(
    "send, reason",
    [
        (lambda data: b"", "the stream is empty"),
        (lambda data: b"GET / HTTP/1.1\r\n\r\n", "Not a migration stream"),
        (lambda data: os.urandom(1 << 20), "Not a migration stream"),
        (lambda data: data[:5000], "the stream ends here"),
        (lambda data: data[:-1], "the description: the stream ends here"),
        (lambda data: cut_before_description(data), "the stream ends here"),
        (lambda data: data + b"x", "the description: something follows the end of the stream"),
        (lambda data: with_description(data, b"[" * 1_000_000), "the description: "),
        (lambda data: with_description(data, b'{"a":' * 500_000), "the description: "),
        (lambda data: with_description(data, b'{"devices":' + b"9" * 1_000_000 + b"}"), "the description: "),
        (bomb, "the description: it is damaged"),
        (lambda data: data[:13] + b"\xff" * 4 + data[17:], "Machine type received is"),
        (lambda data: data[:9] + b"\xff" * 4 + data[13:], "a machine type's name of 4294967295 bytes"),
    ],
)
def test_a_peer_that_sends_something_else(send, reason, good, tmp_path):
    program, peer = connected(good, tmp_path / "socket")
    with program, peer:
        data = send((good / "state").read_bytes())
        try:
            peer.sendall(data)
            peer.shutdown(socket.SHUT_WR)
        except (BrokenPipeError, ConnectionResetError):
            pass  # it had seen enough
        assert reason in refused(program, good)


def test_a_peer_that_never_ends_costs_no_memory_and_can_be_stopped(good, tmp_path):
    """Pages may come again and again, as from a guest that is busy; what may not happen is growth."""
    program, peer = connected(good, tmp_path / "socket")
    with program, peer:
        data = (good / "state").read_bytes()
        first = data.index(b"\x06pc.ram", data.index(b"\x06pc.ram") + 1) - 8  # the first page's record
        page = struct.pack(">Q", 0x08) + b"\x06pc.ram" + bytes(4096)
        peer.sendall(data[:first])
        peer.sendall(page * 256)
        before = program.rss_bytes()
        for _ in range(100):
            peer.sendall(page * 256)
        assert program.process.poll() is None, program.errors
        assert program.rss_bytes() - before < GROWTH_BYTES
        assert program.end(signal.SIGTERM) == 0


def test_a_stream_in_single_bytes_loads(good, tmp_path):
    """Slow is not wrong."""
    program, peer = connected(good, tmp_path / "socket")
    with program, peer:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
        data = (good / "state").read_bytes()
        for at in range(3000):
            peer.sendall(data[at : at + 1])
        peer.sendall(data[3000:])
        time.sleep(0.2)
        assert program.process.poll() is None, program.errors
        assert program.end(signal.SIGTERM) == 0


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(incoming, "SILENCE_S", 0.5)


def run_incoming(folder, uri, capfd, before_run=lambda vm: None):
    vm = VirtualMachine(make_config(folder, incoming=uri))
    try:
        vm.migration = migration.Incoming(vm, uri)
        vm.migration.start()
        before_run(vm)
        began = time.monotonic()
        assert vm.run() == 1
        assert time.monotonic() - began < 15 * PATIENCE
        assert vm.state is RunState.INMIGRATE
        return capfd.readouterr().err
    finally:
        vm.close()


@pytest.mark.parametrize(
    "command", ["sleep 1000", "head -c 20000 {folder}/state; sleep 1000", "cat {folder}/state; sleep 1000"]
)
def test_a_command_that_says_nothing_more_is_given_up(command, good, impatient, capfd):
    errors = run_incoming(good, f"exec:{command.format(folder=good)}", capfd)
    assert "nothing came for 0.5 s" in errors


def test_a_command_that_sends_all_and_does_not_end_is_given_up(good, impatient, capfd):
    errors = run_incoming(good, f"exec:cat {good}/state; exec >&-; sleep 1000", capfd)
    assert "command did not end" in errors


def test_a_fifo_that_nobody_writes_is_given_up(good, tmp_path, impatient, capfd):
    os.mkfifo(tmp_path / "fifo")
    assert "nothing came for 0.5 s" in run_incoming(good, f"file:{tmp_path}/fifo", capfd)


def test_a_peer_that_drips_is_given_up(good, impatient, capfd):
    """A byte now and then keeps a connection alive, but no machine can come of it."""
    errors = run_incoming(good, f"exec:head -c 13 {good}/state; while true; do printf x; sleep 0.1; done", capfd)
    assert "bytes came in 0.5 s" in errors
