"""SMBIOS as a guest reads it under the project's BIOS: what -smbios and -uuid set is there, as under SeaBIOS.

A boot sector looks for the entry point in F0000-FFFFF, moves the structures down and prints entry point and
structures as hexadecimal digits. QEMU with SeaBIOS gets the same command line where it is installed.
"""

from __future__ import annotations

import re
import shutil
import struct
import sys
from pathlib import Path
from uuid import UUID

import pytest
from bios_guest import ALL_DONE, BIOS, boot_sector, disk, run

pytestmark = pytest.mark.skipif(not BIOS.exists() or not shutil.which("gcc"), reason="needs the BIOS image and gcc")

DUMP = """
        cli                                     # SeaBIOS prints the end of its line from the timer interrupt
        mov     $0xf000, %ax
        mov     %ax, %ds
        xor     %si, %si
1:      cmpl    $0x5f4d535f, (%si)              # _SM_
        je      2f
        add     $16, %si
        jnz     1b
        xor     %ax, %ax
        mov     %ax, %ds
        say     "NONE"
        jmp     9f
2:      mov     $32, %cx
        mov     24(%si), %eax
        mov     22(%si), %bx
        call    dump
        push    %es
        pop     %ds
        mov     %eax, table + 0x12
        mov     %eax, %edx
        shr     $24, %edx
        movb    $0x93, table + 0x15
        mov     %dl, table + 0x17
        mov     $table, %si
        mov     %bx, %cx
        inc     %cx
        shr     $1, %cx
        mov     $0x87, %ah
        int     $0x15
        mov     $0x1000, %ax
        mov     %ax, %ds
        xor     %si, %si
        mov     %bx, %cx
        call    dump
        xor     %ax, %ax
        mov     %ax, %ds
        say     "END"
9:      leave
        jmp     stop

dump:   push    %ax                             # CX bytes at DS:SI
        push    %bx
        mov     $0x3f8, %dx
        mov     $'<', %al
        out     %al, %dx
1:      lodsb
        mov     %al, %ah
        shr     $4, %al
        call    digit
        mov     %ah, %al
        and     $15, %al
        call    digit
        loop    1b
        mov     $'>', %al
        out     %al, %dx
        pop     %bx
        pop     %ax
        ret
digit:  cmp     $10, %al
        sbb     $0x69, %al
        das
        out     %al, %dx
        ret

table:  .zero   16
        .word   0xffff, 0, 0x9300, 0            # from: address in bytes 2-4 and 7
        .word   0xffff, 0, 0x9301, 0            # to 10000h
        .zero   16
"""


class Structure:
    """One structure: formatted area with its head, and strings."""

    def __init__(self, area: bytes, strings: list[str]):
        self.area, self.strings = area, strings

    def text(self, offset: int) -> str:
        number = self.area[offset] if offset < len(self.area) else 0
        return self.strings[number - 1] if number else ""


def parse(table: bytes, count: int) -> dict[int, list[Structure]]:
    """Structures by type; the table must hold exactly *count*, the last of type 127."""
    found: dict[int, list[Structure]] = {}
    at = kind = 0
    for _ in range(count):
        kind, length = table[at], table[at + 1]
        end = table.index(b"\0\0", at + length) + 2
        strings = [text.decode("latin-1") for text in table[at + length : end - 2].split(b"\0") if text]
        found.setdefault(kind, []).append(Structure(table[at : at + length], strings))
        at = end
    assert (at, kind) == (len(table), 127)
    return found


WITH_ENTRIES = """
import pathlib, sys
from pyqemu.cli.entry import main
from pyqemu.firmware import config_items
fill = config_items.fill
def fill_and_add(fw_cfg, *arguments, **options):
    fill(fw_cfg, *arguments, **options)
    fw_cfg.add(config_items.SMBIOS_ENTRIES, pathlib.Path(sys.argv[1]).read_bytes())
config_items.fill = fill_and_add
sys.exit(main(sys.argv[2:]))
"""


