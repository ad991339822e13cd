"""Our own guests: boot sectors in assembly, built with gcc and ld; the micro-benchmark with nasm."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
MICRO = HERE.parent / "benchmarks" / "micro.asm"
SECTOR = 512
BOOT_ADDRESS = "0x7c00"
SOURCES = sorted(HERE.glob("*.S"))


class AssemblyError(Exception):
    """The assembler or linker is missing or refused a source."""


def boot_sector(source: Path, out: Path) -> None:
    """Assemble a boot sector (the source pads and signs itself) into a raw image."""
    with tempfile.TemporaryDirectory() as folder:
        part = Path(folder) / "sector.o"
        _run("gcc", "-m32", "-c", "-I", HERE, "-o", part, source)
        _run("ld", "-m", "elf_i386", "-Ttext", BOOT_ADDRESS, "--oformat", "binary", "-e", "0", "-o", out, part)
    if out.stat().st_size % SECTOR:
        raise AssemblyError(f"{source.name}: {out.stat().st_size} bytes are no whole sectors")


def micro(out: Path) -> None:
    _run("nasm", "-f", "bin", "-o", out, MICRO)


def _run(tool: str, *arguments: str | Path) -> None:
    try:
        done = subprocess.run([tool, *arguments], capture_output=True, text=True, timeout=120)
    except FileNotFoundError:
        raise AssemblyError(f"{tool} is needed and was not found") from None
    if done.returncode:
        raise AssemblyError(f"{tool}: {done.stderr}")
