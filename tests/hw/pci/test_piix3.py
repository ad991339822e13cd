"""The PIIX3: PIRQ routing and the reset control register."""

from __future__ import annotations

from typing import Any

import pytest

from pyqemu.hw.pci.device import PciDevice
from pyqemu.hw.pci.piix3 import Piix3

RESERVED = (0, 1, 2, 8, 13)


class Card(PciDevice, type="test-card"):
    interrupt_pin = 1


@pytest.fixture
def piix3(bench: Any) -> Piix3:
    bench.plug_pci(Piix3(addr=8))
    return bench.pci.devices[8]


def card(bench: Any, slot: int) -> Card:
    return bench.plug_pci(Card(addr=slot << 3))


def test_identity_and_reset_values(piix3: Piix3) -> None:
    config = bytes(piix3.config)
    assert config[:16] == bytes.fromhex("86800070000000020000010600008000")
    assert config[0x2C:0x30] == bytes.fromhex("f41a0011")
    assert config[0x40:0x50] == bytes.fromhex("0000000000000000000000004d000300")
    assert config[0x60:0x80] == bytes.fromhex("808080800000000000020000000000008000000000000c0c0200000000000000")
    assert config[0xA0:0xB0] == bytes.fromhex("08000000000000000f00000000000000")
    assert not any(config[0x80:0xA0]) and not any(config[0xB0:])


@pytest.mark.parametrize("slot", range(1, 5))
def test_each_pirq_has_its_register(bench: Any, piix3: Piix3, slot: int) -> None:
    piix3.write_config(0x60, 4, 0x0B0A0905)
    device = card(bench, slot + 1)
    device.set_irq(True)
    wanted = (5, 9, 10, 11)[slot % 4]
    assert [n for n in range(16) if bench.irq_pin(n).level] == [wanted]
    device.set_irq(False)
    assert not bench.irq_pin(wanted).level


def test_a_held_interrupt_follows_the_route(bench: Any, piix3: Piix3) -> None:
    device = card(bench, 3)  # PIRQC
    device.set_irq(True)
    assert not any(pin.level for pin in bench.irq_pins)
    piix3.write_config(0x62, 1, 11)
    assert bench.irq_pin(11).level
    piix3.write_config(0x62, 1, 10)
    assert not bench.irq_pin(11).level and bench.irq_pin(10).level
    piix3.write_config(0x62, 1, 0x8A)
    assert not bench.irq_pin(10).level
    piix3.write_config(0x62, 1, 10)
    piix3.reset()
    assert not bench.irq_pin(10).level and piix3.config[0x62] == 0x80


@pytest.mark.parametrize("irq", RESERVED)
def test_reserved_interrupts_get_nothing(bench: Any, piix3: Piix3, irq: int) -> None:
    piix3.write_config(0x60, 4, irq * 0x01010101)
    card(bench, 3).set_irq(True)
    assert not any(pin.level for pin in bench.irq_pins)


def test_two_pirqs_and_the_isa_bus_share_an_interrupt(bench: Any, piix3: Piix3) -> None:
    piix3.write_config(0x60, 4, 0x0A0A0A0A)
    first, second, isa = card(bench, 3), card(bench, 4), bench.irq(10)
    first.set_irq(True)
    second.set_irq(True)
    isa.set(True)
    first.set_irq(False)
    isa.set(False)
    assert bench.irq_pin(10).level
    second.set_irq(False)
    assert not bench.irq_pin(10).level


def test_load_drives_the_interrupt_again(bench: Any, piix3: Piix3) -> None:
    device = card(bench, 3)
    piix3.write_config(0x62, 1, 11)
    device.set_irq(True)
    saved, saved_card = piix3.save(), device.save()
    device.reset()
    piix3.reset()
    assert not bench.irq_pin(11).level
    piix3.load(3, saved)
    device.load(1, saved_card)
    assert bench.irq_pin(11).level and piix3.save() == saved


def test_reset_on_the_rising_edge_of_bit_2(bench: Any, piix3: Piix3) -> None:
    requests = bench.power_switch.requests
    assert bench.inb(0xCF9) == 0
    bench.outb(0xCF9, 0x02)
    assert bench.inb(0xCF9) == 0x02 and not requests
    bench.outb(0xCF9, 0x06)
    assert len(requests) == 1 and requests[0][0] == "reset"
    bench.outb(0xCF9, 0x06)
    assert len(requests) == 1
    piix3.reset()
    assert bench.inb(0xCF9) == 0
    bench.outb(0xCF9, 0xFF)
    assert len(requests) == 2 and bench.inb(0xCF9) == 0x06
