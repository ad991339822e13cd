"""Intel 82078: the floppy disk controller with up to two drives, device type ``isa-fdc``.

Source   82078 datasheet (290474); 82077AA datasheet (290166), 2.1 registers, 5.0 commands
Ports    iobase+1..5 and +7, one byte each (AT mode; +6 is the disk controller's)
IRQ      one level line, gated by the DOR's DMA gate bit
DMA      one channel, a byte at a time as the guest sees it
Units    virtual ns; sectors of 512 bytes
Errors   what the guest does wrong is logged with guest_error() and answered as the chip does. Host errors
         are reported by the drive, the guest sees a data error
Missing  power-down, tape drives, rotation: a command takes some microseconds. FORMAT AND WRITE
"""

from __future__ import annotations

from functools import partial
from typing import Any

from pyqemu.block import SECTOR_BYTES
from pyqemu.core.bus import Bus
from pyqemu.core.clock import NEVER
from pyqemu.core.device import IsaDevice, Prop, State
from pyqemu.core.state import ANY, StateError
from pyqemu.core.trace import event
from pyqemu.hw.floppy import commands, media, section
from pyqemu.hw.floppy.section import COMMAND, EXECUTION, RESULT
from pyqemu.hw.floppy.transfer import SIZE_CODE, ST0_ABNORMAL, ST1_MISSING_MARK, Transfer

WRITE_COMMAND = event("fdc_write_cmd", "%s")

UNITS = 2

# Digital output register
DOR_DRIVE = 0x03
DOR_NOT_RESET = 0x04
DOR_GATE = 0x08  # lets interrupt and DMA request out
DOR_MOTORS = 4  # shift

# Data rate select register; its rate bits are those of the CCR
DSR_RESET = 0x80
DSR_RATE = 0x03

# Main status register
MSR_BUSY = 0x10
MSR_NON_DMA = 0x20
MSR_TO_HOST = 0x40
MSR_READY = 0x80

SRB_ALWAYS = 0xC0
DIR_CHANGED = 0x80
TDR_WRITABLE = 0x03

# CONFIGURE's second byte
CONFIG_SEEK_AND_POLL = 0x50  # what a reset by software leaves
CONFIG_NO_FIFO = 0x20
CONFIG_THRESHOLD = 0x0F

EXECUTE_NS = 20_000  # from the last byte of a command to its data
SEEK_NS = 200_000
REVOLUTION_NS = 200_000_000
RESET_INTERRUPTS = 4  # one for each drive that polling may find changed

DRIVE_TYPES = ("120", "144", "288", "none", "auto")


