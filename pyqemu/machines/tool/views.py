"""``show`` and ``explain``: one type, with the file and line of everything that makes it what it is."""

from __future__ import annotations

from typing import Any

import click

from pyqemu.core.errors import ConfigError, nearest
from pyqemu.hw.catalog import CATALOG, device_class
from pyqemu.machines.devices import compat_remark
from pyqemu.machines.document import Place
from pyqemu.machines.registry import OWN_KEYS, MachineType, Registry
from pyqemu.machines.resolved import ResolvedDevice, chains, resolved_devices
from pyqemu.machines.settings import Setting
from pyqemu.machines.tool.lists import row
from pyqemu.machines.tool.output import place_json, print_heading, print_json, print_table, short
from pyqemu.machines.tool.program import as_json, complete_type, with_registry

MACHINE_KEYS = (
    "alias", "inherits", "stability", "since", "desc", "default", "board", "hw_version", "max_cpus", "default_cpu",
    "default_ram", "default_display", "default_nic", "accel", "kvmclock",
    "stream",
)  # fmt: skip
"""The keys that have one value, in the order of ``show``."""

DISPLAY_DEVICES = {"std": "VGA", "cirrus": "cirrus-vga", "vmware": "vmware-svga", "qxl": "qxl-vga"}


@click.command()
@click.argument("type_name", metavar="TYPE", shell_complete=complete_type)
@click.option("--all", "everything", is_flag=True, help="Properties that have their devices' own default, too.")
@as_json
@with_registry
def show(registry: Registry, type_name: str, everything: bool, as_json: bool) -> None:
    """The whole machine, and where each value is written."""
    machine = registry.get(type_name)
    devices = resolved_devices(machine)
    if as_json:
        print_json(_as_json(registry, machine, devices))
        return
    print_heading(f"{machine.name}: {machine.desc}")
    click.echo(f"{machine.life.value}, {machine.stability}: {registry.policy.stability[machine.stability].promise}")
    if machine.unavailable:
        click.echo(f"It cannot run here: {machine.unavailable}.")
    if deprecation := registry.deprecation(machine):
        click.echo(f"It is deprecated: {deprecation}.")
    click.echo()
    print_table(["key", "value", "written in", ""], [list(values) for values in _keys(machine)])
    click.echo()
    print_heading("Devices")
    rows = []
    for device in devices:
        remark = "" if device.here else "no such device here"
        rows.append([device.node.id, device.node.type, device.address, _origin(device.node.place), remark])
        for name, chain in device.chains.items():
            if everything or len(chain) > 1 or not device.here:
                rows.append([f"  {name}", str(chain[-1].value), "", _source(chain[-1]), ""])
    print_table(["device, property", "type, value", "address", "written in", ""], rows)
    if machine.compat:
        click.echo()
        print_heading("Compat properties, in order; later ones win")
        print_table(
            ["property", "value", "written in", ""],
            [
                [f"{entry.driver}.{entry.property}", entry.value, _origin(entry.place), compat_remark(entry)]
                for entry in machine.compat
            ],
        )


def _keys(machine: MachineType) -> list[tuple[str, str, str, str]]:
    """Key, value, where it is written, and a remark."""
    return [
        (key, _value(machine, key), _origin(machine.places.get(key), "built in"), _remark(machine, key))
        for key in MACHINE_KEYS
    ]


def _remark(machine: MachineType, key: str) -> str:
    if key == "default_nic" and machine.default_nic not in CATALOG:
        return "no such device here" if machine.default_nic else ""
    if key == "default_display" and DISPLAY_DEVICES.get(machine.default_display) not in CATALOG:
        return "no such device here"
    return ""


def _value(machine: MachineType, key: str) -> str:
    if key == "inherits":
        return machine.lineage[1] if len(machine.lineage) > 1 else ""
    return _text(key, getattr(machine, key))


def _text(key: str, value: Any) -> str:
    if key == "since" and value:
        return f"{value[0]}.{value[1]}"
    if key == "default_ram":
        return f"{value >> 20}M" if value % (1 << 20) == 0 else str(value)
    if isinstance(value, bool):
        return "on" if value else "off"
    return "" if value is None else str(value)


def _origin(place: Place | None, otherwise: str = "") -> str:
    return f"{short(place.path)}:{place.line}" if place else otherwise


def _source(setting: Setting) -> str:
    return _origin(setting.place, "pyqemu/boards/board.py" if setting.layer == "board" else setting.layer)


