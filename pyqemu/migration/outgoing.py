"""Sending a machine's state away while its guest runs on.

Method   every page is sent once, and a copy kept of what was sent. Then memory is compared with the copy, and what
         has changed is sent again, until so little is left that stopping the guest for it is within the
         downtime limit. A comparison finds every store, whoever made it, and costs a guest that is not being
         moved nothing; the copy is given back in the end
Thread   the machine's. Work is cut into slices of some milliseconds, with the guest running in between
Errors   a failure ends the migration, says why in ``status()``, and the guest runs on
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from pyqemu.core.errors import ConfigError
from pyqemu.core.memory import PAGE_BYTES, RamBlock
from pyqemu.core.runstate import RunState
from pyqemu.cpu.library import native
from pyqemu.migration import layout, stream
from pyqemu.migration.errors import MigrationError
from pyqemu.migration.forms import Form, form_of
from pyqemu.migration.limits import parameters
from pyqemu.migration.ram import END_OF_CHUNK, RUN_BYTES, ZERO_RUN, RamWriter, runs
from pyqemu.migration.save import RAM, RAM_ID, RAM_VERSION, sync_ram, warn_unpromised, write_devices, write_head
from pyqemu.migration.transport import Channel, check_uri, open_sink

SLICE_NS = 4_000_000  # of work, and then as much for the guest
BANDWIDTH_PAUSE_NS = 20_000_000  # when all that may be sent has been
BANDWIDTH_CREDIT_NS = 100_000_000  # of what may be sent and was not, no more is made up for
SECOND = 1_000_000_000
PIECE_BYTES = 4 << 20  # no more is handed to the host at once
ALWAYS_SMALL_PAGES = 64  # so few left are sent without asking how long it takes
MS = 1_000_000

_memcmp = ctypes.CDLL(None).memcmp
_memcmp.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)

RUNNING_STATUSES = ("setup", "active", "cancelling", "device")


class Copy:
    """What was sent of one block."""

    def __init__(self, block: RamBlock) -> None:
        self.block = block
        self._map = mmap.mmap(-1, block.size)
        self.view = memoryview(self._map)
        self._address = ctypes.addressof(ctypes.c_char.from_buffer(self._map))

    def changed(self, offset: int, length: int) -> bool:
        return bool(_memcmp(self.block.address + offset, self._address + offset, length))


class Outgoing:
    """One migration. *on_change* is called with each new status (QEMU's MIGRATION event)."""

    def __init__(self, vm: Any, uri: str, *, on_change: Callable[[str], None] | None = None) -> None:
        """Raises ConfigError for a URI that cannot be."""
        check_uri(uri, incoming=False)
        self.vm = vm
        self.uri = uri
        self.on_change = on_change
        self.on_progress: Callable[[int, int], None] | None = None  # bytes of memory done, and all
        self.state = "none"
        self.error = ""
        self.channel: Channel | None = None
        self._resume = False  # the guest ran when it was stopped for the last part
        self._ready = memoryview(b"")  # made, but not sent yet
        self._source: Iterator[bytes] = iter(())
        self._timer_fd = -1
        self._waiting_for_room = self._watching_process = False
        self._started_ns = self._ended_ns = self._stopped_ns = self._setup_ns = 0
        self._credit = 0.0  # bytes that may be sent now, as of _credit_ns
        self._credit_ns = 0
        self._sent = 0
        self._rounds = 0
        self._remaining = 0
        self._expected_ms = 0
        self._downtime_ms = 0
        self._writer = RamWriter([])

    # -- for the monitor ------------------------------------------------------------------------------

    @property
    def done(self) -> bool:
        return self.state not in RUNNING_STATUSES

    def status(self) -> dict[str, Any]:
        """As QMP's ``query-migrate`` shows it; times in milliseconds, sizes in bytes."""
        if self.state == "none":
            return {}
        report: dict[str, Any] = {"status": self.state}
        if self.error:
            report["error-desc"] = self.error
        if self._started_ns and self.state not in ("setup",):
            end = self._ended_ns or time.perf_counter_ns()
            total_ms = (end - self._started_ns) // MS
            report["total-time"] = total_ms
            report["setup-time"] = self._setup_ns // MS
            if self.state == "completed":
                report["downtime"] = self._downtime_ms
            else:
                report["expected-downtime"] = self._expected_ms
            writer = self._writer
            report["ram"] = {
                "transferred": self._sent,
                "remaining": self._remaining,
                "total": sum(block.size for block in writer.blocks),
                "duplicate": writer.zero_pages,
                "skipped": 0,
                "normal": writer.data_pages,
                "normal-bytes": writer.data_pages * PAGE_BYTES,
                "dirty-pages-rate": 0,
                "mbps": self._sent * 8 / max(total_ms, 1) / 1000,
                "dirty-sync-count": self._rounds,
                "page-size": PAGE_BYTES,
                "multifd-bytes": 0,
                "pages-per-second": 0,
                "precopy-bytes": self._sent,
                "downtime-bytes": 0,
                "postcopy-bytes": 0,
            }
        return report

    def start(self) -> None:
        """Begin. Connecting happens elsewhere, so that the guest does not wait for it."""
        if self.state != "none":
            raise MigrationError("There's a migration process in progress")
        warn_unpromised(self.vm)
        self._started_ns = time.perf_counter_ns()
        self._set_state("setup")
        sysmode = native()
        self._timer_fd = sysmode.timer_create()
        self._set_timer = sysmode.timer_set
        self.vm.loop.add_reader(self._timer_fd, self._step)
        fds = dict(getattr(self.vm, "fds", {}))

        def connect() -> None:
            try:
                channel = open_sink(self.uri, fds)
            except ConfigError as error:
                failure = error
                self.vm.loop.post(lambda: self._fail(str(failure)))
            else:
                self.vm.loop.post(lambda: self._connected(channel))

        if self.uri.startswith(("tcp:", "unix:")):
            threading.Thread(target=connect, name="migration connect", daemon=True).start()
        else:
            connect()

    def cancel(self) -> None:
        """Give up; the guest runs on. Nothing happens if there is nothing to cancel."""
        if not self.done:
            self._set_state("cancelling")
            self._end("cancelled")

    # -- running --------------------------------------------------------------------------------------

    def _set_state(self, state: str) -> None:
        if state != self.state:
            self.state = state
            if self.on_change is not None:
                self.on_change(state)

    def _connected(self, channel: Channel) -> None:
        if self.done:
            channel.abandon()
            return
        self.channel = channel
        if channel.watchable:
            os.set_blocking(channel.fd, False)
        self._setup_ns = time.perf_counter_ns() - self._started_ns
        self._credit_ns = time.perf_counter_ns() - BANDWIDTH_PAUSE_NS  # the first piece need not wait
        self._writer = RamWriter(layout.ram_blocks(self.vm.board))
        self._source = self._produce()
        self._set_state("active")
        self._again(0)

    def _again(self, delay_ns: int) -> None:
        self._set_timer(self._timer_fd, time.perf_counter_ns() + max(delay_ns, 1))

    def _step(self) -> None:
        """One slice of work: send what is ready, make more."""
        if self.done or self.channel is None or self._watching_process:
            return
        self._set_timer(self._timer_fd, 0)
        if self.on_progress is not None:
            total = sum(block.size for block in self._writer.blocks)
            self.on_progress(total - self._remaining, total)
        deadline = time.perf_counter_ns() + SLICE_NS
        try:
            while True:
                if self._ready and not self._flush():
                    return
                if time.perf_counter_ns() > deadline:
                    self._again(SLICE_NS if self.vm.state is RunState.RUNNING else 0)
                    return
                data = next(self._source, None)
                if data is None:
                    break
                self._ready = memoryview(data)
            self._all_sent()
        except (OSError, ConfigError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            self._fail(f"Unable to write to {self.channel.title if self.channel else self.uri}: {reason}")

    def _room(self) -> int:
        """How many bytes may be sent now: as many as the bandwidth has allowed since, but for the last part."""
        limit = parameters(self.vm).max_bandwidth
        now = time.perf_counter_ns()
        self._credit += limit * (now - self._credit_ns) / SECOND
        self._credit = min(self._credit, max(limit * BANDWIDTH_CREDIT_NS / SECOND, 1))
        self._credit_ns = now
        if not limit or self.vm.state is RunState.FINISH_MIGRATE:
            return PIECE_BYTES
        return int(self._credit)

    def _flush(self) -> bool:
        """Hand over what is ready. False if no more of it may be sent now, or the host takes no more: then this
        is called again."""
        assert self.channel is not None
        data = self._ready
        wanted, sent = min(self._room(), len(data)), 0
        while sent < wanted:
            try:
                count = os.write(self.channel.fd, data[sent:wanted])
            except BlockingIOError:
                break
            except InterruptedError:
                continue
            if count == 0:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            sent += count
        self._sent += sent
        self._credit = max(self._credit - sent, 0)
        self._ready = data[sent:]
        if sent == wanted:
            if self._waiting_for_room:
                self._waiting_for_room = False
                self.vm.loop.remove_writer(self.channel.fd)
            if self._ready:
                self._again(BANDWIDTH_PAUSE_NS)
            return not self._ready
        if not self._waiting_for_room:
            self._waiting_for_room = True
            self.vm.loop.add_writer(self.channel.fd, self._step)
        return False

    # -- what is sent ---------------------------------------------------------------------------------

    def _produce(self) -> Iterator[bytes]:
        """The stream, piece by piece; an empty piece is just a place to pause."""
        vm, writer, form = self.vm, self._writer, form_of(self.vm.machine)
        pieces = _Pieces()
        write_head(vm, pieces)
        yield pieces.take()
        yield form.section(stream.START, RAM_ID, writer.sizes(), RAM, 0, RAM_VERSION)
        sync_ram(vm)
        live = vm.state is RunState.RUNNING
        copies = [Copy(block) for block in writer.blocks] if live else []
        self._remaining = sum(block.size for block in writer.blocks)
        for block, offset, length in runs(writer.blocks):
            if not live and vm.state is RunState.RUNNING:
                raise MigrationError("the guest was started while its memory was being saved")
            data = bytes(block.view[offset : offset + length])
            if live and data != ZERO_RUN:
                copies[writer.blocks.index(block)].view[offset : offset + length] = data
            self._remaining -= length
            yield _part(form, writer.run(block, offset, length, data))
        while live:
            self._rounds += 1
            dirty: list[tuple[Copy, int]] = []
            began = time.perf_counter_ns()
            for copy in copies:
                for _ in _find_changes(copy, dirty):
                    yield b""
            self._remaining = len(dirty) * PAGE_BYTES
            # The guest's turns count: what it has written meanwhile to pages that had been looked at is sent, too.
            if vm.state is not RunState.RUNNING or self._is_little(len(dirty), time.perf_counter_ns() - began):
                break
            yield from self._send_pages(dirty)
        self._stop_guest()
        if live:
            dirty = []
            sync_ram(vm)
            for copy in copies:
                for _ in _find_changes(copy, dirty):
                    pass
            yield from self._send_pages(dirty)
        self._remaining = 0
        yield form.section(stream.LAST, RAM_ID, END_OF_CHUNK)
        run_state = RunState.RUNNING if self._resume else self._state_before
        write_devices(vm, pieces, str(run_state))
        self._release_drives()
        yield pieces.take()

    def _is_little(self, pages: int, scan_ns: int) -> bool:
        """Whether what is left can be sent with the guest stopped, within the downtime limit."""
        limit = parameters(self.vm)
        elapsed = max(time.perf_counter_ns() - self._started_ns - self._setup_ns, 1)
        rate = max(self._sent * SECOND // elapsed, 1 << 20)
        if limit.max_bandwidth:
            rate = min(rate, limit.max_bandwidth)
        self._expected_ms = pages * PAGE_BYTES * 1000 // rate + scan_ns // MS
        return pages <= ALWAYS_SMALL_PAGES or self._expected_ms <= limit.downtime_limit

    def _send_pages(self, dirty: list[tuple[Copy, int]]) -> Iterator[bytes]:
        form = form_of(self.vm.machine)
        for start in range(0, len(dirty), 256):
            pieces: list[bytes] = []
            for copy, offset in dirty[start : start + 256]:
                data = bytes(copy.block.view[offset : offset + PAGE_BYTES])
                copy.view[offset : offset + PAGE_BYTES] = data
                self._writer.page(pieces, copy.block, offset, data)
            self._remaining = max(0, self._remaining - len(dirty[start : start + 256]) * PAGE_BYTES)
            yield _part(form, pieces)

    def _stop_guest(self) -> None:
        vm = self.vm
        self._stopped_ns = time.perf_counter_ns()
        self._state_before = vm.state
        self._resume = vm.state is RunState.RUNNING
        if self._resume:
            vm.pause()
        vm.state = RunState.FINISH_MIGRATE

    _state_before = RunState.PAUSED

    def _release_drives(self) -> None:
        for drive in self.vm.drives.values():
            if deactivate := getattr(drive, "deactivate", None):
                deactivate()

    def _reclaim_drives(self) -> None:
        for drive in self.vm.drives.values():
            if activate := getattr(drive, "activate", None):
                activate()

    # -- the end --------------------------------------------------------------------------------------

    def _all_sent(self) -> None:
        assert self.channel is not None
        if not self.channel.watchable:
            os.fsync(self.channel.fd)
        process = self.channel.process
        self.channel.close()
        if process is None:
            self._complete()
            return
        self._watching_process = True
        pidfd = os.pidfd_open(process.pid)

        def ended() -> None:
            self.vm.loop.remove_reader(pidfd)
            os.close(pidfd)
            if self.done or self.channel is None:
                return
            if failure := self.channel.failure():
                self._fail(f"Unable to write to command: {failure}")
            else:
                self._complete()

        self.vm.loop.add_reader(pidfd, ended)

    def _complete(self) -> None:
        self._downtime_ms = (time.perf_counter_ns() - self._stopped_ns) // MS
        self.vm.state = RunState.POSTMIGRATE
        self.vm.clock.on_run.append(self._taken_back)
        self._close_up()
        self._set_state("completed")

    def _taken_back(self, running: bool) -> None:
        """The guest is started here again: the images must be ours then."""
        if running:
            self.vm.clock.on_run.remove(self._taken_back)
            self._reclaim_drives()

    def _fail(self, reason: str) -> None:
        if not self.done:
            self.error = reason
            self._end("failed")

    def _end(self, state: str) -> None:
        """Give up, and let the guest go on if it was stopped for this."""
        if self.channel is not None:
            if self._waiting_for_room and self.channel.fd >= 0:
                self.vm.loop.remove_writer(self.channel.fd)
            self.channel.abandon()
        self._close_up()
        if self.vm.state is RunState.FINISH_MIGRATE:
            self.vm.state = self._state_before if not self._resume else RunState.PAUSED
            try:
                self._reclaim_drives()
            except ConfigError as error:
                self.error = f"{self.error or 'cancelled'}; the guest stays paused: {error}"
            else:
                if self._resume:
                    self.vm.start()
        self._set_state(state)

    def _close_up(self) -> None:
        self._ended_ns = time.perf_counter_ns()
        self._source = iter(())
        self._ready, self._waiting_for_room = memoryview(b""), False
        if self._timer_fd >= 0:
            self.vm.loop.remove_reader(self._timer_fd)
            os.close(self._timer_fd)
            self._timer_fd = -1


class _Pieces:
    """A sink that collects."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, data: bytes, /) -> None:
        self._pieces.append(data)

    def take(self) -> bytes:
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)


def _part(form: Form, records: list[bytes]) -> bytes:
    return form.section(stream.PART, RAM_ID, b"".join([*records, END_OF_CHUNK]))


def _find_changes(copy: Copy, dirty: list[tuple[Copy, int]]) -> Iterator[None]:
    """Append the pages that are no longer what was sent; yields after each piece of memory."""
    for _, offset, length in runs([copy.block]):
        if copy.changed(offset, length):
            for page in range(offset, offset + length, PAGE_BYTES):
                if copy.changed(page, PAGE_BYTES):
                    dirty.append((copy, page))
        if offset % (16 * RUN_BYTES) == 0:
            yield None
