"""Streams that are damaged, or of another machine: refused by name, and nothing of the machine changes."""

from __future__ import annotations

import io
import random
import struct

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from migration.conftest import state_of
from migration.stream_parser import StreamParser

from pyqemu import migration
from pyqemu.migration.load import Loader
from pyqemu.migration.machine import pack_layout

SMALL = {"ram_bytes": 1 << 20, "vga": "none", "nodefaults": True, "serials": ["null"]}


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A machine with little memory, its stream, and where its items begin."""
    from migration.conftest import config

    from pyqemu.api import VirtualMachine

    bios = tmp_path_factory.mktemp("bios") / "tiny.bin"
    bios.write_bytes(b"\xf4" * 0xFFF0 + b"\xea\x00\x00\x00\xf0".ljust(16, b"\0"))
    vm = VirtualMachine(config(bios=str(bios), **SMALL))
    data = state_of(vm, "prelaunch")
    yield vm, data, StreamParser(data).parse().boundaries
    vm.close()


def load(vm, data):
    """All the checks that loading makes; what passes is put back."""
    loader = Loader(vm, io.BytesIO(data), dry=True)
    loader.read()
    if loader.source.peek(1):
        raise migration.MigrationError("something follows the end of the stream")
    from pyqemu.migration import machine

    machine.pull(vm, list(loader.sections.values()), "paused")
    loader.rehearse()


def refused(vm, data):
    with pytest.raises(migration.MigrationError) as caught:
        load(vm, data)
    return str(caught.value)


def test_the_stream_itself_loads(small):
    vm, data, _ = small
    load(vm, data)


@pytest.mark.parametrize(
    "data, message",
    [
        (b"", "the stream is empty"),
        (b"QEV", "Not a migration stream"),
        (b"XEVM\0\0\0\3", "Not a migration stream"),
        (b"QEVM\0\0\0\2", "SaveVM v2 format is obsolete and don't work anymore"),
        (b"QEVM\0\0\0\4", "Unsupported migration stream version"),
        (b"QEVM\0\0\0\3", "Configuration section missing"),
        (b"QEVM\0\0\0\3\x07\xff\xff\xff\xff", "the configuration: a machine type's name of 4294967295 bytes"),
        (b"QEVM\0\0\0\3\x07\0\0\0\5isapc", "Machine type received is 'isapc' and local is 'pc-1.0'"),
        (b"QEVM\0\0\0\3\x07\0\0\0\6pc-1.0\x33", "Unknown savevm section type 51"),
        (b"QEVM\0\0\0\3\x07\0\0\0\6pc-1.0\x02\0\0\0\x4d", "Unknown savevm section 77"),
        (b"QEVM\0\0\0\3\x07\0\0\0\6pc-1.0\0", "the stream: section 'ram' is missing"),
    ],
)
def test_bad_beginnings(small, data, message):
    assert refused(small[0], data) == message


def test_truncation_at_every_item(small):
    vm, data, boundaries = small
    for at in boundaries[1:]:
        assert "the stream ends here" in refused(vm, data[:at])


def test_truncation_at_a_thousand_places(small):
    vm, data, _ = small
    rng = random.Random(5)
    for at in [*(rng.randrange(len(data)) for _ in range(1000)), len(data) - 1]:
        refused(vm, data[:at])


def test_what_follows_the_end_is_noticed(small):
    vm, data, _ = small
    refused(vm, data + b"\0")


def test_every_bit_of_every_item_header(small):
    vm, data, boundaries = small
    for at in boundaries:
        for byte in range(at, min(at + 20, len(data))):
            for bit in (0, 3, 7):
                damaged = bytearray(data)
                damaged[byte] ^= 1 << bit
                try:
                    load(vm, bytes(damaged))
                except migration.MigrationError as error:
                    assert str(error)


def find_section(data, name):
    """Where the section's item begins and where its data does."""
    head = bytes((len(name),)) + name.encode()
    at = data.index(head) - 5
    return at, at + 5 + len(head) + 8


