"""The bus master of one IDE channel: moves a command's data between the drive and guest memory.

Source   Programming Interface for Bus Master IDE Controller, revision 1.0 (SFF-8038i);
         Intel 82371FB/SB (PIIX/PIIX3) datasheet, 2.7
Ports    +0 command, +2 status, +4..+7 address of the descriptor table; +1 and +3 read all ones
Table    entries of 8 bytes: address, then byte count (0 = 64 KiB) with the end mark in bit 31; bit 0 of
         address and count is not wired. A table lies within 64 KiB: a walk stops after 8192 entries
Errors   descriptors that point to anything but RAM are obeyed up to a limit, after which the master reports
         a bus error: no device needs more, and a guest must not keep the machine busy with it
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from enum import IntFlag

from pyqemu.core.memory import AddressSpace
from pyqemu.core.ports import PortSpace
from pyqemu.core.state import Record, State
from pyqemu.core.trace import event


class Command(IntFlag):
    START = 0x01
    TO_MEMORY = 0x08


class Status(IntFlag):
    ACTIVE = 0x01
    ERROR = 0x02
    INTERRUPT = 0x04
    DRIVE0_DMA = 0x20
    DRIVE1_DMA = 0x40


START = int(Command.START)
COMMAND_MASK = int(Command.START | Command.TO_MEMORY)
ACTIVE, ERROR, INTERRUPT = int(Status.ACTIVE), int(Status.ERROR), int(Status.INTERRUPT)
CLEARED_BY_ONE = ERROR | INTERRUPT
STORED = int(Status.DRIVE0_DMA | Status.DRIVE1_DMA)

ENTRY_BYTES = 8
ENTRIES = 8192
CHUNK_ENTRIES = 64
END_OF_TABLE = 1 << 31
SECTOR_BYTES = 512
DIRECT_BYTES = 32 * 1024  # from here on a host call per piece is cheaper than a copy
BOUNCE_BYTES = 1 << 20
OTHER_BYTES = 1 << 20  # how much one run may move from and to what is not RAM

CMD_WRITE = event("bmdma_write_cmd", "val: 0x%02x")

Segment = tuple[int, int]  # guest address, bytes


class BusError(Exception):
    """The descriptors point to where no DMA is possible."""


class BusMaster(Record, vmstate="ide bmdma", version=3):
    cmd = State.u8()
    status = State.u8(name="migration_compat_status")
    addr = State.u32()
    retry_sector = State.constant("int64", 0, name="migration_retry_sector_num")
    retry_count = State.constant("uint32", 0, name="migration_retry_nsector")
    retry_unit = State.constant("uint8", 0, name="migration_retry_unit")

    memory: AddressSpace
    changed: Callable[[], None]
    enabled = True  # the PCI command register lets the function be a master

    def connect(self, memory: AddressSpace, changed: Callable[[], None]) -> None:
        """*changed* is called when the guest starts or stops the master."""
        self.memory = memory
        self.changed = changed

    def map_ports(self, ports: PortSpace, base: int, owner: object) -> None:
        ports.map_each(
            base,
            [
                (self.read_command, self.write_command),
                (None, None),
                (self.read_status, self.write_status),
                (None, None),
                *[(self.read_address, self.write_address)] * 4,
            ],
            owner=owner,
        )
        ports.map(base + 4, 1, self.read_address32, self.write_address32, owner=owner, width=4)

    # -- registers ------------------------------------------------------------------------------------

    @property
    def running(self) -> bool:
        return bool(self.cmd & START and self.status & ACTIVE) and self.enabled

    def read_command(self, _offset: int) -> int:
        return self.cmd

    def write_command(self, _offset: int, value: int) -> None:
        """Setting the start bit makes the master active; clearing it stops it for good."""
        if CMD_WRITE.on:
            CMD_WRITE(value)
        before, self.cmd = self.cmd, value & COMMAND_MASK
        if (before ^ value) & START:
            if value & START:
                self.status |= ACTIVE
            else:
                self.status &= ~ACTIVE
            self.changed()

    def read_status(self, _offset: int) -> int:
        return self.status

    def write_status(self, _offset: int, value: int) -> None:
        kept = self.status & (ACTIVE | (CLEARED_BY_ONE & ~value))
        self.status = kept | value & STORED

    def read_address(self, offset: int) -> int:
        return self.addr >> 8 * (offset - 4) & 0xFF

    def write_address(self, offset: int, value: int) -> None:
        shift = 8 * (offset - 4)
        self.addr = (self.addr & ~(0xFF << shift) | value << shift) & 0xFFFFFFFC

    def read_address32(self, _offset: int) -> int:
        return self.addr

    def write_address32(self, _offset: int, value: int) -> None:
        self.addr = value & 0xFFFFFFFC

    def interrupted(self) -> None:
        """The drive's interrupt line has risen."""
        self.status |= INTERRUPT

    # -- descriptors ----------------------------------------------------------------------------------

    def gather(self, want: int, unit: int = 1) -> tuple[list[Segment], int]:
        """Walk the table for *want* bytes: pieces of guest memory, neighbours joined, and their sum.

        A table that ends early gives fewer bytes, rounded down to whole *unit*s. Sets the active bit as the
        end of such a transfer leaves it: clear once the last entry is used up, set while there is more.
        """
        segments: list[Segment] = []
        total = 0
        for address, length, last in self._entries():
            used = min(length, want - total)
            if segments and sum(segments[-1]) == address:
                segments[-1] = segments[-1][0], segments[-1][1] + used
            else:
                segments.append((address, used))
            total += used
            if last and used == length:
                self.status &= ~ACTIVE
                break
            if total == want:
                break
        else:
            self.status &= ~ACTIVE
        excess = total % unit
        total -= excess
        while excess:
            address, length = segments.pop()
            if length > excess:
                segments.append((address, length - excess))
            excess -= min(length, excess)
        return segments, total

    def _entries(self) -> Iterator[tuple[int, int, bool]]:
        """(address, bytes, last) up to the end mark or the greatest size."""
        for chunk in range(0, ENTRIES, CHUNK_ENTRIES):
            where = self.addr + chunk * ENTRY_BYTES & 0xFFFFFFFF
            table = self.memory.view(where, CHUNK_ENTRIES * ENTRY_BYTES)
            if table is None:
                table = memoryview(self.memory.read(where, CHUNK_ENTRIES * ENTRY_BYTES))
            for address, control in struct.iter_unpack("<II", table):
                last = control >= END_OF_TABLE
                yield address & ~1, control & 0xFFFE or 0x10000, last
                if last:
                    return

    def fail(self) -> None:
        """A bus error: the master stops by itself and the drive is left waiting."""
        self.status = self.status & ~ACTIVE | ERROR

    def leave_active(self) -> None:
        """The drive has ended the command before the table was used up."""
        if self.cmd & START:
            self.status |= ACTIVE

    # -- data -----------------------------------------------------------------------------------------

    def to_memory(self, segments: list[Segment], fetch: Callable[[memoryview], int]) -> int:
        """Fill guest memory. *fetch* fills a buffer with what comes next and returns how many bytes are good.

        Returns the bytes stored, fewer than asked for after a drive error. Raises BusError.
        """
        memory, done, other = self.memory, 0, 0
        for group in _groups(segments):
            size = sum(length for _, length in group)
            if len(group) == 1:
                view = memory.view(*group[0])
                if view is not None:
                    good = fetch(view)
                    memory.written(group[0][0], good)
                    done += good
                    if good < size:
                        return done
                    continue
            bounce = memoryview(bytearray(size))
            good = fetch(bounce)
            position = 0
            for address, length in group:
                length = min(length, good - position)
                view = memory.view(address, length)
                if view is not None:
                    view[:] = bounce[position : position + length]
                    memory.written(address, length)
                else:
                    other += length
                    if other > OTHER_BYTES:
                        raise BusError
                    memory.write(address, bounce[position : position + length])
                position += length
            done += good
            if good < size:
                return done
        return done

    def from_memory(self, segments: list[Segment], store: Callable[[memoryview], int]) -> int:
        """The other direction: *store* takes what comes next and returns how many bytes it could keep."""
        memory, done, other = self.memory, 0, 0
        for group in _groups(segments):
            size = sum(length for _, length in group)
            data = memory.view(*group[0]) if len(group) == 1 else None
            if data is None:
                pieces: list[bytes | memoryview] = []
                for address, length in group:
                    view = memory.view(address, length)
                    if view is None:
                        other += length
                        if other > OTHER_BYTES:
                            raise BusError
                        pieces.append(memory.read(address, length))
                    else:
                        pieces.append(view)
                data = memoryview(b"".join(pieces))
            good = store(data)
            done += good
            if good < size:
                return done
        return done


def _groups(segments: list[Segment]) -> list[list[Segment]]:
    """Cut a transfer into pieces for one host call each, of whole sectors but for the last.

    Large pieces of memory are a group of their own and move without a copy; small ones are collected.
    """
    groups: list[list[Segment]] = []
    group: list[Segment] = []
    size = 0
    for address, length in segments:
        if group and size % SECTOR_BYTES == 0 and (size >= BOUNCE_BYTES or length >= DIRECT_BYTES):
            groups.append(group)
            group, size = [], 0
        group.append((address, length))
        size += length
        if len(group) == 1 and length >= DIRECT_BYTES and length % SECTOR_BYTES == 0:
            groups.append(group)
            group, size = [], 0
    if group:
        groups.append(group)
    return groups
