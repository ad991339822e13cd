"""Key names and what a PS/2 keyboard sends for them.

Source   IBM PS/2 Hardware Interface Technical Reference, keyboard section (scan code sets 1 to 3);
         Microsoft "Keyboard Scan Code Specification" (the keys of later keyboards); key names: QMP's QKeyCode

``KEYS`` holds what a key sends in set 2 and in set 3 when pressed: 0xE0xx stands for two bytes, zero for none.
Set 1 is set 2 as the keyboard controller translates it.
"""

from __future__ import annotations

EXTENDED = 0xE0  # prefix of the keys that the first keyboards did not have
RELEASED = 0xF0  # prefix of a released key in sets 2 and 3

# The keyboard controller's set 2 to set 1 table; from 0x85 on codes pass unchanged.
TRANSLATION = bytes.fromhex(
    "ff 43 41 3f 3d 3b 3c 58 64 44 42 40 3e 0f 29 59 65 38 2a 70 1d 10 02 5a 66 71 2c 1f 1e 11 03 5b"
    "67 2e 2d 20 12 05 04 5c 68 39 2f 21 14 13 06 5d 69 31 30 23 22 15 07 5e 6a 72 32 24 16 08 09 5f"
    "6b 33 25 17 18 0b 0a 60 6c 34 35 26 27 19 0c 61 6d 73 28 74 1a 0d 62 6e 3a 36 1c 1b 75 2b 63 76"
    "55 56 77 78 79 7a 0e 7b 7c 4f 7d 4b 47 7e 7f 6f 52 53 50 4c 4d 48 01 45 57 4e 51 4a 37 49 46 54"
    "80 81 82 41 54"
) + bytes(range(0x85, 0x100))

