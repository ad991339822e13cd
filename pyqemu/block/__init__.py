"""Block backends: what a disk, CD or floppy drive has inside.

Offsets and lengths are bytes here; the devices count sectors. An image whose size is no multiple of 512
reads zeros behind its end, up to the next sector. Host errors come out as ``OSError``: the device turns
them into its own kind of error and says so.
"""

from __future__ import annotations

from collections.abc import Callable
from mmap import mmap
from typing import Protocol

SECTOR_BYTES = 512


class Drive(Protocol):
    """A drive and the medium in it, if any.

    ``size`` is in bytes, rounded up to whole 512-byte sectors; 0 without a medium. ``serial`` is empty unless
    the user gave one. ``index`` numbers the drives of one machine, for QEMU's default serial (QM00001…).
    """

    id: str
    media: str  # "disk" or "cdrom"
    size: int
    read_only: bool
    serial: str
    write_cache: bool
    on_change: list[Callable[[], None]]  # called after a medium is inserted or removed

    @property
    def inserted(self) -> bool: ...

    def read_into(self, offset: int, buffer: memoryview | bytearray) -> None:
        """Fill *buffer* from byte *offset* on. Raises OSError, ValueError past the end."""

    def write(self, offset: int, data: bytes | bytearray | memoryview) -> None:
        """Store *data* at byte *offset*. Raises OSError, ValueError past the end."""

    def flush(self) -> None:
        """Return once everything written is on stable storage. Raises OSError."""

    def report_error(self, what: str, error: OSError) -> None:
        """Tell the user about a host error that the guest now sees as a device error."""

    def eject(self) -> None:
        """The guest opened the tray: the medium is gone."""


class MemoryDrive:
    """A drive with its content in memory, for tests and small built-in media.

    *size*: how many bytes it has at least; zeros behind *data* take up no memory until they are written.
    """

    def __init__(
        self, data: bytes | None = b"", *, media: str = "disk", read_only: bool = False, size: int = 0
    ) -> None:
        self.id = "memory"
        self.media = media
        self.read_only = read_only
        self.serial = ""
        self.write_cache = True
        self.index = 0
        self.on_change: list[Callable[[], None]] = []
        self.error: OSError | None = None  # when set, every access fails with it
        self.reported: list[str] = []
        self.flushes = 0
        self.insert(data, size)

    @property
    def inserted(self) -> bool:
        return self._data is not None

    def insert(self, data: bytes | None, size: int = 0) -> None:
        """Put a medium in, or take it out with None."""
        self._data: mmap | None = None
        self.size = 0
        if data is not None:
            size = max(size, len(data))
            self.size = size + -size % SECTOR_BYTES
            self._data = mmap(-1, max(self.size, SECTOR_BYTES))  # none has no bytes at all
            self._data[: len(data)] = data
        for callback in self.on_change:
            callback()

    def eject(self) -> None:
        self.insert(None)

    def _check(self, offset: int, length: int) -> mmap:
        if self.error:
            raise self.error
        if self._data is None or offset < 0 or offset + length > self.size:
            raise ValueError(f"{offset}+{length} is outside the medium ({self.size} bytes)")
        return self._data

    def read_into(self, offset: int, buffer: memoryview | bytearray) -> None:
        data = self._check(offset, len(buffer))
        buffer[:] = data[offset : offset + len(buffer)]

    def write(self, offset: int, data: bytes | bytearray | memoryview) -> None:
        self._check(offset, len(data))[offset : offset + len(data)] = data

    def flush(self) -> None:
        if self.error:
            raise self.error
        self.flushes += 1

    def report_error(self, what: str, error: OSError) -> None:
        self.reported.append(f"{what}: {error}")

    @property
    def data(self) -> bytes:
        return b"" if self._data is None else self._data[: self.size]
