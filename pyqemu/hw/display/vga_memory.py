"""How the CPU sees the VGA's memory: the window at A0000-BFFFF.

Source   IBM PS/2 Hardware Interface Technical Reference, Video Subsystems (1992), "Display memory" and
         "Graphics controller"
Memory   four planes; byte *a* of plane *p* lies at 4a+p of the linear memory, so one 32-bit word is what the
         latches hold. Chain-4 addresses are linear ones, as on SVGA chips (the IBM VGA leaves gaps instead)
Units    ``bank_offset`` counts bytes in chain 4 and plane bytes else
Missing  a read through a window that is mapped as RAM (below) leaves the latches as they were; what the
         guest stores through the linear aperture while text or one plane is mapped so shows only afterwards

Where an access means nothing but "store this byte there" the window is RAM and costs no call: chain 4 shows
the linear memory itself; text (odd/even addressing) and a single plane show a shadow copy, which goes back
into the planes when the mode changes or somebody looks (``sync``). Changing the map is dear, as the CPU loses
its TLB, and some guests switch planes for every pixel. So a window becomes RAM only after it has been used
for a while without a change, from a timer (never while the CPU is inside an access); back it goes at once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from pyqemu.core.clock import Clock
from pyqemu.core.memory import AddressSpace, Mapping, Mmio, Ram, RamBlock
from pyqemu.hw.display.vga_registers import Gfx, Misc, Seq, VgaRegisters

WINDOW_BASE = 0xA0000
WINDOW_BYTES = 0x20000
RANGES = ((0x00000, 0x20000), (0x00000, 0x10000), (0x10000, 0x18000), (0x18000, 0x20000))  # by GR6 bits 3-2
SHADOW_BYTES = 0x10000
ACCESSES_BEFORE_MAPPING = 400  # about what a change of the map costs

ALL = 0xFFFFFFFF
EVERY = 0x01010101  # times a byte: that byte in each plane
EXPAND = tuple(sum(0xFF << 8 * plane for plane in range(4) if bits >> plane & 1) for bits in range(16))

LINEAR, TEXT, PLANE = range(3)


class Layout(NamedTuple):
    """A window that can be RAM: *size* bytes from *low* in the window; *base* is where they begin in the
    linear memory (LINEAR) or in each plane; *plane* for PLANE only."""

    kind: int
    low: int
    size: int
    base: int
    plane: int


class VgaMemory:
    def __init__(self, vga: VgaRegisters, vram: RamBlock, space: AddressSpace, clock: Clock) -> None:
        self.vga = vga
        self.vram = vram
        self.space = space
        self.words = vram.view.cast("I")
        self.halves = vram.view.cast("H")
        self.wrap = len(self.words) - 1  # the size is a power of two
        self.shadow = RamBlock("vga.window", SHADOW_BYTES)
        self.layout: Layout | None = None  # what is mapped as RAM now
        self.mapping: Mapping | None = None
        self._candidate: Layout | None = None
        self._credit = 0
        self._timer = clock.timer(self._map)
        self.region = Mmio(WINDOW_BYTES, self._first_read, self._first_write, owner=self, runs=self)
        space.map(WINDOW_BASE, self.region, priority=1)
        self._resolve()

    # -- the mode -------------------------------------------------------------------------------------

    def changed(self) -> None:
        """A register changed that the window depends on. Cheap: guests do this between any two accesses."""
        if self.mapping is not None:
            if self._find_layout() == self.layout:
                return
            self.unmap()
        self._stale = True
        self.region.read = self._first_read
        self.region.write = self._first_write

    def _first_read(self, width: int, offset: int) -> int:
        self._resolve()
        return self.region.read(width, offset)

    def _first_write(self, width: int, offset: int, value: int) -> None:
        self._resolve()
        self.region.write(width, offset, value)

    def _resolve(self) -> None:
        """Take the registers apart and choose the handlers for the accesses to come."""
        self._stale = False
        vga = self.vga
        sr, gr = vga.sr, vga.gr
        self._low, self._high = RANGES[gr[Gfx.MISC] >> 2 & 3]
        mode = gr[Gfx.MODE]
        self._bank = vga.bank_offset if (self._low, self._high) == RANGES[1] else 0
        self._delta = self._bank - self._low
        self._map_mask = sr[Seq.MAP_MASK] & 0x0F
        self._chain_4 = bool(sr[Seq.MEMORY_MODE] & Seq.CHAIN_4)
        self._odd_even_write = not sr[Seq.MEMORY_MODE] & (Seq.SEQUENTIAL | Seq.CHAIN_4)
        self._odd_even_read = bool(mode & Gfx.ODD_EVEN_READ) and not self._chain_4
        self._chain_odd_even = bool(gr[Gfx.MISC] & Gfx.CHAIN_ODD_EVEN) and not self._chain_4
        self._write_mode = mode & 3
        self._rotate = gr[Gfx.ROTATE] & 7
        self._function = gr[Gfx.ROTATE] >> 3 & 3
        self._bits = gr[Gfx.BIT_MASK] * EVERY
        self._set_reset = EXPAND[gr[Gfx.SET_RESET] & 0x0F]
        self._forced = EXPAND[gr[Gfx.ENABLE_SET_RESET] & 0x0F]
        self._forced_value = self._set_reset & self._forced
        self._read_plane = gr[Gfx.READ_MAP] & 3
        self._compare = EXPAND[gr[Gfx.COMPARE] & 0x0F]
        self._care = EXPAND[gr[Gfx.DONT_CARE] & 0x0F]
        self._put = EXPAND[self._map_mask]
        self._keep = ALL ^ self._put

        read: Callable[[int, int], int]
        write: Callable[[int, int, int], None]
        by_plane = not (self._chain_4 or self._chain_odd_even)
        self._plain = self._plain_writes()
        self._compares = bool(mode & Gfx.READ_COMPARE)
        if by_plane and not (self._odd_even_read or self._compares):
            read = self._read_from_plane
        elif self._odd_even_read and self._is_text():
            read = self._read_text
        elif self._chain_4 and not self._compares:
            read = self._read_linear
        else:
            read = self._read_any
        if self._chain_4 and self._plain and self._map_mask == 0x0F:
            write = self._write_linear
        elif not by_plane or self._odd_even_write:
            write = self._write_text if self._is_text() else self._write_any
        elif self._plain:
            write = self._write_masked
        elif self._write_mode == 1:
            write = self._write_latches
        else:
            write = self._write_planes
        if not vga.msr & Misc.RAM_ENABLE:
            read, write = _read_nothing, _write_nothing
        self._read, self._write = read, write
        self._candidate = self._find_layout()
        if self._candidate is None or self.mapping is not None:
            self.region.read, self.region.write = read, write
        else:
            self._credit = ACCESSES_BEFORE_MAPPING
            self.region.read, self.region.write = self._counted_read, self._counted_write

    def _plain_writes(self) -> bool:
        """Write mode 0 that changes nothing about the byte."""
        gr = self.vga.gr
        return (
            not (gr[Gfx.MODE] & 3 or gr[Gfx.ROTATE] or gr[Gfx.ENABLE_SET_RESET] & 0x0F) and gr[Gfx.BIT_MASK] == 0xFF
        )

    def _is_text(self) -> bool:
        """Characters at even addresses, in plane 0; attributes at odd ones, in plane 1."""
        return (
            self._plain
            and self._odd_even_write
            and self._chain_odd_even
            and self._map_mask == 0x03
            and self._read_plane < 2
            and not self._compares
            and self._high - self._low <= SHADOW_BYTES
        )

    def _find_layout(self) -> Layout | None:
        """How the window could be RAM in the present mode, if at all."""
        vga = self.vga
        sr, gr = vga.sr, vga.gr
        if not vga.msr & Misc.RAM_ENABLE or gr[Gfx.MODE] & Gfx.READ_COMPARE or not self._plain_writes():
            return None
        low, high = RANGES[gr[Gfx.MISC] >> 2 & 3]
        base = vga.bank_offset if (low, high) == RANGES[1] else 0
        map_mask, memory_mode = sr[Seq.MAP_MASK] & 0x0F, sr[Seq.MEMORY_MODE]
        if memory_mode & Seq.CHAIN_4:
            return Layout(LINEAR, low, high - low, base, 0) if map_mask == 0x0F else None
        if high - low > SHADOW_BYTES:
            return None
        odd_even = bool(gr[Gfx.MODE] & Gfx.ODD_EVEN_READ)
        chained = bool(gr[Gfx.MISC] & Gfx.CHAIN_ODD_EVEN)
        read_plane = gr[Gfx.READ_MAP] & 3
        if not memory_mode & Seq.SEQUENTIAL:
            if odd_even and chained and map_mask == 0x03 and read_plane < 2 and base == 0:
                return Layout(TEXT, low, high - low, 0, 0)
        elif not odd_even and not chained and map_mask == 1 << read_plane:
            base &= self.wrap
            if base + high - low <= len(self.words):
                return Layout(PLANE, low, high - low, base, read_plane)
        return None

    # -- the window as RAM ----------------------------------------------------------------------------

    def _counted_read(self, width: int, offset: int) -> int:
        self._credit -= 1
        if self._credit == 0:
            self._timer.start(0)
        return self._read(width, offset)

    def _counted_write(self, width: int, offset: int, value: int) -> None:
        self._credit -= 1
        if self._credit == 0:
            self._timer.start(0)
        self._write(width, offset, value)

    def _map(self) -> None:
        """The mode has lasted: show RAM, unless it changed in the last moment."""
        layout = self._find_layout()
        if layout is None or layout != self._candidate or self._credit > 0 or self.mapping is not None:
            return
        self.layout = layout
        self._copy(layout, out=False)
        if layout.kind == LINEAR:
            ram = Ram(self.vram, layout.base, layout.size)
        else:
            ram = Ram(self.shadow, 0, layout.size)
        self.space.on_ram_written(ram.block, ram.offset, ram.size)  # calls stored, perhaps over code
        self.mapping = self.space.map(WINDOW_BASE + layout.low, ram, priority=2)

    def unmap(self, keep: bool = True) -> None:
        """Back to calls. With ``keep=False`` what the shadow holds is dropped (a state is being loaded)."""
        self._timer.stop()
        if self.mapping is None or self.layout is None:
            return
        if keep:
            self.sync()
        self.space.unmap(self.mapping)
        self.mapping = self.layout = None
        self._stale = True
        self.region.read = self._first_read
        self.region.write = self._first_write

    def sync(self) -> None:
        """Bring the linear memory up to date, for who reads it."""
        if self.layout is not None:
            self._copy(self.layout, out=True)

    def _copy(self, layout: Layout, *, out: bool) -> None:
        """Between the shadow and its place in the planes."""
        vram, shadow, size, base = self.vram.map, self.shadow.map, layout.size, layout.base
        if layout.kind == TEXT:  # even addresses are plane 0, odd ones the same byte of plane 1
            pairs = [(slice(plane, size * 4, 8), slice(plane, size, 2)) for plane in (0, 1)]
        elif layout.kind == PLANE:
            pairs = [(slice(base * 4 + layout.plane, (base + size) * 4, 4), slice(0, size))]
        else:
            return
        for place, copy in pairs:
            if out:
                vram[place] = shadow[copy]
            else:
                shadow[copy] = vram[place]

    # -- runs: many bytes in one call -----------------------------------------------------------------

    def _run_at(self, offset: int, length: int, writes: bool) -> tuple[int, int] | None:
        """Where a run of bytes lies, as (first byte or plane byte, stride): one that is chained by A0 takes
        every second plane byte. None if it is not all there or not of a simple form."""
        if self._stale:
            self._resolve()
        if self._candidate is not None:
            self._credit -= 1
            if self._credit == 0:
                self._timer.start(0)
        if not self._low <= offset <= self._high - length or not self.vga.msr & Misc.RAM_ENABLE:
            return None
        address = offset + self._delta
        if self._chain_4:
            return (address, 1) if address + length <= self.vram.size else None
        odd_even = self._odd_even_write if writes else self._odd_even_read
        if odd_even != self._chain_odd_even or address + length > len(self.words):
            return None
        if not odd_even:
            return address, 1
        return (address, 2) if not (offset | length) & 1 and self._high - self._low <= SHADOW_BYTES else None

    def read_run(self, offset: int, length: int) -> bytes | None:
        place = self._run_at(offset, length, writes=False)
        if place is None or self._compares:
            return None
        start, stride = place
        memory, end = self.vram.map, start + length
        if self._chain_4:
            self.vga.latch = self.words[end - 1 >> 2]
            return memory[start:end]
        plane = self._read_plane
        self.vga.latch = self.words[end - stride]
        if stride == 1:
            return memory[4 * start + plane : 4 * end : 4]
        data = bytearray(length)
        for odd in (0, 1):
            data[odd::2] = memory[4 * start + (plane & 2 | odd) : 4 * end : 8]
        return bytes(data)

    def write_run(self, offset: int, data: bytes) -> bool:
        length = len(data)
        place = self._run_at(offset, length, writes=True)
        if place is None:
            return False
        start, stride = place
        memory, end, maps = self.vram.map, start + length, self._map_mask
        if self._chain_4:
            if not self._plain or maps != 0x0F:
                return False
            memory[start:end] = data
            return True
        planes = [plane for plane in range(4) if maps >> plane & 1]
        if self._plain:
            for plane in planes:
                own = data if stride == 1 else data[plane & 1 :: 2]
                memory[4 * start + plane : 4 * end : 4 * stride] = own
            return True
        if stride == 2:
            return False
        words = {value: self._combine(value) for value in set(data)}
        for plane in planes:
            table = bytearray(256)
            for value, word in words.items():
                table[value] = word >> 8 * plane & 0xFF
            memory[4 * start + plane : 4 * end : 4] = data.translate(table)
        return True

    def copy_run(self, source: int, target: int, length: int, width: int) -> bool:
        """In write mode 1 the latches carry all planes; a wider element would carry only its last byte's."""
        if source < target < source + length:
            return False  # repeats a pattern
        if self._stale:
            self._resolve()
        if self._plain:
            data = self.read_run(source, length)
            return data is not None and self.write_run(target, data)
        if self._write_mode != 1 or width != 1 or self._chain_4:
            return False
        place, to = self._run_at(source, length, writes=False), self._run_at(target, length, writes=True)
        if place is None or to is None or place[1] != 1 or to[1] != 1:
            return False
        words, start, there = self.words, place[0], to[0]
        latch = words[start + length - 1]
        if self._map_mask == 0x0F:
            words[there : there + length] = words[start : start + length]
        else:
            memory = self.vram.map
            for plane in range(4):
                if self._map_mask >> plane & 1:
                    moved = memory[4 * start + plane : 4 * (start + length) : 4]
                    memory[4 * there + plane : 4 * (there + length) : 4] = moved
        self.vga.latch = latch
        return True

    # -- reads ----------------------------------------------------------------------------------------

    def _read_from_plane(self, width: int, offset: int) -> int:
        """Read mode 0 in planar addressing."""
        if not self._low <= offset <= self._high - width:
            return self._read_any(width, offset)
        position = offset + self._delta
        wrap, words, shift = self.wrap, self.words, 8 * self._read_plane
        if width == 1:
            word = words[position & wrap]
            self.vga.latch = word
            return word >> shift & 0xFF
        value = word = 0
        for i in range(width):
            word = words[position + i & wrap]
            value |= (word >> shift & 0xFF) << 8 * i
        self.vga.latch = word
        return value

    def _read_linear(self, width: int, offset: int) -> int:
        """Chain 4."""
        start = offset + self._delta
        if not self._low <= offset <= self._high - width or start + width > self.vram.size:
            return self._read_any(width, offset)
        self.vga.latch = self.words[start + width - 1 >> 2]
        return int.from_bytes(self.vram.view[start : start + width], "little")

    def _read_text(self, width: int, offset: int) -> int:
        if width > 4 or (width > 1 and offset & 1) or not self._low <= offset <= self._high - width:
            return self._read_any(width, offset)
        position = offset + self._delta & self.wrap
        self.vga.latch = word = self.words[position & ~1]
        if width == 1:
            return word >> 8 * (position & 1) & 0xFF
        if width == 2:
            return word & 0xFFFF
        self.vga.latch = second = self.words[position + 2 & self.wrap]
        return word & 0xFFFF | (second & 0xFFFF) << 16

    def _read_any(self, width: int, offset: int) -> int:
        """Every mode, byte by byte. Outside the decoded range there is nothing: ones."""
        value = 0
        for i in range(width):
            value |= self._read_byte(offset + i) << 8 * i
        return value

    def _read_byte(self, offset: int) -> int:
        if not self._low <= offset < self._high:
            return 0xFF
        address = offset - self._low
        if self._chain_4:
            position = address + self._bank >> 2
            plane = address & 3
        else:
            plane = self._read_plane
            if self._odd_even_read:
                plane = plane & 2 | address & 1
            if self._chain_odd_even:
                address = address & 0xFFFE | address >> 16
            position = address + self._bank
        word = self.words[position & self.wrap]
        self.vga.latch = word
        if not self._compares:
            return word >> 8 * plane & 0xFF
        different = (word ^ self._compare) & self._care
        return ~(different | different >> 8 | different >> 16 | different >> 24) & 0xFF

    # -- writes ---------------------------------------------------------------------------------------

    def _write_linear(self, width: int, offset: int, value: int) -> None:
        """Chain 4, the bytes as they are."""
        start = offset + self._delta
        if not self._low <= offset <= self._high - width or start + width > self.vram.size:
            self._write_any(width, offset, value)
            return
        self.vram.view[start : start + width] = value.to_bytes(width, "little")

    def _write_text(self, width: int, offset: int, value: int) -> None:
        if width > 4 or (width > 1 and offset & 1) or not self._low <= offset <= self._high - width:
            self._write_any(width, offset, value)
            return
        position = offset + self._delta & self.wrap
        if width == 1:
            self.vram.view[4 * (position & ~1) + (position & 1)] = value & 0xFF
            return
        self.halves[2 * position] = value & 0xFFFF
        if width == 4:
            self.halves[2 * (position + 2 & self.wrap)] = value >> 16 & 0xFFFF

    def _write_masked(self, width: int, offset: int, value: int) -> None:
        """Planar addressing, the byte as it is into the planes of the map mask."""
        if not self._low <= offset <= self._high - width:
            self._write_any(width, offset, value)
            return
        position = offset + self._delta
        wrap, words, keep, put = self.wrap, self.words, self._keep, self._put
        if width == 1:
            position &= wrap
            words[position] = words[position] & keep | (value & 0xFF) * EVERY & put
            return
        for i in range(width):
            here = position + i & wrap
            words[here] = words[here] & keep | (value >> 8 * i & 0xFF) * EVERY & put

    def _write_latches(self, width: int, offset: int, value: int) -> None:
        """Write mode 1 in planar addressing: copy what was read last."""
        if not self._low <= offset <= self._high - width:
            self._write_any(width, offset, value)
            return
        position = offset + self._delta
        wrap, words, keep, put = self.wrap, self.words, self._keep, self.vga.latch & self._put
        for i in range(width):
            here = position + i & wrap
            words[here] = words[here] & keep | put

    def _write_planes(self, width: int, offset: int, value: int) -> None:
        """Write modes 0, 2 and 3 in planar addressing."""
        if not self._low <= offset <= self._high - width:
            self._write_any(width, offset, value)
            return
        position = offset + self._delta
        wrap, words, keep, put, combine = self.wrap, self.words, self._keep, self._put, self._combine
        for i in range(width):
            here = position + i & wrap
            words[here] = words[here] & keep | combine(value >> 8 * i & 0xFF) & put

    def _write_any(self, width: int, offset: int, value: int) -> None:
        """Every mode, byte by byte. Outside the decoded range nothing happens."""
        words = self.words
        for i in range(width):
            address = offset + i - self._low
            if not 0 <= address < self._high - self._low:
                continue
            maps = self._map_mask
            if self._chain_4:
                position = address + self._bank >> 2
                maps &= 1 << (address & 3)
            else:
                if self._odd_even_write:
                    maps &= 0b1010 if address & 1 else 0b0101
                if self._chain_odd_even:
                    # A0 has chosen the plane; in the 128 KiB window A16 takes its place in the address.
                    address = address & 0xFFFE | address >> 16
                position = address + self._bank
            position &= self.wrap
            put = EXPAND[maps]
            words[position] = words[position] & (ALL ^ put) | self._combine(value >> 8 * i & 0xFF) & put

    def _combine(self, value: int) -> int:
        """What the graphics controller makes of a byte: one 32-bit word, a byte for each plane."""
        mode = self._write_mode
        latch = self.vga.latch
        if mode == 1:
            return latch
        bits = self._bits
        if mode == 2:
            data = EXPAND[value & 0x0F]
        else:
            rotate = self._rotate
            value = (value >> rotate | value << 8 - rotate) & 0xFF
            if mode == 0:
                data = value * EVERY & ~self._forced | self._forced_value
            else:
                bits &= value * EVERY
                data = self._set_reset
        function = self._function
        if function == 1:
            data &= latch
        elif function == 2:
            data |= latch
        elif function == 3:
            data ^= latch
        return data & bits | latch & ~bits & ALL


def _read_nothing(_width: int, _offset: int) -> int:
    return 0


def _write_nothing(_width: int, _offset: int, _value: int) -> None:
    pass
