"""Kicks: another thread makes the CPU leave its loop, anywhere, without a trace in the guest."""

from __future__ import annotations

import random
import time

import pytest

from pyqemu.cpu.library import native

LOOP = """
        mov esi, 0x200000
        mov ebp, {rounds}
outer:  mov ecx, 2000
        xor eax, eax
        mov ebx, 12345
again:  imul ebx, ebx, 1103515245
        add ebx, 12345
        adc eax, 0
        call mix
        lock xadd [esi + 16], ebx
        lock inc dword [esi + 8]
        loop again
        xor [esi], eax
        add [esi + 4], ebx
        mov edi, 0x300000
        push esi
        mov esi, 0x310000
        mov ecx, 500
        rep movsb
        add [esi + 0x20], ebx
        pop esi
        fild dword [esi + 4]
        fistp dword [esi + 12]
        dec ebp
        jnz outer
        report dword [esi]
        report dword [esi + 4]
        report dword [esi + 8]
        report dword [esi + 12]
        report dword [esi + 16]
        stop
mix:    test ebx, 1
        jz .even
        add eax, ebx
        adc eax, 3
        ret
.even:  sub eax, 7
        sbb eax, 0
        ret
"""
LONG_LOOP = (
    LOOP.replace("push esi", "push rsi").replace("pop esi", "pop rsi").replace("report dword", "report qword")
)


def kicked_run(machine, interval_ns, choose):
    """Run with the watcher kicking every *interval_ns* (or less, at random); how often it did."""
    kicks = 0
    deadline = time.perf_counter_ns() + 15_000_000_000
    while time.perf_counter_ns() < deadline:
        native().timer_set(machine.timer, time.perf_counter_ns() + choose.randrange(1, interval_ns))
        machine.cpu.engine.arm()
        if machine.cpu.run() == "halted":
            return kicks
        kicks += 1
    raise AssertionError("the guest does not end")


@pytest.mark.parametrize("mode", ["flat32", "long"])
def test_sums_are_right_under_20000_kicks_a_second(machine, mode):
    source = f'%include "{mode}.inc"\n' + (LOOP if mode == "flat32" else LONG_LOOP).format(rounds=400)
    machine.load(source)
    assert machine.go() == "halted"
    expected = list(machine.reports)
    assert expected[2] == 400 * 2000
    choose = random.Random(1)
    kicks = rounds = 0
    while rounds < 3 or (kicks < 200 and rounds < 40):  # a busy host kicks less often
        machine.memory.write(0x200000, bytes(64))
        machine.memory.write(0x310000, bytes(0x400))
        machine.load(source)
        kicks += kicked_run(machine, 60_000, choose)
        rounds += 1
        assert machine.reports == expected
    assert kicks > 50


def test_kicks_during_interrupts_and_faults(machine):
    """Every delivery is seen once, however often the loop is left."""
    source = """
        jmp main
irq:    inc dword [0x200000]
        iretd
fault:  add dword [esp], 2
        inc dword [0x200004]
        iretd
main:   gate 0x20, irq
        gate 6, fault
        sti
        mov ecx, 20000
again:  raise 0x20
        ud2
        loop again
        mov ecx, 100
more:   loop more
        report dword [0x200000]
        report dword [0x200004]
        stop
"""
    machine.load('%include "flat32.inc"\n' + source)
    kicks = kicked_run(machine, 60_000, random.Random(2))
    assert machine.reports == [20000, 20000]
    assert len(machine.acknowledged) == 20000
    assert kicks > 0


def test_a_kick_before_run_is_not_lost(machine):
    machine.load('%include "flat32.inc"\nagain: jmp again')
    machine.cpu.kick()
    assert machine.cpu.run() == "kicked"


def test_a_kick_from_a_port_handler_acts_at_once(machine):
    machine.load('%include "flat32.inc"\nout KICK, al\njmp next\nnext: report 7\nstop')
    assert machine.cpu.run() == "kicked"
    assert machine.reports == []
    assert machine.cpu.run() == "halted"
    assert machine.reports == [7]


def test_kicks_count_once(machine):
    machine.load('%include "flat32.inc"\nout KICK, al\nout KICK, al\nout KICK, al\njmp next\nnext: stop')
    assert machine.cpu.run() == "kicked"
    assert machine.cpu.run() == "halted"


def test_the_watcher_waits_to_be_armed(machine):
    machine.load('%include "flat32.inc"\nagain: jmp again')
    started = time.perf_counter_ns()
    native().timer_set(machine.timer, started + 2_000_000)
    machine.cpu.engine.arm()
    assert machine.cpu.run() == "kicked"
    assert time.perf_counter_ns() - started >= 1_900_000
    machine.cpu.engine.arm()  # the descriptor is still readable
    assert machine.cpu.run() == "kicked"


def test_a_second_watcher_is_refused(machine):
    with pytest.raises(RuntimeError, match="watching already"):
        machine.cpu.engine.watch(machine.timer)
