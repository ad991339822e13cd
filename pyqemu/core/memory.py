"""Physical memory: RAM blocks, and an address space made of regions.

An address space is a list of regions with priorities, flattened into a map without overlaps. Each change
(PAM, SMRAM, a BAR) computes the new map and tells listeners (the CPU) only what differs. Devices reach
guest memory through ``read``/``write``/``view``; RAM is one ``mmap`` that both sides share.

    space = AddressSpace()
    space.map(0, Ram(block))                       # bottom: guest RAM
    space.map(0xA0000, Mmio(0x20000, r, w), priority=1)   # a window over it
"""

from __future__ import annotations

import mmap
from bisect import bisect_right
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ctypes import addressof, c_char
from itertools import pairwise
from typing import NamedTuple, Protocol

from pyqemu.core.errors import ConfigError

PAGE_BYTES = 4096
ADDRESS_LIMIT = 1 << 40  # the guest's physical address width


class RamBlock:
    """Host memory that backs RAM or ROM. *size* in bytes is rounded up to pages; ``name`` is QEMU's.

    ``view`` is for everything; ``map`` is the same memory, faster where a slice has a step.
    """

    def __init__(self, name: str, size: int) -> None:
        self.name = name
        self.size = -(-size // PAGE_BYTES) * PAGE_BYTES
        try:
            self.map = mmap.mmap(-1, self.size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        except (OSError, OverflowError, ValueError):
            raise ConfigError(f"cannot set up guest memory '{name}': Cannot allocate memory") from None
        self.view = memoryview(self.map)
        self.address = addressof(c_char.from_buffer(self.map))

    def clear(self) -> None:
        """Give the memory back to the host: it reads zero again."""
        self.map.madvise(mmap.MADV_DONTNEED)


class Region:
    """Something that can be mapped into an address space: *size* bytes."""

    size: int


class Ram(Region):
    """RAM, or ROM with ``readonly``.

    ``on_write(width, offset, value)`` receives the stores to a read-only region (flash, PAM's write-only
    mode); without it they are ignored.
    """

    def __init__(
        self,
        block: RamBlock,
        offset: int = 0,
        size: int | None = None,
        *,
        readonly: bool = False,
        on_write: Callable[[int, int, int], None] | None = None,
    ) -> None:
        self.block = block
        self.offset = offset
        self.size = block.size - offset if size is None else size
        self.readonly = readonly
        self.on_write = on_write


class Runs(Protocol):
    """Device memory that takes a run of elements at once, as REP STOS and MOVS make them, lowest address first.

    The effect has to be that of the single accesses; where it would not be, or is not known, the answer is
    None or False and the accesses come one by one.
    """

    def read_run(self, offset: int, length: int) -> bytes | None: ...
    def write_run(self, offset: int, data: bytes) -> bool: ...
    def copy_run(self, source: int, target: int, length: int, width: int) -> bool: ...


class Mmio(Region):
    """Registers in memory: ``read(width, offset)``, ``write(width, offset, value)`` for widths 1, 2, 4, 8; and
    ``runs``, if the device has them."""

    def __init__(
        self,
        size: int,
        read: Callable[[int, int], int],
        write: Callable[[int, int, int], None],
        *,
        owner: object = None,
        runs: Runs | None = None,
    ) -> None:
        self.size = size
        self.read = read
        self.write = write
        self.owner = owner
        self.runs = runs


class Mapping:
    """One placement of a region. ``offset`` is the first byte of the region that is seen (an alias shows a
    part of a region that may be mapped elsewhere too). Change it through the address space only."""

    __slots__ = ("base", "enabled", "offset", "priority", "region", "size")

    def __init__(self, base: int, region: Region, offset: int, size: int, priority: int) -> None:
        self.base = base
        self.region = region
        self.offset = offset
        self.size = size
        self.priority = priority
        self.enabled = True


class Span(NamedTuple):
    """A piece of the flat map: addresses ``start``..``end`` show ``region`` from ``offset`` on."""

    start: int
    end: int
    region: Region
    offset: int


class AddressSpace:
    """Regions with priorities; the higher one wins where two overlap, the later one among equals.

    ``listeners`` are called with (removed, added) lists of spans after each change.
    ``on_ram_written(block, offset, length)`` is called after a device has stored into RAM, so that the CPU
    can drop code it has translated there.
    Unassigned memory reads as zero and ignores writes, as the PIIX board does under QEMU.
    """

    def __init__(self) -> None:
        self._mappings: list[Mapping] = []
        self._depth = 0
        self._dirty = False
        self.flat: list[Span] = []
        self._starts: list[int] = []
        self.listeners: list[Callable[[list[Span], list[Span]], None]] = []
        self.on_ram_written: Callable[[RamBlock, int, int], None] = lambda _block, _offset, _length: None

    # -- layout ---------------------------------------------------------------------------------------

    def map(
        self, base: int, region: Region, *, offset: int = 0, size: int | None = None, priority: int = 0
    ) -> Mapping:
        """Show *region* (from *offset*, *size* bytes) at *base*."""
        size = region.size - offset if size is None else size
        mapping = Mapping(base, region, offset, size, priority)
        self._mappings.append(mapping)
        self._changed()
        return mapping

    def unmap(self, mapping: Mapping) -> None:
        """Take a mapping away for good."""
        self._mappings.remove(mapping)
        self._changed()

    def move(self, mapping: Mapping, base: int) -> None:
        """Put a mapping somewhere else (a BAR)."""
        if mapping.base != base:
            mapping.base = base
            self._changed()

    def enable(self, mapping: Mapping, enabled: bool) -> None:
        """Show or hide a mapping."""
        if mapping.enabled != enabled:
            mapping.enabled = enabled
            self._changed()

    def show(self, mapping: Mapping, region: Region) -> None:
        """Let a mapping show another region of the same layout (PAM switching ROM to RAM)."""
        if mapping.region is not region:
            mapping.region = region
            self._changed()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Several changes, one new map."""
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1
            if self._depth == 0 and self._dirty:
                self._changed()

    def _changed(self) -> None:
        if self._depth:
            self._dirty = True
            return
        self._dirty = False
        old, new = self.flat, self._flatten()
        self.flat, self._starts = new, [span.start for span in new]
        before, after = set(old), set(new)
        removed = [span for span in old if span not in after]
        added = [span for span in new if span not in before]
        if removed or added:
            for listener in self.listeners:
                listener(removed, added)

    def _flatten(self) -> list[Span]:
        """Cut at every edge, let the highest priority win each piece, join pieces that continue."""
        live = [m for m in self._mappings if m.enabled and m.size > 0 and 0 <= m.base < ADDRESS_LIMIT]
        edges = sorted({e for m in live for e in (m.base, min(m.base + m.size, ADDRESS_LIMIT))})
        place = {edge: number for number, edge in enumerate(edges)}
        winners: list[Mapping | None] = [None] * len(edges)
        live.reverse()
        for m in sorted(live, key=lambda m: m.priority, reverse=True):  # stable: the later one is still first
            for piece in range(place[m.base], place[min(m.base + m.size, ADDRESS_LIMIT)]):
                if winners[piece] is None:
                    winners[piece] = m
        spans: list[Span] = []
        for (start, end), winner in zip(pairwise(edges), winners, strict=False):
            if winner is None:
                continue
            offset = winner.offset + start - winner.base
            last = spans[-1] if spans else None
            if (
                last is not None
                and last.end == start
                and last.region is winner.region
                and last.offset + (start - last.start) == offset
            ):
                spans[-1] = Span(last.start, end, last.region, last.offset)
            else:
                spans.append(Span(start, end, winner.region, offset))
        return spans

    def mappings(self) -> list[Mapping]:
        """Every placement there is, also of what is hidden or covered."""
        return list(self._mappings)

    def find(self, address: int) -> Span | None:
        """The span that an address falls into, or None where nothing is mapped."""
        index = bisect_right(self._starts, address) - 1
        if index < 0:
            return None
        span = self.flat[index]
        return span if address < span.end else None

    # -- access, one bus cycle ------------------------------------------------------------------------

    def load(self, address: int, width: int) -> int:
        """Read one value of 1, 2, 4 or 8 bytes, as the CPU does."""
        span = self.find(address)
        if span is None or address + width > span.end:
            return int.from_bytes(self.read(address, width), "little")
        region = span.region
        offset = span.offset + address - span.start
        if isinstance(region, Mmio):
            return region.read(width, offset) & ((1 << 8 * width) - 1)
        assert isinstance(region, Ram)
        start = region.offset + offset
        return int.from_bytes(region.block.view[start : start + width], "little")

    def store(self, address: int, width: int, value: int) -> None:
        """Write one value of 1, 2, 4 or 8 bytes, as the CPU does."""
        span = self.find(address)
        if span is None or address + width > span.end:
            self.write(address, value.to_bytes(width, "little"))
            return
        region = span.region
        offset = span.offset + address - span.start
        if isinstance(region, Mmio):
            region.write(width, offset, value)
            return
        assert isinstance(region, Ram)
        if region.readonly:
            if region.on_write is not None:
                region.on_write(width, offset, value)
            return
        start = region.offset + offset
        region.block.view[start : start + width] = value.to_bytes(width, "little")
        self.on_ram_written(region.block, start, width)

    # -- access, runs of REP STOS and MOVS in device memory -------------------------------------------

    def load_run(self, address: int, length: int) -> bytes | None:
        """What a device gives for many loads at once, or None: it has to be asked singly."""
        runs, offset = self._find_runs(address, length)
        return runs.read_run(offset, length) if runs is not None else None

    def store_run(self, address: int, data: bytes) -> bool:
        """Whether a device took many stores at once."""
        runs, offset = self._find_runs(address, len(data))
        return runs is not None and runs.write_run(offset, data)

    def copy_run(self, source: int, target: int, length: int, width: int) -> bool:
        """Whether a device moved elements of *width* bytes, *length* bytes in all, within its memory."""
        runs, offset = self._find_runs(source, length)
        others, to = self._find_runs(target, length)
        return runs is not None and others is runs and runs.copy_run(offset, to, length, width)

    def _find_runs(self, address: int, length: int) -> tuple[Runs | None, int]:
        span = self.find(address)
        if span is None or address + length > span.end or not isinstance(span.region, Mmio):
            return None, 0
        return span.region.runs, span.offset + address - span.start

    # -- access, blocks (DMA) -------------------------------------------------------------------------

    def read(self, address: int, length: int) -> bytes:
        """Bytes of guest memory, wherever they lie."""
        return b"".join(bytes(piece) for piece in self._pieces(address, length))

    def write(self, address: int, data: bytes | bytearray | memoryview) -> None:
        """Store bytes into guest memory. ROM and unassigned addresses ignore them."""
        source = memoryview(data).cast("B")
        address &= ADDRESS_LIMIT - 1
        position = 0
        while position < len(source):
            span, length = self._run(address, len(source) - position)
            if span is not None:
                region = span.region
                offset = span.offset + address - span.start
                if isinstance(region, Ram) and not region.readonly:
                    start = region.offset + offset
                    region.block.view[start : start + length] = source[position : position + length]
                    self.on_ram_written(region.block, start, length)
                elif isinstance(region, Mmio):
                    _store_block(region, offset, source[position : position + length])
            position += length
            address = (address + length) & (ADDRESS_LIMIT - 1)

    def view(self, address: int, length: int) -> memoryview | None:
        """A window into RAM for zero-copy DMA, or None where the range is not all RAM of one region.

        After storing through it call ``written(address, length)``.
        """
        span = self.find(address)
        if span is None or address + length > span.end or not isinstance(span.region, Ram):
            return None
        if span.region.readonly:
            return None
        start = span.region.offset + span.offset + address - span.start
        return span.region.block.view[start : start + length]

    def written(self, address: int, length: int) -> None:
        """Say that a ``view`` has been stored to."""
        span = self.find(address)
        if span is not None and isinstance(span.region, Ram):
            self.on_ram_written(span.region.block, span.region.offset + span.offset + address - span.start, length)

    def _run(self, address: int, length: int) -> tuple[Span | None, int]:
        """The span at an address (or None) and how many of *length* bytes lie in it (or in the gap)."""
        address &= ADDRESS_LIMIT - 1
        span = self.find(address)
        if span is not None:
            return span, min(length, span.end - address)
        index = bisect_right(self._starts, address)
        gap_end = self._starts[index] if index < len(self._starts) else ADDRESS_LIMIT
        return None, min(length, gap_end - address)

    def _pieces(self, address: int, length: int) -> Iterator[bytes | memoryview]:
        address &= ADDRESS_LIMIT - 1
        while length > 0:
            span, run = self._run(address, length)
            if span is None:
                yield bytes(run)
            else:
                offset = span.offset + address - span.start
                if isinstance(span.region, Ram):
                    start = span.region.offset + offset
                    yield span.region.block.view[start : start + run]
                else:
                    assert isinstance(span.region, Mmio)
                    yield _load_block(span.region, offset, run)
            address = (address + run) & (ADDRESS_LIMIT - 1)
            length -= run


def _load_block(region: Mmio, offset: int, length: int) -> bytes:
    data = bytearray()
    while length > 0:
        width = 4 if length >= 4 and offset % 4 == 0 else 1
        data += (region.read(width, offset) & ((1 << 8 * width) - 1)).to_bytes(width, "little")
        offset += width
        length -= width
    return bytes(data)


def _store_block(region: Mmio, offset: int, data: memoryview) -> None:
    position = 0
    while position < len(data):
        width = 4 if len(data) - position >= 4 and offset % 4 == 0 else 1
        region.write(width, offset, int.from_bytes(data[position : position + width], "little"))
        offset += width
        position += width
