"""The two guests that look at the hardware from inside, built and run.

``probe.asm`` is the whole BIOS and finds the bare hardware; ``tables.asm`` is booted by the machine's firmware and
finds the tables in memory. Both print "key=value" lines on the debug console.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parents[1]
LIMIT_S = 60
DISK_BYTES = 64 << 20

# The fixed options of pyqemu/machines/abi/specimen.py, with a debug console to print on.
OPTIONS = ["-m", "128", "-display", "none", "-monitor", "none", "-serial", "null", "-no-reboot"]
OPTIONS += ["-rtc", "base=2020-01-01T00:00:00", "-global", "isa-debugcon.iobase=0x402"]


def build(name: str, folder: Path) -> Path:
    """Assemble ``NAME.asm``. Skips the test where there is no nasm."""
    if not shutil.which("nasm"):
        pytest.skip("needs nasm")
    image = folder / f"{name}.bin"
    subprocess.run(["nasm", "-f", "bin", "-o", image, HERE / f"{name}.asm"], cwd=HERE, check=True)
    return image


def blank_disk(folder: Path) -> Path:
    disk = folder / "disk.img"
    with disk.open("wb") as file:
        file.truncate(DISK_BYTES)
    return disk


def run_probe(
    machine: str,
    probe: Path,
    folder: Path,
    *options: str,
    bios_bytes: int = 0,
    emulator: list[str] | None = None,
) -> dict[str, str]:
    """What ``probe.asm`` finds on a machine type, by key. *bios_bytes*: make the probe's image as large."""
    bios = folder / "bios.bin"
    bios.write_bytes(probe.read_bytes().rjust(bios_bytes, b"\xff"))
    return _run(machine, folder, blank_disk(folder), "probe.end", ["-bios", str(bios), *options], emulator)


def run_tables(machine: str, program: Path, folder: Path, *options: str) -> dict[str, str]:
    """The tables in memory that ``tables.asm`` finds, as hexadecimal text by name."""
    disk = blank_disk(folder)
    with disk.open("r+b") as file:
        file.write(program.read_bytes())
    return _run(machine, folder, disk, "tables.end", list(options), None)


def _run(
    machine: str, folder: Path, disk: Path, end: str, options: list[str], emulator: list[str] | None
) -> dict[str, str]:
    output = folder / "found.txt"
    output.unlink(missing_ok=True)
    command = [*(emulator or [sys.executable, "-m", "pyqemu"]), "-M", machine, *OPTIONS]
    command += ["-drive", f"file={disk},format=raw,if=ide,index=0", "-debugcon", f"file:{output}", *options]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stderr}"
    found = dict(line.split("=", 1) for line in output.read_text("latin-1").splitlines() if "=" in line)
    assert end in found, (
        f"{' '.join(command)}\nthe guest did not get to its end; the last line was {list(found)[-1:]}"
    )
    return found
