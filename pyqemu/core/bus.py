"""What a chip can reach: ports, memory, interrupt inputs, DMA channels, the clock, the power switch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from pyqemu.core.clock import Clock
from pyqemu.core.errors import ConfigError
from pyqemu.core.lines import Line, Pin
from pyqemu.core.memory import AddressSpace
from pyqemu.core.ports import PortSpace

ISA_IRQS = 16


class Power(Protocol):
    """The machine's power and reset switches, as chips press them. They act between instructions."""

    def request_reset(self, cause: str = "guest-reset") -> None: ...
    def request_shutdown(self, cause: str = "guest-shutdown") -> None: ...
    def request_exit(self, status: int) -> None: ...
    def report_panic(self, what: str) -> None: ...


class DmaChannel(Protocol):
    """One channel of the ISA DMA controllers, from the device's side."""

    terminal_count: bool

    def connect(self, handler: Callable[[], None]) -> None:
        """*handler()* is called whenever the channel can move data: DREQ is high and it is unmasked."""

    def request(self, level: bool) -> None:
        """Drive DREQ."""

    def read(self, length: int) -> bytes:
        """Memory → device: at most *length* bytes, fewer at terminal count; advances the channel."""

    def write(self, data: bytes | memoryview) -> int:
        """Device → memory: how many bytes were taken before terminal count (verify mode takes and drops)."""


class Bus:
    """The ISA side of a board. ``irq_pins[n].handler`` belongs to the interrupt controller."""

    def __init__(self, ports: PortSpace, memory: AddressSpace, clock: Clock, power: Power) -> None:
        self.ports = ports
        self.memory = memory
        self.clock = clock
        self.power = power
        self.irq_pins = [Pin() for _ in range(ISA_IRQS)]
        self.dma_channels: dict[int, DmaChannel] = {}

    def irq(self, number: int) -> Line:
        """A new line into ISA interrupt *number*. Raises ConfigError if there is no such interrupt."""
        if not 0 <= number < ISA_IRQS:
            raise ConfigError(f"ISA has no interrupt {number}", f"Accepted: 0 to {ISA_IRQS - 1}.")
        return self.irq_pins[number].connect()

    def dma(self, channel: int) -> DmaChannel:
        """DMA channel 0 to 7 (4 is the cascade). Raises ConfigError if the board has none."""
        if channel not in self.dma_channels:
            raise ConfigError(f"the board has no DMA channel {channel}")
        return self.dma_channels[channel]
