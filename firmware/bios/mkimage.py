"""Put the two halves of the BIOS together into one image of fixed size; or, with ``symbols``, write what the
32-bit half needs to know of the 16-bit half as a linker script.

The image is 256 KiB for ever, since it is part of saved states: its upper 128 KiB are what is seen below 1 MiB, the
lower 128 KiB are free for later.

Source   ELF32 (System V ABI, Intel386 supplement); layout.h
Usage    mkimage.py symbols NM-OUTPUT OUT
         mkimage.py image POST32.elf BIOS16.elf OUT
Errors   "N bytes too large" with the part's name, if a part outgrows its place
"""

from __future__ import annotations

import struct
import sys
from pathlib import Path

IMAGE_BYTES = 256 << 10
SEEN_BYTES = 128 << 10  # below 1 MiB
BASE = 0xE0000
STACK_BYTES = 6 << 10
PLACES = {  # section: (first load address, end, what it is)
    "post32:.text": (0xE0000, 0xEA000, "power-on code"),
    "post32:.bss": (0xE0000, 0xEA000, "power-on variables"),
    "bios16:.rodata": (0xEA000, 0xEC000, "constants"),
    "bios16:.data": (0xEC000, 0xF0000 - STACK_BYTES, "initialised variables"),
    "bios16:.bss": (0xEC000, 0xF0000 - STACK_BYTES, "variables"),
    "bios16:.text": (0xF0000, 0xFE000, "services"),
    "bios16:.changing": (0xF0000, 0xFE000, "structures behind the services"),
    "bios16:.fixed0": (0xFE6F5, 0xFE729, "configuration table"),
    "bios16:.fixed1": (0xFEFC7, 0xFF000, "diskette parameters"),
    "bios16:.fixed2": (0xFFF53, 0xFFF60, "dummy interrupt"),
    "bios16:.fixed3": (0xFFFF0, 0x100000, "reset vector"),
}
CHECKSUMS = (
    ("pnp_header", 33, 8),
    ("bios32_header", 16, 10),
    ("pmm_header", 16, 6),
)  # symbol, length, place of the checksum
NOBITS = 8


def sections(name: str, path: str) -> list[tuple[str, int, int, bytes | None]]:
    """(name, load address, size, bytes or None) of each section in memory."""
    elf = Path(path).read_bytes()
    phoff, shoff = struct.unpack_from("<II", elf, 28)
    phentsize, phnum, shentsize, shnum, shstrndx = struct.unpack_from("<5H", elf, 42)
    headers = [struct.unpack_from("<10I", elf, shoff + n * shentsize) for n in range(shnum)]
    segments = [struct.unpack_from("<8I", elf, phoff + n * phentsize) for n in range(phnum)]
    names = headers[shstrndx][4]
    found = []
    for label, kind, flags, address, offset, size, *_ in headers:
        if not flags & 2 or not size:
            continue
        text = elf[names + label : elf.index(b"\0", names + label)].decode()
        load = address
        for _, _, virtual, physical, _, length, access, _ in segments:  # the halves' addresses overlap: rights tell
            inside = virtual <= address and address + size <= virtual + length
            if inside and (access >> 1 & 1, access & 1) == (flags & 1, flags >> 2 & 1):
                load = address - virtual + physical
                break
        found.append((f"{name}:{text}", load, size, None if kind == NOBITS else elf[offset : offset + size]))
    return found


def symbols(listing: str) -> dict[str, tuple[int, str]]:
    rows = (line.split() for line in Path(listing).read_text().splitlines())
    return {row[2]: (int(row[0], 16), row[1]) for row in rows if len(row) == 3}


def write_symbols(listing: str, out: str) -> None:
    """Variables at their flat address under their name; code as an offset under b16_name."""
    lines = []
    for name, (value, kind) in sorted(symbols(listing).items()):
        if kind in "TtAa":
            lines.append(f"b16_{name} = {value:#x};")
        elif kind.isupper():
            lines.append(f"{name} = {BASE + value:#x};")
    Path(out).write_text("\n".join(lines) + "\n")


def write_image(post32: str, bios16: str, listing: str, out: str) -> None:
    image = bytearray(SEEN_BYTES)
    for name, load, size, content in sections("post32", post32) + sections("bios16", bios16):
        if name not in PLACES:
            sys.exit(f"{name}: section without a place")
        first, end, what = PLACES[name]
        if load < first or load + size > end:
            sys.exit(f"{what} ({name}): {load + size - end} bytes too large")
        if content is not None:
            image[load - BASE : load - BASE + size] = content
    known = symbols(listing)
    for name, length, place in CHECKSUMS:
        at = known[name][0] + 0x10000
        image[at + place] = -sum(image[at : at + length]) & 0xFF
    image[-1] = -sum(image[:-1]) & 0xFF
    Path(out).write_bytes(bytes(image).rjust(IMAGE_BYTES, b"\xff"))  # FF sums to 0 over 256 bytes


if sys.argv[1] == "symbols":
    write_symbols(*sys.argv[2:])
else:
    write_image(*sys.argv[2:])
