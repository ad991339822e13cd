# Calls BIOS services and prints a verdict for each on the serial port: "name ok" or "name FAILED".
#
# Source   Ralf Brown's Interrupt List; EDD 3.0; PCI BIOS 2.1
# Disk     sector n (from 16 on) is filled with the word n; the test builds it
# Exit     debug exit port 501h: 10h when all is done

        .code16
        .text
        .globl  _start
        .equ    COM1, 0x3f8
        .equ    BUFFER, 0xa000
        .equ    BUFFER2, 0xc000
        .equ    SECTORS, 4096

_start: cli
        xor     %ax, %ax
        mov     %ax, %ds
        mov     %ax, %es
        mov     %ax, %ss
        mov     $0x7c00, %sp
        cld
        ljmp    $0, $1f
1:      sti
        mov     %dl, drive
        mov     $0x020f, %ax                    # the rest of this program
        mov     $0x7e00, %bx
        mov     $2, %cx
        mov     $0, %dh
        int     $0x13
        jc      dead
        jmp     main
dead:   hlt
        jmp     dead
drive:  .byte   0
        .org    510
        .word   0xaa55

main:   mov     $tests, %si
1:      lodsw
        test    %ax, %ax
        jz      9f
        push    %si
        push    %ax
        mov     (%si), %si
        call    print
        pop     %ax
        xor     %bx, %bx
        mov     %bx, %es
        call    *%ax
        mov     $good, %si
        jnc     2f
        mov     $bad, %si
2:      xor     %ax, %ax
        mov     %ax, %ds
        mov     %ax, %es
        cld
        call    print
        pop     %si
        add     $2, %si
        jmp     1b
9:      mov     $done, %si
        call    print
        mov     $0x501, %dx
        mov     $0x10, %al
        out     %al, %dx
        jmp     dead

print:  lodsb
        test    %al, %al
        jz      2f
        mov     $COM1, %dx
        out     %al, %dx
        jmp     print
2:      ret
good:   .asciz  " ok\n"
bad:    .asciz  " FAILED\n"
done:   .asciz  "DONE\n"

.macro  check routine
        .word   \routine, 8f
        .pushsection .rodata
8:      .asciz  "\routine"
        .popsection
.endm
tests:  check   memory_map
        check   memory_size
        check   equipment
        check   read_chs
        check   read_packet
        check   drive_parameters
        check   packet_parameters
        check   write_packet
        check   past_the_end
        check   no_such_drive
        check   bad_function
        check   ticks
        check   time
        check   pci_present
        check   pci_find
        check   pci_class
        check   pci_bad_register
        check   pci_32
        check   a20
        check   move_block
        check   move_too_much
        check   key_buffer
        check   unknown_system_call
        check   configuration
        check   delay
        check   mouse
        check   registers
        .word   0

fail:   stc
        ret
pass:   clc
        ret

memory_map:
        xor     %ebx, %ebx
        xor     %ebp, %ebp                      # KiB of RAM
        mov     $40, %si                        # a map ends
1:      mov     $0xe820, %eax
        mov     $0x534d4150, %edx
        mov     $20, %ecx
        mov     $BUFFER, %di
        int     $0x15
        jc      fail
        cmp     $0x534d4150, %eax
        jne     fail
        cmp     $20, %ecx
        jne     fail
        cmpl    $1, BUFFER + 16
        jne     2f
        mov     BUFFER + 8, %eax
        shr     $10, %eax
        add     %eax, %ebp
2:      dec     %si
        jz      fail
        test    %ebx, %ebx
        jnz     1b
        cmp     $RAM_KIB, %ebp
        ja      fail
        cmp     $RAM_KIB - 1024, %ebp
        jb      fail
        mov     $0xe820, %eax                   # a wrong signature
        xor     %edx, %edx
        int     $0x15
        jnc     fail
        jmp     pass

