"""What QEMU 7.2 takes without a word, or says only at the end, is noticed and named here.

Source   "What QEMU does not notice" and the table of cases, recorded from QEMU 7.2; more of it is in
         ``test_bad_streams.py`` and ``test_hostile_peers.py``
"""

from __future__ import annotations

import io
import json
import struct

import pytest
from migration.conftest import state_of
from migration.stream_parser import StreamParser
from migration.test_bad_streams import find_section, load, refused

from pyqemu import migration
from pyqemu.core.runstate import RunState
from pyqemu.launch import DriveConfig
from pyqemu.migration import compare, layout
from pyqemu.migration.machine import pack_layout

MACHINES = ("pc-1.0", "isapc", "pc-next")


@pytest.fixture(scope="module", params=MACHINES)
def full(request):
    """A machine with all its default devices, its stream, and what is in it."""
    from migration.conftest import config

    from pyqemu.api import VirtualMachine

    vm = VirtualMachine(config(request.param, ram_bytes=1 << 20))
    data = state_of(vm, "prelaunch")
    yield vm, data, StreamParser(data).parse()
    vm.close()


def items(parsed, data):
    """Name, instance, and the bytes of each section's item."""
    ends = [*parsed.boundaries[1:]]
    found = {}
    seen: dict[str, int] = {}
    for begin, end, (_, name) in zip(parsed.boundaries, ends, parsed.order, strict=False):
        if name != "ram":
            found[name, seen.get(name, 0)] = begin, end
            seen[name] = seen.get(name, 0) + 1
    return found


def test_any_section_left_out_is_named(full):
    vm, data, parsed = full
    for (name, instance), (begin, end) in items(parsed, data).items():
        message = refused(vm, data[:begin] + data[end:])
        title = f"'{name}'" if not instance else f"'{name}' instance {instance}"
        assert message == f"section {title} of this machine is not in the stream"


def test_any_section_that_comes_twice_is_named(full):
    vm, data, parsed = full
    for (name, instance), (begin, end) in items(parsed, data).items():
        expected = f"error while loading state for instance {instance:#x} of device '{name}': it comes twice"
        assert refused(vm, data[:end] + data[begin:]) == expected


def test_any_section_cut_short_is_named(full):
    """By a byte, with the rest of the stream behind it: QEMU reads on into what follows."""
    vm, data, parsed = full
    for (name, _), (_, end) in items(parsed, data).items():
        assert name in refused(vm, data[: end - 6] + data[end - 5 :])


def test_any_section_of_a_newer_version_is_named(full):
    vm, data, parsed = full
    versions = {(s.name, s.instance): s.version for s in layout.sections(vm.board)}
    for (name, instance), (begin, _) in items(parsed, data).items():
        at = begin + 5 + 1 + len(name) + 4
        newer = versions[name, instance] + 1
        damaged = data[:at] + struct.pack(">I", newer) + data[at + 4 :]
        expected = f"savevm: unsupported version {newer} for '{name}' v{versions[name, instance]}"
        assert refused(vm, damaged) == expected


def test_an_older_version_that_would_select_a_shorter_layout_is_noticed(full):
    vm, data, _ = full
    _, start = find_section(data, "serial")
    assert data[start - 4 : start] == struct.pack(">I", 3)
    message = refused(vm, data[: start - 4] + struct.pack(">I", 2) + data[start:])
    assert message == "Missing section footer for serial"


def test_the_two_controllers_of_isapc_keep_their_own_state(build, tmp_path):
    image = tmp_path / "disk.img"
    image.write_bytes(bytes(1 << 20))
    drives = [DriveConfig(str(image), format="raw", read_only=True, media="cdrom")]
    vm, other = build("isapc", drives=drives), build("isapc", drives=drives)
    for base, count in ((0x1F2, 0x11), (0x172, 0x22)):
        vm.board.isa.ports.write(base, 1, count)
    data = state_of(vm)
    names = [(name, instance) for name, instance, _, _ in StreamParser(data).parse().sections if name == "isa-ide"]
    assert names == [("isa-ide", 0), ("isa-ide", 1)]
    migration.load_vm(other, io.BytesIO(data))
    assert [other.board.isa.ports.read(base, 1) for base in (0x1F2, 0x172)] == [0x11, 0x22]


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("state", [RunState.PAUSED, RunState.RUNNING, RunState.PRELAUNCH])
def test_the_run_state_comes_along(machine, state, build):
    assert migration.load_vm(build(machine), io.BytesIO(state_of(build(machine), str(state)))) is state


@pytest.fixture(scope="module")
def pci():
    from migration.conftest import config

    from pyqemu.api import VirtualMachine

    vm = VirtualMachine(config(ram_bytes=1 << 20))
    data = state_of(vm, "prelaunch")
    yield vm, data
    vm.close()


