"""Directories of machine types to try things in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from shutil import copytree

import pytest

from pyqemu.machines import registry
from pyqemu.paths import machines_dir

Write = Callable[..., Path]


@pytest.fixture(autouse=True)
def no_other_types(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the host has installed stays out of the tests."""
    monkeypatch.setattr(registry, "SYSTEM_DIR", Path("/nonexistent/machines.d"))
    monkeypatch.delenv(registry.PATH_VARIABLE, raising=False)


@pytest.fixture
def ours(tmp_path: Path) -> Path:
    """A copy of our machine types."""
    return copytree(machines_dir(), tmp_path / "ours", ignore=lambda folder, names: {"__pycache__"} & set(names))


@pytest.fixture
def builtin(tmp_path: Path) -> Path:
    """A built-in directory with the policy and the boards, but no types."""
    folder = copytree(machines_dir(), tmp_path / "builtin")
    for path in folder.glob("*.yaml"):
        if path.name != "policy.yaml":
            path.unlink()
    return folder


@pytest.fixture
def write(builtin: Path) -> Write:
    """``write("name", "board: pc", …)`` → the built-in directory, with a file of these lines."""

    def write_file(name: str, *lines: str) -> Path:
        (builtin / f"{name}.yaml").write_text("\n".join([f"name: {name}", *lines]))
        return builtin

    return write_file


@pytest.fixture
def vendor(tmp_path: Path) -> Write:
    """The same, for a vendor's directory."""
    folder = tmp_path / "vendor"
    folder.mkdir()

    def write_file(name: str, *lines: str) -> Path:
        (folder / f"{name}.yaml").write_text("\n".join([f"name: {name}", *lines]))
        return folder

    return write_file
