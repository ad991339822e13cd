"""The machine's event loop: host descriptors, the next timer, and nothing that polls.

One epoll descriptor holds everything that can happen outside the guest. The machine's thread sleeps on it
while the guest is halted; while the guest runs, the CPU's watcher sleeps on the same descriptor and kicks the
CPU out of its loop. Callbacks always run on the machine's thread, between instructions.
"""

from __future__ import annotations

import heapq
import os
import select
import sys
import time
from collections import deque
from collections.abc import Callable

from pyqemu.core.clock import NEVER, Clock

IDLE_LIMIT_NS = 5_000_000  # how long call_idle() may wait while the guest computes
TURN_NS = 5_000_000  # other Python threads get their turn this often, as Python itself has it
BUSY_TURN_NS = 500_000  # while one of them works for the machine


class Later:
    """What ``call_later`` gives out. ``cancel()`` again, or after the call, is harmless."""

    def __init__(self, deadline_ns: int, callback: Callable[[], None]) -> None:
        self.deadline_ns = deadline_ns
        self.callback: Callable[[], None] | None = callback

    def __lt__(self, other: Later) -> bool:
        return self.deadline_ns < other.deadline_ns

    def cancel(self) -> None:
        self.callback = None


class EventLoop:
    """``timer_fd`` is a timer descriptor on CLOCK_MONOTONIC, ``set_timer(fd, ns)`` arms it (0: disarm)."""

    def __init__(self, clock: Clock, timer_fd: int, set_timer: Callable[[int, int], None]) -> None:
        self.clock = clock
        self._timer_fd = timer_fd
        self._set_timer = set_timer
        self._armed_ns = 0
        self._epoll = select.epoll()
        self._epoll.register(timer_fd, select.EPOLLIN)
        self._readers: dict[int, Callable[[], None]] = {}
        self._writers: dict[int, Callable[[], None]] = {}
        self._idle: list[Callable[[], None]] = []
        self._idle_deadline_ns = 0
        self._later: list[Later] = []
        self.turn_ns = TURN_NS  # how long the guest may compute while other threads wait
        self._workers = 0
        self._switch_interval = 0.0
        self._posted: deque[Callable[[], None]] = deque()  # other threads append
        self._wake_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self.add_reader(self._wake_fd, self._run_posted)
        clock.on_deadline = self._deadline_moved

    def fileno(self) -> int:
        """The epoll descriptor, for the CPU's watcher."""
        return self._epoll.fileno()

    # -- descriptors ----------------------------------------------------------------------------------

    def add_reader(self, fd: int, callback: Callable[[], None]) -> None:
        """Call *callback* whenever *fd* can be read. Raises PermissionError for regular files."""
        self._change(self._readers, fd, callback)

    def add_writer(self, fd: int, callback: Callable[[], None]) -> None:
        """Call *callback* whenever *fd* can be written."""
        self._change(self._writers, fd, callback)

    def remove_reader(self, fd: int) -> None:
        self._change(self._readers, fd, None)

    def remove_writer(self, fd: int) -> None:
        self._change(self._writers, fd, None)

    def _change(self, table: dict[int, Callable[[], None]], fd: int, callback: Callable[[], None] | None) -> None:
        known = fd in self._readers or fd in self._writers
        if callback is None:
            table.pop(fd, None)
        else:
            table[fd] = callback
        mask = (select.EPOLLIN if fd in self._readers else 0) | (select.EPOLLOUT if fd in self._writers else 0)
        try:
            if not known and mask:
                self._epoll.register(fd, mask)
            elif known and mask:
                self._epoll.modify(fd, mask)
            elif known:
                self._epoll.unregister(fd)
        except OSError:
            if callback is not None:
                table.pop(fd, None)
                raise

    # -- work -----------------------------------------------------------------------------------------

    def call_idle(self, callback: Callable[[], None]) -> None:
        """Call once before the loop next sleeps, or within 5 ms while the guest computes."""
        if callback not in self._idle:
            self._idle.append(callback)
            if len(self._idle) == 1:
                self._idle_deadline_ns = time.perf_counter_ns() + IDLE_LIMIT_NS
                self._arm()

    def call_later(self, seconds: float, callback: Callable[[], None]) -> Later:
        """Call once after some host time, whether the machine runs or not."""
        later = Later(time.perf_counter_ns() + int(seconds * 1e9), callback)
        heapq.heappush(self._later, later)
        self._arm()
        return later

    def _run_later(self) -> None:
        while self._later:
            first = self._later[0]
            if first.callback is not None and first.deadline_ns > time.perf_counter_ns():
                return
            heapq.heappop(self._later)
            if first.callback is not None:
                first.callback()

    def post(self, callback: Callable[[], None]) -> None:
        """Call on the machine's thread soon. May be called from any thread."""
        self._posted.append(callback)
        os.eventfd_write(self._wake_fd, 1)

    def _run_posted(self) -> None:
        os.eventfd_read(self._wake_fd)
        for _ in range(len(self._posted)):
            self._posted.popleft()()

    def worker_begins(self) -> None:
        """A thread works for the machine: it is not to wait long for its turns, which are many and short."""
        self._workers += 1
        if self._workers == 1:
            self.turn_ns, self._switch_interval = BUSY_TURN_NS, sys.getswitchinterval()
            sys.setswitchinterval(BUSY_TURN_NS / 1e9)

    def worker_ends(self) -> None:
        self._workers -= 1
        if not self._workers:
            self.turn_ns = TURN_NS
            sys.setswitchinterval(self._switch_interval)

    # -- timers ---------------------------------------------------------------------------------------

    def _deadline_moved(self, _deadline_ns: int) -> None:
        self._arm()

    def _arm(self) -> None:
        """Set the timer descriptor for the earliest of the clock's timers, the idle and the later callbacks."""
        wanted = 0
        if self.clock.running:
            deadline_ns = self.clock.next_deadline()
            if deadline_ns != NEVER:
                wanted = max(1, self.clock.host_deadline(deadline_ns))
        if self._idle and (not wanted or self._idle_deadline_ns < wanted):
            wanted = self._idle_deadline_ns
        if self._later and (not wanted or self._later[0].deadline_ns < wanted):
            wanted = self._later[0].deadline_ns
        if wanted != self._armed_ns:
            self._armed_ns = wanted
            self._set_timer(self._timer_fd, wanted)

    # -- running --------------------------------------------------------------------------------------

    def poll(self) -> None:
        """Deal with everything that is due now, without waiting."""
        self._dispatch(0)

    def wait(self) -> None:
        """Finish what was put off, then sleep until something happens, and deal with it."""
        self._run_idle()
        self._dispatch(-1)

    def _dispatch(self, timeout: float) -> None:
        for fd, events in self._epoll.poll(timeout):
            if fd == self._timer_fd:
                continue
            reader, writer = self._readers.get(fd), self._writers.get(fd)
            if reader and events & (select.EPOLLIN | select.EPOLLHUP | select.EPOLLERR):
                reader()
            if writer and events & (select.EPOLLOUT | select.EPOLLERR):
                writer()
        if self._idle and time.perf_counter_ns() >= self._idle_deadline_ns:
            self._run_idle()
        if self._later:
            self._run_later()
        if self.clock.running:
            self.clock.run_due()
        # A timer descriptor that has fired stays readable until it is set again.
        if self._armed_ns and self._armed_ns <= time.perf_counter_ns():
            self._armed_ns = -1
        self._arm()

    def _run_idle(self) -> None:
        callbacks, self._idle = self._idle, []
        for callback in callbacks:
            callback()

    def close(self) -> None:
        self._epoll.close()
        os.close(self._wake_fd)
        os.close(self._timer_fd)
