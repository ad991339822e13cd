"""Every compat property of the contract that pyqemu has the device for, seen from the guest's side.

A type that sets one property is built beside pc-1.0, and what a guest would notice is compared.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from pyqemu.block import MemoryDrive
from pyqemu.machines.abi.specimen import build
from pyqemu.machines.abi.tables import booted
from pyqemu.machines.devices import compat_remark
from pyqemu.machines.lock import Difference, abi_of, compare
from pyqemu.machines.registry import Registry
from pyqemu.paths import machines_dir

COMMAND = 0x04


TESTED = {
    "pci-device.command_serr_enable", "pci-device.rombar", "VGA.rombar", "VGA.vgamem_mb", "VGA.mmio",
    "ide-drive.ver", "isa-fdc.check_media_rate",
}  # fmt: skip


def test_every_compat_property_that_has_an_effect_is_tested_here() -> None:
    """A device that arrives brings the test of its compat properties."""
    types = Registry(machines_dir()).all()
    effective = {
        f"{entry.driver}.{entry.property}"
        for machine in types
        for entry in machine.compat
        if not compat_remark(entry)
    }
    assert effective == TESTED


class Acme:
    """A vendor's type: pc-next with some compat properties."""

    def __init__(self, folder: Path, *compat: str, keys: str = "") -> None:
        entries = "".join(
            f"  - {{driver: {driver}, property: {prop}, value: '{value}'}}\n"
            for driver, prop, value in (line.split() for line in compat)
        )
        compat_key = f"compat:\n{entries}" if entries else ""
        (folder / "acme.yaml").write_text(f"name: acme\ninherits: pc-next\n{keys}{compat_key}")
        self.registry = Registry.load([machines_dir(), folder])
        self.machine = self.registry.find("acme")

    def changes(self) -> list[Difference]:
        return compare(abi_of("pc-next", self.registry), abi_of("acme", self.registry))

    def texts(self) -> list[str]:
        """What a guest sees of it: not the property itself."""
        return [str(change) for change in self.changes() if change.path[0] != "devices"]


def test_hw_version_is_in_the_processors_name_and_in_the_drives(tmp_path: Path) -> None:
    texts = Acme(tmp_path, keys='hw_version: "0.9"\n').texts()
    assert any(text.startswith("-cpu qemu64: CPUID 80000003") and "version 0.9" in text for text in texts)
    assert any(text.startswith("-cpu qemu32: CPUID 80000003") and "version 0.9" in text for text in texts)
    assert any(text.startswith("ide0 master disk firmware revision") and text.endswith("0.9") for text in texts)
    assert any(text.startswith("ide1 master cdrom firmware revision") and text.endswith("0.9") for text in texts)


def test_command_serr_enable_is_the_bit_of_the_command_register(tmp_path: Path) -> None:
    texts = Acme(tmp_path, "pci-device command_serr_enable off").texts()
    slots = ("00.0", "01.0", "01.1", "01.3", "02.0")
    assert set(texts) == {f"PCI {slot}, bits that a guest can change: command 0507 → 0407" for slot in slots}


@pytest.mark.parametrize("driver", ["VGA", "pci-device"])
def test_rombar_0_takes_the_rom_from_its_bar_to_fw_cfg(tmp_path: Path, driver: str) -> None:
    acme = Acme(tmp_path, f"{driver} rombar 0")
    texts = acme.texts()
    assert "PCI 02.0: ROM: memory, 10000 bytes → nothing" in texts
    [file] = [text for text in texts if "vgaroms/" in text]
    assert "nothing → image of " in file


def test_firmware_runs_the_video_bios_that_has_no_bar(tmp_path: Path) -> None:
    board = booted(Acme(tmp_path, "VGA rombar 0").machine)
    try:
        assert board.memory.read(0xC0000, 2) == b"\x55\xaa"
        vector = int.from_bytes(board.memory.read(0x10 * 4, 4), "little")
        assert vector >> 16 == 0xC000, "int 10h belongs to the video BIOS"
    finally:
        board.close()


def test_vgamem_mb_is_the_size_of_the_memory_window(tmp_path: Path) -> None:
    texts = Acme(tmp_path, "VGA vgamem_mb 4").texts()
    assert "PCI 02.0: BAR 0: memory, prefetchable, 1000000 bytes → memory, prefetchable, 400000 bytes" in texts
    assert "memory vga.vram: 1000000 → 400000" in texts


def test_mmio_off_takes_the_register_window_away(tmp_path: Path) -> None:
    texts = Acme(tmp_path, "VGA mmio off").texts()
    assert "PCI 02.0: BAR 2: memory, 1000 bytes → nothing" in texts
    assert "PCI 02.0: revision 02 → 00" in texts


def test_register_window_shows_the_dispi_registers(tmp_path: Path) -> None:
    board = build(Registry.load([machines_dir()]).find("pc-next"))
    try:
        assert board.pci is not None
        board.pci.write_config(2 << 3, 0x18, 4, 0xF2000000)
        board.pci.write_config(2 << 3, COMMAND, 2, 2)
        assert board.memory.load(0xF2000500, 2) == 0xB0C5
        assert board.memory.load(0xF2000514, 2) << 16 == 16 << 20
        board.memory.store(0xF2000502, 2, 640)
        board.isa.ports.write(0x1CE, 2, 1)
        assert board.isa.ports.read(0x1CF, 2) == 640
    finally:
        board.close()


@pytest.mark.parametrize("driver", ["ide-drive", "ide-hd", "piix3-ide"])
def test_ver_is_the_drives_firmware_revision(tmp_path: Path, driver: str) -> None:
    changes = Acme(tmp_path, f"{driver} ver 0.7").changes()
    assert {change.path: change.new for change in changes if change.path[0] == "identify"} == {
        ("identify", "ide0 master disk", "firmware revision"): "0.7",
        ("identify", "ide1 master cdrom", "firmware revision"): "0.7",
    }


@pytest.mark.parametrize(("check", "status"), [("on", 0x40), ("off", 0x00)])
def test_check_media_rate_decides_whether_a_wrong_rate_reads(tmp_path: Path, check: str, status: int) -> None:
    """A 1.44M disk at 250 kbit/s, as for one of 720K."""
    board = build(Acme(tmp_path, f"isa-fdc check_media_rate {check}").machine)
    try:
        [drive] = [drive for (kind, _), drive in board.drives.items() if kind == "floppy"]
        assert isinstance(drive, MemoryDrive)
        drive.insert(bytes(1474560))
        ports, clock = board.isa.ports, board.isa.clock

        def command(*parameters: int) -> None:
            for byte in parameters:
                ports.write(0x3F5, 1, byte)
            clock.advance(2_000_000_000)

        for port, value in ((0x0B, 0x46), (0x04, 0), (0x04, 0x70), (0x05, 0xFF), (0x05, 1), (0x0A, 2)):
            ports.write(port, 1, value)  # DMA channel 2: to memory, 512 bytes at 7000
        ports.write(0x3F2, 1, 0x1C)
        ports.write(0x3F7, 1, 0x02)
        command(0x08)
        command(0x03, 0xDF, 0x02)
        command(0x07, 0x00)
        command(0x08)
        while ports.read(0x3F4, 1) & 0x40:
            ports.read(0x3F5, 1)
        command(0x46, 0, 0, 0, 1, 2, 18, 0x1B, 0xFF)
        assert ports.read(0x3F4, 1) & 0xD0 == 0xD0, "results are ready"
        assert ports.read(0x3F5, 1) & 0xC0 == status
    finally:
        board.close()
