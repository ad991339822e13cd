"""-smbios for the firmware: the fields and tables by which a BIOS changes the SMBIOS tables it makes.

Layout   fw_cfg key 8001: u16 count, then entries, each u16 length and u8 kind (0 field, 1 whole table). A field
         goes on with u8 table type, u16 offset in the table's formatted area, and the value (text with its zero)
Source   SMBIOS 2.4 (DSP0134), 7.1 and 7.2 for the offsets; QEMU's specification of fw_cfg for the entries
Errors   ConfigError naming the option
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from pyqemu.core.errors import ConfigError
from pyqemu.launch import FirmwareItem

if TYPE_CHECKING:
    from uuid import UUID

FIELD, TABLE = 0, 1
FILE_LIMIT = 0xFFFF - 3
FORMATTED_BYTES = 4  # type, length, handle

FIELDS = {
    "0": {"vendor": 4, "version": 5, "date": 8, "release": 20},
    "1": {"manufacturer": 4, "product": 5, "version": 6, "serial": 7, "uuid": 8, "sku": 25, "family": 26},
}
"""Offsets of the fields by table type, in the words of the option."""


def entries(items: list[FirmwareItem], uuid: UUID | None = None) -> bytes:
    """The content of fw_cfg key 8001. Of two values for a field the later counts, and *uuid* before both."""
    tables: list[bytes] = []
    fields: dict[tuple[int, int], bytes] = {}
    loaded: set[int] = set()
    for item in items:
        if "file" in item.values:
            table = _table(item, item.values["file"])
            if any(kind == table[0] for kind, _ in fields):
                raise ConfigError(f"{item.option}: can't load type {table[0]} struct, fields already specified!")
            loaded.add(table[0])
            tables.append(struct.pack("<HB", 3 + len(table), TABLE) + table)
        else:
            kind = item.values["type"]
            if int(kind) in loaded:
                raise ConfigError(f"{item.option}: can't add fields, binary file already loaded!")
            for name, value in item.values.items():
                if name != "type":
                    fields |= {(int(kind), offset): data for offset, data in _values(item, kind, name, value)}
    if uuid is not None and 1 not in loaded:
        fields[1, FIELDS["1"]["uuid"]] = uuid.bytes
    made = tables + [_field(*place, data) for place, data in fields.items()]
    return struct.pack("<H", len(made)) + b"".join(made)


def uuid_of(item: FirmwareItem) -> UUID | None:
    """The machine's UUID, if the item sets it. Raises ConfigError."""
    from uuid import UUID

    if item.values.get("type") != "1" or "uuid" not in item.values:
        return None
    try:
        return UUID(item.values["uuid"])
    except ValueError:
        raise ConfigError(f"{item.option}: Invalid UUID", f"The value was '{item.values['uuid']}'.") from None


def _values(item: FirmwareItem, kind: str, name: str, value: str) -> list[tuple[int, bytes]]:
    offset = FIELDS[kind][name]
    if name == "uuid" and (uuid := uuid_of(item)):
        return [(offset, uuid.bytes)]
    if name == "release":
        major, dot, minor = value.partition(".")
        if not (dot and major.isdecimal() and minor.isdecimal() and int(major) < 256 and int(minor) < 256):
            raise ConfigError(f"{item.option}: Invalid release", "Accepted: MAJOR.MINOR, each below 256.")
        return [(offset, bytes((int(major),))), (offset + 1, bytes((int(minor),)))]
    data = value.encode("utf-8", "surrogateescape") + b"\0"
    if b"\0" in data[:-1] or len(data) > 0xFFF:
        raise ConfigError(f"{item.option}: the value of '{name}' cannot be stored")
    return [(offset, data)]


def _field(kind: int, offset: int, data: bytes) -> bytes:
    return struct.pack("<HBBH", 6 + len(data), FIELD, kind, offset) + data


def _table(item: FirmwareItem, path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            data = file.read(FILE_LIMIT + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "Invalid argument"
        raise ConfigError(f"{item.option}: Cannot open SMBIOS file {path}: {reason}") from None
    if len(data) < FORMATTED_BYTES or len(data) > FILE_LIMIT or data[1] < FORMATTED_BYTES or data[1] > len(data):
        raise ConfigError(f"{item.option}: Cannot read SMBIOS file {path}: it holds no table")
    return data
