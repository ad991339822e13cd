"""The syntax of option values: ``key=value,key=value``, a doubled comma for a comma.

An option may imply the key of its first value (``-name x`` is ``-name guest=x``). QEMU has two habits for a
word without ``=``, and we keep both: older options read it as a switch and warn, newer ones want the ``=``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from pyqemu.cli.messages import Typed
from pyqemu.core.errors import ConfigError, nearest

_KEY = re.compile(r"[^=,]*")
_VALUE = re.compile(r"((?:[^,]|,,)*)(?:,|$)", re.DOTALL)
_ID = re.compile(r"[A-Za-z][A-Za-z0-9._-]*")

_ON = ("on", "yes", "true", "y")
_OFF = ("off", "no", "false", "n")
_HELP = ("help", "?")


def split(text: str, implied: str = "") -> Iterator[tuple[str, str | None]]:
    """The pairs of *text* in order; None for a key without ``=``."""
    position = 0
    while position < len(text):
        key_end = _match(_KEY, text, position).end()
        if text[key_end : key_end + 1] == "=":
            key, start = text[position:key_end], key_end + 1
        elif implied and position == 0:
            key, start = implied, 0
        else:
            yield text[position:key_end], None
            position = key_end + 1
            continue
        match = _match(_VALUE, text, start)
        yield key, match[1].replace(",,", ",")
        position = match.end()


def _match(pattern: re.Pattern[str], text: str, position: int) -> re.Match[str]:
    match = pattern.match(text, position)
    assert match is not None  # both patterns match the empty string
    return match


def options(typed: Typed, known: Iterable[str] | None, implied: str = "") -> dict[str, str]:
    """The pairs of an option of the older kind; later ones win. *known* None: any key.

    Raises ConfigError for an unknown key; a switch without ``=`` warns.
    """
    values: dict[str, str] = {}
    for key, value in split(typed.value, implied):
        if value is None:
            key, value = _switch(typed, key, known)
        if known is not None and key not in known:
            raise typed.error(f"Invalid parameter '{key}'", nearest(key, known))
        values[key] = value
    return values


def _switch(typed: Typed, key: str, known: Iterable[str] | None) -> tuple[str, str]:
    if known is not None and key[:2] == "no" and key not in known and key[2:] in known:
        typed.warn(f"short-form boolean option '{key}' deprecated\nPlease use {key[2:]}=off instead")
        return key[2:], "off"
    typed.warn(f"short-form boolean option '{key}' deprecated\nPlease use {key}=on instead")
    return key, "on"


def pairs(typed: Typed, implied: str = "") -> dict[str, str]:
    """The pairs of an option of the newer kind; later ones win. Raises ConfigError for a missing ``=``."""
    values: dict[str, str] = {}
    for key, value in split(typed.value, implied):
        if value is None:
            raise typed.error(f"Expected '=' after parameter '{key}'")
        values[key] = value
    return values


def wants_help(text: str) -> bool:
    """Whether one of the comma-separated words is ``help``."""
    return any(key in _HELP and value is None for key, value in split(text))


def boolean(value: str, key: str) -> bool:
    """on or off. Raises ConfigError naming *key*, without the option."""
    if value in _ON:
        return True
    if value in _OFF:
        return False
    raise ConfigError(f"Parameter '{key}' expects 'on' or 'off'", f"The value was '{value}'.")


def switch(typed: Typed, values: dict[str, str], key: str, default: bool = False) -> bool:
    """The boolean under *key*. Raises ConfigError naming the option."""
    try:
        return boolean(values[key], key) if key in values else default
    except ConfigError as error:
        raise typed.error(str(error), error.hint) from None


def integer(value: str, message: str) -> int:
    """A decimal or 0x number. Raises ConfigError with *message*."""
    try:
        return int(value, 0) if value[:2].lower() == "0x" else int(value)
    except ValueError:
        raise ConfigError(message, f"The value was '{value}'.") from None


def number(typed: Typed, values: dict[str, str], key: str) -> int | None:
    """The number (0 or more) under *key*, if there is one. Raises ConfigError naming the option."""
    if key not in values:
        return None
    message = f"{typed}: Parameter '{key}' expects a number"
    value = integer(values[key], message)
    if value < 0:
        raise ConfigError(message, f"The value was '{values[key]}'.")
    return value


def is_identifier(text: str) -> bool:
    return _ID.fullmatch(text) is not None


def identifier(typed: Typed, values: dict[str, str]) -> str:
    """The ``id``, or an empty string. Raises ConfigError naming the option."""
    value = values.get("id", "")
    if "id" in values and not is_identifier(value):
        raise typed.error(
            "Parameter 'id' expects an identifier",
            "Identifiers consist of letters, digits, '-', '.', '_', starting with a letter.",
        )
    return value


def json_object(typed: Typed) -> dict[str, Any]:
    """A value that is a JSON object, as newer options have it. Raises ConfigError."""
    import json

    try:
        values = json.loads(typed.value)
    except json.JSONDecodeError as error:
        what = "premature EOI" if error.pos >= len(typed.value.rstrip()) else "expecting value"
        raise typed.error(f"JSON parse error, {what}", f"At character {error.pos + 1}: {error.msg}.") from None
    except (ValueError, RecursionError):
        raise typed.error("JSON parse error, nested too deep") from None
    if not isinstance(values, dict):
        raise typed.error("Parameter must be an object")
    return values
