"""Machines that move between QEMU 7.2 and pyqemu while their guest works: the type pc-i440fx-1.4 on both sides.

The guest is ``fire.asm``, which notices a lost interrupt, a time that goes back, a wrong register or sector.
"""

from __future__ import annotations

import io
import json
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from compat import guests
from migration.fire import (
    DISK_BYTES,
    LIMIT_S,
    RX_WRAP,
    STATUS,
    STATUS_BYTES,
    TX_WRAP,
    FireMachine,
    Report,
    assemble,
)

from pyqemu import migration
from pyqemu.core.runstate import RunState

QEMU = shutil.which("qemu-system-x86_64")
MACHINE = "pc-i440fx-1.4"

pytestmark = pytest.mark.skipif(QEMU is None, reason="no qemu-system-x86_64")


class Qemu:
    """A QEMU with the guest; *state* is a stream to load."""

    def __init__(self, folder: Path, bios: Path, disk: Path, state: Path | None = None, more: str = "") -> None:
        number = len(list(folder.glob("qmp*")))
        paths = [folder / f"{name}{number}" for name in ("qmp", "serial")]
        listeners = [socket.socket(socket.AF_UNIX) for _ in paths]
        for path, listener in zip(paths, listeners, strict=True):
            listener.bind(str(path))
            listener.listen()
            listener.settimeout(LIMIT_S)
        self.errors = folder / f"stderr{number}"
        assert QEMU
        self.process = subprocess.Popen(
            [
                *(QEMU, "-M", f"{MACHINE},hpet=off,vmport=off", "-accel", "tcg", "-cpu", "qemu64,-apic", "-m", "8"),
                *("-nodefaults", "-vga", "std", "-display", "none", "-bios", str(bios)),
                *("-drive", f"file={disk},format=raw,if=ide,index=0"),
                *("-qmp", f"unix:{paths[0]}", "-serial", f"unix:{paths[1]}", *more.split()),
                *(("-incoming", f"exec:cat {state}") if state else ()),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self.errors.open("w"),
        )
        self.qmp, self.line = (listener.accept()[0] for listener in listeners)
        for connection in (self.qmp, self.line, *listeners):
            connection.settimeout(LIMIT_S)
        self._replies = self.qmp.makefile()
        self._replies.readline()
        self.ask("qmp_capabilities")
        self.sent = b""
        for listener in listeners:
            listener.close()

    def ask(self, command: str, **arguments: Any) -> Any:
        self.qmp.sendall(json.dumps({"execute": command, "arguments": arguments}).encode())
        while line := self._replies.readline():
            reply = json.loads(line)
            if "event" not in reply:
                assert "return" in reply, reply
                return reply["return"]
        raise AssertionError(f"QEMU has ended: {self.errors.read_text()}")

    def report(self) -> Report:
        text = self.ask("human-monitor-command", **{"command-line": f"xp /{STATUS_BYTES}xb {STATUS}"})
        values = [value for line in text.splitlines() for value in line.split(":")[1].split()]
        return Report(bytes(int(value, 16) for value in values))

    def number(self, address: int) -> int:
        text = self.ask("human-monitor-command", **{"command-line": f"xp /1xg {address}"})
        return int(text.split(":")[1], 16)

    def see_all_go_on(self, told: int) -> int:
        """Every chain must make a step; returns how many bytes the guest was told."""
        end = time.monotonic() + LIMIT_S
        while not (before := self.report()).ready:
            assert time.monotonic() < end
            time.sleep(0.02)
        while standing := self.report().standing(before):
            self.report().check()
            assert time.monotonic() < end, f"no longer goes on: {', '.join(standing)}"
            self.line.sendall(bytes((told + n) % RX_WRAP for n in range(8)))
            told += 8
            time.sleep(0.1)
        self.report().check()
        while self.report().counts["rx"] < told:  # what waits in QEMU's socket does not move
            assert time.monotonic() < end
            time.sleep(0.02)
        return told

    def stop(self) -> None:
        """Not in the middle of a sector by PIO, which is a subsection of QEMU's that we do not have."""
        self.ask("stop")
        while int(self.ask("human-monitor-command", **{"command-line": "i /b 0x3f6"}).split("=")[1], 16) & 0x08:
            self.ask("cont")
            time.sleep(0.003)
            self.ask("stop")

    def save(self, path: Path) -> bytes:
        self.stop()
        self.ask("migrate", uri=f"exec:cat > {path}")
        while (state := self.ask("query-migrate")["status"]) != "completed":
            assert state not in ("failed", "cancelled"), self.errors.read_text()
            time.sleep(0.02)
        return path.read_bytes()

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        self.qmp.close()
        self.line.close()


@pytest.fixture
def bios(tmp_path: Path) -> Path:
    return assemble(tmp_path, instant=True)


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    path = tmp_path / "disk.img"
    path.write_bytes(bytes(DISK_BYTES))
    return path


@pytest.fixture
def qemu(tmp_path: Path, bios: Path, disk: Path) -> Iterator[Callable[..., Qemu]]:
    started: list[Qemu] = []

    def start(*arguments: Any, **more: Any) -> Qemu:
        started.append(Qemu(tmp_path, bios, disk, *arguments, **more))
        return started[-1]

    yield start
    for program in started:
        program.end()


@pytest.fixture
def machine(bios: Path, disk: Path) -> Iterator[Callable[[], FireMachine]]:
    built: list[FireMachine] = []

    def build() -> FireMachine:
        built.append(FireMachine.build(bios, disk, MACHINE, nodefaults=True))
        return built[-1]

    yield build
    for vm in built:
        vm.close()


def saved(vm: FireMachine) -> bytes:
    sink = io.BytesIO()
    migration.save_vm(vm, sink, run_state="paused")
    return sink.getvalue()


def test_a_busy_guest_goes_from_qemu_to_pyqemu(tmp_path, qemu, machine):
    source = qemu()
    told = source.see_all_go_on(0)
    state = source.save(tmp_path / "there")
    counts = source.report().counts
    source.end()
    vm = machine()
    assert migration.load_vm(vm, io.BytesIO(state)) is RunState.RUNNING
    assert vm.report().counts == counts
    vm.told = told
    vm.line.sent[:] = bytes(n % TX_WRAP for n in range(counts["tx"]))
    vm.see_all_go_on()


def test_what_qemu_sent_is_sent_the_same_way(tmp_path, qemu, machine):
    """Item by item, section by section: no configuration, no footers, no word of a paused machine."""
    source = qemu()
    source.see_all_go_on(0)
    state = source.save(tmp_path / "there")
    source.end()
    vm = machine()
    migration.load_vm(vm, io.BytesIO(state))
    theirs, ours = (json.loads(data[data.rindex(b'{"page_size"') :]) for data in (state, saved(vm)))

    def listed(document):
        return sorted((entry["name"], entry["instance_id"], entry["version"]) for entry in document["devices"])

    assert listed(ours) == listed(theirs)


def test_a_guest_goes_from_pyqemu_to_qemu(tmp_path, disk):
    """Long mode, 100 timer interrupts a second, and an answer to each byte."""
    bios = guests.assemble(tmp_path, "idle", isa=False)
    vm = FireMachine.build(bios, disk, MACHINE, nodefaults=True)
    guests.fall_asleep(vm)
    state, before = tmp_path / "state", guests.number(vm, guests.TICKS)
    state.write_bytes(saved(vm))
    vm.close()
    target = Qemu(tmp_path, bios, disk, state)
    try:
        end = time.monotonic() + LIMIT_S
        while target.number(guests.TICKS) < before + 10:
            assert time.monotonic() < end, target.errors.read_text()
            time.sleep(0.02)
        target.line.sendall(b"GCKL")
        answer = b""
        while len(answer) < 4:
            answer += target.line.recv(4)
        assert answer == b"HDLM"
    finally:
        target.end()
