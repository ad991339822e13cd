"""``pyqemu-machine``: what it says of types, in a pipe, on a terminal and as JSON; its status; its errors."""

from __future__ import annotations

import json
import os
import pty
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyqemu.machines import registry
from pyqemu.machines.tool.program import COMMANDS, main
from pyqemu.paths import machines_dir

Write = Callable[..., Path]
REPOSITORY = Path(__file__).parent.parent.parent


@dataclass
class Result:
    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def tool(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    monkeypatch.chdir(REPOSITORY)

    def run(*words: str) -> Result:
        capsys.readouterr()
        status = main(list(words))
        captured = capsys.readouterr()
        return Result(status, captured.out, captured.err)

    return run


def table(text: str) -> list[list[str]]:
    """The cells of aligned columns."""
    head, *rows = text.splitlines()
    starts = [0] + [at + 2 for at in range(len(head) - 2) if head[at : at + 2] == "  " and head[at + 2] != " "]
    return [[row[a:b].strip() for a, b in zip(starts, [*starts[1:], None], strict=True)] for row in (head, *rows)]


# -- list and graph ---------------------------------------------------------------------------------------


def test_list(tool: Callable[..., Result]) -> None:
    result = tool("list")
    assert (result.status, result.err) == (0, "")
    lines = {line.split()[0]: line for line in result.out.splitlines()}
    assert " ".join(lines["pc-1.0"].split()) == ("pc-1.0 default, pc current stable 1.1 - 2.x machines/pc-1.0.yaml")
    assert "unavailable" in lines["xenfv"]
    assert len({line.index("machines/") for line in lines.values() if "machines/" in line}) == 1  # aligned
    assert "\x1b" not in result.out


def test_list_as_of_a_later_release(tool: Callable[..., Result]) -> None:
    lives = {row["name"]: row["life"] for row in tool("list", "--json", "--as-of", "3.0").json}
    assert (lives["pc-1.0"], lives["pc-0.10"], lives["pc-next"]) == ("deprecated", "deprecated", "current")
    assert tool("list", "--as-of", "4.1.2", "--json").json[1]["life"] == "removed"
    assert tool("list", "--as-of", "soon").err.startswith("pyqemu-machine: 'soon' is not a version")


def test_list_as_json_has_everything_of_the_table(tool: Callable[..., Result]) -> None:
    rows = {row["name"]: row for row in tool("list", "--json").json}
    assert rows["pc-1.0"] == {
        "name": "pc-1.0",
        "alias": "pc",
        "default": True,
        "life": "current",
        "unavailable": None,
        "stability": "stable",
        "promise": "saved state loads in every release that supports it",
        "lock": "frozen",
        "since": "1.1",
        "supported until": "2.x",
        "successor": None,
        "vendor": False,
        "inherits": "pc-next",
        "description": "Standard PC",
        "file": str(machines_dir() / "pc-1.0.yaml"),
    }
    assert rows["xenfv"]["unavailable"] == "it needs the accelerator xen and the device xen-platform"


def test_graph(tool: Callable[..., Result]) -> None:
    lines = tool("graph").out.splitlines()
    assert lines[:3] == ["pc-next", "  pc-1.0 (default, pc)", "    pc-0.15"]
    assert lines[-2:] == ["isapc", "none"]
    assert tool("graph", "--json").json["pc-next"]["pc-1.0"]["xenfv"] == {}


def test_vendors_types_are_in_it(tool: Callable[..., Result], vendor: Write) -> None:
    folder = vendor("acme", "inherits: pc-0.12", "desc: Acme")
    assert "            acme (vendor)" in tool("graph", "--machine-dir", str(folder)).out.splitlines()
    vendor("bad", "inherit: pc")
    result = tool("list", "--machine-dir", str(folder))
    assert result.err == (
        f"pyqemu-machine: warning: {folder}/bad.yaml:2:1: unknown key 'inherit'\nDid you mean 'inherits'?\n"
    )
    assert "acme" in result.out and result.status == 0


def test_names_that_are_no_text_are_no_traceback(tmp_path: Path) -> None:
    """A directory named in another encoding, printed where only UTF-8 goes."""
    folder = os.fsencode(tmp_path) + b"/\xff"
    os.mkdir(folder)
    for name, text in ((b"acme.yaml", b"name: acme\ninherits: pc-1.0\n"), (b"bad\xfe.yaml", b"name: x\n")):
        Path(os.fsdecode(folder + b"/" + name)).write_bytes(text)
    program = b"import sys; from pyqemu.machines.tool.program import main; sys.exit(main())"
    for words in ([b"list"], [b"list", b"--json"], [b"show", b"acme"], [b"graph"], [b"check", b"--no-locks"]):
        command = [os.fsencode(sys.executable), b"-c", program, *words, b"--machine-dir", folder]
        environment = os.environ | {"PYTHONIOENCODING": "utf-8:strict", "COLUMNS": "500"}
        result = subprocess.run(command, capture_output=True, check=False, env=environment)
        assert b"Traceback" not in result.stderr, result.stderr.decode(errors="replace")
        assert result.returncode == (1 if words[0] == b"check" else 0)


# -- show and explain -------------------------------------------------------------------------------------


def test_show_tells_where_each_value_is_written(tool: Callable[..., Result]) -> None:
    text = tool("show", "pc-0.13").out
    rows = [line.split() for line in text.splitlines()]
    assert ["hw_version", "0.13", "machines/pc-0.13.yaml:6"] in rows
    assert ["max_cpus", "255", "machines/pc-next.yaml:7"] in rows
    assert ["accel", "tcg", "built", "in"] in rows
    assert ["default_display", "cirrus", "machines/pc-1.0.yaml:10", "no", "such", "device", "here"] in rows
    assert any(row[:3] == ["vga", "VGA", "02.0"] for row in rows)
    assert any(row[:2] == ["vgamem_mb", "8"] and row[2].startswith("machines/pc-1.0.yaml:") for row in rows)
    assert any(row[:2] == ["rombar", "0"] and row[2].startswith("machines/pc-0.13.yaml:") for row in rows)
    assert any(row[:3] == ["serial0", "isa-serial", "0x03f8"] for row in rows)
    assert any(row[:2] == ["qxl.revision", "3"] and row[-4:] == ["no", "such", "device", "here"] for row in rows)


def test_lines_are_the_right_lines(tool: Callable[..., Result]) -> None:
    """Every place that show names holds what it is named for."""
    shown = tool("show", "pc-0.12", "--json").json
    checked = 0
    for key, entry in shown["keys"].items():
        if entry["place"]:
            assert Path(entry["place"]["file"]).read_text().splitlines()[entry["place"]["line"] - 1].startswith(key)
            checked += 1
    for device in shown["devices"]:
        for name, entry in device["properties"].items():
            if entry["place"]:
                line = Path(entry["place"]["file"]).read_text().splitlines()[entry["place"]["line"] - 1]
                words = {name, name.replace("-", "_"), "hw_version"}
                assert any(word in line for word in words) or entry["layer"] == "default", (name, line)
                checked += 1
    for entry in shown["compat"]:
        line = Path(entry["place"]["file"]).read_text().splitlines()[entry["place"]["line"] - 1]
        assert {entry["driver"], entry["property"], entry["value"]} <= set(
            line.replace(",", " ").replace("}", " ").split()
        )
        checked += 1
    assert checked > 80


def test_show_says_what_is_promised(tool: Callable[..., Result]) -> None:
    lines = tool("show", "pc-1.0").out.splitlines()
    assert lines[1] == "current, stable: saved state loads in every release that supports it"
    lines = tool("show", "pc-1.0", "--as-of", "3.0").out.splitlines()
    assert lines[2] == "It is deprecated: past its support."


def test_show_all_has_defaults_too(tool: Callable[..., Result]) -> None:
    few, many = tool("show", "pc").out, tool("show", "--all", "pc").out
    assert len(many.splitlines()) > len(few.splitlines()) + 20
    assert "pyqemu/hw/floppy/i82078.py:" in many and "pyqemu/hw/floppy/i82078.py:" not in few


def test_what_show_says_is_what_the_machine_has(tool: Callable[..., Result]) -> None:
    """Against a machine that was built: every device, and every property's value."""
    from pyqemu.core.prop import PropField
    from pyqemu.machines.abi.specimen import build
    from pyqemu.machines.registry import Registry

    for name in ("pc-next", "pc-0.11", "isapc"):
        shown = {device["id"]: device for device in tool("show", name, "--json").json["devices"]}
        board = build(Registry(machines_dir()).find(name))
        try:
            assert set(shown) == set(board.devices)
            for id, device in board.devices.items():
                for prop in device.props.values():
                    told = shown[id]["properties"].get(prop.name)
                    if told is None or prop.kind in ("device", "chardev", "drive"):
                        continue
                    assert isinstance(prop, PropField)
                    value = getattr(device, prop.attribute)
                    if prop.name == "addr" and told["layer"] == "default":
                        continue  # settled by the board's slot
                    if id in ("serial0", "parallel0") and prop.name == "index":
                        continue  # the board counts its ports
                    assert prop.parse(device.type, told["value"]) == value, (name, id, prop.name)
        finally:
            board.close()


def test_show_a_type_that_cannot_run(tool: Callable[..., Result]) -> None:
    text = tool("show", "xenfv").out
    assert "It cannot run here: it needs the accelerator xen and the device xen-platform." in text
    assert any(
        line.split()[:2] == ["xen-platform", "xen-platform"] and "no such device here" in line
        for line in text.splitlines()
    )


def test_explain_a_property(tool: Callable[..., Result]) -> None:
    result = tool("explain", "pc-0.12", "VGA.rombar")
    rows = [line.split() for line in result.out.splitlines()]
    assert rows[0] == ["vga", "(VGA)", "rombar", "=", "0"]
    assert rows[2][:3] == ["1", "default", "VGA"]
    assert rows[2][3].startswith("pyqemu/hw/")
    assert rows[3][:4] == ["0", "compat,", "in", "force"]
    assert rows[3][4] == "pc-0.12"


def test_explain_the_chain_of_a_device_that_is_not_here(tool: Callable[..., Result]) -> None:
    chain = tool("explain", "pc-0.14", "qxl.revision", "--json").json["qxl.revision (no such device here)"]
    assert [(step["value"], step["owner"]) for step in chain] == [("3", "pc-1.0"), ("2", "pc-0.14")]


def test_explain_a_key(tool: Callable[..., Result]) -> None:
    chain = tool("explain", "pc-0.13", "hw_version", "--json").json["hw_version"]
    assert [(step["value"], step["owner"]) for step in chain] == [
        ("1.0", "pc-1.0"),
        ("0.15", "pc-0.15"),
        ("0.14", "pc-0.14"),
        ("0.13", "pc-0.13"),
    ]
    assert [step["owner"] for step in tool("explain", "pc-0.13", "alias", "--json").json["alias"]] == [None]
    assert tool("explain", "pc-0.13", "since").out.splitlines()[0] == "since = 1.1"


def test_explain_one_of_two(tool: Callable[..., Result]) -> None:
    assert list(tool("explain", "pc", "isa-i8259.iobase", "--json").json) == [
        "pic (isa-i8259) iobase",
        "pic2 (isa-i8259) iobase",
    ]
    assert tool("explain", "pc", "pic2.iobase").out.startswith("pic2 (isa-i8259) iobase = 0xa0\n")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["explain", "pc", "VGA.mmo"], "machine type 'pc-1.0' has no property 'VGA.mmo'\nDid you mean 'VGA.mmio'?"),
        (["explain", "pc", "max_cpu"], "machine type 'pc-1.0' has no property 'max_cpu'\nDid you mean 'max_cpus'?"),
        (["explain", "pc", "."], "machine type 'pc-1.0' has no property '.'\nAccepted: DRIVER.NAME"),
        (["show", "pc-1.1"], "unsupported machine type\nUse -machine help to list supported machines\nThe value"),
        (["diff", "pc", "xenfv"], "machine type 'xenfv' cannot run here"),
        (["list", "--machine-dir", "/nonexistent"], "-machine-dir: '/nonexistent' is not a directory"),
    ],
)  # fmt: skip
def test_errors_name_the_nearest(words: list[str], message: str, tool: Callable[..., Result]) -> None:
    result = tool(*words)
    assert (result.status, result.out) == (1, "")
    assert result.err.startswith(f"pyqemu-machine: {message}")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["shwo", "pc"], "no such command 'shwo'\nDid you mean 'show'?"),
        (["show"], "Missing argument 'TYPE'."),
        (["list", "--jason"], "No such option"),
        (["lock", "--all"], "No such option"),
    ],
)
def test_wrong_usage_is_status_2(words: list[str], message: str, tool: Callable[..., Result]) -> None:
    result = tool(*words)
    assert result.status == 2
    assert result.err.startswith(f"pyqemu-machine: {message}")
    assert "Traceback" not in result.err


