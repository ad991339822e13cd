"""File descriptors that the process was started with, in sets: ``-add-fd``, and the paths ``/dev/fdset/N``.

A management tool opens a file for us and passes the descriptor; options then name it by its set. A set may hold
the same file opened for reading and for writing; opening takes the one that fits.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
from dataclasses import dataclass

_PATH = re.compile(r"/dev/fdset/(\d{1,9})")


@dataclass
class Descriptor:
    fd: int
    opaque: str


class FdSets:
    """``sets[n]``: the descriptors of set *n*, in the order they came."""

    def __init__(self) -> None:
        self.sets: dict[int, list[Descriptor]] = {}

    def add(self, fd: int, number: int | None = None, opaque: str = "") -> int:
        """Take over *fd*, into a set that does not exist yet if *number* is None. Returns the set's number."""
        if number is None:
            number = next(n for n in range(len(self.sets) + 1) if n not in self.sets)
        os.set_inheritable(fd, False)
        self.sets.setdefault(number, []).append(Descriptor(fd, opaque))
        return number

    def remove(self, number: int, fd: int | None = None) -> bool:
        """Close the descriptors of a set, or one of them. False: there is no such thing."""
        members = self.sets.get(number, [])
        gone = [member for member in members if fd is None or member.fd == fd]
        for member in gone:
            members.remove(member)
            os.close(member.fd)
        if not members:
            self.sets.pop(number, None)
        return bool(gone)

    def open_path(self, path: str, flags: int, mode: int = 0o666) -> int:
        """``os.open`` that also knows ``/dev/fdset/N``: a duplicate of the descriptor with that access.

        Raises OSError, and ValueError for a path with a null byte.
        """
        match = _PATH.fullmatch(path)
        if match is None:
            return os.open(path, flags | os.O_CLOEXEC, mode)
        members = self.sets.get(int(match[1]))
        if not members:
            raise OSError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        for member in members:
            access = fcntl.fcntl(member.fd, fcntl.F_GETFL) & os.O_ACCMODE
            if access in (flags & os.O_ACCMODE, os.O_RDWR):
                return fcntl.fcntl(member.fd, fcntl.F_DUPFD_CLOEXEC, 0)
        raise OSError(errno.EACCES, os.strerror(errno.EACCES), path)


fdsets = FdSets()
"""Descriptors are the process's, so their sets are, too."""
