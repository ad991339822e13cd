"""Damaged streams: what a million executions of ``fuzz.py`` found interesting, and some new ones."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from migration.fuzz import CORPUS, read_corpus

PROGRAM = Path(__file__).with_name("fuzz.py")
TESTS = PROGRAM.parents[1]
RUNS = 1000


def fuzz(folder: Path, *options: str, program: Path | str = PROGRAM) -> subprocess.CompletedProcess[str]:
    """In a process of its own, as the target replaces parts of the loader's view of a machine."""
    path = os.pathsep.join(str(part) for part in (TESTS, TESTS.parent))
    return subprocess.run(
        [sys.executable, program, *options],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("runs", [pytest.param(RUNS), pytest.param(50 * RUNS, marks=pytest.mark.full)])
def test_the_corpus_and_new_damage(runs, tmp_path):
    assert len(read_corpus()) > 50, f"{CORPUS} is not there"
    done = fuzz(tmp_path, "--runs", str(len(read_corpus()) + runs), "--seed", str(runs))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "executions" in done.stdout


def test_the_fuzzer_notices_a_loader_that_breaks_the_rules(tmp_path):
    broken = tmp_path / "broken.py"
    broken.write_text(
        "import sys\n"
        "from migration import fuzz\n"
        "from pyqemu.migration import load\n"
        "read = load.Loader.read\n"
        "def fragile(loader):\n"
        "    try:\n"
        "        read(loader)\n"
        "    except load.MigrationError:\n"
        "        raise KeyError from None\n"
        "load.Loader.read = fragile\n"
        "sys.exit(fuzz.main())\n"
    )
    done = fuzz(tmp_path, "--runs", "1000", program=broken)
    assert done.returncode == 1
    assert "KeyError" in done.stderr and list(tmp_path.glob("crash-*"))
