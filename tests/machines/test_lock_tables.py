"""Reading tables out of a guest's memory, whatever its firmware has left there."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyqemu.core.errors import ConfigError
from pyqemu.machines.abi import tables as tables_module
from pyqemu.machines.abi.tables import find_tables, tables
from pyqemu.machines.registry import Registry

RAM_BYTES = 1 << 20


class Memory:
    def __init__(self) -> None:
        self.data = bytearray(RAM_BYTES)

    def put(self, address: int, data: bytes) -> None:
        self.data[address : address + len(data)] = data

    def read(self, address: int, length: int) -> bytes:
        return bytes(self.data[address : address + length]).ljust(length, b"\0")


def summed(data: bytes, checksum: int) -> bytes:
    """*data* with the byte at offset *checksum* such that all of them sum to zero."""
    return data[:checksum] + bytes([-sum(data) & 0xFF]) + data[checksum + 1 :]


def acpi(memory: Memory, base: int) -> None:
    """A root pointer at F5000 and tables from *base* on."""
    facp = b"FACP" + struct.pack("<I", 116) + bytes([1, 0x77]) + bytes(26)
    facp += struct.pack("<II", base + 0x400, base + 0x500)
    memory.put(base + 0x100, facp.ljust(116, b"\x11"))
    memory.put(base + 0x400, b"FACS" + struct.pack("<I", 64))
    memory.put(base + 0x500, b"DSDT" + struct.pack("<I", 40) + bytes([1, 9]) + b"x" * 30)
    memory.put(
        base, b"RSDT" + struct.pack("<I", 40) + bytes([1, 0x33]) + bytes(26) + struct.pack("<I", base + 0x100)
    )
    memory.put(0xF5000, summed(b"RSD PTR " + b"\0" + b"PYQEMU\0" + struct.pack("<I", base), 8))


@pytest.mark.parametrize("missing", ["ide", "fdc"])
def test_firmware_boots_what_a_type_has(missing: str, tmp_path: Path) -> None:
    (tmp_path / "acme.yaml").write_text(f"name: acme\ninherits: pc-1.0\nwithout: [{missing}]\n")
    assert "ACPI DSDT" in tables(Registry.load([tmp_path]).find("acme"))


def test_firmware_that_does_not_boot_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that loops without a clock in the machine: only the host's time ends it."""
    bios = tmp_path / "bios.bin"
    bios.write_bytes((b"\xfa\xeb\xfe" + bytes(13)).rjust(65536, b"\xf4"))
    monkeypatch.setattr(tables_module, "FIRMWARE", str(bios))
    monkeypatch.setattr(tables_module, "PATIENCE_S", 0.1)
    (tmp_path / "acme.yaml").write_text("name: acme\ninherits: isapc\nwithout: [rtc, pit, speaker]\n")
    with pytest.raises(ConfigError, match=r"does not reach a boot sector on machine type 'acme'$"):
        tables(Registry.load([tmp_path]).find("acme"))


def test_a_machine_without_drives_has_no_tables_to_see(tmp_path: Path) -> None:
    (tmp_path / "acme.yaml").write_text("name: acme\ninherits: isapc\nwithout: [ide, ide2, fdc]\n")
    with pytest.raises(ConfigError, match=r"^machine type 'acme' has no drives"):
        tables(Registry.load([tmp_path]).find("acme"))


def test_tables_that_only_moved_are_the_same() -> None:
    low, high = Memory(), Memory()
    acpi(low, 0x40000)
    acpi(high, 0x80000)
    found = find_tables(low.read)
    assert found == find_tables(high.read)
    assert list(found) == ["ACPI RSDP", "ACPI FACS", "ACPI DSDT", "ACPI FACP", "ACPI RSDT"]
    assert found["ACPI DSDT"]["size"] == "40 bytes"


def test_a_changed_byte_in_a_table_shows() -> None:
    one, other = Memory(), Memory()
    acpi(one, 0x40000)
    acpi(other, 0x40000)
    other.data[0x40500 + 39] ^= 1
    assert find_tables(one.read)["ACPI DSDT"] != find_tables(other.read)["ACPI DSDT"]
    assert find_tables(one.read)["ACPI FACP"] == find_tables(other.read)["ACPI FACP"]


def test_a_signature_with_a_wrong_checksum_is_something_else() -> None:
    memory = Memory()
    acpi(memory, 0x40000)
    expected = find_tables(memory.read)
    memory.put(0xE1230, b"_SM_ _MP_ and so on")
    memory.put(0xE4560, b"RSD PTR \1")
    assert find_tables(memory.read) == expected


def test_no_tables_are_none() -> None:
    assert find_tables(Memory().read) == {}


@settings(deadline=None)
@given(st.data())
def test_whatever_is_there_ends(data: st.DataObject) -> None:
    memory = Memory()
    acpi(memory, 0x40000)
    memory.put(0xF6000, summed(b"_SM_\0\x1f" + bytes(0x10) + b"\xff\xff\xff\xff\xff\xff" + bytes(3), 4))
    memory.put(0xF7000, summed(b"_MP_\xf0\xff\xff\xff\1" + bytes(7), 10))
    memory.put(0xF8000, summed(b"$PIR\0\0\xff\xff" + bytes(24), 31))
    for address in data.draw(st.lists(st.sampled_from(range(0x40000, 0x40600)), max_size=20)):
        memory.data[address] = data.draw(st.integers(0, 255))
    find_tables(memory.read)
