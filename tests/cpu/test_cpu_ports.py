"""IN and OUT: widths, privilege (IOPL, the TSS's map, virtual-8086 mode), handlers that fail."""

from __future__ import annotations

import pytest

from pyqemu.core.memory import Mmio

USER = """
%define TSS_MAP_BYTES 0x40
%include "flat32.inc"
        jmp main
handler:
        pop ebx
        report ebx
        report 0xBAD
        stop
finish: report 7
        stop
main:   gate 13, handler
        user_gate 0x30, finish
        mov ax, TSS
        ltr ax
"""

OK, REFUSED = [7], [0, 0xBAD]


def in_ring_3(machine, code, before=""):
    return machine.run(f"{USER}{before}\nenter_user user\nuser: mov eax, 0x55\nbad: {code}\nint 0x30")


def test_ring_3_without_a_map_gets_a_protection_fault(machine):
    assert in_ring_3(machine, "out 0x10, al", "mov word [tss + 0x66], 0x200") == REFUSED


def test_ring_3_with_iopl_3(machine):
    before = "pushfd\nor dword [esp], 0x3000\npopfd"
    assert in_ring_3(machine, "out 0x10, al", before) == [0x55, *OK]


@pytest.mark.parametrize("iopl", [0, 1, 2])
def test_ring_3_with_a_lower_iopl(machine, iopl):
    before = f"pushfd\nor dword [esp], {iopl << 12}\npopfd"
    assert in_ring_3(machine, "out 0x10, al", before) == REFUSED


def test_the_map_opens_single_ports(machine):
    assert in_ring_3(machine, "out 0x10, al", "btr dword [tss + 0x68], 0x10") == [0x55, *OK]
    assert in_ring_3(machine, "out 0x11, al", "btr dword [tss + 0x68], 0x10") == REFUSED


@pytest.mark.parametrize(
    ("instruction", "closed", "result"),
    [
        ("out 0x38, ax", 0x3A, OK),
        ("out 0x38, ax", 0x39, REFUSED),
        ("out 0x38, eax", 0x3B, REFUSED),
        ("out 0x38, eax", 0x3C, OK),
        ("out 0x3F, ax", 0x3F, REFUSED),
        ("out 0x3F, ax", 0x40, REFUSED),
        ("in eax, 0x3E", 0x41, REFUSED),
        ("in eax, 0x3E", 0x42, OK),
        ("in al, 0x3F", 0x40, OK),
        ("in ax, 0x37", 0x38, REFUSED),
    ],
)
def test_every_port_of_a_wide_access_must_be_open(machine, instruction, closed, result):
    """Also where the access crosses a byte of the map."""
    before = f"mov edi, tss + 0x68\nmov ecx, 16\nxor eax, eax\nrep stosd\nbts dword [tss + 0x68 + 4], {closed - 32}"
    if closed >= 0x40:
        before = before.replace("68 + 4]", "68 + 8]").replace(str(closed - 32), str(closed - 64))
    assert in_ring_3(machine, instruction, before) == result


@pytest.mark.parametrize(("port", "result"), [(0x1F7, OK), (0x1F8, REFUSED)])
def test_the_map_ends_with_the_limit(machine, port, result):
    """The limit is 68h + 40h: the processor reads two bytes, and both must lie inside."""
    before = "mov edi, tss + 0x68\nmov ecx, 18\nxor eax, eax\nrep stosd"
    before += "\nmov word [gdt + TSS], 0x68 + 0x3F\nmov ax, DATA\n"
    # the task register holds the old limit: load it again
    before += "mov byte [gdt + TSS + 5], 0x89\nmov ax, TSS\nltr ax"
    assert in_ring_3(machine, f"mov dx, {port}\nbad2: in al, dx", before)[-1:] == result[-1:]


def test_string_instructions_are_checked_too(machine):
    code = "mov edx, 0x10\nmov esi, 0x5000\nmov ecx, 3\nrep outsb"
    assert in_ring_3(machine, code)[-1] == 0xBAD
    assert in_ring_3(machine, code, "btr dword [tss + 0x68], 0x10\nmov dword [0x5000], 0x030201") == [1, 2, 3, 7]


V86 = """
        push 0
        push 0
        push 0
        push 0
        push 0                          ; GS FS DS ES SS
        push 0x6000
        push {flags}
        push 0
        push user
        iretd
        bits 16
user:   mov eax, 0x55
bad:    {code}
        ud2
"""


@pytest.mark.parametrize("iopl", [0, 3])
def test_virtual_8086_mode_asks_the_map_whatever_the_iopl(machine, iopl):
    flags = 0x20002 | iopl << 12
    guest = USER + "gate 6, finish\n{}" + V86.format(flags=flags, code="out 0x10, al")
    assert machine.run(guest.format("")) == REFUSED
    assert machine.run(guest.format("btr dword [tss + 0x68], 0x10")) == [0x55, *OK]


