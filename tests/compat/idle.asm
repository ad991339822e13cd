; A kernel that sleeps in long mode, as the whole BIOS: 100 timer interrupts a second, counted at 0x5000, a mark at
; 0x5008, and each byte received on the serial line is sent back plus one. A counter that would be less than before,
; by the TSC, is left as it is.

        bits 16
        cpu x64
        org 0
BASE    equ 0x10000
TICKS   equ 0x5000
MARK    equ 0x5008
LAST    equ 0x5010
%define there(x) (BASE + (x) - start)

start:  cli
        cld
        mov al, 0x8F
        out 0x70, al
        xor ax, ax
        mov es, ax
        mov ss, ax
        mov sp, 0x7000
        mov di, 0x1000          ; page tables: the first 2 MiB, as they are
        mov cx, 0x1800
        rep stosd
        mov dword [es:0x1000], 0x2003
        mov dword [es:0x2000], 0x3003
        mov dword [es:0x3000], 0x0083
        mov ax, cs
        mov ds, ax
        mov ax, BASE >> 4
        mov es, ax
        xor si, si
        xor di, di
        mov cx, 0x400
        rep movsd
        lgdt [gdtr]
        mov eax, 0x620          ; PAE, SSE
        mov cr4, eax
        mov eax, 0x1000
        mov cr3, eax
        mov ecx, 0xC0000080     ; EFER: long mode, system calls
        mov eax, 0x101
        xor edx, edx
        wrmsr
        mov eax, 0x80000011
        mov cr0, eax
        jmp dword 8:there(wide)
        align 8
gdt:    dq 0, 0x00AF9B000000FFFF, 0x00CF93000000FFFF
gdtr:   dw 23
        dd 0xF0000 + gdt
idtr:   dw 0x2FF
        dq 0x6000

        bits 64
%macro  out8 2
        mov dx, %1
        mov al, %2
        out dx, al
%endmacro
%macro  gate 2                  ; vector, handler
        mov rdi, 0x6000 + (%1) * 16
        mov dword [rdi], 8 << 16 | (there(%2) & 0xFFFF)
        mov dword [rdi + 4], 0x8E00 | (there(%2) & 0xFFFF0000)
        mov qword [rdi + 8], 0
%endmacro
wide:   mov ax, 16
        mov ds, ax
        mov es, ax
        mov ss, ax
        mov rsp, 0x9000
        xor eax, eax
        mov [TICKS], rax
        mov [LAST], rax
        gate 0x20, tick
        gate 0x24, byte_came
        lidt [there(idtr)]
        mov ecx, 0xC0000082     ; the system call's entry: never used, kept
        mov eax, 0x11223344
        mov edx, 0xFFFFFFFF
        wrmsr
        out8 0x20, 0x11
        out8 0xA0, 0x11
        out8 0x21, 0x20
        out8 0xA1, 0x28
        out8 0x21, 4
        out8 0xA1, 2
        out8 0x21, 1
        out8 0xA1, 1
        out8 0x21, 0xEE         ; 0 and 4
        out8 0xA1, 0xFF
        out8 0x3FA, 0x07
        out8 0x3FB, 0x03
        out8 0x3FC, 0x0B
        out8 0x3F9, 0x01
        out8 0x43, 0x34         ; 100 Hz
        out8 0x40, 11932 & 0xFF
        out8 0x40, 11932 >> 8
        mov qword [MARK], 'IDLE'
sleep:  sti
        hlt
        cli
        mov ecx, 0xC0000082
        rdmsr
        cmp eax, 0x11223344
        je sleep
        hlt                     ; with interrupts off: for ever

tick:   push rax
        push rdx
        rdtsc
        shl rdx, 32
        or rax, rdx
        cmp rax, [LAST]
        jb .back
        mov [LAST], rax
        inc qword [TICKS]
.back:  out8 0x20, 0x20
        pop rdx
        pop rax
        iretq

byte_came:
        push rax
        push rdx
.next:  mov dx, 0x3FD
        in al, dx
        test al, 1
        jz .done
        mov dx, 0x3F8
        in al, dx
        inc al
        out dx, al
        jmp .next
.done:  out8 0x20, 0x20
        pop rdx
        pop rax
        iretq

        bits 16
        times 0xFFF0 - ($ - $$) db 0xF4
        jmp 0xF000:start
        times 0x10000 - ($ - $$) db 0
