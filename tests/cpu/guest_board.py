"""The board of the CPU tests: a CPU, 16 MiB of RAM, a reset vector that jumps to 8000h, and a few ports.

A guest is a piece of assembly. ``real()``, ``flat32()`` and ``long()`` put it behind the code in ``guests/``
that switches to that mode as real software does; ``run`` returns what the guest reported. A guest that does
not stop is kicked out by the CPU's watcher after some seconds and fails the test.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from pyqemu.core.memory import AddressSpace, Ram, RamBlock
from pyqemu.core.ports import PortSpace
from pyqemu.cpu.cpu import Cpu
from pyqemu.cpu.library import native
from pyqemu.cpu.models import CpuModel, find_model

GUESTS = Path(__file__).parent / "guests"
START = 0x8000
RAM_BYTES = 16 << 20
PATIENCE_S = 8


class Assembler:
    """nasm, remembering what it has assembled."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._known: dict[str, bytes] = {}

    def __call__(self, source: str) -> bytes:
        if source not in self._known:
            path = self._directory / f"guest{len(self._known)}.asm"
            output = path.with_suffix(".bin")
            path.write_text(source)
            command = ["nasm", "-f", "bin", "-w-all", "-I", f"{GUESTS}/", "-o", str(output), str(path)]
            done = subprocess.run(command, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
            self._known[source] = output.read_bytes()
        return self._known[source]


class Machine:
    """``reports``: the values a guest wrote to its report port. ``acknowledged``: the vectors it took."""

    def __init__(self, assembler: Assembler, model: CpuModel | None = None) -> None:
        self.assembler = assembler
        self.ports = PortSpace()
        self.memory = AddressSpace()
        self.ram = RamBlock("pc.ram", RAM_BYTES)
        self.memory.map(0, Ram(self.ram), priority=-1)
        self.rom = RamBlock("bios", 4096)
        self.rom.view[0xFF0:0xFF5] = bytes((0xEA, START & 0xFF, START >> 8, 0, 0))  # jmp 0:8000
        self.memory.map(0xFFFFF000, Ram(self.rom, readonly=True))
        self.vector = 0
        self.reports: list[int] = []
        self.acknowledged: list[int] = []
        self.on_signal: Callable[[int], None] = lambda _value: None
        self.cpu = Cpu(model or find_model("qemu64", "1.0"), self.ports, self.memory, self._acknowledge)
        for width in (1, 2, 4):
            self.ports.map(0x10, 1, None, self._report, owner=self, width=width)
        writers = [self._raise, self._lower, self._nmi, self._signal, self._kick]
        self.ports.map_each(0x20, [(None, write) for write in writers], owner=self)
        self.timer = native().timer_create()
        self.cpu.engine.watch(self.timer)

    def close(self) -> None:
        self.cpu.close()
        os.close(self.timer)

    # -- ports ----------------------------------------------------------------------------------------

    def _acknowledge(self) -> int:
        self.cpu.set_irq(False)
        self.acknowledged.append(self.vector)
        return self.vector

    def _report(self, _offset: int, value: int) -> None:
        self.reports.append(value)

    def _raise(self, _offset: int, vector: int) -> None:
        self.vector = vector
        self.cpu.set_irq(True)

    def _lower(self, _offset: int, _value: int) -> None:
        self.cpu.set_irq(False)

    def _nmi(self, _offset: int, _value: int) -> None:
        self.cpu.nmi()

    def _signal(self, _offset: int, value: int) -> None:
        self.on_signal(value)

    def _kick(self, _offset: int, _value: int) -> None:
        self.cpu.kick()

    # -- guests ---------------------------------------------------------------------------------------

    def real(self, source: str) -> list[int]:
        return self.run('%include "real.inc"\n' + source)

    def flat32(self, source: str) -> list[int]:
        return self.run('%include "flat32.inc"\n' + source)

    def long(self, source: str) -> list[int]:
        return self.run('%include "long.inc"\n' + source)

    def load(self, source: str) -> None:
        """Assemble, put at 8000h, reset."""
        program = self.assembler(source)
        assert len(program) < 0x8000, "the guest runs into the page tables"
        self.memory.write(START, program)
        self.reports.clear()
        self.acknowledged.clear()
        self.cpu.reset()

    def run(self, source: str) -> list[int]:
        """Run until the guest stops for good; its reports."""
        self.load(source)
        reason = self.go()
        assert reason == "halted", (reason, [hex(value) for value in self.reports])
        return self.reports

    def go(self) -> str:
        """Run until ``halted`` or ``shutdown``, going on after the guest's own kicks."""
        deadline_ns = time.perf_counter_ns() + PATIENCE_S * 1_000_000_000
        native().timer_set(self.timer, deadline_ns)
        self.cpu.engine.arm()
        while (reason := self.cpu.run()) == "kicked":
            assert time.perf_counter_ns() < deadline_ns, f"no end at {self.cpu.get('rip'):#x}: {self.reports}"
        native().timer_set(self.timer, 0)
        return reason

    def dwords(self, address: int, count: int) -> list[int]:
        """32-bit words of guest memory."""
        data = self.memory.read(address, 4 * count)
        return [int.from_bytes(data[i : i + 4], "little") for i in range(0, 4 * count, 4)]
