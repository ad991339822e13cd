"""What backends with a descriptor in both directions share: pipes, pseudo-terminals, sockets.

Input is read a little ahead of the device, so that a peer that leaves is noticed although the guest does not
read; what was sent before still arrives. Beyond that nothing is read, and the peer has to wait.
"""

from __future__ import annotations

import os

from pyqemu.chardev import Backend
from pyqemu.chardev.output import Output
from pyqemu.core.events import EventLoop

READ_BYTES = 4096
AHEAD_BYTES = 4096


class StreamChardev(Backend):
    """One descriptor at a time to read from, one to write to; they may come and go."""

    def __init__(self, filename: str, loop: EventLoop) -> None:
        super().__init__(filename)
        self._loop = loop
        self._input_fd = -1
        self._watching = False
        self._output: Output | None = None

    def write(self, data: bytes) -> int:
        """Without a peer the bytes are lost, as on an unconnected line."""
        output = self._output
        return len(data) if output is None else output.write(data)

    def flush(self) -> None:
        if self._output is not None:
            self._output.flush()

    # -- life of the descriptors ----------------------------------------------------------------------

    def _attach(self, input_fd: int, output_fd: int) -> Output:
        """Begin with a peer. Both descriptors must not block."""
        self._input_fd = input_fd
        self._output = output = Output(output_fd, self._loop, self.filename)
        output.on_writable = self._writable
        self._watch()
        return output

    def _detach(self) -> None:
        """The peer has gone; the descriptors are the caller's to close."""
        output, self._output = self._output, None
        self._unwatch()
        self._input_fd = -1
        if output is not None:
            output.on_error = None
            output.abandon()

    # -- input ----------------------------------------------------------------------------------------

    def accept_input(self) -> None:
        super().accept_input()
        self._watch()

    def _room(self) -> int:
        return self._can_receive() + AHEAD_BYTES - len(self._held)

    def _watch(self) -> None:
        if not self._watching and self._input_fd >= 0 and self._room() > 0:
            self._loop.add_reader(self._input_fd, self._readable)
            self._watching = True

    def _unwatch(self) -> None:
        if self._watching:
            self._watching = False
            self._loop.remove_reader(self._input_fd)

    def _readable(self) -> None:
        room = self._room()
        if room > 0:
            try:
                data = self._read(min(room, READ_BYTES))
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                data = b""
            if not data:
                self._ended()
                return
            self._held += self._decode(data)
            Backend.accept_input(self)
            room = self._room()
        if room <= 0:
            self._unwatch()

    def _read(self, count: int) -> bytes:
        return os.read(self._input_fd, count)

    def _decode(self, data: bytes) -> bytes:
        """What of the bytes read is for the device."""
        return data

    def _ended(self) -> None:
        """There is nothing more to read."""
        self._unwatch()
        self._input_fd = -1
