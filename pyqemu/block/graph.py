"""The graph of block nodes: what QMP's ``blockdev-add`` makes, and what stands behind every medium.

A node has a name and content. ``file`` is an image on the host, ``raw`` shows a node below as it is, ``null-co``
and ``null-aio`` forget what is written to them. Each medium of a drive is a ``raw`` node on a ``file`` node; those
that nobody has named are called ``#block``, a counter, and two digits that keep people from guessing.

    graph = Graph()
    graph.add({"driver": "file", "node-name": "f", "filename": "disk.img"})
    node = graph.add({"driver": "raw", "node-name": "disk", "file": "f"})

Locks    an image is locked while somebody holds a node above it: a drive, or a job
Errors   ConfigError in QEMU's wording
Missing  formats; filters; a part of an image (offset, size)
"""

from __future__ import annotations

import errno
import json
import os
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

from pyqemu.block import SECTOR_BYTES
from pyqemu.block.formats import HEAD_BYTES, KNOWN_FORMATS, probe_format
from pyqemu.block.raw import Image, RawImage
from pyqemu.core.errors import ConfigError, nearest

DRIVERS = ("file", "raw", "null-co", "null-aio")
NULL_DRIVERS = ("null-co", "null-aio")
NULL_BYTES = 1 << 30
NAME_BYTES = 31
NODES = 4096  # hostile clients end here, long before descriptors and memory do
DEPTH = 16

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*")


class Watcher(Protocol):
    """Who wants to know what a guest writes to a node."""

    def before_write(self, offset: int, length: int) -> None: ...

    def after_write(self, offset: int, length: int) -> None: ...


