"""What the guest can change, declared once.

A ``State`` declaration on a class gives reset, save, load, introspection and the layout in a stream. On the
instance it is an ordinary attribute: the declaration object is a plain class attribute that the instance's own
value hides, so reading state costs nothing.

    class Channel(Record, vmstate="pit channel", version=2):
        count = State.u16(reset=0)

    class I8254(Device, type="isa-pit"):
        channels = State.records(Channel, 3)
        speaker = State.bool(reset=False)

In a stream (``core/wire.py``) the fields follow each other in the order of declaration, under their own names and
in the type that fits. Where QEMU has the same chip, its stream says otherwise in places, and these keywords, which
every kind of field takes, say how:

``name``     the field's name in the stream            ``wire``   its type there: "int32", "timer", "uint8"…
``sub``      the subsection that holds it: sent only when a field in it differs from what its absence means
``implied``  what absence means: a value, or a function of the record; without it the reset value
``group``    name and version of a struct that it shares with its neighbours: what a base class declares
``inline``   of a record, the last field: its fields are the device's own, without a struct around them
``sent``     False: not in the stream, because ``refresh``, a view or a link brings it back

A ``State.view`` is the other way round: in the stream, but no attribute. It is computed when saving, and may act on
the record when loading; ``State.constant`` and ``State.unused`` are fixed bytes. A ``State.link`` puts records that
another field holds where QEMU has them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from enum import IntEnum, IntFlag
from typing import Any, ClassVar, NamedTuple, TypeVar, cast

from pyqemu.core.wire import SCALARS, Array, Buffer, Codec, Fifo, Flagged, Ring, Scalar, StateError, Varying

__all__ = ["KEEP", "Field", "Record", "State", "StateError"]

ANY = object()
"""``implied=ANY``: the field's value alone is no reason to send its subsection."""

KEEP = object()
"""``reset=KEEP``: the field survives a reset; it starts from ``power_on``."""

F = TypeVar("F", bound=IntFlag)
E = TypeVar("E", bound=IntEnum)
R = TypeVar("R", bound="Record")


class Field:
    """One declared piece of state.

    ``form``   its kind for people: u8 u16 u32 u64 i64 bool, bytes:N, fifo:N, TYPE[N] or records[N]
    ``since``  the device version that introduced it; an older stream leaves the reset value
    """

    name = ""
    attribute = True  # a view has none
    records: type[Record] | None = None  # of a part with fields of its own
    count: int | None = None  # of records; None: just one
    group: tuple[str, int] | None  # the struct that a base class's fields are in: name, version

    def __init__(self, form: str, reset: Any, power_on: Any, since: int, codec: Codec | None, **wire: Any) -> None:
        self.form = form
        self.keeps = reset is KEEP
        self.initial = power_on if self.keeps else reset
        self.since = since
        self.codec = codec
        self.wire_name: str = wire.pop("name", "")
        self.sub: str = wire.pop("sub", "")
        self.sent: bool = wire.pop("sent", True)
        self.inline: bool = wire.pop("inline", False)
        self.group = wire.pop("group", None)
        self.has_implied = "implied" in wire
        self.implied = wire.pop("implied", None)
        assert not wire, f"unknown: {sorted(wire)}"

    def bind(self, name: str) -> None:
        self.name = name
        self.wire_name = self.wire_name or name

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
        return StateError(f"field '{self.name}' expects {self.form}, not {plain!r:.60}")

    # -- in a stream ----------------------------------------------------------------------------------

    def plain(self, record: Record) -> Any:
        return self.save(getattr(record, self.name))

    def absent(self, record: Record) -> Any:
        """What a stream without this field's subsection means, as a plain value."""
        if not self.has_implied or self.implied is ANY:
            return self.save(self.fresh())
        return self.implied(record) if callable(self.implied) else self.implied

    def differs(self, record: Record) -> bool:
        return self.implied is not ANY and bool(self.plain(record) != self.absent(record))

    def parts(self, record: Record) -> list[Record]:
        """The records that this field is made of; only where ``records`` is set."""
        value = getattr(record, self.name)
        return [value] if self.count is None else list(value)


