"""Keys and mouse, as if somebody sat at the machine."""

from __future__ import annotations

from typing import Any

from pyqemu.hw.input.keycodes import KEYS, number_key
from pyqemu.monitor.errors import QmpError, device_not_found
from pyqemu.monitor.monitor import Monitor
from pyqemu.monitor.qapi import BOOL, INT, STR, Array, Enum, Struct, Union
from pyqemu.monitor.table import Hmp, command, hmp_command

HOLD_MS = 100
NS_PER_MS = 1_000_000
MAX_KEYS = 16

QCODE = Enum("QKeyCode", ["unmapped", *KEYS])
KEY = Union(
    "KeyValue",
    {"type": Enum("KeyValueKind", ("number", "qcode"))},
    "type",
    {"number": Struct("IntWrapper", {"data": INT}), "qcode": Struct("QKeyCodeWrapper", {"data": QCODE})},
)
BUTTONS = ("left", "middle", "right", "wheel-up", "wheel-down", "side", "extra")
KEY_EVENT = Struct("InputKeyEvent", {"key": KEY, "down": BOOL})
BUTTON_EVENT = Struct("InputBtnEvent", {"button": Enum("InputButton", BUTTONS), "down": BOOL})
MOVE_EVENT = Struct("InputMoveEvent", {"axis": Enum("InputAxis", ("x", "y")), "value": INT})
EVENT = Union(
    "InputEvent",
    {"type": Enum("InputEventKind", ("key", "btn", "rel", "abs"))},
    "type",
    {
        "key": Struct("InputKeyEventWrapper", {"data": KEY_EVENT}),
        "btn": Struct("InputBtnEventWrapper", {"data": BUTTON_EVENT}),
        "rel": Struct("InputMoveEventWrapper", {"data": MOVE_EVENT}),
        "abs": Struct("InputAbsEventWrapper", {"data": MOVE_EVENT}),
    },
)
MOUSE_BUTTONS = {"left": 0, "right": 1, "middle": 2, "side": 3, "extra": 4}
HMP_BUTTONS = ("left", "middle", "right")  # bits 0 to 2 of mouse_button


def _keyboard(monitor: Monitor) -> Any:
    keyboard: Any = monitor.vm.devices.get("keyboard")
    if keyboard is None:
        raise QmpError("The machine has no keyboard")
    return keyboard


def _name(key: dict[str, Any]) -> str:
    """A key's name; numbers are scan codes of set 1, 0x80 added for the extended ones."""
    if key["type"] == "qcode":
        return str(key["data"])
    return number_key(key["data"]) or "unmapped"


@command(
    "send-key",
    {"keys": Array(KEY), "?hold-time": INT},
    hmp=Hmp(
        "sendkey",
        "keys:s,hold_time:i?",
        "keys [hold_ms]",
        "send keys to the VM (e.g. 'sendkey ctrl-alt-f1', default hold time=100 ms)",
        run=lambda monitor, keys, hold_time=HOLD_MS: _sendkey(monitor, keys, hold_time),
    ),
)
def send_key(monitor: Monitor, keys: list[dict[str, Any]], hold_time: int = HOLD_MS) -> None:
    press_keys(monitor, [_name(key) for key in keys], hold_time)


def _sendkey(monitor: Monitor, keys: str, hold_ms: int) -> str:
    names = []
    rest = keys.replace("--", "-minus") if keys.endswith("--") else keys
    for word in rest.split("-"):
        name = "less" if word == "<" else word
        if name[:2] == "0x":
            try:
                found = number_key(int(name, 16))
            except ValueError:
                found = None
            if found is None:
                return f"invalid parameter: {word}\n"
            name = found
        if name not in KEYS:
            return f"invalid parameter: {word}\n"
        names.append(name)
    press_keys(monitor, names, hold_ms)
    return ""


def press_keys(monitor: Monitor, names: list[str], hold_ms: int) -> None:
    """Press the keys together and release them *hold_ms* of the machine's time later."""
    if len(names) > MAX_KEYS:
        raise QmpError("Too many keys")
    typist = monitor.vm.typist
    if typist is None:
        raise QmpError("The machine has no keyboard")
    known = [name for name in names if name in KEYS]
    typist.press_together(known, max(0, hold_ms) * NS_PER_MS)


@command("input-send-event", {"?device": STR, "?head": INT, "events": Array(EVENT)})
def input_send_event(
    monitor: Monitor, events: list[dict[str, Any]], device: str | None = None, head: int | None = None
) -> None:
    if device is not None:
        raise device_not_found(device)
    keyboard = _keyboard(monitor)
    typist = monitor.vm.typist
    assert typist is not None  # there is a keyboard
    dx = dy = 0
    for event in events:
        data = event["data"]
        match event["type"]:
            case "key":
                if (name := _name(data["key"])) in KEYS:
                    typist.type(name, data["down"])
            case "btn":
                _button(keyboard.mouse, data["button"], data["down"])
            case "rel":
                if data["axis"] == "x":
                    dx += data["value"]
                else:
                    dy += data["value"]
            case "abs":
                raise QmpError("No absolute pointing device")
    if dx or dy:
        keyboard.mouse.move(_bounded(dx), _bounded(dy))


def _bounded(value: int) -> int:
    return max(-0x7FFFFFFF, min(value, 0x7FFFFFFF))


def _button(mouse: Any, button: str, down: bool) -> None:
    if button in MOUSE_BUTTONS:
        mouse.button(MOUSE_BUTTONS[button], down)
    elif down:
        mouse.move(0, 0, -1 if button == "wheel-up" else 1)


@hmp_command("mouse_move", "dx:s,dy:s,dz:s?", "dx dy [dz]", "send mouse move events")
def mouse_move(monitor: Monitor, dx: str, dy: str, dz: str = "0") -> str:
    try:
        steps = [_bounded(int(step, 0)) for step in (dx, dy, dz)]
    except ValueError:
        return "Error: integers expected\n"
    _keyboard(monitor).mouse.move(*steps)
    return ""


@hmp_command("mouse_button", "button_state:i", "state", "change mouse button state (1=L, 2=M, 4=R)")
def mouse_button(monitor: Monitor, button_state: int) -> None:
    mouse = _keyboard(monitor).mouse
    for bit, button in enumerate(HMP_BUTTONS):
        _button(mouse, button, bool(button_state & 1 << bit))


@hmp_command("mouse_set", "index:i", "index", "set which mouse device receives events")
def mouse_set(monitor: Monitor, index: int) -> str:
    return "" if index == MOUSE_INDEX else f"Error: Mouse at index '{index}' not found\n"


MOUSE_INDEX = 2
MOUSE = Struct("MouseInfo", {"name": STR, "index": INT, "current": BOOL, "absolute": BOOL})


def show_mice(reply: list[dict[str, Any]]) -> str:
    if not reply:
        return "No mouse devices connected\n"
    return "".join(
        f"{'*' if mouse['current'] else ' '} Mouse #{mouse['index']}: {mouse['name']}"
        f"{' (absolute)' if mouse['absolute'] else ''}\n"
        for mouse in reply
    )


@command(
    "query-mice",
    returns=Array(MOUSE),
    hmp=Hmp("info mice", help="show which guest mouse is receiving events", show=show_mice),
)
def query_mice(monitor: Monitor) -> list[dict[str, Any]]:
    if "keyboard" not in monitor.vm.devices:
        return []
    return [{"index": MOUSE_INDEX, "name": "QEMU PS/2 Mouse", "current": True, "absolute": False}]
