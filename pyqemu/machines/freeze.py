"""Making a stable type out of the newest hardware: ``pc-next`` today becomes ``pc-2.0`` for good.

    frozen = freeze(registry, "pc-2.0", today=date.today())

A stable type inherits ``pc-next``, which goes on changing. So the new one says everything itself:

    its keys       each one that has a single value, as pc-next has it
    its board      a file of its own, boards/NAME.yaml, with today's devices at today's addresses
    its defaults   today's default of every property of every device type; a default that changes later
                   reaches pc-next alone
    its lock       behaviour that no property governs; whoever changes that later finds the lock in the way

The stable types that inherited pc-next inherit the new one from then on. They stay the same machines, which is
proved by building them before and after, and what protects the new type protects them too.

Everything is made and proved in a copy of the directory; then the files are moved to their places.

Errors   ConfigError: the policy forbids it, and why; or something cannot be written, and then nothing is
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from shutil import copytree

from pyqemu.boards.board import LINKS
from pyqemu.boards.tree import described_tree
from pyqemu.core.errors import ConfigError, nearest
from pyqemu.hw.catalog import CATALOG, device_class
from pyqemu.machines.check import cadence_refusal
from pyqemu.machines.lock import Difference, abi_of, compare, read_lock, write_lock
from pyqemu.machines.policy import release_name
from pyqemu.machines.registry import MachineType, Registry
from pyqemu.machines.schema import Release

STABLE = "stable"
_NAME = re.compile(r"([A-Za-z][A-Za-z0-9]*)-(0|[1-9]\d{0,3})\.(0|[1-9]\d{0,3})")
_PLAIN = re.compile(r"(?!(?:null|Null|NULL)$)[A-Za-z0-9_./+][A-Za-z0-9_./+-]*")


@dataclass(frozen=True)
class Frozen:
    """What was done. ``differences``: between the new type and the one it was made from (its version, mostly).
    ``heirs``: types that inherit the new one now."""

    name: str
    source: str
    files: tuple[Path, ...]
    heirs: tuple[str, ...]
    differences: tuple[Difference, ...]


def freeze(registry: Registry, name: str, *, today: date) -> Frozen:
    """Write a new stable type, its board and its lock. Raises ConfigError."""
    source, release = _allowed(registry, name, today)
    with tempfile.TemporaryDirectory(prefix="pyqemu-freeze-") as folder:
        copy = copytree(registry.directory, Path(folder) / "machines")
        heirs = [machine for machine in registry.all() if _is_heir(registry, machine, source)]
        _write(copy / "boards" / f"{name}.yaml", board_text(source, name, today))
        _write(copy / f"{name}.yaml", type_text(source, name, release, today))
        for heir in heirs:
            _write(copy / heir.path.name, _reparented(heir, source.name, name))
        after = Registry(copy, release=registry.release)
        _prove_unchanged(registry, after, source)
        write_lock(name, after, copy)
        differences = compare(abi_of(source.name, registry), read_lock(name, copy))
        files = [Path("boards") / f"{name}.yaml", Path("abi") / f"{name}.json", Path(f"{name}.yaml")]
        files += [Path(heir.path.name) for heir in heirs]
        _move(copy, registry.directory, files)
    return Frozen(
        name,
        source.name,
        tuple(registry.directory / file for file in files),
        tuple(heir.name for heir in heirs),
        tuple(differences),
    )


# -- the policy -------------------------------------------------------------------------------------------


def _allowed(registry: Registry, name: str, today: date) -> tuple[MachineType, Release]:
    """The type to freeze and the release that it comes with. Raises ConfigError if the policy forbids it."""
    match = _NAME.fullmatch(name)
    if match is None:
        raise ConfigError(f"'{name}' is no name of a stable type", "Accepted: FAMILY-MAJOR.MINOR, like pc-2.0.")
    release = int(match[2]), int(match[3])
    policy = registry.policy
    source = _source(registry, f"{match[1]}-next")
    for machine in registry.all():
        if name in (machine.name, machine.alias):
            raise ConfigError(f"machine type '{name}' exists", f"{machine.path}")
    if policy.locks_open:
        raise ConfigError(
            f"machine type '{name}' cannot be frozen while locks are open",
            f"The first release closes them ({policy.places['locks']}).",
        )
    if release != registry.release:
        raise ConfigError(
            f"machine type '{name}' comes with release {release_name(release)}",
            f"This is {release_name(registry.release)}.",
        )
    if release not in policy.releases:
        raise ConfigError(
            f"release {release_name(release)} is not listed in {policy.path.name}",
            f"Add \"{release_name(release)}\": planned under 'releases' ({policy.places['releases']}).",
        )
    _check_cadence(registry, release, today)
    if differences := compare(read_lock(source.name, registry.directory), abi_of(source.name, registry)):
        raise ConfigError(
            f"machine type '{source.name}' is not the machine that its lock describes",
            "\n".join([*map(str, differences[:10]), f"Lock it first: pyqemu-machine lock {source.name}"]),
        )
    return source, release


def _source(registry: Registry, name: str) -> MachineType:
    """The type that all change is collected in."""
    names = [
        machine.name
        for machine in registry.all()
        if registry.policy.stability[machine.stability].lock == "follows" and not machine.vendor
    ]
    if name not in names:
        hint = nearest(name, names) or f"There is {', '.join(names) or 'none'}."
        raise ConfigError(f"there is no machine type '{name}' to freeze", hint)
    return registry.get(name)


def _check_cadence(registry: Registry, release: Release, today: date) -> None:
    policy = registry.policy
    frozen = [
        machine.since
        for machine in registry.all()
        if machine.since is not None and policy.stability[machine.stability].lock == "frozen"
    ]
    if not frozen:
        return
    if refusal := cadence_refusal(policy, max(frozen), release, today):
        raise ConfigError(f"the policy forbids a new stable type: {refusal}", f"{policy.places['cadence']}")


# -- texts ------------------------------------------------------------------------------------------------


def type_text(source: MachineType, name: str, release: Release, today: date) -> str:
    """The new type's file."""
    keys = {
        "name": name,
        "inherits": source.name,
        "stability": STABLE,
        "since": release_name(release),
        "desc": source.desc,
        "board": name,
        "hw_version": release_name(release),
        "max_cpus": source.max_cpus,
        "default_cpu": source.default_cpu,
        "default_ram": f"{source.default_ram >> 20}M",
        "default_display": source.default_display,
        "default_nic": source.default_nic,
        "accel": source.accel,
        "kvmclock": "on" if source.kvmclock else "off",
        "stream": source.stream,
    }
    lines = [
        f"# Frozen from {source.name} on {today.isoformat()} by pyqemu-machine. What changes there later does not",
        "# reach this type: it says everything itself. New behaviour without a property meets its lock.",
        *(f"{key}: {scalar(str(value))}" for key, value in keys.items() if value != ""),
        "",
        "# What every property was by default that day, on the board and of devices that are plugged in.",
        "defaults:",
    ]
    for driver, values in _defaults():
        content = ", ".join(f"{scalar(key)}: {scalar(value)}" for key, value in values.items())
        lines += [f"  {scalar(driver)}: {{{content}}}"]
    return "\n".join(lines) + "\n"


