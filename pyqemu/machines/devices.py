"""Which device types exist, and which of them ``-device`` may add to a machine.

The types are found by importing the chip modules, so asking costs some milliseconds: the command line asks
only when an option names a device.
"""

from __future__ import annotations

from functools import cache

from pyqemu.core.device import Device, IsaDevice
from pyqemu.core.errors import nearest
from pyqemu.hw.catalog import CATALOG, device_class, property_class
from pyqemu.hw.pci.device import PciDevice
from pyqemu.machines.schema import CompatProperty

PLUGGABLE = {
    "VGA": "Display",
    "isa-debug-exit": "Misc",
    "isa-debugcon": "Misc",
    "isa-parallel": "Input",
    "isa-serial": "Input",
    "pvpanic": "Misc",
}
"""The types that ``-device`` adds, with the heading of ``-device help`` they stand under."""


@cache
def device_types() -> dict[str, type[Device]]:
    """Every device type that has code, by QEMU's name."""
    return {name: device_class(name) for name in CATALOG}


def bus_name(device: type[Device]) -> str:
    """The kind of slot a device goes into, as ``-device help`` shows it."""
    if issubclass(device, PciDevice):
        return "PCI"
    return "ISA" if issubclass(device, IsaDevice) else "System"


def compat_remark(entry: CompatProperty) -> str:
    """Why a compat property changes nothing today; empty if it does."""
    device = device_types().get(entry.driver) or property_class(entry.driver)
    if device is None:
        return "no such device here"
    return "" if entry.property in device.props else "no such property here"


def nearest_pluggable(name: str) -> str:
    """One line naming the most similar type that ``-device`` takes, or an empty string."""
    return nearest(name, [known for known in PLUGGABLE if known in device_types()])
