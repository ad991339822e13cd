"""Intel 8237A: one of the two ISA DMA controllers inside the PIIX, device type ``i8257`` as QEMU calls it.

Source   8237A datasheet (231466), register descriptions; 82371SB (PIIX3) datasheet, 4.2 DMA registers
Ports    base+0..7 address and count of channels 0 to 3, low byte first while the flip-flop is clear;
         base+8..F command, request, masks, modes. ``dshift`` 1 spreads each register over two ports and
         moves words (channels 4 to 7). Page registers: page-base + 7, 3, 1, 2 (channel 0, 1, 2, 3).
         The first controller also takes port 80, where firmware shows its progress.
DMA      registers its channels in ``bus.dma_channels``; channel 4 only joins the two controllers
Units    counts are transfers minus one; a transfer is a byte, or a word with ``dshift`` 1
Errors   what the guest does wrong is logged with guest_error() and ignored
Missing  memory to memory, which the PIIX does not have (its temporary register reads 0); priorities and
         timing, which cannot be seen because a request is served at once; DREQ and DACK polarity
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from pyqemu.core.bus import Bus
from pyqemu.core.device import IsaDevice, Prop, State
from pyqemu.core.ports import Read, Write
from pyqemu.core.state import Record

CHANNELS = 4
POST_PORT = 0x80
PAGE_OFFSETS = (7, 3, 1, 2)  # from page-base, by channel
ADDRESSES = 0x10000  # a channel counts through 64 Ki transfers; the page register does not move

# Command register
COMMAND_MEMORY_TO_MEMORY = 0x01
COMMAND_DISABLE = 0x04

# Mode register
MODE_VERIFY, MODE_WRITE, MODE_READ = 0x00, 0x04, 0x08  # as seen from memory
MODE_TRANSFER = 0x0C
MODE_AUTOINIT = 0x10
MODE_DECREMENT = 0x20
MODE_CASCADE = 0xC0  # the others are demand, single and block

# Request and single mask registers
SELECT = 0x03
SET = 0x04


class ChannelState(Record, vmstate="dma_regs"):
    """The registers of one channel.

    A stream has the address that the transfer began with and the bytes done, from which the current registers
    follow.
    """

    shift = 0  # 1 on the controller that counts words

    now = State.view(
        "int32", lambda channel: channel._progress(), lambda channel, now: channel._resume(*now), count=2
    )
    base = State.view(
        "uint16",
        lambda channel: [channel.base_address, channel.base_count],
        lambda channel, base: channel._set_base(*base),
        count=2,
    )
    base_address = State.u16(reset=0, sent=False)
    base_count = State.u16(reset=0, sent=False)
    address = State.u16(reset=0, sent=False)
    count = State.u16(reset=0, sent=False)
    mode = State.u8(reset=0)
    page = State.u8(reset=0)
    pageh = State.constant("uint8", 0)
    dack = State.constant("uint8", 0)
    eop = State.constant("uint8", 0)

    def _direction(self) -> int:
        return -1 if self.mode & MODE_DECREMENT else 1

    def _progress(self) -> list[int]:
        done = (self.base_count - self.count & 0xFFFF) << self.shift
        return [(self.address << self.shift) - self._direction() * done, done]

    def _resume(self, start: int, done: int) -> None:
        """Loading, first half: the base comes next."""
        self.address, self.count = start, done

    def _set_base(self, address: int, count: int) -> None:
        start, done = self.address, self.count
        self.base_address, self.base_count = address, count
        self.count = count - (done >> self.shift) & 0xFFFF
        self.address = start + self._direction() * done >> self.shift & 0xFFFF


class Channel:
    """One channel as a device sees it (``core.bus.DmaChannel``)."""

    def __init__(self, controller: I8237, index: int) -> None:
        self._controller = controller
        self._bit = 1 << index
        self._state = controller.channels[index]
        self._shift = controller.dshift
        self.terminal_count = False  # the last transfer was the channel's last
        self._handler: Callable[[], None] | None = None
        self._serving = False

    def connect(self, handler: Callable[[], None]) -> None:
        """*handler()* is called whenever the channel can move data: DREQ is high and it is unmasked."""
        self._handler = handler

    def request(self, level: bool) -> None:
        """Drive DREQ."""
        controller = self._controller
        if level:
            if not controller.dreq & self._bit:
                self.terminal_count = False
            controller.dreq |= self._bit
            controller.serve()
        else:
            controller.dreq &= ~self._bit

    def read(self, length: int) -> bytes:
        """Memory → device: at most *length* bytes, fewer at terminal count; advances the channel."""
        transfer = self._state.mode & MODE_TRANSFER
        if transfer == MODE_WRITE or not self.is_open:
            return b""
        pieces = []
        for address, size in self._advance(length >> self._shift):
            # Without a memory cycle (verify) nobody drives the bus.
            piece = self._controller.memory.read(address, size) if transfer == MODE_READ else b"\xff" * size
            pieces.append(self._in_order(piece))
        return b"".join(pieces)

    def write(self, data: bytes | memoryview) -> int:
        """Device → memory: how many bytes were taken before terminal count (verify mode drops them)."""
        transfer = self._state.mode & MODE_TRANSFER
        if transfer == MODE_READ or not self.is_open:
            return 0
        done = 0
        for address, size in self._advance(len(data) >> self._shift):
            if transfer == MODE_WRITE:
                self._controller.memory.write(address, self._in_order(data[done : done + size]))
            done += size
        return done

    @property
    def is_open(self) -> bool:
        """Whether the guest lets this channel move data."""
        controller = self._controller
        return not (
            controller.mask & self._bit
            or controller.command & COMMAND_DISABLE
            or self._state.mode & MODE_CASCADE == MODE_CASCADE
        )

    def _in_order(self, piece: bytes | memoryview) -> bytes | memoryview:
        """A descending channel's memory slice in the order of transfer, or the other way round."""
        if not self._state.mode & MODE_DECREMENT:
            return piece
        return memoryview(piece).cast("H" if self._shift else "B")[::-1].tobytes()

    def _advance(self, transfers: int) -> list[tuple[int, int]]:
        """Count *transfers* (or up to terminal count); the slices of memory, (address, bytes), that they go to."""
        state, shift = self._state, self._shift
        down = state.mode & MODE_DECREMENT
        page = (state.page & 0xFE if shift else state.page) << 16
        left = state.count + 1
        self.terminal_count = transfers >= left
        transfers = min(transfers, left)
        slices = []
        while transfers > 0:
            address = state.address
            run = min(transfers, address + 1 if down else ADDRESSES - address)
            lowest = address - run + 1 if down else address
            slices.append((page + (lowest << shift), run << shift))
            state.address = (address - run if down else address + run) & 0xFFFF
            state.count = (state.count - run) & 0xFFFF
            transfers -= run
        if self.terminal_count:
            self._controller.end(self._bit, state)
        return slices

    def serve(self, by_software: bool) -> None:
        """For the controller: let the device move data. A device that asks for more meanwhile has its turn."""
        if self._handler is None:
            if by_software:  # no device takes it up: the channel counts through on its own
                self._advance(ADDRESSES)
        elif not self._serving:
            self._serving = True
            try:
                self._handler()
            finally:
                self._serving = False


