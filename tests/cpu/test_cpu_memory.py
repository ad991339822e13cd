"""What the CPU sees of the address space: device memory, holes, changes of the map, A20."""

from __future__ import annotations

import pytest

from pyqemu.core.memory import Mmio, Ram, RamBlock


class Registers:
    """64 KiB of device memory that records what reaches it."""

    def __init__(self, machine, base=0x800000):
        self.seen: list[tuple] = []
        self.content = bytearray(i * 3 & 0xFF for i in range(0x10000))
        machine.memory.map(base, Mmio(0x10000, self.read, self.write), priority=1)

    def read(self, width, offset):
        self.seen.append(("r", width, offset))
        return int.from_bytes(self.content[offset : offset + width], "little")

    def write(self, width, offset, value):
        self.seen.append(("w", width, offset, value))


def test_device_memory_widths(machine):
    device = Registers(machine)
    reports = machine.long(
        """
        xor eax, eax
        mov al, [abs 0x800010]
        out REPORT, eax
        mov ax, [abs 0x800020]
        out REPORT, eax
        mov eax, [abs 0x800030]
        out REPORT, eax
        mov rax, [abs 0x800040]
        out REPORT, eax
        shr rax, 32
        out REPORT, eax
        mov rax, 0x1122334455667788
        mov [abs 0x800050], al
        mov [abs 0x800060], ax
        mov [abs 0x800070], eax
        mov [abs 0x800080], rax
        stop
"""
    )
    content = device.content

    def value(offset, width):
        return int.from_bytes(content[offset : offset + width], "little")

    assert reports == [value(0x10, 1), value(0x20, 2), value(0x30, 4), value(0x40, 4), value(0x44, 4)]
    reads = [seen for seen in device.seen if seen[0] == "r"]
    # Quadwords come as two cycles of 32 bits.
    assert reads == [("r", 1, 0x10), ("r", 2, 0x20), ("r", 4, 0x30), ("r", 4, 0x40), ("r", 4, 0x44)]
    writes = [seen for seen in device.seen if seen[0] == "w"]
    assert writes == [
        ("w", 1, 0x50, 0x88),
        ("w", 2, 0x60, 0x7788),
        ("w", 4, 0x70, 0x55667788),
        ("w", 4, 0x80, 0x55667788),
        ("w", 4, 0x84, 0x11223344),
    ]


@pytest.mark.parametrize(("register", "width"), [("ax", 2), ("eax", 4)])
@pytest.mark.parametrize("offset", [1, 3, 0xFFF, 0xFFD])
def test_unaligned_device_accesses_are_complete(machine, register, width, offset):
    device = Registers(machine)
    reports = machine.flat32(
        f"xor eax, eax\nmov {register}, [0x800000 + {offset}]\nout REPORT, eax\n"
        f"mov eax, 0x11223344\nmov [0x800100 + {offset}], {register}\nstop"
    )
    assert reports == [int.from_bytes(device.content[offset : offset + width], "little")]
    stored = bytearray(0x2000)
    count = 0
    for seen in device.seen:
        if seen[0] == "w":
            _, size, at, value = seen
            stored[at : at + size] = value.to_bytes(size, "little")
            count += size
    assert stored[0x100 + offset : 0x100 + offset + width] == (0x11223344).to_bytes(4, "little")[:width]
    assert count == width


def test_an_access_from_ram_into_device_memory(machine):
    device = Registers(machine)
    machine.memory.write(0x7FFFFE, b"\xaa\xbb")
    assert machine.flat32("mov eax, [0x7FFFFE]\nout REPORT, eax\nstop") == [0x0300BBAA]
    assert sum(width for _, width, _ in device.seen) >= 2


def test_read_modify_write_of_device_memory(machine):
    device = Registers(machine)
    machine.flat32("or dword [0x800010], 0x100\nlock or dword [0x800020], 0x100\nxchg [0x800030], eax\nstop")
    kinds = [(seen[0], seen[2]) for seen in device.seen]
    assert kinds == [("r", 0x10), ("w", 0x10), ("r", 0x20), ("w", 0x20), ("r", 0x30), ("w", 0x30)]


