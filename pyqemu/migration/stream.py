"""QEMU's migration stream: the items it is made of.

Source   ``reference/migration/format.md``, recorded from streams of QEMU 7.2
Layout   "QEVM", version 3, then items, all numbers big-endian; ``str8`` is a length byte and as many bytes
             07  configuration   u32 length, machine type
             01  section start   u32 id, str8 name, u32 instance, u32 version, data, footer
             02  section part    u32 id, data, footer
             03  section end     u32 id, data, footer
             04  section full    like start, for a section of one piece
             7e  footer          u32 id
             00  end
             06  description     u32 length, JSON
Errors   MigrationError
"""

from __future__ import annotations

from typing import Protocol

from pyqemu.core.wire import Cursor
from pyqemu.migration.errors import MigrationError

MAGIC = b"QEVM"
VERSION = 3
END, START, PART, LAST, FULL, SUBSECTION, DESCRIPTION, CONFIGURATION, COMMAND = range(9)
FOOTER = 0x7E

DESCRIPTION_LIMIT = 4 << 20
NAME_LIMIT = 255
READ_BYTES = 1 << 20


class Sink(Protocol):
    """Where a stream goes: a file, a socket, a buffer."""

    def write(self, data: bytes, /) -> object: ...


class Readable(Protocol):
    """Where a stream comes from."""

    def read(self, size: int, /) -> bytes | None: ...


class Source(Cursor):
    """A stream being read, from *file*, which is asked for at most ``READ_BYTES`` at a time.

    ``consumed`` counts the bytes that have been taken.
    """

    def __init__(self, file: Readable) -> None:
        super().__init__()
        self._file = file
        self._dropped = 0

    @property
    def consumed(self) -> int:
        return self._dropped + self.position

    @property
    def waiting(self) -> int:
        """How many bytes were read and not taken."""
        return len(self.data) - self.position

    def fill(self, size: int) -> bool:
        missing = self.position + size - len(self.data)
        if missing <= 0:
            return True
        pieces = [self.data[self.position :]]
        self._dropped += self.position
        self.position = 0
        while missing > 0:
            piece = self._file.read(READ_BYTES)
            if not piece:
                break
            pieces.append(piece)
            missing -= len(piece)
        self.data = b"".join(pieces)
        return missing <= 0

    def str8(self) -> str:
        return self.take(self.number(1)).decode("latin-1")


def magic() -> bytes:
    """The beginning of a stream: magic and version."""
    return MAGIC + _u32(VERSION)


def header(machine: str) -> bytes:
    """Magic, version, configuration."""
    name = machine.encode()
    return magic() + bytes((CONFIGURATION,)) + _u32(len(name)) + name


def section(kind: int, number: int, data: bytes, name: str = "", instance: int = 0, version: int = 0) -> bytes:
    """A section item without its footer. *name*, *instance* and *version* are for START and FULL."""
    head = bytes((kind,)) + _u32(number)
    if kind in (START, FULL):
        head += bytes((len(name),)) + name.encode() + _u32(instance) + _u32(version)
    return head + data


def footer(number: int) -> bytes:
    return bytes((FOOTER,)) + _u32(number)


def end() -> bytes:
    return bytes((END,))


def description(text: str) -> bytes:
    """The JSON description of the sections, which follows the end."""
    data = text.encode()
    return bytes((DESCRIPTION,)) + _u32(len(data)) + data


def read_header(source: Source) -> None:
    """Magic and version, with QEMU's messages for other ones."""
    magic = source.peek(4)
    if not magic:
        raise MigrationError("the stream is empty", "Nothing was saved there, or the command that reads it failed.")
    if magic != MAGIC:
        raise MigrationError("Not a migration stream", f"It begins with {magic!r}, not with {MAGIC!r}.")
    source.take(4)
    version = source.number(4)
    if version == 2:
        raise MigrationError("SaveVM v2 format is obsolete and don't work anymore")
    if version != VERSION:
        raise MigrationError("Unsupported migration stream version", f"It is {version}, known is {VERSION}.")


def _u32(value: int) -> bytes:
    return value.to_bytes(4, "big")
