"""Device trees: which chips a board has, as ``machines/boards/NAME.yaml`` says.

Errors   ConfigError naming the file, the entry and what is accepted
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pyqemu.core.errors import ConfigError, nearest
from pyqemu.hw.catalog import CATALOG
from pyqemu.machines.loader import read_yaml

_KEYS = ("id", "type", "slot", "props")


@dataclass(frozen=True)
class Node:
    """One device. ``devfn`` is -1 on the ISA side."""

    id: str
    type: str
    devfn: int = -1
    props: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Tree:
    name: str
    pci: bool
    nodes: tuple[Node, ...]


def load_tree(path: Path) -> Tree:
    """Read and check one tree."""
    document = read_yaml(path)
    if not isinstance(document, dict) or set(document) != {"pci", "devices"}:
        raise ConfigError(f"{path}: a board has the keys 'pci' and 'devices'")
    nodes = tuple(_node(path, entry) for entry in document["devices"])
    names = [node.id for node in nodes]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"{path}: two devices are called '{name}'")
    return Tree(path.stem, bool(document["pci"]), nodes)


def _node(path: Path, entry: Any) -> Node:
    if not isinstance(entry, dict) or not {"id", "type"} <= set(entry) <= set(_KEYS):
        raise ConfigError(f"{path}: a device has the keys {', '.join(_KEYS)}, not {entry!r:.80}")
    if entry["type"] not in CATALOG:
        raise ConfigError(f"{path}: there is no device type '{entry['type']}'", nearest(entry["type"], CATALOG))
    return Node(str(entry["id"]), entry["type"], _devfn(path, entry.get("slot")), entry.get("props") or {})


def _devfn(path: Path, slot: Any) -> int:
    if slot is None:
        return -1
    number, _, function = str(slot).partition(".")
    if not (number.isdigit() and function.isdigit() and int(number) < 32 and int(function) < 8):
        raise ConfigError(f"{path}: 'slot' is written slot.function, not {slot!r}")
    return int(number) << 3 | int(function)