class View(Field):
    """Part of the stream, but no attribute: computed by ``get(record)``, given back to ``put(record, plain)``."""

    attribute = False

    def __init__(
        self,
        codec: Codec,
        get: Callable[[Any], Any],
        put: Callable[[Any, Any], None] | None,
        *,
        since: int = 0,
        **wire: Any,
    ) -> None:
        super().__init__("view", None, None, since, codec, **wire)
        self.get = get
        self.put = put

    def plain(self, record: Record) -> Any:
        return self.get(record)

    def absent(self, record: Record) -> Any:
        return self.get(record) if not self.has_implied else super().absent(record)


class _Int(Field):
    def __init__(
        self, bits: int, signed: bool, reset: Any, power_on: Any, since: int, kind: Any = int, **wire: Any
    ) -> None:
        type = wire.pop("wire", f"{'' if signed else 'u'}int{max(bits, 8)}" if kind is not bool else "bool")
        super().__init__(f"{'i' if signed else 'u'}{bits}", reset, power_on, since, Scalar(type), **wire)
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
    def __init__(self, size: int, reset: Any, power_on: Any, since: int, **wire: Any) -> None:
        type = wire.pop("wire", "buffer")
        codec = Array(Scalar(type), size) if type in SCALARS else Buffer(size, type)
        super().__init__(f"bytes:{size}", reset, power_on, since, codec, **wire)
        self.size = size
        initial = self.initial
        self.initial = bytes([initial]) * size if isinstance(initial, int) else bytes(initial)
        assert len(self.initial) == size

    def fresh(self) -> bytearray:
        return bytearray(self.initial)

    def save(self, value: bytearray) -> bytes:
        return bytes(value)

    def load(self, plain: Any, old: Any) -> bytearray:
        if isinstance(plain, list):
            plain = bytes(plain)  # from an array of uint8
        if not isinstance(plain, bytes) or len(plain) != self.size:
            raise self.fail(plain)
        if not isinstance(old, bytearray) or len(old) != self.size:
            return bytearray(plain)
        old[:] = plain  # somebody may hold on to it
        return old


class _Varying(Field):
    """At most *limit* bytes; none after reset."""

    def __init__(self, limit: int, since: int, **wire: Any) -> None:
        super().__init__(f"bytes:0-{limit}", None, None, since, Varying(limit), **wire)
        self.limit = limit

    def fresh(self) -> bytearray:
        return bytearray()

    def save(self, value: bytearray) -> bytes:
        return bytes(value)

    def load(self, plain: Any, old: Any) -> bytearray:
        if not isinstance(plain, bytes) or len(plain) > self.limit:
            raise self.fail(plain)
        return bytearray(plain)


class _Fifo(Field):
    def __init__(self, size: int, since: int, **wire: Any) -> None:
        super().__init__(f"fifo:{size}", None, None, since, Fifo(size), **wire)
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
    def __init__(self, element: Field, count: int, since: int, **wire: Any) -> None:
        assert isinstance(element.codec, Scalar)
        codec = Array(element.codec, count)
        super().__init__(f"{element.form}[{count}]", element.initial, element.initial, since, codec, **wire)
        self.element = element
        self.length = count
        self.keeps = element.keeps

    def fresh(self) -> list[Any]:
        return [self.element.fresh() for _ in range(self.length)]

    def save(self, value: list[Any]) -> list[Any]:
        return [self.element.save(item) for item in value]

    def load(self, plain: Any, old: Any) -> list[Any]:
        if not isinstance(plain, list) or len(plain) != self.length:
            raise self.fail(plain)
        self.element.name = self.name
        loaded = [self.element.load(item, None) for item in plain]
        if not isinstance(old, list):
            return loaded
        old[:] = loaded
        return old


class _Records(Field):
    """Sub-chips. The objects live as long as the device; reset and load change them in place."""

    def __init__(self, record: type[Record], count: int | None, since: int, **wire: Any) -> None:
        super().__init__("record" if count is None else f"records[{count}]", None, None, since, None, **wire)
        self.records = record
        self.count = count

    def fresh(self) -> Any:
        assert self.records is not None
        return self.records() if self.count is None else [self.records() for _ in range(self.count)]

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


class _Linked(_Records):
    """Records that belong to another field, in the place where QEMU has them."""

    attribute = False

    def __init__(self, record: type[Record], count: int | None, get: Callable[[Any], Any], **wire: Any) -> None:
        super().__init__(record, count, 0, **wire)
        self.get = get

    def plain(self, record: Record) -> Any:
        saved = [part.save_fields() for part in self.parts(record)]
        return saved[0] if self.count is None else saved

    def parts(self, record: Record) -> list[Record]:
        value = self.get(record)
        return [value] if self.count is None else list(value)


