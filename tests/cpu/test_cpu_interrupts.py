"""When interrupts are taken: IF, the shadows after STI and MOV SS, NMI, HLT."""

from __future__ import annotations

import pytest

from pyqemu.core.memory import Mmio

# Vector 20h reports the address it came from, relative to `mark`, and returns.
HANDLER = """
        jmp main
handler:
        push eax
        mov eax, [esp + 4]
        sub eax, mark
        out REPORT, eax
        pop eax
        iretd
main:   gate 0x20, handler
"""


def test_the_instruction_after_sti_runs_first(machine):
    reports = machine.flat32(
        HANDLER
        + """
        raise 0x20
        xor ebx, ebx
        sti
mark:   inc ebx
after:  cli
        report ebx
        report after - mark
        stop
"""
    )
    taken_at, count, after = reports
    assert taken_at == after
    assert count == 1


def test_sti_cli_lets_nothing_in(machine):
    assert machine.flat32(HANDLER + "raise 0x20\nsti\nmark: cli\nmov ecx, 100\nx: loop x\nreport 7\nstop") == [7]
    assert machine.acknowledged == []


def test_sti_hlt_wakes_at_once(machine):
    reports = machine.flat32(HANDLER + "raise 0x20\nsti\nhlt\nmark: report 7\nstop")
    assert reports == [0, 7]


@pytest.mark.parametrize("load", ["mov ss, [0x800000]", "lss esp, [0x800000]\nnop"])
def test_the_shadow_of_loading_ss(machine, load):
    """The line rises while SS is read from a device: MOV SS lets one more instruction run, LSS does not."""

    def read(width, offset):
        machine.vector = 0x20
        machine.cpu.set_irq(True)
        return 0x10 if (offset == 0 and width == 2) or offset == 4 else 0x6800

    machine.memory.map(0x800000, Mmio(0x1000, read, lambda *_: None), priority=1)
    reports = machine.flat32(
        HANDLER
        + f"""
        sti
        nop
        {load}
mark:   mov esp, 0x6800
after:  nop
        cli
        report after - mark
        report esp
        stop
"""
    )
    taken_at, after, stack = reports
    assert taken_at == (after if "mov" in load else -1 & 0xFFFFFFFF)
    assert stack == 0x6800


@pytest.mark.parametrize(
    "enable",
    [
        "pushfd\nor dword [esp], 0x200\npopfd\nmark: nop",
        "pushfd\nor dword [esp], 0x200\npush CODE\npush mark\niretd\nmark: nop",
        "sti\nnop\nmark: nop",
    ],
    ids=["popf", "iret", "sti"],
)
def test_a_waiting_interrupt_is_taken_where_flags_allow_it(machine, enable):
    reports = machine.flat32(
        HANDLER + f"raise 0x20\nmov ecx, 1000\nwait1: loop wait1\n{enable}\nnop\nreport 7\nstop"
    )
    assert reports == [0, 7]
    assert machine.acknowledged == [0x20]


def test_each_request_is_taken_once(machine):
    reports = machine.flat32(
        """
        jmp main
handler:
        inc ebx
        iretd
main:   gate 0x20, handler
        xor ebx, ebx
        mov ecx, 200
        sti
again:  raise 0x20
        nop
        push ecx
        mov ecx, 20
spin:   loop spin
        pop ecx
        loop again
        cli
        report ebx
        stop
"""
    )
    assert reports == [200]
    assert machine.acknowledged == [0x20] * 200


def test_a_request_that_is_taken_back_is_not_delivered(machine):
    assert machine.flat32(HANDLER + "mark: raise 0x20\nout LOWER, al\nsti\nnop\nnop\nnop\nreport 7\nstop") == [7]
    assert machine.acknowledged == []


def test_an_interrupt_in_a_tight_loop_without_exits(machine):
    """The handler ends the loop; the request comes from a port write just before it."""
    reports = machine.flat32(
        """
        jmp main
handler:
        mov byte [flag], 1
        iretd
flag    db 0
main:   gate 0x20, handler
        sti
        raise 0x20
again:  cmp byte [flag], 0
        je again
        report 7
        stop
"""
    )
    assert reports == [7]