memory_size:
        int     $0x12
        cmp     $639, %ax
        jne     fail
        mov     $0xe801, %ax
        int     $0x15
        jc      fail
        cmp     $0x3c00, %ax
        jne     fail
        shl     $6, %ebx
        add     $0x4000, %ebx
        and     $0xfffff, %ebx
        cmp     $RAM_KIB, %ebx
        ja      fail
        mov     $0x88, %ah
        int     $0x15
        jc      fail
        jmp     pass

equipment:
        int     $0x11
        test    $2, %al
        jz      fail
        test    $0x0e00, %ax                    # a serial port
        jz      fail
        jmp     pass

# AX = a sector's number: is it in the 512 bytes at SI?
compare:
        mov     $256, %cx
1:      cmp     %ax, (%si)
        jne     fail
        add     $2, %si
        loop    1b
        jmp     pass

read_chs:
        mov     $0x0203, %ax                    # sectors 16-18
        mov     $BUFFER, %bx
        mov     $17, %cx
        mov     $0, %dh
        mov     drive, %dl
        int     $0x13
        jc      fail
        cmp     $3, %al
        jne     fail
        mov     $BUFFER + 1024, %si
        mov     $18, %ax
        jmp     compare

packet: .byte   16, 0
count:  .word   0
buffer: .word   0, 0
lba:    .quad   0

read_packet:
        mov     $0x41, %ah
        mov     $0x55aa, %bx
        mov     drive, %dl
        int     $0x13
        jc      fail
        cmp     $0xaa55, %bx
        jne     fail
        test    $1, %cl
        jz      fail
        movw    $9, count
        movw    $BUFFER + 1, buffer             # not aligned: no DMA
        movl    $1000, lba
        call    extended_read
        jc      fail
        cmpw    $9, count
        jne     fail
        mov     $BUFFER + 1 + 8 * 512, %si
        mov     $1008, %ax
        call    compare
        jc      fail
        movw    $BUFFER, buffer
        movl    $2000, lba
        call    extended_read
        jc      fail
        mov     $BUFFER + 8 * 512, %si
        mov     $2008, %ax
        jmp     compare
extended_read:
        mov     $0x42, %ah
extended:
        mov     drive, %dl
        mov     $packet, %si
        int     $0x13
        ret

drive_parameters:
        mov     $8, %ah
        mov     drive, %dl
        int     $0x13
        jc      fail
        cmp     $1, %dl
        jne     fail
        and     $0x3f, %cl
        jz      fail
        mov     $0x15, %ah
        mov     drive, %dl
        int     $0x13
        jc      fail
        cmp     $3, %ah
        jne     fail
        cmp     $SECTORS, %dx
        ja      fail
        jmp     pass

packet_parameters:
        movw    $0x42, BUFFER
        mov     $0x48, %ah
        mov     drive, %dl
        mov     $BUFFER, %si
        int     $0x13
        jc      fail
        cmpl    $SECTORS, BUFFER + 16
        jne     fail
        cmpw    $512, BUFFER + 24
        jne     fail
        cmpw    $0xbedd, BUFFER + 30
        jne     fail
        mov     $BUFFER + 30, %si               # the device path's bytes add up to 0
        mov     $36, %cx
        xor     %ah, %ah
1:      lodsb
        add     %al, %ah
        loop    1b
        test    %ah, %ah
        jnz     fail
        jmp     pass

write_packet:
        mov     $BUFFER2, %di
        mov     $0x1234, %ax
        mov     $512, %cx
        rep     stosw
        movw    $2, count
        movw    $BUFFER2, buffer
        movl    $3000, lba
        mov     $0x4300, %ax
        call    extended
        jc      fail
        movw    $BUFFER, buffer
        call    extended_read
        jc      fail
        mov     $BUFFER + 512, %si
        mov     $0x1234, %ax
        jmp     compare

