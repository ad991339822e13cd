"""The two hot-plug windows of the PIIX board's ACPI: PCI slots (AE00) and processors (AF00).

Source   read back from the reference board; the AML of the firmware is their driver
PCI      32-bit registers, one bit per slot: AE00 has a new device (cleared when read), AE04 is asked to let go,
         AE08 write: eject, AE0C may be ejected. AE10 selects a bus: there is one. Narrow accesses read zero
CPU      AF00-AF1F one bit per processor that is present, by APIC number; read only
Units    slots 0-31, processors 0-255
"""

from __future__ import annotations

from collections.abc import Callable

from pyqemu.core.state import Record, State

PCI_PORTS, CPU_PORTS = 0x18, 0x20
UP, DOWN, EJECT, REMOVABLE = 0x00, 0x04, 0x08, 0x0C


class PciHotplug(Record, vmstate="pci_status"):
    """``on_eject(slot)`` is called when the guest has let go; ``removable()`` gives the mask of slots."""

    up = State.u32()
    down = State.u32()

    def __init__(self) -> None:
        super().__init__()
        self.on_eject: Callable[[int], None] = lambda _slot: None
        self.removable: Callable[[], int] = lambda: 0xFFFFFFFF

    def read(self, width: int, offset: int) -> int:
        if width != 4:
            return 0
        if offset == UP:
            value, self.up = self.up, 0
            return value
        if offset == DOWN:
            return self.down
        return self.removable() if offset == REMOVABLE else 0

    def write(self, width: int, offset: int, value: int) -> None:
        if offset != EJECT or width != 4:
            return
        allowed = value & self.removable()
        for slot in range(32):
            if allowed >> slot & 1:
                self.down &= ~(1 << slot)
                self.on_eject(slot)


class CpuHotplug:
    """``present`` is the bitmap, one bit per APIC number."""

    def __init__(self) -> None:
        self.present = 1

    def read(self, width: int, offset: int) -> int:
        return self.present >> 8 * offset & ((1 << 8 * width) - 1)
