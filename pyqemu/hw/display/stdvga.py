"""The standard VGA, as a PCI function (``VGA``) and on the ISA bus (``isa-vga``).

Source   QEMU's specification "standard VGA" (docs/specs): identity, BARs and the register window
Ports    those of vga_registers.py and dispi.py
BARs     0: the video memory, prefetchable; 2: register window, 4 KiB, with ``mmio``; 6: the video BIOS
MMIO     400-41F ports 3C0-3DF; 500-515 dispi registers 0-10, 16 bits each; 600 extended registers
Missing  the EDID block at 000 of the register window (reads ones, as with edid=off)
"""

from __future__ import annotations

from typing import Any, ClassVar

from pyqemu.core.bus import Bus
from pyqemu.core.device import IsaDevice, Prop, State
from pyqemu.core.memory import Mmio, Ram, RamBlock
from pyqemu.hw.display.dispi import REGISTERS
from pyqemu.hw.display.vga import MIB, Vga
from pyqemu.hw.display.vga_scanout import Scanout
from pyqemu.hw.pci.device import Bar, PciDevice, Reg

MMIO_BYTES = 0x1000
PORTS_AT, PORTS_COUNT, FIRST_PORT = 0x400, 0x20, 0x3C0
DISPI_AT = 0x500
EXTENDED_AT, EXTENDED_BYTES = 0x600, 8
LITTLE_ENDIAN, BIG_ENDIAN = 0x1E1E1E1E, 0xBEBEBEBE
ROM_BYTES = 0x10000
REVISION_EXTENDED = 2
ISA_LINEAR = 0xE0000000


class StdVga(PciDevice, type="VGA", vmstate="vga", version=2, minimum=2):
    vendor_id = 0x1234
    device_id = 0x1111
    class_code = 0x030000
    subsystem = (0x1AF4, 0x1100)

    vgamem_mb = Prop.u32(16, minimum=1, maximum=256, name="vgamem_mb", help="video memory in MiB")
    mmio = Prop.bool(True, help="registers in memory (BAR 2) too")
    extended_regs = Prop.bool(True, name="qemu-extended-regs", help="byte order register in the window")
    romfile = Prop.str("pyqemu-vgabios.bin", help="file name of the video BIOS; empty: none")

    struct_names: ClassVar[dict[str, str]] = {"PCIDevice": "dev"}
    vga = State.record(Vga)

    rom = b""
    """The video BIOS, which the board sets before it plugs the card."""

    def realize(self, bus: Any) -> None:
        vram_bytes = _memory_bytes(self.vgamem_mb)
        self.vga.connect(bus.isa, vram_bytes, self)
        self.add_bar(Bar(0, vram_bytes, region=Ram(self.vga.vram), prefetchable=True))
        if self.mmio:
            self.add_bar(Bar(2, MMIO_BYTES, region=Mmio(MMIO_BYTES, self._read, self._write, owner=self)))
            self._port_handlers = self.vga.handlers()
            if self.extended_regs:
                self.header[Reg.REVISION] = REVISION_EXTENDED
        if self.rom and self.rombar:
            size = max(1 << (len(self.rom) - 1).bit_length(), ROM_BYTES)
            block = RamBlock(f"{self.path}/vga.rom", size)
            block.view[: len(self.rom)] = self.rom
            self._rom_block: RamBlock | None = block
            self.add_bar(Bar(6, size, region=Ram(block, size=size, readonly=True)))
        else:
            self._rom_block = None

    @property
    def scanout(self) -> Scanout:
        """What the card shows."""
        return self.vga.scanout

    def refresh(self) -> None:
        super().refresh()
        self.vga.refresh()

    def before_load(self) -> None:
        self.vga.before_load()

    def sync_ram(self) -> None:
        """Bring the RAM blocks up to date: before they are read for a saved state or a dump."""
        self.vga.memory.sync()

    def ram_blocks(self) -> list[RamBlock]:
        """The memory on the card that belongs to a saved state."""
        return [self.vga.vram, *([self._rom_block] if self._rom_block else [])]

    # -- register window (BAR 2) ----------------------------------------------------------------------

    def _read(self, width: int, offset: int) -> int:
        if DISPI_AT <= offset < DISPI_AT + 2 * REGISTERS:
            value = self.vga.read_dispi(offset - DISPI_AT >> 1)
            if offset & 1:
                return value >> 8
            if width > 2 and offset + 2 < DISPI_AT + 2 * REGISTERS:
                value |= self._read(width - 2, offset + 2) << 16
            return value
        if self.extended_regs and EXTENDED_AT <= offset < EXTENDED_AT + EXTENDED_BYTES:
            if width < 4 or offset & 3:
                return 0
            if offset == EXTENDED_AT:
                return EXTENDED_BYTES
            return BIG_ENDIAN if self.vga.big_endian else LITTLE_ENDIAN
        value = 0
        for i in range(width):
            value |= self._read_port(offset + i) << 8 * i
        return value

    def _read_port(self, offset: int) -> int:
        read, _ = self._port_handlers.get(offset - PORTS_AT + FIRST_PORT, (None, None))
        return read(0) if read and PORTS_AT <= offset < PORTS_AT + PORTS_COUNT else 0xFF

    def _write(self, width: int, offset: int, value: int) -> None:
        if DISPI_AT <= offset < DISPI_AT + 2 * REGISTERS:
            if width == 1 or offset & 1:
                self.guest_error(f"write of half a dispi register at {offset:#x}")
                return
            self.vga.write_dispi(offset - DISPI_AT >> 1, value & 0xFFFF)
            if width > 2:
                self._write(width - 2, offset + 2, value >> 16)
        elif PORTS_AT <= offset < PORTS_AT + PORTS_COUNT:
            for i in range(width):
                _, write = self._port_handlers.get(offset + i - PORTS_AT + FIRST_PORT, (None, None))
                if write and offset + i < PORTS_AT + PORTS_COUNT:
                    write(0, value >> 8 * i & 0xFF)
        elif (
            self.extended_regs and offset == EXTENDED_AT + 4 and width == 4 and value in (LITTLE_ENDIAN, BIG_ENDIAN)
        ):
            self.vga.big_endian = value == BIG_ENDIAN
            self.vga.generation += 1


class IsaVga(IsaDevice, type="isa-vga", vmstate="vga", version=2, minimum=2):
    """The same card in an ISA slot. The board puts its BIOS at C0000; its memory is always at E0000000."""

    vgamem_mb = Prop.u32(8, minimum=1, maximum=256, name="vgamem_mb", help="video memory in MiB")
    romfile = Prop.str("pyqemu-vgabios-isa.bin", help="file name of the video BIOS; empty: none")

    vga = State.record(Vga, inline=True)

    rom = b""
    """The video BIOS, which the board loads and shows at C0000."""

    def realize(self, bus: Bus) -> None:
        self.vga.connect(bus, _memory_bytes(self.vgamem_mb), self)
        bus.memory.map(ISA_LINEAR, Ram(self.vga.vram))

    @property
    def scanout(self) -> Scanout:
        """What the card shows."""
        return self.vga.scanout

    def refresh(self) -> None:
        self.vga.refresh()

    def before_load(self) -> None:
        self.vga.before_load()

    def sync_ram(self) -> None:
        """Bring the RAM blocks up to date: before they are read for a saved state or a dump."""
        self.vga.memory.sync()

    def ram_blocks(self) -> list[RamBlock]:
        """The memory on the card that belongs to a saved state."""
        return [self.vga.vram]


def _memory_bytes(mib: int) -> int:
    """A power of two that holds *mib* MiB."""
    return 1 << (mib * MIB - 1).bit_length()
