"""Which value each property of a device gets, and who says so: the order of precedence, in one place.

Later ones win:

    1 default      the device's own, in its chip's module
    2 defaults     of the machine type, ancestors' first
    3 hw_version   the machine type's, for what drives call their firmware revision (``ver``)
    4 board        the board's file
    5 compat       compat properties of the machine type, ancestors' first
    6 -global
    7 -device      the option's own properties, for a device that it added

1 is the device's, 6 and 7 are the user's: this module has what lies between.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pyqemu.core.device import Device
from pyqemu.core.errors import ConfigError
from pyqemu.hw.catalog import CATALOG, property_class
from pyqemu.machines.document import Place
from pyqemu.machines.registry import MachineType
from pyqemu.machines.schema import CompatProperty, DeviceNode


@dataclass(frozen=True, slots=True)
class Setting:
    """One property, one value. ``owner``: the machine type or the board whose file says so."""

    property: str
    value: Any
    layer: str
    owner: str
    place: Place | None


def is_a(kind: type[Device], driver: str) -> bool:
    """Whether *driver* names a device type, one of its parents (``pci-device``) or a part of it (``ide-hd``)."""
    return driver in kind.carries or any(getattr(cls, "type", None) == driver for cls in kind.__mro__)


def settings(machine: MachineType, kind: type[Device], node: DeviceNode | None = None) -> Iterator[Setting]:
    """What a machine type and its board set on a device, in order; later ones win.

    *node*: the board's entry; None for a device that is plugged in. A property that the device does not have is
    there too, for whoever sets it to complain; but not what is meant for the whole family of the device.
    """
    for entry in machine.defaults:
        if entry.driver == kind.type:
            yield _setting(entry.property, entry.value, "defaults", entry.place)
    if "ver" in kind.props and machine.hw_version:
        yield _setting("ver", machine.hw_version, "hw_version", machine.places.get("hw_version"))
    if node is not None:
        for name, value in node.props.items():
            yield _setting(name, value, "board", node.places.get(name))
    for entry in machine.compat:
        if entry.driver == kind.type or (entry.property in kind.props and is_a(kind, entry.driver)):
            yield _setting(entry.property, entry.value, "compat", entry.place)


def _setting(name: str, value: Any, layer: str, place: Place | None) -> Setting:
    return Setting(name, value, layer, place.path.stem if place else "", place)


def check_settings(machine: MachineType, *, defaults: bool = False) -> None:
    """Hold what a type sets against the devices that exist here. Raises ConfigError at the entry's place.

    A device that does not exist here is no mistake: the definition is complete, and the hardware follows.
    *defaults*: those as well, which means every device type there is.
    """
    for entry in (*(machine.defaults if defaults else ()), *machine.compat):
        kind = property_class(entry.driver)
        if kind is not None and (entry.driver in CATALOG or entry.property in kind.props):
            _check(entry, kind)


def _check(entry: CompatProperty, kind: type[Device]) -> None:
    device = kind()
    try:
        device.set(entry.property, entry.value)
    except ConfigError as error:
        if entry.place is None:
            raise
        raise entry.place.error(str(error), error.hint) from None
