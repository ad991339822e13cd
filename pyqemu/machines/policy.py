"""The policy that machine types live by, and what it says of one of them in a given release.

    policy = read_policy(machines_dir())
    policy.life("stable", since=(1, 1), release=(3, 0))     # Life.DEPRECATED

Releases are (major, minor). Nothing here reads the clock; the release is an argument, so that tests (and
``pyqemu-machine --as-of``) can turn it forward.

Errors   ConfigError with file, line and column
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyqemu.core.errors import ConfigError
from pyqemu.machines.document import Node, Place, read_document
from pyqemu.machines.schema import Release, between, checked, choice, each, line, release, word

if TYPE_CHECKING:
    from datetime import date

POLICY_FILE = "policy.yaml"
DEFAULT_CLASS = "vendor"  # of a type that claims none: nothing of ours is promised
_VERSION = re.compile(r"(\d{1,4})\.(\d{1,4})(?!\d)")


class Life(Enum):
    PLANNED = "planned"
    CURRENT = "current"
    DEPRECATED = "deprecated"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True, eq=False)
class Stability:
    """One class of types. ``supported`` and ``deprecated`` count major releases; None: for ever."""

    lock: str
    promise: str
    supported: int | None = None
    deprecated: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Policy:
    """``releases``: their days, None for planned ones. ``places``: of each key, and of each release."""

    path: Path
    locks_open: bool
    cadence: str
    cadence_months: int
    releases: dict[Release, date | None]
    stability: dict[str, Stability]
    places: dict[str, Place]

    def life(self, stability: str, since: Release | None, release: Release) -> Life:
        kind = self.stability[stability]
        if since is None:
            return Life.CURRENT
        if release < since:
            return Life.PLANNED
        if kind.supported is None:
            return Life.CURRENT
        age = release[0] - since[0]
        if age < kind.supported:
            return Life.CURRENT
        return Life.DEPRECATED if age < kind.supported + kind.deprecated else Life.REMOVED

    def last_major(self, stability: str, since: Release | None) -> int | None:
        """The last major release that supports a type; None: there is no end."""
        supported = self.stability[stability].supported
        return None if supported is None or since is None else since[0] + supported - 1


def parse_release(version: str) -> Release:
    """(major, minor) of a version like ``2.0.0.dev1``. Raises ConfigError."""
    match = _VERSION.match(version)
    if match is None:
        raise ConfigError(f"'{version}' is not a version", "Accepted: MAJOR.MINOR, with or without more after it.")
    return int(match[1]), int(match[2])


def release_name(of: Release) -> str:
    return f"{of[0]}.{of[1]}"


def read_policy(directory: Path) -> Policy:
    """The policy of a directory of machine types. Raises ConfigError."""
    path = directory / POLICY_FILE
    node = read_document(path)
    values = checked(node, _KEYS, required=_KEYS)
    assert isinstance(node.value, dict)
    if DEFAULT_CLASS not in values["stability"]:
        raise node.value["stability"].place.error(f"the class '{DEFAULT_CLASS}' is missing")
    places = {key: value.place for key, value in node.value.items()} | node.value["releases"].keys
    return Policy(
        path,
        values["locks"] == "open",
        values["cadence"]["release"],
        values["cadence"]["months"],
        values["releases"],
        values["stability"],
        places,
    )


def _cadence(node: Node) -> dict[str, Any]:
    keys = {"release": choice(("major", "minor")), "months": between(0, 240)}
    return checked(node, keys, required=keys)


def _day(node: Node) -> date | None:
    if node.value == "planned":
        return None
    from datetime import date

    try:
        return date.fromisoformat(node.value if isinstance(node.value, str) else "")
    except ValueError:
        raise node.place.error("expects the day of the release, YYYY-MM-DD, or planned", f"It is {node}.") from None


def _releases(node: Node) -> dict[Release, date | None]:
    """In order, and no planned one before one that has been made."""
    if not isinstance(node.value, dict):
        raise node.place.error("'releases' expects lines of 'MAJOR.MINOR: DAY'")
    found: dict[Release, date | None] = {}
    for name, value in node.value.items():
        place = node.keys[name]
        number = each(Node(place, name, {}), release)
        day = _day(value)
        if found:
            last, last_day = next(reversed(found.items()))
            if number <= last:
                raise place.error(f"release {name} stands after {release_name(last)}", "The order is that of time.")
            if day is not None and (last_day is None or day < last_day):
                raise value.place.error(f"release {name} was made before {release_name(last)}")
        found[number] = day
    return found


_CLASS_KEYS = {
    "lock": choice(("frozen", "follows", "none")),
    "promise": line,
    "supported": between(1, 100),
    "deprecated": between(0, 100),
}


def _stability(node: Node) -> dict[str, Stability]:
    if not isinstance(node.value, dict):
        raise node.place.error("'stability' expects lines of 'CLASS: {lock: …, promise: …}'")
    classes = {}
    for name, value in node.value.items():
        each(Node(node.keys[name], name, {}), word)
        classes[name] = Stability(**checked(value, _CLASS_KEYS, required=("lock", "promise")))
    return classes


_KEYS = {
    "locks": choice(("open", "closed")),
    "cadence": _cadence,
    "releases": _releases,
    "stability": _stability,
}
