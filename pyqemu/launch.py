"""What to run: a machine and its options, as plain data.

The command line makes one of these and ``pyqemu.api`` runs it; Python code may fill one in by hand. Nothing
here opens a file or checks more than types: the parts that use a value check it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from datetime import datetime


@dataclass
class DriveConfig:
    """One drive. *file* empty means a drive without a medium (CD-ROM and floppy only).

    ``interface`` "none" is a drive that no controller of the board takes (``if=none``); a device asks for it
    by ``id``. ``index`` is ``bus * 2 + unit``. ``format`` empty means "look at the image". ``option`` is what
    the user typed, for messages (``-hda disk.img``; for a bare image its name).
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
    option: str = ""


@dataclass
class BootConfig:
    """``order`` and ``once`` are QEMU's drive letters; empty means the machine's own order."""

    order: str = ""
    once: str = ""
    menu: bool = False
    splash_time: int | None = None  # milliseconds
    strict: bool = False


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
class GlobalConfig:
    """One ``-global``: a property for every device of a type."""

    driver: str
    property: str
    value: str


@dataclass
class LaunchConfig:
    """A machine to run. None for ``ram_bytes`` and ``cpu`` means the machine type's default, an empty
    ``machine`` the default type; the command line fills all three in."""

    machine: str = ""
    machine_props: dict[str, str] = field(default_factory=dict)
    ram_bytes: int | None = None
    cpu: str | None = None  # as typed: "qemu64,+sse3,-nx,level=4"
    smp: int = 1
    drives: list[DriveConfig] = field(default_factory=list)
    boot: BootConfig = field(default_factory=BootConfig)
    kernel: str = ""
    initrd: str = ""
    append: str = ""
    bios: str = ""
    firmware_dirs: list[str] = field(default_factory=list)  # -L, searched before our own
    option_roms: list[str] = field(default_factory=list)
    vga: Literal["std", "none"] | None = None  # None: the machine type's default
    devices: list[DeviceConfig] = field(default_factory=list)
    globals: list[GlobalConfig] = field(default_factory=list)
    serials: list[str] = field(default_factory=list)  # empty: the default for the display in use
    parallels: list[str] = field(default_factory=list)
    debugcon: str = ""
    monitor: str = ""  # empty: the default
    display: Literal["curses", "none"] | None = None
    nographic: bool = False
    no_reboot: bool = False
    no_shutdown: bool = False
    rtc: RtcConfig = field(default_factory=RtcConfig)
    name: str = ""
    process_name: str = ""
    log_categories: list[str] = field(default_factory=list)
    log_file: str = ""
    nodefaults: bool = False
    snapshot: bool = False  # already in each drive's ``snapshot``
    start_paused: bool = False
