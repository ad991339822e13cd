"""What a saved machine looks like from outside, and that loading it gives the same machine."""

from __future__ import annotations

import io
import json

import pytest
from migration.conftest import MACHINES, run_for, state_of
from migration.stream_parser import StreamParser

from pyqemu import migration
from pyqemu.migration import layout

EVERY_MACHINE = pytest.mark.parametrize("machine", MACHINES)
START, PART, LAST, FULL = 1, 2, 3, 4


@EVERY_MACHINE
def test_a_stream_is_what_the_format_says(machine, build):
    vm = build(machine)
    run_for(vm, 0.3)
    parsed = StreamParser(state_of(vm)).parse()
    assert parsed.machine == machine
    assert parsed.order[:3] == [(FULL, "pyqemu"), (START, "ram"), (PART, "ram")]
    assert parsed.order[-1] == (FULL, "globalstate")
    assert [kind for kind, name in parsed.order if name == "ram"] == [START, PART, LAST]
    for block in vm.board.ram_blocks():
        pages = parsed.pages[block.name]
        assert b"".join(pages[offset] for offset in sorted(pages)) == bytes(block.view)


@EVERY_MACHINE
def test_the_description_accounts_for_every_byte(machine, build):
    vm = build(machine)
    run_for(vm, 0.3)
    data = state_of(vm)
    parsed = StreamParser(data).parse()  # asserts each field's size, each footer and the end
    assert parsed.description["page_size"] == 4096
    assert [(s[0], s[1]) for s in parsed.sections] == [
        (d["name"], d["instance_id"]) for d in parsed.description["devices"]
    ]
    assert len({(name, instance) for name, instance, _, _ in parsed.sections}) == len(parsed.sections)


@EVERY_MACHINE
def test_loading_and_saving_again_gives_the_same_bytes(machine, build):
    vm = build(machine)
    run_for(vm, 0.3)
    data = state_of(vm)
    other = build(machine)
    assert migration.load_vm(other, io.BytesIO(data)) == "paused"
    assert state_of(other) == data


@EVERY_MACHINE
def test_a_fresh_machine_round_trips(machine, build):
    data = state_of(build(machine), "prelaunch")
    other = build(machine)
    run_for(other, 0.2)
    assert migration.load_vm(other, io.BytesIO(data)) == "prelaunch"
    assert state_of(other, "prelaunch") == data


@pytest.mark.parametrize("state", ["running", "paused", "prelaunch", "shutdown", "io-error"])
def test_the_run_state_is_in_the_stream(state, build):
    data = state_of(build(), state)
    assert migration.load_vm(build(), io.BytesIO(data)) == state


def test_the_clock_goes_on_where_it_stood(build):
    vm = build()
    run_for(vm, 0.3)
    now, ticks = vm.clock.now(), vm.cpu.engine.get_ticks()
    other = build()
    migration.load_vm(other, io.BytesIO(state_of(vm)))
    assert other.clock.now() == now
    assert other.cpu.engine.get_ticks() == ticks
    other.start()
    assert other.clock.now() >= now
    assert other.cpu.engine.get_ticks() >= ticks


def test_zero_pages_cost_nine_bytes(build):
    small, large = (len(state_of(build(ram_bytes=mib << 20))) for mib in (8, 24))
    assert large - small == 16 * 256 * 9


def test_the_layout_of_a_machine_has_every_subsection(build):
    board = build().board
    for section in layout.sections(board):
        described = section.describe()
        assert json.loads(json.dumps(described)) == described
    assert len(layout.digest(board)) == 64
    assert layout.digest(board) == layout.digest(build().board)
    assert layout.digest(board) != layout.digest(build("isapc").board)
