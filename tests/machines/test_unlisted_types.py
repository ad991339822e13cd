"""QEMU's own types are known by name, for moving machines, and are in no list."""

from __future__ import annotations

import pytest

from pyqemu.machines.registry import UNLISTED, Registry
from pyqemu.paths import machines_dir

NAMES = sorted(path.stem for path in (machines_dir() / UNLISTED).glob("*.yaml"))


@pytest.mark.parametrize("name", NAMES)
def test_it_is_found_by_name_and_not_listed(name):
    registry = Registry.load()
    assert not registry.problems
    assert registry.find(name).stream.startswith("qemu")
    assert name not in registry.names()
    assert name not in [kind.name for kind in registry.all()]


def test_there_is_the_oldest_that_qemu_7_2_has():
    assert "pc-i440fx-1.4" in NAMES
