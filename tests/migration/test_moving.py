"""Moving a machine: every transport, failures that leave the source as it was, and nothing lost on the way."""

from __future__ import annotations

import contextlib
import io
import os
import socket
import subprocess
import sys
import threading

import pytest
from migration.conftest import run_for, state_of
from migration.stream_parser import StreamParser

from pyqemu import migration
from pyqemu.core.errors import ConfigError
from pyqemu.core.runstate import RunState
from pyqemu.launch import DriveConfig

LIMIT_S = 60


def finish(vm, moving):
    """Run the machine until the migration is over; returns its status."""
    moving.on_change = lambda _status: vm.power.request_exit(0) if moving.done else None
    if moving.state == "none":
        moving.start()
    alarm = threading.Timer(LIMIT_S, lambda: vm.power.request_exit(9))
    alarm.start()
    status = 0 if moving.done else vm.run()
    alarm.cancel()
    vm.power.exit_status = None
    assert status == 0, f"the migration hangs: {moving.status()}"
    return moving.status()


def send(vm, uri):
    return finish(vm, migration.Outgoing(vm, uri))


@pytest.mark.parametrize("scheme", ["exec:cat >", "file:"])
@pytest.mark.parametrize("running", [True, False])
def test_to_a_file_and_back(scheme, running, build, tmp_path):
    vm = build()
    run_for(vm, 0.2)
    if running:
        vm.start()
    path = tmp_path / "state"
    status = send(vm, f"{scheme}{path}")
    assert status["status"] == "completed"
    assert vm.state is RunState.POSTMIGRATE
    assert status["ram"]["remaining"] == 0
    parsed = StreamParser(path.read_bytes()).parse()
    assert parsed.values[-1]["runstate"].rstrip(b"\0") == (b"running" if running else b"paused")
    scheme = scheme.replace("cat >", "cat ")
    other = build()
    finish(other, migration.Incoming(other, f"{scheme}{path}"))
    assert other.state is (RunState.RUNNING if running else RunState.PAUSED)
    other.pause()
    if not running:
        sent, taken = (StreamParser(data).parse() for data in (path.read_bytes(), state_of(other)))
        assert (sent.sections, sent.pages) == (taken.sections, taken.pages)


def test_over_a_unix_socket_between_two_processes(build, tmp_path):
    vm = build(ram_bytes=16 << 20)
    run_for(vm, 0.2)
    vm.start()
    path = tmp_path / "socket"
    command = [sys.executable, "-m", "pyqemu", "-m", "16", "-display", "none", "-serial", "null"]
    there = subprocess.Popen([*command, "-incoming", f"unix:{path}"])
    try:
        while not path.exists():
            assert there.poll() is None
        assert send(vm, f"unix:{path}")["status"] == "completed"
        assert there.poll() is None
    finally:
        there.terminate()
    assert there.wait() == 0


def test_a_descriptor_and_defer(build, tmp_path):
    vm = build()
    run_for(vm, 0.1)
    with open(tmp_path / "state", "w+b") as file:
        file.write(b"somebody else's header")
        file.flush()
        assert send(vm, f"fd:{file.fileno()}")["status"] == "completed"
        file.seek(len(b"somebody else's header"))
        other = build()
        incoming = migration.Incoming(other, "defer")
        incoming.start()
        assert other.state is RunState.INMIGRATE
        assert incoming.status() == {}
        incoming.on_change = lambda _status: other.power.request_exit(0) if incoming.done else None
        incoming.start(f"fd:{file.fileno()}")
        other.run()
        assert incoming.status() == {"status": "completed"}
        assert other.state is RunState.PAUSED


@pytest.mark.parametrize(
    "uri, reason",
    [
        ("tcp:127.0.0.1:1", "Failed to connect to '127.0.0.1:1': Connection refused"),
        ("unix:/nonexistent/socket", "Failed to connect to '/nonexistent/socket': No such file or directory"),
        ("exec:exit 3", "Unable to write to command: "),
        ("exec:cat >/dev/null; exit 3", "Unable to write to command: command exited with status 3"),
        ("file:/nonexistent/state", "Could not open '/nonexistent/state': No such file or directory"),
        ("fd:999", "fd:999: Bad file descriptor"),
        ("fd:nobody", "File descriptor named 'nobody' has not been found"),
    ],
)
@pytest.mark.parametrize("running", [True, False])
def test_a_failure_leaves_the_source_as_it_was(uri, reason, running, build):
    vm = build()
    run_for(vm, 0.1)
    if running:
        vm.start()
    status = send(vm, uri)
    assert status["status"] == "failed"
    assert status["error-desc"].startswith(reason)
    assert vm.state is (RunState.RUNNING if running else RunState.PAUSED)
    vm.pause()


