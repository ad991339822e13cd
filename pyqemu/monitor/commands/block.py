"""Drives and what is in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyqemu.block.graph import NULL_DRIVERS
from pyqemu.core.errors import ConfigError
from pyqemu.monitor.errors import QmpError, device_not_found
from pyqemu.monitor.monitor import Monitor
from pyqemu.monitor.object_tree import device_of, path_of
from pyqemu.monitor.qapi import BOOL, INT, SIZE, STR, Array, Enum, Struct
from pyqemu.monitor.table import Hmp, command, hmp_command

if TYPE_CHECKING:
    from pyqemu.api import VirtualMachine
    from pyqemu.block.graph import Node

READ_ONLY_MODES = ("retain", "read-only", "read-write")
READ_ONLY_MODE = Enum("BlockdevChangeReadOnlyMode", READ_ONLY_MODES)


# -- the drive and the device that holds it ---------------------------------------------------------------------


def all_drives(vm: VirtualMachine) -> list[Any]:
    return list({id(drive): drive for drive in vm.drives.values()}.values())


def find_drive(vm: VirtualMachine, device: str | None, id: str | None = None) -> Any:
    """By the drive's name, or by the id or path of the device that holds it. Raises QmpError."""
    if (device is None) == (id is None):
        raise QmpError("Need exactly one of 'device' and 'id'")
    wanted = device if device is not None else id
    assert wanted is not None
    for drive in all_drives(vm):
        if wanted and device is not None and drive.name == wanted:
            return drive
        if id is not None and id in (drive.name or device_of(vm, drive), device_of(vm, drive), path_of(vm, drive)):
            return drive
    raise device_not_found(wanted)


def _is_removable(vm: VirtualMachine, drive: Any) -> bool:
    """What no device has counts as removable, as in QEMU."""
    return drive.media == "cdrom" or _is_floppy(vm, drive) or not path_of(vm, drive)


def _is_floppy(vm: VirtualMachine, drive: Any) -> bool:
    return any(interface == "floppy" and other is drive for (interface, _), other in vm.drives.items())


def _atapi(vm: VirtualMachine, drive: Any) -> Any:
    """The CD-ROM drive that holds *drive*, which has a tray; None for others."""
    for device in vm.devices.values():
        for channel in getattr(device, "channels", ()):
            for position in getattr(channel, "devices", ()):
                if getattr(position, "drive", None) is drive and position.kind == "ide-cd":
                    return position
    return None


def title(vm: VirtualMachine, drive: Any) -> str:
    """How messages name a drive."""
    return str(drive.name or device_of(vm, drive) or drive.id)


def _check_removable(vm: VirtualMachine, drive: Any) -> None:
    if not _is_removable(vm, drive):
        raise QmpError(f"Device '{title(vm, drive)}' is not removable")


def open_tray(vm: VirtualMachine, drive: Any, force: bool) -> None:
    """Raises QmpError if the guest has locked it and *force* is not given; the guest is told then."""
    _check_removable(vm, drive)
    atapi = _atapi(vm, drive)
    if atapi is None or atapi.unit.tray_open:
        return
    if atapi.locked and not force:
        atapi.request_eject()
        name = title(vm, drive)
        raise QmpError(
            f"Device '{name}' is locked and force was not specified, wait for tray to open and try again"
        )
    atapi.unit.tray_open = True
    vm.emit("DEVICE_TRAY_MOVED", **{"device": drive.name, "id": device_of(vm, drive), "tray-open": True})


def close_tray(vm: VirtualMachine, drive: Any, was_open: bool = False) -> None:
    atapi = _atapi(vm, drive)
    if atapi is None or not (atapi.unit.tray_open or was_open):
        return
    atapi.unit.tray_open = False
    vm.emit("DEVICE_TRAY_MOVED", **{"device": drive.name, "id": device_of(vm, drive), "tray-open": False})


def check_no_job(drive: Any, name: str) -> None:
    """Raises QmpError if a block job uses what is in the drive."""
    if drive.node is not None:
        for holder in drive.node.holders:
            if kind := getattr(holder, "blocks_removal", ""):
                raise QmpError(f"Node '{name}' is busy: block device is in use by block job: {kind}")


