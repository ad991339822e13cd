"""What a terminal sends when somebody types, as the keys of a PC keyboard (US layout).

Source   ECMA-48 control sequences; xterm control sequences (function and modified keys); Linux console
Errors   bytes that no US key makes (other alphabets, unknown sequences) are dropped
"""

from __future__ import annotations

from collections.abc import Callable

OnKey = Callable[[str, bool], None]

_LONGEST_SEQUENCE = 16

_PLAIN = {
    " ": "spc", "-": "minus", "=": "equal", "[": "bracket_left", "]": "bracket_right", ";": "semicolon",
    "'": "apostrophe", "`": "grave_accent", "\\": "backslash", ",": "comma", ".": "dot", "/": "slash",
}  # fmt: skip
_SHIFTED = dict(zip('!@#$%^&*()_+{}:"~|<>?', "1234567890-=[];'`\\,./", strict=True))

_LETTERS = {
    "A": "up", "B": "down", "C": "right", "D": "left", "H": "home", "F": "end", "P": "f1", "Q": "f2", "R": "f3",
    "S": "f4",
}  # fmt: skip
_KEYPAD = {
    "M": "kp_enter", "j": "kp_multiply", "k": "kp_add", "l": "kp_comma", "m": "kp_subtract", "n": "kp_decimal",
    "o": "kp_divide", "X": "kp_equals",
    **{chr(ord("p") + digit): f"kp_{digit}" for digit in range(10)},
}  # fmt: skip
_NUMBERS = {
    1: "home", 2: "insert", 3: "delete", 4: "end", 5: "pgup", 6: "pgdn", 7: "home", 8: "end",
    11: "f1", 12: "f2", 13: "f3", 14: "f4", 15: "f5", 17: "f6", 18: "f7", 19: "f8", 20: "f9", 21: "f10",
    23: "f11", 24: "f12",
}  # fmt: skip
_CONSOLE = dict(zip("ABCDE", ("f1", "f2", "f3", "f4", "f5"), strict=True))

_ESC = 0x1B


def _key_of(character: str) -> tuple[str, ...] | None:
    """The keys for a printable ASCII character, modifiers first."""
    if character in _SHIFTED:
        return "shift", *(_key_of(_SHIFTED[character]) or ())
    if "A" <= character <= "Z":
        return "shift", character.lower()
    if character in _PLAIN:
        return (_PLAIN[character],)
    return (character,) if character.isalnum() and character.isascii() else None


def _byte_keys() -> list[tuple[str, ...] | None]:
    keys = [_key_of(chr(code)) if 0x20 <= code < 0x7F else None for code in range(256)]
    keys[0x00] = "ctrl", "spc"
    for code in range(1, 27):
        keys[code] = "ctrl", chr(0x60 + code)
    keys[0x08] = keys[0x7F] = ("backspace",)
    keys[0x09] = ("tab",)
    keys[0x0A] = keys[0x0D] = ("ret",)
    keys[_ESC] = ("esc",)
    keys[0x1C] = "ctrl", "backslash"
    keys[0x1D] = "ctrl", "bracket_right"
    keys[0x1E] = "ctrl", "shift", "6"
    keys[0x1F] = "ctrl", "shift", "minus"
    return keys


_BYTES = _byte_keys()


class KeyDecoder:
    """Bytes in, key events out: ``on_key(name, pressed)`` with QEMU's key names.

    A lone ESC is held back, as more may follow; ``flush()`` says that nothing did.
    """

    def __init__(self, on_key: OnKey) -> None:
        self._on_key = on_key
        self._held = b""

    @property
    def pending(self) -> bool:
        return bool(self._held)

    def feed(self, data: bytes) -> None:
        """Take what the terminal sent."""
        data = self._held + data
        self._held = b""
        at = 0
        while at < len(data):
            if data[at] == _ESC:
                used = self._escape(data, at)
                if not used:
                    self._held = data[at:]
                    return
                at += used
            else:
                self._type(_BYTES[data[at]])
                at += 1

    def flush(self) -> None:
        """No more bytes came: what is held back is meant as it stands."""
        held, self._held = self._held, b""
        if held:
            self._type(("esc",))
            self.feed(held[1:])

    def _escape(self, data: bytes, at: int) -> int:
        """Decode what begins with ESC; returns how many bytes it took, 0 if the end is missing."""
        if at + 1 >= len(data):
            return 0
        second = data[at + 1]
        if second == _ESC:  # ESC typed twice, or Alt with a function key
            self._type(("esc",))
            return 1
        if second == 0x4F:  # SS3
            if at + 2 >= len(data):
                return 0
            letter = chr(data[at + 2])
            name = _LETTERS.get(letter) or _KEYPAD.get(letter)
            self._type((name,) if name else None)
            return 3
        if second == 0x5B:
            return self._control_sequence(data, at)
        keys = _BYTES[second]
        self._type(("alt", *keys) if keys else None)
        return 2

    def _control_sequence(self, data: bytes, at: int) -> int:
        """ESC [ parameters letter."""
        end = at + 2
        if data[end : end + 1] == b"[":  # Linux console: ESC [ [ A
            if end + 1 >= len(data):
                return 0
            name = _CONSOLE.get(chr(data[end + 1]))
            self._type((name,) if name else None)
            return 4
        while end < len(data) and 0x20 <= data[end] < 0x40:
            end += 1
            if end - at > _LONGEST_SEQUENCE:
                return end - at
        if end == len(data):
            return 0
        final = chr(data[end])
        numbers = [int(part) if part.isdigit() else 0 for part in data[at + 2 : end].split(b";")]
        modifiers = numbers[1] - 1 if len(numbers) > 1 and numbers[1] > 0 else 0
        name = _NUMBERS.get(numbers[0]) if final == "~" else _LETTERS.get(final)
        if final == "Z":
            name, modifiers = "tab", 1
        if name:
            held = [key for bit, key in ((4, "ctrl"), (2, "alt"), (1, "shift")) if modifiers & bit]
            self._type((*held, name))
        return end + 1 - at

    def _type(self, keys: tuple[str, ...] | None) -> None:
        for key in keys or ():
            self._on_key(key, True)
        for key in reversed(keys or ()):
            self._on_key(key, False)
