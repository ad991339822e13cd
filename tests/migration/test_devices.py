"""What holds for the saved state of every device type: it loads into another chip and comes out the same."""

from __future__ import annotations

from random import Random

import pytest
from core.test_core_catalog import plugged as plug

from pyqemu.core import wire
from pyqemu.core.state import Record, StateError
from pyqemu.core.wire import Cursor
from pyqemu.hw.catalog import CATALOG, device_class

TYPES = pytest.mark.parametrize("name", CATALOG)
SEEDS = 2


def plugged(bench, kind):
    device = plug(bench, kind)
    if kind.type == "i440FX-pcihost":
        device.pci = bench.pci
    return device


def encoded(device):
    """Every section of the device as bytes."""
    found = []
    for name, record in device.sections():
        out = bytearray()
        described = wire.encode(record, out)
        assert wire.described_size(described) == len(out)
        found.append((name, bytes(out)))
    return found


def load(device, sections):
    device.before_load()
    for (name, record), (saved_name, data) in zip(device.sections(), sections, strict=True):
        assert name == saved_name
        version = record.vmsd_version
        cursor = Cursor(data)
        values = wire.decode(type(record), cursor, version)
        assert cursor.position == len(data)
        record.load_wire(values, version)
    device.refresh()


def use(bench, seed, times=150):
    """What a guest does that writes anywhere."""
    choose = Random(seed)
    claimed = getattr(bench, "claimed", None)
    if claimed is None:
        claimed = bench.claimed = [port for port in range(0x10000) if bench.ports.owner(port) is not None]
    for _ in range(times if claimed else 0):
        width = choose.choice((1, 1, 1, 2, 4))
        bench.ports.write(choose.choice(claimed), width, choose.getrandbits(8 * width))
        bench.ports.read(choose.choice(claimed), width)
        if choose.random() < 0.1:
            bench.clock.advance(choose.choice((1, 1000, 10**6, 3 * 10**8)))


@TYPES
@pytest.mark.parametrize("seed", range(SEEDS))
def test_a_used_chip_saves_and_loads_and_saves_the_same(bench, name, seed):
    device = plugged(bench, device_class(name))
    use(bench, f"{name}{seed}")
    sections = encoded(device)
    assert encoded(device) == sections
    other_bench = type(bench)()
    other = plugged(other_bench, device_class(name))
    other_bench.clock.advance(bench.clock.now())
    use(other_bench, f"other {name}{seed}", 100)
    other_bench.clock.set(bench.clock.now())
    load(other, sections)
    assert encoded(other) == sections


@TYPES
def test_a_reset_chip_is_a_new_one_but_for_what_it_keeps(bench, name):
    device = plugged(bench, device_class(name))
    if any(field.keeps for field in device.state_fields.values()):
        pytest.skip("keeps state through a reset")
    power_on = device.save()
    use(bench, name)
    if device.bus is not None:
        bench.clock.set(0)
    device.reset()
    assert {k: v for k, v in device.save().items() if not isinstance(v, (dict, list))} == {
        k: v for k, v in power_on.items() if not isinstance(v, (dict, list))
    }


def records_of(kind):
    """A record type and those inside it."""
    yield kind
    for field in kind.stream_fields.values():
        if field.records is not None:
            yield from records_of(field.records)


@TYPES
def test_a_stream_of_an_older_version_loads(bench, name):
    device = plugged(bench, device_class(name))
    use(bench, name)
    for version in range(device.minimum, device.version):
        for _, record in device.sections():
            if record is not device:
                continue
            out = bytearray()
            wire.encode(record, out)
            values = wire.decode(type(record), Cursor(out), device.version)
            old = {k: v for k, v in values.items() if record.stream_fields[k].since <= version}
            record.load_wire(old, version)
            for field in record.stream_fields.values():
                if field.since > version and field.attribute and not field.sub:
                    assert getattr(record, field.name) == field.fresh()


@TYPES
def test_names_in_a_stream_are_told_apart(name):
    for kind in records_of(device_class(name)):
        places = [(field.sub, field.group, field.wire_name) for field in kind.stream_fields.values() if field.sent]
        assert len(set(places)) == len(places), kind
        assert all(len(f"{kind.vmsd}/{sub}") < 256 for sub in kind.wire_layout.subsections)


@TYPES
def test_whatever_a_section_holds_is_taken_or_refused(bench, name):
    device = plugged(bench, device_class(name))
    use(bench, name)
    sections, now = encoded(device), bench.clock.now()
    choose = Random(name)
    for _ in range(200):
        damaged = []
        for section, data in sections:
            changed = bytearray(data)
            for _ in range(choose.randrange(1, 4)):
                if changed:
                    changed[choose.randrange(len(changed))] = choose.choice((0, 0xFF, 0x80, choose.getrandbits(8)))
            damaged.append((section, bytes(changed[: choose.choice((None, None, len(changed) // 2))])))
        try:
            for (_, record), (_, data) in zip(device.sections(), damaged, strict=True):
                record.load_wire(wire.decode(type(record), Cursor(data), record.vmsd_version), record.vmsd_version)
        except StateError as error:
            assert str(error)
        else:
            device.refresh()  # a state that was taken is one the chip can be in
            use(bench, name, 20)
    bench.clock.set(now)
    load(device, sections)
    assert encoded(device) == sections


def test_a_subsection_is_sent_only_when_it_is_needed():
    from pyqemu.core.state import State

    class Part(Record, vmstate="part"):
        byte = State.u8()
        more = State.u8(reset=7, sub="more")
        twice = State.u8(sub="derived", implied=lambda part: 2 * part.byte)

    part, out = Part(), bytearray()
    part.byte, part.twice = 3, 6
    assert "subsections" not in wire.encode(part, out)
    assert out == b"\3"
    part.more = 8
    out = bytearray()
    described = wire.encode(part, out)
    assert out == b"\3\5\x09part/more\0\0\0\1\x08"
    assert described["subsections"][0]["vmsd_name"] == "part/more"
    other = Part()
    other.load_wire(wire.decode(Part, Cursor(out), 1), 1)
    assert (other.byte, other.more, other.twice) == (3, 8, 6)
