"""The tree of objects, and what kinds of object there are."""

from __future__ import annotations

import json
from typing import Any

from pyqemu.hw.catalog import CATALOG, device_class
from pyqemu.monitor.commands.about import ACCELERATORS
from pyqemu.monitor.errors import QmpError, device_not_found
from pyqemu.monitor.monitor import Monitor
from pyqemu.monitor.object_tree import Node, find, plain, properties, property_type
from pyqemu.monitor.qapi import ANY, BOOL, STR, Array, Struct
from pyqemu.monitor.table import Hmp, command, hmp_command

PROPERTY = Struct("ObjectPropertyInfo", {"name": STR, "type": STR, "?description": STR, "?default-value": ANY})


def show_list(reply: list[dict[str, Any]]) -> str:
    return "".join(f"{entry['name']} ({entry['type']})\n" for entry in reply)


@command(
    "qom-list",
    {"path": STR},
    Array(PROPERTY),
    hmp=Hmp(
        "qom-list", "path:s?", "path", "list QOM properties", run=lambda monitor, path="": _hmp_list(monitor, path)
    ),
)
def qom_list(monitor: Monitor, path: str) -> list[dict[str, Any]]:
    node = find(monitor.vm, path)
    entries = [{"name": name, "type": kind} for name, (kind, _) in properties(node).items()]
    entries += [{"name": name, "type": f"child<{child.type}>"} for name, child in node.children.items()]
    return entries


def _hmp_list(monitor: Monitor, path: str) -> str:
    return show_list(monitor.execute("qom-list", {"path": path})) if path else "/\n"


@command(
    "qom-get",
    {"path": STR, "property": STR},
    ANY,
    hmp=Hmp(
        "qom-get",
        "path:s,property:s",
        "path property",
        "print QOM property",
        show=lambda reply: json.dumps(reply, indent=4) + "\n",
    ),
)
def qom_get(monitor: Monitor, path: str, property: str) -> Any:
    return _property(find(monitor.vm, path), property)[1]


def _property(node: Node, name: str) -> tuple[str, Any]:
    if name in node.children:
        return "child", node.children[name].path
    found = properties(node).get(name)
    if found is None:
        raise QmpError(f"Property '{node.type}.{name}' not found")
    return found


@command(
    "qom-set",
    {"path": STR, "property": STR, "value": ANY},
    hmp=Hmp(
        "qom-set", "json:-j,path:s,property:s,value:S", "[-j] path property value",
        "set QOM property.\n\t\t\t-j: the value is specified in json format.",
        run=lambda monitor, path, property, value, json=False: _refuse_set(monitor, path, property),
    ),
)  # fmt: skip
def qom_set(monitor: Monitor, path: str, property: str, value: Any) -> None:
    """No property can be changed while the machine exists; says why."""
    _refuse_set(monitor, path, property)


def _refuse_set(monitor: Monitor, path: str, property: str) -> str:
    node = find(monitor.vm, path)
    _property(node, property)
    if node.device is None:
        raise QmpError(f"Insufficient permission to perform this operation on '{node.type}.{property}'")
    name = node.path.rpartition("/")[2]
    raise QmpError(
        f"Attempt to set property '{property}' on device '{name}' (type '{node.type}') after it was realized"
    )


@hmp_command("info qom-tree", "path:s?", "[path]", "show QOM composition tree")
def info_qom_tree(monitor: Monitor, path: str = "/machine") -> str:
    lines: list[str] = []

    def show(node: Node, depth: int) -> None:
        name = node.path if depth == 0 else "/" + node.path.rpartition("/")[2]
        lines.append(f"{'  ' * depth}{name} ({node.type})\n")
        for _, child in sorted(node.children.items()):
            show(child, depth + 1)

    show(find(monitor.vm, path), 0)
    return "".join(lines)


# -- types ------------------------------------------------------------------------------------------------------

TYPE = Struct("ObjectTypeInfo", {"name": STR, "?abstract": BOOL, "?parent": STR})
ABSTRACT = {
    "object": "",
    "device": "object",
    "pci-device": "device",
    "isa-device": "device",
    "sys-bus-device": "device",
}
DRIVES = ("ide-hd", "ide-cd", "floppy")


def type_parents(monitor: Monitor) -> dict[str, str]:
    """Each type and its parent."""
    from pyqemu.hw.pci.device import PciDevice
    from pyqemu.machines.registry import Registry

    parents = dict(ABSTRACT)
    for name in CATALOG:
        parents[name] = "pci-device" if issubclass(device_class(name), PciDevice) else "isa-device"
    parents |= dict.fromkeys(DRIVES, "device")
    parents |= dict.fromkeys(ACCELERATORS, "accel")
    parents |= {"accel": "object", "machine": "object"}
    machines = Registry.load(monitor.vm.config.machine_dirs).names()
    return parents | {f"{name}-machine": "machine" for name in machines}


@command("qom-list-types", {"?implements": STR, "?abstract": BOOL}, Array(TYPE))
def qom_list_types(monitor: Monitor, implements: str | None = None, abstract: bool = False) -> list[dict[str, Any]]:
    parents = type_parents(monitor)

    def ancestors(name: str) -> list[str]:
        found = [name]
        while found[-1] in parents and parents[found[-1]]:
            found.append(parents[found[-1]])
        return found

    entries: list[dict[str, Any]] = []
    for name, parent in parents.items():
        is_abstract = name in (*ABSTRACT, "accel", "machine")
        if (is_abstract and not abstract) or (implements is not None and implements not in ancestors(name)):
            continue
        entry: dict[str, Any] = {"name": name}
        if is_abstract:
            entry["abstract"] = True
        if parent:
            entry["parent"] = parent
        entries.append(entry)
    return entries


def _device_properties(name: str) -> list[dict[str, Any]]:
    entries = []
    for prop in device_class(name).props.values():
        entry = {"name": prop.name, "type": property_type(prop)}
        if prop.help:
            entry["description"] = prop.help
        if prop.default is not None:
            entry["default-value"] = plain(prop.default)
        entries.append(entry)
    return entries


@command("device-list-properties", {"typename": STR}, Array(PROPERTY))
def device_list_properties(monitor: Monitor, typename: str) -> list[dict[str, Any]]:
    if typename not in CATALOG:
        if typename in type_parents(monitor):
            raise QmpError("Parameter 'typename' expects device")
        raise device_not_found(typename)
    return _device_properties(typename)


@command("qom-list-properties", {"typename": STR}, Array(PROPERTY))
def qom_list_properties(monitor: Monitor, typename: str) -> list[dict[str, Any]]:
    """Of a type that is not there, an empty list: a manager of the field falls over an error here."""
    return _device_properties(typename) if typename in CATALOG else []


@hmp_command("info qdm", help="show qdev device model list")
def info_qdm(monitor: Monitor) -> str:
    from pyqemu.cli.devices import device_list

    return device_list() + "\n"


@hmp_command("info qtree", help="show device tree")
def info_qtree(monitor: Monitor) -> str:
    from pyqemu.monitor.device_tree import device_tree

    return device_tree(monitor.vm)
