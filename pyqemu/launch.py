"""What to run: a machine and its options, as plain data.

The command line makes one of these and ``pyqemu.api`` runs it; Python code may fill one in by hand. Nothing
here opens a file or checks more than types: the parts that use a value check it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from pyqemu.machines.registry import MachineType


@dataclass
class DriveConfig:
    """One drive. *file* empty means a drive without a medium (CD-ROM and floppy only).

    ``interface`` "none" is a drive that no controller of the board takes (``if=none``); a device asks for it
    by ``id``; with ``node`` it holds that node of a ``-blockdev``. ``index`` is ``bus * 2 + unit``. ``format``
    empty means "look at the image". ``option`` is what the user typed, for messages (``-hda disk.img``; for a
    bare image its name).
    """

    file: str
    interface: Literal["ide", "floppy", "none"] = "ide"
    bus: int = 0
    unit: int = 0
    index: int = 0
    media: Literal["disk", "cdrom"] = "disk"
    format: str = ""
    snapshot: bool = False
    read_only: bool = False
    serial: str = ""
    cache: str = "writeback"
    id: str = ""
    node: str = ""
    has_name: bool = True  # of its own, for monitors; else they know it by its device
    option: str = ""
    device_id: str = ""  # of the -device that the drive is in
    bootindex: int | None = None  # small ones are booted first


@dataclass
class BlockdevConfig:
    """One ``-blockdev``: the options of a node, as ``pyqemu.block.graph`` takes them, and the option's text."""

    options: dict[str, Any]
    option: str = ""


@dataclass
class BootConfig:
    """``order`` and ``once`` are QEMU's drive letters; empty means the machine's own order."""

    order: str = ""
    once: str = ""
    menu: bool = False
    splash_time: int | None = None  # milliseconds
    strict: bool = False
    reboot_timeout: int = -1  # milliseconds until a machine without a boot device restarts; -1: never


@dataclass
class RtcConfig:
    """``base``: where the clock starts. ``clock``: what drives it (host, rt, vm)."""

    base: datetime | Literal["utc", "localtime"] = "utc"
    clock: Literal["host", "rt", "vm"] = "host"
    driftfix: Literal["none", "slew"] = "none"


@dataclass
class DeviceConfig:
    """One ``-device``: a type, its properties as typed, and the option's text for messages."""

    driver: str
    props: dict[str, str] = field(default_factory=dict)
    id: str = ""
    option: str = ""


@dataclass
class ChardevConfig:
    """One ``-chardev``: a backend, its options as typed, and the option's text for messages."""

    backend: str
    id: str
    values: dict[str, str] = field(default_factory=dict)
    option: str = ""


def parse_devfn(text: str) -> int:
    """The PCI device number and function of ``addr=2`` or ``addr=0x2.1``, as one number; -1: it is none."""
    slot, dot, function = text.partition(".")
    try:
        numbers = int(slot, 16), int(function, 16) if dot else 0
    except ValueError:
        return -1
    return numbers[0] << 3 | numbers[1] if 0 <= numbers[0] < 32 and 0 <= numbers[1] < 8 else -1


@dataclass
class GlobalConfig:
    """One ``-global``: a property for every device of a type."""

    driver: str
    property: str
    value: str


@dataclass
class MonitorConfig:
    """One monitor. ``chardev`` as ``-serial`` takes it, or ``chardev:ID`` for one of ``-chardev``; ``mode``
    "control" is QMP, ``pretty`` its indented form. ``option`` is what the user typed, for messages."""

    chardev: str
    mode: Literal["readline", "control"] = "readline"
    pretty: bool = False
    option: str = ""


@dataclass
class FirmwareItem:
    """One ``-fw_cfg``, ``-smbios`` or ``-acpitable``: its values, and the option's text for messages."""

    values: dict[str, str]
    option: str = ""


@dataclass
class ProcessConfig:
    """What our own process does. *user* and *group* are numbers; None: stay who we are."""

    daemonize: bool = False
    pidfile: str = ""
    chroot: str = ""
    user: int | None = None
    group: int | None = None


@dataclass
class TraceConfig:
    """``-trace``: events whose names *pattern* fits (``*`` stands for anything) are told about, or not."""

    pattern: str
    on: bool = True
    option: str = ""  # as typed


@dataclass
class LaunchConfig:
    """A machine to run. None for ``ram_bytes`` and ``cpu`` means the machine type's default, an empty
    ``machine`` the default type; the command line fills all three in."""

    machine: str = ""
    machine_props: dict[str, str] = field(default_factory=dict)
    machine_dirs: list[str] = field(default_factory=list)  # vendors' types, besides the system's
    found: MachineType | None = field(default=None, compare=False, repr=False)  # ``machine``, if it was looked up
    ram_bytes: int | None = None
    cpu: str | None = None  # as typed: "qemu64,+sse3,-nx,level=4"
    smp: int = 1
    blockdevs: list[BlockdevConfig] = field(default_factory=list)
    drives: list[DriveConfig] = field(default_factory=list)
    boot: BootConfig = field(default_factory=BootConfig)
    kernel: str = ""
    initrd: str = ""
    append: str = ""
    demo: bool = False  # boot our demo guest, unless there is a kernel
    bios: str = ""
    firmware_dirs: list[str] = field(default_factory=list)  # -L, searched before our own
    option_roms: list[str] = field(default_factory=list)
    uuid: UUID | None = None
    fw_cfg: list[FirmwareItem] = field(default_factory=list)
    smbios: list[FirmwareItem] = field(default_factory=list)
    acpi_tables: list[FirmwareItem] = field(default_factory=list)
    vga: Literal["std", "none"] | None = None  # None: the machine type's default
    devices: list[DeviceConfig] = field(default_factory=list)
    globals: list[GlobalConfig] = field(default_factory=list)
    chardevs: list[ChardevConfig] = field(default_factory=list)
    escape: int = 0x01  # the key before a command to us, where several share a terminal
    serials: list[str] = field(default_factory=list)  # empty: the default for the display in use
    parallels: list[str] = field(default_factory=list)
    debugcon: str = ""
    monitors: list[MonitorConfig] = field(default_factory=list)
    no_default_monitor: bool = False  # options have named monitors, or none
    display: Literal["curses", "none"] | None = None
    nographic: bool = False
    no_reboot: bool = False
    no_shutdown: bool = False
    panic_action: Literal["pause", "shutdown", "exit-failure", "none"] = "shutdown"
    process: ProcessConfig = field(default_factory=ProcessConfig)
    rtc: RtcConfig = field(default_factory=RtcConfig)
    name: str = ""
    process_name: str = ""
    log_categories: list[str] = field(default_factory=list)
    log_file: str = ""
    traces: list[TraceConfig] = field(default_factory=list)
    nodefaults: bool = False
    snapshot: bool = False  # already in each drive's ``snapshot``
    start_paused: bool = False
    incoming: str = ""  # where the state comes from: -incoming's URI
    load_snapshot: str = ""  # -loadvm
