"""What the machine is doing, in QEMU's words, and what it has been asked to do.

Chips press switches (reset, power) in the middle of an instruction; the machine acts on them between
instructions. The first reason for a shutdown is the one that is reported.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum


class RunState(StrEnum):
    PRELAUNCH = "prelaunch"
    RUNNING = "running"
    PAUSED = "paused"
    SHUTDOWN = "shutdown"
    IO_ERROR = "io-error"
    INTERNAL_ERROR = "internal-error"
    GUEST_PANICKED = "guest-panicked"


class PowerSwitch:
    """Requests to the machine. ``notify()`` makes the CPU leave its loop so that they are looked at."""

    def __init__(self, notify: Callable[[], None]) -> None:
        self._notify = notify
        self.reset_cause: str | None = None
        self.shutdown_cause: str | None = None
        self.exit_status: int | None = None

    @property
    def pending(self) -> bool:
        return not (self.reset_cause is None and self.shutdown_cause is None and self.exit_status is None)

    def request_reset(self, cause: str = "guest-reset") -> None:
        """Reset the machine (QEMU's causes: guest-reset, host-qmp-system-reset…)."""
        self.reset_cause = self.reset_cause or cause
        self._notify()

    def request_shutdown(self, cause: str = "guest-shutdown") -> None:
        """Power off (guest-shutdown, host-signal, host-ui, host-qmp-quit…)."""
        self.shutdown_cause = self.shutdown_cause or cause
        self._notify()

    def request_exit(self, status: int) -> None:
        """End the process with *status*, as isa-debug-exit does."""
        if self.exit_status is None:
            self.exit_status = status
        self._notify()

    def take_reset(self) -> str | None:
        cause, self.reset_cause = self.reset_cause, None
        return cause
