"""The backend ``pipe``: two FIFOs, PATH.in and PATH.out, or one path for both directions.

They are opened for reading and writing at once, so that neither opening them nor a reader that comes and goes
blocks us: as with QEMU, what nobody reads waits in the FIFO.
"""

from __future__ import annotations

import contextlib
import os

from pyqemu.chardev.stream import StreamChardev
from pyqemu.core.errors import ConfigError
from pyqemu.core.events import EventLoop

FLAGS = os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY


class PipeChardev(StreamChardev):
    def __init__(self, path: str, loop: EventLoop) -> None:
        """Raises ConfigError if nothing there can be opened."""
        super().__init__("pipe", loop)
        self._fds: list[int] = []
        try:
            with contextlib.suppress(FileNotFoundError):
                self._fds = [os.open(f"{path}.in", FLAGS)]
                self._fds.append(os.open(f"{path}.out", FLAGS))
            if len(self._fds) < 2:
                self.close()
                self._fds = [os.open(path, FLAGS)]
            self._attach(self._fds[0], self._fds[-1])
        except (OSError, ValueError) as error:
            self.close()
            reason = error.strerror if isinstance(error, OSError) else "Invalid argument"
            raise ConfigError(
                f"Could not open '{path}': {reason}", f"Make the FIFOs first: mkfifo {path}.in {path}.out"
            ) from None

    def close(self) -> None:
        output = self._output
        if output is not None:
            output.close()
        self._detach()
        while self._fds:
            os.close(self._fds.pop())
