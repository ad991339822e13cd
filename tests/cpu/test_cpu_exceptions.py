"""Exceptions: what the frame says, faults during delivery, shutdown, task switches, single steps."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize("instruction", ["ud2", "db 0x0F, 0xFF", "db 0xF0, 0x90"], ids=["ud2", "ud0", "lock nop"])
def test_undefined_instruction_in_ring_0(machine, instruction):
    reports = machine.flat32(
        f"""
        jmp main
handler:
        mov eax, [esp]
        sub eax, bad
        out REPORT, eax
        report dword [esp + 4]
        mov dword [esp], after
        iretd
main:   gate 6, handler
        mov esi, esp
bad:    {instruction}
        stop
after:  sub esi, esp
        report esi
        stop
"""
    )
    assert reports == [0, 0x08, 0]


def test_undefined_instruction_in_ring_3(machine):
    reports = machine.flat32(
        """
        jmp main
handler:
        mov eax, [esp]
        sub eax, bad
        out REPORT, eax
        report dword [esp + 4]
        report dword [esp + 12]
        report dword [esp + 16]
        stop
main:   gate 6, handler
        mov ax, TSS
        ltr ax
        enter_user bad
bad:    ud2
"""
    )
    assert reports == [0, 0x1B, 0x6000, 0x23]


def test_undefined_instruction_in_long_mode(machine):
    assert machine.long("nop\nud2")[:2] == [0xDEAD0006, machine.reports[1]]


FRAME_AT_FAULT = """
        jmp main
handler:
        pop eax                         ; the error code
        out REPORT, eax
        mov eax, [esp]
        sub eax, bad
        out REPORT, eax
        mov byte [idt + {vector} * 8 + 5], 0xEE     ; present now
        iretd
reached:
        mov eax, [esp]
        sub eax, after
        out REPORT, eax
        iretd
main:   gate 11, handler
        user_gate {vector}, reached
        mov byte [idt + {vector} * 8 + 5], 0x6E     ; not present
"""


@pytest.mark.parametrize(
    ("instruction", "vector"),
    [("int 0x30", 0x30), ("int3", 3), ("into", 4), ("int 3", 3)],
    ids=["int n", "int3", "into", "int 3"],
)
def test_a_software_interrupt_restarts_when_its_gate_is_not_present(machine, instruction, vector):
    reports = machine.flat32(
        FRAME_AT_FAULT.format(vector=vector)
        + f"""
        mov al, 0x7F
        inc al                          ; sets OF for INTO
bad:    {instruction}
after:  report 7
        stop
"""
    )
    assert reports == [vector * 8 + 2, 0, 0, 7]


def test_a_software_interrupt_from_ring_3_restarts(machine):
    reports = machine.flat32(
        FRAME_AT_FAULT.format(vector=0x30)
        + """
        gate 0x31, finish
        mov byte [idt + 0x31 * 8 + 5], 0xEE
        mov ax, TSS
        ltr ax
        enter_user bad
bad:    int 0x30
after:  int 0x31
finish: report 7
        stop
"""
    )
    assert reports == [0x30 * 8 + 2, 0, 0, 7]


def test_a_software_interrupt_that_ring_3_may_not_use(machine):
    reports = machine.flat32(
        """
        jmp main
handler:
        pop eax
        out REPORT, eax
        mov eax, [esp]
        sub eax, bad
        out REPORT, eax
        stop
main:   gate 13, handler
        mov ax, TSS
        ltr ax
        enter_user bad
bad:    int 0x20
"""
    )
    assert reports == [0x20 * 8 + 2, 0]


def test_a_fault_after_a_software_interrupt_keeps_its_own_address(machine):
    """What is remembered of INT n must not leak into the next exception."""
    reports = machine.flat32(
        """
        jmp main
soft:   iretd
handler:
        mov eax, [esp]
        sub eax, bad
        out REPORT, eax
        stop
main:   gate 0x30, soft
        gate 6, handler
        int 0x30
        nop
bad:    ud2
"""
    )
    assert reports == [0]


def test_a_hardware_interrupt_whose_gate_is_not_present(machine):
    reports = machine.flat32(
        FRAME_AT_FAULT.format(vector=0x20) + "raise 0x20\nsti\nnop\nbad: nop\nafter:\nreport 7\nstop"
    )
    assert reports[0] | 1 == 0x20 * 8 + 3  # the translator leaves EXT clear
    assert reports[1:] == [0, 7]  # the interrupt itself is lost, as on hardware


# #PF has a stack of its own (IST 1); RSP0 of the TSS lies in a page that is not present until #PF maps it.
NO_KERNEL_STACK = """
        jmp main
page_fault:
        report qword [rsp]
        report cr2_value
        mov rax, cr2
        out REPORT, eax
        mov rax, [rsp + 8]
        sub rax, bad
        out REPORT, eax
        report qword [rsp + 16]
        or byte [abs PAGES + 8 * 0x100], 7
        add rsp, 8
        iretq
