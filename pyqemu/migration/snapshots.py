"""Snapshots of a machine: its state, and what its disks held, in a directory beside the first disk.

Layout   DISK.snapshots/1/snapshot.json   name, date, clock, machine type, the drives with their sizes
         DISK.snapshots/1/state           the stream, compressed where ``zstandard`` is installed
         DISK.snapshots/1/DRIVE.img       a sparse copy of each writable drive
Writing  everything goes into a directory with a temporary name, is brought to stable storage, and then renamed: a
         snapshot is there as a whole or not at all
Loading  the stream is read and checked twice, the first time without touching anything; only the host can make the
         second time fail
Errors   MigrationError; nothing has changed then
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, cast

from pyqemu.core.errors import nearest
from pyqemu.core.runstate import RunState
from pyqemu.migration import layout, machine
from pyqemu.migration.errors import MigrationError
from pyqemu.migration.load import Loader
from pyqemu.migration.save import save_vm, warn_unpromised

DIRECTORY_SUFFIX = ".snapshots"
INFO, STATE = "snapshot.json", "state"
TEMPORARY = ".new-"
COPY_BYTES = 1 << 20
ZEROS = bytes(COPY_BYTES)
INFO_LIMIT = 1 << 20
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
NAME_BYTES = 255

Moved = Callable[[int], None]


def _nobody(_done: int, _total: int) -> None:
    """Nobody watches."""


class _Tally:
    """Bytes done of *total*, told to *show* as they grow."""

    def __init__(self, total: int, show: Callable[[int, int], None]) -> None:
        self._done, self._total, self._show = 0, total, show

    def add(self, count: int) -> None:
        self._done += count
        self._show(self._done, self._total)


@dataclass(frozen=True)
class Snapshot:
    """One snapshot. ``vm_state_size`` in bytes as stored; ``path`` is its directory."""

    id: str
    name: str
    vm_state_size: int
    date: datetime
    vm_clock_ns: int
    path: Path
    drives: dict[str, int]  # by id: bytes
    sums: dict[str, int]  # by file: CRC-32


# -- which ---------------------------------------------------------------------------------------------


def _drives(vm: Any) -> list[Any]:
    """The drives whose content belongs to a snapshot: disks that the guest may write."""
    return [drive for drive in vm.drives.values() if drive.keeps_content and not drive.read_only]


def _directory(vm: Any, message: str = "No block device can accept snapshots") -> Path:
    drives = _drives(vm)
    if not drives:
        raise MigrationError(message, "A writable disk is needed, to keep them beside.")
    return Path(drives[0].path + DIRECTORY_SUFFIX)


def list_snapshots(vm: Any) -> list[Snapshot]:
    """Those of the machine's disks, oldest first. Damaged ones are left out."""
    try:
        directory = _directory(vm)
    except MigrationError:
        return []
    found = []
    with contextlib.suppress(FileNotFoundError, NotADirectoryError, PermissionError):
        for path in directory.iterdir():
            if path.name.isdecimal():
                with contextlib.suppress(MigrationError):
                    found.append(_read_info(path))
    return sorted(found, key=lambda snapshot: int(snapshot.id))


