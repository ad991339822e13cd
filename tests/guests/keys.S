# Echoes what is typed, by the keyboard BIOS, on the serial port and the screen; q leaves with status 35.

        .include "head.inc"
        mov     $text, %si
        call    print
1:      xor     %ah, %ah
        int     $0x16
        mov     %al, key
        mov     $key, %si
        call    print
        cmpb    $'q', key
        jne     1b
        mov     $0x11, %al
        jmp     leave
text:   .asciz  "KEYS\r\n"
key:    .byte   0, 0
        .include "sector.inc"
