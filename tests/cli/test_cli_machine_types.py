"""``-M``, ``-machine`` and ``-machine-dir``: names, lists, warnings and refusals, as QEMU words them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pyqemu.cli import lists
from pyqemu.cli.messages import Answer
from pyqemu.cli.options import parse
from pyqemu.core.errors import ConfigError
from pyqemu.launch import LaunchConfig
from pyqemu.machines import registry
from pyqemu.machines.registry import Registry
from pyqemu.paths import machines_dir

QEMU = shutil.which("qemu-system-x86_64")


@pytest.fixture(autouse=True)
def no_other_types(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "SYSTEM_DIR", Path("/nonexistent/machines.d"))
    monkeypatch.delenv(registry.PATH_VARIABLE, raising=False)


@pytest.fixture
def acme(tmp_path: Path) -> str:
    """A vendor's directory with one type."""
    (tmp_path / "acme-1.yaml").write_text("name: acme-1\nalias: acme\ninherits: pc-1.0\ndesc: Acme PC\n")
    return str(tmp_path)


def answered(*arguments: str) -> str:
    with pytest.raises(Answer) as caught:
        parse(list(arguments))
    assert caught.value.status == 0
    return caught.value.text


def refused(*arguments: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse(list(arguments))
    return f"{caught.value}\n{caught.value.hint}".rstrip()


def machine(*arguments: str) -> str:
    config = parse(list(arguments))
    assert isinstance(config, LaunchConfig)
    return config.machine


LIST = """\
Supported machines are:
pc-next              Standard PC
pc                   Standard PC (alias of pc-1.0)
pc-1.0               Standard PC (default)
pc-0.15              Standard PC
pc-0.14              Standard PC
pc-0.13              Standard PC
pc-0.12              Standard PC
pc-0.11              Standard PC, qemu 0.11
pc-0.10              Standard PC, qemu 0.10
isapc                ISA-only PC
none                 empty machine"""


def as_a_scanner_reads(text: str) -> list[tuple[str, str, list[str]]]:
    """Name, description and marks of each line: two columns, the name in 20 and more, marks in parentheses."""
    head, *rows = text.splitlines()
    assert head == "Supported machines are:"
    found = []
    for row in rows:
        match = re.fullmatch(r"(?=.{20} )(\S+) +(\S.*?)((?: \((?:alias of \S+|default|deprecated)\))*)", row)
        assert match and row.index(match[2]) == max(21, len(match[1]) + 1), row
        found.append((match[1], match[2], re.findall(r"\((.*?)\)", match[3])))
    return found


def test_the_list() -> None:
    assert answered("-M", "help") == LIST
    as_a_scanner_reads(LIST)


@pytest.mark.skipif(QEMU is None, reason="no qemu-system-x86_64")
def test_qemus_own_list_reads_the_same_way() -> None:
    """One reader for both: columns, marks and their order; and the lines that both have are the same bytes."""
    assert QEMU
    theirs = subprocess.run([QEMU, "-M", "help"], capture_output=True, text=True, check=True).stdout
    assert theirs.endswith("\n") and not theirs.endswith("\n\n")
    rows = as_a_scanner_reads(theirs)
    assert [row for row in theirs.splitlines() if row.startswith(("isapc ", "none "))] == LIST.splitlines()[-2:]
    names = [name for name, _, marks in rows if not any(mark.startswith("alias") for mark in marks)]
    family = [name for name in names if name.startswith("pc-i440fx-")]
    assert family == sorted(family, reverse=True)  # the order of ours, too
    assert names[-1:] == sorted(names[-1:])


@pytest.mark.parametrize("words", [["-M", "?"], ["-machine", "help"], ["-M", "help", "-nonsense-later", "x"][:2]])
def test_ways_to_ask_for_the_list(words: list[str]) -> None:
    assert answered(*words) == LIST


def test_help_counts_where_it_stands() -> None:
    """As QEMU has it: what was said before counts, what comes later does not; an unknown name gets the list."""
    assert answered("-M", "isapc", "-M", "help").startswith("isapc-machine options:")
    assert answered("-M", "help", "-M", "isapc") == LIST
    assert answered("-M", "isapc", "-machine", "pc,help").startswith("pc-1.0-machine options:")
    assert answered("-M", "nonsense,help") == LIST
    assert answered("-M", "help", "-m", "nonsense") == LIST


def test_marks_are_in_qemus_order() -> None:
    text = lists.machines(Registry(machines_dir(), release=(3, 0)))
    assert "pc-1.0               Standard PC (default) (deprecated)" in text.splitlines()
    assert ("pc-0.15", "Standard PC", ["deprecated"]) in as_a_scanner_reads(text)
    assert "pc-1.0" not in lists.machines(Registry(machines_dir(), release=(4, 0)))


def test_property_help() -> None:
    lines = answered("-M", "pc,help").splitlines()
    assert lines[0] == "pc-1.0-machine options:"
    head = lines[1 : lines.index("")]
    assert head == sorted(head)
    assert all(re.fullmatch(r"  [a-z-]+=<\w+> +- \S.*", row) and row.index(" - ") >= 24 for row in head)


def test_property_help_tells_what_has_no_effect() -> None:
    lines = answered("-M", "pc,help").splitlines()
    assert any(line.startswith("  ivshmem.use64=0") and line.endswith("no such device here") for line in lines)
    assert any(line == "  VGA.vgamem_mb=8" for line in lines)


def test_property_help_of_a_type_that_cannot_run() -> None:
    assert answered("-M", "xenfv,help").startswith("xenfv-machine options:")


def test_names() -> None:
    assert machine() == machine("-M", "pc") == machine("-machine", "type=pc-1.0") == "pc-1.0"
    assert machine("-M", "isapc", "-machine", "pc-0.12") == "pc-0.12"  # the last one wins
    assert machine("-M", "pc-0.12", "-M", "usb=off") == "pc-0.12"  # without a name, the name stays
    assert refused("-M", "PC").splitlines()[0] == "unsupported machine type"
    assert refused("-M", "type=").splitlines()[0] == "unsupported machine type"
    assert machine("-M", "") == "pc-1.0"


def test_a_misspelt_name() -> None:
    assert refused("-M", "pc1.0") == (
        "unsupported machine type\n"
        "Use -machine help to list supported machines\n"
        "The value was 'pc1.0'. Did you mean 'pc-1.0'?"
    )


def test_xenfv_says_what_it_needs() -> None:
    assert refused("-M", "xenfv") == (
        "machine type 'xenfv' cannot run here: it needs the accelerator xen and the device xen-platform"
    )


@pytest.mark.parametrize("order", [1, -1])
def test_machine_dir_counts_wherever_it_stands(order: int, acme: str) -> None:
    words = [["-machine-dir", acme], ["-M", "help"]][::order]
    assert "acme                 Acme PC (alias of acme-1)\nacme-1               Acme PC\nisapc" in answered(
        *words[0], *words[1]
    )
    words = [["-machine-dir", acme], ["-M", "acme"]][::order]
    assert machine(*words[0], *words[1]) == "acme-1"


def test_a_machine_dir_that_is_none(tmp_path: Path) -> None:
    assert refused("-machine-dir", str(tmp_path / "no")) == f"-machine-dir: '{tmp_path}/no' is not a directory"


def test_the_variable_names_directories(acme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYQEMU_MACHINE_PATH", acme)
    assert machine("-M", "acme-1") == "acme-1"


def test_a_description_that_the_terminal_cannot_show(acme: str) -> None:
    (Path(acme) / "omega.yaml").write_text("name: omega\ninherits: pc-1.0\ndesc: Ω PC\n", encoding="utf-8")
    words = [sys.executable, "-m", "pyqemu", "-machine-dir", acme, "-M", "help"]
    result = subprocess.run(
        words, capture_output=True, env=os.environ | {"PYTHONIOENCODING": "latin-1"}, check=True
    )
    assert b"omega                \\u03a9 PC\n" in result.stdout


def test_a_broken_vendors_file_is_a_warning(acme: str, capsys: pytest.CaptureFixture[str]) -> None:
    (Path(acme) / "bad.yaml").write_text("name: bad\ninherits: pc-1.0\nmax_cpu: 3\n")
    assert machine("-machine-dir", acme, "-M", "acme") == "acme-1"
    assert capsys.readouterr().err == (
        f"pyqemu: warning: {acme}/bad.yaml:3:1: unknown key 'max_cpu'\nDid you mean 'max_cpus'?\n"
    )
    assert refused("-machine-dir", acme, "-M", "bad") == (
        f"{acme}/bad.yaml:3:1: unknown key 'max_cpu'\nDid you mean 'max_cpus'?"
    )


def test_a_deprecated_type_warns_as_qemu_does(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(registry, "__version__", "3.0.1")
    assert machine("-M", "pc-0.12") == "pc-0.12"
    assert capsys.readouterr().err == "pyqemu: warning: Machine type 'pc-0.12' is deprecated: past its support\n"
    machine("-M", "pc-next")
    assert capsys.readouterr().err == ""


def test_a_removed_type_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "__version__", "4.0.0")
    assert refused("-M", "pc-1.0") == (
        "machine type 'pc-1.0' is past its life: the last release that supported it was 2.x"
    )
    assert refused() == refused("-M", "pc-1.0")


def test_the_list_is_there_at_once() -> None:
    """0.15 s is the promise on an idle machine. Others use the host too: compared with Python alone."""

    def seconds(*words: str) -> float:
        started = time.perf_counter()
        subprocess.run([sys.executable, *words], stdout=subprocess.DEVNULL, check=True)
        return time.perf_counter() - started

    bare = min(seconds("-c", "import click, yaml, dataclasses, logging") for _ in range(5))
    assert min(seconds("-m", "pyqemu", "-M", "help") for _ in range(5)) < 2.5 * bare + 0.02
