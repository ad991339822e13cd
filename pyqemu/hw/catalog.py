"""Which module holds which device type. A new chip is a file and a line here.

The modules are imported when a machine needs them, so that a type that nobody uses costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from pyqemu.core.errors import ConfigError, nearest

if TYPE_CHECKING:
    from pyqemu.core.device import Device

CATALOG = {
    "i440FX-pcihost": "pci.i440fx:I440fxHost",
    "i440FX": "pci.i440fx:I440fx",
    "PIIX3": "pci.piix3:Piix3",
    "PIIX4_PM": "acpi.piix4_pm:Piix4Pm",
    "isa-i8259": "intc.i8259:I8259",
    "ioapic": "intc.i82093aa:I82093aa",
    "i8257": "dma.i8237:I8237",
    "isa-pit": "timer.i8254:I8254",
    "mc146818rtc": "rtc.mc146818:Mc146818",
    "isa-pcspk": "audio.pcspk:PcSpeaker",
    "i8042": "input.i8042:I8042",
    "port92": "misc.port92:Port92",
    "vmport": "misc.vmport:VmPort",
    "fw_cfg_io": "fw_cfg.fw_cfg:FwCfg",
    "isa-fdc": "floppy.i82078:I82078",
    "piix3-ide": "ide.piix3:Piix3Ide",
    "isa-ide": "ide.isa:IsaIde",
    "VGA": "display.stdvga:StdVga",
    "isa-vga": "display.stdvga:IsaVga",
    "isa-serial": "char.serial_16550:Serial16550",
    "isa-parallel": "char.parallel:Parallel",
    "isa-debugcon": "char.debugcon:DebugConsole",
    "isa-debug-exit": "misc.debugexit:DebugExit",
    "pvpanic": "misc.pvpanic:PvPanic",
}

# Names that no device of a board has, and where their properties are: a parent of many types; drives, which are
# parts of their controllers here (``Device.carries``).
STAND_INS = {
    "pci-device": "pci.device:PciDevice",
    "ide-drive": "ide.piix3:Piix3Ide",
    "ide-hd": "ide.piix3:Piix3Ide",
    "ide-cd": "ide.piix3:Piix3Ide",
}


def property_class(driver: str) -> type[Device] | None:
    """The class whose properties ``-global`` and compat properties of *driver* name; None: no such device here."""
    if driver in CATALOG:
        return device_class(driver)
    return _load(STAND_INS[driver]) if driver in STAND_INS else None


def device_class(type_name: str) -> type[Device]:
    """The class of a device type. Raises ConfigError in QEMU's wording."""
    if type_name not in CATALOG:
        raise ConfigError(f"'{type_name}' is not a valid device model name", nearest(type_name, CATALOG))
    return _load(CATALOG[type_name])


def _load(place: str) -> type[Device]:
    module, name = place.split(":")
    found: type[Device] = getattr(import_module(f"pyqemu.hw.{module}"), name)
    return found
