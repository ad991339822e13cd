"""Properties: what is accepted, and what the message says."""

from __future__ import annotations

import logging

import pytest

from pyqemu.core.device import Device, Prop
from pyqemu.core.errors import ConfigError


class Card(Device, type="test-card"):
    iobase = Prop.u16(0x220, help="first port")
    irq = Prop.u8(5, maximum=15)
    level = Prop.u8(3, minimum=1)
    offset = Prop.i32(-5)
    memory = Prop.size(1 << 20)
    enabled = Prop.bool(True)
    label = Prop.str("x")
    mode = Prop.enum(("fast", "slow"), "fast")
    chardev = Prop.chardev()
    bus_name = Prop.str("", name="bus")
    io_size = Prop.u32(8)


def test_defaults():
    card = Card()
    assert (card.iobase, card.irq, card.offset, card.memory, card.enabled) == (0x220, 5, -5, 1 << 20, True)
    assert (card.label, card.mode, card.chardev) == ("x", "fast", None)


def test_names_are_the_attributes_with_dashes_or_given():
    assert "io-size" in Card.props and "bus" in Card.props and "io_size" not in Card.props
    assert Card(io_size=4).io_size == 4
    assert Card(bus_name="isa.0").bus_name == "isa.0"


@pytest.mark.parametrize(
    ("name", "typed", "value"),
    [
        ("iobase", "0x3f8", 0x3F8),
        ("iobase", "1016", 1016),
        ("iobase", 65535, 65535),
        ("irq", "15", 15),
        ("offset", "-1", -1),
        ("memory", "4M", 4 << 20),
        ("memory", "1.5k", 1536),
        ("memory", 77, 77),
        ("enabled", "off", False),
        ("enabled", "on", True),
        ("enabled", "yes", True),
        ("enabled", "n", False),
        ("enabled", False, False),
        ("label", "", ""),
        ("mode", "slow", "slow"),
        ("chardev", "serial0", "serial0"),
    ],
)
def test_accepted(name, typed, value):
    card = Card()
    card.set(name, typed)
    got = getattr(card, name)
    assert got == value and type(got) is type(value)


@pytest.mark.parametrize(
    ("name", "typed", "message"),
    [
        (
            "iobase",
            "65536",
            r"^Property test-card\.iobase doesn't take value 65536 \(minimum: 0, maximum: 65535\)$",
        ),
        ("iobase", "-1", r"iobase doesn't take value -1"),
        ("iobase", "abc", r"^Parameter 'iobase' expects uint16$"),
        ("iobase", "", r"^Parameter 'iobase' expects uint16$"),
        ("iobase", None, r"^Parameter 'iobase' expects uint16$"),
        ("irq", "16", r"irq doesn't take value 16 \(minimum: 0, maximum: 15\)"),
        ("level", "0", r"level doesn't take value 0 \(minimum: 1, maximum: 255\)"),
        ("offset", "2147483648", r"offset doesn't take value 2147483648"),
        ("memory", "1x", r"^Parameter 'memory' expects a non-negative number below 2\^64$"),
        ("memory", "16E", r"memory"),
        ("enabled", "maybe", r"^Parameter 'enabled' expects 'on' or 'off'$"),
        ("enabled", 1, r"^Parameter 'enabled' expects 'on' or 'off'$"),
        ("label", 5, r"^Property 'test-card\.label' expects a string$"),
        ("mode", "fsat", r"^Parameter 'mode' does not accept value 'fsat'$"),
        ("modes", "fast", r"^Property 'test-card\.modes' not found$"),
    ],
)
def test_refused(name, typed, message):
    with pytest.raises(ConfigError, match=message):
        Card().set(name, typed)


def test_hints():
    def hint(name, typed):
        with pytest.raises(ConfigError) as caught:
            Card().set(name, typed)
        return caught.value.hint

    assert hint("mode", "fsat") == "Accepted: fast, slow. Did you mean 'fast'?"
    assert hint("modes", "fast") == "Did you mean 'mode'?"
    assert hint("zzzzzz", "1") == ""
    assert hint("iobase", "abc") == "The value was 'abc'."
    assert hint("memory", "1x").startswith("Optional suffix k, M, G")


def test_constructor_values_are_checked():
    with pytest.raises(ConfigError, match="irq"):
        Card(irq=99)
    with pytest.raises(ConfigError, match="not found"):
        Card(colour="red")


def test_subclasses_inherit_and_override():
    class Other(Card, type="other-card"):
        irq = Prop.u8(7)
        extra = Prop.bool(False)

    assert Other().irq == 7
    assert Card().irq == 5
    assert "extra" not in Card.props
    Other().set("irq", "200")


def test_formats():
    props = Card(enabled=False).describe()["props"]
    assert props["enabled"] == "false"
    assert props["iobase"] == "544"
    assert props["chardev"] == "<null>"

    class Backend:
        id = "serial0"

    assert Card(chardev=Backend()).describe()["props"]["chardev"] == "serial0"


def test_guest_errors_are_logged_on_request(caplog):
    card = Card()
    assert card.guest_error("read of nothing", value=0xFF) == 0xFF
    with caplog.at_level(logging.INFO, "pyqemu.guest_errors"):
        card.guest_error("read of nothing")
        card.id = "card0"
        card.guest_error("again")
    assert [record.getMessage() for record in caplog.records] == ["test-card: read of nothing", "card0: again"]
