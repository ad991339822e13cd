"""Output to host descriptors.

Bytes are collected, so that a guest that prints byte by byte does not cost a system call each. They are handed to
the host at a newline, at 4 KiB, and when the machine next pauses or after 5 ms; of many lines at once only the
first has a system call of its own. A reader that is slow never stops the machine:
what it has not taken waits here, up to a limit, and then the device is told to wait.
"""

from __future__ import annotations

import errno
import os
import select
import stat
import time
from collections.abc import Callable

from pyqemu.core.events import EventLoop
from pyqemu.core.messages import warn

FLUSH_BYTES = 4096
PIECE_BYTES = 4096  # what a descriptor that is ready surely takes without blocking
PENDING_LIMIT = 1 << 16
CLOSE_TIMEOUT_S = 1.0

_NONE: frozenset[bytes] = frozenset()
_ANY = frozenset(bytes((value,)) for value in range(256))
_NOT_NEWLINE = _ANY - {b"\n"}


class Output:
    """A host descriptor to write to.

    ``on_writable()`` is called when there is room again after a short write, ``on_error(error)`` instead of a
    log line when the host refuses for good. ``encode`` turns what the device writes into what goes out.
    """

    def __init__(self, fd: int, loop: EventLoop, name: str) -> None:
        self.on_writable: Callable[[], None] | None = None
        self.on_error: Callable[[OSError], None] | None = None
        self.encode: Callable[[bytes], bytes] | None = None
        self._fd = fd
        self._loop = loop
        self._name = name
        self._pending = bytearray()
        self._encoded = bytearray()
        self._quick = _NONE  # single bytes for which there is nothing to do but to collect them
        self._idle_asked = False
        self._had_line = False  # since the machine last paused
        self._waiting = False  # for the descriptor to become writable
        self._was_short = False
        self._broken = False
        self._poll: select.poll | None = None
        try:
            if not stat.S_ISREG(os.fstat(fd).st_mode) and os.get_blocking(fd):
                self._poll = select.poll()
                self._poll.register(fd, select.POLLOUT)
        except OSError:
            self._broken = True  # the descriptor was closed before we started (``>&-``)

    def write(self, data: bytes) -> int:
        """Take bytes to send; returns how many. All of them, unless the reader is far behind."""
        pending = self._pending
        if data in self._quick:
            pending += data
            return 1
        if self._broken:
            return len(data)
        if len(pending) + len(data) > PENDING_LIMIT:
            data = data[: PENDING_LIMIT - len(pending)]
            self._was_short = True
        pending += data
        if self._waiting:
            return len(data)
        if not self._idle_asked:
            self._idle_asked = True
            self._quick = _NOT_NEWLINE
            self._loop.call_idle(self._idle)
        if len(pending) >= FLUSH_BYTES:
            self.flush()
        elif b"\n" in data and not self._had_line:
            self._had_line = True
            self._quick = _ANY
            self.flush()
        return len(data)

    def write_raw(self, data: bytes) -> None:
        """Send something of the protocol itself, past ``encode``. Dropped if the reader is far behind."""
        if not self._broken and len(self._encoded) + len(data) <= PENDING_LIMIT:
            self._encoded += data
            if not self._waiting:
                self.flush()

    def _idle(self) -> None:
        self._idle_asked = self._had_line = False
        self.flush()

    def flush(self) -> None:
        """Hand what is pending to the host, as far as it takes it now."""
        if not self._idle_asked:
            self._quick = _NONE
        while self._pending or self._encoded:
            if not self._write_piece(0):
                self._wait()
                return
        if self._waiting:
            self._waiting = False
            self._loop.remove_writer(self._fd)
        if self._was_short:
            self._was_short = False
            if self.on_writable is not None:
                self.on_writable()

    def close(self, timeout_s: float | None = None) -> None:
        """Write out the rest, giving a slow reader a moment. The descriptor stays the caller's."""
        deadline = time.monotonic() + (CLOSE_TIMEOUT_S if timeout_s is None else timeout_s)
        while (self._pending or self._encoded) and (left_s := deadline - time.monotonic()) > 0:
            self._write_piece(int(left_s * 1000) + 1)
        if left := len(self._pending) + len(self._encoded):
            warn(f"{left} bytes of output were not read", self._name)
        self.abandon()

    def abandon(self) -> None:
        """Nothing more goes out: there is nobody to take it. A device that waits for room goes on."""
        was_short, self._was_short = self._was_short, False
        self._broken = True
        self._quick = _NONE
        self._pending.clear()
        self._encoded.clear()
        if self._waiting:
            self._waiting = False
            self._loop.remove_writer(self._fd)
        if was_short and self.on_writable is not None:
            self.on_writable()

    def _write_piece(self, timeout_ms: int) -> bool:
        """One write; False: the descriptor is not ready. An error ends the output for good."""
        source = self._pending
        if self.encode is not None:
            if not self._encoded:
                self._encoded += self.encode(bytes(self._pending[:PIECE_BYTES]))
                del self._pending[:PIECE_BYTES]
            source = self._encoded
        elif self._encoded:
            source = self._encoded
        if self._poll is not None and not self._poll.poll(timeout_ms):
            return False
        try:
            done = os.write(self._fd, source[:PIECE_BYTES])
        except BlockingIOError:
            if timeout_ms:
                select.select([], [self._fd], [], timeout_ms / 1000)
            return False
        except OSError as error:
            self._fail(error)
            return True
        del source[:done]
        return True

    def _fail(self, error: OSError) -> None:
        self.abandon()
        if self.on_error is not None:
            self.on_error(error)
        elif error.errno != errno.EPIPE:  # that one is a reader that has seen enough
            warn(os.strerror(error.errno or 0), self._name)

    def _wait(self) -> None:
        if not self._waiting:
            try:
                self._loop.add_writer(self._fd, self.flush)
                self._waiting = True
                self._quick = _NONE
            except OSError:  # cannot be waited for
                self._loop.call_idle(self.flush)
