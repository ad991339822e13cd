# Prints a line on the serial port and the screen and leaves with status 33.

        .include "head.inc"
        mov     $text, %si
        call    print
        mov     $0x10, %al
        jmp     leave
text:   .asciz  "HELLO FROM BOOT SECTOR\r\n"
        .include "sector.inc"
