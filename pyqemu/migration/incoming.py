"""Waiting for a machine's state, and taking it.

The stream is read on a thread of its own, so that the monitor answers meanwhile; the machine takes the state, on
its own thread, when all of it has been read and checked.

Errors   anything wrong with the stream ends the process with status 1 and a message; nothing of the machine ran
"""

from __future__ import annotations

import select
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

from pyqemu.core.errors import ConfigError
from pyqemu.core.messages import report
from pyqemu.core.runstate import RunState
from pyqemu.migration.errors import MigrationError
from pyqemu.migration.load import Loader
from pyqemu.migration.transport import Channel, check_uri, listen, open_source

SILENCE_S = 120  # a peer that says nothing for so long is gone
LEAST_BYTES = 4096  # in that time, from one that is alive: a page
GRACE_S = 1  # for a command to end when nobody reads it any more
PROGRESS_S = 0.1
MS = 1_000_000


class Incoming:
    """``-incoming URI``. With "defer" nothing happens until ``start(uri)``."""

    def __init__(self, vm: Any, uri: str, *, on_change: Callable[[str], None] | None = None) -> None:
        """Raises ConfigError for a URI that cannot be."""
        check_uri(uri, incoming=True)
        self.vm = vm
        self.uri = uri
        self.on_change = on_change
        self.on_progress: Callable[[int, int], None] | None = None  # bytes of memory that have come, and all
        self.state = "none"
        self.error = ""
        self._server: socket.socket | None = None
        self._started_ns = 0
        vm.state = RunState.INMIGRATE

    @property
    def done(self) -> bool:
        return self.state in ("completed", "failed")

    def status(self) -> dict[str, Any]:
        """As QMP's ``query-migrate`` shows it."""
        if self.state == "none":
            return {}
        return {"status": self.state} | ({"error-desc": self.error} if self.error else {})

    def start(self, uri: str = "") -> None:
        """Listen, or begin to read. Raises ConfigError."""
        if uri:
            check_uri(uri, incoming=True)
            if self.uri != "defer":
                raise MigrationError("'-incoming' was not specified on the command line")
            self.uri = uri
        if self.uri == "defer":
            return
        self._server = server = listen(self.uri)
        self._set_state("setup")
        if server is None:
            self._read(open_source(self.uri, getattr(self.vm, "fds", {})))
            return
        server.setblocking(False)
        self.vm.loop.add_reader(server.fileno(), self._accept)

    def _set_state(self, state: str) -> None:
        if state != self.state:
            self.state = state
            if self.on_change is not None:
                self.on_change(state)

    def _accept(self) -> None:
        assert self._server is not None
        try:
            peer, _ = self._server.accept()
        except OSError:
            return
        self.vm.loop.remove_reader(self._server.fileno())
        self._server.close()
        peer.setblocking(True)
        self._read(Channel(peer.detach(), "socket"))

    def _read(self, channel: Channel) -> None:
        self._set_state("active")
        self._started_ns = time.perf_counter_ns()
        vm = self.vm
        for device in vm.board.devices.values():
            device.before_load()
        loader = Loader(vm, _Patient(channel))

        def read() -> None:
            error = ""
            hint = ""
            try:
                loader.read()
                # A peer at a socket may keep it open; what it has sent already can be seen.
                if loader.source.waiting or (not self._is_socket(channel) and loader.source.peek(1)):
                    raise MigrationError("the description: something follows the end of the stream")
                channel.close()
                if failure := channel.failure(SILENCE_S):
                    raise MigrationError(f"Unable to read from command: {failure}")
            except ConfigError as failed:
                error, hint = str(failed), failed.hint
                if (failure := self._failure_of(channel)) and "is empty" in error:
                    hint = f"Unable to read from command: {failure}"
            except Exception as failed:
                error = f"load of migration failed: {type(failed).__name__}: {failed}"
                channel.abandon()
            vm.loop.post(lambda: self._fail(error, hint) if error else self._finish(loader))

        threading.Thread(target=read, name="migration incoming", daemon=True).start()
        self._show(loader)

    def _show(self, loader: Loader) -> None:
        if self.on_progress is not None and self.state == "active":
            self.on_progress(*loader.ram.progress())
            self.vm.loop.call_later(PROGRESS_S, lambda: self._show(loader))

    @staticmethod
    def _is_socket(channel: Channel) -> bool:
        return channel.title == "socket"

    @staticmethod
    def _failure_of(channel: Channel) -> str:
        channel.abandon(GRACE_S)
        return channel.failure()

    def _finish(self, loader: Loader) -> None:
        vm = self.vm
        try:
            loader.apply()
            for drive in vm.drives.values():
                if activate := getattr(drive, "activate", None):
                    activate()
        except ConfigError as error:
            self._fail(str(error), error.hint)
            return
        vm.state = loader.run_state
        self._set_state("completed")
        if vm.state is RunState.RUNNING:
            vm.state = RunState.PAUSED
            if not vm.config.start_paused:
                vm.start()

    def _fail(self, error: str, hint: str = "") -> None:
        self.error = error
        self._set_state("failed")
        report("\n".join(filter(None, [error, hint])))
        self.vm.power.request_exit(1)


class _Patient:
    """A channel to read from that gives up on a peer that is silent, or as good as silent."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._since = time.monotonic()
        self._came = 0

    def read(self, size: int, /) -> bytes:
        if self._channel.watchable:
            poll = select.poll()
            poll.register(self._channel.fd, select.POLLIN)
            if not poll.poll(SILENCE_S * 1000):
                raise MigrationError(f"Unable to read from {self._channel.title}: nothing came for {SILENCE_S} s")
        data = self._channel.read(size)
        self._came += len(data)
        if (now := time.monotonic()) - self._since >= SILENCE_S:
            if data and self._came < LEAST_BYTES:
                raise MigrationError(
                    f"Unable to read from {self._channel.title}: only {self._came} bytes came in {SILENCE_S} s"
                )
            self._since, self._came = now, 0
        return data
