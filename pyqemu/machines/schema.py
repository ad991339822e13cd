"""What a machine type's YAML file may say, and the checks on it.

    name         as the file is called
    alias        a second name
    inherits     another type: start from it, then apply what follows
    desc         one line for ``-M help``
    default      true for the type that runs without ``-M``
    board        the device tree, ``boards/BOARD.yaml``
    hw_version   the version that guests see in model strings
    max_cpus, default_cpu, default_ram
    compat       properties of devices, passed on to the types that inherit this one
    compat_own   properties of devices, for this type alone

Errors   ConfigError naming the file, the key, what is accepted and the nearest match
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pyqemu.core.errors import ConfigError, nearest
from pyqemu.core.sizes import parse_size

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_MAX_COMPAT = 1000
_MAX_TEXT = 200


@dataclass(frozen=True, slots=True)
class CompatProperty:
    """A device property that a machine type sets; ``-global`` and ``-device`` win over it."""

    driver: str
    property: str
    value: str

    def __str__(self) -> str:
        return f"{self.driver}.{self.property}={self.value}"


@dataclass(frozen=True, slots=True)
class Definition:
    """One file, checked. None: not said, so inherited."""

    name: str
    path: Path
    alias: str | None = None
    inherits: str | None = None
    desc: str | None = None
    default: bool = False
    board: str | None = None
    hw_version: str | None = None
    max_cpus: int | None = None
    default_cpu: str | None = None
    default_ram: int | None = None  # bytes
    compat: tuple[CompatProperty, ...] = ()
    compat_own: tuple[CompatProperty, ...] = ()


@dataclass(frozen=True, slots=True)
class Policy:
    """How machine types live: ``locks`` are open until the first release closes them."""

    locks: Literal["open", "closed"]
    cadence_months: int
    stable_types: int


class _Expected(Exception):
    """A value is not of the kind that its key wants; the text says which kind that is."""


def _word(value: Any) -> str:
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise _Expected("a name of letters, digits, '.', '_' and '-' (a number needs quotes)")
    return value


def _line(value: Any) -> str:
    if not isinstance(value, str) or not value.isprintable() or not 0 < len(value) <= _MAX_TEXT:
        raise _Expected(f"one line of text, at most {_MAX_TEXT} characters (a number needs quotes)")
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise _Expected("true or false")
    return value


def _between(low: int, high: int) -> Callable[[Any], int]:
    def check(value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise _Expected(f"a number from {low} to {high}")
        return value

    return check


def _ram(value: Any) -> int:
    try:
        size = parse_size(value, "") if isinstance(value, str) else 0
    except ConfigError:
        size = 0
    if size < 1 << 20:
        raise _Expected("a memory size of 1M or more, like 128M")
    return size


def _choice(*choices: str) -> Callable[[Any], str]:
    def check(value: Any) -> str:
        if value not in choices:
            raise _Expected(" or ".join(choices))
        return str(value)

    return check


def _setting(value: Any) -> str:
    """A property's value, as ``-global`` would have it: YAML reads ``off`` and ``no`` as false."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, int):
        return str(value)
    if not isinstance(value, str) or len(value) > _MAX_TEXT:
        raise _Expected("text, a whole number, on or off (anything else needs quotes)")
    return value


_COMPAT_KEYS: dict[str, Callable[[Any], Any]] = {"driver": _word, "property": _word, "value": _setting}


def _compat(value: Any) -> tuple[CompatProperty, ...]:
    if not isinstance(value, list) or len(value) > _MAX_COMPAT:
        raise _Expected(f"a list of at most {_MAX_COMPAT} entries {{driver: …, property: …, value: …}}")
    entries = []
    for item in value:
        if not isinstance(item, dict) or set(item) != set(_COMPAT_KEYS):
            raise _Expected("entries of exactly {driver: …, property: …, value: …}")
        entries.append(CompatProperty(**{key: check(item[key]) for key, check in _COMPAT_KEYS.items()}))
    return tuple(entries)


_KEYS: dict[str, Callable[[Any], Any]] = {
    "name": _word,
    "alias": _word,
    "inherits": _word,
    "desc": _line,
    "default": _flag,
    "board": _word,
    "hw_version": _line,
    "max_cpus": _between(1, 255),
    "default_cpu": _line,
    "default_ram": _ram,
    "compat": _compat,
    "compat_own": _compat,
}

_POLICY_KEYS: dict[str, Callable[[Any], Any]] = {
    "locks": _choice("open", "closed"),
    "cadence_months": _between(1, 120),
    "stable_types": _between(1, 100),
}


def _checked(document: Any, path: Path, keys: dict[str, Callable[[Any], Any]]) -> dict[str, Any]:
    if not isinstance(document, dict):
        raise ConfigError(f"{path}: expects lines of 'key: value'", f"Accepted: {', '.join(keys)}.")
    values = {}
    for key, value in document.items():
        if key not in keys:
            raise ConfigError(
                f"{path}: unknown key '{key}'", nearest(str(key), keys) or f"Accepted: {', '.join(keys)}."
            )
        try:
            values[key] = keys[key](value)
        except _Expected as expected:
            raise ConfigError(f"{path}: '{key}' expects {expected}", f"The value was {value!r:.80}.") from None
    return values


def check_definition(document: Any, path: Path) -> Definition:
    """The definition in a parsed YAML *document*. Raises ConfigError."""
    values = _checked(document, path, _KEYS)
    if values.get("name") != path.stem:
        raise ConfigError(
            f"{path}: 'name' expects '{path.stem}', like the file",
            f"The value was {values['name']!r}." if "name" in values else "The key is missing.",
        )
    return Definition(path=path, **values)


def check_policy(document: Any, path: Path) -> Policy:
    """The policy in a parsed YAML *document*. Raises ConfigError."""
    values = _checked(document, path, _POLICY_KEYS)
    if missing := [key for key in _POLICY_KEYS if key not in values]:
        raise ConfigError(f"{path}: '{missing[0]}' is missing")
    return Policy(**values)
