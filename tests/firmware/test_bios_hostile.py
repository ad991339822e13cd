"""BIOS services called with random registers: they come back, and write nowhere but where they were told to."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from bios_guest import ALL_DONE, BIOS, BLOCK, HERE, SECTOR, assemble, disk, run

SEEDS = range(1, 1 + int(os.environ.get("PYQEMU_HOSTILE_SEEDS", "3")))
ROUNDS = int(os.environ.get("PYQEMU_HOSTILE_ROUNDS", "4000"))

pytestmark = pytest.mark.skipif(not BIOS.exists() or not shutil.which("gcc"), reason="needs the BIOS image and gcc")


@pytest.mark.parametrize("seed", SEEDS)
def test_random_calls_come_back_and_stay_within_their_buffers(tmp_path: Path, seed: int) -> None:
    symbols = f"-Wa,--defsym,SEED={seed * 2654435761 % (1 << 32)},--defsym,ROUNDS={ROUNDS}"
    program = assemble(HERE / "hostile.S", tmp_path / "hostile.bin", symbols)
    assert len(program) <= 4 * SECTOR
    (tmp_path / "disk.img").write_bytes(program.ljust(8192 * SECTOR, b"\0"))
    (tmp_path / "floppy.img").write_bytes(bytes(1440 << 10))
    (tmp_path / "cd.iso").write_bytes(bytes(512 * BLOCK))
    floppy = f"file={tmp_path / 'floppy.img'},format=raw,if=floppy,snapshot=on"
    drives = ["-drive", disk(tmp_path / "disk.img"), "-drive", floppy, "-cdrom", str(tmp_path / "cd.iso")]
    text, status = run(*drives, seconds=120)
    assert status == ALL_DONE and "SURVIVED" in text, text[-200:]
