"""-blockdev: a graph of block nodes, each with a name. Devices ask for a node at the top of a chain.

What there is: ``file`` (an image on the host), ``raw`` (the image as it is) on top of one, ``null-co`` and
``null-aio`` (nothing but a size).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pyqemu.block.formats import KNOWN_FORMATS
from pyqemu.block.graph import DRIVERS, NULL_DRIVERS
from pyqemu.cli import qemu_names
from pyqemu.cli.messages import Typed, accepted
from pyqemu.cli.values import json_object, pairs
from pyqemu.core.errors import nearest
from pyqemu.core.sizes import parse_size
from pyqemu.launch import BlockdevConfig, DriveConfig

NO_EFFECT = ("auto-read-only", "discard", "aio", "locking", "force-share", "detect-zeroes", "pr-manager")
COMMON = ("driver", "node-name", "read-only", "cache", *NO_EFFECT)
KEYS: dict[str, tuple[str, ...]] = {"file": (*COMMON, "filename"), "raw": (*COMMON, "file")}
KEYS |= dict.fromkeys(NULL_DRIVERS, (*COMMON, "size", "read-zeroes"))
DEPTH = 8


@dataclass
class Node:
    """``options`` are those that ``pyqemu.block.graph`` takes."""

    name: str
    path: str
    read_only: bool
    cache: str
    typed: Typed
    options: dict[str, Any]
    is_used: bool = False  # by a node above or by a device


class Nodes:
    """The nodes so far, by name."""

    def __init__(self) -> None:
        self.by_name: dict[str, Node] = {}
        self.options: list[BlockdevConfig] = []

    def add(self, typed: Typed) -> None:
        """One -blockdev, with the nodes inside it. Raises ConfigError."""
        values: dict[str, Any]
        if typed.value.startswith("{"):
            values = json_object(typed)
        else:
            values = _nested(typed, pairs(typed, implied="driver"))
        node = self._node(typed, values, is_root=True)
        self.options.append(BlockdevConfig(node.options, str(typed)))

    def _node(self, typed: Typed, values: dict[str, Any], *, is_root: bool, depth: int = 0) -> Node:
        driver = values.get("driver")
        if driver is None:
            raise typed.error("Parameter 'driver' is missing")
        if not isinstance(driver, str):
            raise typed.error("Invalid parameter type for 'driver', expected: string")
        name = values.get("node-name", "")
        known = driver in DRIVERS or driver in qemu_names.IMAGE_FORMATS or driver in KNOWN_FORMATS
        if is_root and not name and known:
            raise typed.error("'node-name' must be specified for the root node")
        if driver not in DRIVERS:
            if known:
                raise typed.unsupported(f"the block driver '{driver}'", accepted(DRIVERS))
            raise typed.error(f"Parameter 'driver' does not accept value '{driver}'", nearest(driver, DRIVERS))
        if not isinstance(name, str):
            raise typed.error("Invalid parameter type for 'node-name', expected: string")
        if name in self.by_name:
            raise typed.error(f"Duplicate nodes with node-name='{name}'")
        for key in values:
            if key not in KEYS[driver]:
                raise typed.error(f"Parameter '{key}' is unexpected", nearest(key, KEYS[driver]))
        if driver == "raw":
            node = self._raw(typed, values, depth)
        else:
            node = self._file(typed, values) if driver == "file" else self._null(typed, values)
        node.name = name
        node.options["driver"] = driver
        if name:
            node.options["node-name"] = name
        if name:
            self.by_name[name] = node
        return node

    def _file(self, typed: Typed, values: dict[str, Any]) -> Node:
        path = values.get("filename")
        if path is None:
            raise typed.error("Parameter 'filename' is missing")
        if not isinstance(path, str):
            raise typed.error("Invalid parameter type for 'filename', expected: string")
        options = _options(typed, values) | {"filename": path}
        return Node("", path, _switch(typed, values, "read-only"), _cache(typed, values), typed, options)

    def _null(self, typed: Typed, values: dict[str, Any]) -> Node:
        options = _options(typed, values)
        if "size" in values:
            size = values["size"]
            options["size"] = (
                size if type(size) is int and size >= 0 else parse_size(str(size), f"{typed}: Parameter 'size'")
            )
        if "read-zeroes" in values:
            options["read-zeroes"] = _switch(typed, values, "read-zeroes")
        path = f"{values['driver']}://"
        return Node("", path, _switch(typed, values, "read-only"), _cache(typed, values), typed, options)

    def _raw(self, typed: Typed, values: dict[str, Any], depth: int) -> Node:
        below = values.get("file")
        if below is None:
            raise typed.error('A block device must be specified for "file"')
        if isinstance(below, dict):
            if depth >= DEPTH:
                raise typed.error("nodes are nested too deep", f"Accepted: {DEPTH}.")
            found = self._node(typed, below, is_root=False, depth=depth + 1)
        elif isinstance(below, str):
            if below not in self.by_name:
                hint = nearest(below, self.by_name)
                raise typed.error(f"Cannot find device='' nor node-name='{below}'", hint)
            found = self.by_name[below]
        else:
            raise typed.error("Invalid parameter type for 'file', expected: string or object")
        found.is_used = True
        read_only = _switch(typed, values, "read-only") or found.read_only
        cache = _cache(typed, values)
        options = _options(typed, values) | {"file": below if isinstance(below, str) else found.options}
        return Node("", found.path, read_only, found.cache if cache == "writeback" else cache, typed, options)

    def drives(self) -> list[DriveConfig]:
        """A drive for each node that nothing stands on; no device has it yet."""
        return [
            DriveConfig(
                file=node.path,
                interface="none",
                index=number,
                format="raw",
                read_only=node.read_only,
                cache=node.cache,
                id=node.name,
                node=node.name,
                has_name=False,
                option=str(node.typed),
            )
            for number, node in enumerate(node for node in self.by_name.values() if not node.is_used)
        ]


def _nested(typed: Typed, flat: dict[str, str]) -> dict[str, Any]:
    """``file.driver=file,file.filename=x`` → an object in ``file``."""
    nested: dict[str, Any] = {}
    for key, value in flat.items():
        *parents, last = key.split(".")
        if len(parents) > DEPTH:
            raise typed.error(f"Parameter '{key}' is unexpected")
        place = nested
        for parent in parents:
            place = place.setdefault(parent, {})
            if not isinstance(place, dict):
                raise typed.error(f"Cannot mix scalar and non-scalar keys: '{key}'")
        if isinstance(place.get(last), dict):
            raise typed.error(f"Cannot mix scalar and non-scalar keys: '{key}'")
        place[last] = value
    return nested


def _switch(typed: Typed, values: dict[str, Any], key: str) -> bool:
    value = values.get(key, False)
    if value in (True, "on", "yes", "true"):
        return True
    if value in (False, "off", "no", "false"):
        return False
    raise typed.error(f"Invalid parameter type for '{key}', expected: boolean")


def _options(typed: Typed, values: dict[str, Any]) -> dict[str, Any]:
    """What every driver has, as the graph takes it."""
    options: dict[str, Any] = {
        key: _switch(typed, values, key) for key in ("read-only", "auto-read-only") if key in values
    }
    if (cache := _cache(typed, values)) != "writeback":
        options["cache"] = {"direct": cache == "none", "no-flush": cache == "unsafe"}
    return options


def _cache(typed: Typed, values: dict[str, Any]) -> str:
    cache = values.get("cache", {})
    if not isinstance(cache, dict):
        raise typed.error("Invalid parameter type for 'cache', expected: object")
    for key in cache:
        if key not in ("direct", "no-flush"):
            raise typed.error(f"Parameter 'cache.{key}' is unexpected", nearest(key, ("direct", "no-flush")))
    if _switch(typed, cache, "no-flush"):
        return "unsafe"
    return "none" if _switch(typed, cache, "direct") else "writeback"
