"""Write ACPI byte code as the initialiser of a C array.

Source   ACPI 1.0b, 5.2.3 (the header; its checksum is set when the table is installed)
Usage    aml2inc.py IN OUT
"""

import sys
from pathlib import Path

PER_LINE = 20


def main(source: str, target: str) -> None:
    table = bytearray(Path(source).read_bytes())
    table[28:36] = b"PYQM\1\0\0\0"  # the compiler's name and version do not matter
    lines = [", ".join(f"0x{byte:02x}" for byte in table[n : n + PER_LINE]) for n in range(0, len(table), PER_LINE)]
    window = table.index(b"\x08WBAS\x0c") + 6  # Name (WBAS, double word)
    head = f"/* Made from dsdt.asl by make dsdt (ACPI 1.0b byte code). */\n#define DSDT_WINDOW {window}\n"
    Path(target).write_text(head + ",\n".join(lines) + "\n")


main(*sys.argv[1:])