def _read_info(path: Path) -> Snapshot:
    try:
        with open(path / INFO, "rb") as file:
            info = json.loads(file.read(INFO_LIMIT))
        return Snapshot(
            path.name,
            str(info["name"]),
            os.stat(path / STATE).st_size,
            datetime.fromtimestamp(float(info["date"]), UTC),
            int(info["vm_clock_ns"]),
            path,
            {str(name): int(size) for name, size in info["drives"].items()},
            {str(name): int(value) for name, value in info["crc32"].items()},
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        raise MigrationError(f"snapshot '{path}' is damaged") from None


def find(vm: Any, name: str) -> Snapshot:
    """By name, or by number. Raises MigrationError."""
    directory = _directory(vm, "no block device can store vmstate for snapshot")
    snapshots = list_snapshots(vm)
    for snapshot in [s for s in snapshots if s.name == name] + [s for s in snapshots if s.id == name]:
        return snapshot
    title = _drives(vm)[0].id
    raise MigrationError(
        f"Snapshot '{name}' does not exist in one or more devices",
        nearest(name, [s.name for s in snapshots]) or f"Looked in '{directory}', beside the image of '{title}'.",
    )


# -- saving --------------------------------------------------------------------------------------------


def savevm(vm: Any, name: str = "", show: Callable[[int, int], None] = _nobody) -> Snapshot:
    """Save the machine under *name* (empty: the date), in place of a snapshot of that name. It runs on.

    *show* is told the bytes done, and all, of memory and disks.
    """
    name = name or datetime.now().strftime("vm-%Y%m%d%H%M%S")
    if len(name.encode()) > NAME_BYTES:
        raise MigrationError("the snapshot's name is too long", f"At most {NAME_BYTES} bytes.")
    directory = _directory(vm)
    before = [snapshot for snapshot in list_snapshots(vm) if snapshot.name == name]
    warn_unpromised(vm)
    state = vm.state
    running = state is RunState.RUNNING
    if running:
        vm.pause()
    try:
        path = _write(vm, directory, name, str(state), show)
    finally:
        if running:
            vm.start()
    for old in before:
        _remove(old.path)
    return _read_info(path)


def _write(vm: Any, directory: Path, name: str, run_state: str, show: Callable[[int, int], None]) -> Path:
    memory = sum(block.size for block in layout.ram_blocks(vm.board))
    tally = _Tally(memory + sum(drive.size for drive in _drives(vm)), show)
    try:
        directory.mkdir(exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=TEMPORARY, dir=directory))
    except OSError as error:
        raise MigrationError(f"Could not write '{directory}': {error.strerror}") from None
    try:
        drives: dict[str, int] = {}
        sums: dict[str, int] = {}
        for drive in _drives(vm):
            drive.flush()
            with open(temporary / f"{drive.id}.img", "xb", buffering=0) as file:
                sums[drive.id] = copy_from_drive(drive, file, tally.add)
                os.fsync(file.fileno())
            drives[drive.id] = drive.size
        with open(temporary / STATE, "xb") as file:
            sink = _Summing(file)
            with _compressed(sink) as stream:
                save_vm(vm, stream, run_state=run_state)
            tally.add(memory)
            sums[STATE] = sink.sum
            file.flush()
            os.fsync(file.fileno())
        info = {
            "name": name,
            "date": datetime.now(UTC).timestamp(),
            "vm_clock_ns": vm.clock.now(),
            "machine": vm.machine.name,
            "drives": drives,
            "crc32": sums,
        }
        with open(temporary / INFO, "x") as text:
            json.dump(info, text, indent=1)
            text.flush()
            os.fsync(text.fileno())
        _sync(temporary)
        path = _rename(temporary, directory)
        _sync(directory)
        return path
    except OSError as error:
        raise MigrationError(f"Could not write snapshot '{name}': {error.strerror or error}") from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _rename(temporary: Path, directory: Path) -> Path:
    """To the next free number. A directory that is there is never replaced."""
    number = 1 + max((int(p.name) for p in directory.iterdir() if p.name.isdecimal()), default=0)
    path = directory / str(number)
    os.rename(temporary, path)
    return path


def _sync(directory: Path) -> None:
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


