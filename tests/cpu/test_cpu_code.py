"""Code that changes: whatever wrote it and through whichever mapping, the new code runs."""

from __future__ import annotations

import time

import pytest

from pyqemu.core.memory import Mmio, Ram, RamBlock
from pyqemu.cpu.library import native


def returns(value: int) -> bytes:
    """mov eax, value; ret"""
    return b"\xb8" + value.to_bytes(4, "little") + b"\xc3"


def test_the_next_instruction_in_the_same_block(machine):
    reports = machine.flat32("mov byte [patch + 1], 7\npatch: mov al, 1\nmovzx eax, al\nout REPORT, eax\nstop")
    assert reports == [7]


def test_an_instruction_that_overwrites_itself(machine):
    """The old one is finished, the new one runs the next time."""
    reports = machine.flat32(
        """
        mov ecx, 2
        xor ebx, ebx
again:
self:   mov word [self], 0x4390         ; nop; inc ebx, over its first two bytes
        mov dword [self + 2], 0x90909090
        mov dword [self + 5], 0x90909090
        loop again
        report ebx
        stop
"""
    )
    assert reports == [1]


def test_a_loop_that_counts_in_its_own_operand(machine):
    reports = machine.flat32(
        """
        mov ecx, 500
        xor ebx, ebx
again:  inc dword [operand + 1]
operand:
        mov eax, 0
        add ebx, eax
        loop again
        report ebx
        stop
"""
    )
    assert reports == [500 * 501 // 2]


@pytest.mark.parametrize(
    "store",
    [
        "mov byte [other + 1], {n}",
        "lock add byte [other + 1], 1",
        "mov edi, other + 1\nmov al, {n}\nstosb",
        "mov edi, other + 1\nmov al, {n}\npush ecx\nmov ecx, 1\nrep stosb\npop ecx",
        "fld qword [image{n}]\nfstp qword [other]",
        "movq xmm0, [image{n}]\nmovq [other], xmm0",
        "push dword [image{n}]\npop dword [other]",
        "mov eax, [other]\nmov ebx, [image{n}]\nlock cmpxchg [other], ebx",
    ],
    ids=["mov", "lock add", "stosb", "rep stosb", "x87", "sse", "pop", "cmpxchg"],
)
def test_another_block(machine, store):
    images = "\n".join(f"image{n}: db 0xB8, {n}, 0, 0, 0, 0xC3, 0, 0" for n in range(1, 5))
    steps = "\n".join(f"{store.format(n=n)}\ncall other\nout REPORT, eax" for n in range(1, 5))
    reports = machine.flat32(
        f"mov eax, cr4\nor eax, 0x200\nmov cr4, eax\njmp main\nalign 8\nother: mov eax, 0\nret\ndw 0\n{images}\n"
        f"main: call other\nout REPORT, eax\n{steps}\nstop"
    )
    assert reports == [0, 1, 2, 3, 4]


def test_through_an_alias(machine):
    """Two virtual pages show one physical page: code runs in one and is written through the other."""
    machine.memory.write(0x100000, returns(0))
    reports = machine.flat32(
        """
        map_pages
        mov dword [PAGES + 4 * 0x180], 0x100007
        mov eax, cr3
        mov cr3, eax
        mov ecx, 50
        xor ebx, ebx
again:  mov eax, 0x100000
        call eax
        add ebx, eax
        mov [0x180001], ecx
        loop again
        report ebx
        mov eax, 0x180000
        call eax                        ; and the other way round
        out REPORT, eax
        mov dword [0x100001], 1234
        mov eax, 0x180000
        call eax
        out REPORT, eax
        stop
"""
    )
    assert reports == [sum(range(2, 51)), 1, 1234]


def test_through_a_mapping_that_cannot_execute(machine):
    """A page is recycled: several hundred programs, one after another, at one address."""
    reports = machine.long(
        """
        mov rax, 0x100007 | NX
        mov [abs PAGES + 8 * 0x180], rax
        mov rax, cr3
        mov cr3, rax
        mov ecx, 600
        xor ebx, ebx
again:  mov byte [abs 0x180000], 0xB8
        mov [abs 0x180001], ecx
        mov byte [abs 0x180005], 0xC3
        mov eax, 0x100000
        call rax
        cmp eax, ecx
        jne wrong
        mov edi, 0x180000               ; wipe it, as a kernel does
        push rcx
        mov ecx, 512
        xor eax, eax
        rep stosq
        pop rcx
        inc ebx
        loop again
        report rbx
        stop
wrong:  report 0xBAD
        report rcx
        stop
"""
    )
    assert reports == [600]


def test_a_page_whose_executable_mapping_moves_between_programs(machine):
    """Written where it cannot execute, then mapped executable, run, and unmapped again."""
    reports = machine.long(
        """
        mov ecx, 300
        xor ebx, ebx
again:  mov rax, 0x100007 | NX
        mov [abs PAGES + 8 * 0x180], rax
        invlpg [abs 0x180000]
        mov edi, 0x180000
        mov al, 0xB8
        stosb
        mov eax, ecx
        stosd
        mov al, 0xC3
        stosb
        mov qword [abs PAGES + 8 * 0x180], 0x100005
        invlpg [abs 0x180000]
        mov eax, 0x180000
        call rax
        cmp eax, ecx
        jne wrong
        inc ebx
        loop again
wrong:  report rbx
        stop
"""
    )
    assert reports == [300]


def test_code_and_data_in_one_page(machine):
    """Stores beside running code neither lose data nor break the code."""
    reports = machine.flat32(
        """
        mov ecx, 3000
again:  add [sum], ecx
        inc dword [turns]
        loop again
        report dword [sum]
        report dword [turns]
        stop
sum     dd 0
turns   dd 0
"""
    )
    assert reports == [3000 * 3001 // 2, 3000]


def test_code_across_a_page_boundary(machine):
    machine.memory.write(0x100FFD, returns(1))
    reports = machine.flat32(
        """
        map_pages
        mov ecx, 3
again:  mov eax, 0x100FFD
        call eax
        out REPORT, eax
        mov [0x101000], cl              ; a byte of the operand in the second page
        loop again
        stop
"""
    )
    assert reports == [1, 1 | 3 << 16, 1 | 2 << 16]


@pytest.mark.parametrize("how", ["write", "store", "view"])
def test_dma_into_translated_code(machine, how):
    machine.memory.write(0x100000, returns(1000))

    def dma(value):
        data = returns(value)
        if how == "write":
            machine.memory.write(0x100000, data)
        elif how == "store":
            machine.memory.store(0x100001, 1, value)
            machine.memory.store(0x100002, 1, 0)
        else:
            machine.memory.view(0x100000, 6)[:] = data
            machine.memory.written(0x100000, 6)

    machine.on_signal = dma
    reports = machine.flat32(
        """
        mov ecx, 100
        xor ebx, ebx
again:  mov esi, 0x100000
        call esi
        add ebx, eax
        mov al, cl
        out SIGNAL, al
        loop again
        report ebx
        stop
"""
    )
    assert reports == [1000 + sum(range(2, 101))]


def test_dma_into_the_running_block(machine):
    machine.on_signal = lambda value: machine.memory.write(0x100006, b"\xb0\x07")  # mov al, 7
    machine.memory.write(
        0x100000, b"\xe6\x23\x90\x90\xeb\x00\xb0\x01\x0f\xb6\xc0\xc3"
    )  # out; jmp; mov al, 1; movzx
    assert machine.flat32("mov ecx, 2\na: mov eax, 0x100000\ncall eax\nout REPORT, eax\nloop a\nstop") == [7, 7]


# -- ROM and devices ----------------------------------------------------------------------------------


def test_code_in_rom_and_stores_to_it(machine):
    block = RamBlock("rom", 0x2000)
    block.view[0:6] = returns(42)
    machine.memory.map(0x800000, Ram(block, readonly=True), priority=1)
    reports = machine.flat32(
        """
        mov esi, 0x800000
        call esi
        out REPORT, eax
        mov dword [0x800001], 1
        lock inc dword [0x800001]
        mov edi, 0x800000
        mov ecx, 2000
        xor eax, eax
        rep stosd
        call esi
        out REPORT, eax
        report dword [0x800FFF]
        stop
"""
    )
    assert reports == [42, 42, 0]
    assert bytes(block.view[0:6]) == returns(42)


def test_stores_to_rom_reach_who_listens(machine):
    block = RamBlock("flash", 0x1000)
    seen = []
    machine.memory.map(0x800000, Ram(block, readonly=True, on_write=lambda *a: seen.append(a)), priority=1)
    machine.flat32("mov byte [0x800010], 0x90\nmov word [0x800020], 0x1234\nmov dword [0x800030], 0x12345678\nstop")
    assert seen == [(1, 0x10, 0x90), (2, 0x20, 0x1234), (4, 0x30, 0x12345678)]
    assert bytes(block.view) == bytes(0x1000)


def test_rom_that_turns_into_ram(machine):
    """Shadowing: the ROM is copied over itself, then patched in RAM and run."""
    block = RamBlock("rom", 0x1000)
    machine.memory.write(0x800000, returns(2))
    block.view[0:6] = returns(1)
    rom = machine.memory.map(0x800000, Ram(block, readonly=True), priority=1)
    machine.on_signal = lambda value: machine.memory.enable(rom, bool(value))
    reports = machine.flat32(
        """
%macro call_it 0
        mov esi, 0x800000
        call esi
        out REPORT, eax
%endmacro
%macro show_rom 1
        mov al, %1
        out SIGNAL, al
%endmacro
        call_it
        show_rom 0
        call_it
        mov byte [0x800001], 3
        call_it
        show_rom 1
        call_it
        mov byte [0x800001], 4
        call_it
        show_rom 0
        call_it
        stop
"""
    )
    assert reports == [1, 2, 3, 1, 1, 3]


def test_code_from_device_memory(machine):
    """Slow and rare, but a guest may jump there."""
    code = returns(77) + bytes(16)
    machine.memory.map(
        0x800000,
        Mmio(0x1000, lambda w, o: int.from_bytes(code[o : o + w].ljust(w, b"\0"), "little"), lambda *_: None),
        priority=1,
    )
    assert machine.flat32("mov eax, 0x800000\ncall eax\nout REPORT, eax\nstop") == [77]


def test_code_from_unassigned_memory_does_not_hang(machine):
    """Zeros are ADD [EAX], AL; sooner or later something stops it, or the watchdog says that it still runs."""
    machine.load('%include "flat32.inc"\nmov eax, 0x7200\njmp 0x90000000')

    native().timer_set(machine.timer, time.perf_counter_ns() + 50_000_000)
    machine.cpu.engine.arm()
    assert machine.cpu.run() in ("kicked", "halted", "shutdown")
    assert machine.flat32("report 5\nstop") == [5]
