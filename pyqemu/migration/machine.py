"""The parts of a saved machine that belong to no device: clock, run state, and what both sides must agree on.

Source   ``reference/migration/``: sections ``timer`` (version 2) and ``globalstate``; ``pyqemu`` is ours
"""

from __future__ import annotations

import json
import zlib
from typing import TYPE_CHECKING, Any

from pyqemu import __version__
from pyqemu.core.runstate import RunState
from pyqemu.core.state import Record, State, StateError
from pyqemu.cpu.state import CpuCommon, CpuState

if TYPE_CHECKING:
    from pyqemu.cpu.models import CpuModel
    from pyqemu.machines.registry import MachineType
    from pyqemu.migration.layout import Section

TEXT_BYTES = 4096
LAYOUT_BYTES = 1 << 20  # compressed
LAYOUT_LIMIT = 2 << 20  # as text
RUN_STATE_BYTES = 100
UNPROMISED = ("next", "vendor")  # stability classes without a promise of ours
LOADABLE = {  # run states of a stream → what the machine is in after loading it
    "running": RunState.RUNNING,
    "paused": RunState.PAUSED,
    "prelaunch": RunState.PRELAUNCH,
    "shutdown": RunState.SHUTDOWN,
    "io-error": RunState.IO_ERROR,
    "internal-error": RunState.INTERNAL_ERROR,
    "guest-panicked": RunState.GUEST_PANICKED,
    "postmigrate": RunState.PAUSED,
    "finish-migrate": RunState.PAUSED,
    "save-vm": RunState.PAUSED,
    "restore-vm": RunState.PAUSED,
}


class Timer(Record, vmstate="timer", version=2):
    """The machine's clock (ns), and the CPU's time-stamp counter."""

    ticks = State.i64(name="cpu_ticks_offset")
    unused = State.unused(8)
    clock_ns = State.i64(name="cpu_clock_offset")

    def check(self) -> None:
        if self.clock_ns < 0:
            raise StateError(f"field 'cpu_clock_offset' is {self.clock_ns}: before power-on")


class GlobalState(Record, vmstate="globalstate"):
    """The run state. ``size`` counts the name and its terminating zero."""

    size = State.u32()
    runstate = State.bytes(RUN_STATE_BYTES)

    @property
    def run_state(self) -> RunState:
        return LOADABLE[self.name]

    @property
    def name(self) -> str:
        return bytes(self.runstate).split(b"\0")[0].decode("latin-1")

    def set(self, name: str) -> None:
        self.size = len(name) + 1
        self.runstate[:] = name.encode().ljust(RUN_STATE_BYTES, b"\0")

    def check(self) -> None:
        if self.name not in LOADABLE:
            raise StateError(f"field 'runstate' is {self.name!r:.40}, which is no run state")


class Contract(Record, vmstate="pyqemu"):
    """``layout`` is sent where the machine type promises nothing: the destination can then say what differs."""

    program = State.varying(TEXT_BYTES)
    cpu = State.varying(TEXT_BYTES)
    digest = State.varying(TEXT_BYTES)
    layout = State.varying(LAYOUT_BYTES)

    def layout_document(self) -> Any:
        """What ``layout`` says, or None. Raises StateError if it is damaged."""
        if not self.layout:
            return None
        try:
            unpacker = zlib.decompressobj()
            text = unpacker.decompress(bytes(self.layout), LAYOUT_LIMIT)
            if unpacker.unconsumed_tail or not unpacker.eof:
                raise ValueError
            return json.loads(text)
        except (zlib.error, ValueError, RecursionError):
            raise StateError("field 'layout' is damaged") from None


def cpu_text(model: CpuModel) -> str:
    """A CPU model and its features, in one spelling."""
    switches = dict(model.features)  # the last one counts
    return ",".join([model.name, *(f"{name}={value}" for name, value in sorted(switches.items()))])


def pack_layout(document: Any) -> bytes:
    return zlib.compress(json.dumps(document, separators=(",", ":")).encode(), 9)


def pull(vm: Any, sections: list[Section], run_state: str) -> None:
    """Fill the machine's own records from the machine, which stands still."""
    engine = vm.cpu.engine
    for section in sections:
        match section.record:
            case Timer() as timer:
                timer.ticks = _signed(engine.get_ticks())
                timer.clock_ns = vm.clock.now()
            case CpuCommon() as common:
                common.halted, common.interrupt_request = engine.get_requests()
            case CpuState() as state:
                state.pull(engine)
            case GlobalState() as state:
                state.set(run_state)
            case Contract() as contract:
                contract.program = bytearray(f"pyqemu {__version__}".encode())
                contract.cpu = bytearray(cpu_text(vm.cpu.model).encode())


def push(vm: Any, sections: list[Section]) -> None:
    """Give the machine what its own records hold. The clock comes first, see ``set_clock``."""
    engine = vm.cpu.engine
    for section in sections:
        match section.record:
            case CpuState() as state:
                state.push(engine)
    for section in sections:
        match section.record:
            case CpuCommon() as common:
                engine.set_requests(common.halted, common.interrupt_request)
            case Timer() as timer:
                engine.set_ticks(timer.ticks & (1 << 64) - 1, False)


def set_clock(vm: Any, sections: list[Section]) -> None:
    for section in sections:
        if isinstance(section.record, Timer):
            vm.clock.restore(section.record.clock_ns)


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


def is_stable(kind: MachineType) -> bool:
    """Whether a machine type promises that its state loads in other versions of pyqemu."""
    return kind.stability not in UNPROMISED
