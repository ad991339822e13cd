"""Intel 82371SB (PIIX3), function 0: PCI to ISA bridge, interrupt router, reset control.

Source   Intel 82371FB/82371SB data sheet 290550-002, April 1997: 2.2.4 (PIRQRC), 2.5.4 (RC)
Config   60-63 PIRQA-D routing: bit 7 set = not routed, bits 3:0 the ISA interrupt; the rest is storage
Ports    CF9 reset control: bit 2 0→1 resets, bit 1 selects a hard reset (both reset the whole machine)
IRQ      a routed PIRQ holds its ISA interrupt high while one of its devices asks for service; it shares it
         with everything else wired there. Interrupts 0, 1, 2, 8 and 13 are reserved and cannot be routed to
Missing  X-bus chip selects, distributed DMA, IRQ12/M mouse select: the board's chips are wired for good. The
         edge/level registers (4D0, 4D1) are with the interrupt controllers
"""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar

from pyqemu.core.device import State
from pyqemu.core.lines import Line
from pyqemu.hw.pci.bus import PIRQS
from pyqemu.hw.pci.device import PciDevice

RESET_CONTROL = 0xCF9
RESET_CPU, RESET_HARD = 0x04, 0x02

PIRQ_ROUTE = 0x60
NOT_ROUTED = 0x80
ROUTABLE = frozenset({3, 4, 5, 6, 7, 9, 10, 11, 12, 14, 15})

# Values after reset as the board shows them, where they are not zero.
RESET_CONFIG = {
    0x4C: 0x4D, 0x4E: 0x03, 0x60: NOT_ROUTED, 0x61: NOT_ROUTED, 0x62: NOT_ROUTED, 0x63: NOT_ROUTED, 0x69: 0x02,
    0x70: 0x80, 0x76: 0x0C, 0x77: 0x0C, 0x78: 0x02, 0xA0: 0x08, 0xA8: 0x0F,
}  # fmt: skip


class Piix3(PciDevice, type="PIIX3", vmstate="PIIX3", version=3):
    vendor_id, device_id = 0x8086, 0x7000
    class_code = 0x060100
    subsystem = (0x1AF4, 0x1100)
    multifunction = True

    struct_names: ClassVar[dict[str, str]] = {"PCIDevice": "dev"}

    levels = State.view(
        "int32", lambda chip: [int(pin.level) for pin in chip.bus.pirq_pins], name="pci_irq_levels_vmstate", count=4
    )
    reset_control = State.u8(name="rcr", sub="rcr")

    def realize(self, bus: Any) -> None:
        self.header[0x07] = 0x02  # status: medium DEVSEL# timing
        for offset, value in RESET_CONFIG.items():
            self.header[offset] = value
        self.lines: list[dict[int, Line]] = [{n: bus.isa.irq(n) for n in ROUTABLE} for _ in range(PIRQS)]
        self.routed: list[Line | None] = [None] * PIRQS
        for number, pin in enumerate(bus.pirq_pins):
            pin.handler = partial(self._pirq_changed, number)
        bus.isa.ports.map(RESET_CONTROL, 1, self.read_reset, self.write_reset, owner=self)

    def refresh(self) -> None:
        super().refresh()
        self._route()

    def config_written(self, offset: int, width: int) -> None:
        if offset < PIRQ_ROUTE + PIRQS and offset + width > PIRQ_ROUTE:
            self._route()

    def _route(self) -> None:
        """Let each PIRQ drive the interrupt that its register names, and no other."""
        for number in range(PIRQS):
            route = self.config[PIRQ_ROUTE + number]
            line = None if route & NOT_ROUTED else self.lines[number].get(route & 0x0F)
            before = self.routed[number]
            if before is not line and before is not None:
                before.set(False)
            self.routed[number] = line
            if line is not None:
                line.set(self.bus.pirq_pins[number].level)

    def _pirq_changed(self, number: int, level: bool) -> None:
        line = self.routed[number]
        if line is not None:
            line.set(level)

    def read_reset(self, _offset: int) -> int:
        return self.reset_control

    def write_reset(self, _offset: int, value: int) -> None:
        rising = value & ~self.reset_control & RESET_CPU
        self.reset_control = value & (RESET_CPU | RESET_HARD)
        if rising:
            self.bus.isa.power.request_reset()
