"""Reading YAML files that people drop into directories, with the place of every value.

What a value means is decided by the key it stands under, not by how it looks: ``off``, ``1.0`` and ``0x0500``
arrive as that text, and the schema turns them into what it wants. Nothing is constructed, so there are no tags,
and no anchors (which is how small files grow large). A ``Node`` is text, a list or a mapping of nodes.

Limits   MAX_BYTES a file, MAX_NODES values, MAX_DEPTH levels; UTF-8; one document; regular files only
Errors   ConfigError: ``FILE:LINE:COLUMN: what is wrong``, or ``FILE: what is wrong`` before it is parsed
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from pyqemu.core.errors import ConfigError

MAX_BYTES = 256 * 1024
MAX_NODES = 20_000
MAX_DEPTH = 12

# libyaml's parser where the package was built with it: many times as fast.
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Place(NamedTuple):
    """Where a value was written; lines and columns count from 1."""

    path: Path
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.column}"

    def error(self, message: str, hint: str = "") -> ConfigError:
        """A complaint, fit for a terminal whatever the file has in it."""
        return ConfigError(visible(f"{self}: {message}"), visible(hint))


def visible(text: str) -> str:
    """*text* with escapes for what a terminal would obey or hide; lines stay lines."""
    return "".join(char if char.isprintable() or char == "\n" else ascii(char)[1:-1] for char in text)


@dataclass(slots=True)
class Node:
    """A value. ``value`` is None where nothing was written (``key:``, ``~`` or ``null``)."""

    place: Place
    value: str | list[Node] | dict[str, Node] | None
    keys: dict[str, Place]  # of a mapping: where each key stands

    def __str__(self) -> str:
        """What was written, in short, for messages."""
        if isinstance(self.value, str):
            return f"'{self.value:.80}'"
        return "nothing" if self.value is None else "a list" if isinstance(self.value, list) else "a mapping"


def read_document(path: Path) -> Node:
    """The document in a file. Raises ConfigError."""
    data = _read(path)
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise _place(path, data, error.start).error("not UTF-8 text") from None
    try:
        return _compose(path, yaml.parse(text, _Loader))
    except yaml.MarkedYAMLError as error:
        mark, problem = error.problem_mark, error.problem or "not valid YAML"
        if mark is None:
            raise ConfigError(f"{path}: {problem}") from None
        raise Place(path, mark.line + 1, mark.column + 1).error(problem) from None
    except yaml.reader.ReaderError as error:
        raise _place(path, data, error.position).error(f"not YAML: {error.reason}") from None


def _read(path: Path) -> bytes:
    """At most MAX_BYTES. Opened without waiting, since a name may lead to a FIFO."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(fd, "rb") as file:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise ConfigError(f"{path}: not a regular file")
            data = file.read(MAX_BYTES + 1)
    except IsADirectoryError:
        raise ConfigError(f"{path}: not a regular file") from None
    except (OSError, ValueError) as error:
        raise ConfigError(f"Could not open '{path}': {getattr(error, 'strerror', error)}") from None
    if len(data) > MAX_BYTES:
        raise ConfigError(f"{path}: larger than {MAX_BYTES // 1024} KiB")
    return data


def _place(path: Path, data: bytes, offset: int) -> Place:
    before = data[:offset]
    return Place(path, before.count(b"\n") + 1, offset - (before.rfind(b"\n") + 1) + 1)


def _compose(path: Path, events: Iterator[Any]) -> Node:
    """One document from libyaml's events. No recursion: the depth is the file's choice."""
    root: Node | None = None
    open_nodes: list[Node] = []
    open_keys: list[Node | None] = []  # beside each open mapping: the key that waits for its value
    count = 0
    for event in events:
        kind = type(event)
        if kind is yaml.ScalarEvent or kind is yaml.MappingStartEvent or kind is yaml.SequenceStartEvent:
            mark = event.start_mark
            place = Place(path, mark.line + 1, mark.column + 1)
            count += 1
            if count > MAX_NODES:
                raise place.error(f"more than {MAX_NODES} values")
            if event.anchor is not None:
                raise place.error("anchors are not accepted; write the value out")
            if event.tag is not None:
                raise place.error("tags are not accepted", f"The tag was '{event.tag:.80}'.")
            node = Node(place, _content(event, kind), {})
            if not open_nodes:
                root = node
            else:
                _put(open_nodes[-1], open_keys, node)
            if kind is not yaml.ScalarEvent:
                if len(open_nodes) == MAX_DEPTH:
                    raise place.error(f"nested more than {MAX_DEPTH} levels deep")
                open_nodes.append(node)
                open_keys.append(None)
        elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
            open_nodes.pop()
            open_keys.pop()
        elif kind is yaml.AliasEvent:
            mark = event.start_mark
            raise Place(path, mark.line + 1, mark.column + 1).error("aliases are not accepted")
        elif kind is yaml.DocumentStartEvent and root is not None:
            mark = event.start_mark
            raise Place(path, mark.line + 1, mark.column + 1).error("a second document; one is all that is read")
    return root or Node(Place(path, 1, 1), None, {})


def _content(event: Any, kind: Any) -> Any:
    if kind is yaml.MappingStartEvent:
        return {}
    if kind is yaml.SequenceStartEvent:
        return []
    plain = event.implicit[0]
    return None if plain and event.value in ("", "~", "null", "Null", "NULL") else event.value


def _put(parent: Node, open_keys: list[Node | None], node: Node) -> None:
    """Add *node* to the list or mapping that is open."""
    content = parent.value
    if isinstance(content, list):
        content.append(node)
        return
    assert isinstance(content, dict)
    key = open_keys[-1]
    if key is None:
        if not isinstance(node.value, str):
            raise node.place.error("a key has to be a word", f"It is {node}.")
        if node.value in content:
            raise node.place.error(f"'{node.value:.80}' is there twice")
        open_keys[-1] = node
        return
    assert isinstance(key.value, str)
    content[key.value] = node
    parent.keys[key.value] = key.place
    open_keys[-1] = None