def test_help_names_every_command(tool: Callable[..., Result]) -> None:
    text = tool("--help").out
    assert all(f"  {name} " in text for name in COMMANDS)
    for name in COMMANDS:
        assert tool(name, "-h").out.startswith(f"Usage: pyqemu-machine {name}")


def test_the_program_is_installed() -> None:
    program = shutil.which("pyqemu-machine", path=str(Path(sys.executable).parent))
    assert program
    result = subprocess.run([program, "graph"], capture_output=True, text=True, check=True)
    assert result.stdout.startswith("pc-next\n  pc-1.0")


def on_a_terminal(*words: str) -> str:
    """What the program writes to a terminal of 160 columns."""
    leader, follower = pty.openpty()
    environment = os.environ | {"COLUMNS": "160", "TERM": "xterm-256color"}
    environment.pop("NO_COLOR", None)
    code = "import sys; from pyqemu.machines.tool.program import main; sys.exit(main())"
    with subprocess.Popen([sys.executable, "-c", code, *words], stdout=follower, env=environment) as process:
        os.close(follower)
        chunks = []
        while True:
            try:
                chunk = os.read(leader, 65536)
            except OSError:  # the other end is closed
                break
            if not chunk:
                break
            chunks.append(chunk)
        assert process.wait() == 0
    os.close(leader)
    return b"".join(chunks).decode()


