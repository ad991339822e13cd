"""The ISA DMA controllers: registers as a guest sees them, transfers as a device does."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pyqemu.core.errors import ConfigError
from pyqemu.core.state import StateError
from pyqemu.hw.dma.i8237 import I8237

WRITE, READ, VERIFY = 0x44, 0x48, 0x40  # single mode
AUTOINIT, DECREMENT = 0x10, 0x20


@pytest.fixture
def low(bench):
    return bench.plug(I8237())


@pytest.fixture
def high(bench):
    return bench.plug(I8237(base=0xC0, page_base=0x88, dshift=1))


PAGES = (0x87, 0x83, 0x81, 0x82, None, 0x8B, 0x89, 0x8A)


def programme(bench, channel, address, count, mode, *, unmask=True):
    """Set a channel up as a driver does; *count* is the register's value, *address* the page and 16 bits."""
    step, base = (2, 0xC0) if channel > 3 else (1, 0)
    n = channel & 3
    bench.outb(base + 10 * step, 4 | n)
    bench.outb(base + 12 * step, 0)
    bench.outb(base + 11 * step, mode | n)
    for port, value in ((2 * n, address & 0xFFFF), (2 * n + 1, count)):
        bench.outb(base + port * step, value & 0xFF)
        bench.outb(base + port * step, value >> 8)
    bench.outb(PAGES[channel], address >> 16)
    if unmask:
        bench.outb(base + 10 * step, n)


def counters(bench, channel):
    """(address, count) as read back."""
    step, base = (2, 0xC0) if channel > 3 else (1, 0)
    n = channel & 3
    bench.outb(base + 12 * step, 0)
    values = [bench.inb(base + (2 * n + part) * step) for part in (0, 0, 1, 1)]
    return values[0] | values[1] << 8, values[2] | values[3] << 8


# -- registers ----------------------------------------------------------------------------------------


def test_reset_values_are_those_of_the_board(bench, low, high):
    """From the reference probe of the same board: all zero but the mask; other page ports are not decoded."""
    assert [bench.inb(port) for port in range(16)] == [0] * 9 + [0xFF] + [0] * 6
    assert [bench.inb(port) for port in range(0xC0, 0xE0)] == [0] * 18 + [0xFF] * 2 + [0] * 12
    zero = {0x81, 0x82, 0x83, 0x87, 0x89, 0x8A, 0x8B, 0x8F}
    assert {port for port in range(0x80, 0x90) if bench.inb(port) == 0} == zero
    assert {port for port in range(0x80, 0x90) if bench.inb(port) == 0xFF} == set(range(0x80, 0x90)) - zero


def test_each_page_register_keeps_eight_bits(bench, low, high):
    for port in (0x81, 0x82, 0x83, 0x87, 0x89, 0x8A, 0x8B, 0x8F):
        bench.outb(port, port ^ 0xFF)
    for port in (0x81, 0x82, 0x83, 0x87, 0x89, 0x8A, 0x8B, 0x8F):
        assert bench.inb(port) == port ^ 0xFF


def test_the_post_port_takes_writes_and_reads_ones(bench, low):
    bench.outb(0x80, 0x12)
    assert bench.inb(0x80) == 0xFF


def test_counters_are_pairs_of_bytes_behind_one_flip_flop(bench, low):
    bench.outb(0x0C, 0)
    bench.outb(0x00, 0x12)
    bench.outb(0x00, 0x34)
    assert [bench.inb(0x00) for _ in range(4)] == [0x12, 0x34, 0x12, 0x34]
    bench.outb(0x01, 0x56)  # low byte of the count, and the next access is the high byte of anything
    bench.outb(0x02, 0x78)
    assert counters(bench, 0) == (0x3412, 0x0056)
    assert counters(bench, 1) == (0x7800, 0)
    bench.outb(0x00, 0xAA)
    bench.outb(0x0D, 0)  # master clear resets the flip-flop, not the counters
    assert [bench.inb(0x00), bench.inb(0x00)] == [0xAA, 0x34]


def test_a_word_access_to_a_counter_moves_both_bytes_on_the_high_controller(bench, high):
    bench.outw(0xC4, 0xBEEF)
    assert counters(bench, 5)[0] == 0xBEEF
    bench.outb(0xD8, 0)
    assert bench.inw(0xC4) == 0xBEEF


def test_masks(bench, low):
    bench.outb(0x0E, 0)
    assert bench.inb(0x09) == 0
    bench.outb(0x0A, 0x05)
    assert bench.inb(0x09) == 0x02
    bench.outb(0x0F, 0x05)
    bench.outb(0x0A, 0x02)
    assert bench.inb(0x09) == 0x01
    bench.outb(0x0A, 0x00)
    assert bench.inb(0x09) == 0x00
    bench.outb(0x0D, 0)
    assert bench.inb(0x09) == 0xFF


