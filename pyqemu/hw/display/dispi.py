"""The Bochs display interface ("dispi", VBE extension): linear modes up to 32 bits per pixel on a VGA.

Source   Bochs VBE display API (vbe_display_api.txt), interface versions B0C0 to B0C5
Ports    1CE index, 1CF and 1D0 data; 16 bits wide. As on QEMU's board byte and 32-bit accesses are not decoded
Units    XRES, YRES, offsets and virtual sizes in pixels; the bank in 64 KiB
Errors   while a mode is enabled its registers always hold something that fits the memory: what the guest
         writes is brought into range; before that they are plain storage. Undefined registers read 0
"""

from __future__ import annotations

from pyqemu.core.memory import RamBlock
from pyqemu.core.ports import PortSpace
from pyqemu.core.state import State
from pyqemu.core.trace import event
from pyqemu.hw.display.vga_registers import Crtc, Gfx, Seq, VgaRegisters

INDEX_PORT, DATA_PORT = 0x1CE, 0x1CF
BANK_BYTES = 1 << 16

ID, XRES, YRES, BPP, ENABLE, BANK, VIRTUAL_WIDTH, VIRTUAL_HEIGHT, X_OFFSET, Y_OFFSET = range(10)
MEMORY_64K = 10  # read-only and not part of the saved registers
REGISTERS = 11

ENABLED, GET_LIMITS, DAC_8BIT, LINEAR, NO_CLEAR = 0x01, 0x02, 0x20, 0x40, 0x80

ID_FIRST, ID_LAST = 0xB0C0, 0xB0C5
X_LIMIT, Y_LIMIT, BPP_LIMIT = 16000, 12000, 32
LIMITS = {XRES: X_LIMIT, YRES: Y_LIMIT, BPP: BPP_LIMIT}
STORED_BITS = {4: 4, 8: 8, 15: 16, 16: 16, 24: 24, 32: 32}  # depth → bits that a pixel takes in memory

VBE_WRITE = event("vga_vbe_write", "index 0x%x, val 0x%x")


