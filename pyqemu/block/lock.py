"""Locks on image files, so that two emulators never write one image.

Each process shows what it does with an image, and what it does not want others to do, by shared one-byte
locks at fixed offsets; a lock on the opposite byte tells that somebody is in the way. QEMU and qemu-img
follow the same protocol, so they and pyqemu keep each other out.

Bytes    100+n  the holder uses permission n
         200+n  the holder does not share permission n
Permissions  0 consistent read, 1 write, 2 write unchanged, 3 resize
Kind     open file description locks: they belong to the descriptor, so that two drives of one process
         exclude each other too, and end when it is closed
Errors   ConfigError in QEMU's wording; a file system without such locks is used without them
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
from collections.abc import Iterable

from pyqemu.core.errors import ConfigError

USED_BASE = 100
UNSHARED_BASE = 200

READ = 0
WRITE = 1
RESIZE = 3
NAMES = {READ: "consistent read", WRITE: "write", RESIZE: "resize"}

# struct flock on Linux: type, whence, start, length, pid; the pid is 0 for these locks
_FLOCK = struct.Struct("hhqqi4x")


def lock_image(fd: int, path: str, *, used: Iterable[int], unshared: Iterable[int]) -> None:
    """Announce the *used* and *unshared* permissions on an open image. Raises ConfigError on a conflict."""
    used, unshared = list(used), list(unshared)
    try:
        for byte in [USED_BASE + n for n in used] + [UNSHARED_BASE + n for n in unshared]:
            fcntl.fcntl(fd, fcntl.F_OFD_SETLK, _request(fcntl.F_RDLCK, byte))
        for permission in used:
            if _is_held(fd, UNSHARED_BASE + permission):
                raise _conflict(f'"{NAMES[permission]}"', path)
        for permission in unshared:
            if _is_held(fd, USED_BASE + permission):
                raise _conflict(f'shared "{NAMES[permission]}"', path)
    except (BlockingIOError, PermissionError):
        raise _conflict("file", path) from None  # somebody else locks without knowing the protocol
    except OSError:
        return


def unlock_image(fd: int) -> None:
    """Give up every lock of this descriptor."""
    with contextlib.suppress(OSError):
        for base in (USED_BASE, UNSHARED_BASE):
            for permission in NAMES:
                fcntl.fcntl(fd, fcntl.F_OFD_SETLK, _request(fcntl.F_UNLCK, base + permission))


def _request(kind: int, byte: int) -> bytes:
    return _FLOCK.pack(kind, os.SEEK_SET, byte, 1, 0)


def _is_held(fd: int, byte: int) -> bool:
    """Whether another descriptor has a lock on the byte."""
    answer = fcntl.fcntl(fd, fcntl.F_OFD_GETLK, _request(fcntl.F_WRLCK, byte))
    return bool(_FLOCK.unpack(answer)[0] != fcntl.F_UNLCK)


def _conflict(what: str, path: str) -> ConfigError:
    return ConfigError(f"Failed to get {what} lock", f"Is another process using the image [{path}]?")
