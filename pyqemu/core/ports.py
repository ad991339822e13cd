"""The 64 KiB x86 I/O port space.

Devices claim ports with handlers that see offsets, not addresses. The space refuses overlaps, and splits
an access wider than the device into the narrower ones that the bus would make. Unclaimed ports read as
all ones.

The tables are plain lists indexed by port, one pair per access width: the CPU's native half looks the
handler up there and calls it with its ready-made offset, so that one IN or OUT is one Python call.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from pyqemu.core.errors import ConfigError

PORTS = 0x10000

Read = Callable[[int], int]
Write = Callable[[int, int], None]
WideRead = Callable[[int, int], int]
WideWrite = Callable[[int, int, int], None]
ReadString = Callable[[int, int], Any]
WriteString = Callable[[int, Any], int]


class PortSpace:
    """Who answers at which port.

    ``readers[width][port]`` / ``writers[width][port]`` are called with ``offsets[width][port]`` (and the
    value); None means that no device decodes an access of that width there.
    """

    def __init__(self) -> None:
        self.readers: dict[int, list[Read | None]] = {w: [None] * PORTS for w in (1, 2, 4)}
        self.writers: dict[int, list[Write | None]] = {w: [None] * PORTS for w in (1, 2, 4)}
        self.offsets: dict[int, list[int]] = {w: [0] * PORTS for w in (1, 2, 4)}
        self.string_ports = bytearray(PORTS)  # 1: has a string reader, 2: has a string writer
        self.string_readers: dict[int, ReadString] = {}
        self.string_writers: dict[int, WriteString] = {}
        self._owners: dict[tuple[int, int], object] = {}
        self.on_unclaimed: Callable[[str, int, int, int], None] | None = None

    # -- claiming -------------------------------------------------------------------------------------

    def map(
        self, base: int, count: int, read: Read | None, write: Write | None, *, owner: object, width: int = 1
    ) -> None:
        """Claim *count* ports from *base* for accesses of *width* bytes.

        ``read(offset)`` returns the value, ``write(offset, value)`` takes it; offset counts from *base*.
        With None, reads give all ones and writes are dropped. Raises ConfigError on overlap.
        """
        ports = range(base, base + count)
        self._claim(ports, (width,), owner)
        for port in ports:
            self.offsets[width][port] = port - base
            self.readers[width][port] = read or partial(_ones, width)
            self.writers[width][port] = write or partial(_dropped, width)

    def map_each(self, base: int, handlers: Sequence[tuple[Read | None, Write | None]], *, owner: object) -> None:
        """Claim byte ports from *base*, each with its own (read, write) pair: the fastest form."""
        for offset, (read, write) in enumerate(handlers):
            self.map(base + offset, 1, read, write, owner=owner)
            self.offsets[1][base + offset] = offset

    def map_wide(
        self,
        base: int,
        count: int,
        read: WideRead | None,
        write: WideWrite | None,
        *,
        owner: object,
        widths: Sequence[int] = (1, 2, 4),
    ) -> None:
        """Claim ports for several widths at once: ``read(width, offset)``, ``write(width, offset, value)``.

        An access that would run past the last port is not decoded at its width, and so is split.
        """
        for width in widths:
            ports = range(base, base + count - width + 1)
            self._claim(ports, (width,), owner)
            for port in ports:
                offset = port - base
                self.offsets[width][port] = offset
                self.readers[width][port] = partial(read or _ones, width)
                self.writers[width][port] = partial(write or _dropped, width)

    def map_string(self, port: int, read: ReadString | None, write: WriteString | None) -> None:
        """Let a data port move ``rep ins``/``rep outs`` in bulk.

        ``read(width, count)`` returns up to *count* elements of *width* bytes that are ready now, as bytes;
        nothing means: use the ordinary handler. ``write(width, data)`` returns how many bytes it took.
        """
        if read:
            self.string_readers[port] = read
            self.string_ports[port] |= 1
        if write:
            self.string_writers[port] = write
            self.string_ports[port] |= 2

    def unmap(self, base: int, count: int, owner: object) -> None:
        """Give up every port in the range that belongs to *owner* (a BAR that moves)."""
        for width in (1, 2, 4):
            for port in range(base, min(base + count, PORTS)):
                if self._owners.get((width, port)) is owner:
                    del self._owners[width, port]
                    self.readers[width][port] = self.writers[width][port] = None
        for port in range(base, min(base + count, PORTS)):
            if (1, port) not in self._owners and (2, port) not in self._owners:
                self.string_readers.pop(port, None)
                self.string_writers.pop(port, None)
                self.string_ports[port] = 0

    def is_free(self, base: int, count: int) -> bool:
        """Whether no device claims any of the ports (a BAR may be put anywhere by the guest)."""
        return base + count <= PORTS and not any(
            (width, port) in self._owners for width in (1, 2, 4) for port in range(base, base + count)
        )

    def owner(self, port: int) -> object | None:
        """The device that decodes a port, or None."""
        return next((o for w in (1, 2, 4) if (o := self._owners.get((w, port))) is not None), None)

    def _claim(self, ports: range, widths: Sequence[int], owner: object) -> None:
        if not ports or ports[0] < 0 or ports[-1] >= PORTS:
            raise ConfigError(f"{_name(owner)}: ports {ports.start:#x}..{ports.stop - 1:#x} are out of range")
        for width in widths:
            for port in ports:
                if (other := self._owners.get((width, port))) is not None:
                    raise ConfigError(f"{_name(owner)}: port {port:#x} is taken by {_name(other)}")
        for width in widths:
            for port in ports:
                self._owners[width, port] = owner

    # -- access ---------------------------------------------------------------------------------------

    def read(self, port: int, width: int) -> int:
        """An IN of 1, 2 or 4 bytes; one that nobody decodes at this width is split, low bytes first."""
        port &= PORTS - 1
        handler = self.readers[width][port]
        if handler is not None:
            return handler(self.offsets[width][port]) & ((1 << 8 * width) - 1)
        if width == 1:
            if self.on_unclaimed:
                self.on_unclaimed("read", port, width, 0)
            return 0xFF
        half = width // 2
        return self.read(port, half) | self.read(port + half, half) << 8 * half

    def write(self, port: int, width: int, value: int) -> None:
        """An OUT of 1, 2 or 4 bytes."""
        port &= PORTS - 1
        handler = self.writers[width][port]
        if handler is not None:
            handler(self.offsets[width][port], value)
        elif width == 1:
            if self.on_unclaimed:
                self.on_unclaimed("write", port, width, value)
        else:
            half = width // 2
            self.write(port, half, value & ((1 << 8 * half) - 1))
            self.write(port + half, half, value >> 8 * half)


def _ones(width: int, _offset: int) -> int:
    return (1 << 8 * width) - 1


def _dropped(_width: int, _offset: int, _value: int) -> None:
    pass


def _name(owner: object) -> str:
    return getattr(owner, "id", None) or getattr(owner, "type", None) or type(owner).__name__
