"""The UART as a driver sees it: registers, interrupts, FIFOs, loop-back."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pyqemu.chardev import BufferChardev
from pyqemu.core.errors import ConfigError
from pyqemu.hw.char.serial_16550 import Serial16550

DATA, IER, IIR, FCR, LCR, MCR, LSR, MSR, SCR = (0x3F8 + n for n in (0, 1, 2, 2, 3, 4, 5, 6, 7))
CHARACTER_NS = 10 * 12 * 1_000_000_000 // 115200  # 9600 baud, 8N1


class SlowChardev(BufferChardev):
    """Takes ``room`` bytes and then no more."""

    room = 0

    def write(self, data):
        taken = data[: self.room]
        self.room -= len(taken)
        self.sent += taken
        return len(taken)


@pytest.fixture
def com(bench):
    return bench.plug(Serial16550(chardev=BufferChardev()))


@pytest.fixture
def slow_com(bench):
    return bench.plug(Serial16550(chardev=SlowChardev()))


def fifo(bench, trigger=1):
    bench.outb(FCR, {1: 0x07, 4: 0x47, 8: 0x87, 14: 0xC7}[trigger])


# -- registers ----------------------------------------------------------------------------------------


def test_reset_values_are_those_of_the_board(bench, com):
    """From the reference probe of the same board, read in bytes and words."""
    assert bytes(bench.inb(0x3F8 + n) for n in range(8)) == bytes.fromhex("0000010008 60b000")
    assert [bench.inw(0x3F8 + n) for n in (0, 2, 4, 6)] == [0x0000, 0x0001, 0x6008, 0x00B0]
    assert bench.inl(0x3F8) == 0x00010000


def test_register_masks_are_those_of_the_board(bench, com):
    bench.outb(SCR, 0xA5)
    assert bench.inb(SCR) == 0xA5
    identities = [bench.inb(IIR)]
    for value in (0xE7, 0x00):
        bench.outb(FCR, value)
        identities.append(bench.inb(IIR))
    assert identities == [0x01, 0xC1, 0x01]
    bench.outb(LCR, 0x83)
    assert [bench.inb(LCR), bench.inb(DATA), bench.inb(IER)] == [0x83, 0x0C, 0x00]
    bench.outb(LCR, 0x03)
    bench.outb(MCR, 0xFF)
    assert [bench.inb(MCR), bench.inb(MSR)] == [0x1F, 0xF0]
    bench.outb(MCR, 0)
    assert [bench.inb(MSR), bench.inb(MSR)] == [0xB0, 0xB0]
    bench.outb(IER, 0xFF)
    assert [bench.inb(IER), bench.inb(IIR)] == [0x0F, 0x02]
    bench.outb(IER, 0)
    assert bench.inb(LSR) == 0x60


def test_divisor_is_behind_dlab(bench, com):
    bench.outb(LCR, 0x80)
    bench.outw(DATA, 0x1234)
    assert (bench.inb(DATA), bench.inb(IER)) == (0x34, 0x12)
    bench.outb(LCR, 0x03)
    assert bench.inb(IER) == 0 and com.divisor == 0x1234
    assert com.chardev.sent == b""


def test_status_registers_ignore_writes(bench, com):
    bench.outb(LSR, 0xFF)
    bench.outb(MSR, 0xFF)
    assert (bench.inb(LSR), bench.inb(MSR)) == (0x60, 0xB0)


# -- sending ------------------------------------------------------------------------------------------


def test_sent_bytes_reach_the_backend_at_once(bench, com):
    for byte in b"Hello":
        assert bench.inb(LSR) & 0x20
        bench.outb(DATA, byte)
    assert com.chardev.sent == b"Hello"


def test_transmitter_interrupt(bench, com):
    bench.outb(IER, 0x02)
    assert bench.irq_pin(4).level  # empty already
    assert bench.inb(IIR) == 0x02
    assert not bench.irq_pin(4).level and bench.inb(IIR) == 0x01
    bench.outb(DATA, 0x41)
    assert bench.irq_pin(4).level and bench.inb(IIR) == 0x02


def test_each_write_makes_a_new_edge(bench, com):
    bench.outb(IER, 0x02)
    edges = bench.edges[4]
    bench.outb(DATA, 0x41)
    bench.outb(DATA, 0x42)
    assert bench.edges[4] == edges + 2


def test_transmitter_interrupt_waits_for_its_enable(bench, com):
    bench.outb(DATA, 0x41)
    assert bench.inb(IIR) == 0x01
    bench.outb(IER, 0x02)
    assert bench.inb(IIR) == 0x02


def test_slow_backend_holds_bytes_and_clears_thre(bench):
    slow = SlowChardev()
    com = bench.plug(Serial16550(chardev=slow))
    bench.outb(FCR, 0x01)
    bench.outb(IER, 0x02)
    bench.inb(IIR)
    for byte in b"abc":
        bench.outb(DATA, byte)
    assert bench.inb(LSR) == 0x00
    assert not bench.irq_pin(4).level
    slow.room = 2
    slow.on_writable()
    assert bench.inb(LSR) == 0x00
    slow.room = 100
    slow.on_writable()
    assert (bench.inb(LSR), slow.sent) == (0x60, b"abc")
    assert bench.irq_pin(4).level
    bench.outb(DATA, ord("d"))
    assert slow.sent == b"abcd"
    assert com.save()["tx_fifo"] == b""


def test_full_transmitter_overwrites(bench):
    slow = SlowChardev()
    bench.plug(Serial16550(chardev=slow))
    for byte in b"ab":  # no FIFO: one place
        bench.outb(DATA, byte)
    slow.room = 100
    slow.on_writable()
    assert slow.sent == b"b"


def test_clearing_the_transmit_fifo_drops_what_waits(bench):
    slow = SlowChardev()
    bench.plug(Serial16550(chardev=slow))
    bench.outb(FCR, 0x01)
    bench.outb(DATA, 0x41)
    bench.outb(FCR, 0x05)
    assert bench.inb(LSR) == 0x60
    slow.room = 10
    slow.on_writable()
    assert slow.sent == b""


def test_waiting_bytes_are_sent_after_a_load(bench):
    slow = SlowChardev()
    com = bench.plug(Serial16550(chardev=slow))
    bench.outb(DATA, 0x41)
    state = com.save()
    com.reset()
    com.load(3, state)
    assert com.save() == state
    slow.room = 10
    bench.advance(1)
    assert slow.sent == b"A" and bench.inb(LSR) == 0x60


# -- receiving ----------------------------------------------------------------------------------------


def test_received_byte_holds_the_line_until_it_is_read(bench, com):
    bench.outb(IER, 0x01)
    com.chardev.send(b"A")
    assert bench.irq_pin(4).level
    assert (bench.inb(LSR), bench.inb(IIR)) == (0x61, 0x04)
    assert bench.inb(DATA) == ord("A")
    assert not bench.irq_pin(4).level and bench.inb(LSR) == 0x60
    assert bench.inb(DATA) == ord("A")  # the register keeps it


def test_without_fifo_the_rest_waits_in_the_backend(bench, com):
    com.chardev.send(b"xyz")
    assert bytes(bench.inb(DATA) for _ in range(3)) == b"xyz"
    assert bench.inb(LSR) == 0x60


@pytest.mark.parametrize("trigger", [1, 4, 8, 14])
def test_trigger_level(bench, com, trigger):
    fifo(bench, trigger)
    bench.outb(IER, 0x01)
    com.chardev.send(b"x" * (trigger - 1))
    assert not bench.irq_pin(4).level
    com.chardev.send(b"x")
    assert bench.irq_pin(4).level and bench.inb(IIR) == 0xC4
    bench.inb(DATA)
    assert not bench.irq_pin(4).level


def test_timeout_after_four_characters(bench, com):
    fifo(bench, 8)
    bench.outb(LCR, 0x03)  # 8N1: ten bits
    bench.outb(IER, 0x01)
    com.chardev.send(b"ab")
    bench.advance(4 * CHARACTER_NS - 100)
    assert bench.inb(IIR) == 0xC1
    bench.advance(200)
    assert bench.irq_pin(4).level and bench.inb(IIR) == 0xCC
    bench.inb(DATA)
    assert not bench.irq_pin(4).level  # starts again for the next
    bench.advance(4 * CHARACTER_NS + 100)
    assert bench.inb(IIR) == 0xCC
    bench.inb(DATA)
    bench.advance(100 * CHARACTER_NS)
    assert bench.inb(IIR) == 0xC1


def test_no_timer_runs_without_need(bench, com):
    bench.advance(1)
    fifo(bench, 8)
    com.chardev.send(b"ab")
    assert bench.clock.next_deadline() > 1 << 62  # interrupts are off
    bench.outb(IER, 0x01)
    assert bench.clock.next_deadline() < 1 << 62
    fifo(bench, 8)
    assert bench.clock.next_deadline() > 1 << 62


def test_fifo_holds_sixteen_and_refills(bench, com):
    fifo(bench)
    com.chardev.send(bytes(range(40)))
    assert bytes(bench.inb(DATA) for _ in range(40)) == bytes(range(40))
    assert bench.inb(LSR) == 0x60


def test_clearing_the_receive_fifo(bench, com):
    fifo(bench)
    com.chardev.send(b"abc")
    fifo(bench)
    assert bench.inb(LSR) == 0x60


def test_switching_the_fifo_clears_it(bench, com):
    bench.outb(FCR, 0x01)
    com.chardev.send(b"abc")
    bench.outb(FCR, 0x00)
    assert bench.inb(LSR) == 0x60 and bench.inb(IIR) == 0x01


def test_break(bench, com):
    fifo(bench, 4)
    bench.outb(IER, 0x04)
    com.chardev.send(b"a")
    com.chardev.on_break()
    assert bench.inb(LSR) == 0xE1  # an error further back
    assert not bench.irq_pin(4).level
    bench.inb(DATA)
    assert bench.irq_pin(4).level and bench.inb(IIR) == 0xC6
    assert bench.inb(LSR) == 0xF1
    assert bench.inb(LSR) == 0x61 and not bench.irq_pin(4).level
    assert bench.inb(DATA) == 0


def test_interrupt_priorities(bench, com):
    bench.outb(MCR, 0x18)
    bench.outb(MCR, 0x1B)  # modem changes
    bench.outb(DATA, 0x41)
    bench.outb(DATA, 0x42)  # loops back: data and an overrun
    bench.outb(IER, 0x0F)
    assert bench.inb(IIR) == 0x06
    assert bench.inb(LSR) & 0x02
    assert bench.inb(IIR) == 0x04
    assert bench.inb(DATA) == 0x42  # the newest, without FIFO
    assert bench.inb(IIR) == 0x02
    assert bench.inb(IIR) == 0x00
    assert bench.inb(MSR) == 0xB3
    assert bench.inb(IIR) == 0x01


# -- loop-back ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("mcr,msr", [(0x1, 0x20), (0x2, 0x10), (0x4, 0x40), (0x8, 0x80)])
def test_loopback_of_each_modem_line(bench, com, mcr, msr):
    bench.outb(MCR, 0x10)
    bench.inb(MSR)
    bench.outb(MCR, 0x10 | mcr)
    change = 0 if msr == 0x40 else msr >> 4
    assert bench.inb(MSR) == msr | change
    assert bench.inb(MSR) == msr
    bench.outb(MCR, 0x10)
    assert bench.inb(MSR) == msr >> 4


def test_loopback_data_stays_inside(bench, com):
    fifo(bench)
    bench.outb(MCR, 0x1E)
    bench.outb(DATA, 0xAE)
    com.chardev.send(b"outside")
    assert bench.inb(DATA) == 0xAE and not bench.inb(LSR) & 1
    assert com.chardev.sent == b""
    for n in range(17):
        bench.outb(DATA, n)
    assert bench.inb(LSR) & 0x02
    assert [bench.inb(DATA) for _ in range(16)] == list(range(16))
    bench.outb(MCR, 0x0B)
    assert bytes(bench.inb(DATA) for _ in range(7)) == b"outside"


def test_loopback_break(bench, com):
    bench.outb(MCR, 0x10)
    bench.outb(LCR, 0x43)
    assert bench.inb(LSR) == 0x71


# -- configuration, state -----------------------------------------------------------------------------


def test_ports_follow_the_index(bench):
    ports = [bench.plug(Serial16550()) for _ in range(4)]
    assert [(p.iobase, p.irq) for p in ports] == [(0x3F8, 4), (0x2F8, 3), (0x3E8, 4), (0x2E8, 3)]
    with pytest.raises(ConfigError, match=r"Max\. supported number of ISA serial ports is 4"):
        bench.plug(Serial16550())


def test_taken_ports_are_refused(bench, com):
    with pytest.raises(ConfigError, match="0x3f8"):
        bench.plug(Serial16550(iobase=0x3F8))


def test_backend_with_input_at_the_start(bench):
    chardev = BufferChardev()
    chardev.send(b"early")
    bench.plug(Serial16550(chardev=chardev))
    bench.advance(1)
    assert bytes(bench.inb(DATA) for _ in range(5)) == b"early"


def test_without_backend(bench):
    bench.plug(Serial16550())
    bench.outb(DATA, 0x41)
    assert bench.inb(LSR) == 0x60


def test_reset_takes_what_waited(bench, com):
    com.chardev.send(b"abc")
    bench.outb(IER, 0x0F)
    com.reset()
    assert not bench.irq_pin(4).level and bench.inb(LSR) == 0x60
    bench.advance(1)
    assert bench.inb(DATA) == ord("b")


def test_save_and_load_restore_line_and_timer(bench, com):
    fifo(bench, 8)
    bench.outb(IER, 0x01)
    com.chardev.send(b"ab")
    state = com.save()
    com.reset()
    com.load(3, state)
    assert com.save() == state
    bench.advance(5 * CHARACTER_NS)
    state = com.save()
    com.reset()
    assert not bench.irq_pin(4).level
    com.load(3, state)
    assert com.save() == state
    assert bench.irq_pin(4).level and bench.inb(IIR) == 0xCC and bench.inb(DATA) == ord("a")


def test_version_2_has_no_fifo(bench, com):
    state = com.save()
    old = {k: v for k, v in state.items() if com.state_fields[k].since < 3}
    com.load(2, old)
    assert com.save() == state


accesses = st.tuples(
    st.sampled_from(["in", "out"]), st.integers(0, 7), st.sampled_from([1, 2, 4]), st.integers(0, 0xFFFFFFFF)
)
events = st.tuples(
    st.sampled_from(["send", "break", "wait", "writable", "load"]), st.integers(0, 40), st.none(), st.none()
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.one_of(accesses, events), max_size=40))
def test_nothing_a_guest_does_raises(bench, slow_com, steps):
    com = slow_com
    com.reset()
    for what, n, width, value in steps:
        match what:
            case "in":
                bench.ports.read(0x3F8 + n, width)
            case "out":
                bench.ports.write(0x3F8 + n, width, value & ((1 << 8 * width) - 1))
            case "send":
                com.chardev.send(bytes(n))
            case "break":
                com.chardev.on_break()
            case "wait":
                bench.advance(n * 1_000_000)
            case "writable":
                com.chardev.room = n
                com.chardev.on_writable()
            case "load":
                state = com.save()
                com.load(3, state)
                assert com.save() == state
        assert len(com.rx_fifo) == len(com.rx_errors) <= 16
        assert bool(bench.inb(LSR) & 1) == bool(com.rx_fifo)


def test_a_string_goes_out_at_once_and_what_the_backend_refuses_waits(bench):
    class Slow(BufferChardev):
        def write(self, data):
            return super().write(data[: max(0, 5 - len(self.sent))])

    com = bench.plug(Serial16550(iobase=0x3F8, irq=4, chardev=Slow()))
    send = bench.ports.string_writers[0x3F8]
    assert send(1, b"hello world") == 5 and com.chardev.sent == b"hello"
    assert send(1, b" world") == 0
    bench.outb(0x3F8, ord(" "))
    assert not bench.inb(0x3FD) & 0x20
    assert send(1, b"world") == 0  # it waits behind the byte in the transmitter
    assert send(2, b"ab") == 0


def test_a_string_to_the_divisor_is_no_output(bench):
    com = bench.plug(Serial16550(iobase=0x3F8, irq=4, chardev=BufferChardev()))
    bench.outb(0x3FB, 0x80)
    assert bench.ports.string_writers[0x3F8](1, b"abc") == 0 and com.chardev.sent == b""


def test_nothing_is_received_while_time_stands_still(bench, com):
    """Or a byte could come after the machine's state has been saved, and be lost with the machine."""
    clock = bench.clock
    clock._stopped_at_ns = clock.now()  # as a machine that is paused, or waits for its state
    com.chardev.send(b"a")
    assert not bench.inb(LSR) & 1
    clock._stopped_at_ns = None
    for callback in clock.on_run:
        callback(True)
    assert bench.inb(DATA) == ord("a")
