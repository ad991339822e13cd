"""QEMU's messages and exit codes for 155 command lines, against ours.

``tests/golden/cli-errors.json`` was recorded from QEMU 7.2.22 (Debian 12): ``argv``, ``exit`` ("runs": the
machine started) and what was printed. To renew it, run the same lines with another QEMU and review the diff.
The machine itself is replaced by a double: what only shows when files are opened and chips are built is listed
below as DECIDED_LATER and must reach the machine.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from click.testing import CliRunner

import pyqemu
from pyqemu.cli import qemu_names
from pyqemu.cli.entry import command
from pyqemu.cli.options import OPTIONS
from pyqemu.cli.refused import REFUSED
from pyqemu.core.device import IsaDevice, Prop
from pyqemu.launch import LaunchConfig
from pyqemu.machines import devices

CASES = {
    case["case"]: case
    for case in json.loads((Path(__file__).parent.parent / "golden" / "cli-errors.json").read_text())["cases"]
}

DECIDED_LATER = {
    "m too big": "memory is allocated",
    "m huge host": "memory is allocated",
    "disk missing (positional)": "the image is opened",
    "hda missing": "the image is opened",
    "drive missing file": "the image is opened",
    "drive qcow2 on raw": "the image is opened",
    "drive raw unspecified": "the image is opened",
    "drive same file twice": "the image is opened",
    "drive directory": "the image is opened",
    "drive unreadable perms": "the image is opened",
    "snapshot missing": "the image is opened",
    "loadvm missing": "the snapshots are looked up",
    "loadvm no disk": "the snapshots are looked up",
    "serial file bad dir": "the backend is opened",
    "bios missing": "the firmware is loaded",
    "bios bad size": "the firmware is loaded",
    "bios directory": "the firmware is loaded",
    "bios empty": "the firmware is loaded",
    "kernel missing": "the kernel is loaded",
    "kernel garbage": "the kernel is loaded",
    "initrd missing": "the kernel is loaded",
    "option-rom missing": "the option ROM is loaded",
    "mon chardev notfound": "the backend is opened",
}

DECIDED_LATER |= {
    "pidfile bad": "the pidfile is written",
    "chroot bad": "the machine is built",
    "blockdev missing file": "the image is opened",
    "acpitable missing": "the firmware's items are made",
    "trace bad": "the chips are made, and their events",
}

DIFFERENT = {
    "netdev user bad": "no network",
    "netdev unused": "no network",
    "nic unknown model": "no network",
    "net nic model": "no network",
    "hostfwd bad": "no network",
    "audiodev help": "QEMU names packages of Debian's on stderr",
    "device bad prop": "no e1000",
    "device bad value": "no e1000",
    "device bad addr": "no e1000",
    "device slot busy": "no e1000",
    "device dup id": "no e1000; test_two_devices_with_one_id has another device",
    "device not pluggable": "test_device_of_the_board has another device",
    "device help": "fewer groups",
    "device e1000 help": "no e1000",
    "device netdev notfound": "no e1000",
    "isapc pci device": "no e1000",
    "global bad prop": "no e1000; test_global_with_an_unknown_property has another device",
    "serial stdio + monitor stdio": "QEMU opens the monitor before the serial port, whatever is named first",
    "monitor tcp in use": "no sockets",
    "hda twice": "QEMU opens the first image, and warns about it, before it looks for the second one's place",
    "two disks positional": "as hda twice",
    "L help": "the directory is ours",
    "display gtk missing": "QEMU names a package of Debian's",
    "vga help": "QEMU 7.2 complains about itself on stderr",
    "display help": "QEMU names packages of Debian's on stderr",
    "pflash missing": "no flash",
    "version": "our name and version",
    "help": "our name and version",
    "help2": "our name and version",
    "add-fd bad": "the recording has N for the number",
    "drive format help": "fewer formats",
}


def lacks_an_option(argv: list[str]) -> bool:
    return any(word[:1] == "-" and word.lstrip("-") in set(REFUSED) - set(OPTIONS) for word in argv)


class _DebugExit(IsaDevice, type="isa-debug-exit"):
    iobase = Prop.u32(0x501)
    iosize = Prop.u32(2)


class _Uart(IsaDevice, type="isa-serial"):
    iobase = Prop.u32(0x3F8)


class _Timer(IsaDevice, type="isa-pit"):
    pass


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch) -> Any:
    """``cli(*argv)`` → result with ``.config`` (None if no machine was run)."""
    ran: list[LaunchConfig] = []
    api = ModuleType("pyqemu.api")
    api.run = lambda config: ran.append(config) or 0  # type: ignore[attr-defined,func-returns-value]
    monkeypatch.setitem(sys.modules, "pyqemu.api", api)
    monkeypatch.setattr(pyqemu, "api", api, raising=False)
    types = {"isa-debug-exit": _DebugExit, "isa-serial": _Uart, "isa-pit": _Timer}
    monkeypatch.setattr(devices, "device_types", lambda: types)

    def run(*argv: str) -> Any:
        ran.clear()
        result = CliRunner().invoke(command, list(argv))
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        result.config = ran[0] if ran else None  # type: ignore[attr-defined]
        return result

    return run


def expected(text: str) -> list[str]:
    """QEMU's first line with our names in it; none for no output."""
    return text.replace("qemu-system-x86_64", "pyqemu").replace("pc-i440fx-7.2", "pc-1.0").splitlines()[:1]


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_same_words_and_exit_code_as_qemu(case: dict[str, Any], cli: Any) -> None:
    result = cli(*case["argv"])
    if lacks_an_option(case["argv"]):
        assert result.exit_code == 1
        assert result.stderr.splitlines()[0].endswith(": not supported by pyqemu")
    elif case["case"] in DECIDED_LATER:
        assert result.config is not None, result.stderr
    elif case["case"] in DIFFERENT:
        assert result.config is None or case["case"] == "global bad prop"
        assert result.exit_code == {"global bad prop": 0, "netdev unused": 1}.get(case["case"], case["exit"])
    else:
        assert ("runs" if result.config else result.exit_code) == case["exit"], result.stderr
        assert result.stderr.splitlines()[:1] == expected(case["stderr"])
        if case["exit"] != "runs":
            assert result.stdout.splitlines()[:1] == expected(case.get("stdout_first_line", ""))


