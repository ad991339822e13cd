"""HMP: the monitor for people, and for the many scripts that speak it.

``run_line`` is a command without a terminal (QMP's ``human-monitor-command`` uses it); ``HmpSession`` adds the
prompt, line editing, history and completion.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pyqemu import __version__
from pyqemu.core.errors import ConfigError
from pyqemu.monitor.errors import QmpError
from pyqemu.monitor.hmp_syntax import Arguments, Format, SyntaxProblem, parse_declaration
from pyqemu.monitor.line_editor import LineEditor
from pyqemu.monitor.link import Link
from pyqemu.monitor.monitor import Monitor
from pyqemu.monitor.table import Command, table

if TYPE_CHECKING:
    from pyqemu.api import VirtualMachine

PROMPT = "(qemu) "
LISTED_FILES = 200


class Shell(Monitor):
    """One person's monitor: what the last format was, which lines were typed."""

    def __init__(self, vm: VirtualMachine, take_fds: Callable[[], Any] = tuple) -> None:
        super().__init__(vm, take_fds)
        self.format = Format()
        self.history: list[str] = []
        self.on_terminal = False  # the one that we were started from: whoever types here sees standard error
        self.hold_prompt: Callable[[], Callable[..., None]] | None = None
        """Puts off the prompt until what it returns is called, with a last text; None: there is no prompt."""

    def run_line(self, line: str) -> str:
        """Run a command line; returns what it prints, with newlines."""
        line = line.strip()
        if not line or line[0] == "#":
            return ""
        found = find_command(line)
        if found is None:
            words = line.split()
            name = " ".join(words[:2]) if words[0] == "info" else words[0]
            return f"unknown command: '{name}'\n"
        spelling, entry, rest = found
        assert entry.hmp is not None
        from pyqemu.monitor.commands.cpu import register_value

        title = entry.hmp.names.rpartition(" ")[2]  # how QEMU names it in messages
        reader = Arguments(title, rest, lambda name: register_value(self.vm, name), self.format)
        try:
            arguments = reader.parse(entry.hmp.syntax)
            self.format = reader.format
            return self._run(entry, arguments)
        except SyntaxProblem as problem:
            return f'{problem}\nTry "help {spelling}" for more information\n'
        except (QmpError, ConfigError) as error:
            return f"Error: {error}\n"
        except OSError as error:
            return f"Error: {error.strerror or error}\n"

    def _run(self, entry: Command, arguments: dict[str, Any]) -> str:
        hmp = entry.hmp
        assert hmp is not None
        if hmp.run is not None:
            return hmp.run(self, **{key.replace("-", "_"): value for key, value in arguments.items()}) or ""
        reply = self.execute(entry.name, arguments)
        return hmp.show(reply) if hmp.show is not None else ""

    def complete(self, text: str) -> tuple[int, list[str]]:
        """What could come next: command names, then arguments by their type."""
        words = text.split()
        if not text or text[-1].isspace():
            words.append("")
        last = words[-1]
        names = [name.split() for name in table().by_words]
        if len(words) == 1:
            return len(last), sorted({name[0] for name in names if name[0].startswith(last)})
        if any(name[0] == words[0] and len(name) > 1 for name in names):
            if len(words) == 2:
                found = {name[1] for name in names if len(name) > 1 and name[0] == words[0]}
                return len(last), sorted(word for word in found if word.startswith(last))
            key, given = " ".join(words[:2]), words[2:]
        else:
            key, given = words[0], words[1:]
        entry = table().by_words.get(key)
        if entry is None or entry.hmp is None:
            return 0, []
        kinds = [item for item in parse_declaration(entry.hmp.syntax) if item[1][0] not in "-/"]
        number = len([word for word in given[:-1] if word[0] not in "-/"])
        if number >= len(kinds):
            return 0, []
        return self._choices(key, kinds[number][0], kinds[number][1], last)

    def _choices(self, command: str, argument: str, kind: str, typed: str) -> tuple[int, list[str]]:
        if kind == "F":
            return len(typed), _files(typed)
        from pyqemu.monitor.commands.human import choices

        tail = typed.rpartition("-")[2] if command == "sendkey" else typed
        found = choices(self, command, argument, kind)
        return len(tail), sorted(word for word in found if word.startswith(tail))


def find_command(line: str) -> tuple[str, Command, str] | None:
    """The spelling, the command, and the rest of the line. A format may touch the name: ``x/4i $pc``."""
    first, _, rest = line.partition(" ")
    by_words = table().by_words
    name, slash, glued = first.partition("/")
    if slash and name in by_words:
        return name, by_words[name], f"/{glued} {rest}"
    rest = rest.strip()
    second, _, more = rest.partition(" ")
    if second and (entry := by_words.get(f"{first} {second}")):
        return f"{first} {second}", entry, more.strip()
    entry = by_words.get(first)
    if entry is None or (first == "info" and second):
        return None
    return first, entry, rest


def _files(typed: str) -> list[str]:
    found = glob.glob(glob.escape(os.path.expanduser(typed)) + "*")[:LISTED_FILES]
    return sorted(name + "/" if os.path.isdir(name) else name for name in found)


class HmpSession:
    """HMP over one backend: banner and prompt for each client, lines in, text out."""

    def __init__(self, vm: VirtualMachine, chardev: Any, name: str) -> None:
        self.monitor = Shell(vm, lambda: self._link.take_fds())
        self._editor = LineEditor(self._write, self._run, self.monitor.complete, PROMPT)
        self.monitor.history = self._editor.history
        self.monitor.hold_prompt = self._hold
        self.monitor.on_terminal = getattr(chardev, "on_terminal", False)
        self._held = False
        self._pending = b""  # typed, but not looked at while a command goes on
        self._link = Link(chardev, name, receive=self._receive, opened=self._greet, closed=self._leave)
        self._link.is_busy = lambda: self._held
        self._link.start()

    def _greet(self) -> None:
        self._write(f"QEMU {__version__} monitor - type 'help' for more information\r\n")
        self._editor.show_prompt()

    def _leave(self) -> None:
        self._held, self._pending = False, b""
        self.monitor.close_fds()

    def _receive(self, data: bytes) -> None:
        self._pending += data
        while self._pending and not self._held:
            end = min((at for at in map(self._pending.find, (b"\r", b"\n")) if at >= 0), default=len(self._pending))
            piece, self._pending = self._pending[: end + 1], self._pending[end + 1 :]
            self._editor.feed(piece)

    def _run(self, line: str) -> None:
        text = self.monitor.run_line(line)
        self._write(text.replace("\n", "\r\n"))
        if not self._held:
            self._show_prompt()

    def _show_prompt(self) -> None:
        if self._link.is_open and not self.monitor.vm.has_ended:
            self._editor.show_prompt()

    def _hold(self) -> Callable[..., None]:
        """A command goes on: no prompt, and no further command, until it says so."""
        self._held = True

        def release(text: str, *, show: bool = True) -> None:
            if self._held:
                self._held = False
                self._write(text.replace("\n", "\r\n"))
                if show:
                    self._show_prompt()
                    self._receive(b"")
                    self._link.accept_input()

        return release

    def _write(self, text: str) -> None:
        self._link.send(text.encode("utf-8", "replace"))
