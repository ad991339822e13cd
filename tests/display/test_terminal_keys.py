from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyqemu.display.terminal_keys import KeyDecoder


def keys(*pieces: bytes, flush: bool = False) -> str:
    """What is typed, as 'shift+a ret': keys held together joined by plus."""
    events: list[tuple[str, bool]] = []
    decoder = KeyDecoder(lambda name, pressed: events.append((name, pressed)))
    for piece in pieces:
        decoder.feed(piece)
    if flush:
        decoder.flush()
    assert not (flush and decoder.pending)
    chords: list[str] = []
    held: list[str] = []
    pressed_last = False
    for name, pressed in events:
        if pressed:
            held.append(name)
        else:
            if pressed_last:
                chords.append("+".join(held))
            assert held.pop() == name  # released in reverse order
        pressed_last = pressed
    assert not held
    return " ".join(chords)


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        (b"aZ0 ", "a shift+z 0 spc"),
        (b"-_=+", "minus shift+minus equal shift+equal"),
        (b"[]{}", "bracket_left bracket_right shift+bracket_left shift+bracket_right"),
        (b";:'\"`~", "semicolon shift+semicolon apostrophe shift+apostrophe grave_accent shift+grave_accent"),
        (b"\\|,<.>/?", "backslash shift+backslash comma shift+comma dot shift+dot slash shift+slash"),
        (b"!@#$%^&*()", "shift+1 shift+2 shift+3 shift+4 shift+5 shift+6 shift+7 shift+8 shift+9 shift+0"),
        (b"\r\n\t\x7f\x08", "ret ret tab backspace backspace"),
        (b"\x01\x03\x1a\x00", "ctrl+a ctrl+c ctrl+z ctrl+spc"),
        (b"\x1c\x1d", "ctrl+backslash ctrl+bracket_right"),
        (b"\x1b[A\x1b[B\x1b[C\x1b[D\x1b[H\x1b[F", "up down right left home end"),
        (b"\x1bOA\x1bOP\x1bOS\x1bOM\x1bOj\x1bOp\x1bOy", "up f1 f4 kp_enter kp_multiply kp_0 kp_9"),
        (b"\x1b[1~\x1b[2~\x1b[3~\x1b[4~\x1b[5~\x1b[6~", "home insert delete end pgup pgdn"),
        (b"\x1b[11~\x1b[15~\x1b[17~\x1b[21~\x1b[23~\x1b[24~", "f1 f5 f6 f10 f11 f12"),
        (b"\x1b[[A\x1b[[E", "f1 f5"),
        (b"\x1b[1;5C\x1b[3;2~\x1b[1;8P\x1b[Z", "ctrl+right shift+delete ctrl+alt+shift+f1 shift+tab"),
        (b"\x1bx\x1bX\x1b\r\x1b\x01", "alt+x alt+shift+x alt+ret alt+ctrl+a"),
        ("aéß€😀b".encode(), "a b"),
        ("aéb".encode("latin-1"), "a b"),
        (b"\x1b[?1;2c\x1b[99~\x1b[200~a", "a"),
    ],
)
def test_what_a_terminal_sends(typed: bytes, expected: str) -> None:
    assert keys(typed) == expected
    assert keys(*(bytes([byte]) for byte in typed)) == expected


def test_an_escape_waits_for_more() -> None:
    assert keys(b"\x1b") == ""
    assert keys(b"\x1b", flush=True) == "esc"
    assert keys(b"\x1b\x1b[A") == "esc up"
    assert keys(b"\x1b[", flush=True) == "esc bracket_left"


def test_an_endless_sequence_is_given_up() -> None:
    assert keys(b"\x1b[" + b"1;" * 10, b"m").endswith("1 semicolon m")


@given(st.lists(st.binary(max_size=12), max_size=12))
def test_any_bytes_end_with_all_keys_released(pieces: list[bytes]) -> None:
    keys(*pieces, flush=True)
