"""``query-qmp-schema``: the table describes itself.

Source   QEMU's QMP specification, "Client JSON Protocol introspection"
"""

from __future__ import annotations

from functools import cache
from typing import Any

from pyqemu.monitor.monitor import Monitor
from pyqemu.monitor.qapi import ANY, NOTHING, Array, Entries, Struct
from pyqemu.monitor.table import command, table


@cache
def schema() -> list[dict[str, Any]]:
    """Every command, every event, and all the types they are made of."""
    from pyqemu.monitor.events import EVENTS

    types: Entries = {}
    NOTHING.describe(types)
    entries: list[dict[str, Any]] = []
    for name, entry in sorted(table().by_name.items()):
        described: dict[str, Any] = {
            "name": name,
            "meta-type": "command",
            "arg-type": entry.arguments.describe(types) if entry.arguments.members else NOTHING.name,
            "ret-type": entry.returns.describe(types),
        }
        if entry.features:
            described["features"] = list(entry.features)
        entries.append(described)
    for name, data in sorted(EVENTS.items()):
        arg_type = Struct(f"q_obj_{name}-arg", data).describe(types) if data else NOTHING.name
        entries.append({"name": name, "meta-type": "event", "arg-type": arg_type})
    return entries + list(types.values())


@command("query-qmp-schema", returns=Array(ANY))
def query_qmp_schema(monitor: Monitor) -> list[dict[str, Any]]:
    return schema()