@pytest.mark.parametrize("uri", ["bogus:x", "tcp", "tcp:host", "tcp:host:99999", "unix:", "exec:", "", "defer"])
def test_a_uri_that_cannot_be_is_refused_at_once(uri, build):
    vm = build()
    with pytest.raises(ConfigError):
        migration.Outgoing(vm, uri)
    if uri != "defer":
        with pytest.raises(ConfigError):
            migration.Incoming(vm, uri)
    assert vm.state is RunState.PRELAUNCH


def test_it_can_be_cancelled_while_the_other_side_sleeps(build):
    vm = build()
    run_for(vm, 0.1)
    vm.start()
    here, there = socket.socketpair()
    outgoing = migration.Outgoing(vm, f"fd:{here.fileno()}")
    seen = []
    outgoing.on_change = seen.append
    outgoing.start()
    threading.Timer(0.5, lambda: vm.loop.post(lambda: (outgoing.cancel(), vm.power.request_exit(0)))).start()
    vm.run()
    vm.power.exit_status = None
    assert seen == ["setup", "active", "cancelling", "cancelled"]
    assert vm.state is RunState.RUNNING
    vm.pause()
    here.close()
    there.close()


@pytest.mark.parametrize("running", [True, False])
@pytest.mark.parametrize("limit", [256 << 10, 16 << 20])
def test_the_bandwidth_limit_is_kept(limit, running, build):
    """Also where a second is less than what is made at once."""
    vm = build(ram_bytes=16 << 20)
    vm.board.ram.view[:] = os.urandom(16 << 20)
    migration.parameters(vm).max_bandwidth = limit
    outgoing = migration.Outgoing(vm, "exec:cat > /dev/null")
    if running:
        vm.start()
    outgoing.start()
    vm.loop.call_later(0.7, lambda: vm.power.request_exit(0))
    vm.run()
    vm.power.exit_status = None
    status = outgoing.status()
    assert status["status"] == "active"
    sent, most = status["ram"]["transferred"], limit * status["total-time"] / 1000
    assert 0 < sent < 1.2 * most
    outgoing.cancel()
    assert outgoing.state == "cancelled"
    if running:
        vm.pause()


class Rewriter:
    """Writes to 4 MiB of a guest's memory at each step of a migration, so that there is always more to send."""

    def __init__(self, vm, outgoing):
        self.vm, self.outgoing = vm, outgoing
        self.count = 0
        self.at_round = lambda rounds: None
        outgoing.on_progress = self.write

    def write(self, _done, _total):
        if self.vm.state is RunState.RUNNING:
            self.count += 1
            for page in range(8 << 20, 12 << 20, 4096):
                self.vm.board.ram.view[page : page + 4] = self.count.to_bytes(4, "little")
            self.at_round(self.outgoing.status()["ram"]["dirty-sync-count"])


def test_the_guest_is_not_stopped_before_the_downtime_limit_allows_it(build, tmp_path):
    """What is left takes a quarter of a second; a limit that is raised counts at once."""
    vm = build()
    run_for(vm, 0.1)
    limits = migration.parameters(vm)
    limits.max_bandwidth, limits.downtime_limit = 16 << 20, 10
    vm.start()
    outgoing = migration.Outgoing(vm, f"file:{tmp_path}/state")
    writer = Rewriter(vm, outgoing)
    expected = []

    def patience_ends(rounds):
        if rounds == 3:
            expected.append(outgoing.status()["expected-downtime"])
            limits.downtime_limit = 60_000

    writer.at_round = patience_ends
    status = finish(vm, outgoing)
    assert status["status"] == "completed"
    assert status["ram"]["dirty-sync-count"] in (3, 4)
    assert all(100 < milliseconds < 10_000 for milliseconds in expected)
    other = build()
    assert finish(other, migration.Incoming(other, f"file:{tmp_path}/state")) == {"status": "completed"}
    other.pause()
    assert other.board.ram.view[8 << 20 : 12 << 20] == vm.board.ram.view[8 << 20 : 12 << 20]


