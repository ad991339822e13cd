# Calls BIOS services with random registers, ROUNDS times, and looks whether they write where nobody asked them to.
#
# Source   Ralf Brown's Interrupt List
# Symbols  SEED, ROUNDS
# Memory   7C00 this program; 0600 its variables; 20000-4FFFF where pointers lead (64 KiB from 2xxx:xxxx, and 64 KiB
#          that a transfer may have); 50000-9EFFF a pattern that must stay, and so must this program
# Left out what waits for a key or for minutes, switches off, moves blocks or writes to PCI registers: these do as
#          they are told
# Output   "SURVIVED", or what has been damaged; then the debug exit port

        .equ    COM1, 0x3f8
        .equ    RANDOM, 0x600                   # the generator
        .equ    LEFT, 0x604
        .equ    SUM, 0x608                      # of this program
        .equ    VECTOR, 0x60c
        .equ    STACK, 0x610
        .equ    REGISTERS, 0x620                # EDI ESI EBP - EBX EDX ECX EAX, as POPAL wants them
        .equ    PATTERN_FIRST, 0x5000
        .equ    PATTERN_END, 0x9f00

        .code16
        .text
        .globl  _start
_start: cli
        xor     %ax, %ax
        mov     %ax, %ds
        mov     %ax, %es
        mov     %ax, %ss
        mov     $0x7c00, %sp
        cld
        ljmp    $0, $1f
1:      sti
        mov     $0x0203, %ax                    # the rest of this program
        mov     $0x7e00, %bx
        mov     $2, %cx
        mov     $0, %dh
        int     $0x13
        jc      dead
        jmp     main
dead:   hlt
        jmp     dead
print:  lodsb
        test    %al, %al
        jz      1f
        mov     $COM1, %dx
        out     %al, %dx
        jmp     print
1:      ret
random: mov     RANDOM, %eax                    # EAX; keeps all others
        imul    $1664525, %eax, %eax
        add     $1013904223, %eax
        mov     %eax, RANDOM
        rol     $13, %eax
        ret
        .org    510
        .word   0xaa55

services:                                       # interrupt, then what is done to the registers
        .word   0x13, disk, 0x13, disk, 0x13, packet, 0x13, packet, 0x15, system, 0x15, map, 0x15, mouse
        .word   0x16, keyboard, 0x17, nothing, 0x14, serial, 0x1a, clock, 0x1a, pci, 0x11, nothing, 0x12, nothing
        .word   0x10, video, 0x10, text
services_end:

main:   movl    $SEED, RANDOM
        movl    $ROUNDS, LEFT
        call    checksum
        mov     %eax, SUM
        mov     $PATTERN_FIRST, %ax
1:      mov     %ax, %es
        xor     %di, %di
        mov     $8, %cx
        rep     stosw
        inc     %ax
        cmp     $PATTERN_END, %ax
        jb      1b

round:  mov     $REGISTERS, %di                 # eight random registers
        mov     $8, %cx
1:      call    random
        mov     %eax, (%di)
        add     $4, %di
        loop    1b
        call    random
        and     $0x0fff, %ax
        or      $0x2000, %ax
        mov     %ax, %es
        call    random
        xor     %edx, %edx
        mov     $(services_end - services) / 4, %ecx
        div     %ecx
        mov     %dx, %si
        shl     $2, %si
        mov     services(%si), %al
        mov     %al, invoke + 1
        mov     %al, VECTOR
        mov     $REGISTERS, %bx
        call    *services + 2(%si)
        mov     %sp, STACK
        mov     %es, %ax
        mov     $REGISTERS, %sp
        popal
        mov     %cs:STACK, %sp
        push    %ds
        push    %es
        pop     %ds                             # DS is where ES is
invoke: int     $0x13
        pop     %ds
        cli
        cld
        cmp     %sp, STACK
        mov     $stack_moved, %si
        jne     report
        movb    $0x13, invoke + 1
        sti
        decl    LEFT
        jnz     round

        call    checksum
        mov     $program_changed, %si
        cmp     %eax, SUM
        jne     report
        mov     $PATTERN_FIRST, %ax
1:      mov     %ax, %es
        xor     %di, %di
        mov     $8, %cx
        repe    scasw
        mov     $pattern_changed, %si
        jne     report
        inc     %ax
        cmp     $PATTERN_END, %ax
        jb      1b
        mov     $survived, %si
report: xor     %ax, %ax
        mov     %ax, %ds
        call    print
        mov     $0x501, %dx
        mov     $0x10, %al
        out     %al, %dx
        jmp     dead

checksum:                                       # EAX
        xor     %eax, %eax
        mov     $0x7c00, %si
        mov     $(end - _start) / 4, %cx
1:      rol     $1, %eax
        add     (%si), %eax
        add     $4, %si
        loop    1b
        ret

