"""One x86 CPU on a board: the engine, joined to ports, memory and the interrupt controller.

The engine is native (``_sysmode.c``). This class follows the address space's map, translates CPU model
names, and starts with a self-check: a wrong library would corrupt guests silently, so a small guest program
takes an interrupt, a fault, a system call and a kick before the first real one runs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pyqemu.core.memory import ADDRESS_LIMIT, PAGE_BYTES, AddressSpace, Ram, RamBlock, Span
from pyqemu.core.ports import PortSpace
from pyqemu.cpu.library import native
from pyqemu.cpu.models import CpuModel
from pyqemu.cpu.registers import FIELDS


class Cpu:
    """A processor. ``acknowledge()`` returns the vector of the interrupt that the controller wants taken."""

    def __init__(
        self, model: CpuModel, ports: PortSpace, memory: AddressSpace, acknowledge: Callable[[], int]
    ) -> None:
        self.model = model
        self.memory = memory
        self.engine: Any = native().Engine(model.unicorn_number)
        self.engine.connect(ports, memory.load, memory.store, acknowledge)
        model.apply(self.engine)
        self._ram: dict[tuple[int, int], int] = {}  # (start, end) → host address
        self._windows: set[tuple[int, int]] = set()
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

    def set_a20(self, opened: bool) -> None:
        self.engine.set_a20(opened)

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

        Unicorn works in pages, so a span that shares a page with another is left to load() and store().
        """
        ram: dict[tuple[int, int], tuple[int, bool]] = {}
        for span in self.memory.flat:
            region = span.region
            if isinstance(region, Ram) and (span.start | span.end) % PAGE_BYTES == 0:
                host = region.block.address + region.offset + span.offset
                if host % PAGE_BYTES == 0:
                    ram[span.start, span.end] = (host, region.readonly)
        windows = set(_gaps(sorted(ram)))
        wanted = {key: host | readonly for key, (host, readonly) in ram.items()}
        for start, end in self._windows - windows:
            self.engine.unmap(start, end - start)
        for (start, end), host in list(self._ram.items()):
            if wanted.get((start, end)) != host:
                self.engine.unmap(start, end - start, host & ~1)
                del self._ram[start, end]
        for (start, end), host in wanted.items():
            if (start, end) not in self._ram:
                self.engine.map_ram(start, host & ~1, end - start, bool(host & 1))
                self._ram[start, end] = host
        for start, end in windows - self._windows:
            self.engine.map_io(start, end - start)
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
