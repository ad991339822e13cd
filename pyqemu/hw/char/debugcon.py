"""Debug console: one port that prints, device type ``isa-debugcon``.

Source   Bochs documentation, "port_e9_hack"
Ports    iobase, one byte: writes go to the backend, reads give ``readback``, by which guests find it. Wider
         reads give zero
IRQ      none
Errors   realize() raises ConfigError if the port is taken; bytes that the backend refuses are lost
Missing  nothing
"""

from __future__ import annotations

from typing import Any

from pyqemu.core.bus import Bus
from pyqemu.core.device import IsaDevice, Prop
from pyqemu.core.errors import ConfigError


class DebugConsole(IsaDevice, type="isa-debugcon"):
    iobase = Prop.u32(0xE9, help="the I/O port")
    chardev = Prop.chardev(help="backend that takes the text")
    readback = Prop.u32(0xE9, help="what the port reads")

    def realize(self, bus: Bus) -> None:
        if self.chardev is None:
            raise ConfigError("Can't create debugcon device, empty char device")
        bus.ports.map(self.iobase, 1, self._read, self._write, owner=self)
        for width in (2, 4):
            bus.ports.map(self.iobase, 1, self._read_wide, None, owner=self, width=width)
        bus.ports.map_string(self.iobase, None, self._write_string)
        self.chardev.connect(lambda _data: None, lambda: 0)

    def _read(self, _offset: int) -> int:
        return self.readback & 0xFF

    def _write(self, _offset: int, value: int) -> None:
        self.chardev.write(bytes((value & 0xFF,)))

    def _read_wide(self, _offset: int) -> int:
        return 0

    def _write_string(self, width: int, data: Any) -> int:
        """``rep outsb``: a whole line in one call."""
        if width != 1:
            return 0
        self.chardev.write(bytes(data))
        return len(data)
