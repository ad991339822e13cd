"""QEMU's firmware configuration device, I/O port form: numbered items and named files for the firmware.

Source   QEMU documentation, docs/specs/fw_cfg (version 1 and the DMA interface of version 2)
Ports    510 selector (16-bit write), 511 data, next byte of the selected item (510 reads the same byte; a wide
         read of 510 gives zero); with dma_enabled 514-51B the DMA address, big endian, whose low half starts a
         transfer; reading it gives "QEMU CFG"
Items    keys 0-19 by number, 20 up the files of the directory (item 19), 8000 up those of the architecture
Units    bytes; numbers inside items are little endian, the directory and the DMA structure big endian
Errors   add() and add_file() raise ConfigError; a guest that selects nothing, or reads past an end, reads zero
Missing  items that the guest may write: such a DMA transfer ends with the error bit
"""

from __future__ import annotations

import struct
from bisect import bisect
from collections.abc import Callable
from enum import IntEnum, IntFlag
from typing import Any

from pyqemu.core.device import IsaDevice, Prop, State
from pyqemu.core.errors import ConfigError
from pyqemu.core.memory import AddressSpace, Ram
from pyqemu.core.trace import event

SELECTED = event("fw_cfg_select", "key 0x%04x '%s'")

SELECTOR, DATA, DMA_BASE = 0x510, 0x511, 0x514
FILE_FIRST = 0x20
FILE_NAME_BYTES = 56
ARCHITECTURE = 0x8000
INVALID = 0xFFFF
KEY_MASK = 0xBFFF  # bit 14 asks for the write channel of old, which has no items
DMA_SIGNATURE = b"QEMU CFG"
DMA_STRUCT = struct.Struct(">IIQ")  # control, length, address
ZERO_FILL_LIMIT = 16 << 20  # a transfer may run this far past the end of an item
ZEROS = bytes(1 << 16)

Content = bytes | Callable[[], bytes]


class Key(IntEnum):
    SIGNATURE, ID, UUID, RAM_SIZE, NOGRAPHIC, CPUS, MACHINE_ID = range(7)
    KERNEL_ADDR, KERNEL_SIZE, KERNEL_CMDLINE, INITRD_ADDR, INITRD_SIZE, BOOT_DEVICE = range(7, 13)
    NUMA, BOOT_MENU, MAX_CPUS, KERNEL_ENTRY, KERNEL_DATA, INITRD_DATA = range(13, 19)
    CMDLINE_ADDR, CMDLINE_SIZE, CMDLINE_DATA, SETUP_ADDR, SETUP_SIZE, SETUP_DATA = range(19, 25)
    FILE_DIR = 25
    ACPI_TABLES, SMBIOS, IRQ0_OVERRIDE, E820, HPET = range(ARCHITECTURE, ARCHITECTURE + 5)


class Dma(IntFlag):
    """The control word; a selection carries the key in its upper half."""

    ERROR = 0x01
    READ = 0x02
    SKIP = 0x04
    SELECT = 0x08
    WRITE = 0x10


_ERROR, _READ, _SKIP, _SELECT, _WRITE = map(int, (Dma.ERROR, Dma.READ, Dma.SKIP, Dma.SELECT, Dma.WRITE))


