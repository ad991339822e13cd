"""Machines that are built, and perhaps run a little, to be saved and loaded."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pyqemu import migration
from pyqemu.api import VirtualMachine
from pyqemu.launch import LaunchConfig

MACHINES = ("pc-1.0", "pc-next", "isapc")


def config(machine: str = "pc-1.0", **changes: Any) -> LaunchConfig:
    values: dict[str, Any] = {"ram_bytes": 16 << 20, "serials": ["null"], "display": "none"}
    return LaunchConfig(machine=machine, **(values | changes))


def run_for(vm: VirtualMachine, seconds: float) -> None:
    """Let the guest run for a while of the host's time, then stop it."""
    vm.loop.call_later(seconds, vm.interrupt)
    vm.start()
    assert vm.run_on() is None, "the machine ended"
    vm.pause()


def state_of(vm: VirtualMachine, run_state: str = "paused") -> bytes:
    sink = io.BytesIO()
    migration.save_vm(vm, sink, run_state=run_state)
    return sink.getvalue()


@pytest.fixture
def build() -> Iterator[Callable[..., VirtualMachine]]:
    """Makes machines: ``build("isapc", ram_bytes=...)``."""
    made: list[VirtualMachine] = []

    def make(machine: str = "pc-1.0", **changes: Any) -> VirtualMachine:
        made.append(VirtualMachine(config(machine, **changes)))
        return made[-1]

    yield make
    for vm in made:
        vm.close()
