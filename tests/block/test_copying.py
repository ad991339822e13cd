"""Backups hold one moment, mirrors keep up, whatever the guest writes meanwhile; and errors of the target."""

from __future__ import annotations

import errno
import os
import random
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from process.program import PATIENCE

from pyqemu.block import copying
from pyqemu.block.copying import CLUSTER_BYTES, Backup, ClusterMap, Commit, Mirror, create_raw
from pyqemu.block.drive import FileDrive, open_drive
from pyqemu.block.graph import Graph
from pyqemu.block.jobs import Job, Jobs
from pyqemu.block.raw import RawImage
from pyqemu.core.clock import Clock
from pyqemu.core.errors import ConfigError
from pyqemu.core.events import EventLoop
from pyqemu.cpu.library import native

SIZE = 40 * CLUSTER_BYTES + 1536
END_OF_JOB = ("BLOCK_JOB_COMPLETED", "BLOCK_JOB_CANCELLED")


class Bench:
    """A drive with a job's surroundings: an event loop, and what has been told."""

    def __init__(self, folder: Path) -> None:
        sysmode = native()
        self.loop = EventLoop(Clock(), sysmode.timer_create(), sysmode.timer_set)
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.jobs = Jobs(self.loop, lambda name, **data: self.events.append((name, data)))
        self.graph = Graph()
        self.folder = folder
        self.path = folder / "disk.img"
        self.rng = random.Random(1)
        self.path.write_bytes(self.rng.randbytes(SIZE // 2) + bytes(SIZE - SIZE // 2))

    def drive(self, **options: Any) -> FileDrive:
        return open_drive(str(self.path), id="hd", format="raw", graph=self.graph, **options)

    def start(
        self,
        kind: type[Backup] | type[Mirror],
        drive: FileDrive,
        size: int = SIZE,
        folder: Path | None = None,
        **how: Any,
    ) -> Any:
        path = str((folder or self.folder) / "target.img")
        sparse = create_raw(path, size)
        target = self.graph.open(path, writable=True)
        assert drive.node is not None
        ends = {"graph": self.graph, "source": drive.node, "drive": drive, "target": target, "sparse": sparse}
        job = kind(self.jobs, "job", **(ends | how))
        self.jobs.start(job)
        return job

    @property
    def target(self) -> bytes:
        return (self.folder / "target.img").read_bytes()

    def names(self) -> list[str]:
        return [data["status"] if name == "JOB_STATUS_CHANGE" else name for name, data in self.events]

    def until(self, *names: str) -> None:
        """Go on until one of the events comes; each is looked at once."""
        alarm = self.loop.call_later(60 * PATIENCE, lambda: pytest.fail(f"none of {names} in {self.names()}"))
        while not any(name in names for name in self.names()):
            self.loop.wait()
        alarm.cancel()

    def write_somewhere(self, drive: FileDrive, *, zeros: bool = False) -> None:
        offset = self.rng.randrange(0, SIZE // 512) * 512
        length = min(self.rng.choice([512, 4096, CLUSTER_BYTES, 3 * CLUSTER_BYTES]), drive.size - offset)
        drive.write(offset, bytes(length) if zeros else self.rng.randbytes(length))


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.jobs.close()
    bench.graph.close()
    bench.loop.close()
    assert threading.active_count() == 1


def content(drive: FileDrive) -> bytes:
    data = bytearray(drive.size)
    drive.read_into(0, data)
    return bytes(data)


@pytest.mark.parametrize("snapshot", [False, True])
def test_a_backup_holds_what_the_drive_held_at_its_beginning(bench: Bench, snapshot: bool) -> None:
    drive = bench.drive(snapshot=snapshot)
    bench.write_somewhere(drive)
    then = content(drive)
    bench.start(Backup, drive)
    while "BLOCK_JOB_COMPLETED" not in bench.names():
        bench.write_somewhere(drive)
        bench.loop.poll()
    assert bench.target == then != content(drive)
    assert bench.names() == [
        "created", "running", "waiting", "pending", "BLOCK_JOB_COMPLETED", "concluded", "null"
    ]  # fmt: skip
    assert bench.events[4][1] == {"type": "backup", "device": "job", "len": SIZE, "offset": SIZE, "speed": 0}
    assert len(bench.graph.nodes) == 2  # the target's are gone


def test_what_is_overwritten_before_a_backup_came_there_is_saved_by_the_write(bench: Bench) -> None:
    drive = bench.drive()
    then = content(drive)
    job = bench.start(Backup, drive, speed=1)
    for _ in range(200):
        bench.write_somewhere(drive)
    done = job.progress()[0]
    assert done > SIZE // 2
    assert content(drive) != then
    job.set_speed(0)
    bench.until("BLOCK_JOB_COMPLETED")
    assert bench.target == then


def test_a_backup_of_holes_is_sparse(bench: Bench) -> None:
    os.truncate(bench.path, 0)
    os.truncate(bench.path, 1 << 30)
    drive = bench.drive()
    drive.write(512 << 20, b"x" * 512)
    bench.start(Backup, drive, size=1 << 30)
    bench.until("BLOCK_JOB_COMPLETED")
    status = (bench.folder / "target.img").stat()
    assert status.st_size == 1 << 30 and status.st_blocks * 512 <= 1 << 20
    with open(bench.folder / "target.img", "rb") as file:
        file.seek(512 << 20)
        assert file.read(513) == b"x" * 512 + b"\0"


@pytest.mark.parametrize("blocking", [False, True])
@pytest.mark.parametrize("snapshot", [False, True])
def test_a_mirror_ends_as_its_drive_is_and_the_drive_goes_on_there(
    bench: Bench, snapshot: bool, blocking: bool
) -> None:
    drive = bench.drive(snapshot=snapshot)
    job = bench.start(Mirror, drive, blocking=blocking)
    for _ in range(100):
        bench.write_somewhere(drive, zeros=bench.rng.random() < 0.5)
        bench.loop.poll()
    bench.until("BLOCK_JOB_READY")
    for _ in range(20):
        bench.write_somewhere(drive, zeros=bench.rng.random() < 0.5)
        bench.loop.poll()
    job.complete()
    while "BLOCK_JOB_COMPLETED" not in bench.names():
        bench.write_somewhere(drive)
        bench.loop.poll()
    assert drive.path.endswith("target.img") and not drive.has_overlay
    assert bench.target == content(drive)
    left = bench.path.read_bytes()
    drive.write(0, b"only there")
    drive.flush()
    assert bench.target[:10] == b"only there" and bench.path.read_bytes() == left
    assert [node.filename for node in bench.graph.nodes.values()] == [drive.path] * 2
    open_drive(str(bench.path), id="free", format="raw").close()  # nobody has the old image any more


def test_a_ready_mirror_that_is_cancelled_leaves_a_good_copy(bench: Bench) -> None:
    drive = bench.drive()
    job = bench.start(Mirror, drive)
    bench.until("BLOCK_JOB_READY")
    bench.write_somewhere(drive)
    job.cancel(force=False)
    bench.until(*END_OF_JOB)
    assert "BLOCK_JOB_COMPLETED" in bench.names()
    assert bench.target == content(drive) and drive.path == str(bench.path)


def test_pausing_and_going_on(bench: Bench) -> None:
    drive = bench.drive()
    job = bench.start(Backup, drive, speed=1)
    bench.loop.wait()
    job.pause()
    with pytest.raises(ConfigError, match="Job is already paused"):
        job.pause()
    job.set_speed(0)
    for _ in range(5):
        bench.loop.poll()
    assert job.status == "paused"
    with pytest.raises(ConfigError, match="is currently paused"):
        job.cancel(force=False)
    job.resume()
    bench.until("BLOCK_JOB_COMPLETED")
    assert bench.target == content(drive)


def break_target(monkeypatch: pytest.MonkeyPatch, job: Any, number: int) -> None:
    def fail(*_: Any) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(job.target.image, "write", fail)


@pytest.mark.parametrize("kind", [Backup, Mirror])
def test_a_full_host_disk_ends_the_job_and_nothing_else(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, kind: Any
) -> None:
    drive = bench.drive()
    break_target(monkeypatch, bench.start(kind, drive), errno.ENOSPC)
    bench.until("BLOCK_JOB_COMPLETED")
    assert ("BLOCK_JOB_ERROR", {"device": "job", "operation": "write", "action": "report"}) in bench.events
    assert dict(bench.events)["BLOCK_JOB_COMPLETED"]["error"] == "No space left on device"
    assert bench.names()[-2:] == ["concluded", "null"]
    drive.write(0, b"goes on")
    assert content(drive)[:7] == b"goes on"


def test_a_backup_that_cannot_save_what_is_overwritten_lets_the_guest_go_on(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    drive = bench.drive()
    job = bench.start(Backup, drive, speed=1, on_target_error="stop")
    bench.loop.wait()
    break_target(monkeypatch, job, errno.EIO)
    for _ in range(100):
        bench.write_somewhere(drive)
    bench.until("BLOCK_JOB_COMPLETED")
    assert dict(bench.events)["BLOCK_JOB_COMPLETED"]["error"] == "Input/output error"


@pytest.mark.parametrize("action", ["stop", "enospc"])
def test_a_job_may_stop_at_an_error_and_go_on_later(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, action: str
) -> None:
    drive = bench.drive()
    with monkeypatch.context() as patch:
        job = bench.start(Mirror, drive, on_target_error=action)
        break_target(patch, job, errno.ENOSPC)
        bench.until("paused")
        assert (job.io_status, job.paused) == ("nospace", True)
    job.resume()
    bench.until("BLOCK_JOB_READY")
    assert job.io_status == "ok"
    job.complete()
    bench.until(*END_OF_JOB)
    assert bench.target == content(drive)


def test_a_mirror_whose_target_fails_at_the_end_does_not_move_the_guest(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    drive = bench.drive()
    job = bench.start(Mirror, drive, auto_finalize=False)
    bench.until("BLOCK_JOB_READY")
    job.complete()
    bench.until("BLOCK_JOB_PENDING")
    break_target(monkeypatch, job, errno.EIO)
    drive.write(0, b"lost at the target")
    job.finalize()
    assert dict(bench.events)["BLOCK_JOB_COMPLETED"]["error"] == "Input/output error"
    assert drive.path == str(bench.path) and content(drive)[:4] == b"lost"


def test_between_pending_and_finalize_the_target_still_follows(bench: Bench) -> None:
    drive = bench.drive()
    job = bench.start(Mirror, drive, auto_finalize=False, auto_dismiss=False)
    bench.until("BLOCK_JOB_READY")
    job.complete()
    bench.until("BLOCK_JOB_PENDING")
    bench.write_somewhere(drive)
    job.finalize()
    assert bench.target == content(drive) and drive.path.endswith("target.img")
    assert job.status == "concluded"
    job.dismiss()
    assert bench.jobs.by_id == {}


def test_a_target_of_another_size_ends_a_mirror(bench: Bench) -> None:
    bench.start(Mirror, bench.drive(), size=SIZE - 512)
    bench.until("BLOCK_JOB_COMPLETED")
    assert bench.names() == ["created", "running", "aborting", "BLOCK_JOB_COMPLETED", "concluded", "null"]
    assert dict(bench.events)["BLOCK_JOB_COMPLETED"]["error"] == "Source and target image have different sizes"


def test_a_medium_that_is_taken_out_is_copied_to_its_end(bench: Bench) -> None:
    drive = bench.drive(media="cdrom")
    then = content(drive)
    job = bench.start(Backup, drive, speed=1)
    drive.eject()
    job.set_speed(0)
    bench.until("BLOCK_JOB_COMPLETED")
    assert bench.target == then
    assert bench.graph.nodes == {}


def test_cancelling_leaves_the_drive_alone(bench: Bench) -> None:
    drive = bench.drive()
    job = bench.start(Mirror, drive, speed=1)
    bench.loop.wait()
    job.cancel(force=False)
    assert bench.names()[-3:] == ["BLOCK_JOB_CANCELLED", "concluded", "null"]
    bench.write_somewhere(drive)
    assert len(bench.graph.nodes) == 2


def test_jobs_have_an_end(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pyqemu.block.jobs.JOBS", 1)
    for name in ("1x", "", "a b", "ä"):
        with pytest.raises(ConfigError, match="Invalid job ID"):
            bench.jobs.check_id(name)
    bench.jobs.start(Job(bench.jobs, "one"))
    with pytest.raises(ConfigError, match="already in use"):
        bench.jobs.check_id("one")
    with pytest.raises(ConfigError, match="Too many jobs"):
        bench.jobs.check_id("two")


@pytest.mark.parametrize("size", [0, 1, 3 * CLUSTER_BYTES, 3 * CLUSTER_BYTES + 1])
def test_a_map_counts_what_is_marked(size: int) -> None:
    clusters = ClusterMap(size)
    assert clusters.left == clusters.count == -(-size // CLUSTER_BYTES)
    clusters.set(0, 2, False)
    clusters.set(1, 100, True)
    assert clusters.left == max(0, clusters.count - 1)
    assert clusters.next(0) == (1 if clusters.count > 1 else -1)


def test_a_new_image_is_made_with_care(tmp_path: Path, bench: Bench) -> None:
    drive = bench.drive()
    before = content(drive)
    with pytest.raises(ConfigError, match='Failed to get "write" lock'):
        create_raw(str(bench.path), 512)
    assert content(drive) == before
    os.mkfifo(tmp_path / "fifo")
    for path in (str(tmp_path / "fifo"), "/dev/null", str(tmp_path)):
        with pytest.raises(ConfigError, match="to be a regular file"):
            create_raw(path, 512)
    with pytest.raises(ConfigError, match="Could not create '/nosuch/x': No such file or directory"):
        create_raw("/nosuch/x", 512)
    with pytest.raises(ConfigError, match="Could not create"):
        create_raw("a\0b", 512)


def test_a_limit_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(copying.time, "monotonic", lambda: now)
    pace = copying.Pace(1000)
    pace.spend(500)
    assert pace.delay() == 0.5
    now = 2.0
    pace.spend(500)
    assert pace.delay() == 0.5
    assert copying.Pace(0).delay() == 0 and copying.Pace(1).piece_bytes == CLUSTER_BYTES


def test_a_mirror_catches_up_with_a_guest_that_writes_all_the_time(bench: Bench) -> None:
    """All is dirty again after each turn of the loop, so nothing but the guest's waiting can help."""
    drive = bench.drive()
    job = bench.start(Mirror, drive)
    turns = 0
    while "BLOCK_JOB_READY" not in bench.names():
        for offset in range(0, SIZE, CLUSTER_BYTES):
            drive.write(offset, turns.to_bytes(8, "little"))
        bench.loop.wait() if job.is_busy else bench.loop.poll()
        turns += 1
    assert job._rounds > copying.ROUNDS
    drive.write(0, b"behind again")
    assert not bench.target.startswith(b"behind again")
    job.cancel(force=False)
    bench.until("BLOCK_JOB_COMPLETED")
    assert bench.target == content(drive)


def test_a_failing_target_is_told_of_once_however_much_the_guest_writes(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    drive = bench.drive()
    job = bench.start(Mirror, drive, blocking=True, on_target_error="stop")
    bench.until("BLOCK_JOB_READY")
    with monkeypatch.context() as patch:
        break_target(patch, job, errno.EIO)
        for _ in range(3):
            for _ in range(50):
                bench.write_somewhere(drive)
            bench.loop.poll()
        assert bench.names().count("BLOCK_JOB_ERROR") == 1 and job.status == "standby"
    job.resume()
    job.complete()
    bench.until("BLOCK_JOB_COMPLETED")
    assert bench.target == content(drive)


def commit(bench: Bench, drive: FileDrive, **how: Any) -> Commit:
    job = Commit(bench.jobs, "job", graph=bench.graph, drive=drive, **how)
    bench.jobs.start(job)
    return job


def test_a_commit_moves_the_drive_to_its_image(bench: Bench) -> None:
    before = bench.path.read_bytes()
    drive = bench.drive(snapshot=True)
    for _ in range(5):
        bench.write_somewhere(drive)
    assert bench.path.read_bytes() == before
    job = commit(bench, drive)
    for _ in range(50):
        bench.write_somewhere(drive)
        bench.loop.poll()
    bench.until("BLOCK_JOB_READY")
    job.complete()
    while "BLOCK_JOB_COMPLETED" not in bench.names():
        bench.write_somewhere(drive)
        bench.loop.poll()
    assert not drive.has_overlay and not drive.read_only
    assert bench.path.read_bytes() == content(drive) != before
    drive.write(0, b"to the image")
    drive.flush()
    assert bench.path.read_bytes().startswith(b"to the image")
    with pytest.raises(ConfigError, match='Failed to get "write" lock'):
        open_drive(str(bench.path), id="other", format="raw")


def test_a_commit_that_is_cancelled_changes_nothing_that_the_guest_sees(bench: Bench) -> None:
    drive = bench.drive(snapshot=True)
    for _ in range(20):
        bench.write_somewhere(drive)
    then = content(drive)
    job = commit(bench, drive, speed=1)
    bench.loop.wait()
    job.cancel(force=True)
    assert drive.has_overlay and content(drive) == then
    image = bench.path.read_bytes()
    bench.write_somewhere(drive)
    assert bench.path.read_bytes() == image
    open_drive(str(bench.path), id="reader", format="raw", read_only=True).close()


def test_a_commit_needs_the_image_for_itself(bench: Bench) -> None:
    drive = bench.drive(snapshot=True)
    reader = open_drive(str(bench.path), id="reader", format="raw", read_only=True)
    with pytest.raises(ConfigError, match='Failed to get "write" lock'):
        commit(bench, drive)
    assert bench.events == [] and bench.jobs.by_id == {}
    reader.close()
    os.rename(bench.path, bench.folder / "moved.img")
    bench.path.write_bytes(bytes(SIZE))
    with pytest.raises(ConfigError, match="it is not the file that it was"):
        commit(bench, drive)


def test_what_a_failed_piece_held_is_saved_when_the_guest_overwrites_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even before the machine's thread has heard of the failure."""
    drive = bench.drive()
    then = content(drive)
    job = bench.start(Backup, drive, on_target_error="stop")
    with monkeypatch.context() as patch:
        break_target(patch, job, errno.EIO)
        bench.loop.poll()
        job._piece.finished.wait()
    drive.write(512, b"new" * 512)
    bench.until("paused")
    drive.write(CLUSTER_BYTES, b"new" * 512)
    job.resume()
    bench.until("BLOCK_JOB_COMPLETED")
    assert bench.target == then != content(drive)


@pytest.mark.parametrize("seed", range(12))
def test_whatever_is_done_to_jobs_the_guest_sees_its_own_data(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Jobs of every kind begin, pause, fail, go on and end in any order, while the guest writes."""
    rng = bench.rng = random.Random(seed)
    drive = bench.drive(snapshot=seed % 2 == 0)
    model = bytearray(content(drive))
    moments: dict[int, bytes] = {}
    fails = False
    write = RawImage.write

    def write_or_fail(image: RawImage, offset: int, data: memoryview) -> None:
        if fails and image is not drive.image:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(image, offset, data)

    monkeypatch.setattr(RawImage, "write", write_or_fail)
    job: Any = None
    completed = 0
    for _ in range(400):
        kind = rng.choice([Backup, Commit if seed % 4 == 0 else Mirror])
        action = rng.choice(
            ["write"] * 8 + ["go on"] * 12 + ["begin"] * 3 + ["complete"] * 3
            + ["pause", "resume", "resume", "cancel", "finalize", "fail"]
        )  # fmt: skip
        try:
            if action == "write":
                offset, length = rng.randrange(0, SIZE // 512) * 512, rng.choice([512, 5 * 512, 100_000])
                data = rng.randbytes(min(length, SIZE - offset))
                drive.write(offset, data)
                model[offset : offset + len(data)] = data
            elif action == "go on":
                bench.loop.wait() if job is not None and job.is_busy else bench.loop.poll()
            elif action == "fail":
                fails = rng.random() < 0.2
            elif action == "begin" and not bench.jobs.by_id:
                how = {
                    "speed": rng.choice([0, 0, 10_000_000]),
                    "on_target_error": rng.choice(["report", "stop"]),
                    "auto_finalize": rng.random() < 0.8,
                }
                bench.events.clear()
                if kind is not Commit:
                    bench.folder.joinpath(f"t{completed}").mkdir(exist_ok=True)
                    job = bench.start(kind, drive, folder=bench.folder / f"t{completed}", **how)
                    moments[id(job)] = bytes(model)
                elif drive.has_overlay:
                    job = commit(bench, drive, **how)
            elif job is not None and action == "cancel":
                job.cancel(force=rng.random() < 0.3)
            elif job is not None and action in ("pause", "resume", "complete", "finalize"):
                getattr(job, action)()
        except ConfigError:
            pass
        if "BLOCK_JOB_COMPLETED" in bench.names() and "error" not in dict(bench.events)["BLOCK_JOB_COMPLETED"]:
            completed += 1
            if isinstance(job, Backup):
                assert Path(job.target.filename).read_bytes() == moments[id(job)]
            bench.events.clear()
    assert content(drive) == model
    fails = False
    bench.jobs.close()
    assert content(drive) == model
    assert len(bench.graph.nodes) == 2
