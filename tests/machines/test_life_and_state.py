"""Life of a type and its saved state: what a deprecated type promises, it still does."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pyqemu import migration
from pyqemu.api import VirtualMachine
from pyqemu.core.errors import ConfigError
from pyqemu.launch import LaunchConfig
from pyqemu.machines import registry


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str], VirtualMachine]]:
    """``start(name, version)`` → a machine of that type, as that version of pyqemu builds it."""
    bios = tmp_path / "bios.bin"
    bios.write_bytes(b"\xf4" * 65536)
    built: list[VirtualMachine] = []

    def start_one(name: str, version: str) -> VirtualMachine:
        monkeypatch.setattr(registry, "__version__", version)
        built.append(VirtualMachine(LaunchConfig(machine=name, bios=str(bios), ram_bytes=4 << 20, nodefaults=True)))
        return built[-1]

    yield start_one
    for vm in built:
        vm.close()


def state(vm: VirtualMachine) -> bytes:
    sink = io.BytesIO()
    migration.save_vm(vm, sink)
    return sink.getvalue()


@pytest.mark.parametrize("name", ["pc-1.0", "pc-0.12"])
@pytest.mark.parametrize(("older", "newer"), [("1.1.0", "2.7.0"), ("1.1.0", "3.2.0"), ("2.0.0", "3.0.0")])
def test_state_goes_both_ways_between_the_releases_that_know_a_type(
    name: str, older: str, newer: str, start: Callable[[str, str], VirtualMachine]
) -> None:
    """Deprecated in 3.x, it loads what 1.x and 2.x have saved; and they load what 3.x saves."""
    for source_version, target_version in ((older, newer), (newer, older)):
        source = start(name, source_version)
        assert source.board
        source.board.isa.ports.write(0x70, 1, 0x40)
        source.board.isa.ports.write(0x71, 1, 0x5A)  # a byte of the CMOS
        target = start(name, target_version)
        migration.load_vm(target, io.BytesIO(state(source)))
        assert target.board
        target.board.isa.ports.write(0x70, 1, 0x40)
        assert target.board.isa.ports.read(0x71, 1) == 0x5A


def test_a_removed_type_does_not_start(start: Callable[[str, str], VirtualMachine]) -> None:
    with pytest.raises(ConfigError, match=r"^machine type 'pc-0\.12' is past its life"):
        start("pc-0.12", "4.0.0")
    assert start("pc-next", "4.0.0").machine.name == "pc-next"


def test_what_the_command_line_has_looked_up_is_not_looked_up_again(
    start: Callable[[str, str], VirtualMachine], monkeypatch: pytest.MonkeyPatch
) -> None:
    from pyqemu.cli.options import parse

    config = parse(["-M", "pc-0.15", "-m", "4", "-nodefaults", "-display", "none"])
    monkeypatch.setattr(registry.Registry, "load", None)
    vm = VirtualMachine(config)
    vm.close()
    assert vm.machine is config.found and vm.machine.name == "pc-0.15"
    monkeypatch.undo()
    config.machine = "isapc"  # changed by hand afterwards: what it says counts
    config.cpu = None
    vm = VirtualMachine(config)
    vm.close()
    assert vm.machine.name == "isapc"
