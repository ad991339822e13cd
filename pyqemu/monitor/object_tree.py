"""The machine as a tree of objects with paths, as QMP's qom-* commands show it.

Paths    /machine, /machine/peripheral/ID for ``-device`` with an id, /machine/peripheral-anon/device[N] without,
         /machine/unattached/device[N] for what is soldered to the board; device[0] is the CPU
Missing  memory regions, interrupt lines and buses as objects
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pyqemu.core.device import Device
from pyqemu.monitor.errors import QmpError, device_not_found

if TYPE_CHECKING:
    from pyqemu.api import VirtualMachine
    from pyqemu.core.prop import PropField


@dataclass
class Node:
    """One object. ``device`` is the chip behind it, if there is one; ``values`` are further properties, as
    (type, value)."""

    path: str
    type: str
    device: Any = None
    drive: Any = None
    values: dict[str, tuple[str, Any]] = field(default_factory=dict)
    children: dict[str, Node] = field(default_factory=dict)

    def add(self, name: str, type: str, **what: Any) -> Node:
        child = Node(f"{self.path.rstrip('/')}/{name}", type, **what)
        self.children[name] = child
        return child

    def walk(self) -> Iterator[Node]:
        yield self
        for child in self.children.values():
            yield from child.walk()


def tree(vm: VirtualMachine) -> Node:
    """The whole tree, as it is now."""
    root = Node("/", "container")
    machine = root.add("machine", f"{vm.machine.name}-machine")
    peripheral = machine.add("peripheral", "container")
    anonymous = machine.add("peripheral-anon", "container")
    unattached = machine.add("unattached", "container")
    root.add("objects", "container")
    root.add("chardevs", "container")
    machine.values = {
        key: ("bool" if value in ("on", "off") else "string", value == "on" if value in ("on", "off") else value)
        for key, value in vm.config.machine_props.items()
    }
    machine.values |= {
        key: ("string", str(getattr(vm.config, attribute)))
        for key, attribute in (
            ("kernel", "kernel"),
            ("initrd", "initrd"),
            ("append", "append"),
            ("firmware", "bios"),
        )
    }
    if not vm.board.tree.empty:
        unattached.add("device[0]", f"{vm.cpu.model.name}-x86_64-cpu")
    named = {device.id for device in vm.config.devices if device.id}
    anonymous_ids = {f"device{number}" for number, device in enumerate(vm.config.devices) if not device.id}
    number = 1
    for id, device in vm.devices.items():
        if id in named:
            peripheral.add(id, device.type, device=device)
        elif id in anonymous_ids:
            anonymous.add(f"device[{len(anonymous.children)}]", device.type, device=device)
        elif device.type == "fw_cfg_io":
            machine.add("fw_cfg", device.type, device=device)
        else:
            unattached.add(f"device[{number}]", device.type, device=device)
            number += 1
    for type_name, position in drive_positions(vm):
        if id := getattr(position, "device_id", ""):
            peripheral.add(id, type_name, drive=position)
        else:
            unattached.add(f"device[{number}]", type_name, drive=position)
            number += 1
    return root


def drive_positions(vm: VirtualMachine) -> Iterator[tuple[str, Any]]:
    """Each drive on a cable: its type and its block backend."""
    for device in vm.devices.values():
        for channel in getattr(device, "channels", ()):
            for position in getattr(channel, "devices", ()):
                if position is not None and getattr(position, "drive", None) is not None:
                    yield position.kind, position.drive
        if device.type == "isa-fdc":
            yield from (("floppy", drive) for drive in (device.drive_a, device.drive_b) if drive is not None)


def find(vm: VirtualMachine, path: str) -> Node:
    """The object at a path: absolute, or a part of one that only one object has. Raises QmpError."""
    root = tree(vm)
    names = [name for name in path.split("/") if name]
    if path.startswith("/"):
        node: Node | None = root
        for name in names:
            node = node.children.get(name) if node is not None else None
        if node is None:
            raise device_not_found(path)
        return node
    found = [node for node in root.walk() if names and node.path.split("/")[-len(names) :] == names]
    if len(found) > 1:
        raise QmpError(f"Path '{path}' does not uniquely identify an object")
    if not found:
        raise device_not_found(path)
    return found[0]


def properties(node: Node) -> dict[str, tuple[str, Any]]:
    """Name → (type, value) of everything that can be read, children left out."""
    found: dict[str, tuple[str, Any]] = {"type": ("string", node.type)}
    found |= node.values
    device = node.device
    if isinstance(device, Device):
        found |= {"realized": ("bool", True), "hotplugged": ("bool", False)}
        for name, prop in device.props.items():
            found[name] = property_type(prop), plain(getattr(device, prop.attribute))
    if node.drive is not None:
        found |= {"realized": ("bool", True), "drive": ("str", node.drive.id)}
    return found


def property_type(prop: PropField) -> str:
    """What QMP calls the type of a property."""
    kind = prop.kind
    if kind in ("chardev", "drive"):
        return "str"
    return f"link<{kind}>" if kind == "device" else "str" if "|" in kind else kind


def plain(value: Any) -> Any:
    """A property's value as JSON can carry it."""
    if value is None:
        return ""
    return value if isinstance(value, (bool, int, str)) else str(getattr(value, "id", "") or "")


def device_of(vm: VirtualMachine, drive: Any) -> str:
    """The id of the device that uses a block backend, or its path; an empty string without a device."""
    return drive.device_id or path_of(vm, drive)


def path_of(vm: VirtualMachine, drive: Any) -> str:
    """Where the device that uses a block backend stands, or an empty string."""
    return next((node.path for node in tree(vm).walk() if node.drive is drive), "")
