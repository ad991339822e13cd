"""IBM PS/2 keyboard with 101 keys and later ones' additions, device type ``ps2-kbd``.

Source   IBM PS/2 Hardware Interface Technical Reference, "Keyboards (101- and 102-key)": commands, scan codes
Ports    none: the keyboard controller calls ``write()`` and takes bytes with ``take()``
IRQ      none of its own: ``on_data()`` tells the controller that there is a byte
Units    bytes; the answer queue comes before the key queue, which holds 16 bytes as the real one does
Errors   a command it does not know is answered with FE (resend); a full key queue ends in an overrun code
Missing  repeating a held key by itself: whoever calls ``press()`` repeats it. The shift codes that keyboards put
         around the grey cursor keys for programs written for 83 keys
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from pyqemu.core.device import Device, State
from pyqemu.core.state import StateError
from pyqemu.core.trace import event
from pyqemu.hw.input.keycodes import (
    KEYS,
    RELEASED,
    SET3_CODES,
    SET3_MAKE_BREAK,
    SET3_MAKE_ONLY,
    scan_code,
)

PUT_KEYCODE = event("ps2_put_keycode", "%s")

QUEUE_BYTES = 16

# Commands
SET_LEDS = 0xED
ECHO = 0xEE
SCAN_SET = 0xF0
IDENTIFY = 0xF2
TYPEMATIC = 0xF3
ENABLE = 0xF4
DISABLE = 0xF5
DEFAULTS = 0xF6
ALL_TYPES = (0xF7, 0xF8, 0xF9, 0xFA)
KEY_TYPES = (0xFB, 0xFC, 0xFD)
RESEND = 0xFE
RESET = 0xFF

# Answers
ACK = 0xFA
AGAIN = 0xFE
TEST_PASSED = 0xAA
IDENTITY = b"\xab\x83"

# Set 3 key types: whether a held key repeats, whether its release is told
REPEATS = 1
RELEASES = 2
TYPE_OF_COMMAND = {
    0xF7: REPEATS,
    0xF8: RELEASES,
    0xF9: 0,
    0xFA: REPEATS | RELEASES,
    0xFB: REPEATS,
    0xFC: RELEASES,
    0xFD: 0,
}
DEFAULT_TYPES = bytes(
    RELEASES if code in SET3_MAKE_BREAK else 0 if code in SET3_MAKE_ONLY else REPEATS for code in range(SET3_CODES)
)
RING_BYTES = 256  # of the queue in a stream
NO_COMMAND = -1
STREAM_STRUCT = ("PS2 Common State", 3)
DEFAULT_TYPEMATIC = 0x2B  # 500 ms, then 10.9 a second

ALT, CTRL, SHIFT = ("alt", "alt_r"), ("ctrl", "ctrl_r"), ("shift", "shift_r")


class Ps2Keyboard(Device, type="ps2-kbd", vmstate="ps2kbd", version=3):
    command = State.u8(reset=0, sent=False)  # waits for its parameter; 0: none
    write_cmd = State.view(
        "int32",
        lambda keyboard: keyboard.command or NO_COMMAND,
        lambda keyboard, value: keyboard._await(value),
        group=STREAM_STRUCT,
    )
    last_sent = State.u8(reset=0, sent=False)
    answers = State.fifo(QUEUE_BYTES, sent=False)
    keys = State.fifo(QUEUE_BYTES, sent=False)
    queue = State.view(
        "ring",
        lambda keyboard: bytes((keyboard.last_sent, *keyboard.answers, *keyboard.keys)),
        lambda keyboard, data: keyboard._refill(data),
        count=RING_BYTES,
        group=STREAM_STRUCT,
    )
    enabled = State.bool(reset=True, name="scan_enabled", wire="int32")
    translate = State.view("int32", lambda keyboard: int(keyboard.translated()))
    scan_set = State.u8(reset=2, name="scancode_set", wire="int32")
    leds = State.u8(reset=0, name="ledstate", wire="int32", sub="ledstate")
    waiting_answers = State.view(
        "uint8",
        lambda keyboard: len(keyboard.answers),
        lambda keyboard, count: keyboard._split(count),
        sub="answers",
        implied=0,
    )
    typematic = State.u8(reset=DEFAULT_TYPEMATIC, sub="keys")
    key_types = State.bytes(SET3_CODES, reset=DEFAULT_TYPES, sub="keys")
    held = State.bytes(0x200, reset=0, sub="keys")  # by set 2 code, with 0x100 for a prefix

    def __init__(self) -> None:
        super().__init__()
        self.on_data: Callable[[], None] = lambda: None
        self.on_leds: Callable[[int], None] = lambda _leds: None
        self.translated: Callable[[], bool] = lambda: False  # whether the controller makes set 1 of what we send

    # -- in a stream ----------------------------------------------------------------------------------

    def _await(self, value: int) -> None:
        self.command = value if 0 < value < 256 else 0

    def _refill(self, data: bytes) -> None:
        """The queue has answers and keys in the order in which they are taken."""
        self.last_sent = data[0]
        self.answers, self.keys = deque(), deque(data[1 : 1 + QUEUE_BYTES])
        self._all = data[1:]

    def _split(self, count: int) -> None:
        """Only so many bytes of the queue are answers."""
        if count > QUEUE_BYTES or len(self._all) - count > QUEUE_BYTES:
            raise StateError(f"{count} answers of {len(self._all)} bytes")
        self.answers, self.keys = deque(self._all[:count]), deque(self._all[count:])

    _all = b""

    # -- towards the controller -----------------------------------------------------------------------

    def has_data(self) -> bool:
        return bool(self.answers or (self.keys and not self.command))

    def take(self) -> int:
        """The next byte; only while there is one."""
        self.last_sent = byte = self.answers.popleft() if self.answers else self.keys.popleft()
        return byte

    def write(self, value: int) -> None:
        """A byte from the host: a command, or the parameter of the one before."""
        if self.command and value < 0xED:
            command, self.command = self.command, 0
            self._parameter(command, value)
        else:
            self.command = 0
            self._command(value)

    def _answer(self, data: bytes) -> None:
        if len(self.answers) + len(data) > QUEUE_BYTES:
            self.guest_error("commands without reading the answers")
            return
        self.answers.extend(data)

    def _command(self, value: int) -> None:
        if value == ECHO:
            self._answer(bytes((ECHO,)))
        elif value == RESEND:
            self._answer(bytes((self.last_sent,)))
        elif value == IDENTIFY:
            self._answer(bytes((ACK,)) + IDENTITY)
        elif value == RESET:
            self._defaults()
            self.enabled = True
            self.answers.clear()
            self._answer(bytes((ACK, TEST_PASSED)))
        elif value in (SET_LEDS, SCAN_SET, TYPEMATIC) or value in KEY_TYPES:
            if value in KEY_TYPES:
                self.keys.clear()
            self.command = value
            self._answer(bytes((ACK,)))
        elif value in (ENABLE, DISABLE, DEFAULTS):
            if value == ENABLE:
                self.keys.clear()
            else:
                self._defaults()
            self.enabled = value != DISABLE
            self._answer(bytes((ACK,)))
        elif value in ALL_TYPES:
            self.keys.clear()
            self.key_types[:] = bytes((TYPE_OF_COMMAND[value],)) * SET3_CODES
            self._answer(bytes((ACK,)))
        else:
            self.guest_error(f"unknown command {value:02x}")
            self._answer(bytes((AGAIN,)))

    def _parameter(self, command: int, value: int) -> None:
        if command == SET_LEDS:
            self._set_leds(value & 7)
        elif command == TYPEMATIC:
            self.typematic = value & 0x7F
        elif command == SCAN_SET:
            if value > 3:
                self._answer(bytes((AGAIN,)))
                return
            if value == 0:
                self._answer(bytes((ACK, self.scan_set)))
                return
            self.scan_set = value
            self.keys.clear()
        elif command in KEY_TYPES:
            # A list of keys, ended by the next command.
            if value < SET3_CODES:
                self.key_types[value] = TYPE_OF_COMMAND[command]
            self.command = command
        self._answer(bytes((ACK,)))

    def _defaults(self) -> None:
        self.keys.clear()
        self.scan_set = 2
        self._set_leds(0)
        self.typematic = DEFAULT_TYPEMATIC
        self.key_types[:] = DEFAULT_TYPES

    def _set_leds(self, leds: int) -> None:
        self.leds = leds
        self.on_leds(leds)

    # -- towards the user -----------------------------------------------------------------------------

    def press(self, qkeycode: str, down: bool) -> None:
        """A key (QKeyCode name) goes down or up. A key that this keyboard lacks does nothing."""
        codes = KEYS.get(qkeycode)
        if codes is None:
            return
        code, code3 = codes
        number = _number(code)
        repeated = down and bool(self.held[number])
        if not down and not self.held[number]:
            return
        self.held[number] = down
        if not self.enabled:
            return
        if self.scan_set == 3:
            data = self._set3(code3, down, repeated)
        elif qkeycode == "pause":
            data = self._pause(down, repeated)
        elif qkeycode == "print":
            data = self._print(down)
        elif code in (0xF1, 0xF2):
            data = bytes((code,)) if down else b""  # the Korean keys have no release code
        else:
            data = scan_code(code, down, self.scan_set)
        if data:
            self._queue(data)
            self.on_data()

    def _queue(self, data: bytes) -> None:
        """All of a key's bytes or none; the overrun code takes the last place of a full queue."""
        if PUT_KEYCODE.on:
            PUT_KEYCODE(data.hex(" "))
        room = QUEUE_BYTES - len(self.keys)
        if len(data) < room:
            self.keys.extend(data)
        elif room:
            self.keys.append(0xFF if self.scan_set == 1 else 0x00)

    def _set3(self, code: int, down: bool, repeated: bool) -> bytes:
        if not code:
            return b""
        how = self.key_types[code]
        if down:
            return b"" if repeated and not how & REPEATS else bytes((code,))
        return bytes((RELEASED, code)) if how & RELEASES else b""

    def _pause(self, down: bool, repeated: bool) -> bytes:
        """Pause sends everything when pressed and does not repeat; with Ctrl it is Break."""
        if not down or repeated:
            return b""
        if self._is_held(CTRL):
            return scan_code(0xE07E, True, self.scan_set) + scan_code(0xE07E, False, self.scan_set)
        press, release = (
            scan_code(0x14, d, self.scan_set) + scan_code(0x77, d, self.scan_set) for d in (True, False)
        )
        return b"\xe1" + press + b"\xe1" + release

    def _print(self, down: bool) -> bytes:
        """Print Screen comes with a shift of its own; with Alt it is the old SysRq key."""
        if self._is_held(ALT):
            return scan_code(0x84, down, self.scan_set)
        key = scan_code(0xE07C, down, self.scan_set)
        if self._is_held(CTRL) or self._is_held(SHIFT):
            return key
        shift = scan_code(0xE012, down, self.scan_set)
        return shift + key if down else key + shift

    def _is_held(self, names: tuple[str, str]) -> bool:
        return any(self.held[_number(KEYS[name][0])] for name in names)


def _number(code: int) -> int:
    """A key's place in ``held``."""
    return code & 0xFF | (0x100 if code > 0xFF else 0)
