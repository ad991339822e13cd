"""Guests that do their worst: the process must not crash, hang, raise, or grow.

Each guest is endless. Its choices come from a generator in guest memory that a reset does not clear, so that a
seed stands for one sequence, across resets. After a while the process must still be there, not have grown, and
end at once on SIGTERM.
"""

from __future__ import annotations

import os
import re
import signal
import time
from pathlib import Path

import pytest
from process.program import PATIENCE, Program, assemble

SECONDS = float(os.environ.get("PYQEMU_HOSTILE_SECONDS", "1.2")) * PATIENCE
SEEDS = range(1, 1 + int(os.environ.get("PYQEMU_HOSTILE_SEEDS", "2")))
MEMORY_MIB = 32
GROWTH_BYTES = 110 << 20  # guest memory that is touched, code caches, and what the chips hold

# Everything runs from a copy at 0x10000, in flat 32-bit mode, with handlers for all vectors that go on with
# the next round. State: [STATE] generator, [STATE + 4] mark.
PROTECTED = """
STATE equ 0x50000
%macro  pci32 3
        mov dx, 0xCF8
        mov eax, 0x80000000 | (%1) << 8 | (%2)
        out dx, eax
        mov dx, 0xCFC
        mov eax, %3
        out dx, eax
%endmacro
        out8 0x70, 0x8F
        mov ax, 0x1000
        mov es, ax
        xor si, si
        xor di, di
        mov cx, 0x4000
        rep movsd
        mov ax, STATE >> 4
        mov es, ax
        cmp dword [es:4], 0x13579BDF
        je .known
        mov dword [es:4], 0x13579BDF
        mov dword [es:0], {seed} * 2654435761 & 0xFFFFFFFF
        say "ready"
.known: lgdt [cs:gdtr]
        mov eax, cr0
        or al, 1
        mov cr0, eax
        jmp dword 8:0x10000 + flat
        align 8
gdt:    dq 0, 0x00CF9B000000FFFF, 0x00CF93000000FFFF, 0x00009B010000FFFF, 0x000093010000FFFF
        dq 0x00AF9B000000FFFF, 0x00CFFB000000FFFF, 0x00CFF3000000FFFF, 0
gdtr:   dw 71
        dd 0x10000 + gdt
idtr:   dw 0x7FF
        dd 0x1000
        bits 32
flat:   mov ax, 16
        mov ds, ax
        mov es, ax
        mov ss, ax
        mov fs, ax
        mov gs, ax
        mov esp, 0x7000
        mov edi, 0x1000                 ; the IDT: every vector leads to `fault`
        mov ecx, 256
.gate:  mov dword [edi], 8 << 16 | ((0x10000 + fault - start) & 0xFFFF)
        mov dword [edi + 4], 0x8E00 | ((0x10000 + fault - start) & 0xFFFF0000)
        add edi, 8
        loop .gate
        lidt [0x10000 + idtr]
        mov ebp, 0x10000
        jmp begin
fault:  mov ax, 16
        mov ds, ax
        mov es, ax
        mov ss, ax
        mov esp, 0x7000
        mov ebp, 0x10000
        mov al, 0x20
        out 0xA0, al
        out 0x20, al
        cld
        jmp round
random: imul eax, [STATE], 1664525      ; → eax; the high half is the better one
        add eax, 1013904223
        mov [STATE], eax
        rol eax, 16
        ret
%macro  any 1                           ; eax: one of a table of dwords that ends at %1.end
        call random
        xor edx, edx
        mov ecx, (%1.end - %1) / 4
        div ecx
        mov eax, [ebp + %1 + edx * 4]
%endmacro
places: dd 0, 0x500, 0x1000, 0x9FC00, 0xA0000, 0xB8000, 0xBFFFE, 0xC0000, 0xE0000, 0xF0000, 0xFFFFC, 0xFFFFF
        dd 0x100000, 0x1FFFFFC, 0x1FFFFFF, 0x2000000, 0x2000FFE, 0x80000000, 0xE0000000, 0xFD000000, 0xFDFFFFFE
        dd 0xFEBF0000, 0xFEC00000, 0xFEE00000, 0xFFFC0000, 0xFFFF0000, 0xFFFFF000, 0xFFFFFFFC, 0xFFFFFFFF
.end:
place:  any places                      ; → eax: an address worth trying, often off by a little
        push eax
        call random
        test eax, 0x30000
        jz .some
        and eax, 0x1FF
        cmp al, 0x40
        ja .exact
        add [esp], eax
.exact: pop eax
        ret
.some:  add [esp], eax
        pop eax
        ret
ports:  dd 0, 0x08, 0x20, 0x40, 0x43, 0x60, 0x61, 0x70, 0x80, 0x92, 0xA0, 0xC0, 0xD0, 0x170, 0x177, 0x1CE, 0x1CF
        dd 0x1F0, 0x1F0, 0x1F7, 0x1F6, 0x278, 0x2E8, 0x2F8, 0x376, 0x378, 0x3B0, 0x3C0, 0x3C4, 0x3CE, 0x3D4, 0x3DA
        dd 0x3E8, 0x3F0, 0x3F5, 0x3F6, 0x3F8, 0x402, 0x4D0, 0x501, 0x510, 0x511, 0x514, 0x518, 0xB000, 0xB100
        dd 0xC000, 0xC008, 0xCF8, 0xCF8, 0xCFC, 0xFFFC, 0xFFFF
.end:
port:   any ports                       ; → edx
        push eax
        call random
        test eax, 0x30000
        jz .wild
        and eax, 7
.wild:  pop edx
        add edx, eax
        and edx, 0xFFFF
        ret
{code}
        bits 16
"""