def test_virtual_8086_mode_pushes_its_segments(machine):
    reports = machine.run(
        USER
        + "gate 6, leave86\n"
        + V86.format(flags=0x23002, code="mov ax, 0x1234\nmov gs, ax\nmov ax, 0x4321\nmov es, ax\nnop")
        + """
        bits 32
leave86:
        report dword [esp + 32]
        report dword [esp + 20]
        mov eax, [esp + 8]
        and eax, 0x20000
        out REPORT, eax
        mov eax, ds
        out REPORT, eax
        stop
"""
    )
    assert reports == [0x1234, 0x4321, 0x20000, 0]


# -- handlers -----------------------------------------------------------------------------------------


def test_widths_and_offsets(machine):
    seen = []
    machine.ports.map_wide(
        0x100, 8, lambda w, o: seen.append(("r", w, o)) or 0x11223344, lambda *a: seen.append(("w", *a)), owner="x"
    )
    reports = machine.flat32(
        """
        mov edx, 0x101
        mov eax, -1
        in al, dx
        out REPORT, eax
        mov eax, -1
        in ax, dx
        out REPORT, eax
        in eax, dx
        out REPORT, eax
        mov eax, 0xAABBCCDD
        inc edx
        out dx, al
        out dx, ax
        out dx, eax
        mov edx, 0x10105                ; the upper half of EDX does not count
        in ax, dx
        stop
"""
    )
    assert reports == [0xFFFFFF44, 0xFFFF3344, 0x11223344]
    assert seen == [
        ("r", 1, 1),
        ("r", 2, 1),
        ("r", 4, 1),
        ("w", 1, 2, 0xDD),
        ("w", 2, 2, 0xCCDD),
        ("w", 4, 2, 0xAABBCCDD),
        ("r", 2, 5),
    ]


def test_unclaimed_ports_read_as_ones_and_wide_accesses_are_split(machine):
    machine.ports.map(0x101, 1, lambda _o: 0x42, None, owner="x")
    reports = machine.flat32(
        "mov edx, 0x100\nxor eax, eax\nin ax, dx\nout REPORT, eax\nin eax, dx\nout REPORT, eax\nstop"
    )
    assert reports == [0x42FF, 0xFFFF42FF]


def test_the_last_port_wraps_around(machine):
    machine.ports.map(0xFFFF, 1, lambda _o: 0x42, None, owner="x")
    machine.ports.map(0, 1, lambda _o: 0x24, None, owner="y")
    assert machine.flat32("mov edx, 0xFFFF\nxor eax, eax\nin ax, dx\nout REPORT, eax\nstop") == [0x2442]


class Broken(Exception):
    pass


def fails(*_arguments):
    raise Broken


@pytest.mark.parametrize("instruction", ["in al, dx", "out dx, al", "in eax, dx", "rep insb", "rep outsb"])
def test_an_exception_in_a_handler_comes_out_of_run(machine, instruction):
    machine.ports.map(0x300, 4, fails, fails, owner="x")
    machine.ports.map_string(0x300, fails, fails)
    body = f"mov edx, 0x300\nmov edi, 0x100000\nmov esi, 0x100000\nmov ecx, 2\n{instruction}\nreport 7\nstop"
    machine.load(f'%include "flat32.inc"\n{body}')
    with pytest.raises(Broken):
        machine.go()
    assert machine.flat32("report 5\nstop") == [5]


def test_the_machine_goes_on_after_an_exception(machine):
    machine.ports.map(0x300, 1, fails, fails, owner="x")
    machine.load('%include "flat32.inc"\nmov edx, 0x300\nin al, dx\nreport 7\nstop')
    with pytest.raises(Broken):
        machine.go()
    assert machine.go() == "halted"
    assert machine.reports == [7]


def test_exceptions_in_the_interrupt_cycle_and_in_device_memory(machine):
    machine.memory.map(0x800000, Mmio(0x1000, fails, fails), priority=1)
    for body in ("mov eax, [0x800000]", "mov [0x800000], eax"):
        machine.load(f'%include "flat32.inc"\n{body}\nstop')
        with pytest.raises(Broken):
            machine.go()
    machine.cpu.engine.connect(machine.ports, machine.memory, fails)
    machine.load('%include "flat32.inc"\nraise 0x20\nsti\nnop\nstop')
    with pytest.raises(Broken):
        machine.go()
    assert machine.flat32("report 5\nstop") == [5]


def test_a_handler_that_returns_no_number(machine):
    machine.ports.map(0x300, 1, lambda _o: None, None, owner="x")
    machine.load('%include "flat32.inc"\nmov edx, 0x300\nin al, dx\nstop')
    with pytest.raises(TypeError):
        machine.go()


def test_run_cannot_be_entered_twice(machine):
    machine.on_signal = lambda _value: machine.cpu.run()
    machine.load('%include "flat32.inc"\nout SIGNAL, al\nstop')
    with pytest.raises(RuntimeError, match="running already"):
        machine.go()
