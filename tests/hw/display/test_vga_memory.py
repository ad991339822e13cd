"""The window at A0000: every mode against a model that thinks in single bytes and planes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pyqemu.hw.display import vga_memory
from pyqemu.hw.display.stdvga import StdVga

PLANE = 1 << 18  # bytes in a plane of the 1 MiB card
RANGES = {0: (0x00000, 0x20000), 1: (0x00000, 0x10000), 2: (0x10000, 0x18000), 3: (0x18000, 0x20000)}

TEXT = {"sr2": 3, "sr4": 2, "gr5": 0x10, "gr6": 0x0E, "gr8": 0xFF}
CHAIN_4 = {"sr2": 0xF, "sr4": 0xE, "gr5": 0x40, "gr6": 0x05, "gr8": 0xFF}
PLANE_2 = {"sr2": 4, "sr4": 6, "gr4": 2, "gr6": 0x05, "gr8": 0xFF}
PLANAR = {"sr2": 0xF, "sr4": 6, "gr6": 0x05, "gr8": 0xFF}
MODE_1 = PLANAR | {"gr5": 1}


class Model:
    """The data sheet, one byte and one plane at a time."""

    def __init__(self) -> None:
        self.planes = [bytearray(PLANE) for _ in range(4)]
        self.latch = [0, 0, 0, 0]
        self.sr = [0] * 8
        self.gr = [0] * 9

    def _decode(self, offset: int) -> int | None:
        low, high = RANGES[self.gr[6] >> 2 & 3]
        return offset - low if low <= offset < high else None

    def _place(self, address: int) -> int:
        if self.sr[4] & 8:
            return address // 4
        if self.gr[6] & 2:
            return (address & 0xFFFE) + (address >> 16)
        return address

    def read(self, offset: int) -> int:
        address = self._decode(offset)
        if address is None:
            return 0xFF
        place = self._place(address)
        self.latch = [plane[place] for plane in self.planes]
        if self.gr[5] & 8:
            result = 0
            for bit in range(8):
                equal = all(
                    (self.latch[p] >> bit & 1) == (self.gr[2] >> p & 1) for p in range(4) if self.gr[7] >> p & 1
                )
                result |= equal << bit
            return result
        if self.sr[4] & 8:
            return self.latch[address % 4]
        if self.gr[5] & 0x10:
            return self.latch[self.gr[4] & 2 | address % 2]
        return self.latch[self.gr[4]]

    def write(self, offset: int, value: int) -> None:
        address = self._decode(offset)
        if address is None:
            return
        place = self._place(address)
        for p in range(4):
            if not self.sr[2] >> p & 1:
                continue
            if self.sr[4] & 8:
                if address % 4 != p:
                    continue
            elif not self.sr[4] & 4 and address % 2 != p % 2:
                continue
            self.planes[p][place] = self._logic(p, value)

    def _logic(self, p: int, value: int) -> int:
        mode, latch, mask = self.gr[5] & 3, self.latch[p], self.gr[8]
        rotated = value
        for _ in range(self.gr[3] & 7):
            rotated = rotated >> 1 | (rotated & 1) << 7
        set_reset = 0xFF if self.gr[0] >> p & 1 else 0
        if mode == 1:
            return latch
        if mode == 0:
            data = set_reset if self.gr[1] >> p & 1 else rotated
        elif mode == 2:
            data = 0xFF if value >> p & 1 else 0
        else:
            data, mask = set_reset, mask & rotated
        data = [data, data & latch, data | latch, data ^ latch][self.gr[3] >> 3 & 3]
        return data & mask | latch & ~mask & 0xFF

    def linear(self) -> bytes:
        out = bytearray(PLANE * 4)
        for p in range(4):
            out[p::4] = self.planes[p]
        return bytes(out)


class Card:
    def __init__(self, bench: Any) -> None:
        self.bench = bench
        self.vga = bench.plug_pci(StdVga(vgamem_mb=1))
        self.registers: dict[str, int] = {}
        self.clear()

    def clear(self) -> None:
        self.vga.reset()
        self.vga.vga.vram.view[:] = bytes(PLANE * 4)
        self.bench.outb(0x3C2, 0x03)

    def set(self, **registers: int) -> None:
        """Sequencer and graphics registers by name: sr2=…, gr5=…"""
        for name, value in registers.items():
            port = 0x3C4 if name[0] == "s" else 0x3CE
            self.bench.outb(port, int(name[2:]))
            self.bench.outb(port + 1, value)

    def mode(self, registers: dict[str, int]) -> None:
        self.set(**dict.fromkeys((*(f"gr{i}" for i in range(9)), "sr2", "sr4"), 0))
        self.set(**registers)

    def load(self, offset: int, width: int = 1) -> int:
        return int(self.bench.memory.load(0xA0000 + offset, width))

    def store(self, offset: int, width: int, value: int) -> None:
        self.bench.memory.store(0xA0000 + offset, width, value)

    @property
    def is_ram(self) -> bool:
        return self.vga.vga.memory.mapping is not None

    def memory(self) -> bytes:
        self.vga.sync_ram()
        return bytes(self.vga.vga.vram.view)

    def use(self, offset: int) -> None:
        """Touch the window until it becomes RAM, if it ever does."""
        for _ in range(vga_memory.ACCESSES_BEFORE_MAPPING):
            self.load(offset)
        self.bench.advance(0)


@pytest.fixture
def card(bench: Any) -> Card:
    return Card(bench)


offsets = st.one_of(
    st.integers(0, 0x1FFF8), st.sampled_from([0, 1, 3, 0xFFFD, 0xFFFF, 0x10000, 0x17FFE, 0x18000, 0x1FFF8])
)
operations = st.one_of(
    st.tuples(st.just("write"), offsets, st.sampled_from([1, 2, 4, 8]), st.integers(0, (1 << 64) - 1)),
    st.tuples(st.just("read"), offsets, st.sampled_from([1, 2, 4, 8]), st.just(0)),
    st.tuples(st.just("copy"), offsets, st.just(1), offsets),
    st.tuples(st.just("fill run"), offsets, st.sampled_from([1, 2, 4]), st.integers(0, 0xFFFFFFFF)),
    st.tuples(st.just("store run"), offsets, st.just(1), st.integers(4, 64)),
    st.tuples(st.just("load run"), offsets, st.just(1), st.integers(4, 64)),
    st.tuples(st.just("move run"), offsets, st.sampled_from([1, 2, 4]), st.one_of(offsets, st.integers(-40, 40))),
    st.tuples(
        st.just("set"),
        st.sampled_from(["sr2", "sr4", *(f"gr{i}" for i in range(9))]),
        st.just(0),
        st.integers(0, 255),
    ),
)
MASKS = {
    "sr2": 0xF,
    "sr4": 0xE,
    "gr0": 15,
    "gr1": 15,
    "gr2": 15,
    "gr3": 31,
    "gr4": 3,
    "gr5": 0x7B,
    "gr6": 15,
    "gr7": 15,
}


ELEMENTS = 12


def run_of(card: Card, model: Model, kind: str, where: int, width: int, value: int) -> None:
    """A run of string instructions: in one call if the card takes it, else singly; the model always singly."""
    memory, base = card.bench.memory, 0xA0000
    if kind == "load run":
        length = min(value, 0x20000 - where)
        expected = bytes(model.read(where + i) for i in range(length))
        data = memory.load_run(base + where, length)
        assert (data or bytes(card.load(where + i) for i in range(length))) == expected
    elif kind == "move run":
        target = where + value if -40 <= value <= 40 and value else value
        count = min(ELEMENTS, (0x20000 - max(where, target)) // width)
        if target < 0 or count < 1:
            return
        moved = memory.copy_run(base + where, base + target, count * width, width)
        for at in range(0, count * width, width):
            if not moved:
                card.store(target + at, width, card.load(where + at, width))
            element = [model.read(where + at + i) for i in range(width)]
            for i in range(width):
                model.write(target + at + i, element[i])
    else:
        if kind == "fill run":
            data = value.to_bytes(4, "little")[:width] * min(ELEMENTS, (0x20000 - where) // width)
        else:
            data = bytes((i * 37 + where) & 0xFF for i in range(min(value, 0x20000 - where)))
        if not memory.store_run(base + where, data):
            for i, byte in enumerate(data):
                card.store(where + i, 1, byte)
        for i, byte in enumerate(data):
            model.write(where + i, byte)


def run(card: Card, start: dict[str, int], todo: list[Any], *, mapped: bool) -> None:
    card.clear()
    model = Model()
    for name, value in start.items():
        (model.sr if name[0] == "s" else model.gr)[int(name[2:])] = value
    card.mode(start)
    for kind, where, width, value in todo:
        if kind == "set":
            card.set(**{where: value})
            (model.sr if where[0] == "s" else model.gr)[int(where[2:])] = value & MASKS.get(where, 0xFF)
        elif kind == "write":
            value &= (1 << 8 * width) - 1
            card.store(where, width, value)
            for i in range(width):
                model.write(where + i, value >> 8 * i & 0xFF)
        elif kind == "read":
            expected = sum(model.read(where + i) << 8 * i for i in range(width))
            assert card.load(where, width) == expected
        elif kind.endswith("run"):
            run_of(card, model, kind, where, width, value)
        else:
            card.store(value, 1, card.load(where))
            model.write(value, model.read(where))
        card.bench.advance(0)
        if card.is_ram or mapped:  # RAM does not load the latches
            model.latch = list(card.vga.vga.latch.to_bytes(4, "little"))
    assert card.memory() == model.linear()


starts = st.one_of(
    st.sampled_from([TEXT, CHAIN_4, PLANE_2, PLANAR, MODE_1]),
    st.fixed_dictionaries({name: st.integers(0, mask) for name, mask in {**MASKS, "gr8": 0xFF}.items()}),
)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(starts, st.lists(operations, max_size=25))
def test_every_mode_equals_the_model(card: Card, start: dict[str, int], todo: list[Any]) -> None:
    run(card, start, todo, mapped=False)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(starts, st.lists(operations, max_size=25))
def test_a_window_that_turns_into_ram_and_back_equals_the_model(
    card: Card, start: dict[str, int], todo: list[Any]
) -> None:
    before, vga_memory.ACCESSES_BEFORE_MAPPING = vga_memory.ACCESSES_BEFORE_MAPPING, 1
    try:
        run(card, start, todo, mapped=True)
    finally:
        vga_memory.ACCESSES_BEFORE_MAPPING = before


@pytest.mark.parametrize(
    ("mode", "offset"), [(TEXT, 0x18000), (CHAIN_4, 0), (PLANE_2, 0)], ids=["text", "chain 4", "one plane"]
)
def test_plain_modes_become_ram(card: Card, mode: dict[str, int], offset: int) -> None:
    card.mode(mode)
    card.store(offset + 6, 2, 0x1234)
    card.use(offset)
    assert card.is_ram
    assert card.bench.memory.view(0xA0000 + offset, 4000) is not None
    assert card.load(offset + 6, 2) == 0x1234
    card.store(offset + 8, 2, 0x5678)
    card.set(gr8=0xF0)
    assert not card.is_ram
    assert card.load(offset + 8, 2) == 0x5678


@pytest.mark.parametrize(("mode", "offset"), [(TEXT, 0x18000), (CHAIN_4, 0)], ids=["text", "chain 4"])
def test_the_cpu_hears_of_what_calls_stored_when_the_window_becomes_ram(
    card: Card, mode: dict[str, int], offset: int
) -> None:
    told: list[tuple[Any, int, int]] = []
    card.bench.memory.on_ram_written = lambda *what: told.append(what)
    card.mode(mode)
    card.use(offset)
    assert card.is_ram
    span = card.bench.memory.find(0xA0000 + offset)
    assert span is not None
    assert (span.region.block, span.region.offset, span.region.size) in told


def test_modes_with_logic_stay_calls(card: Card) -> None:
    for mode in (PLANAR, dict(TEXT, gr8=0x0F), dict(CHAIN_4, gr5=0x42), dict(CHAIN_4, sr2=7), dict(TEXT, sr2=7)):
        card.mode(mode)
        card.use(0)
        card.use(0x18000)
        assert not card.is_ram


@pytest.mark.parametrize("mode", [TEXT, CHAIN_4, PLANE_2, PLANAR, dict(PLANAR, gr1=0xF, gr0=5)])
def test_long_strings_are_one_call_where_it_counts(card: Card, mode: dict[str, int]) -> None:
    card.mode(mode)
    base = 0xA0000 + (0x18000 if mode is TEXT else 0)
    assert card.bench.memory.store_run(base, bytes(4096))
    assert card.bench.memory.load_run(base, 4096) is not None
    card.mode(MODE_1)
    assert card.bench.memory.copy_run(0xA1000, 0xA0000, 4096, 1)
    assert not card.bench.memory.copy_run(0xA1000, 0xA0000, 4096, 4)  # one latch for four bytes


def test_a_guest_that_changes_planes_all_the_time_never_remaps(card: Card) -> None:
    changes: list[Any] = []
    card.bench.memory.listeners.append(lambda removed, added: changes.append(added))
    card.mode(PLANE_2)
    for i in range(500):
        card.set(sr2=1 << i % 4, gr4=i % 4)
        for x in range(8):
            card.store(x, 1, i & 0xFF)
        card.bench.advance(0)
    assert changes == []


def test_a_font_loaded_after_text_is_seen_and_text_survives(card: Card) -> None:
    card.mode(TEXT)
    card.use(0x18000)
    card.store(0x18000, 4, 0x1F421F41)
    card.mode(PLANE_2)
    card.store(0x41 * 32, 1, 0x7E)
    card.mode(TEXT)
    assert card.load(0x18000, 4) == 0x1F421F41
    memory = card.memory()
    assert memory[0x41 * 32 * 4 + 2] == 0x7E
    assert (memory[0], memory[1], memory[8], memory[9]) == (0x41, 0x1F, 0x42, 0x1F)


def test_without_ram_enable_the_window_is_empty(card: Card) -> None:
    card.mode(CHAIN_4)
    card.store(0, 1, 0x55)
    card.bench.outb(0x3C2, 0x01)
    assert card.load(0) == 0
    card.store(0, 1, 0xAA)
    card.bench.outb(0x3C2, 0x03)
    assert card.load(0) == 0x55


def test_banks_of_a_dispi_mode(card: Card) -> None:
    bench = card.bench

    def dispi(index: int, value: int) -> None:
        bench.outw(0x1CE, index)
        bench.outw(0x1CF, value)

    for index, value in ((1, 640), (2, 480), (3, 8), (4, 1)):
        dispi(index, value)
    card.set(gr8=0xFF)
    dispi(5, 3)
    card.store(0x10, 1, 0x77)
    card.use(0)
    assert card.is_ram
    card.store(0x11, 1, 0x78)
    dispi(5, 4)
    card.store(0x10, 1, 0x79)
    memory = card.memory()
    assert (memory[0x30010], memory[0x30011], memory[0x40010]) == (0x77, 0x78, 0x79)


def test_a_loaded_state_brings_its_own_memory(card: Card) -> None:
    card.mode(TEXT)
    card.store(0x18000, 2, 0x0741)
    card.use(0x18000)
    saved, memory = card.vga.save(), card.memory()
    card.store(0x18000, 2, 0x0742)
    card.vga.vga.vram.view[:] = memory
    card.vga.load(2, saved)
    assert card.load(0x18000, 2) == 0x0741
    card.use(0x18000)
    assert card.load(0x18000, 2) == 0x0741


def test_reset_keeps_what_the_text_window_held(card: Card) -> None:
    card.mode(TEXT)
    card.use(0x18000)
    card.store(0x18000, 2, 0x0741)
    card.vga.reset()
    assert card.memory()[:2] == b"\x41\x07"


def test_an_access_across_the_edges_of_the_window(card: Card) -> None:
    card.mode(dict(CHAIN_4, gr6=0x09))
    card.store(0x0FFFE, 4, 0xDDCCBBAA)
    assert card.memory()[:2] == b"\xcc\xdd"
    assert card.load(0x0FFFE, 4) == 0xDDCCFFFF
