# A boot sector that times the VGA BIOS: in text, graphics and VBE modes it writes characters and scrolls.
#
# Source   IBM PS/2 and PC BIOS Interface Technical Reference, int 10h; VBE 3.0, function 02h
# Output   on COM1: a letter, A first, before the first piece of work and after each

        .equ    COM1, 0x3f8
        .equ    STACK, 0x7000

        .code16
        .text
        .globl  _start
_start: xor     %ax, %ax
        mov     %ax, %ds
        mov     %ax, %ss
        mov     $STACK, %sp
        cld
        mov     $list, %si
        call    mark
next:   lodsw                                   # mode, or 0
        test    %ax, %ax
        jz      done
        cmp     $0x100, %ax
        jb      1f
        mov     %ax, %bx
        mov     $0x4f02, %ax
1:      int     $0x10
        lodsw                                   # characters
        mov     %ax, %cx
2:      mov     %cl, %al
        and     $0x3f, %al
        add     $' ', %al
        mov     $0x0e, %ah
        mov     $7, %bx
        int     $0x10
        loop    2b
        call    mark
        lodsw                                   # times a window of 80 by 25 is scrolled
        mov     %ax, %cx
3:      push    %cx
        mov     $0x0601, %ax
        mov     $0x1700, %bx
        xor     %cx, %cx
        mov     $0x184f, %dx
        int     $0x10
        pop     %cx
        loop    3b
        call    mark
        jmp     next
done:   hlt
        jmp     done

mark:   mov     letter, %al
        incb    letter
        mov     $COM1, %dx
        out     %al, %dx
        ret

letter: .byte   'A'
list:   .word   3, 20000, 2000
        .word   0x12, 1000, 30
        .word   0x13, 8000, 200
        .word   0x103, 4000, 200
        .word   0x115, 1000, 100
        .word   0
        .org    510
        .word   0xaa55
