"""National PC16550D UART: one PC COM port, device type ``isa-serial``.

Source   PC16550D datasheet, June 1995 (SNLS378), section 8 (registers) and 8.6 (FIFO interrupts)
Ports    iobase+0..7, one byte each; +0 and +1 are the divisor while LCR.DLAB is set
IRQ      one level line, high while an enabled cause is pending
Units    divisor counts 1/115200 s (12 = 9600 baud); the FIFOs hold bytes, oldest first; times are ns
Backend  gives ``on_writable`` (room again after a short write) and ``on_break`` (a break arrived) if it has such
         events; the other end always asserts CTS, DSR and DCD
Errors   realize() raises ConfigError if the ports are taken; writes to status registers are dropped
Missing  the time a byte takes on the wire: what is sent is gone at once. OUT2 does not gate the interrupt, as on
         QEMU's board. Parity and framing errors, which a host's stream does not have
"""

from __future__ import annotations

from typing import Any

from pyqemu.core.bus import Bus
from pyqemu.core.device import IsaDevice, Prop, State
from pyqemu.core.errors import ConfigError

FIFO_BYTES = 16
BYTES = tuple(bytes((value,)) for value in range(256))
UNSET = 0xFFFFFFFF
COM_PORTS = ((0x3F8, 4), (0x2F8, 3), (0x3E8, 4), (0x2E8, 3))
BIT_NS = 1_000_000_000 / 115200  # with a divisor of 1

# Interrupt enable
IER_RX = 0x01
IER_TX = 0x02
IER_LINE = 0x04
IER_MODEM = 0x08
IER_MASK = 0x0F

# Interrupt identification
IIR_MODEM = 0x00
IIR_NONE = 0x01
IIR_TX = 0x02
IIR_RX = 0x04
IIR_LINE = 0x06
IIR_TIMEOUT = 0x0C
IIR_CAUSE = 0x0F
IIR_FIFOS = 0xC0

# FIFO control
FCR_ENABLE = 0x01
FCR_CLEAR_RX = 0x02
FCR_CLEAR_TX = 0x04
FCR_STORED = 0xC9
TRIGGERS = (1, 4, 8, 14)  # by FCR bits 7-6

# Line control
LCR_BITS = 0x03
LCR_STOP = 0x04
LCR_PARITY = 0x08
LCR_BREAK = 0x40
LCR_DLAB = 0x80

# Modem control
MCR_DTR = 0x01
MCR_RTS = 0x02
MCR_OUT1 = 0x04
MCR_OUT2 = 0x08
MCR_LOOP = 0x10
MCR_MASK = 0x1F

# Line status
LSR_READY = 0x01
LSR_OVERRUN = 0x02
LSR_BREAK = 0x10
LSR_ERRORS = 0x1E
LSR_THR_EMPTY = 0x20
LSR_IDLE = 0x40
LSR_FIFO_ERROR = 0x80
LSR_SENT = LSR_THR_EMPTY | LSR_IDLE

# Modem status: bits 7-4 are the lines, bits 3-0 note a change of each
MSR_CTS = 0x10
MSR_DSR = 0x20
MSR_RING = 0x40
MSR_DCD = 0x80
MSR_CHANGES = 0x0F
MSR_CONNECTED = MSR_CTS | MSR_DSR | MSR_DCD


def _nowhere(data: bytes) -> int:
    """A port without a backend sends all the same."""
    return len(data)


