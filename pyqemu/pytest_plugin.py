"""Machines in pytest: the fixtures ``vm`` and ``make_vm``.

    @pytest.mark.vm("-m", "64", "disk.img")
    def test_boots(vm):
        vm.expect("login: ")

A failed test's report gets the serial log and the screen of each of its machines, and the path of a screenshot.

Options  ``--vm-args`` or ``vm_args`` in the configuration: options for every machine, before the marker's
         ``--vm-artifacts DIR``: where screenshots and serial logs of failures go; default: pytest's own folder
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pyqemu.scripting import VirtualMachine

SERIAL_BYTES = 64 << 10  # of the serial log in a report

_machines = pytest.StashKey["list[VirtualMachine]"]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("pyqemu")
    group.addoption("--vm-args", default="", help="pyqemu options for every machine of the fixture vm")
    group.addoption("--vm-artifacts", metavar="DIR", help="keep screenshots and serial logs of failed tests here")
    parser.addini("vm_args", "pyqemu options for every machine of the fixture vm", default="")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "vm(*options): pyqemu options for the machine of the fixture vm")


@pytest.fixture
def make_vm(request: pytest.FixtureRequest) -> Iterator[Callable[..., VirtualMachine]]:
    """``make_vm(*options)`` → a started machine, which ends with the test."""
    from pyqemu.scripting import VirtualMachine

    config = request.config
    common = shlex.split(str(config.getini("vm_args"))) + shlex.split(config.getoption("--vm-args"))
    machines = request.node.stash.setdefault(_machines, [])
    with ExitStack() as stack:

        def make(*options: str | Path) -> VirtualMachine:
            machine = stack.enter_context(VirtualMachine(*common, *options))
            machines.append(machine)
            return machine

        yield make


@pytest.fixture
def vm(request: pytest.FixtureRequest, make_vm: Callable[..., VirtualMachine]) -> VirtualMachine:
    """A started machine with the options of the test's ``vm`` marker."""
    marker = request.node.get_closest_marker("vm")
    return make_vm(*(marker.args if marker else ()))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, None]:
    outcome = yield
    report: pytest.TestReport = outcome.get_result()
    if report.failed and call.when == "call":
        machines: list[VirtualMachine] = item.stash.get(_machines, [])
        for number, machine in enumerate(machines):
            report.sections += list(_sections(item, machine, f" {number + 1}" if number else ""))


def _sections(item: pytest.Item, machine: VirtualMachine, which: str) -> Iterator[tuple[str, str]]:
    """What a failure's report says of a machine, which is still there."""
    yield f"pyqemu{which} options", shlex.join(machine.arguments)
    folder = _folder(item)
    if machine.serial is not None:
        log = folder / f"serial{which.strip()}.log"
        log.write_bytes(machine.serial.output)
        yield f"pyqemu{which} serial log ({log})", machine.serial_text[-SERIAL_BYTES:]
    if machine.screen is not None:
        picture = machine.screenshot(folder / f"screen{which.strip()}.png")
        yield f"pyqemu{which} screen ({picture})", machine.screen_text()


def _folder(item: pytest.Item) -> Path:
    """A folder for this test's files."""
    name = "".join(character if character.isalnum() else "_" for character in item.name)[:80]
    wanted = item.config.getoption("--vm-artifacts")
    if wanted:
        folder = Path(wanted) / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder
    factory: pytest.TempPathFactory = item.config._tmp_path_factory  # type: ignore[attr-defined]
    return factory.mktemp(f"vm_{name}")
