"""Keyboard controller (8042), device type ``i8042``, with its keyboard and its mouse.

Source   IBM PS/2 Hardware Interface Technical Reference, "Keyboard and auxiliary device controller";
         82371SB (PIIX3) datasheet, A20M# and INIT
Ports    60 data, 64 status (read) and command (write), one byte each. A wider access repeats the byte access at
         the same port, as on QEMU's board
IRQ      kbd-irq (1) while a byte from the keyboard or the controller waits, mouse-irq (12) while one from the
         mouse does; each drops when the byte is read, so that every byte makes an edge
Lines    a20_line, if the board sets it, is driven at every write of the output port
Units    bytes; the next one is handed over as soon as one is read (kbd-throttle: keyboard bytes 1 ms apart)
Errors   unknown commands are logged and ignored
Missing  diagnostic dump (AC), test inputs (E0); parity and time-out errors, which the devices never make; a
         password, so the security commands say that there is none
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pyqemu.core.bus import Bus
from pyqemu.core.device import IsaDevice, Prop, State
from pyqemu.core.lines import Line
from pyqemu.core.state import Record
from pyqemu.core.trace import event
from pyqemu.hw.input.keycodes import RELEASED, TRANSLATION
from pyqemu.hw.input.ps2_keyboard import Ps2Keyboard
from pyqemu.hw.input.ps2_mouse import Ps2Mouse

WRITE_COMMAND = event("pckbd_kbd_write_command", "0x%02x")
WRITE_DATA = event("pckbd_kbd_write_data", "0x%02x")

DATA_PORT = 0x60
COMMAND_PORT = 0x64
THROTTLE_NS = 1_000_000

# Status
OUTPUT_FULL = 0x01
SYSTEM = 0x04  # the self test has passed
WAS_COMMAND = 0x08  # the last write went to port 64
UNLOCKED = 0x10  # the key lock of the case is open
FROM_MOUSE = 0x20
POLLED = 0xF0  # what the poll commands replace

# Command byte
KEYBOARD_IRQ = 0x01
MOUSE_IRQ = 0x02
KEYBOARD_OFF = 0x10
MOUSE_OFF = 0x20
TRANSLATE = 0x40

# Output port
NOT_RESET = 0x01
A20 = 0x02
KEYBOARD_FULL = 0x10
MOUSE_FULL = 0x20

# Input port: the key lock is open
INPUT_PORT = 0x80

# Where the byte in the output buffer came from
NOBODY, CONTROLLER, KEYBOARD, MOUSE = range(4)

# Commands with a parameter
WRITE_RAM = range(0x60, 0x80)
LOAD_PASSWORD = 0xA5
WRITE_OUTPUT = 0xD1
AS_KEYBOARD = 0xD2
AS_MOUSE = 0xD3
TO_MOUSE = 0xD4

SELF_TEST_PASSED = 0x55
INTERFACE_PASSED = 0x00
NO_PASSWORD = 0xF1
FIRMWARE_VERSION = 0x00


class I8042(IsaDevice, type="i8042", vmstate="pckbd", version=3, wrapper="kbd"):
    kbd_throttle = Prop.bool(False, help="hand out keyboard bytes at the speed of a real keyboard")
    kbd_irq = Prop.u8(1, maximum=15, help="keyboard interrupt number")
    mouse_irq = Prop.u8(12, maximum=15, help="mouse interrupt number")

    expects = State.u8(reset=0, name="write_cmd")  # the command that the next byte to port 60 belongs to; 0: none
    status = State.u8(reset=WAS_COMMAND | UNLOCKED)
    command_byte = State.u8(reset=KEYBOARD_IRQ | MOUSE_IRQ, name="mode")
    pending = State.view("uint8", lambda chip: chip._pending(), name="pending_tmp")
    output_port = State.u8(reset=0xCF, name="outport", sub="outport")
    source = State.u8(reset=NOBODY, sub="buffers")
    output = State.u8(reset=0, sub="buffers")
    reply = State.fifo(1, sub="buffers")  # an answer of the controller that finds the output buffer full
    ram = State.bytes(32, sub="memory")  # byte 0 is the command byte, kept above
    poll = State.u8(reset=0, sub="poll")  # C1 or C2 while the input port shows in the status
    releasing = State.bool(reset=False, sub="translation")  # translation has swallowed a release prefix
    throttle_until_ns = State.u64(reset=0, sub="throttle")
    keyboard = State.record(Ps2Keyboard, sent=False)
    mouse = State.record(Ps2Mouse, sent=False)

    def __init__(self, **values: Any) -> None:
        super().__init__(**values)
        self.a20_line: Line | None = None
        self.keyboard.translated = lambda: bool(self.command_byte & TRANSLATE)

    def sections(self) -> list[tuple[str, Record]]:
        """The devices at the other ends of the cables have sections of their own."""
        return [(self.keyboard.vmstate, self.keyboard), (self.mouse.vmstate, self.mouse), *super().sections()]

    def _pending(self) -> int:
        """Who has a byte: 1 the keyboard, 2 the mouse."""
        if self.status & OUTPUT_FULL and self.source in (KEYBOARD, MOUSE):
            return 1 if self.source == KEYBOARD else 2
        return 0

    def realize(self, bus: Bus) -> None:
        self._keyboard_line = bus.irq(self.kbd_irq)
        self._mouse_line = bus.irq(self.mouse_irq)
        self._throttle = bus.clock.timer(self._refill)
        self._commands = self._command_table()
        self.keyboard.on_data = self.mouse.on_data = self._refill
        for port, read, write in (
            (DATA_PORT, self._read_data, self._write_data),
            (COMMAND_PORT, self._read_status, self._write_command),
        ):
            bus.ports.map(port, 1, read, write, owner=self)
            for width in (2, 4):
                bus.ports.map(
                    port, 1, _repeat_read(read, width), _repeat_write(write, width), owner=self, width=width
                )

    def refresh(self) -> None:
        if self.throttle_until_ns:
            self._throttle.start(self.throttle_until_ns)
        else:
            self._throttle.stop()
        self._drive_a20()
        self._update()

    def _update(self) -> None:
        """The only place that drives the interrupt lines."""
        status, command_byte = self.status, self.command_byte
        full = status & OUTPUT_FULL
        from_mouse = self.source == MOUSE
        self._mouse_line.set(full and from_mouse and command_byte & MOUSE_IRQ)
        # A disabled keyboard does not interrupt, not even for the controller's answers.
        self._keyboard_line.set(
            full and not from_mouse and command_byte & (KEYBOARD_IRQ | KEYBOARD_OFF) == KEYBOARD_IRQ
        )

    def _drive_a20(self) -> None:
        if self.a20_line is not None:
            self.a20_line.set(self.output_port & A20)

    # -- the output buffer ----------------------------------------------------------------------------

    def _read_status(self, _offset: int) -> int:
        return self.status

    def _read_data(self, _offset: int) -> int:
        """The byte that waits, or once more the last one. Reading lets the next one in."""
        data = self.output
        if self.status & OUTPUT_FULL:
            if self.kbd_throttle and self.source == KEYBOARD:
                self.throttle_until_ns = self.bus.clock.now() + THROTTLE_NS
                self._throttle.start(self.throttle_until_ns)
            self.status &= ~(OUTPUT_FULL if self.poll else OUTPUT_FULL | FROM_MOUSE)
            self.source = NOBODY
            self._update()
            self._refill()
        return data

    def _put(self, value: int, source: int) -> None:
        self.output = value
        self.source = source
        self.status |= OUTPUT_FULL
        if not self.poll:
            self.status = self.status & ~FROM_MOUSE | (FROM_MOUSE if source == MOUSE else 0)
        self._update()

    def _refill(self) -> None:
        """If there is room: the controller's answer first, then the keyboard, then the mouse."""
        if self.throttle_until_ns and self.bus.clock.now() >= self.throttle_until_ns:
            self.throttle_until_ns = 0
        if self.status & OUTPUT_FULL:
            return
        if self.reply:
            self._put(self.reply.popleft(), CONTROLLER)
            return
        if not self.command_byte & KEYBOARD_OFF and not self.throttle_until_ns:
            while self.keyboard.has_data():
                value = self.keyboard.take()
                if not self.command_byte & TRANSLATE:
                    self.releasing = False
                elif value == RELEASED:
                    self.releasing = True
                    continue
                else:
                    value = TRANSLATION[value] | (0x80 if self.releasing else 0)
                    self.releasing = False
                self._put(value, KEYBOARD)
                return
        if not self.command_byte & MOUSE_OFF and self.mouse.has_data():
            self._put(self.mouse.take(), MOUSE)

    def _answer(self, value: int) -> None:
        """An answer of the controller itself."""
        if self.status & OUTPUT_FULL:
            self.reply.clear()
            self.reply.append(value & 0xFF)
        else:
            self._put(value & 0xFF, CONTROLLER)

    # -- port 60, write -------------------------------------------------------------------------------

    def _write_data(self, _offset: int, value: int) -> None:
        """A parameter of the command before, or a byte for the keyboard."""
        value &= 0xFF
        if WRITE_DATA.on:
            WRITE_DATA(value)
        self.status &= ~WAS_COMMAND
        self._end_poll()
        command, self.expects = self.expects, 0
        if not command:
            self.command_byte &= ~KEYBOARD_OFF  # sending to a disabled keyboard enables it
            self.keyboard.write(value)
        elif command == WRITE_RAM[0]:
            self.command_byte = value
            self.status |= value & SYSTEM
        elif command in WRITE_RAM:
            self.ram[command & 0x1F] = value
        elif command == WRITE_OUTPUT:
            self._write_output(value)
        elif command == AS_KEYBOARD:
            self._put(value, KEYBOARD)
        elif command == AS_MOUSE:
            self._put(value, MOUSE)
        elif command == TO_MOUSE:
            self.command_byte &= ~MOUSE_OFF
            self.mouse.write(value)
        elif command == LOAD_PASSWORD and value:
            self.expects = command  # goes on until a zero
        self._update()
        self._refill()

    def _write_output(self, value: int) -> None:
        self.output_port = value & ~(KEYBOARD_FULL | MOUSE_FULL)
        self._drive_a20()
        if not value & NOT_RESET:
            self.bus.power.request_reset()

    # -- port 64, write -------------------------------------------------------------------------------

    def _write_command(self, _offset: int, value: int) -> None:
        value &= 0xFF
        if WRITE_COMMAND.on:
            WRITE_COMMAND(value)
        self.status |= WAS_COMMAND
        self._end_poll()
        self.expects = 0
        handler = self._commands.get(value)
        if handler is None:
            self.guest_error(f"unknown command {value:02x}")
            return
        handler(value)
        self._refill()

    def _command_table(self) -> dict[int, Callable[[int], None]]:
        table: dict[int, Callable[[int], None]] = {
            0xA1: lambda _: self._answer(FIRMWARE_VERSION),
            0xA4: lambda _: self._answer(NO_PASSWORD),
            0xA6: lambda _: None,
            0xA7: lambda _: self._switch(MOUSE_OFF, True),
            0xA8: lambda _: self._switch(MOUSE_OFF, False),
            0xA9: lambda _: self._answer(INTERFACE_PASSED),
            0xAA: self._self_test,
            0xAB: lambda _: self._answer(INTERFACE_PASSED),
            0xAD: lambda _: self._switch(KEYBOARD_OFF, True),
            0xAE: lambda _: self._switch(KEYBOARD_OFF, False),
            0xC0: lambda _: self._answer(INPUT_PORT),
            0xC1: self._start_poll,
            0xC2: self._start_poll,
            0xD0: self._read_output,
            0xDD: lambda _: self._write_output(self.output_port & ~A20),
            0xDF: lambda _: self._write_output(self.output_port | A20),
        }
        table |= dict.fromkeys(range(0x20, 0x40), self._read_ram)
        parameters = (*WRITE_RAM, LOAD_PASSWORD, WRITE_OUTPUT, AS_KEYBOARD, AS_MOUSE, TO_MOUSE)
        table |= dict.fromkeys(parameters, self._expect)
        table |= dict.fromkeys(range(0xF0, 0x100), self._pulse)
        return table

    def _expect(self, command: int) -> None:
        self.expects = command

    def _read_ram(self, command: int) -> None:
        index = command & 0x1F
        self._answer(self.ram[index] if index else self.command_byte)

    def _self_test(self, _command: int) -> None:
        self.status |= SYSTEM
        self._answer(SELF_TEST_PASSED)

    def _switch(self, bit: int, off: bool) -> None:
        self.command_byte = self.command_byte | bit if off else self.command_byte & ~bit
        self._update()

    def _read_output(self, _command: int) -> None:
        """The output port, with the two lines that follow the output buffer."""
        waiting = 0
        if self.status & OUTPUT_FULL:
            waiting = MOUSE_FULL if self.source == MOUSE else KEYBOARD_FULL
        self._answer(self.output_port | waiting)

    def _pulse(self, command: int) -> None:
        """Pulse output port bits that are zero in the command: bit 0 resets the processor."""
        if not command & NOT_RESET:
            self.bus.power.request_reset()

    def _start_poll(self, command: int) -> None:
        """The low (C1) or high (C2) half of the input port shows in status bits 7 to 4."""
        self.poll = command
        self.status = self.status & ~POLLED | (INPUT_PORT << 4 if command == 0xC1 else INPUT_PORT) & POLLED

    def _end_poll(self) -> None:
        if self.poll:
            self.poll = 0
            full_from_mouse = self.status & OUTPUT_FULL and self.source == MOUSE
            self.status = self.status & ~POLLED | UNLOCKED | (FROM_MOUSE if full_from_mouse else 0)


def _repeat_read(read: Callable[[int], int], width: int) -> Callable[[int], int]:
    def read_wide(offset: int) -> int:
        return int.from_bytes(bytes(read(offset) for _ in range(width)), "little")

    return read_wide


def _repeat_write(write: Callable[[int, int], None], width: int) -> Callable[[int, int], None]:
    def write_wide(offset: int, value: int) -> None:
        for byte in (value & (1 << 8 * width) - 1).to_bytes(width, "little"):
            write(offset, byte)

    return write_wide
