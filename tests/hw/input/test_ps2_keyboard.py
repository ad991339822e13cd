"""The keyboard alone: commands, scan code sets, the queue."""

from __future__ import annotations

import pytest

from pyqemu.hw.input.keycodes import KEYS, SET3_CODES, TRANSLATION
from pyqemu.hw.input.ps2_keyboard import Ps2Keyboard


@pytest.fixture
def keyboard():
    return Ps2Keyboard()


def taken(keyboard):
    data = bytearray()
    while keyboard.has_data():
        data.append(keyboard.take())
    return data.hex(" ")


def ask(keyboard, *values):
    for value in values:
        keyboard.write(value)
    return taken(keyboard)


def typed(keyboard, *events):
    """Keys by name; ``-name`` releases."""
    for event in events:
        keyboard.press(event.lstrip("-"), not event.startswith("-"))
    return taken(keyboard)


@pytest.mark.parametrize(
    "scan_set,key,press,release",
    [
        (1, "a", "1e", "9e"),
        (1, "alt_r", "e0 38", "e0 b8"),
        (1, "f12", "58", "d8"),
        (1, "pause", "e1 1d 45 e1 9d c5", ""),
        (1, "print", "e0 2a e0 37", "e0 b7 e0 aa"),
        (1, "sysrq", "54", "d4"),
        (2, "a", "1c", "f0 1c"),
        (2, "f7", "83", "f0 83"),
        (2, "ret", "5a", "f0 5a"),
        (2, "kp_enter", "e0 5a", "e0 f0 5a"),
        (2, "pause", "e1 14 77 e1 f0 14 f0 77", ""),
        (2, "print", "e0 12 e0 7c", "e0 f0 7c e0 f0 12"),
        (2, "lang1", "f2", ""),
        (3, "a", "1c", ""),
        (3, "shift", "12", "f0 12"),
        (3, "esc", "08", ""),
        (3, "up", "63", ""),
        (3, "power", "", ""),
    ],
)
def test_scan_codes(keyboard, scan_set, key, press, release):
    ask(keyboard, 0xF0, scan_set)
    assert (typed(keyboard, key), typed(keyboard, "-" + key)) == (press, release)


def test_modified_pause_and_print(keyboard):
    typed(keyboard, "ctrl")
    assert typed(keyboard, "pause") == "e0 7e e0 f0 7e"
    assert typed(keyboard, "print", "-print") == "e0 7c e0 f0 7c"
    typed(keyboard, "-ctrl", "alt_r")
    assert typed(keyboard, "print", "-print") == "84 f0 84"


def test_scan_set_query(keyboard):
    assert ask(keyboard, 0xF0, 0x00) == "fa fa 02"
    assert ask(keyboard, 0xF0, 0x03, 0xF0, 0x00) == "fa fa fa fa 03"
    assert ask(keyboard, 0xF0, 0x04) == "fa fe"


def test_leds_are_told(keyboard):
    seen = []
    keyboard.on_leds = seen.append
    assert ask(keyboard, 0xED, 0x05) == "fa fa"
    assert ask(keyboard, 0xF6) == "fa"
    assert seen == [5, 0]


def test_typematic_and_unknown(keyboard):
    assert ask(keyboard, 0xF3, 0x7F) == "fa fa"
    assert keyboard.typematic == 0x7F
    assert ask(keyboard, 0x00) == "fe"
    assert ask(keyboard, 0xEF) == "fe"


def test_resend_repeats_the_last_byte(keyboard):
    assert typed(keyboard, "up") == "e0 75"
    assert ask(keyboard, 0xFE) == "75"


def test_a_command_instead_of_the_parameter(keyboard):
    assert ask(keyboard, 0xED, 0xEE) == "fa ee"
    assert ask(keyboard, 0x01) == "fe"


def test_disable_stops_scanning_and_enable_starts_it(keyboard):
    typed(keyboard, "shift")
    assert ask(keyboard, 0xF5) == "fa"
    assert typed(keyboard, "a", "-a") == ""
    assert ask(keyboard, 0xF4) == "fa"
    assert typed(keyboard, "a") == "1c"