def _defaults() -> Iterator[tuple[str, dict[str, str]]]:
    for driver in sorted(CATALOG):
        kind = device_class(driver)
        values = {
            name: prop.format(prop.default)
            for name, prop in sorted(kind.props.items())
            if prop.kind not in LINKS and prop.default is not None
        }
        if values:
            yield driver, values


def board_text(source: MachineType, name: str, today: date) -> str:
    """The new type's board, as the old one is that day."""
    tree = described_tree(source)
    lines = [
        f"# The board of {name}: what {tree.name}.yaml was on {today.isoformat()}. The keys are explained there.",
        f"pci: {'true' if tree.pci else 'false'}",
        "devices:",
    ]
    for node in tree.nodes:
        parts = [f"id: {scalar(node.id)}", f"type: {scalar(node.type)}"]
        if node.devfn >= 0:
            parts.append(f'slot: "{node.devfn >> 3}.{node.devfn & 7}"')
        if node.props:
            props = ", ".join(f"{scalar(key)}: {scalar(str(value))}" for key, value in node.props.items())
            parts.append(f"props: {{{props}}}")
        lines.append(f"  - {{{', '.join(parts)}}}")
    return "\n".join(lines) + "\n"


def scalar(text: str) -> str:
    """*text* as YAML, quoted where it would mean something else."""
    return text if _PLAIN.fullmatch(text) else "'" + text.replace("'", "''") + "'"


# -- the older types --------------------------------------------------------------------------------------


def _is_heir(registry: Registry, machine: MachineType, source: MachineType) -> bool:
    kind = registry.policy.stability[machine.stability]
    return machine.definitions[0].inherits == source.name and kind.lock == "frozen" and not machine.vendor


def _reparented(heir: MachineType, old: str, new: str) -> str:
    """The file of a type with another 'inherits', and otherwise as it was."""
    place = heir.definitions[0].places["inherits"]
    lines = heir.path.read_text().split("\n")
    before, after = lines[place.line - 1][: place.column - 1], lines[place.line - 1][place.column - 1 :]
    lines[place.line - 1] = before + re.sub(rf"^(['\"]?){re.escape(old)}\1", new, after)
    return "\n".join(lines)


def _prove_unchanged(before: Registry, after: Registry, source: MachineType) -> None:
    """Every type that inherits *source* is the machine that its lock describes. Raises ConfigError."""
    for name in before.names():
        if source.name in before.get(name).lineage[1:] and not before.get(name).vendor:
            differences = compare(read_lock(name, before.directory), abi_of(name, after))
            if differences:
                raise ConfigError(
                    f"machine type '{name}' would not be what its lock says", "\n".join(map(str, differences[:10]))
                )


# -- files ------------------------------------------------------------------------------------------------


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)


def _move(source: Path, target: Path, files: Iterable[Path]) -> None:
    """Put files into their places, all or none."""
    done: list[tuple[Path, bytes | None]] = []
    try:
        for file in files:
            path = target / file
            old = path.read_bytes() if path.exists() else None
            aside = path.with_name(f".{path.name}.new")
            try:
                aside.write_bytes((source / file).read_bytes())
                os.replace(aside, path)
            finally:
                aside.unlink(missing_ok=True)
            done.append((path, old))
    except OSError as error:
        for path, old in done:
            path.unlink() if old is None else path.write_bytes(old)
        raise ConfigError(f"Could not write '{error.filename}': {error.strerror}", "Nothing was changed.") from None
