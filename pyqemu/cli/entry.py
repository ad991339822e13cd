"""The program ``pyqemu``: options in, exit status out.

Status   what the machine ends with; 0 after a help text; 1 for a mistake in the options or the host's
         refusal of something; 130 after Ctrl-C before the machine runs
Errors   ConfigError → ``pyqemu: message`` and its hint on stderr; never a traceback for a user's mistake
"""

from __future__ import annotations

import gc
import io
import os
import sys
from collections.abc import Sequence
from typing import IO, TYPE_CHECKING, Any

import click

from pyqemu.cli.help import print_styled
from pyqemu.cli.messages import Answer
from pyqemu.cli.options import parse
from pyqemu.core.errors import ConfigError
from pyqemu.core.messages import line

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

INTERRUPTED = 130


class _UserError(click.ClickException):
    """A ConfigError, as click shows it."""

    def __init__(self, error: ConfigError) -> None:
        super().__init__("\n".join(filter(None, [line(str(error)), error.hint])))

    def show(self, file: IO[Any] | None = None) -> None:
        click.echo(self.message, file=file, err=file is None)


class _QemuCommand(click.Command):
    """A click command that leaves the arguments to our table of options: click has no ``-machine``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.params["arguments"] = tuple(args)
        return []

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        from pyqemu.cli.complete import complete

        return complete(ctx.params["arguments"], incomplete)


def _run(arguments: Sequence[str]) -> None:
    if not sys.platform.startswith("linux"):
        raise _UserError(ConfigError(f"runs on Linux hosts only, not on {sys.platform}"))
    try:
        config = parse(arguments)
        from pyqemu import api

        status = api.run(config)
    except Answer as answer:
        _print_answer(answer)
        status = answer.status
    except ConfigError as error:
        raise _UserError(error) from None
    except KeyboardInterrupt:
        status = INTERRUPTED  # click would say "Aborted!"
    raise click.exceptions.Exit(status)


def _print_answer(answer: Answer) -> None:
    if answer.remark:
        click.echo(line(answer.remark), err=True)
    if answer.styled and sys.stdout and sys.stdout.isatty():
        print_styled(answer.text)
    elif answer.text:
        click.echo(answer.text)


command = _QemuCommand("pyqemu", callback=_run, add_help_option=False)


def _fill_standard_descriptors() -> None:
    """Give 0, 1 and 2 a meaning where the caller closed them: an image opened there would get our messages."""
    while (fd := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(fd, True)
    os.close(fd)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    gc.disable()  # until the machine is built, nothing of what is made is garbage
    _fill_standard_descriptors()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(
            errors="backslashreplace"
        )  # a vendor's description may not fit the terminal's encoding
    try:
        command.main(list(sys.argv[1:] if arguments is None else arguments), standalone_mode=True)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    finally:
        gc.enable()
    return 0
