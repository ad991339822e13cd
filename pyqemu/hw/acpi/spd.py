"""A 24C02-like serial EEPROM on the SMBus: 256 bytes, as on memory modules (serial presence detect).

Source   Atmel AT24C02 data sheet 0180; JEDEC 21-C 4.1.2 (what the bytes of a module would mean)
Address  50-57 hexadecimal, 7 bits
Units    bytes; ``pointer`` is the next byte's address and wraps at 256
Notes    the board's modules read as zeros throughout, which says that no module describes itself; a guest
         may write them. The content survives a reset
"""

from __future__ import annotations

from pyqemu.core.state import KEEP, Record, State

EEPROM_BYTES = 256


class SpdEeprom(Record):
    """Answers as a two-wire memory: a write begins with the address, a read goes on from it."""

    pointer = State.u8()
    content = State.bytes(EEPROM_BYTES, reset=KEEP)

    def write(self, data: bytes) -> None:
        """What the host sent after the address byte: a pointer, then bytes to store (none: quick command)."""
        if not data:
            return
        pointer = data[0]
        for value in data[1:]:
            self.content[pointer] = value
            pointer = pointer + 1 & 0xFF
        self.pointer = pointer

    def read(self, count: int) -> bytes:
        """The next *count* bytes."""
        start = self.pointer
        self.pointer = start + count & 0xFF
        return bytes((self.content + self.content)[start : start + count])
