"""Copying a drive while the guest goes on: a backup of one moment, and a mirror that keeps up.

Backup   copy before write: what the guest is about to overwrite is copied first, so that the target holds what the
         drive held when the job began
Mirror   what the guest writes is marked and copied again; once nothing is marked the job is ready, and ends on
         command, with the drive going on at the target or staying where it is. A guest that writes faster than it
         can follow is slowed down after a while
Commit   a mirror of an overlay to the image underneath it
Threads  the machine's thread decides everything; a worker of each job copies the piece that it is given, at most
         4 MiB. A guest that writes where a piece is being copied waits for it.
Holes    a target that was made for the job reads as zeros: zeros are not written to it, and holes of the source
         not read
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import threading
import time
from functools import partial
from queue import SimpleQueue
from typing import Any

from pyqemu.block import lock
from pyqemu.block.drive import FileDrive
from pyqemu.block.graph import Graph, Node
from pyqemu.block.jobs import GOING, Job, Jobs
from pyqemu.block.overlay import Overlay
from pyqemu.block.raw import Image, RawImage, check_kind
from pyqemu.core.errors import ConfigError
from pyqemu.core.events import EventLoop

CLUSTER_BYTES = 64 << 10
PIECE_BYTES = 4 << 20
ROUNDS = 10  # that a mirror tries to catch up with a guest, before it slows it down
PIECES_PER_S = 8  # under a limit, pieces are as small as that takes

_ZEROS = bytes(CLUSTER_BYTES)


class ClusterMap:
    """Which clusters are to be copied. One byte each: 16 MiB for a disk of 1 TiB."""

    def __init__(self, size: int, *, marked: bool = True) -> None:
        self.count = -(-size // CLUSTER_BYTES)
        self._marks = bytearray(b"\1" * self.count if marked else self.count)
        self.left = self.count if marked else 0

    def next(self, start: int, end: int | None = None) -> int:
        """The first marked one from *start* on; -1: none."""
        return self._marks.find(1, start, self.count if end is None else end)

    def run(self, start: int, end: int) -> int:
        """Where the marked ones that begin at *start* end, at most *end*."""
        found = self._marks.find(0, start, end)
        return min(end, self.count) if found < 0 else found

    def set(self, start: int, end: int, marked: bool) -> None:
        end = min(end, self.count)
        start = min(start, end)
        before = self._marks.count(1, start, end)
        self._marks[start:end] = (b"\1" if marked else b"\0") * (end - start)
        self.left += (end - start if marked else 0) - before


class Piece:
    """Bytes *start*..*end* to copy, by whoever calls ``run``. *sparse*: the target holds zeros there."""

    def __init__(self, source: Image, target: Image, start: int, end: int, sparse: bool) -> None:
        self.start, self.end = start, end
        self.finished = threading.Event()
        self.error: OSError | None = None
        self.failed_reading = False
        self.is_taken_back = False
        self._source, self._target, self._sparse = source, target, sparse

    def run(self) -> None:
        self.failed_reading = True
        try:
            data = memoryview(bytearray(self.end - self.start))
            self._source.read_into(self.start, data)
            self.failed_reading = False
            if self._sparse:
                self._write_what_is_not_zero(data)
            elif data:
                self._target.write(self.start, data)
            else:
                self._target.flush()
        except OSError as error:
            self.error = error
        except ValueError:  # an overlay that has been closed: its medium was taken out
            self.error = OSError(errno.ENOMEDIUM, os.strerror(errno.ENOMEDIUM))

    def _write_what_is_not_zero(self, data: memoryview) -> None:
        begin = 0
        for at in range(0, len(data), CLUSTER_BYTES):
            cluster = data[at : at + CLUSTER_BYTES]
            if cluster.tobytes() == _ZEROS[: len(cluster)]:
                if begin < at:
                    self._target.write(self.start + begin, data[begin:at])
                begin = at + len(cluster)
        if begin < len(data):
            self._target.write(self.start + begin, data[begin:])


class Worker:
    """A thread that copies pieces, one after the other, and posts *done* for each."""

    def __init__(self, loop: EventLoop, name: str) -> None:
        self._loop = loop
        self._pieces: SimpleQueue[tuple[Piece, Any] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        loop.worker_begins()
        self._thread.start()

    def give(self, piece: Piece, done: Any) -> None:
        self._pieces.put((piece, done))

    def close(self) -> None:
        self._pieces.put(None)
        self._thread.join()
        self._loop.worker_ends()

    def _run(self) -> None:
        while (order := self._pieces.get()) is not None:
            piece, done = order
            piece.run()
            piece.finished.set()
            self._loop.post(done)


class Pace:
    """Bytes a second; 0: as fast as it goes."""

    def __init__(self, speed: int) -> None:
        self.set(speed)

    def set(self, speed: int) -> None:
        self.speed = speed
        self._free_at = time.monotonic()

    def delay(self) -> float:
        """Seconds until more may be copied."""
        return max(0.0, self._free_at - time.monotonic()) if self.speed else 0.0

    def spend(self, count: int) -> None:
        if self.speed:
            self._free_at = max(self._free_at, time.monotonic()) + count / self.speed

    @property
    def piece_bytes(self) -> int:
        if not self.speed:
            return PIECE_BYTES
        return min(PIECE_BYTES, max(CLUSTER_BYTES, self.speed // PIECES_PER_S))


class Use:
    """A job's hold on a node. ``blocks_removal`` is what refusals name."""

    def __init__(self, kind: str) -> None:
        self.blocks_removal = kind