def test_a_terminal_gets_colour_and_trees() -> None:
    assert "\x1b[32mcurrent" in on_a_terminal("list")
    assert "└── " in on_a_terminal("graph")
    assert "\x1b[1m" in on_a_terminal("show", "isapc")


def test_json_on_a_terminal_is_json() -> None:
    assert json.loads(on_a_terminal("list", "--json"))[0]["name"] == "pc-next"


def test_a_reader_that_has_had_enough_is_no_traceback() -> None:
    code = "import sys; from pyqemu.machines.tool.program import main; sys.exit(main())"
    words = " ".join([sys.executable, "-c", f"'{code}'", "show", "--all", "pc"])
    result = subprocess.run(["sh", "-c", f"{words} | head -1"], capture_output=True, text=True, check=False)
    assert (result.stdout, result.stderr) == ("pc-1.0: Standard PC\n", "")


@pytest.mark.parametrize(("typed", "offered"), [("pc-0.1", 6), ("pc", 9), ("x", 1), ("zz", 0)])
def test_the_shell_completes_names_of_types(typed: str, offered: int) -> None:
    program = shutil.which("pyqemu-machine", path=str(Path(sys.executable).parent))
    environment = os.environ | {
        "_PYQEMU_MACHINE_COMPLETE": "bash_complete",
        "COMP_WORDS": f"pyqemu-machine show {typed}",
        "COMP_CWORD": "2",
    }
    result = subprocess.run([str(program)], capture_output=True, text=True, env=environment, check=True)
    names = [line.partition(",")[2] for line in result.stdout.splitlines() if line]
    assert len(names) == offered and all(name.startswith(typed) for name in names)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.sampled_from([*COMMANDS, "pc", "pc-next", "--json", "--as-of", "3.0", "-h", "max_cpus", "--", "é", ""]),
        max_size=4,
    ).filter(lambda words: not {"lock", "check", "diff", "freeze"} & set(words))
)
def test_any_words_are_an_answer_or_an_error(words: list[str]) -> None:
    assert main(words) in (0, 1, 2)


