"""``diff``, ``lock`` and ``check``: what a guest sees, compared with another type and with what was promised."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from pyqemu.core.errors import ConfigError
from pyqemu.machines.check import Finding, check_against, check_types, counted, lock_directory, relock_refusal
from pyqemu.machines.lock import Difference, abi_of, compare, lock_path, read_lock, write_lock
from pyqemu.machines.registry import MachineType, Registry
from pyqemu.machines.tool.output import place_json, print_heading, print_json, print_line
from pyqemu.machines.tool.program import as_json, complete_type, with_registry


def difference_json(difference: Difference) -> dict[str, Any]:
    return {"path": list(difference.path), "old": difference.old, "new": difference.new, "text": str(difference)}


@click.command()
@click.argument("old", metavar="A", shell_complete=complete_type)
@click.argument("new", metavar="B", shell_complete=complete_type)
@as_json
@with_registry
def diff(registry: Registry, old: str, new: str, as_json: bool) -> int:
    """What a guest would notice if A became B. Status 1 if it would notice anything."""
    before, after = (registry.find(name) for name in (old, new))
    differences = compare(abi_of(before.name, registry), abi_of(after.name, registry))
    if as_json:
        print_json([difference_json(difference) for difference in differences])
        return bool(differences)
    if not differences:
        click.echo(f"A guest sees no difference between {before.name} and {after.name}.")
    _print_differences(differences)
    return bool(differences)


def _print_differences(differences: Sequence[Difference], indent: str = "") -> None:
    for difference in differences:
        click.echo(f"{indent}{difference}")


@click.command()
@click.argument("names", metavar="[TYPE]...", nargs=-1, shell_complete=complete_type)
@as_json
@with_registry
def lock(registry: Registry, names: tuple[str, ...], as_json: bool) -> None:
    """Write the locks of types, and say what that changes.

    Without a name, of all of ours. A stable type's lock is closed by the first release; then it is refused.
    """
    machines = _machines(registry, names)
    changes: dict[str, list[Difference]] = {}
    for machine in machines:  # all of them are refused, or none
        if refusal := relock_refusal(registry, machine):
            changes[machine.name] = _changes(registry, machine)
            if changes[machine.name] and lock_path(machine.name, lock_directory(machine)).exists():
                raise ConfigError(refusal, "\n".join(map(str, changes[machine.name])))
    for machine in machines:
        changes[machine.name] = write_lock(machine.name, registry, lock_directory(machine))
    if as_json:
        print_json({name: [difference_json(each) for each in found] for name, found in changes.items()})
        return
    for name, found in changes.items():
        if found:
            print_heading(f"{name}: {counted(found)}")
            _print_differences(found, "  ")
        else:
            click.echo(f"{name}: nothing changed")


def _machines(registry: Registry, names: Sequence[str]) -> list[MachineType]:
    if names:
        return [registry.find(name) for name in names]
    return [registry.get(name) for name in registry.names() if not registry.get(name).vendor]


def _changes(registry: Registry, machine: MachineType) -> list[Difference]:
    try:
        old = read_lock(machine.name, lock_directory(machine))
    except ConfigError:
        return []
    return compare(old, abi_of(machine.name, registry))


@click.command()
@click.option("--no-locks", is_flag=True, help="Policy and files only; builds no machine.")
@click.option("--against", metavar="REVISION", help="Also: are stable types what they were at that git revision?")
@as_json
@with_registry
def check(registry: Registry, no_locks: bool, against: str | None, as_json: bool) -> int:
    """Whether all types keep the policy and are what their locks say. Status 1 if not."""
    findings = list(check_types(registry, locks=not no_locks))
    if against is not None:
        findings += check_against(registry, against)
    if as_json:
        print_json([_finding_json(finding) for finding in findings])
        return bool(findings)
    for finding in findings:
        print_line(str(finding), "red")
        _print_differences(finding.differences, "  ")
        if finding.hint:
            click.echo("\n".join(f"  {line}" for line in finding.hint.splitlines()))
    problems = f"{len(findings) or 'no'} problem{'s' * (len(findings) != 1)}"
    locks = "are open" if registry.policy.locks_open else "are closed"
    click.echo(f"{len(registry.all())} machine types, {problems}; the locks of stable types {locks}")
    return bool(findings)


def _finding_json(finding: Finding) -> dict[str, Any]:
    return {
        "about": finding.about,
        "message": finding.message,
        "hint": finding.hint or None,
        "place": place_json(finding.place),
        "differences": [difference_json(difference) for difference in finding.differences],
    }
