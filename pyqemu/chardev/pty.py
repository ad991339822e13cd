"""The backend ``pty``: a pseudo-terminal of its own, whose name is printed.

What the guest prints while nobody has the terminal open is lost, as on an unconnected line. The kernel tells of
those who open it (inotify), so nothing has to look again and again.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import tty

from pyqemu.chardev.stream import StreamChardev
from pyqemu.core.errors import ConfigError
from pyqemu.core.events import EventLoop

IN_OPEN = 0x20  # inotify(7)
RETRY_S = 1.0  # where there is no inotify


class PtyChardev(StreamChardev):
    def __init__(self, loop: EventLoop) -> None:
        """Raises ConfigError if the host has no terminal to give."""
        try:
            self._master, slave = os.openpty()
        except OSError as error:
            raise ConfigError(f"Failed to create PTY: {error.strerror}") from None
        self.path = os.ttyname(slave)
        super().__init__(f"pty:{self.path}", loop)
        self.is_open = False
        tty.setraw(slave)
        os.set_blocking(self._master, False)
        self._openings = _watch_openings(self.path)
        os.close(slave)
        self._retry = None
        if self._openings >= 0:
            loop.add_reader(self._openings, self._somebody_opened)
        else:
            self._retry = loop.call_later(RETRY_S, self._look)

    def _somebody_opened(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._openings, 4096)
        self._begin()

    def _look(self) -> None:
        self._retry = None
        if not self._begin():
            self._retry = self._loop.call_later(RETRY_S, self._look)

    def _begin(self) -> bool:
        """Whether somebody has the terminal open; if so, it is connected from now on."""
        if self._output is None and self._master >= 0 and not self._hung_up():
            self._attach(self._master, self._master).on_error = lambda _error: self._ended()
            self.is_open = True
            self._opened()
        return self._output is not None

    def _hung_up(self) -> bool:
        poll = select.poll()
        poll.register(self._master, select.POLLIN)
        return any(events & select.POLLHUP for _, events in poll.poll(0))

    def _ended(self) -> None:
        """The last one has closed the terminal."""
        if self._output is None:
            return
        self._detach()
        self.is_open = False
        self._closed()
        if self._openings < 0:
            self._retry = self._loop.call_later(RETRY_S, self._look)

    def close(self) -> None:
        if self._master < 0:
            return
        if self._output is not None:
            self._output.close()
        self._detach()
        if self._retry is not None:
            self._retry.cancel()
        if self._openings >= 0:
            self._loop.remove_reader(self._openings)
            os.close(self._openings)
        os.close(self._master)
        self._master = -1


def _watch_openings(path: str) -> int:
    """A descriptor that becomes readable when *path* is opened, or -1."""
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        fd: int = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
    except AttributeError:
        return -1
    if fd >= 0 and libc.inotify_add_watch(fd, os.fsencode(path), IN_OPEN) < 0:
        os.close(fd)
        return -1
    return fd
