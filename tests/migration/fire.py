"""The guest of ``fire.asm``: made, run, and asked how it fares."""

from __future__ import annotations

import shutil
import struct
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from migration.conftest import config, run_for
from process.program import PATIENCE

from pyqemu.api import VirtualMachine
from pyqemu.chardev import BufferChardev
from pyqemu.launch import DriveConfig

SOURCE = Path(__file__).with_suffix(".asm")
STATUS, STATUS_BYTES = 0x5000, 40
COUNTERS = ("pit", "rtc", "rx", "tx", "disk", "floppy", "rounds")
ERRORS = ("none", "TSC", "received", "overrun", "disk", "sum", "A20", "SSE", "x87", "RTC", "ACPI timer", "fault",
          "drive status", "segment")  # fmt: skip
RX_WRAP, TX_WRAP = 251, 241
DISK_BYTES = 1 << 20
LIMIT_S = 30 * PATIENCE


def assemble(folder: Path, *, isa: bool = False, instant: bool = False) -> Path:
    """The BIOS image that holds the guest; *instant*: for drives that seek in no time."""
    if shutil.which("nasm") is None:
        pytest.skip("nasm is not there")
    out = folder / f"fire{'-isa' if isa else ''}.bin"
    defines = [*(["-DISA"] if isa else []), *(["-DINSTANT"] if instant else [])]
    subprocess.run(["nasm", "-f", "bin", *defines, "-o", out, SOURCE], check=True)
    return out


class Report:
    """What the guest says of itself."""

    def __init__(self, data: bytes) -> None:
        mark, self.error, self.detail, *counts = struct.unpack("<4s9I", data)
        self.ready = mark == b"FIRE"
        self.counts = dict(zip(COUNTERS, counts, strict=True))

    def check(self) -> None:
        assert not self.error, f"the guest noticed: {ERRORS[self.error]}, {self.detail:#x}, {self.counts}"

    def standing(self, before: Report) -> list[str]:
        """The chains that have not gone on since *before*."""
        return [name for name in COUNTERS if self.counts[name] == before.counts[name]]


class FireMachine(VirtualMachine):
    """A machine in this process that runs the guest; its serial line is ``line``."""

    def _open_serials(self) -> list[Any]:
        self.line = BufferChardev()
        return [self.line]

    @classmethod
    def build(cls, bios: Path, disk: Path, machine: str = "pc-1.0", **more: Any) -> FireMachine:
        drive = DriveConfig(str(disk), format="raw")
        cpu = "qemu64" if machine == "isapc" else None  # the guest wants SSE and a time-stamp counter
        return cls(config(machine, bios=str(bios), drives=[drive], ram_bytes=8 << 20, vga="std", cpu=cpu, **more))

    def report(self) -> Report:
        ram = next(block for block in self.board.ram_blocks() if block.name == "pc.ram")
        return Report(bytes(ram.view[STATUS : STATUS + STATUS_BYTES]))

    def begin(self) -> None:
        """Run until the guest is under load."""
        end = time.monotonic() + LIMIT_S
        while not self.report().ready:
            self.report().check()
            assert time.monotonic() < end
            run_for(self, 0.02)

    def talk(self) -> None:
        """Give the guest bytes to count, and count those it has sent."""
        before = self.line.sent
        assert before == bytes(number % TX_WRAP for number in range(len(before)))
        while self.told - len(before) < 64:
            self.line.send(bytes((self.told % RX_WRAP,)))
            self.told += 1

    told = 0

    def see_all_go_on(self) -> None:
        """Every chain must be alive. Runs until each has made a step."""
        before, end = self.report(), time.monotonic() + LIMIT_S
        while standing := self.report().standing(before):
            self.report().check()
            assert time.monotonic() < end, f"no longer goes on: {', '.join(standing)}; {self.report().counts}"
            self.talk()
            run_for(self, 0.02)
        self.report().check()
