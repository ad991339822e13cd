"""The VGA's registers: sequencer, CRT controller, graphics and attribute controllers, palette DAC.

Source   IBM PS/2 Hardware Interface Technical Reference, Video Subsystems (1992), sections "VGA Function" and
         "Registers"
Ports    3B4/3B5/3BA or 3D4/3D5/3DA (Misc bit 0 says which), 3C0-3CF; one byte each
IRQ      none: the vertical retrace interrupt is not wired on PC boards
Units    CRTC values count characters and scan lines as in the data sheet; times are virtual nanoseconds
Errors   what the guest does wrong has no effect; undefined registers read 0, CRTC ones are plain storage
Missing  the vertical interrupt and the monitor sense bit of input status 0 (reads 0)
"""

from __future__ import annotations

from collections.abc import Callable

from pyqemu.core.clock import Clock
from pyqemu.core.ports import PortSpace, Read, Write
from pyqemu.core.state import Record, State


class Misc:
    COLOUR = 0x01  # CRTC at 3Dx instead of 3Bx
    RAM_ENABLE = 0x02
    CLOCK_28_MHZ = 0x04


class Seq:
    RESET, CLOCKING, MAP_MASK, CHARACTER_MAP, MEMORY_MODE = range(5)
    DOTS_8, HALF_CLOCK, SCREEN_OFF = 0x01, 0x08, 0x20  # clocking mode
    SEQUENTIAL, CHAIN_4 = 0x04, 0x08  # memory mode


class Gfx:
    SET_RESET, ENABLE_SET_RESET, COMPARE, ROTATE, READ_MAP, MODE, MISC, DONT_CARE, BIT_MASK = range(9)
    READ_COMPARE, ODD_EVEN_READ, INTERLEAVED, SHIFT_256 = 0x08, 0x10, 0x20, 0x40  # mode
    GRAPHICS, CHAIN_ODD_EVEN = 0x01, 0x02  # miscellaneous


class Attr:
    MODE, OVERSCAN, PLANE_ENABLE, PANNING, COLOUR_SELECT = range(0x10, 0x15)
    LINE_GRAPHICS, BLINK, PANNING_SPLIT, WIDE_PIXEL, P54_SELECT = 0x04, 0x08, 0x20, 0x40, 0x80  # mode
    PALETTE_SOURCE = 0x20  # index register: the screen is on


class Crtc:
    H_TOTAL, H_DISPLAY_END = 0x00, 0x01
    V_TOTAL, OVERFLOW, PRESET_ROW, MAX_SCAN_LINE, CURSOR_START, CURSOR_END = range(0x06, 0x0C)
    START_HIGH, START_LOW, CURSOR_HIGH, CURSOR_LOW = range(0x0C, 0x10)
    V_RETRACE_START, V_RETRACE_END, V_DISPLAY_END, OFFSET, UNDERLINE = range(0x10, 0x15)
    MODE, LINE_COMPARE = 0x17, 0x18
    PROTECT = 0x80  # vertical retrace end: registers 0-7 are read-only


STATUS_BLANKED = 0x01
STATUS_RETRACE = 0x08

SEQ_WRITABLE = bytes((0x03, 0x3D, 0x0F, 0x3F, 0x0E, 0x00, 0x00, 0xFF))
GFX_WRITABLE = bytes((0x0F, 0x0F, 0x0F, 0x1F, 0x03, 0x7B, 0x0F, 0x0F, 0xFF)) + bytes(7)
ATTR_WRITABLE = b"\x3f" * 16 + bytes((0xEF, 0xFF, 0x3F, 0x0F, 0x0F)) + bytes(11)
SIX_BITS = bytes(value & 0x3F for value in range(256))
DOT_CLOCK_HZ = (25_175_000, 28_322_000, 25_175_000, 25_175_000)


