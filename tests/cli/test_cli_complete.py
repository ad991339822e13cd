"""What the shell offers after Tab."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pyqemu.cli.complete import complete
from pyqemu.cli.options import OPTIONS


def offered(*words: str) -> list[str]:
    return [item.value for item in complete(words[:-1], words[-1])]


def kinds(*words: str) -> set[str]:
    return {item.type for item in complete(words[:-1], words[-1])}


def test_options_with_one_dash_or_two() -> None:
    assert offered("-no-re") == ["-no-reboot"]
    assert offered("--no-re") == ["--no-reboot"]
    assert set(offered("-")) == {f"-{name}" for name in OPTIONS}
    assert all(item.help for item in complete((), "-m"))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("-M", "isa"), "isapc"),
        (("-machine", "p"), "pc"),
        (("-cpu", "qem"), "qemu64"),
        (("-device", "isa-debug-"), "isa-debug-exit"),
        (("-device", "ide"), "ide-hd"),
        (("-serial", "st"), "stdio"),
        (("-serial", "un"), "unix:"),
        (("-chardev", "ring"), "ringbuf"),
        (("-drive", "file=x,for"), "file=x,format="),
        (("-action", "panic=ex"), "panic=exit-failure"),
        (("-display", ""), "curses"),
    ],
)
def test_values_of_options(words: tuple[str, str], expected: str) -> None:
    assert expected in offered(*words)


def test_files_and_directories() -> None:
    assert kinds("-hda", "x") == {"file"}
    assert kinds("-L", "x") == {"dir"}
    assert kinds("x") == {"file"}
    assert kinds("-no-reboot", "x") == {"file"}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_has_its_script(shell: str) -> None:
    if shell == "bash" and shutil.which("bash") is None:
        pytest.skip("bash is not there")
    program = [
        sys.executable,
        "-c",
        "import sys; sys.argv[0] = 'pyqemu'; from pyqemu.cli.entry import main; main()",
    ]
    where = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    script = subprocess.run(
        program, env=where | {"_PYQEMU_COMPLETE": f"{shell}_source"}, capture_output=True, text=True
    )
    assert "pyqemu" in script.stdout
    asked = {"COMP_WORDS": "pyqemu -M isa", "COMP_CWORD": "2" if shell != "fish" else "isa"}
    found = subprocess.run(
        program, env=where | asked | {"_PYQEMU_COMPLETE": f"{shell}_complete"}, capture_output=True, text=True
    )
    assert "isapc" in found.stdout, found.stderr
