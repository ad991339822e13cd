"""A Multiboot kernel of ours boots with two modules and prints what it was given.

Needs gcc and binutils for x86; the emulator runs as a process, as a user starts it. With $PYQEMU_BOOT_COMMAND
(qemu-system-x86_64 -M pc-i440fx-1.4) the same holds, but for the section headers and the loader's name.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).with_name("multiboot_guest.c")
CHECKOUT = SOURCE.parents[2]
SEABIOS = "/usr/share/seabios/bios.bin"
PATIENCE = float(os.environ.get("PYQEMU_BOOT_PATIENCE", "1"))
RAM_MIB = 64
OVERRIDE = shlex.split(os.environ.get("PYQEMU_BOOT_COMMAND", ""))
CFLAGS = ("-m32", "-O1", "-ffreestanding", "-fno-pic", "-fno-stack-protector", "-fno-asynchronous-unwind-tables")
LDFLAGS = ("-m", "elf_i386", "-n", "-z", "noexecstack", "--no-warn-rwx-segments", "-e", "start")
PLACES = ("--section-start=.header=0x100000", "-Ttext=0x101000")

pytestmark = pytest.mark.skipif(not shutil.which("gcc"), reason="needs gcc")


@pytest.fixture(scope="module")
def kernels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the kernel in both forms, and two modules."""
    folder = tmp_path_factory.mktemp("multiboot")

    def build(name: str, *options: str) -> None:
        subprocess.run(["gcc", *CFLAGS, *options, "-c", "-o", folder / "guest.o", SOURCE], check=True)
        subprocess.run(["ld", *LDFLAGS, *PLACES, "-o", folder / name, folder / "guest.o"], check=True)

    build("flat.elf", "-DFLAT", "-DHEADER_FLAGS=4")
    subprocess.run(["objcopy", "-O", "binary", folder / "flat.elf", folder / "flat"], check=True)
    build("elf")
    (folder / "first").write_bytes(b"the first module")
    (folder / "second").write_bytes(b"0123456789" * 1000)
    return folder


def run(folder: Path, *arguments: str) -> tuple[str, str]:
    """What the kernel printed, and standard error."""
    command = OVERRIDE or [sys.executable, "-m", "pyqemu"]
    options = ("-m", str(RAM_MIB), "-nographic", "-device", "isa-debug-exit,iobase=0x501")
    done = subprocess.run(
        [*command, *options, *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(CHECKOUT)},
        timeout=60 * PATIENCE,
    )
    assert done.returncode == 33, done
    return done.stdout.decode("latin-1").replace("\r", ""), done.stderr.decode()


def facts(text: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in re.findall(r"(\w+)=(.*)", text):
        found.setdefault(name, []).append(value)
    return found


@pytest.mark.parametrize("machine", ["pc-1.0", "pc-next", "isapc"])
@pytest.mark.parametrize("bios", [SEABIOS, "pyqemu-bios.bin"], ids=["seabios", "ours"])
def test_elf_kernel_with_two_modules(machine: str, bios: str, kernels: Path) -> None:
    if bios == SEABIOS and not Path(SEABIOS).exists():
        pytest.skip("needs SeaBIOS")
    options = () if OVERRIDE else ("-M", machine, "-bios", bios)
    text, _ = run(kernels, *options, "-kernel", "elf", "-initrd", "first a=1 b,second", "-append", "hello world")
    seen = facts(text)
    assert seen["magic"] == ["2badb002"]
    assert (seen["interrupts"], seen["paging"], seen["a20"]) == (["00000000"], ["00000000"], ["00000001"])
    assert seen["dirt"] == ["00000000"], "zero-initialised data is zero"
    assert seen["line"] == ["'elf hello world'"] and seen["device"] == ["8000ffff"]
    assert seen["module"] == ["'first a=1 b'", "'second'"]
    assert seen["content"] == ["the first module", ("0123456789" * 4)]
    assert [int(size, 16) for size in seen["size"]] == [16, 10000]
    assert all(start.endswith("000") for start in seen["start"]), "on pages of their own"
    assert int(seen["lower"][0], 16) == 639
    ranges = zip(seen["base"], seen["length"], seen["kind"], strict=True)
    (above,) = [length for base, length, kind in ranges if (base, kind) == ("00100000", "00000001")]
    assert int(above, 16) == int(seen["upper"][0], 16) * 1024, "mem_upper is what the map says"
    assert (RAM_MIB - 2) * 1024 < int(seen["upper"][0], 16) <= (RAM_MIB - 1) * 1024
    if not OVERRIDE:
        assert seen["loader"] == ["'pyqemu'"] and seen["flags"] == ["0000026f"]
        assert "symbols found" in text


def test_kernel_with_addresses_in_its_header(kernels: Path) -> None:
    text, errors = run(kernels, "-kernel", "flat")
    assert facts(text)["line"] == ["'flat '"] and "symbols found" not in text
    assert "multiboot knows VBE. we don't" in errors
