# Prints a line, then sleeps between timer interrupts for ever.

        .include "head.inc"
        mov     $text, %si
        call    print
1:      hlt
        jmp     1b
text:   .asciz  "IDLE\r\n"
        .include "sector.inc"
