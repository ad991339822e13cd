"""What the BIOS boots and in which order, how it comes back up, and what it says when a device is no good."""

from __future__ import annotations

import re
import shutil
import struct
from pathlib import Path

import pytest
from bios_guest import (
    ALL_DONE,
    BIOS,
    BLOCK,
    SECTOR,
    boot_sector,
    disk,
    option_rom,
    run,
    with_files,
)

pytestmark = pytest.mark.skipif(not BIOS.exists() or not shutil.which("gcc"), reason="needs the BIOS image and gcc")

COUNT_BOOT = """
        mov     $0x70, %al                      # a byte of the CMOS that a reset leaves alone
        out     %al, $0x70
        in      $0x71, %al
        mov     %al, %bl
        inc     %al
        out     %al, $0x71
"""
RESETS = {
    "keyboard controller": "mov $0xfe, %al; out %al, $0x64",
    "port 92h": "mov $0, %al; out %al, $0x92; mov $1, %al; out %al, $0x92",
    "port CF9h": "mov $0xcf9, %dx; mov $2, %al; out %al, %dx; mov $6, %al; out %al, %dx",
    "triple fault": "lidt none; int3; none: .word 0; .long 0",
    "jump to the reset vector": "movw $0x1234, 0x472; ljmp $0xffff, $0",
    "Ctrl-Alt-Del's way": "movw $0x1234, 0x472; mov $0xfe, %al; out %al, $0x64",
    "int 19h": "int $0x19",
}


def image(path: Path, sector: bytes, size: int = 64 * SECTOR) -> Path:
    path.write_bytes(sector.ljust(size, b"\0"))
    return path


def cd(path: Path, sector: bytes) -> Path:
    """A disc that boots *sector* without emulation."""
    disc = bytearray(BLOCK * 24)
    disc[17 * BLOCK : 17 * BLOCK + 30] = b"\0CD001\1EL TORITO SPECIFICATION"
    struct.pack_into("<I", disc, 17 * BLOCK + 0x47, 19)
    entry = bytearray(64)
    entry[0], entry[30], entry[31] = 1, 0x55, 0xAA
    struct.pack_into("<H", entry, 28, -sum(struct.unpack("<16H", entry[:32])) & 0xFFFF)
    struct.pack_into("<BBHBBHI", entry, 32, 0x88, 0, 0, 0, 0, 1, 20)
    disc[19 * BLOCK : 19 * BLOCK + 64] = entry
    disc[20 * BLOCK : 20 * BLOCK + len(sector)] = sector
    path.write_bytes(disc)
    return path


@pytest.fixture
def three(tmp_path: Path) -> list[str]:
    """A floppy, a disk and a CD that say who they are, the floppy by resetting the machine once more."""
    reset = RESETS["port CF9h"]
    floppy = f'{COUNT_BOOT}\nsay "<FLOPPY>"\ntest %bl, %bl\njnz 1f\n{reset}\njmp stop\n1: leave'
    floppy_image = image(tmp_path / "a.img", boot_sector(tmp_path, floppy, "a"), 1440 << 10)
    disk_image = image(tmp_path / "c.img", boot_sector(tmp_path, 'say "<DISK>"\nleave', "c"))
    disc = cd(tmp_path / "d.iso", boot_sector(tmp_path, 'say "<CD>"\nleave', "d"))
    floppy_drive = f"file={floppy_image},format=raw,if=floppy,snapshot=on"
    return ["-drive", floppy_drive, "-drive", disk(disk_image), "-cdrom", str(disc)]


@pytest.mark.parametrize(
    "boot, said",
    [
        ("c", ["<DISK>"]),
        ("d", ["<CD>"]),
        ("a", ["<FLOPPY>", "<FLOPPY>"]),
        ("dc", ["<CD>"]),
        ("ac", ["<FLOPPY>", "<FLOPPY>"]),
        ("order=c,once=a", ["<FLOPPY>", "<DISK>"]),
        ("order=d,once=a", ["<FLOPPY>", "<CD>"]),
    ],
)
def test_boot_order(three: list[str], boot: str, said: list[str]) -> None:
    text, status = run(*three, "-boot", boot)
    assert status == ALL_DONE
    assert re.findall(r"<\w+>", text) == said


def test_default_order_is_disk_floppy_cd(three: list[str]) -> None:
    text, _ = run(*three)
    assert "<DISK>" in text


