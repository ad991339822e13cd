"""Memory with code that is hidden, shown again, write-protected, or seen at two addresses at once.

What was translated belongs to the memory, not to the place where the guest sees it. So it may be used again when
the memory comes back (firmware after a reset), and a store through any place must drop it.
"""

from __future__ import annotations

import pytest

from pyqemu.core.memory import PAGE_BYTES, Ram, RamBlock

ROM, LOW, HIGH = 0xFFFC0000, 0x300000, 0x380000


def returns(value: int) -> bytes:
    """mov eax, value; ret"""
    return b"\xb8" + value.to_bytes(4, "little") + b"\xc3"


def block_of(value: int, pages: int = 4) -> RamBlock:
    """Each page begins with code that returns *value*."""
    block = RamBlock(f"returns {value}", pages * PAGE_BYTES)
    for page in range(pages):
        block.view[page * PAGE_BYTES : page * PAGE_BYTES + 6] = returns(value)
    return block


def call(address: int) -> str:
    return f"mov esi, {address}\ncall esi\nout REPORT, eax\n"


def signal(value: int) -> str:
    return f"mov al, {value}\nout SIGNAL, al\n"


def test_shadow_ram_over_a_rom_that_has_run(machine):
    rom, shadow = block_of(1), block_of(2)
    machine.memory.map(ROM, Ram(rom, readonly=True))
    machine.memory.map(LOW, Ram(rom, readonly=True), priority=1)
    over = machine.memory.map(LOW, Ram(shadow), priority=2)
    machine.memory.enable(over, False)
    machine.on_signal = lambda value: machine.memory.enable(over, bool(value))
    around = f"{call(LOW)}{call(ROM)}{signal(1)}{call(LOW)}{call(ROM)}{signal(0)}"
    assert machine.flat32(around * 3 + "stop") == [1, 1, 2, 1] * 3