PICS = """
        mov al, 0x11
        out 0x20, al
        out 0xA0, al
        mov al, 0x20
        out 0x21, al
        mov al, 0x28
        out 0xA1, al
        mov al, 4
        out 0x21, al
        mov al, 2
        out 0xA1, al
        mov al, 1
        out 0x21, al
        out 0xA1, al
        mov al, 0
        out 0x21, al
        out 0xA1, al
"""

# An interrupt every millisecond leads back from wherever a guest has gone.
WATCHDOG = (
    PICS
    + """
        mov al, 0x34
        out 0x43, al
        mov al, 0xA9
        out 0x40, al
        mov al, 0x04
        out 0x40, al
"""
)

SET_UP = """
        pci32 0x09, 0x20, 0xC001
        pci32 0x09, 0x04, 5
        pci32 0x09, 0x40, 0x80008000
        pci32 0x0B, 0x40, 0xB001
        pci32 0x0B, 0x80, 1
        pci32 0x0B, 0x90, 0xB101
        pci32 0x0B, 0xD2, 0x00010001
        pci32 0x10, 0x10, 0xFD000008
        pci32 0x10, 0x14, 0xFEBF0000
        pci32 0x10, 0x04, 3
"""

# One access of a random kind at a random port.
TOUCH = """
touch:  call port
        cmp dx, 0xB004                  ; do not switch the power off: that would be the end
        je touch
        cmp dx, 0xB005
        je touch
        push edx
        call random
        mov ebx, eax
        call random
        pop edx
        and ebx, 7
        jmp [ebp + kinds + ebx * 4]
out1:   out dx, al
        ret
out2:   out dx, ax
        ret
out4:   out dx, eax
        ret
in1:    in al, dx
        ret
in2:    in ax, dx
        ret
in4:    in eax, dx
        ret
string: movzx ecx, ax
        shr ecx, 5
        push edx
        push ecx
        call place
        mov edi, eax
        call place
        mov esi, eax
        call random
        pop ecx
        pop edx
        test eax, 0x70000
        jnz .up
        std
.up:    and eax, 7
        jmp [ebp + strings + eax * 4]
ins1:   rep insb
        cld
        ret
ins2:   rep insw
        cld
        ret
ins4:   rep insd
        cld
        ret
outs1:  rep outsb
        cld
        ret
outs2:  rep outsw
        cld
        ret
outs4:  rep outsd
        cld
        ret
kinds:  dd 0x10000 + out1, 0x10000 + out1, 0x10000 + out2, 0x10000 + out4
        dd 0x10000 + in1, 0x10000 + in2, 0x10000 + in4, 0x10000 + string
strings: dd 0x10000 + ins1, 0x10000 + ins2, 0x10000 + ins4, 0x10000 + ins1
        dd 0x10000 + outs1, 0x10000 + outs2, 0x10000 + outs4, 0x10000 + outs1
"""

