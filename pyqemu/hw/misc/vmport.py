"""VMware's backdoor, device type ``vmport``: commands in registers, given by reading or writing one port.

Source   VMware's "backdoor" interface as its open tools describe it; which calls answer, and how: QEMU 7.2's
         pc-i440fx-1.4 seen by a guest (``tests/golden/abi``)
Port     5658, any width. EAX holds the magic number, the low half of ECX the command; answers are in EAX and EBX.
         Without the magic number, and for other commands, a read gives EAX back as it was
Commands 0A version: 6, with the magic number in EBX; 14 memory size: bytes, product 1177 in EBX; others do nothing
Missing  the absolute pointer (27-29), which belongs to a mouse that is not there
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from pyqemu.core.bus import Bus
from pyqemu.core.device import IsaDevice

PORT = 0x5658
MAGIC = 0x564D5868
VERSION, MEMORY_SIZE = 0x0A, 0x14
VERSION_NUMBER = 6
PRODUCT = 0x1177
DWORD = 0xFFFFFFFF


class VmPort(IsaDevice, type="vmport"):
    """``get_register(name)`` and ``set_register(name, value)`` are the CPU's, and ``ram_bytes`` the machine's; the
    board sets them. Alone on a bus there are no registers, and no command."""

    ram_bytes = 0

    def __init__(self, **values: Any) -> None:
        super().__init__(**values)
        self.get_register: Callable[[str], int] = lambda _name: 0
        self.set_register: Callable[[str, int], None] = lambda _name, _value: None

    def realize(self, bus: Bus) -> None:
        for width in (1, 2, 4):
            bus.ports.map(PORT, 1, partial(self.read, width), partial(self.write, width), owner=self, width=width)

    def read(self, width: int, _offset: int) -> int:
        return self._command() & ((1 << 8 * width) - 1)

    def write(self, _width: int, _offset: int, _value: int) -> None:
        self.set_register("rax", self._command())

    def _command(self) -> int:
        """Carry out the command in the registers; what EAX is then."""
        eax = self.get_register("rax") & DWORD
        if eax != MAGIC:
            return eax
        command = self.get_register("rcx") & 0xFFFF
        if command == VERSION:
            self.set_register("rbx", MAGIC)
            return VERSION_NUMBER
        if command == MEMORY_SIZE:
            self.set_register("rbx", PRODUCT)
            return self.ram_bytes & DWORD
        return eax