def test_shadow_ram_is_written_between_two_times_that_it_is_shown(machine):
    """Power-on after power-on: the ROM runs, copies something else into the shadow, which runs then."""
    rom, shadow = block_of(1), RamBlock("shadow", PAGE_BYTES)
    machine.memory.map(LOW, Ram(rom, readonly=True), size=PAGE_BYTES, priority=1)
    over = machine.memory.map(LOW, Ram(shadow), priority=2)
    machine.memory.enable(over, False)
    machine.on_signal = lambda value: machine.memory.enable(over, bool(value))
    for n in range(8):
        machine.memory.write(0x600000 + n * PAGE_BYTES, returns(10 + n // 2).ljust(PAGE_BYTES, b"\x90"))
    rounds = "".join(
        f"{signal(0)}{call(LOW)}{signal(1)}mov esi, {0x600000 + n * PAGE_BYTES}\nmov edi, {LOW}\n"
        f"mov ecx, 1024\nrep movsd\n{call(LOW)}"
        for n in range(8)
    )
    assert machine.flat32(rounds + "stop") == [value for n in range(8) for value in (1, 10 + n // 2)]


@pytest.mark.parametrize("look_first", [False, True], ids=["", "read before it runs"])
@pytest.mark.parametrize("store", ["mov byte [{at}], 7", "mov edi, {at}\nmov eax, 7\nmov ecx, 1\nrep stosb"])
def test_code_that_ran_while_write_protected(machine, look_first, store):
    """PAM: executed read-only, then opened and changed."""
    block = block_of(1)
    writable, locked = Ram(block), Ram(block, readonly=True)
    mapping = machine.memory.map(LOW, locked, priority=1)
    machine.on_signal = lambda value: machine.memory.show(mapping, writable if value else locked)
    look = f"mov ebx, [{LOW}]\n" if look_first else ""
    store = store.format(at=LOW + 1)
    reports = machine.flat32(
        f"{look}{call(LOW)}{signal(1)}{look}{store}\n{call(LOW)}{signal(0)}mov byte [{LOW + 1}], 9\n{call(LOW)}stop"
    )
    assert reports == [1, 7, 7]


@pytest.mark.parametrize("readonly", [False, True], ids=["", "executed through a ROM"])
@pytest.mark.parametrize("order", [(LOW, HIGH), (HIGH, LOW)], ids=["low runs", "high runs"])
@pytest.mark.parametrize("paging", ["", "map_pages\n"])
def test_stores_through_one_address_change_code_at_the_other(machine, order, readonly, paging):
    block = block_of(1)
    runs, stores = order
    machine.memory.map(runs, Ram(block, readonly=readonly), priority=1)
    machine.memory.map(stores, Ram(block), priority=1)
    steps = "".join(f"mov byte [{stores + 0x1001}], {n}\n{call(runs + 0x1000)}" for n in range(2, 6))
    assert machine.flat32(f"{paging}{call(runs + 0x1000)}{steps}stop") == [1, 2, 3, 4, 5]


def test_both_addresses_run_and_store(machine):
    block = block_of(1)
    machine.memory.map(LOW, Ram(block), priority=1)
    machine.memory.map(HIGH, Ram(block, PAGE_BYTES), priority=1)  # a page further into it
    both = call(LOW + 0x1000) + call(HIGH)
    reports = machine.flat32(f"{both}mov byte [{HIGH + 1}], 2\n{both}mov byte [{LOW + 0x1001}], 3\n{both}stop")
    assert reports == [1, 1, 2, 2, 3, 3]


def test_a_long_move_through_one_address_changes_code_at_the_other(machine):
    block = block_of(1)
    machine.memory.map(LOW, Ram(block), priority=1)
    machine.memory.map(HIGH, Ram(block), priority=1)
    machine.memory.write(0x600000, returns(2).ljust(PAGE_BYTES, b"\x90"))
    move = f"mov esi, 0x600000\nmov edi, {HIGH}\nmov ecx, 1024\nrep movsd\n"
    assert machine.flat32(f"{call(LOW)}{move}{call(LOW)}{call(HIGH)}stop") == [1, 2, 2]


@pytest.mark.parametrize("hidden", [False, True], ids=["", "hidden"])
def test_a_device_stores_into_code(machine, hidden):
    block = block_of(1)
    mapping = machine.memory.map(LOW, Ram(block), priority=1)

    def store(value):
        machine.memory.enable(mapping, not hidden)
        block.view[1] = value
        machine.memory.on_ram_written(block, 1, 1)
        machine.memory.enable(mapping, True)

    machine.on_signal = store
    steps = "".join(signal(n) + call(LOW) for n in (5, 6, 7))
    assert machine.flat32(f"{call(LOW)}{steps}stop") == [1, 5, 6, 7]


def test_other_memory_at_the_host_address_of_some_that_is_gone(machine):
    """A card is unplugged, and the host gives its memory to the next one."""
    old = block_of(1)

    class Next(RamBlock):
        def __init__(self):
            self.name, self.size = "next", old.size
            self.map, self.view, self.address = old.map, old.view, old.address

    mapping = machine.memory.map(LOW, Ram(old), priority=1)

    def replace(_value):
        machine.memory.unmap(mapping)
        old.view[1] = 2
        machine.memory.map(LOW, Ram(Next()), priority=1)

    machine.on_signal = replace
    assert machine.flat32(f"{call(LOW)}{signal(0)}{call(LOW)}stop") == [1, 2]


@pytest.mark.parametrize("backward", [False, True], ids=["upwards", "downwards"])
@pytest.mark.parametrize("changed", [None, 0, 5, 0x7FF, 0xFFF])
def test_a_move_over_code_counts_if_it_changes_anything(machine, backward, changed):
    """The page's code is called at its start, its middle and its end."""
    content = bytearray(b"\x90" * PAGE_BYTES)
    places = (0, 0x7FA, 0xFFA)
    for number, place in enumerate(places):
        content[place : place + 6] = returns(number)
    machine.memory.write(LOW, bytes(content))
    if changed is not None:
        content[changed] = {0: 0xB9, 5: 0x90, 0x7FF: 0x90, 0xFFF: 0xCF}[changed]
    machine.memory.write(HIGH, bytes(content))
    start = PAGE_BYTES - 4 if backward else 0
    direction = "std" if backward else "cld"
    reports = machine.flat32(
        f"""
        jmp main
try:    mov eax, 0x55
        call esi
        cld
        out REPORT, eax
        ret
        align 4096
main:   mov edi, 2
again:  mov esi, {LOW}
        call try
        mov esi, {LOW + 0x7FA}
        call try
        mov dword [{LOW + 0x1000}], 0xC3C3C3C3      ; where the end runs into, if its RET is gone
        mov esi, {LOW + 0xFFA}
        cmp byte [esi + 5], 0xC3
        jne last
        call try
last:   push edi
        {direction}
        mov esi, {HIGH + start}
        mov edi, {LOW + start}
        mov ecx, 1024
        rep movsd
        cld
        report esi
        report edi
        report ecx
        pop edi
        dec edi
        jnz again
        stop
"""
    )
    after = [HIGH - 4, LOW - 4, 0] if backward else [HIGH + PAGE_BYTES, LOW + PAGE_BYTES, 0]
    first = {0: 0x55, 5: 1}.get(changed, 0)  # without its RET it runs on into the middle
    middle = 2 if changed == 0x7FF else 1
    end = [] if changed == 0xFFF else [2]
    assert reports == [0, 1, 2, *after, first, middle, *end, *after]
