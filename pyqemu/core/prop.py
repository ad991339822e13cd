"""What the user sets on a device: declared once, checked in one place.

``-device``, ``-global``, a machine type's compat properties and Python code all end in ``PropField.parse``.
The message and the help text come from the same constraint that does the check.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from pyqemu.core.errors import ConfigError, nearest

_TRUE = ("on", "yes", "true", "y")
_FALSE = ("off", "no", "false", "n")


class PropField:
    """One declared property. ``name`` is what users type: the attribute with dashes, or given."""

    kind = "str"

    def __init__(self, default: Any, help: str, name: str | None) -> None:
        self.default = default
        self.help = help
        self.name = name or ""
        self.attribute = ""

    def bind(self, attribute: str) -> None:
        self.attribute = attribute
        self.name = self.name or attribute.replace("_", "-")

    def parse(self, owner: str, value: Any) -> Any:
        """The checked value for what was typed. Raises ConfigError in QEMU's wording."""
        if not isinstance(value, str):
            raise self.fail(owner, value, "expects a string")
        return value

    def format(self, value: Any) -> str:
        """The value as ``info qtree`` shows it."""
        return "<null>" if value is None else str(getattr(value, "id", value))

    def fail(self, owner: str, value: Any, why: str, hint: str = "") -> ConfigError:
        return ConfigError(f"Property '{owner}.{self.name}' {why}", hint or f"The value was '{value}'.")


class _Int(PropField):
    def __init__(self, bits: int, default: int, minimum: int, maximum: int | None, help: str, name: str | None):
        super().__init__(default, help, name)
        self.kind = f"uint{bits}"
        self.minimum = minimum
        self.maximum = (1 << bits) - 1 if maximum is None else maximum

    def parse(self, owner: str, value: Any) -> int:
        try:
            number = int(value, 0) if isinstance(value, str) else int(value)
        except (TypeError, ValueError):
            raise ConfigError(f"Parameter '{self.name}' expects {self.kind}", f"The value was '{value}'.") from None
        if not self.minimum <= number <= self.maximum:
            raise ConfigError(
                f"Property {owner}.{self.name} doesn't take value {value} "
                f"(minimum: {self.minimum}, maximum: {self.maximum})"
            )
        return number


class _Size(_Int):
    def parse(self, owner: str, value: Any) -> int:
        if isinstance(value, str):
            from pyqemu.core.sizes import parse_size

            value = parse_size(value, f"Parameter '{self.name}'")
        return super().parse(owner, value)


class _Bool(PropField):
    kind = "bool"

    def parse(self, owner: str, value: Any) -> bool:
        if isinstance(value, bool):
            return value
        if value in _TRUE:
            return True
        if value in _FALSE:
            return False
        raise ConfigError(f"Parameter '{self.name}' expects 'on' or 'off'", f"The value was '{value}'.")

    def format(self, value: Any) -> str:
        return "true" if value else "false"


class _Enum(PropField):
    def __init__(self, choices: Sequence[str], default: str, help: str, name: str | None) -> None:
        super().__init__(default, help, name)
        self.kind = "|".join(choices)
        self.choices = tuple(choices)

    def parse(self, owner: str, value: Any) -> str:
        if value not in self.choices:
            raise ConfigError(
                f"Parameter '{self.name}' does not accept value '{value}'",
                f"Accepted: {', '.join(self.choices)}. {nearest(str(value), self.choices)}".strip(),
            )
        return cast(str, value)


class _Link(PropField):
    """A reference to a backend or another device. Text is an id, which the board resolves by ``kind``."""

    def __init__(self, kind: str, help: str, name: str | None) -> None:
        super().__init__(None, help, name)
        self.kind = kind

    def parse(self, owner: str, value: Any) -> Any:
        return value


class Prop:
    """The kinds of property. Each call declares one; its type for the reader is that of the value."""

    @staticmethod
    def u8(
        default: int = 0,
        *,
        minimum: int = 0,
        maximum: int | None = None,
        help: str = "",
        name: str | None = None,
    ) -> int:
        return cast(int, _Int(8, default, minimum, maximum, help, name))

    @staticmethod
    def u16(
        default: int = 0,
        *,
        minimum: int = 0,
        maximum: int | None = None,
        help: str = "",
        name: str | None = None,
    ) -> int:
        return cast(int, _Int(16, default, minimum, maximum, help, name))

    @staticmethod
    def u32(
        default: int = 0,
        *,
        minimum: int = 0,
        maximum: int | None = None,
        help: str = "",
        name: str | None = None,
    ) -> int:
        return cast(int, _Int(32, default, minimum, maximum, help, name))

    @staticmethod
    def i32(
        default: int = 0, *, minimum: int = -(1 << 31), maximum: int = (1 << 31) - 1, help: str = "",
        name: str | None = None,
    ) -> int:  # fmt: skip
        return cast(int, _Int(32, default, minimum, maximum, help, name))

    @staticmethod
    def size(default: int = 0, *, maximum: int = (1 << 64) - 1, help: str = "", name: str | None = None) -> int:
        """Bytes, with QEMU's suffixes (k, M, G…)."""
        return cast(int, _Size(64, default, 0, maximum, help, name))

    @staticmethod
    def bool(default: bool = False, *, help: str = "", name: str | None = None) -> bool:
        return cast("bool", _Bool(default, help, name))

    @staticmethod
    def str(default: str = "", *, help: str = "", name: str | None = None) -> str:
        return cast("str", PropField(default, help, name))

    @staticmethod
    def enum(choices: Sequence[str], default: str, *, help: str = "", name: str | None = None) -> str:  # type: ignore[valid-type]
        return cast("str", _Enum(choices, default, help, name))

    @staticmethod
    def chardev(*, help: str = "", name: str | None = None) -> Any:  # type: ignore[valid-type]
        """A character backend (``pyqemu.chardev.Chardev``), or None."""
        return _Link("chardev", help, name)

    @staticmethod
    def drive(*, help: str = "", name: str | None = None) -> Any:  # type: ignore[valid-type]
        """A block backend (``pyqemu.block.Drive``), or None."""
        return _Link("drive", help, name)

    @staticmethod
    def link(*, help: str = "", name: str | None = None) -> Any:  # type: ignore[valid-type]
        """Another device of the board, by id."""
        return _Link("device", help, name)
