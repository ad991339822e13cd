"""What saved state looks like in a stream: QEMU's field types, structs and subsections.

Source   ``reference/migration/format.md``: recorded from streams that QEMU wrote
Layout   the fields of a record in the order of their declaration, big-endian, nothing between them; then the
         subsections that are needed: 05, length, name, version (32 bits), fields
Errors   StateError: the bytes do not fit the declaration
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyqemu.core.state import Field, Record


class StateError(Exception):
    """A saved value does not fit its declaration. The message names the field and what was expected."""


SUBSECTION = 5
SUBSECTION_VERSION = 1
NOT_RUNNING = 1 << 63  # a deadline that never comes; on the wire all ones

SCALARS = {
    "uint8": (1, False), "uint16": (2, False), "uint32": (4, False), "uint64": (8, False), "bool": (1, False),
    "int8": (1, True), "int16": (2, True), "int32": (4, True), "int64": (8, True), "timer": (8, True),
    "int32 equal": (4, True), "uint8 equal": (1, False), "int32 le": (4, True),
}  # fmt: skip


class Cursor:
    """Bytes being read. ``take`` raises StateError at the end; a stream has a cursor that reads on."""

    def __init__(self, data: bytes | bytearray | memoryview = b"") -> None:
        self.data = bytes(data)
        self.position = 0

    def fill(self, size: int) -> bool:
        """Whether *size* more bytes are there."""
        return self.position + size <= len(self.data)

    def peek(self, size: int) -> bytes:
        """The next bytes, fewer at the end, without moving on."""
        self.fill(size)
        return self.data[self.position : self.position + size]

    def take(self, size: int) -> bytes:
        if not self.fill(size):
            raise StateError("the stream ends here")
        piece = self.data[self.position : self.position + size]
        self.position += size
        return piece

    def number(self, size: int, signed: bool = False) -> int:
        return int.from_bytes(self.take(size), "big", signed=signed)

    def subsection(self, prefix: bytes) -> str:
        """The name of the subsection that begins here, or "" if none with that prefix does."""
        head = self.peek(2)
        if len(head) < 2 or head[0] != SUBSECTION or head[1] <= len(prefix):
            return ""
        name = self.peek(2 + head[1])[2:]
        return name.decode("latin-1") if len(name) == head[1] and name.startswith(prefix) else ""


class Scalar:
    """One number of QEMU's type *type*."""

    def __init__(self, type: str) -> None:
        self.type = type
        self.size, self.signed = SCALARS[type]

    def encode(self, value: Any, out: bytearray) -> None:
        number = int(value)
        if self.type == "timer" and number >= NOT_RUNNING:
            number = -1
        out += number.to_bytes(self.size, "big", signed=self.signed)

    def decode(self, cursor: Cursor) -> Any:
        number = cursor.number(self.size, self.signed)
        if self.type == "timer" and number == -1:
            return NOT_RUNNING
        return number

    def describe(self, name: str, plain: Any = None) -> list[dict[str, Any]]:
        return [{"name": name, "type": self.type, "size": self.size}]


class Array:
    """*count* numbers in a row."""

    def __init__(self, element: Scalar, count: int) -> None:
        self.element = element
        self.count = count

    def encode(self, value: Any, out: bytearray) -> None:
        for item in value:
            self.element.encode(item, out)

    def decode(self, cursor: Cursor) -> list[int]:
        return [self.element.decode(cursor) for _ in range(self.count)]

    def describe(self, name: str, plain: Any = None) -> list[dict[str, Any]]:
        return [{"name": name, "array_len": self.count, "type": self.element.type, "size": self.element.size}]


class Buffer:
    """Bytes as they are. *type* may also be "pci config"."""

    def __init__(self, size: int, type: str = "buffer") -> None:
        self.size = size
        self.type = type

    def encode(self, value: bytes, out: bytearray) -> None:
        out += value

    def decode(self, cursor: Cursor) -> bytes:
        return cursor.take(self.size)

    def describe(self, name: str, plain: Any = None) -> list[dict[str, Any]]:
        return [{"name": name, "type": self.type, "size": self.size}]