class State:
    """The kinds of state. Each call declares a field; its type for the reader is that of the value."""

    @staticmethod
    def u8(reset: Any = 0, *, power_on: int = 0, since: int = 0, **wire: Any) -> int:
        return cast(int, _Int(8, False, reset, power_on, since, **wire))

    @staticmethod
    def u16(reset: Any = 0, *, power_on: int = 0, since: int = 0, **wire: Any) -> int:
        return cast(int, _Int(16, False, reset, power_on, since, **wire))

    @staticmethod
    def u32(reset: Any = 0, *, power_on: int = 0, since: int = 0, **wire: Any) -> int:
        return cast(int, _Int(32, False, reset, power_on, since, **wire))

    @staticmethod
    def u64(reset: Any = 0, *, power_on: int = 0, since: int = 0, **wire: Any) -> int:
        return cast(int, _Int(64, False, reset, power_on, since, **wire))

    @staticmethod
    def i32(reset: Any = 0, *, power_on: int = 0, since: int = 0, **wire: Any) -> int:
        return cast(int, _Int(32, True, reset, power_on, since, **wire))

    @staticmethod
    def i64(reset: Any = 0, *, power_on: int = 0, since: int = 0, **wire: Any) -> int:
        return cast(int, _Int(64, True, reset, power_on, since, **wire))

    @staticmethod
    def bool(reset: Any = False, *, power_on: bool = False, since: int = 0, **wire: Any) -> bool:
        field = _Int(1, False, reset, power_on, since, kind=bool, **wire)
        field.form = "bool"
        return cast("bool", field)

    @staticmethod
    def flags(kind: type[F], reset: Any = 0, *, bits: int = 8, power_on: int = 0, since: int = 0, **wire: Any) -> F:
        return cast(F, _Int(bits, False, reset, power_on, since, kind=kind, **wire))

    @staticmethod
    def enum(kind: type[E], reset: Any, *, power_on: int = 0, since: int = 0, **wire: Any) -> E:
        return cast(E, _Int(8, False, reset, power_on, since, kind=kind, **wire))

    @staticmethod
    def bytes(size: int, reset: Any = 0, *, power_on: Any = 0, since: int = 0, **wire: Any) -> bytearray:
        """A fixed-size buffer; *reset* is a fill byte or the whole content."""
        return cast(bytearray, _Bytes(size, reset, power_on, since, **wire))

    @staticmethod
    def varying(limit: int, *, since: int = 0, **wire: Any) -> bytearray:
        """A buffer whose length changes, *limit* bytes at most; empty after reset."""
        return cast(bytearray, _Varying(limit, since, **wire))

    @staticmethod
    def fifo(size: int, *, since: int = 0, **wire: Any) -> deque[int]:
        """A queue of at most *size* bytes (the device keeps the bound), oldest first; empty after reset."""
        return cast("deque[int]", _Fifo(size, since, **wire))

    @staticmethod
    def ints(
        count: int, bits: int = 8, reset: Any = 0, *, power_on: int = 0, since: int = 0, **wire: Any
    ) -> list[int]:
        """A list of *count* unsigned integers."""
        kind = {"wire": wire.pop("wire")} if "wire" in wire else {}
        return cast("list[int]", _List(_Int(bits, False, reset, power_on, since, **kind), count, since, **wire))

    @staticmethod
    def record(kind: type[R], *, since: int = 0, **wire: Any) -> R:
        return cast(R, _Records(kind, None, since, **wire))

    @staticmethod
    def records(kind: type[R], count: int, *, since: int = 0, **wire: Any) -> list[R]:
        return cast("list[R]", _Records(kind, count, since, **wire))

    # -- in the stream only ---------------------------------------------------------------------------

    @staticmethod
    def view(
        type: str,
        get: Callable[[Any], Any],
        put: Callable[[Any, Any], None] | None = None,
        *,
        count: int = 0,
        **wire: Any,
    ) -> Any:
        """A number of QEMU's *type*, or *count* of them; "buffer" and the like: *count* bytes; "flagged": bytes
        that come only if a number before them says so; "ring": a queue, behind the byte that was taken last."""
        codec: Codec
        if type in ("flagged", "ring"):
            codec = Flagged(count) if type == "flagged" else Ring(count)
        elif type not in SCALARS:
            codec = Buffer(count, type)
        else:
            codec = Array(Scalar(type), count) if count else Scalar(type)
        return View(codec, get, put, **wire)

    @staticmethod
    def link(kind: type[R], count: int | None, get: Callable[[Any], Any], **wire: Any) -> Any:
        """*count* records (None: one) that another field holds: ``get(record)`` finds them."""
        return _Linked(kind, count, get, **wire)

    @staticmethod
    def constant(type: str, value: int, **wire: Any) -> Any:
        """A number that both sides must agree on, or one that never changes here."""

        def check(_record: Any, plain: int) -> None:
            if (type.endswith("equal") and plain != value) or (type.endswith("le") and not 0 <= plain <= value):
                raise StateError(f"{plain:#x} is not the {value:#x} of this machine")

        return View(Scalar(type), lambda _record: value, check, **wire)

    @staticmethod
    def unused(size: int, **wire: Any) -> Any:
        """Bytes without a meaning: written as zeros, not looked at."""
        return View(Buffer(size, "unused_buffer"), lambda _record: bytes(size), None, **({"name": "unused"} | wire))


