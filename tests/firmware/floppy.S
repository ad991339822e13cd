# Reads and writes on the floppy drive that it was booted from; each sector holds its number in words.
#
# Source   Ralf Brown's Interrupt List, int 13h
# Symbol   SECTORS: on a track of the medium, which can be less than what the drive has
# Output   "OK" on the serial port, or the letter of the step that failed
# Exit     debug exit port 501h: 10h

        .code16
        .text
        .globl  _start
_start: jmp     1f
        .org    0x20
1:      cli
        xor     %ax, %ax
        mov     %ax, %ds
        mov     %ax, %ss
        mov     $0x7c00, %sp
        mov     $0x0ff0, %ax                    # FF00: the first sector crosses 64 KiB
        mov     %ax, %es
        cld
        ljmp    $0, $2f
2:      sti
        push    %es
        mov     $8, %ah
        mov     $0, %dl
        int     $0x13
        pop     %es
        mov     $'P', %bp
        jc      bad
        test    %bl, %bl
        jz      bad
        mov     $'R', %bp
        mov     $0, %ch                         # last sector of the first head, first of the second
        mov     sectors, %cl
        mov     $0, %dh
        mov     $0x0201, %ax
        call    disk
        jc      bad
        movzbw  sectors, %ax
        dec     %ax
        call    compare
        mov     $'S', %bp
        mov     $0, %ch
        mov     $1, %cl
        mov     $1, %dh
        mov     $0x0202, %ax
        call    disk
        jc      bad
        movzbw  sectors, %ax
        call    compare
        mov     $'W', %bp
        mov     $5, %ch
        mov     $2, %cl
        mov     $1, %dh
        mov     $0x0302, %ax
        call    disk
        jc      bad
        mov     $'V', %bp
        xor     %di, %di
        xor     %ax, %ax
        push    %cx
        mov     $512, %cx
        rep     stosw
        pop     %cx
        mov     $0x0202, %ax
        call    disk
        jc      bad
        movzbw  sectors, %ax
        call    compare
        mov     $'C', %bp                       # verify
        mov     $0x0402, %ax
        call    disk
        jc      bad
        mov     $'X', %bp                       # there is no sector 63
        mov     $0x0201, %ax
        mov     $63, %cl
        call    disk
        jnc     bad
        mov     $'T', %bp
        mov     $0x15, %ah
        mov     $0, %dl
        int     $0x13
        jc      bad
        mov     $'O', %bp
        call    put
        mov     $'K', %bp
bad:    call    put
        mov     $0x501, %dx
        mov     $0x10, %al
        out     %al, %dx
1:      hlt
        jmp     1b

put:    mov     %bp, %ax
        mov     $0x3f8, %dx
        out     %al, %dx
        ret
disk:   push    %cx
        push    %dx
        mov     $0, %dl
        xor     %bx, %bx
        int     $0x13
        pop     %dx
        pop     %cx
        ret
compare:                                        # AX in the first sector
        xor     %di, %di
        push    %cx
        mov     $256, %cx
        repe    scasw
        pop     %cx
        jne     bad
        ret
sectors:
        .byte   SECTORS
        .org    510
        .word   0xaa55
