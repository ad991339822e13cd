"""``-device`` and ``-global``: syntax when they are read, types and properties against the device classes after."""

from __future__ import annotations

import re

from pyqemu.cli.messages import Typed, warn
from pyqemu.cli.values import identifier, options
from pyqemu.core.errors import ConfigError, nearest
from pyqemu.launch import DeviceConfig, GlobalConfig

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
    import json

    try:
        values = json.loads(typed.value)
    except (ValueError, RecursionError):
        raise typed.error("JSON parse error") from None
    if not isinstance(values, dict) or not all(isinstance(value, (str, bool, int)) for value in values.values()):
        raise typed.error("JSON parse error", "Accepted: an object of strings, numbers and booleans.")
    spell = {True: "on", False: "off"}
    return {key: spell[value] if isinstance(value, bool) else str(value) for key, value in values.items()}


def check_devices(devices: list[DeviceConfig]) -> None:
    """Refuse types and properties that do not exist. Raises ConfigError."""
    from pyqemu.machines.devices import PLUGGABLE, device_types, nearest_pluggable

    known_ids: set[str] = set()
    for device in devices:
        typed = Typed("", device.option)
        kind = device_types().get(device.driver)
        if kind is None:
            hint = nearest_pluggable(device.driver) or "Use -device help to list devices"
            raise typed.error(f"'{device.driver}' is not a valid device model name", hint)
        if device.driver not in PLUGGABLE:
            raise typed.error(
                "Parameter 'driver' expects a pluggable device type", "Use -device help to list devices"
            )
        if device.id and device.id in known_ids:
            raise typed.error(f"Duplicate ID '{device.id}' for device")
        known_ids.add(device.id)
        for key, value in device.props.items():
            if key in _PLACEMENT:
                raise typed.unsupported(f"the property '{key}'")
            if key not in kind.props:
                raise typed.error(f"Property '{device.driver}.{key}' not found", nearest(key, kind.props))
            try:
                kind.props[key].parse(device.driver, value)
            except ConfigError as error:
                raise typed.error(str(error), error.hint) from None


def device_list() -> str:
    """``-device help``."""
    from pyqemu.machines.devices import PLUGGABLE, bus_name, device_types

    groups: dict[str, list[str]] = {}
    for name in sorted(PLUGGABLE):
        if kind := device_types().get(name):
            groups.setdefault(PLUGGABLE[name], []).append(f'name "{name}", bus {bus_name(kind)}')
    return "\n\n".join("\n".join([f"{heading} devices:", *rows]) for heading, rows in sorted(groups.items()))


def device_help(typed: Typed, name: str) -> str:
    """``-device TYPE,help``. A type that does not exist is a remark on stderr and no error, as in QEMU."""
    from pyqemu.machines.devices import device_types

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
    from pyqemu.machines.devices import device_types

    for setting in settings:
        kind = device_types().get(setting.driver)
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
