"""PS/2 mouse, with wheel (IntelliMouse) and five buttons (IntelliMouse Explorer), device type ``ps2-mouse``.

Source   IBM PS/2 Hardware Interface Technical Reference, "Mouse"; Microsoft IntelliMouse and Explorer extensions
         (the sample rates 200, 100, 80 and 200, 200, 80 make it answer with identity 3 and 4)
Ports    none: the keyboard controller calls ``write()`` and takes bytes with ``take()``
IRQ      none of its own: ``on_data()`` tells the controller that there is a byte
Units    counts of movement: dx to the right, dy towards the user, dz wheel towards the user
Errors   a command it does not know is answered with FE (resend), a second time with FC (error)
Missing  the sample rate only answers queries: a packet is made as soon as there is news and room for it
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from pyqemu.core.device import Device, State
from pyqemu.core.state import StateError

QUEUE_BYTES = 16
TRAVEL_LIMIT = 2047  # counts kept while the guest does not look

# Buttons, by bit number in the packet
LEFT, RIGHT, MIDDLE, SIDE, EXTRA = range(5)

# Commands
SCALING_1 = 0xE6
SCALING_2 = 0xE7
RESOLUTION = 0xE8
STATUS = 0xE9
STREAM = 0xEA
READ = 0xEB
WRAP_OFF = 0xEC
WRAP = 0xEE
REMOTE = 0xF0
IDENTIFY = 0xF2
SAMPLE_RATE = 0xF3
ENABLE = 0xF4
DISABLE = 0xF5
DEFAULTS = 0xF6
RESEND = 0xFE
RESET = 0xFF

# Answers
ACK = 0xFA
AGAIN = 0xFE
FAILED = 0xFC
TEST_PASSED = 0xAA

RATES = (10, 20, 40, 60, 80, 100, 200)
KNOCK_WHEEL = [200, 100, 80]
KNOCK_EXPLORER = [200, 200, 80]
PLAIN, WHEEL, EXPLORER = 0, 3, 4  # identities

STATUS_REMOTE = 0x40
STATUS_ENABLED = 0x20
STATUS_SCALING = 0x10

RING_BYTES = 256  # of the queue in a stream
NO_COMMAND = -1
STREAM_STRUCT = ("PS2 Common State", 3)

PACKET_ALWAYS = 0x08
PACKET_X_SIGN = 0x10
PACKET_Y_SIGN = 0x20

SCALED = (0, 1, 1, 3, 6, 9)  # counts 0 to 5 with scaling 2:1; more are doubled


class Ps2Mouse(Device, type="ps2-mouse", vmstate="ps2mouse", version=2):
    command = State.u8(reset=0, sent=False)  # waits for its parameter; 0: none
    write_cmd = State.view(
        "int32",
        lambda mouse: mouse.command or NO_COMMAND,
        lambda mouse, value: mouse._await(value),
        group=STREAM_STRUCT,
    )
    answers = State.fifo(QUEUE_BYTES, sent=False)
    packets = State.fifo(QUEUE_BYTES, sent=False)
    queue = State.view(
        "ring",
        lambda mouse: bytes((0, *mouse.answers, *mouse.packets)),
        lambda mouse, data: mouse._refill(data),
        count=RING_BYTES,
        group=STREAM_STRUCT,
    )
    mouse_status = State.view("uint8", lambda mouse: mouse._modes(), lambda mouse, value: mouse._set_modes(value))
    enabled = State.bool(reset=False, sent=False)
    remote = State.bool(reset=False, sent=False)
    scaling = State.bool(reset=False, sent=False)
    resolution = State.u8(reset=0, name="mouse_resolution")
    sample_rate = State.u8(reset=0, name="mouse_sample_rate")
    wrap = State.bool(reset=False, name="mouse_wrap", wire="uint8")
    identity = State.u8(reset=PLAIN, name="mouse_type")
    detection = State.constant("uint8", 0, name="mouse_detect_state")
    dx = State.i32(reset=0, name="mouse_dx")
    dy = State.i32(reset=0, name="mouse_dy")
    dz = State.i32(reset=0, name="mouse_dz")
    buttons = State.u8(reset=0, name="mouse_buttons")
    waiting_answers = State.view(
        "uint8",
        lambda mouse: len(mouse.answers),
        lambda mouse, count: mouse._split(count),
        sub="answers",
        implied=0,
    )
    rates = State.ints(3, sub="details")  # the last three, oldest first
    refused = State.bool(reset=False, sub="details")  # the last byte was answered with "resend"
    reported_buttons = State.u8(reset=0, sub="details")
    last_sent = State.bytes(6, sub="details")  # length, then up to five bytes

    def __init__(self) -> None:
        super().__init__()
        self.on_data: Callable[[], None] = lambda: None

    # -- in a stream ----------------------------------------------------------------------------------

    def _await(self, value: int) -> None:
        self.command = value if 0 < value < 256 else 0

    def _refill(self, data: bytes) -> None:
        """The queue has answers and packets in the order in which they are taken."""
        self.answers, self.packets = deque(), deque(data[1 : 1 + QUEUE_BYTES])
        self._all = data[1:]

    def _split(self, count: int) -> None:
        """Only so many bytes of the queue are answers."""
        if count > QUEUE_BYTES or len(self._all) - count > QUEUE_BYTES:
            raise StateError(f"{count} answers of {len(self._all)} bytes")
        self.answers, self.packets = deque(self._all[:count]), deque(self._all[count:])

    _all = b""

    def _modes(self) -> int:
        """The bits of the status byte that commands set."""
        return (
            (STATUS_REMOTE if self.remote else 0)
            | (STATUS_ENABLED if self.enabled else 0)
            | (STATUS_SCALING if self.scaling else 0)
        )

    def _set_modes(self, status: int) -> None:
        self.remote = bool(status & STATUS_REMOTE)
        self.enabled = bool(status & STATUS_ENABLED)
        self.scaling = bool(status & STATUS_SCALING)

    # -- towards the controller -----------------------------------------------------------------------

    def has_data(self) -> bool:
        return bool(self.answers or (self.packets and not self.command))

    def take(self) -> int:
        """The next byte; only while there is one."""
        if self.answers:
            return self.answers.popleft()
        byte = self.packets.popleft()
        self._report()
        return byte

    def write(self, value: int) -> None:
        """A byte from the host: a command, or the parameter of the one before."""
        if self.wrap and value not in (RESET, WRAP_OFF):
            self._answer(bytes((value,)), keep=False)
        elif self.command:
            command, self.command = self.command, 0
            self._parameter(command, value)
        else:
            self._command(value)

    def _answer(self, data: bytes, keep: bool = True) -> None:
        if len(self.answers) + len(data) > QUEUE_BYTES:
            self.guest_error("commands without reading the answers")
            return
        self.answers.extend(data)
        if keep:
            self.refused = False
            self.last_sent[:] = (bytes((len(data),)) + data).ljust(6, b"\0")[:6]

    def _command(self, value: int) -> None:
        answer = bytes((ACK,))
        if value == RESET:
            self._defaults()
            self.identity = PLAIN
            self.wrap = False
            self.answers.clear()
            answer = bytes((ACK, TEST_PASSED, PLAIN))
        elif value == RESEND:
            data = bytes(self.last_sent[1 : 1 + min(self.last_sent[0], 5)])
            self._answer(data or answer, keep=False)
            return
        elif value == DEFAULTS:
            self._defaults()
        elif value in (ENABLE, DISABLE):
            self._forget()
            self.enabled = value == ENABLE
        elif value in (SAMPLE_RATE, RESOLUTION):
            self.packets.clear()
            self.command = value
        elif value == IDENTIFY:
            self.packets.clear()
            answer = bytes((ACK, self.identity))
        elif value in (REMOTE, STREAM):
            self._forget()
            self.remote = value == REMOTE
        elif value == WRAP:
            self._forget()
            self.wrap = True
        elif value == WRAP_OFF:
            self._forget()
            self.wrap = False
        elif value == READ:
            self.packets.clear()
            answer += self._packet(scaled=False)
        elif value == STATUS:
            answer = bytes((ACK, self._status(), self.resolution, self.sample_rate))
        elif value in (SCALING_1, SCALING_2):
            self.scaling = value == SCALING_2
        else:
            self._refuse(value)
            return
        self._answer(answer)

    def _parameter(self, command: int, value: int) -> None:
        if command == SAMPLE_RATE:
            if value not in RATES:
                self._refuse(value, command)
                return
            self.sample_rate = value
            self.rates = [*self.rates[1:], value]
            if self.rates == KNOCK_WHEEL:
                self.identity = WHEEL
            elif self.rates == KNOCK_EXPLORER:
                self.identity = EXPLORER
        elif command == RESOLUTION:
            if value > 3:
                self._refuse(value, command)
                return
            self.resolution = value
        self._answer(bytes((ACK,)))

    def _refuse(self, value: int, command: int = 0) -> None:
        """The first time it asks for another try, the second time it gives up."""
        self.guest_error(f"unknown command or parameter {value:02x}")
        refused = self.refused
        self._answer(bytes((FAILED if refused else AGAIN,)), keep=False)
        self.refused = not refused
        self.command = 0 if refused else command

    def _status(self) -> int:
        buttons = self.buttons
        return (
            (STATUS_REMOTE if self.remote else 0)
            | (STATUS_ENABLED if self.enabled else 0)
            | (STATUS_SCALING if self.scaling else 0)
            | (buttons & 1) << 2
            | (buttons >> MIDDLE & 1) << 1
            | buttons >> RIGHT & 1
        )

    def _defaults(self) -> None:
        self._forget()
        self.sample_rate, self.resolution = 100, 2
        self.scaling = self.remote = self.enabled = False
        self.rates = [0, 0, 0]
        self.command = 0

    def _forget(self) -> None:
        """Drop movement and packets not sent yet."""
        self.packets.clear()
        self.dx = self.dy = self.dz = 0
        self.reported_buttons = self.buttons

    # -- towards the user -----------------------------------------------------------------------------

    def move(self, dx: int, dy: int, dz: int = 0) -> None:
        """The mouse moves: *dx* to the right, *dy* down the screen, the wheel *dz* clicks towards the user."""
        self.dx = max(-TRAVEL_LIMIT, min(TRAVEL_LIMIT, self.dx + dx))
        self.dy = max(-TRAVEL_LIMIT, min(TRAVEL_LIMIT, self.dy + dy))
        self.dz = max(-TRAVEL_LIMIT, min(TRAVEL_LIMIT, self.dz + dz)) if self.identity != PLAIN else 0
        self._news()

    def button(self, index: int, down: bool) -> None:
        """A button (``LEFT`` to ``EXTRA``) goes down or up."""
        if LEFT <= index <= EXTRA:
            self.buttons = self.buttons | 1 << index if down else self.buttons & ~(1 << index)
            self._news()

    def _news(self) -> None:
        self._report()
        if self.packets:
            self.on_data()

    def _report(self) -> None:
        """In stream mode: make packets of the news while there is room for them."""
        if not self.enabled or self.remote or self.wrap:
            return
        size = 3 if self.identity == PLAIN else 4
        mask = 0x1F if self.identity == EXPLORER else 0x07
        while len(self.packets) + size <= QUEUE_BYTES and (
            self.dx or self.dy or self.dz or (self.buttons ^ self.reported_buttons) & mask
        ):
            self.packets.extend(self._packet(scaled=self.scaling))

    def _packet(self, scaled: bool) -> bytes:
        """Buttons and signs, movement in x and up in y, then the wheel and further buttons."""
        dx, dy = (max(-127, min(127, travel)) for travel in (self.dx, self.dy))
        self.dx -= dx
        self.dy -= dy
        if scaled:
            dx, dy = _scale(dx), _scale(dy)
        up = -dy
        self.reported_buttons = self.buttons
        head = PACKET_ALWAYS | self.buttons & 7
        head |= (PACKET_X_SIGN if dx < 0 else 0) | (PACKET_Y_SIGN if up < 0 else 0)
        packet = bytes((head, dx & 0xFF, up & 0xFF))
        if self.identity == PLAIN:
            self.dz = 0
            return packet
        dz = max(-8, min(7, self.dz))
        self.dz -= dz
        if self.identity == EXPLORER:
            return packet + bytes((dz & 0x0F | (self.buttons & 0x18) << 1,))
        return packet + bytes((dz & 0xFF,))


def _scale(counts: int) -> int:
    """Scaling 2:1: slow movement stays fine, fast movement is doubled."""
    size = abs(counts)
    size = SCALED[size] if size < len(SCALED) else 2 * size
    return -size if counts < 0 else size
