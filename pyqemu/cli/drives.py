"""Drives: ``-drive``, ``-hda`` and its kin, a bare disk image → ``DriveConfig``, each in its own place.

Options that name no place get the first free one after all options are read, in their order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, cast

from pyqemu.block.formats import KNOWN_FORMATS
from pyqemu.cli import qemu_names
from pyqemu.cli.messages import Answer, Typed, accepted
from pyqemu.cli.values import identifier, number, options, switch
from pyqemu.core.errors import ConfigError, nearest
from pyqemu.launch import DriveConfig

UNITS_PER_BUS = 2  # an IDE cable takes two drives, and so does the floppy controller
BUSES = {"ide": 2, "floppy": 1, "none": 1 << 16}
FORMATS = ("raw",)
CACHES = ("none", "off", "writeback", "writethrough", "unsafe", "directsync")
MEDIA = ("disk", "cdrom")
PLACE_KEYS = ("if", "index", "bus", "unit")
IMAGE_KEYS = ("file", "media", "format", "snapshot", "readonly", "read-only", "cache", "serial")
KEYS = ("id", *PLACE_KEYS, *IMAGE_KEYS)


@dataclass
class Request:
    """A drive before it has a place: what was typed, and what follows from which option it was."""

    typed: Typed
    interface: str = ""
    index: int | None = None
    media: str = "disk"
    is_drive_option: bool = False


def place(requests: list[Request], snapshot_all: bool) -> list[DriveConfig]:
    """Check every drive and give it bus and unit. Raises ConfigError, Answer for ``format=help``."""
    drives: list[DriveConfig] = []
    for request in requests:
        values = _values(request)
        drive = _drive(request, values, snapshot_all)
        if drive.id and any(other.id == drive.id for other in drives):
            raise request.typed.error(f"Duplicate ID '{drive.id}' for drive")
        _find_place(request, values, drive, drives)
        drives.append(drive)
    return drives


def _values(request: Request) -> dict[str, str]:
    if not request.is_drive_option:
        return {"file": request.typed.value}
    values = options(request.typed, known=None)
    if values.get("format") in ("help", "?"):
        raise Answer(f"Supported formats: {' '.join(FORMATS)}")
    return values


def _drive(request: Request, values: dict[str, str], snapshot_all: bool) -> DriveConfig:
    typed = request.typed
    drive_id = identifier(typed, values)
    interface = _interface(typed, values.get("if") or request.interface or "ide")
    media = values.get("media", request.media)
    if media not in MEDIA:
        raise typed.error(f"'{media}' invalid media", accepted(MEDIA))
    cache = values.get("cache", "writeback")
    if cache not in CACHES:
        raise typed.error("invalid cache option", f"{accepted(CACHES)} {nearest(cache, CACHES)}".rstrip())
    image_format = _format(typed, values.get("format", ""))
    for key in values:
        if key not in KEYS:
            if key in qemu_names.DRIVE_KEYS:
                raise typed.unsupported(f"the option '{key}'")
            raise typed.error(
                f"Block format '{image_format or 'raw'}' does not support the option '{key}'", nearest(key, KEYS)
            )
    if not values.get("file") and media == "disk" and interface == "ide":
        raise ConfigError("Device needs media, but drive is empty", f"The option was: {typed}")
    return DriveConfig(
        file=values.get("file", ""),
        interface=interface,
        media=cast(Literal["disk", "cdrom"], media),
        format=image_format,
        snapshot=switch(typed, values, "snapshot", default=snapshot_all),
        read_only=switch(typed, values, "read-only") or switch(typed, values, "readonly") or media == "cdrom",
        serial=values.get("serial", ""),
        cache="none" if cache == "off" else cache,
        id=drive_id,
        option=str(typed),
    )


def _interface(typed: Typed, name: str) -> Literal["ide", "floppy", "none"]:
    if name in BUSES:
        return cast(Literal["ide", "floppy", "none"], name)
    if name in qemu_names.DRIVE_INTERFACES:
        raise typed.unsupported(f"if={name}", accepted(tuple(BUSES)))
    raise typed.error(f"unsupported bus type '{name}'", f"{accepted(tuple(BUSES))} {nearest(name, BUSES)}".rstrip())


def _format(typed: Typed, name: str) -> str:
    """The format as typed. One that we know but cannot read is refused when the image is opened."""
    if not name or name in KNOWN_FORMATS:
        return name
    if name in qemu_names.IMAGE_FORMATS:
        raise typed.unsupported(f"the image format '{name}'", accepted(FORMATS))
    raise typed.error(f"Unknown driver '{name}'", nearest(name, KNOWN_FORMATS) or accepted(FORMATS))


def _find_place(request: Request, values: dict[str, str], drive: DriveConfig, others: list[DriveConfig]) -> None:
    """Fill in bus, unit and index."""
    typed = request.typed
    index = number(typed, values, "index") if "index" in values else request.index
    bus, unit = number(typed, values, "bus"), number(typed, values, "unit")
    if index is not None:
        if bus is not None or unit is not None:
            raise typed.error("index cannot be used with bus and unit")
        bus, unit = divmod(index, UNITS_PER_BUS)
        if drive.interface == "floppy":
            bus, unit = 0, index
    elif unit is not None and unit >= UNITS_PER_BUS:
        raise typed.error(f"unit {unit} too big (max is {UNITS_PER_BUS - 1})")
    taken = {(other.bus, other.unit) for other in others if other.interface == drive.interface}
    if unit is None:
        # With a bus but no unit the search goes on over the following buses, as QEMU's does.
        slot = (bus or 0) * UNITS_PER_BUS
        while divmod(slot, UNITS_PER_BUS) in taken:
            slot += 1
        bus, unit = divmod(slot, UNITS_PER_BUS)
    drive.bus, drive.unit = bus or 0, unit
    drive.index = drive.bus * UNITS_PER_BUS + drive.unit
    if (drive.bus, drive.unit) in taken:
        raise typed.error(f"drive with bus={drive.bus}, unit={drive.unit} (index={drive.index}) exists")
    if drive.bus >= BUSES[drive.interface] or drive.unit >= UNITS_PER_BUS:
        raise typed.error(
            f"machine type does not support if={drive.interface},bus={drive.bus},unit={drive.unit}",
            f"Accepted: index 0 to {BUSES[drive.interface] * UNITS_PER_BUS - 1}.",
        )
