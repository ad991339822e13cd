"""The backend ``file``: what the guest sends goes to a file. Nothing comes back."""

from __future__ import annotations

import os

from pyqemu.chardev import Backend
from pyqemu.chardev.output import Output
from pyqemu.core.errors import ConfigError
from pyqemu.core.events import EventLoop
from pyqemu.core.fdset import fdsets


class FileChardev(Backend):
    """``file:PATH``. The file starts empty unless *append*."""

    def __init__(self, path: str, loop: EventLoop, append: bool = False) -> None:
        """Raises ConfigError if the file cannot be opened."""
        super().__init__("file")
        flags = os.O_WRONLY | os.O_CREAT | (os.O_APPEND if append else os.O_TRUNC)
        try:
            self._fd = fdsets.open_path(path, flags)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "Invalid argument"
            raise ConfigError(f"Could not open '{path}': {reason}") from None
        self._output = Output(self._fd, loop, path)
        self._output.on_writable = self._writable
        self.write = self._output.write  # type: ignore[method-assign]

    def flush(self) -> None:
        self._output.flush()

    def close(self) -> None:
        if self._fd >= 0:
            self._output.close()
            os.close(self._fd)
            self._fd = -1