def with_entries(folder: Path, data: bytes) -> list[str]:
    """The command that starts pyqemu with *data* as fw_cfg key 8001."""
    (folder / "entries").write_bytes(data)
    return [sys.executable, "-c", WITH_ENTRIES, str(folder / "entries"), "-M", "pc-1.0"]


class Guests:
    def __init__(self, folder: Path):
        self.image = folder / "dump.img"
        self.image.write_bytes(boot_sector(folder, DUMP))

    def see(self, *options: str | Path, program: list[str] | None = None) -> dict[int, list[Structure]]:
        text, status = run("-drive", disk(self.image), *options, program=program)
        assert status == ALL_DONE, text
        entry, table = (bytes.fromhex(part) for part in re.findall("<([0-9A-F]+)>", text))
        assert sum(entry[: entry[5]]) & 0xFF == 0 and sum(entry[16:31]) & 0xFF == 0
        assert struct.unpack_from("<H", entry, 22)[0] == len(table)
        return parse(table, struct.unpack_from("<H", entry, 28)[0])


@pytest.fixture(scope="module")
def guests(tmp_path_factory: pytest.TempPathFactory) -> Guests:
    return Guests(tmp_path_factory.mktemp("dump"))


STRINGS = {
    (0, "vendor", 4): "ACME, Inc.",
    (0, "version", 5): "4.2",
    (0, "date", 8): "01/02/2003",
    (1, "manufacturer", 4): "Maker",
    (1, "product", 5): "Product",
    (1, "version", 6): "Version",
    (1, "serial", 7): "0123-serial",
    (1, "sku", 25): "SKU-7",
    (1, "family", 26): "Family",
}
NUMBER = UUID("00112233-4455-6677-8899-aabbccddeeff")


def smbios(kind: int) -> str:
    fields = [f"{name}={text.replace(',', ',,')}" for (of, name, _), text in STRINGS.items() if of == kind]
    return ",".join([f"type={kind}", *fields])


SEABIOS = Path("/usr/share/seabios/bios-256k.bin")


@pytest.mark.parametrize("bios", ["ours", "seabios", "qemu"])
def test_fields_of_the_command_line_are_seen(guests: Guests, bios: str) -> None:
    program = None
    options: list[str | Path] = ["-smbios", smbios(0) + ",release=3.9", "-smbios", smbios(1), "-uuid", str(NUMBER)]
    if bios == "qemu":
        if not shutil.which("qemu-system-x86_64"):
            pytest.skip("needs qemu-system-x86_64")
        program = ["qemu-system-x86_64", "-M", "pc-i440fx-1.4"]
    if bios != "ours":
        if not SEABIOS.exists():
            pytest.skip("needs SeaBIOS")
        options += ["-bios", SEABIOS]
    seen = guests.see(*options, program=program)
    assert {(kind, name, at): seen[kind][0].text(at) for kind, name, at in STRINGS} == STRINGS
    assert seen[0][0].area[20:22] == b"\3\x09"
    assert seen[1][0].area[8:24] == NUMBER.bytes


@pytest.mark.parametrize(
    ("mib", "sizes", "ends"),
    [
        (3072, [3072], [3072]),
        (5120, [5120], [3584, 5632]),
        (20 << 10, [16 << 10, 4 << 10], [3584, (20 << 10) + 512]),
    ],
)
def test_memory_above_4_gib(guests: Guests, mib: int, sizes: list[int], ends: list[int]) -> None:
    """The hole for PCI begins at 3.5 GiB; what it displaces is above 4 GiB. A module has at most 16 GiB."""
    seen = guests.see("-m", str(mib))
    array, modules, ranges = seen[16][0].area, seen[17], seen[19]
    assert struct.unpack_from("<I", array, 7)[0] == mib << 10
    assert struct.unpack_from("<H", array, 13)[0] == len(modules)
    assert [struct.unpack_from("<H", module.area, 12)[0] for module in modules] == sizes
    bounds = [struct.unpack_from("<II", part.area, 4) for part in ranges]
    assert [first for first, _ in bounds] == [0, 4 << 20][: len(ends)]
    assert [(last + 1) >> 10 for _, last in bounds] == ends
    handles = [part.area[2:4] for parts in seen.values() for part in parts]
    assert len(set(handles)) == len(handles)