def _setting_json(setting: Setting) -> dict[str, Any]:
    return {
        "value": str(setting.value),
        "layer": setting.layer,
        "owner": setting.owner or None,
        "place": place_json(setting.place),
    }


def _as_json(registry: Registry, machine: MachineType, devices: list[ResolvedDevice]) -> dict[str, Any]:
    return {
        **row(registry, machine),
        "lineage": list(machine.lineage),
        "keys": {
            key: {"value": _value(machine, key), "place": place_json(machine.places.get(key))}
            for key in MACHINE_KEYS
        },
        "devices": [
            {
                "id": device.node.id,
                "type": device.node.type,
                "address": device.address or None,
                "here": device.here,
                "place": place_json(device.node.place),
                "properties": {name: _setting_json(chain[-1]) for name, chain in device.chains.items()},
            }
            for device in devices
        ],
        "compat": [
            {
                "driver": entry.driver,
                "property": entry.property,
                "value": entry.value,
                "place": place_json(entry.place),
                "remark": compat_remark(entry) or None,
            }
            for entry in machine.compat
        ],
    }


# -- explain ----------------------------------------------------------------------------------------------


@click.command()
@click.argument("type_name", metavar="TYPE", shell_complete=complete_type)
@click.argument("property_name", metavar="PROPERTY")
@as_json
@with_registry
def explain(registry: Registry, type_name: str, property_name: str, as_json: bool) -> None:
    """Who set PROPERTY, in order; the last one is in force.

    PROPERTY is DRIVER.NAME (VGA.vgamem_mb), ID.NAME for one device of the board (pit.iobase), or a key of the
    type's file (max_cpus).
    """
    machine = registry.get(type_name)
    found = _explain_key(machine, property_name) or _explain_property(machine, property_name)
    if as_json:
        print_json({subject: [_setting_json(setting) for setting in chain] for subject, chain in found.items()})
        return
    for position, (subject, chain) in enumerate(found.items()):
        if position:
            click.echo()
        print_heading(f"{subject} = {chain[-1].value}")
        print_table(
            ["value", "as", "said by", "written in"],
            [
                [
                    str(setting.value) or "(none)",
                    f"{setting.layer}{', in force' if setting is chain[-1] else ''}",
                    setting.owner,
                    _source(setting),
                ]
                for setting in chain
            ],
        )


def _explain_key(machine: MachineType, key: str) -> dict[str, list[Setting]]:
    if key not in MACHINE_KEYS:
        return {}
    definitions = [machine.definitions[0]] if key in OWN_KEYS else list(reversed(machine.definitions))
    chain = [
        Setting(key, _text(key, definition.said[key]), "key", definition.name, definition.places[key])
        for definition in definitions
        if key in definition.said
    ]
    return {key: chain or [Setting(key, _value(machine, key), "built in", "", None)]}


def _explain_property(machine: MachineType, wanted: str) -> dict[str, list[Setting]]:
    """The chains of every device that the words mean. Raises ConfigError if there is none."""
    head, _, name = wanted.rpartition(".")
    devices = resolved_devices(machine)
    found = {
        f"{device.node.id} ({device.node.type}) {name}": device.chains[name]
        for device in devices
        if head in (device.node.id, device.node.type) and name in device.chains
    }
    if not found and head in CATALOG and name in device_class(head).props:
        found = {f"{head}.{name}": chains(machine, device_class(head))[name]}
    if not found:  # of a device that is not here, or a family of devices
        chain = [
            Setting(name, entry.value, "compat", entry.place.path.stem if entry.place else "", entry.place)
            for entry in machine.compat
            if entry.driver == head and entry.property == name
        ]
        if chain:
            remark = compat_remark(next(entry for entry in machine.compat if entry.driver == head))
            found = {f"{wanted}{f' ({remark})' if remark else ''}": chain}
    if not found:
        known = [f"{entry.driver}.{entry.property}" for entry in machine.compat]
        known += [f"{part}.{each}" for device in devices for each in device.chains
                  for part in (device.node.id, device.node.type)]  # fmt: skip
        hint = nearest(wanted, [*MACHINE_KEYS, *known])
        raise ConfigError(
            f"machine type '{machine.name}' has no property '{wanted}'",
            hint or "Accepted: DRIVER.NAME, ID.NAME, or a key of the type's file.",
        )
    return found