def test_a_newer_version_is_refused_by_name(small):
    vm, data, _ = small
    _, start = find_section(data, "mc146818rtc")
    damaged = data[: start - 4] + struct.pack(">I", 4) + data[start:]
    assert refused(vm, damaged) == "savevm: unsupported version 4 for 'mc146818rtc' v3"


def test_an_older_version_than_we_read_is_refused_by_name(small):
    vm, data, _ = small
    _, start = find_section(data, "mc146818rtc")
    damaged = data[: start - 4] + struct.pack(">I", 0) + data[start:]
    assert "incoming version_id 0 is too old for local minimum version_id 3" in refused(vm, damaged)


def test_an_unknown_section_is_refused_by_name(small):
    vm, data, _ = small
    message = refused(vm, data.replace(b"mc146818rtc", b"mc146818xyz", 1))
    assert message.startswith("Unknown savevm section or instance 'mc146818xyz' 0. Make sure that your current VM")


def section_bytes(data, name):
    at, _ = find_section(data, name)
    parsed = StreamParser(data).parse()
    end = next(b for b in parsed.boundaries if b > at)
    return at, end


@pytest.mark.parametrize("name", ["mc146818rtc", "cpu", "timer", "globalstate", "pyqemu"])
def test_a_section_left_out_is_refused_by_name(small, name):
    vm, data, _ = small
    at, end = section_bytes(data, name)
    assert f"section '{name}' of this machine is not in the stream" in refused(vm, data[:at] + data[end:])


def test_a_section_that_comes_twice_is_refused_by_name(small):
    vm, data, _ = small
    at, end = section_bytes(data, "mc146818rtc")
    message = refused(vm, data[:end] + data[at:])
    assert message == "error while loading state for instance 0x0 of device 'mc146818rtc': it comes twice"


def test_an_unknown_subsection_is_refused_by_name(small):
    vm, data, _ = small
    _, end = section_bytes(data, "mc146818rtc")
    sub = b"\x05\x0fmc146818rtc/foo\0\0\0\1"
    assert "unknown subsection 'mc146818rtc/foo'" in refused(vm, data[: end - 5] + sub + data[end - 5 :])


def test_a_wrong_footer_is_refused_by_name(small):
    vm, data, _ = small
    _, end = section_bytes(data, "mc146818rtc")
    assert "Missing section footer for mc146818rtc" in refused(vm, data[: end - 5] + b"\0" + data[end - 4 :])
    assert "Mismatched section id in footer for mc146818rtc" in refused(vm, data[: end - 1] + b"\x63" + data[end:])


def test_a_run_state_that_does_not_exist(small):
    vm, data, _ = small
    assert "'bogus'" in refused(vm, data.replace(b"prelaunch", b"bogus\0\0\0\0", 1))


def test_damage_behind_the_end_is_noticed(small):
    vm, data, boundaries = small
    end = boundaries[-1]
    assert refused(vm, data[: end + 1]) == "the description: the stream ends here"
    assert refused(vm, data[: end + 1] + b"\7" + data[end + 2 :]) == "the description: it is missing"
    huge = data[: end + 2] + b"\x7f\xff\xff\xff" + data[end + 6 :]
    assert refused(vm, huge) == "the description: it claims 2147483647 bytes"
    assert refused(vm, data.replace(b'"mc146818rtc", "instance', b'"mc146818rtd", "instance', 1))
    bomb = b"[" * 100000
    assert refused(vm, data[: end + 2] + struct.pack(">I", len(bomb)) + bomb).startswith("the description")


@pytest.mark.parametrize(
    "change, message",
    [
        ({"ram_bytes": 2 << 20}, "Size mismatch: pc.ram: 0x100000 != 0x200000: Invalid argument"),
        ({"vga": "std"}, "of this machine is not in the stream"),
        ({"serials": ["null", "null"]}, "section 'serial' instance 1 of this machine is not in the stream"),
        ({"serials": []}, "Unknown savevm section or instance 'serial' 0"),
        ({"cpu": "pentium"}, "CPU model received is 'qemu64' and local is 'pentium'"),
        ({"cpu": "qemu64,+ssse3"}, "CPU model received is 'qemu64' and local is 'qemu64,ssse3=on'"),
    ],
)
def test_another_machine_is_refused_by_name(small, build, change, message):
    vm, data, _ = small
    other = build(**(SMALL | {"bios": vm.config.bios} | change))
    before = state_of(other)
    with pytest.raises(migration.MigrationError) as caught:
        load(other, data)
    assert message in str(caught.value)
    assert state_of(other) == before


