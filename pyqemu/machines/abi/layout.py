"""The layout of a saved state: sections, their versions, and every field with its type and size in a stream.

A field of a struct has a dotted name; what is in a subsection has the subsection's name in angle brackets.
"""

from __future__ import annotations

from typing import Any

from pyqemu.boards.board import LINKS, Board
from pyqemu.migration import layout
from pyqemu.migration.compare import flat


def sections(board: Board) -> dict[str, Any]:
    """``{"i8259/1": {"version": "1, reads from 1", "fields": ["irr: uint8, 1 bytes"]}}``, numbered by instance."""
    return {
        f"{section.name}/{section.instance}": {
            "version": f"{section.version}, reads from {section.minimum}",
            "fields": [f"{name}: {kind}" for name, kind in flat(section.describe()).items()],
        }
        for section in layout.sections(board)
    }


def properties(board: Board) -> dict[str, dict[str, str]]:
    """What each device was built with, by its place on the board."""
    return {
        name: {"type": device.type}
        | {
            prop.name: prop.format(getattr(device, prop.attribute))
            for prop in device.props.values()
            if prop.kind not in LINKS or prop.kind == "device"
        }
        for name, device in board.devices.items()
    }