class I82078(IsaDevice, type="isa-fdc", vmstate="fdc", version=2, wrapper="state"):
    iobase = Prop.u32(0x3F0, maximum=0xFFF8, help="first of eight I/O ports")
    irq = Prop.u32(6, maximum=15, help="ISA interrupt number")
    dma = Prop.u32(2, maximum=7, help="DMA channel")
    drive_a = Prop.drive(name="driveA", help="first drive")
    drive_b = Prop.drive(name="driveB", help="second drive")
    check_media_rate = Prop.bool(True, name="check_media_rate", help="fail at a data rate other than the disk's")
    fdtype_a = Prop.enum(DRIVE_TYPES, "auto", name="fdtypeA", help="what the first drive is")
    fdtype_b = Prop.enum(DRIVE_TYPES, "auto", name="fdtypeB", help="what the second drive is")
    fallback = Prop.enum(DRIVE_TYPES, "144", help="what an automatic drive without a disk is")

    LONGEST_COMMAND = 1 + commands.RESTORED_BYTES
    LONGEST_RESULT = 16

    # In the order of QEMU's section. Fields with ``sent=False`` are in what ``section`` makes of them.
    sra = State.view("uint8", section.status_a)
    srb = State.view("uint8", lambda fdc: fdc.read_status_b(0))
    dor = State.u8(reset=DOR_GATE | DOR_NOT_RESET, sent=False)
    dor_vmstate = State.view("uint8", section.output)
    tdr = State.u8(reset=0)
    dsr = State.u8(reset=0, sent=False)
    dsr_bits = State.view("uint8", lambda fdc: fdc.dsr, name="dsr")
    msr = State.view("uint8", lambda fdc: fdc.main_status())
    status0 = State.view("uint8", section.status_0)
    status1 = State.view("uint8", lambda fdc: fdc.transfer.status1)
    status2 = State.view("uint8", lambda fdc: fdc.transfer.status2)
    phase = State.u8(reset=COMMAND, sent=False)
    command = State.fifo(LONGEST_COMMAND, sent=False)
    result = State.fifo(LONGEST_RESULT, sent=False)
    transfer = State.record(Transfer, sent=False)
    fifo = State.view("uint8", section.buffer, count=SECTOR_BYTES)
    data_pos = State.view("uint32", section.position)
    data_len = State.view("uint32", section.length)
    data_state = State.view("uint8", section.multi_track)
    data_dir = State.view("uint8", section.direction)
    end_of_track = State.u8(reset=0, name="eot")
    step_rate = State.u8(reset=0, sent=False)  # SPECIFY's first byte
    timer0 = State.view("uint8", section.step_timer)
    timer1 = State.view("uint8", lambda fdc: fdc.head_load >> 1)
    precompensation_track = State.u8(reset=0, name="precomp_trk")
    configuration = State.u8(reset=0x60, name="config")
    lock = State.bool(reset=False, wire="uint8")
    pwrd = State.constant("uint8", 0)
    num_floppies = State.constant("uint8 equal", UNITS)
    units = State.records(media.FloppyUnit, UNITS, name="drives")

    # What SENSE INTERRUPT still has to answer
    reset_interrupts = State.u8(reset=0, name="reset_sensei", wire="int32", sub="reset_sensei")
    execute_deadline = State.u64(
        reset=NEVER, name="result_timer", wire="timer", sub="result_timer", implied=section.implied_deadline
    )
    phase_number = State.view(
        "uint8", lambda fdc: fdc.phase + 1, name="phase", sub="phase", implied=section.implied_phase
    )

    transfer_parts = State.link(
        Transfer, None, lambda fdc: fdc.transfer, name="transfer", sub="transfer", implied=section.implied_transfer
    )
    wants_dma = State.bool(reset=False, sub="transfer", implied=ANY)
    # ST0 of a seek that has ended; 0: none
    seek_results = State.ints(UNITS, reset=0, sub="seeks", implied=section.implied_seeks)
    seek_status = State.ints(UNITS, reset=0, sub="seeks", implied=ANY)  # what it will be
    seek_deadlines = State.ints(UNITS, 64, reset=NEVER, sub="seeks")
    interrupt = State.bool(reset=False, sent=False)
    non_dma = State.bool(
        reset=False, sent=False
    )  # before SPECIFY the board's chip uses DMA, whatever head_load says
    gate = State.view("uint8", section.gate, section.set_gate, sub="gate", implied=section.implied_gate)
    head_load = State.u8(reset=0x01, sub="head_load", implied=section.implied_head_load)  # SPECIFY's second byte
    perpendicular = State.u8(reset=0, sub="perpendicular")
    drive_types = State.ints(4, reset=0, sub="drive_types")

    def __init__(self, **values: Any) -> None:
        super().__init__(**values)
        self.transfer.fdc = self

    def realize(self, bus: Bus) -> None:
        self._line = bus.irq(self.irq)
        self.channel = bus.dma(self.dma)
        self.channel.connect(self._dma_ready)
        self._clock = bus.clock
        self._execute_timer = bus.clock.timer(self._execute)
        self._seek_timers = [bus.clock.timer(partial(self._seek_ended, n)) for n in range(UNITS)]
        self._table = commands.command_table()
        for unit, drive in zip(self.units, (self.drive_a, self.drive_b), strict=True):
            unit.connect(drive)
            unit.compares_rate = self.check_media_rate
        bus.ports.map_each(
            self.iobase + 1,
            [
                (self.read_status_b, None),
                (self.read_output, self.write_output),
                (self.read_tape, self.write_tape),
                (self.read_main_status, self.write_rate_select),
                (self.read_fifo, self.write_fifo),
            ],
            owner=self,
        )
        bus.ports.map_each(self.iobase + 7, [(self.read_input, self.write_configuration_control)], owner=self)

    def refresh(self) -> None:
        self._drive_line()
        _arm(self._execute_timer, self.execute_deadline)
        for timer, deadline in zip(self._seek_timers, self.seek_deadlines, strict=True):
            _arm(timer, deadline)
        if self.wants_dma:
            # The DMA controller may not have its state back yet: ask once time goes on.
            self._execute_timer.start(self._clock.now())
        else:
            self.channel.request(False)

    def load_wire(self, values: dict[str, Any], version: int) -> None:
        section.restore(self, values)
        super().load_wire(values, version)

    def command_length(self, first: int) -> int:
        """How many bytes the command that begins with *first* has."""
        return commands.command_table()[first][0]

    def check(self) -> None:
        waiting = not self.command or len(self.command) < self.command_length(self.command[0])
        if not (
            waiting
            and self.phase <= RESULT
            and bool(self.result) == (self.phase == RESULT)
            and (self.phase == EXECUTION or not self.transfer.length)
            and self.reset_interrupts <= RESET_INTERRUPTS
            and self.transfer.is_sound
        ):
            raise StateError("the phase does not fit the command")

    @property
    def rate(self) -> int:
        """The data rate code that the guest has chosen."""
        return self.dsr & DSR_RATE

    def cmos_type(self, unit: int) -> int:
        """The drive's type as PC firmware keeps it in CMOS byte 10: 0 none, 2 1.2 MB, 4 1.44 MB, 5 2.88 MB."""
        if (self.drive_a, self.drive_b)[unit] is None:
            return 0
        kind = (self.fdtype_a, self.fdtype_b)[unit]
        if kind == "auto":
            kind = self.fallback
            geometry = self.units[unit].geometry
            if geometry is not None:
                kind = "288" if geometry.rate == media.RATE_1M else "144"
                if geometry.sectors == 15 or geometry.cylinders < 80:
                    kind = "120"
        return {"120": 2, "144": 4, "288": 5}.get(kind, 0)

    def last_sector(self) -> int:
        """The EOT of the last command; before the first, the number of sectors on a track of the disk."""
        geometry = self.units[self.dor & 1].geometry
        return self.end_of_track or (geometry.sectors if geometry is not None else 0xFF)

    # -- registers ------------------------------------------------------------------------------------

    def read_status_b(self, _offset: int) -> int:
        """SRB: the motors, and whether drive 1 is selected."""
        return SRB_ALWAYS | (self.dor & 1) << 5 | self.dor >> DOR_MOTORS & 0x03

    def read_output(self, _offset: int) -> int:
        return self.dor

    def write_output(self, _offset: int, value: int) -> None:
        """DOR: drive, motors, reset (while the bit is clear)."""
        before, self.dor = self.dor, value & 0xFF
        if not value & DOR_NOT_RESET:
            if before & DOR_NOT_RESET:
                self._abort()
        elif not before & DOR_NOT_RESET:
            self._software_reset()
        self._drive_line()
        if self.wants_dma:
            self._request_dma()

    def read_tape(self, _offset: int) -> int:
        return self.tdr

    def write_tape(self, _offset: int, value: int) -> None:
        self.tdr = value & TDR_WRITABLE

    def read_main_status(self, _offset: int) -> int:
        """MSR. On this board reading it during a reset also ends the reset, with no interrupt."""
        self.dor |= DOR_NOT_RESET
        return self.main_status()

    def main_status(self) -> int:
        phase = self.phase
        if phase == COMMAND:
            status = MSR_READY | (MSR_BUSY if self.command else 0)
        elif phase == RESULT:
            status = MSR_READY | MSR_TO_HOST | MSR_BUSY
        else:
            status = MSR_BUSY
            if self._is_host_turn():
                status |= MSR_READY | MSR_NON_DMA | (MSR_TO_HOST if self._to_host() else 0)
        for number, deadline in enumerate(self.seek_deadlines):
            if deadline != NEVER:
                status |= 1 << number
        return status

    def write_rate_select(self, _offset: int, value: int) -> None:
        """DSR: data rate, and a reset that ends by itself."""
        self.dsr = value & ~DSR_RESET & 0xFF
        if value & DSR_RESET and self.dor & DOR_NOT_RESET:
            self._software_reset()

    def read_input(self, _offset: int) -> int:
        """DIR: the selected drive's disk change signal."""
        unit = self.units[self.dor & 1]
        return DIR_CHANGED if unit.changed or unit.geometry is None else 0

    def write_configuration_control(self, _offset: int, value: int) -> None:
        self.dsr = self.dsr & ~DSR_RATE | value & DSR_RATE

    def read_fifo(self, _offset: int) -> int:
        if self.phase == RESULT:
            value = self.result.popleft()
            self._interrupt(False)
            if not self.result:
                self.phase = COMMAND
            return value
        if self._is_host_turn() and self._to_host():
            self._interrupt(False)
            value = self.transfer.read_byte()
            self._threshold()
            return value
        return self.guest_error("FIFO read while there is nothing to read", value=0)

    def write_fifo(self, _offset: int, value: int) -> None:
        value &= 0xFF
        if not self.dor & DOR_NOT_RESET:
            self.guest_error("FIFO write during reset")
        elif self.phase == COMMAND:
            self.command.append(value)
            length, handler = self._table[self.command[0]]
            if len(self.command) >= length:
                command = list(self.command)
                self.command.clear()
                if WRITE_COMMAND.on:
                    WRITE_COMMAND(bytes(command).hex(" "))
                answer = handler(self, command)
                if answer:
                    self._answer(answer)
        elif self._is_host_turn() and not self._to_host():
            self._interrupt(False)
            self.transfer.write_byte(value)
            self._threshold()
        else:
            self.guest_error("FIFO write while no byte is wanted")

    # -- interrupts and resets ------------------------------------------------------------------------

    def _drive_line(self) -> None:
        self._line.set(self.interrupt and self.dor & DOR_GATE)

    def _interrupt(self, level: bool) -> None:
        if self.interrupt != level:
            self.interrupt = level
            self._drive_line()

    def take_interrupt(self) -> list[int]:
        """SENSE INTERRUPT: the oldest reason, or an invalid command if there is none."""
        if self.reset_interrupts:
            number = RESET_INTERRUPTS - self.reset_interrupts
            self.reset_interrupts -= 1
            self._interrupt(False)
            return [commands.ST0_RESET | number, self.units[number].track if number < UNITS else 0]
        for number, status in enumerate(self.seek_results):
            if status:
                self.seek_results[number] = 0
                self._interrupt(False)
                self._interrupt(any(self.seek_results))  # the next one makes an edge of its own
                return [status, self.units[number].track]
        return [commands.INVALID]

    def _abort(self) -> None:
        """Stop whatever is going on."""
        self.phase = COMMAND
        self.command.clear()
        self.result.clear()
        self.transfer.reset_fields()
        self.reset_interrupts = 0
        for number in range(UNITS):
            self.seek_results[number] = 0
            self.seek_deadlines[number] = NEVER
        self.execute_deadline = NEVER
        self.wants_dma = self.interrupt = False
        self.refresh()

    def _software_reset(self) -> None:
        """A reset through the DOR or DSR is over: the chip polls its drives and interrupts."""
        self._abort()
        for unit in self.units:
            unit.track = 0
        self.perpendicular &= commands.PERPENDICULAR_DRIVES
        if not self.lock:
            self.configuration = self.configuration & CONFIG_SEEK_AND_POLL | CONFIG_NO_FIFO
            self.precompensation_track = 0
        self.reset_interrupts = RESET_INTERRUPTS
        self._interrupt(True)

    # -- commands -------------------------------------------------------------------------------------

    def _answer(self, answer: list[int]) -> None:
        self.result.clear()
        self.result.extend(answer)
        self.phase = RESULT

    def await_more(self, command: list[int]) -> None:
        """A command of no fixed length wants its next byte."""
        self.command.extend(command)

    def begin_seek(self, number: int, track: int, status: int) -> None:
        """Send a head on its way; the interrupt comes when it is there."""
        self.units[number].step_to(track)
        self.seek_status[number] = status | number
        self.seek_results[number] = 0
        self.seek_deadlines[number] = self._clock.now() + SEEK_NS
        self._seek_timers[number].start(self.seek_deadlines[number])

    def _seek_ended(self, number: int) -> None:
        self.seek_deadlines[number] = NEVER
        self.seek_results[number] = self.seek_status[number]
        self.reset_interrupts = 0
        self._interrupt(True)

    def begin_transfer(self, command: list[int]) -> None:
        """A data command: its parameters are in, the head goes down."""
        self.transfer.prepare(command)
        self.end_of_track = self.transfer.last
        self._begin_execution()

    def begin_read_id(self, command: list[int]) -> None:
        self.transfer.reset_fields()
        self.transfer.unit = command[1] & 1
        self.transfer.side = command[1] >> 2 & 1
        self.units[self.transfer.unit].head = self.transfer.side
        self._begin_execution()

    def _begin_execution(self) -> None:
        self.phase = EXECUTION
        self.execute_deadline = self._clock.now() + EXECUTE_NS
        self._execute_timer.start(self.execute_deadline)

    def _execute(self) -> None:
        self.execute_deadline = NEVER
        if self.wants_dma:
            self._request_dma()
        elif self.transfer.code:
            self.transfer.start()
        else:
            self._read_id()

    def _read_id(self) -> None:
        """Answer with the sector that comes by next."""
        number, side = self.transfer.unit, self.transfer.side
        unit = self.units[number]
        geometry = unit.geometry
        status0 = side << 2 | number
        if (
            geometry is None
            or unit.track >= geometry.cylinders
            or side >= geometry.heads
            or (self.check_media_rate and geometry.rate != self.rate)
        ):
            self.end_command([status0 | ST0_ABNORMAL, ST1_MISSING_MARK, 0, unit.track, side, 0, SIZE_CODE])
            return
        turned_ns = self._clock.now() % REVOLUTION_NS
        sector = turned_ns * geometry.sectors // REVOLUTION_NS + 1
        self.end_command([status0, 0, 0, unit.track, side, sector, SIZE_CODE])

    def end_command(self, answer: list[int]) -> None:
        """A command with an execution phase is over."""
        self.transfer.reset_fields()
        self.wants_dma = False
        self.channel.request(False)
        self.reset_interrupts = 0
        self._answer(answer)
        self._interrupt(True)

    # -- data -----------------------------------------------------------------------------------------

    def begin_data(self) -> None:
        """The first sector is in reach: ask for the host's side of it."""
        if self.non_dma:
            self._interrupt(True)
        else:
            self.wants_dma = True
            self._request_dma()

    def _request_dma(self) -> None:
        self.channel.request(bool(self.dor & DOR_GATE))

    def _dma_ready(self) -> None:
        if self.wants_dma:
            self.transfer.run_dma()

    def _is_host_turn(self) -> bool:
        """Whether the FIFO port moves data now."""
        return self.phase == EXECUTION and not self.wants_dma and self.transfer.length > 0

    def _to_host(self) -> bool:
        return self.transfer.is_to_host

    def _threshold(self) -> None:
        """Without DMA the chip interrupts for every FIFO load, or every byte with the FIFO off."""
        if self.phase != EXECUTION:
            return
        off = self.configuration & CONFIG_NO_FIFO
        load = 1 if off else 1 + (self.configuration & CONFIG_THRESHOLD)
        if self.transfer.position % load == 0:
            self._interrupt(True)


def _arm(timer: Any, deadline_ns: int) -> None:
    if deadline_ns == NEVER:
        timer.stop()
    else:
        timer.start(deadline_ns)
