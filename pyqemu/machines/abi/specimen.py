"""A machine to look at: built like one that runs, with fixed options and nothing of the host in it.

Options  128 MiB of RAM (the type's default), a 64 MiB IDE disk of zeros, an empty CD-ROM drive, an empty floppy
         drive, one serial and one parallel port that lead nowhere, the clock at 2020-01-01 00:00:00
Firmware the machine type's own images
"""

from __future__ import annotations

from typing import Any

from pyqemu.block import MemoryDrive
from pyqemu.boards.board import Board
from pyqemu.boards.tree import machine_tree
from pyqemu.chardev import NullChardev
from pyqemu.core.clock import Clock
from pyqemu.core.runstate import PowerSwitch
from pyqemu.cpu.cpu_option import parse_cpu
from pyqemu.cpu.models import find_model
from pyqemu.launch import LaunchConfig
from pyqemu.machines.registry import MachineType

START_TIME = 1577836800  # 2020-01-01, a Wednesday
DISK_BYTES = 64 << 20
FLOPPY_BYTES = 1440 << 10


def build(
    machine: MachineType, *, clock: Clock | None = None, power: Any = None, disk: bytes = b"", bios: str = ""
) -> Board:
    """The machine, switched on and not started. *disk*: how its disk, and a floppy disk, begin. Raises ConfigError.

    Close it after use.
    """
    model, features = parse_cpu(machine.default_cpu)
    return Board(
        machine,
        machine_tree(machine),
        LaunchConfig(machine=machine.name, display="none", bios=bios),
        find_model(model, machine.hw_version).with_features(features),
        clock=clock or Clock(source=None),
        power=power or PowerSwitch(lambda: None),
        start_time=START_TIME,
        drives={
            ("ide", 0): MemoryDrive(disk, size=DISK_BYTES),
            ("ide", 2): MemoryDrive(None, media="cdrom"),
            ("floppy", 0): MemoryDrive(disk or None, size=FLOPPY_BYTES),
        },
        serials=[NullChardev()],
        parallels=[NullChardev()],
    )
