"""Intel 82441FX (i440FX) host bridge: configuration ports, RAM layout, PAM and SMRAM.

Source   Intel 440FX PCIset, 82441FX data sheet 290549-001, May 1996: 3.1 (CONFADD, CONFDATA), 3.2.14 (PAM),
         3.2.18 (DRB), 3.2.20 (SMRAM)
Ports    CF8 (32 bits) configuration address; CFC-CFF configuration data, any width. Narrower writes to CF8 are
         not decoded, so that CF9 is the PIIX3's reset control register
Memory   RAM from 0 to at most ``below_4g_limit``, the rest from 4 GiB; the BIOS below 4 GiB, and its last
         128 KiB again below 1 MiB; ``pc.rom``, 128 KiB for option ROMs, from C0000. Thirteen PAM segments from
         C0000 and the window A0000-BFFFF are switched between PCI and RAM
Units    bytes; DRB row 7 (register 57) holds the RAM size in 8 MiB
Missing  system management mode: the window is opened by D_OPEN only, not by the CPU's SMIACT#
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntFlag
from typing import Any

from pyqemu.core.device import Device, Prop, State
from pyqemu.core.errors import ConfigError
from pyqemu.core.memory import AddressSpace, Mapping, Ram, RamBlock, Region
from pyqemu.core.state import Record
from pyqemu.core.trace import event
from pyqemu.hw.pci.bus import PciBus
from pyqemu.hw.pci.device import PciDevice

CFG_READ = event("pci_cfg_read", "%02x.%x @0x%x -> 0x%x")
CFG_WRITE = event("pci_cfg_write", "%02x.%x @0x%x <- 0x%x")

KIB = 1024
GIB_4 = 1 << 32
CONFIG_ADDRESS, CONFIG_DATA = 0xCF8, 0xCFC
CONFIG_ENABLE = 1 << 31

DRB7, PAM0, PAM_LAST, SMRAM = 0x57, 0x59, 0x5F, 0x72
DRB_UNIT = 8 << 20

READ_ENABLE, WRITE_ENABLE = 1, 2  # one PAM nibble

LOW_RAM_END = 0xA0000
SMRAM_BASE, SMRAM_BYTES = 0xA0000, 128 * KIB
OPTION_ROM_BASE, OPTION_ROM_BYTES = 0xC0000, 128 * KIB
ISA_BIOS_BYTES = 128 * KIB
HIGH_RAM_BASE = 0x100000

# Who wins where two answer. RAM outside of the first MiB's hole is never given to PCI; in the hole it is
# what remains where nothing else answers.
RAM_IN_HOLE, ROM_PRIORITY, PAM_PRIORITY, RAM_PRIORITY = -1, 0, 2, 3


class Smram(IntFlag):
    """Register 72."""

    C_BASE_SEG = 0x02  # the only segment there is: A0000
    G_SMRAME = 0x08  # enable the window
    D_LCK = 0x10  # lock: D_OPEN no longer opens it
    D_CLS = 0x20  # in SMM: data references go to PCI, code references to RAM
    D_OPEN = 0x40  # RAM visible outside of SMM


_SMRAM_VISIBLE = int(Smram.G_SMRAME | Smram.D_OPEN)
_SMRAM_LOCKED = int(Smram.D_LCK)


class I440fxHost(Device, type="i440FX-pcihost", vmstate="PCIHost"):
    """The configuration mechanism: an address register, and a window to what it selects.

    ``attach(isa_bus)`` after setting ``pci``, the bus behind it.
    """

    migrates_address = Prop.bool(
        True, name="x-config-reg-migration-enabled", help="whether saved states have the address register"
    )

    config_address = State.u32(name="config_reg")

    pci: PciBus

    def __init__(self, pci: PciBus | None = None, **values: Any) -> None:
        super().__init__(**values)
        if pci is not None:
            self.pci = pci

    def sections(self) -> list[tuple[str, Record]]:
        own = super().sections() if self.migrates_address else []
        return [("PCIBUS", self.pci.stream_part), *own]

    def realize(self, bus: Any) -> None:
        ports = bus.ports
        ports.map(CONFIG_ADDRESS, 1, self.read_address, self.write_address, owner=self, width=4)
        # Reading narrowly gives the low part of the register at every offset; writing does nothing.
        for port, width in ((0xCF8, 1), (0xCFA, 1), (0xCFB, 1), (0xCF8, 2), (0xCFA, 2)):
            ports.map(port, 1, self.read_address, None, owner=self, width=width)
        ports.map_wide(CONFIG_DATA, 4, self.read_data, self.write_data, owner=self)

    def read_address(self, _offset: int) -> int:
        return self.config_address

    def write_address(self, _offset: int, value: int) -> None:
        self.config_address = value

    def read_data(self, width: int, offset: int) -> int:
        address = self.config_address
        if not address & CONFIG_ENABLE or address & 0xFF0000:  # off, or a bus that is not there
            return (1 << 8 * width) - 1
        devfn, register = address >> 8 & 0xFF, address & 0xFC | offset
        value = self.pci.read_config(devfn, register, width)
        if CFG_READ.on:
            CFG_READ(devfn >> 3, devfn & 7, register, value)
        return value

    def write_data(self, width: int, offset: int, value: int) -> None:
        address = self.config_address
        if address & CONFIG_ENABLE and not address & 0xFF0000:
            devfn, register = address >> 8 & 0xFF, address & 0xFC | offset
            if CFG_WRITE.on:
                CFG_WRITE(devfn >> 3, devfn & 7, register, value)
            self.pci.write_config(devfn, register, width, value)


class _Segment:
    """One PAM segment: the mapping that covers it and what it shows in each of the four modes."""

    def __init__(
        self, memory: AddressSpace, base: int, size: int, ram: RamBlock, below: tuple[RamBlock, int] | None
    ):
        """*below*: the ROM block and offset that answer at this place when the segment belongs to PCI."""
        self.mode = 0
        writable = Ram(ram, base, size)
        write_only: Region = writable  # where no ROM answers, RAM is read as well
        if below is not None:
            block, offset = below
            write_only = Ram(block, offset, size, readonly=True, on_write=_store_into(memory, ram, base))
        self.regions: list[Region | None] = [None, Ram(ram, base, size, readonly=True), write_only, writable]
        self.mapping: Mapping = memory.map(base, writable, priority=PAM_PRIORITY)
        memory.enable(self.mapping, False)

    def select(self, memory: AddressSpace, mode: int) -> None:
        self.mode = mode
        region = self.regions[mode]
        if region is not None:
            memory.show(self.mapping, region)
        memory.enable(self.mapping, region is not None)


class I440fx(PciDevice, type="i440FX", vmstate="I440FX", version=3):
    """The bridge as PCI device 00.0. The board calls ``set_memory`` before plugging it in."""

    vendor_id, device_id, revision = 0x8086, 0x1237, 0x02
    class_code = 0x060000
    subsystem = (0x1AF4, 0x1100)

    unused = State.unused(1)

    below_4g_limit = Prop.u32(0xE0000000, help="RAM above this address continues at 4 GiB", name="x-below-4g-limit")

    def __init__(self, **values: Any) -> None:
        super().__init__(**values)
        self.ram: RamBlock | None = None
        self.bios: RamBlock | None = None
        self.option_roms: RamBlock | None = None
        self.segments: list[_Segment] = []
        self.smram: Mapping | None = None

    def set_memory(self, ram: RamBlock, bios: RamBlock | None) -> None:
        """The guest's RAM, and the BIOS (64 KiB to 16 MiB; None: the board has none)."""
        self.ram, self.bios = ram, bios
        self.option_roms = RamBlock("pc.rom", OPTION_ROM_BYTES)

    @property
    def below_4g_bytes(self) -> int:
        """How much of the RAM lies below 4 GiB."""
        assert self.ram is not None
        return min(self.ram.size, self.below_4g_limit)

    @property
    def above_4g_bytes(self) -> int:
        """How much of it lies from 4 GiB on."""
        assert self.ram is not None
        return self.ram.size - self.below_4g_bytes

    def realize(self, bus: Any) -> None:
        if self.ram is None:
            return
        if self.ram.size < HIGH_RAM_BASE:
            raise ConfigError("the PC board needs at least 1 MiB of RAM")
        self.header[DRB7] = min(self.ram.size // DRB_UNIT, 0xFF)
        self.header[SMRAM] = Smram.C_BASE_SEG
        memory = bus.isa.memory
        with memory.transaction():
            self._map_ram(memory, self.ram)
            self._map_roms(memory)
            self._map_segments(memory, self.ram)

    def _map_ram(self, memory: AddressSpace, ram: RamBlock) -> None:
        below = self.below_4g_bytes
        memory.map(0, Ram(ram, 0, LOW_RAM_END), priority=RAM_PRIORITY)
        memory.map(LOW_RAM_END, Ram(ram, LOW_RAM_END, HIGH_RAM_BASE - LOW_RAM_END), priority=RAM_IN_HOLE)
        if below > HIGH_RAM_BASE:
            memory.map(HIGH_RAM_BASE, Ram(ram, HIGH_RAM_BASE, below - HIGH_RAM_BASE), priority=RAM_PRIORITY)
        if self.above_4g_bytes:
            memory.map(GIB_4, Ram(ram, below, self.above_4g_bytes), priority=RAM_PRIORITY)
        self.smram = memory.map(SMRAM_BASE, Ram(ram, SMRAM_BASE, SMRAM_BYTES), priority=PAM_PRIORITY)
        memory.enable(self.smram, False)

    def _map_roms(self, memory: AddressSpace) -> None:
        assert self.option_roms is not None
        memory.map(OPTION_ROM_BASE, Ram(self.option_roms, readonly=True), priority=ROM_PRIORITY)
        if self.bios is not None:
            size = self.bios.size
            isa = min(size, ISA_BIOS_BYTES)
            memory.map(GIB_4 - size, Ram(self.bios, readonly=True), priority=ROM_PRIORITY)
            memory.map(HIGH_RAM_BASE - isa, Ram(self.bios, size - isa, isa, readonly=True), priority=ROM_PRIORITY)

    def _map_segments(self, memory: AddressSpace, ram: RamBlock) -> None:
        """In the order of the PAM nibbles: F0000 is the upper nibble of 59, the others follow from 5A."""
        places = [(0xF0000, 64 * KIB)] + [(0xC0000 + n * 16 * KIB, 16 * KIB) for n in range(12)]
        self.segments = [_Segment(memory, base, size, ram, self._rom_at(base)) for base, size in places]

    def _rom_at(self, address: int) -> tuple[RamBlock, int] | None:
        """The ROM block and the offset in it that a segment shows when it belongs to PCI."""
        assert self.option_roms is not None
        if address < OPTION_ROM_BASE + OPTION_ROM_BYTES:
            return self.option_roms, address - OPTION_ROM_BASE
        if self.bios is not None and HIGH_RAM_BASE - address <= min(self.bios.size, ISA_BIOS_BYTES):
            return self.bios, self.bios.size - (HIGH_RAM_BASE - address)
        return None

    def ram_blocks(self) -> list[RamBlock]:
        return [self.option_roms] if self.option_roms is not None else []

    def refresh(self) -> None:
        super().refresh()
        self._follow()

    def config_written(self, offset: int, width: int) -> None:
        if (offset <= PAM_LAST and offset + width > PAM0) or offset <= SMRAM < offset + width:
            self._follow()

    def _follow(self) -> None:
        """Let the memory map follow PAM and SMRAM; segments whose nibble did not change are left alone."""
        if self.smram is None:
            return
        config = self.config
        modes = [config[PAM0] >> 4 & 3]
        for value in config[PAM0 + 1 : PAM_LAST + 1]:
            modes += (value & 3, value >> 4 & 3)
        memory = self.bus.isa.memory
        with memory.transaction():
            for segment, mode in zip(self.segments, modes, strict=True):
                if segment.mode != mode:
                    segment.select(memory, mode)
            control = config[SMRAM]
            memory.enable(self.smram, control & _SMRAM_VISIBLE == _SMRAM_VISIBLE and not control & _SMRAM_LOCKED)


def _store_into(memory: AddressSpace, ram: RamBlock, base: int) -> Callable[[int, int, int], None]:
    """A handler for the write-only mode: reads show the ROM, stores go to the RAM behind it."""

    def store(width: int, offset: int, value: int) -> None:
        start = base + offset
        ram.view[start : start + width] = (value & ((1 << 8 * width) - 1)).to_bytes(width, "little")
        memory.on_ram_written(ram, start, width)

    return store