def test_real_mode_interrupts_use_the_vector_table(machine):
    reports = machine.real(
        """
        jmp main
handler:
        mov ax, [esp + 4]
        and ax, 0x200
        movzx ebx, ax
        pushf
        pop ax
        and ax, 0x200
        movzx ecx, ax
        iret
main:   gate 0x41, handler
        raise 0x41
        sti
        nop
        nop
        cli
        report ebx
        report ecx
        stop
"""
    )
    assert reports == [0x200, 0]


def test_long_mode_interrupts_switch_the_stack_from_ring_3(machine):
    reports = machine.long(
        """
        jmp main
handler:
        report rsp
        report qword [rsp + 8]
        report qword [rsp + 24]
        report 1
        stop
main:   gate 0x20, handler
        push UDATA
        push 0x6000
        push 0x3202                     ; IOPL 3
        push UCODE
        push user
        iretq
user:   raise 0x20
again:  jmp again
"""
    )
    assert reports == [0x7000 - 40, 0x2B, 0x6000, 1]


# -- NMI ----------------------------------------------------------------------------------------------

NMI_HANDLER = """
        jmp main
handler:
        inc ebx
        cmp ebx, 1
        jne .out
        out NMI, al                     ; while the first is being served
        push ecx
        mov ecx, 100
.spin:  loop .spin
        pop ecx
        report ebx                      ; still the only one
.out:   iretd
main:   gate 2, handler
        xor ebx, ebx
"""


def test_nmi_ignores_if_and_waits_for_iret(machine):
    reports = machine.flat32(NMI_HANDLER + "out NMI, al\nnop\nmov ecx, 100\nspin: loop spin\nreport ebx\nstop")
    assert reports == [1, 2]
    assert machine.acknowledged == []


def test_nmi_wakes_hlt_with_interrupts_off(machine):
    machine.load(
        '%include "flat32.inc"\njmp main\nhandler: report 5\niretd\nmain: gate 2, handler\nhlt\nreport 6\nstop'
    )
    assert machine.go() == "halted"
    assert machine.reports == []
    machine.cpu.nmi()
    assert not machine.cpu.halted
    assert machine.go() == "halted"
    assert machine.reports == [5, 6]


# -- HLT ----------------------------------------------------------------------------------------------


def test_hlt_sleeps_on_through_an_interrupt_that_cannot_be_taken(machine):
    machine.load('%include "flat32.inc"\nreport 1\nhlt\nreport 2\nstop')
    assert machine.go() == "halted"
    machine.cpu.set_irq(True)
    assert machine.cpu.halted
    assert machine.go() == "halted"
    assert machine.reports == [1]


def test_hlt_is_woken_by_an_interrupt(machine):
    machine.load('%include "flat32.inc"\n' + HANDLER + "sti\nhlt\nmark: report 7\nstop")
    assert machine.go() == "halted"
    assert machine.reports == []
    assert machine.cpu.halted
    machine.vector = 0x20
    machine.cpu.set_irq(True)
    assert not machine.cpu.halted
    assert machine.go() == "halted"
    assert machine.reports == [0, 7]


def test_a_kick_does_not_wake_hlt(machine):
    machine.load('%include "flat32.inc"\nsti\nhlt\nreport 2\nstop')
    assert machine.go() == "halted"
    machine.cpu.kick()
    assert machine.cpu.run() in ("kicked", "halted")
    assert machine.go() == "halted"
    assert machine.reports == []


def test_interrupts_between_iterations_of_a_string_instruction(machine):
    """REP LODSB over device memory whose third read raises the line: the count is exact at the interrupt."""

    def read(_width, offset):
        if offset == 2:
            machine.vector = 0x20
            machine.cpu.set_irq(True)
        return offset

    machine.memory.map(0x800000, Mmio(0x1000, read, lambda *_: None), priority=1)
    reports = machine.flat32(
        """
        jmp main
handler:
        report ecx
        report esi
        iretd
main:   gate 0x20, handler
        mov esi, 0x800000
        mov ecx, 10
        sti
        nop
        rep lodsb
        cli
        report ecx
        report esi
        movzx eax, al
        report eax
        stop
"""
    )
    assert reports == [7, 0x800003, 0, 0x80000A, 9]
