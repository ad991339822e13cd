"""A bus to plug one chip into, with no CPU. Time moves only when told."""

from __future__ import annotations

from typing import Any

from pyqemu.core.bus import Bus
from pyqemu.core.clock import Clock
from pyqemu.core.lines import Pin
from pyqemu.core.memory import AddressSpace, Ram, RamBlock
from pyqemu.core.ports import PortSpace
from pyqemu.hw.pci.bus import PciBus


class PowerSwitch:
    """Notes what chips ask for: ``requests`` holds (kind, detail) pairs."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, Any]] = []

    def request_reset(self, cause: str = "guest-reset") -> None:
        self.requests.append(("reset", cause))

    def request_shutdown(self, cause: str = "guest-shutdown") -> None:
        self.requests.append(("shutdown", cause))

    def request_exit(self, status: int) -> None:
        self.requests.append(("exit", status))

    def report_panic(self, what: str) -> None:
        self.requests.append(("panic", what))


class FakeDmaChannel:
    """A DMA channel that moves data at once. ``memory`` is the guest's buffer, ``length`` its size."""

    def __init__(self) -> None:
        self.terminal_count = False
        self.memory = bytearray()
        self.length = 0
        self.position = 0
        self.requested = False
        self._handler: Any = None

    def arm(self, length: int, data: bytes = b"") -> None:
        """Programme the channel for *length* bytes (holding *data* for reads)."""
        self.memory, self.length = bytearray(data.ljust(length, b"\0")), length
        self.position, self.terminal_count = 0, False

    def connect(self, handler: Any) -> None:
        self._handler = handler

    def request(self, level: bool) -> None:
        self.requested = bool(level)
        if self.requested and self._handler:
            self._handler()

    def read(self, length: int) -> bytes:
        data = bytes(self.memory[self.position : self.position + length])
        self._moved(len(data))
        return data

    def write(self, data: bytes | memoryview) -> int:
        count = min(len(data), self.length - self.position)
        self.memory[self.position : self.position + count] = bytes(data[:count])
        self._moved(count)
        return count

    def _moved(self, count: int) -> None:
        self.position += count
        self.terminal_count = self.position >= self.length


class Bench(Bus):
    """A bus with 1 MiB of RAM, a clock moved by hand and interrupt inputs that remember their edges."""

    def __init__(self) -> None:
        self.power_switch = PowerSwitch()
        super().__init__(PortSpace(), AddressSpace(), Clock(source=None), self.power_switch)
        self.ram = RamBlock("pc.ram", 1 << 20)
        self.memory.map(0, Ram(self.ram), priority=-1)
        self.edges = [0] * len(self.irq_pins)
        for number, pin in enumerate(self.irq_pins):
            pin.handler = self._counter(number)
        self.dma_channels.update({n: FakeDmaChannel() for n in range(8)})
        self.pci = PciBus(self)

    def _counter(self, number: int) -> Any:
        def count(level: bool) -> None:
            self.edges[number] += level

        return count

    def plug(self, device: Any) -> Any:
        """Realize and reset an ISA device here; returns it."""
        device.attach(self)
        return device

    def plug_pci(self, device: Any) -> Any:
        device.attach(self.pci)
        return device

    def irq_pin(self, number: int) -> Pin:
        """An interrupt input: ``.level``; ``edges[number]`` counts its rising edges."""
        return self.irq_pins[number]

    def inb(self, port: int) -> int:
        return self.ports.read(port, 1)

    def inw(self, port: int) -> int:
        return self.ports.read(port, 2)

    def inl(self, port: int) -> int:
        return self.ports.read(port, 4)

    def outb(self, port: int, value: int) -> None:
        self.ports.write(port, 1, value)

    def outw(self, port: int, value: int) -> None:
        self.ports.write(port, 2, value)

    def outl(self, port: int, value: int) -> None:
        self.ports.write(port, 4, value)

    def advance(self, ns: int) -> None:
        self.clock.advance(ns)