def change_medium(
    vm: VirtualMachine, drive: Any, filename: str, format: str | None, mode: str, force: bool
) -> None:
    """Put another image in. Raises QmpError, and then the old one is still there."""
    _check_removable(vm, drive)
    check_no_job(drive, title(vm, drive))
    read_only = mode == "read-only" or (mode == "retain" and drive.read_only)
    atapi = _atapi(vm, drive)
    node = drive.open_node(filename, read_only=read_only, format=format)
    try:
        open_tray(vm, drive, force)
        drive.attach(node, read_only=read_only)
    except (ConfigError, QmpError):
        vm.blocks.discard(node)
        if drive.inserted:
            close_tray(vm, drive)
        raise
    close_tray(vm, drive, was_open=atapi is not None)


# -- queries ----------------------------------------------------------------------------------------------------

CACHE = Struct("BlockdevCacheInfo", {"writeback": BOOL, "direct": BOOL, "no-flush": BOOL})
IMAGE = Struct(
    "ImageInfo", {"filename": STR, "format": STR, "virtual-size": INT, "actual-size": INT, "?dirty-flag": BOOL}
)
INSERTED = Struct(
    "BlockDeviceInfo",
    {
        "file": STR, "?node-name": STR, "ro": BOOL, "drv": STR, "backing_file_depth": INT, "encrypted": BOOL,
        "detect_zeroes": STR, "bps": INT, "bps_rd": INT, "bps_wr": INT, "iops": INT, "iops_rd": INT, "iops_wr": INT,
        "image": IMAGE, "cache": CACHE, "write_threshold": INT,
    },
)  # fmt: skip
BLOCK = Struct(
    "BlockInfo",
    {
        "device": STR, "?qdev": STR, "type": STR, "removable": BOOL, "locked": BOOL, "?inserted": INSERTED,
        "?tray_open": BOOL, "?io-status": STR,
    },
)  # fmt: skip


def node_info(node: Node, write_cache: bool = True) -> dict[str, Any]:
    image = {
        "virtual-size": node.size,
        "filename": node.filename,
        "format": node.driver,
        "actual-size": 0 if node.leaf.driver in NULL_DRIVERS else _actual_size(node.filename),
    }
    if node.driver not in NULL_DRIVERS:
        image["dirty-flag"] = False
    return {
        "node-name": node.name,
        "file": node.filename,
        "ro": node.read_only,
        "drv": node.driver,
        "encrypted": False,
        "detect_zeroes": node.detect_zeroes,
        "cache": {"no-flush": node.no_flush, "direct": node.direct, "writeback": write_cache},
        "image": image,
        "backing_file_depth": 0,
        "bps": 0, "bps_rd": 0, "bps_wr": 0, "iops": 0, "iops_rd": 0, "iops_wr": 0,
        "write_threshold": 0,
    }  # fmt: skip


def _inserted(drive: Any) -> dict[str, Any]:
    """With an overlay the drive can be written, though the node cannot."""
    info = node_info(drive.node, drive.write_cache)
    return info | {"ro": drive.read_only} if drive.has_overlay else info


def _actual_size(path: str) -> int:
    import os

    try:
        return os.stat(path).st_blocks * 512
    except (OSError, ValueError):
        return 0


@command("query-block", returns=Array(BLOCK))
def query_block(monitor: Monitor) -> list[dict[str, Any]]:
    return [_block(monitor.vm, drive) for drive in all_drives(monitor.vm)]


def _block(vm: VirtualMachine, drive: Any) -> dict[str, Any]:
    atapi, qdev = _atapi(vm, drive), device_of(vm, drive)
    entry: dict[str, Any] = {
        "device": drive.name,
        "locked": bool(atapi is not None and atapi.locked),
        "removable": _is_removable(vm, drive),
        "type": "unknown",
    }
    if qdev and not _is_floppy(vm, drive):
        entry["io-status"] = "ok"
    if qdev:
        entry["qdev"] = qdev
    if atapi is not None:
        entry["tray_open"] = bool(atapi.unit.tray_open)
    if drive.inserted:
        entry["inserted"] = _inserted(drive)
    return entry


