"""Intel 8254 programmable interval timer, device type ``isa-pit``: three 16-bit down counters.

Source   Intel 82C54 datasheet (231244-006)
Ports    iobase+0..2: counters, +3: control word (write only, reads 0)
IRQ      0: the output of counter 0
Units    1 tick = 1/1193182 s of virtual time; all starts and edges are tick numbers since power-on, so
         that nothing is ever rounded twice
Errors   nothing a guest writes is an error; counts with digits above 9 in BCD mode take their weight
Missing  a count of 1 in modes 2 and 3, which the datasheet forbids, makes no edges

No counter runs: counts and outputs are computed from the tick of the last load. Only counter 0 has a
timer, for the next rising edge of its output; an interrupt controller sees no more of it than that, so in
the modes that idle high the line is high between edges. Edges that a late machine has missed become one.
"""

from __future__ import annotations

from typing import Any

from pyqemu.core.clock import NS_PER_SECOND, Timer
from pyqemu.core.device import IsaDevice, Prop, State
from pyqemu.core.lines import Line
from pyqemu.core.state import ANY, Record
from pyqemu.hw.rtc.bcd import from_bcd16, to_bcd16

PIT_HZ = 1_193_182
NEVER = 1 << 62  # a tick that does not come
FULL_COUNT = 0x10000
FULL_COUNT_BCD = 10000
MIN_PERIOD_TICKS = 12  # shorter periods (10 µs) are delivered as every n-th edge

# Counter modes. 6 and 7 are other names of 2 and 3.
TERMINAL_COUNT, ONE_SHOT, RATE, SQUARE, SOFT_STROBE, HARD_STROBE = range(6)
# Which bytes of a count the counter port moves. 0 after reset: the low byte, live.
LOW, HIGH, WORD = 1, 2, 3
WORD_HIGH = 4  # in a saved state: the second byte of two comes next
# Control word
READ_BACK = 0xC0
READ_BACK_NO_COUNT = 0x20
READ_BACK_NO_STATUS = 0x10
# Status byte
STATUS_OUT = 0x80
STATUS_NULL = 0x40


