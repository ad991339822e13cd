"""What the BIOS leaves behind in the chips, and tables that the emulator hands over, good and hostile."""

from __future__ import annotations

import shutil
import struct
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from bios_guest import ALL_DONE, BIOS, boot_sector, disk, run, with_files

from pyqemu.api import VirtualMachine
from pyqemu.launch import DriveConfig, LaunchConfig

pytestmark = pytest.mark.skipif(not BIOS.exists() or not shutil.which("gcc"), reason="needs the BIOS image and gcc")

NAME = 56
COMMAND = 128
HIGH, F_SEGMENT = 1, 2
MARK_PORT = 0x5E0


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A machine that has come as far as its boot sector."""
    folder = tmp_path_factory.mktemp("machine")
    (folder / "disk.img").write_bytes(boot_sector(folder, f"mov ${MARK_PORT}, %dx\nin (%dx), %al"))
    drive = DriveConfig(str(folder / "disk.img"), format="raw", snapshot=True)
    vm = VirtualMachine(LaunchConfig(machine="pc-1.0", bios=str(BIOS), ram_bytes=64 << 20, drives=[drive]))
    board: Any = vm.board

    def reached(_offset: int) -> int:
        vm.power.request_shutdown("host-ui")
        return 0

    board.isa.ports.map(MARK_PORT, 1, reached, None, owner=board.devices["pit"])
    vm.start()
    vm.run()
    yield vm
    vm.close()


def config(machine: Any, slot: int, function: int, offset: int, width: int = 4) -> int:
    return int(machine.board.pci.read_config(slot << 3 | function, offset, width))


def test_every_base_address_is_set_and_none_overlap(machine: Any) -> None:
    taken: dict[str, list[tuple[int, int]]] = {"memory": [], "ports": []}
    for device in machine.board.devices.values():
        for bar in getattr(device, "bars", ()):
            base = int.from_bytes(device.config[bar.offset : bar.offset + 4], "little") & ~(bar.size - 1)
            assert base, f"{device.type}: BAR {bar.number} has no address"
            if bar.number == 6:
                assert device.bar_base(bar) == -1, "ROMs are off again"
            else:
                assert device.bar_base(bar) == base, f"{device.type}: BAR {bar.number} is not decoded"
            taken["ports" if bar.is_io else "memory"].append((base, base + bar.size))
    for ranges in taken.values():
        assert ranges
        assert all(first[1] <= second[0] for first, second in pairwise(sorted(ranges)))
    assert min(taken["memory"])[0] >= 0xC0000000 and max(taken["memory"])[1] <= 0xFEC00000


def test_interrupts_are_routed_as_the_lines_say(machine: Any) -> None:
    routes = [config(machine, 1, 0, 0x60 + link, 1) for link in range(4)]
    assert all(route in (10, 11) for route in routes)
    assert config(machine, 1, 3, 0x3C, 1) == 9
    edges = machine.board.isa.ports.read(0x4D0, 1), machine.board.isa.ports.read(0x4D1, 1)
    assert edges == (0, 0x0C), "10 and 11 are level triggered"


def test_shadow_memory_is_locked_but_for_what_the_bios_writes(machine: Any) -> None:
    memory = machine.board.memory
    before = memory.read(0xF0000, 0x10000), memory.read(0xE0000, 0xC000), memory.read(0xC0000, 0x8000)
    for address in (0xF0000, 0xE0000, 0xC0000):
        memory.write(address, b"\0" * 0x4000)
    assert before == (memory.read(0xF0000, 0x10000), memory.read(0xE0000, 0xC000), memory.read(0xC0000, 0x8000))


# ---- the table loader


def padded(name: str) -> bytes:
    return name.encode().ljust(NAME, b"\0")


def allocate(name: str, align: int = 16, zone: int = HIGH) -> bytes:
    return (struct.pack("<I", 1) + padded(name) + struct.pack("<IB", align, zone)).ljust(COMMAND, b"\0")


def pointer(to: str, source: str, offset: int, size: int = 4) -> bytes:
    return (struct.pack("<I", 2) + padded(to) + padded(source) + struct.pack("<IB", offset, size)).ljust(
        COMMAND, b"\0"
    )


def checksum(name: str, result: int, start: int, length: int) -> bytes:
    return (struct.pack("<I", 3) + padded(name) + struct.pack("<III", result, start, length)).ljust(COMMAND, b"\0")


# Looks for "RSD PTR " in the BIOS's segment, follows it to the table and prints its first four letters.
FOLLOW = """
        mov     $0xf000, %ax
        mov     %ax, %es
        xor     %di, %di
1:      cmpl    $0x20445352, %es:(%di)
        jne     2f
        cmpl    $0x20525450, %es:4(%di)
        je      3f
2:      add     $16, %di
        jnz     1b
        say     "NO RSDP"
        leave
        jmp     stop
3:      mov     %es:16(%di), %eax
        mov     %eax, from
        lgdt    gdtr                            # flat data: big real mode
        cli
        mov     %cr0, %ebx
        or      $1, %bl
        mov     %ebx, %cr0
        mov     $8, %cx
        mov     %cx, %fs
        and     $0xfe, %bl
        mov     %ebx, %cr0
        mov     $8, %cx
        mov     $0x3f8, %dx
        mov     %eax, %esi
