"""Motorola MC146818 real-time clock and CMOS RAM, device type ``mc146818rtc``.

Source   Motorola MC146818A datasheet (1984); IBM PC/AT technical reference for the ports and the century
Ports    iobase: index (write only, reads FF; bit 7 masks NMI), iobase+1: the register it selects
IRQ      one level line, high while an enabled flag in register C is set; reading C lowers it
Units    virtual nanoseconds; the divider chain counts 1/32768 s, and both the periodic interrupt and the
         update follow from it, so they stay in phase
Errors   nothing a guest writes is an error; a date that does not exist is counted on from as if the months
         before it had their right length
Missing  square wave output, daylight saving (the bit is kept), crystals other than 32768 Hz,
         lost_tick_policy=slew

The registers hold the time of the last update; reading or changing them first counts what has passed
since (``_settle``). A timer is armed only for an enabled interrupt whose line is low.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

from pyqemu.core.clock import NEVER, NS_PER_SECOND, Timer
from pyqemu.core.device import KEEP, IsaDevice, Prop, State
from pyqemu.core.lines import Line
from pyqemu.hw.rtc import host_time
from pyqemu.hw.rtc.bcd import from_bcd, to_bcd

CMOS_BYTES = 128
CRYSTAL_HZ = 32768
UIP_NS = 8 * NS_PER_SECOND // CRYSTAL_HZ  # 244 µs of warning before an update
HALF_SECOND_NS = NS_PER_SECOND // 2
DAY_S = 86400
EPOCH_DAYS = date(1970, 1, 1).toordinal()
CYCLE_YEARS = 400  # after which the Gregorian calendar repeats
CYCLE_DAYS = 146097

SECONDS, SECONDS_ALARM, MINUTES, MINUTES_ALARM, HOURS, HOURS_ALARM, WEEKDAY, DAY, MONTH, YEAR = range(10)
REG_A, REG_B, REG_C, REG_D = 0x0A, 0x0B, 0x0C, 0x0D
ALARMS = (SECONDS_ALARM, MINUTES_ALARM, HOURS_ALARM)
CENTURY = 0x32
CENTURY_PS2 = 0x37  # another name of the century byte

# Register A: rate selection in bits 0-3
A_UIP = 0x80
A_DIVIDER_RESET = 0x60
A_RATE = 0x0F
A_POWER_ON = 0x26
# Register B
B_SET = 0x80
B_PIE = 0x40
B_AIE = 0x20
B_UIE = 0x10
B_SQWE = 0x08
B_BINARY = 0x04
B_24H = 0x02
ENABLES = B_PIE | B_AIE | B_UIE
# Register C; the flags have the places of their enables
C_IRQF = 0x80
C_PF = 0x40
C_AF = 0x20
C_UF = 0x10
# Register D
D_VALID = 0x80
HOUR_PM = 0x80
DONT_CARE = 0xC0  # an alarm byte from here on matches everything

_POWER_ON = bytes([*bytes(REG_A), A_POWER_ON, B_24H, 0, D_VALID]).ljust(CMOS_BYTES, b"\0")


def _ignore(_what: int) -> None:
    pass


class Mc146818(IsaDevice, type="mc146818rtc", vmstate="mc146818rtc", version=3, minimum=3):
    base_year = Prop.i32(0, help="subtracted from the year that the guest sees", name="base_year")
    iobase = Prop.u16(0x70, help="first of two I/O ports")
    irq = Prop.u8(8, maximum=15, help="ISA interrupt number")
    lost_tick_policy = Prop.enum(
        ["discard"], "discard", help="what becomes of missed periodic interrupts", name="lost_tick_policy"
    )
    qemu_state = Prop.bool(
        False, name="x-qemu-state", help="saved states are QEMU's: times are the host's, NMIs are not masked"
    )

    cmos = State.bytes(CMOS_BYTES, KEEP, power_on=_POWER_ON, name="cmos_data")
    index = State.u8(0, name="cmos_index")
    unused0 = State.unused(28, name="unused[0]")
    periodic_timer = State.constant("timer", NEVER)
    next_periodic_time = State.constant("int64", 0)
    unused1 = State.unused(24, name="unused[1]")
    irq_coalesced = State.constant("uint32", 0)
    period = State.constant("uint32", 0)
    base_rtc = State.view("uint64", lambda chip: max(0, chip.shown_seconds()))
    updated_ns = State.i64(KEEP, sent=False)  # when the divider chain last completed a second
    last_update = State.view(
        "uint64", lambda chip: chip._last_update() & (1 << 64) - 1, lambda chip, ns: chip._set_updated(ns)
    )
    offset = State.constant("int64", 0)
    update_timer = State.view(
        "timer", lambda chip: host_time.next_update(chip) if chip.qemu_state else chip.timer.deadline_ns
    )
    next_alarm_time = State.view("uint64", lambda chip: host_time.next_alarm(chip) if chip.qemu_state else 0)
    # Flags in C are right till then.
    settled_ns = State.i64(
        KEEP, sub="settled", implied=lambda chip: chip.bus.clock.now() if chip.qemu_state else chip.updated_ns
    )
    nmi_masked = State.bool(
        False, sub="nmi_mask", implied=lambda chip: chip.qemu_state and chip.nmi_masked
    )  # QEMU's chip has no such bit

    line: Line
    timer: Timer

    def __init__(self, start_time: int = 0, **values: Any) -> None:
        """*start_time*: the time at power-on in seconds since 1970, as the guest's clock shows it."""
        super().__init__(**values)
        self.start_time = start_time
        self.on_nmi_mask: Callable[[bool], None] = _ignore  # the board's wire to the NMI gate
        self.on_set: Callable[[int], None] = _ignore  # the guest has set the time, so many seconds ahead

    def realize(self, bus: Any) -> None:
        self.line = bus.irq(self.irq)
        self.timer = bus.clock.timer(self._alarm)
        bus.ports.map_each(self.iobase, [(self.read_index, self.write_index), (self.read, self.write)], owner=self)
        self.updated_ns = self.settled_ns = bus.clock.now()
        days, seconds = divmod(self.start_time, DAY_S)
        self.cmos[WEEKDAY] = self._encode((days + EPOCH_DAYS) % 7 + 1)  # 1 is Sunday
        self._store(days + EPOCH_DAYS, seconds)

    def reset(self) -> None:
        """The RESET pin: the clock runs on, interrupts are off."""
        self._settle()
        self.cmos[REG_B] &= ~(ENABLES | B_SQWE) & 0xFF
        self.cmos[REG_C] = 0
        super().reset()

    def before_save(self) -> None:
        if self.qemu_state:
            self._settle()

    def load_wire(self, values: dict[str, Any], version: int) -> None:
        super().load_wire(values, version)
        if self.qemu_state:
            host_time.restore(self, values)

    def refresh(self) -> None:
        self.on_nmi_mask(self.nmi_masked)
        self._drive()

    def _drive(self) -> None:
        """Drive the line, and arm the timer if something can still raise it."""
        enabled = self.cmos[REG_B] & ENABLES
        if self.cmos[REG_C] & enabled:
            self.line.set(True)
            self.timer.stop()
            return
        self.line.set(False)
        if enabled:
            deadline = self._next_event(enabled)
            if deadline is not None:
                self.timer.start(deadline)
                return
        self.timer.stop()

    def set_cmos(self, index: int, value: int) -> None:
        """For the board: fill a byte of CMOS RAM (memory size, drive types)."""
        self.cmos[index] = value

    # -- ports ----------------------------------------------------------------------------------------

    def read_index(self, _offset: int) -> int:
        return 0xFF

    def write_index(self, _offset: int, value: int) -> None:
        self.index = value & 0x7F
        masked = value >= 0x80
        if masked != self.nmi_masked:
            self.nmi_masked = masked
            self.on_nmi_mask(masked)

    def read(self, _offset: int) -> int:
        index = self.index
        if index > REG_C:
            if index in (CENTURY, CENTURY_PS2):
                self._settle()
                return self.cmos[CENTURY]
            return self.cmos[index & 0x7F]
        if index < REG_A:
            if self.bus.clock.now() - self.updated_ns >= NS_PER_SECOND:
                self._settle()
            return self.cmos[index]
        if index == REG_A:
            return self.cmos[REG_A] | (A_UIP if self._updating() else 0)
        if index == REG_B:
            return self.cmos[REG_B]
        self._settle()
        flags = self.cmos[REG_C]
        self.cmos[REG_C] = 0
        if enabled := self.cmos[REG_B] & ENABLES:
            if flags & enabled:
                flags |= C_IRQF
            self._drive()
        return flags

    def write(self, _offset: int, value: int) -> None:
        index = self.index & 0x7F
        if index > REG_D and index not in (CENTURY, CENTURY_PS2):
            self.cmos[index] = value
        elif index not in (REG_C, REG_D):
            self._settle()
            if index == REG_A:
                self._write_a(value & ~A_UIP)
            elif index == REG_B:
                self._write_b(value)
            else:
                self.cmos[CENTURY if index == CENTURY_PS2 else index] = value
                if index not in ALARMS and not self.cmos[REG_B] & B_SET:
                    self._announce()
            self._drive()

    def _write_a(self, value: int) -> None:
        was_held = self._divider_held()
        self.cmos[REG_A] = value
        if was_held and not self._divider_held():
            # The first update comes half a second after the divider is let go.
            self.updated_ns = self.bus.clock.now() - HALF_SECOND_NS

    def _write_b(self, value: int) -> None:
        changed = self.cmos[REG_B] ^ value
        if value & B_SET:
            value &= ~B_UIE
        if changed & (B_BINARY | B_24H) and not value & B_SET:
            days, seconds = self._load()
            weekday = self._decode(self.cmos[WEEKDAY])
            self.cmos[REG_B] = value
            self.cmos[WEEKDAY] = self._encode(weekday)
            self._store(days, seconds)
        self.cmos[REG_B] = value
        if changed & B_SET and not value & B_SET:
            self._announce()

    def _announce(self) -> None:
        """The guest has set the time: by how many seconds it is ahead of where it started from."""
        days, seconds = self._load()
        now_s = self.start_time + self.bus.clock.now() // NS_PER_SECOND
        self.on_set((days - EPOCH_DAYS) * DAY_S + seconds - now_s)

    # -- time -----------------------------------------------------------------------------------------

    def _divider_held(self) -> bool:
        return self.cmos[REG_A] & A_DIVIDER_RESET == A_DIVIDER_RESET

    @property
    def is_running(self) -> bool:
        """Whether seconds are counted."""
        return not self.cmos[REG_B] & B_SET and not self._divider_held()

    def alarm_ns(self) -> int | None:
        """When the alarm will match next (virtual ns); None: never."""
        seconds = self._until_alarm(self._load()[1])
        return None if seconds is None else self.updated_ns + seconds * NS_PER_SECOND

    def _updating(self) -> bool:
        """Update in progress: the guest has less than 244 µs to read a consistent time."""
        if not self.is_running:
            return False
        return (self.bus.clock.now() - self.updated_ns) % NS_PER_SECOND >= NS_PER_SECOND - UIP_NS

    def _settle(self) -> None:
        """Count what has passed: flags of register C, then the time registers."""
        now = self.bus.clock.now()
        before, self.settled_ns = self.settled_ns, now
        if self._divider_held():
            self.updated_ns = now
            return
        cmos = self.cmos
        period = self._period()
        if period and not cmos[REG_C] & C_PF:
            unit = NS_PER_SECOND * period
            start = self.updated_ns
            if (now - start) * CRYSTAL_HZ // unit > (before - start) * CRYSTAL_HZ // unit:
                cmos[REG_C] |= C_PF
        elapsed = (now - self.updated_ns) // NS_PER_SECOND
        if elapsed > 0:
            self.updated_ns += elapsed * NS_PER_SECOND
            if not cmos[REG_B] & B_SET:
                self._count(elapsed)

    def _count(self, elapsed: int) -> None:
        """*elapsed* updates at once."""
        days, seconds = self._load()
        until_alarm = self._until_alarm(seconds)
        self.cmos[REG_C] |= C_UF
        if until_alarm is not None and until_alarm <= elapsed:
            self.cmos[REG_C] |= C_AF
        passed, seconds = divmod(seconds + elapsed, DAY_S)
        if passed:
            weekday = self._decode(self.cmos[WEEKDAY]) - 1 + passed
            self.cmos[WEEKDAY] = self._encode(weekday % 7 + 1)
        self._store(days + passed, seconds)

    def _load(self) -> tuple[int, int]:
        """The registers as (day number, second of the day). Whatever they hold gives some date."""
        cmos, decode = self.cmos, self._decode
        year = self.base_year + decode(cmos[CENTURY]) * 100 + decode(cmos[YEAR])
        carried, month = divmod(decode(cmos[MONTH]) - 1, 12)
        cycle, year = divmod(year + carried, CYCLE_YEARS)
        first = date(CYCLE_YEARS + year, month + 1, 1).toordinal() + (cycle - 1) * CYCLE_DAYS
        seconds = self._hour(cmos[HOURS]) * 3600 + decode(cmos[MINUTES]) * 60 + decode(cmos[SECONDS])
        carried, seconds = divmod(seconds, DAY_S)
        return first + decode(cmos[DAY]) - 1 + carried, seconds

    def _last_update(self) -> int:
        return host_time.of(self, self.updated_ns) if self.qemu_state else self.updated_ns

    def _set_updated(self, ns: int) -> None:
        self.updated_ns = ns - (1 << 64) if ns >> 63 else ns

    def shown_seconds(self) -> int:
        """The time that the registers show, in seconds since 1970."""
        days, seconds = self._load()
        return (days - EPOCH_DAYS) * DAY_S + seconds

    def _store(self, days: int, seconds: int) -> None:
        """Fill the registers, except for the day of the week, which has its own counter."""
        cmos, encode = self.cmos, self._encode
        cycle, day = divmod(days - 1, CYCLE_DAYS)
        when = date.fromordinal(day + 1)
        year = when.year + cycle * CYCLE_YEARS - self.base_year
        hour, seconds = divmod(seconds, 3600)
        cmos[SECONDS], cmos[MINUTES] = encode(seconds % 60), encode(seconds // 60)
        cmos[HOURS] = self._hour_byte(hour)
        cmos[DAY], cmos[MONTH], cmos[YEAR] = encode(when.day), encode(when.month), encode(year % 100)
        cmos[CENTURY] = encode(year // 100 % 100)

    def _decode(self, byte: int) -> int:
        return byte if self.cmos[REG_B] & B_BINARY else from_bcd(byte)

    def _encode(self, number: int) -> int:
        return number if self.cmos[REG_B] & B_BINARY else to_bcd(number)

    def _hour(self, byte: int) -> int:
        """The hour, 0 to 23, in an hour register or its alarm."""
        if self.cmos[REG_B] & B_24H:
            return self._decode(byte)
        return self._decode(byte & 0x7F) % 12 + (12 if byte & HOUR_PM else 0)

    def _hour_byte(self, hour: int) -> int:
        if self.cmos[REG_B] & B_24H:
            return self._encode(hour)
        return self._encode(hour % 12 or 12) | (HOUR_PM if hour >= 12 else 0)

    # -- interrupts -----------------------------------------------------------------------------------

    def _alarm(self) -> None:
        self._settle()
        self._drive()

    def _period(self) -> int:
        """The periodic interrupt's period in 1/32768 s, or 0."""
        rate = self.cmos[REG_A] & A_RATE
        if rate == 0:
            return 0
        return 1 << (rate + 6 if rate <= 2 else rate - 1)  # 1 and 2 repeat 8 and 9

    def _next_event(self, enabled: int) -> int | None:
        """When the first enabled flag will be set (virtual ns)."""
        if self._divider_held():
            return None
        start = self.updated_ns
        events = []
        if enabled & B_PIE and (period := self._period()):
            unit = NS_PER_SECOND * period
            edge = (self.settled_ns - start) * CRYSTAL_HZ // unit + 1
            events.append(start - (-edge * unit // CRYSTAL_HZ))
        if not self.cmos[REG_B] & B_SET:
            if enabled & B_UIE:
                events.append(start + NS_PER_SECOND)
            elif enabled & B_AIE and (alarm := self.alarm_ns()) is not None:
                events.append(alarm)
        return min(events, default=None)

    def _until_alarm(self, second: int) -> int | None:
        """Seconds from a second of the day to the next match of the alarm, 1 to 86400; None: never."""
        cmos = self.cmos
        wanted: list[int | None] = []
        for register, decode, encode, limit in (
            (HOURS_ALARM, self._hour, self._hour_byte, 24),
            (MINUTES_ALARM, self._decode, self._encode, 60),
            (SECONDS_ALARM, self._decode, self._encode, 60),
        ):
            byte = cmos[register]
            if byte >= DONT_CARE:
                wanted.append(None)
            elif (number := decode(byte)) < limit and encode(number) == byte:  # the chip compares bytes
                wanted.append(number)
            else:
                return None
        hour, minute, sec = wanted
        when = second + 1
        # Each step skips to where one more field fits; a field that overflows sends the larger ones on.
        while True:
            if hour is not None and when // 3600 % 24 != hour:
                when += (hour * 3600 - when) % DAY_S
            elif minute is not None and when // 60 % 60 != minute:
                when += (minute * 60 - when) % 3600
            elif sec is not None and when % 60 != sec:
                when += (sec - when) % 60
            else:
                return when - second
