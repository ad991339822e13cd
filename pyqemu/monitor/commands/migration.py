"""Saved states and migration: the monitor's side of ``pyqemu.migration``."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pyqemu import migration
from pyqemu.core.runstate import RunState
from pyqemu.core.sizes import parse_size
from pyqemu.migration.limits import parameters
from pyqemu.monitor.errors import QmpError
from pyqemu.monitor.hmp import Shell
from pyqemu.monitor.monitor import Monitor
from pyqemu.monitor.qapi import ANY, BOOL, SIZE, STR, Array, Enum, Struct
from pyqemu.monitor.table import Hmp, command, hmp_command

if TYPE_CHECKING:
    from pyqemu.api import VirtualMachine
    from pyqemu.display.progress import Bar

# -- capabilities and parameters ----------------------------------------------------------------------------------

CAPABILITIES = ("events",)
CAPABILITY = Struct(
    "MigrationCapabilityStatus", {"capability": Enum("MigrationCapability", CAPABILITIES), "state": BOOL}
)


@command(
    "query-migrate-capabilities",
    returns=Array(CAPABILITY),
    hmp=Hmp(
        "info migrate_capabilities",
        help="show current migration capabilities",
        show=lambda reply: "".join(f"{c['capability']}: {'on' if c['state'] else 'off'}\n" for c in reply),
    ),
)
def query_migrate_capabilities(monitor: Monitor) -> list[dict[str, Any]]:
    """MIGRATION events are always sent."""
    return [{"state": True, "capability": name} for name in CAPABILITIES]


@command("migrate-set-capabilities", {"capabilities": Array(CAPABILITY)})
def migrate_set_capabilities(monitor: Monitor, capabilities: list[dict[str, Any]]) -> None:
    """The only one there is cannot be switched off; asking for it does no harm."""


@hmp_command(
    "migrate_set_capability",
    "capability:s,state:b",
    "capability state",
    "Enable/Disable the usage of a capability for migration",
)
def migrate_set_capability(monitor: Monitor, capability: str, state: bool) -> str:
    return "" if capability in CAPABILITIES else f"Error: invalid parameter value: {capability}\n"


PARAMETERS = {"max-bandwidth": SIZE, "downtime-limit": SIZE}
UNITS = {"max-bandwidth": "bytes/second", "downtime-limit": "ms"}
MAX_DOWNTIME_MS = 2_000_000


@command(
    "query-migrate-parameters",
    returns=Struct("MigrationParameters", {f"?{name}": kind for name, kind in PARAMETERS.items()}),
    hmp=Hmp(
        "info migrate_parameters",
        help="show current migration parameters",
        show=lambda reply: "".join(f"{name}: {value} {UNITS[name]}\n" for name, value in reply.items()),
    ),
)
def query_migrate_parameters(monitor: Monitor) -> dict[str, int]:
    found = parameters(monitor.vm)
    return {"max-bandwidth": found.max_bandwidth, "downtime-limit": found.downtime_limit}


@command(
    "migrate-set-parameters",
    Struct("MigrateSetParameters", {f"?{name}": kind for name, kind in PARAMETERS.items()}),
)
def migrate_set_parameters(
    monitor: Monitor, max_bandwidth: int | None = None, downtime_limit: int | None = None
) -> None:
    if downtime_limit is not None and downtime_limit > MAX_DOWNTIME_MS:
        raise QmpError(
            f"Parameter 'downtime_limit' expects an integer in the range of 0 to {MAX_DOWNTIME_MS // 1000} seconds"
        )
    found = parameters(monitor.vm)
    if max_bandwidth is not None:
        found.max_bandwidth = max_bandwidth
    if downtime_limit is not None:
        found.downtime_limit = downtime_limit


@hmp_command("migrate_set_parameter", "parameter:s,value:s", "parameter value", "Set the parameter for migration")
def migrate_set_parameter(monitor: Monitor, parameter: str, value: str) -> str:
    if parameter not in PARAMETERS:
        return f"Error: invalid parameter value: {parameter}\n"
    suffix = "M" if parameter == "max-bandwidth" else ""
    number = parse_size(value, f"Parameter '{parameter}'", default_suffix=suffix)
    monitor.execute("migrate-set-parameters", {parameter: number})
    return ""


# -- progress -----------------------------------------------------------------------------------------------------


def _bar(monitor: Shell, title: str) -> Bar:
    """How far it is, for somebody who typed the command on our terminal. Elsewhere programs read the output."""
    from pyqemu.display.progress import Bar

    return Bar(title, wanted=monitor.on_terminal)


# -- migrating ----------------------------------------------------------------------------------------------------


def _announce(vm: VirtualMachine) -> Callable[[str], None]:
    return lambda status: vm.emit("MIGRATION", status=status)


@command(
    "migrate",
    {"uri": STR, "?blk": BOOL, "?inc": BOOL, "?detach": BOOL, "?resume": BOOL},
    hmp=Hmp(
        "migrate",
        "detach:-d,blk:-b,inc:-i,resume:-r,uri:s",
        "[-d] uri",
        "migrate to URI (using -d to not wait for completion)",
        run=lambda monitor, uri, **flags: _hmp_migrate(monitor, uri, **flags),
    ),
)
def migrate(
    monitor: Monitor, uri: str, blk: bool = False, inc: bool = False, detach: bool = False, resume: bool = False
) -> None:
    """Begin; it goes on while the guest runs, and events tell of it."""
    _begin(monitor, uri, blk or inc, resume, _announce(monitor.vm))


def _begin(monitor: Monitor, uri: str, blocks: bool, resume: bool, on_change: Callable[[str], None]) -> None:
    vm = monitor.vm
    if blocks:
        raise QmpError("migration of disks is not supported by pyqemu")
    if resume:
        raise QmpError("Cannot resume if there is no paused migration")
    if vm.migration is not None and not vm.migration.done and vm.migration.state != "none":
        raise QmpError("There's a migration process in progress")
    if vm.state is RunState.INMIGRATE:
        raise QmpError("Guest is waiting for an incoming migration")
    if vm.state is RunState.POSTMIGRATE:
        raise QmpError("Can't migrate the vm that was paused due to previous migration")
    if vm.going_jobs:
        raise QmpError(f"Block job '{vm.going_jobs[0].id}' uses the machine's drives: cancel or complete it first")
    outgoing = migration.Outgoing(vm, uri, on_change=on_change)
    with _NamedDescriptor(monitor, uri):
        vm.migration = outgoing
        outgoing.start()


class _NamedDescriptor:
    """What getfd has received under the name in ``fd:NAME``: the migration takes it, and it is closed here."""

    def __init__(self, monitor: Monitor, uri: str) -> None:
        self._monitor = monitor
        self._name = uri.removeprefix("fd:") if uri.startswith("fd:") else ""

    def __enter__(self) -> None:
        self._monitor.vm.fds = dict(self._monitor.fds)

    def __exit__(self, *exception: object) -> None:
        self._monitor.vm.fds = {}
        if self._name in self._monitor.fds:
            os.close(self._monitor.pop_fd(self._name))


def _hmp_migrate(
    monitor: Shell, uri: str, detach: bool = False, blk: bool = False, inc: bool = False, resume: bool = False
) -> str:
    announce = _announce(monitor.vm)
    hold = None if detach else monitor.hold_prompt
    if hold is None:
        _begin(monitor, uri, blk or inc, resume, announce)
        return "" if detach else "terminal does not allow synchronous migration, continuing detached\n"

    bar = _bar(monitor, "Migrating")

    def changed(status: str) -> None:
        announce(status)
        outgoing = monitor.vm.migration
        if outgoing is not None and outgoing.done:
            bar.close()
            release(f"Error: {outgoing.error}\n" if outgoing.error else "")

    release = hold()
    try:
        _begin(monitor, uri, blk or inc, resume, changed)
        monitor.vm.migration.on_progress = bar.show
    except Exception:
        release("", show=False)
        raise
    return ""


@command("migrate_cancel", hmp=Hmp("migrate_cancel", help="cancel the current VM migration"))
def migrate_cancel(monitor: Monitor) -> None:
    current = monitor.vm.migration
    if isinstance(current, migration.Outgoing):
        current.cancel()


@command(
    "migrate-incoming",
    {"uri": STR},
    hmp=Hmp("migrate_incoming", "uri:s", "uri", "Continue an incoming migration from an -incoming defer"),
)
def migrate_incoming(monitor: Monitor, uri: str) -> None:
    current = monitor.vm.migration
    if not isinstance(current, migration.Incoming) or monitor.vm.state is not RunState.INMIGRATE:
        raise QmpError("'-incoming' was not specified on the command line")
    if current.state != "none":
        raise QmpError("The incoming migration has already been started")
    current.on_change = _announce(monitor.vm)
    with _NamedDescriptor(monitor, uri):
        current.start(uri)


def show_migrate(reply: dict[str, Any]) -> str:
    if "status" not in reply:
        return ""
    failure = f" ({reply['error-desc']})" if reply.get("error-desc") else ""
    lines = [f"Migration status: {reply['status']}{failure}"]
    times = (("total time", "total-time"), ("expected downtime", "expected-downtime"), ("downtime", "downtime"))
    lines += [f"{title}: {reply[key]} ms" for title, key in (*times, ("setup", "setup-time")) if key in reply]
    if ram := reply.get("ram"):
        lines += [
            f"transferred ram: {ram['transferred'] >> 10} kbytes",
            f"throughput: {ram['mbps']:.2f} mbps",
            f"remaining ram: {ram['remaining'] >> 10} kbytes",
            f"total ram: {ram['total'] >> 10} kbytes",
            f"duplicate: {ram['duplicate']} pages",
            f"skipped: {ram['skipped']} pages",
            f"normal: {ram['normal']} pages",
            f"normal bytes: {ram['normal-bytes'] >> 10} kbytes",
            f"dirty sync count: {ram['dirty-sync-count']}",
            f"page size: {ram['page-size'] >> 10} kbytes",
        ]
    return "".join(f"{line}\n" for line in lines)


MIGRATION = Struct(
    "MigrationInfo",
    {
        "?status": STR, "?error-desc": STR, "?total-time": SIZE, "?setup-time": SIZE, "?downtime": SIZE,
        "?expected-downtime": SIZE, "?ram": ANY,
    },
)  # fmt: skip


@command(
    "query-migrate",
    returns=MIGRATION,
    hmp=Hmp("info migrate", help="show migration status", show=show_migrate),
)
def query_migrate(monitor: Monitor) -> dict[str, Any]:
    current = monitor.vm.migration
    return current.status() if current is not None else {}


# -- snapshots ----------------------------------------------------------------------------------------------------


@hmp_command("savevm", "name:s?", "tag", "save a VM snapshot. If no tag is provided, a new snapshot is created")
def savevm(monitor: Shell, name: str = "") -> None:
    with _bar(monitor, "Saving") as bar:
        migration.savevm(monitor.vm, name, bar.show)


@hmp_command("loadvm", "name:s", "tag", "restore a VM snapshot from its tag")
def loadvm(monitor: Shell, name: str) -> None:
    with _bar(monitor, "Loading") as bar:
        migration.loadvm(monitor.vm, name, bar.show)


@hmp_command("delvm", "name:s", "tag", "delete a VM snapshot from its tag")
def delvm(monitor: Monitor, name: str) -> None:
    migration.delvm(monitor.vm, name)


@hmp_command("info snapshots", help="show the currently saved VM snapshots")
def info_snapshots(monitor: Monitor) -> str:
    from pyqemu.monitor.commands.block import size_text

    found = migration.list_snapshots(monitor.vm)
    if not found:
        return "There is no snapshot available.\n"
    lines = [
        "List of snapshots present on all disks:",
        f"{'ID':<9} {'TAG':<16} {'VM SIZE':>8}{'DATE':>20}{'VM CLOCK':>13}{'ICOUNT':>11}",
    ]
    for snapshot in found:
        milliseconds = snapshot.vm_clock_ns // 1_000_000
        seconds, milliseconds = divmod(milliseconds, 1000)
        clock = f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{milliseconds:03d}"
        date = snapshot.date.astimezone().strftime("%Y-%m-%d %H:%M:%S")
        size = size_text(snapshot.vm_state_size)
        lines.append(f"{snapshot.id:<9} {snapshot.name:<16} {size:>8}{date:>20}{clock:>13}{'':>11}")
    return "".join(f"{line}\n" for line in lines)