@pytest.mark.parametrize("key", [b"\x1b", b"\x1b[24~"], ids=["Esc", "F12"])
def test_menu_boots_what_is_chosen(three: list[str], key: bytes) -> None:
    text, status = run(
        *three, "-boot", "order=c,menu=on", keys=(("boot menu", key), ("Select boot device", b"2")), seconds=60
    )
    listed = [line.split(". ")[1] for line in text.splitlines() if line[1:3] == ". "]
    assert [entry.split(" (")[0] for entry in listed] == ["Hard Disk", "Floppy", "DVD/CD"]
    assert status == ALL_DONE and "<FLOPPY>" in text


def test_menu_left_with_escape_boots_in_order(three: list[str]) -> None:
    keys = (("boot menu", b"\x1b"), ("Select boot device", b"\x1b"))
    text, status = run(*three, "-boot", "order=d,menu=on", keys=keys, seconds=60)
    assert status == ALL_DONE and "<CD>" in text


def test_without_menu_no_time_is_spent_on_it(three: list[str]) -> None:
    assert "boot menu" not in run(*three)[0]


@pytest.mark.parametrize(
    "order, said",
    [
        (b"/pci@i0cf8/ide@1,1/drive@1/disk@0\0", "<CD>"),
        (b"/pci@i0cf8/ide@1,1/drive@0/disk@0\0", "<DISK>"),
        (b"/pci@i0cf8/isa@1/fdc@03f0/floppy@0\n/pci@i0cf8/ide@1,1/drive@0/disk@0\0", "<FLOPPY>"),
        (b"/nonsense\n\n\n/pci@i0cf8/ide@1,1/drive@1/disk@0\0", "<CD>"),
    ],
    ids=["cd", "disk", "floppy", "nonsense first"],
)
def test_bootorder_file_comes_before_the_cmos(three: list[str], tmp_path: Path, order: bytes, said: str) -> None:
    text, _ = run(*three, program=with_files(tmp_path, {"bootorder": order}))
    assert re.findall(r"<\w+>", text)[0] == said


def test_strict_order_ends_with_what_it_names(three: list[str], tmp_path: Path) -> None:
    files = {"bootorder": b"/pci@i0cf8/ide@1,1/drive@1/disk@1\nHALT\0"}
    text, _ = run(*three, program=with_files(tmp_path, files), stop="No bootable device.")
    assert "Booting from" not in text


def test_nothing_to_boot_tries_again_after_a_key(tmp_path: Path) -> None:
    keys = (("No bootable device.", b" "),)
    text, _ = run("-nodefaults", "-serial", "stdio", keys=keys, stop="No bootable device.")
    assert text.count("No bootable device.") == 2


def test_reboot_timeout_restarts_the_machine() -> None:
    text, status = run("-boot", "reboot-timeout=300", "-no-reboot")
    assert "No bootable device.  Retrying in 0 seconds." in text
    assert status == 0


@pytest.mark.parametrize("how", RESETS)
def test_machine_comes_back_up(tmp_path: Path, how: str) -> None:
    code = f'{COUNT_BOOT}\ntest %bl, %bl\njnz 1f\n{RESETS[how]}\njmp stop\n1: say "AGAIN"\nleave'
    text, status = run("-drive", disk(image(tmp_path / "disk.img", boot_sector(tmp_path, code))))
    assert status == ALL_DONE and text.endswith("AGAIN")
    assert text.count("pyqemu BIOS") == (1 if how == "int 19h" else 2)


@pytest.mark.parametrize("how", ["keyboard controller", "port 92h", "triple fault", "jump to the reset vector"])
def test_isa_machine_comes_back_up_with_fresh_roms(tmp_path: Path, how: str) -> None:
    """Nothing protects the BIOS there: the guest has overwritten it before the reset."""
    spoil = "mov $0xe000, %ax\nmov %ax, %es\nxor %di, %di\nmov $0x4000, %cx\nxor %ax, %ax\nrep stosw\n"
    spoil = "" if how == "jump to the reset vector" else spoil
    code = f'{COUNT_BOOT}\ntest %bl, %bl\njnz 1f\ncli\n{spoil}{RESETS[how]}\njmp stop\n1: say "AGAIN"\nleave'
    disk_image = image(tmp_path / "disk.img", boot_sector(tmp_path, code))
    text, status = run("-M", "isapc", "-drive", disk(disk_image))
    assert status == ALL_DONE and text.endswith("AGAIN")
    assert text.count("pyqemu BIOS") == 2


