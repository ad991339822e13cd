"""The mouse alone: protocols, modes, packets."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyqemu.hw.input.ps2_mouse import EXTRA, LEFT, MIDDLE, RIGHT, SIDE, Ps2Mouse

WHEEL_KNOCK = (0xF3, 200, 0xF3, 100, 0xF3, 80)
EXPLORER_KNOCK = (0xF3, 200, 0xF3, 200, 0xF3, 80)


@pytest.fixture
def mouse():
    return Ps2Mouse()


def taken(mouse):
    data = bytearray()
    while mouse.has_data() and len(data) < 1000:
        data.append(mouse.take())
    return data.hex(" ")


def ask(mouse, *values):
    for value in values:
        mouse.write(value)
    return taken(mouse)


@pytest.fixture
def active(mouse):
    ask(mouse, 0xFF)
    ask(mouse, 0xF4)
    return mouse


def test_power_on_and_reset_status(mouse):
    assert ask(mouse, 0xE9) == "fa 00 00 00"
    assert ask(mouse, 0xFF) == "fa aa 00"
    assert ask(mouse, 0xE9) == "fa 00 02 64"


def test_nothing_is_reported_until_enabled(mouse):
    mouse.move(5, 5)
    assert taken(mouse) == ""


def test_movement_and_signs(active):
    for dx, dy, packet in ((3, 0, "08 03 00"), (-3, 0, "18 fd 00"), (0, 4, "28 00 fc"), (0, -4, "08 00 04")):
        active.move(dx, dy)
        assert taken(active) == packet


def test_long_movement_is_several_packets(active):
    active.move(300, 0)
    assert taken(active) == "08 7f 00 08 7f 00 08 2e 00"


def test_buttons(active):
    packets = []
    for index in (LEFT, RIGHT, MIDDLE, SIDE):
        active.button(index, True)
        packets.append(taken(active))
    assert packets == ["09 00 00", "0b 00 00", "0f 00 00", ""]
    assert ask(active, 0xE9) == "fa 27 02 64"
    active.button(LEFT, False)
    assert taken(active) == "0e 00 00"


def test_wheel_protocol(active):
    ask(active, *WHEEL_KNOCK)
    assert ask(active, 0xF2) == "fa 03"
    active.move(0, 0, 1)
    active.move(0, 0, -1)
    assert taken(active) == "08 00 00 01 08 00 00 ff"
    active.button(SIDE, True)
    assert taken(active) == ""
    assert ask(active, 0xFF) == "fa aa 00"
    assert ask(active, 0xF2) == "fa 00"


def test_explorer_protocol(active):
    ask(active, *WHEEL_KNOCK, *EXPLORER_KNOCK)
    assert ask(active, 0xF2) == "fa 04"
    active.button(SIDE, True)
    active.button(EXTRA, True)
    active.move(1, 0, -1)
    assert taken(active) == "08 00 00 10 08 00 00 30 08 01 00 3f"


@pytest.mark.parametrize("knock", [(0xF3, 200, 0xF3, 100), (0xF3, 200, 0xF3, 80, 0xF3, 80), (0xF3, 100, 0xF3, 80)])
def test_other_rates_do_not_change_the_identity(active, knock):
    ask(active, *knock)
    assert ask(active, 0xF2) == "fa 00"


def test_scaling_2_to_1(active):
    ask(active, 0xE7)
    for counts, sent in ((1, 1), (2, 1), (3, 3), (4, 6), (5, 9), (6, 12), (-4, 0xFA)):
        active.move(counts, 0)
        assert int(taken(active).split()[1], 16) == sent
    assert ask(active, 0xE9) == "fa 30 02 64"
    ask(active, 0xE6)
    active.move(4, 0)
    assert taken(active) == "08 04 00"


def test_remote_mode_sends_on_request(active):
    ask(active, 0xF0)
    active.move(2, 0)
    assert taken(active) == ""
    assert ask(active, 0xEB) == "fa 08 02 00"
    assert ask(active, 0xEB) == "fa 08 00 00"
    assert ask(active, 0xE9) == "fa 60 02 64"
    ask(active, 0xEA)
    active.move(2, 0)
    assert taken(active) == "08 02 00"


def test_wrap_mode_echoes(active):
    assert ask(active, 0xEE) == "fa"
    assert ask(active, 0x12, 0xF2, 0xE9) == "12 f2 e9"
    active.move(1, 1)
    assert taken(active) == ""
    assert ask(active, 0xEC) == "fa"
    assert ask(active, 0xF2) == "fa 00"
    ask(active, 0xEE)
    assert ask(active, 0xFF) == "fa aa 00"


def test_resolution_and_rate(mouse):
    assert ask(mouse, 0xE8, 0x03, 0xF3, 40, 0xE9) == "fa fa fa fa fa 00 03 28"


def test_bad_values_are_refused_twice(mouse):
    assert ask(mouse, 0xE8, 0x04, 0x05) == "fa fe fc"
    assert ask(mouse, 0xF3, 41, 60) == "fa fe fa"
    assert ask(mouse, 0x55, 0x55) == "fe fc"
    assert ask(mouse, 0xF2) == "fa 00"


def test_resend(mouse):
    assert ask(mouse, 0xF2) == "fa 00"
    assert ask(mouse, 0xFE) == "fa 00"


def test_packets_wait_while_a_parameter_is_due(active):
    ask(active, 0xE8)
    active.move(1, 0)
    assert taken(active) == ""
    assert ask(active, 0x02) == "fa 08 01 00"


def test_movement_adds_up_while_the_guest_does_not_look(active):
    for _ in range(100):
        active.move(1, -1)
    data = bytes.fromhex(taken(active))
    assert sum(data[1::3]) == sum(data[2::3]) == 100


def test_everything_is_bounded(active):
    for _ in range(1000):
        active.move(10**6, 10**6, 10**6)
        active.write(0xE9)
    assert len(active.packets) <= 16 and len(active.answers) <= 16
    assert len(taken(active).split()) < 100


def test_disable_drops_what_was_not_sent(active):
    active.move(5, 5)
    assert ask(active, 0xF5) == "fa"
    ask(active, 0xF4)
    assert taken(active) == ""


def test_save_and_load(active):
    ask(active, *WHEEL_KNOCK[:4])
    active.move(500, 3)
    active.write(0xE8)
    state = active.save()
    active.reset()
    active.load(2, state)
    assert active.save() == state


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(-400, 255), max_size=60))
def test_no_byte_or_movement_raises(steps):
    mouse = Ps2Mouse()
    for step in steps:
        if step >= 0:
            mouse.write(step)
        else:
            mouse.move(step, -step, step)
            mouse.button(-step % 7, bool(step & 1))
    assert len(mouse.packets) <= 16 and len(mouse.answers) <= 16
    state = mouse.save()
    mouse.load(2, state)
    assert mouse.save() == state
