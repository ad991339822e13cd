"""The machine's virtual clock and the timers that run on it.

Devices see nanoseconds since power-on. The clock stops while the machine is stopped, and is saved with
it. No device reads the host's clock. Tests use a clock with ``source=None`` and move it by hand.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable

NS_PER_SECOND = 1_000_000_000
NEVER = 1 << 63


class Timer:
    """A one-shot alarm. ``callback()`` runs on the machine's thread once the clock reaches the deadline."""

    __slots__ = ("_clock", "_entry", "callback", "deadline_ns")

    def __init__(self, clock: Clock, callback: Callable[[], None]) -> None:
        self.callback = callback
        self.deadline_ns = NEVER
        self._clock = clock
        self._entry = 0

    @property
    def pending(self) -> bool:
        return self.deadline_ns != NEVER

    def start(self, deadline_ns: int) -> None:
        """(Re)arm for an absolute virtual time; a time in the past means as soon as possible."""
        if deadline_ns != self.deadline_ns:
            self.deadline_ns = deadline_ns
            self._clock.schedule(self)

    def stop(self) -> None:
        self.deadline_ns = NEVER
        self._entry = 0


class Clock:
    """Virtual time in nanoseconds, with a heap of timers.

    ``source``       host nanoseconds, monotonic; None: time moves by ``advance()`` only
    ``on_deadline``  called with the new earliest deadline when it moves forward, to wake a sleeper
    """

    def __init__(self, source: Callable[[], int] | None = time.perf_counter_ns) -> None:
        self._source = source
        self._offset_ns = -source() if source else 0
        self._stopped_at_ns: int | None = None if source is None else 0
        self._manual_ns = 0
        self._heap: list[tuple[int, int, Timer]] = []
        self._entries = 0
        self.on_deadline: Callable[[int], None] | None = None
        self.on_run: list[Callable[[bool], None]] = []  # called with True and False when time starts and stops
        if source is None:
            self.now = self._manual_now  # type: ignore[method-assign]

    def _manual_now(self) -> int:
        return self._manual_ns

    def now(self) -> int:
        """Nanoseconds of virtual time."""
        stopped = self._stopped_at_ns
        if stopped is not None:
            return stopped
        assert self._source is not None
        return self._source() + self._offset_ns

    @property
    def running(self) -> bool:
        return self._source is not None and self._stopped_at_ns is None

    @property
    def stopped(self) -> bool:
        """Time stands still until ``start()``."""
        return self._stopped_at_ns is not None

    def start(self) -> None:
        """Let time pass (a stopped clock goes on where it stood)."""
        if self._source and self._stopped_at_ns is not None:
            self._offset_ns = self._stopped_at_ns - self._source()
            self._stopped_at_ns = None
            for callback in self.on_run:
                callback(True)

    def stop(self) -> None:
        """Freeze time. Timers keep their deadlines."""
        if self._source and self._stopped_at_ns is None:
            self._stopped_at_ns = self.now()
            for callback in self.on_run:
                callback(False)

    def set(self, now_ns: int) -> None:
        """Set the time. Only while stopped or by hand; timers keep their deadlines."""
        if self._source is None:
            self._manual_ns = now_ns
        else:
            assert self._stopped_at_ns is not None, "the clock is running"
            self._stopped_at_ns = now_ns

    def restore(self, now_ns: int) -> None:
        """Set the time of a saved state. Timers that wait keep the time they have left: those of devices are
        started again by ``refresh``, those of the host are meant so."""
        change = now_ns - self.now()
        live = [timer for _, entry, timer in self._heap if timer._entry == entry]
        for timer in live:
            timer.deadline_ns += change
        self._heap = [(timer.deadline_ns, timer._entry, timer) for timer in live]
        heapq.heapify(self._heap)
        self.set(now_ns)

    def host_deadline(self, deadline_ns: int) -> int:
        """The host clock's value (CLOCK_MONOTONIC ns) at a virtual time, while the clock runs."""
        return deadline_ns - self._offset_ns

    def timer(self, callback: Callable[[], None]) -> Timer:
        """A new timer, not armed."""
        return Timer(self, callback)

    def schedule(self, timer: Timer) -> None:
        """For ``Timer`` only: enter an armed timer into the heap."""
        self._entries += 1
        timer._entry = self._entries
        heap = self._heap
        heapq.heappush(heap, (timer.deadline_ns, self._entries, timer))
        if heap[0][2] is timer and self.on_deadline is not None:
            self.on_deadline(timer.deadline_ns)
        if len(heap) > 64 and len(heap) > 8 * sum(1 for entry in heap if entry[2]._entry == entry[1]):
            # A guest that re-arms a timer without ever letting it run must not grow the heap.
            self._heap = [entry for entry in heap if entry[2]._entry == entry[1]]
            heapq.heapify(self._heap)

    def next_deadline(self) -> int:
        """The earliest armed deadline (virtual ns), or NEVER."""
        heap = self._heap
        while heap and heap[0][2]._entry != heap[0][1]:
            heapq.heappop(heap)
        return heap[0][0] if heap else NEVER

    def run_due(self) -> None:
        """Run the callbacks of all timers whose time has come, earliest first."""
        now = self.now()
        while self.next_deadline() <= now:
            timer = heapq.heappop(self._heap)[2]
            timer.stop()
            timer.callback()

    def advance(self, ns: int) -> None:
        """Move a manual clock forward, running timers at their own times on the way."""
        assert self._source is None, "a running clock cannot be moved"
        target = self._manual_ns + ns
        while (deadline := self.next_deadline()) <= target:
            self._manual_ns = max(self._manual_ns, deadline)
            timer = heapq.heappop(self._heap)[2]
            timer.stop()
            timer.callback()
        self._manual_ns = target
