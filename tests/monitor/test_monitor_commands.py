"""What commands do to the machine, and that the schema tells the truth about all of them."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from monitor.clients import QmpClient

from pyqemu.api import VirtualMachine
from pyqemu.core.runstate import RunState
from pyqemu.hw.input.keycodes import KEYS, number_key
from pyqemu.monitor.errors import QmpError
from pyqemu.monitor.events import EVENTS
from pyqemu.monitor.monitor import Monitor
from pyqemu.monitor.qapi import Array, Struct, Union
from pyqemu.monitor.table import table

PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
REFUSING = ("query-balloon",)  # there is no such device


# -- the schema ---------------------------------------------------------------------------------------------------


def test_the_schema_has_no_loose_ends(qmp: QmpClient) -> None:
    entries = qmp.execute("query-qmp-schema")
    by_name = {entry["name"]: entry for entry in entries}
    assert len(by_name) == len(entries)
    for entry in entries:
        for key in ("arg-type", "ret-type", "element-type"):
            assert entry.get(key, "str") in by_name
        for member in entry.get("members", []):
            assert member.get("type", "str") in by_name
        for variant in entry.get("variants", []):
            assert by_name[variant["type"]]["meta-type"] == "object"
    commands = {name for name, entry in by_name.items() if entry["meta-type"] == "command"}
    assert commands == {entry["name"] for entry in qmp.execute("query-commands")}
    assert {name for name, entry in by_name.items() if entry["meta-type"] == "event"} == set(EVENTS)


def _undeclared(kind: Any, value: Any, path: str) -> list[str]:
    """Members of a reply that its type does not have; wrong values raise QmpError."""
    if isinstance(kind, Array):
        return [name for n, item in enumerate(value) for name in _undeclared(kind.element, item, f"{path}[{n}]")]
    if isinstance(kind, Union) or not isinstance(kind, Struct):
        kind.check(value, path)
        return []
    found = [f"{path}.{key}" for key in value if key not in kind.members]
    for key, member in kind.members.items():
        if key in value:
            found += _undeclared(member, value[key], f"{path}.{key}")
        elif key not in kind.optional:
            found.append(f"{path}.{key} is missing")
    return found


@pytest.mark.parametrize("name", sorted(name for name in table().by_name if name.startswith("query-")))
def test_replies_are_what_the_schema_says(vm: VirtualMachine, name: str) -> None:
    entry = table().by_name[name]
    if name in REFUSING:
        with pytest.raises(QmpError):
            Monitor(vm).execute(name, {})
        return
    reply = Monitor(vm).execute(name, {})
    assert json.loads(json.dumps(reply)) == reply
    assert _undeclared(entry.returns, reply, name) == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 65), 1 << 65) | st.text(max_size=10) | st.floats(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
UNSAFE = {
    "drive-backup",
    "drive-mirror",
    "quit",
    "migrate",
    "screendump",
    "memsave",
    "pmemsave",
    "remove-fd",
    "human-monitor-command",
    "chardev-add",
}


def _plausible(kind: Any) -> st.SearchStrategy[Any]:
    """Values that fit a type, mostly."""
    if isinstance(kind, Array):
        return st.lists(_plausible(kind.element), max_size=3)
    if isinstance(kind, Union):
        return JSON
    if isinstance(kind, Struct):
        optional = {key: _plausible(kind.members[key]) for key in kind.optional}
        return st.fixed_dictionaries(
            {key: _plausible(member) for key, member in kind.members.items() if key not in kind.optional},
            optional=optional,
        )
    if values := getattr(kind, "values", None):
        return st.sampled_from(values)
    words = st.sampled_from(["ide1-cd0", "ide0-hd0", "/machine", "type", "VGA", "isa-serial", "serial0", "", "x"])
    return {"str": words, "bool": st.booleans(), "int": st.integers(-3, 1 << 20)}.get(kind.name, JSON)


@given(st.data())
@PATIENT
def test_no_arguments_break_a_command(vm: VirtualMachine, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(set(table().by_name) - UNSAFE)))
    arguments = data.draw(_plausible(table().by_name[name].arguments) | JSON)
    try:
        json.dumps(Monitor(vm).execute(name, arguments))
    except QmpError as error:
        assert str(error)


# -- running ------------------------------------------------------------------------------------------------------


def test_power_off_with_no_shutdown_needs_a_reset(machine: Callable[..., VirtualMachine]) -> None:
    vm = machine(no_shutdown=True)
    client = QmpClient(vm)
    client.ask('{"execute":"cont"}')
    vm.power.request_shutdown("guest-shutdown")
    vm.obey()
    events = client.read()
    assert [event["event"] for event in events] == ["SHUTDOWN", "STOP"]
    assert events[0]["data"] == {"guest": True, "reason": "guest-shutdown"}
    assert client.execute("query-status")["status"] == "shutdown"
    assert client.execute("cont")["error"]["desc"] == "Resetting the Virtual Machine is required"
    client.execute("system_reset")
    assert client.execute("query-status")["status"] == "prelaunch"
    assert client.execute("cont") == {}


def test_a_guests_reset_under_no_reboot_is_a_shutdown(machine: Callable[..., VirtualMachine]) -> None:
    vm = machine()
    client = QmpClient(vm)
    client.execute("set-action", reboot="shutdown")
    vm.power.request_reset("guest-reset")
    vm.obey()
    assert client.read()[-1]["data"] == {"guest": True, "reason": "guest-reset"}
    assert vm.has_ended


def test_a_monitors_reset_resets_whatever_no_reboot_says(machine: Callable[..., VirtualMachine]) -> None:
    vm = machine(no_reboot=True)
    assert QmpClient(vm).ask('{"execute":"system_reset"}')[0]["event"] == "RESET"
    assert not vm.has_ended


def test_the_clock_set_by_the_guest_is_an_event_and_not_many(vm: VirtualMachine, qmp: QmpClient) -> None:
    ports = vm.board.isa.ports

    def set_other_hour() -> None:
        ports.write(0x70, 1, 4)
        ports.write(0x71, 1, ports.read(0x71, 1) ^ 1)  # a BCD digit stays one: 8 and 9, 22 and 23

    for _ in range(2001):
        set_other_hour()
    events = qmp.read()
    while len(events) < 2:
        vm.loop.wait()
        events += qmp.read()
    assert [event["event"] for event in events] == ["RTC_CHANGE"] * 2  # the first at once, the last a second later
    assert abs(abs(events[1]["data"]["offset"]) - 3600) <= 2
    seconds = [event["timestamp"]["seconds"] + event["timestamp"]["microseconds"] / 1e6 for event in events]
    assert seconds[1] - seconds[0] > 0.9


def test_the_guests_own_hand_on_the_tray_is_an_event(vm: VirtualMachine, qmp: QmpClient) -> None:
    drive = vm.devices["ide"].channels[1].devices[0]
    drive.on_tray(True)
    event = qmp.read()[0]
    assert (event["event"], event["data"]["device"], event["data"]["tray-open"]) == (
        "DEVICE_TRAY_MOVED", "ide1-cd0", True
    )  # fmt: skip


def test_errors_of_the_host_are_events(vm: VirtualMachine, qmp: QmpClient) -> None:
    drive = vm.drives["ide", 0]
    for _ in range(100):
        drive.report_error("write", OSError(errno.ENOSPC, "No space left on device"))
    (event,) = qmp.read()
    assert event["event"] == "BLOCK_IO_ERROR"
    assert event["data"] == {
        "device": "ide0-hd0", "operation": "write", "action": "report", "nospace": True,
        "reason": "No space left on device",
    }  # fmt: skip


# -- keys ---------------------------------------------------------------------------------------------------------


def keyboard_output(vm: VirtualMachine) -> list[int]:
    """What the guest reads from the keyboard controller, mouse data left out."""
    ports = vm.board.isa.ports
    codes = []
    while (status := ports.read(0x64, 1)) & 0x01:
        code = ports.read(0x60, 1)
        codes += [] if status & 0x20 else [code]
    return codes


def test_numbers_are_scan_codes_of_set_1() -> None:
    assert [number_key(number) for number in (1, 29, 30, 57, 0x80 + 83, 0xFF)] == [
        "esc", "ctrl", "a", "spc", "delete", None
    ]  # fmt: skip
    assert all(number_key(0) != name for name in KEYS)


@pytest.mark.parametrize(
    "keys",
    [
        [{"type": "qcode", "data": "ctrl"}, {"type": "qcode", "data": "a"}],
        [{"type": "number", "data": 29}, {"type": "number", "data": 30}],
    ],
)
def test_send_key_presses_and_holds(vm: VirtualMachine, qmp: QmpClient, keys: list[Any]) -> None:
    assert qmp.execute("send-key", keys=keys, hold_time=1) == {}
    assert keyboard_output(vm) == [0x14, 0x1C]


def test_input_send_event(vm: VirtualMachine, qmp: QmpClient) -> None:
    events = [
        {"type": "key", "data": {"down": True, "key": {"type": "qcode", "data": "b"}}},
        {"type": "rel", "data": {"axis": "x", "value": 5}},
        {"type": "btn", "data": {"button": "left", "down": True}},
    ]
    assert qmp.execute("input-send-event", events=events) == {}
    assert keyboard_output(vm) == [0x32]
    mouse = vm.devices["keyboard"].mouse
    assert (mouse.dx, mouse.buttons) == (5, 1)
    wrong = qmp.execute("input-send-event", events=[{"type": "abs", "data": {"axis": "x", "value": 5}}])
    assert wrong["error"]["desc"] == "No absolute pointing device"


def test_mouse_in_hmp(vm: VirtualMachine, hmp: Callable[[str], str]) -> None:
    assert hmp("mouse_move 3 -4") + hmp("mouse_button 6") == ""
    mouse = vm.devices["keyboard"].mouse
    assert (mouse.dx, mouse.dy, mouse.buttons) == (3, -4, 0b110)


# -- media --------------------------------------------------------------------------------------------------------


@pytest.fixture
def cd(tmp_path: Path) -> Path:
    path = tmp_path / "cd.iso"
    path.write_bytes(bytes(2048 * 20))
    return path


def test_change_and_eject_tell_of_the_tray(qmp: QmpClient, cd: Path) -> None:
    replies = qmp.ask(
        json.dumps({"execute": "blockdev-change-medium", "arguments": {"device": "ide1-cd0", "filename": str(cd)}})
    )
    assert [r["data"]["tray-open"] for r in replies if r.get("event") == "DEVICE_TRAY_MOVED"] == [True, False]
    entry = next(entry for entry in qmp.execute("query-block") if entry["device"] == "ide1-cd0")
    assert (entry["inserted"]["file"], entry["tray_open"], entry["inserted"]["ro"]) == (str(cd), False, True)
    replies = qmp.ask('{"execute":"eject","arguments":{"device":"ide1-cd0"}}')
    assert [reply.get("event") for reply in replies] == ["DEVICE_TRAY_MOVED", None]
    assert replies[0]["data"]["id"] == entry["qdev"]


def test_a_locked_tray_stays_shut_unless_forced(vm: VirtualMachine, qmp: QmpClient, cd: Path) -> None:
    qmp.execute("blockdev-change-medium", device="ide1-cd0", filename=str(cd))
    drive = vm.devices["ide"].channels[1].devices[0]
    drive.unit.tray_locked = True
    refused = qmp.execute("eject", device="ide1-cd0")["error"]["desc"]
    assert refused.startswith("Device 'ide1-cd0' is locked and force was not specified")
    assert drive.drive.inserted
    assert qmp.execute("eject", device="ide1-cd0", force=True) == {}
    assert not drive.drive.inserted


def test_a_wrong_image_leaves_the_old_one_in(vm: VirtualMachine, qmp: QmpClient, cd: Path) -> None:
    qmp.execute("blockdev-change-medium", device="ide1-cd0", filename=str(cd))
    reply = qmp.ask('{"execute":"blockdev-change-medium","arguments":{"device":"ide1-cd0","filename":"/nosuch"}}')[
        -1
    ]
    assert reply["error"]["desc"] == "Could not open '/nosuch': No such file or directory"
    entry = next(entry for entry in qmp.execute("query-block") if entry["device"] == "ide1-cd0")
    assert (entry["inserted"]["file"], entry["tray_open"]) == (str(cd), False)


def test_a_hard_disk_is_not_removable(qmp: QmpClient) -> None:
    assert qmp.execute("eject", device="ide0-hd0")["error"]["desc"] == "Device 'ide0-hd0' is not removable"


def test_block_statistics(vm: VirtualMachine, qmp: QmpClient) -> None:
    disk = vm.drives["ide", 0]
    disk.read_into(0, bytearray(1024))
    disk.write(512, b"x" * 512)
    disk.flush()
    stats = next(e["stats"] for e in qmp.execute("query-blockstats") if e["device"] == "ide0-hd0")
    assert stats == {
        "rd_bytes": 1024, "rd_operations": 1, "wr_bytes": 512, "wr_operations": 1, "flush_operations": 1
    }  # fmt: skip


# -- memory and pictures ------------------------------------------------------------------------------------------


def test_memory_goes_to_files(vm: VirtualMachine, qmp: QmpClient, tmp_path: Path) -> None:
    vm.board.memory.write(0x1FFE, b"abcd")
    for command in ("memsave", "pmemsave"):
        path = tmp_path / command
        assert qmp.execute(command, val=0x1FFE, size=4, filename=str(path)) == {}
        assert path.read_bytes() == b"abcd"
    refused = qmp.execute("pmemsave", val=0, size=4, filename="/nosuch/x")["error"]["desc"]
    assert refused == "Could not open '/nosuch/x': No such file or directory"
    assert "error" in qmp.execute("pmemsave", val=0, size=1 << 62, filename=str(tmp_path / "big"))


def test_screendump_formats(vm: VirtualMachine, qmp: QmpClient, tmp_path: Path) -> None:
    assert vm.screen is not None
    width, height, rgb = vm.screen.picture()
    assert qmp.execute("screendump", filename=str(tmp_path / "a.ppm")) == {}
    assert (tmp_path / "a.ppm").read_bytes() == b"P6\n%d %d\n255\n" % (width, height) + rgb
    assert qmp.execute("screendump", filename=str(tmp_path / "a.png"), format="png") == {}
    assert (tmp_path / "a.png").read_bytes()[:4] == b"\x89PNG"


def test_translation_follows_page_tables(vm: VirtualMachine, hmp: Callable[[str], str]) -> None:
    """4-level paging by hand: a 2 MiB page and a 4 KiB page."""

    def entry(table: int, index: int, value: int) -> None:
        vm.board.memory.write(table + 8 * index, value.to_bytes(8, "little"))

    entry(0x10000, 0, 0x11000 | 7)
    entry(0x11000, 0, 0x12000 | 7)
    entry(0x12000, 1, 0x400000 | 0x83)  # 2 MiB at 0x200000
    entry(0x12000, 2, 0x13000 | 7)
    entry(0x13000, 5, 0x8000 | 5)  # 4 KiB at 0x405000, read-only for users
    cpu = vm.cpu
    for name, value in {"cr3": 0x10000, "cr4": 1 << 5, "efer": 1 << 10, "cr0": 0x80000011}.items():
        cpu.set(name, value)
    assert hmp("gva2gpa 0x212345") == "gpa: 0x412345\n"
    assert hmp("gva2gpa 0x405123") == "gpa: 0x8123\n"
    assert hmp("gva2gpa 0x406000") == "Unmapped\n"
    assert hmp("x/1xb 0x406000") == "0000000000406000: Cannot access memory\n"
    assert hmp("info tlb").splitlines() == [
        "0000000000200000: 0000000000400000 --P----" + "-W",
        "0000000000405000: 0000000000008000 -------U-",
    ]
    assert hmp("info mem").splitlines() == [
        "0000000000200000-0000000000400000 0000000000200000 -rw",
        "0000000000405000-0000000000406000 0000000000001000 ur-",
    ]


def test_disassembly_needs_its_library_and_says_so(
    hmp: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "capstone", None)
    assert hmp("x/i $pc") == "Error: the disassembler needs the package capstone: pip install 'pyqemu[monitor]'\n"


def test_disassembly_as_qemu_has_it(vm: VirtualMachine, hmp: Callable[[str], str]) -> None:
    pytest.importorskip("capstone")
    vm.board.memory.write(0x1000, bytes.fromhex("ea5be000f0 30362f32 332f 3939"))
    assert hmp("x/4i 0x1000").splitlines() == [
        "0x00001000:  ea 5b e0 00 f0           ljmpw    $0xf000:$0xe05b",
        "0x00001005:  30 36 2f 32              xorb     %dh, 0x322f",
        "0x00001009:  33 2f                    xorw     (%bx), %bp",
        "0x0000100b:  39 39                    cmpw     %di, (%bx, %di)",
    ]


# -- objects and character devices --------------------------------------------------------------------------------


def test_objects_have_paths_and_properties(qmp: QmpClient) -> None:
    assert qmp.execute("qom-list", path="/machine/peripheral") == [{"name": "type", "type": "string"}]
    paths = {entry["qdev"] for entry in qmp.execute("query-block") if "qdev" in entry}
    for path in paths:
        assert qmp.execute("qom-get", path=path, property="type") in ("ide-hd", "ide-cd", "floppy")
    assert qmp.execute("qom-list", path="/nosuch")["error"]["class"] == "DeviceNotFound"
    refused = qmp.execute("qom-set", path="/machine/unattached/device[1]", property="realized", value=False)
    assert "after it was realized" in refused["error"]["desc"]


def test_types_and_their_properties(qmp: QmpClient) -> None:
    names = {entry["name"] for entry in qmp.execute("qom-list-types")}
    assert {"tcg-accel", "isa-serial", "VGA", "pc-1.0-machine"} <= names
    pci = {entry["name"] for entry in qmp.execute("qom-list-types", implements="pci-device")}
    assert "VGA" in pci
    assert "isa-serial" not in pci
    assert {"name": "iobase", "type": "uint32"}.items() <= next(
        entry for entry in qmp.execute("device-list-properties", typename="isa-serial") if entry["name"] == "iobase"
    ).items()
    assert qmp.execute("device-list-properties", typename="usb-host")["error"]["class"] == "DeviceNotFound"
    assert qmp.execute("qom-list-properties", typename="memory-backend-file") == []


def test_backends_come_and_go(qmp: QmpClient, tmp_path: Path) -> None:
    backend = {"type": "ringbuf", "data": {"size": 16}}
    assert qmp.execute("chardev-add", id="rb", backend=backend) == {}
    assert "Duplicate ID 'rb'" in qmp.execute("chardev-add", id="rb", backend=backend)["error"]["desc"]
    assert "rb" in {entry["label"] for entry in qmp.execute("query-chardev")}
    address = {"type": "unix", "data": {"path": str(tmp_path / "s")}}
    assert qmp.execute("chardev-add", id="s", backend={"type": "socket", "data": {"addr": address}}) == {}
    assert (tmp_path / "s").is_socket()
    blocking = {"type": "socket", "data": {"addr": address, "wait": True}}
    assert "hold up the machine" in qmp.execute("chardev-add", id="t", backend=blocking)["error"]["desc"]
    for id in ("rb", "s"):
        assert qmp.execute("chardev-remove", id=id) == {}
    assert qmp.execute("chardev-remove", id="rb")["error"]["desc"] == "Chardev 'rb' not found"
    assert "pty" in qmp.execute("chardev-add", id="p", backend={"type": "pty", "data": {}})


def test_log_and_logfile(vm: VirtualMachine, hmp: Callable[[str], str], tmp_path: Path) -> None:
    path = tmp_path / "log"
    assert hmp(f"logfile {path}") + hmp("log guest_errors,unimp") == ""
    hmp("o/b 0x9999 1")
    assert "0x9999" in path.read_text()
    assert hmp("log none") == ""
    hmp("o/b 0x9998 1")
    assert "0x9998" not in path.read_text()
    assert hmp("log nosuch").startswith("Log items (comma separated):\n")
    assert vm.state is RunState.PRELAUNCH


def test_trace_events_are_told_in_the_log(
    qmp: QmpClient, hmp: Callable[[str], str], vm: VirtualMachine, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    hmp(f"logfile {log}")
    state = {"name": "pci_cfg_read", "state": "disabled", "vcpu": False}
    [reply] = qmp.ask('{"execute":"trace-event-get-state","arguments":{"name":"pci_cfg_*"}}')
    assert state in reply["return"]
    [reply] = qmp.ask('{"execute":"trace-event-set-state","arguments":{"name":"pci_cfg_read","enable":true}}')
    assert reply == {"return": {}}
    assert hmp("info trace-events pci_cfg_read") == "pci_cfg_read : state 1\n"
    ports = vm.board.isa.ports
    ports.write(0xCF8, 4, 0x80000000)
    ports.read(0xCFC, 4)
    hmp("trace-event pci_* off")
    ports.read(0xCFC, 4)
    assert log.read_text().split(":", 1)[1] == "pci_cfg_read 00.0 @0x0 -> 0x12378086\n"