cr2_value equ 0
reached:
        report rsp
        report 7
        stop
main:   gate 14, page_fault
        mov byte [abs idt + 14 * 16 + 4], 1
        mov dword [abs tss + 0x24], 0x5000          ; IST 1
        mov dword [abs tss + 4], 0x101000           ; RSP0
        mov qword [abs PAGES + 8 * 0x100], 0x100000
        mov rax, cr3
        mov cr3, rax
        gate 0x20, reached
        gate 6, reached
        gate 0x30, reached
        mov byte [abs idt + 0x30 * 16 + 5], 0xEE
        push UDATA
        push 0x6000
        push 0x3202
        push UCODE
        push user
        iretq
user:
"""


@pytest.mark.parametrize("instruction", ["int 0x30", "ud2"])
def test_a_page_fault_while_an_exception_pushes_its_frame(machine, instruction):
    words = 5
    reports = machine.long(NO_KERNEL_STACK + f"bad: {instruction}\nagain: jmp again")
    assert reports == [2, 0, 0x100FF8, 0, 0x2B, 0x101000 - 8 * words, 7]


def test_a_page_fault_while_an_interrupt_pushes_its_frame(machine):
    reports = machine.long(
        NO_KERNEL_STACK + "raise 0x20\njmp bad\nbad: jmp next\nnext: raise 0x20\nagain: jmp again"
    )
    assert reports == [2, 0, 0x100FF8, 0, 0x2B, 0x101000 - 40, 7]
    assert machine.acknowledged == [0x20, 0x20]  # the first one was lost: its cycle had been run


def test_double_fault(machine):
    """#GP whose gate is not present."""
    reports = machine.flat32(
        """
        jmp main
handler:
        report dword [esp]
        mov eax, [esp + 4]
        sub eax, bad
        out REPORT, eax
        stop
main:   gate 8, handler
        mov byte [idt + 13 * 8 + 5], 0x0E
bad:    mov fs, [selector]
        stop
selector dw 0x1000
"""
    )
    assert reports == [0, 0]


def test_triple_fault_shuts_down_and_reset_recovers(machine):
    machine.load('%include "flat32.inc"\nlidt [none]\nud2\nnone: dw 0, 0, 0')
    assert machine.go() == "shutdown"
    assert machine.flat32("report 5\nstop") == [5]


def test_triple_fault_in_real_mode(machine):
    machine.load('%include "real.inc"\nlidt [none]\nint3\nnone: dw 0, 0, 0')
    assert machine.go() == "shutdown"


def test_triple_fault_by_a_lost_stack(machine):
    machine.load('%include "flat32.inc"\nmap_pages\nmov esp, 0x800000\npush eax\nstop')
    assert machine.go() == "shutdown"


@pytest.mark.parametrize(
    ("access", "code"),
    [
        ("mov eax, [0x100000]", 0),
        ("mov [0x100000], eax", 2),
        ("push 0\npopfd\njmp 0x100000", 0),
        ("mov eax, [0x101000]\nmov [0x101000], eax", 3),
    ],
    ids=["read", "write", "fetch", "read-only"],
)
def test_page_fault_error_codes(machine, access, code):
    reports = machine.flat32(
        f"""
        map_pages
        mov dword [PAGES + 4 * 0x100], 0
        mov dword [PAGES + 4 * 0x101], 0x101005
        mov eax, cr3
        mov cr3, eax
        {access}
"""
    )
    assert reports[:2] == [0xDEAD000E, code]
    assert reports[3] & 0xFFFF000 == (0x101000 if code == 3 else 0x100000)


def test_page_fault_in_ring_3_and_by_no_execute(machine):
    reports = machine.long(
        """
        jmp main
handler:
        report qword [rsp]
        mov rax, cr2
        out REPORT, eax
        cmp qword [rsp + 8], 0x100000   ; the fetch: go back to what jumped
        jne .out
        mov qword [rsp + 8], done
        jmp .back
.out:   mov qword [rsp + 8], second
.back:  add rsp, 8
        iretq
main:   gate 14, handler
        mov rax, 0x100007 | NX
        mov [abs PAGES + 8 * 0x100], rax
        mov qword [abs PAGES + 8 * 0x101], 0x101003     ; supervisor
        mov rax, cr3
        mov cr3, rax
        push UDATA
        push 0x6000
        push 0x3002
        push UCODE
        push user
        iretq
user:   mov eax, [abs 0x101000]
second: mov rax, 0x100000
        jmp rax
done:   report 7
again:  hlt
"""
    )
    assert reports[:5] == [5, 0x101000, 0x15, 0x100000, 7]


# -- traps --------------------------------------------------------------------------------------------


