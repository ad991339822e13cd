"""A machine type laid open: its devices, where they sit, and who gave each property its value.

Nothing is built: this is what the files say, in the order in which ``settings`` applies them.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pyqemu.boards.board import LINKS, PARALLEL_PORTS, SERIAL_PORTS
from pyqemu.boards.tree import described_tree
from pyqemu.core.device import Device
from pyqemu.core.prop import PropField
from pyqemu.hw.catalog import CATALOG, device_class
from pyqemu.hw.pci.device import PciDevice
from pyqemu.machines.document import Place
from pyqemu.machines.registry import MachineType
from pyqemu.machines.schema import DeviceNode
from pyqemu.machines.settings import Setting, settings


@dataclass(frozen=True)
class ResolvedDevice:
    """One device. ``chains``: of each property, every value that it was given; the last one is in force."""

    node: DeviceNode
    here: bool
    chains: dict[str, list[Setting]]

    @property
    def address(self) -> str:
        """PCI slot and function, or the ports of an ISA device as far as its properties tell them."""
        if self.node.devfn >= 0:
            return f"{self.node.devfn >> 3:02x}.{self.node.devfn & 7}"
        if self.here and issubclass(device_class(self.node.type), PciDevice):
            return "next free"
        for name in ("iobase", "base"):
            if name in self.chains:
                return f"{int(str(self.chains[name][-1].value), 0):#06x}"
        return ""


def resolved_devices(machine: MachineType) -> list[ResolvedDevice]:
    """What is on the board, and what is plugged in when no option says otherwise. Raises ConfigError."""
    nodes = (*described_tree(machine).nodes, *_plugged())
    return [_resolve(machine, node) for node in nodes if node.id != "vga" or machine.default_display != "none"]


def _plugged() -> Iterator[DeviceNode]:
    """A serial and a parallel port: the board's code puts them there, so their place is in it."""
    for name, kind, (iobase, irq) in (
        ("serial0", "isa-serial", SERIAL_PORTS[0]),
        ("parallel0", "isa-parallel", PARALLEL_PORTS[0]),
    ):
        yield DeviceNode(name, kind, props={"iobase": f"{iobase:#x}", "irq": str(irq)})


def _resolve(machine: MachineType, node: DeviceNode) -> ResolvedDevice:
    if node.type not in CATALOG:
        chain = {
            name: [Setting(name, value, "board", "", node.places.get(name))] for name, value in node.props.items()
        }
        return ResolvedDevice(node, False, chain)
    return ResolvedDevice(node, True, chains(machine, device_class(node.type), node))


def chains(machine: MachineType, kind: type[Device], node: DeviceNode | None = None) -> dict[str, list[Setting]]:
    """Of each property of a device: its default and every value that it is given after that."""
    found = {
        name: [Setting(name, prop.format(prop.default), "default", kind.type, _declared(kind, prop))]
        for name, prop in kind.props.items()
        if prop.kind not in LINKS or (node is not None and name in node.props)
    }
    for setting in settings(machine, kind, node):
        found.setdefault(setting.property, []).append(setting)
    return found


def _declared(kind: type[Device], prop: PropField) -> Place | None:
    """Where a chip's module declares a property."""
    for cls in kind.__mro__:
        if vars(cls).get(prop.attribute) is prop:
            return _line_of(cls, prop.attribute)
    return None


@cache
def _line_of(cls: type, attribute: str) -> Place | None:
    try:
        lines, first = inspect.getsourcelines(cls)
        path = Path(inspect.getfile(cls))
    except OSError:  # no source beside the compiled module
        return None
    for offset, text in enumerate(lines):
        if match := re.match(rf"\s+(?={attribute}\b\s*[:=])", text):
            return Place(path, first + offset, match.end() + 1)
    return None
