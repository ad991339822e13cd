"""Block jobs: backup, mirror, and what can be done with those that run."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pyqemu.core.errors import ConfigError
from pyqemu.core.runstate import RunState
from pyqemu.monitor.commands.block import all_drives, check_no_job
from pyqemu.monitor.errors import DEVICE_NOT_ACTIVE, QmpError, device_not_found
from pyqemu.monitor.events import JOB_STATUS, JOB_TYPE
from pyqemu.monitor.monitor import Monitor
from pyqemu.monitor.qapi import BOOL, INT, STR, U32, Array, Enum, Struct, Type
from pyqemu.monitor.table import Hmp, command, hmp_command

if TYPE_CHECKING:
    from pyqemu.api import VirtualMachine
    from pyqemu.block.drive import FileDrive
    from pyqemu.block.graph import Node
    from pyqemu.block.jobs import Job

ACTIVE_MIGRATION = (RunState.INMIGRATE, RunState.FINISH_MIGRATE, RunState.POSTMIGRATE)
GRANULARITY = (512, 64 << 20)

# -- queries ----------------------------------------------------------------------------------------------------

BLOCK_JOB = Struct(
    "BlockJobInfo",
    {
        "type": JOB_TYPE, "device": STR, "len": INT, "offset": INT, "busy": BOOL, "paused": BOOL, "speed": INT,
        "io-status": Enum("BlockDeviceIoStatus", ("ok", "failed", "nospace")), "ready": BOOL, "status": JOB_STATUS,
        "auto-finalize": BOOL, "auto-dismiss": BOOL, "?error": STR,
    },
)  # fmt: skip


def show_jobs(reply: list[dict[str, Any]]) -> str:
    lines = [
        f"Type {job['type']}, device {job['device']}: Completed {job['offset']} of {job['len']} bytes, "
        f"speed limit {job['speed']} bytes/s\n"
        for job in reply
    ]
    return "".join(lines) or "No active jobs\n"


@command(
    "query-block-jobs",
    returns=Array(BLOCK_JOB),
    hmp=Hmp("info block-jobs", help="show progress of ongoing block device operations", show=show_jobs),
)
def query_block_jobs(monitor: Monitor) -> list[dict[str, Any]]:
    reply = []
    for job in _jobs(monitor.vm):
        offset, length = job.progress()
        entry = {
            "type": job.kind,
            "device": job.id,
            "len": length,
            "offset": offset,
            "busy": job.is_busy,
            "paused": job.paused,
            "speed": job.speed,
            "io-status": job.io_status,
            "ready": job.status in ("ready", "standby"),
            "status": job.status,
            "auto-finalize": job.auto_finalize,
            "auto-dismiss": job.auto_dismiss,
        }
        reply.append(entry | ({"error": job.error} if job.error else {}))
    return reply


JOB_INFO = {"id": STR, "type": JOB_TYPE, "status": JOB_STATUS, "current-progress": INT, "total-progress": INT}


@command("query-jobs", returns=Array(Struct("JobInfo", {**JOB_INFO, "?error": STR})))
def query_jobs(monitor: Monitor) -> list[dict[str, Any]]:
    reply = []
    for job in _jobs(monitor.vm):
        done, total = job.progress()
        entry = {
            "id": job.id,
            "type": job.kind,
            "status": job.status,
            "current-progress": done,
            "total-progress": total,
        }
        reply.append(entry | ({"error": job.error} if job.error else {}))
    return reply


def _jobs(vm: VirtualMachine) -> list[Job]:
    return list(vm.jobs.by_id.values())


# -- the ends of a job ------------------------------------------------------------------------------------------


def _find_source(vm: VirtualMachine, device: str) -> tuple[Node, FileDrive | None]:
    """A drive by its name, or a node. Raises QmpError."""
    if vm.state in ACTIVE_MIGRATION or (vm.migration is not None and vm.migration.state in ("setup", "active")):
        raise QmpError("The machine's drives move to another process")
    drive = next((drive for drive in all_drives(vm) if device and drive.name == device), None)
    if drive is not None and drive.node is None:
        raise QmpError(f"Device '{device}' has no medium")
    node = drive.node if drive is not None else vm.blocks.nodes.get(device)
    if node is None:
        raise QmpError(f"Cannot find device='{device}' nor node-name='{device}'")
    if node.parents:
        raise QmpError("Need a root block node")
    _check_free(node, device)
    return node, next((drive for drive in all_drives(vm) if drive.node is node), None)


def _check_free(node: Node, name: str) -> None:
    for holder in node.holders:
        if hasattr(holder, "blocks_removal"):
            kind = holder.blocks_removal or "mirror"
            raise QmpError(f"Node '{name}' is busy: block device is in use by block job: {kind}")


def _node_target(vm: VirtualMachine, name: str, source: Node) -> Node:
    drive = next((drive for drive in all_drives(vm) if name and drive.name == name), None)
    node = drive.node if drive is not None and drive.node is not None else vm.blocks.find(name)
    if node is source or node in source.chain():
        raise QmpError("Source and target cannot be the same")
    _check_free(node, name)
    if node.holders or node.parents:
        raise QmpError(f"Node '{name}' is already in use")
    return node


def _file_target(
    vm: VirtualMachine, target: str, source: Node, mode: str, format: str | None, name: str
) -> tuple[Node, bool]:
    """The node of an image, and whether it is full of zeros."""
    from pyqemu.block.copying import create_raw
    from pyqemu.block.formats import KNOWN_FORMATS

    if mode == "existing":
        return vm.blocks.open(target, writable=True, format=format, name=name), False
    if format not in (None, "raw"):
        if format in KNOWN_FORMATS:
            raise QmpError(f"Images of format '{format}' cannot be made by pyqemu")
        raise QmpError(f"Unknown file format '{format}'")
    if name:
        vm.blocks.check_name(name)
    is_empty = create_raw(target, source.size)
    return vm.blocks.open(target, writable=True, name=name), is_empty


def _id(vm: VirtualMachine, given: str | None, drive: FileDrive | None) -> str:
    """Without one the job is called as its drive."""
    id = given if given is not None else drive.name if drive is not None else ""
    vm.jobs.check_id(id)
    return id


# -- backup and mirror ------------------------------------------------------------------------------------------

ON_ERROR = Enum("BlockdevOnError", ("report", "enospc", "stop"))
LIFE: dict[str, Type] = {
    "?job-id": STR,
    "device": STR,
    "target": STR,
    "sync": Enum("MirrorSyncMode", ("top", "full")),
    "?speed": INT,
    "?on-source-error": ON_ERROR,
    "?on-target-error": ON_ERROR,
    "?auto-finalize": BOOL,
    "?auto-dismiss": BOOL,
}
BY_PATH: dict[str, Type] = {"?format": STR, "?mode": Enum("NewImageMode", ("existing", "absolute-paths"))}
MIRROR: dict[str, Type] = {
    "?granularity": U32,
    "?buf-size": INT,
    "?copy-mode": Enum("MirrorCopyMode", ("background", "write-blocking")),
}


def _start(
    monitor: Monitor,
    kind: str,
    device: str,
    make_target: Callable[[Node], tuple[Node, bool]],
    job_id: str | None = None,
    speed: int = 0,
    copy_mode: str = "background",
    granularity: int = 0,
    **how: Any,
) -> None:
    """Check everything, get the target, begin. Raises QmpError, ConfigError."""
    from pyqemu.block.copying import Backup, Mirror

    vm = monitor.vm
    source, drive = _find_source(vm, device)
    id = _id(vm, job_id, drive)
    if speed < 0:
        raise QmpError("Parameter 'speed' expects a non-negative value")
    if granularity and not (
        GRANULARITY[0] <= granularity <= GRANULARITY[1] and not granularity & (granularity - 1)
    ):
        raise QmpError("Parameter 'granularity' expects a value in range [512B, 64MB]")
    target, is_empty = make_target(source)
    how |= {"graph": vm.blocks, "source": source, "drive": drive, "target": target, "sparse": is_empty}
    try:
        if kind == "backup":
            if target.size != source.size:
                raise QmpError("Source and target image have different sizes")
            job: Job = Backup(vm.jobs, id, speed=speed, **how)
        else:
            job = Mirror(vm.jobs, id, speed=speed, blocking=copy_mode == "write-blocking", **how)
        vm.jobs.start(job)
    except (QmpError, ConfigError):
        vm.blocks.discard(target)
        raise


@command("drive-backup", {**LIFE, **BY_PATH})
def drive_backup(
    monitor: Monitor,
    device: str,
    target: str,
    sync: str,
    format: str | None = None,
    mode: str = "absolute-paths",
    **how: Any,
) -> None:
    """Without a file below there is nothing but "full"."""
    vm = monitor.vm
    _start(monitor, "backup", device, lambda source: _file_target(vm, target, source, mode, format, ""), **how)


@command("blockdev-backup", LIFE)
def blockdev_backup(monitor: Monitor, device: str, target: str, sync: str, **how: Any) -> None:
    vm = monitor.vm
    _start(monitor, "backup", device, lambda source: (_node_target(vm, target, source), False), **how)


@command("drive-mirror", {**LIFE, **BY_PATH, **MIRROR, "?node-name": STR})
def drive_mirror(
    monitor: Monitor,
    device: str,
    target: str,
    sync: str,
    format: str | None = None,
    mode: str = "absolute-paths",
    node_name: str = "",
    buf_size: int = 0,
    **how: Any,
) -> None:
    """The size of pieces is ours; what the client would like for them is checked and has no effect."""
    vm = monitor.vm
    _start(
        monitor, "mirror", device, lambda source: _file_target(vm, target, source, mode, format, node_name), **how
    )


@command("blockdev-mirror", {**LIFE, **MIRROR})
def blockdev_mirror(monitor: Monitor, device: str, target: str, sync: str, buf_size: int = 0, **how: Any) -> None:
    vm = monitor.vm
    _start(monitor, "mirror", device, lambda source: (_node_target(vm, target, source), False), **how)


@hmp_command(
    "drive_backup",
    "reuse:-n,full:-f,device:B,target:s,format:s?",
    "[-n] [-f] device target [format]",
    "copy what a drive holds now to a new image while the guest goes on (-n: to one that is there)",
)
def hmp_drive_backup(
    monitor: Monitor, device: str, target: str, format: str | None = None, reuse: bool = False, full: bool = False
) -> None:
    mode = "existing" if reuse else "absolute-paths"
    drive_backup(monitor, device=device, target=target, sync="full", format=format, mode=mode)


@hmp_command(
    "drive_mirror",
    "reuse:-n,full:-f,device:B,target:s,format:s?",
    "[-n] [-f] device target [format]",
    "copy a drive to a new image that follows it, until block_job_complete moves the guest there "
    "(-n: to one that is there)",
)
def hmp_drive_mirror(
    monitor: Monitor, device: str, target: str, format: str | None = None, reuse: bool = False, full: bool = False
) -> None:
    mode = "existing" if reuse else "absolute-paths"
    drive_mirror(monitor, device=device, target=target, sync="full", format=format, mode=mode)


# -- commands for jobs ------------------------------------------------------------------------------------------


def _block_job(monitor: Monitor, device: str) -> Job:
    if (job := monitor.vm.jobs.by_id.get(device)) is None:
        raise QmpError(f"Block job '{device}' not found", DEVICE_NOT_ACTIVE)
    return job


def _job(monitor: Monitor, id: str) -> Job:
    if (job := monitor.vm.jobs.by_id.get(id)) is None:
        raise QmpError("Job not found")
    return job


@command(
    "block-job-cancel",
    {"device": STR, "?force": BOOL},
    hmp=Hmp(
        "block_job_cancel",
        "force:-f,device:B",
        "[-f] device",
        "stop an active background block operation (-f: at once, rather than when the target is a good copy)",
    ),
)
def block_job_cancel(monitor: Monitor, device: str, force: bool = False) -> None:
    _block_job(monitor, device).cancel(force)


@command(
    "block-job-pause",
    {"device": STR},
    hmp=Hmp("block_job_pause", "device:B", "device", "pause an active background block operation"),
)
def block_job_pause(monitor: Monitor, device: str) -> None:
    _block_job(monitor, device).pause()


@command(
    "block-job-resume",
    {"device": STR},
    hmp=Hmp("block_job_resume", "device:B", "device", "resume a paused background block operation"),
)
def block_job_resume(monitor: Monitor, device: str) -> None:
    _block_job(monitor, device).resume()


@command(
    "block-job-complete",
    {"device": STR},
    hmp=Hmp("block_job_complete", "device:B", "device", "stop an active background block operation"),
)
def block_job_complete(monitor: Monitor, device: str) -> None:
    _block_job(monitor, device).complete()


@command(
    "block-job-set-speed",
    {"device": STR, "speed": INT},
    hmp=Hmp(
        "block_job_set_speed",
        "device:B,speed:o",
        "device speed",
        "set maximum speed for a background block operation",
    ),
)
def block_job_set_speed(monitor: Monitor, device: str, speed: int) -> None:
    _block_job(monitor, device).set_speed(speed)


@command("block-job-finalize", {"id": STR})
def block_job_finalize(monitor: Monitor, id: str) -> None:
    _block_job(monitor, id).finalize()


@command("block-job-dismiss", {"id": STR})
def block_job_dismiss(monitor: Monitor, id: str) -> None:
    _block_job(monitor, id).dismiss()


@command("job-cancel", {"id": STR})
def job_cancel(monitor: Monitor, id: str) -> None:
    _job(monitor, id).cancel(force=True)


@command("job-pause", {"id": STR})
def job_pause(monitor: Monitor, id: str) -> None:
    _job(monitor, id).pause()


@command("job-resume", {"id": STR})
def job_resume(monitor: Monitor, id: str) -> None:
    _job(monitor, id).resume()


@command("job-complete", {"id": STR})
def job_complete(monitor: Monitor, id: str) -> None:
    _job(monitor, id).complete()


@command("job-finalize", {"id": STR})
def job_finalize(monitor: Monitor, id: str) -> None:
    _job(monitor, id).finalize()


@command("job-dismiss", {"id": STR})
def job_dismiss(monitor: Monitor, id: str) -> None:
    _job(monitor, id).dismiss()


# -- commit -----------------------------------------------------------------------------------------------------


@command(
    "block-commit",
    {
        "?job-id": STR,
        "device": STR,
        "?speed": INT,
        "?on-error": ON_ERROR,
        "?auto-finalize": BOOL,
        "?auto-dismiss": BOOL,
    },
)
def block_commit(
    monitor: Monitor, device: str, job_id: str | None = None, speed: int = 0, on_error: str = "report", **life: Any
) -> None:
    """Of the overlay of ``snapshot=on``: there is no other."""
    from pyqemu.block.copying import Commit

    vm = monitor.vm
    if device not in vm.blocks.nodes and not any(drive.name == device for drive in all_drives(vm)):
        raise device_not_found(device)
    _, drive = _find_source(vm, device)
    id = _id(vm, job_id, drive)
    if speed < 0:
        raise QmpError("Parameter 'speed' expects a non-negative value")
    if drive is None or not drive.has_overlay:
        raise QmpError("cannot commit an image into itself")
    errors = {"on_source_error": on_error, "on_target_error": on_error}
    vm.jobs.start(Commit(vm.jobs, id, graph=vm.blocks, drive=drive, speed=speed, **errors, **life))


@hmp_command(
    "commit",
    "device:B",
    "device|all",
    "commit changes to the disk images (if -snapshot is used)",
)
def commit(monitor: Monitor, device: str) -> str:
    """The guest waits until it is done."""
    drives = all_drives(monitor.vm) if device == "all" else [d for d in all_drives(monitor.vm) if d.name == device]
    if not drives:
        return f"Device '{device}' not found\n"
    text = ""
    for drive in drives:
        if device == "all" and not drive.has_overlay:
            continue
        try:
            check_no_job(drive, device)
            drive.commit()
        except OSError as error:
            text += f"'commit' error for '{device}': {error.strerror or error}\n"
        except (ConfigError, QmpError) as error:
            text += f"'commit' error for '{device}': {error}\n"
    return text
