"""A complete VGA without a bus: registers, dispi extension, memory window and picture.

Source   see vga_registers.py, dispi.py, vga_memory.py, vga_scanout.py
Wiring   a device holds one as ``State.record(Vga)``, calls ``connect`` when it is realized, and ``refresh``
         and ``before_load`` from its own
"""

from __future__ import annotations

from pyqemu.core.bus import Bus
from pyqemu.core.memory import RamBlock
from pyqemu.core.state import State
from pyqemu.hw.display.dispi import Dispi
from pyqemu.hw.display.vga_memory import VgaMemory
from pyqemu.hw.display.vga_scanout import Scanout

MIB = 1 << 20


class Vga(Dispi, vmstate="vga", version=2):
    pel_mask = State.u16(sub="pel_mask")
    big_endian = State.bool(name="big_endian_fb", sub="endian")

    def connect(self, bus: Bus, vram_bytes: int, owner: object) -> None:
        """Take ports and window. *vram_bytes* is a power of two, at least 1 MiB."""
        self.clock = bus.clock
        self.vram = RamBlock("vga.vram", vram_bytes)
        self.memory = VgaMemory(self, self.vram, bus.memory, bus.clock)
        self.memory.region.owner = owner
        self.scanout = Scanout(self, self.memory)
        self.window_changed = self.memory.changed
        self.claim(bus.ports, owner)

    def reset_fields(self) -> None:
        self.memory.unmap()
        super().reset_fields()
        self.reset_dispi()

    def before_load(self) -> None:
        """A state is about to be loaded: what the memory holds now is not to be kept."""
        self.memory.unmap(keep=False)

    def refresh(self) -> None:
        self.refresh_dispi()
        self.retime()
        self.generation += 1
        self.memory.changed()
