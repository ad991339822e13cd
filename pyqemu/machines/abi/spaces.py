"""What answers where: I/O ports and memory, as they are at power-on and with every window opened.

An entry of the port map names the owner's type. Widths in bytes are only given where bytes are not decoded: whether
a wider access is split by the bus or by the device is its own affair.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from pyqemu.boards.board import Board
from pyqemu.core.memory import Mmio, Ram, Region
from pyqemu.core.ports import PORTS
from pyqemu.hw.pci.device import Command, Reg
from pyqemu.machines.abi.pci import WINDOWS, window_at

# Where firmware of the kind that the board is made for puts things.
FIRST_PORT = 0xC000
FIRST_ADDRESS = 0xF0000000
PIIX4_PM = 0x71138086
PM_BASES = {0x40: 0x0601, 0x80: 0x0001, 0x90: 0x0701, 0xD2: 0x0001}
WIDTHS = (1, 2, 4)


def ports(board: Board) -> dict[str, str]:
    """``{"0020-0021": "isa-i8259", "01ce-01d0": "VGA, width 2/4"}``."""
    space = board.isa.ports
    decoded = {
        width: {
            port
            for table in (space.readers[width], space.writers[width])
            for port, handler in enumerate(table)
            if handler is not None
        }
        for width in WIDTHS
    }
    claims = []
    for port in sorted(set().union(*decoded.values())):
        text = _owner(space.owner(port))
        if port not in decoded[1]:
            text += ", width " + "/".join(str(width) for width in WIDTHS if port in decoded[width])
        claims.append((port, text))
    return _ranges(claims)


def _ranges(claims: Iterable[tuple[int, str]]) -> dict[str, str]:
    """Join neighbours with the same text."""
    ranges = {}
    for (_, text), run in groupby(enumerate(claims), key=lambda item: (item[1][0] - item[0], item[1][1])):
        members = [port for _, (port, _) in run]
        ranges[f"{members[0]:04x}-{members[-1]:04x}"] = text
    assert all(int(key[5:], 16) < PORTS for key in ranges)
    return ranges


def memory(board: Board) -> dict[str, str]:
    """``{"00000000-0009ffff": "RAM pc.ram+0"}``: the flat map. What is not listed reads zero."""
    return {f"{span.start:08x}-{span.end - 1:08x}": _region(span.region, span.offset) for span in board.memory.flat}


def _region(region: Region, offset: int) -> str:
    if isinstance(region, Ram):
        kind = "ROM" if region.readonly else "RAM"
        return f"{kind} {region.block.name}+{region.offset + offset:x}"
    assert isinstance(region, Mmio)
    return f"registers of {_owner(region.owner)}"


def _owner(owner: object) -> str:
    return str(getattr(owner, "type", type(owner).__name__))


def open_windows(board: Board) -> None:
    """Put every window where firmware would and let it decode, largest first so that nothing is wasted."""
    bus = board.pci
    if bus is None:
        return
    wanted = [
        (-size, devfn, offset, is_io)
        for devfn in sorted(bus.devices)
        for offset in WINDOWS.values()
        for is_io, _, size in window_at(bus, devfn, offset)
    ]
    next_free = {True: FIRST_PORT, False: FIRST_ADDRESS}
    for negative, devfn, offset, is_io in sorted(wanted):
        base = next_free[is_io] = -(next_free[is_io] // negative) * -negative  # round up
        next_free[is_io] += -negative
        bus.write_config(devfn, offset, 4, base | (offset == Reg.ROM))
    for devfn in sorted(bus.devices):
        if bus.read_config(devfn, Reg.VENDOR, 4) == PIIX4_PM:
            for register, value in PM_BASES.items():
                bus.write_config(devfn, register, 2, value)
        bus.write_config(devfn, Reg.COMMAND, 2, int(Command.IO | Command.MEMORY))
