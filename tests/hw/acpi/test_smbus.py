"""The SMBus host controller and the EEPROMs behind it, through the ports of the PIIX4."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pyqemu.hw.acpi.piix4_pm import Piix4Pm

BASE = 0xB100
STATUS, CONTROL, COMMAND, ADDRESS, DATA0, DATA1, BLOCK = (
    BASE,
    BASE + 2,
    BASE + 3,
    BASE + 4,
    BASE + 5,
    BASE + 6,
    BASE + 7,
)
START = 0x40
QUICK, BYTE, BYTE_DATA, WORD_DATA, BLOCK_DATA = 0x00, 0x04, 0x08, 0x0C, 0x14
DONE, DEVICE_ERROR = 0x02, 0x04


@pytest.fixture
def pm(bench: Any) -> Piix4Pm:
    return bench.plug_pci(Piix4Pm(addr=0x0B))


def run(bench: Any, address: int, protocol: int, *, read: bool, command: int = 0) -> int:
    """One transaction; the status it ends with."""
    bench.outb(STATUS, 0x1E)
    bench.outb(ADDRESS, address << 1 | read)
    bench.outb(COMMAND, command)
    bench.outb(CONTROL, START | protocol)
    return bench.inb(STATUS)


def test_reset_values(bench: Any, pm: Piix4Pm) -> None:
    values = [bench.inb(BASE + n) for n in range(0x40)]
    assert {n: v for n, v in enumerate(values) if v} == {0x0D: 0x02}


def test_wide_accesses_read_zero_and_are_dropped(bench: Any, pm: Piix4Pm) -> None:
    bench.outb(COMMAND, 0x12)
    bench.outw(COMMAND - 1, 0xFFFF)
    assert bench.inb(COMMAND) == 0x12
    assert bench.inw(BASE + 2) == bench.inl(BASE) == 0


def test_eight_modules_answer_with_zeros(bench: Any, pm: Piix4Pm) -> None:
    answers = [n for n in range(8, 0x78) if run(bench, n, BYTE_DATA, read=True) == DONE]
    assert answers == list(range(0x50, 0x58))
    bench.outb(DATA0, 0xEE)
    run(bench, 0x50, BYTE_DATA, read=True, command=5)
    assert bench.inb(DATA0) == 0
    assert run(bench, 0x30, BYTE_DATA, read=True) == DEVICE_ERROR


def test_byte_and_word_data(bench: Any, pm: Piix4Pm) -> None:
    bench.outb(DATA0, 0x34)
    bench.outb(DATA1, 0x12)
    assert run(bench, 0x51, WORD_DATA, read=False, command=0xFF) == DONE  # wraps to 0
    bench.outb(DATA0, 0x56)
    run(bench, 0x51, BYTE_DATA, read=False, command=1)
    assert run(bench, 0x51, WORD_DATA, read=True, command=0) == DONE
    assert (bench.inb(DATA0), bench.inb(DATA1)) == (0x12, 0x56)
    assert run(bench, 0x51, BYTE_DATA, read=True, command=0xFF) == DONE
    assert bench.inb(DATA0) == 0x34
    run(bench, 0x52, BYTE_DATA, read=True, command=0xFF)
    assert bench.inb(DATA0) == 0


def test_receive_byte_goes_on_from_send_byte(bench: Any, pm: Piix4Pm) -> None:
    for place, value in ((7, 0xA7), (8, 0xA8)):
        bench.outb(DATA0, value)
        run(bench, 0x50, BYTE_DATA, read=False, command=place)
    assert run(bench, 0x50, BYTE, read=False, command=7) == DONE
    got = []
    for _ in range(2):
        run(bench, 0x50, BYTE, read=True)
        got.append(bench.inb(DATA0))
    assert got == [0xA7, 0xA8]


def test_quick_command_finds_devices(bench: Any, pm: Piix4Pm) -> None:
    assert run(bench, 0x57, QUICK, read=False) == DONE
    assert run(bench, 0x58, QUICK, read=True) == DEVICE_ERROR


def test_block_transfer_carries_its_count(bench: Any, pm: Piix4Pm) -> None:
    bench.outb(DATA0, 3)
    bench.inb(CONTROL)  # rewinds the buffer
    for value in (1, 2, 3):
        bench.outb(BLOCK, value)
    assert run(bench, 0x53, BLOCK_DATA, read=False, command=0x20) == DONE
    bench.outb(DATA0, 0)
    assert run(bench, 0x53, BLOCK_DATA, read=True, command=0x20) == DONE
    assert bench.inb(DATA0) == 3
    bench.inb(CONTROL)
    assert [bench.inb(BLOCK) for _ in range(3)] == [1, 2, 3]
    assert run(bench, 0x53, BLOCK_DATA, read=True, command=0x80) == DEVICE_ERROR  # a count of 0


def test_kill_and_reserved_protocols_fail(bench: Any, pm: Piix4Pm) -> None:
    bench.outb(CONTROL, 0x02)
    assert bench.inb(STATUS) == 0x10
    assert run(bench, 0x50, 0x1C, read=True) == DEVICE_ERROR
    assert bench.inb(CONTROL) == 0x1C  # START reads as zero


def test_interrupt_only_when_routed_to_9(bench: Any, pm: Piix4Pm) -> None:
    run(bench, 0x50, BYTE_DATA | 1, read=True)
    assert bench.irq_pin(9).level
    bench.outb(STATUS, DONE)
    assert not bench.irq_pin(9).level
    pm.write_config(0xD2, 1, 0x01)
    run(bench, 0x50, BYTE_DATA | 1, read=True)
    assert not bench.irq_pin(9).level


def test_content_survives_reset_and_load(bench: Any, pm: Piix4Pm) -> None:
    bench.outb(DATA0, 0x5A)
    run(bench, 0x54, BYTE_DATA, read=False, command=9)
    saved = pm.save()
    pm.reset()
    run(bench, 0x54, BYTE_DATA, read=True, command=9)
    assert bench.inb(DATA0) == 0x5A
    bench.outb(DATA0, 0)
    run(bench, 0x54, BYTE_DATA, read=False, command=9)
    pm.load(3, saved)
    assert pm.save() == saved
    run(bench, 0x54, BYTE_DATA, read=True, command=9)
    assert bench.inb(DATA0) == 0x5A


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 0x3F), st.integers(0, 0xFF)), max_size=60))
def test_any_writes_are_taken(bench: Any, pm_once: Piix4Pm, writes: list[tuple[int, int]]) -> None:
    for offset, value in writes:
        bench.outb(BASE + offset, value)
        assert 0 <= bench.inb(BASE + offset) <= 0xFF
    saved = pm_once.save()
    pm_once.load(3, saved)
    assert pm_once.save() == saved


@pytest.fixture
def pm_once(pm: Piix4Pm) -> Piix4Pm:
    return pm
