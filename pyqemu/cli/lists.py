"""What there is to choose from, in the formats of QEMU's ``help`` values (scripts read them)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyqemu.machines.registry import Registry

VGA = {"none": "no graphic card", "std": "standard VGA"}
DISPLAYS = ("none", "curses")

LOG_ITEMS = {
    "unimp": "log unimplemented functionality",
    "guest_errors": "log when the guest OS does something invalid (eg accessing a\nnon-existent register)",
}
"""The categories of ``-d``; each is the logger ``pyqemu.CATEGORY``."""


def machines(registry: Registry) -> str:
    rows = ["Supported machines are:"]
    for name in registry.names():
        machine = registry.get(name)
        if machine.alias:
            rows.append(f"{machine.alias:<20} {machine.desc} (alias of {name})")
        default = " (default)" if machine.default else ""
        deprecated = " (deprecated)" if registry.deprecation(machine) else ""
        rows.append(f"{name:<20} {machine.desc}{default}{deprecated}")
    return "\n".join(rows)


def cpus() -> str:
    from textwrap import fill

    from pyqemu.cpu.model_names import FLAG_NAMES, MODEL_NAMES, MODEL_TITLES

    rows = [f"x86 {name:<20}  {MODEL_TITLES.get(name, '')}".rstrip() for name in sorted(MODEL_NAMES)]
    flags = fill(" ".join(FLAG_NAMES), 78, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False)
    return "\n".join(["Available CPUs:", *rows, "", "Recognized CPUID flags:", flags])


def vga() -> str:
    return "\n".join(f"{name:<20} {text}{' (default)' if name == 'std' else ''}" for name, text in VGA.items())


def displays() -> str:
    return "\n".join(["Available display backend types:", *DISPLAYS])


def log_items() -> str:
    return "\n".join(["Log items (comma separated):", *(f"{name:<15} {text}" for name, text in LOG_ITEMS.items())])


def trace_events() -> str:
    from pyqemu.core import runstate, trace  # noqa: F401 (events stand beside what they tell of)
    from pyqemu.machines.devices import device_types

    device_types()
    return "\n".join(each.name for each in trace.events())


def firmware_dirs(named: list[str]) -> str:
    from pyqemu.paths import firmware_dir

    return "\n".join([*named, str(firmware_dir())])