def test_reset_restores_everything(keyboard):
    ask(keyboard, 0xF0, 0x03, 0xF9, 0xF5)
    keyboard.write(0xED)
    assert ask(keyboard, 0xFF) == "fa aa"  # the answer not read yet is gone
    assert ask(keyboard, 0xF0, 0x00) == "fa fa 02"
    assert typed(keyboard, "a", "-a") == "1c f0 1c"


def test_answers_come_before_keys(keyboard):
    keyboard.press("a", True)
    assert ask(keyboard, 0xEE) == "ee 1c"


def test_keys_wait_while_a_parameter_is_due(keyboard):
    keyboard.press("a", True)
    assert ask(keyboard, 0xED) == "fa"
    assert ask(keyboard, 0x00) == "fa 1c"


@pytest.mark.parametrize("scan_set,overrun", [(1, "ff"), (2, "00")])
def test_full_queue_ends_in_an_overrun(keyboard, scan_set, overrun):
    ask(keyboard, 0xF0, scan_set)
    for _ in range(40):
        keyboard.press("a", True)
    assert taken(keyboard).split()[-2:] == [{1: "1e", 2: "1c"}[scan_set], overrun]
    keyboard.press("b", True)
    assert taken(keyboard) == {1: "30", 2: "32"}[scan_set]


def test_queue_holds_sixteen(keyboard):
    for _ in range(40):
        keyboard.press("pause", True)
        keyboard.press("pause", False)
    assert len(keyboard.keys) <= 16


def test_commands_without_reading_are_bounded(keyboard):
    for _ in range(1000):
        keyboard.write(0xF2)
    assert len(keyboard.answers) <= 16


def test_releases_without_press_and_unknown_keys_send_nothing(keyboard):
    assert typed(keyboard, "-a", "nosuchkey") == ""


def test_repeated_press_is_a_repeated_make_code(keyboard):
    assert typed(keyboard, "a", "a", "-a") == "1c 1c f0 1c"
    assert typed(keyboard, "pause", "pause") == "e1 14 77 e1 f0 14 f0 77"


@pytest.mark.parametrize(
    "command,codes",
    [(0xF7, "1c 1c"), (0xF8, "1c f0 1c"), (0xF9, "1c"), (0xFA, "1c 1c f0 1c")],
)
def test_set_3_types_of_all_keys(keyboard, command, codes):
    ask(keyboard, 0xF0, 0x03)
    assert ask(keyboard, command) == "fa"
    assert typed(keyboard, "a", "a", "-a") == codes


def test_set_3_type_of_some_keys(keyboard):
    ask(keyboard, 0xF0, 0x03)
    assert ask(keyboard, 0xFC, 0x1C, 0x32, 0xF4) == "fa fa fa fa"
    assert typed(keyboard, "a", "-a", "b", "-b", "c", "-c") == "1c f0 1c 32 f0 32 21"
    ask(keyboard, 0xF6, 0xF0, 0x03)
    assert typed(keyboard, "a", "-a") == "1c"


def test_on_data_is_called_once_a_key(keyboard):
    calls = []
    keyboard.on_data = lambda: calls.append(1)
    typed(keyboard, "up", "-up", "-up")
    assert len(calls) == 2


def test_save_and_load(keyboard):
    ask(keyboard, 0xF0, 0x03)
    keyboard.write(0xFB)
    keyboard.press("shift", True)
    state = keyboard.save()
    keyboard.reset()
    keyboard.load(3, state)
    assert keyboard.save() == state
    assert taken(keyboard) == "fa"


def test_key_table():
    assert all(0 <= code3 < SET3_CODES for _, code3 in KEYS.values())
    assert all(code <= 0xFF or code >> 8 == 0xE0 for code, _ in KEYS.values())
    assert len(TRANSLATION) == 256 and len(set(TRANSLATION[1:0x80])) == 0x7F
    single = [code for name, (code, _) in KEYS.items() if name not in ("menu", "asterisk", "hiragana")]
    assert len(single) == len(set(single))
