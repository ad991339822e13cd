"""The signals that end a machine, as events of its loop: with who sent them, and between instructions.

Python's own handlers do not tell the sender, so the signals are blocked and read from a descriptor (signalfd).
Others, like the Ctrl-Z of a terminal, keep their handlers; the loop is woken so that Python gets to run them.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import struct
from collections.abc import Callable, Iterator

from pyqemu.core.events import EventLoop
from pyqemu.core.wakeup import Wakeup

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
RECORD_BYTES = 128
SIGSET_BYTES = 128  # glibc's sigset_t
SFD_FLAGS = os.O_NONBLOCK | os.O_CLOEXEC


def unwind_on_signals() -> None:
    """From here on, SIGTERM and SIGHUP end the program with a shell's status for them, and what it has made
    (sockets, a pidfile) is removed; as Ctrl-C does anyway."""

    def end(number: int, _frame: object) -> None:
        raise SystemExit(128 + number)

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end)


@contextlib.contextmanager
def end_signals(loop: EventLoop, end: Callable[[int, int], None]) -> Iterator[None]:
    """While this lasts, *end(number, pid)* is called for each signal; *pid* 0 is the terminal or the kernel.

    Afterwards this process ignores them: the machine has ended, and another signal must not cut off the rest of it,
    images to be flushed, a pidfile to be removed, the exit status."""
    old = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    fd = _signalfd()

    def read() -> None:
        with contextlib.suppress(BlockingIOError):
            record = os.read(fd, RECORD_BYTES)
            number, _error, _code, pid = struct.unpack_from("=IiiI", record)
            end(number, pid)

    try:
        with Wakeup() as others:
            loop.add_reader(fd, read)
            loop.add_reader(others.fileno(), others.drain)
            try:
                yield
            finally:
                loop.remove_reader(fd)
                loop.remove_reader(others.fileno())
    finally:
        os.close(fd)
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)  # forgets those that wait, too
        signal.pthread_sigmask(signal.SIG_SETMASK, old)


def _signalfd() -> int:
    mask = bytearray(SIGSET_BYTES)
    for number in SIGNALS:
        mask[(number - 1) // 8] |= 1 << (number - 1) % 8
    libc = ctypes.CDLL(None, use_errno=True)
    fd: int = libc.signalfd(-1, (ctypes.c_char * SIGSET_BYTES).from_buffer(mask), SFD_FLAGS)
    if fd < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return fd


def sender(pid: int) -> str:
    """The program with that process id, as it was called."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            name = file.read(4096).partition(b"\0")[0]
    except OSError:
        name = b""
    return name.decode("utf-8", "replace") or "<unknown process>"
