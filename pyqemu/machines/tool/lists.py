"""``list`` and ``graph``: all types at a glance."""

from __future__ import annotations

from typing import Any

import click

from pyqemu.machines.policy import release_name
from pyqemu.machines.registry import MachineType, Registry
from pyqemu.machines.tool.output import STYLES, on_terminal, print_json, print_table, short
from pyqemu.machines.tool.program import as_json, with_registry


def row(registry: Registry, machine: MachineType) -> dict[str, Any]:
    """What is to be said of a type in one line."""
    last = registry.last_major(machine)
    return {
        "name": machine.name,
        "alias": machine.alias or None,
        "default": machine.default,
        "life": machine.life.value,
        "unavailable": machine.unavailable or None,
        "stability": machine.stability,
        "promise": registry.policy.stability[machine.stability].promise,
        "lock": registry.policy.stability[machine.stability].lock,
        "since": release_name(machine.since) if machine.since else None,
        "supported until": f"{last}.x" if last is not None else None,
        "successor": registry.successor(machine) or None
        if machine.life.value in ("deprecated", "removed")
        else None,
        "vendor": machine.vendor,
        "inherits": machine.lineage[1] if len(machine.lineage) > 1 else None,
        "description": machine.desc,
        "file": str(machine.path),
    }


@click.command("list")
@as_json
@with_registry
def list_types(registry: Registry, as_json: bool) -> None:
    """All machine types: life cycle, stability, support and file."""
    rows = [row(registry, machine) for machine in registry.all()]
    if as_json:
        print_json(rows)
        return
    print_table(
        ["name", "", "life", "stability", "supported", "file"],
        [
            [
                each["name"],
                ", ".join(["default"] * each["default"] + [each["alias"]] * bool(each["alias"])),
                "unavailable" if each["unavailable"] else each["life"],
                each["stability"],
                _window(each),
                short(machine.path),
            ]
            for each, machine in zip(rows, registry.all(), strict=True)
        ],
    )


def _window(row: dict[str, Any]) -> str:
    """The releases that support a type: ``1.1 - 2.x``, or ``1.1 -`` without an end."""
    return f"{row['since']} - {row['supported until'] or ''}".rstrip() if row["since"] else ""


@click.command()
@as_json
@with_registry
def graph(registry: Registry, as_json: bool) -> None:
    """Who inherits whom."""
    heirs: dict[str, list[MachineType]] = {}
    for machine in registry.all():
        heirs.setdefault(machine.lineage[1] if len(machine.lineage) > 1 else "", []).append(machine)
    if as_json:
        print_json(_nested(heirs, ""))
    elif on_terminal():
        _print_tree(heirs)
    else:
        _print_indented(heirs, "", 0)


def _nested(heirs: dict[str, list[MachineType]], name: str) -> dict[str, Any]:
    return {machine.name: _nested(heirs, machine.name) for machine in heirs.get(name, [])}


def _remarks(machine: MachineType) -> str:
    marks = ["default"] * machine.default + [machine.alias] * bool(machine.alias) + ["vendor"] * machine.vendor
    marks += ["unavailable"] * bool(machine.unavailable) + [machine.life.value] * (machine.life.value != "current")
    return f" ({', '.join(marks)})" if marks else ""


def _print_indented(heirs: dict[str, list[MachineType]], name: str, depth: int) -> None:
    for machine in heirs.get(name, []):
        click.echo(f"{'  ' * depth}{machine.name}{_remarks(machine)}")
        _print_indented(heirs, machine.name, depth + 1)


def _print_tree(heirs: dict[str, list[MachineType]]) -> None:
    from rich.console import Console
    from rich.text import Text
    from rich.tree import Tree

    def grow(branch: Tree, name: str) -> None:
        for machine in heirs.get(name, []):
            state = "unavailable" if machine.unavailable else machine.life.value
            label = Text(machine.name, style=STYLES.get(state, "")).append(_remarks(machine), style="bright_black")
            grow(branch.add(label), machine.name)

    root = Tree("", hide_root=True)
    grow(root, "")
    Console().print(root)
