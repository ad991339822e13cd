"""Intel 8259A interrupt controller, device type ``isa-i8259``: one chip; a PC has two.

Source   Intel 8259A datasheet (231468-003); 82371SB (PIIX3) datasheet, interrupt controller registers
Ports    iobase: ICW1, OCW2, OCW3 / IRR, ISR, poll; iobase+1: ICW2-4, OCW1 / IMR; elcr_addr: ELCR
Inputs   ``inputs[0..7]``; the master takes bus interrupts 0-7 without 2, the slave 8-15
Output   master: ``on_intr(level)`` and ``pending``; slave: a line into input 2 of its ``cascade``
Errors   nothing a guest writes is an error; ICW3 is ignored, since the cascade is soldered
Missing  8080 mode's three-byte vectors; ICW1's level bit, which the PIIX replaces by the ELCR

An edge stays latched in the IRR when its input falls before the acknowledge cycle (a real 8259A would
answer with the spurious vector then), so a short pulse is an interrupt request. The cascade is the
exception: there the master follows the slave.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from pyqemu.core.device import IsaDevice, Prop, State
from pyqemu.core.errors import ConfigError
from pyqemu.core.lines import Line, Pin

CASCADE_INPUT = 2
CASCADE = 1 << CASCADE_INPUT
SPURIOUS = 7

# ICW1
ICW1_IC4 = 0x01
ICW1_SINGLE = 0x02
ICW1 = 0x10
# ICW4
ICW4_AEOI = 0x02
ICW4_SFNM = 0x10
# OCW2: R, SL and EOI bits
NON_SPECIFIC_EOI = 0x20
SPECIFIC_EOI = 0x60
ROTATE_AEOI_SET = 0x80
ROTATE_AEOI_CLEAR = 0x00
ROTATE_NON_SPECIFIC_EOI = 0xA0
SET_PRIORITY = 0xC0
ROTATE_SPECIFIC_EOI = 0xE0
OCW2_COMMAND = 0xE0
# OCW3
OCW3 = 0x08
OCW3_READ_ISR = 0x01
OCW3_READ = 0x02
OCW3_POLL = 0x04
OCW3_SMM = 0x20
OCW3_ESMM = 0x40
# What the next write to iobase+1 is.
READY, EXPECT_ICW2, EXPECT_ICW3, EXPECT_ICW4 = range(4)


def _ignore(_level: bool) -> None:
    pass


class I8259(IsaDevice, type="isa-i8259", vmstate="i8259"):
    iobase = Prop.u16(0x20, help="first of two I/O ports")
    elcr_addr = Prop.u16(0x4D0, help="port of the edge/level control register", name="elcr_addr")
    elcr_mask = Prop.u8(0xF8, help="inputs that may be level-triggered", name="elcr_mask")
    master = Prop.bool(True, help="the chip that drives the CPU's INTR")
    cascade = Prop.link(help="the master, for the slave chip")

    last_irr = State.u8(0)  # input levels as last seen
    irr = State.u8(0)
    imr = State.u8(0)
    isr = State.u8(0)
    priority_add = State.u8(0)  # the input with the highest priority
    irq_base = State.u8(0)  # vector of input 0
    read_reg_select = State.bool(False, wire="uint8")  # iobase reads ISR, not IRR
    poll = State.bool(False, wire="uint8")  # the next read is an acknowledge cycle
    special_mask = State.bool(False, wire="uint8")
    init_state = State.u8(READY)
    auto_eoi = State.bool(False, wire="uint8")
    rotate_on_auto_eoi = State.bool(False, wire="uint8")
    special_fully_nested_mode = State.bool(False, wire="uint8")
    init4 = State.bool(False, wire="uint8")
    single_mode = State.bool(False, wire="uint8")
    elcr = State.u8(0)

    def __init__(self, **values: Any) -> None:
        super().__init__(**values)
        self.pending = False  # level of the INT output
        self.on_intr: Callable[[bool], None] = _ignore  # the board's wire to the CPU
        self.inputs: list[Callable[[bool], None]] = [partial(self._input, 1 << n) for n in range(8)]
        self.cascade_pin = Pin(self._cascade_input)
        self._slave: I8259 | None = None
        self._cascade_line: Line | None = None
        self._pins: list[Pin] = []

    def realize(self, bus: Any) -> None:
        if not self.master and self.cascade is None:
            raise ConfigError("Property 'isa-i8259.cascade' is missing", "A slave needs its master.")
        ports = bus.ports
        ports.map_each(
            self.iobase,
            [(self.read_command, self.write_command), (self.read_mask, self.write_mask)],
            owner=self,
        )
        ports.map(self.elcr_addr, 1, self.read_elcr, self.write_elcr, owner=self)
        if self.master:
            self._pins = list(bus.irq_pins[:8])
            self._pins[CASCADE_INPUT] = self.cascade_pin
        else:
            self._pins = list(bus.irq_pins[8:16])
            self._cascade_line = self.cascade.cascade_pin.connect()
            self.cascade._slave = self
        for pin, handler in zip(self._pins, self.inputs, strict=True):
            if pin is not self.cascade_pin:
                pin.handler = handler

    def reset(self) -> None:
        """A source that holds its line high through the reset must fall before it makes a new edge."""
        self.reset_fields()
        self.last_irr = self._levels()
        self.refresh()

    def follow_inputs(self) -> None:
        """What no source drives is low, whatever was loaded: a stream may lack what one drives (the interrupt of
        QEMU's IDE), and an input that wrongly counts as high sees no edge again. The other way round an edge is
        still to come: that of a timer, for example, which was due when the state was saved."""
        levels = self._levels()
        self.last_irr &= levels
        self.irr = self.irr & ~self.elcr | levels & self.elcr
        self.refresh()

    def _levels(self) -> int:
        return sum(1 << n for n, pin in enumerate(self._pins) if pin.level)

    def refresh(self) -> None:
        """Drive INT: some unmasked request has a higher priority than everything in service."""
        requests = self.irr & ~self.imr
        if requests and (in_service := self._inhibiting()):
            # Rotated so that bit 0 has the highest priority, the lowest set bit of each decides.
            first = self.priority_add & 7
            requests = (requests | requests << 8) >> first & 0xFF
            in_service = (in_service | in_service << 8) >> first & 0xFF
            level = requests & -requests < in_service & -in_service
        else:
            level = requests != 0
        if level != self.pending:
            self.pending = level
            if self._cascade_line is not None:
                self._cascade_line.set(level)
            else:
                self.on_intr(level)

    def _inhibiting(self) -> int:
        """The in-service bits that hold back their own and lower priorities."""
        isr = self.isr
        if isr:
            if self.special_mask:
                isr &= ~self.imr
            if self.special_fully_nested_mode and self.master:
                isr &= ~CASCADE  # the slave may interrupt its own handler with a higher request
        return isr

    def _input(self, mask: int, level: bool) -> None:
        """An input changes. *mask* is its bit."""
        if level:
            if self.last_irr & mask:
                return
            self.last_irr |= mask
            self.irr |= mask
        else:
            self.last_irr &= ~mask
            if not self.elcr & mask:
                return
            self.irr &= ~mask
        self.refresh()

    def _cascade_input(self, level: bool) -> None:
        """The slave's INT, which does not stay latched: a request that it withdraws is gone."""
        if level:
            self._input(CASCADE, True)
        else:
            self.last_irr &= ~CASCADE
            self.irr &= ~CASCADE
            self.refresh()

    # -- acknowledge ----------------------------------------------------------------------------------

    def acknowledge(self) -> int:
        """The CPU's INTA cycles, for the master: the vector; the spurious one if nothing is pending."""
        if not self.pending:
            return self.irq_base | SPURIOUS
        number = self._take()
        slave = self._slave
        if number != CASCADE_INPUT or slave is None or self.single_mode:
            vector = self.irq_base | number
        else:
            vector = slave.irq_base | (slave._take() if slave.pending else SPURIOUS)
            # The slave drops INT within the cycle; what else it has makes a new edge.
            slave._drop()
            slave.refresh()
        self.refresh()
        return vector

    def _take(self) -> int:
        """Put the highest request in service. Only while ``pending``."""
        first = self.priority_add & 7
        requests = self.irr & ~self.imr
        requests = (requests | requests << 8) >> first & 0xFF
        number = ((requests & -requests).bit_length() - 1 + first) & 7
        mask = 1 << number
        if not self.elcr & mask:
            self.irr &= ~mask
        if not self.auto_eoi:
            self.isr |= mask
        elif self.rotate_on_auto_eoi:
            self.priority_add = number + 1 & 7
        return number

    def _drop(self) -> None:
        if self.pending and self._cascade_line is not None:
            self.pending = False
            self._cascade_line.set(False)

    def _poll(self) -> int:
        """The read after a poll command: an acknowledge cycle that returns the input's number."""
        self.poll = False
        if not self.pending:
            return 0
        number = self._take()
        self._drop()
        self.refresh()
        return 0x80 | number

    # -- ports ----------------------------------------------------------------------------------------

    def read_command(self, _offset: int) -> int:
        if self.poll:
            return self._poll()
        return self.isr if self.read_reg_select else self.irr

    def read_mask(self, _offset: int) -> int:
        if self.poll:
            return self._poll()
        return self.imr

    def write_command(self, _offset: int, value: int) -> None:
        if not value & (ICW1 | OCW3):
            self._end_of_interrupt(value & OCW2_COMMAND, value & 7)
        elif value & ICW1:
            self._initialize(value)
            return
        else:
            if value & OCW3_ESMM:
                self.special_mask = bool(value & OCW3_SMM)
            if value & OCW3_POLL:
                self.poll = True
            elif value & OCW3_READ:
                self.read_reg_select = bool(value & OCW3_READ_ISR)
        self.refresh()

    def write_mask(self, _offset: int, value: int) -> None:
        """OCW1, or the next initialization word."""
        state = self.init_state
        if state == READY:
            self.imr = value
            self.refresh()
        elif state == EXPECT_ICW2:
            self.irq_base = value & 0xF8
            self.init_state = EXPECT_ICW3 if not self.single_mode else EXPECT_ICW4 if self.init4 else READY
        elif state == EXPECT_ICW3:
            self.init_state = EXPECT_ICW4 if self.init4 else READY
        else:
            self.special_fully_nested_mode = bool(value & ICW4_SFNM)
            self.auto_eoi = bool(value & ICW4_AEOI)
            self.init_state = READY
            self.refresh()

    def read_elcr(self, _offset: int) -> int:
        return self.elcr

    def write_elcr(self, _offset: int, value: int) -> None:
        """A level-triggered request is its input; one that becomes edge-triggered needs a new edge."""
        before, self.elcr = self.elcr, value & self.elcr_mask
        self.irr = self.irr & ~(before | self.elcr) | self.last_irr & self.elcr
        self.refresh()

    # -- commands -------------------------------------------------------------------------------------

    def _initialize(self, icw1: int) -> None:
        """ICW1: forget edges, masks, service and modes. ELCR and the vector base stay."""
        self.irr = self.last_irr & self.elcr
        self.imr = self.isr = self.priority_add = 0
        self.special_mask = self.poll = self.read_reg_select = False
        self.auto_eoi = self.rotate_on_auto_eoi = self.special_fully_nested_mode = False
        self.init4 = bool(icw1 & ICW1_IC4)
        self.single_mode = bool(icw1 & ICW1_SINGLE)
        self.init_state = EXPECT_ICW2
        self.refresh()

    def _end_of_interrupt(self, command: int, number: int) -> None:
        """OCW2."""
        if command in (NON_SPECIFIC_EOI, ROTATE_NON_SPECIFIC_EOI):
            # In special mask mode a masked level is not ended by a non-specific EOI.
            isr = self.isr & ~self.imr if self.special_mask else self.isr
            if isr:
                first = self.priority_add & 7
                rotated = (isr | isr << 8) >> first & 0xFF
                number = ((rotated & -rotated).bit_length() - 1 + first) & 7
                self.isr &= ~(1 << number)
                if command == ROTATE_NON_SPECIFIC_EOI:
                    self.priority_add = number + 1 & 7
        elif command == SPECIFIC_EOI:
            self.isr &= ~(1 << number)
        elif command == ROTATE_SPECIFIC_EOI:
            self.isr &= ~(1 << number)
            self.priority_add = number + 1 & 7
        elif command == SET_PRIORITY:
            self.priority_add = number + 1 & 7
        elif command == ROTATE_AEOI_SET:
            self.rotate_on_auto_eoi = True
        elif command == ROTATE_AEOI_CLEAR:
            self.rotate_on_auto_eoi = False
