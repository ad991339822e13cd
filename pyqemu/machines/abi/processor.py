"""What CPUID says, for every model that ``-cpu`` names, and EDX at reset."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pyqemu.cpu.library import native
from pyqemu.cpu.model_names import MODEL_NAMES
from pyqemu.cpu.models import find_model

RANGES = (0x00000000, 0x40000000, 0x80000000, 0xC0000000)
LEAF_LIMIT = 0x40
SUBLEAVES = {0x4: 8, 0x7: 2, 0xB: 3, 0xD: 16, 0x14: 2, 0x8000001D: 5}


def models(hw_version: str) -> dict[str, dict[str, str]]:
    """``{"qemu64": {"00000001.00": "EAX EBX ECX EDX"}}``. Leaves that are all zeros are left out."""
    return {name: dict(_leaves(name, hw_version)) for name in MODEL_NAMES}


def _leaves(name: str, hw_version: str) -> Iterator[tuple[str, str]]:
    model = find_model(name, hw_version)
    engine: Any = native().Engine(model.unicorn_number)
    try:
        model.apply(engine)
        engine.reset()  # some bits follow control registers
        for first in RANGES:
            highest = engine.cpuid(first, 0)[0]
            if highest & 0xFFFF0000 != first and first:
                continue
            for leaf in range(first, min(highest, first + LEAF_LIMIT) + 1):
                for subleaf in range(SUBLEAVES.get(leaf, 1)):
                    registers = engine.cpuid(leaf, subleaf)
                    if any(registers):
                        yield f"{leaf:08x}.{subleaf:02x}", " ".join(f"{value:08x}" for value in registers)
    finally:
        engine.close()
