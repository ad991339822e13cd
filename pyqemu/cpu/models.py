"""CPU models: which of Unicorn's CPUs, and what CPUID shows of it on this board.

Source   Intel SDM 2A (CPUID), AMD64 APM 3 appendix E; values of qemu64 and qemu32 as QEMU's pc types of
         the 1.x line show them
Units    registers in the order EAX, EBX, ECX, EDX
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from pyqemu.core.errors import ConfigError, nearest
from pyqemu.cpu.model_names import MODEL_NAMES
from pyqemu.cpu.registers import FIELDS

Registers = tuple[int, int, int, int]

ALL = 0xFFFFFFFF
NONE: Registers = (0, 0, 0, 0)

APIC_EDX = 1 << 9
X2APIC_ECX = 1 << 21
TSC_DEADLINE_ECX = 1 << 24
HYPERVISOR_ECX = 1 << 31
EXTENDED_APIC_ECX = 1 << 3

BASIC_LEAVES = 4  # the highest basic leaf of the generic models on the 1.x machine types
SIGNATURES = {"qemu64": 0x00000623, "qemu32": 0x00000633}  # family 6, model 2 and 3, stepping 3

# Models of processors without 64-bit mode. Unicorn gives all of its models the long mode bit.
MODELS_32_BIT = ("qemu32", "kvm32", "athlon", "coreduo", "n270")
LONG_MODE_EDX = 1 << 29
PHYSICAL_BITS = 0xFF  # in 80000008.EAX; the next byte is that of linear addresses in long mode

# Feature words of qemu64: 1.EDX, 1.ECX (SSE3, CMPXCHG16B, POPCNT), 80000001.EDX, 80000001.ECX (LAHF, SVM,
# ABM, SSE4A); of qemu32 1.ECX (SSE3, POPCNT). The translator checks the same words, so an instruction works
# exactly if CPUID shows it.
GENERIC_FEATURES = {
    "qemu64": {
        "features.1.edx": 0x078BFBFD,
        "features.1.ecx": 0x00802001,
        "features.80000001.edx": 0x2193FBFD,
        "features.80000001.ecx": 0x00000065,
    },
    "qemu32": {"features.1.ecx": 0x00800001},
}


# What -cpu MODEL,+name may switch: names are QEMU's, bits are CPUID's.
_WORDS = {
    "features.1.edx": "fpu vme de pse tsc msr pae mce cx8 - - sep mtrr pge mca cmov pat pse36 - clflush - - - mmx"
    " fxsr sse sse2",
    "features.1.ecx": "pni pclmulqdq - monitor - - - - - ssse3 - - - cx16 - - - - - sse4.1 sse4.2 - movbe popcnt -"
    " aes xsave - - - rdrand",
    "features.7.ebx": "fsgsbase - - bmi1 - - - smep bmi2 erms - - - - mpx - - - rdseed adx smap - - clflushopt"
    " clwb",
    "features.80000001.edx": "- - - - - - - - - - - syscall - - - - - - - - nx - mmxext - - fxsr-opt pdpe1gb"
    " rdtscp - lm 3dnowext 3dnow",
    "features.80000001.ecx": "lahf-lm cmp-legacy svm - cr8legacy abm sse4a - 3dnowprefetch",
}
FEATURE_BITS = {
    name: (field, bit) for field, names in _WORDS.items() for bit, name in enumerate(names.split()) if name != "-"
}


@dataclass(frozen=True)
class CpuModel:
    """*name* is QEMU's; *hw_version* goes into the name string of the generic models."""

    name: str
    hw_version: str = ""
    features: tuple[tuple[str, str], ...] = ()

    def with_features(self, features: tuple[tuple[str, str], ...]) -> CpuModel:
        """The model with features switched on and off, as (name, "on" or "off"). Raises ConfigError for what
        cannot be changed here."""
        for name, _ in features:
            if name not in FEATURE_BITS:
                raise ConfigError(f"CPU property '{name}' is not supported by pyqemu", nearest(name, FEATURE_BITS))
        return replace(self, features=features)

    @property
    def unicorn_number(self) -> int:
        """Unicorn numbers its models in the order of its list."""
        return MODEL_NAMES.index(self.name)

    def apply(self, engine: Any) -> None:
        """Make the engine's CPU this model on this board: there is no local APIC on it yet, and the generic
        models carry the version of the machine type, not of the program."""
        for field, bits in GENERIC_FEATURES.get(self.name, {}).items():
            _poke(engine, field, bits)
        if self.name in MODELS_32_BIT:
            _change(engine, "features.80000001.edx", clear=LONG_MODE_EDX)
        for feature, switch in self.features:
            word, bit = FEATURE_BITS[feature]
            _change(engine, word, clear=1 << bit, set_=(switch == "on") << bit)
        _change(engine, "features.1.edx", clear=APIC_EDX)
        _change(engine, "features.1.ecx", clear=X2APIC_ECX | TSC_DEADLINE_ECX, set_=HYPERVISOR_ECX)
        _change(engine, "features.80000001.edx", clear=APIC_EDX)
        _change(engine, "features.80000001.ecx", clear=EXTENDED_APIC_ECX)
        changes = [(0xB, NONE, NONE), (0x40000000, NONE, NONE)]
        if self.name in MODELS_32_BIT:
            changes.append((0x80000008, (PHYSICAL_BITS, ALL, ALL, ALL), NONE))
        if self.name in SIGNATURES:
            changes += self._generic()
        engine.override_cpuid(changes)

    def _generic(self) -> list[tuple[int, Registers, Registers]]:
        changes: list[tuple[int, Registers, Registers]] = [
            (0, (0, ALL, ALL, ALL), (BASIC_LEAVES, 0, 0, 0)),
            (1, (0, ALL, ALL, ALL), (SIGNATURES[self.name], 0, 0, 0)),
            (0x80000001, (0, ALL, ALL, ALL), (SIGNATURES[self.name], 0, 0, 0)),
        ]
        if self.hw_version:
            brand = f"QEMU Virtual CPU version {self.hw_version}".encode().ljust(48, b"\0")
            for number in range(3):
                words = [brand[16 * number + 4 * i :][:4] for i in range(4)]
                a, b, c, d = (int.from_bytes(word, "little") for word in words)
                changes.append((0x80000002 + number, NONE, (a, b, c, d)))
        changes += [(leaf, NONE, NONE) for leaf in range(BASIC_LEAVES + 1, 0xE)]
        return changes


def _poke(engine: Any, field: str, value: int) -> None:
    engine.poke(*FIELDS[field], value)


def _change(engine: Any, field: str, *, clear: int = 0, set_: int = 0) -> None:
    _poke(engine, field, engine.peek(*FIELDS[field]) & ~clear | set_)


def find_model(name: str, hw_version: str = "") -> CpuModel:
    """The model that ``-cpu`` names. Raises ConfigError."""
    if name not in MODEL_NAMES:
        raise ConfigError(f"unable to find CPU model '{name}'", nearest(name, MODEL_NAMES))
    return CpuModel(name, hw_version)