@hmp_command(
    "info block",
    "nodes:-n,verbose:-v,device:B?",
    "[-n] [-v] [device]",
    "show info of one block device or all block devices (-n: show named nodes; -v: show details)",
)
def info_block(monitor: Monitor, nodes: bool = False, verbose: bool = False, device: str | None = None) -> str:
    """A name that no drive has may be that of a node."""
    text, found = "", False
    for number, block in enumerate([] if nodes else query_block(monitor)):
        if device in (None, block["device"]):
            text += "\n" if number else ""  # between drives, and before one that is not the first
            text += _block_text(block, block.get("inserted"), verbose)
            found = True
    if found or (device is None and not nodes):
        return text
    for number, node in enumerate(query_named_block_nodes(monitor)):
        if device in (None, node["node-name"]):
            text += "\n" if number else ""
            text += _block_text(None, node, verbose)
    return text


def _image_text(inserted: dict[str, Any]) -> str:
    return f"{inserted['file']} ({inserted['drv']}{', read-only' if inserted['ro'] else ''})"


def _cache_text(inserted: dict[str, Any]) -> str:
    flags = inserted["cache"]
    words = ["writeback" if flags["writeback"] else "writethrough"]
    words += ["direct"] * flags["direct"] + ["ignore flushes"] * flags["no-flush"]
    return ", ".join(words)


def _block_text(block: dict[str, Any] | None, inserted: dict[str, Any] | None, verbose: bool) -> str:
    """A drive, or with None a node by itself."""
    name = block["device"] if block is not None else ""
    node = inserted["node-name"] if inserted else ""
    heading = f"{name} ({node})" if name and node else name or node or (block or {}).get("qdev", "<anonymous>")
    lines = [f"{heading}: {_image_text(inserted) if inserted else '[not inserted]'}"]
    if block is not None:
        if "qdev" in block:
            lines.append(f"    Attached to:      {block['qdev']}")
        if block["removable"]:
            locked = "locked" if block["locked"] else "not locked"
            tray = "open" if block.get("tray_open") else "closed"
            lines.append(f"    Removable device: {locked}, tray {tray}")
    if inserted:
        lines.append(f"    Cache mode:       {_cache_text(inserted)}")
        if inserted["detect_zeroes"] != "off":
            lines.append(f"    Detect zeroes:    {inserted['detect_zeroes']}")
        if verbose:
            image = inserted["image"]
            lines += [
                "",
                "Images:",
                f"image: {image['filename']}",
                f"file format: {image['format']}",
                f"virtual size: {size_text(image['virtual-size'])} ({image['virtual-size']} bytes)",
                f"disk size: {size_text(image['actual-size'])}",
            ]
    return "".join(f"{line}\n" for line in lines)


def size_text(count: int) -> str:
    """As QEMU writes sizes: three digits and a unit."""
    value, unit = float(count), 0
    while value >= 1000 and unit < 4:
        value, unit = value / 1024, unit + 1
    return f"{value:.3g} {('B', 'KiB', 'MiB', 'GiB', 'TiB')[unit]}"


@command("query-named-block-nodes", {"?flat": BOOL}, Array(INSERTED))
def query_named_block_nodes(monitor: Monitor, flat: bool = False) -> list[dict[str, Any]]:
    """Every node, the newest first."""
    return [node_info(node) for node in reversed(monitor.vm.blocks.nodes.values())]


COUNTERS = ("rd_bytes", "wr_bytes", "rd_operations", "wr_operations", "flush_operations")
STATS = Struct("BlockDeviceStats", dict.fromkeys(COUNTERS, SIZE))


def show_stats(reply: list[dict[str, Any]]) -> str:
    return "".join(
        f"{entry['device']}: " + " ".join(f"{key}={value}" for key, value in entry["stats"].items()) + "\n"
        for entry in reply
    )


@command(
    "query-blockstats",
    {"?query-nodes": BOOL},
    Array(Struct("BlockStats", {"?device": STR, "?qdev": STR, "?node-name": STR, "stats": STATS})),
    hmp=Hmp("info blockstats", help="show block device statistics", show=show_stats),
)
def query_blockstats(monitor: Monitor, query_nodes: bool = False) -> list[dict[str, Any]]:
    vm = monitor.vm
    entries = []
    for drive in all_drives(vm):
        names = {} if query_nodes else {"device": drive.name}
        if drive.node is not None:
            names["node-name"] = drive.node.name
        if not query_nodes and (qdev := device_of(vm, drive)):
            names["qdev"] = qdev
        if "node-name" in names or not query_nodes:
            entries.append(names | {"stats": {key: getattr(drive.stats, key) for key in COUNTERS}})
    if query_nodes:
        counted = {entry["node-name"] for entry in entries}
        stats = dict.fromkeys(COUNTERS, 0)
        entries += [{"node-name": name, "stats": stats} for name in vm.blocks.nodes if name not in counted]
    return entries


