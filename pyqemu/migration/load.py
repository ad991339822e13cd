"""Reading a stream, and giving a machine the state it holds.

Reading and checking come first: the sections are decoded and compared with the machine, and only a stream that is
whole changes a device. RAM is written as it comes in, because a machine that waits for it has nothing to lose;
for one that has, ``load_vm`` reads the stream twice.

Errors   MigrationError, naming the section and the reason
"""

from __future__ import annotations

import json
from typing import Any

from pyqemu.core import wire
from pyqemu.core.memory import PAGE_BYTES
from pyqemu.core.runstate import RunState
from pyqemu.core.wire import StateError
from pyqemu.migration import compare, layout, machine, stream
from pyqemu.migration.errors import MigrationError
from pyqemu.migration.forms import form_of
from pyqemu.migration.layout import Section
from pyqemu.migration.machine import Contract, GlobalState
from pyqemu.migration.ram import RamReader
from pyqemu.migration.save import RAM, RAM_VERSION
from pyqemu.migration.stream import Readable, Source

SETUP_HINT = "Make sure that your current VM setup matches your saved VM setup, including any hotplugged devices"
UUID_BYTES = 16

Values = dict[str, Any]


class Loader:
    """One stream for one machine. ``read()``, then ``apply()``."""

    def __init__(self, vm: Any, file: Readable, *, dry: bool = False) -> None:
        self.vm = vm
        self.source = Source(file)
        self.form = form_of(vm.machine)
        self.sections = {(s.name, s.instance): s for s in layout.sections(vm.board)}
        self.loaded: dict[tuple[str, int], tuple[Section, int, Values]] = {}
        self.sizes: list[tuple[Section, int]] = []
        self.ram = RamReader(layout.ram_blocks(vm.board), dry=dry)
        self._open: dict[int, str] = {}  # numbers of sections in pieces
        self._ram_started = self._ram_finished = False

    # -- reading --------------------------------------------------------------------------------------

    def read(self) -> None:
        """The whole stream. Raises MigrationError."""
        where = "the header"
        try:
            stream.read_header(self.source)
            where = "the configuration"
            self._read_configuration()
            where = "the stream"
            while (kind := self.source.number(1)) != stream.END:
                self._read_item(kind)
            self._check_complete()
            where = "the description"
            self._read_description()
        except StateError as error:
            raise MigrationError(f"{where}: {error}", self._position()) from None
        except RecursionError:
            raise MigrationError(f"{where}: nested too deeply", self._position()) from None

    def _position(self) -> str:
        return f"load of migration failed: at byte {self.source.consumed} of the stream"

    def _read_configuration(self) -> None:
        local = self.vm.machine.name
        present = self.source.peek(1) == bytes((stream.CONFIGURATION,))
        if not self.form.configuration:
            if present:
                raise MigrationError(
                    f"the stream has a configuration section, and streams of '{local}' have none",
                    f"It is of another machine type.\n{self._position()}",
                )
            return
        if not present:
            raise MigrationError(
                "Configuration section missing",
                f"QEMU leaves it out for types to pc-i440fx-2.3; '{local}' is none of them.\n{self._position()}",
            )
        self.source.take(1)
        length = self.source.number(4)
        if length > stream.NAME_LIMIT:
            raise StateError(f"a machine type's name of {length} bytes")
        name = self.source.take(length).decode("latin-1")
        if name != local:
            raise MigrationError(
                f"Machine type received is '{name}' and local is '{local}'", f"Start pyqemu with -M {name}."
            )
        while self.source.peek(1) == bytes((stream.SUBSECTION,)):
            self.source.take(1)
            sub, version = self.source.str8(), self.source.number(4)
            if sub != "configuration/uuid" or version != 1:
                raise MigrationError(f"configuration: '{sub}' is not supported by pyqemu", self._position())
            self.source.take(UUID_BYTES)

    def _read_item(self, kind: int) -> None:
        if kind in (stream.START, stream.FULL):
            number, name = self.source.number(4), self.source.str8()
            instance, version = self.source.number(4), self.source.number(4)
            try:
                self._begin(kind, number, name, instance, version)
            except StateError as error:
                raise MigrationError(
                    f"error while loading state for instance {instance:#x} of device '{name}': {error}",
                    self._position(),
                ) from None
        elif kind in (stream.PART, stream.LAST):
            number = self.source.number(4)
            if number not in self._open:
                raise MigrationError(f"Unknown savevm section {number}", self._position())
            name = self._open[number]
            if kind == stream.LAST:
                del self._open[number]
                self._ram_finished = True
            try:
                self.ram.chunk(self.source)
            except StateError as error:
                raise MigrationError(
                    f"error while loading state section id {number}({name}): {error}", self._position()
                ) from None
        else:
            raise MigrationError(f"Unknown savevm section type {kind}", self._position())
        self._read_footer(number, name)

    def _begin(self, kind: int, number: int, name: str, instance: int, version: int) -> None:
        if name == RAM and instance == 0:
            if kind != stream.START:
                raise StateError("it comes in pieces")
            if self._ram_started:
                raise StateError("it comes twice")
            if version != RAM_VERSION:
                raise StateError(f"unsupported version {version}, known is {RAM_VERSION}")
            self._ram_started = True
            self._open[number] = name
            self.ram.clear()
            self.ram.chunk(self.source)
            return
        section = self.sections.get((name, instance))
        if section is None:
            raise MigrationError(
                f"Unknown savevm section or instance '{name}' {instance}. {SETUP_HINT}",
                f"This machine has no such device.\n{self._position()}",
            )
        if kind != stream.FULL:
            raise StateError("it comes in one piece")
        if (name, instance) in self.loaded:
            raise StateError("it comes twice")
        if version > section.version:
            raise MigrationError(
                f"savevm: unsupported version {version} for '{name}' v{section.version}",
                f"The state comes from a newer pyqemu than this one.\n{self._position()}",
            )
        if version < section.minimum:
            raise StateError(
                f"incoming version_id {version} is too old for local minimum version_id {section.minimum}"
            )
        before = self.source.consumed
        values = wire.decode(type(section.record), self.source, version)
        self.sizes.append((section, self.source.consumed - before))
        self.loaded[name, instance] = section, version, values
        if isinstance(section.record, Contract):
            self._check_contract(section.record, values, version)
        elif isinstance(section.record, GlobalState):
            section.record.load_wire(values, version)

    def _read_footer(self, number: int, name: str) -> None:
        if not self.form.footers:
            return
        if self.source.peek(1) != bytes((stream.FOOTER,)):
            raise MigrationError(f"Missing section footer for {name}", self._position())
        self.source.take(1)
        read = self.source.number(4)
        if read != number:
            raise MigrationError(
                f"Mismatched section id in footer for {name} - read {read:#x} expected {number:#x}",
                self._position(),
            )

    # -- checking -------------------------------------------------------------------------------------

    def _check_contract(self, record: Contract, values: Values, version: int) -> None:
        record.load_wire(values, version)
        theirs, ours = record.cpu.decode("latin-1"), machine.cpu_text(self.vm.cpu.model)
        if theirs != ours:
            raise MigrationError(
                f"CPU model received is '{theirs}' and local is '{ours}'", f"Start pyqemu with -cpu {theirs}."
            )
        if machine.is_stable(self.vm.machine):
            return
        local = layout.document(self.vm.board)
        document = record.layout_document()
        if document is not None and (differences := compare.differences(document, local)):
            program = record.program.decode("latin-1")
            raise MigrationError(
                f"machine '{self.vm.machine.name}' of {program} is not the one of this build",
                "\n".join(differences),
            )

    def _check_complete(self) -> None:
        if self._open or not self._ram_finished:
            raise StateError("section 'ram' is not finished" if self._ram_started else "section 'ram' is missing")
        try:
            self.ram.finish()
        except StateError as error:
            raise StateError(f"section 'ram': {error}") from None
        missing = [
            section.title
            for key, section in self.sections.items()
            if key not in self.loaded and (self.form.run_state or not isinstance(section.record, GlobalState))
        ]
        if missing:
            raise MigrationError(
                f"section {', '.join(missing)} of this machine is not in the stream",
                f"{SETUP_HINT}\n{self._position()}",
            )

    def _read_description(self) -> None:
        """What follows the end: not needed for loading, but damage there is damage."""
        if not self.form.description:
            return
        if self.source.number(1) != stream.DESCRIPTION:
            raise StateError("it is missing")
        length = self.source.number(4)
        if length > stream.DESCRIPTION_LIMIT:
            raise StateError(f"it claims {length} bytes")
        try:
            document = json.loads(self.source.take(length))
            devices = [(d["name"], d["instance_id"], wire.described_size(d)) for d in document["devices"]]
        except (ValueError, TypeError, KeyError, AttributeError):
            raise StateError("it is damaged") from None
        expected = [(section.name, section.instance, size) for section, size in self.sizes]
        if devices != expected or document.get("page_size") != PAGE_BYTES:
            raise StateError("it does not describe this stream")

    # -- applying -------------------------------------------------------------------------------------

    @property
    def run_state(self) -> RunState:
        """What the machine is in after loading."""
        for section, _, _ in self.loaded.values():
            if isinstance(section.record, GlobalState):
                return section.record.run_state
        return RunState.RUNNING

    def apply(self) -> None:
        """Give the machine the state. Raises MigrationError, and then it is in no state to run."""
        vm = self.vm
        vm.clock.stop()
        self._load_all()
        machine.set_clock(vm, list(self.sections.values()))
        memory = vm.board.memory
        with memory.transaction():
            for device in vm.board.devices.values():
                device.refresh()
        # A refreshed line may have moved what its receiver had loaded: once more, and nothing moves any longer.
        self._load_all()
        machine.push(vm, list(self.sections.values()))
        # INT follows from what was loaded last: a request that the CPU does not hear of would hold back all others.
        for name in ("pic2", "pic"):
            if pic := vm.board.devices.get(name):
                pic.follow_inputs()
                if name == "pic":
                    vm.cpu.set_irq(pic.pending)
        vm.cpu.engine.forget_code()

    def rehearse(self) -> None:
        """Let every device try its part and put back what it had. Raises MigrationError; nothing has changed."""
        before = [(section, section.encode()[0]) for section, _, _ in self.loaded.values()]
        try:
            self._load_all()
        finally:
            for section, data in before:
                section.record.load_wire(
                    wire.decode(type(section.record), wire.Cursor(data), section.version), section.version
                )

    def _load_all(self) -> None:
        for section, version, values in self.loaded.values():
            try:
                section.record.load_wire(values, version)
            except StateError as error:
                raise MigrationError(
                    f"error while loading state for instance {section.instance:#x} of device '{section.name}'"
                    f": {error}"
                ) from None


def load_vm(vm: Any, file: Readable) -> RunState:
    """Give *vm* the state in *file*; returns the run state that it says.

    Raises MigrationError, and then the machine's memory is lost: whoever has one to lose uses ``loadvm``.
    """
    loader = Loader(vm, file)
    for device in vm.board.devices.values():
        device.before_load()
    loader.read()
    loader.apply()
    return loader.run_state
