"""The demo guest (``firmware/demo``): what a machine boots that was given nothing to boot.

It is handed over like any Multiboot kernel; its command line says which machine type was asked for.
"""

from __future__ import annotations

from pyqemu import __version__
from pyqemu.core.errors import ConfigError
from pyqemu.firmware.host_file import read_file
from pyqemu.firmware.multiboot_loader import ItemStore, load_multiboot
from pyqemu.machines.registry import MachineType
from pyqemu.paths import firmware_dir

IMAGE = "pyqemu-demo.elf"
IMAGE_LIMIT = 1 << 20


def load_demo(fw_cfg: ItemStore, machine: MachineType, *, ram_below_4g: int) -> None:
    """Put the demo guest into fw_cfg. Raises ConfigError if it is not there, or RAM is too small."""
    try:
        image = read_file(firmware_dir() / IMAGE, IMAGE_LIMIT)
    except OSError as error:
        raise ConfigError(
            f"could not load the demo guest '{IMAGE}': {error.strerror}", "Name a disk image or a kernel to boot."
        ) from None
    load_multiboot(fw_cfg, image, IMAGE, cmdline=command_line(machine), ram_below_4g=ram_below_4g)


def command_line(machine: MachineType) -> str:
    """``key=value`` words; the description, which may hold blanks, comes last."""
    words = [f"machine={machine.name}", f"version={__version__}", f"desc={machine.desc}"]
    if machine.alias:
        words.insert(1, f"alias={machine.alias}")
    return " ".join(words)
