"""Multiboot kernels as files: the header, and what of the file goes where in memory.

Source   Multiboot Specification 0.6.96, 3.1 (header) and 3.3 (symbols and sections); System V ABI (ELF-32)
Units    bytes, physical addresses
Errors   ConfigError in QEMU's wording. Lengths and addresses are checked before anything is read or allocated
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from itertools import pairwise

from pyqemu.core.errors import ConfigError

HEADER_MAGIC = 0x1BADB002
HEADER_WITHIN = 8192  # the header lies in the first so many bytes, at a multiple of four
HEADER_BYTES, ADDRESSES_BYTES = 12, 32

# Header flags; a loader that does not know one of the lower sixteen must not load the kernel.
PAGE_ALIGN, MEMORY_INFO, VIDEO_MODE = 0x01, 0x02, 0x04
MUST_KNOW, HAS_ADDRESSES = 0xFFFF, 0x10000

# RAM for kernels: above the real-mode tables and our own area, below the extended BIOS data area; or from 1 MiB.
LOW_RAM = (0x10000, 0x9F000)
HIGH_RAM = 0x100000

ELF_MAGIC, ELF32, ELF64, LITTLE_ENDIAN = b"\x7fELF", 1, 2, 1
EM_386, EM_X86_64 = 3, 62
PT_LOAD, PF_X, SHT_NOBITS = 1, 1, 8
ELF_HEADER = struct.Struct("<16xHHIIIIIHHHHHH")
PROGRAM_HEADER = struct.Struct("<8I")
SECTION_HEADER = struct.Struct("<10I")
ELF_ERROR = "Error while loading elf kernel"


@dataclass
class Sections:
    """ELF section headers, and those sections that the segments leave out: (index in the table, content)."""

    headers: list[list[int]]
    names: int  # index of the section with the names
    contents: list[tuple[int, bytes]]


@dataclass
class MultibootImage:
    """A kernel as it lies in memory from ``base`` on; the bytes up to ``end`` that ``content`` lacks are zero."""

    base: int
    end: int
    content: bytes
    entry: int
    sections: Sections | None = None
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Segment:
    offset: int
    virtual: int
    physical: int
    file_bytes: int
    bytes: int
    flags: int

    @property
    def end(self) -> int:
        return self.physical + self.bytes


def is_multiboot(file: bytes) -> bool:
    """Whether the file has a Multiboot header."""
    return _find_header(file) is not None


def parse(file: bytes, name: str, ram_end: int) -> MultibootImage:
    """Place a kernel in memory. *ram_end*: where RAM for it ends. Raises ConfigError."""
    at = _find_header(file)
    if at is None:
        raise ConfigError("invalid kernel header", f"'{name}' has no Multiboot header.")
    flags = _u32(file, at + 4)
    if unknown := flags & MUST_KNOW & ~(PAGE_ALIGN | MEMORY_INFO | VIDEO_MODE):
        raise ConfigError(
            f"multiboot: unsupported flags {unknown:#x}", f"'{name}' needs something that this loader lacks."
        )
    if flags & HAS_ADDRESSES:
        image = _flat_image(file, at, name, ram_end)
    else:
        image = _elf_image(file, name, ram_end)
    if flags & VIDEO_MODE:
        image.warnings.append("multiboot knows VBE. we don't")
    return image


def _find_header(file: bytes) -> int | None:
    last = min(len(file), HEADER_WITHIN) - HEADER_BYTES
    for at in range(0, last + 1, 4):
        if _u32(file, at) == HEADER_MAGIC and sum(struct.unpack_from("<3I", file, at)) & 0xFFFFFFFF == 0:
            return at
    return None


# -- kernels that say themselves where they go (a.out kludge) -------------------------------------------------


def _flat_image(file: bytes, at: int, name: str, ram_end: int) -> MultibootImage:
    if at + ADDRESSES_BYTES > len(file):
        raise ConfigError("invalid kernel header", f"'{name}' ends within its Multiboot header.")
    header, load, load_end, bss_end, entry = struct.unpack_from("<5I", file, at + 12)
    if header < load:
        raise ConfigError("invalid load_addr address", f"It is {load:#x}, the header's is {header:#x}.")
    if header - load > at:
        raise ConfigError("invalid header_addr address", f"Before the header the file has {at} bytes.")
    start = at - (header - load)
    if load_end and load_end < load:
        raise ConfigError("invalid load_end_addr address", f"{load_end:#x} is before {load:#x}.")
    size = load_end - load if load_end else len(file) - start
    end = load + size
    if bss_end and bss_end < end:
        raise ConfigError("invalid bss_end_addr address", f"{bss_end:#x} is before {end:#x}.")
    end = bss_end or end
    if start + size > len(file):
        raise ConfigError("fread() failed", f"'{name}' is cut off: {start + size - len(file)} bytes are missing.")
    check_room(name, load, end, ram_end)
    if not load <= entry < end:
        raise ConfigError("invalid entry_addr address", f"{entry:#x} is not in {load:#x} to {end:#x}.")
    return MultibootImage(load, end, file[start : start + size], entry)


# -- ELF ------------------------------------------------------------------------------------------------------


def _elf_image(file: bytes, name: str, ram_end: int) -> MultibootImage:
    if file[:4] != ELF_MAGIC or len(file) < ELF_HEADER.size:
        raise ConfigError(ELF_ERROR, f"'{name}' is no ELF file, and its header has no addresses.")
    _, machine, _, entry, table, section_table, _, _, size, count, section_size, section_count, names = (
        ELF_HEADER.unpack_from(file)
    )
    if machine == EM_X86_64 or file[4] == ELF64:
        raise ConfigError("Cannot load x86-64 image, give a 32bit one.")
    if (file[4], file[5], machine) != (ELF32, LITTLE_ENDIAN, EM_386):
        raise ConfigError(ELF_ERROR, f"'{name}' is not for the i386.")
    segments = _segments(file, name, table, size, count)
    base, end = segments[0].physical, segments[-1].end
    check_room(name, base, end, ram_end)
    content = bytearray(max(part.physical + part.file_bytes for part in segments) - base)
    for part in segments:
        start = part.physical - base
        content[start : start + part.file_bytes] = file[part.offset : part.offset + part.file_bytes]
    sections = _sections(file, section_table, section_size, section_count, names)
    return MultibootImage(base, end, bytes(content), _physical_entry(segments, entry), sections)


def _segments(file: bytes, name: str, table: int, size: int, count: int) -> list[_Segment]:
    """What is to be loaded, in the order of physical addresses."""
    if size != PROGRAM_HEADER.size or table + count * size > len(file):
        raise ConfigError(ELF_ERROR, f"'{name}' is cut off in its program headers.")
    segments = []
    for at in range(table, table + count * size, size):
        kind, offset, virtual, physical, file_bytes, memory_bytes, flags, _ = PROGRAM_HEADER.unpack_from(file, at)
        if kind != PT_LOAD or not memory_bytes:
            continue
        if file_bytes > memory_bytes:
            raise ConfigError(ELF_ERROR, f"A segment of '{name}' is larger in the file than in memory.")
        if offset + file_bytes > len(file):
            raise ConfigError(ELF_ERROR, f"'{name}' is cut off in a segment.")
        segments.append(_Segment(offset, virtual, physical, file_bytes, memory_bytes, flags))
    if not segments:
        raise ConfigError(ELF_ERROR, f"'{name}' has nothing to load.")
    segments.sort(key=lambda part: part.physical)
    for part, following in pairwise(segments):
        if following.physical < part.end:
            raise ConfigError(ELF_ERROR, f"Segments of '{name}' overlap at {following.physical:#x}.")
    return segments


def _physical_entry(segments: list[_Segment], entry: int) -> int:
    """Kernels for high virtual addresses may name their entry by either address."""
    for part in segments:
        if part.flags & PF_X and part.virtual <= entry < part.virtual + part.file_bytes:
            return entry - part.virtual + part.physical
    if any(part.physical <= entry < part.end for part in segments):
        return entry
    raise ConfigError(ELF_ERROR, f"The entry {entry:#x} is in none of the segments.")


def _sections(file: bytes, table: int, size: int, count: int, names: int) -> Sections | None:
    """The section headers, if they are wholly in the file; the kernel runs without them as well."""
    if not count or size != SECTION_HEADER.size or table + count * size > len(file) or names >= count:
        return None
    headers = [list(SECTION_HEADER.unpack_from(file, table + number * size)) for number in range(count)]
    places: list[tuple[int, int, int]] = []
    for number, (_, kind, _, address, offset, length, *_) in enumerate(headers):
        if number and not address and length and kind != SHT_NOBITS and offset + length <= len(file):
            places.append((number, offset, length))
    if sum(length for *_, length in places) > len(file):
        return None  # they share bytes: no linker does that
    return Sections(headers, names, [(number, file[at : at + length]) for number, at, length in places])


def check_room(name: str, base: int, end: int, ram_end: int) -> None:
    """Raises ConfigError unless *base* to *end* is RAM that a kernel may have."""
    if (base >= LOW_RAM[0] and end <= LOW_RAM[1]) or (base >= HIGH_RAM and end <= ram_end):
        return
    raise ConfigError(
        "kernel is too large for the guest's RAM" if base >= HIGH_RAM else "kernel does not fit in address space",
        f"'{name}' wants {base:#x} to {end:#x}; there is {LOW_RAM[0]:#x} to {LOW_RAM[1]:#x}"
        + (f" and {HIGH_RAM:#x} to {ram_end:#x}." if ram_end > HIGH_RAM else ".")
        + " See -m.",
    )


def _u32(data: bytes, offset: int) -> int:
    return int.from_bytes(data[offset : offset + 4], "little")
