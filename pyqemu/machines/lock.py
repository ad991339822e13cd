"""Locks: what a guest sees of each machine type, kept in ``machines/abi/TYPE.json``.

    abi_of("pc-1.0")                        # read off a machine built for the purpose
    compare(read_lock("pc-1.0"), abi)       # what a guest would notice, empty if nothing
    write_lock("pc-1.0")                    # after a deliberate change

A lock is plain text in nested dictionaries, sorted, one field a line: made for ``git diff``.
Errors   ConfigError: no such type, no lock, a file that is no lock
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from pyqemu.core.errors import ConfigError
from pyqemu.machines.abi import drives, firmware, layout, pci, processor, spaces
from pyqemu.machines.abi.differences import Difference, compare
from pyqemu.machines.abi.specimen import build
from pyqemu.machines.abi.tables import tables
from pyqemu.machines.registry import Registry
from pyqemu.paths import machines_dir

__all__ = ["Difference", "abi_of", "compare", "lock_path", "read_lock", "write_lock"]

FORMAT = 1
MAX_FILE_BYTES = 4 << 20


def abi_of(name: str, registry: Registry | None = None) -> dict[str, Any]:
    """The ABI of a machine type. Raises ConfigError for a type that cannot be built."""
    machine = (registry or Registry.load()).find(name)
    board = build(machine)
    try:
        abi: dict[str, Any] = {
            "format": FORMAT,
            "machine": machine.name,
            "cmos": {} if board.tree.empty else firmware.cmos(board),
            "cpuid": {} if board.tree.empty else processor.models(machine.hw_version),
            "default cpu": machine.default_cpu,
            "devices": layout.properties(board),
            "fw_cfg": firmware.fw_cfg(board),
            "identify": drives.identify(board),
            "memory": spaces.memory(board),
            "memory sizes": firmware.memory_blocks(board),
            "ports": spaces.ports(board),
            "saved state": layout.sections(board),
        }
        abi["pci"] = pci.functions(board)
        board.reset()
        spaces.open_windows(board)
        abi["memory with windows"] = _added(abi["memory"], spaces.memory(board))
        abi["ports with windows"] = _added(abi["ports"], spaces.ports(board))
    finally:
        board.close()
    abi["tables"] = {} if board.tree.empty else tables(machine)
    return abi


def _added(before: dict[str, str], after: dict[str, str]) -> dict[str, str]:
    return {key: text for key, text in after.items() if before.get(key) != text}


def lock_path(name: str, directory: Path | None = None) -> Path:
    """Where the lock of a type is, or would be. *directory* holds the types' files; ours by default."""
    return (directory or machines_dir()) / "abi" / f"{name}.json"


def read_lock(name: str, directory: Path | None = None) -> dict[str, Any]:
    """The locked ABI of a type. Raises ConfigError."""
    path = lock_path(name, directory)
    remedy = "'pyqemu-machine lock' writes it."
    try:
        with path.open("rb") as file:
            text = file.read(MAX_FILE_BYTES + 1)
    except FileNotFoundError:
        raise ConfigError(f"machine type '{name}' has no lock", f"{path}: {remedy}") from None
    except OSError as error:
        raise ConfigError(f"Could not open '{path}': {error.strerror}") from None
    try:
        lock = json.loads(text) if len(text) <= MAX_FILE_BYTES else None
    except (ValueError, RecursionError):
        lock = None
    if not isinstance(lock, dict) or lock.get("format") != FORMAT or lock.get("machine") != name:
        raise ConfigError(f"{path}: not a lock of machine type '{name}'", remedy)
    return lock


def write_lock(name: str, registry: Registry | None = None, directory: Path | None = None) -> list[Difference]:
    """Lock a type as it is now; returns what that changes (everything, if there was no lock).

    Whether the policy allows it is the caller's affair. Raises ConfigError.
    """
    abi = abi_of(name, registry)
    try:
        old = read_lock(abi["machine"], directory)
    except ConfigError:
        old = {}
    changes = compare(old, abi)
    path = lock_path(abi["machine"], directory)
    aside = path.with_suffix(".new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        aside.write_text(lock_text(abi))
        os.replace(aside, path)
    except OSError as error:
        raise ConfigError(f"Could not write '{path}': {error.strerror}") from None
    return changes


def lock_text(abi: dict[str, Any]) -> str:
    """The file's content."""
    return json.dumps(abi, indent=1, sort_keys=True, ensure_ascii=True) + "\n"
