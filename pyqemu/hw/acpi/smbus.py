"""The PIIX4's SMBus host controller.

Source   Intel 82371AB (PIIX4) data sheet 290562-001, April 1997: 7.3 (SMBus I/O registers), 11.5 (protocols)
Ports    base+0..3F, bytes only: wider accesses read zero and are dropped. +D reads 02, a block buffer that
         later controllers can switch and this one always has
Protocol quick, byte, byte data, word data, block. A transaction is over when the OUT that started it is
Errors   nobody at the address: DEV_ERR; a reserved protocol: DEV_ERR and guest_error()
Missing  the slave port (another master talking to the board) is storage only; process call
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntFlag

from pyqemu.core.state import Record, State
from pyqemu.hw.acpi.spd import SpdEeprom

SMBUS_PORTS = 0x40
BLOCK_BYTES = 32

STATUS, SLAVE_STATUS, CONTROL, COMMAND, ADDRESS, DATA0, DATA1, BLOCK_DATA = range(8)
SLAVE_CONTROL, SHADOW_COMMAND, SLAVE_EVENT, SLAVE_EVENT_HIGH, SLAVE_DATA, AUXILIARY = range(8, 14)
ALWAYS_BLOCK_BUFFER = 0x02


class Status(IntFlag):
    BUSY = 0x01
    DONE = 0x02
    DEVICE_ERROR = 0x04
    COLLISION = 0x08
    FAILED = 0x10


class Control(IntFlag):
    INTERRUPT_ENABLE = 0x01
    KILL = 0x02
    START = 0x40


_DONE, _DEVICE_ERROR, _FAILED = int(Status.DONE), int(Status.DEVICE_ERROR), int(Status.FAILED)
_CLEARABLE = int(Status.DONE | Status.DEVICE_ERROR | Status.COLLISION | Status.FAILED)
_KILL, _START, _INTERRUPT_ENABLE = int(Control.KILL), int(Control.START), int(Control.INTERRUPT_ENABLE)

QUICK, BYTE, BYTE_DATA, WORD_DATA, BLOCK = 0, 1, 2, 3, 5  # control register, bits 4:2


class SmbusHost(Record):
    """The registers, and what is on the bus: ``devices[address]``."""

    status = State.u8()
    control = State.u8()
    command = State.u8()
    address = State.u8()  # bits 7:1 the address, bit 0 set for a read
    data0 = State.u8()
    data1 = State.u8()
    block = State.bytes(BLOCK_BYTES)
    block_index = State.u8()
    slave = State.bytes(4)  # slave control, shadow command, slave event

    def __init__(self) -> None:
        super().__init__()
        self.devices: dict[int, SpdEeprom] = {}
        self.changed: Callable[[], None] = lambda: None  # the interrupt may have changed
        self.guest_error: Callable[[str], int] = lambda _message: 0

    @property
    def interrupt(self) -> bool:
        return bool(self.control & _INTERRUPT_ENABLE and self.status & _CLEARABLE)

    def read(self, offset: int) -> int:
        if offset == STATUS:
            return self.status
        if offset == CONTROL:  # also rewinds the block buffer
            self.block_index = 0
            return self.control
        if offset == BLOCK_DATA:
            index = self.block_index & BLOCK_BYTES - 1
            self.block_index = index + 1 & BLOCK_BYTES - 1
            return self.block[index]
        if COMMAND <= offset <= DATA1:
            return (self.command, self.address, self.data0, self.data1)[offset - COMMAND]
        if SLAVE_CONTROL <= offset <= SLAVE_EVENT_HIGH:
            return self.slave[offset - SLAVE_CONTROL]
        return ALWAYS_BLOCK_BUFFER if offset == AUXILIARY else 0

    def write(self, offset: int, value: int) -> None:
        if offset == STATUS:
            self.status &= ~(value & _CLEARABLE)
            self.changed()
        elif offset == CONTROL:
            self._write_control(value)
        elif offset == COMMAND:
            self.command = value
        elif offset == ADDRESS:
            self.address = value
        elif offset == DATA0:
            self.data0 = value
        elif offset == DATA1:
            self.data1 = value
        elif offset == BLOCK_DATA:
            index = self.block_index & BLOCK_BYTES - 1
            self.block[index] = value
            self.block_index = index + 1 & BLOCK_BYTES - 1
        elif SLAVE_CONTROL <= offset <= SLAVE_EVENT_HIGH:
            self.slave[offset - SLAVE_CONTROL] = value

    def _write_control(self, value: int) -> None:
        self.control = value & 0x1F
        if value & _KILL:
            self.status |= _FAILED
        elif value & _START:
            device = self.devices.get(self.address >> 1)
            if device is not None and self._transact(device, value >> 2 & 7):
                self.status |= _DONE
            else:
                self.status |= _DEVICE_ERROR
        self.changed()

    def _transact(self, device: SpdEeprom, protocol: int) -> bool:
        """One transaction as the bus sees it; False if it fails."""
        reading = self.address & 1
        if protocol == QUICK:
            device.write(b"")
        elif protocol == BYTE:
            if reading:
                self.data0 = device.read(1)[0]
            else:
                device.write(bytes((self.command,)))
        elif protocol in (BYTE_DATA, WORD_DATA):
            count = protocol - BYTE
            if reading:
                device.write(bytes((self.command,)))
                data = device.read(count)
                self.data0 = data[0]
                if count == 2:
                    self.data1 = data[1]
            else:
                device.write(bytes((self.command, self.data0, self.data1))[: 1 + count])
        elif protocol == BLOCK:
            return self._block(device, bool(reading))
        else:
            self.guest_error(f"SMBus protocol {protocol} is reserved")
            return False
        return True

    def _block(self, device: SpdEeprom, reading: bool) -> bool:
        """Up to 32 bytes with their count before them."""
        if not reading:
            count = self.data0
            if not 1 <= count <= BLOCK_BYTES:
                return False
            device.write(bytes((self.command, count)) + self.block[:count])
            self.block_index = 0
            return True
        device.write(bytes((self.command,)))
        count = device.read(1)[0]
        if not 1 <= count <= BLOCK_BYTES:
            return False
        self.data0 = count
        self.block[:count] = device.read(count)
        self.block_index = 0
        return True
