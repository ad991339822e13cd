"""Machines to command, that never run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from monitor.clients import QmpClient

from pyqemu.api import VirtualMachine
from pyqemu.launch import DriveConfig, LaunchConfig
from pyqemu.monitor.hmp import Shell

DISK_BYTES = 4 << 20


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    path = tmp_path / "disk.img"
    path.write_bytes(bytes(DISK_BYTES))
    return path


@pytest.fixture
def machine() -> Iterator[Callable[..., VirtualMachine]]:
    """``machine(option=value…)`` → a machine, closed after the test."""
    with ExitStack() as stack:

        def build(**options: Any) -> VirtualMachine:
            vm = VirtualMachine(LaunchConfig(**{"machine": "pc-1.0", "ram_bytes": 16 << 20} | options))
            stack.callback(vm.close)
            return vm

        yield build


@pytest.fixture
def vm(machine: Callable[..., VirtualMachine], disk: Path) -> VirtualMachine:
    """With a hard disk, an empty CD-ROM drive and an empty floppy drive."""
    return machine(drives=[DriveConfig(str(disk), format="raw")])


@pytest.fixture
def qmp(vm: VirtualMachine) -> QmpClient:
    return QmpClient(vm)


@pytest.fixture
def hmp(vm: VirtualMachine) -> Callable[[str], str]:
    """``hmp(line)`` → what the command prints."""
    return Shell(vm).run_line
