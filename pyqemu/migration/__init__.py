"""State that outlives the process: saving, loading, moving a machine.

Everything is loaded when it is first used, so that a machine that is never saved pays nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyqemu.migration.errors import MigrationError as MigrationError
    from pyqemu.migration.incoming import Incoming as Incoming
    from pyqemu.migration.limits import Parameters as Parameters
    from pyqemu.migration.limits import parameters as parameters
    from pyqemu.migration.load import load_vm as load_vm
    from pyqemu.migration.outgoing import Outgoing as Outgoing
    from pyqemu.migration.save import save_vm as save_vm
    from pyqemu.migration.snapshots import Snapshot as Snapshot
    from pyqemu.migration.snapshots import delvm as delvm
    from pyqemu.migration.snapshots import list_snapshots as list_snapshots
    from pyqemu.migration.snapshots import loadvm as loadvm
    from pyqemu.migration.snapshots import resume_snapshot as resume_snapshot
    from pyqemu.migration.snapshots import savevm as savevm

_PLACES = {
    "MigrationError": "errors",
    "save_vm": "save",
    "load_vm": "load",
    "Incoming": "incoming",
    "Outgoing": "outgoing",
    "Parameters": "limits",
    "parameters": "limits",
    "Snapshot": "snapshots",
    "savevm": "snapshots",
    "loadvm": "snapshots",
    "delvm": "snapshots",
    "list_snapshots": "snapshots",
    "resume_snapshot": "snapshots",
}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module 'pyqemu.migration' has no attribute '{name}'")
    return getattr(import_module(f"pyqemu.migration.{_PLACES[name]}"), name)