def test_unassigned_memory_reads_zero_and_ignores_stores(machine):
    reports = machine.flat32(
        """
        mov esi, 0x40000000
        mov dword [esi], -1
        report dword [esi]
        report dword [esi + 0x1233]
        report dword [0xFEE00020]
        stop
"""
    )
    assert reports == [0, 0, 0]


def test_memory_above_4_gib(machine):
    block = RamBlock("high", 0x200000)
    machine.memory.map(1 << 32, Ram(block))
    reports = machine.long(
        """
        mov qword [abs 0x21020], 0x30007        ; the page directory of the fifth GiB
        mov rax, 0x100000087
        mov [abs 0x30000], rax
        mov rax, cr3
        mov cr3, rax
        mov rbx, 0x100000000
        mov dword [rbx + 0x123], 0x1234
        mov eax, [rbx + 0x123]
        out REPORT, eax
        stop
"""
    )
    assert reports == [0x1234]
    assert bytes(block.view[0x123:0x127]) == b"\x34\x12\0\0"


def test_pieces_smaller_than_a_page(machine):
    """RAM that shares a page with a device goes through load() and store(), code included."""
    block = RamBlock("odd", 0x1000)
    block.view[0x10:0x16] = b"\xb8\x21\x00\x00\x00\xc3"
    machine.memory.map(0x800000, Ram(block), size=0x800, priority=1)
    seen = []
    machine.memory.map(0x800800, Mmio(0x800, lambda w, o: o, lambda *a: seen.append(a)), priority=1)
    reports = machine.flat32(
        "mov dword [0x800004], 99\nreport dword [0x800004]\nreport dword [0x800810]\nmov byte [0x800820], 5\nstop"
    )
    assert reports == [99, 0x10]
    assert seen == [(1, 0x20, 5)]
    assert bytes(block.view[4:8]) == b"\x63\0\0\0"


@pytest.mark.parametrize("paging", ["", "map_pages\n"])
def test_remapping_takes_effect_at_the_next_access(machine, paging):
    window = RamBlock("window", 0x10000)
    window.view[0x100:0x106] = b"\xb8\x02\x00\x00\x00\xc3"
    machine.memory.write(0x300100, b"\xb8\x01\x00\x00\x00\xc3")
    mapping = machine.memory.map(0x300000, Ram(window), priority=1)
    machine.memory.enable(mapping, False)
    machine.on_signal = lambda value: machine.memory.enable(mapping, bool(value))
    reports = machine.flat32(
        paging
        + """
        mov esi, 0x300100
        mov edi, 3
again:  movzx ebx, byte [0x300101]
        call esi
        add eax, ebx
        out REPORT, eax
        mov al, 1
        out SIGNAL, al
        movzx ebx, byte [0x300101]      ; in the same block as the OUT
        call esi
        add eax, ebx
        out REPORT, eax
        mov al, 0
        out SIGNAL, al
        dec edi
        jnz again
        stop
"""
    )
    assert reports == [2, 4] * 3


def test_a_window_that_moves(machine):
    """A BAR: device memory goes from one place to another; RAM comes back behind it."""
    machine.memory.write(0x300000, b"\x11\0\0\0")
    machine.memory.write(0x400000, b"\x22\0\0\0")
    mapping = machine.memory.map(0x300000, Mmio(0x1000, lambda *_: 0x99, lambda *_: None), priority=1)
    machine.on_signal = lambda value: machine.memory.move(mapping, value << 20)
    both = "report dword [0x300000]\nreport dword [0x400000]\n"
    reports = machine.flat32(f"{both}mov al, 4\nout SIGNAL, al\n{both}mov al, 3\nout SIGNAL, al\n{both}stop")
    assert reports == [0x99, 0x22, 0x11, 0x99, 0x99, 0x22]


