"""What HMP prints, against QEMU 7.2; its grammar; and that no line breaks it."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from monitor.clients import SocketChardev

from pyqemu.api import VirtualMachine
from pyqemu.launch import ChardevConfig, DriveConfig
from pyqemu.monitor.expression import Expression, ExpressionError
from pyqemu.monitor.hmp import HmpSession, Shell
from pyqemu.monitor.table import table

GOLDEN = Path(__file__).parents[1] / "golden" / "hmp.json"
PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])

OTHERS = {
    "change hd /nosuch": "QEMU opens the file before it looks at the drive",
    "device_add isa-serial,id=1x": "QEMU says it on standard error",
    "i/b 0x71": "the time of day",
}


def test_as_qemu_prints_it(machine: Callable[..., VirtualMachine], disk: Path) -> None:
    """143 lines in one session, as the default format goes from one to the next."""
    vm = machine(drives=[DriveConfig(str(disk), format="raw", id="hd")], chardevs=[ChardevConfig("ringbuf", "rb")])
    shell = Shell(vm)
    same = {"pc-i440fx-1.4": "pc-1.0", "device[23]": "device[22]"}
    wrong = {}
    for line, wanted in json.loads(GOLDEN.read_text())["output"].items():
        got = shell.run_line(line).replace("\n", "\r\n")
        for theirs, ours in same.items():
            wanted = wanted.replace(theirs, ours)
        if got != wanted and line not in OTHERS:
            wrong[line] = (wanted, got)
    assert wrong == {}


# -- expressions --------------------------------------------------------------------------------------------------


def evaluate(text: str) -> int:
    return Expression(text, 0, {"eax": 5, "big": (1 << 64) - 1}.get).value()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1+2*3", 7), ("(1+2)*3", 9), ("1|2+4", 7), ("2*3|1", 7), ("-1", -1), ("~0", -1), ("- - 3", 3),
        ("0x10/3", 5), ("010", 8), ("'a'", 97), ("$eax * 2", 10), ("$big", -1), ("0xffffffffffffffff + 1", 0),
        ("7 % 4 ^ 1", 2), (" 5 ", 5),
    ],
)  # fmt: skip
def test_expression(text: str, value: int) -> None:
    assert evaluate(text) == value


@given(st.text(alphabet="0123456789abcdefx+-*/%&|^~()$' ", max_size=60))
@PATIENT
def test_an_expression_has_a_value_or_a_reason(text: str) -> None:
    try:
        assert -(1 << 63) <= evaluate(text) < 1 << 63
    except ExpressionError as error:
        assert str(error)


def test_nested_brackets_are_bounded() -> None:
    with pytest.raises(ExpressionError, match="too complex"):
        evaluate("(" * 10_000)


# -- any line -----------------------------------------------------------------------------------------------------

DANGEROUS = {
    "quit",
    "q",
    "migrate",
    "screendump",
    "memsave",
    "pmemsave",
    "logfile",
    "chardev-add",
    "change",
    "savevm",
}
WORDS = st.sampled_from(
    ["0", "1", "-1", "0x1000", "$eip", "$nosuch", "ide1-cd0", "ide0-hd0", "-f", "-d", "-x", "on", "off", "/4x",
     "/3i", "/999999999c", "a", '"', '"a b"', "/machine", "type", "ctrl-alt-delete", "99999999999999999999", "%"]
)  # fmt: skip


@given(st.data())
@PATIENT
def test_no_line_breaks_the_monitor(vm: VirtualMachine, data: st.DataObject) -> None:
    names = sorted(set(table().by_words) - DANGEROUS)
    name = data.draw(st.sampled_from(names))
    rest = data.draw(st.lists(WORDS | st.text(max_size=20), max_size=4))
    assert isinstance(Shell(vm).run_line(" ".join([name, *rest])), str)


@given(st.text(max_size=200))
@PATIENT
def test_no_text_breaks_the_monitor(vm: VirtualMachine, text: str) -> None:
    first = text.split() or [""]
    if first[0].partition("/")[0] not in DANGEROUS:
        Shell(vm).run_line(text)


def test_every_command_has_help(hmp: Callable[[str], str]) -> None:
    listed = hmp("help") + hmp("info")
    for words, entry in table().by_words.items():
        assert entry.hmp is not None
        assert entry.hmp.help, words
        assert f"{entry.hmp.names} " in listed
    assert hmp("help system_reset") == "system_reset  -- reset the system\n"


# -- the prompt ---------------------------------------------------------------------------------------------------


@pytest.fixture
def terminal(vm: VirtualMachine) -> SocketChardev:
    chardev = SocketChardev()
    HmpSession(vm, chardev, "test")
    chardev.open()
    chardev.sent.clear()
    return chardev


def screen(chardev: SocketChardev) -> list[str]:
    """The lines that a terminal shows, from the control sequences that we use."""
    lines, row, column = [[]], 0, 0
    text = chardev.sent.decode()
    for piece in re.findall(r"\x1b\[(\d*)([A-Z])|(.)", text, re.DOTALL):
        count, letter, character = piece
        line = lines[row]
        if letter == "K":
            del line[column:]
        elif letter == "D":
            column -= int(count or 1)
        elif letter == "C":
            column += int(count or 1)
        elif character == "\r":
            column = 0
        elif character == "\n":
            lines.append([])
            row += 1
        elif character == "\b":
            column -= 1
        elif character:
            line[column : column + 1] = character
            column += 1
    return ["".join(line) for line in lines]


@pytest.mark.parametrize(
    ("typed", "line"),
    [
        (b"info sttus\x1b[D\x1b[D\x1b[Da", "info status"),
        (b"fo status\x01in", "info status"),
        (b"info statusxx\x7f\x08", "info status"),
        (b"nonsense\x15info status", "info status"),
        (b"info nonsense\x17status", "info status"),
        (b"info status of it\x1bb\x1bb\x0b", "info status "),
        (b"xinfo status\x1b[H\x1b[3~", "info status"),
        (b"info\x1b[1~\x1b[4~ status", "info status"),
        (b"info s\xc3\xa9\x7ftatus", "info status"),
        (b"\x1b[999999999999;;;;~info status", "info status"),
    ],
)
def test_editing(terminal: SocketChardev, typed: bytes, line: str) -> None:
    terminal.send(typed)
    assert screen(terminal)[-1] == line
    terminal.send(b"\r")
    assert screen(terminal)[-2:] == ["VM status: paused (prelaunch)", "(qemu) "]


def test_history(terminal: SocketChardev) -> None:
    terminal.send(b"info name\rinfo status\r\x1b[A\x1b[A\r")
    terminal.sent.clear()
    terminal.send(b"half\x10\x10\x0e\x0e")
    assert screen(terminal)[-1] == "half"
    terminal.send(b"\x15info history\r")
    assert "0: 'info status'" in terminal.sent.decode()
    assert "2: 'info history'" in terminal.sent.decode()


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        (b"system_r\t", "system_reset "),
        (b"info reg\t", "info registers "),
        (b"eject ide1\t", "eject ide1-cd0 "),
        (b"sendkey ctrl-delet\t", "sendkey ctrl-delete "),
        (b"info nosuch\t", "info nosuch"),
        (b"sys\t", "system_"),
    ],
)
def test_completion(terminal: SocketChardev, typed: bytes, shown: str) -> None:
    terminal.send(typed)
    assert screen(terminal)[-1] == shown


def test_completion_of_files_and_of_several(terminal: SocketChardev, tmp_path: Path) -> None:
    (tmp_path / "first.img").touch()
    (tmp_path / "second.img").touch()
    terminal.send(f"change ide1-cd0 {tmp_path}/f\t".encode())
    assert screen(terminal)[-1] == f"change ide1-cd0 {tmp_path}/first.img "
    terminal.send(b"\x15system_\t")
    lines = screen(terminal)
    assert lines[-2].split() == ["system_powerdown", "system_reset", "system_wakeup"]
    assert lines[-1] == "(qemu) system_"


def test_an_endless_line_is_cut(terminal: SocketChardev) -> None:
    for _ in range(100):
        terminal.send(b"x" * 4096)
    terminal.send(b"\r")
    assert len(terminal.sent) < 100_000


def test_banner_and_prompt_for_each_client(terminal: SocketChardev) -> None:
    terminal.disconnect()
    terminal.open()
    banner, prompt = screen(terminal)
    assert re.fullmatch(r"QEMU \S+ monitor - type 'help' for more information", banner)
    assert prompt == "(qemu) "


def test_descriptors_reach_hmp_too(terminal: SocketChardev) -> None:
    reader, writer = os.pipe()
    terminal.fds = [writer]
    terminal.send(b"getfd x\rclosefd x\r")
    assert os.read(reader, 1) == b""
    os.close(reader)