def test_sizes_of_ram_are_checked(small):
    vm, data, _ = small
    ram = data.index(b"\6pc.ram")
    assert "Unknown ramblock" in refused(vm, data.replace(b"\6pc.ram", b"\6pc.xxx", 1))
    huge = data[: ram + 7] + b"\x80" + bytes(7) + data[ram + 15 :]
    assert "Size mismatch: pc.ram: 0x8000000000000000 != 0x100000" in refused(vm, huge)
    page = data.index(b"\6pc.ram", ram + 1)
    illegal = data[: page - 8] + b"\x7f" + data[page - 7 :]
    assert "Illegal RAM offset" in refused(vm, illegal)


def test_a_page_that_is_not_there_is_noticed(small):
    vm, data, _ = small
    page = data.index(b"\6pc.ram", data.index(b"\6pc.ram") + 1)
    word = data[page + 7 + 1 : page + 7 + 1 + 9]  # the second zero page's record
    assert word[:8] == struct.pack(">Q", 0x1022)
    assert "1 pages of ramblock" in refused(vm, data[: page + 8] + data[page + 17 :])


def test_pc_next_says_what_differs(build):
    vm = build("pc-next")
    data = state_of(vm)
    from pyqemu.migration import layout

    document = layout.document(vm.board)
    document["ram"]["pc.ram"] += 4096
    rtc = next(s for s in document["sections"] if s["name"] == "mc146818rtc")
    rtc["fields"][0]["size"] = 64
    rtc["fields"].append({"name": "moon", "type": "uint8", "size": 1})
    document["sections"].append({"name": "toaster", "instance": 0, "version": 1, "minimum": 1, "fields": []})
    old, new = pack_layout(layout.document(vm.board)), pack_layout(document)
    at = data.index(old)
    damaged = data[: at - 4] + struct.pack(">I", len(new)) + new + data[at + len(old) :]
    with pytest.raises(migration.MigrationError) as caught:
        load(build("pc-next"), damaged)
    assert "machine 'pc-next' of pyqemu" in str(caught.value)
    hint = caught.value.hint
    assert "memory pc.ram: 0x1001000 in the stream, 0x1000000 here" in hint
    assert "device mc146818rtc: field cmos_data: buffer, 64 bytes in the stream, buffer, 128 bytes here" in hint
    assert "device mc146818rtc: field moon: uint8, 1 bytes in the stream, none here" in hint
    assert "device toaster: only in the stream" in hint


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_whatever_is_damaged_the_machine_is_not(small, data):
    vm, whole, _ = small
    damaged = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(damaged) - 1))
        what = data.draw(st.sampled_from(("byte", "word", "cut", "insert", "zero")))
        if what == "byte":
            damaged[at] = data.draw(st.integers(0, 255))
        elif what == "word":
            damaged[at : at + 4] = data.draw(st.sampled_from((b"\xff" * 4, bytes(4), b"\x7f\xff\xff\xff")))
        elif what == "cut":
            del damaged[at : at + data.draw(st.integers(1, 4096))]
        elif what == "insert":
            damaged[at:at] = data.draw(st.binary(max_size=16))
        else:
            damaged[at : at + 64] = bytes(len(damaged[at : at + 64]))
    before = state_of(vm)
    try:
        load(vm, bytes(damaged))
    except migration.MigrationError as error:
        assert "\n" not in str(error)
    assert state_of(vm) == before


def test_what_a_stream_says_cannot_command_a_terminal(small):
    vm, data, _ = small
    message = refused(vm, data.replace(b"mc146818rtc", b"\x1b[2J\n18rtc ", 1))
    assert message.isprintable() and "\\x1b[2J\\x0a18rtc" in message