def test_many_changes_at_once(machine):
    """RAM, ROM and device memory change places in one transaction, over and over."""
    ram, rom = RamBlock("ram", 0x2000), RamBlock("rom", 0x2000)
    ram.view[:4], rom.view[:4] = b"\x11\0\0\0", b"\x22\0\0\0"
    device = Mmio(0x2000, lambda *_: 0x33, lambda *_: None)
    regions = [Ram(ram), Ram(rom, readonly=True), device]
    mappings = [machine.memory.map(0x800000 + 0x2000 * n, regions[n], priority=1) for n in range(3)]

    def rotate(value):
        with machine.memory.transaction():
            for n, mapping in enumerate(mappings):
                machine.memory.move(mapping, 0x800000 + 0x2000 * ((n + value) % 3))

    machine.on_signal = rotate
    all_three = "".join(
        f"report dword [{0x800000 + 0x2000 * n}]\nmov dword [{0x800004 + 0x2000 * n}], {n + 1}\n" for n in range(3)
    )
    turns = "".join(f"{all_three}mov al, {turn % 3}\nout SIGNAL, al\n" for turn in range(1, 7))
    kinds = [0x11, 0x22, 0x33]
    assert machine.flat32(turns + "stop") == [kinds[(n - turn) % 3] for turn in range(6) for n in range(3)]
    assert bytes(ram.view[4:8]) == b"\x03\0\0\0"  # at the end it was the third
    assert bytes(rom.view[4:8]) == bytes(4)


def test_the_page_of_the_running_code_is_remapped(machine):
    """What follows the OUT in its block may be the old code; after a jump it is the new one."""
    copy = RamBlock("copy", 0x1000)
    machine.memory.write(0x300000, b"\xb0\x01\xe6\x23\xe9\x00\x00\x00\x00\xb8\x01\x00\x00\x00\xc3")
    copy.view[0:15] = b"\xb0\x01\xe6\x23\xe9\x00\x00\x00\x00\xb8\x02\x00\x00\x00\xc3"
    mapping = machine.memory.map(0x300000, Ram(copy), priority=1)
    machine.memory.enable(mapping, False)
    machine.on_signal = lambda value: machine.memory.enable(mapping, bool(value))
    assert machine.flat32("mov eax, 0x300000\ncall eax\nout REPORT, eax\nstop") == [2]


def test_many_remappings(machine):
    """Translations of a RAM that comes and goes never show up in another one."""
    blocks = [RamBlock(f"b{n}", 0x4000) for n in range(8)]
    for n, block in enumerate(blocks):
        block.view[0:6] = b"\xb8" + n.to_bytes(4, "little") + b"\xc3"
    current = []

    def select(value):
        if current:
            machine.memory.unmap(current.pop())
        current.append(machine.memory.map(0x800000, Ram(blocks[value]), priority=1))

    machine.on_signal = select
    reports = machine.flat32(
        """
        mov ecx, 400
        xor ebx, ebx
again:  mov eax, ecx
        and eax, 7
        mov edx, eax
        out SIGNAL, al
        mov esi, 0x800000
        call esi
        cmp eax, edx
        jne wrong
        inc ebx
        loop again
wrong:  report ebx
        stop
"""
    )
    assert reports == [400]


# -- A20 ----------------------------------------------------------------------------------------------


def test_a20_masks_the_address(machine):
    machine.on_signal = lambda value: machine.cpu.set_a20(bool(value))
    reports = machine.real(
        """
        mov ax, 0xFFFF
        mov fs, ax
        mov dword [0x6000], 0x11111111
        mov dword [fs:0x6010], 0x22222222       ; 106000h
        report dword [0x6000]
        mov al, 0
        out SIGNAL, al
        report dword [fs:0x6010]
        mov dword [fs:0x6010], 0x33333333
        report dword [0x6000]
        mov al, 1
        out SIGNAL, al
        report dword [fs:0x6010]
        report dword [0x6000]
        stop
"""
    )
    assert reports == [0x11111111, 0x11111111, 0x33333333, 0x22222222, 0x33333333]


def test_a20_applies_to_code(machine):
    machine.memory.write(0x106000, b"\x66\xb8\x02\x00\x00\x00\xcb")
    machine.memory.write(0x006000, b"\x66\xb8\x01\x00\x00\x00\xcb")
    machine.on_signal = lambda value: machine.cpu.set_a20(bool(value))
    reports = machine.real(
        "call 0xFFFF:0x6010\nout REPORT, eax\nmov al, 0\nout SIGNAL, al\ncall 0xFFFF:0x6010\nout REPORT, eax\n"
        "mov al, 1\nout SIGNAL, al\ncall 0xFFFF:0x6010\nout REPORT, eax\nstop"
    )
    assert reports == [2, 1, 2]
