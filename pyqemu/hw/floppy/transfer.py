"""The execution phase of the floppy controller: sectors between the disk and the host.

Source   82077AA datasheet (290166), 5.1 data transfer commands, tables 5-5 to 5-10; 82078 (290474)
Data     goes through the DMA channel, or byte by byte through the FIFO port if SPECIFY said so
Units    one sector (512 bytes) is in the buffer at a time; FORMAT takes four bytes for each sector
Missing  deleted-data marks cannot be stored: WRITE DELETED writes ordinary data. FM commands work on MFM disks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyqemu.block import SECTOR_BYTES
from pyqemu.core.device import State
from pyqemu.core.state import Record

if TYPE_CHECKING:
    from pyqemu.hw.floppy.i82078 import I82078
    from pyqemu.hw.floppy.media import FloppyUnit

# Command byte
CODE = 0x1F
MULTI_TRACK = 0x80
SKIP = 0x20

READ_TRACK = 0x02
WRITE = 0x05
READ = 0x06
WRITE_DELETED = 0x09
READ_DELETED = 0x0C
FORMAT = 0x0D
SCAN_EQUAL = 0x11
VERIFY = 0x16
SCAN_LOW = 0x19
SCAN_HIGH = 0x1D
SCANS = (SCAN_EQUAL, SCAN_LOW, SCAN_HIGH)
TO_HOST = (READ, READ_DELETED, READ_TRACK)
WRITES = (WRITE, WRITE_DELETED, FORMAT)
CODES = (*TO_HOST, *WRITES, *SCANS, VERIFY)

VERIFY_COUNTED = 0x80  # EC, in the second byte: the ninth is the number of sectors

# Status registers
ST0_ABNORMAL = 0x40
ST0_SEEK_END = 0x20
ST1_END_OF_CYLINDER = 0x80
ST1_DATA_ERROR = 0x20
ST1_OVERRUN = 0x10
ST1_NO_DATA = 0x04
ST1_NOT_WRITABLE = 0x02
ST1_MISSING_MARK = 0x01
ST2_CONTROL_MARK = 0x40
ST2_DATA_ERROR = 0x20
ST2_WRONG_CYLINDER = 0x10
ST2_SCAN_EQUAL = 0x08
ST2_SCAN_FAILED = 0x04
ST2_BAD_CYLINDER = 0x02

SIZE_CODE = 2  # N of a 512-byte sector
IMPLIED_SEEK = 0x40  # CONFIGURE
FORMAT_ID_BYTES = 4
SCAN_WILDCARD = 0xFF


class Transfer(Record):
    """What a data command is doing. ``code`` is 0 when none is under way."""

    code = State.u8(reset=0)
    options = State.u8(reset=0)  # multi-track and skip bits
    unit = State.u8(reset=0)
    side = State.u8(reset=0)  # the head that is selected
    cylinder = State.u8(reset=0)  # C, H, R, N as looked for on the disk
    head = State.u8(reset=0)
    sector = State.u8(reset=0)
    size_code = State.u8(reset=0)
    last = State.u8(reset=0)  # EOT
    detail = State.u8(reset=0)  # the last parameter: step of a scan, filler of a format
    left = State.u16(reset=0)  # sectors still to do, for commands that count them
    seek_end = State.bool(reset=False)
    status1 = State.u8(reset=0)
    status2 = State.u8(reset=0)
    # In a stream these three are the controller's own.
    buffer = State.bytes(SECTOR_BYTES, sent=False)
    position = State.u16(reset=0, sent=False)  # next byte in the buffer
    length = State.u16(reset=0, sent=False)  # bytes of the buffer in use, 0: nothing to transfer

    def __init__(self) -> None:
        super().__init__()
        self.fdc: I82078

    # -- start ----------------------------------------------------------------------------------------

    def prepare(self, command: list[int]) -> None:
        """Take the parameters of a data command."""
        self.reset_fields()
        self.code = command[0] & CODE
        self.options = command[0]
        self.unit = command[1] & 1
        self.side = command[1] >> 2 & 1
        if self.code == FORMAT:
            self.size_code, self.left, _, self.detail = command[2:6]
            self.cylinder, self.head, self.last = self._unit.track, self.side, self.left
            return
        self.cylinder, self.head, self.sector, self.size_code, self.last, _, self.detail = command[2:9]
        if self.code == VERIFY and command[1] & VERIFY_COUNTED:
            self.left = self.detail or 256
        elif self.code == READ_TRACK:
            self.left = self.last = max(1, self.last)

    def start(self) -> None:
        """The head is loaded: look for the first sector."""
        fdc, unit = self.fdc, self._unit
        geometry = unit.geometry
        if geometry is None or (fdc.check_media_rate and geometry.rate != fdc.rate):
            return self.fail(ST1_MISSING_MARK)
        if self.code in WRITES and unit.is_protected:
            return self.fail(ST1_NOT_WRITABLE)
        if fdc.configuration & IMPLIED_SEEK and self.code != FORMAT and self.cylinder != unit.track:
            unit.step_to(self.cylinder)
            self.seek_end = True
        if self.code == VERIFY:
            while self._verified():
                pass
        elif self.code == FORMAT and not self.left:
            self.finish()
        elif self._load():
            fdc.begin_data()

    @property
    def is_sound(self) -> bool:
        """Whether loaded fields can be worked with."""
        counted = self.code == READ_TRACK or (self.code == FORMAT and self.length > 0)
        return (
            (self.code == 0 or self.code in CODES)
            and self.unit <= 1
            and self.side <= 1
            and (not counted or 1 <= self.left <= self.last)
            and (self.position < self.length <= SECTOR_BYTES if self.length else self.position == 0)
            and (self.code != FORMAT or self.length in (0, FORMAT_ID_BYTES))
        )

    @property
    def is_to_host(self) -> bool:
        return self.code in TO_HOST

    @property
    def _unit(self) -> FloppyUnit:
        return self.fdc.units[self.unit]

    # -- data -----------------------------------------------------------------------------------------

    def run_dma(self) -> None:
        """The DMA channel is ours: move sectors until it or the command ends."""
        channel = self.fdc.channel
        while self.length:
            if self.code in TO_HOST:
                moved = channel.write(memoryview(self.buffer)[self.position : self.length])
            else:
                data = channel.read(self.length - self.position)
                moved = len(data)
                self.buffer[self.position : self.position + moved] = data
            if not moved:
                return self.fail(ST1_OVERRUN)  # the channel is set up for something else
            self.position += moved
            if self.position >= self.length or channel.terminal_count:
                self._sector_done(channel.terminal_count)

    def read_byte(self) -> int:
        """The host takes a byte from the FIFO."""
        value = self.buffer[self.position]
        self.position += 1
        if self.position >= self.length:
            self._sector_done(False)
        return value

    def write_byte(self, value: int) -> None:
        """The host puts a byte into the FIFO."""
        self.buffer[self.position] = value
        self.position += 1
        if self.position >= self.length:
            self._sector_done(False)

    def _load(self) -> bool:
        """Find the next sector and make the buffer ready; False if the command has ended instead."""
        self.position = 0
        if self.code == FORMAT:
            self.length = FORMAT_ID_BYTES
            return True
        offset = self._offset()
        if offset is None:
            return False
        self.length = SECTOR_BYTES
        if self.code == READ_DELETED:
            # No sector of an image has the mark that this command looks for.
            self.status2 |= ST2_CONTROL_MARK
            if self.options & SKIP:
                while self.advance():
                    if self._offset() is None:
                        return False
                self.fail(ST1_END_OF_CYLINDER)
                return False
        return self.code not in TO_HOST or self._read(offset)

    def _sector_done(self, terminal_count: bool) -> None:
        """The buffer has been taken or filled. A write that ends early is filled up with zeros."""
        code = self.code
        if code == FORMAT:
            return self._format_done(terminal_count)
        if code in TO_HOST:
            if code == READ_DELETED:
                return self.finish()  # one sector of the wrong kind, and no further
        else:
            if self.position < SECTOR_BYTES and code in WRITES:
                self.buffer[self.position :] = bytes(SECTOR_BYTES - self.position)
            if code in WRITES:
                if not self._write():
                    return
            elif self._scan_hit(self.position):
                return self.finish()
        more = self.advance()
        if terminal_count:
            return self.finish()
        if not more:
            if code == READ_TRACK:
                return self.finish()
            return self.fail(ST1_END_OF_CYLINDER)  # the host wanted more than there is
        self._load()

    # -- sectors --------------------------------------------------------------------------------------

    def _offset(self) -> int | None:
        """Where the sector looked for lies in the image; None if it is not there, and the command has ended."""
        unit = self._unit
        geometry = unit.geometry
        if geometry is None or unit.track >= geometry.cylinders or self.side >= geometry.heads:
            self.fail(ST1_MISSING_MARK)
            return None
        matches = (
            self.cylinder == unit.track
            and self.head == self.side
            and self.size_code == SIZE_CODE
            and 1 <= self.sector <= geometry.sectors
        )
        if self.code == READ_TRACK:
            # Takes the sectors as they come and only notes that their IDs differ.
            number = self.last - self.left + 1
            if not matches:
                self.status1 |= ST1_NO_DATA
            if number > geometry.sectors:
                self.fail(ST1_MISSING_MARK)
                return None
            return geometry.offset(unit.track, self.side, number)
        if not matches:
            if self.cylinder == 0xFF:
                self.status2 |= ST2_BAD_CYLINDER
            elif self.cylinder != unit.track:
                self.status2 |= ST2_WRONG_CYLINDER
            self.fail(ST1_NO_DATA)
            return None
        return geometry.offset(unit.track, self.side, self.sector)

    def advance(self) -> bool:
        """Go to the next sector; False if the one just done was the last."""
        step = max(1, self.detail) if self.code in SCANS else 1
        if self.code == READ_TRACK:
            self.left -= 1
            self.sector = self.sector + 1 & 0xFF
            return self.left > 0
        if self.sector == self.last or (step > 1 and self.sector + step > self.last):
            self.sector = 1
            if not self.options & MULTI_TRACK:
                self.cylinder = self.cylinder + 1 & 0xFF
                return False
            self.head ^= 1
            self.side ^= 1
            if self.side == 0:
                self.cylinder = self.cylinder + 1 & 0xFF
                return False
            return True
        self.sector = self.sector + step & 0xFF
        return True

    def _read(self, offset: int) -> bool:
        try:
            self._unit.read(offset, self.buffer)
        except OSError as error:
            self._host_error("read", error)
            return False
        return True

    def _write(self) -> bool:
        offset = self._offset()
        if offset is None:
            return False
        try:
            if self._unit.write(offset, self.buffer):
                return True
        except OSError as error:
            self._host_error("write", error)
            return False
        self.fail(ST1_NO_DATA)
        return False

    def _host_error(self, what: str, error: OSError) -> None:
        drive = self._unit.drive
        if drive is not None:
            drive.report_error(what, error)
        self.status2 |= ST2_DATA_ERROR
        self.fail(ST1_DATA_ERROR)

    def _verified(self) -> bool:
        """One sector of VERIFY is done; whether to go on."""
        offset = self._offset()
        if offset is None or not self._read(offset):
            return False
        more = self.advance()
        if self.left:
            self.left -= 1
            if self.left and not more:
                self.fail(ST1_END_OF_CYLINDER)
                return False
            more = self.left > 0
        if not more:
            self.finish()
        return more

    def _scan_hit(self, length: int) -> bool:
        """Compare the host's data with the disk's; whether the condition of the scan holds."""
        host = bytes(self.buffer[:length])
        offset = self._offset()
        if offset is None or not self._read(offset):
            return False
        disk = bytes(self.buffer[:length])
        differing = next(
            ((d, h) for d, h in zip(disk, host, strict=True) if d != h and SCAN_WILDCARD not in (d, h)), None
        )
        self.status2 &= ~(ST2_SCAN_EQUAL | ST2_SCAN_FAILED)
        if differing is None:
            self.status2 |= ST2_SCAN_EQUAL
            return True
        below = differing[0] < differing[1]
        if (self.code == SCAN_LOW and below) or (self.code == SCAN_HIGH and not below):
            return True
        self.status2 |= ST2_SCAN_FAILED
        return False

    def _format_done(self, terminal_count: bool) -> None:
        """The host has given the ID of one sector: fill that sector."""
        unit, geometry = self._unit, self._unit.geometry
        cylinder, head, sector, size_code = self.buffer[:FORMAT_ID_BYTES]
        if self.position == FORMAT_ID_BYTES:
            if geometry is None or unit.track >= geometry.cylinders or self.side >= geometry.heads:
                return self.fail(ST1_MISSING_MARK)
            self.cylinder, self.head, self.sector = cylinder, head, sector
            self.left -= 1
            fits = (cylinder, head, size_code) == (unit.track, self.side, SIZE_CODE)
            if fits and 1 <= sector <= geometry.sectors:
                self.buffer[:] = bytes([self.detail]) * SECTOR_BYTES
                if not self._write():
                    return
            else:
                self.fdc.guest_error("format with sectors that the image has no place for")
        if terminal_count or not self.left:
            return self.finish()
        self._load()

    # -- end ------------------------------------------------------------------------------------------

    def fail(self, status1: int) -> None:
        """End the command abnormally."""
        self.status1 |= status1
        self._end(ST0_ABNORMAL)

    def finish(self) -> None:
        """End the command normally."""
        self._end(0)

    def _end(self, status0: int) -> None:
        if self.seek_end:
            status0 |= ST0_SEEK_END
        status0 |= self.side << 2 | self.unit
        unit = self._unit
        unit.head, unit.sector = self.side, self.sector
        self.fdc.end_command(
            [status0, self.status1, self.status2, self.cylinder, self.head, self.sector, self.size_code]
        )
