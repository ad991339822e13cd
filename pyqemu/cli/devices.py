"""``-device`` and ``-global``: syntax when they are read, types and properties against the device classes after."""

from __future__ import annotations

import re

from pyqemu.cli import qemu_names
from pyqemu.cli.messages import Typed
from pyqemu.cli.values import identifier, json_object, options
from pyqemu.core.errors import ConfigError, nearest
from pyqemu.core.messages import warn
from pyqemu.launch import DeviceConfig, GlobalConfig, parse_devfn

_GLOBAL = re.compile(r"([^.=,]+)\.([^=,]+)=(.*)", re.DOTALL)
_PLACEMENT = ("bus", "addr")  # said of any device, by its bus rather than by itself


def parse_device(typed: Typed) -> DeviceConfig:
    """``driver,prop=value`` or a JSON object. Raises ConfigError."""
    values = _json(typed) if typed.value.startswith("{") else options(typed, known=None, implied="driver")
    if "driver" not in values:
        raise typed.error("Parameter 'driver' is missing")
    device_id = identifier(typed, values)
    props = {key: value for key, value in values.items() if key not in ("driver", "id")}
    return DeviceConfig(values["driver"], props, device_id, str(typed))


def _json(typed: Typed) -> dict[str, str]:
    values = json_object(typed)
    if not all(isinstance(value, (str, bool, int)) for value in values.values()):
        raise typed.error("JSON parse error", "Accepted: an object of strings, numbers and booleans.")
    spell = {True: "on", False: "off"}
    return {key: spell[value] if isinstance(value, bool) else str(value) for key, value in values.items()}


def check_ids(devices: list[DeviceConfig]) -> None:
    """Raises ConfigError for an id that is there twice."""
    known: set[str] = set()
    for device in devices:
        if device.id and device.id in known:
            raise Typed("", device.option).error(f"Duplicate ID '{device.id}' for device")
        known.add(device.id)


def check_devices(devices: list[DeviceConfig]) -> None:
    """Refuse types and properties that do not exist. Raises ConfigError."""
    from pyqemu.machines.devices import PLUGGABLE, bus_name, device_types, nearest_pluggable

    for device in devices:
        typed = Typed("", device.option)
        kind = device_types().get(device.driver)
        if kind is None and device.driver in qemu_names.DEVICES:
            raise typed.unsupported(f"the device '{device.driver}'", "Use -device help to list devices")
        if kind is None:
            hint = nearest_pluggable(device.driver) or "Use -device help to list devices"
            raise typed.error(f"'{device.driver}' is not a valid device model name", hint)
        if device.driver not in PLUGGABLE:
            raise typed.error(
                "Parameter 'driver' expects a pluggable device type", "Use -device help to list devices"
            )
        for key, value in device.props.items():
            if key in _PLACEMENT:
                _check_place(typed, device, key, value, bus_name(kind))
                continue
            if key not in kind.props:
                raise typed.error(f"Property '{device.driver}.{key}' not found", nearest(key, kind.props))
            try:
                kind.props[key].parse(device.driver, value)
            except ConfigError as error:
                raise typed.error(str(error), error.hint) from None


def _check_place(typed: Typed, device: DeviceConfig, key: str, value: str, bus: str) -> None:
    """``bus=`` and ``addr=``. Raises ConfigError."""
    known = {"PCI": "pci.0", "ISA": "isa.0"}.get(bus, "")
    if key == "bus" and value != known:
        raise typed.error(f"Bus '{value}' not found", f"Accepted: {known}.")
    if key == "addr" and bus != "PCI":
        raise typed.error(f"Property '{device.driver}.addr' not found")
    if key == "addr" and parse_devfn(value) < 0:
        raise typed.error(
            f"Property '{device.driver}.addr' doesn't take value '{value}'", "Accepted: SLOT[.FUNCTION]."
        )


def device_list() -> str:
    """``-device help``."""
    from pyqemu.cli import drive_devices
    from pyqemu.machines.devices import PLUGGABLE, bus_name, device_types

    groups: dict[str, list[str]] = {}
    for name in sorted(PLUGGABLE):
        if kind := device_types().get(name):
            groups.setdefault(PLUGGABLE[name], []).append(f'name "{name}", bus {bus_name(kind)}')
    groups.setdefault("Storage", [])
    for name, kind_of_bus in sorted(drive_devices.TYPES.items()):
        groups["Storage"].append(f'name "{name}", bus {drive_devices.BUS_NAMES[kind_of_bus]}')
    return "\n\n".join("\n".join([f"{heading} devices:", *rows]) for heading, rows in sorted(groups.items()))


def device_help(typed: Typed, name: str) -> str:
    """``-device TYPE,help``. A type that does not exist is a remark on stderr and no error, as in QEMU."""
    from pyqemu.cli import drive_devices
    from pyqemu.machines.devices import device_types

    if name in drive_devices.TYPES:
        return "\n".join([f"{name} options:", *drive_devices.help_rows()])
    kind = device_types().get(name)
    if kind is None:
        raise typed.error(f"Device '{name}' not found")
    rows = []
    for key, prop in sorted(kind.props.items()):
        default = "" if prop.default in (None, "") else f" (default: {prop.format(prop.default)})"
        rows.append(f"  {f'{key}=<{prop.kind}>':<22} - {prop.help}{default}".rstrip(" -"))
    return "\n".join([f"{name} options:", *rows])


def parse_global(typed: Typed) -> GlobalConfig:
    """``driver.property=value`` or ``driver=,property=,value=``. Raises ConfigError."""
    if match := _GLOBAL.fullmatch(typed.value):
        return GlobalConfig(*match.groups())
    values = options(typed, known=None)
    known = ("driver", "property", "value")
    for key in values:
        if key not in known:
            raise typed.error(f"Invalid parameter '{key}'", "Accepted: DRIVER.PROPERTY=VALUE.")
    if len(values) < len(known):
        raise typed.error("options 'driver', 'property', and 'value' are required")
    return GlobalConfig(*(values[key] for key in known))


def check_globals(settings: list[GlobalConfig]) -> None:
    """Warn of types that do not exist; refuse properties and values that do not fit. Raises ConfigError."""
    from pyqemu.hw.catalog import property_class
    from pyqemu.machines.devices import device_types

    for setting in settings:
        kind = property_class(setting.driver)
        if kind is None:
            hint = nearest(setting.driver, device_types())
            warn(
                f"global {setting.driver}.{setting.property} has invalid class name" + (f"\n{hint}" if hint else "")
            )
            continue
        prefix = f"can't apply global {setting.driver}.{setting.property}={setting.value}: "
        if setting.property not in kind.props:
            raise ConfigError(
                f"{prefix}Property '{setting.driver}.{setting.property}' not found",
                nearest(setting.property, kind.props),
            )
        try:
            kind.props[setting.property].parse(setting.driver, setting.value)
        except ConfigError as error:
            raise ConfigError(f"{prefix}{error}", error.hint) from None
