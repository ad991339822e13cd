"""One x86 CPU on a board: the engine, joined to ports, memory and the interrupt controller.

The engine is native (``_sysmode.c``). This class follows the address space's map, translates CPU model
names, and starts with a self-check: a wrong library would corrupt guests silently, so a small guest program
takes an interrupt, a fault, a system call and a kick before the first real one runs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from weakref import WeakSet

from pyqemu.core.memory import ADDRESS_LIMIT, PAGE_BYTES, AddressSpace, Ram, RamBlock, Span
from pyqemu.core.ports import PortSpace
from pyqemu.cpu.library import native
from pyqemu.cpu.models import CpuModel
from pyqemu.cpu.registers import FIELDS

JOINED_BYTES = 256 << 10


class Cpu:
    """A processor. ``acknowledge()`` returns the vector of the interrupt that the controller wants taken."""

    def __init__(
        self, model: CpuModel, ports: PortSpace, memory: AddressSpace, acknowledge: Callable[[], int]
    ) -> None:
        self.model = model
        self.memory = memory
        self.engine: Any = native().Engine(model.unicorn_number)
        self.engine.connect(ports, memory, acknowledge)
        model.apply(self.engine)
        self._ram: dict[tuple[int, int], int] = {}  # (start, end) → host address
        self._windows: set[tuple[int, int]] = set()
        self._seen: WeakSet[RamBlock] = WeakSet()
        self._map([], memory.flat)
        memory.listeners.append(self._map)
        memory.on_ram_written = self._ram_written
        self.reset()

        # Hot entries, without a frame of ours in between.
        self.run: Callable[[], str] = self.engine.run
        self.kick: Callable[[], None] = self.engine.kick
        self.set_irq: Callable[[bool], None] = self.engine.set_irq

    def reset(self) -> None:
        """The power-on state. The A20 gate is the board's: set it again."""
        self.engine.reset()
        self.set("rdx", self.engine.cpuid(1, 0)[0])  # family, model and stepping: SDM 3A, 10.1.2

    def set_a20(self, opened: bool) -> None:
        self.engine.set_a20(opened)

    def count(self, running: bool) -> None:
        """Let the time-stamp counter run, or stand still."""
        self.engine.set_ticks(self.engine.get_ticks(), running)

    def nmi(self) -> None:
        self.engine.nmi()

    @property
    def halted(self) -> bool:
        """Whether the CPU sleeps in HLT and nothing can wake it now."""
        return bool(self.engine.halted)

    def close(self) -> None:
        """Stop the watcher thread."""
        self.engine.close()

    # -- registers ------------------------------------------------------------------------------------

    def get(self, name: str) -> int:
        """A register by its name in ``registers.FIELDS``, or ``eflags`` with all its bits."""
        if name == "eflags":
            return int(self.engine.eflags())
        offset, size = FIELDS[name]
        return int(self.engine.peek(offset, size))

    def set(self, name: str, value: int) -> None:
        offset, size = FIELDS[name]
        self.engine.poke(offset, size, value)

    # -- memory map -----------------------------------------------------------------------------------

    def _map(self, removed: list[Span], added: list[Span]) -> None:
        """Follow a change of the flat map: RAM and ROM are mapped, all the rest goes to load() and store().

        Unicorn works in pages, so a span that shares a page with another is left to load() and store(). Small
        neighbours (shadow RAM) are one piece: each piece that comes or goes is a new page table.
        """
        ram: dict[tuple[int, int], tuple[int, bool]] = {}
        start = end = host = 0
        readonly = False
        for span in self.memory.flat:
            region = span.region
            if isinstance(region, Ram) and (span.start | span.end) % PAGE_BYTES == 0:
                if region.block not in self._seen:  # its host addresses may have been those of a block that is gone
                    self._seen.add(region.block)
                    self.engine.ram_written(region.block.address, region.block.size)
                at = region.block.address + region.offset + span.offset
                if at % PAGE_BYTES:
                    continue
                if (
                    span.start == end
                    and at == host + end - start
                    and region.readonly == readonly
                    and span.end - start <= JOINED_BYTES
                ):
                    del ram[start, end]
                else:
                    start, host, readonly = span.start, at, region.readonly
                end = span.end
                ram[start, end] = (host, readonly)
        windows = set(_gaps(sorted(ram)))
        wanted = {key: host | readonly for key, (host, readonly) in ram.items()}
        gone = [key for key, host in self._ram.items() if wanted.get(key) != host]
        shown = [(key, host) for key, host in wanted.items() if self._ram.get(key) != host]
        self.engine.change_map(
            [(start, end - start) for start, end in [*(self._windows - windows), *gone]],
            [(start, host & ~1, end - start, host & 1) for (start, end), host in shown],
            [(start, end - start) for start, end in windows - self._windows],
        )
        self._ram = wanted
        self._windows = windows

    def _ram_written(self, block: RamBlock, offset: int, length: int) -> None:
        self.engine.ram_written(block.address + offset, length)


def _gaps(ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """What lies between sorted ranges, up to the end of the physical address space."""
    gaps = []
    position = 0
    for start, end in ranges:
        if start > position:
            gaps.append((position, start))
        position = end
    if position < ADDRESS_LIMIT:
        gaps.append((position, ADDRESS_LIMIT))
    return gaps
