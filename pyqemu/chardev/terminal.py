"""Raw mode for the user's terminal, and the promise to put it back.

Raw means: every key is ours at once, no echo, no line editing. Output processing stays on, so that messages on
stderr still start in the first column. The terminal is given back at the end, however it comes about, and while
the process is stopped (Ctrl-Z, ``fg``).
"""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import termios
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

Handler = Callable[[int, FrameType | None], Any] | int | None


class TerminalMode:
    """Raw mode of one terminal. On anything else (pipe, file) nothing happens.

    ``signals``: Ctrl-C and Ctrl-Z remain the user's way to stop us; without, they go to the guest.
    """

    def __init__(self, fd: int, signals: bool = True) -> None:
        self._fd = fd
        self._signals = signals
        self._saved: list[Any] | None = None
        self._old_handlers: dict[signal.Signals, Handler] = {}

    def __enter__(self) -> TerminalMode:
        self.enter()
        return self

    def __exit__(self, *_exception: object) -> None:
        self.restore()

    def enter(self) -> None:
        """Go raw. Again is harmless."""
        if self._saved is not None:
            return
        try:
            self._saved = termios.tcgetattr(self._fd)
        except termios.error:
            return
        atexit.register(self.restore)
        self._catch_signals()
        self._apply(self._raw())

    def restore(self) -> None:
        """Give the terminal back as it was. Again is harmless."""
        if self._saved is None:
            return
        saved, self._saved = self._saved, None
        self._apply(saved)
        atexit.unregister(self.restore)
        for number, handler in self._old_handlers.items():
            signal.signal(number, handler)
        self._old_handlers.clear()

    def _raw(self) -> list[Any]:
        assert self._saved is not None
        iflag, oflag, cflag, lflag, ispeed, ospeed, characters = self._saved
        iflag &= ~(
            termios.IGNBRK
            | termios.BRKINT
            | termios.PARMRK
            | termios.ISTRIP
            | termios.INLCR
            | termios.IGNCR
            | termios.ICRNL
            | termios.IXON
        )
        oflag |= termios.OPOST
        cflag = cflag & ~(termios.CSIZE | termios.PARENB) | termios.CS8
        lflag &= ~(termios.ECHO | termios.ECHONL | termios.ICANON | termios.IEXTEN)
        if not self._signals:
            lflag &= ~termios.ISIG
        characters = list(characters)
        characters[termios.VMIN], characters[termios.VTIME] = 1, 0
        return [iflag, oflag, cflag, lflag, ispeed, ospeed, characters]

    def _apply(self, attributes: list[Any]) -> None:
        """Set the terminal, unless it is in other hands: we run in the background, or it has hung up."""
        with contextlib.suppress(OSError):
            if os.tcgetpgrp(self._fd) != os.getpgrp():
                return
        with contextlib.suppress(termios.error):
            termios.tcsetattr(self._fd, termios.TCSANOW, attributes)

    # -- stopping and going on ------------------------------------------------------------------------

    def _catch_signals(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            return
        if signal.getsignal(signal.SIGTSTP) == signal.SIG_DFL:  # not where a shell made us ignore it
            self._old_handlers[signal.SIGTSTP] = signal.signal(signal.SIGTSTP, self._stopped)
        self._old_handlers[signal.SIGCONT] = signal.signal(signal.SIGCONT, self._continued)

    def _stopped(self, _number: int, _frame: FrameType | None) -> None:
        """Put the terminal back, then stop as we were asked to; goes on here after SIGCONT."""
        if self._saved is not None:
            self._apply(self._saved)
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTSTP)
        if self._saved is not None:
            signal.signal(signal.SIGTSTP, self._stopped)
            self._apply(self._raw())

    def _continued(self, number: int, frame: FrameType | None) -> None:
        """Back in the foreground, perhaps after a SIGSTOP that we could not see."""
        if self._saved is not None:
            self._apply(self._raw())
        previous = self._old_handlers.get(signal.SIGCONT)
        if callable(previous):
            previous(number, frame)
