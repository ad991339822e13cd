"""Logging while the machine runs."""

from __future__ import annotations

from typing import Any

from pyqemu.core import trace
from pyqemu.core.errors import ConfigError
from pyqemu.monitor.errors import QmpError
from pyqemu.monitor.monitor import Monitor
from pyqemu.monitor.qapi import BOOL, INT, STR, Array, Enum, Struct
from pyqemu.monitor.table import command, hmp_command


@hmp_command("log", "items:s", "item1[,...]", "activate logging of the specified items")
def log(monitor: Monitor, items: str) -> str:
    from pyqemu.cli.lists import LOG_ITEMS, log_items

    wanted = [] if items == "none" else items.split(",")
    if not all(item in LOG_ITEMS for item in wanted):
        head, _, rest = log_items().partition("\n")
        return f"{head}\n{'none':<15} remove all logs\n{rest}\n"
    monitor.vm.log.select(wanted)
    return ""


@hmp_command("logfile", "filename:F", "filename", "output logs to 'filename'")
def logfile(monitor: Monitor, filename: str) -> str:
    try:
        monitor.vm.log.redirect(filename)
    except ConfigError as error:
        return f"Error opening logfile {filename}: {str(error).rpartition(': ')[2]}\n"
    return ""


TRACE_STATE = Enum("TraceEventState", ["unavailable", "disabled", "enabled"])
TRACE_INFO = Struct("TraceEventInfo", {"name": STR, "state": TRACE_STATE, "vcpu": BOOL})


def found(name: str) -> list[trace.Event]:
    """The events of a pattern. Raises QmpError for a name that is none."""
    events = trace.events(name)
    if not events and "*" not in name:
        raise QmpError(f'unknown event "{name}"')
    return events


@command("trace-event-get-state", {"name": STR, "?vcpu": INT}, Array(TRACE_INFO))
def trace_event_get_state(monitor: Monitor, name: str, vcpu: int = 0) -> list[dict[str, Any]]:
    return [
        {"name": event.name, "state": "enabled" if event.on else "disabled", "vcpu": False} for event in found(name)
    ]


@command("trace-event-set-state", {"name": STR, "enable": BOOL, "?ignore-unavailable": BOOL, "?vcpu": INT})
def trace_event_set_state(monitor: Monitor, name: str, enable: bool, **_: Any) -> None:
    found(name)
    try:
        monitor.vm.log.trace(name, enable)
    except ConfigError as error:
        raise QmpError(str(error)) from None


@hmp_command(
    "trace-event",
    "name:s,option:b,vcpu:i?",
    "name on|off [vcpu]",
    "changes status of a specific trace event (vcpu: vCPU to set, default is all)",
)
def trace_event(monitor: Monitor, name: str, option: bool, vcpu: int = 0) -> str:
    try:
        trace_event_set_state(monitor, name, option)
    except QmpError as error:
        return f"{error}\n"
    return ""


@hmp_command(
    "info trace-events",
    "name:s?,vcpu:i?",
    "[name] [vcpu]",
    "show available trace-events & their state (name: event name pattern; vcpu: vCPU to query, default is any)",
)
def info_trace_events(monitor: Monitor, name: str = "*", vcpu: int = 0) -> str:
    try:
        return "".join(f"{event.name} : state {int(event.on)}\n" for event in found(name))
    except QmpError as error:
        return f"{error}\n"