# What each service gets: BX = REGISTERS.
        .equ    EAX, 28
        .equ    ECX, 24
        .equ    EDX, 20
        .equ    EBX, 16
        .equ    ESI, 4

drive:  call    random                          # DL: a floppy, a disk, a CD, or anything
        test    $3, %ah
        jz      1f
        and     $7, %ax
        mov     %ax, %di
        mov     drives(%di), %al
1:      mov     %al, EDX(%bx)
        ret
drives: .byte   0, 0x80, 0xe0, 0x80, 0x81, 1, 0xe1, 0xe2

disk:   call    drive
        call    random
        and     $0x1f, %al
        cmp     $0x1f, %al
        jne     1f
        call    random                          # any function but the packets'
        cmp     $0x42, %al
        je      2f
        cmp     $0x43, %al
        je      2f
1:      mov     %al, EAX + 1(%bx)
2:      call    random                          # often a sector that exists
        test    $3, %ah
        jz      3f
        andw    $0x020f, ECX(%bx)
        andb    $1, EDX + 1(%bx)
3:      ret

packet: call    drive                           # functions 41h-48h with a packet at DS:SI
        call    random
        and     $7, %al
        add     $0x41, %al
        mov     %al, EAX + 1(%bx)
        call    random
        and     $0x7, %al
        add     $12, %al                        # its size, too small at times
        mov     ESI(%bx), %di
        and     $0xfff0, %di                    # does not wrap
        mov     %di, ESI(%bx)
        mov     %al, %es:(%di)
        call    random
        and     $0x1f, %ax                      # 31 blocks of a CD fit into 64 KiB
        mov     %ax, %es:2(%di)
        call    random
        mov     %ax, %es:4(%di)
        mov     %es, %es:6(%di)
        call    random
        and     $0x1fff, %eax
        mov     %eax, %es:8(%di)
        movl    $0, %es:12(%di)
        call    random
        test    $3, %ah
        jnz     1f
        movb    $24, %es:(%di)                  # a flat address, below and above 1 MiB
        movl    $0xffffffff, %es:4(%di)
        movzwl  %ax, %eax
        add     $0x20000, %eax
        test    $0x100, %ax
        jz      2f
        add     $0x200000, %eax
2:      mov     %eax, %es:16(%di)
        movl    $0, %es:20(%di)
        ret
1:      test    $0x3c, %ah
        jnz     3f
        movw    $0x4a00, EAX(%bx)               # emulation of some image on some drive
        movb    $0x13, %es:(%di)
        mov     %al, %es:1(%di)
        mov     %es:8(%di), %eax
        and     $0x3ff, %eax
        mov     %eax, %es:4(%di)
        andw    $3, %es:8(%di)
3:      ret

system: call    random
        mov     EAX + 1(%bx), %al
        cmp     $0x87, %al
        je      1f
        cmp     $0x89, %al
        je      1f
        cmp     $0x53, %al
        je      1f
        cmp     $0x86, %al
        jne     2f
        movw    $0, ECX(%bx)                    # no more than 65 ms
2:      ret
1:      movb    $0xc0, EAX + 1(%bx)
        ret

map:    movl    $0xe820, EAX(%bx)
        movl    $0x534d4150, EDX(%bx)
        andl    $0x1f, EBX(%bx)
        ret

mouse:  movb    $0xc2, EAX + 1(%bx)
        andb    $0xf, EAX(%bx)
        cmpb    $7, EAX(%bx)                    # a handler at a random place would be called
        jne     1f
        movb    $6, EAX(%bx)
1:      ret

keyboard:
        call    random
        and     $7, %ax
        mov     %ax, %di
        mov     keys(%di), %al
        mov     %al, EAX + 1(%bx)
        ret
keys:   .byte   1, 2, 3, 5, 9, 0x11, 0x12, 0xff

serial: movw    $2, EDX(%bx)                    # a port that is not there: no time-outs
        ret

clock:  andb    $7, EAX + 1(%bx)
        ret

pci:    movb    $0xb1, EAX + 1(%bx)
        call    random
        and     $0xf, %al
        cmp     $0xb, %al
        jb      1f
        cmp     $0xe, %al                       # nor to the buffer that 0Eh finds at a random place
        ja      1f
        mov     $1, %al
1:      mov     %al, EAX(%bx)
        ret

video:  andb    $0x1f, EAX + 1(%bx)             # anything but other modes
        jnz     text
        movb    $0xf, EAX + 1(%bx)
text:   andw    $0xff, ECX(%bx)
        testb   $0x1f, EAX + 1(%bx)
        jnz     nothing
        movb    $0xe, EAX + 1(%bx)
nothing:
        ret

survived:
        .asciz  "SURVIVED\n"
stack_moved:
        .asciz  "STACK MOVED\n"
program_changed:
        .asciz  "PROGRAM CHANGED\n"
pattern_changed:
        .asciz  "MEMORY CHANGED\n"
        .balign 512
end:
