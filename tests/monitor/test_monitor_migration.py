"""Snapshots and migration from the monitor."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from monitor.clients import QmpClient, SocketChardev

from pyqemu.api import VirtualMachine
from pyqemu.monitor.hmp import HmpSession


def turn(vm: VirtualMachine, until: Callable[[], bool]) -> None:
    """Let the event loop work, with the guest stopped."""
    for _ in range(100_000):
        if until():
            return
        vm.loop.wait()
    raise AssertionError("it does not end")


def test_savevm_info_loadvm_delvm(vm: VirtualMachine, hmp: Callable[[str], str]) -> None:
    assert hmp("info snapshots") == "There is no snapshot available.\n"
    vm.board.memory.write(0x1000, b"before")
    assert hmp("savevm one") == ""
    title, heading, row = hmp("info snapshots").splitlines()
    assert title == "List of snapshots present on all disks:"
    assert heading == "ID        TAG               VM SIZE                DATE     VM CLOCK     ICOUNT"
    assert re.fullmatch(r"\S+ +one +\S+ \w+ \d{4}-\d\d-\d\d \d\d:\d\d:\d\d \d\d:\d\d:\d\d\.\d{3} {11}", row)
    vm.board.memory.write(0x1000, b"behind")
    assert hmp("loadvm one") == ""
    assert vm.board.memory.read(0x1000, 6) == b"before"
    assert hmp("loadvm two") == "Error: Snapshot 'two' does not exist in one or more devices\n"
    assert hmp("delvm one") == ""
    assert hmp("info snapshots") == "There is no snapshot available.\n"


def test_events_of_a_migration_frame_the_reply(vm: VirtualMachine, qmp: QmpClient, tmp_path: Path) -> None:
    """A manager of the field gives up if "setup" comes after the reply."""
    got = qmp.ask('{"execute":"migrate","arguments":{"uri":"file:%s","detach":true}}' % (tmp_path / "state"))
    assert [reply.get("data", {}).get("status") for reply in got if "event" in reply][:1] == ["setup"]
    assert "event" in got[0]
    assert [reply["return"] for reply in got if "return" in reply] == [{}]
    turn(vm, lambda: vm.migration.done)
    assert qmp.execute("query-migrate")["status"] == "completed"
    assert (tmp_path / "state").read_bytes()[:4] == b"QEVM"
    assert qmp.execute("query-status")["status"] == "postmigrate"
    assert "was paused due to previous migration" in qmp.execute("migrate", uri="file:x")["error"]["desc"]
    qmp.execute("cont")
    assert qmp.execute("query-status")["running"]


def test_a_descriptor_from_getfd_is_written_to_and_closed(vm: VirtualMachine, qmp: QmpClient) -> None:
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    qmp.chardev.fds = [writer]
    assert qmp.execute("getfd", fdname="migrate") == {}
    assert qmp.execute("migrate", uri="fd:migrate") == {}
    data = bytearray()

    def done() -> bool:
        with contextlib.suppress(BlockingIOError):
            data.extend(os.read(reader, 1 << 20))
        return bool(vm.migration.done)

    turn(vm, done)
    while piece := os.read(reader, 1 << 20):  # to the end: every copy of the writing end is closed
        data += piece
    os.close(reader)
    assert data[:4] == b"QEVM"
    assert "not found" in qmp.execute("closefd", fdname="migrate")["error"]["desc"]


def test_descriptors_that_nobody_takes_are_closed_with_the_client(vm: VirtualMachine) -> None:
    client = QmpClient(vm)
    reader, writer = os.pipe()
    client.chardev.fds = [writer]
    client.execute("getfd", fdname="x")
    client.chardev.disconnect()
    assert os.read(reader, 1) == b""
    os.close(reader)


@pytest.mark.parametrize("uri", ["foo:bar", "tcp:"])
def test_a_wrong_address_is_refused_and_nothing_begins(qmp: QmpClient, uri: str) -> None:
    assert qmp.execute("migrate", uri=uri)["error"]["class"] == "GenericError"
    assert qmp.execute("query-migrate") == {}


def test_hmp_waits_for_the_end_and_then_goes_on(vm: VirtualMachine, tmp_path: Path) -> None:
    terminal = SocketChardev()
    HmpSession(vm, terminal, "test")
    terminal.open()
    terminal.sent.clear()
    terminal.send(b"migrate file:%s\ninfo status\n" % str(tmp_path / "state").encode())
    assert b"VM status" not in terminal.sent
    turn(vm, lambda: vm.migration.done)
    assert terminal.sent.endswith(b"info status\r\nVM status: paused (postmigrate)\r\n(qemu) ")


def test_parameters_and_capabilities(qmp: QmpClient, hmp: Callable[[str], str]) -> None:
    assert qmp.execute("migrate-set-parameters", max_bandwidth=9223372036853727232) == {}
    assert qmp.execute("query-migrate-parameters")["max-bandwidth"] == 9223372036853727232
    assert hmp("migrate_set_parameter max-bandwidth 2") == ""
    assert "max-bandwidth: 2097152 bytes/second\n" in hmp("info migrate_parameters")
    assert hmp("migrate_set_parameter foo 1") == "Error: invalid parameter value: foo\n"
    wanted = {"capabilities": [{"capability": "events", "state": True}]}
    assert qmp.execute("migrate-set-capabilities", **wanted) == {}
    assert "'-incoming' was not specified" in qmp.execute("migrate-incoming", uri="fd:3")["error"]["desc"]