def test_warm_boot_flag_is_kept(tmp_path: Path) -> None:
    reset = RESETS["Ctrl-Alt-Del's way"]
    code = f"{COUNT_BOOT}\ntest %bl, %bl\njnz 1f\n{reset}\njmp stop\n1: cmpw $0x1234, 0x472\njne stop\nleave"
    _, status = run("-drive", disk(image(tmp_path / "disk.img", boot_sector(tmp_path, code))))
    assert status == ALL_DONE


def test_apm_switches_off(tmp_path: Path) -> None:
    code = """
        mov     $0x5301, %ax
        xor     %bx, %bx
        int     $0x15
        mov     $0x530e, %ax
        xor     %bx, %bx
        mov     $0x0102, %cx
        int     $0x15
        mov     $0x5307, %ax
        mov     $1, %bx
        mov     $3, %cx
        int     $0x15
    """
    _, status = run("-drive", disk(image(tmp_path / "disk.img", boot_sector(tmp_path, code))))
    assert status == 0


# The second device says whether the first one's trouble was on the screen as well.
ON_SCREEN = """
        mov     $0xb800, %ax
        mov     %ax, %es
        xor     %di, %di
1:      mov     $words, %si
        mov     %di, %bx
2:      lodsb
        test    %al, %al
        jz      3f
        cmp     %es:(%bx), %al
        jne     4f
        add     $2, %bx
        jmp     2b
4:      add     $2, %di
        cmp     $4000, %di
        jb      1b
        say     "NOT ON SCREEN"
        jmp     5f
3:      say     "ON SCREEN"
5:      leave
        jmp     stop
words:  .asciz  "{words}"
"""


def second_disk(tmp_path: Path, words: str = "Boot failed") -> list[str]:
    sector = boot_sector(tmp_path, ON_SCREEN.format(words=words), "second")
    return ["-drive", f"{disk(image(tmp_path / 'second.img', sector))},index=1"]


@pytest.mark.parametrize(
    "first, order, trouble",
    [
        ("empty disk", "c", "not a bootable disk"),
        ("tiny disk", "c", "not a bootable disk"),
        ("no CD", "dc", "no medium"),
        ("plain CD", "dc", "not a bootable disc"),
        ("cut CD", "dc", "could not read the boot record"),
        ("no floppy", "ac", "could not read the boot disk"),
        ("empty floppy", "ac", "not a bootable disk"),
    ],
)
def test_trouble_is_reported_and_the_next_device_tried(
    tmp_path: Path, first: str, order: str, trouble: str
) -> None:
    blank = tmp_path / "blank.img"
    blank.write_bytes(bytes({"empty floppy": 1440 << 10, "cut CD": 17 * BLOCK, "tiny disk": 1}.get(first, 1 << 18)))
    options = {
        "empty disk": ["-drive", disk(blank)],
        "tiny disk": ["-drive", disk(blank)],
        "plain CD": ["-cdrom", str(blank)],
        "cut CD": ["-cdrom", str(blank)],
        "empty floppy": ["-drive", f"file={blank},format=raw,if=floppy,snapshot=on"],
    }.get(first, [])
    text, status = run(*options, *second_disk(tmp_path), "-boot", order)
    assert f"Boot failed: {trouble}" in text
    assert status == ALL_DONE and text.endswith("\nON SCREEN"), text


def test_disk_shorter_than_its_partition_table(tmp_path: Path) -> None:
    """The partition starts past the end: reading it fails both ways, and int 18h goes on to the next disk."""
    code = """
        mov     $0x42, %ah
        mov     $0x80, %dl
        mov     $packet, %si
        int     $0x13
        jnc     1f
        mov     $0x0201, %ax
        mov     $0x8000, %bx
        mov     $0xffc1, %cx
        mov     $0x0080, %dx
        int     $0x13
        jnc     1f
        say     "CUT OFF"
1:      int     $0x18
packet: .byte   16, 0
        .word   1, 0x8000, 0
        .quad   1000000
        .org    446
        .byte   0x80, 0xfe, 0xff, 0xff, 0x0c, 0xfe, 0xff, 0xff
        .long   1000000, 2000000
    """
    first = image(tmp_path / "first.img", boot_sector(tmp_path, code))
    text, status = run("-drive", disk(first), *second_disk(tmp_path, "Hard Disk"))
    assert "CUT OFF" in text
    assert status == ALL_DONE and text.endswith("ON SCREEN")


