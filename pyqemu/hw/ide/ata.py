"""An ATA hard disk: device type ``ide-hd``.

Source   ATA/ATAPI-7 volume 1 (T13 1532D), chapter 6; ATA-3 (X3.298) for the obsolete commands
Units    sectors of 512 bytes; a sector count of 0 means 256, or 65536 with 48-bit addresses
Errors   an unreadable sector is UNC with its address, a failed write or flush ABRT; a range that does not
         lie on the disk is IDNF and nothing is transferred; unknown commands are ABRT
Missing  security, host protected area (SET MAX), queued commands, streaming, CFA, TRIM; standby timers
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from pyqemu.block import Drive
from pyqemu.hw.ide import identify, media, smart
from pyqemu.hw.ide import registers as r
from pyqemu.hw.ide.bmdma import BusError
from pyqemu.hw.ide.channel import IDLE, Channel
from pyqemu.hw.ide.registers import Cmd, Error, Feature, Power, Select
from pyqemu.hw.ide.unit import FASTEST_MODE, MULTIPLE_SECTORS, PowerOn, Unit

SECTOR_BYTES = r.SECTOR_BYTES
CHUNK_SECTORS = 256  # as much as one host call reads or writes for PIO
LBA = int(Select.LBA)
HEAD = int(Select.HEAD)

# What Channel.stage says about the data that moves.
OTHER_DATA, SECTORS = range(2)

FIXED_DATA_FEATURES = frozenset(
    (
        Feature.APM_ON,
        Feature.APM_OFF,
        Feature.ACOUSTIC_ON,
        Feature.ACOUSTIC_OFF,
        Feature.KEEP_SETTINGS,
        Feature.ECC_BYTES,
        Feature.RETRIES_OFF,
        Feature.RETRIES_ON,
    )
)
"""Settings that are accepted and change nothing that a guest could see."""


def accepts_mode(mode: int) -> bool:
    """Whether SET FEATURES takes a transfer mode: PIO 0-4, single word 0-2, multiword 0-2, Ultra 0-5."""
    kind, number = mode & 0xF8, mode & 7
    if kind == 0x00:
        return number <= 1
    return number <= {0x08: 4, 0x10: 2, 0x20: 2, 0x40: 5}.get(kind, -1)


class AtaDisk:
    """One disk. Its state is ``unit``; what moves through the data port is the channel's."""

    kind = "ide-hd"
    signature = (0x00, 0x00)
    ready_after_reset = IDLE
    accepts_device_reset = False

    def __init__(
        self,
        channel: Channel,
        number: int,
        drive: Drive,
        label: identify.Label,
        geometry: identify.Geometry | None = None,
    ) -> None:
        self.channel = channel
        self.unit: Unit = channel.units[number]
        self.drive = drive
        self.label = label
        self.sectors = drive.size // SECTOR_BYTES
        self.geometry = geometry or identify.default_geometry(self.sectors)
        drive.on_change.append(self._resized)
        self.commands = self._table()
        self.unit.at_power_on = self._at_power_on

    def _resized(self) -> None:
        self.sectors = self.drive.size // SECTOR_BYTES

    def _table(self) -> dict[int, Callable[[], None]]:
        table: dict[int, Callable[[], None]] = {
            Cmd.NOP: self.channel.abort,
            Cmd.IDENTIFY: self.identify,
            Cmd.READ_NATIVE_MAX: partial(self.read_native_max, False),
            Cmd.READ_NATIVE_MAX_EXT: partial(self.read_native_max, True),
            Cmd.INITIALIZE_PARAMETERS: self.initialize_parameters,
            Cmd.SET_MULTIPLE: self.set_multiple,
            Cmd.SET_FEATURES: self.set_features,
            Cmd.SMART: partial(smart.command, self),
            Cmd.FLUSH: self.flush,
            Cmd.FLUSH_EXT: self.flush,
            Cmd.READ: partial(self.read, False),
            Cmd.READ_ONCE: partial(self.read, False),
            Cmd.READ_EXT: partial(self.read, True),
            Cmd.READ_MULTIPLE: partial(self.read, False, True),
            Cmd.READ_MULTIPLE_EXT: partial(self.read, True, True),
            Cmd.WRITE: partial(self.write, False),
            Cmd.WRITE_ONCE: partial(self.write, False),
            Cmd.WRITE_VERIFY: partial(self.write, False),
            Cmd.WRITE_EXT: partial(self.write, True),
            Cmd.WRITE_MULTIPLE: partial(self.write, False, True),
            Cmd.WRITE_MULTIPLE_EXT: partial(self.write, True, True),
            Cmd.VERIFY: partial(self.verify, False),
            Cmd.VERIFY_ONCE: partial(self.verify, False),
            Cmd.VERIFY_EXT: partial(self.verify, True),
            Cmd.READ_DMA: partial(self.dma, False, False),
            Cmd.READ_DMA_ONCE: partial(self.dma, False, False),
            Cmd.READ_DMA_EXT: partial(self.dma, True, False),
            Cmd.WRITE_DMA: partial(self.dma, False, True),
            Cmd.WRITE_DMA_ONCE: partial(self.dma, False, True),
            Cmd.WRITE_DMA_EXT: partial(self.dma, True, True),
        }
        for code in (Cmd.STANDBY, Cmd.STANDBY_NOW, Cmd.STANDBY_OLD, Cmd.STANDBY_NOW_OLD):
            table[code] = partial(self.set_power, Power.STANDBY)
        for code in (Cmd.IDLE, Cmd.IDLE_NOW, Cmd.IDLE_OLD, Cmd.IDLE_NOW_OLD):
            table[code] = partial(self.set_power, Power.ACTIVE)
        for code in (Cmd.SLEEP, Cmd.SLEEP_OLD):
            table[code] = partial(self.set_power, Power.SLEEP)
        for code in (Cmd.CHECK_POWER, Cmd.CHECK_POWER_OLD):
            table[code] = self.check_power
        for low in range(16):  # the step rate that the low digit once held means nothing
            table[Cmd.RECALIBRATE + low] = self.channel.complete
            table[Cmd.SEEK + low] = self.seek
        return {int(code): handler for code, handler in table.items()}

    def _at_power_on(self) -> PowerOn:
        return PowerOn(self.geometry.heads, self.geometry.sectors, bool(self.drive.write_cache))

    def power_on(self) -> None:
        self.unit.heads, self.unit.sectors, self.unit.write_cache = self._at_power_on()

    # -- addresses ------------------------------------------------------------------------------------

    def _start(self, ext: bool) -> bool:
        """Take address and count from the task file; the command fails if they are not on the disk."""
        unit, channel = self.unit, self.channel
        unit.lba48 = ext
        unit.power = Power.ACTIVE
        if ext:
            count = (unit.hob_nsector << 8 | unit.nsector) or 0x10000
        else:
            count = unit.nsector or 0x100
        lba = self._address(ext)
        if lba < 0 or lba + count > self.sectors:
            channel.abort(Error.IDNF)
            return False
        channel.lba = lba
        channel.remaining = count
        channel.stage = SECTORS
        return True

    def _address(self, ext: bool) -> int:
        """The sector that the task file names; -1 for a CHS address that the translation does not have."""
        unit = self.unit
        if ext:
            return (
                unit.hob_hcyl << 40
                | unit.hob_lcyl << 32
                | unit.hob_sector << 24
                | unit.hcyl << 16
                | unit.lcyl << 8
                | unit.sector
            )
        head = unit.select & HEAD
        if unit.select & LBA:
            return head << 24 | unit.hcyl << 16 | unit.lcyl << 8 | unit.sector
        if not 1 <= unit.sector <= unit.sectors or head >= unit.heads:
            return -1
        return ((unit.hcyl << 8 | unit.lcyl) * unit.heads + head) * unit.sectors + unit.sector - 1

    def _show(self, lba: int, ext: bool) -> None:
        """Put an address into the task file."""
        unit = self.unit
        if ext:
            unit.hob_hcyl, unit.hob_lcyl, unit.hob_sector = lba >> 40 & 0xFF, lba >> 32 & 0xFF, lba >> 24 & 0xFF
            unit.hcyl, unit.lcyl, unit.sector = lba >> 16 & 0xFF, lba >> 8 & 0xFF, lba & 0xFF
        elif unit.select & LBA:
            unit.select = unit.select & ~HEAD | lba >> 24 & HEAD
            unit.hcyl, unit.lcyl, unit.sector = lba >> 16 & 0xFF, lba >> 8 & 0xFF, lba & 0xFF
        else:
            track, sector = divmod(lba, max(unit.sectors, 1))
            cylinder, head = divmod(track, max(unit.heads, 1))
            unit.select = unit.select & ~HEAD | head & HEAD
            unit.hcyl, unit.lcyl, unit.sector = cylinder >> 8 & 0xFF, cylinder & 0xFF, sector + 1 & 0xFF

    def _show_progress(self, lba: int) -> None:
        """Where the command stands: an address and the sectors not transferred."""
        unit, left = self.unit, self.channel.remaining
        self._show(lba, unit.lba48)
        unit.nsector = left & 0xFF
        if unit.lba48:
            unit.hob_nsector = left >> 8 & 0xFF

    def _fail(self, error: int) -> None:
        """End at the sector that could not be transferred."""
        self._show_progress(self.channel.lba)
        self.channel.abort(error)

    # -- PIO ------------------------------------------------------------------------------------------

    def _block_bytes(self, multiple: bool) -> int:
        return self.unit.mult_sectors * SECTOR_BYTES if multiple else SECTOR_BYTES

    def read(self, ext: bool, multiple: bool = False) -> None:
        """READ SECTORS, READ MULTIPLE and their 48-bit forms."""
        block_bytes = self._block_bytes(multiple)
        if not block_bytes:
            self.channel.abort()
        elif self._start(ext):
            self._fetch_pio(block_bytes)

    def _fetch_pio(self, block_bytes: int) -> None:
        """Read ahead within the request and offer the first block."""
        channel = self.channel
        data = bytearray(min(channel.remaining, CHUNK_SECTORS) * SECTOR_BYTES)
        good = media.read(self.drive, channel.lba * SECTOR_BYTES, data)
        if not good:
            self._fail(Error.UNC)
            return
        if good < len(data):
            data = data[:good]
        channel.lba += good // SECTOR_BYTES
        channel.remaining -= good // SECTOR_BYTES
        channel.offer(data, block_bytes)
        channel.interrupt()

    def next_in(self) -> None:
        channel = self.channel
        if channel.offer_more():
            channel.interrupt()
        elif channel.remaining:
            self._fetch_pio(channel.block_bytes)
        else:
            if channel.stage == SECTORS:
                self._show_progress(channel.lba - 1)
            channel.finish_data()

    def write(self, ext: bool, multiple: bool = False) -> None:
        """WRITE SECTORS, WRITE MULTIPLE and their 48-bit forms."""
        block_bytes = self._block_bytes(multiple)
        if not block_bytes or self.drive.read_only:
            self.channel.abort()
        elif self._start(ext):
            self.channel.ask(min(self.channel.remaining, CHUNK_SECTORS) * SECTOR_BYTES, block_bytes)

    def next_out(self) -> None:
        channel = self.channel
        if channel.offer_more():
            channel.interrupt()
            return
        if channel.stage == OTHER_DATA:
            channel.finish_data()
            channel.complete()
            return
        data = channel.buffer
        good = media.write(self.drive, channel.lba * SECTOR_BYTES, data)
        channel.lba += good // SECTOR_BYTES
        channel.remaining -= good // SECTOR_BYTES
        if good < len(data):
            self._fail(Error.ABRT)
        elif channel.remaining:
            channel.ask(min(channel.remaining, CHUNK_SECTORS) * SECTOR_BYTES, channel.block_bytes)
            channel.interrupt()
        else:
            channel.finish_data()
            self._written()

    def _written(self) -> None:
        """All sectors are stored: without a write cache that means on the medium."""
        if not self.unit.write_cache and not media.flush(self.drive):
            self._fail(Error.ABRT)
            return
        self._show_progress(self.channel.lba - 1)
        self.channel.complete()

    # -- DMA ------------------------------------------------------------------------------------------

    def dma(self, ext: bool, outward: bool) -> None:
        """READ DMA and WRITE DMA."""
        channel = self.channel
        if channel.bus_master is None or (outward and self.drive.read_only):
            channel.abort()
        elif self._start(ext):
            channel.outward = outward
            channel.wait_for_dma()

    def run_dma(self) -> None:
        """Move what the descriptor table has room for; the drive waits on if that was too little."""
        channel, master = self.channel, self.channel.bus_master
        assert master is not None
        outward = channel.outward
        segments, total = master.gather(channel.remaining * SECTOR_BYTES, SECTOR_BYTES)
        try:
            if outward:
                moved = master.from_memory(segments, self._store)
            else:
                moved = master.to_memory(segments, self._fetch)
        except BusError:
            master.fail()
            return
        if moved < total:
            master.leave_active()
            channel.end_dma()
            self._fail(Error.ABRT if outward else Error.UNC)
        elif not channel.remaining:
            channel.end_dma()
            if outward:
                self._written()
            else:
                self._show_progress(channel.lba - 1)
                channel.complete()

    def _fetch(self, buffer: memoryview) -> int:
        channel = self.channel
        good = media.read(self.drive, channel.lba * SECTOR_BYTES, buffer)
        channel.lba += good // SECTOR_BYTES
        channel.remaining -= good // SECTOR_BYTES
        return good

    def _store(self, data: memoryview) -> int:
        channel = self.channel
        good = media.write(self.drive, channel.lba * SECTOR_BYTES, data)
        channel.lba += good // SECTOR_BYTES
        channel.remaining -= good // SECTOR_BYTES
        return good

    # -- without data ---------------------------------------------------------------------------------

    def identify(self) -> None:
        data = identify.ata(self.unit, self.label, self.sectors, self.geometry)
        self.offer(data)

    def offer(self, data: bytes) -> None:
        """One block that is not from the medium."""
        self.channel.stage = OTHER_DATA
        self.channel.remaining = 0
        self.channel.offer(bytearray(data), SECTOR_BYTES)
        self.channel.interrupt()

    def verify(self, ext: bool) -> None:
        """READ VERIFY: the sectors can be read."""
        if not self._start(ext):
            return
        channel = self.channel
        buffer = memoryview(bytearray(min(channel.remaining, CHUNK_SECTORS) * SECTOR_BYTES))
        while channel.remaining:
            piece = buffer[: min(channel.remaining, CHUNK_SECTORS) * SECTOR_BYTES]
            if self._fetch(piece) < len(piece):
                self._fail(Error.UNC)
                return
        self._show_progress(channel.lba - 1)
        channel.complete()

    def seek(self) -> None:
        lba = self._address(False)
        if 0 <= lba < self.sectors:
            self.channel.complete()
        else:
            self.channel.abort(Error.IDNF)

    def read_native_max(self, ext: bool) -> None:
        last = max(self.sectors - 1, 0)
        if not ext and self.unit.select & LBA:
            last = min(last, identify.LBA28_SECTORS - 1)
        self._show(last, ext)
        self.channel.complete()

    def initialize_parameters(self) -> None:
        """Sectors per track and heads of the CHS translation."""
        if not self.unit.nsector:
            self.channel.abort()
            return
        self.unit.sectors = self.unit.nsector
        self.unit.heads = (self.unit.select & HEAD) + 1
        self.channel.complete()

    def set_multiple(self) -> None:
        count = self.unit.nsector
        if count > MULTIPLE_SECTORS or count & (count - 1):
            self.channel.abort()
            return
        self.unit.mult_sectors = count
        self.channel.complete()

    def set_features(self) -> None:
        unit, feature = self.unit, self.unit.feature
        if feature == Feature.TRANSFER_MODE:
            if not accepts_mode(unit.nsector):
                self.channel.abort()
                return
            unit.transfer_mode = unit.nsector
        elif feature == Feature.WRITE_CACHE_ON:
            unit.write_cache = True
        elif feature == Feature.WRITE_CACHE_OFF:
            unit.write_cache = False
            self.flush()
            return
        elif feature in (Feature.READ_AHEAD_ON, Feature.READ_AHEAD_OFF):
            unit.read_ahead = feature == Feature.READ_AHEAD_ON
        elif feature == Feature.REVERT_SETTINGS:
            unit.transfer_mode = FASTEST_MODE
            unit.mult_sectors = MULTIPLE_SECTORS
            unit.write_cache = self.drive.write_cache
            unit.read_ahead = True
        elif feature not in FIXED_DATA_FEATURES:
            self.channel.abort()
            return
        self.channel.complete()

    def flush(self) -> None:
        if media.flush(self.drive):
            self.channel.complete()
        else:
            self.channel.abort()

    def set_power(self, power: Power) -> None:
        """STANDBY and SLEEP write the cache back first."""
        if power != Power.ACTIVE and not media.flush(self.drive):
            self.channel.abort()
            return
        self.unit.power = power
        self.channel.complete()

    def check_power(self) -> None:
        self.unit.nsector = 0x00 if self.unit.power == Power.STANDBY else 0xFF
        self.channel.complete()
