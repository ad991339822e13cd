"""A raw image: a file or block device whose bytes are the disk's.

Size     rounded up to whole sectors. What lies behind the end of the file reads as zeros; writing there
         makes the file longer.
Errors   opening raises ConfigError in QEMU's wording; reading and writing raise OSError
"""

from __future__ import annotations

import errno
import os
import stat
from typing import Protocol

from pyqemu.block import SECTOR_BYTES, lock
from pyqemu.core.errors import ConfigError


class Image(Protocol):
    """A medium's content. ``size`` is in bytes, a multiple of 512; callers stay inside it."""

    size: int

    def read_into(self, offset: int, buffer: memoryview) -> None:
        """Fill *buffer* (bytes) from *offset* on. Raises OSError."""

    def write(self, offset: int, data: memoryview) -> None:
        """Store *data* (bytes) at *offset*. Raises OSError."""

    def flush(self) -> None:
        """Return once everything written is on stable storage. Raises OSError."""

    def acquire(self, *, write: bool = True) -> None:
        """Take the locks, for reading alone without *write*. Raises ConfigError if somebody else has them."""

    def release(self) -> None:
        """Give up the locks: another process goes on with the image."""

    def close(self) -> None: ...


class RawImage:
    """An open, locked raw image.

    ``base``   will be read below an overlay: others may neither write nor resize it
    ``sync``   every write waits for stable storage (cache=writethrough and directsync)
    ``locked`` False: another process has it still; ``acquire`` comes later
    """

    def __init__(
        self, path: str, *, writable: bool, base: bool = False, sync: bool = False, locked: bool = True
    ) -> None:
        self.path = path
        self._writable = writable
        self._unshared = (lock.WRITE, lock.RESIZE) if base else (lock.WRITE,)
        self._sync = os.O_DSYNC if sync else 0
        self._fd = _open(path, (os.O_RDWR if writable else os.O_RDONLY) | self._sync)
        try:
            if locked:
                self.acquire()
            self.size = -(-_length(self._fd) // SECTOR_BYTES) * SECTOR_BYTES
        except BaseException:
            os.close(self._fd)
            raise

    def read_into(self, offset: int, buffer: memoryview) -> None:
        read_all(self._fd, offset, buffer)

    def write(self, offset: int, data: memoryview) -> None:
        write_all(self._fd, offset, data)

    def flush(self) -> None:
        os.fdatasync(self._fd)

    def reopen(self, *, writable: bool) -> None:
        """Open the same file again, to write or not; without locks. After a ConfigError nothing has changed."""
        fd = _open(self.path, (os.O_RDWR if writable else os.O_RDONLY) | self._sync)
        try:
            if not os.path.sameopenfile(fd, self._fd):
                raise ConfigError(f"Could not open '{self.path}': it is not the file that it was")
            os.dup2(fd, self._fd, inheritable=False)
            self._writable = writable
        finally:
            os.close(fd)

    def resize(self, size: int) -> None:
        """Cut the file off, or make it longer with zeros. Raises OSError."""
        os.ftruncate(self._fd, size)
        self.size = -(-size // SECTOR_BYTES) * SECTOR_BYTES

    def next_data(self, offset: int) -> int:
        """Where the first bytes at or behind *offset* are that the host has stored; ``size``: there are none."""
        try:
            return min(os.lseek(self._fd, offset, os.SEEK_DATA), self.size)
        except OSError as error:
            return self.size if error.errno == errno.ENXIO else offset

    def acquire(self, *, write: bool = True) -> None:
        """Take the locks, for reading alone without *write*. Raises ConfigError if somebody else has them."""
        used = (lock.READ, lock.WRITE) if write and self._writable else (lock.READ,)
        lock.lock_image(self._fd, self.path, used=used, unshared=self._unshared)

    def release(self) -> None:
        """Give up the locks: another process goes on with the image."""
        lock.unlock_image(self._fd)

    def close(self) -> None:
        """Close the file, which also gives up its locks."""
        os.close(self._fd)


def read_all(fd: int, offset: int, buffer: memoryview) -> None:
    """Fill *buffer* from *offset* on, with zeros behind the end of the file."""
    done = os.preadv(fd, [buffer], offset)
    while done < len(buffer):
        count = os.preadv(fd, [buffer[done:]], offset + done)
        if count == 0:
            buffer[done:] = bytes(len(buffer) - done)
            return
        done += count


def write_all(fd: int, offset: int, data: memoryview) -> None:
    """Store all of *data* at *offset*."""
    done = os.pwritev(fd, [data], offset)
    while done < len(data):
        count = os.pwritev(fd, [data[done:]], offset + done)
        if count == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        done += count


def _open(path: str, flags: int) -> int:
    """A descriptor for a regular file or block device. Nothing else is opened: it could block or act."""
    try:
        check_kind(path, os.stat(path))
        fd = os.open(path, flags | os.O_CLOEXEC | os.O_NONBLOCK)
    except (OSError, ValueError) as error:
        reason = os.strerror(error.errno or errno.EIO) if isinstance(error, OSError) else "Invalid argument"
        raise ConfigError(f"Could not open '{path}': {reason}") from None
    try:
        check_kind(path, os.fstat(fd))  # the name may mean something else by now
    except ConfigError:
        os.close(fd)
        raise
    return fd


def check_kind(path: str, status: os.stat_result) -> None:
    """Raises ConfigError for what is neither a file nor a block device."""
    if not (stat.S_ISREG(status.st_mode) or stat.S_ISBLK(status.st_mode)):
        raise ConfigError(
            f"'file' driver requires '{path}' to be a regular file", "Block devices are accepted as well."
        )


def _length(fd: int) -> int:
    try:
        return os.lseek(fd, 0, os.SEEK_END)
    except OSError as error:
        raise ConfigError(
            f"Could not refresh total sector count: {os.strerror(error.errno or errno.EIO)}"
        ) from None
