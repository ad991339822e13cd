"""The I/O APIC's registers, and which pin an ISA interrupt reaches. Nobody is on its bus."""

from __future__ import annotations

import pytest

from pyqemu.hw.intc.i8259 import I8259
from pyqemu.hw.intc.i82093aa import BASE, I82093aa


class Guest:
    def __init__(self, bench):
        self.memory = bench.memory
        bench.plug(I8259(master=True, iobase=0x20, elcr_addr=0x4D0))
        self.chip = bench.plug(I82093aa())

    def get(self, index):
        self.memory.store(BASE, 4, index)
        return self.memory.load(BASE + 0x10, 4)

    def put(self, index, value):
        self.memory.store(BASE, 4, index)
        self.memory.store(BASE + 0x10, 4, value)


@pytest.fixture
def guest(bench):
    return Guest(bench)


def test_registers_after_reset(guest):
    assert [guest.get(index) for index in range(4)] == [0, 0x00170011, 0, 0]
    assert [guest.get(0x10 + index) for index in range(48)] == [0x10000, 0] * 24
    assert guest.get(0x40) == 0


def test_read_back_masks(guest):
    for index in range(256):
        guest.put(index, 0xFFFFFFFF)
    assert (guest.get(0), guest.get(1), guest.get(2)) == (0x0F000000, 0x00170011, 0x0F000000)
    assert [guest.get(0x10 + index) for index in range(48)] == [0x0001AFFF, 0xFF000000] * 24


@pytest.mark.parametrize("irq, pin", [(0, 2), (1, 1), (4, 4), (11, 11)])
def test_an_isa_interrupt_reaches_both_controllers(bench, guest, irq, pin):
    guest.put(0x10 + 2 * pin, 0x8000 | 0x30)  # by level
    line = bench.irq(irq)
    line.set(True)
    assert guest.chip.requests == 1 << pin
    bench.outb(0x20, 0x0A)
    assert bench.inb(0x20) == (1 << irq if irq < 8 else 0)
    line.set(False)
    assert guest.chip.requests == 0
