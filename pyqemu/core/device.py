"""The base of every chip: properties that the user sets, state that the guest changes.

A subclass declares ``Prop`` and ``State`` and reacts to its ports; everything that is the same for all
devices is here. See ``docs/devices.md`` for a walk through a small one.
"""

from __future__ import annotations

import logging
from typing import Any, ClassVar

from pyqemu.core.bus import Bus
from pyqemu.core.errors import ConfigError, nearest
from pyqemu.core.memory import RamBlock
from pyqemu.core.prop import Prop, PropField
from pyqemu.core.state import KEEP, Record, State, StateError

__all__ = ["KEEP", "Device", "Prop", "State"]

guest_errors = logging.getLogger("pyqemu.guest_errors")


class Device(Record):
    """One piece of hardware.

    Class arguments: ``type`` is QEMU's device type name; ``vmstate``, ``version``, ``minimum`` are the name
    and versions of its section in a saved state.
    """

    type: ClassVar[str] = "device"
    vmstate: ClassVar[str] = ""
    version: ClassVar[int] = 1
    minimum: ClassVar[int] = 1
    props: ClassVar[dict[str, PropField]] = {}
    carries: ClassVar[tuple[str, ...]] = ()
    """Types that are parts of this one and not devices of their own: their properties are set here."""

    def __init_subclass__(
        cls, type: str | None = None, vmstate: str = "", version: int = 1, minimum: int = 1, **kwargs: Any
    ) -> None:
        super().__init_subclass__(vmstate=vmstate or type or "", version=version, **kwargs)
        if type is not None:
            cls.type, cls.vmstate, cls.version, cls.minimum = type, vmstate or type, version, minimum
        cls.props = dict(cls.props)
        for attribute, value in vars(cls).items():
            if isinstance(value, PropField):
                value.bind(attribute)
                cls.props[value.name] = value

    def __init__(self, **values: Any) -> None:
        """*values*: properties by attribute name, checked like those a user types."""
        super().__init__()
        self.id = ""
        self.bus: Any = None
        for prop in self.props.values():
            setattr(self, prop.attribute, prop.default)
        by_attribute = {prop.attribute: prop.name for prop in self.props.values()}
        for attribute, value in values.items():
            self.set(by_attribute.get(attribute, attribute), value)

    # -- properties -----------------------------------------------------------------------------------

    def set(self, name: str, value: Any) -> None:
        """Set a property before ``realize()``. *value* may be text as typed. Raises ConfigError."""
        prop = self.props.get(name)
        if prop is None:
            raise ConfigError(f"Property '{self.type}.{name}' not found", nearest(name, self.props))
        setattr(self, prop.attribute, prop.parse(self.type, value))

    # -- life -----------------------------------------------------------------------------------------

    def attach(self, bus: Any) -> None:
        """Plug into a bus: realize, then power on."""
        self.bus = bus
        self.realize(bus)
        self.reset()

    def realize(self, bus: Any) -> None:
        """Claim ports, lines and backends. May raise ConfigError."""

    def refresh(self) -> None:
        """Derive outputs (lines, timers) from the state. Runs after reset and load."""

    def reset(self) -> None:
        """Power-on and reset: every field to its reset value, then ``refresh()``."""
        self.reset_fields()
        self.refresh()

    # -- saved state ----------------------------------------------------------------------------------

    def save(self) -> dict[str, Any]:
        """The state as plain values, in declaration order, at ``version``."""
        return self.save_fields()

    def load(self, version: int, fields: dict[str, Any]) -> None:
        """Take a saved state. Raises StateError, and then nothing is to be relied on: load again."""
        if not self.minimum <= version <= self.version:
            raise StateError(f"{self.vmstate}: version {version} is not between {self.minimum} and {self.version}")
        self.before_load()
        try:
            self.load_fields(fields, version)
        except StateError as error:
            raise StateError(f"{self.vmstate}: {error}") from None
        self.refresh()

    def sections(self) -> list[tuple[str, Record]]:
        """The sections of a stream that hold this device, by name: itself, if it has any state."""
        return [(self.vmstate, self)] if self.stream_fields else []

    def ram_blocks(self) -> list[RamBlock]:
        """Memory on the device that belongs to a saved state."""
        return []

    def sync_ram(self) -> None:
        """Bring ``ram_blocks`` up to date: before they are read for a saved state or a dump."""

    def before_save(self) -> None:
        """A state is about to be saved, and time stands still."""

    def before_load(self) -> None:
        """A state is about to be loaded: let go of what is only cached."""

    # -- introspection --------------------------------------------------------------------------------

    def describe(self) -> dict[str, Any]:
        """Type, properties and state, for ``info qtree`` and state dumps."""
        return {
            "type": self.type,
            "id": self.id,
            "props": {name: prop.format(getattr(self, prop.attribute)) for name, prop in self.props.items()},
            "state": self.save(),
        }

    def guest_error(self, message: str, value: int = 0) -> int:
        """Log something that a guest should not do (``-d guest_errors``) and return *value*."""
        if guest_errors.isEnabledFor(logging.INFO):
            guest_errors.info("%s: %s", self.id or self.type, message)
        return value


class IsaDevice(Device):
    """A device on the ISA bus: ``realize`` gets a ``Bus``."""

    bus: Bus