def test_status_shows_requests_masked_or_not(bench, low):
    channel = bench.dma(2)
    channel.request(True)
    assert bench.inb(0x08) == 0x40
    assert bench.inb(0x08) == 0x40
    bench.outb(0x09, 0x05)
    assert bench.inb(0x08) == 0x60
    bench.outb(0x09, 0x01)
    channel.request(False)
    assert bench.inb(0x08) == 0
    bench.outb(0x09, 0x04)
    bench.outb(0x0D, 0)
    assert bench.inb(0x08) == 0


def test_channels_0_to_7_without_the_cascade(bench, low, high):
    fakes = {4: bench.dma(4)}
    assert all(bench.dma(n).is_open is False for n in (0, 1, 2, 3, 5, 6, 7))
    assert bench.dma(4) is fakes[4]


def test_two_controllers_at_one_place_are_refused(bench, low):
    with pytest.raises(ConfigError, match="port 0x0 is taken by i8257"):
        bench.plug(I8237())
    with pytest.raises(ConfigError, match="dshift"):
        I8237(dshift=2)


# -- transfers ----------------------------------------------------------------------------------------


def test_a_device_writes_to_memory_until_terminal_count(bench, low):
    programme(bench, 2, 0x51000, 9, WRITE)
    channel = bench.dma(2)
    assert channel.write(b"abcd") == 4
    assert not channel.terminal_count
    assert counters(bench, 2) == (0x1004, 5)
    assert channel.write(memoryview(b"efghijkl")) == 6
    assert channel.terminal_count
    assert bench.memory.read(0x51000, 12) == b"abcdefghij\0\0"
    assert counters(bench, 2) == (0x100A, 0xFFFF)
    assert bench.inb(0x09) & 4  # the channel has masked itself
    assert bench.inb(0x08) == 0x04
    assert bench.inb(0x08) == 0
    assert channel.write(b"more") == 0


def test_a_device_reads_from_memory(bench, low):
    bench.memory.write(0x20000, bytes(range(100)))
    programme(bench, 1, 0x20000, 99, READ)
    channel = bench.dma(1)
    assert channel.read(60) == bytes(range(60))
    assert channel.read(60) == bytes(range(60, 100))
    assert channel.terminal_count


def test_addresses_wrap_inside_the_page(bench, low):
    programme(bench, 3, 0x3FFFE, 3, WRITE)
    bench.dma(3).write(b"abcd")
    assert bench.memory.read(0x3FFFE, 2) == b"ab"
    assert bench.memory.read(0x30000, 2) == b"cd"
    assert bench.memory.read(0x40000, 2) == b"\0\0"
    assert counters(bench, 3)[0] == 2


def test_a_whole_page_moves_at_once(bench, low):
    programme(bench, 0, 0x41234, 0xFFFF, WRITE)
    data = bytes(n & 0xFF ^ n >> 8 for n in range(0x10000))
    assert bench.dma(0).write(data + b"more") == 0x10000
    assert bench.memory.read(0x40000, 0x10000) == data[-0x1234:] + data[:-0x1234]


def test_descending_addresses(bench, low):
    programme(bench, 1, 0x50002, 4, WRITE | DECREMENT)
    assert bench.dma(1).write(b"abcde") == 5
    assert bench.memory.read(0x50000, 3) == b"cba"
    assert bench.memory.read(0x5FFFE, 2) == b"ed"
    assert counters(bench, 1)[0] == 0xFFFD
    programme(bench, 1, 0x50002, 4, READ | DECREMENT)
    assert bench.dma(1).read(5) == b"abcde"


def test_autoinitialise_starts_over_and_stays_unmasked(bench, low):
    programme(bench, 1, 0x60000, 3, WRITE | AUTOINIT)
    channel = bench.dma(1)
    assert channel.write(b"abcdEF") == 4
    assert channel.terminal_count
    assert counters(bench, 1) == (0, 3)
    assert channel.write(b"XY") == 2
    assert not channel.terminal_count
    assert bench.memory.read(0x60000, 4) == b"XYcd"


def test_words_on_the_high_controller(bench, high):
    programme(bench, 5, 0x31000, 2, WRITE)  # page 3: bit 0 has no meaning, the address counts words
    channel = bench.dma(5)
    assert channel.write(b"abc") == 2
    assert channel.write(b"cdefgh") == 4
    assert channel.terminal_count
    assert bench.memory.read(0x22000, 7) == b"abcdef\0"
    programme(bench, 5, 0x21001, 1, READ | DECREMENT)
    assert channel.read(64) == b"cdab"
    programme(bench, 6, 0x2FFFF, 1, WRITE)
    bench.dma(6).write(b"wrap")
    assert bench.memory.read(0x3FFFE, 2) == b"wr"
    assert bench.memory.read(0x20000, 2) == b"ap"


def test_verify_counts_without_touching_memory(bench, low):
    programme(bench, 2, 0x10000, 7, VERIFY)
    bench.memory.write(0x10000, b"untouched")
    channel = bench.dma(2)
    assert channel.write(b"12345") == 5
    assert channel.read(5) == b"\xff" * 3
    assert channel.terminal_count
    assert bench.memory.read(0x10000, 9) == b"untouched"


