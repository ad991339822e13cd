"""An ATA channel: the task file ports, two drive positions, the interrupt, and the moving of data.

Source   ATA/ATAPI-7 volume 2 (T13 1532D): 7 (registers), 9 (protocols), 11 (timing of INTRQ and DRQ)
Ports    command block +0 data (16 or 32 bits), +1..+7 registers; control block: alternate status/control
IRQ      one level line: the selected drive's INTRQ, unless nIEN holds it back
Units    position, block_end and block_bytes in bytes of ``buffer``; lba and remaining in the drive's sectors
Errors   what a guest writes while a command runs is ignored and logged, as is a command for an absent drive

PIO blocks are ready within the very write that asks for them: the host's file is fast enough. DMA runs from
a timer that is due at once, so that BSY and the bus master's active bit are seen in between, as drivers
expect that have not left their start routine yet.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from pyqemu.core.clock import Clock
from pyqemu.core.lines import Line
from pyqemu.core.ports import PortSpace
from pyqemu.core.state import Record, State, StateError
from pyqemu.core.trace import event
from pyqemu.hw.ide import registers as r
from pyqemu.hw.ide.bmdma import BusMaster
from pyqemu.hw.ide.unit import BUFFER_BYTES, Unit

HOB, NIEN, SRST = int(r.Control.HOB), int(r.Control.NIEN), int(r.Control.SRST)
BSY, DRQ, ERR = int(r.Status.BSY), int(r.Status.DRQ), int(r.Status.ERR)
OCCUPIED = BSY | DRQ
IDLE = int(r.Status.DRDY | r.Status.DSC)
READY = int(r.Status.DRDY)
FIXED = int(r.Select.FIXED)
DEVICE_RESET, DIAGNOSTIC = int(r.Cmd.DEVICE_RESET), int(r.Cmd.DIAGNOSTIC)

EXEC_CMD = event("ide_exec_cmd", "port 0x%x, unit %d, cmd 0x%02x")


class IdeDevice(Protocol):
    """What sits in a drive position. ``signature`` is (lcyl, hcyl) after a reset."""

    signature: tuple[int, int]
    ready_after_reset: int  # the status after SRST, DEVICE RESET and diagnostics
    accepts_device_reset: bool
    commands: dict[int, Callable[[], None]]

    def power_on(self) -> None:
        """Settings that only a hardware reset restores."""

    def next_in(self) -> None:
        """The host has read a whole block."""

    def next_out(self) -> None:
        """The host has written a whole block."""

    def run_dma(self) -> None:
        """The bus master is started and the command waits for it."""


class Channel(Record, vmstate="ide_bus"):
    cmd = State.u8()  # device control
    unit = State.u8()  # the selected position
    units = State.records(Unit, 2, sent=False)  # linked where QEMU has them

    buffer = State.varying(BUFFER_BYTES, sub="transfer")
    position = State.u32(sub="transfer")
    block_end = State.u32(sub="transfer")  # the data port moves bytes position..block_end
    block_bytes = State.u32(sub="transfer")  # size of a DRQ block
    outward = State.bool(sub="transfer")  # the host writes
    command = State.u8(sub="transfer")
    stage = State.u8(sub="transfer")  # for the drive: what the block is
    lba = State.u64(sub="transfer")
    remaining = State.u64(sub="transfer")
    dma_waits = State.bool(sub="transfer")  # a command has asserted DMARQ

    def __init__(self) -> None:
        super().__init__()
        self.devices: list[IdeDevice | None] = [None, None]
        self.bus_master: BusMaster | None = None
        self.active = self.units[0]
        self.line: Line
        self.guest_error: Callable[[str], int]

    # -- wiring ---------------------------------------------------------------------------------------

    def connect(self, line: Line, clock: Clock, guest_error: Callable[[str], int]) -> None:
        self.line = line
        self.clock = clock
        self.guest_error = guest_error
        self.timer = clock.timer(self._run_dma)

    def map_ports(self, ports: PortSpace, command: int, control: int, owner: object) -> None:
        """Claim the command block and the control port."""
        self.port = command
        if self.devices == [None, None]:
            # The board pulls the data lines down: without drives everything reads zero.
            ports.map_each(command, [(_zero, None)] * 8, owner=owner)
            ports.map_each(control, [(_zero, self.write_control)], owner=owner)
            for width in (2, 4):
                ports.map(command, 1, _zero, None, owner=owner, width=width)
            return
        ports.map_each(
            command,
            [
                (self.read_data8, self.write_data8),
                (self.read_error, self.write_feature),
                (self.read_nsector, self.write_nsector),
                (self.read_sector, self.write_sector),
                (self.read_lcyl, self.write_lcyl),
                (self.read_hcyl, self.write_hcyl),
                (self.read_select, self.write_select),
                (self.read_status, self.write_command),
            ],
            owner=owner,
        )
        ports.map_each(control, [(self.read_alternate, self.write_control)], owner=owner)
        ports.map(command, 1, self.read_data16, self.write_data16, owner=owner, width=2)
        ports.map(command, 1, self.read_data32, self.write_data32, owner=owner, width=4)
        ports.map(command + 1, 7, None, None, owner=owner, width=4)  # the board does not split dwords here
        ports.map_string(command, self.read_string, self.write_string)

    # -- life -----------------------------------------------------------------------------------------

    def power_on(self) -> None:
        """After the fields have their reset values: what the drives make of it."""
        for unit, device in zip(self.units, self.devices, strict=True):
            if device is None:
                unit.lcyl = unit.hcyl = 0xFF
            else:
                unit.lcyl, unit.hcyl = device.signature
                unit.status = IDLE
                device.power_on()

    def refresh(self) -> None:
        """Derive the selection, the line and the timer from the state."""
        self.active = self.units[self.unit]
        self.update_irq()
        if self.dma_waits and self.bus_master is not None and self.bus_master.running:
            self.timer.start(self.clock.now())
        else:
            self.timer.stop()

    def check(self) -> None:
        if self.unit > 1:
            raise StateError(f"field 'unit' expects 0 or 1, not {self.unit}")
        if not self.position <= self.block_end <= len(self.buffer):
            raise StateError("field 'position' is outside the buffer")

    def check_units(self, absent_idle: bool) -> None:
        """The same for the drives, which a stream has behind the channels. *absent_idle*: in QEMU's streams the
        registers of a drive that is not there say that it is idle, though nobody can read them."""
        for unit, device in zip(self.units, self.devices, strict=True):
            if device is None and absent_idle and unit.status == IDLE:
                unit.status = 0
            if device is None and unit.status:
                raise StateError("field 'status' belongs to a drive that is not there")

    # -- interrupt ------------------------------------------------------------------------------------

    def update_irq(self) -> None:
        level = self.active.intrq and not self.cmd & NIEN
        if level != self.line.level:
            self.line.set(level)
            if level and self.bus_master is not None:
                self.bus_master.interrupted()

    def interrupt(self) -> None:
        """The selected drive wants attention."""
        self.active.intrq = True
        if not self.cmd & NIEN and not self.line.level:
            self.line.set(True)
            if self.bus_master is not None:
                self.bus_master.interrupted()

    # -- registers, read ------------------------------------------------------------------------------

    def read_error(self, _offset: int) -> int:
        return self.active.hob_feature if self.cmd & HOB else self.active.error

    def read_nsector(self, _offset: int) -> int:
        return self.active.hob_nsector if self.cmd & HOB else self.active.nsector

    def read_sector(self, _offset: int) -> int:
        return self.active.hob_sector if self.cmd & HOB else self.active.sector

    def read_lcyl(self, _offset: int) -> int:
        return self.active.hob_lcyl if self.cmd & HOB else self.active.lcyl

    def read_hcyl(self, _offset: int) -> int:
        return self.active.hob_hcyl if self.cmd & HOB else self.active.hcyl

    def read_select(self, _offset: int) -> int:
        return self.active.select

    def read_status(self, _offset: int) -> int:
        """Also takes the interrupt back."""
        unit = self.active
        if unit.intrq:
            unit.intrq = False
            self.line.set(False)
        return unit.status

    def read_alternate(self, _offset: int) -> int:
        return self.active.status

    # -- registers, written ---------------------------------------------------------------------------

    def write_feature(self, _offset: int, value: int) -> None:
        if self._accepts():
            for unit in self.units:
                unit.hob_feature, unit.feature = unit.feature, value

    def write_nsector(self, _offset: int, value: int) -> None:
        if self._accepts():
            for unit in self.units:
                unit.hob_nsector, unit.nsector = unit.nsector, value

    def write_sector(self, _offset: int, value: int) -> None:
        if self._accepts():
            for unit in self.units:
                unit.hob_sector, unit.sector = unit.sector, value

    def write_lcyl(self, _offset: int, value: int) -> None:
        if self._accepts():
            for unit in self.units:
                unit.hob_lcyl, unit.lcyl = unit.lcyl, value

    def write_hcyl(self, _offset: int, value: int) -> None:
        if self._accepts():
            for unit in self.units:
                unit.hob_hcyl, unit.hcyl = unit.hcyl, value

    def write_select(self, _offset: int, value: int) -> None:
        if self._accepts():
            for unit in self.units:
                unit.select = value | FIXED
            self._select(value >> 4 & 1)

    def _accepts(self) -> bool:
        """Whether the command block takes a write: not while a command runs. It ends HOB reading."""
        if self.active.status & OCCUPIED:
            self.guest_error("register written while a command runs")
            return False
        self.cmd &= ~HOB
        return True

    def _select(self, number: int) -> None:
        if number != self.unit:
            self.unit = number
            self.active = self.units[number]
            self.update_irq()

    def write_control(self, _offset: int, value: int) -> None:
        """SRST resets both drives for as long as it is set; nIEN gates the line; HOB turns reads around."""
        before, self.cmd = self.cmd, value & (HOB | SRST | NIEN)
        if value & SRST and not before & SRST:
            self.cancel()
            for unit, device in zip(self.units, self.devices, strict=True):
                if device is not None:
                    unit.status = BSY
        elif before & SRST and not value & SRST:
            self._diagnose()
        self.update_irq()

    def write_command(self, _offset: int, value: int) -> None:
        self.cmd &= ~HOB
        if self.cmd & SRST:
            self.guest_error(f"command {value:#04x} during a reset")
            return
        unit, device = self.active, self.devices[self.unit]
        if value == DIAGNOSTIC and not unit.status & OCCUPIED:  # both drives obey
            self._diagnose()
            if self.devices[0] is not None:
                self.interrupt()
            return
        if device is None:
            self.guest_error(f"command {value:#04x} for a drive that is not there")
            return
        if unit.status & OCCUPIED and not (value == DEVICE_RESET and device.accepts_device_reset):
            self.guest_error(f"command {value:#04x} while another one runs")
            return
        if unit.intrq:
            unit.intrq = False
            self.line.set(False)
        if unit.power == r.Power.SLEEP and value != DEVICE_RESET:
            self.guest_error(f"command {value:#04x} for a drive that sleeps until it is reset")
            return
        handler = device.commands.get(value)
        if handler is None:
            self.guest_error(f"unknown command {value:#04x}")
            self.abort()
            return
        self.command = value
        unit.error = 0
        unit.lba48 = False
        if EXEC_CMD.on:
            EXEC_CMD(self.port, self.unit, value)
        handler()

    # -- resets ---------------------------------------------------------------------------------------

    def cancel(self) -> None:
        """Drop the command that runs."""
        self.timer.stop()
        self.dma_waits = False
        self.remaining = 0
        self._clear_buffer()
        for unit in self.units:
            unit.intrq = False

    def reset_unit(self, unit: Unit, device: IdeDevice | None) -> None:
        """The state that a drive shows after any kind of reset but power-on."""
        unit.nsector = unit.sector = 1
        unit.select &= ~int(r.Select.HEAD)
        unit.lcyl, unit.hcyl = device.signature if device is not None else (0xFF, 0xFF)
        if device is not None:
            unit.error = r.DIAGNOSTIC_PASSED
            unit.status = device.ready_after_reset
            unit.power = r.Power.ACTIVE

    def _diagnose(self) -> None:
        for unit, device in zip(self.units, self.devices, strict=True):
            unit.intrq = False
            unit.select = FIXED
            self.reset_unit(unit, device)
        self.unit = 0
        self.active = self.units[0]
        self.update_irq()

    # -- how commands end -----------------------------------------------------------------------------

    def complete(self) -> None:
        """Good end, with an interrupt."""
        self.active.status = IDLE
        self.interrupt()

    def abort(self, error: int = r.Error.ABRT) -> None:
        """Bad end, with an interrupt."""
        self._clear_buffer()
        self.dma_waits = False
        self.active.error = int(error)
        self.active.status = READY | ERR
        self.interrupt()

    def forget_transfer(self) -> None:
        """What the last command has left behind means nothing, and need not be in a saved state."""
        if self.dma_waits or self.block_end or any(unit.status & OCCUPIED for unit in self.units):
            return
        for field in self.wire_layout.subsections["transfer"]:
            setattr(self, field.name, field.fresh())

    def _clear_buffer(self) -> None:
        self.buffer = bytearray()
        self.position = self.block_end = 0

    # -- PIO ------------------------------------------------------------------------------------------

    def offer(self, data: bytearray, block_bytes: int) -> None:
        """Data to the host, in blocks of *block_bytes*: the first one is ready now."""
        self.buffer = data
        self.outward = False
        self.position = 0
        self.block_bytes = block_bytes
        self.block_end = min(block_bytes, len(data))
        self.active.status = IDLE | DRQ

    def offer_more(self) -> bool:
        """The next block of the buffer, if it holds one."""
        if self.block_end >= len(self.buffer):
            return False
        self.block_end = min(self.block_end + self.block_bytes, len(self.buffer))
        return True

    def offer_piece(self, size: int) -> None:
        """The next *size* bytes of the buffer as one block."""
        self.outward = False
        self.block_end = self.position + size
        self.active.status = IDLE | DRQ

    def ask(self, size: int, block_bytes: int) -> None:
        """Data from the host: *size* bytes, in blocks."""
        self.buffer = bytearray(size)
        self.outward = True
        self.position = 0
        self.block_bytes = block_bytes
        self.block_end = min(block_bytes, size)
        self.active.status = IDLE | DRQ

    def finish_data(self) -> None:
        """The last block has moved: no more DRQ."""
        self._clear_buffer()
        self.active.status = IDLE

    def _moved(self) -> None:
        """A block is through the data port."""
        device = self.devices[self.unit]
        if device is None:
            self._clear_buffer()
        elif self.outward:
            device.next_out()
        else:
            device.next_in()

    def read_data8(self, _offset: int) -> int:
        return self.guest_error("byte read of the data port")

    def write_data8(self, _offset: int, _value: int) -> None:
        self.guest_error("byte written to the data port")

    def read_data16(self, _offset: int) -> int:
        position = self.position
        if position >= self.block_end or self.outward:
            return self.guest_error("read of the data port without DRQ")
        self.position = end = position + 2
        value = int.from_bytes(self.buffer[position:end], "little")
        if end >= self.block_end:
            self.position = self.block_end
            self._moved()
        return value

    def read_data32(self, _offset: int) -> int:
        if self.block_end - self.position < 4 or self.outward:
            return self.read_data16(0)
        position = self.position
        self.position = end = position + 4
        value = int.from_bytes(self.buffer[position:end], "little")
        if end >= self.block_end:
            self._moved()
        return value

    def write_data16(self, _offset: int, value: int) -> None:
        self._store((value & 0xFFFF).to_bytes(2, "little"))

    def write_data32(self, _offset: int, value: int) -> None:
        self._store((value & 0xFFFFFFFF).to_bytes(4, "little"))

    def _store(self, data: bytes | memoryview) -> None:
        position = self.position
        if position >= self.block_end or not self.outward:
            self.guest_error("write of the data port without DRQ")
            return
        end = min(position + len(data), self.block_end)
        self.buffer[position:end] = data[: end - position]
        self.position = end
        if end >= self.block_end:
            self._moved()

    def read_string(self, width: int, count: int) -> bytes:
        """``rep ins``: what is left of the block, at most *count* elements."""
        position, limit = self.position, self.block_end
        end = position + width * count
        if end > limit:
            end = limit - (limit - position) % width
        if width == 1 or end <= position or self.outward:
            return b""
        data = bytes(self.buffer[position:end])
        self.position = end
        if end >= limit:
            self._moved()
        return data

    def write_string(self, width: int, data: Any) -> int:
        """``rep outs``: as much as the block still takes."""
        position, limit = self.position, self.block_end
        size = min(len(data), limit - position)
        size -= size % width
        if width == 1 or size <= 0 or not self.outward:
            return 0
        end = position + size
        self.buffer[position:end] = data[:size]
        self.position = end
        if end >= limit:
            self._moved()
        return size

    # -- DMA ------------------------------------------------------------------------------------------

    def wait_for_dma(self) -> None:
        """The command's data goes through the bus master, once the guest has started it."""
        self._clear_buffer()
        self.block_bytes = r.SECTOR_BYTES
        self.active.status = IDLE | BSY
        self.dma_waits = True
        self.kick_dma()

    def kick_dma(self) -> None:
        """The bus master has been started or stopped, or a command waits for it."""
        if self.dma_waits and self.bus_master is not None and self.bus_master.running:
            self.timer.start(self.clock.now())
        else:
            self.timer.stop()

    def _run_dma(self) -> None:
        device = self.devices[self.unit]
        if device is not None and self.dma_waits:
            device.run_dma()

    def end_dma(self) -> None:
        """All bytes have moved: DMARQ falls."""
        self.dma_waits = False


def _zero(_offset: int) -> int:
    return 0
