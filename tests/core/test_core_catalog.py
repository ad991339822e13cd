"""What holds for every device type: properties that refuse, state that round trips."""

from __future__ import annotations

import re
from random import Random

import pytest

from pyqemu.chardev import BufferChardev
from pyqemu.core.device import Device
from pyqemu.core.errors import ConfigError, nearest
from pyqemu.core.prop import PropField
from pyqemu.hw.catalog import CATALOG, device_class
from pyqemu.hw.pci.device import PciDevice

TYPES = pytest.mark.parametrize("name", CATALOG)


def bad_value(prop: PropField) -> object:
    """Something that no property of the kind takes, or None for links, which take any reference."""
    if prop.kind.startswith("uint"):
        return str(prop.maximum + 1) if hasattr(prop, "maximum") else "many"
    if prop.kind in ("chardev", "drive", "device"):
        return None
    return 12345 if prop.kind == "str" else "no-such-value"


def plugged(bench, kind):
    """A device of the kind with what it cannot do without."""
    device = kind()
    if "pit" in kind.props:
        device.pit = bench.plug(device_class("isa-pit")())
    if kind.type == "isa-debugcon":
        device.chardev = BufferChardev()
    return bench.plug_pci(device) if issubclass(kind, PciDevice) else bench.plug(device)


@TYPES
def test_the_type_is_what_the_catalog_says(name):
    kind = device_class(name)
    assert issubclass(kind, Device)
    assert kind.type == name


@TYPES
def test_it_has_a_saved_section(name):
    kind = device_class(name)
    assert kind.vmstate
    assert 0 <= kind.minimum <= kind.version


@TYPES
def test_every_property_refuses_a_bad_value_by_name(name):
    kind = device_class(name)
    for prop in kind.props.values():
        bad = bad_value(prop)
        if bad is None:
            continue
        device = kind()
        before = getattr(device, prop.attribute)
        with pytest.raises(ConfigError) as caught:
            device.set(prop.name, bad)
        assert re.search(rf"\b{re.escape(prop.name)}\b", str(caught.value))
        assert getattr(device, prop.attribute) == before


@TYPES
def test_every_property_takes_its_own_default(name):
    kind = device_class(name)
    for prop in kind.props.values():
        device = kind()
        if prop.default is not None:
            device.set(prop.name, prop.default)
            device.set(
                prop.name, "on" if prop.default is True else "off" if prop.default is False else str(prop.default)
            )
            assert getattr(device, prop.attribute) == prop.default


@TYPES
def test_an_unknown_property_is_named(name):
    with pytest.raises(ConfigError, match=f"Property '{name}.no-such-thing' not found"):
        device_class(name)().set("no-such-thing", "1")


@TYPES
def test_state_round_trips_on_fresh_instances(name):
    kind = device_class(name)
    saved = kind().save()
    other = kind()
    other.load_fields(saved, kind.version)
    assert other.save() == saved
    assert set(saved) == set(kind.state_fields)


@TYPES
def test_state_round_trips_on_the_bus_after_any_writes(bench, name):
    """Save, load into a second machine's chip, save: the same, and a reset afterwards is a power-on."""
    kind = device_class(name)
    device = plugged(bench, kind)
    power_on = device.save()
    choose = Random(name)
    claimed = [port for port in range(0x10000) if bench.ports.owner(port) is not None]
    for _ in range(300 if claimed else 0):
        port, width = choose.choice(claimed), choose.choice((1, 1, 2, 4))
        bench.ports.write(port, width, choose.getrandbits(8 * width))
        bench.ports.read(choose.choice(claimed), width)
    saved = device.save()
    other = plugged(type(bench)(), kind)
    other.load(kind.version, saved)
    assert other.save() == saved
    other.reset()
    kept = {name for name, field in kind.state_fields.items() if field.keeps}
    after = other.save()
    for field in after.keys() - kept:
        if not isinstance(after[field], (dict, list)):
            assert after[field] == power_on[field], field


@TYPES
def test_instances_share_no_state(name):
    kind = device_class(name)
    first, second = kind(), kind()
    for attribute in kind.state_fields:
        value = getattr(first, attribute)
        if not isinstance(value, (int, bytes)):
            assert value is not getattr(second, attribute)


def test_an_unknown_type_is_named():
    with pytest.raises(ConfigError, match="'isa-serail' is not a valid device model name") as caught:
        device_class("isa-serail")
    assert caught.value.hint == "Did you mean 'isa-serial'?"


def test_nearest():
    assert nearest("vga", ["VGA", "vgb"]) == "Did you mean 'VGA'?"
    assert nearest("qqq", ["abc"]) == ""