@pytest.mark.parametrize("fault", ["checksum", "too long"])
def test_bad_option_rom_is_reported_on_the_screen(tmp_path: Path, fault: str) -> None:
    rom = b"\x55\xaa" + bytes([1 if fault == "checksum" else 200])
    (tmp_path / "bad.rom").write_bytes(rom.ljust(512, b"\1"))
    text, status = run("-option-rom", tmp_path / "bad.rom", *second_disk(tmp_path, "skipped"))
    assert "skipped" in text
    assert status == ALL_DONE and text.endswith("ON SCREEN")


PMM_ROM = """
        pushal
        push    %ds
        push    %es
        mov     $0xf000, %ax
        mov     %ax, %es
        mov     %cs, %ax
        mov     %ax, %ds
        xor     %di, %di
1:      cmpl    $0x4d4d5024, %es:(%di)
        je      2f
        add     $16, %di
        jnz     1b
        mov     $'$', %bp
        jmp     bad
2:      mov     $16, %cx                        # the sum of the structure is 0
        xor     %al, %al
        mov     %di, %si
3:      add     %es:(%si), %al
        inc     %si
        loop    3b
        mov     $'S', %bp
        test    %al, %al
        jnz     bad
        .macro  allocate paragraphs, handle, flags
        pushw   $\\flags
        pushl   $\\handle
        pushl   $\\paragraphs
        pushw   $0
        lcall   *%es:7(%di)
        add     $12, %sp
        shl     $16, %edx
        mov     %ax, %dx
        .endm
        .macro  ask function, value
        pushl   \\value
        pushw   $\\function
        lcall   *%es:7(%di)
        add     $6, %sp
        shl     $16, %edx
        mov     %ax, %dx
        .endm
        mov     $'E', %bp
        allocate 0x1001, 0x1111, 2              # extended
        cmp     $0x100000, %edx
        jb      bad
        mov     %edx, %ebx
        mov     $'C', %bp
        allocate 0x100, 0x2222, 1               # conventional
        cmp     $0xa0000, %edx
        jae     bad
        test    %edx, %edx
        jz      bad
        mov     $'A', %bp                       # aligned to its size, beside the first
        allocate 0x1000, 0xffffffff, 6
        test    $0xffff, %dx
        jnz     bad
        mov     %edx, %esi
        cmp     %ebx, %edx
        je      bad
        mov     $'F', %bp
        ask     1, $0x1111
        cmp     %ebx, %edx
        jne     bad
        mov     $'D', %bp                       # the same handle twice
        allocate 0x10, 0x1111, 2
        test    %edx, %edx
        jnz     bad
        mov     $'H', %bp                       # more than there is
        allocate 0x0fffffff, 0x3333, 3
        test    %edx, %edx
        jnz     bad
        allocate 0x7fffffff, 0x3333, 3
        test    %edx, %edx
        jnz     bad
        mov     $'L', %bp                       # the largest that can be had
        allocate 0, 0x3333, 2
        cmp     $0x10000, %edx
        jb      bad
        mov     $'R', %bp                       # free, and free once more
        ask     2, %ebx
        test    %edx, %edx
        jnz     bad
        ask     2, %ebx
        test    %edx, %edx
        jz      bad
        ask     1, $0x1111
        test    %edx, %edx
        jnz     bad
        mov     $'U', %bp                       # no such service
        ask     9, $0
        cmp     $0xffffffff, %edx
        jne     bad
        say     "PMM GOOD"
        jmp     7f
bad:    mov     %bp, %ax
        mov     $0x3f8, %dx
        out     %al, %dx
        say     " PMM BAD"
7:      pop     %es
        pop     %ds
        popal
        lret
"""


def test_option_rom_gets_memory(tmp_path: Path) -> None:
    rom = option_rom(tmp_path, PMM_ROM)
    sector = boot_sector(tmp_path, 'say "BOOTED"\nleave')
    text, status = run("-option-rom", rom, "-drive", disk(image(tmp_path / "disk.img", sector)))
    assert "PMM GOOD" in text and "BAD" not in text
    assert status == ALL_DONE