class NullImage:
    """Zeros; what is written is gone."""

    def __init__(self, size: int) -> None:
        self.size = -(-size // SECTOR_BYTES) * SECTOR_BYTES

    def read_into(self, offset: int, buffer: memoryview) -> None:
        buffer[:] = bytes(len(buffer))

    def write(self, offset: int, data: memoryview) -> None:
        pass

    def flush(self) -> None:
        pass

    def acquire(self, *, write: bool = True) -> None:
        pass

    def release(self) -> None:
        pass

    def close(self) -> None:
        pass


@dataclass(eq=False)
class Node:
    """One node. ``below`` is the one it stands on, ``parents`` are those that stand on it."""

    name: str
    driver: str
    image: Image
    filename: str
    read_only: bool = False
    below: Node | None = None
    direct: bool = False
    no_flush: bool = False
    detect_zeroes: str = "off"
    is_owned: bool = False  # by the monitor: it stays until blockdev-del
    guards_head: bool = False  # its format was only guessed
    parents: list[Node] = field(default_factory=list)
    holders: dict[Any, bool] = field(default_factory=dict)  # drives and jobs, and whether they write
    lockers: dict[Any, bool] = field(default_factory=dict)  # of a leaf: who wants its image locked, and to write
    watchers: list[Watcher] = field(default_factory=list)

    @property
    def size(self) -> int:
        return self.image.size

    @property
    def leaf(self) -> Node:
        return self.below.leaf if self.below is not None else self

    def hold(self, holder: Any, *, write: bool, lock: bool = True) -> None:
        """*holder* uses the content from now on. Raises ConfigError if another process has the image."""
        if write and self.read_only:
            raise ConfigError("Block node is read-only")
        if lock:
            self.lock(holder, write=write)
        self.holders[holder] = write

    def drop(self, holder: Any) -> None:
        """The opposite of ``hold``; harmless without it."""
        self.holders.pop(holder, None)
        self.unlock(holder)

    def lock(self, holder: Any, *, write: bool) -> None:
        """Keep other processes from the image. Raises ConfigError if one has it."""
        leaf = self.leaf
        known = leaf.lockers.values()
        if not known or (write and not any(known)):
            try:
                leaf.image.acquire(write=write)
            except ConfigError:
                leaf.image.release()
                if known:
                    leaf.image.acquire(write=False)
                raise
        leaf.lockers[holder] = write

    def unlock(self, holder: Any) -> None:
        """Leave the image to others, unless somebody else here has it too."""
        leaf = self.leaf
        if leaf.lockers.pop(holder, None) is not None and not leaf.lockers:
            leaf.image.release()

    def resize(self, size: int) -> None:
        """Raises ConfigError, OSError."""
        image = self.leaf.image
        if not isinstance(image, RawImage):
            raise ConfigError("Image format driver does not support resize")
        if self.read_only:
            raise ConfigError("Block node is read-only")
        image.resize(size)

    def chain(self) -> Iterator[Node]:
        """This node, the one below it, and so on."""
        yield self
        if self.below is not None:
            yield from self.below.chain()


class Graph:
    """All nodes, by name, oldest first."""

    def __init__(self) -> None:
        self.nodes: dict[str, Node] = {}
        self.taken_names: set[str] = set()  # of drives: a node may have none of them
        self._counter = 0

    # -- by name --------------------------------------------------------------------------------------

    def find(self, name: str) -> Node:
        """Raises ConfigError."""
        if name not in self.nodes:
            raise ConfigError(
                f"Cannot find device='{name}' nor node-name='{name}'", nearest(name, self.nodes) or ""
            )
        return self.nodes[name]

    def check_name(self, name: str) -> None:
        """Raises ConfigError for a name that a new node cannot have."""
        if not _NAME.fullmatch(name):
            raise ConfigError(f"Invalid node-name: '{name}'")
        if name in self.taken_names:
            raise ConfigError(f"node-name={name} is conflicting with a device id")
        if name in self.nodes:
            raise ConfigError(f"Duplicate nodes with node-name='{name}'")
        if len(name) > NAME_BYTES:
            raise ConfigError("Node name too long")

    def _new_name(self, name: str) -> str:
        if len(self.nodes) >= NODES:
            raise ConfigError(f"Too many block nodes (more than {NODES})")
        if name:
            self.check_name(name)
            return name
        while True:
            name = f"#block{self._counter}{random.randrange(100):02}"
            self._counter += 1
            if name not in self.nodes:
                return name

    # -- coming ---------------------------------------------------------------------------------------

    def add(
        self, options: dict[str, Any], *, owned: bool = True, snapshot: bool = False, sync: bool = False
    ) -> Node:
        """A node, and those that its options hold, from checked options; nothing is left after an error.

        ``snapshot``  nobody writes to it: an overlay will be on top
        ``sync``      every write waits for stable storage
        Raises ConfigError.
        """
        return self._add(options, owned, snapshot, sync, 0)

    def _add(self, options: dict[str, Any], owned: bool, snapshot: bool, sync: bool, depth: int) -> Node:
        driver = options["driver"]
        if depth > DEPTH:
            raise ConfigError("nodes are nested too deep", f"Accepted: {DEPTH}.")
        name = self._new_name(options.get("node-name", ""))
        if driver == "raw":
            node = self._on_top(name, options, snapshot, sync, depth)
        elif driver == "file":
            node = _file(name, options, snapshot, sync)
        else:
            node = _null(name, options)
        if name in self.nodes:  # the node inside it has taken the name
            assert node.below is not None
            node.below.parents.remove(node)
            self.discard(node.below)
            raise ConfigError(f"Duplicate nodes with node-name='{name}'")
        cache = options.get("cache", {})
        node.direct, node.no_flush = cache.get("direct", False), cache.get("no-flush", False)
        node.detect_zeroes = options.get("detect-zeroes", "off")
        node.is_owned = owned
        self.nodes[name] = node
        return node

    def _on_top(self, name: str, options: dict[str, Any], snapshot: bool, sync: bool, depth: int) -> Node:
        below = options["file"]
        read_only = options.get("read-only", False)
        if isinstance(below, str):
            node = self.find(below)
            if node.parents or node.holders:
                raise ConfigError(f"Node '{below}' is already in use")
        else:
            inherited = {"read-only": read_only, "cache": options.get("cache", {}), **below}
            node = self._add(inherited, False, snapshot, sync, depth + 1)
        top = Node(name, "raw", node.image, node.filename, read_only or node.read_only, node)
        node.parents.append(top)
        return top

    def open(
        self,
        path: str,
        *,
        writable: bool,
        format: str | None = "raw",
        snapshot: bool = False,
        sync: bool = False,
        cache: dict[str, bool] | None = None,
        name: str = "",
    ) -> Node:
        """The nodes of an image that has a path only. *format* None: look at it. Raises ConfigError."""
        if not path:
            raise ConfigError('A block device must be specified for "file"')
        if format is not None and format not in KNOWN_FORMATS:
            raise ConfigError(f"Unknown driver '{format}'", nearest(format, KNOWN_FORMATS) or "Accepted: raw.")
        below: dict[str, Any] = {"driver": "file", "filename": path}
        if path.endswith("://") and path.removesuffix("://") in NULL_DRIVERS:
            below = {"driver": path.removesuffix("://")}
        options = {"driver": "raw", "read-only": not writable or snapshot, "file": below, "cache": cache or {}}
        if name:
            options["node-name"] = name
        node = self.add(options, owned=False, snapshot=snapshot, sync=sync)
        try:
            if format != "raw":
                _check_format(node, format)
        except BaseException:
            self.discard(node)
            raise
        node.guards_head = format is None and not node.read_only
        return node

    # -- going ----------------------------------------------------------------------------------------

    def remove(self, name: str) -> None:
        """``blockdev-del``. Raises ConfigError."""
        if name not in self.nodes:
            raise ConfigError(f"Failed to find node with node-name='{name}'")
        node = self.nodes[name]
        if not node.is_owned:
            raise ConfigError(f"Node {name} is not owned by the monitor")
        for holder in node.holders:
            if kind := getattr(holder, "blocks_removal", ""):
                raise ConfigError(f"Node '{name}' is busy: block device is in use by block job: {kind}")
        if any(node is not leaf_of for leaf_of in node.parents):
            raise ConfigError(f"Block device {name} is in use")
        if node.holders:
            raise ConfigError(f"Node {name} is in use")
        node.is_owned = False
        self.discard(node)

    def discard(self, node: Node) -> None:
        """Close a node that nobody uses any more, and those below it that only it has used."""
        if node.is_owned or node.parents or node.holders or self.nodes.get(node.name) is not node:
            return
        del self.nodes[node.name]
        if node.below is None:
            node.image.close()
        else:
            node.below.parents.remove(node)
            self.discard(node.below)

    def close(self) -> None:
        """Give every image back to the host."""
        nodes, self.nodes = list(self.nodes.values()), {}
        for node in nodes:
            if node.below is None:
                node.image.close()


def _file(name: str, options: dict[str, Any], snapshot: bool, sync: bool) -> Node:
    path, read_only = options["filename"], options.get("read-only", False) or snapshot
    try:
        image = RawImage(path, writable=not read_only, base=snapshot, sync=sync, locked=False)
    except ConfigError:
        if read_only or not options.get("auto-read-only"):
            raise
        image, read_only = RawImage(path, writable=False, locked=False), True
    return Node(name, "file", image, path, read_only)


def _null(name: str, options: dict[str, Any]) -> Node:
    driver, size = options["driver"], options.get("size", NULL_BYTES)
    given = {key: options[key] for key in ("size", "read-zeroes") if key in options}
    shown = f"json:{json.dumps({'driver': driver, **given})}" if given else f"{driver}://"
    return Node(name, driver, NullImage(size), shown, options.get("read-only", False))


def _check_format(node: Node, format: str | None) -> None:
    """Refuse an image that is not raw, or not what the user said. *format* is None to accept raw."""
    head = bytearray(HEAD_BYTES)
    try:
        node.image.read_into(0, memoryview(head))
    except OSError as error:
        reason = os.strerror(error.errno or errno.EIO)
        raise ConfigError(f"Could not read image for determining its format: {reason}") from None
    found = probe_format(head)
    if format is not None and found != format:
        raise ConfigError(f"Image is not in {format} format", f"It looks like {found}.")
    if found != "raw":
        raise ConfigError(
            f"Could not open '{node.filename}': format '{found}' is not supported by pyqemu yet; "
            "convert with qemu-img convert -O raw"
        )