class FwCfg(IsaDevice, type="fw_cfg_io", vmstate="fw_cfg", version=2):
    """``add`` and ``add_file`` fill it, before the guest runs; a callable is asked whenever it is selected."""

    dma_enabled = Prop.bool(False, help="offer the DMA interface", name="dma_enabled")
    file_slots = Prop.u16(16, minimum=16, maximum=0x3FFF - FILE_FIRST, help="most files", name="x-file-slots")
    sorted_files = Prop.bool(
        False, help="files in the order of their names, not of their arrival", name="x-sorted-files"
    )

    key = State.u16(name="cur_entry")
    offset = State.u32(name="cur_offset[1]")
    dma_address = State.u64(name="dma_addr", sub="dma")

    def __init__(self, **values: Any) -> None:
        super().__init__(**values)
        self.items: dict[int, Content] = {}
        self.files: list[tuple[str, Content]] = []
        self.content = b""  # of the selected item

    # -- what the board puts in -----------------------------------------------------------------------

    def add(self, key: int, content: Content) -> None:
        """Set a numbered item; a second time replaces it."""
        self.items[int(key)] = content

    def add_u16(self, key: int, value: int) -> None:
        self.add(key, value.to_bytes(2, "little"))

    def add_u32(self, key: int, value: int) -> None:
        self.add(key, value.to_bytes(4, "little"))

    def add_u64(self, key: int, value: int) -> None:
        self.add(key, value.to_bytes(8, "little"))

    def add_string(self, key: int, text: str) -> None:
        """Text with the zero that ends it."""
        self.add(key, text.encode(errors="surrogateescape") + b"\0")

    def add_file(self, name: str, content: Content) -> None:
        """Add a file. Raises ConfigError if the name is taken or too long, or the directory full."""
        if len(name.encode()) >= FILE_NAME_BYTES:
            raise ConfigError(f"fw_cfg file name '{name}' is too long", f"Accepted: {FILE_NAME_BYTES - 1} bytes.")
        if any(name == other for other, _ in self.files):
            raise ConfigError(f"duplicate fw_cfg file name: {name}")
        if len(self.files) >= self.file_slots:
            raise ConfigError(f"no room for fw_cfg file '{name}'", f"There are {self.file_slots} slots.")
        place = bisect([other for other, _ in self.files], name) if self.sorted_files else len(self.files)
        self.files.insert(place, (name, content))

    def file_key(self, name: str) -> int:
        """The key that selects a file now, or -1."""
        return next((FILE_FIRST + n for n, (other, _) in enumerate(self.files) if other == name), -1)

    # -- chip -----------------------------------------------------------------------------------------

    def realize(self, bus: Any) -> None:
        self.add(Key.SIGNATURE, b"QEMU")
        self.add_u32(Key.ID, 3 if self.dma_enabled else 1)
        self.add(Key.FILE_DIR, self._directory)
        ports = bus.ports
        ports.map_each(SELECTOR, [(self.read_data, None), (self.read_data, None)], owner=self)
        ports.map(SELECTOR, 1, _zero, self.write_selector, owner=self, width=2)
        ports.map(SELECTOR, 1, _zero, None, owner=self, width=4)
        ports.map_string(DATA, self.read_string, None)
        if self.dma_enabled:
            ports.map_wide(DMA_BASE, 8, self.read_dma, self.write_dma, owner=self)

    def refresh(self) -> None:
        self.content = self._find(self.key)

    def _directory(self) -> bytes:
        """Item 19: how many files, and for each its size, key and name."""
        entries = [
            struct.pack(">IHxx56s", len(_bytes(content)), FILE_FIRST + n, name.encode())
            for n, (name, content) in enumerate(self.files)
        ]
        return len(entries).to_bytes(4, "big") + b"".join(entries)

    def _find(self, key: int) -> bytes:
        if FILE_FIRST <= key < FILE_FIRST + len(self.files):
            return _bytes(self.files[key - FILE_FIRST][1])
        return _bytes(self.items.get(key, b""))

    def _select(self, key: int) -> None:
        key &= KEY_MASK
        if key & ~ARCHITECTURE >= FILE_FIRST + self.file_slots:
            key = INVALID
        self.key, self.offset = key, 0
        self.content = self._find(key)
        if SELECTED.on:
            number = key - FILE_FIRST
            SELECTED(key, self.files[number][0] if 0 <= number < len(self.files) else "")

    def write_selector(self, _offset: int, value: int) -> None:
        self._select(value)

    def read_data(self, _port: int) -> int:
        offset = self.offset
        content = self.content
        if offset < len(content):
            self.offset = offset + 1
            return content[offset]
        return 0

    def read_string(self, width: int, count: int) -> bytes:
        """What is left of the item, for ``rep insb``; past its end byte by byte."""
        if width != 1:
            return b""
        start = self.offset
        data = self.content[start : start + count]
        self.offset = start + len(data)
        return data

    # -- DMA ------------------------------------------------------------------------------------------

    def read_dma(self, width: int, offset: int) -> int:
        return int.from_bytes(DMA_SIGNATURE[offset : offset + width], "little")

    def write_dma(self, width: int, offset: int, value: int) -> None:
        """The upper half is kept, the lower half starts the transfer. Only aligned 32-bit writes count."""
        if width != 4 or offset & 3:
            return
        half = int.from_bytes(value.to_bytes(4, "little"), "big")
        if offset == 0:
            self.dma_address = half << 32
            return
        address, self.dma_address = self.dma_address | half, 0
        memory = self.bus.memory
        control, length, target = DMA_STRUCT.unpack(memory.read(address, DMA_STRUCT.size))
        if control & _SELECT:
            self._select(control >> 16)
        failed = False
        if control & _READ:
            failed = not self._transfer(memory, target, length)
        elif control & _WRITE:
            self.guest_error(f"item {self.key:#x} is read-only")
            failed = True
        elif control & _SKIP:
            self.offset = min(self.offset + length, len(self.content))
        memory.write(address, (_ERROR if failed else 0).to_bytes(4, "big"))

    def _transfer(self, memory: AddressSpace, target: int, length: int) -> bool:
        """Item → RAM, zeros after its end; False if part of the target is no memory."""
        start = self.offset
        data = memoryview(self.content)[start : start + length]
        if length - len(data) > ZERO_FILL_LIMIT:
            self.guest_error(f"DMA of {length} bytes from an item with {len(data)} left")
            return False
        self.offset = start + len(data)
        if not _store(memory, target, data):
            return False
        target += len(data)
        remaining = length - len(data)
        while remaining:
            piece = ZEROS[:remaining]
            if not _store(memory, target, piece):
                return False
            target += len(piece)
            remaining -= len(piece)
        return True


def _store(memory: AddressSpace, address: int, data: bytes | memoryview) -> bool:
    """Store into RAM (ROM ignores it); False as soon as nothing, or a device, is in the way."""
    position = 0
    while position < len(data):
        span = memory.find(address)
        if span is None or not isinstance(span.region, Ram):
            return False
        length = min(len(data) - position, span.end - address)
        memory.write(address, data[position : position + length])
        position += length
        address += length
    return True


def _bytes(content: Content) -> bytes:
    return content if isinstance(content, bytes) else content()


def _zero(_offset: int) -> int:
    return 0