@pytest.mark.parametrize("mode", [0xC4, 0xC8])
def test_a_cascade_channel_moves_nothing(bench, low, mode):
    programme(bench, 2, 0x10000, 7, mode)
    assert bench.dma(2).write(b"abc") == 0
    assert bench.dma(2).read(3) == b""


def test_the_wrong_direction_moves_nothing(bench, low):
    programme(bench, 2, 0x10000, 7, READ)
    assert bench.dma(2).write(b"abc") == 0
    programme(bench, 2, 0x10000, 7, WRITE)
    assert bench.dma(2).read(3) == b""
    assert counters(bench, 2) == (0, 7)


def test_the_controller_can_be_disabled(bench, low):
    programme(bench, 2, 0x10000, 7, WRITE)
    bench.outb(0x08, 0x04)
    assert bench.dma(2).write(b"abc") == 0
    calls = []
    bench.dma(2).connect(lambda: calls.append(1))
    bench.dma(2).request(True)
    assert not calls
    bench.outb(0x08, 0x00)
    assert calls == [1]


def test_a_waiting_device_is_served_when_the_guest_unmasks(bench, low):
    programme(bench, 2, 0x10000, 3, WRITE, unmask=False)
    channel, taken = bench.dma(2), []

    def serve():
        channel.request(True)  # still wanting is no new turn
        taken.append(channel.write(b"abcdef"))
        channel.request(False)

    channel.connect(serve)
    channel.request(True)
    assert taken == []
    for port, value in ((0x0A, 0x02), (0x0E, 0), (0x0F, 0x0B)):
        taken.clear()
        programme(bench, 2, 0x10000, 3, WRITE, unmask=False)
        channel.request(True)
        bench.outb(port, value)
        assert taken == [4], hex(port)
        assert channel.terminal_count
        assert bench.inb(0x08) == 0x04


def test_a_new_request_forgets_the_old_terminal_count(bench, low):
    programme(bench, 2, 0x10000, 0, WRITE)
    channel = bench.dma(2)
    channel.write(b"a")
    assert channel.terminal_count
    channel.request(True)
    assert not channel.terminal_count


def test_a_software_request_runs_a_channel_without_device_to_its_end(bench, low):
    bench.memory.write(0x10000, b"untouched")
    programme(bench, 0, 0x10000, 0xFFFF, 0x84)
    bench.outb(0x09, 0x04)
    assert bench.inb(0x08) == 0x01
    assert counters(bench, 0) == (0, 0xFFFF)
    assert bench.memory.read(0x10000, 9) == b"untouched"


def test_a_software_request_calls_the_device(bench, low):
    calls = []
    bench.dma(3).connect(lambda: calls.append(1))
    bench.outb(0x09, 0x07)
    assert calls == []
    bench.outb(0x0E, 0)
    assert calls == [1]


# -- life ---------------------------------------------------------------------------------------------


def test_reset_masks_everything_but_keeps_the_devices_lines(bench, low):
    programme(bench, 2, 0x10000, 3, WRITE)
    bench.dma(2).request(True)
    low.reset()
    assert bench.inb(0x09) == 0xFF
    assert counters(bench, 2) == (0, 0)
    assert bench.inb(0x08) == 0x40


def test_save_and_load_in_mid_transfer(bench, low):
    programme(bench, 2, 0x10000, 7, WRITE | AUTOINIT)
    bench.dma(2).write(b"abc")
    bench.outb(0x0C, 0)
    bench.inb(0x04)
    saved = low.save()
    low.reset()
    low.load(1, saved)
    assert low.save() == saved
    assert bench.inb(0x04) == 0  # the flip-flop is at the high byte
    bench.dma(2).write(b"defgh")
    assert bench.memory.read(0x10000, 8) == b"abcdefgh"
    assert counters(bench, 2) == (0, 7)
    with pytest.raises(StateError):
        low.load(1, saved | {"mask": 256})


PORTS = [*range(16), *range(0x80, 0x90), *range(0xC0, 0xE0)]
ACTION = st.tuples(st.sampled_from(PORTS), st.sampled_from([1, 2, 4]), st.none() | st.integers(0, 0xFFFFFFFF))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(actions=st.lists(ACTION, max_size=40), length=st.integers(0, 70000))
def test_nothing_a_guest_does_raises(actions, length):
    from bench import Bench

    bench = Bench()
    chips = [bench.plug(I8237()), bench.plug(I8237(base=0xC0, page_base=0x88, dshift=1))]
    for n in (1, 2, 5):
        channel = bench.dma(n)
        channel.connect(lambda channel=channel: (channel.write(bytes(length)), channel.read(length)))
        channel.request(True)
    for port, width, value in actions:
        if value is None:
            assert 0 <= bench.ports.read(port, width) < 1 << 8 * width
        else:
            bench.ports.write(port, width, value & ((1 << 8 * width) - 1))
    for chip in chips:
        saved = chip.save()
        chip.load(1, saved)
        assert chip.save() == saved