past_the_end:
        movw    $2, count
        movw    $BUFFER, buffer
        movl    $SECTORS - 1, lba
        call    extended_read
        jnc     fail
        test    %ah, %ah
        jz      fail
        mov     $0x0201, %ax                    # sector 0 does not exist
        mov     $BUFFER, %bx
        mov     $0, %cx
        mov     $0, %dh
        mov     drive, %dl
        int     $0x13
        jnc     fail
        mov     $0x0201, %ax                    # nor cylinder 1023
        mov     $0xffc1, %cx
        mov     $BUFFER, %bx
        int     $0x13
        jnc     fail
        jmp     pass

no_such_drive:
        mov     $0x0201, %ax
        mov     $BUFFER, %bx
        mov     $1, %cx
        mov     $0x0087, %dx
        int     $0x13
        jnc     fail
        jmp     pass

bad_function:
        mov     $0x7f, %ah
        mov     drive, %dl
        int     $0x13
        jnc     fail
        cmp     $1, %ah
        jne     fail
        jmp     pass

ticks:  mov     $0, %ah
        int     $0x1a
        mov     %dx, %bx
        mov     $100, %cx
1:      hlt
        push    %cx
        mov     $0, %ah
        int     $0x1a
        pop     %cx
        cmp     %dx, %bx
        jne     pass
        loop    1b
        jmp     fail

time:   mov     $2, %ah
        int     $0x1a
        jc      fail
        cmp     $0x23, %ch
        ja      fail
        cmp     $0x59, %cl
        ja      fail
        mov     $4, %ah
        int     $0x1a
        jc      fail
        cmp     $0x20, %ch
        jne     fail
        jmp     pass

pci_present:
        mov     $0xb101, %ax
        int     $0x1a
        jc      fail
        cmp     $0x20494350, %edx
        jne     fail
        jmp     pass

pci_find:
        mov     $0xb102, %ax
        mov     $0x7000, %cx
        mov     $0x8086, %dx
        mov     $0, %si
        int     $0x1a
        jc      fail
        mov     $0xb109, %ax
        mov     $2, %di
        int     $0x1a
        jc      fail
        cmp     $0x7000, %cx
        jne     fail
        mov     $0xb102, %ax                    # there is no second
        mov     $0x7000, %cx
        mov     $1, %si
        int     $0x1a
        jnc     fail
        cmp     $0x86, %ah
        jne     fail
        jmp     pass

pci_class:
        mov     $0xb103, %ax
        mov     $0x010180, %ecx
        mov     $0, %si
        int     $0x1a
        jc      fail
        jmp     pass

pci_bad_register:
        mov     $0xb10a, %ax
        mov     $1, %di
        mov     $0, %bx
        int     $0x1a
        jnc     fail
        cmp     $0x87, %ah
        jne     fail
        jmp     pass

pci_32: mov     $0xf000, %ax                    # "_32_" and a checksum of 0
        mov     %ax, %es
        xor     %di, %di
1:      cmpl    $0x5f32335f, %es:(%di)
        je      2f
        add     $16, %di
        jnz     1b
        jmp     fail
2:      mov     $16, %cx
        xor     %al, %al
3:      add     %es:(%di), %al
        inc     %di
        loop    3b
        test    %al, %al
        jnz     fail
        jmp     pass

a20:    mov     $0x2401, %ax
        int     $0x15
        jc      fail
        mov     $0x2402, %ax
        int     $0x15
        jc      fail
        cmp     $1, %al
        jne     fail
        mov     $0x2400, %ax
        int     $0x15
        jc      fail
        mov     $0xffff, %ax                    # FFFF:0510 is 0:0500 now
        mov     %ax, %es
        movb    $0x5a, 0x500
        cmpb    $0x5a, %es:0x510
        jne     fail
        movb    $0xa5, 0x500
        cmpb    $0xa5, %es:0x510
        jne     fail
        mov     $0x2401, %ax
        int     $0x15
        jc      fail
        mov     $0x2403, %ax
        int     $0x15
        jc      fail
        jmp     pass

