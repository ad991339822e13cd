"""HMP from inside QMP, and what helps people at the prompt."""

from __future__ import annotations

from collections.abc import Iterable

from pyqemu.monitor.hmp import Shell
from pyqemu.monitor.monitor import Monitor
from pyqemu.monitor.qapi import INT, STR
from pyqemu.monitor.table import Hmp, command, hmp_command, table


@command("human-monitor-command", {"command-line": STR, "?cpu-index": INT}, STR)
def human_monitor_command(monitor: Monitor, command_line: str, cpu_index: int | None = None) -> str:
    from pyqemu.monitor.commands.cpu import select_cpu

    shell = monitor.shell if isinstance(monitor.shell, Shell) else Shell(monitor.vm, monitor.take_fds)
    monitor.shell = shell  # the next command's default format is this one's
    shell.fds = monitor.fds
    if cpu_index is not None:
        select_cpu(shell, cpu_index)
    return shell.run_line(command_line).replace("\n", "\r\n")


@hmp_command("help|?", "name:S?", "[cmd]", "show the help")
def help_(monitor: Monitor, name: str = "") -> str:
    if name == "info":
        return _lines(_infos())
    found = next((hmp for hmp in _all() if name and name in hmp.names.split("|")), None)
    if name:
        return _lines([found]) if found is not None else f"unknown command: '{name}'\n"
    return _lines(sorted([hmp for hmp in _all() if not _is_info(hmp)] + [INFO], key=lambda hmp: hmp.names))


@hmp_command("info", "item:S?", "[subcommand]", "show various information about the system state")
def info(monitor: Monitor, item: str = "") -> str:
    return _lines(_infos())


INFO = Hmp("info", "", "[subcommand]", "show various information about the system state")


def _is_info(hmp: Hmp) -> bool:
    return hmp.names.split(" ")[0] == "info"


def _infos() -> list[Hmp]:
    return sorted((hmp for hmp in _all() if _is_info(hmp) and hmp.names != "info"), key=lambda hmp: hmp.names)


def _all() -> list[Hmp]:
    return list({id(entry.hmp): entry.hmp for entry in table().by_words.values() if entry.hmp}.values())


def _lines(commands: Iterable[Hmp]) -> str:
    return "".join(f"{hmp.names} {hmp.usage} -- {hmp.help}\n" for hmp in commands)


@hmp_command("info history", help="show the command line history")
def info_history(monitor: Shell) -> str:
    return "".join(f"{number}: '{line}'\n" for number, line in enumerate(monitor.history))


def choices(shell: Shell, command_name: str, argument: str, kind: str) -> Iterable[str]:
    """The words that an argument may be, for completion."""
    if kind == "B":
        return [*(drive.name for drive in shell.vm.drives.values() if drive.name), *shell.vm.blocks.nodes]
    match command_name, argument:
        case ("help" | "?", _):
            return {name for hmp in _all() for name in hmp.names.split("|")}
        case "sendkey", _:
            from pyqemu.hw.input.keycodes import KEYS

            return KEYS
        case "device_add", _:
            from pyqemu.hw.catalog import CATALOG

            return CATALOG
        case "device_del", _:
            return [device.id for device in shell.vm.config.devices if device.id]
        case "log", _:
            from pyqemu.cli.lists import LOG_ITEMS

            return ["none", *LOG_ITEMS]
    return ()
