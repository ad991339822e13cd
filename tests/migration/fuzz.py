#!/usr/bin/env python3
"""Fuzzing of the stream loader: whatever comes in, the answer is a machine or a MigrationError, soon.

Usage    PYTHONPATH=tests python tests/migration/fuzz.py [--runs N] [--seconds S] [--corpus DIR] [--seed N]
             [--keep FILE]
Method   atheris (``pip install atheris``) where it is installed: coverage of the loader guides it; otherwise
         mutations of our own. The streams are of machines with four pages of memory and no guest runs, so that
         the devices' sections, the contract and the description are what is met
Corpus   ``corpus.tar.xz`` beside this file is what earlier runs found interesting; ``--keep`` writes a new one, and
         ``test_fuzz.py`` replays it
Output   the number of executions; an input that breaks the rules is written to ``crash-HASH`` and the exit status
         is 1
"""

from __future__ import annotations

import argparse
import hashlib
import io
import random
import re
import sys
import tarfile
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

CORPUS = Path(__file__).with_name("corpus.tar.xz")
OLDER_FORM = "pc-i440fx-1.4"
MACHINES = ("pc-1.0", "pc-next", "isapc", OLDER_FORM)
BIOS = b"\xf4" * 0xFFF0 + b"\xea\x00\x00\x00\xf0".ljust(16, b"\0")
PAGES = 4
MESSAGE_LIMIT = 2500  # characters: what comes from the stream is escaped
SECONDS_LIMIT = 5  # for one input, on a busy host


class Target:
    """The machines, their good streams, and what is demanded of the loader."""

    def __init__(self) -> None:
        from pyqemu.core.memory import RamBlock
        from pyqemu.hw.rtc import host_time
        from pyqemu.migration import layout, load

        now = time.time_ns()
        host_time.time = SimpleNamespace(time_ns=lambda: now)  # type: ignore[attr-defined]  # a state has it

        self.load = load
        block = RamBlock("pc.ram", PAGES * 4096)
        block.view[:5] = b"first"
        self._folder = tempfile.TemporaryDirectory()
        bios = Path(self._folder.name) / "bios.bin"
        bios.write_bytes(BIOS)
        layout.ram_blocks = lambda _board: [block]
        self.machines = {name: Machine(name, bios, load) for name in MACHINES}
        documents = {name: layout.document(machine.vm.board) for name, machine in self.machines.items()}
        boards = {id(machine.vm.board): name for name, machine in self.machines.items()}
        layout.document = lambda board: documents[boards[id(board)]]  # they do not change

    def seeds(self) -> list[bytes]:
        return [machine.stream for machine in self.machines.values()]

    def addressee(self, data: bytes) -> str:
        """The machine type whose stream it looks like."""
        if data[8:9] == b"\1":  # a section, where newer forms have the type's name
            return OLDER_FORM
        length = min(int.from_bytes(data[9:13], "big"), 16)
        name = data[13 : 13 + length].decode("latin-1")
        return name if name in MACHINES else "pc-1.0"

    def run(self, data: bytes) -> bool:
        """One input; whether it loads. AssertionError: a rule is broken."""
        machine = self.machines[self.addressee(data)]
        began = time.perf_counter()
        self.message = ""
        try:
            machine.try_to_load(data)
            loads = True
        except self.load.MigrationError as error:
            loads = False
            self.message = text = str(error)
            assert text, "no reason is given"
            assert "\n" not in text, f"more than a line: {text!r}"
            assert len(text) < MESSAGE_LIMIT, f"{len(text)} characters: {text[:200]!r}"
            assert len(error.hint) < 10 * MESSAGE_LIMIT
        seconds = time.perf_counter() - began
        assert seconds < SECONDS_LIMIT, f"{seconds:.1f} s"
        return loads


class Machine:
    """One machine, its stream, and the state that each input finds."""

    def __init__(self, name: str, bios: Path, load: Any) -> None:
        from pyqemu.api import VirtualMachine
        from pyqemu.launch import LaunchConfig
        from pyqemu.migration import save_vm

        config = LaunchConfig(machine=name, ram_bytes=1 << 20, vga="none", nodefaults=True, serials=["null"])
        config.bios, config.display = str(bios), "none"
        self.vm = VirtualMachine(config)
        self.Loader, self.pull = load.Loader, load.machine.pull
        sink = io.BytesIO()
        save_vm(self.vm, sink)
        self.stream = sink.getvalue()
        loader = self.Loader(self.vm, io.BytesIO(self.stream), dry=True)
        loader.read()
        self.good = {key: values for key, (_, _, values) in loader.loaded.items()}

    def try_to_load(self, data: bytes) -> None:
        """Read and check all of it; each section that differs from the good stream's is tried and put back."""
        loader = self.Loader(self.vm, io.BytesIO(data), dry=True)
        loader.read()
        for key, (section, version, values) in list(loader.loaded.items()):
            if values == self.good[key]:
                continue
            if section.owner is None:
                self.pull(self.vm, [section], "paused")
            before, _ = section.encode()
            loader.loaded = {key: (section, version, values)}
            try:
                loader.rehearse()
            finally:
                assert section.encode()[0] == before, f"{section.title} is not what it was"


