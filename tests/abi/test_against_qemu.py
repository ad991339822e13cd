"""What a guest finds on pyqemu and on the real QEMU differs only where it is explained."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import guests
import pytest
import report


@pytest.fixture(scope="module")
def probe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return guests.build("probe", tmp_path_factory.mktemp("probe"))


@pytest.fixture(scope="module")
def comparisons(probe: Path, tmp_path_factory: pytest.TempPathFactory) -> list[report.Comparison]:
    loaded = report.load()
    for comparison in loaded:
        folder = tmp_path_factory.mktemp(comparison.machine)
        report.compare(comparison, guests.run_probe(comparison.machine, probe, folder))
    return loaded


def test_every_difference_is_explained(comparisons: list[report.Comparison]) -> None:
    unexplained = {comparison.machine: comparison.unexplained for comparison in comparisons}
    assert not any(unexplained.values()), unexplained


def test_every_explanation_explains_something(comparisons: list[report.Comparison]) -> None:
    idle = [item.title for comparison in comparisons for item in comparison.explanations if not item.differences]
    assert not idle


def test_every_explanation_is_of_a_known_kind(comparisons: list[report.Comparison]) -> None:
    assert {item.kind for comparison in comparisons for item in comparison.explanations} <= set(report.KINDS)


def test_page_in_docs_is_up_to_date(comparisons: list[report.Comparison]) -> None:
    assert report.PAGE.read_text() == report.page(comparisons), "run tests/abi/report.py"


def test_a_new_difference_would_be_found() -> None:
    comparison = report.load()[0]
    found = report.recorded(comparison.recording)
    report.compare(comparison, {**found, "pci.00.1f.0.cfg.00": "00"})
    assert comparison.unexplained == [("pci.00.1f.0.cfg.00", "absent", "00")]


def test_recordings_are_what_this_probe_prints(probe: Path, tmp_path: Path) -> None:
    """On QEMU 7.2, where it is installed; other versions show other things."""
    if not shutil.which("qemu-system-x86_64"):
        pytest.skip("needs qemu-system-x86_64")
    version = subprocess.run(["qemu-system-x86_64", "--version"], capture_output=True, text=True, check=True)
    if "version 7.2." not in version.stdout:
        pytest.skip("needs QEMU 7.2")
    for comparison in report.load():
        before = report.recorded(comparison.recording)
        now = guests.run_probe(
            comparison.reference,
            probe,
            tmp_path,
            *comparison.options.split(),
            emulator=["qemu-system-x86_64", "-accel", "tcg"],
        )
        assert report.stable(before) == report.stable(now)
