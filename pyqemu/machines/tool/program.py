"""The program: a click group, what all its commands share, and how errors leave it.

Status   0: done, or nothing wrong; 1: an error, or something that ``check`` or ``diff`` found; 2: wrong usage
"""

from __future__ import annotations

import functools
import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from pyqemu import __version__
from pyqemu.core.errors import ConfigError, nearest
from pyqemu.machines.policy import parse_release
from pyqemu.machines.registry import Registry

PROGRAM = "pyqemu-machine"
COMMANDS = {
    "list": "lists:list_types",
    "show": "views:show",
    "explain": "views:explain",
    "graph": "lists:graph",
    "diff": "locks:diff",
    "lock": "locks:lock",
    "check": "locks:check",
    "freeze": "freezing:freeze",
}


class _Group(click.Group):
    """Commands from the table above, each imported when it is wanted; a misspelt one names the nearest."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        from importlib import import_module

        module, attribute = COMMANDS[name].split(":")
        command: click.Command = getattr(import_module(f"pyqemu.machines.tool.{module}"), attribute)
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            hint = nearest(args[0], COMMANDS) or f"Accepted: {', '.join(COMMANDS)}."
            raise click.UsageError(f"no such command '{args[0]}'\n{hint}")
        return super().resolve_command(ctx, args)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name=PROGRAM)
def command() -> None:
    """Machine types: what they are, what they promise, and making new ones."""


def with_registry(function: Callable[..., Any]) -> Callable[..., Any]:
    """Options that choose which types a command looks at; it gets the ``Registry`` as its first argument."""

    @click.option("--machine-dir", "dirs", multiple=True, metavar="DIR", help="Find machine types in DIR, too.")
    @click.option("--as-of", metavar="RELEASE", help="Speak as that release of pyqemu would: 2.0, 3.1.")
    @functools.wraps(function)
    def wrapper(*args: Any, dirs: tuple[str, ...], as_of: str | None, **kwargs: Any) -> Any:
        registry = Registry.load(map(Path, dirs), release=parse_release(as_of) if as_of else None)
        for problem in registry.problems:
            complain(problem, "warning: ")
        return function(registry, *args, **kwargs)

    return wrapper


def complete_type(_ctx: click.Context, _parameter: click.Parameter, typed: str) -> list[str]:
    """Names for the shell to offer."""
    try:
        known = Registry.load().all()
    except ConfigError:
        return []
    names = [name for machine in known for name in (machine.name, machine.alias) if name]
    return sorted(name for name in names if name.startswith(typed))


as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def complain(error: ConfigError, kind: str = "") -> None:
    """An error on stderr, and its hint on further lines."""
    click.echo("\n".join(filter(None, [f"{PROGRAM}: {kind}{error}", error.hint])), err=True)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # names of files may be any bytes
    try:
        result = command.main(arguments, prog_name=PROGRAM, standalone_mode=False)
        return result if isinstance(result, int) else 0
    except click.UsageError as error:
        click.echo(f"{PROGRAM}: {error.format_message()}", err=True)
        if error.ctx is not None:
            click.echo(error.ctx.get_usage(), err=True)
        return error.exit_code
    except click.Abort:
        return 130
    except ConfigError as error:
        complain(error)
        return 1
    except BrokenPipeError:
        sys.stderr.close()  # whoever read our output has had enough
        return 1
