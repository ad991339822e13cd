"""Which device types there are."""

from __future__ import annotations

import importlib
import pkgutil

import pytest

import pyqemu.hw
from pyqemu.core.device import Device, IsaDevice, Prop
from pyqemu.hw.catalog import CATALOG, STAND_INS, property_class
from pyqemu.hw.char.serial_16550 import Serial16550
from pyqemu.hw.pci.device import PciDevice
from pyqemu.machines import devices
from pyqemu.machines.schema import CompatProperty
from pyqemu.machines.settings import is_a


class _Toy(IsaDevice, type="toy"):
    level = Prop.u8(1)


def test_types_are_found_by_name() -> None:
    types = devices.device_types()
    assert types["isa-serial"] is Serial16550
    assert set(types) == set(CATALOG)
    assert all(issubclass(kind, Device) and kind.type == name for name, kind in types.items())


def test_every_chip_has_its_line_in_the_catalog() -> None:
    """A device class that a board or a user cannot name would be a file without its line."""
    for module in pkgutil.walk_packages(pyqemu.hw.__path__, "pyqemu.hw."):
        importlib.import_module(module.name)
    inside = {"ps2-kbd", "ps2-mouse"}  # parts of the i8042, never plugged alone
    named = {kind.type for kind in _subclasses(Device) if "type" in vars(kind)}
    assert named - inside <= set(CATALOG) | set(STAND_INS)


def _subclasses(kind: type[Device]) -> set[type[Device]]:
    direct = {found for found in kind.__subclasses__() if found.__module__.startswith("pyqemu.hw.")}
    return direct | {deeper for found in kind.__subclasses__() for deeper in _subclasses(found)}


def test_stand_ins_reach_a_device_that_carries_or_inherits_them() -> None:
    kinds = devices.device_types().values()
    for name in STAND_INS:
        assert property_class(name) is not None
        assert any(is_a(kind, name) for kind in kinds), name
    assert property_class("qxl") is None


def test_buses() -> None:
    assert devices.bus_name(_Toy) == "ISA"
    assert devices.bus_name(PciDevice) == "PCI"


def test_compat_properties_without_effect_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "device_types", lambda: {"toy": _Toy})
    remarks = [
        devices.compat_remark(CompatProperty(driver, name, "1"))
        for driver, name in (("qxl", "revision"), ("toy", "depth"), ("toy", "level"))
    ]
    assert remarks == ["no such device here", "no such property here", ""]
