"""Device trees: which chips a board has, as ``machines/boards/NAME.yaml`` says.

Errors   ConfigError naming file, line, column and what is accepted
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pyqemu.core.errors import nearest
from pyqemu.hw.catalog import CATALOG
from pyqemu.machines.document import read_document
from pyqemu.machines.schema import DeviceNode as Node
from pyqemu.machines.schema import checked, devices, flag

if TYPE_CHECKING:
    from pyqemu.machines.registry import MachineType

__all__ = ["Node", "Tree", "described_tree", "load_tree", "machine_tree"]

_KEYS = {"pci": flag, "devices": devices}


@dataclass(frozen=True)
class Tree:
    name: str
    pci: bool
    nodes: tuple[Node, ...]

    @property
    def empty(self) -> bool:
        """Whether there is no board at all: no CPU, no memory, and no place for anything."""
        return not self.nodes


def load_tree(path: Path) -> Tree:
    """Read and check one tree. Raises ConfigError."""
    values = checked(read_document(path), _KEYS, required=_KEYS)
    _check_types(values["devices"])
    return Tree(path.stem, values["pci"], values["devices"])


def machine_tree(machine: MachineType) -> Tree:
    """The board of a machine type, without what it lacks and with what it adds. Raises ConfigError."""
    _check_types(machine.devices)
    return described_tree(machine)


def described_tree(machine: MachineType) -> Tree:
    """The same, though the type may add devices that do not exist here."""
    tree = load_tree(machine.board_path)
    known = [node.id for node in tree.nodes]
    for id in machine.without:
        if id not in known:
            raise machine.places["without"].error(f"board '{tree.name}' has no device '{id}'", nearest(id, known))
    nodes = [node for node in tree.nodes if node.id not in machine.without]
    for node in machine.devices:
        if node.id in [other.id for other in nodes]:
            assert node.place
            raise node.place.error(f"two devices are called '{node.id}'")
        nodes.append(node)
    return replace(tree, nodes=tuple(nodes))


def _check_types(nodes: Iterable[Node]) -> None:
    for node in nodes:
        if node.type not in CATALOG:
            assert node.place
            raise node.place.error(f"there is no device type '{node.type}'", nearest(node.type, CATALOG))
