"""-fw_cfg, -smbios and -acpitable: what the user tells the firmware. Files are read when the machine is built."""

from __future__ import annotations

from pyqemu.cli.messages import Typed, accepted
from pyqemu.cli.values import options
from pyqemu.core.errors import nearest
from pyqemu.firmware.smbios_entries import FIELDS
from pyqemu.launch import FirmwareItem

NAME_LIMIT = 55
ACPI_KEYS = (
    "sig",
    "rev",
    "oem_id",
    "oem_table_id",
    "oem_rev",
    "asl_compiler_id",
    "asl_compiler_rev",
    "data",
    "file",
)


def fw_cfg(typed: Typed) -> FirmwareItem:
    """``[name=]NAME,file=PATH`` or ``string=TEXT``. Raises ConfigError."""
    values = options(typed, known=("name", "file", "string", "gen_id"), implied="name")
    if "gen_id" in values:
        raise typed.unsupported("gen_id", "Accepted: file and string.")
    if not values.get("name") or ("file" in values) == ("string" in values):
        raise typed.error("name, plus exactly one of file, string and gen_id, are needed")
    if len(values["name"].encode()) > NAME_LIMIT:
        raise typed.error(f"name too long (max. {NAME_LIMIT} char)")
    if not values["name"].startswith("opt/"):
        typed.warn('externally provided fw_cfg item names should be prefixed with "opt/"')
    return FirmwareItem(values, str(typed))


def smbios(typed: Typed) -> FirmwareItem:
    """``type=0|1,FIELD=VALUE…`` or ``file=PATH``. Raises ConfigError."""
    values = options(typed, known=None)
    if "file" in values:
        for key in values:
            if key != "file":
                raise typed.error(f"Invalid parameter '{key}'")
        return FirmwareItem(values, str(typed))
    if "type" not in values:
        raise typed.error("Must specify type= or file=", f"Accepted: type={', type='.join(FIELDS)}.")
    kind = values["type"]
    if kind not in FIELDS:
        if kind in ("2", "3", "4", "8", "11", "17", "41"):
            raise typed.unsupported(f"type={kind}", accepted(tuple(FIELDS)))
        raise typed.error(f"Don't know how to build fields for SMBIOS type {kind}", accepted(tuple(FIELDS)))
    for key in values:
        if key != "type" and key not in FIELDS[kind]:
            if key == "uefi":
                raise typed.unsupported("uefi", "The firmware is a BIOS.")
            raise typed.error(f"Invalid parameter '{key}'", nearest(key, FIELDS[kind]))
    return FirmwareItem(values, str(typed))


def acpi_table(typed: Typed) -> FirmwareItem:
    """``sig=…,data=FILE:FILE`` or ``file=FILE``. Raises ConfigError."""
    values = options(typed, known=ACPI_KEYS)
    if ("data" in values) == ("file" in values):
        raise typed.error("'-acpitable' requires one of 'data' or 'file'")
    for key in ("rev", "oem_rev", "asl_compiler_rev"):
        if key in values and not values[key].isdecimal():
            raise typed.error(f"Parameter '{key}' expects a number", f"The value was '{values[key]}'.")
    return FirmwareItem(values, str(typed))