GUESTS = {
    # All ports, all widths, strings; interrupts are open every now and then.
    "ports": "begin:"
    + SET_UP
    + WATCHDOG
    + "        jmp round\n"
    + TOUCH
    + """
round:  sti
        nop
        cli
        mov ecx, 0
        call touch
        call random
        test eax, 0xF0000
        jnz round
        call place
        mov ecx, [eax]
        call place
        mov [eax], ecx
        jmp round
""",
    # Configuration registers of everything on the bus, and memory accesses wherever they have moved it.
    "pci": "begin:"
    + SET_UP
    + """
round:  call random
        mov ebx, eax
        and eax, 0x1FFC
        cmp eax, 0xB80                  ; (some more of the devices that are there)
        jb .there
        and eax, 0x11FC
.there: or eax, 0x80000000
        mov dx, 0xCF8
        out dx, eax
        test ebx, 0x70000
        jz .read
        call place
        test ebx, 0x80000
        jz .bar
        call random
.bar:   mov dx, 0xCFC
        test ebx, 0x100000
        jz .byte
        out dx, eax
        jmp .mem
.byte:  and bl, 3
        add dl, bl
        out dx, al
        jmp .mem
.read:  mov dx, 0xCFC
        in eax, dx
.mem:   call place
        cmp eax, 0x40000
        jb round
        mov ecx, [eax]
        mov [eax], ecx
        add byte [eax], 3
        jmp round
""",
    # Bus masters: IDE with random descriptor tables, fw_cfg, the ISA DMA controllers with the floppy.
    "dma": "begin:"
    + SET_UP
    + """
round:  mov edi, 0x60000
        mov ecx, 64
.entry: push ecx
        push edi
        call place
        pop edi
        stosd
        push edi
        call random
        pop edi
        and eax, 0x8000FFFF
        stosd
        pop ecx
        loop .entry
        call random
        test eax, 0x30000
        mov eax, 0x60000
        jnz .own
        call place
.own:   mov dx, 0xC004
        out dx, eax
        mov dx, 0x1F6
        mov al, 0xE0
        out dx, al
        call random
        mov ebx, eax
        mov dx, 0x1F2
        out dx, al
        mov dx, 0x1F7
        mov al, 0xC8
        mov ah, 9
        test ebx, 0x10000
        jz .read
        mov ax, 0x01CA
        test ebx, 0x20000
        jz .read
        mov ah, 9                       ; the wrong direction
.read:  out dx, al
        mov dx, 0xC000
        mov al, ah
        out dx, al
        mov ecx, 50
.poll:  mov dx, 0xC002
        in al, dx
        test ebx, 0x40000
        jz .stop
        test al, 1
        loopnz .poll
.stop:  mov dx, 0xC000
        mov al, 0
        out dx, al
        mov dx, 0xC002
        mov al, 6
        out dx, al
        mov dx, 0x1F7
        in al, dx
        test ebx, 0x700000
        jnz .fw
        mov dx, 0x3F6
        mov al, 4
        out dx, al
        mov al, 0
        out dx, al
.fw:    call random                     ; fw_cfg: control, length, address, all big endian
        mov ebx, eax
        and eax, 0x1F003F00
        mov [0x61000], eax
        call random
        test ebx, 0x40
        jnz .huge
        and eax, 0xFFFF0000
.huge:  mov [0x61004], eax
        mov dword [0x61008], 0
        test ebx, 0xF0
        jnz .low
        mov dword [0x61008], eax
.low:   call place
        bswap eax
        mov [0x6100C], eax
        test ebx, 0x7000000
        mov eax, 0x61000
        jnz .table
        call place
.table: bswap eax
        mov dx, 0x518
        out dx, eax
        jmp round
""",
    # The BIOS's own segment is switched between ROM and RAM while it runs there, and SMRAM opens and closes.
    "shadow": "begin:"
    + WATCHDOG
    + """
round:  sti
        call random
        mov ebx, eax
        and eax, 7
        add eax, 0x80000058
        and eax, 0xFFFFFFFC
        mov dx, 0xCF8
        out dx, eax
        test ebx, 0x100
        jz .pam
        mov eax, 0x80000070
        out dx, eax
        mov dx, 0xCFE
        mov al, bl
        out dx, al
        jmp .use
.pam:   mov eax, ebx
        rol eax, 7
        mov dx, 0xCFC
        out dx, eax
.use:   mov byte [0xF0000 + shadow], 0xC3
        mov byte [0xA0000], 0xC3
        mov byte [0xC8000], 0xC3
        mov eax, 0xF0000 + shadow
        call eax
        mov eax, 0xC8000
        cmp byte [eax], 0xC3
        jne round
        call eax
        mov eax, 0xA0000
        cmp byte [eax], 0xC3
        jne round
        call eax
        jmp round
shadow: mov dx, 0xCF8                   ; this one runs in the segment that it switches
        mov eax, 0x80000058
        out dx, eax
        mov dx, 0xCFD
        mov eax, ebx
        shr eax, 11
        out dx, al
        nop
        nop
        ret
""",
    # Page tables anywhere, with reserved bits; PAE and long mode on the way; faults with no way out reset.
    "paging": "begin:"
    + WATCHDOG
    + """
round:  mov edi, 0x40000                ; an identity map of 4 MiB pages, some of them spoilt
        mov ebx, 0x87
        mov ecx, 1024
.page:  mov [edi], ebx
        add ebx, 0x400000
        add edi, 4
        loop .page
        mov esi, 6
.spoil: call random
        and eax, 0xFFC
        jz .next
        mov edi, eax
        call place
        mov ebx, eax
        call random
        and eax, 0xE7
        or eax, ebx
        mov [0x40000 + edi], eax
.next:  dec esi
        jnz .spoil
        call random
        mov ebx, eax
        and eax, 0x30                   ; PSE, PAE
        or eax, 0x10
        test ebx, 0x700
        jz .mode
        and eax, ~0x20
.mode:  mov cr4, eax
        mov eax, 0x40000
        test ebx, 0x7000
        jnz .own
        call place
.own:   mov cr3, eax
        test ebx, 0x380000
        jnz .short
        mov ecx, 0xC0000080
        mov eax, ebx
        and eax, 0x901
        xor edx, edx
        wrmsr
.short: mov eax, cr0
        or eax, 0x80000000
        mov cr0, eax
        mov esi, 8
.use:   call place
        mov ecx, [eax]
        call random
        test eax, 0x1000
        jz .skip
        call place
        cmp eax, 0x40000
        jb .skip
        mov [eax], ecx
.skip:  dec esi
        jnz .use
        mov eax, cr0
        and eax, 0x7FFFFFFF
        mov cr0, eax
        jmp round
""",
    # Calls to addresses that hold no code: devices, nothing at all, the last bytes of memory.
    "jumps": "begin:"
    + SET_UP
    + WATCHDOG
    + """
round:  sti
        call place
        mov ebx, eax
        call random
        test eax, 0x10000
        jz .far
        call ebx
        jmp round
.far:   push dword 8
        push ebx
        retf
""",
    # Memory full of random bytes is executed, in 16 and 32 bits, in rings 0 and 3.
    "code": "begin:"
    + WATCHDOG
    + """
round:  sti
        mov edi, 0x80000
        mov ecx, 64
.fill:  call random
        stosd
        loop .fill
        mov ax, 16
        mov ds, ax
        mov es, ax
        mov eax, cr0
        and eax, 0x7FFFFFF3
        mov cr0, eax
        call random
        mov ebx, eax
        and ebx, 0x3F
        add ebx, 0x80000
        test eax, 0x70000
        jnz .user
        call ebx
        jmp round
.user:  mov dword [0x2004], 0x7000      ; a TSS at 2000h for the way back
        mov dword [0x2008], 16
        mov dword [0x10000 + gdt + 64], 0x20000067
        mov dword [0x10000 + gdt + 68], 0x00008900
        mov ax, 64
        ltr ax
        push dword 56 | 3
        push dword 0x88000
        push dword 0x0202
        push dword 48 | 3
        push ebx
        iretd
""",
    # A timer that fires at 1.19 MHz, another at 8 kHz, and a guest that answers both.
    "timers": "begin:"
    + """
"""
    + PICS
    + """
        mov al, 0x34
        out 0x43, al
        mov al, 1
        out 0x40, al
        mov al, 0
        out 0x40, al
        mov al, 0x0A
        out 0x70, al
        mov al, 0x23
        out 0x71, al
        mov al, 0x0B
        out 0x70, al
        mov al, 0x7A
        out 0x71, al
round:  mov al, 0x0C
        out 0x70, al
        in al, 0x71
        sti
        mov ecx, 200
.spin:  loop .spin
        hlt
        jmp round
""",
    # Nothing but resets.
    "triple faults": "begin:"
    + """
round:  lidt [0x10000 + nothing]
        ud2
nothing: dw 0
        dd 0
""",
    # Strings of four thousand million items on ports that answer, refuse, or reset.
    "huge strings": "begin:"
    + SET_UP
    + WATCHDOG
    + """
round:  call port
        call random
        mov ebx, eax
        call place
        mov edi, eax
        mov esi, eax
        cmp dx, 0xB004
        je round
        mov ecx, -1
        sti
        test ebx, 0x10000
        jz .out
        test ebx, 0x20000
        jz .word
        rep insb
        jmp round
.word:  rep insd
        jmp round
.out:   test ebx, 0x20000
        jz .wout
        rep outsb
        jmp round
.wout:  rep outsd
        jmp round
""",
}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", GUESTS)
def test_a_hostile_guest(tmp_path: Path, name: str, seed: int) -> None:
    bios = assemble(tmp_path / "bios.bin", PROTECTED.replace("{code}", GUESTS[name]).replace("{seed}", str(seed)))
    with open(tmp_path / "disk.img", "wb") as file:
        file.truncate(4 << 20)
    disk, floppy = f"file={tmp_path / 'disk.img'},format=raw,snapshot=on", tmp_path / "floppy.img"
    floppy.write_bytes(bytes(1474560))
    options = ["-m", str(MEMORY_MIB), "-drive", disk, "-drive", f"file={floppy},if=floppy,format=raw,snapshot=on"]
    with Program("-bios", bios, "-nographic", *options) as program:
        program.wait("ready")
        rss, descriptors = program.rss_bytes(), program.descriptors()
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline and program.process.poll() is None:
            program._take(0.05)
            del program.output[:]
        if program.process.poll() is None:
            assert program.rss_bytes() - rss < GROWTH_BYTES + (MEMORY_MIB << 20), "the process grows"
            assert program.descriptors() <= descriptors, "descriptors leak"
            program.process.send_signal(signal.SIGTERM)
        assert program.status(5) == 0, program.report("wrong status")
        assert re.fullmatch(rf"(pyqemu: terminating on signal 15 from pid {os.getpid()} \(.+\)\n)?", program.errors)