gdt:    .zero   16
        .word   0xffff
from:   .long   0x93000000
        .word   0
        .word   0xffff
to:     .long   0x93000000
        .word   0
        .zero   16

move_block:
        movl    $0x93000000 + BUFFER2, from
        movl    $0x93200000, to
        mov     $BUFFER2, %di
        mov     $0x4711, %ax
        mov     $256, %cx
        rep     stosw
        mov     $0x87, %ah
        mov     $256, %cx
        mov     $gdt, %si
        int     $0x15
        jc      fail
        movl    $0x93200000, from
        movl    $0x93000000 + BUFFER, to
        movw    $0, BUFFER
        mov     $0x87, %ah
        mov     $256, %cx
        mov     $gdt, %si
        int     $0x15
        jc      fail
        mov     $BUFFER, %si
        mov     $0x4711, %ax
        jmp     compare

move_too_much:
        mov     $0x87, %ah
        mov     $0x8001, %cx
        mov     $gdt, %si
        int     $0x15
        jnc     fail
        jmp     pass

key_buffer:
        mov     $1, %ah
        int     $0x16
        jnz     fail
        mov     $5, %ah
        mov     $0x1e61, %cx
        int     $0x16
        test    %al, %al
        jnz     fail
        mov     $1, %ah
        int     $0x16
        jz      fail
        mov     $0, %ah
        int     $0x16
        cmp     $0x1e61, %ax
        jne     fail
        mov     $20, %bp                        # a full buffer says so
1:      mov     $5, %ah
        mov     $0x1e61, %cx
        int     $0x16
        dec     %bp
        jz      fail
        test    %al, %al
        jz      1b
        cmp     $4, %bp
        jne     fail
        jmp     pass

unknown_system_call:
        mov     $0x7e00, %ax
        int     $0x15
        jnc     fail
        cmp     $0x86, %ah
        jne     fail
        jmp     pass

configuration:
        mov     $0xc0, %ah
        int     $0x15
        jc      fail
        cmpw    $8, %es:(%bx)
        jb      fail
        cmpb    $0xfc, %es:2(%bx)
        jne     fail
        jmp     pass

delay:  mov     $0x86, %ah
        mov     $0, %cx
        mov     $5000, %dx
        int     $0x15
        ret

mouse:  mov     $0xc205, %ax
        mov     $3, %bh
        int     $0x15
        jc      fail
        mov     $0xc204, %ax
        int     $0x15
        jc      fail
        test    %bh, %bh
        jnz     fail
        mov     $0xc200, %ax                    # no handler is set
        mov     $1, %bh
        int     $0x15
        jnc     fail
        jmp     pass

# A service keeps what it does not return, the upper halves too.
registers:
        mov     $0x11112222, %ebx
        mov     $0x33334444, %ecx
        mov     $0x55556666, %edx
        mov     $0x77778888, %esi
        mov     $0x9999aaaa, %edi
        mov     $0xbbbbcccc, %ebp
        push    %fs
        push    %gs
        mov     $0x1234, %ax
        mov     %ax, %fs
        mov     $0x5678, %ax
        mov     %ax, %gs
        mov     $2, %ah
        int     $0x16
        mov     %fs, %ax
        cmp     $0x1234, %ax
        jne     8f
        mov     %gs, %ax
        cmp     $0x5678, %ax
        jne     8f
        pop     %gs
        pop     %fs
        cmp     $0x11112222, %ebx
        jne     fail
        cmp     $0x33334444, %ecx
        jne     fail
        cmp     $0x55556666, %edx
        jne     fail
        cmp     $0x77778888, %esi
        jne     fail
        cmp     $0x9999aaaa, %edi
        jne     fail
        cmp     $0xbbbbcccc, %ebp
        jne     fail
        jmp     pass
8:      pop     %gs
        pop     %fs
        jmp     fail

        .section .rodata