@pytest.mark.parametrize(
    "register, writable",
    [(0x00, False), (0x02, False), (0x08, False), (0x0A, False), (0x0E, False), (0x3C, True)],
)
def test_identity_in_pci_configuration_is_compared(register, writable, pci):
    vm, data = pci
    name = next(s.name for s in layout.sections(vm.board) if s.name.endswith("/vga"))
    _, start = find_section(data, name)
    config = bytes(vm.board.devices["vga"].config[:4])
    at = data.index(config, start) + register
    damaged = data[:at] + bytes((data[at] ^ 0x01,)) + data[at + 1 :]
    if writable:
        load(vm, damaged)
    else:
        message = refused(vm, damaged)
        assert name in message and f"Bad config data: i={register:#x}" in message


def test_a_constant_of_the_board_is_compared(pci):
    vm, data = pci
    _, start = find_section(data, "PCIBUS")
    at = data.index(struct.pack(">I", 4), start)
    message = refused(vm, data[:at] + struct.pack(">I", 5) + data[at + 4 :])
    assert "'PCIBUS'" in message and "nirq" in message


def test_records_of_ram_that_cannot_be(pci):
    vm, data = pci
    name = layout.ram_blocks(vm.board)[0].name
    named = bytes((len(name),)) + name.encode()
    first = data.index(named, data.index(named) + 1)
    word = first - 8

    def with_word(value):
        return refused(vm, data[:word] + struct.pack(">Q", value) + data[word + 8 :])

    assert "section id 1(ram): Unknown combination of migration flags: 0x802" in with_word(0x802)
    assert f"section id 1(ram): Illegal RAM offset 40000000 in '{name}'" in with_word(0x40000002)
    assert "section id 1(ram): a page comes before its block is named" in with_word(0x22)
    unknown = b"\x06pc.xxx"
    assert "section id 1(ram): Can't find block pc.xxx" in refused(vm, data[:first] + unknown + data[first:])


# -- the layout of a type that promises nothing ----------------------------------------------------------


@pytest.fixture(scope="module")
def unpromised():
    from migration.conftest import config

    from pyqemu.api import VirtualMachine

    vm = VirtualMachine(config("pc-next", ram_bytes=1 << 20))
    yield vm, state_of(vm, "prelaunch"), layout.document(vm.board)
    vm.close()


def deep(levels):
    inner = {"name": "x" * 100, "type": "y", "size": 1}
    for _ in range(levels):
        inner = {"name": "x" * 100, "type": "y", "size": 1, "struct": {"fields": [inner]}}
    return [inner]


@pytest.mark.parametrize(
    "change",
    [
        lambda document: document["ram"].update({"pc.ram": float("inf")}),
        lambda document: document["ram"].update({"pc.ram": "many"}),
        lambda document: document["ram"].update({"pc.ram": None}),
        lambda document: document.update(ram=[["pc.ram", 1]]),
        lambda document: document.update(sections=None),
        lambda document: document["sections"][0].update(instance=float("inf")),
        lambda document: document["sections"][3].update(fields="abc"),
        lambda document: document["sections"][3].update(fields={"a": 1}),
        lambda document: document["sections"][3].update(fields=deep(20)),
        lambda document: document["sections"][3].update(fields=deep(150)),
        lambda document: document["sections"][3].update(subsections=7),
    ],
)
def test_a_damaged_layout_is_called_so(change, unpromised):
    vm, data, document = unpromised
    theirs = json.loads(json.dumps(document))
    change(theirs)
    assert compare.differences(theirs, document) == ["the layout in the stream is damaged"] or theirs["ram"] == {
        **document["ram"],
        "pc.ram": None,
    }
    old, new = pack_layout(document), pack_layout(theirs)
    at = data.index(old)
    damaged = data[: at - 4] + struct.pack(">I", len(new)) + new + data[at + len(old) :]
    with pytest.raises(migration.MigrationError) as caught:
        load(vm, damaged)
    assert "is not the one of this build" in str(caught.value) or "damaged" in str(caught.value)


def test_a_layout_of_very_long_names_makes_short_lines(unpromised):
    document = unpromised[2]
    theirs = json.loads(json.dumps(document))
    theirs["sections"][3]["fields"].append(
        {"name": "n" * 100000, "type": "t" * 100000, "size": "s" * 100000, "array_len": "a" * 100000}
    )
    theirs["ram"]["r" * 100000] = 1
    lines = compare.differences(theirs, document)
    assert len(lines) == 2 and max(map(len, lines)) < 250


def test_a_layout_that_unpacks_to_gigabytes_is_refused(unpromised):
    import zlib

    vm, data, document = unpromised
    old = pack_layout(document)
    packer = zlib.compressobj(9)
    new = b"".join(packer.compress(bytes(1 << 20)) for _ in range(300)) + packer.flush()
    assert len(new) < 1 << 20
    at = data.index(old)
    message = refused(vm, data[: at - 4] + struct.pack(">I", len(new)) + new + data[at + len(old) :])
    assert "field 'layout' is damaged" in message
