"""The PIIX4's power management: PM1, timer, events, SMI command port, hot-plug windows."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pyqemu.hw.acpi.piix4_pm import Gpe, Piix4Pm, Pm1
from pyqemu.hw.pci.device import PciDevice

BASE = 0x600
STATUS, ENABLE, CONTROL, TIMER = BASE, BASE + 2, BASE + 4, BASE + 8
GPE_STATUS, GPE_ENABLE = 0xAFE0, 0xAFE2
HZ = 3_579_545
HALF_NS = -(-0x800000 * 10**9 // HZ)  # until bit 23 changes


class Display(PciDevice, type="test-display"):
    class_code = 0x030000


@pytest.fixture
def pm(bench: Any) -> Piix4Pm:
    device = bench.plug_pci(Piix4Pm(addr=0x0B))
    device.write_config(0x40, 4, BASE | 1)
    device.write_config(0x80, 1, 1)
    return device


def sci(bench: Any) -> bool:
    return bench.irq_pin(9).level


def test_configuration_after_reset(bench: Any) -> None:
    bench.ports.map(0x378, 8, None, None, owner="lpt")
    bench.ports.map(0x3F8, 8, None, None, owner="com")
    config = bytes(bench.plug_pci(Piix4Pm(addr=0x0B, smm_enabled=True)).config)
    assert config[:16] == bytes.fromhex("86801371000080020300800600000000")
    assert config[0x30:0x70] == bytes.fromhex(
        "00000000000000000000000000010000" "01000000000000000000000000000000"
        "00000000000000000000000000000090" "00000060000000080000000000000000"
    )  # fmt: skip
    assert config[0x90:0x92] == b"\x01\xb1" and config[0xD2] == 0x09


def test_firmware_learns_which_ports_are_missing(bench: Any) -> None:
    bench.ports.map(0x2F8, 8, None, None, owner="com2")
    config = bench.plug_pci(Piix4Pm(addr=0x0B)).config
    assert (config[0x5F], config[0x67], config[0x5B]) == (0x10, 0x90, 0x02)


def test_ports_are_where_40_says_while_80_enables_them(bench: Any, pm: Piix4Pm) -> None:
    assert bench.inw(CONTROL) == 0
    assert bench.inb(BASE + 6) == 0xFF and bench.inl(BASE + 0x0C) == 0xFFFFFFFF
    pm.write_config(0x40, 2, 0xB001)
    assert bench.inw(CONTROL) == 0xFFFF and bench.inw(0xB004) == 0
    pm.write_config(0x80, 1, 0)
    assert bench.inw(0xB004) == 0xFFFF


def test_ports_in_use_are_not_taken(bench: Any, pm: Piix4Pm) -> None:
    bench.ports.map(0x3C8, 1, lambda _: 0x42, None, owner="dac")
    pm.write_config(0x40, 2, 0x3C1)
    assert bench.inb(0x3C8) == 0x42 and bench.inw(CONTROL) == 0xFFFF


def test_widths_of_pm1(bench: Any, pm: Piix4Pm) -> None:
    assert (bench.inb(STATUS), bench.inw(STATUS), bench.inl(STATUS)) == (0x01, 0x0001, 0)
    bench.outl(STATUS, 0xFFFFFFFF)
    assert bench.inw(STATUS) == 1 and bench.inw(ENABLE) == 0
    bench.outw(ENABLE, 0xFFFF)
    assert bench.inw(ENABLE) == 0xFFFF
    bench.outb(ENABLE, 0x21)
    bench.outb(ENABLE + 1, 0x01)
    assert bench.inw(ENABLE) == 0x0121 and bench.inb(ENABLE + 1) == 0x01
    assert bench.inl(CONTROL) == 0


def test_timer_runs_at_3_579545_mhz_and_wraps_at_24_bits(bench: Any, pm: Piix4Pm) -> None:
    assert bench.inl(TIMER) == 0
    bench.advance(10**9)
    assert bench.inl(TIMER) == HZ
    assert bench.inb(TIMER) == bench.inb(TIMER + 1) == HZ & 0xFF and bench.inw(TIMER + 2) == HZ & 0xFFFF
    bench.advance(9 * 10**9)
    assert bench.inl(TIMER) == 10 * HZ % (1 << 24)
    bench.outl(TIMER, 0)
    assert bench.inl(TIMER) == 10 * HZ % (1 << 24)


def test_timer_overflow_interrupts_when_enabled(bench: Any, pm: Piix4Pm) -> None:
    bench.outw(STATUS, 1)
    assert bench.inw(STATUS) == 0
    bench.outw(ENABLE, 1)
    bench.advance(HALF_NS - 1)
    assert not sci(bench) and bench.inl(TIMER) == 0x7FFFFF
    bench.advance(1)
    assert sci(bench) and bench.inw(STATUS) == 1 and bench.inl(TIMER) == 0x800000
    bench.outw(STATUS, 1)
    assert not sci(bench)
    bench.advance(HALF_NS)
    assert sci(bench)
    bench.outw(ENABLE, 0)
    assert not sci(bench)


def test_no_clock_timer_runs_unless_it_may_interrupt(bench: Any, pm: Piix4Pm) -> None:
    bench.outw(STATUS, 1)
    assert not pm.timer.pending
    bench.outw(ENABLE, 1)
    assert pm.timer.pending
    bench.outw(ENABLE, 0x100)
    assert not pm.timer.pending
    bench.advance(2 * HALF_NS)
    assert bench.inw(STATUS) == 1


def test_power_button(bench: Any, pm: Piix4Pm) -> None:
    bench.outw(ENABLE, 0x100)
    pm.power_button()
    assert sci(bench) and bench.inw(STATUS) & 0x100
    bench.outb(STATUS + 1, 0x01)
    assert not sci(bench) and not bench.inw(STATUS) & 0x100


def test_every_event_has_its_enable_bit(bench: Any, pm: Piix4Pm) -> None:
    bench.outw(STATUS, 0xFFFF)
    for event in (Pm1.GLOBAL, Pm1.SLEEP_BUTTON, Pm1.RTC):
        bench.outw(ENABLE, 0xFFFE & ~int(event))
        pm.raise_event(event)
        assert not sci(bench)
        bench.outw(ENABLE, int(event))
        assert sci(bench)
        bench.outw(STATUS, int(event))
        assert not sci(bench)


def test_general_purpose_events(bench: Any, pm: Piix4Pm) -> None:
    bench.outb(GPE_ENABLE, 0xFF)
    bench.outb(GPE_ENABLE + 1, 0xFF)
    assert bench.inw(GPE_ENABLE) == 0xFFFF
    pm.raise_gpe(Gpe.PCI_HOTPLUG)
    assert sci(bench) and bench.inw(GPE_STATUS) == 2
    bench.outb(GPE_STATUS, 2)
    assert not sci(bench) and bench.inl(GPE_STATUS) == 0xFFFF0000


def test_smi_command_hands_over_to_acpi(bench: Any, pm: Piix4Pm) -> None:
    assert (bench.inw(CONTROL), bench.inb(0xB2), bench.inb(0xB3)) == (0, 0, 0)
    bench.outb(0xB2, 0xF1)
    assert bench.inw(CONTROL) == 1 and bench.inb(0xB2) == 0xF1
    bench.outb(0xB2, 0xF0)
    bench.outb(0xB3, 0x77)
    assert bench.inw(CONTROL) == 0 and (bench.inb(0xB2), bench.inb(0xB3)) == (0xF0, 0x77)


def test_smi_only_when_the_cpu_takes_it_and_5b_lets_it(bench: Any) -> None:
    device = bench.plug_pci(Piix4Pm(addr=0x0B, smm_enabled=True))
    raised: list[int] = []
    device.on_smi = lambda: raised.append(bench.inb(0xB2))
    bench.outb(0xB2, 1)
    device.write_config(0x5B, 1, 2)
    bench.outb(0xB2, 5)
    assert raised == [5]


@pytest.mark.parametrize(("value", "requests"), [(0x2000, 1), (0x0000, 0), (0x2800, 1), (0x2400, 0), (0x3C00, 0)])
def test_sleep_types(bench: Any, pm: Piix4Pm, value: int, requests: int) -> None:
    bench.outw(CONTROL, value)
    assert [kind for kind, _ in bench.power_switch.requests] == ["shutdown"] * requests
    assert bench.inw(CONTROL) == value & 0x1C00


def test_power_off_by_bytes(bench: Any, pm: Piix4Pm) -> None:
    bench.outb(CONTROL + 1, 0x20)
    assert bench.power_switch.requests[0][0] == "shutdown"


def test_suspend_to_ram_and_wake(bench: Any, pm: Piix4Pm) -> None:
    slept: list[bool] = []
    pm.on_suspend = lambda: slept.append(True)
    bench.outw(CONTROL, 0x2400)
    assert slept == [True] and not bench.power_switch.requests
    pm.wake(Pm1.POWER_BUTTON)
    assert bench.inw(STATUS) & 0x8100 == 0x8100
    pm.disable_s3 = 1
    bench.outw(CONTROL, 0x2400)
    assert slept == [True]


def test_pci_hotplug_window(bench: Any, pm: Piix4Pm) -> None:
    bench.plug_pci(Display(addr=0x10))
    assert [bench.inl(0xAE00 + n) for n in range(0, 0x18, 4)] == [0, 0, 0, 0xFFFFFFF9, 0, 0]
    assert bench.inb(0xAE0C) == bench.inw(0xAE0C) == 0 and bench.inl(0xAE18) == 0xFFFFFFFF
    gone: list[int] = []
    pm.pci_hotplug.on_eject = gone.append
    bench.outb(GPE_ENABLE, 2)
    pm.pci_plugged(5)
    assert sci(bench) and (bench.inl(0xAE00), bench.inl(0xAE00)) == (1 << 5, 0)
    pm.pci_unplug_request(6)
    assert bench.inl(0xAE04) == 1 << 6
    bench.outl(0xAE08, 1 << 6 | 1 << 2)  # the display stays
    assert gone == [6] and bench.inl(0xAE04) == 0


def test_cpu_hotplug_window(bench: Any, pm: Piix4Pm) -> None:
    assert bench.inl(0xAF00) == 1 and bench.inb(0xAF1F) == 0
    pm.cpu_plugged(9)
    assert bench.inb(0xAF01) == 2 and bench.inw(GPE_STATUS) == 4


def test_reset_closes_the_ports_and_lowers_sci(bench: Any, pm: Piix4Pm) -> None:
    bench.outw(ENABLE, 0x100)
    pm.power_button()
    pm.reset()
    assert not sci(bench) and bench.inw(STATUS) == 0xFFFF
    pm.write_config(0x90, 2, 0x701)
    assert bench.inb(0x70D) == 2 and bench.inb(0xB10D) == 0xFF


def test_save_and_load(bench: Any, pm: Piix4Pm) -> None:
    bench.outw(STATUS, 1)
    bench.outw(ENABLE, 0x101)
    bench.advance(HALF_NS // 2)
    pm.power_button()
    saved = pm.save()
    pm.reset()
    pm.load(3, saved)
    assert pm.save() == saved and sci(bench) and bench.inw(ENABLE) == 0x101
    bench.outw(STATUS, 0x100)
    assert not sci(bench)
    bench.advance(HALF_NS)
    assert sci(bench)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(
            st.sampled_from((*range(BASE, BASE + 12), *range(0xAFE0, 0xAFE4), *range(0xAE00, 0xAE18), 0xB2, 0xB3)),
            st.sampled_from((1, 2, 4)),
            st.integers(0, 0xFFFFFFFF),
            st.integers(0, 5 * 10**9),
        ),
        max_size=40,
    ),
    st.lists(st.tuples(st.integers(0x40, 0xFC), st.integers(0, 0xFFFFFFFF)), max_size=10),
)
def test_any_guest(bench: Any, pm: Piix4Pm, writes: list[Any], configuration: list[tuple[int, int]]) -> None:
    for offset, value in configuration:
        pm.write_config(offset & 0xFC, 4, value)
    pm.write_config(0x40, 4, BASE | 1)
    pm.write_config(0x80, 1, 1)
    for port, width, value, ns in writes:
        bench.ports.write(port, width, value & ((1 << 8 * width) - 1))
        bench.advance(ns)
        assert 0 <= bench.ports.read(port, width) < 1 << 8 * width
    saved = pm.save()
    pm.reset()
    pm.load(3, saved)
    assert pm.save() == saved
    pm.reset()
