"""What the guest can change, declared once.

A ``State`` declaration on a class gives reset, save, load and introspection. On the instance it is an
ordinary attribute: the declaration object is a plain class attribute that the instance's own value hides,
so reading state costs nothing.

    class Channel(Record):
        count = State.u16(reset=0)

    class I8254(Device, type="isa-pit"):
        channels = State.records(Channel, 3)
        speaker = State.bool(reset=False)
"""

from __future__ import annotations

from collections import deque
from enum import IntEnum, IntFlag
from typing import Any, ClassVar, TypeVar, cast

KEEP = object()
"""``reset=KEEP``: the field survives a reset; it starts from ``power_on``."""

F = TypeVar("F", bound=IntFlag)
E = TypeVar("E", bound=IntEnum)
R = TypeVar("R", bound="Record")


class StateError(Exception):
    """A saved value does not fit its declaration. The message names the field and what was expected."""


class Field:
    """One declared piece of state.

    ``wire``   how a stream carries it: u8 u16 u32 u64 i64 bool, bytes:N, fifo:N, TYPE[N] or records[N]
    ``since``  the device version that introduced it; an older stream leaves the reset value
    """

    name = ""

    def __init__(self, wire: str, reset: Any, power_on: Any, since: int) -> None:
        self.wire = wire
        self.keeps = reset is KEEP
        self.initial = power_on if self.keeps else reset
        self.since = since

    def fresh(self) -> Any:
        """A reset value that no other instance shares."""
        return self.initial

    def save(self, value: Any) -> Any:
        """The value as plain ints, bytes, lists and dicts."""
        return value

    def load(self, plain: Any, old: Any) -> Any:
        """The checked value for a plain one; raises StateError. *old* is what the field holds now."""
        raise self.fail(plain)

    def fail(self, plain: Any) -> StateError:
        return StateError(f"field '{self.name}' expects {self.wire}, not {plain!r:.60}")


class _Int(Field):
    def __init__(self, bits: int, signed: bool, reset: Any, power_on: Any, since: int, kind: Any = int) -> None:
        super().__init__(f"{'i' if signed else 'u'}{bits}", reset, power_on, since)
        self.minimum = -(1 << bits - 1) if signed else 0
        self.maximum = (1 << bits - signed) - 1
        self.kind = kind
        self.initial = kind(self.initial)

    def save(self, value: Any) -> int:
        return int(value)

    def load(self, plain: Any, old: Any) -> Any:
        if not isinstance(plain, int) or not self.minimum <= plain <= self.maximum:
            raise self.fail(plain)
        try:
            return self.kind(plain)
        except ValueError:
            raise self.fail(plain) from None


class _Bytes(Field):
    def __init__(self, size: int, reset: Any, power_on: Any, since: int) -> None:
        super().__init__(f"bytes:{size}", reset, power_on, since)
        self.size = size
        initial = self.initial
        self.initial = bytes([initial]) * size if isinstance(initial, int) else bytes(initial)
        assert len(self.initial) == size

    def fresh(self) -> bytearray:
        return bytearray(self.initial)

    def save(self, value: bytearray) -> bytes:
        return bytes(value)

    def load(self, plain: Any, old: Any) -> bytearray:
        if not isinstance(plain, bytes) or len(plain) != self.size:
            raise self.fail(plain)
        return bytearray(plain)


class _Fifo(Field):
    def __init__(self, size: int, since: int) -> None:
        super().__init__(f"fifo:{size}", None, None, since)
        self.size = size

    def fresh(self) -> deque[int]:
        return deque()

    def save(self, value: deque[int]) -> bytes:
        return bytes(value)

    def load(self, plain: Any, old: Any) -> deque[int]:
        if not isinstance(plain, bytes) or len(plain) > self.size:
            raise self.fail(plain)
        return deque(plain)


class _List(Field):
    def __init__(self, element: Field, count: int, since: int) -> None:
        super().__init__(f"{element.wire}[{count}]", element.initial, element.initial, since)
        self.element = element
        self.count = count
        self.keeps = element.keeps

    def fresh(self) -> list[Any]:
        return [self.element.fresh() for _ in range(self.count)]

    def save(self, value: list[Any]) -> list[Any]:
        return [self.element.save(item) for item in value]

    def load(self, plain: Any, old: Any) -> list[Any]:
        if not isinstance(plain, list) or len(plain) != self.count:
            raise self.fail(plain)
        self.element.name = self.name
        return [self.element.load(item, None) for item in plain]


class _Records(Field):
    """Sub-chips. The objects live as long as the device; reset and load change them in place."""

    def __init__(self, record: type[Record], count: int | None, since: int) -> None:
        super().__init__("record" if count is None else f"records[{count}]", None, None, since)
        self.record = record
        self.count = count

    def fresh(self) -> Any:
        return self.record() if self.count is None else [self.record() for _ in range(self.count)]

    def save(self, value: Any) -> Any:
        return value.save_fields() if self.count is None else [item.save_fields() for item in value]

    def load(self, plain: Any, old: Any) -> Any:
        items, values = ([old], [plain]) if self.count is None else (old, plain)
        if not isinstance(values, list) or len(values) != len(items):
            raise self.fail(plain)
        for item, value in zip(items, values, strict=True):
            if not isinstance(value, dict):
                raise self.fail(plain)
            item.load_fields(value)
        return old


