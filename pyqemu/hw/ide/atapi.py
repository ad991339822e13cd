"""An ATAPI CD-ROM or DVD-ROM drive: device type ``ide-cd``. Here: ATA commands and the packet protocol.

Source   ATA/ATAPI-7 volume 1, 6.24 (PACKET), volume 2, 9.8 and 9.9 (its protocols); SFF-8020i
Units    bytes on the way to the host: those in the channel's buffer, then ``remaining`` sectors from ``lba``
Errors   a failed packet command is ERR with the sense key in the error register's upper half; REQUEST SENSE
         tells more. A host read error is 03/11/00 with its sector
Missing  overlap; audio; EDC and ECC bytes of raw sectors are zero
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from pyqemu.block import Drive
from pyqemu.hw.ide import identify, media, mmc
from pyqemu.hw.ide import registers as r
from pyqemu.hw.ide.ata import FIXED_DATA_FEATURES, accepts_mode
from pyqemu.hw.ide.bmdma import BusError
from pyqemu.hw.ide.channel import Channel
from pyqemu.hw.ide.mmc import CD_SECTOR_BYTES, MediaEvent, Sense
from pyqemu.hw.ide.registers import Cmd, Feature, Power, Reason
from pyqemu.hw.ide.unit import FASTEST_MODE, Unit

PACKET_BYTES = 12
DMA = 0x01  # features register with PACKET
OVERLAP = 0x02
CHUNK_SECTORS = 64  # as much as one host call reads for PIO
COMMAND_REASON = int(Reason.COMMAND)
TO_HOST_REASON = int(Reason.TO_HOST)
DONE_REASON = int(Reason.TO_HOST | Reason.COMMAND)

# What Channel.stage says about the data that moves.
IDENTITY, PACKET, REPLY, PARAMETERS = range(4)


class AtapiDrive:
    """One CD drive. Its state is ``unit``; what moves through the data port is the channel's."""

    kind = "ide-cd"
    signature = (0x14, 0xEB)
    ready_after_reset = 0  # DRDY stays clear until the first command
    accepts_device_reset = True

    def __init__(self, channel: Channel, number: int, drive: Drive, label: identify.Label) -> None:
        self.channel = channel
        self.unit: Unit = channel.units[number]
        self.drive = drive
        self.label = label
        self.on_tray: Callable[[bool], None] = lambda _is_open: None  # the guest has moved it
        drive.on_change.append(self._medium_changed)
        table: dict[int, Callable[[], None]] = {
            Cmd.NOP: channel.abort,
            Cmd.DEVICE_RESET: self.device_reset,
            Cmd.READ: self.not_a_disk,
            Cmd.IDENTIFY: self.not_a_disk,
            Cmd.PACKET: self.packet,
            Cmd.IDENTIFY_PACKET: self.identify,
            Cmd.SET_FEATURES: self.set_features,
            Cmd.FLUSH: channel.complete,
            Cmd.CHECK_POWER: self.check_power,
            Cmd.STANDBY: partial(self.set_power, Power.STANDBY),
            Cmd.STANDBY_NOW: partial(self.set_power, Power.STANDBY),
            Cmd.IDLE: partial(self.set_power, Power.ACTIVE),
            Cmd.IDLE_NOW: partial(self.set_power, Power.ACTIVE),
            Cmd.SLEEP: partial(self.set_power, Power.SLEEP),
        }
        self.commands = {int(code): handler for code, handler in table.items()}

    def power_on(self) -> None:
        self.unit.write_cache = False

    # -- medium and tray, from the host's side --------------------------------------------------------

    @property
    def total_sectors(self) -> int:
        return self.drive.size // CD_SECTOR_BYTES if self.drive.inserted else 0

    @property
    def locked(self) -> bool:
        """The guest has asked to keep the tray shut."""
        return self.unit.tray_locked

    def request_eject(self) -> None:
        """Someone presses the button of a locked drive: the guest learns of it and may unlock."""
        self.unit.media_event = MediaEvent.EJECT_REQUEST

    def _medium_changed(self) -> None:
        unit = self.unit
        if self.drive.inserted:
            unit.tray_open = False
            unit.cdrom_changed = 1
            unit.media_event = MediaEvent.NEW
        else:
            unit.cdrom_changed = 0
            unit.media_event = MediaEvent.REMOVAL

    # -- ATA commands ---------------------------------------------------------------------------------

    def not_a_disk(self) -> None:
        """IDENTIFY DEVICE and READ SECTORS fail and show what kind of drive this is."""
        self._show_signature()
        self.channel.abort()

    def _show_signature(self) -> None:
        unit = self.unit
        unit.nsector = unit.sector = 1
        unit.select &= ~int(r.Select.HEAD)
        unit.lcyl, unit.hcyl = self.signature

    def device_reset(self) -> None:
        self.channel.cancel()
        self.channel.reset_unit(self.unit, self)
        self.channel.update_irq()

    def identify(self) -> None:
        self.channel.stage = IDENTITY
        self.channel.remaining = 0
        self.channel.offer(bytearray(identify.atapi(self.unit, self.label)), r.SECTOR_BYTES)
        self.channel.interrupt()

    def set_features(self) -> None:
        unit, feature = self.unit, self.unit.feature
        if feature == Feature.TRANSFER_MODE:
            if not accepts_mode(unit.nsector):
                self.channel.abort()
                return
            unit.transfer_mode = unit.nsector
        elif feature == Feature.REVERT_SETTINGS:
            unit.transfer_mode = FASTEST_MODE
        elif feature not in FIXED_DATA_FEATURES:
            self.channel.abort()
            return
        self.channel.complete()

    def set_power(self, power: Power) -> None:
        self.unit.power = power
        self.channel.complete()

    def check_power(self) -> None:
        self.unit.nsector = 0x00 if self.unit.power == Power.STANDBY else 0xFF
        self.channel.complete()

    # -- packet protocol ------------------------------------------------------------------------------

    def packet(self) -> None:
        """PACKET: the command block comes through the data port."""
        unit, channel = self.unit, self.channel
        if unit.feature & OVERLAP or (unit.feature & DMA and channel.bus_master is None):
            channel.abort()
            return
        limit = unit.hcyl << 8 | unit.lcyl
        unit.nsector = COMMAND_REASON
        unit.power = Power.ACTIVE
        channel.stage = PACKET
        channel.remaining = 0
        channel.ask(PACKET_BYTES, PACKET_BYTES)
        channel.lba = limit  # kept until the command is known

    def next_out(self) -> None:
        channel = self.channel
        if channel.stage == PACKET:
            command = bytes(channel.buffer)
            limit = channel.lba
            channel.finish_data()
            channel.block_bytes = 0xFFFE if limit == 0xFFFF else limit
            mmc.execute(self, command)
        elif not self._ask_piece():
            self.done()

    def next_in(self) -> None:
        channel = self.channel
        if channel.stage == IDENTITY:
            channel.finish_data()
        elif channel.block_end < len(channel.buffer) or channel.remaining:
            self._offer_piece()
        else:
            self.done()

    def done(self) -> None:
        """Good end of a packet command."""
        self.channel.finish_data()
        self.unit.nsector = DONE_REASON
        self.channel.complete()

    def check(self, sense: Sense, info: int = 0) -> None:
        """CHECK CONDITION."""
        unit = self.unit
        unit.sense_key, unit.asc, unit.ascq = sense
        unit.sense_info = info
        unit.nsector = DONE_REASON
        self.channel.remaining = 0
        self.channel.abort(sense.key << 4)

    # -- data to the host -----------------------------------------------------------------------------

    def reply(self, data: bytes, limit: int) -> None:
        """Send at most *limit* bytes (the command's allocation length)."""
        data = data[:limit]
        if data:
            self._send(bytearray(data))
        else:
            self.done()

    def send_sectors(self, lba: int, count: int, fields: int) -> None:
        """Send sectors from the medium. *fields*: READ CD's main channel selection, 0 for user data."""
        self.unit.cd_fields = fields
        self.channel.lba = lba
        self.channel.remaining = count
        self._send(bytearray())

    def _send(self, data: bytearray) -> None:
        channel = self.channel
        channel.stage = REPLY
        if self.unit.feature & DMA:
            channel.outward = False
            channel.wait_for_dma()
            channel.buffer = data
        elif not channel.block_bytes:
            channel.remaining = 0
            channel.abort()  # a byte count of zero is for commands without data
        else:
            channel.buffer = data
            channel.position = channel.block_end = 0
            self._offer_piece()

    def _offer_piece(self) -> None:
        """One block of what is left, as large as the guest's byte count allows."""
        unit, channel = self.unit, self.channel
        available = len(channel.buffer) - channel.position
        total = available + channel.remaining * mmc.sector_bytes(unit.cd_fields)
        size = min(channel.block_bytes, total)
        if size < total and size > 1:
            size &= ~1
        if size > available:
            del channel.buffer[: channel.position]
            channel.position = channel.block_end = 0
            while size > len(channel.buffer):
                data = self._read_chunk()
                if not data:
                    return
                channel.buffer += data
        unit.lcyl, unit.hcyl = size & 0xFF, size >> 8
        unit.nsector = TO_HOST_REASON
        channel.offer_piece(size)
        channel.interrupt()

    def _read_chunk(self) -> bytearray:
        """The next sectors from the medium; nothing if the command has failed."""
        channel = self.channel
        data = bytearray(min(channel.remaining, CHUNK_SECTORS) * CD_SECTOR_BYTES)
        good = media.read(self.drive, channel.lba * CD_SECTOR_BYTES, data) // CD_SECTOR_BYTES
        if not good:
            self._fail_read()
            return bytearray()
        if good * CD_SECTOR_BYTES < len(data):
            data = data[: good * CD_SECTOR_BYTES]
        first, channel.lba = channel.lba, channel.lba + good
        channel.remaining -= good
        return mmc.framed(data, first, self.unit.cd_fields) if self.unit.cd_fields else data

    def _fail_read(self) -> None:
        lba = self.channel.lba
        if lba >= self.total_sectors:
            self.check(mmc.NO_MEDIUM)
        else:
            self.check(mmc.UNREADABLE, lba)

    # -- data from the host ---------------------------------------------------------------------------

    def take_parameters(self, size: int) -> None:
        """Accept a parameter list of *size* bytes; none of its settings changes what a guest can see."""
        channel = self.channel
        channel.stage = PARAMETERS
        if not size:
            self.done()
        elif self.unit.feature & DMA:
            channel.outward = True
            channel.wait_for_dma()
            channel.remaining = size
        elif channel.block_bytes < 2:
            channel.abort()
        else:
            channel.ask(size, channel.block_bytes & ~1)
            channel.block_end = 0
            self._ask_piece()

    def _ask_piece(self) -> bool:
        """Ask for the next block, if there is more to come."""
        channel = self.channel
        start = channel.block_end
        if not channel.offer_more():
            return False
        size = channel.block_end - start
        self.unit.lcyl, self.unit.hcyl = size & 0xFF, size >> 8
        self.unit.nsector = 0
        channel.interrupt()
        return True

    # -- DMA ------------------------------------------------------------------------------------------

    def run_dma(self) -> None:
        channel, master = self.channel, self.channel.bus_master
        assert master is not None
        outward = channel.outward
        want = channel.remaining
        if not outward:
            want = len(channel.buffer) + want * mmc.sector_bytes(self.unit.cd_fields)
        segments, total = master.gather(want)
        try:
            if outward:
                moved = master.from_memory(segments, len)
                channel.remaining -= moved
            else:
                moved = master.to_memory(segments, self._pull)
        except BusError:
            master.fail()
            return
        if moved < total:
            master.leave_active()
            channel.end_dma()
            self._fail_read()
        elif not channel.remaining and not channel.buffer:
            channel.end_dma()
            self.done()

    def _pull(self, target: memoryview) -> int:
        """Fill *target* with what comes next; returns how much of it is good."""
        channel = self.channel
        filled = 0
        while filled < len(target):
            if channel.buffer:
                size = min(len(channel.buffer), len(target) - filled)
                target[filled : filled + size] = channel.buffer[:size]
                del channel.buffer[:size]
                filled += size
                continue
            whole = (len(target) - filled) // CD_SECTOR_BYTES
            if whole and not self.unit.cd_fields:
                piece = target[filled : filled + whole * CD_SECTOR_BYTES]
                good = media.read(self.drive, channel.lba * CD_SECTOR_BYTES, piece) // CD_SECTOR_BYTES
                channel.lba += good
                channel.remaining -= good
                filled += good * CD_SECTOR_BYTES
                if good < whole:
                    return filled
            else:
                data = bytearray(CD_SECTOR_BYTES * min(channel.remaining, CHUNK_SECTORS))
                good = media.read(self.drive, channel.lba * CD_SECTOR_BYTES, data) // CD_SECTOR_BYTES
                if not good:
                    return filled
                data = data[: good * CD_SECTOR_BYTES]
                fields = self.unit.cd_fields
                channel.buffer = mmc.framed(data, channel.lba, fields) if fields else data
                channel.lba += good
                channel.remaining -= good
        return filled
