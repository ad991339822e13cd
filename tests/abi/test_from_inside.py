"""What a guest finds on each machine type is what the type's lock says."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import guests
import pytest

from pyqemu.machines.lock import lock_path, read_lock

TYPES = sorted({path.stem for path in lock_path("").parent.glob("*.json")} - {"none"})  # nothing runs inside that
PAGE = 0x1000
CLOCK_BYTES = {0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x0A, 0x0C}  # seconds go by; flags of the clock's interrupts
ONES = {  # ports that are decoded and read as all ones at power-on
    0x09, 0xD2, 0xD3,  # write-only registers of the DMA controllers
    0x70, 0x80, 0x378, *range(0x37B, 0x380),
    0x3D4, 0x3D5, 0x3DA,  # the colour half of a VGA that starts as monochrome
    *range(0xCFC, 0xD00),  # no address selected
}  # fmt: skip


@pytest.fixture(scope="session")
def probe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return guests.build("probe", tmp_path_factory.mktemp("probe"))


@pytest.fixture(scope="session")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return guests.build("tables", tmp_path_factory.mktemp("tables"))


@pytest.fixture(scope="module", params=TYPES)
def machine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def lock(machine: str) -> dict:
    return read_lock(machine)


@pytest.fixture(scope="module")
def found(machine: str, lock: dict, probe: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    bios_bytes = int(lock["memory sizes"]["pc.bios"], 16)
    return guests.run_probe(machine, probe, tmp_path_factory.mktemp("run"), bios_bytes=bios_bytes)


def chosen(found: dict[str, str], *prefixes: str) -> dict[str, str]:
    return {key: value for key, value in found.items() if key.startswith(prefixes)}


def line(text: str) -> str:
    return text.replace(" ", "")


def test_processor(lock: dict, found: dict[str, str]) -> None:
    leaves = lock["cpuid"][lock["default cpu"]]
    assert chosen(found, "cpuid.") == {f"cpuid.{leaf}": registers for leaf, registers in leaves.items()}
    assert found["reset.edx"] == leaves["00000001.00"].split()[0]


def test_cmos(lock: dict, found: dict[str, str]) -> None:
    for start in range(0, 128, 16):
        seen = bytes.fromhex(found[f"cmos.{start:02x}"])
        locked = bytes.fromhex(lock["cmos"].get(f"{start:02x}", "00" * 16))
        for offset in range(16):
            if start + offset not in CLOCK_BYTES:
                assert seen[offset] == locked[offset], f"{start + offset:02x}"


def test_pci(lock: dict, found: dict[str, str]) -> None:
    expected = {}
    for slot, function in lock["pci"].items():
        name = f"pci.00.{slot}"
        for start in range(0, 256, 16):
            key = f"{start:02x}"
            expected[f"{name}.cfg.{key}"] = line(function["config"].get(key, "00" * 16))
            if key in function["writable"]:
                expected[f"{name}.wmask.{key}"] = line(function["writable"][key])
    assert {key: value for key, value in found.items() if ".cfg." in key or ".wmask." in key} == expected


def test_pci_windows(lock: dict, found: dict[str, str]) -> None:
    seen = {}
    for key, value in found.items():
        if ".bar." not in key:
            continue
        _, _, slot, function, _, register = key.split(".")
        before, sticks = (int(text, 16) for text in value.split())
        if register == "30":
            name, kind, size = "ROM", "memory", -(sticks & ~0x7FF) & 0xFFFFFFFF
        else:
            name = f"BAR {(int(register, 16) - 0x10) // 4}"
            kind = "I/O" if before & 1 else "memory, prefetchable" if before & 8 else "memory"
            size = -(sticks & ~(3 if before & 1 else 15)) & 0xFFFFFFFF
        seen.setdefault(f"{slot}.{function}", {})[name] = f"{kind}, {size:x} bytes"
    assert seen == {slot: entry["windows"] for slot, entry in lock["pci"].items() if entry["windows"]}


def test_roms_behind_bars_are_filled(lock: dict, found: dict[str, str]) -> None:
    for slot, entry in lock["pci"].items():
        assert ("ROM" in entry["windows"]) == (f"pci.00.{slot}.rom" in found)
        if "ROM" in entry["windows"]:
            assert "signature aa55" in found[f"pci.00.{slot}.rom"]


def locked_ports(ports: dict[str, str]) -> dict[int, str]:
    """Ports that decode bytes, with their owners."""
    claims = {}
    for places, owner in ports.items():
        if ", width" not in owner:
            first, last = (int(place, 16) for place in places.split("-"))
            claims |= dict.fromkeys(range(first, last + 1), owner)
    return claims


def answering(found: dict[str, str], name: str) -> set[int]:
    """Ports where a byte read gave something else than all ones."""
    ports = set()
    for key, values in chosen(found, name).items():
        first = int(key.removeprefix(name), 16)
        ports |= {first + i for i in range(16) if values[2 * i : 2 * i + 2] != ".."}
    return ports


def test_ports(lock: dict, found: dict[str, str]) -> None:
    claims = locked_ports(lock["ports"])
    console = {0x402}  # the probe's own
    seen = answering(found, "io8.") - console
    assert seen <= set(claims), f"nobody has these: {sorted(map(hex, seen - set(claims)))}"
    silent = set(claims) - seen
    assert silent <= ONES, f"these do not answer: { {hex(port): claims[port] for port in silent - ONES} }"


def test_ports_with_windows(lock: dict, found: dict[str, str]) -> None:
    seen = answering(found, "pmio8.")
    claims = set(locked_ports(lock["ports with windows"]))
    assert seen <= claims
    assert (0x600 in seen) == (0x600 in claims)
    assert (0xC000 in seen) == (0xC000 in claims)


def kinds(lock: dict) -> Iterator[tuple[int, int, str]]:
    """First page, last page and what is there, for all that the lock's memory map names."""
    for places, text in lock["memory"].items():
        first, last = (int(place, 16) for place in places.split("-"))
        yield first // PAGE, last // PAGE, text.split()[0]


