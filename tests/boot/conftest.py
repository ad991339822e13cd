"""Fixtures of the boot tests: guests by name, and emulators that end with the test."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from emulator import GUESTS, Emulator


@pytest.fixture
def guest(tmp_path: Path) -> Callable[..., Path]:
    """The path of a guest's file; with ``copy=True`` of a copy that the test may change."""

    def find(name: str, copy: bool = False) -> Path:
        path = GUESTS / name
        if not path.exists():
            reason = f"guest {name} is not there: make guests"
            if os.environ.get("PYQEMU_GUESTS_REQUIRED"):
                pytest.fail(reason)
            pytest.skip(reason)
        return Path(shutil.copyfile(path, tmp_path / name)) if copy else path

    return find


@pytest.fixture
def boot() -> Iterator[Callable[..., Emulator]]:
    """Start an emulator with the given arguments."""
    with ExitStack() as running:
        yield lambda *arguments, **options: running.enter_context(Emulator(*arguments, **options))