# -- changing media ---------------------------------------------------------------------------------------------


@command(
    "eject",
    {"?device": STR, "?id": STR, "?force": BOOL},
    hmp=Hmp("eject", "force:-f,device:B", "[-f] device", "eject a removable medium (use -f to force it)"),
)
def eject(monitor: Monitor, device: str | None = None, id: str | None = None, force: bool = False) -> None:
    drive = find_drive(monitor.vm, device, id)
    check_no_job(drive, title(monitor.vm, drive))
    open_tray(monitor.vm, drive, force)
    drive.eject()


@command("blockdev-open-tray", {"?device": STR, "?id": STR, "?force": BOOL})
def blockdev_open_tray(
    monitor: Monitor, device: str | None = None, id: str | None = None, force: bool = False
) -> None:
    open_tray(monitor.vm, find_drive(monitor.vm, device, id), force)


@command("blockdev-close-tray", {"?device": STR, "?id": STR})
def blockdev_close_tray(monitor: Monitor, device: str | None = None, id: str | None = None) -> None:
    drive = find_drive(monitor.vm, device, id)
    _check_removable(monitor.vm, drive)
    close_tray(monitor.vm, drive)


@command("blockdev-insert-medium", {"id": STR, "node-name": STR})
def blockdev_insert_medium(monitor: Monitor, id: str, node_name: str) -> None:
    vm = monitor.vm
    drive = find_drive(vm, None, id)
    if not _is_removable(vm, drive):
        raise QmpError("Device is not removable")
    atapi = _atapi(vm, drive)
    if atapi is not None and not atapi.unit.tray_open:
        raise QmpError("Tray of the device is not open")
    if node_name not in vm.blocks.nodes:
        raise QmpError(f"Node '{node_name}' not found")
    node = vm.blocks.nodes[node_name]
    if node.holders or node.parents:
        raise QmpError(f"Node '{node_name}' is already in use")
    if drive.inserted:
        raise QmpError("There already is a medium in the device")
    drive.attach(node)
    if atapi is not None:
        atapi.unit.tray_open = True  # a medium has come in, but nobody has shut the tray


@command("blockdev-remove-medium", {"id": STR})
def blockdev_remove_medium(monitor: Monitor, id: str) -> None:
    drive = find_drive(monitor.vm, None, id)
    _check_removable(monitor.vm, drive)
    atapi = _atapi(monitor.vm, drive)
    if atapi is not None and not atapi.unit.tray_open:
        raise QmpError(f"Tray of device '{id}' is not open")
    check_no_job(drive, title(monitor.vm, drive))
    drive.eject()


@command(
    "blockdev-change-medium",
    {
        "?device": STR,
        "?id": STR,
        "filename": STR,
        "?format": STR,
        "?force": BOOL,
        "?read-only-mode": READ_ONLY_MODE,
    },
)
def blockdev_change_medium(
    monitor: Monitor,
    filename: str,
    device: str | None = None,
    id: str | None = None,
    format: str | None = None,
    force: bool = False,
    read_only_mode: str = "retain",
) -> None:
    drive = find_drive(monitor.vm, device, id)
    change_medium(monitor.vm, drive, filename, format, read_only_mode, force)


@hmp_command(
    "change",
    "device:B,force:-f,target:F,arg:s?,read_only_mode:s?",
    "device [-f] filename [format [read-only-mode]]",
    "change a removable medium, optional format, use -f to force the operation",
)
def change(
    monitor: Monitor, device: str, target: str, force: bool = False, arg: str = "", read_only_mode: str = "retain"
) -> str:
    drive = find_drive(monitor.vm, device)
    if read_only_mode not in READ_ONLY_MODES:
        return f"Error: invalid parameter value: {read_only_mode}\n"
    change_medium(monitor.vm, drive, target, arg or None, read_only_mode, force)
    return "".join(f"{warning}\n" for warning in drive.warnings)