class Fifo:
    """A queue of at most *size* bytes, as QEMU's Fifo8: a ring buffer, where it begins, how much is in it."""

    def __init__(self, size: int) -> None:
        self.size = size

    def encode(self, value: bytes, out: bytearray) -> None:
        out += value.ljust(self.size, b"\0") + bytes(4) + len(value).to_bytes(4, "big")

    def decode(self, cursor: Cursor) -> bytes:
        ring, head, count = cursor.take(self.size), cursor.number(4), cursor.number(4)
        if head >= self.size or count > self.size:
            raise StateError(f"a queue of {self.size} bytes cannot hold {count} from {head}")
        return (ring[head:] + ring[:head])[:count]

    def describe(self, name: str, plain: Any = None) -> list[dict[str, Any]]:
        fields = [
            {"name": "data", "type": "buffer", "size": self.size},
            {"name": "head", "type": "uint32", "size": 4},
            {"name": "num", "type": "uint32", "size": 4},
        ]
        struct = {"vmsd_name": "Fifo8", "version": 1, "fields": fields}
        return [{"name": name, "type": "struct", "struct": struct, "size": self.size + 8}]


class Varying:
    """Bytes of varying length, at most *limit*: the length (32 bits), then as many bytes."""

    def __init__(self, limit: int) -> None:
        self.limit = limit

    def encode(self, value: bytes, out: bytearray) -> None:
        out += len(value).to_bytes(4, "big") + value

    def decode(self, cursor: Cursor) -> bytes:
        length = cursor.number(4)
        if length > self.limit:
            raise StateError(f"at most {self.limit} bytes are possible, not {length}")
        return cursor.take(length)

    def describe(self, name: str, plain: Any = None) -> list[dict[str, Any]]:
        return [
            {"name": f"{name}.size", "type": "uint32", "size": 4},
            {"name": name, "type": "buffer", "size": self.limit if plain is None else len(plain)},
        ]


class Ring:
    """A queue in a ring of *size* bytes with a memory: the first byte of the value is the one that was taken last,
    and stands before the queue's beginning."""

    def __init__(self, size: int) -> None:
        self.size = size

    def encode(self, value: bytes, out: bytearray) -> None:
        count = len(value) - 1
        for number in (1, 1 + count & self.size - 1, count):
            out += number.to_bytes(4, "big")
        out += value.ljust(self.size, b"\0")

    def decode(self, cursor: Cursor) -> bytes:
        start, _end, count = (cursor.number(4) for _ in range(3))
        ring = cursor.take(self.size)
        if start >= self.size or count >= self.size:
            raise StateError(f"a ring of {self.size} bytes cannot hold {count} from {start}")
        turned = ring[start:] + ring[:start]
        return turned[-1:] + turned[:count]

    def describe(self, name: str, plain: Any = None) -> list[dict[str, Any]]:
        numbers = [{"name": f"{name}.{part}", "type": "int32", "size": 4} for part in ("rptr", "wptr", "count")]
        return [*numbers, {"name": f"{name}.data", "type": "buffer", "size": self.size}]


class Flagged:
    """A number, and *size* bytes behind it unless it is 0."""

    def __init__(self, size: int) -> None:
        self.size = size

    def encode(self, value: bytes, out: bytearray) -> None:
        out += (1 if value else 0).to_bytes(4, "big") + value

    def decode(self, cursor: Cursor) -> bytes:
        return cursor.take(self.size) if cursor.number(4) else b""

    def describe(self, name: str, plain: Any = None) -> list[dict[str, Any]]:
        fields: list[dict[str, Any]] = [{"name": f"{name}_set", "type": "int32", "size": 4}]
        if plain is None or plain:
            fields.append({"name": f"{name}_data", "type": "buffer", "size": self.size})
        return fields


Codec = Scalar | Array | Buffer | Fifo | Varying | Flagged | Ring


class Description:
    """A record's fields as QEMU's JSON description has them, made while they are written."""

    def __init__(self, record: type[Record]) -> None:
        self.record = record
        self.fields: list[dict[str, Any]] = []
        self.subsections: list[dict[str, Any]] = []

    def finish(self) -> dict[str, Any]:
        record = self.record
        described: dict[str, Any] = {
            "vmsd_name": record.vmsd,
            "version": record.vmsd_version,
            "fields": self.fields,
        }
        if self.subsections:
            described["subsections"] = self.subsections
        if record.wrapper:
            described = described | {"fields": [_struct(record.wrapper, described)]}
            described.pop("subsections", None)
        return described


def _struct(name: str, described: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "type": "struct", "struct": described, "size": described_size(described)}