def ticks_to_ns(tick: int) -> int:
    """The first nanosecond of a tick."""
    return -(-tick * NS_PER_SECOND // PIT_HZ)


def ns_to_ticks(ns: int) -> int:
    return ns * PIT_HZ // NS_PER_SECOND


class Channel(Record, vmstate="pit channel", version=2):
    """One counter. ``count`` is what the counting element was loaded with, at tick ``start``."""

    count = State.u32(FULL_COUNT, wire="int32")  # 0: nothing loaded since the control word
    latched_count = State.u16(0)
    latch_kind = State.view(  # which bytes have been latched
        "uint8",
        lambda channel: channel.access if channel.count_latched else 0,
        lambda channel, value: channel._set("count_latched", value != 0),
        name="count_latched",
    )
    count_latched = State.bool(False, sent=False)
    status_latched = State.bool(False, wire="uint8")
    status = State.u8(0)
    read_state = State.view(
        "uint8",
        lambda channel: channel._byte_state(channel.read_high),
        lambda channel, value: channel._set("read_high", value == WORD_HIGH),
    )
    write_state = State.view(
        "uint8",
        lambda channel: channel._byte_state(channel.write_high),
        lambda channel, value: channel._set("write_high", value == WORD_HIGH),
    )
    read_high = State.bool(False, sent=False)
    write_high = State.bool(False, sent=False)  # the next write is the second byte
    write_latch = State.u8(0)
    access = State.u8(0, name="rw_mode")
    mode = State.u8(SQUARE)
    bcd = State.bool(False, wire="uint8")
    gate = State.bool(True, wire="uint8")
    start = State.i64(0, sent=False)
    load_time = State.view(
        "int64",
        lambda channel: ticks_to_ns(channel.start),
        lambda channel, ns: channel._set("start", ns_to_ticks(ns)),
        name="count_load_time",
    )
    transition = State.constant("int64", 0, name="next_transition_time")
    # Ticks counted when the gate stopped it; -1: it counts.
    held = State.i64(-1, sub="held", implied=lambda channel: channel._idle_hold())
    next_count = State.u32(0, sub="pending")  # written, but not loaded yet; 0: none
    next_at = State.i64(0, sub="pending", implied=ANY)  # the tick that loads it

    def _set(self, name: str, value: Any) -> None:
        """For what a stream has in another form."""
        setattr(self, name, value)

    def _byte_state(self, high: bool) -> int:
        """Which byte the counter port moves next: 1 low, 2 high, 3 and 4 the first and second of two."""
        return self.access + high if self.access == WORD else self.access

    def _idle_hold(self) -> int:
        return 0 if not self.gate and self.mode not in (ONE_SHOT, HARD_STROBE) else -1

    def settle(self, tick: int) -> None:
        """Load a written count whose tick has come."""
        if self.next_count and tick >= self.next_at:
            self.start = self._load_start()
            self.count, self.next_count = self.next_count, 0
            if self.held >= 0:
                self.held = 0

    def _load_start(self) -> int:
        """The tick that counts as the start of the pending count's first period."""
        if self.mode == SQUARE and self.count and self.held < 0:
            high = (self.count + 1) // 2
            if (self.next_at - self.start) % self.count == high < self.count:
                return self.next_at - (self.next_count + 1) // 2  # it begins with its low half
        return self.next_at

    def output(self, tick: int) -> bool:
        """Level of OUT."""
        if self.next_count and tick >= self.next_at:
            self.settle(tick)
        count, mode = self.count, self.mode
        if not count:
            return mode != TERMINAL_COUNT
        elapsed = tick - self.start if self.held < 0 else self.held
        if mode == SQUARE:
            return not self.gate or elapsed < 0 or elapsed % count < (count + 1) // 2
        if mode == RATE:
            return not self.gate or elapsed < 0 or elapsed % count != count - 1
        if mode == TERMINAL_COUNT:
            return elapsed >= count
        if mode == ONE_SHOT:
            return not 0 <= elapsed < count
        return elapsed != count

    def value(self, tick: int) -> int:
        """The 16 bits of the counting element."""
        self.settle(tick)
        count, mode = self.count, self.mode
        if not count:
            return 0
        elapsed = max(tick - self.start if self.held < 0 else self.held, 0)
        if mode == RATE:
            left = count - elapsed % count
        elif mode == SQUARE:
            # By twos, once for each half; an odd count starts from the even number below it.
            high = (count + 1) // 2
            phase = elapsed % count
            left = (count & ~1) - 2 * (phase if phase < high else phase - high)
        else:
            left = count - elapsed
        return to_bcd16(left % FULL_COUNT_BCD) if self.bcd else left & 0xFFFF

    def next_rise(self, tick: int) -> int:
        """The first tick after *tick* at which OUT goes from low to high, or NEVER."""
        self.settle(tick)
        if self.held >= 0:
            return NEVER
        rise = _rise(self.mode, self.count, self.start, tick)
        if self.next_count and self.next_at < rise:
            rise = _rise(self.mode, self.next_count, self._load_start(), self.next_at)
        return rise

    def control(self, word: int, tick: int) -> None:
        """A control word that sets the mode: OUT takes its idle level and waits for a count."""
        mode = word >> 1 & 7
        self.mode = mode & 3 if mode > HARD_STROBE else mode
        self.bcd = bool(word & 1)
        self.access = word >> 4 & 3
        self.count = self.next_count = 0
        self.start = tick
        self.next_at = NEVER
        self.held = 0 if not self.gate and self.mode not in (ONE_SHOT, HARD_STROBE) else -1
        self.write_high = self.read_high = self.count_latched = self.status_latched = False

    def write(self, byte: int, tick: int) -> None:
        """A byte to the counter port."""
        if self.access == WORD:
            if not self.write_high:
                self.write_latch = byte
                self.write_high = True
                if self.mode == TERMINAL_COUNT:
                    self.count = self.next_count = 0  # the first byte stops the count, OUT falls
                return
            self.write_high = False
            self._load(self.write_latch | byte << 8, tick)
        else:
            self._load(byte << 8 if self.access == HIGH else byte, tick)

    def _load(self, word: int, tick: int) -> None:
        """A whole count has been written: when does the counting element take it?"""
        self.settle(tick)
        if self.bcd:
            self.next_count = from_bcd16(word) % FULL_COUNT_BCD or FULL_COUNT_BCD
        else:
            self.next_count = word or FULL_COUNT
        if self.mode in (ONE_SHOT, HARD_STROBE):
            self.next_at = NEVER  # at the next trigger
        elif self.mode in (RATE, SQUARE) and self.count and self.held < 0 and tick >= self.start:
            # At the end of the period, or of the half of a square wave.
            periods, phase = divmod(tick - self.start, self.count)
            high = (self.count + 1) // 2
            part = high if self.mode == SQUARE and phase < high else self.count
            self.next_at = self.start + periods * self.count + part
        else:
            if self.mode == TERMINAL_COUNT:
                self.count = 0
            self.next_at = tick + 1

    def set_gate(self, level: bool, tick: int) -> None:
        self.settle(tick)
        rising = level and not self.gate
        falling = self.gate and not level
        self.gate = level
        mode = self.mode
        if mode in (TERMINAL_COUNT, SOFT_STROBE):
            if falling:
                self.held = max(tick - self.start, 0)
            elif rising and self.held >= 0:
                self.start = tick - self.held
                self.held = -1
        elif rising:
            # Trigger: the next clock loads the newest count.
            if count := self.next_count or self.count:
                self.count, self.next_count = count, 0
                self.start = tick + 1
            self.held = -1
        elif falling and mode in (RATE, SQUARE):
            self.held = max(tick - self.start, 0)
            if self.next_at > tick + 1:
                self.next_at = NEVER

    def latch(self, tick: int) -> None:
        """Freeze the count for reading. Until it has been read further latch commands are ignored."""
        if not self.count_latched and self.access:
            self.latched_count = self.value(tick)
            self.count_latched = True

    def latch_status(self, tick: int) -> None:
        if not self.status_latched:
            self.status = (
                STATUS_OUT * self.output(tick)
                | STATUS_NULL * (self.next_count != 0 or not self.count)
                | (self.access & 3) << 4
                | (self.mode & 7) << 1
                | self.bcd
            )
            self.status_latched = True

    def read(self, tick: int) -> int:
        """A byte from the counter port: latched status, latched count or the live count."""
        if self.status_latched:
            self.status_latched = False
            return self.status
        value = self.latched_count if self.count_latched else self.value(tick)
        access = self.access
        if access == WORD:
            high = self.read_high
            self.read_high = not high
            if not high:
                return value & 0xFF
        self.count_latched = False
        return value & 0xFF if access in (0, LOW) else value >> 8


def _rise(mode: int, count: int, start: int, tick: int) -> int:
    """The first rising edge after *tick* of a counter loaded with *count* at *start*."""
    if mode in (RATE, SQUARE):
        if count <= 1:
            return NEVER
        if count < MIN_PERIOD_TICKS:
            tick += MIN_PERIOD_TICKS - count
        return start + max((tick - start) // count + 1, 1) * count
    if not count:
        return NEVER
    rise = start + count if mode in (TERMINAL_COUNT, ONE_SHOT) else start + count + 1
    return rise if rise > tick else NEVER


class I8254(IsaDevice, type="isa-pit", vmstate="i8254", version=3, minimum=3):
    iobase = Prop.u16(0x40, help="first of four I/O ports")

    irq_disabled = State.bool(False, name="channels[0].irq_disabled", wire="uint32")  # another timer has taken over
    channels = State.records(Channel, 3)
    rise_at = State.i64(NEVER, sent=False)  # tick of counter 0's next edge
    rise_time = State.view(
        "int64",
        lambda chip: -1 if chip.rise_at >= NEVER else ticks_to_ns(chip.rise_at),
        lambda chip, ns: chip._set_rise(ns),
        name="channels[0].next_transition_time",
    )

    line: Line
    timer: Timer

    def realize(self, bus: Any) -> None:
        self.line = bus.irq(0)
        self.timer = bus.clock.timer(self._edge)
        handlers: list[Any] = [(self.read_counter, self.write_counter)] * 3
        bus.ports.map_each(self.iobase, [*handlers, (self.read_control, self.write_control)], owner=self)

    def reset(self) -> None:
        """All counters run as square waves of the longest period; the speaker's gate is low."""
        self.reset_fields()
        tick = self._tick()
        for channel in self.channels:
            channel.start = tick
        self.channels[2].gate = False
        self.channels[2].held = 0
        self.rise_at = self.channels[0].next_rise(tick)
        self.refresh()

    def refresh(self) -> None:
        """Drive the line and arm the timer for the edge in ``rise_at``."""
        channel = self.channels[0]
        if self.irq_disabled:
            self.line.set(False)
        else:
            # The low part of a periodic wave is given with its rising edge.
            self.line.set(channel.mode not in (TERMINAL_COUNT, ONE_SHOT) or channel.output(self._tick()))
        if self.irq_disabled or self.rise_at >= NEVER:
            self.timer.stop()
        else:
            self.timer.start(-(-self.rise_at * NS_PER_SECOND // PIT_HZ))

    def _set_rise(self, ns: int) -> None:
        self.rise_at = NEVER if ns < 0 else ns_to_ticks(ns)

    def _tick(self) -> int:
        return self.bus.clock.now() * PIT_HZ // NS_PER_SECOND

    def _edge(self) -> None:
        """Counter 0's output rises."""
        line = self.line
        line.set(False)
        line.set(True)
        self.rise_at = rise_at = self.channels[0].next_rise(self._tick())
        if rise_at < NEVER:
            self.timer.start(-(-rise_at * NS_PER_SECOND // PIT_HZ))

    def _changed(self, tick: int) -> None:
        self.rise_at = self.channels[0].next_rise(tick)
        self.refresh()

    # -- for other chips ------------------------------------------------------------------------------

    def output(self, channel: int) -> bool:
        """Level of a counter's OUT now."""
        return self.channels[channel].output(self.bus.clock.now() * PIT_HZ // NS_PER_SECOND)

    def set_gate(self, channel: int, level: bool) -> None:
        """Drive a counter's GATE."""
        if self.channels[channel].gate != level:
            tick = self._tick()
            self.channels[channel].set_gate(level, tick)
            if channel == 0:
                self._changed(tick)

    def disable_irq(self, disabled: bool) -> None:
        """Take interrupt 0 away from counter 0 (a HPET in legacy replacement mode), or give it back."""
        self.irq_disabled = disabled
        self._changed(self._tick())

    # -- ports ----------------------------------------------------------------------------------------

    def read_counter(self, number: int) -> int:
        return self.channels[number].read(self._tick())

    def write_counter(self, number: int, value: int) -> None:
        tick = self._tick()
        if number:
            self.channels[number].write(value, tick)
            return
        self._catch_up(tick)
        self.channels[0].write(value, tick)
        self._changed(tick)

    def read_control(self, _offset: int) -> int:
        return 0

    def write_control(self, _offset: int, value: int) -> None:
        tick = self._tick()
        if value >= READ_BACK:
            for number, channel in enumerate(self.channels):
                if value & 2 << number:
                    if not value & READ_BACK_NO_COUNT:
                        channel.latch(tick)
                    if not value & READ_BACK_NO_STATUS:
                        channel.latch_status(tick)
            return
        number = value >> 6
        channel = self.channels[number]
        if not value & 0x30:
            channel.latch(tick)
        elif number:
            channel.control(value, tick)
        else:
            self._catch_up(tick)
            channel.control(value, tick)
            self._changed(tick)

    def _catch_up(self, tick: int) -> None:
        """An edge that was due before the guest changes counter 0 must not be lost."""
        if self.rise_at <= tick and not self.irq_disabled:
            self._edge()
