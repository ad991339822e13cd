"""The guest's page tables, as the processor would walk them, without its side effects.

Source   Intel SDM 3A, chapter 4 (32-bit, PAE and 4-level paging)
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pyqemu.api import VirtualMachine

CR0_PG = 1 << 31
CR4_PSE, CR4_PAE = 1 << 4, 1 << 5
EFER_LMA = 1 << 10
PRESENT, WRITE, USER, LARGE = 1, 2, 4, 1 << 7
ADDRESS_MASK = 0x000FFFFFFFFFF000
PAGE_BYTES = 4096


class Page(NamedTuple):
    """One mapping. ``flags`` is the last entry's; ``rights`` the WRITE and USER bits of all levels."""

    virtual: int
    physical: int
    size: int
    flags: int
    rights: int


class _Level(NamedTuple):
    shift: int
    bits: int
    may_be_large: bool


def _levels(vm: VirtualMachine) -> tuple[list[_Level], int, int] | None:
    """The levels, the root table, and the bytes of an entry; None while paging is off."""
    get = vm.cpu.get
    if not get("cr0") & CR0_PG:
        return None
    cr4 = get("cr4")
    if get("efer") & EFER_LMA:
        levels = [_Level(39, 9, False), _Level(30, 9, True), _Level(21, 9, True), _Level(12, 9, False)]
        return levels, get("cr3") & ADDRESS_MASK, 8
    if cr4 & CR4_PAE:
        return [_Level(30, 2, False), _Level(21, 9, True), _Level(12, 9, False)], get("cr3") & 0xFFFFFFE0, 8
    return [_Level(22, 10, bool(cr4 & CR4_PSE)), _Level(12, 10, False)], get("cr3") & 0xFFFFF000, 4


def _target(entry: int, shift: int, width: int) -> int:
    if width == 4 and shift == 22:  # PSE-36: bits 13 to 20 are address bits 32 to 39
        return entry & 0xFFC00000 | (entry >> 13 & 0xFF) << 32
    return entry & ADDRESS_MASK & ~((1 << shift) - 1)


def translate(vm: VirtualMachine, virtual: int) -> int | None:
    """The physical address behind a linear one, or None where nothing is mapped."""
    found = _levels(vm)
    if found is None:
        return virtual & 0xFFFFFFFF
    levels, table, width = found
    if width == 4 or len(levels) == 3:
        virtual &= 0xFFFFFFFF
    elif virtual >> 47 not in (0, 0x1FFFF):
        return None
    for level in levels:
        index = virtual >> level.shift & (1 << level.bits) - 1
        entry = int.from_bytes(vm.board.memory.read(table + index * width, width), "little")
        if not entry & PRESENT:
            return None
        if level.shift == 12 or (level.may_be_large and entry & LARGE):
            return _target(entry, level.shift, width) | virtual & (1 << level.shift) - 1
        table = entry & ADDRESS_MASK
    return None


def pages(vm: VirtualMachine) -> Iterator[Page] | None:
    """All mappings in the order of their addresses; None while paging is off."""
    found = _levels(vm)
    if found is None:
        return None
    levels, table, width = found
    return _walk(vm, levels, table, width, 0, WRITE | USER)


def _walk(
    vm: VirtualMachine, levels: list[_Level], table: int, width: int, base: int, rights: int
) -> Iterator[Page]:
    level = levels[0]
    data = vm.board.memory.read(table, width << level.bits)
    for index in range(1 << level.bits):
        entry = int.from_bytes(data[index * width : index * width + width], "little")
        if not entry & PRESENT:
            continue
        virtual = base | index << level.shift
        if virtual >> 47 & 1 and len(levels) == 4:
            virtual |= 0xFFFF << 48
        # The PAE pointer table has no rights of its own.
        now = rights if level.bits == 2 else rights & entry
        if level.shift == 12 or (level.may_be_large and entry & LARGE):
            size = 1 << level.shift
            yield Page(virtual, _target(entry, level.shift, width), size, entry, now)
        else:
            yield from _walk(vm, levels[1:], entry & ADDRESS_MASK, width, virtual, now)


def read_virtual(vm: VirtualMachine, address: int, length: int) -> bytes | None:
    """Bytes at a linear address; None if a page in the range is not mapped."""
    data = bytearray()
    while length > 0:
        physical = translate(vm, address)
        if physical is None:
            return None
        piece = min(length, PAGE_BYTES - address % PAGE_BYTES)
        data += vm.board.memory.read(physical, piece)
        address = (address + piece) & (1 << 64) - 1
        length -= piece
    return bytes(data)
