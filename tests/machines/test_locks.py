"""What a guest sees of each machine type is what its lock says."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from pyqemu.core.errors import ConfigError
from pyqemu.machines.lock import abi_of, compare, lock_path, read_lock, write_lock
from pyqemu.machines.registry import Registry
from pyqemu.paths import machines_dir

REGISTRY = Registry(machines_dir())
TYPES = [name for name in REGISTRY.names() if lock_path(name).exists()]


@pytest.fixture(scope="module")
def pc() -> dict:
    return abi_of("pc-1.0")


def changed(tmp_path: Path, *compat: str) -> list[str]:
    """What differs from pc-1.0 on a type that sets these properties, as texts."""
    entries = "".join(
        f"  - {{driver: {driver}, property: {prop}, value: '{value}'}}\n"
        for driver, prop, value in (line.split() for line in compat)
    )
    (tmp_path / "acme.yaml").write_text(f"name: acme\ninherits: pc-1.0\ncompat:\n{entries}")
    registry = Registry(machines_dir(), [tmp_path])
    return [str(difference) for difference in compare(read_lock("pc-1.0"), abi_of("acme", registry))]


@pytest.mark.parametrize("name", TYPES)
def test_hardware_is_what_the_lock_says(name: str) -> None:
    differences = compare(read_lock(name), abi_of(name))
    listed = "\n  ".join(map(str, differences))
    assert not differences, (
        f"{name} is not the machine that {lock_path(name)} describes:\n  {listed}\n"
        f"If a guest is meant to notice this, write the lock again with 'make lock' and commit both together."
    )


def test_every_type_that_runs_is_locked() -> None:
    runs = {name for name in REGISTRY.names() if not getattr(REGISTRY.find(name), "unavailable", "")}
    assert runs == set(TYPES)
    assert {path.stem for path in lock_path("pc-1.0").parent.glob("*.json")} == runs


def test_abi_of_a_type_is_always_the_same(pc: dict) -> None:
    assert abi_of("pc") == pc


def test_alias_has_no_lock_of_its_own() -> None:
    assert not lock_path("pc").exists()


def test_lock_holds_one_field_a_line_in_sorted_order() -> None:
    text = lock_path("pc-1.0").read_text()
    assert json.dumps(json.loads(text), indent=1, sort_keys=True) + "\n" == text
    assert max(len(line) for line in text.splitlines()) < 300


def test_lock_names_nothing_of_the_host(pc: dict) -> None:
    text = json.dumps(pc)
    assert str(machines_dir().parent) not in text
    assert "object at" not in text


class TestDifferencesReadLike:
    def test_display_memory(self, tmp_path: Path) -> None:
        texts = changed(tmp_path, "VGA vgamem_mb 4")
        assert "property VGA.vgamem_mb: 8 → 4" in texts
        assert "PCI 02.0: BAR 0: memory, prefetchable, 800000 bytes → memory, prefetchable, 400000 bytes" in texts

    def test_firmware_revision_of_drives(self, tmp_path: Path) -> None:
        texts = changed(tmp_path, "piix3-ide ver 0.9")
        assert "ide0 master disk firmware revision: 1.0 → 0.9" in texts

    def test_port_that_moves(self, tmp_path: Path) -> None:
        texts = changed(tmp_path, "isa-pcspk iobase 0x62")
        assert "I/O ports 0061-0061: isa-pcspk → nothing" in texts
        assert "I/O ports 0062-0062: nothing → isa-pcspk" in texts

    def test_register_by_its_name(self, tmp_path: Path) -> None:
        texts = changed(tmp_path, "VGA mmio on")
        assert "PCI 02.0: revision 00 → 02" in texts
        assert "PCI 02.0: BAR 2: nothing → memory, 1000 bytes" in texts

    def test_processor_name(self) -> None:
        texts = [str(difference) for difference in compare(read_lock("pc-1.0"), read_lock("pc-next"))]
        assert any(text.startswith("-cpu qemu64: CPUID 80000003: “ version 1.0” → “") for text in texts)

    def test_device_that_is_not_there_is_one_line(self, pc: dict) -> None:
        less = {**pc, "pci": {slot: entry for slot, entry in pc["pci"].items() if slot != "02.0"}}
        assert [str(difference) for difference in compare(pc, less)] == ["PCI 02.0: VGA → nothing"]

    def test_field_of_saved_state_that_is_inserted_is_one_line(self, pc: dict) -> None:
        new = json.loads(json.dumps(pc))
        new["saved state"]["i8254/0"]["fields"].insert(1, "phase: u8 since 4")
        assert [str(difference) for difference in compare(pc, new)] == [
            "saved state: section i8254/0, field: nothing → phase: u8 since 4"
        ]

    def test_table_bytes_by_offset(self, pc: dict) -> None:
        new = json.loads(json.dumps(pc))
        new["tables"]["ACPI FACP"]["bytes"]["30"] = "b3" + pc["tables"]["ACPI FACP"]["bytes"]["30"][2:]
        assert [str(difference) for difference in compare(pc, new)] == ["table ACPI FACP: from 30: b2 → b3"]


class TestLockFiles:
    def test_writing_tells_what_changes(self, tmp_path: Path) -> None:
        shutil.copytree(machines_dir(), tmp_path / "machines")
        registry = Registry(tmp_path / "machines")
        directory = tmp_path / "machines"
        lock_path("pc-1.0", directory).unlink()
        assert len(write_lock("pc-1.0", registry, directory)) > 100
        assert write_lock("pc-1.0", registry, directory) == []
        assert lock_path("pc-1.0", directory).read_bytes() == lock_path("pc-1.0").read_bytes()
        assert {path.suffix for path in (directory / "abi").iterdir()} == {".json"}

    def test_missing_lock_is_said(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match=r"machine type 'pc-9\.9' has no lock"):
            read_lock("pc-9.9")

    @pytest.mark.parametrize("text", ["", "{}", "[" * 100000, '{"format": 99, "machine": "x"}', "\udcff", "[1]"])
    def test_other_files_are_refused(self, tmp_path: Path, text: str) -> None:
        (tmp_path / "abi").mkdir()
        lock_path("x", tmp_path).write_bytes(text.encode(errors="surrogateescape"))
        with pytest.raises(ConfigError, match="not a lock of machine type 'x'"):
            read_lock("x", tmp_path)

    def test_another_types_lock_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "abi").mkdir()
        shutil.copy(lock_path("isapc"), lock_path("pc-1.0", tmp_path))
        with pytest.raises(ConfigError, match=r"not a lock of machine type 'pc-1\.0'"):
            read_lock("pc-1.0", tmp_path)