class State:
    """The kinds of state. Each call declares a field; its type for the reader is that of the value."""

    @staticmethod
    def u8(reset: Any = 0, *, power_on: int = 0, since: int = 0) -> int:
        return cast(int, _Int(8, False, reset, power_on, since))

    @staticmethod
    def u16(reset: Any = 0, *, power_on: int = 0, since: int = 0) -> int:
        return cast(int, _Int(16, False, reset, power_on, since))

    @staticmethod
    def u32(reset: Any = 0, *, power_on: int = 0, since: int = 0) -> int:
        return cast(int, _Int(32, False, reset, power_on, since))

    @staticmethod
    def u64(reset: Any = 0, *, power_on: int = 0, since: int = 0) -> int:
        return cast(int, _Int(64, False, reset, power_on, since))

    @staticmethod
    def i32(reset: Any = 0, *, power_on: int = 0, since: int = 0) -> int:
        return cast(int, _Int(32, True, reset, power_on, since))

    @staticmethod
    def i64(reset: Any = 0, *, power_on: int = 0, since: int = 0) -> int:
        return cast(int, _Int(64, True, reset, power_on, since))

    @staticmethod
    def bool(reset: Any = False, *, power_on: bool = False, since: int = 0) -> bool:
        field = _Int(1, False, reset, power_on, since, kind=bool)
        field.wire = "bool"
        return cast("bool", field)

    @staticmethod
    def flags(kind: type[F], reset: Any = 0, *, bits: int = 8, power_on: int = 0, since: int = 0) -> F:
        return cast(F, _Int(bits, False, reset, power_on, since, kind=kind))

    @staticmethod
    def enum(kind: type[E], reset: Any, *, power_on: int = 0, since: int = 0) -> E:
        return cast(E, _Int(8, False, reset, power_on, since, kind=kind))

    @staticmethod
    def bytes(size: int, reset: Any = 0, *, power_on: Any = 0, since: int = 0) -> bytearray:
        """A fixed-size buffer; *reset* is a fill byte or the whole content."""
        return cast(bytearray, _Bytes(size, reset, power_on, since))

    @staticmethod
    def fifo(size: int, *, since: int = 0) -> deque[int]:
        """A queue of at most *size* bytes (the device keeps the bound), oldest first; empty after reset."""
        return cast("deque[int]", _Fifo(size, since))

    @staticmethod
    def ints(count: int, bits: int = 8, reset: Any = 0, *, power_on: int = 0, since: int = 0) -> list[int]:
        """A list of *count* unsigned integers."""
        return cast("list[int]", _List(_Int(bits, False, reset, power_on, since), count, since))

    @staticmethod
    def record(kind: type[R], *, since: int = 0) -> R:
        return cast(R, _Records(kind, None, since))

    @staticmethod
    def records(kind: type[R], count: int, *, since: int = 0) -> list[R]:
        return cast("list[R]", _Records(kind, count, since))


class Record:
    """Something with declared state: a device, or a part of one (a timer channel, a drive)."""

    state_fields: ClassVar[dict[str, Field]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.state_fields = dict(cls.state_fields)
        for name, value in vars(cls).items():
            if isinstance(value, Field):
                value.name = name
                cls.state_fields[name] = value

    def __init__(self) -> None:
        for name, field in self.state_fields.items():
            setattr(self, name, field.fresh())

    def reset_fields(self) -> None:
        """Every field to its reset value, except those that keep theirs."""
        for name, field in self.state_fields.items():
            if isinstance(field, _Records):
                value = getattr(self, name)
                for record in [value] if field.count is None else value:
                    record.reset_fields()
            elif not field.keeps:
                setattr(self, name, field.fresh())

    def save_fields(self) -> dict[str, Any]:
        """Name → plain value, in declaration order."""
        return {name: field.save(getattr(self, name)) for name, field in self.state_fields.items()}

    def load_fields(self, fields: dict[str, Any], version: int | None = None) -> None:
        """Take plain values. Missing fields newer than *version* get their reset value.

        Raises StateError on a missing, unknown or ill-fitting field.
        """
        unknown = fields.keys() - self.state_fields.keys()
        if unknown:
            raise StateError(f"unknown field '{sorted(unknown)[0]}'")
        for name, field in self.state_fields.items():
            if name in fields:
                setattr(self, name, field.load(fields[name], getattr(self, name)))
            elif version is not None and field.since > version:
                setattr(self, name, field.fresh())
            else:
                raise StateError(f"field '{name}' is missing")
