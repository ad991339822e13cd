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

    def close(self) -> None: ...


class RawImage:
    """An open, locked raw image.

    ``base``   will be read below an overlay: others may neither write nor resize it
    ``sync``   every write waits for stable storage (cache=writethrough and directsync)
    """

    def __init__(self, path: str, *, writable: bool, base: bool = False, sync: bool = False) -> None:
        self.path = path
        self._fd = _open(path, (os.O_RDWR if writable else os.O_RDONLY) | (os.O_DSYNC if sync else 0))
        try:
            lock.lock_image(
                self._fd,
                path,
                used=(lock.READ, lock.WRITE) if writable else (lock.READ,),
                unshared=(lock.WRITE, lock.RESIZE) if base else (lock.WRITE,),
            )
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
        _check_kind(path, os.stat(path))
        fd = os.open(path, flags | os.O_CLOEXEC | os.O_NONBLOCK)
    except (OSError, ValueError) as error:
        reason = os.strerror(error.errno or errno.EIO) if isinstance(error, OSError) else "Invalid argument"
        raise ConfigError(f"Could not open '{path}': {reason}") from None
    try:
        _check_kind(path, os.fstat(fd))  # the name may mean something else by now
    except ConfigError:
        os.close(fd)
        raise
    return fd


def _check_kind(path: str, status: os.stat_result) -> None:
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