def mutate(data: bytearray, rng: random.Random, others: list[bytes]) -> None:
    """Damage *data* a little."""
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
        if not data:
            return
        at = rng.randrange(len(data))
        match rng.randrange(8):
            case 0 | 1:
                data[at] = rng.randrange(256)
            case 2:
                data[at] ^= 1 << rng.randrange(8)
            case 3:
                data[at : at + 4] = rng.choice(
                    (b"\xff" * 4, bytes(4), b"\x7f\xff\xff\xff", b"\x80\0\0\0", b"\0\0\0\1")
                )
            case 4:
                del data[at : at + rng.choice((1, 2, 4, 8, 100, 4096))]
            case 5:
                data[at:at] = rng.randbytes(rng.choice((1, 2, 4, 5, 40)))
            case 6:
                del data[at:]
            case _:
                other = rng.choice(others)
                start = rng.randrange(len(other))
                data[at : at + 64] = other[start : start + rng.choice((8, 64, 1000))]


def read_corpus(path: Path = CORPUS) -> list[bytes]:
    if not path.exists():
        return []
    with tarfile.open(path) as archive:
        members = [archive.extractfile(member) for member in archive.getmembers()]
        return [member.read() for member in members if member is not None]


def write_corpus(inputs: list[bytes], path: Path) -> None:
    """Alike inputs beside each other, so that they compress well."""
    with tarfile.open(path, "w:xz", preset=9) as archive:
        for data in sorted(inputs):
            entry = tarfile.TarInfo(hashlib.sha256(data).hexdigest()[:16])
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))


def report_crash(data: bytes, error: BaseException) -> None:
    path = Path(f"crash-{hashlib.sha256(data).hexdigest()[:16]}")
    path.write_bytes(data)
    print(f"{path}: {type(error).__name__}: {error}", file=sys.stderr)


def run_plain(target: Target, options: argparse.Namespace) -> int:
    """The seeds and the corpus as they are, then mutations without guidance."""
    rng = random.Random(options.seed)
    pool = target.seeds() + read_corpus()
    end = time.monotonic() + options.seconds if options.seconds else float("inf")
    runs = loaded = 0
    while runs < options.runs and time.monotonic() < end:
        data = bytearray(pool[runs] if runs < len(pool) else rng.choice(pool))
        if runs >= len(pool):
            mutate(data, rng, pool)
        try:
            loaded += target.run(bytes(data))
        except Exception as error:
            report_crash(bytes(data), error)
            return 1
        runs += 1
    print(f"{runs} executions, {loaded} of them loaded")
    return 0


def run_atheris(options: argparse.Namespace) -> int:
    """Guided by coverage. libFuzzer ends the process."""
    import atheris

    with atheris.instrument_imports(include=["pyqemu.migration", "pyqemu.core.wire", "pyqemu.core.state"]):
        import pyqemu.core.state
        import pyqemu.core.wire
        import pyqemu.migration.compare
        import pyqemu.migration.load  # noqa: F401
    target = Target()
    folder = Path(options.corpus)
    folder.mkdir(exist_ok=True)
    for data in target.seeds() + read_corpus():
        (folder / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)
    longest = max(len(data) for data in target.seeds())
    arguments = [
        sys.argv[0],
        f"-runs={options.runs}",
        f"-max_len={longest + 4096}",
        f"-seed={options.seed}",
        str(folder),
    ]
    if options.seconds:
        arguments.insert(1, f"-max_total_time={options.seconds}")
    atheris.Setup(arguments, target.run)
    atheris.Fuzz()
    return 0


def keep(options: argparse.Namespace) -> int:
    """Of the inputs in a folder, the smallest first, those that reach a line or give a kind of message that none
    before did."""
    target = Target()
    seen: set[object] = set()
    kept = []
    for data in sorted((path.read_bytes() for path in Path(options.corpus).iterdir()), key=len):
        reached = reach(target, data)
        if reached - seen:
            seen |= reached
            kept.append(data)
    write_corpus(kept, Path(options.keep))
    print(f"{len(kept)} kept")
    return 0


def reach(target: Target, data: bytes) -> set[object]:
    """The lines of the loader that run, and the message without what the stream put into it."""
    reached: set[object] = set()

    def trace(frame: Any, event: str, _argument: object) -> Any:
        name = frame.f_code.co_filename
        if "/pyqemu/migration/" not in name and "/pyqemu/core/" not in name:
            return None
        reached.add((name, frame.f_lineno))
        return trace

    sys.settrace(trace)
    try:
        target.run(data)
    finally:
        sys.settrace(None)
    reached.add(re.sub(r"'.*'|\d+|0x[0-9a-f]+", "", target.message)[:40])
    return reached


def main() -> int:
    parser = argparse.ArgumentParser(description="fuzz the stream loader")
    parser.add_argument("--runs", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--corpus", default="", help="a folder; atheris works there")
    parser.add_argument("--keep", default="", help="pack the interesting ones of --corpus into this file, no more")
    options = parser.parse_args()
    if options.keep:
        return keep(options)
    if options.corpus:
        return run_atheris(options)
    return run_plain(Target(), options)


if __name__ == "__main__":
    sys.exit(main())
