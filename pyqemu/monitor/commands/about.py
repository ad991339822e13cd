"""What this program is and what it can do."""

from __future__ import annotations

from typing import Any

from pyqemu import __version__
from pyqemu.monitor.monitor import Monitor
from pyqemu.monitor.qapi import BOOL, INT, SIZE, STR, Array, Enum, Struct
from pyqemu.monitor.table import Hmp, command, hmp_command, table

PROTOCOL = (7, 2, 0)
"""The QEMU release whose QMP we follow; clients decide by it what they may ask for."""

VERSION_TRIPLE = Struct("VersionTriple", {"major": INT, "minor": INT, "micro": INT})
VERSION = Struct("VersionInfo", {"qemu": VERSION_TRIPLE, "package": STR})
ACCELERATORS = ("tcg-accel",)


def version_info() -> dict[str, Any]:
    major, minor, micro = PROTOCOL
    return {"qemu": {"micro": micro, "minor": minor, "major": major}, "package": f"pyqemu {__version__}"}


def show_version(reply: dict[str, Any]) -> str:
    numbers = reply["qemu"]
    return f"{numbers['major']}.{numbers['minor']}.{numbers['micro']} ({reply['package']})\n"


@command(
    "query-version",
    returns=VERSION,
    hmp=Hmp("info version", help="show the version of QEMU", show=show_version),
)
def query_version(monitor: Monitor) -> dict[str, Any]:
    return version_info()


@command("query-commands", returns=Array(Struct("CommandInfo", {"name": STR})))
def query_commands(monitor: Monitor) -> list[dict[str, str]]:
    return [{"name": name} for name in sorted(table().by_name)]


@command("query-target", returns=Struct("TargetInfo", {"arch": Enum("SysEmuTarget", ("i386", "x86_64"))}))
def query_target(monitor: Monitor) -> dict[str, str]:
    return {"arch": "x86_64"}


@command(
    "query-kvm",
    returns=Struct("KvmInfo", {"enabled": BOOL, "present": BOOL}),
    hmp=Hmp("info kvm", help="show KVM information", show=lambda _reply: "kvm support: disabled\n"),
)
def query_kvm(monitor: Monitor) -> dict[str, bool]:
    return {"enabled": False, "present": False}


@command(
    "query-name",
    returns=Struct("NameInfo", {"?name": STR}),
    hmp=Hmp(
        "info name",
        help="show the current VM name",
        show=lambda reply: f"{reply['name']}\n" if "name" in reply else "",
    ),
)
def query_name(monitor: Monitor) -> dict[str, str]:
    name = monitor.vm.config.name
    return {"name": name} if name else {}


@command(
    "query-uuid",
    returns=Struct("UuidInfo", {"UUID": STR}),
    hmp=Hmp("info uuid", help="show the current VM UUID", show=lambda reply: f"{reply['UUID']}\n"),
)
def query_uuid(monitor: Monitor) -> dict[str, str]:
    return {"UUID": str(getattr(monitor.vm.config, "uuid", "") or "00000000-0000-0000-0000-000000000000")}


MACHINE = Struct(
    "MachineInfo",
    {
        "name": STR, "?alias": STR, "?is-default": BOOL, "cpu-max": INT, "hotpluggable-cpus": BOOL,
        "numa-mem-supported": BOOL, "deprecated": BOOL, "?default-cpu-type": STR, "?default-ram-id": STR,
        "acpi": BOOL,
    },
)  # fmt: skip


@command("query-machines", returns=Array(MACHINE))
def query_machines(monitor: Monitor) -> list[dict[str, Any]]:
    from pyqemu.machines.registry import Registry

    registry = Registry.load(monitor.vm.config.machine_dirs)
    machines = []
    for name in registry.names():
        machine = registry.get(name)
        entry: dict[str, Any] = {
            "hotpluggable-cpus": False,
            "name": name,
            "numa-mem-supported": False,
            "cpu-max": machine.max_cpus,
            "deprecated": bool(registry.deprecation(machine)),
            "acpi": machine.board == "pc",
        }
        if machine.default:
            entry["is-default"] = True
        if machine.alias:
            entry["alias"] = machine.alias
        machines.append(entry)
    return machines


@command("query-current-machine", returns=Struct("CurrentMachineParams", {"wakeup-suspend-support": BOOL}))
def query_current_machine(monitor: Monitor) -> dict[str, bool]:
    return {"wakeup-suspend-support": False}


PARAMETER = Struct(
    "CommandLineParameterInfo",
    {
        "name": STR,
        "type": Enum("CommandLineParameterType", ("string", "boolean", "number", "size")),
        "?help": STR,
        "?default": STR,
    },
)
OPTION = Struct("CommandLineOptionInfo", {"option": STR, "parameters": Array(PARAMETER)})


@command("query-command-line-options", {"?option": STR}, Array(OPTION))
def query_command_line_options(monitor: Monitor, option: str | None = None) -> list[dict[str, Any]]:
    """The options there are. Their parameters stand in no table yet, so none are claimed."""
    from pyqemu.cli.options import OPTIONS
    from pyqemu.monitor.errors import QmpError

    if option is not None and option not in OPTIONS:
        raise QmpError(f"invalid option name: {option}")
    names = sorted(OPTIONS) if option is None else [option]
    return [{"option": name, "parameters": []} for name in names]


MEMORY_SIZE = Struct("MemoryInfo", {"base-memory": SIZE, "?plugged-memory": SIZE})


@command(
    "query-memory-size-summary",
    returns=MEMORY_SIZE,
    hmp=Hmp(
        "info memory_size_summary",
        help="show the amount of initially allocated and present hotpluggable (if enabled) memory in bytes.",
        show=lambda reply: f"base memory: {reply['base-memory']}\nplugged memory: {reply['plugged-memory']}\n",
    ),
)
def query_memory_size_summary(monitor: Monitor) -> dict[str, int]:
    return {"base-memory": monitor.vm.board.ram_bytes, "plugged-memory": 0}


@hmp_command("info jit", help="show dynamic compiler info")
def info_jit(monitor: Monitor) -> str:
    return "Accelerator settings:\n  one TCG thread, code is translated by Unicorn\n"
