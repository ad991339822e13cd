"""SYSCALL, SYSRET, SYSENTER and SYSEXIT in each mode."""

from __future__ import annotations

import pytest
from guest_board import Machine

from pyqemu.cpu.models import find_model

SET_UP = """
%macro msr 2                            ; number, low half; the high half is EDX
        mov ecx, %1
        mov eax, %2
        wrmsr
%endmacro
        xor edx, edx
        msr 0xC0000082, entry           ; LSTAR
        msr 0xC0000083, entry32         ; CSTAR
        msr 0xC0000084, 0x600           ; SFMASK: IF, DF
        mov edx, (UCODE32 << 16) | 8
        msr 0xC0000081, 0               ; STAR
"""


def test_syscall_and_sysret_in_64_bit_mode(machine):
    reports = machine.long(
        SET_UP
        + """
        push UDATA
        push 0x6000
        push 0x3602                     ; IF, DF, IOPL 3
        push UCODE
        push user
        iretq
user:   stc
        syscall
after:  mov ebx, cs
        report rbx
        mov ebx, ss
        report rbx
        pushfq
        pop rbx
        report rbx
        report rsp
        syscall
again:  jmp again
entry:  cmp ebp, 1
        je .second
        mov ebp, 1
        lea rbx, [rcx - after]
        report rbx
        report r11
        pushfq
        pop rbx
        report rbx
        mov ebx, cs
        report rbx
        mov ebx, ss
        report rbx
        o64 sysret
.second:
        report 7
        stop
entry32:
        stop
"""
    )
    at_entry, rest = reports[:5], reports[5:]
    assert at_entry[0] == 0
    assert at_entry[1] & 0x3601 == 0x3601  # R11
    assert at_entry[2] & 0x3601 == 0x3001  # masked, arithmetic flags kept
    assert at_entry[3:] == [8, 0x10]
    assert rest[:2] == [0x2B, 0x23]
    assert rest[2] & 0x3601 == 0x3601
    assert rest[3:] == [0x6000, 7]


def test_syscall_from_compatibility_mode(machine):
    reports = machine.long(
        SET_UP
        + """
        push UDATA
        push 0x6000
        push 0x3002
        push UCODE32
        push user
        iretq
        bits 32
user:   syscall
after:  mov ebx, cs
        mov eax, ebx
        out REPORT, eax
        mov ebp, 1
        syscall
again:  jmp again
        bits 64
entry:  report 99
        stop
entry32:
        cmp ebp, 1
        je .second
        lea rbx, [rcx - after]
        report rbx
        mov ebx, cs
        report rbx
        mov rbx, 0x123456789            ; 64-bit mode
        shr rbx, 4
        report rbx
        o32 sysret
.second:
        report 7
        stop
"""
    )
    assert reports == [0, 8, 0x12345678, 0x1B, 7]


def test_syscall_and_sysret_in_legacy_mode(machine):
    reports = machine.flat32(
        """
        mov ecx, 0xC0000080
        rdmsr
        or al, 1
        wrmsr
        mov ecx, 0xC0000081
        mov eax, entry
        mov edx, (UCODE << 16) | 8
        wrmsr
        enter_user user
user:   mov ebp, esp
        syscall
after:  mov eax, cs
        mov ebx, ss
        syscall
again:  jmp again
entry:  cmp edi, 1
        je .second
        mov edi, 1
        mov eax, ecx
        sub eax, after
        out REPORT, eax
        mov eax, cs
        out REPORT, eax
        mov eax, ss
        out REPORT, eax
        sysret
.second:
        out REPORT, eax
        mov eax, ebx
        out REPORT, eax
        stop
"""
    )
    assert reports == [0, 8, 0x10, 0x1B, 0x23]


def test_syscall_is_undefined_until_enabled(machine):
    assert machine.flat32("here: syscall")[0] == 0xDEAD0006


def test_sysret_in_ring_3_is_a_protection_fault(machine):
    assert machine.long("push UDATA\npush 0x6000\npush 2\npush UCODE\npush user\niretq\nuser: o64 sysret")[:2] == [
        0xDEAD000D,
        0,
    ]


SYSENTER = """
        xor edx, edx
        mov ecx, 0x174
        mov eax, 8
        wrmsr
        inc ecx
        mov eax, 0x5000
        wrmsr
        inc ecx
        mov eax, entry
        wrmsr
"""


def test_sysenter_and_sysexit(machine):
    reports = machine.flat32(
        SYSENTER
        + """
        enter_user user
user:   mov ecx, esp
        mov edx, after
        sysenter
after:  mov ebx, cs
        mov ebp, ss
        mov esi, esp
        mov edi, 1
        sysenter
again:  jmp again
entry:  cmp edi, 1
        je .second
        mov eax, cs
        out REPORT, eax
        mov eax, ss
        out REPORT, eax
        mov eax, esp
        out REPORT, eax
        sysexit
.second:
        report ebx
        report ebp
        report esi
        stop
"""
    )
    assert reports == [8, 0x10, 0x5000, 0x1B, 0x23, 0x6000]


def test_sysenter_clears_if(machine):
    reports = machine.flat32(
        SYSENTER + "sti\nnop\nsysenter\nentry: pushfd\npop eax\nand eax, 0x200\nout REPORT, eax\nstop"
    )
    assert reports == [0]


def test_sysenter_without_a_segment_is_a_protection_fault(machine):
    assert machine.flat32("sysenter")[:2] == [0xDEAD000D, 0]


def test_sysenter_and_sysexit_in_64_bit_mode(assembler):
    """Of Intel's models only: AMD's have no SYSENTER there."""
    machine = Machine(assembler, find_model("Nehalem", "1.0"))
    try:
        reports = machine.long(
            SYSENTER
            + """
        push UDATA
        push 0x6000
        push 0x3002
        push UCODE
        push user
        iretq
user:   mov rcx, rsp
        mov rdx, after
        sysenter
after:  mov ebx, cs
        mov ebp, ss
        mov rsi, rsp
        mov edi, 1
        sysenter
again:  jmp again
entry:  cmp edi, 1
        je .second
        mov eax, cs
        out REPORT, eax
        report rsp
        o64 sysexit
.second:
        report rbx
        report rbp
        report rsi
        stop
"""
        )
    finally:
        machine.close()
    assert reports == [8, 0x5000, 0x2B, 0x33, 0x6000]


@pytest.mark.parametrize("mode", ["flat32", "long"])
def test_apic_base_can_be_written_and_read_back(machine, mode):
    reports = getattr(machine, mode)(
        """
        mov ecx, 0x1B
        rdmsr
        out REPORT, eax
        xchg eax, edx
        out REPORT, eax
        mov ecx, 0x1B
        mov edx, 0
        mov eax, 0xFEC00800
        wrmsr
        xor eax, eax
        rdmsr
        out REPORT, eax
        stop
"""
    )
    assert reports == [0xFEE00900, 0, 0xFEC00800]


def test_reset_restores_apic_base(machine):
    write = "mov ecx, 0x1B\nxor eax, eax\nxor edx, edx\nwrmsr\nstop"
    machine.flat32(write)
    assert machine.flat32("mov ecx, 0x1B\nrdmsr\nout REPORT, eax\nstop") == [0xFEE00900]
