"""The protocol, against what QEMU 7.2 sends on the wire."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from monitor.clients import QmpClient

from pyqemu.api import VirtualMachine
from pyqemu.monitor.commands.about import PROTOCOL
from pyqemu.monitor.link import OUTPUT_BYTES, SLOW_BYTES
from pyqemu.monitor.qmp import encode

GOLDEN = Path(__file__).parents[1] / "golden" / "qmp-wire.json"

OTHER_REPLY = {
    '{"execute":"qmp_capabilities","arguments":{"enable":["foo"]}}',  # QEMU has "oob" to choose from
    '{"execute":"query-block"}',
    '{"execute":"query-block","id":null}',
    '{"execute":"query-chardev"}',
    '{"execute":"query-cpus-fast"}',
    '{"execute":"query-memory-size-summary"}',
    '{"execute":"query-current-machine"}',
    '{"execute":"qom-get","arguments":{"path":"/machine","property":"nope"}}',
    '{"execute":"qom-get","arguments":{"path":"/machine","property":"type"}}',
}
"""Right and different here: other devices, another machine."""

LACKING = ("query-replay",)


def _without_time(text: str) -> list[dict[str, Any]]:
    values = [json.loads(line) for line in text.splitlines() if line and line != "<EOF>"]
    for value in values:
        if "timestamp" in value:
            assert set(value["timestamp"]) == {"seconds", "microseconds"}
            del value["timestamp"]
    return values


def test_every_exchange_as_qemu_has_it(vm: VirtualMachine) -> None:
    """One connection from the greeting to quit; commands that are not there yet are left out."""
    client = QmpClient(vm, negotiate=False)
    client.read()
    compared = 0
    for exchange in json.loads(GOLDEN.read_text())["exchange"]:
        sent = exchange["sent"]
        if any(name in sent for name in LACKING):
            continue
        raw = sent.encode("latin-1") if "ÿ" in sent or "Ã" in sent else sent.encode()
        client.send(raw)
        got = _without_time(client.chardev.sent.decode())
        client.chardev.sent.clear()
        if sent in OTHER_REPLY:
            assert len(got) == 1 and ("return" in got[0]) == ('"return"' in exchange["received"]), sent
            continue
        assert got == _without_time(exchange["received"]), sent
        compared += 1
    assert compared > 60
    assert vm.has_ended


def test_greeting_is_one_line_and_names_the_protocol(vm: VirtualMachine) -> None:
    client = QmpClient(vm, negotiate=False)
    assert client.chardev.sent.count(b"\n") == 1
    greeting = client.read()[0]["QMP"]
    numbers = greeting["version"]["qemu"]
    assert (numbers["major"], numbers["minor"], numbers["micro"]) == PROTOCOL >= (4, 2, 0)
    assert greeting["version"]["package"].startswith("pyqemu ")
    assert greeting["capabilities"] == []


def test_commands_may_come_in_pieces_of_any_size(vm: VirtualMachine) -> None:
    client = QmpClient(vm)
    for byte in b'{"execute":"query-status","id":"a"}{"execute":"query-name"}':
        client.send(bytes((byte,)))
    assert [reply.get("id") for reply in client.read()] == ["a", None]


def test_events_come_before_the_reply_and_only_after_negotiation(vm: VirtualMachine) -> None:
    ready, late = QmpClient(vm), QmpClient(vm, negotiate=False)
    late.read()
    events = ready.ask('{"execute":"cont"}{"execute":"cont"}{"execute":"stop"}')
    assert [reply.get("event", "reply") for reply in events] == ["RESUME", "reply", "reply", "STOP", "reply"]
    assert late.read() == []


def test_every_monitor_gets_the_events(vm: VirtualMachine) -> None:
    first, second = QmpClient(vm), QmpClient(vm)
    first.ask('{"execute":"system_powerdown"}')
    assert [event["event"] for event in second.read()] == ["POWERDOWN"]


def test_the_next_client_negotiates_anew(vm: VirtualMachine) -> None:
    client = QmpClient(vm)
    client.send('{"execute":"query-sta')
    client.chardev.disconnect()
    vm.emit("STOP")
    client.chardev.open()
    replies = client.ask('{"execute":"query-status"}')
    assert "QMP" in replies[0]
    assert replies[1]["error"]["class"] == "CommandNotFound"


def test_pretty_output_is_indented(vm: VirtualMachine) -> None:
    client = QmpClient(vm, negotiate=False, pretty=True)
    assert b'{\r\n    "QMP": {\r\n' in client.chardev.sent


def test_a_client_that_does_not_read_is_not_read_from(vm: VirtualMachine) -> None:
    client = QmpClient(vm)
    client.chardev.room = 0
    command = b'{"execute":"query-commands"}'
    client.send(command * 5000)
    held = len(client.chardev._held)
    assert held > 0, "commands were taken without an end"
    client.chardev.room = None
    client.chardev.on_writable()
    assert len(client.read()) == 5000


def test_a_client_that_never_reads_is_cut_off_and_the_others_live_on(
    vm: VirtualMachine, capsys: pytest.CaptureFixture[str]
) -> None:
    dead, alive = QmpClient(vm), QmpClient(vm)
    dead.chardev.room = 0
    for _ in range(OUTPUT_BYTES // 60):
        vm.emit("RTC_CHANGE", offset=1)
        alive.chardev.sent.clear()
    assert not dead.chardev.is_open
    assert "does not read" in capsys.readouterr().err
    assert alive.execute("query-status")["running"] is False
    assert SLOW_BYTES < OUTPUT_BYTES


def test_escapes_are_upper_case_and_a_backslash_stays_one() -> None:
    assert encode({"a": "é\\u00e9"}) == b'{"a": "\\u00E9\\\\u00e9"}\r\n'


def test_half_a_command_at_the_end_of_a_connection_does_nothing(vm: VirtualMachine) -> None:
    client = QmpClient(vm)
    client.send('{"execute":"quit"')
    client.chardev.disconnect()
    assert not vm.has_ended


@pytest.mark.parametrize("depth", [513, 100_000])
def test_deep_nesting_is_refused_and_the_next_line_is_obeyed(vm: VirtualMachine, depth: int) -> None:
    client = QmpClient(vm)
    client.send(b'{"execute":"query-status","id":' + b"[" * depth)
    replies = client.ask(b'\n{"execute":"query-status"}')
    assert replies[0]["error"]["desc"] == "JSON nesting depth limit exceeded"
    assert replies[-1]["return"]["status"] == "prelaunch"
    assert len(replies) == 2


def test_a_deep_id_is_echoed(vm: VirtualMachine) -> None:
    client = QmpClient(vm)
    value = b"[" * 500 + b"]" * 500
    client.send(b'{"execute":"query-status","id":' + value + b"}")
    assert value in bytes(client.chardev.sent)


def test_a_huge_line_costs_no_memory_and_one_message(vm: VirtualMachine) -> None:
    client = QmpClient(vm)
    client.send(b'"')
    for _ in range(2000):
        client.send(b"x" * 4096)
    replies = client.ask(b'\n{"execute":"query-status"}')
    assert [reply["error"]["desc"] for reply in replies[:-1]] == ["JSON token size limit exceeded"]
    assert "return" in replies[-1]