def test_single_steps(machine):
    """TF: a trap after each instruction and each iteration of a string instruction."""
    reports = machine.flat32(
        """
        jmp main
handler:
        inc ebx
        push eax
        mov eax, dr6
        and eax, 0x4000
        or ebp, eax
        pop eax
        iretd
main:   gate 1, handler
        xor ebx, ebx
        xor ebp, ebp
        mov esi, 0x100000
        mov edi, 0x200000
        mov ecx, 5
        pushfd
        or dword [esp], 0x100
        popfd
        rep movsb                       ; five traps
        nop
        nop
        pushfd
        and dword [esp], ~0x100
        popfd                           ; TF was set when it began: it traps as well
        report ebx
        report ebp
        report edi
        stop
"""
    )
    assert reports == [5 + 5, 0x4000, 0x200005]


def test_division_and_bound_report_the_instruction(machine):
    for instruction, vector in (("div ebx", 0), ("bound eax, [limits]", 5), ("idiv bl", 0)):
        reports = machine.flat32(
            f"""
        jmp main
limits  dd 10, 20
handler:
        mov eax, [esp]
        sub eax, bad
        out REPORT, eax
        stop
main:   gate {vector}, handler
        mov eax, 9
        xor ebx, ebx
        cdq
bad:    {instruction}
        stop
"""
        )
        assert reports == [0]


def test_an_execution_breakpoint(machine):
    reports = machine.flat32(
        """
        jmp main
handler:
        mov eax, [esp]
        sub eax, here
        out REPORT, eax
        mov eax, dr6
        and eax, 15
        out REPORT, eax
        or dword [esp + 8], 0x10000     ; RF: go on
        iretd
main:   gate 1, handler
        mov eax, here
        mov dr1, eax
        mov eax, 0x404
        mov dr7, eax
        nop
here:   inc ebx
        report 7
        stop
"""
    )
    assert reports == [0, 2, 7]


# -- tasks --------------------------------------------------------------------------------------------

TASK = """
        mov ax, TSS
        ltr ax
        mov dword [tss2 + 0x1C], 0x20000        ; CR3, not used
        mov dword [tss2 + 0x20], task
        mov dword [tss2 + 0x24], 2
        mov dword [tss2 + 0x38], 0x6000         ; ESP
        mov dword [tss2 + 0x28], 0x1234         ; EAX
        mov dword [tss2 + 0x48], DATA
        mov dword [tss2 + 0x4C], CODE
        mov dword [tss2 + 0x50], DATA
        mov dword [tss2 + 0x54], DATA
        mov ebx, 0x5555
"""


def test_a_far_call_to_a_task_and_back(machine):
    reports = machine.flat32(
        TASK
        + """
        mov eax, 0x7777
        call TSS2:0
after:  report eax
        report ebx
        report esp
        str ax
        movzx eax, ax
        report eax
        movzx eax, byte [gdt + TSS2 + 5]
        report eax                              ; available again
        stop
task:   report eax
        report ebx
        report esp
        pushfd
        pop eax
        and eax, 0x4000                         ; NT
        report eax
        movzx eax, word [tss2]                  ; the link
        report eax
        mov eax, cr0
        and eax, 8                              ; TS
        report eax
        mov eax, [tss + 0x20]
        sub eax, after
        report eax
        movzx eax, byte [gdt + TSS + 5]
        report eax                              ; both are busy
        iretd
"""
    )
    assert reports == [0x1234, 0, 0x6000, 0x4000, 0x38, 8, 0, 0x8B, 0x7777, 0x5555, 0x7000, 0x38, 0x89]


def test_far_jumps_between_tasks(machine):
    reports = machine.flat32(
        TASK
        + """
        jmp TSS2:0
        report ebx
        jmp TSS2:0
        report esi
        stop
task:   report eax
        pushfd
        pop eax
        and eax, 0x4000
        report eax
        jmp TSS:0
        report 9                                ; goes on here the second time
        jmp TSS:0
"""
    )
    assert reports[:4] == [0x1234, 0, 0x5555, 9]


def test_a_double_fault_through_a_task_gate(machine):
    """The stack is gone; the double fault's task has one of its own."""
    reports = machine.flat32(
        TASK
        + """
        mov dword [idt + 8 * 8], TSS2 << 16
        mov dword [idt + 8 * 8 + 4], 0x8500
        map_pages
        mov eax, 0x20000
        mov esp, 0x900000
bad:    push eax
        stop
task:   pop eax
        report eax                              ; error code 0
        mov eax, [tss + 0x20]
        sub eax, bad
        report eax
        report dword [tss + 0x38]
        stop
"""
    )
    assert reports == [0, 0, 0x900000]


def test_a_busy_task_cannot_be_called(machine):
    assert machine.flat32(TASK + "task: call TSS:0")[:2] == [0xDEAD000D, 0x38]
