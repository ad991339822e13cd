"""Long saves and loads as the user at the terminal sees them."""

from __future__ import annotations

from pathlib import Path

import pytest
from process.program import HALTED, Program, assemble, wait_for


@pytest.fixture
def bios(tmp_path: Path) -> Path:
    return assemble(tmp_path / "bios.bin", HALTED)


@pytest.fixture
def state(tmp_path: Path, bios: Path) -> Path:
    """A saved machine."""
    path = tmp_path / "state"
    words = ["-bios", bios, "-display", "none", "-S", "-monitor", "stdio"]
    with Program(*words, terminal=True, errors_too=True) as program:
        program.wait(r"\(qemu\)")
        program.type(f"migrate exec:cat>{path}\r".encode())
        program.wait(r"\(qemu\)[^$]*\(qemu\)")
        assert "Migrating" not in program.text  # it was quick
        program.type(b"quit\r")
        assert program.status() == 0
    return path


@pytest.mark.parametrize("terminal", [True, False])
def test_a_slow_load_shows_a_bar_to_people_only(tmp_path: Path, bios: Path, state: Path, terminal: bool) -> None:
    slow = f"exec:(head -c 20000; sleep 1.5; cat; touch {tmp_path}/loaded) < {state}"
    words = ["-bios", bios, "-display", "none", "-incoming", slow]
    with Program(*words, terminal=terminal, errors_too=True) as program:
        wait_for((tmp_path / "loaded").exists, "it loads")
        program.end()
    assert ("Loading" in program.text) == terminal


def test_a_slow_migration_shows_a_bar_where_it_was_asked_for(bios: Path) -> None:
    words = ["-bios", bios, "-display", "none", "-S", "-monitor", "stdio"]
    with Program(*words, terminal=True, errors_too=True) as program:
        program.wait(r"\(qemu\)")
        program.type(b"migrate_set_parameter max-bandwidth 10k\rmigrate exec:cat>/dev/null\r")
        program.wait("Migrating.*MiB")
