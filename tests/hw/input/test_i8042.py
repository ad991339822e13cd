"""The keyboard controller as firmware and drivers see it."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pyqemu.core.lines import Pin
from pyqemu.hw.input.i8042 import I8042
from pyqemu.hw.input.keycodes import KEYS

DATA, STATUS = 0x60, 0x64


@pytest.fixture
def kbc(bench):
    return bench.plug(I8042())


def read_all(bench, limit=64):
    """What waits, as the reference probe prints it: bytes, ``m`` after those from the mouse."""
    words = []
    while (status := bench.inb(STATUS)) & 1:
        words.append(f"{bench.inb(DATA):02x}" + ("m" if status & 0x20 else ""))
        assert len(words) < limit
    return " ".join(words)


def command(bench, value, *parameters):
    bench.outb(STATUS, value)
    for parameter in parameters:
        bench.outb(DATA, parameter)
    return read_all(bench)


def to_keyboard(bench, *values):
    for value in values:
        bench.outb(DATA, value)
    return read_all(bench)


def to_mouse(bench, *values):
    for value in values:
        bench.outb(STATUS, 0xD4)
        bench.outb(DATA, value)
    return read_all(bench)


# -- the reference probe ------------------------------------------------------------------------------


def test_whole_probe_of_the_board(bench, kbc):
    """The same commands in the same order as the reference probe, same answers."""
    assert bench.inb(STATUS) == 0x18 and read_all(bench) == ""
    expected = {0x20: "03", 0xAA: "55", 0xAB: "00", 0xA9: "00", 0xC0: "80", 0xD0: "cf", 0xE0: ""}
    assert {value: command(bench, value) for value in expected} == expected
    assert [command(bench, value) for value in (0x20, 0xAE, 0xA8)] == ["03", "", ""]
    assert to_keyboard(bench, 0xEE) == "ee"
    assert to_keyboard(bench, 0xF2) == "fa ab 83"
    assert to_keyboard(bench, 0xFF) == "fa aa"
    assert to_mouse(bench, 0xF2) == "fam 00m"
    assert to_mouse(bench, 0xE9) == "fam 00m 00m 00m"
    assert to_mouse(bench, 0xFF) == "fam aam 00m"
    assert to_mouse(bench, 0xE8) == "fam"
    assert command(bench, 0x20) == "03"
    assert bench.inb(STATUS) == 0x1C
    assert (bench.inb(DATA), bench.inl(DATA), bench.inl(STATUS)) == (0x03, 0x03030303, 0x1C1C1C1C)


def test_reset_values_in_every_width(bench, kbc):
    assert [bench.inb(port) for port in (0x60, 0x62, 0x64, 0x65)] == [0x00, 0xFF, 0x18, 0xFF]
    assert (bench.inw(DATA), bench.inw(STATUS), bench.inl(STATUS)) == (0, 0x1818, 0x18181818)


def test_wide_write_is_the_bytes_one_after_another(bench, kbc):
    bench.outw(DATA, 0xF2EE)
    assert read_all(bench) == "ee fa ab 83"


# -- commands -----------------------------------------------------------------------------------------


def test_command_byte_and_ram(bench, kbc):
    assert command(bench, 0x60, 0x47) == ""
    assert command(bench, 0x20) == "47"
    assert bench.inb(STATUS) & 0x04  # the system flag follows it
    for index in range(1, 32):
        command(bench, 0x60 + index, 0xA0 ^ index)
    assert [command(bench, 0x20 + index) for index in range(1, 32)] == [f"{0xA0 ^ i:02x}" for i in range(1, 32)]


def test_enable_and_disable_change_the_command_byte(bench, kbc):
    seen = []
    for value in (0xAD, 0xA7, 0xAE, 0xA8):
        command(bench, value)
        seen.append(command(bench, 0x20))
    assert seen == ["13", "33", "23", "03"]


def test_disabled_keyboard_keeps_its_bytes(bench, kbc):
    command(bench, 0xAD)
    kbc.keyboard.press("a", True)
    assert read_all(bench) == ""
    assert command(bench, 0xAE) == "1c"


def test_disabled_mouse_keeps_its_bytes(bench, kbc):
    to_mouse(bench, 0xF4)
    command(bench, 0xA7)
    kbc.mouse.button(0, True)
    assert read_all(bench) == ""
    assert command(bench, 0xA8) == "09m 00m 00m"


def test_writing_to_a_disabled_device_enables_it(bench, kbc):
    command(bench, 0x60, 0x33)
    assert to_keyboard(bench, 0xEE) == "ee"
    assert to_mouse(bench, 0xF2) == "fam 00m"
    assert command(bench, 0x20) == "03"


def test_loop_commands_feed_the_output_buffer(bench, kbc):
    assert command(bench, 0xD2, 0x5A) == "5a"
    assert command(bench, 0xD3, 0xA5) == "a5m"


def test_security_commands_say_no_password(bench, kbc):
    assert command(bench, 0xA4) == "f1"
    assert command(bench, 0xA5, 0x1E, 0x30, 0x00) == ""
    assert to_keyboard(bench, 0xEE) == "ee"  # the zero has ended the password
    assert command(bench, 0xA6) == ""
    assert command(bench, 0xA1) == "00"


def test_poll_commands_show_the_input_port_until_the_next_command(bench, kbc):
    bench.outb(STATUS, 0xC1)
    assert bench.inb(STATUS) == 0x08
    bench.outb(STATUS, 0xC2)
    assert bench.inb(STATUS) == 0x88
    to_keyboard(bench, 0xEE)
    assert bench.inb(STATUS) == 0x10


def test_status_tells_data_from_commands(bench, kbc):
    bench.outb(DATA, 0xEE)
    assert bench.inb(STATUS) == 0x11
    bench.outb(STATUS, 0xAE)
    assert bench.inb(STATUS) == 0x19


def test_a_new_command_forgets_the_parameter(bench, kbc):
    bench.outb(STATUS, 0x60)
    assert command(bench, 0xAA) == "55"
    assert to_keyboard(bench, 0xEE) == "ee"


def test_answer_waits_for_the_output_buffer(bench, kbc):
    kbc.keyboard.press("a", True)
    bench.outb(STATUS, 0xAA)
    assert read_all(bench) == "1c 55"


@pytest.mark.parametrize("value", [0xFE, 0xF0, 0xFA])
def test_pulse_resets(bench, kbc, value):
    command(bench, value)
    assert bench.power_switch.requests == [("reset", "guest-reset")]


@pytest.mark.parametrize("value", [0xFF, 0xF1, 0xFD])
def test_pulse_of_other_bits_does_not_reset(bench, kbc, value):
    command(bench, value)
    assert bench.power_switch.requests == []


def test_output_port_bit_0_resets(bench, kbc):
    command(bench, 0xD1, 0x02)
    assert bench.power_switch.requests == [("reset", "guest-reset")]


def test_output_port_shows_who_waits(bench, kbc):
    kbc.keyboard.press("a", True)
    bench.outb(STATUS, 0xD0)
    assert read_all(bench) == "1c df"


def test_a20_gate(bench):
    pin = Pin()
    kbc = I8042()
    kbc.a20_line = pin.connect()
    bench.plug(kbc)
    levels = [pin.level]
    for values in ((0xD1, 0xDD), (0xD1, 0xDF), (0xDD,), (0xDF,), (0xDD,)):
        command(bench, *values)
        levels.append(pin.level)
    assert levels == [True, False, True, False, True, False]
    assert command(bench, 0xD0) == "cd"
    kbc.reset()
    assert pin.level


# -- interrupts ---------------------------------------------------------------------------------------


def test_each_byte_makes_an_edge(bench, kbc):
    kbc.keyboard.press("up", True)
    kbc.keyboard.press("up", False)
    assert bench.edges[1] == 1
    codes = []
    for edge in range(1, 6):
        assert bench.edges[1] == edge and bench.irq_pin(1).level
        codes.append(bench.inb(DATA))
    assert bytes(codes) == b"\xe0\x75\xe0\xf0\x75"
    assert not bench.irq_pin(1).level and bench.edges[1] == 5


def test_mouse_has_its_own_interrupt(bench, kbc):
    to_mouse(bench, 0xF4)
    before = bench.edges[1], bench.edges[12]
    kbc.mouse.move(1, 1)
    assert bench.irq_pin(12).level and not bench.irq_pin(1).level
    assert read_all(bench) == "28m 01m ffm"
    assert (bench.edges[1], bench.edges[12]) == (before[0], before[1] + 3)


def test_interrupts_can_be_disabled(bench, kbc):
    command(bench, 0x60, 0x00)
    kbc.keyboard.press("a", True)
    assert not bench.irq_pin(1).level and bench.inb(STATUS) & 1
    bench.outb(STATUS, 0x60)
    bench.outb(DATA, 0x01)
    assert bench.irq_pin(1).level


def test_no_interrupt_for_answers_while_the_keyboard_is_disabled(bench, kbc):
    command(bench, 0xAD)
    bench.outb(STATUS, 0xAA)
    assert bench.inb(STATUS) & 1 and not bench.irq_pin(1).level


def test_interrupt_numbers_are_properties(bench):
    kbc = bench.plug(I8042(kbd_irq=5, mouse_irq=9))
    kbc.keyboard.press("a", True)
    assert bench.irq_pin(5).level


def test_throttle_spaces_keyboard_bytes(bench):
    kbc = bench.plug(I8042(kbd_throttle=True))
    kbc.keyboard.press("up", True)
    assert bench.inb(DATA) == 0xE0
    assert bench.inb(DATA) == 0xE0 and not bench.inb(STATUS) & 1
    state = kbc.save()
    kbc.load(3, state)
    assert kbc.save() == state
    bench.advance(1_000_000)
    assert bench.inb(STATUS) & 1 and bench.inb(DATA) == 0x75


# -- translation --------------------------------------------------------------------------------------


def test_translation_to_set_1(bench, kbc):
    command(bench, 0x60, 0x43)
    codes = []
    for key in ("a", "f7", "right"):
        for down in (True, False):
            kbc.keyboard.press(key, down)
            codes.append(read_all(bench))
    assert codes == ["1e", "9e", "41", "c1", "e0 4d", "e0 cd"]


def test_release_prefix_survives_a_save(bench, kbc):
    command(bench, 0x60, 0x43)
    kbc.keyboard.press("a", True)
    kbc.keyboard.press("a", False)
    state = kbc.save()
    kbc.reset()
    kbc.load(3, state)
    assert kbc.save() == state
    assert read_all(bench) == "1e 9e"


def test_translated_identity(bench, kbc):
    command(bench, 0x60, 0x43)
    assert to_keyboard(bench, 0xF2) == "fa ab 41"
    assert to_keyboard(bench, 0xF0, 0x00) == "fa fa 41"


def test_every_key_translates_to_a_set_1_code(bench, kbc):
    """What the controller makes of set 2 is what the keyboard itself sends in set 1."""
    for key in KEYS:
        codes = []
        for setup in ((0x43, 0x02), (0x03, 0x01)):
            command(bench, 0x60, setup[0])
            to_keyboard(bench, 0xF0, setup[1])
            for down in (True, False):
                kbc.keyboard.press(key, down)
                codes.append(read_all(bench))
        assert codes[:2] == codes[2:], key


# -- state --------------------------------------------------------------------------------------------


def test_reset_in_the_middle_of_everything(bench, kbc):
    kbc.keyboard.press("pause", True)
    to_mouse(bench, 0xF3)
    bench.outb(STATUS, 0xD4)
    kbc.reset()
    assert not bench.irq_pin(1).level and not bench.irq_pin(12).level
    test_whole_probe_of_the_board(bench, kbc)


def test_save_and_load_restore_lines_and_queues(bench, kbc):
    to_mouse(bench, 0xF4)
    kbc.mouse.move(3, 0)
    kbc.keyboard.press("up", True)
    state = kbc.save()
    kbc.reset()
    kbc.load(3, state)
    assert kbc.save() == state
    assert bench.irq_pin(12).level and not bench.irq_pin(1).level
    assert read_all(bench) == "08m e0 75 03m 00m"


writes = st.tuples(st.sampled_from([DATA, STATUS]), st.sampled_from([1, 2, 4]), st.integers(-1, 0xFFFFFFFF))
commands = st.tuples(st.just(STATUS), st.just(1), st.sampled_from([0x20, 0x60, 0xD1, 0xD2, 0xD3, 0xD4, 0xC1, 0xAA]))
bytes_ = st.tuples(st.just(DATA), st.just(1), st.integers(0xE6, 0xFF))
events = st.tuples(
    st.sampled_from(["key", "mouse", "load"]), st.sampled_from(sorted(KEYS)), st.integers(-3000, 3000)
)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.one_of(writes, commands, bytes_, events), max_size=60))
def test_nothing_a_guest_does_raises(bench, kbc, steps):
    kbc.reset()
    for what, second, value in steps:
        match what:
            case "key":
                kbc.keyboard.press(second, value % 3 > 0)
            case "mouse":
                kbc.mouse.move(value, -value, value)
                kbc.mouse.button(value % 7 - 1, value > 0)
            case "load":
                state = kbc.save()
                kbc.load(3, state)
                assert kbc.save() == state
            case _ if value < 0:
                assert 0 <= bench.ports.read(what, second) < 1 << 8 * second
            case _:
                bench.ports.write(what, second, value & ((1 << 8 * second) - 1))
    kbc.command_byte = 0x03
    bench.outb(STATUS, 0xAE)
    read_all(bench, limit=1000)