# -- locks ------------------------------------------------------------------------------------------------


@pytest.fixture
def copied(ours: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Our types in a directory that may be written."""
    for name in ("pc-0.15", "pc-0.14", "pc-0.13", "pc-0.12", "pc-0.11", "pc-0.10"):  # they cost time to build
        (ours / f"{name}.yaml").unlink()
        (ours / "abi" / f"{name}.json").unlink()
    monkeypatch.setattr(registry, "machines_dir", lambda: ours)
    return ours


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def close_locks(folder: Path) -> None:
    replace(folder / "policy.yaml", "locks: open", "locks: closed")
    replace(folder / "policy.yaml", '"1.1": planned', '"1.1": 2027-01-15')


def test_diff_says_what_a_guest_would_notice(tool: Callable[..., Result]) -> None:
    result = tool("diff", "pc-1.0", "pc-next")
    assert result.status == 1
    assert "property VGA.vgamem_mb: 8 → 16" in result.out.splitlines()
    assert any(line.startswith("PCI 02.0: BAR 0") for line in result.out.splitlines())
    same = tool("diff", "pc", "pc-1.0")
    assert (same.status, same.out) == (0, "A guest sees no difference between pc-1.0 and pc-1.0.\n")
    assert {"path", "old", "new", "text"} == set(tool("diff", "pc-1.0", "pc-next", "--json").json[0])


def test_check_has_nothing_against_the_files_of_all_types(tool: Callable[..., Result]) -> None:
    """Their locks have tests of their own."""
    assert tool("check", "--no-locks").out.startswith("11 machine types, no problems;")


def test_check_is_content_with_ours(tool: Callable[..., Result], copied: Path) -> None:
    result = tool("check")
    assert (result.status, result.out) == (
        0,
        "5 machine types, no problems; the locks of stable types are open\n",
    )
    assert tool("check", "--json").json == []


def test_a_changed_machine_is_told_locked_and_then_well_again(tool: Callable[..., Result], copied: Path) -> None:
    replace(copied / "isapc.yaml", "compat:", "compat:\n  - {driver: isa-vga, property: vgamem_mb, value: 4}")
    result = tool("check")
    assert result.status == 1
    assert "isapc: is not the machine that its lock describes:" in result.out
    assert "  property isa-vga.vgamem_mb: 8 → 4" in result.out.splitlines()
    assert "  If that is meant, 'pyqemu-machine lock isapc' in the same commit." in result.out.splitlines()
    locked = tool("lock", "isapc")
    assert locked.status == 0
    assert "  property isa-vga.vgamem_mb: 8 → 4" in locked.out.splitlines()
    assert tool("check").status == 0
    assert tool("lock", "isapc").out == "isapc: nothing changed\n"


def test_closed_locks_of_stable_types_cannot_be_written(tool: Callable[..., Result], copied: Path) -> None:
    close_locks(copied)
    replace(copied / "pc-1.0.yaml", "vgamem_mb, value: 8", "vgamem_mb, value: 4")
    lock = copied / "abi" / "pc-1.0.json"
    before = lock.read_bytes()
    for words in (["lock"], ["lock", "pc"], ["lock", "isapc", "pc-1.0"]):
        result = tool(*words)
        assert result.status == 1
        assert result.err.startswith(
            "pyqemu-machine: machine type 'pc-1.0' is stable and its lock is closed: no release may change it\n"
        )
    assert lock.read_bytes() == before
    told = tool("check")
    assert told.status == 1
    assert "  Its lock is closed. Give the new behaviour a property" in told.out


def test_pc_next_can_be_locked_at_any_time(tool: Callable[..., Result], copied: Path) -> None:
    close_locks(copied)
    replace(copied / "boards" / "pc.yaml", "type: VGA, ", "type: VGA, props: {vgamem_mb: 32}, ")
    result = tool("lock", "pc-next")
    assert "  property VGA.vgamem_mb: 16 → 32" in result.out.splitlines()
    assert tool("check").status == 0  # pc-1.0 says 8


def test_a_vendors_lock_lies_beside_its_file(tool: Callable[..., Result], copied: Path, vendor: Write) -> None:
    folder = vendor("acme", "inherits: pc-1.0", "compat: [{driver: VGA, property: vgamem_mb, value: 4}]")
    assert tool("lock", "acme", "--machine-dir", str(folder)).status == 0
    assert (folder / "abi" / "acme.json").exists()
    assert not (copied / "abi" / "acme.json").exists()
    vendor("acme", "inherits: pc-1.0")
    out = tool("check", "--machine-dir", str(folder)).out
    assert "acme: is not the machine that its lock describes" in out


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("policy.yaml", '"1.1": planned', '"1.1": 2027-01-15', "release 1.1 has been made, and locks are"),
        ("policy.yaml", '"1.1": planned', '"1.0": planned', "release 1.1, which this is, is not listed"),
        ("pc-1.0.yaml", "since: 1.1\n", "", "a stable type says with which release it came: 'since'"),
        ("pc-1.0.yaml", "since: 1.1", "since: 1.3", "release 1.3 is not in policy.yaml"),
        ("pc-1.0.yaml", "since: 1.1", "since: 2.0", "'pc-1.0' is there before its release"),
        ("pc-1.0.yaml", "stability: stable\n", "", "says no 'stability'"),
        ("pc-next.yaml", "board: pc", "board: pc\nalias: next", "a type that may change has neither"),
        ("pc-next.yaml", "board: pc", "board: pc\nwithout: [fdc]", "'without' of the newest hardware would reach"),
        ("pc-1.0.yaml", "default: on\n", "", "no machine type is the default"),
        ("pc-1.0.yaml", "VGA, property: vgamem_mb", "VGA, property: vgamem", "Property 'VGA.vgamem' not found"),
        ("boards/pc.yaml", "iobase: 0x40", "iobas: 0x40", "Property 'isa-pit.iobas' not found"),
        ("boards/pc.yaml", 'slot: "1.3"', 'slot: "1.1"', "'pm' sits where 'ide' does"),
    ],
)  # fmt: skip
def test_check_finds(
    file: str, old: str, new: str, message: str, tool: Callable[..., Result], copied: Path
) -> None:
    replace(copied / file, old, new)
    result = tool("check", "--no-locks")
    assert result.status == 1
    (line,) = {line for line in result.out.splitlines() if message in line}
    assert line.startswith(str(copied)) or ":" in line


def test_check_finds_stray_and_missing_locks(tool: Callable[..., Result], copied: Path) -> None:
    (copied / "abi" / "isapc.json").rename(copied / "abi" / "pc-3.0.json")
    out = tool("check").out
    assert "isapc: machine type 'isapc' has no lock" in out
    assert f"pc-3.0: {copied}/abi/pc-3.0.json: there is no such machine type" in out


def test_check_finds_vendors_mistakes(tool: Callable[..., Result], copied: Path, vendor: Write) -> None:
    folder = vendor("acme", "inherits: pc-1.1")
    result = tool("check", "--no-locks", "--machine-dir", str(folder), "--json")
    assert [finding["about"] for finding in result.json] == ["vendor"]


def test_check_builds_what_has_no_lock(tool: Callable[..., Result], copied: Path, vendor: Write) -> None:
    """Some mistakes are nobody's line: a port that two devices want, a processor that nobody knows."""
    vendor("ports", "inherits: isapc", "devices: [{id: x, type: isa-debug-exit, props: {iobase: 0x3f8}}]")
    folder = vendor("cpu", "inherits: isapc", "default_cpu: qemu63")
    out = tool("check", "--machine-dir", str(folder)).out.splitlines()
    assert out[:4] == [
        "cpu: unable to find CPU model 'qemu63'",
        "  Did you mean 'qemu64'?",
        "ports: serial0: port 0x3f8 is taken by x",
        "7 machine types, 2 problems; the locks of stable types are open",
    ]


def git(folder: Path, *words: str) -> None:
    who = ["-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", "-C", str(folder), *who, *words], check=True, capture_output=True)


