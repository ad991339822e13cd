"""What options do to our own process: ``-daemonize``, ``-pidfile``, ``-chroot``, ``-runas``.

The order is QEMU's: go to the background first, while the caller waits; build the machine as the user who started
us; then write the pidfile, give up what is not needed any more, and tell the caller that all is well.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sys
from collections.abc import Iterator

from pyqemu.core.errors import ConfigError
from pyqemu.launch import ProcessConfig


class Process:
    """*config* is carried out in three steps: ``detach()``, ``settle()`` before the guest runs, ``leave()``."""

    def __init__(self, config: ProcessConfig) -> None:
        self._config = config
        self._caller = -1  # a pipe to whoever waits for us to be ready
        self._pidfile = -1
        self._pidfile_path = ""

    def detach(self) -> None:
        """Go on in the background; the caller's process stays here until the machine is built or has failed."""
        if not self._config.daemonize:
            return
        sys.stdout.flush()
        sys.stderr.flush()
        reader, writer = os.pipe2(os.O_CLOEXEC)
        if os.fork():
            os.close(writer)
            verdict = os.read(reader, 1)
            os._exit(0 if verdict == b"\0" else 1)
        os.close(reader)
        os.setsid()
        if os.fork():
            os._exit(0)
        os.umask(0o027)
        self._caller = writer

    def settle(self) -> None:
        """The machine is there. Raises ConfigError."""
        config = self._config
        if config.pidfile:
            self._write_pidfile(config.pidfile)
        if config.chroot:
            try:
                os.chroot(config.chroot)
            except (OSError, ValueError):
                raise ConfigError("chroot failed") from None
            os.chdir("/")
        if config.user is not None:
            self._change_user(config.user, config.group or 0)
        if self._caller >= 0:
            os.chdir("/")
            null = os.open(os.devnull, os.O_RDWR)
            for fd in (0, 1, 2):
                os.dup2(null, fd)
            os.close(null)
            os.write(self._caller, b"\0")
            os.close(self._caller)
            self._caller = -1

    def _write_pidfile(self, path: str) -> None:
        """Raises ConfigError if another machine has it, or it cannot be made."""
        try:
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "Invalid argument"
            raise ConfigError(f"cannot create PID file: Could not create '{path}': {reason}") from None
        try:
            fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(fd, 0)
            os.write(fd, b"%d\n" % os.getpid())
        except OSError as error:
            os.close(fd)
            what = "Cannot lock pid file" if isinstance(error, BlockingIOError) else "Failed to write pid file"
            raise ConfigError(f"cannot create PID file: {what}: {error.strerror}") from None
        self._pidfile, self._pidfile_path = fd, os.path.abspath(path)

    @staticmethod
    def _change_user(user: int, group: int) -> None:
        try:
            if os.geteuid() == 0:
                os.setgroups([])
            os.setgid(group)
            os.setuid(user)
        except OSError as error:
            raise ConfigError(f"Failed to change to user {user}:{group}: {error.strerror}") from None

    def leave(self) -> None:
        """Take the pidfile away."""
        if self._pidfile >= 0:
            with contextlib.suppress(OSError):
                os.unlink(self._pidfile_path)
            os.close(self._pidfile)
            self._pidfile = -1


@contextlib.contextmanager
def process(config: ProcessConfig) -> Iterator[Process]:
    """A process in its first step; its last one follows in any case."""
    this = Process(config)
    this.detach()
    try:
        yield this
    finally:
        this.leave()