class Dispi(VgaRegisters):
    vbe_index = State.u16()
    vbe_regs = State.ints(10, bits=16)
    vbe_start_addr = State.u32()  # first displayed 32-bit word
    vbe_line_offset = State.u32()  # bytes from one line to the next
    vbe_bank_mask = State.u32()  # highest bank

    vram: RamBlock
    big_endian: bool  # byte order of pixels; declared behind what QEMU's section holds

    def claim(self, ports: PortSpace, owner: object) -> None:
        super().claim(ports, owner)
        ports.map(INDEX_PORT, 1, self._read_index, self._write_index, owner=owner, width=2)
        ports.map(DATA_PORT, 2, self._read_selected, self._write_selected, owner=owner, width=2)
        for port in (0x1CC, *range(INDEX_PORT, DATA_PORT + 2)):
            ports.map(port, 1, None, None, owner=owner, width=4)

    def reset_dispi(self) -> None:
        """What reset gives the registers beyond zeros; it depends on the memory size."""
        self.vbe_regs[ID] = ID_LAST
        self.vbe_bank_mask = (self.vram.size >> 16) - 1

    def refresh_dispi(self) -> None:
        """After reset and load: bring a foreign state into range."""
        self.bank_offset &= self.vram.size - BANK_BYTES
        if self.dispi_enabled:
            self._fit()

    @property
    def dispi_enabled(self) -> bool:
        return bool(self.vbe_regs[ENABLE] & ENABLED)

    @property
    def dac_8bit(self) -> bool:  # type: ignore[override]
        return bool(self.vbe_regs[ENABLE] & DAC_8BIT)

    # -- ports ----------------------------------------------------------------------------------------

    def _read_index(self, _offset: int) -> int:
        return self.vbe_index

    def _write_index(self, _offset: int, value: int) -> None:
        self.vbe_index = value & 0xFFFF

    def _read_selected(self, _offset: int) -> int:
        index, regs = self.vbe_index, self.vbe_regs
        if index < MEMORY_64K and not regs[ENABLE] & GET_LIMITS:
            return regs[index]
        return self.read_dispi(index)

    def _write_selected(self, _offset: int, value: int) -> None:
        self.write_dispi(self.vbe_index, value & 0xFFFF)

    def read_dispi(self, index: int) -> int:
        """A register's value; the limits instead of the mode while ENABLE asks for them."""
        if index < MEMORY_64K:
            if self.vbe_regs[ENABLE] & GET_LIMITS and index in LIMITS:
                return LIMITS[index]
            return self.vbe_regs[index]
        return self.vram.size // BANK_BYTES if index == MEMORY_64K else 0

    def write_dispi(self, index: int, value: int) -> None:
        if VBE_WRITE.on:
            VBE_WRITE(index, value)
        regs = self.vbe_regs
        if index == ID:
            if ID_FIRST <= value <= ID_LAST:
                regs[ID] = value
        elif index in (XRES, YRES, BPP, VIRTUAL_WIDTH, X_OFFSET, Y_OFFSET):
            regs[index] = value
            if self.dispi_enabled:
                self._fit()
                self._mirror()
        elif index == ENABLE:
            self._enable(value)
        elif index == BANK:
            mask = self.vbe_bank_mask >> 2 if regs[BPP] == 4 else self.vbe_bank_mask
            regs[BANK] = value & mask & 0xFFFF
            self.bank_offset = regs[BANK] << 16 & self.vram.size - BANK_BYTES
            self.window_changed()

    def _enable(self, value: int) -> None:
        regs = self.vbe_regs
        was_enabled = regs[ENABLE] & ENABLED
        regs[ENABLE] = value
        if value & ENABLED and not was_enabled:
            regs[VIRTUAL_WIDTH] = regs[X_OFFSET] = regs[Y_OFFSET] = 0
            self._fit()
            self._mirror()  # takes a shadow of the old mode out of the window, so that it is cleared as well
            if not value & NO_CLEAR:
                length = min(regs[YRES] * self.vbe_line_offset, self.vram.size)
                self.vram.view[:length] = bytes(length)
        elif not value & ENABLED:
            self.bank_offset = 0
        self.generation += 1
        self.window_changed()

    # -- the mode -------------------------------------------------------------------------------------

    def _fit(self) -> None:
        """Make the mode one that the memory can show."""
        regs = self.vbe_regs
        if regs[BPP] not in STORED_BITS:
            regs[BPP] = 8
        bits = STORED_BITS[regs[BPP]]
        regs[XRES] = min(max(regs[XRES] & ~7, 8), X_LIMIT)
        regs[VIRTUAL_WIDTH] = min(max(regs[VIRTUAL_WIDTH] & ~7, regs[XRES]), X_LIMIT)
        line_bytes = regs[VIRTUAL_WIDTH] * bits // 8
        lines = min(self.vram.size // line_bytes, 0xFFFF)
        regs[YRES] = min(max(regs[YRES], 1), Y_LIMIT, lines)
        regs[VIRTUAL_HEIGHT] = lines
        regs[X_OFFSET] = min(regs[X_OFFSET], regs[VIRTUAL_WIDTH] - regs[XRES])
        regs[Y_OFFSET] = min(regs[Y_OFFSET], lines - regs[YRES])
        self.vbe_line_offset = line_bytes
        self.vbe_start_addr = (regs[Y_OFFSET] * line_bytes + regs[X_OFFSET] * bits // 8) // 4

    def _mirror(self) -> None:
        """Set the VGA's own registers to the nearest mode, so that the window at A0000 and who only knows
        a VGA fit the picture."""
        regs, cr, sr, gr = self.vbe_regs, self.cr, self.sr, self.gr
        last_line = regs[YRES] - 1
        gr[Gfx.MISC] = gr[Gfx.MISC] & ~0x0C & 0xFF | 0x04 | Gfx.GRAPHICS
        cr[Crtc.MODE] |= 0x03
        cr[Crtc.OFFSET] = self.vbe_line_offset >> 3 & 0xFF
        cr[Crtc.H_DISPLAY_END] = (regs[XRES] >> 3) - 1 & 0xFF
        cr[Crtc.V_DISPLAY_END] = last_line & 0xFF
        cr[Crtc.LINE_COMPARE] = 0xFF  # as far down as it goes: no split
        cr[Crtc.OVERFLOW] = cr[Crtc.OVERFLOW] & ~0x42 & 0xFF | last_line >> 7 & 0x02 | last_line >> 3 & 0x40 | 0x10
        cr[Crtc.MAX_SCAN_LINE] = cr[Crtc.MAX_SCAN_LINE] & ~0x9F & 0xFF | 0x40
        gr[Gfx.MODE] &= ~(Gfx.INTERLEAVED | Gfx.SHIFT_256) & 0xFF
        if regs[BPP] == 4:
            sr[Seq.CLOCKING] &= ~Seq.HALF_CLOCK & 0xFF
        else:
            gr[Gfx.MODE] |= Gfx.SHIFT_256
            sr[Seq.MEMORY_MODE] |= Seq.CHAIN_4
            sr[Seq.MAP_MASK] = 0x0F
        self.retime()
        self.generation += 1
        self.window_changed()