def test_every_exception_names_a_case() -> None:
    assert set(CASES) >= set(DECIDED_LATER) | set(DIFFERENT)
    assert not set(DECIDED_LATER) & set(DIFFERENT)


def test_every_option_has_a_name_that_qemu_knows() -> None:
    ours = {"writeconfig", "nodefconfig", "machine-dir"}  # vendors' machine types
    assert set(OPTIONS) - ours <= qemu_names.OPTIONS


# -- devices, with the types that the double knows --------------------------------------------------------


def test_two_devices_with_one_id(cli: Any) -> None:
    result = cli("-device", "isa-debug-exit,id=a", "-device", "isa-debug-exit,id=a")
    assert (result.exit_code, result.stderr) == (
        1,
        "pyqemu: -device isa-debug-exit,id=a: Duplicate ID 'a' for device\n",
    )


def test_device_of_the_board(cli: Any) -> None:
    first = cli("-device", "isa-pit").stderr.splitlines()[0]
    assert first == "pyqemu: -device isa-pit: Parameter 'driver' expects a pluggable device type"


def test_global_with_an_unknown_property(cli: Any) -> None:
    result = cli("-global", "isa-serial.iobas=1")
    assert result.exit_code == 1
    assert result.stderr == (
        "pyqemu: can't apply global isa-serial.iobas=1: Property 'isa-serial.iobas' not found\n"
        "Did you mean 'iobase'?\n"
    )


def test_global_with_a_bad_value(cli: Any) -> None:
    first = cli("-global", "isa-serial.iobase=zz").stderr.splitlines()[0]
    assert first == "pyqemu: can't apply global isa-serial.iobase=zz: Parameter 'iobase' expects uint32"


def test_device_properties_are_checked_and_named(cli: Any) -> None:
    unknown = cli("-device", "isa-debug-exit,iobas=1")
    assert unknown.stderr == (
        "pyqemu: -device isa-debug-exit,iobas=1: Property 'isa-debug-exit.iobas' not found\n"
        "Did you mean 'iobase'?\n"
    )
    bad = cli("-device", "isa-debug-exit,iobase=zz")
    assert bad.stderr.startswith("pyqemu: -device isa-debug-exit,iobase=zz: Parameter 'iobase' expects")


def test_device_reaches_the_machine_as_typed(cli: Any) -> None:
    config = cli("-device", "isa-debug-exit,iobase=0xf4,iosize=0x04,id=e").config
    (device,) = config.devices
    assert (device.driver, device.id) == ("isa-debug-exit", "e")
    assert device.props == {"iobase": "0xf4", "iosize": "0x04"}
    assert device.option == "-device isa-debug-exit,iobase=0xf4,iosize=0x04,id=e"


def test_device_as_json(cli: Any) -> None:
    (device,) = cli("-device", '{"driver": "isa-debug-exit", "iobase": 244}').config.devices
    assert device.props == {"iobase": "244"}


@pytest.mark.parametrize("text", ['{"driver":', "{}", '{"driver": []}', "{" * 5000])
def test_bad_json_is_refused(text: str, cli: Any) -> None:
    result = cli("-device", text)
    assert result.exit_code == 1
    assert result.stderr.startswith("pyqemu: -device ")


def test_device_help_lists_what_can_be_added(cli: Any) -> None:
    assert cli("-device", "help").stdout == (
        'Input devices:\nname "isa-serial", bus ISA\n\nMisc devices:\nname "isa-debug-exit", bus ISA\n\n'
        'Storage devices:\nname "floppy", bus floppy-bus\nname "ide-cd", bus IDE\nname "ide-drive", bus IDE\n'
        'name "ide-hd", bus IDE\n'
    )


def test_help_of_one_device(cli: Any) -> None:
    assert cli("-device", "isa-debug-exit,help").stdout == (
        "isa-debug-exit options:\n"
        "  iobase=<uint32>        -  (default: 1281)\n"
        "  iosize=<uint32>        -  (default: 2)\n"
    )
