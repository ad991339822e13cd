"""Which sections a machine's stream has, and what is in each.

    for section in sections(board):
        section.name, section.instance, section.version     # "0000:00:01.1/ide", 0, 3
        section.describe()                                  # fields and sizes, in the shape of QEMU's description

Names and versions are QEMU's where the device is. Instances count equal names from 0. ``digest`` is one number for
all of it, so that two machines can see at once whether they have the same layout.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pyqemu.core import wire
from pyqemu.core.memory import RamBlock
from pyqemu.core.state import Record
from pyqemu.cpu.state import CpuCommon, CpuState
from pyqemu.hw.pci.device import PciDevice
from pyqemu.migration.forms import form_of
from pyqemu.migration.machine import Contract, GlobalState, Timer

if TYPE_CHECKING:
    from pyqemu.boards.board import Board


@dataclass(frozen=True)
class Section:
    """One section: *record* holds the state; *owner* is the device, None for the machine's own parts."""

    name: str
    instance: int
    record: Record
    version: int
    minimum: int
    owner: Any = None

    @property
    def title(self) -> str:
        """For messages."""
        return f"'{self.name}'" if not self.instance else f"'{self.name}' instance {self.instance}"

    def encode(self) -> tuple[bytes, dict[str, Any]]:
        """The section's data, and its entry in the stream's description."""
        out = bytearray()
        described = wire.encode(self.record, out)
        return bytes(out), {"name": self.name, "instance_id": self.instance} | described

    def describe(self) -> dict[str, Any]:
        """All that the section may hold, with the largest sizes and every subsection."""
        return wire.encode(self.record, bytearray(), everything=True)


def sections(board: Board) -> list[Section]:
    """In the order of the stream."""
    form = form_of(board.machine)
    parts: list[tuple[str, Record, int, int, Any]] = [
        *([("pyqemu", Contract(), 1, 1, None)] if form.contract else []),
        ("timer", Timer(), 2, 2, None),
        ("cpu_common", CpuCommon(), 1, 1, None),
        ("cpu", CpuState(), 12, 12, None),
    ]
    for device in board.devices.values():
        for name, record in device.sections():
            if record is device and isinstance(device, PciDevice):
                name = f"{device.path}/{name}"
            version = getattr(record, "version", record.vmsd_version)
            parts.append((name, record, version, getattr(record, "minimum", version), device))
    parts.append(("globalstate", GlobalState(), 1, 1, None))
    found: list[Section] = []
    instances: dict[str, int] = {}
    for name, record, version, minimum, owner in parts:
        instance = instances.get(name, 0)
        instances[name] = instance + 1
        found.append(Section(name, instance, record, version, minimum, owner))
    return found


def ram_blocks(board: Board) -> list[RamBlock]:
    """In the order of the stream: largest first, then as the board has them."""
    blocks = board.ram_blocks()
    return sorted(blocks, key=lambda block: -block.size)


def document(board: Board) -> dict[str, Any]:
    """The layout as plain data."""
    return {
        "ram": {block.name: block.size for block in ram_blocks(board)},
        "sections": [
            {"name": s.name, "instance": s.instance, "version": s.version, "minimum": s.minimum} | _plain(s)
            for s in sections(board)
        ],
    }


def _plain(section: Section) -> dict[str, Any]:
    described = section.describe()
    return {key: value for key, value in described.items() if key in ("fields", "subsections")}


def digest(board: Board) -> str:
    """A number for the layout, in hexadecimal."""
    text = json.dumps(document(board), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
