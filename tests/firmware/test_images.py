"""Firmware images: what their sources make, of a size for ever; the build says by how much one is overfull."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

FIRMWARE = Path(__file__).resolve().parents[2] / "firmware"
IMAGES = FIRMWARE / "images"
# Part of saved states: no later version may change one. A new image is added here.
SIZES = {
    "pyqemu-bios.bin": 262144,
    "pyqemu-vgabios.bin": 49152,
    "pyqemu-vgabios-isa.bin": 49152,
    "linuxboot.bin": 1024,
    "multiboot.bin": 2048,
}
TOOLS = ("make", "gcc", "ld", "objcopy", "nm")


def need_tools(*tools: str) -> None:
    missing = [tool for tool in tools if not shutil.which(tool)]
    if missing:
        pytest.skip(f"needs {', '.join(missing)}")


@pytest.mark.parametrize("name", SIZES)
def test_size_is_for_ever(name: str) -> None:
    assert (IMAGES / name).stat().st_size == SIZES[name]


def test_every_rom_image_has_its_size_written_down() -> None:
    assert {path.name for path in IMAGES.glob("*.bin")} == set(SIZES)


def test_committed_images_are_what_their_sources_make() -> None:
    need_tools(*TOOLS)
    here = subprocess.run(["make", "-s", "-C", FIRMWARE, "toolchain"], capture_output=True, text=True)
    if here.returncode:
        reason = f"another compiler makes other images: {here.stdout.strip()}"
        if os.environ.get("PYQEMU_GUESTS_REQUIRED"):
            pytest.fail(reason)
        pytest.skip(reason)
    done = subprocess.run(["make", "-s", "-C", FIRMWARE, "check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_built_twice_in_different_places_gives_the_same_bytes(tmp_path: Path) -> None:
    need_tools(*TOOLS)
    built = []
    for name in ("one", "another/place"):
        folder = tmp_path / name
        shutil.copytree(FIRMWARE / "bios", folder / "bios")
        shutil.copy(FIRMWARE / "Makefile", folder)
        subprocess.run(["make", "-s", "-C", folder, "PARTS="], check=True, stdout=subprocess.DEVNULL)
        built.append((folder / "images" / "pyqemu-bios.bin").read_bytes())
    assert built[0] == built[1]


@pytest.mark.parametrize(
    ("section", "bytes_used", "message"),
    [
        (".text", 0xE000 + 32, "services (bios16:.text): 32 bytes too large"),
        (".rodata", 0x2000 + 1, "constants (bios16:.rodata): 1 bytes too large"),
    ],
)
def test_build_says_by_how_much_the_code_has_outgrown_its_place(
    tmp_path: Path, section: str, bytes_used: int, message: str
) -> None:
    need_tools(*TOOLS)
    (tmp_path / "big.S").write_text(
        f".section {section}\n.zero {bytes_used}\n.section .text\n.globl reset_vector\n"
    )
    (tmp_path / "post.S").write_text(".text\n.zero 16\n")
    for name, script in (("big", "bios/bios16.ld"), ("post", "bios/post32.ld")):
        subprocess.run(["gcc", "-m32", "-c", "-o", tmp_path / f"{name}.o", tmp_path / f"{name}.S"], check=True)
        link = ["ld", "-m", "elf_i386", "--no-check-sections", "--no-warn-rwx-segments", "-z", "noexecstack", "-n"]
        link += ["--defsym=b16_call16=0", "--defsym=reset_vector=0", "--defsym=_start=0"]
        subprocess.run([*link, "-T", FIRMWARE / script, "-o", tmp_path / name, tmp_path / f"{name}.o"], check=True)
    (tmp_path / "nm").write_text("")
    mkimage = [sys.executable, FIRMWARE / "bios" / "mkimage.py", "image"]
    files = [tmp_path / name for name in ("post", "big", "nm", "out")]
    done = subprocess.run([*mkimage, *files], capture_output=True, text=True)
    assert done.returncode != 0
    assert message in done.stderr
    assert not (tmp_path / "out").exists()