def test_of_two_values_the_later_counts(guests: Guests) -> None:
    other = "type=1,uuid=11111111-2222-3333-4444-555555555555"
    options = ["-smbios", other + ",serial=a", "-uuid", str(NUMBER), "-smbios", "type=1,serial=b"]
    seen = guests.see(*options)[1][0]
    assert (seen.text(7), seen.area[8:24]) == ("b", NUMBER.bytes)
    assert guests.see("-uuid", str(NUMBER), "-smbios", other)[1][0].area[8:24] == UUID(other[-36:]).bytes


def test_what_is_not_set_stays(guests: Guests) -> None:
    plain, changed = guests.see(), guests.see("-smbios", "type=1,serial=77")
    assert changed[1][0].text(7) == "77" and not plain[1][0].text(7)
    assert changed[1][0].strings == [*plain[1][0].strings, "77"]
    assert {kind: [one.area for one in all_] for kind, all_ in changed.items() if kind != 1} == {
        kind: [one.area for one in all_] for kind, all_ in plain.items() if kind != 1
    }


@pytest.mark.parametrize("size", [40, 5000])
def test_structures_from_a_file_stand_for_ours(guests: Guests, tmp_path: Path, size: int) -> None:
    chassis = bytes((3, 13, 0, 3, 1, 7, 0, 2, 0, 3, 3, 3, 2)) + b"Box\0" + b"v" * size + b"\0\0"
    vendor = bytes((200, 8, 0, 200)) + b"data"
    (tmp_path / "chassis").write_bytes(chassis)
    (tmp_path / "vendor").write_bytes(vendor)
    files = [f"file={tmp_path / 'chassis'}", f"file={tmp_path / 'vendor'}"]
    seen = guests.see("-smbios", files[0], "-smbios", files[1], "-smbios", "type=0,vendor=V")
    assert [one.strings for one in seen[3]] == [["Box", "v" * size]]
    assert [(one.area, one.strings) for one in seen[200]] == [(vendor, [])]
    assert seen[0][0].text(4) == "V"


def entry(kind: int, content: bytes) -> bytes:
    return struct.pack("<HB", 3 + len(content), kind) + content


HOSTILE = {
    "more than there are": struct.pack("<H", 0xFFFF) + entry(0, b"\1\7\0kept\0"),
    "no length": struct.pack("<HHB", 2, 0, 0) + bytes(64),
    "fields behind the end": struct.pack("<H", 2) + entry(0, b"\1\x1a\0" + b"x" * 9000) + entry(0, b"\0\xff\xffab"),
    "number across the end": struct.pack("<H", 1) + entry(0, b"\1\x18\0" + b"\xff" * 40),
    "text without end": struct.pack("<H", 1) + entry(0, b"\1\7\0" + b"x" * 200),
    "structure of lies": struct.pack("<H", 3) + entry(1, b"\3\xff\0\0") + entry(1, b"\3\0\0\0") + entry(1, b"\3"),
    "end of the table": struct.pack("<H", 1) + entry(1, b"\x7f\4\0\0\0\0"),
    "too much for a table": struct.pack("<H", 9) + 9 * entry(1, b"\xc8\4\0\0" + b"y" * 16000 + b"\0\0"),
    "too much for memory": struct.pack("<H", 30) + 30 * entry(1, b"\xc8\4\0\0" + b"y" * 60000 + b"\0\0"),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_damaged_entries_do_no_harm(guests: Guests, tmp_path: Path, what: str) -> None:
    program = with_entries(tmp_path, HOSTILE[what])
    seen = guests.see(program=program)
    assert seen[0][0].area and seen[1][0].strings[0] == "pyqemu" and seen[3][0].text(4) == "pyqemu"
