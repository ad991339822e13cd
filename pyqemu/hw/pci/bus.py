"""One PCI bus: which function sits in which slot, and how interrupt pins reach the router.

Source   PCI Local Bus Specification 2.1, 2.2.6 (interrupt pins); the PIIX board swizzles pins by slot:
         PIRQ = (pin + slot - 1) mod 4 with INTA# = 0, as its schematic and QEMU's i440FX do
"""

from __future__ import annotations

from pyqemu.core.bus import Bus
from pyqemu.core.errors import ConfigError
from pyqemu.core.lines import Line, Pin
from pyqemu.core.state import Record, State
from pyqemu.hw.pci.device import PciDevice

SLOTS = 32
PIRQS = 4


class Pins(Record, vmstate="PCIBUS"):
    """The interrupt pins in a stream: how many devices hold each. The devices say so themselves after loading."""

    bus: PciBus

    pins = State.constant("int32 equal", PIRQS, name="nirq")
    counts = State.view(
        "int32", lambda pins: [pin.sources for pin in pins.bus.pirq_pins], count=PIRQS, name="irq_count"
    )


class PciBus:
    """``isa`` is the board's other side (ports, memory, clock). ``pirq_pins[n].handler`` is the router's."""

    window_priority = 1

    def __init__(self, isa: Bus) -> None:
        self.isa = isa
        self.devices: dict[int, PciDevice] = {}
        self.pirq_pins = [Pin() for _ in range(PIRQS)]
        self.stream_part = Pins()
        self.stream_part.bus = self

    def plug(self, device: PciDevice, devfn: int) -> int:
        """Take a place; -1 means function 0 of the first free slot. Returns the devfn."""
        if devfn < 0:
            devfn = next((slot << 3 for slot in range(SLOTS) if slot << 3 not in self.devices), -1)
            if devfn < 0:
                raise ConfigError("PCI: no slot is free for " + device.type)
        if devfn in self.devices:
            raise ConfigError(
                f"PCI: slot {devfn >> 3} function {devfn & 7} not available for {device.type}, "
                f"in use by {self.devices[devfn].type}"
            )
        self.devices[devfn] = device
        return devfn

    def intx(self, devfn: int, pin: int) -> Line:
        """A line from interrupt *pin* (1 = INTA#) of a function to its PIRQ."""
        return self.pirq_pins[(pin - 1 + (devfn >> 3) - 1) % PIRQS].connect()

    def read_config(self, devfn: int, offset: int, width: int) -> int:
        """A configuration read; all ones where no function answers (master abort)."""
        device = self.devices.get(devfn)
        if device is None:
            return (1 << 8 * width) - 1
        return device.read_config(offset, width)

    def write_config(self, devfn: int, offset: int, width: int, value: int) -> None:
        device = self.devices.get(devfn)
        if device is not None:
            device.write_config(offset, width, value)
