# Writes a pattern to the boot disk's second sector, reads it back, says what came and leaves with status 37.

        .equ    OUT, 0x8000
        .equ    IN, 0x8200
        .include "head.inc"
        mov     %dl, drive
        mov     $OUT, %di
        mov     $0x5a5a, %ax
        mov     $256, %cx
        rep     stosw
        mov     $0x0301, %ax                    # write one sector
        mov     $OUT, %bx
        mov     $0x0002, %cx
        xor     %dh, %dh
        int     $0x13
        jc      failed
        mov     drive, %dl
        mov     $0x0201, %ax                    # read it
        mov     $IN, %bx
        mov     $0x0002, %cx
        xor     %dh, %dh
        int     $0x13
        jc      failed
        mov     $OUT, %si
        mov     $IN, %di
        mov     $256, %cx
        repe    cmpsw
        jne     failed
        mov     $good, %si
        jmp     1f
failed: mov     $bad, %si
1:      call    print
        mov     $0x12, %al
        jmp     leave
drive:  .byte   0
good:   .asciz  "WROTE\r\n"
bad:    .asciz  "WRITE FAILED\r\n"
        .include "sector.inc"

        .fill   2015 * 512, 1, 0xe5             # two cylinders of 16 heads and 63 sectors
