"""Standard parallel port (Centronics) with a printer on it, device type ``isa-parallel``.

Source   IBM PC Technical Reference, parallel printer adapter; IEEE 1284-1994, compatibility mode
Ports    iobase+0 data, +1 status, +2 control, one byte each; +3..7 are decoded and read FF. Double words are
         not decoded, as on QEMU's board
IRQ      one level line: raised when the printer acknowledges a byte while control bit 4 is set, dropped by
         reading the status register
Errors   realize() raises ConfigError if the ports are taken; undefined ports are dropped
Missing  EPP and ECP modes. The printer is busy from the strobe until the guest has looked at the status twice,
         which stands for the time that a real one takes
"""

from __future__ import annotations

from pyqemu.core.bus import Bus
from pyqemu.core.device import IsaDevice, Prop, State
from pyqemu.core.errors import ConfigError

UNSET = 0xFFFFFFFF
LPT_PORTS = (0x378, 0x278, 0x3BC)

# Status: the lines as the connector has them, except that bit 7 is the inverted BUSY
STATUS_NOT_BUSY = 0x80
STATUS_NOT_ACK = 0x40
STATUS_IDLE = 0xD9  # not busy, no acknowledge, selected, no error; bit 0 reads one

# Control
CONTROL_STROBE = 0x01
CONTROL_NOT_INIT = 0x04
CONTROL_SELECT = 0x08
CONTROL_IRQ = 0x10
CONTROL_INPUT = 0x20  # the data lines are inputs
CONTROL_UNUSED = 0xC0  # these read one


class Parallel(IsaDevice, type="isa-parallel", vmstate="parallel_isa"):
    index = Prop.u32(UNSET, help="LPT port 0 to 2: where iobase is not given (default: the first free)")
    iobase = Prop.u32(UNSET, help="first of eight I/O ports")
    irq = Prop.u32(7, help="ISA interrupt number")
    chardev = Prop.chardev(help="backend that takes what is printed")

    data_out = State.u8(reset=0xFF, name="state.dataw")
    data_in = State.constant("uint8", 0xFF, name="state.datar")
    status = State.u8(reset=STATUS_IDLE, name="state.status")
    control = State.u8(reset=CONTROL_UNUSED | CONTROL_SELECT | CONTROL_NOT_INIT, name="state.control")
    irq_pending = State.bool(reset=False, name="state.irq_pending", wire="int32")
    epp_timeout = State.constant("int32", 0, name="state.epp_timeout")

    def realize(self, bus: Bus) -> None:
        if self.index == UNSET and self.iobase == UNSET:
            self.index = next((n for n, base in enumerate(LPT_PORTS) if self._is_free(bus, base)), 3)
        if self.index != UNSET and self.index >= len(LPT_PORTS):
            raise ConfigError(f"Max. supported number of parallel ports is {len(LPT_PORTS)}.")
        if self.iobase == UNSET:
            self.iobase = LPT_PORTS[self.index]
        self._line = bus.irq(self.irq)
        handlers = [
            (self._read_data, self._write_data),
            (self._read_status, None),
            (self._read_control, self._write_control),
        ]
        # The third port's upper half belongs to the colour registers of the display adapter.
        count = 4 if self.iobase == 0x3BC else 8
        bus.ports.map_each(self.iobase, handlers + [(None, None)] * (count - 3), owner=self)
        bus.ports.map(self.iobase, count, None, None, owner=self, width=4)
        if self.chardev is not None:
            self.chardev.connect(lambda _data: None, lambda: 0)

    def _is_free(self, bus: Bus, base: int) -> bool:
        return bus.ports.is_free(base, 3)

    def refresh(self) -> None:
        self._line.set(self.irq_pending)

    def _read_data(self, _offset: int) -> int:
        """What was written, or the lines when they are inputs: nobody drives them."""
        return 0xFF if self.control & CONTROL_INPUT else self.data_out

    def _write_data(self, _offset: int, value: int) -> None:
        self.data_out = value & 0xFF

    def _read_status(self, _offset: int) -> int:
        """Printer status. After the strobe: busy, then busy with the acknowledge low, then ready."""
        status = self.status
        self.irq_pending = False
        if not status & STATUS_NOT_BUSY and not self.control & CONTROL_STROBE:
            if status & STATUS_NOT_ACK:
                self.status = status & ~STATUS_NOT_ACK
            else:
                self.status = status | STATUS_NOT_ACK | STATUS_NOT_BUSY
        self.refresh()
        return status

    def _read_control(self, _offset: int) -> int:
        return self.control

    def _write_control(self, _offset: int, value: int) -> None:
        """Control lines. The printer takes the byte at the start of the strobe, acknowledges after its end."""
        before = self.control
        self.control = value = value & ~CONTROL_UNUSED & 0xFF | CONTROL_UNUSED
        if not value & CONTROL_NOT_INIT:
            self.status = STATUS_IDLE
        elif value & CONTROL_SELECT:
            if value & CONTROL_STROBE:
                self.status &= ~STATUS_NOT_BUSY
                self.irq_pending = False
                if not before & CONTROL_STROBE and self.chardev is not None:
                    self.chardev.write(bytes((self.data_out,)))
            elif before & CONTROL_STROBE and value & CONTROL_IRQ:
                self.irq_pending = True
        if not value & CONTROL_IRQ:
            self.irq_pending = False
        self.refresh()
