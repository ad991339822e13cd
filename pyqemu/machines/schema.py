"""What a machine type's YAML file may say, and the checks on it.

    name         as the file is called
    alias        a second name
    inherits     another type: start from it, then apply what follows
    stability    which promise is made, a class of policy.yaml
    since        the release it came with, MAJOR.MINOR
    desc         one line for ``-M help``
    default      on for the type that runs without ``-M``
    board        the device tree, ``boards/BOARD.yaml``
    without      ids of devices of that tree that this type lacks
    devices      devices that it has besides
    hw_version   the version that guests see in model strings
    max_cpus, default_cpu, default_ram, default_display, default_nic
    accel        what executes its instructions; only tcg can run here
    kvmclock     whether guests under KVM are offered its clock
    stream       what surrounds the sections of its saved states: as we write it, or as QEMU does for an old type
    defaults     {DRIVER: {PROPERTY: VALUE}}: what properties are unless the board or anything later says
    compat       properties of devices, passed on to the types that inherit this one
    compat_own   properties of devices, for this type alone

Errors   ConfigError: file, line, column, the key, what is accepted and the nearest match
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pyqemu.core.errors import ConfigError, nearest
from pyqemu.core.sizes import parse_size
from pyqemu.machines.document import Node, Place

DISPLAYS = ("std", "cirrus", "vmware", "qxl", "none")
ACCELERATORS = ("tcg", "kvm", "xen")
STREAMS = ("pyqemu", "qemu", "qemu-2.0", "qemu-1.4")

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_RELEASE = re.compile(r"(0|[1-9]\d{0,3})\.(0|[1-9]\d{0,3})")
_SLOT = re.compile(r"([12]?\d|3[01])\.([0-7])")
_MAX_ENTRIES = 1000
_MAX_TEXT = 200
_TRUE, _FALSE = ("on", "yes", "true"), ("off", "no", "false")

Release = tuple[int, int]


@dataclass(frozen=True, slots=True)
class CompatProperty:
    """A device property that a machine type sets; ``-global`` and ``-device`` win over it."""

    driver: str
    property: str
    value: str
    place: Place | None = field(default=None, compare=False)

    def __str__(self) -> str:
        return f"{self.driver}.{self.property}={self.value}"


@dataclass(frozen=True, slots=True)
class DeviceNode:
    """One device of a board. ``devfn`` is -1 on the ISA side, and for the next free PCI slot."""

    id: str
    type: str
    devfn: int = -1
    props: dict[str, Any] = field(default_factory=dict)
    place: Place | None = field(default=None, compare=False)
    places: dict[str, Place] = field(default_factory=dict, compare=False)  # of each property


@dataclass(frozen=True, slots=True, eq=False)
class Definition:
    """One file, checked. ``said`` has the keys that it uses, ``places`` where their values stand."""

    name: str
    path: Path
    said: dict[str, Any]
    places: dict[str, Place]

    @property
    def inherits(self) -> str | None:
        return self.said.get("inherits")

    @property
    def alias(self) -> str | None:
        return self.said.get("alias")

    @property
    def default(self) -> bool:
        return bool(self.said.get("default"))

    def error(self, key: str, message: str, hint: str = "") -> ConfigError:
        """A complaint about a key's value, at its place; about the file, for a key that it lacks."""
        place = self.places.get(key) or Place(self.path, 1, 1)
        return place.error(message, hint)


class _Expected(Exception):
    """A value is not of the kind that its key wants; the text says which kind that is."""

    def __init__(self, what: str, node: Node | None = None) -> None:
        super().__init__(what)
        self.node = node


Check = Callable[[Node], Any]


def word(node: Node) -> str:
    if not isinstance(node.value, str) or not _NAME.fullmatch(node.value):
        raise _Expected("a name of letters, digits, '.', '_' and '-'")
    return node.value


def _type_name(node: Node) -> str:
    name = word(node)
    if name == "help":  # -M help lists the types
        raise _Expected("a name other than 'help'")
    return name


def line(node: Node) -> str:
    if not isinstance(node.value, str) or not node.value.isprintable() or not 0 < len(node.value) <= _MAX_TEXT:
        raise _Expected(f"one line of text, at most {_MAX_TEXT} characters")
    return node.value


def flag(node: Node) -> bool:
    if node.value in _TRUE:
        return True
    if node.value in _FALSE:
        return False
    raise _Expected("on or off")


def between(low: int, high: int) -> Check:
    def check(node: Node) -> int:
        text = node.value
        number = (
            int(text) if isinstance(text, str) and text.isascii() and text.isdecimal() and len(text) < 9 else -1
        )
        if not low <= number <= high:
            raise _Expected(f"a number from {low} to {high}")
        return number

    return check


def choice(choices: Iterable[str]) -> Check:
    known = tuple(choices)

    def check(node: Node) -> str:
        if node.value not in known:
            raise _Expected(f"{', '.join(known[:-1])} or {known[-1]}")
        return str(node.value)

    return check


def release(node: Node) -> Release:
    match = _RELEASE.fullmatch(node.value) if isinstance(node.value, str) else None
    if match is None:
        raise _Expected("a release, MAJOR.MINOR")
    return int(match[1]), int(match[2])


def _ram(node: Node) -> int:
    try:
        size = parse_size(node.value, "") if isinstance(node.value, str) else 0
    except ConfigError:
        size = 0
    if not 1 << 20 <= size < 1 << 52:
        raise _Expected("a memory size of 1M or more, like 128M")
    return size


