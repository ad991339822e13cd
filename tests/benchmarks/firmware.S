# A boot sector that times its firmware: it resets the PC RESETS times, then reads 64 MiB of the disk it came from.
#
# Source   EDD 3.0, int 13h function 42h; 82371SB data sheet (port CF9h)
# Output   on COM1: "S" at each start, then "D" before and "E" after the reading ("X" if it fails)
# Disk     at least 64 MiB; 127 sectors a call, as boot loaders do

        .equ    COM1, 0x3f8
        .equ    COUNT, 0x70                     # a byte of the CMOS that no BIOS uses; a reset leaves it alone
        .equ    RESETS, 20
        .equ    SECTORS, 127
        .equ    TOTAL, 64 << 11
        .equ    BUFFER_SEGMENT, 0x1000

        .code16
        .text
        .globl  _start
_start: xor     %ax, %ax
        mov     %ax, %ds
        mov     %ax, %ss
        mov     $0x7c00, %sp
        cld
        mov     %dl, drive
        mov     $'S', %al
        call    put
        mov     $COUNT, %al
        out     %al, $0x70
        in      $0x71, %al
        cmp     $RESETS, %al
        jae     read
        inc     %al
        out     %al, $0x71
        mov     $0xcf9, %dx
        mov     $2, %al
        out     %al, %dx
        mov     $6, %al
        out     %al, %dx
1:      hlt
        jmp     1b

read:   mov     $'D', %al
        call    put
1:      mov     $0x42, %ah
        mov     drive, %dl
        mov     $packet, %si
        int     $0x13
        mov     $'X', %al
        jc      2f
        addl    $SECTORS, lba
        cmpl    $TOTAL, lba
        jb      1b
        mov     $'E', %al
2:      call    put
3:      hlt
        jmp     3b

put:    mov     $COM1, %dx
        out     %al, %dx
        ret

packet: .byte   16, 0
        .word   SECTORS
        .word   0, BUFFER_SEGMENT
lba:    .quad   0
drive:  .byte   0
        .org    510
        .word   0xaa55
