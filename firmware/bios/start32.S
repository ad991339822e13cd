/* The first bytes of the 32-bit half, where entry.S jumps to.

   Source   layout.h */

        .code32
        .section .text.start
        .globl  _start
_start: call    post_main
1:      hlt
        jmp     1b
