"""Output to host descriptors, and the backend ``file:PATH`` made of it.

Bytes are collected and handed to the host at a newline, at 256 bytes, or when the machine next pauses, so that a
guest that prints byte by byte does not cost a system call each. A reader that is slow never stops the machine:
what it has not taken waits here, up to a limit, and then the device is told to wait.
"""

from __future__ import annotations

import errno
import logging
import os
import select
import stat
import time
from collections.abc import Callable

from pyqemu.core.errors import ConfigError
from pyqemu.core.events import EventLoop

FLUSH_BYTES = 256
PIECE_BYTES = 4096  # what a descriptor that is ready surely takes without blocking
PENDING_LIMIT = 1 << 16
CLOSE_TIMEOUT_S = 1.0

log = logging.getLogger("pyqemu.chardev")


class Output:
    """A host descriptor to write to. ``on_writable()`` is called when there is room again after a short write."""

    def __init__(self, fd: int, loop: EventLoop, name: str) -> None:
        self.on_writable: Callable[[], None] | None = None
        self._fd = fd
        self._loop = loop
        self._name = name
        self._pending = bytearray()
        self._idle_asked = False
        self._waiting = False  # for the descriptor to become writable
        self._was_short = False
        self._broken = False
        self._poll: select.poll | None = None
        try:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                self._poll = select.poll()
                self._poll.register(fd, select.POLLOUT)
        except OSError:
            self._broken = True  # the descriptor was closed before we started (``>&-``)

    def write(self, data: bytes) -> int:
        """Take bytes to send; returns how many. All of them, unless the reader is far behind."""
        if self._broken:
            return len(data)
        pending = self._pending
        if len(pending) + len(data) > PENDING_LIMIT:
            data = data[: PENDING_LIMIT - len(pending)]
            self._was_short = True
        pending += data
        if self._waiting:
            return len(data)
        if len(pending) >= FLUSH_BYTES or b"\n" in data:
            self.flush()
        elif not self._idle_asked:
            self._idle_asked = True
            self._loop.call_idle(self._idle)
        return len(data)

    def _idle(self) -> None:
        self._idle_asked = False
        self.flush()

    def flush(self) -> None:
        """Hand what is pending to the host, as far as it takes it now."""
        while self._pending:
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

    def close(self) -> None:
        """Write out the rest, giving a slow reader a moment."""
        deadline = time.monotonic() + CLOSE_TIMEOUT_S
        while self._pending and (left_s := deadline - time.monotonic()) > 0:
            self._write_piece(int(left_s * 1000))
        if self._pending:
            log.warning("%s: %d bytes of output were not read", self._name, len(self._pending))
            self._pending.clear()
        if self._waiting:
            self._waiting = False
            self._loop.remove_writer(self._fd)
        self._broken = True

    def _write_piece(self, timeout_ms: int) -> bool:
        """One write; False: the descriptor is not ready. An error ends the output for good."""
        if self._poll is not None and not self._poll.poll(timeout_ms):
            return False
        try:
            done = os.write(self._fd, self._pending[:PIECE_BYTES])
        except BlockingIOError:
            return False
        except OSError as error:
            self._broken = True
            self._pending.clear()
            if error.errno != errno.EPIPE:  # that one is a reader that has seen enough
                log.warning("%s: %s", self._name, os.strerror(error.errno or 0))
            return True
        del self._pending[:done]
        return True

    def _wait(self) -> None:
        if not self._waiting:
            try:
                self._loop.add_writer(self._fd, self.flush)
                self._waiting = True
            except OSError:  # cannot be waited for
                self._loop.call_idle(self.flush)


class FileChardev:
    """``file:PATH``: what the guest sends goes to a file, which starts empty. Nothing comes back."""

    def __init__(self, path: str, loop: EventLoop) -> None:
        """Raises ConfigError if the file cannot be opened."""
        self.on_break: Callable[[], None] | None = None
        try:
            self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "Invalid argument"
            raise ConfigError(f"Could not open '{path}': {reason}") from None
        self._output = Output(self._fd, loop, path)
        self.write = self._output.write
        self.flush = self._output.flush

    @property
    def on_writable(self) -> Callable[[], None] | None:
        return self._output.on_writable

    @on_writable.setter
    def on_writable(self, callback: Callable[[], None] | None) -> None:
        self._output.on_writable = callback

    def connect(self, receive: Callable[[bytes], None], can_receive: Callable[[], int] = lambda: 1 << 16) -> None:
        """A file never sends anything."""

    def accept_input(self) -> None:
        """A file never sends anything."""

    def close(self) -> None:
        if self._fd >= 0:
            self._output.close()
            os.close(self._fd)
            self._fd = -1
