"""The project's BIOS, asked by boot sectors of our own: its services, and boot devices that are damaged.

Needs gcc and binutils for x86; the emulator runs as a process, as a user starts it.
"""

from __future__ import annotations

import re
import shutil
import struct
from pathlib import Path

import pytest
from bios_guest import ALL_DONE, BIOS, BLOCK, HERE, RAM_MIB, SECTOR, assemble, boot_sector, disk, run

DISK_SECTORS = 4096
SERVICES = re.findall(r"^(?:tests:)?\s+check\s+(\w+)$", (HERE / "services.S").read_text(), re.M)

pytestmark = pytest.mark.skipif(not BIOS.exists() or not shutil.which("gcc"), reason="needs the BIOS image and gcc")


@pytest.fixture(scope="module")
def hello(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return boot_sector(tmp_path_factory.mktemp("hello"), 'say "HELLO"\nleave')


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("services")
    program = assemble(HERE / "services.S", folder / "services.bin", f"-Wa,--defsym,RAM_KIB={RAM_MIB << 10}")
    assert len(program) <= 16 * SECTOR
    image = bytearray(program.ljust(16 * SECTOR, b"\0"))
    for sector in range(16, DISK_SECTORS):
        image += struct.pack("<H", sector) * (SECTOR // 2)
    (folder / "disk.img").write_bytes(image)
    text, status = run("-drive", disk(folder / "disk.img"))
    assert status == ALL_DONE, text
    return dict(re.findall(r"(\w+) (ok|FAILED)\s", text))


@pytest.mark.parametrize("service", SERVICES)
def test_service(verdicts: dict[str, str], service: str) -> None:
    assert verdicts.get(service) == "ok"


def test_boot_message(tmp_path: Path, hello: bytes) -> None:
    (tmp_path / "disk.img").write_bytes(hello)
    text, status = run("-drive", disk(tmp_path / "disk.img"))
    assert status == ALL_DONE
    assert "Booting from Hard Disk..." in text and "HELLO" in text


def test_sector_without_signature_is_passed_over(tmp_path: Path, hello: bytes) -> None:
    (tmp_path / "first.img").write_bytes(bytes(64 * SECTOR))
    (tmp_path / "second.img").write_bytes(hello)
    text, status = run("-drive", disk(tmp_path / "first.img"), "-drive", disk(tmp_path / "second.img"))
    assert "not a bootable disk" in text
    assert status == ALL_DONE and "HELLO" in text


def test_byte_that_came_before_power_on_is_a_key(tmp_path: Path) -> None:
    read = "mov $0, %ah\nint $0x16\nmov $0x3f8, %dx\nout %al, %dx\n"
    (tmp_path / "disk.img").write_bytes(boot_sector(tmp_path, f'say "TYPED "\n{read}{read}say " END"\nleave'))
    text, status = run("-drive", disk(tmp_path / "disk.img"), keys=(("", b"pq"),))
    assert status == ALL_DONE and "TYPED pq END" in text


def test_nothing_to_boot(tmp_path: Path) -> None:
    (tmp_path / "empty.img").write_bytes(bytes(64 * SECTOR))
    text, _ = run("-drive", disk(tmp_path / "empty.img"), stop="No bootable device.")
    assert "not a bootable disk" in text


@pytest.mark.parametrize("kib, track", [(360, 9), (720, 9), (1200, 15), (1440, 18), (2880, 36)])
def test_floppy(tmp_path: Path, kib: int, track: int) -> None:
    program = assemble(HERE / "floppy.S", tmp_path / "floppy.bin", f"-Wa,--defsym,SECTORS={track}")
    sectors = b"".join(struct.pack("<H", n) * (SECTOR // 2) for n in range(1, kib * 2))
    (tmp_path / "floppy.img").write_bytes(program + sectors)
    drive = f"file={tmp_path / 'floppy.img'},format=raw,if=floppy,snapshot=on"
    text, status = run("-drive", drive, "-boot", "a")
    assert status == ALL_DONE and text.rstrip().endswith("OK"), text


def cd_image(hello: bytes, **wrong: int) -> bytearray:
    """A disc with a boot record, a catalogue in block 19 and a boot image in block 20."""
    image = bytearray(BLOCK * 24)
    image[17 * BLOCK : 17 * BLOCK + 30] = b"\0CD001\1EL TORITO SPECIFICATION"
    struct.pack_into("<I", image, 17 * BLOCK + 0x47, wrong.get("catalogue", 19))
    entry = bytearray(64)
    entry[0], entry[30], entry[31] = 1, 0x55, 0xAA
    struct.pack_into("<H", entry, 28, -sum(struct.unpack("<16H", entry[:32])) + wrong.get("checksum", 0) & 0xFFFF)
    segment, count, lba = wrong.get("segment", 0), wrong.get("count", 1), wrong.get("lba", 20)
    struct.pack_into("<BBHBBHI", entry, 32, 0x88, wrong.get("media", 0), segment, 0, 0, count, lba)
    image[19 * BLOCK : 19 * BLOCK + 64] = entry
    image[20 * BLOCK : 20 * BLOCK + len(hello)] = hello
    return image


def test_cd_without_emulation(tmp_path: Path, hello: bytes) -> None:
    (tmp_path / "cd.iso").write_bytes(cd_image(hello))
    text, status = run("-cdrom", tmp_path / "cd.iso", "-boot", "d")
    assert status == ALL_DONE and "HELLO" in text


@pytest.mark.parametrize("media", [1, 2, 3, 4])
def test_cd_with_emulation(tmp_path: Path, hello: bytes, media: int) -> None:
    (tmp_path / "cd.iso").write_bytes(cd_image(hello, media=media))
    text, status = run("-cdrom", tmp_path / "cd.iso", "-boot", "d")
    assert status == ALL_DONE and "HELLO" in text


def test_int_18h_ends_an_emulation(tmp_path: Path) -> None:
    """The disk that is booted after an emulated floppy has given up finds the real drives."""
    gives_up = boot_sector(tmp_path, 'say "UP "\nint $0x18', "up")
    looks = """
        mov     $0x0201, %ax                    # no floppy is in the drive
        mov     $0x8000, %bx
        mov     $1, %cx
        mov     $0, %dx
        int     $0x13
        jnc     stop
        say     "REAL"
        leave
    """
    (tmp_path / "cd.iso").write_bytes(cd_image(gives_up, media=2))
    (tmp_path / "disk.img").write_bytes(boot_sector(tmp_path, looks, "looks"))
    text, status = run("-cdrom", tmp_path / "cd.iso", "-drive", disk(tmp_path / "disk.img"), "-boot", "dc")
    assert status == ALL_DONE and "UP" in text and "REAL" in text, text


READ_ON = """
        mov     $8, %ah
        push    %dx
        int     $0x13
        jc      stop
        cmp     $LAST, %cx
        jne     stop
        pop     %dx
        push    %ds
        pop     %es
        mov     $0x0204, %ax                    # sectors 2 to 5: across blocks of the CD
        mov     $0x8000, %bx
        mov     $2, %cx
        mov     $0, %dh
        int     $0x13
        jc      stop
        cmpw    $0x0202, 0x8000
        jne     stop
        cmpw    $0x0505, 0x87fe
        jne     stop
        say     "READ"
        leave
        jmp     stop
"""


@pytest.mark.parametrize(
    ("media", "last"), [(1, 0x4F0F), (2, 0x4F12), (3, 0x4F24), (4, 0x0309)], ids=["1.2", "1.44", "2.88", "disk"]
)
def test_emulated_drive_is_read_by_int_13h(tmp_path: Path, media: int, last: int) -> None:
    sector = bytearray(boot_sector(tmp_path, READ_ON.replace("LAST", hex(last))))
    sector[451:454] = 1, 9, 3  # where a first partition ends: head, sector, cylinder
    image = cd_image(bytes(sector), media=media)
    for number in range(2, 6):
        at = 20 * BLOCK + (number - 1) * SECTOR
        image[at : at + SECTOR] = bytes([number]) * SECTOR
    (tmp_path / "cd.iso").write_bytes(image)
    text, status = run("-cdrom", tmp_path / "cd.iso", "-boot", "d")
    assert status == ALL_DONE and "READ" in text


INITIATE = """
        mov     $0x4c00, %ax                    # an image that is not there: it comes back
        movl    $9999, lba
        mov     $packet, %si
        int     $0x13
        jnc     stop
        movl    $21, lba
        mov     $0x4a00, %ax                    # a floppy, without boot
        int     $0x13
        jc      stop
        say     "EMULATED "
        mov     $0x0201, %ax                    # its first sector
        mov     $0x8000, %bx
        mov     $1, %cx
        xor     %dx, %dx
        int     $0x13
        jc      stop
        cmpw    $0xaa55, 0x81fe
        jne     stop
        mov     $0x4b01, %ax
        mov     $0, %dl
        mov     $0x9000, %si
        int     $0x13
        jc      stop
        cmpb    $2, 0x9001
        jne     stop
        mov     $0x4d00, %ax
        mov     $command, %si
        int     $0x13
        jc      stop
        cmpw    $0xaa55, 0xa01e
        jne     stop
        say     "CATALOGUE "
        mov     $0x4b00, %ax
        mov     $0x7f, %dl
        mov     $0x9000, %si
        int     $0x13
        jc      stop
        mov     $0x4c00, %ax
        mov     $packet, %si
        int     $0x13
        jmp     stop
packet: .byte   0x13, 2, 0, 0                   # 1.44 MB
lba:    .long   21
        .word   2, 0, 0, 1                      # third IDE unit; load segment, sectors
        .byte   0, 0, 0
command:
        .byte   8, 1
        .word   0xa000, 0, 0
"""


def test_emulation_is_started_by_function_4c(tmp_path: Path, hello: bytes) -> None:
    image = cd_image(boot_sector(tmp_path, INITIATE, "initiate"))
    image[21 * BLOCK : 21 * BLOCK + len(hello)] = hello
    (tmp_path / "cd.iso").write_bytes(image)
    text, status = run("-cdrom", tmp_path / "cd.iso", "-boot", "d")
    assert status == ALL_DONE and "EMULATED CATALOGUE HELLO" in text, text


@pytest.mark.parametrize(
    "wrong",
    [
        {"catalogue": 0x7FFFFFFF},
        {"catalogue": 20},
        {"checksum": 1},
        {"media": 9},
        {"count": 0},
        {"count": 0xFFFF},
        {"segment": 0xF000},
        {"segment": 0x0001},
        {"segment": 0xFFFF, "count": 0xFFFF},
        {"lba": 0xFFFFFFFF},
    ],
    ids=str,
)
def test_damaged_cd_is_passed_over(tmp_path: Path, hello: bytes, wrong: dict[str, int]) -> None:
    (tmp_path / "cd.iso").write_bytes(cd_image(hello, **wrong))
    (tmp_path / "disk.img").write_bytes(hello)
    text, status = run("-cdrom", tmp_path / "cd.iso", "-drive", disk(tmp_path / "disk.img"), "-boot", "dc")
    assert "Boot failed" in text
    assert status == ALL_DONE and "HELLO" in text


@pytest.mark.parametrize("size, length", [(512, 1), (1024, 200), (1024, 0)], ids=["checksum", "too long", "empty"])
def test_damaged_option_rom_is_skipped(tmp_path: Path, hello: bytes, size: int, length: int) -> None:
    (tmp_path / "bad.rom").write_bytes((b"\x55\xaa" + bytes([length])).ljust(size, b"\1"))
    (tmp_path / "disk.img").write_bytes(hello)
    text, status = run("-option-rom", tmp_path / "bad.rom", "-drive", disk(tmp_path / "disk.img"))
    assert status == ALL_DONE and "HELLO" in text
    assert length == 0 or "skipped" in text


def test_image_is_256_kib_with_reset_vector() -> None:
    image = BIOS.read_bytes()
    assert len(image) == 256 << 10
    assert image[-16] == 0xEA and image[-2] == 0xFC
    assert sum(image) & 0xFF == 0
