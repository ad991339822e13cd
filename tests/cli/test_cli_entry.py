"""The program as a process: what it imports, prints and ends with."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import pyqemu
from pyqemu.cli import entry
from pyqemu.core.errors import ConfigError

ROOT = Path(__file__).parent.parent.parent
HEAVY = {
    "unicorn",
    "yaml",
    "rich",
    "json",
    "pyqemu.hw",
    "pyqemu.api",
    "pyqemu.core.clock",
    "pyqemu.machines.registry",
}


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A double for ``pyqemu.api``; give it a ``run``."""
    api = ModuleType("pyqemu.api")
    monkeypatch.setitem(sys.modules, "pyqemu.api", api)
    monkeypatch.setattr(pyqemu, "api", api, raising=False)
    return api


def python(*argv: str, stdout: int = subprocess.PIPE) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "TERM": "dumb"}
    return subprocess.run(
        [sys.executable, *argv], stdout=stdout, stderr=subprocess.PIPE, text=True, env=environment, timeout=30
    )


@pytest.mark.parametrize("argv", [["-version"], ["-help"], ["-m", "abc"], ["-foo"]])
def test_short_answers_import_little(argv: list[str]) -> None:
    code = f"import sys; from pyqemu.cli.entry import main; main({argv}); print(*sys.modules, file=sys.stderr)"
    assert not HEAVY & set(python("-c", code).stderr.splitlines()[-1].split())


def test_version_on_stdout() -> None:
    done = python("-m", "pyqemu", "--version")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[0] == f"pyqemu emulator version {pyqemu.__version__}"


def test_help_is_plain_text_in_a_pipe() -> None:
    done = python("-m", "pyqemu", "-help")
    assert done.returncode == 0
    assert "\x1b" not in done.stdout
    assert "-h or -help     show this help and exit" in done.stdout.splitlines()


def test_a_closed_pipe_is_no_traceback() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = python("-m", "pyqemu", "-help", stdout=writer)
    finally:
        os.close(writer)
    assert done.stderr == ""


def test_the_machines_exit_status_is_ours(machine: ModuleType) -> None:
    machine.run = lambda config: 33  # type: ignore[attr-defined]
    assert entry.main([]) == 33


def test_a_mistake_found_by_the_machine(machine: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    def run(config: object) -> int:
        raise ConfigError("could not load PC BIOS 'x'", "It has 3 bytes.")

    machine.run = run  # type: ignore[attr-defined]
    assert entry.main(["-bios", "x"]) == 1
    assert capsys.readouterr().err == "pyqemu: could not load PC BIOS 'x'\nIt has 3 bytes.\n"


def test_our_own_mistakes_keep_their_traceback(machine: ModuleType) -> None:
    machine.run = lambda config: 1 // 0  # type: ignore[attr-defined]
    with pytest.raises(ZeroDivisionError):
        entry.main([])


def test_interrupt_is_quiet(machine: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    def run(config: object) -> int:
        raise KeyboardInterrupt

    machine.run = run  # type: ignore[attr-defined]
    assert entry.main([]) == 130
    assert capsys.readouterr() == ("", "")


def test_other_hosts_get_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert entry.main(["-version"]) == 1
    assert capsys.readouterr().err == "pyqemu: runs on Linux hosts only, not on darwin\n"


def test_a_terminal_gets_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []
    monkeypatch.setattr(entry, "print_styled", shown.append)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    assert entry.main(["-help"]) == 0
    assert "Standard options:" in shown[0]


def test_help_fits_a_terminal() -> None:
    from pyqemu.cli.help import full_help
    from pyqemu.cli.options import GROUPS

    lines = full_help(GROUPS).splitlines()[2:]  # after the version and the copyright notice
    assert all(len(line) < 80 and line == line.rstrip() for line in lines)
    assert any(line.startswith("                ") for line in lines)