def _setting(node: Node) -> str:
    """A property's value, as ``-global`` would have it."""
    if not isinstance(node.value, str) or len(node.value) > _MAX_TEXT or not node.value.isprintable():
        raise _Expected(f"one line of text, at most {_MAX_TEXT} characters")
    return node.value


def entries(node: Node, check: Callable[[Node], Any]) -> tuple[Any, ...]:
    """The checked items of a list of at most _MAX_ENTRIES."""
    if not isinstance(node.value, list) or len(node.value) > _MAX_ENTRIES:
        raise _Expected(f"a list of at most {_MAX_ENTRIES} entries")
    return tuple(check(item) for item in node.value)


_COMPAT_KEYS: dict[str, Check] = {"driver": word, "property": word, "value": _setting}


def _compat_entry(node: Node) -> CompatProperty:
    values = checked(node, _COMPAT_KEYS, required=_COMPAT_KEYS)
    return CompatProperty(**values, place=node.place)


def _compat(node: Node) -> tuple[CompatProperty, ...]:
    return entries(node, _compat_entry)


def _names(node: Node) -> tuple[str, ...]:
    return entries(node, lambda item: each(item, word))


def settings(node: Node) -> dict[str, str]:
    """``{PROPERTY: VALUE}``."""
    if not isinstance(node.value, dict):
        raise _Expected("{PROPERTY: VALUE, …}")
    for key, place in node.keys.items():
        if not _NAME.fullmatch(key):
            raise place.error(f"'{key:.80}' is not the name of a property")
    return {key: each(value, _setting) for key, value in node.value.items()}


def _defaults(node: Node) -> tuple[CompatProperty, ...]:
    if not isinstance(node.value, dict):
        raise _Expected("{DRIVER: {PROPERTY: VALUE, …}, …}")
    found = []
    for driver, content in node.value.items():
        values = each(content, settings)
        assert isinstance(content.value, dict)
        found += [CompatProperty(driver, name, values[name], content.value[name].place) for name in values]
    return tuple(found)


def _devfn(node: Node) -> int:
    match = _SLOT.fullmatch(node.value) if isinstance(node.value, str) else None
    if match is None:
        raise _Expected("SLOT.FUNCTION, 0.0 to 31.7")
    return int(match[1]) << 3 | int(match[2])


_DEVICE_KEYS: dict[str, Check] = {"id": word, "type": word, "slot": _devfn, "props": settings}


def device(node: Node) -> DeviceNode:
    """A device of a board: {id: …, type: …, slot: …, props: {…}}."""
    values = checked(node, _DEVICE_KEYS, required=("id", "type"))
    content = node.value
    assert isinstance(content, dict)
    props = content["props"].value if "props" in content else {}
    places = {name: value.place for name, value in props.items()} if isinstance(props, dict) else {}
    return DeviceNode(
        values["id"], values["type"], values.get("slot", -1), values.get("props", {}), node.place, places
    )


def devices(node: Node) -> tuple[DeviceNode, ...]:
    found: tuple[DeviceNode, ...] = entries(node, device)
    seen: set[str] = set()
    for entry in found:
        if entry.id in seen:
            assert entry.place
            raise entry.place.error(f"two devices are called '{entry.id}'")
        seen.add(entry.id)
    return found


_KEYS: dict[str, Check] = {
    "name": _type_name,
    "alias": _type_name,
    "inherits": word,
    "stability": word,
    "since": release,
    "desc": line,
    "default": flag,
    "board": word,
    "without": _names,
    "devices": devices,
    "hw_version": line,
    "max_cpus": between(1, 255),
    "default_cpu": line,
    "default_ram": _ram,
    "default_display": choice(DISPLAYS),
    "default_nic": word,
    "accel": choice(ACCELERATORS),
    "kvmclock": flag,
    "stream": choice(STREAMS),
    "defaults": _defaults,
    "compat": _compat,
    "compat_own": _compat,
}


def each(node: Node, check: Check, name: str = "") -> Any:
    """The value of *node*, checked. Raises ConfigError at its place."""
    try:
        return check(node)
    except _Expected as expected:
        what = f"'{name}' expects {expected}" if name else f"expects {expected}"
        raise node.place.error(what, f"The value was {node}.") from None


def checked(node: Node, keys: Mapping[str, Check], required: Iterable[str] = ()) -> dict[str, Any]:
    """The values of a mapping with *keys*, of which some are *required*. Raises ConfigError."""
    if not isinstance(node.value, dict):
        raise node.place.error("expects lines of 'key: value'", f"Accepted: {', '.join(keys)}.")
    values = {}
    for key, value in node.value.items():
        if key not in keys:
            hint = nearest(key, keys) or f"Accepted: {', '.join(keys)}."
            raise node.keys[key].error(f"unknown key '{key:.80}'", hint)
        values[key] = each(value, keys[key], key)
    for key in required:
        if key not in values:
            raise node.place.error(f"'{key}' is missing", f"Accepted: {', '.join(keys)}.")
    return values


def check_definition(node: Node, path: Path) -> Definition:
    """The definition in a document. Raises ConfigError."""
    values = checked(node, _KEYS, required=("name",))
    assert isinstance(node.value, dict)
    places = {key: value.place for key, value in node.value.items()}
    if values["name"] != path.stem:
        raise places["name"].error(
            f"'name' expects '{path.stem}', like the file", f"The value was '{values['name']}'."
        )
    return Definition(values["name"], path, values, places)