def test_memory(lock: dict, found: dict[str, str]) -> None:
    locked = sorted(kinds(lock))
    for key, kind in chosen(found, "mem4k.", "mem1m.", "mem64k.").items():
        first, last = (int(place, 16) // PAGE for place in key.split(".")[1].split("-"))
        here = [entry for entry in locked if entry[0] <= last and entry[1] >= first]
        if kind == "ram":
            assert all(entry[2] == "RAM" for entry in here), key
            assert sum(min(last, e[1]) - max(first, e[0]) + 1 for e in here) == last - first + 1, key
        elif kind == "zero":
            assert not any(entry[2] == "RAM" for entry in here), key
        else:
            assert any(entry[2] in ("ROM", "registers") for entry in here), key


def test_fw_cfg(lock: dict, found: dict[str, str]) -> None:
    expected = {}
    for name, text in lock["fw_cfg"].items():
        kind, key, *rest = name.split(" ", 2)
        size = int(text.removeprefix("image of ").split()[0])
        content = bytes.fromhex(text.partition(": ")[2])
        if kind == "item":
            if content.strip(b"\0"):
                expected[f"fwcfg.key.{key}.0000"] = content[:32].ljust(32, b"\0").hex()
            continue
        expected[f"fwcfg.file.{rest[0]}"] = f"key {key} size {size:08x}"
        if content:
            expected[f"fwcfg.data.{rest[0]}.00000000"] = content.hex()
    expected["fwcfg.files"] = f"{sum('file.' in key for key in expected):08x}"
    assert chosen(found, "fwcfg.") == expected


def test_drives(lock: dict, found: dict[str, str]) -> None:
    expected = {}
    for name, entry in lock["identify"].items():
        channel, unit, _ = name.split()
        base = {"ide0": "01f0", "ide1": "0170"}[channel]
        data = bytearray(512)
        for offset, text in entry["bytes"].items():
            data[int(offset, 16) : int(offset, 16) + 16] = bytes.fromhex(text)
        for field, first, end in (("serial number", 20, 40), ("firmware revision", 46, 54), ("model", 54, 94)):
            text = entry[field].ljust(end - first).encode()
            data[first:end] = b"".join(text[i : i + 2][::-1] for i in range(0, len(text), 2))
        for start in range(0, 512, 32):
            expected[f"ide.{base}.{unit}.identify.{start:04x}"] = data[start : start + 32].hex()
    assert {key: value for key, value in found.items() if ".identify." in key} == expected


def test_display_memory(lock: dict, found: dict[str, str]) -> None:
    size = int(lock["memory sizes"]["vga.vram"], 16)
    assert int(found["vga.dispi"].split()[10], 16) == size >> 16


POINTERS = {  # where a table holds addresses and checksums
    "ACPI RSDP": [(8, 9), (16, 20)], "ACPI RSDT": [(9, 10)], "ACPI FACP": [(9, 10), (36, 44)],
    "SMBIOS entry point": [(4, 5), (0x15, 0x16), (0x18, 0x1C)], "MP floating pointer": [(4, 8), (10, 11)],
}  # fmt: skip


def test_tables(machine: str, lock: dict, tables: Path, tmp_path: Path) -> None:
    found = {
        key.removeprefix("table."): bytes.fromhex(value)
        for key, value in guests.run_tables(machine, tables, tmp_path).items()
        if key.startswith("table.")
    }
    assert set(found) == set(lock["tables"])
    for name, data in found.items():
        locked = lock["tables"][name]
        seen = bytearray(data)
        for start, end in POINTERS.get(name, []):
            seen[start:end] = bytes(end - start)
        if name == "ACPI RSDT":  # the lock has the names of what it lists
            count = (len(data) - 36) // 4
            assert count == len(bytes.fromhex(locked["bytes"]["20"])[4:].split())
            continue
        assert locked["size"] == f"{len(data)} bytes", name
        if "SHA-256" in locked:
            assert sha256(seen).hexdigest().startswith(locked["SHA-256"]), name
        else:
            for offset in range(0, len(seen), 16):
                text = locked["bytes"].get(f"{offset:02x}", "")
                assert bytes(seen[offset : offset + 16]).strip(b"\0") == bytes.fromhex(text).strip(b"\0"), name
