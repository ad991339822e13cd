"""Port 61: the speaker's gate and data bits, and the two bits that guests time loops with."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pyqemu.core.errors import ConfigError
from pyqemu.hw.audio.pcspk import PcSpeaker
from pyqemu.hw.timer.i8254 import I8254


@pytest.fixture
def speaker(bench):
    return bench.plug(PcSpeaker(pit=bench.plug(I8254())))


def test_after_reset_only_the_timer_output_is_high(bench, speaker):
    assert bench.inb(0x61) == 0x20


def test_two_bits_can_be_written(bench, speaker):
    bench.outb(0x61, 0xFF)
    assert bench.inb(0x61) & 0x0F == 0x03
    assert bench.inb(0x61) & 0xC0 == 0
    bench.outb(0x61, 0x01)
    assert bench.inb(0x61) & 0x0F == 0x01
    bench.outb(0x61, 0x02)
    assert bench.inb(0x61) & 0x0F == 0x02


def test_refresh_bit_toggles_every_15_microseconds(bench, speaker):
    levels = []
    for _ in range(6):
        levels.append(bench.inb(0x61) >> 4 & 1)
        bench.advance(15_085)
    assert levels == [0, 1, 0, 1, 0, 1]
    bench.inb(0x61)
    assert bench.inb(0x61) & 0x10 == 0  # reading does not toggle it


def test_gate_starts_counter_2_and_its_output_shows(bench, speaker):
    bench.outb(0x43, 0xB0)  # counter 2, mode 0
    bench.outb(0x42, 0xA9)
    bench.outb(0x42, 0x04)  # about a millisecond
    bench.advance(5_000_000)
    assert not bench.inb(0x61) & 0x20
    bench.outb(0x61, 0x01)
    bench.advance(990_000)
    assert not bench.inb(0x61) & 0x20
    bench.advance(20_000)
    assert bench.inb(0x61) & 0x20


def test_reset_lowers_gate_and_data(bench, speaker):
    bench.outb(0x61, 0x03)
    speaker.reset()
    assert bench.inb(0x61) & 0x0F == 0


def test_save_and_load(bench, speaker):
    bench.outb(0x61, 0x03)
    states = [(chip, chip.save()) for chip in (speaker, speaker.pit)]
    bench.outb(0x61, 0x00)
    for chip, saved in states:
        chip.load(chip.version, saved)
        assert chip.save() == saved
    assert bench.inb(0x61) & 0x0F == 0x03


def test_the_timer_must_be_given(bench):
    with pytest.raises(ConfigError, match="pit"):
        bench.plug(PcSpeaker())


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.tuples(st.sampled_from([0x42, 0x43, 0x61]), st.integers(0, 255)), max_size=30))
def test_random_access_never_raises(bench, steps):
    board = type(bench)()
    board.plug(PcSpeaker(pit=board.plug(I8254())))
    for port, value in steps:
        board.outb(port, value)
        assert 0 <= board.inb(0x61) <= 0x33
        board.advance(value * 100)
