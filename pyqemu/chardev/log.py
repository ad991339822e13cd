"""``logfile=PATH`` of any backend: what the guest sends also goes to a file, whether somebody reads it or not."""

from __future__ import annotations

import os
from typing import Any

from pyqemu.chardev import Backend
from pyqemu.chardev.output import Output
from pyqemu.core.errors import ConfigError
from pyqemu.core.events import EventLoop
from pyqemu.core.fdset import fdsets


def keep_log(backend: Backend, path: str, loop: EventLoop, *, append: bool = False) -> None:
    """Let *backend* write what it takes to *path*, too. Raises ConfigError if that cannot be opened."""
    flags = os.O_WRONLY | os.O_CREAT | (os.O_APPEND if append else os.O_TRUNC)
    try:
        fd = fdsets.open_path(path, flags)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "Invalid argument"
        raise ConfigError(f"Could not create '{path}': {reason}") from None
    output = Output(fd, loop, path)
    write, flush, close = backend.write, backend.flush, backend.close

    def write_both(data: bytes) -> int:
        taken = write(data)
        output.write(data[:taken])
        return taken

    def flush_both() -> None:
        flush()
        output.flush()

    def close_both() -> None:
        nonlocal fd
        close()
        if fd >= 0:
            output.close()
            os.close(fd)
            fd = -1

    methods: Any = backend
    methods.write, methods.flush, methods.close = write_both, flush_both, close_both