def described_size(described: dict[str, Any]) -> int:
    """How many bytes a description accounts for. Raises TypeError for what counts no bytes."""
    total = 0
    for field in described["fields"]:
        size, count = field["size"], field.get("array_len", 1)
        if not isinstance(size, int) or not isinstance(count, int):  # text times a number would be a long text
            raise TypeError
        total += size * count
    for sub in described.get("subsections", []):
        total += 1 + 1 + len(sub["vmsd_name"]) + 4 + described_size(sub)
    return total


def encode(record: Record, out: bytearray, *, everything: bool = False) -> dict[str, Any]:
    """Append a record's state to *out*; returns the description of what was written.

    *everything*: with all subsections, for a description of what is possible.
    """
    description = Description(type(record))
    layout = type(record).wire_layout
    fields = description.fields
    group: list[dict[str, Any]] = []
    for entry, following in zip(layout.main, [*layout.main[1:], None], strict=True):
        if entry.inline:
            described = encode(entry.parts(record)[0], out, everything=everything)
            fields += described["fields"]
            description.subsections += described.get("subsections", [])
            continue
        encode_entry(entry, record, out, group if entry.group else fields, everything)
        if entry.group and (following is None or following.group != entry.group):
            vmsd, version = entry.group
            name = record.struct_names.get(vmsd, "parent_obj")
            fields.append(_struct(name, {"vmsd_name": vmsd, "version": version, "fields": group}))
            group = []
    for name, entries in layout.subsections.items():
        if not everything and not any(entry.differs(record) for entry in entries):
            continue
        full = f"{record.vmsd}/{name}"
        out += bytes((SUBSECTION, len(full))) + full.encode() + SUBSECTION_VERSION.to_bytes(4, "big")
        inner: list[dict[str, Any]] = []
        for entry in entries:
            encode_entry(entry, record, out, inner, everything)
        description.subsections.append({"vmsd_name": full, "version": SUBSECTION_VERSION, "fields": inner})
    return description.finish()


def encode_entry(
    entry: Field, record: Record, out: bytearray, fields: list[dict[str, Any]], everything: bool
) -> None:
    if entry.records is None:
        codec = entry.codec
        assert codec is not None
        plain = entry.plain(record)
        codec.encode(plain, out)
        fields += codec.describe(entry.wire_name, None if everything else plain)
        return
    items = entry.parts(record)
    described = [encode(item, out, everything=everything) for item in items]
    struct = _struct(entry.wire_name, described[0])
    if entry.count is None:
        fields.append(struct)
    elif all(other == described[0] for other in described):
        fields.append({"name": entry.wire_name, "array_len": entry.count} | struct)
    else:
        fields += [{"index": i} | _struct(entry.wire_name, d) for i, d in enumerate(described)]


def decode(kind: type[Record], cursor: Cursor, version: int) -> dict[str, Any]:
    """Read a record written at *version*; returns plain values by attribute, for ``load_wire``."""
    values: dict[str, Any] = {}
    layout = kind.wire_layout
    for entry in layout.main:
        if entry.since <= version:
            values[entry.name] = decode_entry(entry, cursor, version)
    prefix = f"{kind.vmsd}/".encode()
    seen: set[str] = set()
    while full := cursor.subsection(prefix):
        name = full[len(prefix) :]
        entries = layout.subsections.get(name)
        if entries is None:
            raise StateError(f"unknown subsection '{full}'")
        if name in seen:
            raise StateError(f"subsection '{full}' comes twice")
        seen.add(name)
        cursor.take(2 + len(full))
        sub_version = cursor.number(4)
        if sub_version > SUBSECTION_VERSION:
            raise StateError(f"subsection '{full}' has version {sub_version}, known is {SUBSECTION_VERSION}")
        for entry in entries:
            values[entry.name] = decode_entry(entry, cursor, version)
    return values


def decode_entry(entry: Field, cursor: Cursor, version: int) -> Any:
    if entry.records is None:
        assert entry.codec is not None
        try:
            return entry.codec.decode(cursor)
        except StateError as error:
            raise StateError(f"field '{entry.wire_name}': {error}") from None
    try:
        if entry.count is None:
            return decode(entry.records, cursor, version)
        return [decode(entry.records, cursor, version) for _ in range(entry.count)]
    except StateError as error:
        raise StateError(f"{entry.wire_name}: {error}") from None