class Serial16550(IsaDevice, type="isa-serial", vmstate="serial", version=3, minimum=2, wrapper="state"):
    index = Prop.u32(UNSET, help="COM port 0 to 3: where iobase and irq are not given (default: the first free)")
    iobase = Prop.u32(UNSET, help="first of eight I/O ports")
    irq = Prop.u32(UNSET, help="ISA interrupt number")
    chardev = Prop.chardev(help="backend that carries the line")

    divisor = State.u16(reset=12, name="divider")
    last_received = State.u8(reset=0, name="rbr")  # what the data register shows while nothing waits
    ier = State.u8(reset=0)
    iir = State.view("uint8", lambda chip: chip._identification(), lambda chip, iir: chip._identified(iir))
    lcr = State.u8(reset=0)
    mcr = State.u8(reset=MCR_OUT2)
    lsr = State.u8(reset=LSR_SENT)
    msr = State.u8(reset=MSR_CONNECTED)
    scratch = State.u8(reset=0, name="scr")
    fcr = State.u8(reset=0, name="fcr_vmstate", since=3)

    # Beyond these, what the identification register does not tell.
    rx_fifo = State.fifo(FIFO_BYTES, name="recv_fifo", sub="recv_fifo", since=3)
    rx_errors = State.fifo(FIFO_BYTES, sub="recv_errors", since=3)  # LSR bits that come up with the byte of rx_fifo
    tx_fifo = State.fifo(FIFO_BYTES, name="xmit_fifo", sub="xmit_fifo", since=3)  # what a slow backend left
    tx_pending = State.bool(  # "transmitter empty" has not been noticed yet
        reset=False,
        name="thr_ipending",
        wire="int32",
        sub="thr_ipending",
        implied=lambda chip: chip._cause() == IIR_TX,
    )
    timeout_at_ns = State.u64(  # 0: not running
        reset=0, name="fifo_timeout_timer", wire="timer", sub="fifo_timeout_timer", since=3
    )
    timeout_pending = State.bool(
        reset=False,
        name="timeout_ipending",
        wire="int32",
        sub="timeout_ipending",
        implied=lambda chip: chip._cause() == IIR_TIMEOUT,
        since=3,
    )

    # -- wiring ---------------------------------------------------------------------------------------

    def realize(self, bus: Bus) -> None:
        self._place(bus)
        self._loop, self._plain = True, False  # nothing is received before the first reset
        self._line = bus.irq(self.irq)
        self._timer = bus.clock.timer(self._timeout)
        self._resume_timer = bus.clock.timer(self._resume)
        handlers = [
            (self._read_data, self._write_data),
            (self._read_ier, self._write_ier),
            (self._read_iir, self._write_fcr),
            (self._read_lcr, self._write_lcr),
            (self._read_mcr, self._write_mcr),
            (self._read_lsr, None),
            (self._read_msr, None),
            (self._read_scratch, self._write_scratch),
        ]
        bus.ports.map_each(self.iobase, handlers, owner=self)
        bus.ports.map_string(self.iobase, None, self._write_string)
        self._send = _nowhere if self.chardev is None else self.chardev.write
        if self.chardev is not None:
            self.chardev.on_writable = self._drain
            self.chardev.on_break = self._receive_break
            self.chardev.connect(self._receive, self._room)
            bus.clock.on_run.append(lambda running: self._accept_input() if running else None)

    def _place(self, bus: Bus) -> None:
        """Fill in what the user left open. Raises ConfigError."""
        if self.index == UNSET and self.iobase == UNSET:
            self.index = next((n for n, (base, _) in enumerate(COM_PORTS) if bus.ports.is_free(base, 8)), 4)
        if self.index != UNSET and self.index >= len(COM_PORTS):
            raise ConfigError(f"Max. supported number of ISA serial ports is {len(COM_PORTS)}.")
        base, irq = COM_PORTS[self.index if self.index != UNSET else 0]
        self.iobase = base if self.iobase == UNSET else self.iobase
        self.irq = irq if self.irq == UNSET else self.irq

    def refresh(self) -> None:
        self._loop = bool(self.mcr & MCR_LOOP)
        self._plain = not (self.lcr & LCR_DLAB or self._loop or self.tx_fifo)
        errors = list(self.rx_errors)[: len(self.rx_fifo)]
        self.rx_errors.clear()
        self.rx_errors.extend(errors + [0] * (len(self.rx_fifo) - len(errors)))
        self.lsr = self.lsr & ~LSR_READY | (LSR_READY if self.rx_fifo else 0)
        self._resume_timer.start(0)
        if self.timeout_at_ns:
            self._timer.start(self.timeout_at_ns)
        else:
            self._timer.stop()
        self._update()

    def _resume(self) -> None:
        """After reset and load the backend does not know of the room there is, nor of what waits to be sent."""
        self._drain()
        self._accept_input()

    def _update(self) -> None:
        """The only place that drives the line."""
        self._line.set(self._cause() != IIR_NONE)

    def _cause(self) -> int:
        """The most urgent interrupt: line status, received data, time-out, transmitter, modem."""
        ier = self.ier
        if ier & IER_LINE and self.lsr & LSR_ERRORS:
            return IIR_LINE
        if ier & IER_RX:
            if self.lsr & LSR_READY and (not self.fcr & FCR_ENABLE or len(self.rx_fifo) >= self._trigger()):
                return IIR_RX
            if self.timeout_pending:
                return IIR_TIMEOUT
        if ier & IER_TX and self.tx_pending:
            return IIR_TX
        if ier & IER_MODEM and self.msr & MSR_CHANGES:
            return IIR_MODEM
        return IIR_NONE

    def _identification(self) -> int:
        return self._cause() | (IIR_FIFOS if self.fcr & FCR_ENABLE else 0)

    def _identified(self, iir: int) -> None:
        """Loading: the cause that the register showed."""
        self.tx_pending = iir & IIR_CAUSE == IIR_TX
        self.timeout_pending = iir & IIR_CAUSE == IIR_TIMEOUT

    def _trigger(self) -> int:
        return TRIGGERS[self.fcr >> 6]

    # -- receiving ------------------------------------------------------------------------------------

    def _room(self) -> int:
        """How many bytes the backend may deliver."""
        if self._loop or self.bus.clock.stopped:
            return 0  # the input pin is disconnected; or what came now would be missing from a state saved before
        return (FIFO_BYTES if self.fcr & FCR_ENABLE else 1) - len(self.rx_fifo)

    def _receive(self, data: bytes) -> None:
        room = max(0, (FIFO_BYTES if self.fcr & FCR_ENABLE else 1) - len(self.rx_fifo))
        if len(data) > room:
            self.lsr |= LSR_OVERRUN
            if not self.fcr & FCR_ENABLE:  # without a FIFO the newest byte stays, with one the oldest do
                self.rx_fifo.clear()
                self.rx_errors.clear()
                data, room = data[-1:], 1
        self.rx_fifo.extend(data[:room])
        self.rx_errors.extend(bytes(len(data[:room])))
        self._received()

    def _receive_break(self) -> None:
        """The line was held low for longer than a character: a zero byte with an error bit."""
        lost = self.fcr & FCR_ENABLE and len(self.rx_fifo) >= FIFO_BYTES
        self._receive(b"\0")
        if not lost:
            self.rx_errors[-1] = LSR_BREAK
            self._received()

    def _received(self) -> None:
        """Something was put into the FIFO."""
        self.lsr |= LSR_READY
        self._show_errors()
        self._start_timeout()
        self._update()

    def _show_errors(self) -> None:
        """The error bits of the oldest byte come up in LSR; bit 7 tells of more behind it."""
        if self.rx_errors and self.rx_errors[0]:
            self.lsr |= self.rx_errors[0] & LSR_ERRORS
            self.rx_errors[0] = 0
            if self.fcr & FCR_ENABLE:
                self.lsr |= LSR_FIFO_ERROR
        else:
            self._show_later_errors()

    def _show_later_errors(self) -> None:
        if self.fcr & FCR_ENABLE and any(self.rx_errors):
            self.lsr |= LSR_FIFO_ERROR

    def _start_timeout(self) -> None:
        """Four characters of silence with bytes below the trigger level make an interrupt (8.6)."""
        waits = self.ier & IER_RX and self.fcr & FCR_ENABLE and 0 < len(self.rx_fifo) < self._trigger()
        if waits and not self.timeout_pending:
            lcr = self.lcr
            bits = 7 + (lcr & LCR_BITS) + bool(lcr & LCR_STOP) + bool(lcr & LCR_PARITY)
            duration_ns = int(4 * bits * (self.divisor or 0x10000) * BIT_NS)
            self.timeout_at_ns = self.bus.clock.now() + duration_ns
            self._timer.start(self.timeout_at_ns)
        elif self.timeout_at_ns:
            self._stop_timeout()

    def _stop_timeout(self) -> None:
        self.timeout_at_ns = 0
        self._timer.stop()

    def _timeout(self) -> None:
        self.timeout_at_ns = 0
        self.timeout_pending = True
        self._update()

    def _clear_rx(self) -> None:
        self.rx_fifo.clear()
        self.rx_errors.clear()
        self.lsr &= ~(LSR_READY | LSR_BREAK | LSR_FIFO_ERROR)
        self.timeout_pending = False
        self._stop_timeout()

    def _accept_input(self) -> None:
        if self.chardev is not None and not self._loop:
            self.chardev.accept_input()

    def _read_data(self, _offset: int) -> int:
        """The divisor's low byte, or the oldest byte received."""
        if self.lcr & LCR_DLAB:
            return self.divisor & 0xFF
        fifo = self.rx_fifo
        if not fifo:
            return self.last_received
        self.last_received = data = fifo.popleft()
        self.rx_errors.popleft()
        self.timeout_pending = False
        if fifo:
            self._show_errors()
            self._start_timeout()
        else:
            self.lsr &= ~LSR_READY
            self._stop_timeout()
        self._update()
        if not fifo:
            self._accept_input()
        return data

    # -- sending --------------------------------------------------------------------------------------

    def _write_data(self, _offset: int, value: int) -> None:
        """The divisor's low byte, or a byte to send."""
        if self._plain:
            if not self._send(BYTES[value & 0xFF]):
                self._hold(value & 0xFF)
            elif self.ier & IER_TX:
                self._sent()
            else:
                self.tx_pending = True
        elif self.lcr & LCR_DLAB:
            self.divisor = self.divisor & 0xFF00 | value & 0xFF
        elif self._loop:
            self._receive(bytes((value & 0xFF,)))
            self._sent()
        else:
            self._hold(value & 0xFF)

    def _write_string(self, width: int, data: Any) -> int:
        """``rep outsb``: as many bytes as the backend takes at once; the next one waits as it would alone."""
        if width != 1 or not self._plain:
            return 0
        taken = self._send(bytes(data))
        if taken:
            if self.ier & IER_TX:
                self._sent()
            else:
                self.tx_pending = True
        return taken

    def _hold(self, value: int) -> None:
        """The backend is slow: the byte waits, and the guest sees that it does."""
        if len(self.tx_fifo) >= (FIFO_BYTES if self.fcr & FCR_ENABLE else 1):
            self.guest_error("transmitter written while full")
            self.tx_fifo.pop()
        self.tx_fifo.append(value)
        self._plain = False
        self.tx_pending = False
        self.lsr &= ~LSR_SENT
        self._update()

    def _drain(self) -> None:
        """The backend takes bytes again."""
        if self.tx_fifo:
            taken = self.chardev.write(bytes(self.tx_fifo))
            for _ in range(taken):
                self.tx_fifo.popleft()
            if not self.tx_fifo:
                self._all_sent()

    def _all_sent(self) -> None:
        """The transmit FIFO has run empty."""
        self.lsr |= LSR_SENT
        self._plain = not (self.lcr & LCR_DLAB or self._loop)
        self._sent()

    def _sent(self) -> None:
        """Filling the transmitter takes its interrupt back, being empty again raises it: an edge."""
        self.tx_pending = False
        self._update()
        self.tx_pending = True
        self._update()

    # -- control --------------------------------------------------------------------------------------

    def _read_ier(self, _offset: int) -> int:
        """Interrupt enable, or the divisor's high byte."""
        return self.divisor >> 8 if self.lcr & LCR_DLAB else self.ier

    def _write_ier(self, _offset: int, value: int) -> None:
        if self.lcr & LCR_DLAB:
            self.divisor = self.divisor & 0xFF | (value & 0xFF) << 8
            return
        enabled = value & ~self.ier
        self.ier = value & IER_MASK
        if enabled & IER_TX and self.lsr & LSR_THR_EMPTY:
            self.tx_pending = True  # enabling it while the transmitter is empty raises it at once
        if enabled & IER_RX:
            self._start_timeout()
        self._update()

    def _read_iir(self, _offset: int) -> int:
        """The pending cause; reading takes a transmitter interrupt back."""
        cause = self._cause()
        if cause == IIR_TX:
            self.tx_pending = False
            self._update()
        return cause | IIR_FIFOS if self.fcr & FCR_ENABLE else cause

    def _write_fcr(self, _offset: int, value: int) -> None:
        """FIFO control. Bits 7-6 and the clear bits count only together with bit 0."""
        switched = (value ^ self.fcr) & FCR_ENABLE
        enabled = value & FCR_ENABLE
        self.fcr = value & FCR_STORED if enabled else 0
        if switched or (enabled and value & FCR_CLEAR_RX):
            self._clear_rx()
        if (switched or (enabled and value & FCR_CLEAR_TX)) and self.tx_fifo:
            self.tx_fifo.clear()
            self._all_sent()
        self._start_timeout()
        self._update()
        if not self.rx_fifo:
            self._accept_input()

    def _read_lcr(self, _offset: int) -> int:
        return self.lcr

    def _write_lcr(self, _offset: int, value: int) -> None:
        broken = value & ~self.lcr & LCR_BREAK
        self.lcr = value & 0xFF
        self._plain = not (self.lcr & LCR_DLAB or self._loop or self.tx_fifo)
        if broken and self._loop:
            self._receive_break()

    def _read_mcr(self, _offset: int) -> int:
        return self.mcr

    def _write_mcr(self, _offset: int, value: int) -> None:
        """Modem control. In loop-back the four outputs drive the four inputs, and data comes back."""
        was_loop = self._loop
        self.mcr = mcr = value & MCR_MASK
        self._loop = bool(mcr & MCR_LOOP)
        self._plain = not (self.lcr & LCR_DLAB or self._loop or self.tx_fifo)
        if self._loop:
            # RTS drives CTS, DTR drives DSR, OUT1 drives RI, OUT2 drives DCD.
            lines = (mcr & MCR_RTS) << 3 | (mcr & MCR_DTR) << 5 | (mcr & (MCR_OUT1 | MCR_OUT2)) << 4
        else:
            lines = MSR_CONNECTED
        changes = self.msr & MSR_CHANGES
        if was_loop and self._loop:
            changed = self.msr ^ lines
            changes |= (changed & (MSR_CTS | MSR_DSR | MSR_DCD)) >> 4
            changes |= (self.msr & ~lines & MSR_RING) >> 4  # the ring bit notes the end of a ring only
        self.msr = lines | changes
        self._update()
        if was_loop and not self._loop:
            self._accept_input()

    def _read_lsr(self, _offset: int) -> int:
        """Line status; reading clears the error bits. Guests poll this."""
        lsr = self.lsr
        if lsr & (LSR_ERRORS | LSR_FIFO_ERROR):
            self.lsr = lsr & ~(LSR_ERRORS | LSR_FIFO_ERROR)
            self._show_later_errors()
            self._update()
        return lsr

    def _read_msr(self, _offset: int) -> int:
        """Modem status; reading clears the change bits."""
        msr = self.msr
        if msr & MSR_CHANGES:
            self.msr = msr & ~MSR_CHANGES
            self._update()
        return msr

    def _read_scratch(self, _offset: int) -> int:
        return self.scratch

    def _write_scratch(self, _offset: int, value: int) -> None:
        self.scratch = value & 0xFF
