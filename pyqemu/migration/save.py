"""Writing a machine's state: the device sections, and the whole stream of a machine that stands still.

The RAM of a running guest is sent by ``outgoing.py``, which uses the same pieces.
"""

from __future__ import annotations

import json
from typing import Any

from pyqemu.core.memory import PAGE_BYTES
from pyqemu.core.messages import warn
from pyqemu.migration import layout, machine, stream
from pyqemu.migration.forms import form_of
from pyqemu.migration.layout import Section
from pyqemu.migration.machine import Contract, GlobalState
from pyqemu.migration.ram import END_OF_CHUNK, RamWriter, runs
from pyqemu.migration.stream import Sink

RAM, RAM_VERSION = "ram", 4
RAM_ID = 1  # the section's number; those of the others follow


def save_vm(vm: Any, sink: Sink, *, run_state: str = "") -> None:
    """Write the whole state of *vm*, which must not run meanwhile. It stays as it is.

    *run_state* is what the stream says of it; empty: what it is in.
    """
    write_head(vm, sink)
    form = form_of(vm.machine)
    writer = RamWriter(layout.ram_blocks(vm.board))
    sink.write(form.section(stream.START, RAM_ID, writer.sizes(), RAM, 0, RAM_VERSION))
    sink.write(bytes((stream.PART,)) + RAM_ID.to_bytes(4, "big"))
    sync_ram(vm)
    for block, offset, length in runs(writer.blocks):
        sink.write(b"".join(writer.run(block, offset, length, bytes(block.view[offset : offset + length]))))
    sink.write(END_OF_CHUNK + form.footer(RAM_ID))
    sink.write(form.section(stream.LAST, RAM_ID, END_OF_CHUNK))
    write_devices(vm, sink, run_state or str(vm.state))


def warn_unpromised(vm: Any) -> None:
    """Tell the user what a saved state of this machine type is worth, where that is little."""
    if not machine.is_stable(vm.machine):
        warn(
            f"machine type '{vm.machine.name}' may change with every build of pyqemu: this state is sure to load in"
            " this build only; any other loads it or says what differs"
        )


def sync_ram(vm: Any) -> None:
    """Let devices write back what they hold of their memory."""
    for device in vm.board.devices.values():
        device.sync_ram()


def write_head(vm: Any, sink: Sink) -> None:
    """The header, and what both sides must agree on: checked before anything is loaded."""
    form = form_of(vm.machine)
    sink.write(form.header(vm.machine.name))
    section = layout.sections(vm.board)[0]
    if isinstance(section.record, Contract):
        machine.pull(vm, [section], "")
        contract(vm, section.record)
        data, _ = section.encode()
        sink.write(form.section(stream.FULL, 0, data, section.name, section.instance, section.version))


def contract(vm: Any, record: Contract) -> None:
    """Types that promise nothing say what they are made of."""
    record.digest = bytearray(layout.digest(vm.board).encode())
    if not machine.is_stable(vm.machine):
        record.layout = bytearray(machine.pack_layout(layout.document(vm.board)))


def write_devices(vm: Any, sink: Sink, run_state: str) -> None:
    """All sections but ``pyqemu`` and RAM, which were first, then the end of the stream."""
    form = form_of(vm.machine)
    sections: list[Section] = layout.sections(vm.board)
    for device in vm.board.devices.values():
        device.before_save()
    machine.pull(vm, sections, run_state)
    described = []
    for number, section in enumerate(sections, RAM_ID + 1):
        if isinstance(section.record, GlobalState) and form.leaves_out(run_state):
            continue
        if isinstance(section.record, Contract):
            contract(vm, section.record)
        data, description = section.encode()
        described.append(description)
        if not isinstance(section.record, Contract):
            sink.write(form.section(stream.FULL, number, data, section.name, section.instance, section.version))
    sink.write(form.end(json.dumps({"page_size": PAGE_BYTES, "devices": described})))
