"""The fixtures, and what a failed test says of its machine."""

from __future__ import annotations

from pathlib import Path

import pytest
from process.program import HALTED, PATIENCE, assemble

pytest_plugins = ["pytester"]

TESTS = """
import pytest

@pytest.mark.vm("-m", "16", "-bios", {bios!r})
def test_passes(vm):
    vm.expect("ready", {seconds})

@pytest.mark.vm("-m", "16", "-bios", {bios!r})
def test_fails(vm):
    vm.expect("ready", {seconds})
    assert vm.hmp("info status") == "nonsense"

def test_two(make_vm):
    first, second = make_vm("-m", "16", "-S"), make_vm("-m", "24", "-S")
    assert first.board.ram_bytes < second.board.ram_bytes
    assert not first.board.ram_bytes
"""


def test_a_failure_report_has_serial_log_and_screenshot(pytester: pytest.Pytester, tmp_path: Path) -> None:
    bios = str(assemble(tmp_path / "bios.bin", HALTED))
    pytester.makepyfile(TESTS.format(bios=bios, seconds=20 * PATIENCE))
    artifacts = tmp_path / "artifacts"
    result = pytester.runpytest_subprocess(f"--vm-artifacts={artifacts}", "-p", "no:cacheprovider")
    result.assert_outcomes(passed=1, failed=2)
    result.stdout.fnmatch_lines(["*pyqemu serial log*serial.log*", "ready", "*pyqemu screen*screen.png*"])
    assert (artifacts / "test_fails" / "serial.log").read_bytes() == b"ready\n"
    assert (artifacts / "test_fails" / "screen.png").read_bytes().startswith(b"\x89PNG")
    assert not (artifacts / "test_passes").exists()
    result.stdout.fnmatch_lines(["*pyqemu 2 options*", "-m 24 -S"])