def test_option_roms_are_called_as_plug_and_play_says(tmp_path: Path) -> None:
    code = """
        cmpl    $0x506e5024, %es:(%di)
        jne     1f
        cmp     $0xffff, %bx
        jne     1f
        cmp     $0xffff, %dx
        jne     1f
        mov     %cs, %ax                        # on a boundary of 2 KiB, and writable
        test    $0x7f, %ax
        jnz     1f
        movb    $1, %cs:variable
        cmpb    $1, %cs:variable
        jne     1f
        say     "ROM GOOD"
1:      lret
variable: .byte 0
    """
    sector = boot_sector(tmp_path, "leave")
    text, status = run(
        "-option-rom", option_rom(tmp_path, code), "-drive", disk(image(tmp_path / "disk.img", sector))
    )
    assert "ROM GOOD" in text
    assert status == ALL_DONE


# A ROM that brings a disk: its boot connection vector takes the next number and hooks interrupt 13h.
DISK_ROM = """
        lret
        .balign 16
header: .ascii  "$PnP"
        .byte   1, 2
        .word   0
        .byte   0, 0
        .long   0
        .word   0, product
        .byte   1, 0, 0, 0
        .word   connect, 0, 0, 0, 0
product:
        .asciz  "Disk of a ROM"
connect:
        push    %ds
        xor     %ax, %ax
        mov     %ax, %ds
        mov     0x475, %al
        incb    0x475
        or      $0x80, %al
        mov     %al, %cs:number
        mov     0x4c, %eax
        mov     %eax, %cs:before
        movw    $handler, 0x4c
        mov     %cs, 0x4e
        pop     %ds
        lret
handler:
        cmp     %cs:number, %dl
        jne     1f
        pusha
        push    %ds
        mov     %cs, %ax
        mov     %ax, %ds
        mov     $sector, %si
        mov     %bx, %di
        mov     $256, %cx
        cld
        rep     movsw
        pop     %ds
        popa
        mov     $0, %ah
        clc
        lret    $2
1:      ljmp    *%cs:before
before: .long   0
number: .byte   0
sector:
"""
SAY_NUMBER = """
        add     $'0' - 0x80, %dl
        mov     %dl, %al
        mov     $0x3f8, %dx
        out     %al, %dx
"""


@pytest.fixture
def disk_rom(tmp_path: Path) -> Path:
    mine = boot_sector(tmp_path, f'push %dx\nsay "<ROM "\npop %dx\n{SAY_NUMBER}say ">"\nleave', "mine")
    data = f".byte {', '.join(map(str, mine))}"
    path = option_rom(tmp_path, DISK_ROM + data, "disk")
    rom = bytearray(path.read_bytes())
    struct.pack_into("<H", rom, 0x1A, rom.index(b"$PnP"))
    rom[-1] = 0
    rom[-1] = -sum(rom) & 0xFF
    path.write_bytes(rom)
    return path


# Says its own number and how many disks there are.
COUNT_DISKS = f"""
        push    %dx
        say     "<DISK "
        pop     %dx
        {SAY_NUMBER}
        mov     $8, %ah
        mov     $0x80, %dl
        int     $0x13
        mov     0x475, %al
        add     $'0', %al
        mov     $0x3f8, %dx
        out     %al, %dx
        say     ">"
        leave
"""


@pytest.mark.parametrize(("choice", "said"), [(b"3", "<ROM 0>"), (b"2", "<two 03>"), (b"1", "<one 03>")])
def test_disk_of_an_option_rom_is_chosen_in_the_menu(
    tmp_path: Path, disk_rom: Path, choice: bytes, said: str
) -> None:
    drives: list[str | Path] = ["-option-rom", disk_rom, "-boot", "menu=on"]
    for number, name in enumerate(("one", "two")):
        path = image(tmp_path / f"{name}.img", boot_sector(tmp_path, COUNT_DISKS.replace("DISK", name), name))
        drives += ["-drive", f"{disk(path)},id=d{number},index={number}"]
    keys = (("boot menu", b"\x1b"), ("Select boot device", choice))
    text, status = run(*drives, keys=keys, seconds=60)
    assert "3. Disk of a ROM" in text
    assert status == ALL_DONE and said in text, text


def test_disk_of_an_option_rom_is_booted_after_those_of_the_board(tmp_path: Path, disk_rom: Path) -> None:
    blank = image(tmp_path / "blank.img", bytes(512))
    text, status = run("-option-rom", disk_rom, "-drive", disk(blank))
    assert status == ALL_DONE and "not a bootable disk" in text and "<ROM 1>" in text, text
