"""What surrounds the sections of a stream: it was not always the same, and is a property of the machine type.

Source   ``reference/migration/types.md``: what QEMU 7.2 writes for each of its types
Wiring   a machine type says ``stream: NAME`` in its YAML file; both the reader and the writer go by it, because a
         stream does not say which form it has
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyqemu.migration import stream

if TYPE_CHECKING:
    from pyqemu.machines.registry import MachineType


@dataclass(frozen=True)
class Form:
    """Which of these a stream has."""

    configuration: bool = True  # the machine type's name, first
    footers: bool = True  # behind each section
    description: bool = True  # behind the end
    run_state: bool = True  # section globalstate also for a machine that runs or is paused
    contract: bool = True  # section pyqemu: what QEMU has no place for

    def header(self, machine: str) -> bytes:
        return stream.header(machine) if self.configuration else stream.magic()

    def section(
        self, kind: int, number: int, data: bytes, name: str = "", instance: int = 0, version: int = 0
    ) -> bytes:
        return stream.section(kind, number, data, name, instance, version) + self.footer(number)

    def footer(self, number: int) -> bytes:
        return stream.footer(number) if self.footers else b""

    def end(self, description: str) -> bytes:
        return stream.end() + (stream.description(description) if self.description else b"")

    def leaves_out(self, run_state: str) -> bool:
        """Whether a stream has no word of that run state."""
        return not self.run_state and run_state in ("running", "paused")


FORMS = {
    "pyqemu": Form(),
    "qemu": Form(contract=False),  # QEMU's types from 2.4 on, and isapc
    "qemu-2.0": Form(configuration=False, footers=False, description=False, run_state=False, contract=False),
    "qemu-1.4": Form(configuration=False, footers=False, run_state=False, contract=False),  # to 1.7, and 2.3
}


def form_of(machine: MachineType) -> Form:
    return FORMS[machine.stream]
