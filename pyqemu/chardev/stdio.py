"""The backend ``stdio``: the terminal, or whatever standard input and output are.

Input is read when the device has room for it and not before. A pipe or terminal is watched by the event loop; a
regular file or /dev/null cannot be watched and is read as fast as the device takes it. The end of the input ends
the input, not the machine.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import ClassVar

from pyqemu.chardev import UNLIMITED, Backend, Receive
from pyqemu.chardev.output import Output
from pyqemu.chardev.terminal import TerminalMode
from pyqemu.core.errors import ConfigError
from pyqemu.core.events import EventLoop

READ_BYTES = 4096


class StdioChardev(Backend):
    """Standard input and output. ``signal``: Ctrl-C stops us instead of going to the guest."""

    _taken: ClassVar[set[int]] = set()  # descriptors are the process's, so this is too

    def __init__(self, loop: EventLoop, signal: bool = True, input_fd: int = 0, output_fd: int = 1) -> None:
        """Raises ConfigError if another backend has the descriptors."""
        if input_fd in self._taken:
            raise ConfigError("cannot use stdio by multiple character devices")
        self._taken.add(input_fd)
        super().__init__("stdio")
        self._loop = loop
        self._fd = input_fd
        self._terminal = TerminalMode(input_fd, signal)
        self.on_terminal = os.isatty(output_fd)
        self._output = Output(output_fd, loop, "stdio")
        self._output.on_writable = self._writable
        self._open = False  # there is input, or may be
        self._watching = False
        self._watchable = True
        self._pump_asked = False
        self.write = self._output.write  # type: ignore[method-assign]

    def flush(self) -> None:
        self._output.flush()

    def connect(self, receive: Receive, can_receive: Callable[[], int] = lambda: UNLIMITED) -> None:
        self._receive, self._can_receive = receive, can_receive
        self._terminal.enter()
        self._open = True
        self.accept_input()

    def accept_input(self) -> None:
        """The device may have room: go on reading."""
        if not self._open or self._watching or self._can_receive() <= 0:
            return
        if self._watchable:
            try:
                self._loop.add_reader(self._fd, self._read)
                self._watching = True
                return
            except PermissionError:
                self._watchable = False
            except OSError:  # standard input is closed
                self._open = False
                return
        self._read()
        # One piece at a time, so that an endless input does not hold up the machine.
        if self._open and self._can_receive() > 0 and not self._pump_asked:
            self._pump_asked = True
            self._loop.call_idle(self._pump)

    def _pump(self) -> None:
        self._pump_asked = False
        self.accept_input()

    def _read(self) -> None:
        room = self._can_receive() if self._open else 0
        if room > 0:
            try:
                data = os.read(self._fd, min(room, READ_BYTES))
            except (BlockingIOError, InterruptedError):
                return
            except OSError:  # the terminal has hung up
                data = b""
            if not data:
                self._open = False
                self._unwatch()
                return
            self._receive(data)
            room = self._can_receive()
        if room <= 0:
            self._unwatch()

    def _unwatch(self) -> None:
        if self._watching:
            self._watching = False
            self._loop.remove_reader(self._fd)

    def close(self) -> None:
        """Write out the rest and give the terminal back."""
        self._open = False
        self._unwatch()
        self._output.close()
        self._terminal.restore()
        self._taken.discard(self._fd)
