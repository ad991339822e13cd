"""What a user can set for migrations of a machine, with QEMU's names and defaults."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

MIB = 1 << 20


@dataclass
class Parameters:
    """``max_bandwidth`` in bytes a second (0: no limit), ``downtime_limit`` in milliseconds."""

    max_bandwidth: int = 128 * MIB
    downtime_limit: int = 300


def parameters(vm: Any) -> Parameters:
    """Those of *vm*; what is set in them counts at once, also for a migration that runs."""
    found = getattr(vm, "_migration_parameters", None)
    if found is None:
        found = vm._migration_parameters = Parameters()
    assert isinstance(found, Parameters)
    return found
