"""Saving and loading while a guest does all it can: nothing may be lost, repeated or go back in time."""

from __future__ import annotations

import io
import random
from contextlib import ExitStack

import pytest
from migration.conftest import run_for, state_of
from migration.fire import DISK_BYTES, FireMachine, assemble
from migration.processes import Line, Station, move

from pyqemu import migration

TIMES = [pytest.param(20), pytest.param(100, marks=pytest.mark.full)]


@pytest.fixture
def disk(tmp_path):
    path = tmp_path / "disk.img"
    path.write_bytes(bytes(DISK_BYTES))
    return path


@pytest.mark.parametrize("times", TIMES)
def test_snapshots_in_one_process(times, tmp_path, disk):
    """Back to where it was after a while of other things, again and again."""
    rng = random.Random(times)
    vm = FireMachine.build(assemble(tmp_path), disk)
    try:
        vm.begin()
        for _ in range(times):
            vm.talk()
            run_for(vm, rng.uniform(0.001, 0.05))
            migration.savevm(vm, "here")
            clock = vm.clock.now()
            held, sent, told = bytes(vm.line._held), bytes(vm.line.sent), vm.told
            vm.talk()
            run_for(vm, rng.uniform(0.001, 0.03))
            migration.loadvm(vm, "here")
            assert vm.clock.now() == clock
            vm.line._held[:], vm.line.sent[:], vm.told = held, sent, told
            vm.report().check()
        vm.see_all_go_on()
    finally:
        vm.close()


@pytest.mark.parametrize("machine", ["pc-1.0", "pc-next", "isapc"])
@pytest.mark.parametrize("times", TIMES)
def test_from_machine_to_machine_in_one_process(times, machine, tmp_path, disk):
    """The state moves into a machine that has just been made; the old one is thrown away."""
    rng = random.Random(times)
    bios = assemble(tmp_path, isa=machine == "isapc")
    vm = FireMachine.build(bios, disk, machine)
    try:
        vm.begin()
        for _ in range(times):
            vm.talk()
            run_for(vm, rng.uniform(0.001, 0.05))
            data, clock = state_of(vm), vm.clock.now()
            held, sent, told = bytes(vm.line._held), bytes(vm.line.sent), vm.told
            vm.close()
            vm = FireMachine.build(bios, disk, machine)
            assert migration.load_vm(vm, io.BytesIO(data)) == "paused"
            assert state_of(vm) == data
            assert vm.clock.now() == clock
            vm.line._held[:], vm.line.sent[:], vm.told = held, sent, told
            vm.report().check()
        vm.see_all_go_on()
    finally:
        vm.close()


@pytest.mark.parametrize("times", [pytest.param(6), pytest.param(100, marks=pytest.mark.full)])
def test_from_process_to_process(times, tmp_path, disk):
    """While the guest runs, over sockets, commands and files in turn."""
    rng = random.Random(times)
    options = ("-m", "8", "-vga", "std", "-bios", assemble(tmp_path), "-drive", f"file={disk},format=raw")
    line = Line()
    station = Station(tmp_path / "0", *options)
    with ExitStack() as stack:
        stack.callback(lambda: station.__exit__())
        station.begin(line)
        for number in range(1, times + 1):
            station.talk(line, rng.uniform(0.01, 0.1))
            old, way = station, ("unix", "exec", "tcp", "file")[number % 4]
            station = move(old, tmp_path / str(number), way, line, *options)
            old.__exit__()
            station.report().check()
        station.see_all_go_on(line)
        assert station.quit(line) is not None
    assert len(line.heard) > times
