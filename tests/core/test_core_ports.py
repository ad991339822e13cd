"""The port space."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyqemu.core.errors import ConfigError
from pyqemu.core.ports import PortSpace


class Owner:
    def __init__(self, name: str) -> None:
        self.type = name
        self.id = ""


@pytest.fixture
def ports():
    return PortSpace()


def test_unclaimed_ports(ports):
    seen = []
    ports.on_unclaimed = lambda *a: seen.append(a)
    assert (ports.read(0x80, 1), ports.read(0x80, 2), ports.read(0x80, 4)) == (0xFF, 0xFFFF, 0xFFFFFFFF)
    ports.write(0x80, 2, 0x1234)
    assert seen[:1] == [("read", 0x80, 1, 0)]
    assert seen[-2:] == [("write", 0x80, 1, 0x34), ("write", 0x81, 1, 0x12)]


def test_handlers_see_offsets(ports):
    seen = []
    ports.map(0x100, 4, lambda o: seen.append(o) or 0x10 + o, lambda o, v: seen.append((o, v)), owner="x")
    assert ports.read(0x103, 1) == 0x13
    ports.write(0x102, 1, 7)
    assert seen == [3, (2, 7)]


def test_wide_accesses_are_split_low_first(ports):
    seen = []
    ports.map(0x100, 4, lambda o: seen.append(o) or o, lambda o, v: seen.append((o, v)), owner="x")
    assert ports.read(0x100, 4) == 0x03020100
    assert ports.read(0x102, 4) == 0xFFFF0302
    ports.write(0x100, 4, 0x44332211)
    assert seen == [0, 1, 2, 3, 2, 3, (0, 0x11), (1, 0x22), (2, 0x33), (3, 0x44)]


def test_a_long_access_is_split_into_the_words_that_are_decoded(ports):
    ports.map(0x100, 2, lambda o: 0xAA, None, owner="x")
    ports.map(0x100, 1, lambda o: 0x1234, None, owner="x", width=2)
    assert ports.read(0x100, 4) == 0xFFFF1234
    assert ports.read(0x101, 2) == 0xFFAA


def test_values_are_cut_to_the_width(ports):
    ports.map(0x100, 1, lambda o: 0x123, None, owner="x")
    ports.map(0x100, 1, lambda o: -1, None, owner="x", width=2)
    assert ports.read(0x100, 1) == 0x23
    assert ports.read(0x100, 2) == 0xFFFF


def test_missing_handlers(ports):
    ports.map(0x100, 1, None, None, owner="x")
    ports.map(0x100, 1, None, None, owner="x", width=4)
    assert ports.read(0x100, 1) == 0xFF
    assert ports.read(0x100, 4) == 0xFFFFFFFF
    ports.write(0x100, 1, 0)


def test_overlap_is_refused_and_changes_nothing(ports):
    ports.map(0x104, 4, lambda o: 1, None, owner=Owner("first"))
    with pytest.raises(ConfigError, match="second: port 0x104 is taken by first"):
        ports.map(0x100, 8, lambda o: 2, None, owner=Owner("second"))
    assert ports.read(0x100, 1) == 0xFF
    assert ports.read(0x104, 1) == 1
    assert ports.owner(0x100) is None


def test_an_owner_may_not_overlap_itself_either(ports):
    owner = Owner("x")
    ports.map(0x100, 2, None, None, owner=owner)
    with pytest.raises(ConfigError):
        ports.map(0x101, 2, None, None, owner=owner)
    ports.map(0x100, 2, None, None, owner=owner, width=2)


def test_an_id_is_shown_rather_than_the_type(ports):
    owner = Owner("isa-serial")
    owner.id = "com1"
    ports.map(0x3F8, 8, None, None, owner=owner)
    with pytest.raises(ConfigError, match="taken by com1"):
        ports.map(0x3F8, 8, None, None, owner=Owner("other"))


@pytest.mark.parametrize(("base", "count"), [(0xFFFF, 2), (0x10000, 1), (-1, 1), (0x100, 0)])
def test_ports_out_of_range(ports, base, count):
    with pytest.raises(ConfigError, match="out of range"):
        ports.map(base, count, None, None, owner=Owner("x"))


def test_map_each(ports):
    seen = []
    handlers = [(lambda o: 0x50 + o, None), (None, lambda o, v: seen.append((o, v)))]
    ports.map_each(0x60, handlers, owner="x")
    assert ports.read(0x60, 2) == 0xFF50
    ports.write(0x60, 2, 0x1234)
    assert seen == [(1, 0x12)]


def test_map_wide_decodes_up_to_its_last_port(ports):
    seen = []
    ports.map_wide(
        0x100, 6, lambda w, o: seen.append((w, o)) or 0, lambda w, o, v: seen.append((w, o, v)), owner="x"
    )
    for port, width in ((0x105, 1), (0x104, 2), (0x102, 4)):
        ports.read(port, width)
    assert seen == [(1, 5), (2, 4), (4, 2)]
    seen.clear()
    ports.read(0x103, 4)  # runs past the end: split
    assert seen == [(2, 3), (1, 5)]
    seen.clear()
    ports.write(0x105, 4, 0x44332211)
    assert seen == [(1, 5, 0x11)]
    seen.clear()
    ports.read(0xFF, 2)
    assert seen == [(1, 0)]


def test_map_wide_with_some_widths(ports):
    seen = []
    ports.map_wide(0xCF8, 4, lambda w, o: seen.append((w, o)) or 0, None, owner="x", widths=(4,))
    ports.read(0xCF8, 4)
    assert ports.read(0xCF8, 2) == 0xFFFF
    assert seen == [(4, 0)]
    ports.write(0xCF8, 4, 1)


def test_map_wide_at_the_end_of_the_space(ports):
    ports.map_wide(0xFFFC, 4, lambda w, o: o, None, owner="x")
    assert ports.read(0xFFFC, 4) == 0
    ports.map(0, 1, lambda o: 0x77, None, owner="y")
    assert ports.read(0xFFFF, 2) == 0x7703


def test_unmap_frees_what_one_owner_has(ports):
    first, second = Owner("first"), Owner("second")
    ports.map_wide(0x100, 8, lambda w, o: 1, None, owner=first)
    ports.map(0x108, 8, lambda o: 2, None, owner=second)
    ports.map_string(0x100, lambda w, c: b"", None)
    ports.unmap(0x100, 16, first)
    assert ports.read(0x100, 4) == 0xFFFFFFFF
    assert ports.read(0x108, 1) == 2
    assert 0x100 not in ports.string_readers
    assert ports.string_ports[0x100] == 0
    ports.map(0x100, 8, lambda o: 3, None, owner=second)
    assert ports.read(0x100, 1) == 3


def test_unmap_past_the_end(ports):
    owner = Owner("x")
    ports.map(0xFFF8, 8, None, None, owner=owner)
    ports.unmap(0xFFF0, 0x100, owner)
    assert ports.is_free(0xFFF0, 16)


def test_is_free_and_owner(ports):
    ports.map(0x100, 1, None, None, owner="x", width=2)
    assert not ports.is_free(0xFC, 8)
    assert ports.is_free(0x101, 8)
    assert not ports.is_free(0xFFFF, 2)
    assert ports.owner(0x100) == "x"


def test_strings(ports):
    ports.map_string(0x1F0, lambda w, c: b"", None)
    assert ports.string_ports[0x1F0] == 1
    ports.map_string(0x1F0, None, lambda w, d: 0)
    assert ports.string_ports[0x1F0] == 3


def test_port_numbers_wrap(ports):
    ports.map(0x10, 1, lambda o: 5, None, owner="x")
    assert ports.read(0x10010, 1) == 5


@given(
    claims=st.lists(st.tuples(st.integers(0, 24), st.integers(1, 6), st.sampled_from((1, 2, 4))), max_size=8),
    port=st.integers(0, 30),
    width=st.sampled_from((1, 2, 4)),
)
def test_reads_match_a_simple_model(claims, port, width):
    ports = PortSpace()
    decoded: dict[tuple[int, int], int] = {}
    for base, count, size in claims:
        wanted = {(size, p) for p in range(base, base + count)}
        value = base * 0x01010101 + count
        if wanted & decoded.keys():
            with pytest.raises(ConfigError):
                ports.map(base, count, lambda o, v=value: v, None, owner="x", width=size)
        else:
            ports.map(base, count, lambda o, v=value: v, None, owner="x", width=size)
            decoded.update(dict.fromkeys(wanted, value))

    def model(at: int, size: int) -> int:
        if (size, at) in decoded:
            return decoded[size, at] & ((1 << 8 * size) - 1)
        if size == 1:
            return 0xFF
        return model(at, size // 2) | model(at + size // 2, size // 2) << 4 * size

    assert ports.read(port, width) == model(port, width)
