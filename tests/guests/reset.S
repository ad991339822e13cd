# Resets the PC in four ways, one a boot (keyboard controller, port 0x92, PIIX 0xcf9, triple fault), counting
# in a byte of the CMOS, which a reset leaves alone; the fifth boot leaves with status 39.

        .equ    COUNT, 0x70                     # no BIOS uses this one
        .include "head.inc"
        mov     $COUNT, %al
        out     %al, $0x70
        in      $0x71, %al
        inc     %al
        out     %al, $0x71
        mov     %al, count
        add     $'0', %al
        mov     %al, digit
        mov     $text, %si
        call    print
        mov     count, %al
        dec     %al
        jz      keyboard
        dec     %al
        jz      port92
        dec     %al
        jz      piix
        dec     %al
        jz      fault
        mov     $0x13, %al
        jmp     leave

keyboard:
        in      $0x64, %al
        test    $2, %al
        jnz     keyboard
        mov     $0xfe, %al
        out     %al, $0x64
        jmp     wait
port92: mov     $0, %al                         # the reset happens when bit 0 rises
        out     %al, $0x92
        mov     $1, %al
        out     %al, $0x92
        jmp     wait
piix:   mov     $0xcf9, %dx
        mov     $2, %al
        out     %al, %dx
        mov     $6, %al
        out     %al, %dx
        jmp     wait
fault:  lidt    empty                           # no vector fits: the processor shuts down, the board resets it
        int     $3
wait:   hlt
        jmp     wait

empty:  .word   0
        .long   0
count:  .byte   0
text:   .ascii  "BOOT "
digit:  .asciz  "0\r\n"
        .include "sector.inc"
