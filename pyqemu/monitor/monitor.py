"""One party that gives commands: a QMP client, a person at an HMP prompt, or Python code."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from pyqemu.core.errors import ConfigError
from pyqemu.monitor.errors import COMMAND_NOT_FOUND, QmpError
from pyqemu.monitor.table import table

if TYPE_CHECKING:
    from pyqemu.api import VirtualMachine

NAMED_FDS = 64  # as many descriptors as one client may leave with us


class Monitor:
    """``vm`` is the machine that obeys; ``cpu_index`` what HMP's ``cpu`` has chosen.

    ``take_fds()`` returns the descriptors that came with the command (SCM_RIGHTS).
    """

    def __init__(self, vm: VirtualMachine, take_fds: Callable[[], Iterable[int]] = tuple) -> None:
        self.vm = vm
        self.cpu_index = 0
        self.take_fds = take_fds
        self.fds: dict[str, int] = {}
        self.shell: Monitor | None = None  # of human-monitor-command

    def execute(self, name: str, arguments: Any) -> Any:
        """Run a QMP command. Raises QmpError, and nothing else for what the client did."""
        entry = table().by_name.get(name)
        if entry is None or entry.handler is None:
            raise QmpError(f"The command {name} has not been found", COMMAND_NOT_FOUND)
        checked = entry.arguments.check(arguments, "")
        result = self.call(entry.handler, checked)
        return {} if result is None else result

    def call(self, handler: Callable[..., Any], arguments: dict[str, Any]) -> Any:
        """Call a handler with checked arguments; refusals of the machine and the host become QmpErrors."""
        try:
            return handler(self, **{key.replace("-", "_"): value for key, value in arguments.items()})
        except ConfigError as error:
            raise QmpError(str(error)) from None
        except OSError as error:
            raise QmpError(error.strerror or str(error)) from None

    # -- descriptors ----------------------------------------------------------------------------------

    def keep_fd(self, name: str) -> None:
        """Take the descriptor that came with the command and give it a name; an old one of it is closed."""
        received = list(self.take_fds())
        if not received:
            raise QmpError("No file descriptor supplied via SCM_RIGHTS")
        for extra in received[1:]:
            os.close(extra)
        if name not in self.fds and len(self.fds) >= NAMED_FDS:
            os.close(received[0])
            raise QmpError("Too many file descriptors")
        if (old := self.fds.pop(name, None)) is not None:
            os.close(old)
        self.fds[name] = received[0]

    def pop_fd(self, name: str) -> int:
        """The descriptor of that name, which is the caller's from now on."""
        if name not in self.fds:
            raise QmpError(f"File descriptor named '{name}' not found")
        return self.fds.pop(name)

    def close_fds(self) -> None:
        """The client is gone."""
        for fd in [*self.fds.values(), *self.take_fds()]:
            with contextlib.suppress(OSError):
                os.close(fd)
        self.fds.clear()