KEYS: dict[str, tuple[int, int]] = {
    # Main block
    "esc": (0x76, 0x08),
    "grave_accent": (0x0E, 0x0E),
    "1": (0x16, 0x16),
    "2": (0x1E, 0x1E),
    "3": (0x26, 0x26),
    "4": (0x25, 0x25),
    "5": (0x2E, 0x2E),
    "6": (0x36, 0x36),
    "7": (0x3D, 0x3D),
    "8": (0x3E, 0x3E),
    "9": (0x46, 0x46),
    "0": (0x45, 0x45),
    "minus": (0x4E, 0x4E),
    "equal": (0x55, 0x55),
    "backspace": (0x66, 0x66),
    "tab": (0x0D, 0x0D),
    "q": (0x15, 0x15),
    "w": (0x1D, 0x1D),
    "e": (0x24, 0x24),
    "r": (0x2D, 0x2D),
    "t": (0x2C, 0x2C),
    "y": (0x35, 0x35),
    "u": (0x3C, 0x3C),
    "i": (0x43, 0x43),
    "o": (0x44, 0x44),
    "p": (0x4D, 0x4D),
    "bracket_left": (0x54, 0x54),
    "bracket_right": (0x5B, 0x5B),
    "ret": (0x5A, 0x5A),
    "caps_lock": (0x58, 0x14),
    "a": (0x1C, 0x1C),
    "s": (0x1B, 0x1B),
    "d": (0x23, 0x23),
    "f": (0x2B, 0x2B),
    "g": (0x34, 0x34),
    "h": (0x33, 0x33),
    "j": (0x3B, 0x3B),
    "k": (0x42, 0x42),
    "l": (0x4B, 0x4B),
    "semicolon": (0x4C, 0x4C),
    "apostrophe": (0x52, 0x52),
    "backslash": (0x5D, 0x5C),
    "shift": (0x12, 0x12),
    "less": (0x61, 0x13),
    "z": (0x1A, 0x1A),
    "x": (0x22, 0x22),
    "c": (0x21, 0x21),
    "v": (0x2A, 0x2A),
    "b": (0x32, 0x32),
    "n": (0x31, 0x31),
    "m": (0x3A, 0x3A),
    "comma": (0x41, 0x41),
    "dot": (0x49, 0x49),
    "slash": (0x4A, 0x4A),
    "shift_r": (0x59, 0x59),
    "ctrl": (0x14, 0x11),
    "meta_l": (0xE01F, 0x8B),
    "alt": (0x11, 0x19),
    "spc": (0x29, 0x29),
    "alt_r": (0xE011, 0x39),
    "meta_r": (0xE027, 0x8C),
    "compose": (0xE02F, 0x8D),
    "menu": (0xE02F, 0x8D),
    "ctrl_r": (0xE014, 0x58),
    # Function keys
    "f1": (0x05, 0x07),
    "f2": (0x06, 0x0F),
    "f3": (0x04, 0x17),
    "f4": (0x0C, 0x1F),
    "f5": (0x03, 0x27),
    "f6": (0x0B, 0x2F),
    "f7": (0x83, 0x37),
    "f8": (0x0A, 0x3F),
    "f9": (0x01, 0x47),
    "f10": (0x09, 0x4F),
    "f11": (0x78, 0x56),
    "f12": (0x07, 0x5E),
    "f13": (0x08, 0x7F),
    "f14": (0x10, 0x80),
    "f15": (0x18, 0x81),
    "f16": (0x20, 0x82),
    "f17": (0x28, 0x83),
    "f18": (0x30, 0),
    "f19": (0x38, 0),
    "f20": (0x40, 0),
    "f21": (0x48, 0),
    "f22": (0x50, 0),
    "f23": (0x57, 0),
    "f24": (0x5F, 0),
    "print": (0xE07C, 0x57),
    "sysrq": (0x84, 0x57),
    "scroll_lock": (0x7E, 0x5F),
    "pause": (0xE07E, 0x62),
    # Editing and cursor block
    "insert": (0xE070, 0x67),
    "home": (0xE06C, 0x6E),
    "pgup": (0xE07D, 0x6F),
    "delete": (0xE071, 0x64),
    "end": (0xE069, 0x65),
    "pgdn": (0xE07A, 0x6D),
    "up": (0xE075, 0x63),
    "left": (0xE06B, 0x61),
    "down": (0xE072, 0x60),
    "right": (0xE074, 0x6A),
    # Keypad
    "num_lock": (0x77, 0x76),
    "kp_divide": (0xE04A, 0x77),
    "kp_multiply": (0x7C, 0x7E),
    "asterisk": (0x7C, 0x7E),
    "kp_subtract": (0x7B, 0x84),
    "kp_add": (0x79, 0x7C),
    "kp_enter": (0xE05A, 0x79),
    "kp_decimal": (0x71, 0x71),
    "kp_0": (0x70, 0x70),
    "kp_1": (0x69, 0x69),
    "kp_2": (0x72, 0x72),
    "kp_3": (0x7A, 0x7A),
    "kp_4": (0x6B, 0x6B),
    "kp_5": (0x73, 0x73),
    "kp_6": (0x74, 0x74),
    "kp_7": (0x6C, 0x6C),
    "kp_8": (0x75, 0x75),
    "kp_9": (0x7D, 0x7D),
    "kp_comma": (0x6D, 0),
    "kp_equals": (0x0F, 0),
    # Japanese and Korean keyboards
    "ro": (0x51, 0x51),
    "yen": (0x6A, 0x5D),
    "muhenkan": (0x67, 0x85),
    "henkan": (0x64, 0x86),
    "hiragana": (0x13, 0x87),
    "katakanahiragana": (0x13, 0x87),
    "lang1": (0xF2, 0),
    "lang2": (0xF1, 0),
    # Power and multimedia
    "power": (0xE037, 0),
    "sleep": (0xE03F, 0),
    "wake": (0xE05E, 0),
    "audionext": (0xE04D, 0),
    "audioprev": (0xE015, 0),
    "audiostop": (0xE03B, 0),
    "audioplay": (0xE034, 0),
    "audiomute": (0xE023, 0),
    "volumeup": (0xE032, 0),
    "volumedown": (0xE021, 0),
    "mediaselect": (0xE050, 0),
    "mail": (0xE048, 0),
    "calculator": (0xE02B, 0),
    "computer": (0xE040, 0),
    "find": (0xE010, 0),
    "ac_home": (0xE03A, 0),
    "ac_back": (0xE038, 0),
    "ac_forward": (0xE030, 0),
    "ac_refresh": (0xE020, 0),
    "ac_bookmarks": (0xE018, 0),
}

SET3_CODES = 0x90  # set 3 codes lie below this

# How set 3 keys report by default: most repeat while held and say nothing when released.
SET3_MAKE_BREAK = bytes.fromhex("11 12 14 19 59")
SET3_MAKE_ONLY = bytes.fromhex(
    "07 08 0f 17 1f 27 2f 37 39 3f 47 4f 56 57 58 5e 5f 62 65 67 69 6b 6c 6d 6e 6f 70 71 72 73 74 75 76 77 79 7a"
    "7d 7e 84 8b 8c 8d"
)


def scan_code(code: int, down: bool, scan_set: int) -> bytes:
    """The bytes for pressing or releasing a key with set 2 *code* (0xE0xx or one byte), in set 1 or 2."""
    low = code & 0xFF
    prefix = bytes((EXTENDED,)) if code > 0xFF else b""
    if scan_set == 1:
        made = TRANSLATION[low]
        return prefix + bytes((made if down else made | 0x80,))
    return prefix + (bytes((low,)) if down else bytes((RELEASED, low)))


def number_key(number: int) -> str | None:
    """The key with scan code *number* of set 1 (0x80 added for the extended keys), or None."""
    return _NUMBER_KEYS.get(number)


_NUMBER_KEYS: dict[int, str] = {}
for _name, (_code, _) in KEYS.items():
    _NUMBER_KEYS.setdefault(TRANSLATION[_code & 0xFF] & 0x7F | (0x80 if _code > 0xFF else 0), _name)
