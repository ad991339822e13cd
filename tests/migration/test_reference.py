"""Sections have the name, the version and the fields of QEMU's, where the device is QEMU's.

``DIFFERENT`` lists the sections that have not, and ``docs/migration.md`` says why.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from migration.conftest import config

from pyqemu.api import VirtualMachine
from pyqemu.core import wire

GOLDEN = Path(__file__).parents[1] / "golden" / "migration"
QEMU = {
    name: {entry["name"]: entry for entry in json.loads((GOLDEN / f"{name}.json").read_text())}
    for name in ("pc-i440fx-1.4", "pc-i440fx-7.2", "isapc-vga-std")
}
SAME = [
    ("pc-i440fx-1.4", name)
    for name in [
        "timer",
        "cpu_common",
        "cpu",
        "fw_cfg",
        "PCIBUS",
        "0000:00:00.0/I440FX",
        "dma",
        "i8259",
        "mc146818rtc",
        "i8254",
        "serial",
        "parallel_isa",
        "ps2kbd",
        "ps2mouse",
        "pckbd",
        "port92",
        "fdc",
        "0000:00:01.0/PIIX3",
        "0000:00:01.1/ide",
        "i2c_bus",
        "0000:00:01.3/piix4_pm",
        "globalstate",
    ]
] + [
    ("pc-i440fx-7.2", "0000:00:02.0/vga"),
    ("pc-i440fx-7.2", "PCIHost"),
    ("pc-i440fx-7.2", "pcspk"),
    ("isapc-vga-std", "vga"),
    ("isapc-vga-std", "isa-ide"),
]
DIFFERENT = ()
OURS_ONLY = ("pyqemu",)


def leaves(fields: list[dict[str, Any]], prefix: str = "") -> list[tuple[str, str, int, int]]:
    """(name, type, size, count) of each field that is bytes, in order; a struct counts by what is in it."""
    found = []
    for item in fields:
        inner = item.get("struct") or item
        if "fields" in inner:
            for number in range(item.get("array_len", 1)):
                index = item.get("index", number if "array_len" in item else None)
                step = "" if item["type"] == "tmp" else item["name"] + (f"[{index}]." if index is not None else ".")
                found += leaves(inner["fields"], prefix + step)
        else:
            kind = {"bool": "uint8"}.get(item["type"], item["type"])
            found.append((prefix + item["name"], kind, item["size"], item.get("array_len", 1)))
    return found


@pytest.fixture(scope="module")
def described():
    """Section → description, of a machine of each kind that has not run."""
    found = {}
    for machine, kind in (("pc-1.0", "pc"), ("isapc", "isapc-vga-std")):
        from pyqemu.migration import layout

        vm = VirtualMachine(config(machine))
        found[kind] = {
            section.name: (section, wire.encode(section.record, bytearray()))
            for section in reversed(layout.sections(vm.board))
        }
        vm.close()
    return found


@pytest.mark.parametrize("machine, name", SAME, ids=lambda value: value.split("/")[-1])
def test_a_section_is_qemus(machine, name, described):
    section, ours = described[machine if machine in described else "pc"][name]
    theirs = QEMU[machine][name]
    assert section.version == theirs["version"]
    assert ours["vmsd_name"] == theirs["vmsd_name"]
    wanted = [leaf for leaf in leaves(theirs["fields"]) if not leaf[0].startswith("subsections")]
    assert leaves(ours["fields"]) == wanted


def test_every_section_is_accounted_for(described):
    known = {name for _, name in SAME} | set(DIFFERENT) | set(OURS_ONLY)
    for sections in described.values():
        assert set(sections) <= known
