"""Multiboot kernels (``-kernel`` with an ELF or a.out-kludge image) and modules, handed over through fw_cfg.

Source   Multiboot Specification 0.6.96, 3.2 (machine state) and 3.3 (boot information format)
Layout   the kernel where it wants to be. From the next page on: module list, strings, section headers and the
         sections that no segment has; then the modules, each on a page of its own. Information structure at
         9000, with room for the memory map behind it: the option ROM, which asks the BIOS, fills in the latter
Units    bytes, physical addresses
Errors   ConfigError in QEMU's wording for what cannot be read, is malformed or does not fit
Missing  video modes: asked for, they are reported and the kernel is started in text mode
"""

from __future__ import annotations

import errno
import struct
from dataclasses import dataclass
from typing import Protocol

from pyqemu.core.errors import ConfigError
from pyqemu.firmware.host_file import read_file
from pyqemu.firmware.linux_loader import FIRMWARE_BYTES
from pyqemu.firmware.multiboot_image import (
    LOW_RAM,
    SECTION_HEADER,
    MultibootImage,
    Sections,
    is_multiboot,
    parse,
)

PAGE_BYTES = 4096
LOADER_NAME = "pyqemu"

# The information structure: 88 bytes, and which of its fields are valid.
INFORMATION = struct.Struct("<22I")
INFORMATION_AT = 0x9000
MEMORY_MAP_AT = INFORMATION_AT + 496
MEMORY, BOOT_DEVICE, COMMAND_LINE, MODULES, ELF_SECTIONS, MEMORY_MAP, LOADER = 1, 2, 4, 8, 0x20, 0x40, 0x200
FIRST_DISK = 0x8000FFFF  # drive 80h, first partition, no further ones
MODULE = struct.Struct("<4I")  # start, end, string, 0

# fw_cfg keys: address, size, data; the kernel's entry has its own.
KERNEL_KEYS, INFORMATION_KEYS, ENTRY_KEY = (0x07, 0x08, 0x11), (0x0A, 0x0B, 0x12), 0x10

OPTION_ROM = "multiboot.bin"

__all__ = ["OPTION_ROM", "MultibootPlaces", "is_multiboot", "load_multiboot"]


class ItemStore(Protocol):
    """What is needed of fw_cfg."""

    def add(self, key: int, content: bytes) -> None: ...


@dataclass(frozen=True)
class MultibootPlaces:
    """Where everything went; ``modules`` are (start, end, command line)."""

    entry: int
    load_address: int
    load_end: int
    modules: tuple[tuple[int, int, str], ...]
    warnings: tuple[str, ...]