class VgaRegisters(Record):
    """The register file. Field names and order are those of QEMU's ``vga`` section.

    ``generation`` changes whenever a register changes that the picture depends on.
    """

    latch = State.u32()  # plane p in bits 8p..8p+7
    sr_index = State.u8()
    sr = State.bytes(8)
    gr_index = State.u8()
    gr = State.bytes(16)
    ar_index = State.u8()
    ar = State.bytes(21)
    ar_flip_flop = State.i32()  # 1: the next write to 3C0 is data
    cr_index = State.u8()
    cr = State.bytes(256)
    msr = State.u8()
    fcr = State.u8()
    st00 = State.u8()
    st01 = State.u8()
    dac_state = State.u8()  # 3 after a read address was set, 0 after a write address
    dac_sub_index = State.u8()
    dac_read_index = State.u8()
    dac_write_index = State.u8()
    dac_cache = State.bytes(3)
    palette = State.bytes(768)
    bank_offset = State.i32()  # bytes from the start of the memory to the 64 KiB bank at A0000
    is_vbe_vmstate = State.u8(reset=1, wire="uint8 equal")

    clock: Clock
    pel_mask: int  # 0x100 is set by the first write; declared last, behind what QEMU's section holds

    def __init__(self) -> None:
        super().__init__()
        self.generation = 0
        self.window_changed: Callable[[], None] = _nothing
        self.retime()

    # -- ports ----------------------------------------------------------------------------------------

    def handlers(self) -> dict[int, tuple[Read | None, Write | None]]:
        """Port → (read, write) for every byte port of the VGA."""
        zero = _zero
        return {
            0x3B4: (self._read_crtc_index_mono, self._write_crtc_index_mono),
            0x3B5: (self._read_crtc_mono, self._write_crtc_mono),
            0x3BA: (self._read_status_mono, self._write_feature_mono),
            0x3C0: (self._read_attr_index, self._write_attr),
            0x3C1: (self._read_attr, None),
            0x3C2: (self._read_status_0, self._write_misc),
            0x3C3: (zero, None),
            0x3C4: (self._read_seq_index, self._write_seq_index),
            0x3C5: (self._read_seq, self._write_seq),
            0x3C6: (self._read_dac_mask, self._write_dac_mask),
            0x3C7: (self._read_dac_state, self._write_dac_read_index),
            0x3C8: (self._read_dac_index, self._write_dac_index),
            0x3C9: (self._read_dac, self._write_dac),
            0x3CA: (self._read_feature, None),
            0x3CB: (zero, None),
            0x3CC: (self._read_misc, None),
            0x3CD: (zero, None),
            0x3CE: (self._read_gfx_index, self._write_gfx_index),
            0x3CF: (self._read_gfx, self._write_gfx),
            0x3D4: (self._read_crtc_index_colour, self._write_crtc_index_colour),
            0x3D5: (self._read_crtc_colour, self._write_crtc_colour),
            0x3DA: (self._read_status_colour, self._write_feature_colour),
        }

    def claim(self, ports: PortSpace, owner: object) -> None:
        """Take the VGA's ports. A 32-bit access is not decoded and reads all ones, as on QEMU's board."""
        for port, pair in self.handlers().items():
            ports.map_each(port, [pair], owner=owner)
        for port in (0x3B4, 0x3C4, 0x3CE, 0x3D4):  # index and data in one 16-bit access
            ports.map(port, 1, *self._both(port), owner=owner, width=2)
        ports.map_string(0x3C9, self._read_dac_string, self._write_dac_string)
        for base, count in ((0x3B4, 2), (0x3B8, 1), (0x3BA, 1), (0x3C0, 16), (0x3D4, 2), (0x3D8, 1), (0x3DA, 1)):
            ports.map(base, count, None, None, owner=owner, width=4)

    def _both(self, port: int) -> tuple[Read, Write]:
        """A 16-bit access to an index port: what the two 8-bit ones do."""
        handlers = self.handlers()
        (read_index, write_index), (read_data, write_data) = handlers[port], handlers[port + 1]
        assert read_index and write_index and read_data and write_data

        def read(_offset: int) -> int:
            return read_index(0) | read_data(0) << 8

        def write(_offset: int, value: int) -> None:
            write_index(0, value & 0xFF)
            write_data(0, value >> 8 & 0xFF)

        return read, write

    # -- miscellaneous output, feature control, input status ------------------------------------------

    def _read_misc(self, _offset: int) -> int:
        return self.msr

    def _write_misc(self, _offset: int, value: int) -> None:
        self.msr = value & 0xEF
        self.retime()
        self.generation += 1
        self.window_changed()

    def _read_feature(self, _offset: int) -> int:
        return self.fcr

    def _read_status_0(self, _offset: int) -> int:
        return self.st00

    def _write_feature_mono(self, _offset: int, value: int) -> None:
        if not self.msr & Misc.COLOUR:
            self.fcr = value & 0x10

    def _write_feature_colour(self, _offset: int, value: int) -> None:
        if self.msr & Misc.COLOUR:
            self.fcr = value & 0x10

    def _read_status_mono(self, _offset: int) -> int:
        return 0xFF if self.msr & 1 else self._read_status()

    def _read_status_colour(self, _offset: int) -> int:
        return self._read_status() if self.msr & 1 else 0xFF

    def _read_status(self) -> int:
        """Input status 1: where the beam is. Reading it makes the next write to 3C0 an index."""
        self.ar_flip_flop = 0
        if self._frame_ns is None:
            self._time()
        frame_ns = self._frame_ns
        if not frame_ns:
            # Nothing is programmed yet, so there is no beam: alternate, so that who waits for an edge goes on.
            self.st01 ^= STATUS_RETRACE | STATUS_BLANKED
            return self.st01
        now = self.clock.now() % frame_ns
        if now >= self._v_display_ns:
            if self._v_retrace_ns <= now < self._v_retrace_end_ns:
                return STATUS_RETRACE | STATUS_BLANKED
            return STATUS_BLANKED
        return 0 if now % self._line_ns < self._h_display_ns else STATUS_BLANKED

    def retime(self) -> None:
        """A register changed that the beam's times depend on."""
        self._frame_ns: int | None = None

    def _time(self) -> None:
        """Work out the beam's times from the CRTC."""
        cr = self.cr
        overflow = cr[Crtc.OVERFLOW]
        if not cr[Crtc.H_TOTAL] or not cr[Crtc.V_TOTAL]:
            self._frame_ns = 0
            return
        dots = 8 if self.sr[Seq.CLOCKING] & Seq.DOTS_8 else 9
        if self.sr[Seq.CLOCKING] & Seq.HALF_CLOCK:
            dots *= 2
        character_ps = dots * 10**12 // DOT_CLOCK_HZ[self.msr >> 2 & 3]
        self._line_ns = line_ns = max((cr[Crtc.H_TOTAL] + 5) * character_ps // 1000, 1)
        self._h_display_ns = (cr[Crtc.H_DISPLAY_END] + 1) * character_ps // 1000
        lines = (cr[Crtc.V_TOTAL] | (overflow & 0x01) << 8 | (overflow & 0x20) << 4) + 2
        start = cr[Crtc.V_RETRACE_START] | (overflow & 0x04) << 6 | (overflow & 0x80) << 2
        length = (cr[Crtc.V_RETRACE_END] - start) & 0x0F or 16  # the end is compared in four bits
        self._frame_ns = lines * line_ns
        self._v_display_ns = min(self.display_lines, lines) * line_ns
        self._v_retrace_ns = start * line_ns
        self._v_retrace_end_ns = (start + length) * line_ns

    @property
    def display_lines(self) -> int:
        """Scan lines in the visible part, as programmed."""
        overflow = self.cr[Crtc.OVERFLOW]
        return (self.cr[Crtc.V_DISPLAY_END] | (overflow & 0x02) << 7 | (overflow & 0x40) << 3) + 1

    # -- sequencer ------------------------------------------------------------------------------------

    def _read_seq_index(self, _offset: int) -> int:
        return self.sr_index

    def _write_seq_index(self, _offset: int, value: int) -> None:
        self.sr_index = value & 7

    def _read_seq(self, _offset: int) -> int:
        return self.sr[self.sr_index & 7]

    def _write_seq(self, _offset: int, value: int) -> None:
        index = self.sr_index & 7
        value &= SEQ_WRITABLE[index]
        if self.sr[index] == value:
            return
        self.sr[index] = value
        if index == 2 or index == 4:
            self.window_changed()
        else:
            self.generation += 1
            if index == 1:
                self.retime()

    # -- CRT controller -------------------------------------------------------------------------------

    def _read_crtc_index_mono(self, _offset: int) -> int:
        return 0xFF if self.msr & 1 else self.cr_index

    def _read_crtc_index_colour(self, _offset: int) -> int:
        return self.cr_index if self.msr & 1 else 0xFF

    def _write_crtc_index_mono(self, _offset: int, value: int) -> None:
        if not self.msr & 1:
            self.cr_index = value & 0xFF

    def _write_crtc_index_colour(self, _offset: int, value: int) -> None:
        if self.msr & 1:
            self.cr_index = value & 0xFF

    def _read_crtc_mono(self, _offset: int) -> int:
        return 0xFF if self.msr & 1 else self.cr[self.cr_index]

    def _read_crtc_colour(self, _offset: int) -> int:
        return self.cr[self.cr_index] if self.msr & 1 else 0xFF

    def _write_crtc_mono(self, _offset: int, value: int) -> None:
        if not self.msr & 1:
            self._write_crtc(value & 0xFF)

    def _write_crtc_colour(self, _offset: int, value: int) -> None:
        if self.msr & 1:
            self._write_crtc(value & 0xFF)

    def _write_crtc(self, value: int) -> None:
        index = self.cr_index
        cr = self.cr
        if index <= 7 and cr[0x11] & 0x80:
            if index != 7:
                return
            value = cr[7] & 0xEF | value & 0x10  # the line compare bit stays writable
        if cr[index] == value:
            return
        cr[index] = value
        self.generation += 1
        if index <= 7 or 0x10 <= index <= 0x12:
            self.retime()

    # -- graphics controller --------------------------------------------------------------------------

    def _read_gfx_index(self, _offset: int) -> int:
        return self.gr_index

    def _write_gfx_index(self, _offset: int, value: int) -> None:
        self.gr_index = value & 0x0F

    def _read_gfx(self, _offset: int) -> int:
        return self.gr[self.gr_index & 0x0F]

    def _write_gfx(self, _offset: int, value: int) -> None:
        index = self.gr_index & 0x0F
        value &= GFX_WRITABLE[index]
        if self.gr[index] == value:
            return
        self.gr[index] = value
        if index == 5 or index == 6:
            self.generation += 1
        self.window_changed()

    # -- attribute controller -------------------------------------------------------------------------

    def _read_attr_index(self, _offset: int) -> int:
        return self.ar_index

    def _read_attr(self, _offset: int) -> int:
        index = self.ar_index & 0x1F
        return self.ar[index] if index < 21 else 0

    def _write_attr(self, _offset: int, value: int) -> None:
        """Index and data in turn."""
        if not self.ar_flip_flop:
            self.ar_flip_flop = 1
            value &= 0x3F
            if (self.ar_index ^ value) & Attr.PALETTE_SOURCE:
                self.generation += 1
            self.ar_index = value
            return
        self.ar_flip_flop = 0
        index = self.ar_index & 0x1F
        if index < 21:
            value &= ATTR_WRITABLE[index]
            if self.ar[index] != value:
                self.ar[index] = value
                self.generation += 1

    # -- palette DAC ----------------------------------------------------------------------------------

    dac_8bit = False  # the dispi extension widens the DAC

    @property
    def dac_mask(self) -> int:
        """What the pixel mask register lets through: everything until it is first written."""
        mask = self.pel_mask
        return mask & 0xFF if mask else 0xFF

    def _read_dac_mask(self, _offset: int) -> int:
        return self.pel_mask & 0xFF

    def _write_dac_mask(self, _offset: int, value: int) -> None:
        self.pel_mask = 0x100 | value & 0xFF
        self.generation += 1

    def _read_dac_state(self, _offset: int) -> int:
        return self.dac_state

    def _write_dac_read_index(self, _offset: int, value: int) -> None:
        self.dac_read_index = value & 0xFF
        self.dac_sub_index = 0
        self.dac_state = 3

    def _read_dac_index(self, _offset: int) -> int:
        return self.dac_write_index

    def _write_dac_index(self, _offset: int, value: int) -> None:
        self.dac_write_index = value & 0xFF
        self.dac_sub_index = 0
        self.dac_state = 0

    def _read_dac(self, _offset: int) -> int:
        """Red, green, blue; then the next entry."""
        sub = self.dac_sub_index % 3
        value = self.palette[self.dac_read_index * 3 + sub]
        if sub == 2:
            self.dac_sub_index = 0
            self.dac_read_index = self.dac_read_index + 1 & 0xFF
        else:
            self.dac_sub_index = sub + 1
        return value

    def _read_dac_string(self, width: int, count: int) -> bytes:
        return bytes(self._read_dac(0) for _ in range(count)) if width == 1 else b""

    def _write_dac_string(self, width: int, data: bytes) -> int:
        """Whole entries at once, what is left singly. Wider elements are none of the DAC's."""
        if width != 1:
            return 0
        whole = 0
        if not self.dac_sub_index % 3:
            at = self.dac_write_index * 3
            whole = min(len(data) // 3 * 3, len(self.palette) - at)
            entries = data[:whole] if self.dac_8bit else data[:whole].translate(SIX_BITS)
            if whole and self.palette[at : at + whole] != entries:
                self.palette[at : at + whole] = entries
                self.generation += 1
            if whole:
                self.dac_cache[:] = entries[-3:]
                self.dac_write_index = self.dac_write_index + whole // 3 & 0xFF
        for value in data[whole:]:
            self._write_dac(0, value)
        return len(data)

    def _write_dac(self, _offset: int, value: int) -> None:
        """The entry changes with its third byte."""
        sub = self.dac_sub_index % 3
        self.dac_cache[sub] = value & (0xFF if self.dac_8bit else 0x3F)
        if sub == 2:
            entry = self.dac_write_index * 3
            if self.palette[entry : entry + 3] != self.dac_cache:
                self.palette[entry : entry + 3] = self.dac_cache
                self.generation += 1
            self.dac_sub_index = 0
            self.dac_write_index = self.dac_write_index + 1 & 0xFF
        else:
            self.dac_sub_index = sub + 1


def _zero(_offset: int) -> int:
    return 0


def _nothing() -> None:
    pass
