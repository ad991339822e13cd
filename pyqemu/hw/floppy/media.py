"""Floppy disks and the drives they are in: where a sector lies in the image.

Source   ECMA-99, ECMA-125 and the formats of DOS and Linux, by their size
Units    image sizes in KiB; cylinders and heads count from 0, sectors from 1, all of 512 bytes
Errors   host errors come out as OSError
Missing  deleted-data marks, FM and other sector sizes: an image has no place for them
"""

from __future__ import annotations

from typing import NamedTuple

from pyqemu.block import SECTOR_BYTES, Drive
from pyqemu.core.device import KEEP, State
from pyqemu.core.state import Record

# Data rate codes, as in the DSR and CCR
RATE_500K, RATE_300K, RATE_250K, RATE_1M = range(4)


class Geometry(NamedTuple):
    cylinders: int
    heads: int
    sectors: int
    rate: int

    def offset(self, cylinder: int, head: int, sector: int) -> int:
        """The byte where a sector starts in the image."""
        return ((cylinder * self.heads + head) * self.sectors + sector - 1) * SECTOR_BYTES


STANDARD = Geometry(80, 2, 18, RATE_500K)

# The first of equal sizes is meant.
_FORMATS = (
    STANDARD,
    *(Geometry(80, 2, sectors, RATE_500K) for sectors in (20, 21, 22, 23, 24)),
    Geometry(82, 2, 21, RATE_500K),
    Geometry(83, 2, 21, RATE_500K),
    *(Geometry(80, 2, sectors, RATE_1M) for sectors in (36, 39, 40, 44, 48)),
    *(Geometry(80, 2, sectors, RATE_250K) for sectors in (9, 10, 13, 14)),
    Geometry(82, 2, 10, RATE_250K),
    Geometry(83, 2, 10, RATE_250K),
    Geometry(80, 2, 15, RATE_500K),
    Geometry(82, 2, 18, RATE_500K),
    Geometry(83, 2, 18, RATE_500K),
    Geometry(40, 2, 9, RATE_300K),
    Geometry(41, 2, 10, RATE_300K),
    Geometry(42, 2, 10, RATE_300K),
    Geometry(40, 2, 8, RATE_250K),
    Geometry(40, 1, 9, RATE_300K),
    Geometry(40, 1, 8, RATE_250K),
)


def geometry_of(size: int) -> Geometry:
    """The format of an image of *size* bytes: the one of that size, else 1.44 MB."""
    for geometry in _FORMATS:
        if geometry.offset(geometry.cylinders, 0, 1) == size:
            return geometry
    return STANDARD


class FloppyUnit(Record, vmstate="fdrive"):
    """One drive on the cable: where its head is and what is in it."""

    head = State.u8(reset=0)  # this and the sector: where the last command ended
    track = State.u8(reset=0)
    sector = State.u8(reset=1, name="sect")
    changed = State.bool(
        reset=KEEP, power_on=True, name="media_changed", wire="uint8", sub="media_changed"
    )  # the disk change signal; stepping with a disk in clears it
    # Computed from the disk: QEMU sends the rate, and looks at it, where the controller compares it.
    media_rate = State.view("uint8", lambda unit: unit.rate, sub="media_rate", implied=lambda unit: unit.known_rate)
    # Here the controller has it.
    perpendicular = State.view("uint8", lambda unit: 0, sub="perpendicular", implied=0)

    def __init__(self) -> None:
        super().__init__()
        self.drive: Drive | None = None
        self.geometry: Geometry | None = None  # None without a disk
        self.compares_rate = True

    def connect(self, drive: Drive | None) -> None:
        self.drive = drive
        if drive is not None:
            drive.on_change.append(self._media_changed)
        self._measure()

    def _media_changed(self) -> None:
        self.changed = True
        self._measure()

    def _measure(self) -> None:
        drive = self.drive
        self.geometry = geometry_of(drive.size) if drive is not None and drive.inserted else None

    @property
    def rate(self) -> int:
        """The disk's data rate code, 0 without a disk."""
        return self.geometry.rate if self.geometry is not None else 0

    @property
    def known_rate(self) -> int | None:
        """The rate where nobody has to be told."""
        return None if self.compares_rate else self.rate

    @property
    def is_protected(self) -> bool:
        """The write protect signal, which an empty drive gives too."""
        return self.drive is None or self.geometry is None or self.drive.read_only

    def step_to(self, track: int) -> None:
        if track != self.track:
            self.track = track
            if self.geometry is not None:
                self.changed = False

    def read(self, offset: int, buffer: bytearray) -> None:
        """Read a sector; where the image is shorter than its format there are zeros. Raises OSError."""
        assert self.drive is not None
        if offset + SECTOR_BYTES <= self.drive.size:
            self.drive.read_into(offset, buffer)
        else:
            buffer[:] = bytes(SECTOR_BYTES)

    def write(self, offset: int, data: bytes | bytearray) -> bool:
        """Write a sector; False where the image is shorter than its format. Raises OSError."""
        assert self.drive is not None
        if offset + SECTOR_BYTES > self.drive.size:
            return False
        self.drive.write(offset, data)
        return True