class _Summing:
    """A file to write to, and the CRC of what was written."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.sum = 0

    def write(self, data: bytes, /) -> int:
        self.sum = zlib.crc32(data, self.sum)
        return self._file.write(data)


def _check_sum(path: Path, expected: int | None, moved: Moved) -> None:
    """Raises MigrationError for a file that is not what was written."""
    found = 0
    with open(path, "rb", buffering=0) as file:
        while piece := file.read(COPY_BYTES):
            found = zlib.crc32(piece, found)
            moved(len(piece))
    if found != expected:
        raise MigrationError(
            f"snapshot file '{path}' is damaged", f"Its CRC-32 is {found:#x}, not {expected or 0:#x}."
        )


@contextlib.contextmanager
def _compressed(file: _Summing) -> Any:
    """*file*, or a compressor in front of it if ``zstandard`` is there."""
    try:
        import zstandard
    except ImportError:
        yield file
        return
    with zstandard.ZstdCompressor(level=1).stream_writer(cast("IO[bytes]", file), closefd=False) as sink:
        yield sink


@contextlib.contextmanager
def _open_state(path: Path) -> Any:
    """The stream of a snapshot, decompressed."""
    with open(path, "rb") as file:
        if file.peek(4)[:4] != ZSTD_MAGIC:
            yield file
            return
        try:
            import zstandard
        except ImportError:
            raise MigrationError(
                f"'{path}' is compressed, and the package 'zstandard' is not installed",
                "Run: pip install pyqemu[zstd]",
            ) from None
        with zstandard.ZstdDecompressor().stream_reader(file) as source:
            yield _Decompressed(source)


class _Decompressed:
    def __init__(self, source: Any) -> None:
        self._source = source

    def read(self, size: int, /) -> bytes:
        try:
            return bytes(self._source.read(size))
        except Exception as error:  # the library's own kind
            raise MigrationError(f"the compressed state is damaged: {error}") from None


# -- loading -------------------------------------------------------------------------------------------


def loadvm(vm: Any, name: str, show: Callable[[int, int], None] = _nobody) -> Snapshot:
    """Go back to a snapshot. The guest runs afterwards if it does now. *show* is told the bytes done, and all.

    Raises MigrationError.
    """
    running = vm.state is RunState.RUNNING
    before = vm.state
    if running:
        vm.pause()
    try:
        snapshot, _ = _load(vm, name, show)
    finally:
        if running:
            vm.start()
        else:
            vm.state = before
    return snapshot


def resume_snapshot(vm: Any, name: str, show: Callable[[int, int], None] = _nobody) -> None:
    """``-loadvm``: go on where the snapshot was taken, running or paused (-S: paused)."""
    _, state = _load(vm, name, show)
    vm.state = state
    if state is RunState.RUNNING:
        vm.state = RunState.PAUSED
        if not vm.config.start_paused:
            vm.start()


def _load(vm: Any, name: str, show: Callable[[int, int], None]) -> tuple[Snapshot, RunState]:
    snapshot = find(vm, name)
    drives = {drive.id: drive for drive in _drives(vm)}
    if set(drives) != set(snapshot.drives):
        theirs, ours = ", ".join(sorted(snapshot.drives)), ", ".join(sorted(drives))
        raise MigrationError(f"Snapshot '{name}' is of other drives", f"It has {theirs}; this machine has {ours}.")
    try:
        for id, size in snapshot.drives.items():
            if drives[id].size != size or os.stat(snapshot.path / f"{id}.img").st_size != size:
                raise MigrationError(
                    f"Snapshot '{name}': drive '{id}' had {size} bytes, the image has {drives[id].size}"
                )
        # Everything is read twice: to check, and to take.
        tally = _Tally(2 * (snapshot.vm_state_size + sum(snapshot.drives.values())), show)
        _check_sum(snapshot.path / STATE, snapshot.sums.get(STATE), tally.add)
        for id in drives:
            _check_sum(snapshot.path / f"{id}.img", snapshot.sums.get(id), tally.add)
        with _open_state(snapshot.path / STATE) as file:
            rehearsal = Loader(vm, file, dry=True)
            _read_all(rehearsal)
        machine.pull(vm, list(rehearsal.sections.values()), str(vm.state))
        rehearsal.rehearse()
        with _open_state(snapshot.path / STATE) as file:
            loader = Loader(vm, file)
            for device in vm.board.devices.values():
                device.before_load()
            loader.read()
        tally.add(snapshot.vm_state_size)
        for id, drive in drives.items():
            with open(snapshot.path / f"{id}.img", "rb", buffering=0) as image:
                copy_to_drive(image, drive, tally.add)
            drive.flush()
    except OSError as error:
        raise MigrationError(f"Could not read snapshot '{name}': {error.strerror or error}") from None
    loader.apply()
    return snapshot, loader.run_state


def _read_all(loader: Loader) -> None:
    loader.read()
    if loader.source.peek(1):
        raise MigrationError("the description: something follows the end of the stream")


# -- removing ------------------------------------------------------------------------------------------


def delvm(vm: Any, name: str) -> None:
    """Remove a snapshot. Raises MigrationError."""
    _remove(find(vm, name).path)


def _remove(path: Path) -> None:
    """First out of sight as a whole, then away."""
    try:
        hidden = Path(tempfile.mkdtemp(prefix=TEMPORARY, dir=path.parent))
        os.rename(path, hidden / path.name)
        _sync(path.parent)
        shutil.rmtree(hidden)
        if not any(path.parent.iterdir()):
            path.parent.rmdir()
    except OSError as error:
        raise MigrationError(f"Could not remove '{path}': {error.strerror}") from None


# -- disks ---------------------------------------------------------------------------------------------


def copy_from_drive(drive: Any, file: Any, moved: Moved) -> int:
    """The drive's content, with holes for zeros; returns its CRC-32."""
    total = 0
    buffer = memoryview(bytearray(COPY_BYTES))
    fd = file.fileno()
    os.ftruncate(fd, drive.size)
    for offset in range(0, drive.size, COPY_BYTES):
        piece = buffer[: min(COPY_BYTES, drive.size - offset)]
        drive.read_into(offset, piece)
        total = zlib.crc32(piece, total)
        if piece.tobytes() != ZEROS[: len(piece)]:
            os.pwrite(fd, piece, offset)
        moved(len(piece))
    return total


def copy_to_drive(file: Any, drive: Any, moved: Moved) -> None:
    """Only what differs is written."""
    buffer = memoryview(bytearray(COPY_BYTES))
    fd = file.fileno()
    for offset in range(0, drive.size, COPY_BYTES):
        piece = buffer[: min(COPY_BYTES, drive.size - offset)]
        drive.read_into(offset, piece)
        data = os.pread(fd, len(piece), offset)
        if piece.tobytes() != data:
            drive.write(offset, data)
        moved(len(piece))
