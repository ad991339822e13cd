"""The address space."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyqemu.core.errors import ConfigError
from pyqemu.core.memory import ADDRESS_LIMIT, AddressSpace, Mmio, Ram, RamBlock, Span


def device(size=0x1000, log=None):
    log = log if log is not None else []
    return Mmio(
        size, lambda w, o: log.append(("r", w, o)) or o * 0x01010101, lambda w, o, v: log.append(("w", w, o, v))
    )


@pytest.fixture
def space():
    return AddressSpace()


@pytest.fixture
def ram():
    return RamBlock("pc.ram", 0x4000)


# -- layout -------------------------------------------------------------------------------------------


def test_the_higher_priority_wins_and_what_lies_below_continues(space, ram):
    memory, window = Ram(ram), device()
    space.map(0, memory)
    space.map(0x1000, window, priority=1)
    assert space.flat == [
        Span(0, 0x1000, memory, 0),
        Span(0x1000, 0x2000, window, 0),
        Span(0x2000, 0x4000, memory, 0x2000),
    ]


def test_among_equals_the_later_one_wins(space):
    first, second = device(), device()
    space.map(0, first)
    space.map(0x800, second)
    assert space.flat == [Span(0, 0x800, first, 0), Span(0x800, 0x1800, second, 0)]


def test_pieces_that_continue_are_joined(space, ram):
    memory = Ram(ram)
    space.map(0, memory, size=0x1000)
    space.map(0x1000, memory, offset=0x1000, size=0x1000)
    space.map(0x2000, memory, offset=0, size=0x1000)
    assert space.flat == [Span(0, 0x2000, memory, 0), Span(0x2000, 0x3000, memory, 0)]


def test_what_lies_outside_the_address_width_is_cut(space):
    region = device(0x2000)
    space.map(ADDRESS_LIMIT - 0x1000, region)
    space.map(ADDRESS_LIMIT, region)
    space.map(-0x1000, region)
    assert space.flat == [Span(ADDRESS_LIMIT - 0x1000, ADDRESS_LIMIT, region, 0)]


def test_an_empty_mapping_shows_nothing(space):
    space.map(0, device(), size=0)
    assert space.flat == []
    assert space.find(0) is None


def test_find(space):
    region = device()
    space.map(0x1000, region)
    assert space.find(0xFFF) is None
    assert space.find(0x1000) == space.find(0x1FFF) == Span(0x1000, 0x2000, region, 0)
    assert space.find(0x2000) is None


def test_changes(space, ram):
    memory, window = Ram(ram), device()
    space.map(0, memory)
    mapping = space.map(0x1000, window, priority=1)
    space.enable(mapping, False)
    assert space.flat == [Span(0, 0x4000, memory, 0)]
    space.enable(mapping, True)
    space.move(mapping, 0x3000)
    assert space.find(0x3000).region is window
    space.unmap(mapping)
    assert space.flat == [Span(0, 0x4000, memory, 0)]


def test_showing_another_region(space, ram):
    memory, window = Ram(ram), device(0x4000)
    mapping = space.map(0, memory)
    space.show(mapping, window)
    assert space.flat == [Span(0, 0x4000, window, 0)]


def test_listeners_learn_only_what_differs(space, ram):
    memory, window = Ram(ram), device()
    space.map(0, memory)
    seen = []
    space.listeners.append(lambda removed, added: seen.append((removed, added)))
    mapping = space.map(0x3000, window, priority=1)
    assert seen == [
        ([Span(0, 0x4000, memory, 0)], [Span(0, 0x3000, memory, 0), Span(0x3000, 0x4000, window, 0)]),
    ]
    seen.clear()
    space.map(0x3000, device(), priority=0)  # hidden
    space.enable(mapping, True)
    space.move(mapping, 0x3000)
    assert seen == []
    space.map(0x8000, window)
    assert seen == [([], [Span(0x8000, 0x9000, window, 0)])]


def test_a_transaction_is_one_change(space, ram):
    memory, window = Ram(ram), device()
    space.map(0, memory)
    seen = []
    space.listeners.append(lambda removed, added: seen.append((removed, added)))
    with space.transaction():
        first = space.map(0x1000, window, priority=1)
        with space.transaction():
            space.enable(first, False)
            space.map(0x8000, window)
        assert seen == []
    assert seen == [([], [Span(0x8000, 0x9000, window, 0)])]
    with space.transaction():
        space.enable(first, True)
        space.enable(first, False)
    assert len(seen) == 1


def test_a_transaction_that_fails_still_ends(space):
    region = device()
    with pytest.raises(ZeroDivisionError), space.transaction():
        space.map(0, region)
        raise ZeroDivisionError
    assert space.find(0) is not None
    space.map(0x1000, region)
    assert space.find(0x1000) is not None


MAPPINGS = st.tuples(
    st.integers(-3, 20),  # base
    st.integers(0, 8),  # size
    st.integers(0, 4),  # offset
    st.integers(-1, 2),  # priority
    st.integers(0, 2),  # region
    st.booleans(),  # enabled
)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.lists(MAPPINGS, max_size=5), min_size=1, max_size=3))
def test_the_flat_map_matches_a_model_of_single_bytes(batches):
    space = AddressSpace()
    regions = [device(64), device(64), device(64)]
    placed = []
    seen: list[Span] = []

    def follow(removed, added):
        for span in removed:
            seen.remove(span)
        seen.extend(added)

    space.listeners.append(follow)
    for batch in batches:
        with space.transaction():
            for base, size, offset, priority, region, enabled in batch:
                mapping = space.map(base, regions[region], offset=offset, size=size, priority=priority)
                space.enable(mapping, enabled)
                if base >= 0:
                    placed.append((priority, len(placed), base, size, offset, region, enabled))
        expected = {}
        for _, _, base, size, offset, region, enabled in sorted(placed):
            for at in range(base, base + size) if enabled else ():
                expected[at] = (regions[region], offset + at - base)
        for at in range(-4, 40):
            span = space.find(at) if at >= 0 else None
            got = (span.region, span.offset + at - span.start) if span else None
            assert got == expected.get(at)
        assert sorted(seen, key=lambda span: span.start) == space.flat
        for left, right in zip(space.flat, space.flat[1:], strict=False):
            assert left.end <= right.start
            joined = left.region is right.region and left.offset + left.end - left.start == right.offset
            assert left.end < right.start or not joined


# -- access -------------------------------------------------------------------------------------------


def test_load_and_store_in_ram(space, ram):
    space.map(0x1000, Ram(ram))
    for width in (1, 2, 4, 8):
        value = 0x1122334455667788 & ((1 << 8 * width) - 1)
        space.store(0x1100, width, value)
        assert space.load(0x1100, width) == value
    assert bytes(ram.view[0x100:0x108]) == bytes.fromhex("8877665544332211")


def test_load_and_store_of_a_device(space):
    log = []
    space.map(0x1000, device(log=log))
    assert space.load(0x1004, 4) == 0x04040404
    assert space.load(0x10FF, 1) == 0xFF
    space.store(0x1008, 8, 5)
    assert log == [("r", 4, 4), ("r", 1, 0xFF), ("w", 8, 8, 5)]


def test_unassigned_memory(space):
    assert space.load(0x1234, 4) == 0
    space.store(0x1234, 4, 5)
    assert space.read(0x1234, 10) == bytes(10)
    space.write(0x1234, b"abc")
    assert space.view(0x1234, 1) is None
    space.written(0x1234, 1)


def test_rom(space, ram):
    seen = []
    space.map(0, Ram(ram, 0, 0x1000, readonly=True))
    space.map(0x1000, Ram(ram, 0x1000, 0x1000, readonly=True, on_write=lambda *a: seen.append(a)))
    space.store(0, 4, 5)
    space.store(0x1010, 2, 0x1234)
    space.write(0, b"abc")
    space.write(0x1000, b"abc")
    assert seen == [(2, 0x10, 0x1234)]
    assert bytes(ram.view) == bytes(0x4000)
    assert space.view(0, 4) is None


def test_accesses_across_spans(space, ram):
    log = []
    space.map(0, Ram(ram, 0, 0x1000))
    space.map(0x1000, device(log=log))
    space.write(0xFFE, b"\xaa\xbb\xcc\xdd\xee")
    assert bytes(ram.view[0xFFE:0x1001]) == b"\xaa\xbb\0"
    assert log == [("w", 1, 0, 0xCC), ("w", 1, 1, 0xDD), ("w", 1, 2, 0xEE)]
    log.clear()
    assert space.load(0xFFE, 4) == 0x0100BBAA
    space.store(0xFFF, 2, 0x1234)
    assert ram.view[0xFFF] == 0x34
    assert log[-1] == ("w", 1, 0, 0x12)
    assert space.read(0x1FFE, 4)[2:] == b"\0\0"
    assert space.view(0xFFE, 4) is None


def test_blocks_of_device_memory_move_in_aligned_words(space):
    log = []
    space.map(0, device(log=log))
    assert space.read(2, 9) == bytes((2, 3, 4, 4, 4, 4, 8, 9, 10))
    assert [entry[1:] for entry in log] == [(1, 2), (1, 3), (4, 4), (1, 8), (1, 9), (1, 10)]


def test_a_view_is_the_memory_itself(space, ram):
    seen = []
    space.on_ram_written = lambda *a: seen.append(a)
    space.map(0x2000, Ram(ram, 0x1000, 0x1000))
    view = space.view(0x2010, 4)
    view[:] = b"abcd"
    assert bytes(ram.view[0x1010:0x1014]) == b"abcd"
    assert seen == []
    space.written(0x2010, 4)
    assert seen == [(ram, 0x1010, 4)]
    assert space.view(0x2FFE, 4) is None


def test_stores_by_devices_are_announced(space, ram):
    seen = []
    space.on_ram_written = lambda *a: seen.append(a)
    space.map(0, Ram(ram, 0, 0x1000))
    space.map(0x1000, Ram(ram, 0x2000, 0x1000))
    space.write(0xFF0, bytes(0x20))
    space.store(0x10, 4, 1)
    assert seen == [(ram, 0xFF0, 0x10), (ram, 0x2000, 0x10), (ram, 0x10, 4)]


def test_the_address_wraps_at_its_width(space, ram):
    space.map(0, Ram(ram))
    ram.view[0:2] = b"\x12\x34"
    assert space.read(ADDRESS_LIMIT - 1, 3) == b"\0\x12\x34"
    space.write(ADDRESS_LIMIT, b"\x56")
    assert ram.view[0] == 0x56


def test_a_block_is_whole_pages(space):
    block = RamBlock("x", 5000)
    assert block.size == len(block.view) == 8192
    assert block.address % 4096 == 0
    assert Ram(block).size == 8192
    assert Ram(block, 4096).size == 4096


@pytest.mark.parametrize("size", [1 << 62, 1 << 70])
def test_memory_that_cannot_be_had(size):
    with pytest.raises(ConfigError, match=r"cannot set up guest memory 'pc\.ram': Cannot allocate memory"):
        RamBlock("pc.ram", size)


@settings(max_examples=100, deadline=None)
@given(
    layout=st.lists(
        st.tuples(st.integers(0, 60), st.integers(1, 30), st.integers(0, 60), st.booleans()), max_size=5
    ),
    writes=st.lists(st.tuples(st.integers(0, 90), st.binary(max_size=30)), max_size=6),
    at=st.integers(0, 90),
    length=st.integers(0, 40),
)
def test_block_access_matches_a_model_of_single_bytes(layout, writes, at, length):
    space, block = AddressSpace(), RamBlock("x", 4096)
    place: dict[int, tuple[int, bool]] = {}
    for base, size, offset, readonly in layout:
        space.map(base, Ram(block, offset, size, readonly=readonly))
        place.update({base + i: (offset + i, readonly) for i in range(size)})
    model = bytearray(4096)
    for address, data in writes:
        space.write(address, data)
        for i, byte in enumerate(data):
            offset, readonly = place.get(address + i, (0, True))
            if not readonly:
                model[offset] = byte
    assert bytes(block.view) == bytes(model)
    assert space.read(at, length) == bytes(model[place[a][0]] if a in place else 0 for a in range(at, at + length))
    for width in (1, 2, 4, 8):
        assert space.load(at, width).to_bytes(width, "little") == space.read(at, width)
