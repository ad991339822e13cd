"""CPU models: which of Unicorn's CPUs, and what CPUID shows of it on this board.

Source   Intel SDM 2A (CPUID), AMD64 APM 3 appendix E; values of qemu64 and qemu32 as QEMU's pc types of
         the 1.x line show them
Units    registers in the order EAX, EBX, ECX, EDX
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pyqemu.core.errors import ConfigError, nearest
from pyqemu.cpu.model_names import MODEL_NAMES

Registers = tuple[int, int, int, int]
Override = tuple[int, Registers, Registers]

ALL = 0xFFFFFFFF
ANY: Registers = (ALL, ALL, ALL, ALL)
NONE: Registers = (0, 0, 0, 0)

APIC_EDX = 1 << 9
X2APIC_ECX = 1 << 21
TSC_DEADLINE_ECX = 1 << 24
HYPERVISOR_ECX = 1 << 31
EXTENDED_APIC_ECX = 1 << 3

BASIC_LEAVES = 4  # the highest basic leaf of the generic models on the 1.x machine types


@dataclass(frozen=True)
class CpuModel:
    """*name* is QEMU's; *hw_version* goes into the name string of the generic models."""

    name: str
    hw_version: str = ""

    @property
    def unicorn_number(self) -> int:
        """Unicorn numbers its models in the order of its list."""
        return MODEL_NAMES.index(self.name)

    @property
    def generic(self) -> bool:
        """The models that stand for "a QEMU CPU" rather than for a product."""
        return self.name in ("qemu64", "qemu32")

    def overrides(self, cpuid: Callable[[int, int], Registers]) -> list[Override]:
        """Changes to what Unicorn's CPU says: there is no local APIC on the board yet, and the generic models
        carry the version of the machine type, not of the program."""
        no_apic = (ALL, 0x00FFFFFF, ALL & ~(X2APIC_ECX | TSC_DEADLINE_ECX), ALL & ~APIC_EDX)
        changes: list[Override] = []
        if self.generic:
            changes += self._generic(cpuid)
        changes.append((1, no_apic, (0, 0, HYPERVISOR_ECX, 0)))
        changes.append((0x80000001, (ALL, ALL, ALL & ~EXTENDED_APIC_ECX, ALL & ~APIC_EDX), NONE))
        changes.append((0xB, NONE, NONE))
        changes.append((0x40000000, NONE, NONE))
        return changes

    def _generic(self, cpuid: Callable[[int, int], Registers]) -> list[Override]:
        changes: list[Override] = [(0, (0, ALL, ALL, ALL), (BASIC_LEAVES, 0, 0, 0))]
        signature = 0x00000623  # family 6, model 2, stepping 3
        if self.name == "qemu64":
            # SSE3, CMPXCHG16B, POPCNT; and of AMD's: LAHF, SVM, ABM, SSE4A
            changes.append((1, (0, ALL, 0, 0), (signature, 0, 0x00802001, 0x078BFBFD)))
            changes.append((0x80000001, (0, ALL, 0, 0), (signature, 0, 0x00000065, 0x2193FBFD)))
        else:
            changes.append((1, (0, ALL, ALL, ALL), (signature, 0, 0, 0)))
        text = f"QEMU Virtual CPU version {self.hw_version}" if self.hw_version else ""
        if text:
            brand = text.encode().ljust(48, b"\0")
            for number in range(3):
                words = [brand[16 * number + 4 * i :][:4] for i in range(4)]
                a, b, c, d = (int.from_bytes(word, "little") for word in words)
                changes.append((0x80000002 + number, NONE, (a, b, c, d)))
        changes += [(leaf, NONE, NONE) for leaf in range(BASIC_LEAVES + 1, 0xE)]
        return changes


def find_model(name: str, hw_version: str = "") -> CpuModel:
    """The model that ``-cpu`` names. Raises ConfigError."""
    if name not in MODEL_NAMES:
        raise ConfigError(f"unable to find CPU model '{name}'", nearest(name, MODEL_NAMES))
    return CpuModel(name, hw_version)
