"""The types of QMP's arguments and replies: they check values and describe themselves to ``query-qmp-schema``.

    Struct("KeyEvent", {"key": STR, "?hold-time": INT})     # "?": may be absent

Source   QEMU's QMP specification (docs/interop) for the introspection format; messages as QEMU's input visitor
         words them
Errors   QmpError naming the argument, with its path: ``keys[0].type``
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pyqemu.monitor.errors import QmpError

Entries = dict[str, dict[str, Any]]


class Type:
    """``name`` is the schema's; ``check`` returns the value to use or raises QmpError."""

    name = "any"

    def check(self, value: Any, path: str) -> Any:
        return value

    def describe(self, entries: Entries) -> str:
        """Add this type, and those it is made of, to *entries*; returns its name."""
        if self.name not in entries:
            entries[self.name] = {}  # before the parts: a type may contain itself
            entries[self.name] = {"name": self.name, **self._meta(entries)}
        return self.name

    def _meta(self, entries: Entries) -> dict[str, Any]:
        return {"meta-type": "builtin", "json-type": "value"}


class _Builtin(Type):
    def __init__(self, name: str, json_type: str, python_type: type, expected: str) -> None:
        self.name = name
        self._json_type = json_type
        self._python_type = python_type
        self._expected = expected

    def check(self, value: Any, path: str) -> Any:
        if type(value) is not self._python_type:
            raise _wrong_type(path, self._expected)
        return value

    def _meta(self, entries: Entries) -> dict[str, Any]:
        return {"meta-type": "builtin", "json-type": self._json_type}


class _Int(_Builtin):
    """An integer in a range; *c_type* is how QEMU names the range, "" for the full 64 bits."""

    def __init__(self, minimum: int, maximum: int, c_type: str = "") -> None:
        super().__init__("int", "int", int, "integer")
        self._minimum = minimum
        self._maximum = maximum
        self._c_type = c_type

    def check(self, value: Any, path: str) -> int:
        number: int = super().check(value, path)
        if not self._minimum <= number <= self._maximum:
            if self._c_type:
                raise QmpError(f"Parameter '{_last(path)}' expects {self._c_type}")
            raise _wrong_type(path, self._expected)
        return number


class _Number(_Builtin):
    def check(self, value: Any, path: str) -> float:
        if type(value) not in (int, float):
            raise _wrong_type(path, "number")
        return float(value)


ANY = Type()
STR = _Builtin("str", "string", str, "string")
BOOL = _Builtin("bool", "boolean", bool, "boolean")
INT = _Int(-(1 << 63), (1 << 63) - 1)
SIZE = _Int(0, (1 << 64) - 1)
U8 = _Int(0, (1 << 8) - 1, "uint8_t")
U16 = _Int(0, (1 << 16) - 1, "uint16_t")
U32 = _Int(0, (1 << 32) - 1, "uint32_t")
NUMBER = _Number("number", "number", float, "number")


class Enum(Type):
    def __init__(self, name: str, values: Iterable[str]) -> None:
        self.name = name
        self.values = tuple(values)

    def check(self, value: Any, path: str) -> str:
        if type(value) is not str:
            raise _wrong_type(path, "string")
        if value not in self.values:
            raise QmpError(f"Parameter '{_last(path)}' does not accept value '{value}'")
        return value

    def _meta(self, entries: Entries) -> dict[str, Any]:
        STR.describe(entries)
        members = [{"name": value} for value in self.values]
        return {"meta-type": "enum", "members": members, "values": list(self.values)}


class Array(Type):
    def __init__(self, element: Type) -> None:
        self.name = f"[{element.name}]"
        self.element = element

    def check(self, value: Any, path: str) -> list[Any]:
        if type(value) is not list:
            raise _wrong_type(path, "array")
        return [self.element.check(item, f"{path}[{number}]") for number, item in enumerate(value)]

    def _meta(self, entries: Entries) -> dict[str, Any]:
        return {"meta-type": "array", "element-type": self.element.describe(entries)}


class Struct(Type):
    """*members*: name → type; a name that begins with "?" may be absent."""

    def __init__(self, name: str, members: Mapping[str, Type]) -> None:
        self.name = name
        self.members = {key.removeprefix("?"): member for key, member in members.items()}
        self.optional = {key[1:] for key in members if key[0] == "?"}

    def check(self, value: Any, path: str) -> dict[str, Any]:
        return self._check_members(value, path, self.members, self.optional)

    def _check_members(
        self, value: Any, path: str, members: Mapping[str, Type], optional: set[str]
    ) -> dict[str, Any]:
        if type(value) is not dict:
            raise _wrong_type(path, "object")
        checked = {}
        for key, member in members.items():
            if key in value:
                checked[key] = member.check(value[key], _join(path, key))
            elif key not in optional:
                raise QmpError(f"Parameter '{_join(path, key)}' is missing")
        for key in value:
            if key not in members:
                raise QmpError(f"Parameter '{_join(path, key)}' is unexpected")
        return checked

    def _member_list(self, entries: Entries) -> list[dict[str, Any]]:
        return [
            {"name": key, "type": member.describe(entries)} | ({"default": None} if key in self.optional else {})
            for key, member in self.members.items()
        ]

    def _meta(self, entries: Entries) -> dict[str, Any]:
        return {"meta-type": "object", "members": self._member_list(entries)}


class Union(Struct):
    """A struct whose member *tag* (an enum among *members*) says which further members there are."""

    def __init__(self, name: str, members: Mapping[str, Type], tag: str, variants: Mapping[str, Struct]) -> None:
        super().__init__(name, members)
        self._tag = tag
        self._variants = variants  # may be filled in later, with those that contain the union

    def check(self, value: Any, path: str) -> dict[str, Any]:
        if type(value) is not dict:
            raise _wrong_type(path, "object")
        if self._tag not in value:
            raise QmpError(f"Parameter '{_join(path, self._tag)}' is missing")
        variant = self._variants.get(self.members[self._tag].check(value[self._tag], _join(path, self._tag)))
        if variant is None:
            return super().check(value, path)
        return self._check_members(value, path, self.members | variant.members, self.optional | variant.optional)

    def _meta(self, entries: Entries) -> dict[str, Any]:
        variants = [{"case": case, "type": variant.describe(entries)} for case, variant in self._variants.items()]
        return {
            "meta-type": "object",
            "members": self._member_list(entries),
            "tag": self._tag,
            "variants": variants,
        }


class Alternate(Type):
    """A string or an object; *depth* bounds objects within objects, since the object may contain the alternate."""

    def __init__(self, name: str, structure: Struct, depth: int = 16) -> None:
        self.name = name
        self._structure = structure
        self._depth = depth

    def check(self, value: Any, path: str) -> Any:
        if type(value) is str:
            return value
        if type(value) is not dict:
            raise _wrong_type(path, self.name)
        if path.count(".") >= self._depth:
            raise QmpError(f"Parameter '{path}' is nested too deep")
        return self._structure.check(value, path)

    def _meta(self, entries: Entries) -> dict[str, Any]:
        members = [{"type": STR.describe(entries)}, {"type": self._structure.describe(entries)}]
        return {"meta-type": "alternate", "members": members}


NOTHING = Struct("q_empty", {})


def _last(path: str) -> str:
    """Some of QEMU's messages have the last name only; ``null`` for an element of a list."""
    name = path.rpartition(".")[2]
    return "null" if name.endswith("]") else name


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _wrong_type(path: str, expected: str) -> QmpError:
    return QmpError(f"Invalid parameter type for '{path}', expected: {expected}")
