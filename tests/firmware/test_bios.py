"""The project's BIOS, asked by boot sectors of our own: its services, and boot devices that are damaged.

Needs gcc and binutils for x86; the emulator runs as a process, as a user starts it.
"""

from __future__ import annotations

import os
import re
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parents[1]
BIOS = Path(os.environ.get("PYQEMU_TEST_BIOS") or CHECKOUT / "firmware" / "images" / "pyqemu-bios.bin")
SECTOR, BLOCK = 512, 2048
DISK_SECTORS = 4096
RAM_MIB = 64
ALL_DONE = 0x10 * 2 + 1
SERVICES = re.findall(r"^(?:tests:)?\s+check\s+(\w+)$", (HERE / "services.S").read_text(), re.M)

pytestmark = pytest.mark.skipif(not BIOS.exists() or not shutil.which("gcc"), reason="needs the BIOS image and gcc")

HELLO = """
        .code16
        .globl _start
_start: mov $text - _start + 0x7c00, %si
        xor %ax, %ax
        mov %ax, %ds
1:      lodsb
        test %al, %al
        jz 2f
        mov $0x3f8, %dx
        out %al, %dx
        jmp 1b
2:      mov $0x501, %dx
        mov $0x10, %al
        out %al, %dx
3:      hlt
        jmp 3b
text:   .asciz "HELLO\\n"
        .org 510
        .word 0xaa55
"""


def assemble(source: Path, out: Path, *options: str) -> bytes:
    part = out.with_suffix(".o")
    subprocess.run(["gcc", "-m32", "-c", *options, "-o", part, source], check=True)
    link = ["ld", "-m", "elf_i386", "-Ttext", "0x7c00", "-e", "0x7c00", "--oformat", "binary", "-N"]
    subprocess.run([*link, "-o", out, part], check=True)
    return out.read_bytes()


def emulator(*arguments: str | Path) -> list[str]:
    override = os.environ.get("PYQEMU_BOOT_COMMAND")
    command = override.split() if override else [sys.executable, "-m", "pyqemu", "-M", "pc-1.0"]
    options = ["-m", RAM_MIB, "-bios", BIOS, "-nographic", "-device", "isa-debug-exit,iobase=0x501", *arguments]
    return [*command, *map(str, options)]


def run(*arguments: str | Path, stop: str = "", seconds: float = 30) -> tuple[str, int | None]:
    """Output and exit status; with *stop*, until that text has come (then the status is None)."""
    process = subprocess.Popen(
        emulator(*arguments),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=CHECKOUT,
    )
    assert process.stdout
    os.set_blocking(process.stdout.fileno(), False)
    text = ""
    try:
        for _ in range(int(seconds * 20)):
            text += (process.stdout.read() or b"").decode("latin-1")
            if stop and stop in text:
                return text, None
            try:
                status = process.wait(0.05)
            except subprocess.TimeoutExpired:
                continue
            return text + (process.stdout.read() or b"").decode("latin-1"), status
        pytest.fail(f"no end within {seconds} s:\n{text}")
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def disk(path: Path) -> str:
    return f"file={path},format=raw,if=ide,snapshot=on"


@pytest.fixture(scope="module")
def hello(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("hello")
    (folder / "hello.S").write_text(HELLO)
    return assemble(folder / "hello.S", folder / "hello.bin")


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


def test_image_is_128_kib_with_reset_vector() -> None:
    image = BIOS.read_bytes()
    assert len(image) == 128 << 10
    assert image[-16] == 0xEA and image[-2] == 0xFC
    assert sum(image) & 0xFF == 0
