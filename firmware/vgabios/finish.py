"""Make a ROM image of what the linker made: fill it up to its size and set its checksum.

Source   PCI Local Bus 2.1, 6.3.1.1: all bytes of an image add up to 0 modulo 256
Usage    finish.py IN OUT BYTES
"""

import sys
from pathlib import Path


def main(source: str, target: str, size: str) -> None:
    rom = Path(source).read_bytes()
    room = int(size) - 1  # the last byte is the checksum
    if len(rom) > room:
        sys.exit(f"{target}: {len(rom) - room} bytes too large")
    rom = rom.ljust(room, b"\0")
    Path(target).write_bytes(rom + bytes((-sum(rom) & 0xFF,)))
    print(f"{target}: {len(rom.rstrip(bytes(1)))} of {size} bytes used")


main(*sys.argv[1:])
