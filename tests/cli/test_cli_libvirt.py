"""Command lines that libvirt 9.0 writes: which are understood, and which ask for hardware that is not there.

``tests/golden/libvirt-argv.json`` was recorded from libvirt 9.0.0 driving QEMU 7.2: a base command line, and for
each fragment of domain XML what it adds and replaces. To renew it, record again and review the diff. The recording
is a difference, so the order of -blockdev has to be made up again: a node before the one that stands on it.
"""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from pyqemu.cli.options import parse
from pyqemu.core.errors import ConfigError
from pyqemu.launch import LaunchConfig

RECORDING = json.loads((Path(__file__).parents[1] / "golden" / "libvirt-argv.json").read_text())
CASES = {case["case"]: case for case in RECORDING["cases"] if "error" not in case}

REFUSED = {
    "serial dev": "the backend 'serial' is not supported by pyqemu",
    "pflash": "Property 'pc-1.0-machine.pflash0'",
    "qcow2 disk": "the block driver 'qcow2' is not supported by pyqemu",
    "disk iotune geometry": "the property 'cyls' is not supported by pyqemu",
    "block dev": "the block driver 'host_device' is not supported by pyqemu",
    "dir vvfat": "the block driver 'vvfat' is not supported by pyqemu",
    "vnc": "-vnc: not supported by pyqemu",
    "vnc unix": "-vnc: not supported by pyqemu",
    "vnc passwd ws keymap": "-vnc: not supported by pyqemu",
    "vnc cirrus": "-vnc: not supported by pyqemu",
    "sdl": "-display sdl: not supported by pyqemu",
    "spice": "-spice: not supported by pyqemu",
    "bochs": "the device 'bochs-display' is not supported by pyqemu",
    "sound": "-soundhw: not supported by pyqemu",
    "watchdog": "the device 'ib700' is not supported by pyqemu",
    "watchdog i6300": "the device 'i6300esb' is not supported by pyqemu",
    "rng": "the object 'rng-random' is not supported by pyqemu",
    "clock timers": "Property 'qemu64-x86_64-cpu.kvmclock' not found",
    "cpu max": "CPU model 'max' is not supported by pyqemu",
    "cpu topology": "more than one CPU is not supported by pyqemu",
    "smp4 current1": "more than one CPU is not supported by pyqemu",
    "virtio-serial console": "the device 'virtio-serial-pci' is not supported by pyqemu",
    "hugepages": "mem-lock=on is not supported by pyqemu",
    "scsi lsi": "the device 'lsi' is not supported by pyqemu",
    "ahci": "the device 'ahci' is not supported by pyqemu",
    "vsock/ivshmem": "the object 'memory-backend-file' is not supported by pyqemu",
}


def pairs(words: list[str]) -> list[tuple[str, ...]]:
    """Options with their values."""
    made: list[tuple[str, ...]] = []
    for word in words:
        if word.startswith("-") or not made:
            made.append((word,))
        else:
            made[-1] += (word,)
    return made


def arguments(case: dict[str, Any]) -> list[str]:
    options = pairs(shlex.split(RECORDING["base"])[1:])
    for text in case.get("replaces", []):
        options.remove(tuple(text.split(" ", 1)))
    options += [tuple(text.split(" ", 1)) for text in case.get("adds", []) if text.startswith("-")]
    nodes = [option for option in options if option[0] == "-blockdev"]
    nodes.sort(key=lambda option: '"file":"' in option[1])
    devices = [option for option in options if option[0] == "-device"]
    others = [option for option in options if option not in nodes and option not in devices]
    return [word.replace("pc-i440fx-7.2", "pc-1.0") for option in (*others, *nodes, *devices) for word in option]


def test_the_base_is_a_machine_with_a_disk_and_a_monitor() -> None:
    config = parse(arguments({}))
    (drive,) = config.drives
    assert (drive.file, drive.format, drive.interface, drive.index) == ("/images/disk.img", "raw", "ide", 0)
    assert (drive.id, drive.device_id, drive.bootindex) == ("libvirt-1-format", "ide0-0-0", 1)
    assert config.chardevs[0].values["path"].endswith("monitor.sock")
    assert [(monitor.chardev, monitor.mode) for monitor in config.monitors] == [("chardev:charmonitor", "control")]
    assert config.start_paused and config.no_shutdown and config.nodefaults
    assert str(config.uuid) == "11111111-2222-3333-4444-555555555555"


@pytest.mark.parametrize("name", CASES)
def test_libvirts_lines_are_understood_or_refused_for_what_they_ask(name: str) -> None:
    case = CASES[name]
    if name in REFUSED:
        with pytest.raises(ConfigError) as caught:
            parse(arguments(case))
        assert REFUSED[name] in str(caught.value)
    else:
        assert isinstance(parse(arguments(case)), LaunchConfig)


def test_four_disks_are_where_libvirt_wants_them() -> None:
    config = parse(arguments(CASES["4 ide disks"]))
    assert {drive.device_id: (drive.file, drive.index) for drive in config.drives} == {
        "ide0-0-0": ("/tmp/sa.img", 0),
        "ide0-0-1": ("/tmp/sb.img", 1),
        "ide0-1-0": ("/tmp/sc.img", 2),
        "ide0-1-1": ("/tmp/sd.img", 3),
    }
