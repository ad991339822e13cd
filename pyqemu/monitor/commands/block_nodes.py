"""Block nodes and drives that come and go while the machine runs."""

from __future__ import annotations

from typing import Any

from pyqemu.block.graph import DRIVERS
from pyqemu.core.errors import ConfigError
from pyqemu.monitor.commands.block import all_drives, check_no_job, title
from pyqemu.monitor.errors import QmpError
from pyqemu.monitor.monitor import Monitor
from pyqemu.monitor.object_tree import path_of
from pyqemu.monitor.qapi import BOOL, INT, SIZE, STR, Alternate, Enum, Struct, Union
from pyqemu.monitor.table import Hmp, command, hmp_command

# -- nodes ------------------------------------------------------------------------------------------------------

_VARIANTS: dict[str, Struct] = {}
OPTIONS = Union(
    "BlockdevOptions",
    {
        "driver": Enum("BlockdevDriver", DRIVERS),
        "?node-name": STR,
        "?discard": Enum("BlockdevDiscardOptions", ("ignore", "unmap")),
        "?cache": Struct("BlockdevCacheOptions", {"?direct": BOOL, "?no-flush": BOOL}),
        "?read-only": BOOL,
        "?auto-read-only": BOOL,
        "?force-share": BOOL,
        "?detect-zeroes": Enum("BlockdevDetectZeroesOptions", ("off", "on", "unmap")),
    },
    "driver",
    _VARIANTS,
)
REFERENCE = Alternate("BlockdevRef", OPTIONS)
NULL = Struct("BlockdevOptionsNull", {"?size": SIZE, "?read-zeroes": BOOL})
_VARIANTS |= {
    "file": Struct(
        "BlockdevOptionsFile",
        {
            "filename": STR,
            "?locking": Enum("OnOffAuto", ("auto", "on", "off")),
            "?aio": Enum("BlockdevAioOptions", ("threads", "native", "io_uring")),
            "?pr-manager": STR,
        },
    ),
    "raw": Struct("BlockdevOptionsRaw", {"file": REFERENCE}),
    "null-co": NULL,
    "null-aio": NULL,
}


@command("blockdev-add", OPTIONS)
def blockdev_add(monitor: Monitor, **options: Any) -> None:
    given = {key.replace("_", "-"): value for key, value in options.items()}
    if not given.get("node-name"):
        raise QmpError("'node-name' must be specified for the root node")
    monitor.vm.blocks.add(given)


@command("blockdev-del", {"node-name": STR})
def blockdev_del(monitor: Monitor, node_name: str) -> None:
    monitor.vm.blocks.remove(node_name)


@command(
    "block_resize",
    {"?device": STR, "?node-name": STR, "size": INT},
    hmp=Hmp("block_resize", "device:B,size:o", "device size", "resize a block image"),
)
def block_resize(monitor: Monitor, size: int, device: str | None = None, node_name: str | None = None) -> None:
    vm = monitor.vm
    drive = next((drive for drive in all_drives(vm) if device and drive.name == device), None)
    if drive is None and (node_name or "") not in vm.blocks.nodes:
        raise QmpError(f"Cannot find device='{device or ''}' nor node-name='{node_name or ''}'")
    if size < 0:
        raise QmpError("Parameter 'size' expects a >0 size")
    if drive is None:
        node = vm.blocks.nodes[node_name or ""]
        drive = next((other for other in all_drives(vm) if other.node in (node, *node.parents)), None)
    else:
        node = drive.node
        if node is None:
            raise QmpError(f"Device '{device}' has no medium")
    if any(getattr(holder, "blocks_removal", "") for holder in (*node.holders, *node.leaf.lockers)):
        raise QmpError(f"Device '{device or node_name}' is in use")
    if drive is not None and drive.node is not None:
        drive.resize(size)
    else:
        node.resize(size)


# -- drives -----------------------------------------------------------------------------------------------------


@hmp_command(
    "drive_add",
    "node:-n,pci_addr:s,opts:s",
    "[-n] [[<domain>:]<bus>:]<slot>\n[file=file][,if=none][,media=d]\n[,snapshot=on|off][,cache=mode]\n"
    "[,format=f][,id=name][,read-only=on|off]",
    "add a drive that no controller of the board has",
)
def drive_add(monitor: Monitor, pci_addr: str, opts: str, node: bool = False) -> str:
    """With -n a node, as ``-blockdev`` makes one; otherwise a drive, as ``-drive if=none``."""
    from pyqemu.cli.drives import Request, place
    from pyqemu.cli.messages import Answer, Typed
    from pyqemu.cli.nodes import Nodes

    vm, typed = monitor.vm, Typed("", opts)
    try:
        if node:
            nodes = Nodes()
            nodes.add(typed)
            vm.blocks.add(nodes.options[0].options)
            return ""
        (config,) = place([Request(typed, is_drive_option=True)], vm.config.snapshot)
    except Answer as answer:
        return f"{answer.text}\n"
    except ConfigError as error:
        return f"{str(error).removeprefix(f'{typed}: ')}\n"
    if config.interface != "none":
        return f"Can't hot-add drive to type {('none', 'ide', 'scsi', 'floppy').index(config.interface)}\n"
    if config.id in vm.blocks.nodes:
        return f"Device name '{config.id}' conflicts with an existing node name\n"
    if any(drive.name == config.id for drive in all_drives(vm) if config.id):
        return f"Duplicate ID '{config.id}' for drive\n"
    try:
        warnings = vm.add_drive(config)
    except ConfigError as error:
        return f"{str(error).removeprefix(f'{typed}: ')}\n"
    return "".join(f"{warning}\n" for warning in warnings) + "OK\n"


@hmp_command("drive_del", "id:B", "device", "remove host block device")
def drive_del(monitor: Monitor, id: str) -> str:
    """What a device still holds loses its medium and its name; the guest sees a drive that fails."""
    vm = monitor.vm
    if id in vm.blocks.nodes:
        try:
            vm.blocks.remove(id)
        except ConfigError as error:
            return f"{error}\n"
        return ""
    drive = next((drive for drive in all_drives(vm) if drive.name == id), None)
    if drive is None:
        return f"Device '{id}' not found\n"
    try:
        check_no_job(drive, title(vm, drive))
    except QmpError as error:
        return f"{error}\n"
    if path_of(vm, drive):
        drive.eject()
        vm.blocks.taken_names.discard(drive.name)
        drive.name = ""
    else:
        vm.remove_drive(drive)
    return ""
