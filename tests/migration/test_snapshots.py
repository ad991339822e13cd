"""Snapshots beside a disk: the machine and its disks go back together, or not at all."""

from __future__ import annotations

import io
import json
import os
import zlib

import pytest
from migration.conftest import run_for, state_of
from migration.stream_parser import StreamParser

from pyqemu import migration
from pyqemu.core.runstate import RunState
from pyqemu.launch import DriveConfig
from pyqemu.migration import snapshots

MIB = 1 << 20


@pytest.fixture
def image(tmp_path):
    path = tmp_path / "disk.img"
    path.write_bytes(bytes(MIB) + b"first".ljust(MIB, b"\0"))
    return path


@pytest.fixture
def disk_machine(build, image):
    def make(**changes):
        drive = DriveConfig(str(image), format="raw")
        return build(drives=[drive], nodefaults=True, vga="std", **changes)

    return make


def rewrite_state(path, data):
    (path / "state").write_bytes(data)
    info = json.loads((path / "snapshot.json").read_text())
    info["crc32"]["state"] = zlib.crc32(data)
    (path / "snapshot.json").write_text(json.dumps(info))


def test_machine_and_disk_go_back_together(disk_machine, image):
    vm = disk_machine()
    run_for(vm, 0.2)
    saved = migration.savevm(vm, "before")
    state = state_of(vm)
    disk = vm.drives["ide", 0]
    disk.write(MIB, b"later")
    disk.write(4096, b"more")
    run_for(vm, 0.2)
    assert state_of(vm) != state
    migration.loadvm(vm, "before")
    assert state_of(vm) == state
    assert image.read_bytes() == bytes(MIB) + b"first".ljust(MIB, b"\0")
    assert saved.vm_clock_ns == vm.clock.now()


def test_a_snapshot_is_a_directory_beside_the_disk(disk_machine, image):
    vm = disk_machine()
    migration.savevm(vm, "one")
    directory = image.with_name("disk.img.snapshots")
    assert sorted(path.name for path in (directory / "1").iterdir()) == ["ide0-hd0.img", "snapshot.json", "state"]
    assert json.loads((directory / "1" / "snapshot.json").read_text())["name"] == "one"
    with snapshots._open_state(directory / "1" / "state") as file:
        assert StreamParser(file.read(1 << 30)).parse().machine == "pc-1.0"
    assert os.stat(directory / "1" / "ide0-hd0.img").st_blocks * 512 < 2 * MIB  # holes stay holes


def test_names_numbers_and_dates(disk_machine):
    vm = disk_machine()
    assert migration.list_snapshots(vm) == []
    first, second = migration.savevm(vm, "a"), migration.savevm(vm)
    assert second.name.startswith("vm-20")
    assert [s.id for s in migration.list_snapshots(vm)] == ["1", "2"]
    again = migration.savevm(vm, "a")
    assert [(s.id, s.name) for s in migration.list_snapshots(vm)] == [("2", second.name), ("3", "a")]
    assert again.date >= first.date
    migration.loadvm(vm, "2")
    migration.delvm(vm, "a")
    migration.delvm(vm, "2")
    assert migration.list_snapshots(vm) == []


def test_the_run_state_stays_as_it_is_and_a_new_process_takes_that_of_the_snapshot(disk_machine):
    vm = disk_machine()
    vm.start()
    migration.savevm(vm, "running")
    assert vm.state is RunState.RUNNING
    vm.pause()
    migration.savevm(vm, "paused")
    migration.loadvm(vm, "running")
    assert vm.state is RunState.PAUSED
    migration.resume_snapshot(vm, "paused")
    assert vm.state is RunState.PAUSED
    migration.resume_snapshot(vm, "running")
    assert vm.state is RunState.RUNNING
    vm.pause()


def test_what_does_not_exist_is_refused_by_name(disk_machine, build):
    vm = disk_machine()
    migration.savevm(vm, "before")
    for call in (migration.loadvm, migration.delvm):
        with pytest.raises(migration.MigrationError) as caught:
            call(vm, "befor")
        assert str(caught.value) == "Snapshot 'befor' does not exist in one or more devices"
        assert caught.value.hint == "Did you mean 'before'?"
    diskless = build()
    with pytest.raises(migration.MigrationError) as caught:
        migration.savevm(diskless, "x")
    assert str(caught.value) == "No block device can accept snapshots"


@pytest.mark.parametrize("what", ["state", "cut", "missing", "empty", "image"])
def test_a_damaged_snapshot_changes_nothing(what, disk_machine, image):
    vm = disk_machine()
    run_for(vm, 0.1)
    path = migration.savevm(vm, "s").path
    vm.drives["ide", 0].write(0, b"kept")
    run_for(vm, 0.1)
    state, disk = state_of(vm), image.read_bytes()
    file = path / ("ide0-hd0.img" if what == "image" else "state")
    if what == "missing":
        file.unlink()
    else:
        data = bytearray(file.read_bytes())
        data[len(data) // 2] ^= 0xFF
        file.write_bytes({"state": data, "cut": data[: len(data) // 2], "empty": b"", "image": b"short"}[what])
    if what == "missing":
        assert migration.list_snapshots(vm) == []
    with pytest.raises(migration.MigrationError):
        migration.loadvm(vm, "s")
    assert state_of(vm) == state
    assert image.read_bytes() == disk


def test_a_device_that_refuses_its_part_changes_nothing(disk_machine):
    vm = disk_machine()
    path = migration.savevm(vm, "s").path
    with snapshots._open_state(path / "state") as file:
        data = file.read(1 << 30)
    good = state_of(vm)
    rewrite_state(path, data.replace(b"prelaunch", b"nonsense!", 1))
    with pytest.raises(migration.MigrationError):
        migration.loadvm(vm, "s")
    assert state_of(vm) == good


def test_a_failed_save_leaves_no_trace(disk_machine, image, monkeypatch):
    vm = disk_machine()
    vm.start()

    def full(*_arguments, **_keywords):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(snapshots, "save_vm", full)
    with pytest.raises(migration.MigrationError) as caught:
        migration.savevm(vm, "s")
    assert str(caught.value) == "Could not write snapshot 's': No space left on device"
    assert vm.state is RunState.RUNNING
    assert list(image.with_name("disk.img.snapshots").iterdir()) == []
    vm.pause()


def test_another_machine_refuses_the_snapshot(disk_machine):
    migration.savevm(vm := disk_machine(), "s")
    vm.close()
    other = disk_machine(ram_bytes=32 << 20)
    before = state_of(other)
    with pytest.raises(migration.MigrationError) as caught:
        migration.loadvm(other, "s")
    assert "Size mismatch: pc.ram: 0x1000000 != 0x2000000" in str(caught.value)
    assert state_of(other) == before


def test_plain_and_compressed_states_load(disk_machine):
    pytest.importorskip("zstandard")
    vm = disk_machine()
    snapshot = migration.savevm(vm, "s")
    plain = state_of(vm)
    assert snapshot.vm_state_size < len(plain) / 3
    sink = io.BytesIO()
    migration.save_vm(vm, sink)
    rewrite_state(snapshot.path, sink.getvalue())
    migration.loadvm(vm, "s")
