"""``-help`` and ``-version``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pyqemu import __version__
from pyqemu.core.messages import PROGRAM

if TYPE_CHECKING:
    from pyqemu.cli.options import Option

_TEXT_COLUMN = 16
_WIDTH = 79
_NAME_WIDTH = _TEXT_COLUMN - 1
_NOTICE = "Copyright (c) the pyqemu developers; GNU General Public License, version 2 or later"


def version() -> str:
    return f"{PROGRAM} emulator version {__version__}\n{_NOTICE}"


def full_help(groups: Mapping[str, Sequence[Option]]) -> str:
    """All options, laid out as QEMU's help is."""
    lines = [
        version(),
        f"usage: {PROGRAM} [options] [disk_image]",
        "",
        "'disk_image' is a raw hard disk image for IDE hard disk 0",
    ]
    for heading, options in groups.items():
        lines += ["", f"{heading}:"]
        for option in options:
            names = " or ".join(f"-{name}" for name in option.names)
            head = f"{names} {option.metavar}".rstrip()
            text = _folded(option.help.split(), " ", _WIDTH - _TEXT_COLUMN)
            if len(head) < _NAME_WIDTH:
                lines.append(f"{head:<{_TEXT_COLUMN}}{text.pop(0)}")
            else:
                lines += _head(names, option.metavar)
            lines += [f"{'':{_TEXT_COLUMN}}{line}" for line in text]
    return "\n".join(lines)


def _head(names: str, metavar: str) -> list[str]:
    """An option and its value, folded where the next key begins."""
    pieces = metavar.replace("[,", "\0[,").split("\0")
    first, *more = _folded(pieces, "", _WIDTH - len(names) - 1)
    return [f"{names} {first}".rstrip(), *(f"{'':{len(names) + 1}}{line}" for line in more)]


def _folded(words: list[str], between: str, width: int) -> list[str]:
    """Lines of whole words, at least one each."""
    lines = [words[0]]
    for word in words[1:]:
        if len(lines[-1]) + len(between) + len(word) <= width:
            lines[-1] += between + word
        else:
            lines.append(word)
    return lines


def print_styled(text: str) -> None:
    """The help for a person at a terminal: headings and option names stand out."""
    from rich.console import Console
    from rich.text import Text

    styled = Text(text)
    styled.highlight_regex(r"(?m)^[A-Z][A-Za-z ]+ options:$", "bold")
    styled.highlight_regex(r"(?m)^-[A-Za-z-]+( or -[A-Za-z]+)*", "cyan")
    Console(highlight=False).print(styled, soft_wrap=True)