4:      mov     %fs:(%esi), %al
        out     %al, %dx
        inc     %esi
        loop    4b
        xor     %ah, %ah                        # and does it sum to 0?
        mov     from, %esi
        mov     $36, %cx
5:      add     %fs:(%esi), %ah
        inc     %esi
        loop    5b
        test    %ah, %ah
        jnz     6f
        say     " SUM GOOD"
6:      leave
        jmp     stop
from:   .long   0
gdt:    .quad   0, 0x008f93000000ffff
gdtr:   .word   15
        .long   gdt
"""


def boot_with_tables(tmp_path: Path, files: dict[str, bytes]) -> str:
    sector = boot_sector(tmp_path, FOLLOW)
    (tmp_path / "disk.img").write_bytes(sector)
    text, status = run("-drive", disk(tmp_path / "disk.img"), program=with_files(tmp_path, files))
    assert status == ALL_DONE, text
    return text


def tables() -> dict[str, bytes]:
    rsdp = b"RSD PTR " + b"\0" + b"TESTER" + b"\0" + bytes(4)
    table = b"TEST" + struct.pack("<I", 36) + bytes(28)
    loader = allocate("etc/acpi/rsdp", 16, F_SEGMENT) + allocate("etc/acpi/tables", 64)
    loader += pointer("etc/acpi/rsdp", "etc/acpi/tables", 16) + checksum("etc/acpi/rsdp", 8, 0, 20)
    loader += checksum("etc/acpi/tables", 9, 0, 36)
    return {"etc/acpi/rsdp": rsdp, "etc/acpi/tables": table, "etc/table-loader": loader}


def test_tables_are_installed_linked_and_summed(tmp_path: Path) -> None:
    text = boot_with_tables(tmp_path, tables())
    assert "TEST" in text and "SUM GOOD" in text


HOSTILE = {
    "unknown command": struct.pack("<I", 0x7FFFFFFF).ljust(COMMAND, b"\xff"),
    "file that does not exist": allocate("etc/nothing"),
    "alignment of 3": allocate("etc/blob", 3),
    "alignment of 2 GiB": allocate("etc/blob", 1 << 31),
    "twice": allocate("etc/acpi/tables"),
    "zone that does not exist": allocate("etc/blob", 16, 99),
    "too large for segment F000": allocate("etc/blob", 16, F_SEGMENT),
    "pointer past the end": pointer("etc/acpi/tables", "etc/acpi/rsdp", 33),
    "pointer far away": pointer("etc/acpi/tables", "etc/acpi/rsdp", 0xFFFFFFFC),
    "pointer of 3 bytes": pointer("etc/acpi/tables", "etc/acpi/rsdp", 0, 3),
    "pointer of 255 bytes": pointer("etc/acpi/tables", "etc/acpi/rsdp", 0, 255),
    "pointer from nothing": pointer("etc/acpi/tables", "etc/none", 0),
    "pointer into nothing": pointer("etc/none", "etc/acpi/tables", 0),
    "sum past the end": checksum("etc/acpi/tables", 9, 0, 0xFFFFFFFF),
    "sum from far away": checksum("etc/acpi/tables", 9, 0xFFFFFFF0, 0x20),
    "sum into nowhere": checksum("etc/acpi/tables", 0x10000, 0, 36),
    "name without an end": struct.pack("<I", 1) + b"x" * NAME + bytes(COMMAND - 4 - NAME),
    "half a command": b"\1\0\0\0half",
}


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_loader_command_is_passed_over(tmp_path: Path, what: str) -> None:
    files = tables() | {"etc/blob": bytes(0x12000)}
    files["etc/table-loader"] = (
        files["etc/table-loader"][: 2 * COMMAND] + HOSTILE[what] + tables()["etc/table-loader"][2 * COMMAND :]
        if what != "half a command"
        else files["etc/table-loader"] + HOSTILE[what]
    )
    text = boot_with_tables(tmp_path, files)
    assert "TEST" in text and "SUM GOOD" in text


def test_loader_with_nothing_usable_leaves_the_bios_its_own_tables(tmp_path: Path) -> None:
    text = boot_with_tables(tmp_path, {"etc/table-loader": HOSTILE["unknown command"] * 3})
    assert "RSDT" in text


@pytest.mark.parametrize("anchor", [b"", b"_SM_", bytes(31), b"_XX_".ljust(31, b"\xff")], ids=len)
def test_damaged_smbios_files_do_no_harm(tmp_path: Path, anchor: bytes) -> None:
    files = {"etc/smbios/smbios-anchor": anchor, "etc/smbios/smbios-tables": b"\xff" * 4096}
    assert "RSDT" in boot_with_tables(tmp_path, files)


@pytest.mark.parametrize(
    "entries",
    [
        b"",
        b"\xff" * 19,
        struct.pack("<QQI", 0, 64 << 20, 1) + struct.pack("<QQI", 0xFFFFFFFFFFFFF000, 0x2000, 1),
        struct.pack("<QQI", 0, 64 << 20, 1) + b"".join(struct.pack("<QQI", n << 21, 4096, 2) for n in range(64)),
    ],
    ids=["empty", "cut", "wrapping", "many"],
)
def test_odd_memory_maps_do_no_harm(tmp_path: Path, entries: bytes) -> None:
    assert "RSDT" in boot_with_tables(tmp_path, {"etc/e820": entries})