@pytest.mark.parametrize("moment", ["connecting", "first pass", "later round", "guest stopped"])
def test_it_can_be_cancelled_at_any_time(moment, build):
    vm = build()
    run_for(vm, 0.1)
    vm.board.ram.view[8 << 20 : 12 << 20] = os.urandom(4 << 20)
    limits = migration.parameters(vm)
    limits.max_bandwidth, limits.downtime_limit = 16 << 20, 60_000 if moment == "guest stopped" else 10
    vm.start()
    here, there = socket.socketpair()
    there.setblocking(False)
    outgoing = migration.Outgoing(vm, f"fd:{here.fileno()}")
    Rewriter(vm, outgoing)

    def has_come():
        match moment:
            case "connecting":
                return outgoing.state == "setup"
            case "first pass":
                return outgoing.state == "active" and outgoing.status()["ram"]["transferred"] > 1 << 20
            case "later round":
                return outgoing.state == "active" and outgoing.status()["ram"]["dirty-sync-count"] > 1
        return vm.state is RunState.FINISH_MIGRATE

    def look():
        if has_come():
            outgoing.cancel()
            return
        if vm.state is RunState.RUNNING:  # the other side takes nothing after the guest has stopped
            with contextlib.suppress(BlockingIOError):
                while there.recv(1 << 20):
                    pass
        vm.loop.call_later(0.001, look)

    outgoing.start()
    look()
    assert finish(vm, outgoing)["status"] == "cancelled"
    assert vm.state is RunState.RUNNING
    vm.pause()
    here.close()
    there.close()


def test_the_image_changes_hands(build, tmp_path):
    image = tmp_path / "disk.img"
    image.write_bytes(bytes(1 << 20))
    drives = [DriveConfig(str(image), format="raw")]
    vm = build(drives=drives)
    state = tmp_path / "state"
    other = build(drives=drives, incoming="defer")  # while the first one has the image
    assert send(vm, f"file:{state}")["status"] == "completed"
    incoming = migration.Incoming(other, f"file:{state}")
    assert finish(other, incoming)["status"] == "completed"
    with pytest.raises(ConfigError, match="lock"):
        build(drives=drives)
    with pytest.raises(ConfigError, match="lock"):
        vm.start()


@pytest.mark.parametrize(
    "data, message",
    [
        (b"", "the stream is empty"),
        (b"hello world", "Not a migration stream"),
        (b"QEVM\0\0\0\3\x07\0\0\0\5isapc", "Machine type received is 'isapc' and local is 'pc-1.0'"),
    ],
)
@pytest.mark.parametrize("way", ["exec", "tcp"])
def test_a_bad_stream_ends_the_process_with_1_and_a_reason(data, message, way, tmp_path):
    path = tmp_path / "state"
    path.write_bytes(data)
    command = [sys.executable, "-m", "pyqemu", "-m", "16", "-display", "none", "-serial", "null", "-incoming"]
    if way == "exec":
        done = subprocess.run([*command, f"exec:cat {path}"], capture_output=True, text=True, timeout=LIMIT_S)
        status, errors = done.returncode, done.stderr
    else:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        there = subprocess.Popen([*command, f"tcp:127.0.0.1:{port}"], stderr=subprocess.PIPE, text=True)
        peer = None
        while peer is None:
            assert there.poll() is None
            try:
                peer = socket.create_connection(("127.0.0.1", port))
            except ConnectionRefusedError:
                continue
        peer.sendall(data)
        peer.close()
        _, errors = there.communicate(timeout=LIMIT_S)
        status = there.returncode
    assert status == 1
    assert errors.startswith(f"pyqemu: {message}\n")
    assert "Traceback" not in errors


def test_a_command_that_fails_is_named(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "pyqemu", "-m", "16", "-display", "none", "-incoming", "exec:cat /nonexistent"],
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
    )
    assert done.returncode == 1
    assert "pyqemu: the stream is empty" in done.stderr
    assert "command exited with status 1" in done.stderr


def test_pc_next_warns_of_what_is_not_promised(build, capsys):
    send(build("pc-next"), "exec:cat >/dev/null")
    assert "may change with every build" in capsys.readouterr().err
    send(build("pc-1.0"), "exec:cat >/dev/null")
    assert capsys.readouterr().err == ""


def test_loading_twice_in_a_row_is_the_same(build):
    vm = build()
    run_for(vm, 0.2)
    data = state_of(vm)
    other = build()
    for _ in range(3):
        migration.load_vm(other, io.BytesIO(data))
        run_for(other, 0.05)
    migration.load_vm(other, io.BytesIO(data))
    assert state_of(other) == data