class CopyJob(Job):
    """What backup and mirror have in common.

    ``drive``   the one that has the source, if any; the guest's writes come from there
    ``sparse``  the target reads as zeros
    ``on_source_error``, ``on_target_error``: report ends the job, stop pauses it, enospc pauses it for a full disk
    """

    target_blocks = ""  # what refusals to remove the target name

    def __init__(
        self,
        jobs: Jobs,
        id: str,
        *,
        graph: Graph,
        source: Node,
        drive: FileDrive | None,
        target: Node,
        sparse: bool = False,
        on_source_error: str = "report",
        on_target_error: str = "report",
        **life: Any,
    ) -> None:
        super().__init__(jobs, id, **life)
        self.graph = graph
        self.source = source
        self.drive = drive
        self.target = target
        self.sparse = sparse
        self.on_source_error = on_source_error
        self.on_target_error = on_target_error
        self.size = source.size
        self.map = ClusterMap(self.size)
        self._reader: Image = drive.image if drive is not None and drive.image is not None else source.image
        self._piece: Piece | None = None
        self._at = 0  # the cluster that the search goes on from
        self._rounds = 0
        self._is_failing = False  # and nobody has decided yet what that means
        self._is_alive = False
        self._pace = Pace(self.speed)
        self._later: Any = None
        self._worker: Worker | None = None
        self._source_use, self._target_use = Use(self.kind), Use(self.target_blocks)

    def begin(self) -> None:
        try:
            self.source.hold(self._source_use, write=False)
            self.target.hold(self._target_use, write=True)
        except ConfigError:
            self._let_go()
            raise
        self.source.watchers.append(self)
        self._is_alive = True

    def stop_work(self) -> None:
        if self._is_alive:
            self._is_alive = False
            self.source.watchers.remove(self)
        if self._later is not None:
            self._later.cancel()
        self._rest()
        self._piece, self.is_busy = None, False
        self._let_go()

    def _rest(self) -> None:
        """No thread is kept for work that may never come: while there is one, the CPU shares its time."""
        if self._worker is not None:
            self._worker.close()
            self._worker = None

    def _let_go(self) -> None:
        for node, use in ((self.source, self._source_use), (self.target, self._target_use)):
            node.drop(use)
            self.graph.discard(node)

    # -- piece by piece -------------------------------------------------------------------------------

    def work(self) -> None:
        if not self._is_alive or self.paused or self._piece is not None or self.status not in ("running", "ready"):
            return
        if self._pace.speed != self.speed:
            self._pace.set(self.speed)
        if self._later is not None:
            self._later.cancel()
        if (delay := self._pace.delay()) > 0 and self.map.left:
            self._rest()
            self._later = self.jobs.loop.call_later(delay, self.work)
            return
        piece = self._next_piece()
        if piece is None:
            self.all_copied()
            return
        self._pace.spend(piece.end - piece.start)
        self._give(piece)

    def _give(self, piece: Piece) -> None:
        if self._worker is None:
            self._worker = Worker(self.jobs.loop, f"job {self.id}")
        self._piece, self.is_busy = piece, True
        self._worker.give(piece, lambda: self._piece_done(piece))

    def _next_piece(self) -> Piece | None:
        start = self.map.next(self._at)
        if start < 0:
            self._one_round_done()
            start = self.map.next(0)
            if start < 0:
                return None
        if self.sparse and isinstance(self._reader, RawImage):
            data = self._reader.next_data(start * CLUSTER_BYTES) // CLUSTER_BYTES
            if data > start:
                end = min(data, self.map.count)
                self.map.set(start, end, False)
                self._at = end
                return self._next_piece() if end < self.map.count else self._next_piece_after_the_end()
        end = self.map.run(start, start + self._pace.piece_bytes // CLUSTER_BYTES)
        self.map.set(start, end, False)
        self._at = end
        return self._make_piece(start, end)

    def _next_piece_after_the_end(self) -> Piece | None:
        self._one_round_done()
        return self._next_piece() if self.map.left else None

    def _one_round_done(self) -> None:
        """Everything has been copied once: what is copied from now on is there already, and not zeros."""
        self._at = 0
        self.sparse = False
        self._rounds += 1

    def _make_piece(self, start: int, end: int) -> Piece:
        """Of clusters."""
        last = min(end * CLUSTER_BYTES, self.size)
        return Piece(self._reader, self.target.image, start * CLUSTER_BYTES, last, self.sparse)

    def _piece_done(self, piece: Piece) -> None:
        if self._piece is not piece:
            return  # the job has ended meanwhile
        self._piece, self.is_busy = None, False
        if piece.error is not None:
            self._take_back(piece)
            self._failed(piece.error, piece.failed_reading)
            return
        self.offset += piece.end - piece.start
        self.work()

    def _take_back(self, piece: Piece) -> None:
        """It has failed: all of it is still to be copied."""
        if not piece.is_taken_back:
            piece.is_taken_back = True
            self.map.set(piece.start // CLUSTER_BYTES, -(-piece.end // CLUSTER_BYTES), True)
            self._at = min(self._at, piece.start // CLUSTER_BYTES)
            self.sparse = False  # some of it may have been written

    def _failed(self, error: OSError, reading: bool) -> None:
        self._is_failing = False
        if not self._is_alive:
            return
        action = self.on_source_error if reading else self.on_target_error
        if action == "enospc":
            action = "stop" if error.errno == errno.ENOSPC else "report"
        self.jobs.emit("BLOCK_JOB_ERROR", device=self.id, operation="read" if reading else "write", action=action)
        if action == "stop" and self.status in GOING:
            self.io_status = "nospace" if error.errno == errno.ENOSPC else "failed"
            if not self.paused:
                self.hold()
        else:
            self.abort(error.strerror or str(error))

    def _copy_now(self, start: int, end: int) -> bool:
        """Copy what is marked of these clusters at once, while the guest waits; whether that worked."""
        if self._is_failing:
            return False
        piece = self._piece
        if piece is not None and piece.start < end * CLUSTER_BYTES and piece.end > start * CLUSTER_BYTES:
            piece.finished.wait()
            if piece.error is not None:
                self._take_back(piece)
        while (first := self.map.next(start, end)) >= 0:
            last = self.map.run(first, end)
            mine = self._make_piece(first, last)
            mine.run()
            if mine.error is not None:
                self._is_failing = True
                self.jobs.loop.post(partial(self._failed, mine.error, mine.failed_reading))
                return False
            self.map.set(first, last, False)
            self.offset += mine.end - mine.start
        return True

    def _bytes_left(self) -> int:
        marked, piece = min(self.map.left * CLUSTER_BYTES, self.size), self._piece
        return marked if piece is None or piece.is_taken_back else min(marked + piece.end - piece.start, self.size)

    # -- for subclasses -------------------------------------------------------------------------------

    def all_copied(self) -> None:
        """Nothing is marked."""

    def before_write(self, offset: int, length: int) -> None:
        pass

    def after_write(self, offset: int, length: int) -> None:
        pass


class Backup(CopyJob):
    """The target gets what the source holds now. Of equal size; a target that cannot be written ends the job."""

    kind = target_blocks = "backup"
    _is_broken = False

    def all_copied(self) -> None:
        if self._piece is None:
            self.succeed()

    def before_write(self, offset: int, length: int) -> None:
        if length and not self._is_broken:
            first, last = offset // CLUSTER_BYTES, -(-(offset + length) // CLUSTER_BYTES)
            if not self._copy_now(first, last):
                self._is_broken = True
                self.on_source_error = self.on_target_error = "report"

    def progress(self) -> tuple[int, int]:
        return self.size - self._bytes_left(), self.size


class Mirror(CopyJob):
    """The target follows the source. *blocking*: once all has been copied, the guest waits until what it writes is
    in both. So it does anyway when the copy does not catch up with it, and at the end."""

    kind = "mirror"

    def __init__(self, jobs: Jobs, id: str, *, blocking: bool = False, **how: Any) -> None:
        super().__init__(jobs, id, **how)
        self._is_blocking = self._stays_blocking = blocking
        self._is_ready = False
        self._is_ending = False
        self._is_flushed = False
        self._pivots = False

    def work(self) -> None:
        if self._is_alive and self.target.size != self.size:
            self.map = ClusterMap(0)
            self.abort("Source and target image have different sizes")
            return
        super().work()

    def all_copied(self) -> None:
        if not self._is_ready:
            self._is_ready, self._is_blocking = True, self._stays_blocking
            self.change("ready")
            self.tell("BLOCK_JOB_READY")
        if not self._is_ending:
            self._rest()
        elif not self._is_flushed:
            self._is_flushed = True
            self._give(Piece(self._reader, self.target.image, 0, 0, False))  # which flushes, and waits for it
        else:
            self.succeed()

    def _one_round_done(self) -> None:
        super()._one_round_done()
        if self._rounds > ROUNDS and not self._is_ready:
            self._is_blocking = True

    def end_well(self, *, cancelled: bool) -> None:
        self._is_ending = self._is_blocking = True  # from now on nothing can be left behind
        self._pivots = not cancelled
        self.jobs.loop.post(self.work)

    def after_write(self, offset: int, length: int) -> None:
        if not length:
            return
        first, last = offset // CLUSTER_BYTES, -(-(offset + length) // CLUSTER_BYTES)
        self.map.set(first, last, True)
        if self._rounds and self._is_blocking and not self.paused:
            self._copy_now(first, last)
        elif self._piece is None and not self.paused:
            self.jobs.loop.call_idle(self.work)

    def finish(self) -> None:
        self._check_complete()
        if self._pivots and self.drive is not None and self.drive.node is self.source:
            self.drive.replace(self.target)

    def _check_complete(self) -> None:
        """What the guest has flushed before must be as safe at the target. Raises OSError."""
        if self.map.left:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        self.target.image.flush()

    def progress(self) -> tuple[int, int]:
        return self.offset, self.offset + self._bytes_left()


class Commit(Mirror):
    """What an overlay holds goes to the image underneath, where the drive goes on when the job is completed.

    While it runs the drive shows what it has always shown: a cluster of the overlay hides the one below.
    """

    kind = target_blocks = "commit"

    def __init__(self, jobs: Jobs, id: str, *, drive: FileDrive, **how: Any) -> None:
        assert drive.node is not None and isinstance(drive.image, Overlay)
        super().__init__(jobs, id, drive=drive, source=drive.node, target=drive.node, **how)
        self._base_drive = drive
        self.map = ClusterMap(self.size, marked=False)
        for start, end in drive.image.written():
            self.map.set(start // CLUSTER_BYTES, -(-end // CLUSTER_BYTES), True)

    def begin(self) -> None:
        self._base_drive.open_base()
        self.source.hold(self._source_use, write=False)
        self.source.watchers.append(self)
        self._is_alive = True

    def finish(self) -> None:
        self._check_complete()
        if self._pivots and self._base_drive.node is self.source:
            self._base_drive.drop_overlay()

    def _let_go(self) -> None:
        self.source.drop(self._source_use)
        if self._base_drive.node is self.source and self._base_drive.has_overlay:
            with contextlib.suppress(ConfigError):  # the file is gone: it stays open as it is
                self._base_drive.close_base()
        self.graph.discard(self.source)


def create_raw(path: str, size: int) -> bool:
    """A new image full of zeros; what was there is gone, unless somebody uses it. A block device stays as it is.

    Returns whether it holds zeros. Raises ConfigError.
    """
    try:
        with contextlib.suppress(FileNotFoundError):
            check_kind(path, os.stat(path))  # before it is opened: that could block, or act
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK, 0o644)
    except (OSError, ValueError) as error:
        reason = os.strerror(error.errno or errno.EIO) if isinstance(error, OSError) else "Invalid argument"
        raise ConfigError(f"Could not create '{path}': {reason}") from None
    try:
        status = os.fstat(fd)
        check_kind(path, status)
        lock.lock_image(fd, path, used=(lock.READ, lock.WRITE, lock.RESIZE), unshared=(lock.WRITE, lock.RESIZE))
        if stat.S_ISBLK(status.st_mode):
            return False
        os.ftruncate(fd, 0)
        os.ftruncate(fd, size)
        return True
    except OSError as error:
        raise ConfigError(f"Could not create '{path}': {error.strerror}") from None
    finally:
        os.close(fd)
