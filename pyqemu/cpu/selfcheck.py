"""The CPU checks itself before it runs a guest.

The native half depends on the inside of one version of Unicorn. If an offset or a replaced function were
wrong, guests would go wrong silently, so a program of some hundred bytes takes one interrupt, one fault, one
system call and one kick first. It takes some ten milliseconds, most of them for the engine.
"""

from __future__ import annotations

from typing import Any

from pyqemu.core.errors import ConfigError
from pyqemu.core.memory import PAGE_BYTES, AddressSpace, RamBlock
from pyqemu.core.ports import PortSpace

BASE = 0x1000
INTERRUPT_VECTOR = 0x20
CHECKS = ("interrupt", "fault", "system call", "kick")

# Generated from selfcheck.asm.
PROGRAM = bytes.fromhex(
    "fa0f0116b0100f011eb6100f20c00c010f22c0ea1810080066b810008ed88ed0bc0090000031dbfb90e610eb00fa0f0bb9800000"
    "c00f320c010f30b9810000c0b84e100000ba080000000f300f0580cb0431d2b9e8030000c705bc1000000000000081f9f4010000"
    "7502e612010dbc1000004975ed813dbc10000014a30700750380cb0888d8e613f4e61180cb01cf8304240280cb02cf9000000000"
    "00000000ffff0000009acf00ffff00000092cf001700981000000701c01000000000000000000000000000000000000000000000"
    "00000000000000000000000000000000000000000000000000000000000000008f100800008e0000000000000000000000000000"
    "00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
    "00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
    "00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
    "000000000000000000000000000000000000000000000000000000000000000089100800008e0000"
)


def check(module: Any) -> None:
    """Run the program on an engine of its own. Raises ConfigError naming what does not work."""
    ram = RamBlock("selfcheck", 16 * PAGE_BYTES)
    ram.view[BASE : BASE + len(PROGRAM)] = PROGRAM
    ports = PortSpace()
    engine = module.Engine()
    results: list[int] = []
    ports.map(0x10, 1, None, lambda _port, _value: engine.set_irq(True), owner=check)
    ports.map(0x11, 1, None, lambda _port, _value: engine.set_irq(False), owner=check)
    ports.map(0x12, 1, None, lambda _port, _value: engine.kick(), owner=check)
    ports.map(0x13, 1, None, lambda _port, value: results.append(value), owner=check)
    engine.connect(ports, AddressSpace(), lambda: INTERRUPT_VECTOR)
    engine.change_map([], [(0, ram.address, ram.size, False)], [])
    engine.reset()
    engine.poke(0xB8 + 24, 4, 0)  # CS and its base: start in the first 64 KiB
    engine.poke(0xB8 + 24 + 8, 8, 0)
    engine.poke(0x80, 8, BASE)
    reasons = [engine.run(), engine.run()] if not results else []
    passed = results[0] if results else 0
    failed = [name for bit, name in enumerate(CHECKS) if not passed >> bit & 1]
    if reasons != ["kicked", "halted"] and "kick" not in failed:
        failed.append("kick")
    if failed:
        raise ConfigError(
            f"the CPU fails its self-check: {', '.join(failed)}", "Reinstall: pip install unicorn==2.1.4"
        )