def test_check_against_an_earlier_commit(tool: Callable[..., Result], copied: Path) -> None:
    """A machine and its lock that change in one commit agree with each other, but not with what was promised."""
    git(copied.parent, "init")
    git(copied.parent, "add", ".")
    git(copied.parent, "commit", "-m", "open")
    replace(copied / "pc-1.0.yaml", "VGA, property: vgamem_mb, value: 8", "VGA, property: vgamem_mb, value: 4")
    assert tool("lock", "pc-1.0").status == 0
    assert tool("check", "--against", "HEAD").status == 0  # locks were open
    close_locks(copied)
    git(copied.parent, "commit", "-am", "closed")
    git(copied.parent, "tag", "v1.1.0")
    assert tool("check", "--against", "v1.1.0").status == 0
    replace(copied / "policy.yaml", "locks: closed", "locks: open")
    replace(copied / "pc-1.0.yaml", "VGA, property: vgamem_mb, value: 4", "VGA, property: vgamem_mb, value: 8")
    replace(copied / "pc-next.yaml", "default_cpu: qemu64", "default_cpu: core2duo")
    replace(copied / "pc-1.0.yaml", "hw_version: 1.0", "hw_version: 1.0\ndefault_cpu: qemu64")
    assert tool("lock", "pc-1.0", "pc-next").status == 0
    replace(copied / "policy.yaml", "locks: open", "locks: closed")
    assert tool("check").status == 0
    result = tool("check", "--against", "v1.1.0")
    assert result.status == 1
    lines = result.out.splitlines()
    assert "pc-1.0: its lock is not what it was at v1.1.0" in lines[0]
    assert "  property VGA.vgamem_mb: 4 → 8" in lines
    assert not any("pc-next" in line for line in lines)
    (copied / "isapc.yaml").unlink()
    (copied / "abi" / "isapc.json").unlink()
    assert (
        "isapc: was there at v1.1.0, and is gone before its time"
        in tool("check", "--no-locks", "--against", "v1.1.0").out
    )


@pytest.mark.parametrize("revision", ["nonsense", "--output=/tmp/x", ""])
def test_check_against_what_git_does_not_know(revision: str, tool: Callable[..., Result], copied: Path) -> None:
    git(copied.parent, "init")
    result = tool("check", "--no-locks", "--against", revision)
    assert result.status == 1
    assert result.err.startswith(f"pyqemu-machine: revision '{revision}': fatal: ")


def test_turned_forward_check_says_what_a_release_needs(tool: Callable[..., Result], copied: Path) -> None:
    out = tool("check", "--no-locks", "--as-of", "3.0").out
    assert "the default, 'pc-1.0', is deprecated" in out
    assert "'pc-1.0' is deprecated, and there is no type to move to" in out
