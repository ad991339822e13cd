"""What the machine is doing, in QEMU's words, and what it has been asked to do.

Chips press switches (reset, power) in the middle of an instruction; the machine acts on them between
instructions. The first reason for a shutdown is the one that is reported.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

from pyqemu.core.trace import event

RESET = event("qemu_system_reset_request", "reason=%s")
SHUTDOWN = event("qemu_system_shutdown_request", "reason=%s")


class RunState(StrEnum):
    PRELAUNCH = "prelaunch"
    RUNNING = "running"
    PAUSED = "paused"
    INMIGRATE = "inmigrate"  # waits for a state from elsewhere
    FINISH_MIGRATE = "finish-migrate"  # stopped for the last part of its own
    POSTMIGRATE = "postmigrate"  # somebody else has it now
    SAVE_VM = "save-vm"
    RESTORE_VM = "restore-vm"
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
        self.panic: str | None = None

    @property
    def pending(self) -> bool:
        return not (
            self.reset_cause is None
            and self.shutdown_cause is None
            and self.exit_status is None
            and self.panic is None
        )

    def request_reset(self, cause: str = "guest-reset") -> None:
        """Reset the machine (QEMU's causes: guest-reset, host-qmp-system-reset…)."""
        if RESET.on:
            RESET(cause)
        self.reset_cause = self.reset_cause or cause
        self._notify()

    def request_shutdown(self, cause: str = "guest-shutdown") -> None:
        """Power off (guest-shutdown, host-signal, host-ui, host-qmp-quit…)."""
        if SHUTDOWN.on:
            SHUTDOWN(cause)
        self.shutdown_cause = self.shutdown_cause or cause
        self._notify()

    def request_exit(self, status: int) -> None:
        """End the process with *status*, as isa-debug-exit does."""
        if self.exit_status is None:
            self.exit_status = status
        self._notify()

    def report_panic(self, what: str) -> None:
        """The guest says that it has crashed: panicked, or crashloaded when its crash kernel takes over."""
        self.panic = self.panic or what
        self._notify()

    def take_panic(self) -> str | None:
        panic, self.panic = self.panic, None
        return panic

    def take_reset(self) -> str | None:
        cause, self.reset_cause = self.reset_cause, None
        return cause
