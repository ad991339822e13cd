"""Jobs in the background: how they begin, pause, end, and what they tell.

States   created, running, paused; ready and standby (a mirror that has caught up, and paused so); waiting and
         pending at the end; aborting instead, for what fails or is cancelled; concluded, null
Events   JOB_STATUS_CHANGE for each of them, and the older BLOCK_JOB_*
Errors   ConfigError in QEMU's wording for commands; what fails later is told by BLOCK_JOB_ERROR and
         BLOCK_JOB_COMPLETED
Threads  everything here runs on the machine's thread; copying is in ``copying.py``
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from pyqemu.core.errors import ConfigError
from pyqemu.core.events import EventLoop

JOBS = 64  # each is a thread and a map of its disk

_ID = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*")

GOING = ("created", "running", "paused", "ready", "standby")
VERBS: dict[str, tuple[str, ...]] = {
    "cancel": (*GOING, "waiting", "pending"),
    "pause": GOING,
    "resume": GOING,
    "set-speed": GOING,
    "complete": ("ready", "standby"),
    "finalize": ("pending",),
    "dismiss": ("concluded",),
}
"""Which command suits which state."""


class Job:
    """One job. Subclasses have ``kind`` and do the work between ``begin`` and ``stop_work``."""

    kind = ""

    def __init__(
        self, jobs: Jobs, id: str, *, speed: int = 0, auto_finalize: bool = True, auto_dismiss: bool = True
    ) -> None:
        self.jobs = jobs
        self.id = id
        self.speed = speed
        self.auto_finalize = auto_finalize
        self.auto_dismiss = auto_dismiss
        self.status = "undefined"
        self.paused = False
        self.error = ""
        self.io_status = "ok"
        self.is_busy = False
        self.length = self.offset = 0

    # -- for subclasses -------------------------------------------------------------------------------

    def begin(self) -> None:
        """Take what is needed. Raises ConfigError."""

    def work(self) -> None:
        """Go on, if there is something to do; called at the start and after each change."""

    def stop_work(self) -> None:
        """Wait for what is being done just now, and let go of everything."""

    def finish(self) -> None:
        """What belongs to success alone. Raises OSError, ConfigError."""

    def progress(self) -> tuple[int, int]:
        """Bytes done, and bytes in all."""
        return self.offset, self.length

    # -- commands -------------------------------------------------------------------------------------

    def check(self, verb: str) -> None:
        if self.status not in VERBS[verb]:
            raise ConfigError(f"Job '{self.id}' in state '{self.status}' cannot accept command verb '{verb}'")

    def pause(self) -> None:
        self.check("pause")
        if self.paused:
            raise ConfigError("Job is already paused")
        self.hold()

    def hold(self) -> None:
        """Pause, for whatever reason."""
        self.paused = True
        self.change("standby" if self.status == "ready" else "paused")

    def resume(self) -> None:
        if not self.paused:
            raise ConfigError("Can't resume a job that was not paused")
        self.check("resume")
        self.go_on()
        self.jobs.loop.post(self.work)

    def go_on(self) -> None:
        self.paused = False
        self.io_status = "ok"
        self.change("ready" if self.status == "standby" else "running")

    def set_speed(self, speed: int) -> None:
        if self.status not in VERBS["set-speed"]:
            self.check("set-speed")
        if speed < 0:
            raise ConfigError("Parameter 'speed' expects a non-negative value")
        self.speed = speed
        self.jobs.loop.post(self.work)

    def cancel(self, force: bool) -> None:
        """A mirror that is ready ends well, unless *force* is given: its target is then a good copy."""
        self.check("cancel")
        if self.paused and not force:
            raise ConfigError(f"The block job for device '{self.id}' is currently paused")
        if self.paused:
            self.go_on()
        if self.status == "ready" and not force:
            self.end_well(cancelled=True)
        else:
            self.abort("")

    def complete(self) -> None:
        self.check("complete")
        self.end_well(cancelled=False)

    def end_well(self, *, cancelled: bool) -> None:
        """End as soon as possible, with a good copy."""
        raise ConfigError(f"The active block job '{self.id}' cannot be completed")

    def finalize(self) -> None:
        self.check("finalize")
        self._finalize()

    def dismiss(self) -> None:
        self.check("dismiss")
        self._dismiss()

    # -- states ---------------------------------------------------------------------------------------

    def change(self, status: str) -> None:
        if status != self.status:
            self.status = status
            self.jobs.emit("JOB_STATUS_CHANGE", id=self.id, status=status)

    def tell(self, event: str, **more: Any) -> None:
        """One of the older events."""
        offset, length = self.progress()
        data = {"type": self.kind, "device": self.id, "len": length, "offset": offset, "speed": self.speed}
        self.jobs.emit(event, **data, **more)

    def succeed(self) -> None:
        """The work is done."""
        self.change("waiting")
        self.change("pending")
        if self.auto_finalize:
            self._finalize()
        else:
            self.jobs.emit("BLOCK_JOB_PENDING", type=self.kind, id=self.id)

    def _finalize(self) -> None:
        try:
            self.finish()
        except (OSError, ConfigError) as error:
            self.abort((error.strerror or str(error)) if isinstance(error, OSError) else str(error))
            return
        self.stop_work()
        self.tell("BLOCK_JOB_COMPLETED")
        self._conclude()

    def abort(self, error: str) -> None:
        """End without success. *error* is empty for what somebody has cancelled."""
        self.stop_work()
        self.change("aborting")
        self.error = error or "Operation canceled"
        if error:
            self.tell("BLOCK_JOB_COMPLETED", error=error)
        else:
            self.tell("BLOCK_JOB_CANCELLED")
        self._conclude()

    def _conclude(self) -> None:
        self.paused = False
        self.change("concluded")
        if self.auto_dismiss:
            self._dismiss()

    def _dismiss(self) -> None:
        self.change("null")
        self.jobs.by_id.pop(self.id, None)


class Jobs:
    """A machine's jobs. *emit* is called with each event's name and data."""

    def __init__(self, loop: EventLoop, emit: Callable[..., None]) -> None:
        self.loop = loop
        self.emit = emit
        self.by_id: dict[str, Job] = {}

    @property
    def going(self) -> list[Job]:
        """Those that are not over."""
        return [job for job in self.by_id.values() if job.status != "concluded"]

    def check_id(self, id: str) -> None:
        """Raises ConfigError."""
        if not _ID.fullmatch(id):
            raise ConfigError(f"Invalid job ID '{id}'")
        if id in self.by_id:
            raise ConfigError(f"Job ID '{id}' already in use")
        if len(self.by_id) >= JOBS:
            raise ConfigError(f"Too many jobs (more than {JOBS})")

    def start(self, job: Job) -> None:
        """Begin; the work itself begins after whatever the machine's thread does now. Raises ConfigError."""
        job.begin()
        self.by_id[job.id] = job
        job.change("created")
        job.change("running")
        self.loop.post(job.work)

    def close(self) -> None:
        """The machine ends, and its jobs with it."""
        for job in self.going:
            if job.paused:
                job.go_on()
            job.abort("")
        self.by_id.clear()
