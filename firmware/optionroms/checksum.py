"""Pad an option ROM to the size that its header says, and set the checksums: Plug and Play header, whole image.

Source   Plug and Play BIOS Specification 1.0A, 3.1 and 3.2: all bytes of each add up to 0 modulo 256
Usage    checksum.py IN OUT
Errors   no option ROM, or one that has outgrown its size
"""

import sys
from pathlib import Path

PNP_POINTER, PNP_LENGTH, PNP_CHECKSUM = 0x1A, 5, 9


def main(source: str, target: str) -> None:
    rom = bytearray(Path(source).read_bytes())
    if rom[:2] != b"\x55\xaa":
        sys.exit(f"{source}: not an option ROM")
    used, size = len(rom), rom[2] * 512
    if used >= size:  # the last byte is the checksum
        sys.exit(f"{target}: {used + 1 - size} bytes too large")
    rom += bytes(size - used)
    start = int.from_bytes(rom[PNP_POINTER : PNP_POINTER + 2], "little")
    end = start + 16 * rom[start + PNP_LENGTH]
    rom[start + PNP_CHECKSUM] = -sum(rom[start:end]) & 0xFF
    rom[-1] = -sum(rom) & 0xFF
    Path(target).write_bytes(rom)
    print(f"{target}: {used + 1} of {size} bytes used")


main(*sys.argv[1:])
