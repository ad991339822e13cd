"""What surrounds the sections of a stream is as the machine type says, written and read."""

from __future__ import annotations

import base64
import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from migration.conftest import state_of

from pyqemu import migration
from pyqemu.core.runstate import RunState
from pyqemu.launch import DriveConfig
from pyqemu.machines.schema import STREAMS
from pyqemu.migration import MigrationError
from pyqemu.migration.forms import FORMS

SAMPLES = json.loads((Path(__file__).parents[1] / "golden" / "migration" / "samples.json").read_text())
TABLES = r'Unknown ramblock "/rom@etc/acpi/tables"'
VAPIC = "Unknown savevm section or instance 'kvm-tpr-opt' 0"
SAMPLE_ENDS = {  # form, what the board inherits, where reading ends
    "pc-i440fx-1.4": ("qemu-1.4", "pc-1.0", VAPIC),
    "pc-i440fx-2.2": ("qemu-2.0", "pc-1.0", TABLES),
    "pc-i440fx-2.3": ("qemu-1.4", "pc-1.0", TABLES),
    "pc-i440fx-7.2": ("qemu", "pc-1.0", TABLES),
}


def sample(name: str) -> bytes:
    return gzip.decompress(base64.b64decode(SAMPLES[name]["gzip_base64"]))


@pytest.fixture
def build_as(build: Callable[..., Any], tmp_path: Path) -> Callable[..., Any]:
    """A machine of a type called *name* whose streams have a form."""

    def make(form: str, name: str = "some-type", base: str = "pc-1.0", **more: Any) -> Any:
        if name != "pc-i440fx-1.4":  # that one is built in
            (tmp_path / f"{name}.yaml").write_text(f"name: {name}\ninherits: {base}\nstream: {form}\n")
        plain = {"ram_bytes": 1 << 20, "machine_dirs": [str(tmp_path)], "nodefaults": True, "serials": []}
        return build(name, **(plain | more))

    return make


def test_each_form_has_a_name_in_the_files_of_machine_types():
    assert set(FORMS) == set(STREAMS)


@pytest.mark.parametrize("form", STREAMS)
@pytest.mark.parametrize("run_state", [RunState.RUNNING, RunState.PAUSED, RunState.PRELAUNCH])
def test_each_form_is_read_as_it_is_written(build_as, form, run_state):
    data = state_of(build_as(form), str(run_state))
    other = build_as(form)
    loaded = migration.load_vm(other, io.BytesIO(data))
    known = FORMS[form].run_state or run_state is RunState.PRELAUNCH
    assert loaded is (run_state if known else RunState.RUNNING)
    assert state_of(other, str(run_state)) == data


def test_forms_differ_in_what_surrounds_the_sections(build_as):
    written = {form: state_of(build_as(form)) for form in STREAMS}
    name = b"\7\0\0\0\x09some-type"
    assert {form: data[8:].startswith(name) for form, data in written.items()} == {
        form: form in ("pyqemu", "qemu") for form in STREAMS
    }
    assert {form for form, data in written.items() if b'{"page_size"' not in data} == {"qemu-2.0"}
    assert {form for form, data in written.items() if b"\x0bglobalstate" in data} == {"pyqemu", "qemu"}
    assert {form for form, data in written.items() if b"\x06pyqemu\0\0\0\0" in data} == {"pyqemu"}


def test_an_interrupt_that_qemu_does_not_save_is_seen_when_it_comes_again(build_as, tmp_path):
    """QEMU's ide section does not say whether a drive interrupts; the 8259 says that its input is high."""
    (tmp_path / "disk.img").write_bytes(bytes(1 << 20))
    drives = [DriveConfig(str(tmp_path / "disk.img"), format="raw", snapshot=True)]
    vm, other = (build_as("qemu-1.4", drives=drives) for _ in range(2))
    vm.board.devices["pic2"].last_irr = 0x40
    migration.load_vm(other, io.BytesIO(state_of(vm)))
    ports = other.board.isa.ports
    ports.write(0x1F7, 1, 0xEC)  # IDENTIFY DEVICE
    ports.write(0xA0, 1, 0x0A)  # OCW3: read IRR
    assert ports.read(0xA0, 1) == 0x40


@pytest.mark.parametrize("written", STREAMS)
@pytest.mark.parametrize("read", STREAMS)
def test_another_form_is_refused_with_the_reason(build_as, written, read):
    data = state_of(build_as(written))
    if written == read:
        return
    if (written, read) == ("qemu-1.4", "qemu-2.0"):  # nothing says that a description was meant to follow
        return
    with pytest.raises(MigrationError) as refused:
        migration.load_vm(build_as(read), io.BytesIO(data))
    message = f"{refused.value} {refused.value.hint}"
    if FORMS[written].configuration != FORMS[read].configuration:
        assert "onfiguration section" in message
    else:
        assert "'pyqemu'" in message or "the description" in message or "bytes behind" in message


@pytest.mark.parametrize("name", SAMPLE_ENDS)
def test_qemus_streams_are_read_up_to_what_is_not_here(build_as, tmp_path, name):
    form, base, message = SAMPLE_ENDS[name]
    bios = tmp_path / "bios.bin"
    bios.write_bytes(bytes(1 << 16))
    machine = build_as(form, name, base, bios=str(bios), vga="none")
    with pytest.raises(MigrationError, match=message):
        migration.load_vm(machine, io.BytesIO(sample(f"{name}-1M")))
