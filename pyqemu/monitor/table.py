"""Every monitor command, in one table: its QMP name, argument and reply types, its HMP form, and what it does.

    @command("stop", hmp=Hmp("stop|s", help="stop emulation"))
    def stop(monitor: Monitor) -> None:
        monitor.vm.pause()

A handler gets the monitor that asked and the checked arguments, and returns the reply or raises QmpError. The same
table answers ``query-commands``, ``query-qmp-schema`` and ``help``, so that these cannot disagree with it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from typing import Any, TypeVar

from pyqemu.monitor.qapi import NOTHING, Struct, Type

SUBJECTS = (
    "about", "block", "block_jobs", "block_nodes", "character", "cpu", "devices", "human", "keyboard", "logs",
    "memory", "migration", "pci", "qom", "run", "schema", "screen",
)  # fmt: skip

Handler = TypeVar("Handler", bound=Callable[..., Any])


@dataclass(frozen=True)
class Hmp:
    """How people type a command.

    ``names``   spellings, separated by ``|``; two words for a subcommand (``info status``)
    ``syntax``  ``name:type`` separated by commas; the types are in ``hmp_syntax.py``
    ``usage``   what ``help`` shows behind the name
    ``run``     called as ``run(monitor, **arguments)`` for the text to print; without it the command's handler
                gets the arguments, and ``show(reply)`` makes the text
    """

    names: str
    syntax: str = ""
    usage: str = ""
    help: str = ""
    run: Callable[..., str | None] | None = None
    show: Callable[[Any], str] | None = None


@dataclass(frozen=True)
class Command:
    """``name`` is empty for a command that people only have."""

    name: str
    handler: Callable[..., Any] | None
    arguments: Struct = NOTHING
    returns: Type = NOTHING
    hmp: Hmp | None = None
    features: tuple[str, ...] = ()


@dataclass
class Table:
    """``by_name``: QMP's. ``by_words``: HMP's, every spelling."""

    by_name: dict[str, Command] = field(default_factory=dict)
    by_words: dict[str, Command] = field(default_factory=dict)

    def add(self, entry: Command) -> None:
        if entry.name:
            assert entry.name not in self.by_name, entry.name
            self.by_name[entry.name] = entry
        if entry.hmp is not None:
            for words in entry.hmp.names.split("|"):
                assert words not in self.by_words, words
                self.by_words[words] = entry


_TABLE = Table()


@cache
def table() -> Table:
    """The whole table; the first call imports the commands."""
    for subject in SUBJECTS:
        import_module(f"pyqemu.monitor.commands.{subject}")
    return _TABLE


def command(
    name: str,
    arguments: Mapping[str, Type] | Struct | None = None,
    returns: Type = NOTHING,
    *,
    hmp: Hmp | None = None,
    features: tuple[str, ...] = (),
) -> Callable[[Handler], Handler]:
    """Enter a handler into the table. *arguments*: name → type, with "?" before the name of an optional one."""

    def enter(handler: Handler) -> Handler:
        types = arguments if isinstance(arguments, Struct) else Struct(f"q_obj_{name}-arg", arguments or {})
        _TABLE.add(Command(name, handler, types, returns, hmp, features))
        return handler

    return enter


def hmp_command(names: str, syntax: str = "", usage: str = "", help: str = "") -> Callable[[Handler], Handler]:
    """Enter a command that people only have: ``handler(monitor, **arguments)`` returns the text to print."""

    def enter(handler: Handler) -> Handler:
        _TABLE.add(Command("", None, hmp=Hmp(names, syntax, usage, help, run=handler)))
        return handler

    return enter
