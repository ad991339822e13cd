"""How answers look: tables with colour on a terminal, aligned columns in a pipe, JSON with ``--json``."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from pyqemu.machines.document import Place

STYLES = {
    "current": "green",
    "planned": "cyan",
    "deprecated": "yellow",
    "removed": "red",
    "unavailable": "bright_black",
    "no such device here": "bright_black",
    "no such property here": "bright_black",
}
"""The colour of words that say something is well or is not."""

_GAP = "  "


def on_terminal() -> bool:
    return sys.stdout.isatty()


def print_json(value: Any) -> None:
    click.echo(json.dumps(value, indent=2))


def place_json(place: Place | None) -> dict[str, Any] | None:
    return {"file": str(place.path), "line": place.line, "column": place.column} if place else None


def print_heading(text: str) -> None:
    if on_terminal():
        text = click.style(text, bold=True)
    click.echo(text)


def print_line(text: str, colour: str) -> None:
    click.echo(click.style(text, fg=colour) if on_terminal() else text)


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Rows of text under a head. Columns that are empty throughout are left out."""
    used = [index for index in range(len(columns)) if any(row[index] for row in rows)]
    columns = [columns[index] for index in used]
    rows = [[row[index] for index in used] for row in rows]
    if on_terminal():
        _print_rich_table(columns, rows)
        return
    widths = [max(map(len, column)) for column in zip(columns, *rows, strict=True)] if rows else []
    for row in (columns, *rows) if rows else ():
        click.echo(_GAP.join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())


def _print_rich_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, len(_GAP), 0, 0), header_style="bright_black")
    for column in columns:
        table.add_column(column, no_wrap=column != columns[-1], overflow="fold")
    for row in rows:
        table.add_row(*(Text(text, style=STYLES.get(text, "")) for text in row))
    Console().print(table)


def short(path: Path) -> str:
    """A path as a person would write it: relative, if it lies below the current directory."""
    with contextlib.suppress(OSError, ValueError):
        path = path.resolve().relative_to(Path.cwd())
    return str(path)
