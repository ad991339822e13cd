"""Declared state: reset, save, load, and what is refused."""

from __future__ import annotations

from collections import deque
from enum import IntEnum, IntFlag

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyqemu.core.device import Device
from pyqemu.core.state import KEEP, Record, State, StateError


class Mode(IntEnum):
    IDLE, BUSY = 0, 3


class Bits(IntFlag):
    A = 1
    B = 0x80


class Channel(Record):
    count = State.u16(reset=7)
    active = State.bool()


class Chip(Device, type="test-chip", vmstate="chip", version=3, minimum=2):
    byte = State.u8(reset=1)
    word = State.u16()
    dword = State.u32()
    qword = State.u64()
    signed = State.i32(reset=-1)
    wide = State.i64()
    flag = State.bool(reset=True)
    bits = State.flags(Bits, reset=Bits.B)
    mode = State.enum(Mode, reset=Mode.BUSY)
    buffer = State.bytes(4, reset=0xEE)
    text = State.bytes(3, reset=b"abc")
    queue = State.fifo(4)
    table = State.ints(3, bits=16, reset=5)
    one = State.record(Channel)
    many = State.records(Channel, 2)
    kept = State.u8(reset=KEEP, power_on=0x26)
    kept_bytes = State.bytes(2, reset=KEEP, power_on=9)
    new = State.u8(reset=0x55, since=3)
    refreshed = 0

    def refresh(self) -> None:
        self.refreshed += 1


FRESH = {
    "byte": 1,
    "word": 0,
    "dword": 0,
    "qword": 0,
    "signed": -1,
    "wide": 0,
    "flag": True,
    "bits": 0x80,
    "mode": 3,
    "buffer": b"\xee" * 4,
    "text": b"abc",
    "queue": b"",
    "table": [5, 5, 5],
    "one": {"count": 7, "active": False},
    "many": [{"count": 7, "active": False}] * 2,
    "kept": 0x26,
    "kept_bytes": b"\x09\x09",
    "new": 0x55,
}

OTHER = {
    "byte": 0xFF,
    "word": 0xFFFF,
    "dword": 0xFFFFFFFF,
    "qword": (1 << 64) - 1,
    "signed": -(1 << 31),
    "wide": -(1 << 63),
    "flag": False,
    "bits": 0x81,
    "mode": 0,
    "buffer": b"\1\2\3\4",
    "text": b"xyz",
    "queue": b"\7\6",
    "table": [1, 2, 0xFFFF],
    "one": {"count": 1, "active": True},
    "many": [{"count": 2, "active": True}, {"count": 3, "active": False}],
    "kept": 1,
    "kept_bytes": b"\1\2",
    "new": 9,
}


def test_a_new_device_saves_its_power_on_state_in_order():
    assert Chip().save() == FRESH
    assert list(Chip().save()) == list(FRESH)


def test_every_kind_round_trips():
    chip = Chip()
    chip.load(3, OTHER)
    assert chip.save() == OTHER
    assert chip.refreshed == 1


def test_values_are_plain_when_saved_and_typed_when_loaded():
    chip = Chip()
    chip.load(3, OTHER)
    assert type(chip.bits) is Bits and chip.mode is Mode.IDLE
    assert isinstance(chip.buffer, bytearray) and isinstance(chip.queue, deque)
    saved = chip.save()
    assert type(saved["bits"]) is int and type(saved["mode"]) is int and type(saved["buffer"]) is bytes


def test_reset_restores_all_but_what_is_kept():
    chip = Chip()
    chip.load(3, OTHER)
    chip.reset()
    assert chip.save() == FRESH | {"kept": 1, "kept_bytes": b"\1\2"}


def test_sub_chips_keep_their_identity():
    chip = Chip()
    one, first = chip.one, chip.many[0]
    chip.load(3, OTHER)
    chip.reset()
    assert chip.one is one and chip.many[0] is first


def test_instances_share_nothing():
    first, second = Chip(), Chip()
    first.buffer[0] = 1
    first.queue.append(1)
    first.table[0] = 1
    first.many[0].count = 1
    assert second.save() == FRESH
    first.reset()
    first.buffer[1] = 2
    assert Chip().save() == FRESH


def test_a_saved_state_does_not_change_with_the_device():
    chip = Chip()
    saved = chip.save()
    chip.buffer[0] = 1
    chip.table[0] = 1
    chip.one.count = 1
    assert saved == FRESH


def test_an_older_version_leaves_newer_fields_at_their_reset_value():
    chip = Chip()
    chip.load(3, OTHER)
    older = {name: value for name, value in OTHER.items() if name != "new"}
    chip.load(2, older)
    assert chip.new == 0x55
    with pytest.raises(StateError, match="chip: field 'new' is missing"):
        chip.load(3, older)


@pytest.mark.parametrize("version", [0, 1, 4])
def test_versions_out_of_range(version):
    with pytest.raises(StateError, match=f"chip: version {version} is not between 2 and 3"):
        Chip().load(version, OTHER)


def test_unknown_fields_are_refused():
    with pytest.raises(StateError, match="chip: unknown field 'extra'"):
        Chip().load(3, OTHER | {"extra": 1})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("byte", 256),
        ("byte", -1),
        ("byte", "1"),
        ("byte", None),
        ("byte", 1.0),
        ("word", 0x10000),
        ("dword", 1 << 32),
        ("qword", 1 << 64),
        ("signed", 1 << 31),
        ("signed", -(1 << 31) - 1),
        ("wide", 1 << 63),
        ("flag", 2),
        ("bits", 256),
        ("mode", 1),
        ("buffer", b"123"),
        ("buffer", b"12345"),
        ("buffer", bytearray(4)),
        ("queue", b"12345"),
        ("queue", [1]),
        ("table", [1, 2]),
        ("table", [1, 2, 0x10000]),
        ("table", b"123"),
        ("one", []),
        ("one", {"count": 65536, "active": False}),
        ("one", {"count": 1}),
        ("many", {}),
        ("many", [{}]),
        ("many", [{"count": 1, "active": False}, 5]),
    ],
)
def test_wrong_values_are_refused_by_name(field, value):
    name = "count|active|one|many" if field in ("one", "many") else field
    with pytest.raises(StateError, match=rf"^chip: field '({name})' (expects|is missing)"):
        Chip().load(3, OTHER | {field: value})


def test_a_long_wrong_value_is_cut_in_the_message():
    with pytest.raises(StateError) as caught:
        Chip().load(3, OTHER | {"buffer": bytes(10000)})
    assert len(str(caught.value)) < 200


def test_subclasses_inherit_and_add():
    class Better(Chip, type="better-chip"):
        extra = State.u8(reset=3)

    assert list(Better().save()) == [*FRESH, "extra"]
    assert "extra" not in Chip.state_fields


@given(
    byte=st.integers(0, 255),
    signed=st.integers(-(1 << 31), (1 << 31) - 1),
    buffer=st.binary(min_size=4, max_size=4),
    queue=st.binary(max_size=4),
    table=st.lists(st.integers(0, 0xFFFF), min_size=3, max_size=3),
)
def test_save_load_save(byte, signed, buffer, queue, table):
    plain = OTHER | {"byte": byte, "signed": signed, "buffer": buffer, "queue": queue, "table": table}
    chip = Chip()
    chip.load(3, plain)
    again = Chip()
    again.load(3, chip.save())
    assert again.save() == plain


def test_describe():
    described = Chip().describe()
    assert described["type"] == "test-chip"
    assert described["state"] == FRESH