class Layout(NamedTuple):
    """The fields of a record as a stream has them."""

    main: list[Field]
    subsections: dict[str, list[Field]]


class Record:
    """Something with declared state: a device, or a part of one (a timer channel, a drive).

    Class arguments: ``vmstate`` and ``version`` are the name and version of its description in a stream;
    ``wrapper`` the struct that QEMU has around it; ``struct_names`` what it calls the base class's part.
    """

    state_fields: ClassVar[dict[str, Field]] = {}
    stream_fields: ClassVar[dict[str, Field]] = {}  # with views, in order
    wire_layout: ClassVar[Layout] = Layout([], {})
    vmsd: ClassVar[str] = ""
    vmsd_version: ClassVar[int] = 1
    wrapper: ClassVar[str] = ""
    struct_names: ClassVar[dict[str, str]] = {}

    def __init_subclass__(cls, vmstate: str = "", version: int = 1, wrapper: str = "", **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if vmstate or not cls.vmsd:
            cls.vmsd, cls.vmsd_version, cls.wrapper = vmstate or cls.__name__, version, wrapper
        cls.state_fields, cls.stream_fields = dict(cls.state_fields), dict(cls.stream_fields)
        for name, value in list(vars(cls).items()):
            if isinstance(value, Field):
                value.bind(name)
                cls.stream_fields[name] = value
                if value.attribute:
                    cls.state_fields[name] = value
                else:
                    delattr(cls, name)
        cls.wire_layout = Layout([], {})
        for field in cls.stream_fields.values():
            if field.sub:
                cls.wire_layout.subsections.setdefault(field.sub, []).append(field)
            elif field.sent:
                cls.wire_layout.main.append(field)

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
        self.check()

    # -- in a stream ----------------------------------------------------------------------------------

    def load_wire(self, values: dict[str, Any], version: int) -> None:
        """Take what ``wire.decode`` read at *version*: fields, then views, then the same of the subsections.

        Raises StateError, and then nothing is to be relied on.
        """
        fields = self.stream_fields.values()
        for optional in (False, True):
            layer = [field for field in fields if bool(field.sub) == optional]
            for field in layer:
                if field.records is not None:
                    self._load_records(field, values.get(field.name), version)
                elif field.attribute and field.name in values:
                    setattr(self, field.name, field.load(values[field.name], getattr(self, field.name)))
            for field in layer:
                if isinstance(field, View) and field.put is not None and field.name in values:
                    try:
                        field.put(self, values[field.name])
                    except StateError as error:
                        raise StateError(f"field '{field.wire_name}': {error}") from None
            for field in layer:
                if field.attribute and field.records is None and field.name not in values and field.sent:
                    plain = field.absent(self) if field.sub else field.save(field.fresh())
                    setattr(self, field.name, field.load(plain, getattr(self, field.name)))
        self.check()

    def _load_records(self, field: Field, values: Any, version: int) -> None:
        items = field.parts(self)
        if values is None:
            if field.sent and field.attribute:
                assert field.records is not None
                for item in items:
                    item.load_fields(field.records().save_fields())
            return
        for item, plain in zip(items, [values] if field.count is None else values, strict=True):
            try:
                item.load_wire(plain, version)
            except StateError as error:
                raise StateError(f"{field.wire_name}: {error}") from None

    def check(self) -> None:
        """Refuse a loaded state that contradicts itself, with StateError."""
