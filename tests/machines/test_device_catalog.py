"""Which device types there are."""

from __future__ import annotations

import pytest

from pyqemu.core.device import Device, IsaDevice, Prop
from pyqemu.hw.pci.device import PciDevice
from pyqemu.machines import devices
from pyqemu.machines.schema import CompatProperty


class _Toy(IsaDevice, type="toy"):
    level = Prop.u8(1)


def test_types_are_found_by_name() -> None:
    types = devices.device_types()
    assert types["toy"] is _Toy
    assert all(issubclass(kind, Device) and kind.type == name for name, kind in types.items())


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
