"""Signals that have a handler of Python's, for system calls that sleep.

Python runs such a handler when the main thread next runs Python code. A call that is about to sleep when the signal
comes, or whose thread does not get it, would sleep on: it has to look at this descriptor too.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading


class Wakeup:
    """While this context lasts, its descriptor can be read after a signal, until ``drain``. In other threads than
    the main one it never can: they run no handlers."""

    def __enter__(self) -> Wakeup:
        self._reader, self._writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._main = threading.current_thread() is threading.main_thread()
        if self._main:
            self._old = signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        return self

    def __exit__(self, *_: object) -> None:
        if self._main:
            signal.set_wakeup_fd(self._old)
        os.close(self._reader)
        os.close(self._writer)

    def fileno(self) -> int:
        return self._reader

    def drain(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._reader, 4096)
