"""Intel 82093AA: the I/O APIC, device type ``ioapic``.

Source   82093AA datasheet (290566-001), 3.1 (IOREGSEL, IOWIN), 3.2 (registers)
Memory   FEC00000: IOREGSEL at +0, IOWIN at +10, 32 bits each; the rest of the page reads as zero
IRQ      an ISA interrupt goes to the pin of its number, 0 to pin 2; pins 16 to 23 are not connected
Missing  the APIC bus. No machine here has a local APIC, so nobody takes a message: an edge is sent and lost, a
         level stays in the request register while the pin is high
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from pyqemu.core.device import IsaDevice, Prop, State
from pyqemu.core.memory import Mmio

BASE, BYTES = 0xFEC00000, 0x1000
IOREGSEL, IOWIN = 0x00, 0x10
PINS = 24
TIMER_PIN = 2  # of ISA interrupt 0

ID, REDIRECTION = 0x00, 0x10

# A redirection entry
LEVEL = 1 << 15
MASKED = 1 << 16
WRITABLE = 0xFF00_0000_0001_AFFF  # all but delivery status and remote IRR


class I82093aa(IsaDevice, type="ioapic", vmstate="ioapic", version=3):
    version_register = Prop.u8(0x11, name="version", help="what the version register says")

    number = State.u8(reset=0, name="id")
    selected = State.u8(reset=0, name="ioregsel")
    unused = State.unused(8)
    requests = State.u32(reset=0, name="irr")
    entries = State.ints(PINS, 64, reset=MASKED, name="ioredtbl")

    def realize(self, bus: Any) -> None:
        self._levels = [False] * PINS
        bus.memory.map(BASE, Mmio(BYTES, self.read, self.write, owner=self))
        for number, pin in enumerate(bus.irq_pins):
            pin.handler = partial(self._interrupt, number or TIMER_PIN, pin.handler)

    def _interrupt(self, number: int, before: Callable[[bool], None] | None, level: bool) -> None:
        """An interrupt reaches the 8259 and this chip."""
        if before is not None:
            before(level)
        self._levels[number] = level
        self._request(number)

    def _request(self, number: int) -> None:
        bit, entry = 1 << number, self.entries[number]
        if self._levels[number] and entry & LEVEL:
            self.requests |= bit
        else:
            self.requests &= ~bit

    def read(self, _width: int, offset: int) -> int:
        if offset == IOREGSEL:
            return self.selected
        if offset != IOWIN:
            return 0
        match self.selected:
            case 0x00 | 0x02:  # ID, ARBITRATION
                return (self.number & 0x0F) << 24
            case 0x01:  # VERSION
                return (PINS - 1) << 16 | self.version_register
        number = self.selected - REDIRECTION
        if 0 <= number < 2 * PINS:
            return self.entries[number // 2] >> 32 * (number % 2) & 0xFFFFFFFF
        return 0

    def write(self, _width: int, offset: int, value: int) -> None:
        if offset == IOREGSEL:
            self.selected = value & 0xFF
        elif offset == IOWIN:
            number = self.selected - REDIRECTION
            if self.selected == ID:
                self.number = value >> 24 & 0x0F
            elif 0 <= number < 2 * PINS:
                shift = 32 * (number % 2)
                mask = WRITABLE & 0xFFFFFFFF << shift
                self.entries[number // 2] = self.entries[number // 2] & ~mask | value << shift & mask
                self._request(number // 2)
