"""-device ide-hd, ide-cd and floppy: which drive is in which place of the board's controllers.

They take a ``-drive if=none`` by its id or a ``-blockdev`` by its name.
"""

from __future__ import annotations

import re
from typing import Literal, cast

from pyqemu.cli import qemu_names
from pyqemu.cli.messages import Typed, accepted
from pyqemu.cli.values import integer
from pyqemu.core.errors import nearest
from pyqemu.launch import DeviceConfig, DriveConfig, GlobalConfig

TYPES = {"floppy": "floppy", "ide-cd": "ide", "ide-drive": "ide", "ide-hd": "ide"}
BUS_NAMES = {"ide": "IDE", "floppy": "floppy-bus"}
BUSES = {"ide": 2, "floppy": 1}
UNITS = 2

PROPS = {
    "bootindex": ("int32", "the firmware tries small numbers first"),
    "bus": ("str", "ide.0, ide.1 or floppy-bus.0"),
    "drive": ("str", "id of a -drive, or node name of a -blockdev"),
    "rerror": ("str", "report: the guest sees errors of reading"),
    "serial": ("str", "serial number"),
    "share-rw": ("bool", "(no effect)"),
    "unit": ("uint32", "0 or 1: first or second on the cable"),
    "werror": ("str", "report: the guest sees errors of writing"),
    "write-cache": ("str", "off: every write waits for the disk"),
}


def plug(devices: list[DeviceConfig], drives: list[DriveConfig]) -> list[DriveConfig]:
    """Put each device's drive where it says; returns all drives. Raises ConfigError."""
    taken_by: dict[str, DeviceConfig] = {}
    for device in devices:
        typed = Typed("", device.option)
        _check(typed, device)
        interface = cast(Literal["ide", "floppy"], TYPES[device.driver])
        _bus(typed, device, interface)
        drive = _drive(typed, device, drives, taken_by)
        _place(typed, device, interface, drive, drives)
        if device.driver == "ide-cd":
            drive.media, drive.read_only = "cdrom", True
        drive.interface = interface
        drive.serial = device.props.get("serial", drive.serial)
        drive.device_id = device.id
        drive.option = drive.option or device.option
        if device.props.get("write-cache") == "off":
            drive.cache = "writethrough"
        if "bootindex" in device.props:
            index = integer(device.props["bootindex"], f"{typed}: Parameter 'bootindex' expects int32")
            if index >= 0 and any(other.bootindex == index for other in drives if other is not drive):
                raise typed.error(f"The bootindex {index} has already been used")
            drive.bootindex = index if index >= 0 else None
    return drives


def _check(typed: Typed, device: DeviceConfig) -> None:
    for key, value in device.props.items():
        if key in qemu_names.DRIVE_DEVICE_PROPERTIES:
            raise typed.unsupported(f"the property '{key}'")
        if key not in PROPS:
            raise typed.error(f"Property '{device.driver}.{key}' not found", nearest(key, PROPS))
        if key in ("rerror", "werror") and value not in ("report", "auto"):
            raise typed.unsupported(f"{key}={value}", accepted(("report", "auto")))
        if key == "write-cache" and value not in ("on", "off", "auto"):
            raise typed.error(f"Parameter 'write-cache' does not accept value '{value}'", accepted(("on", "off")))


def _drive(
    typed: Typed, device: DeviceConfig, drives: list[DriveConfig], taken_by: dict[str, DeviceConfig]
) -> DriveConfig:
    name = device.props.get("drive", "")
    if not name:
        if device.driver in ("ide-hd", "ide-drive"):
            raise typed.error("No drive specified", "Accepted: drive=ID of a -drive if=none or a -blockdev.")
        media: Literal["cdrom", "disk"] = "cdrom" if device.driver == "ide-cd" else "disk"
        drive = DriveConfig("", interface="none", media=media, has_name=False)
        drives.append(drive)
        return drive
    found = next((drive for drive in drives if drive.id == name), None)
    if found is None:
        raise typed.error(
            f"Property '{device.driver}.drive' can't find value '{name}'",
            nearest(name, [drive.id for drive in drives if drive.id]),
        )
    if name in taken_by or found.interface != "none":
        raise typed.error(f"Drive '{name}' is already in use by another block device")
    if not found.file and device.driver in ("ide-hd", "ide-drive"):
        raise typed.error("Device needs media, but drive is empty")
    taken_by[name] = device
    return found


def _place(
    typed: Typed, device: DeviceConfig, interface: str, drive: DriveConfig, drives: list[DriveConfig]
) -> None:
    """Fill in bus, unit and index. Raises ConfigError."""
    bus, unit = _bus(typed, device, interface), _unit(typed, device)
    taken = {(other.bus, other.unit) for other in drives if other.interface == interface}
    places = [
        (b, u)
        for b in (range(BUSES[interface]) if bus is None else (bus,))
        for u in (range(UNITS) if unit is None else (unit,))
    ]
    free = next((place for place in places if place not in taken), None)
    if free is None:
        name = "Floppy" if interface == "floppy" else "IDE"
        raise typed.error(f"{name} unit {unit if unit is not None else UNITS - 1} is in use")
    drive.bus, drive.unit = free
    drive.index = drive.bus * UNITS + drive.unit


def _bus(typed: Typed, device: DeviceConfig, interface: str) -> int | None:
    name = device.props.get("bus")
    if name is None:
        return None
    prefix = "ide" if interface == "ide" else "floppy-bus"
    match = re.fullmatch(rf"{prefix}\.(\d)", name)
    if match is None or int(match[1]) >= BUSES[interface]:
        known = [f"{prefix}.{number}" for number in range(BUSES[interface])]
        raise typed.error(f"Bus '{name}' not found", nearest(name, known) or accepted(known))
    return int(match[1])


def _unit(typed: Typed, device: DeviceConfig) -> int | None:
    if "unit" not in device.props:
        return None
    unit = integer(device.props["unit"], f"{typed}: Parameter 'unit' expects uint32")
    if not 0 <= unit < UNITS:
        raise typed.error(f"Can't create IDE unit {unit}, bus supports only {UNITS} units", "Accepted: 0 and 1.")
    return unit


def take_boot_globals(globals: list[GlobalConfig], drives: list[DriveConfig]) -> list[GlobalConfig]:
    """``-global isa-fdc.bootindexA=N`` is the floppy's place in the boot order. Returns the other globals."""
    others = []
    for entry in globals:
        unit = {"bootindexA": 0, "bootindexB": 1}.get(entry.property) if entry.driver == "isa-fdc" else None
        if unit is None:
            others.append(entry)
            continue
        index = integer(entry.value, f"can't apply global isa-fdc.{entry.property}={entry.value}: expects int32")
        for drive in drives:
            if drive.interface == "floppy" and drive.unit == unit and index >= 0:
                drive.bootindex = index
    return others


def help_rows() -> list[str]:
    """``-device ide-hd,help``."""
    return [f"  {f'{key}=<{kind}>':<22} - {text}" for key, (kind, text) in PROPS.items()]