class _Area:
    """Memory that grows upwards from *start*, up to *end*."""

    def __init__(self, start: int, end: int) -> None:
        self.start, self.end = start, end
        self.content = bytearray()

    @property
    def here(self) -> int:
        return self.start + len(self.content)

    def add(self, data: bytes, what: str, align: int = 1) -> int:
        """Put *data* at the next multiple of *align*; its address."""
        address = -(-self.here // align) * align
        if address + len(data) > self.end:
            raise ConfigError(
                f"{what} does not fit in the guest's RAM",
                f"It wants {address:#x} to {address + len(data):#x}, RAM for it ends at {self.end:#x}; see -m.",
            )
        self.content += bytes(address - self.here)
        self.content += data
        return address


def load_multiboot(
    fw_cfg: ItemStore,
    kernel: bytes,
    name: str,
    modules: str = "",
    cmdline: str = "",
    *,
    ram_below_4g: int,
    reserved: int = FIRMWARE_BYTES,
) -> MultibootPlaces:
    """Check a kernel and put it with its modules and the information structure into fw_cfg.

    Args: *name*: what the kernel's command line begins with. *modules*: "file arguments,file arguments", a comma
    within one doubled. *ram_below_4g*, *reserved*: bytes of RAM below 4 GiB, and how many of them at the top
    belong to the firmware. Raises ConfigError.
    """
    ram_end = ram_below_4g - reserved
    image = parse(kernel, name, ram_end)
    area = _Area(image.base, LOW_RAM[1] if image.end <= LOW_RAM[1] else ram_end)
    content = image.content + bytes(image.end - image.base - len(image.content))
    area.add(content, f"kernel '{name}'")

    wanted = _module_lines(modules)
    list_at = area.add(bytes(len(wanted) * MODULE.size), "the module list", PAGE_BYTES)
    line_at = _add_string(area, f"{name} {cmdline}", "kernel command line")
    loader_at = _add_string(area, LOADER_NAME, "the loader's name")
    strings = [_add_string(area, line, "the module list") for line in wanted]
    sections = _add_sections(area, image)

    placed = []
    for number, (line, string) in enumerate(zip(wanted, strings, strict=True)):
        file = line.partition(" ")[0]
        data = _read_module(file, max(0, area.end - area.here))
        start = area.add(data, f"multiboot module '{file}'", PAGE_BYTES)
        placed.append((start, start + len(data), line))
        at = list_at - area.start + number * MODULE.size
        MODULE.pack_into(area.content, at, start, start + len(data), string, 0)

    flags = MEMORY | BOOT_DEVICE | COMMAND_LINE | MODULES | MEMORY_MAP | LOADER | (ELF_SECTIONS if sections else 0)
    information = INFORMATION.pack(
        *(flags, 0, 0, FIRST_DISK, line_at, len(placed), list_at),
        *(sections or (0, 0, 0, 0)),
        *(0, MEMORY_MAP_AT, 0, 0, 0, loader_at, 0, 0, 0, 0, 0),
    )
    _add_item(fw_cfg, KERNEL_KEYS, image.base, bytes(area.content))
    _add_item(fw_cfg, INFORMATION_KEYS, INFORMATION_AT, information)
    fw_cfg.add(ENTRY_KEY, image.entry.to_bytes(4, "little"))
    return MultibootPlaces(image.entry, image.base, area.here, tuple(placed), tuple(image.warnings))


def _module_lines(modules: str) -> list[str]:
    """What is between single commas."""
    if not modules:
        return []
    return [part.replace("\0", ",") for part in modules.replace(",,", "\0").split(",")]


def _read_module(file: str, room: int) -> bytes:
    try:
        return read_file(file, room)
    except OSError as error:
        if error.errno == errno.EFBIG:
            raise ConfigError(
                f"multiboot module '{file}' does not fit in the guest's RAM", f"{room} bytes are left; see -m."
            ) from None
        raise ConfigError(f"Failed to open file '{file}'", f"{error.strerror}.") from None


def _add_string(area: _Area, text: str, what: str) -> int:
    return area.add(text.encode(errors="surrogateescape") + b"\0", what)


def _add_sections(area: _Area, image: MultibootImage) -> tuple[int, int, int, int] | None:
    """The ELF section table: number of entries, their size, where it is, index of the names. None: no room."""
    sections = image.sections
    if sections is None or not _sections_fit(area, sections):
        return None
    for number, content in sections.contents:
        sections.headers[number][3] = area.add(content, "a section", 16)
    table = b"".join(SECTION_HEADER.pack(*header) for header in sections.headers)
    at = area.add(table, "the section headers", 16)
    return len(sections.headers), SECTION_HEADER.size, at, sections.names


def _sections_fit(area: _Area, sections: Sections) -> bool:
    size = len(sections.headers) * SECTION_HEADER.size + sum(len(content) + 15 for _, content in sections.contents)
    return area.here + size + 16 <= area.end


def _add_item(fw_cfg: ItemStore, keys: tuple[int, int, int], address: int, data: bytes) -> None:
    fw_cfg.add(keys[0], address.to_bytes(4, "little"))
    fw_cfg.add(keys[1], len(data).to_bytes(4, "little"))
    fw_cfg.add(keys[2], data)
