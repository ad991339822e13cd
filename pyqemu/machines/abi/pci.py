"""PCI functions as configuration cycles show them: registers, which bits can be changed, windows.

Source   PCI Local Bus Specification 2.1, 6.2.5.1: a window's size is what reads back after writing all ones
"""

from __future__ import annotations

from typing import Any

from pyqemu.boards.board import Board
from pyqemu.hw.pci.bus import PciBus
from pyqemu.hw.pci.device import CONFIG_BYTES, Reg
from pyqemu.machines.abi.hexlines import hex_lines

WINDOWS = {f"BAR {n}": Reg.BAR0 + 4 * n for n in range(6)} | {"ROM": Reg.ROM}
NO_DEVICE = 0xFFFF


def functions(board: Board) -> dict[str, Any]:
    """By "slot.function". Writes to every register: the board is to be reset afterwards."""
    bus = board.pci
    if bus is None:
        return {}
    found: dict[str, Any] = {}
    for devfn in sorted(bus.devices):
        if bus.read_config(devfn, Reg.VENDOR, 2) == NO_DEVICE:
            continue
        config = bytes(bus.read_config(devfn, offset, 1) for offset in range(CONFIG_BYTES))
        writable = bytes(_writable(bus, devfn, offset) for offset in range(CONFIG_BYTES))
        found[f"{devfn >> 3:02x}.{devfn & 7}"] = {
            "type": bus.devices[devfn].type,
            "config": hex_lines(config),
            "writable": hex_lines(writable),
            "windows": windows(bus, devfn),
        }
    return found


def _writable(bus: PciBus, devfn: int, offset: int) -> int:
    """The bits of a byte that take both values."""
    before = bus.read_config(devfn, offset, 1)
    bus.write_config(devfn, offset, 1, 0xFF)
    ones = bus.read_config(devfn, offset, 1)
    bus.write_config(devfn, offset, 1, 0x00)
    zeros = bus.read_config(devfn, offset, 1)
    bus.write_config(devfn, offset, 1, before)
    return ones & ~zeros


def windows(bus: PciBus, devfn: int) -> dict[str, str]:
    """Kind and size of each window there is: ``{"BAR 0": "memory, prefetchable, 800000 bytes"}``."""
    return {
        name: ("I/O" if is_io else "memory, prefetchable" if flags & 8 else "memory") + f", {size:x} bytes"
        for name, offset in WINDOWS.items()
        for is_io, flags, size in window_at(bus, devfn, offset)
    }


def window_at(bus: PciBus, devfn: int, offset: int) -> list[tuple[bool, int, int]]:
    """(whether it is I/O, flag bits, size in bytes) of the window whose register this is; empty if none."""
    before = bus.read_config(devfn, offset, 4)
    bus.write_config(devfn, offset, 4, 0xFFFFFFFF)
    value = bus.read_config(devfn, offset, 4)
    bus.write_config(devfn, offset, 4, before)
    if value == 0:
        return []
    if offset == Reg.ROM:
        return [(False, 0, -(value & ~0x7FF) & 0xFFFFFFFF)]
    if value & 1:
        return [(True, 0, -(value & ~3) & 0xFFFFFFFF)]
    return [(False, value & 0xF, -(value & ~0xF) & 0xFFFFFFFF)]