class I8237(IsaDevice, type="i8257", vmstate="dma"):
    base = Prop.i32(0x00, help="first of 16 I/O ports, 32 with dshift 1")
    page_base = Prop.i32(0x80, help="the page registers' I/O ports count from here")
    pageh_base = Prop.i32(-1, help="not on this board")
    dshift = Prop.i32(0, minimum=0, maximum=1, help="0: channels 0 to 3, bytes; 1: channels 4 to 7, words")

    command = State.u8(reset=0)
    mask = State.u8(reset=0xFF)  # the upper half can be written but masks nothing
    flip_flop = State.bool(reset=False, wire="uint8")
    shift = State.view("int32", lambda chip: chip.dshift, name="dshift")
    channels = State.records(ChannelState, CHANNELS, name="regs")
    terminal_counts = State.u8(reset=0, sub="status")  # channels that reached it since the status was read
    requests = State.u8(reset=0, sub="status")  # software requests

    def __init__(self, **values: Any) -> None:
        super().__init__(**values)
        self.dreq = 0  # the devices' lines, one bit per channel
        self.lines: list[Channel] = []

    def realize(self, bus: Bus) -> None:
        self.memory = bus.memory
        self.lines = [Channel(self, index) for index in range(CHANNELS)]
        step = 1 << self.dshift
        for state in self.channels:
            state.shift = self.dshift
        registers = [pair for index in range(CHANNELS) for pair in self._counter_handlers(index)]
        registers += [
            (self.read_status, self.write_command),
            (self.read_mask, self.write_request),
            (self.read_zero, self.write_single_mask),
            (self.read_zero, self.write_mode),
            (self.read_zero, self.clear_flip_flop),
            (self.read_zero, self.master_clear),
            (self.read_zero, self.clear_mask),
            (self.read_zero, self.write_mask),
        ]
        bus.ports.map_each(self.base, [pair for pair in registers for _ in range(step)], owner=self)
        for state, offset in zip(self.channels, PAGE_OFFSETS, strict=True):
            bus.ports.map_each(self.page_base + offset, _page_handlers(state), owner=self)
        if not self.dshift:
            bus.ports.map(POST_PORT, 1, None, _ignore, owner=self)
        for index, channel in enumerate(self.lines):
            if not (self.dshift and index == 0):
                bus.dma_channels[self.dshift * CHANNELS + index] = channel

    # -- transfers ------------------------------------------------------------------------------------

    def serve(self) -> None:
        """Let every channel that has a request and may run move data."""
        for index, channel in enumerate(self.lines):
            bit = 1 << index
            if (self.dreq | self.requests) & bit and channel.is_open:
                channel.serve(bool(self.requests & bit))

    def end(self, bit: int, state: ChannelState) -> None:
        """Terminal count: start over with autoinitialise, else mask the channel."""
        self.terminal_counts |= bit
        self.requests &= ~bit
        if state.mode & MODE_AUTOINIT:
            state.address, state.count = state.base_address, state.base_count
        else:
            self.mask |= bit

    # -- address and count ----------------------------------------------------------------------------

    def _counter_handlers(self, index: int) -> Sequence[tuple[Read, Write]]:
        """The port handlers of one channel's address and count."""
        state = self.channels[index]

        def shift() -> int:
            """Which byte of the pair is meant; the next access means the other one."""
            self.flip_flop = not self.flip_flop
            return 0 if self.flip_flop else 8

        def read_address(_offset: int) -> int:
            return state.address >> shift() & 0xFF

        def write_address(_offset: int, value: int) -> None:
            bits = shift()
            state.base_address = state.base_address & 0xFF00 >> bits | (value & 0xFF) << bits
            state.address = state.base_address

        def read_count(_offset: int) -> int:
            return state.count >> shift() & 0xFF

        def write_count(_offset: int, value: int) -> None:
            bits = shift()
            state.base_count = state.base_count & 0xFF00 >> bits | (value & 0xFF) << bits
            state.count = state.base_count

        return (read_address, write_address), (read_count, write_count)

    # -- command registers ----------------------------------------------------------------------------

    def read_zero(self, _offset: int) -> int:
        return 0

    def read_status(self, _offset: int) -> int:
        """Requests in the upper half, masked or not; terminal counts in the lower, which reading clears."""
        status = (self.dreq | self.requests) << 4 & 0xF0 | self.terminal_counts
        self.terminal_counts = 0
        return status

    def read_mask(self, _offset: int) -> int:
        return self.mask

    def write_command(self, _offset: int, value: int) -> None:
        if value & COMMAND_MEMORY_TO_MEMORY:
            self.guest_error("memory to memory transfers do not exist here")
        self.command = value & 0xFF
        self.serve()

    def write_request(self, _offset: int, value: int) -> None:
        """A request by software, or its end."""
        bit = 1 << (value & SELECT)
        if value & SET:
            self.requests |= bit
            self.serve()
        else:
            self.requests &= ~bit

    def write_single_mask(self, _offset: int, value: int) -> None:
        bit = 1 << (value & SELECT)
        if value & SET:
            self.mask |= bit
        else:
            self.mask &= ~bit
            self.serve()

    def write_mode(self, _offset: int, value: int) -> None:
        self.channels[value & SELECT].mode = value & 0xFC
        self.serve()

    def clear_flip_flop(self, _offset: int, _value: int) -> None:
        self.flip_flop = False

    def master_clear(self, _offset: int, _value: int) -> None:
        """The same as a hardware reset for everything but the counters, modes and pages."""
        self.command = self.terminal_counts = self.requests = 0
        self.flip_flop = False
        self.mask = 0xFF

    def clear_mask(self, _offset: int, _value: int) -> None:
        self.mask = 0
        self.serve()

    def write_mask(self, _offset: int, value: int) -> None:
        self.mask = value & 0xFF
        self.serve()


def _page_handlers(state: ChannelState) -> Sequence[tuple[Read, Write]]:
    """The port handlers of one channel's page register."""

    def read(_offset: int) -> int:
        return state.page

    def write(_offset: int, value: int) -> None:
        state.page = value & 0xFF

    return ((read, write),)


def _ignore(_offset: int, _value: int) -> None:
    """Firmware's progress code: goes to the lamps that this board does not have."""
