"""-acpitable for the firmware: tables that it adds to those it makes.

Layout   fw_cfg key 8000: u16 count, then for each table u16 length and the table with its header
Source   ACPI 1.0, 5.2.3 (header); QEMU's specification of fw_cfg
Errors   ConfigError naming the option
"""

from __future__ import annotations

import struct

from pyqemu.core.errors import ConfigError
from pyqemu.launch import FirmwareItem

HEADER = struct.Struct("<4sIBB6s8sI4sI")
TABLE_LIMIT = 0xFFFF
CHECKSUM_OFFSET = 9

_TEXTS = {"sig": (0, 4), "oem_id": (4, 6), "oem_table_id": (5, 8), "asl_compiler_id": (7, 4)}
_NUMBERS = {"rev": (2, 0xFF), "oem_rev": (6, 0xFFFFFFFF), "asl_compiler_rev": (8, 0xFFFFFFFF)}


def tables(items: list[FirmwareItem]) -> bytes:
    """The content of fw_cfg key 8000."""
    made = [_table(item) for item in items]
    return struct.pack("<H", len(made)) + b"".join(struct.pack("<H", len(table)) + table for table in made)


def _table(item: FirmwareItem) -> bytes:
    values = item.values
    content = b"".join(_read(item, path) for path in (values.get("file") or values.get("data", "")).split(":"))
    if "file" in values:
        if len(content) < HEADER.size:
            raise ConfigError(f"{item.option}: ACPI table is too small: {len(content)} bytes")
        fields, body = list(HEADER.unpack_from(content)), content[HEADER.size :]
    else:
        fields = [b"QEMU", 0, 1, 0, b"QEMUQE", b"QEMUQEMU", 1, b"QEMU", 1]
        body = content
    for name, (position, size) in _TEXTS.items():
        if name in values:
            fields[position] = values[name].encode("utf-8", "replace")[:size].ljust(size, b"\0")
    for name, (position, limit) in _NUMBERS.items():
        if name in values:
            if int(values[name]) > limit:
                raise ConfigError(f"{item.option}: '{name}' is too big", f"Accepted: up to {limit}.")
            fields[position] = int(values[name])
    fields[1] = HEADER.size + len(body)
    if fields[1] > TABLE_LIMIT:
        raise ConfigError(f"{item.option}: ACPI table is too big: {fields[1]} bytes")
    fields[3] = 0
    table = bytearray(HEADER.pack(*fields) + body)
    table[CHECKSUM_OFFSET] = -sum(table) & 0xFF
    return bytes(table)


def _read(item: FirmwareItem, path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(TABLE_LIMIT + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "Invalid argument"
        raise ConfigError(f"{item.option}: can't open file {path}: {reason}") from None
