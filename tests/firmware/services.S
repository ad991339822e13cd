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
        mov     %es, %bx                        # ES:DI is the Plug and Play header
        xor     %ax, %ax
        mov     %ax, %ds
        mov     %bx, boot_es
        mov     %di, boot_di
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
boot_es:
        .word   0
boot_di:
        .word   0
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
        check   pnp_header
        check   no_memory_manager
        check   pci_32_entry
        check   pci_routing
        check   tables
        check   serial_status
        check   no_serial_port
        check   printer_status
        check   event_wait
        check   alarm
        check   set_time
        check   keyboard_intercept
        check   keyboard_functions
        check   ctrl_break
        check   disk_status
        check   seek_and_verify
        check   lock_fixed_disk
        check   wrapping_read
        check   short_flat_packet
        check   flat_read
        check   flat_read_below_1_mib
        check   flat_write
        check   flat_past_4_gib
        check   short_parameters
        check   no_emulation
        check   interrupt_vectors
        check   free_vectors
        check   fixed_disk_table
        check   apm
        check   apm_version
        check   boot_registers
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
        cmp     $0x0f, %cx                      # packets, locks, parameters, 64-bit addresses
        jne     fail
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
        mov     %es, %ax
        cmp     $0xf000, %ax
        jne     fail
        cmp     $0xe6f5, %bx                    # as on an AT
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


# The structure that starts with EAX, at 16 bytes, in segment F000 -> ES:DI; CX bytes of it sum to 0.
find_structure:
        mov     $0xf000, %bx
        mov     %bx, %es
        xor     %di, %di
1:      cmp     %eax, %es:(%di)
        je      2f
        add     $16, %di
        jnz     1b
        jmp     fail
2:      push    %di
        xor     %al, %al
3:      add     %es:(%di), %al
        inc     %di
        loop    3b
        pop     %di
        test    %al, %al
        jnz     fail
        jmp     pass

pnp_header:
        mov     $0x506e5024, %eax               # "$PnP"
        mov     $33, %cx
        call    find_structure
        jc      fail
        cmpb    $0x10, %es:4(%di)
        jne     fail
        cmpb    $33, %es:5(%di)
        jne     fail
        push    $0xf000                         # the real-mode entry refuses what it does not have
        push    $0x1234
        lcall   *%es:0xd(%di)
        add     $4, %sp
        cmp     $0x82, %ax
        jne     fail
        jmp     pass

boot_registers:
        mov     boot_es, %es
        mov     boot_di, %di
        cmpl    $0x506e5024, %es:(%di)
        jne     fail
        jmp     pass

no_memory_manager:                              # it ends with power-on
        mov     $0x4d4d5024, %eax               # "$PMM"
        mov     $16, %cx
        call    find_structure
        jnc     fail
        jmp     pass

        .balign 8
flat:   .quad   0
        .quad   0x00cf9b000000ffff
        .quad   0x00cf93000000ffff
        .quad   0x00009b000000ffff
        .quad   0x000093000000ffff
flat_pointer:
        .word   flat_pointer - flat - 1
        .long   flat
entry:  .long   0
        .word   8
result: .long   0

pci_32_entry:                                   # the directory finds $PCI; its services see the host bridge
        mov     $0x5f32335f, %eax               # "_32_"
        mov     $16, %cx
        call    find_structure
        jc      fail
        mov     %es:4(%di), %eax
        mov     %eax, entry
        movl    $0, result
        cli
        lgdt    flat_pointer
        mov     %cr0, %eax
        or      $1, %al
        mov     %eax, %cr0
        ljmp    $8, $1f
        .code32
1:      mov     $16, %eax
        mov     %eax, %ds
        mov     %eax, %es
        mov     %esp, %esi
        mov     %eax, %ss
        movzwl  %si, %esp
        mov     $0x49435024, %eax               # "$PCI"
        xor     %ebx, %ebx
        lcall   *entry
        test    %al, %al
        jnz     2f
        add     %edx, %ebx
        mov     %ebx, entry
        mov     $0xb101, %eax
        lcall   *entry
        jc      2f
        test    %ah, %ah
        jnz     2f
        cmp     $0x20494350, %edx
        jne     2f
        mov     $0xb10a, %eax
        xor     %ebx, %ebx
        xor     %edi, %edi
        lcall   *entry
        jc      2f
        mov     %ecx, result
        mov     $0x5a5a5a5a, %eax               # no such service
        mov     $0, %ebx
        movl    $0, entry
2:      ljmp    $24, $3f
        .code16
3:      mov     $32, %ax
        mov     %ax, %ds
        mov     %ax, %es
        mov     %ax, %ss
        mov     %cr0, %eax
        and     $0xfe, %al
        mov     %eax, %cr0
        ljmp    $0, $4f
4:      xor     %ax, %ax
        mov     %ax, %ds
        mov     %ax, %es
        mov     %ax, %ss
        sti
        cmpl    $0x12378086, result
        jne     fail
        jmp     pass

pci_routing:                                    # too small a buffer, then one that fits
        movw    $4, BUFFER
        movw    $BUFFER + 8, BUFFER + 2
        movw    $0, BUFFER + 4
        mov     $0xb10e, %ax
        mov     $BUFFER, %di
        int     $0x1a
        jnc     fail
        cmp     $0x89, %ah
        jne     fail
        movw    BUFFER, %cx                     # the size that is needed
        cmp     $16, %cx
        jb      fail
        mov     $0xb10e, %ax
        mov     $BUFFER, %di
        int     $0x1a
        jc      fail
        cmp     %cx, BUFFER
        jne     fail
        cmpb    $8, BUFFER + 8 + 1              # device 1
        jne     fail
        jmp     pass

tables: mov     $0x52495024, %eax               # "$PIR"
        mov     $32 + 6 * 16, %cx
        call    find_structure
        jc      fail
        mov     $0x5f4d535f, %eax               # "_SM_"
        mov     $31, %cx
        call    find_structure
        jc      fail
        cmpl    $0x494d445f, %es:16(%di)        # "_DMI"
        jne     fail
        mov     $0x20445352, %eax               # "RSD "
        mov     $20, %cx
        call    find_structure
        jc      fail
        jmp     pass

serial_status:
        mov     $3, %ah
        mov     $0, %dx
        int     $0x14
        test    $0x60, %ah                      # the transmitter is empty
        jz      fail
        test    $0x80, %ah
        jnz     fail
        jmp     pass

no_serial_port:
        mov     $0x0141, %ax
        mov     $3, %dx
        int     $0x14
        test    $0x80, %ah
        jz      fail
        mov     $0x0141, %ax
        mov     $0xffff, %dx
        int     $0x14
        test    $0x80, %ah
        jz      fail
        jmp     pass

printer_status:
        mov     $1, %ah
        mov     $0, %dx
        int     $0x17
        mov     $2, %ah
        mov     $0, %dx
        int     $0x17
        test    $1, %ah                         # no time-out
        jnz     fail
        mov     $2, %ah
        mov     $2, %dx
        int     $0x17
        test    $1, %ah                         # no third printer
        jz      fail
        jmp     pass

event_wait:                                     # the flag comes by itself, and a second wait is refused
        movb    $0, BUFFER
        mov     $0x8300, %ax
        mov     $0, %cx
        mov     $20000, %dx
        mov     $BUFFER, %bx
        int     $0x15
        jc      fail
        mov     $0x8300, %ax
        mov     $BUFFER + 1, %bx
        int     $0x15
        jnc     fail
        mov     $100, %cx
1:      hlt
        testb   $0x80, BUFFER
        jnz     pass
        loop    1b
        jmp     fail

alarm_rings:
        incw    %cs:alarms
        iret
alarms: .word   0

alarm:  movw    $alarm_rings, 0x4a * 4          # FFh: at any hour, minute and second
        movw    $0, 0x4a * 4 + 2
        mov     $6, %ah
        mov     $0xffff, %cx
        mov     $0xff, %dh
        int     $0x1a
        jc      fail
        mov     $6, %ah                         # one is set
        int     $0x1a
        jnc     fail
        mov     $60, %cx
1:      hlt
        cmpw    $0, alarms
        jne     2f
        loop    1b
        jmp     fail
2:      mov     $7, %ah
        int     $0x1a
        jc      fail
        jmp     pass

set_time:
        mov     $3, %ah
        mov     $0x1258, %cx
        mov     $0x3000, %dx
        int     $0x1a
        mov     $5, %ah
        mov     $0x1999, %cx
        mov     $0x1231, %dx
        int     $0x1a
        mov     $2, %ah
        int     $0x1a
        jc      fail
        cmp     $0x1258, %cx
        jne     fail
        mov     $4, %ah
        int     $0x1a
        jc      fail
        cmp     $0x1999, %cx
        jne     fail
        cmp     $0x1231, %dx
        jne     fail
        jmp     pass

keyboard_intercept:
        mov     $0x4f1e, %ax
        stc
        int     $0x15
        jnc     fail                            # nobody has taken the key
        cmp     $0x1e, %al
        jne     fail
        jmp     pass

keyboard_functions:
        mov     $9, %ah
        int     $0x16
        test    $0x20, %al                      # functions 10h-12h
        jz      fail
1:      mov     $0x11, %ah                      # empty the buffer
        int     $0x16
        jz      2f
        mov     $0x10, %ah
        int     $0x16
        jmp     1b
2:      mov     $5, %ah                         # a grey key is for the new functions, the old ones hide its mark
        mov     $0x48e0, %cx
        int     $0x16
        mov     $0x11, %ah
        int     $0x16
        jz      fail
        cmp     $0x48e0, %ax
        jne     fail
        mov     $0, %ah
        int     $0x16
        cmp     $0x4800, %ax
        jne     fail
        mov     $5, %ah                         # F11 does not exist for the old ones
        mov     $0x8500, %cx
        int     $0x16
        mov     $1, %ah
        int     $0x16
        jnz     fail
        jmp     pass

ctrl_break:                                     # E0 46 with Ctrl: int 1Bh, and a key that is 0000
        cli
        pushl   0x1b * 4
        movw    $break_handler, 0x1b * 4
        movw    $0, 0x1b * 4 + 2
        movb    $0, breaks
        movb    $0, 0x471
        sti
        mov     $break_keys, %si
        call    press
        cli
        popl    0x1b * 4
        sti
        cmpb    $1, breaks                      # not for Ctrl with Scroll Lock
        jne     fail
        testb   $0x80, 0x471
        jz      fail
        mov     $1, %ah                         # looked at, it stays
        int     $0x16
        jz      fail
        mov     $1, %ah
        int     $0x16
        jz      fail
        test    %ax, %ax
        jnz     fail
        mov     $0, %ah
        int     $0x16
        test    %ax, %ax
        jnz     fail
        mov     $0x11, %ah
        int     $0x16
        jnz     fail
        jmp     pass
break_handler:
        incb    %cs:breaks
        iret
breaks: .byte   0
break_keys:
        .byte   0x1d, 0xe0, 0x46, 0xe0, 0xc6, 0x46, 0xc6, 0x9d, 0

press:  lodsb                                   # scan codes at DS:SI, by the keyboard controller's command D2h
        test    %al, %al
        jz      4f
        mov     %al, %ah
        mov     $0xd2, %al
        out     %al, $0x64
1:      in      $0x64, %al
        test    $2, %al
        jnz     1b
        mov     %ah, %al
        out     %al, $0x60
2:      in      $0x64, %al                      # until int 09h has taken it
        test    $1, %al
        jnz     2b
        jmp     press
4:      ret

disk_status:
        mov     $0x0201, %ax
        mov     $BUFFER, %bx
        mov     $0, %cx                         # no such sector
        mov     $0, %dh
        mov     drive, %dl
        int     $0x13
        jnc     fail
        mov     %ah, %bl
        mov     $1, %ah
        mov     drive, %dl
        int     $0x13
        cmp     %bl, %ah
        jne     fail
        mov     $1, %ah                         # asking takes it back
        mov     drive, %dl
        int     $0x13
        jc      fail
        test    %ah, %ah
        jnz     fail
        jmp     pass

seek_and_verify:
        mov     $0x0c, %ah
        mov     $1, %cx
        mov     drive, %dl
        mov     $0, %dh
        int     $0x13
        jc      fail
        mov     $0x0404, %ax
        mov     $1, %cx
        mov     drive, %dl
        int     $0x13
        jc      fail
        movw    $4, count
        movl    $100, lba
        mov     $0x44, %ah
        call    extended
        jc      fail
        movl    $SECTORS, lba
        mov     $0x47, %ah
        call    extended
        jnc     fail
        jmp     pass

lock_fixed_disk:
        mov     $0x46, %ah                      # cannot be ejected
        mov     drive, %dl
        int     $0x13
        jnc     fail
        cmp     $0xb2, %ah
        jne     fail
        jmp     pass

wrapping_read:                                  # past FFFF:FFFF: nothing must be moved
        movl    $0x12345678, 0x500
        movw    $200, count
        movl    $200, lba
        movw    $0, buffer
        movw    $0xf800, buffer + 2
        mov     $0x42, %ah
        call    extended
        movw    $0, buffer + 2
        jnc     fail
        cmp     $9, %ah
        jne     fail
        cmpw    $0, count
        jne     fail
        cmpl    $0x12345678, 0x500
        jne     fail
        jmp     pass

short_flat_packet:                              # a pointer of FFFF:FFFF needs a packet of 24 bytes
        movw    $1, count
        movl    $0xffffffff, buffer
        mov     $0x42, %ah
        call    extended
        movl    $0, buffer
        jnc     fail
        jmp     pass

flat_packet:
        .byte   24, 0
        .word   9                               # sectors
        .long   0xffffffff
        .quad   1000                            # the first
flat_address:
        .quad   0
flat_call:
        movw    $9, flat_packet + 2
        mov     drive, %dl
        mov     $flat_packet, %si
        int     $0x13
        ret
flat_move:                                      # 9 sectors from EBX to EDX, addresses below 16 MiB
        mov     %ebx, flat_table + 18
        mov     %edx, flat_table + 26
        movb    $0x93, flat_table + 21
        movb    $0x93, flat_table + 29
        mov     $flat_table, %si
        mov     $9 * 256, %cx
        mov     $0x87, %ah
        int     $0x15
        ret
flat_table:
        .zero   16
        .quad   0xffff, 0xffff
        .zero   16

flat_read:
        movl    $0x2345f0, flat_address
        movl    $0, flat_address + 4
        mov     $0x42, %ah
        call    flat_call
        jc      fail
        cmpw    $9, flat_packet + 2
        jne     fail
        mov     $0x2345f0, %ebx
        mov     $BUFFER, %edx
        call    flat_move
        jc      fail
flat_verdict:
        mov     $BUFFER, %di
        mov     $1000, %ax
1:      mov     $256, %cx
        repe    scasw
        jne     fail
        inc     %ax
        cmp     $1009, %ax
        jne     1b
        jmp     pass

flat_read_below_1_mib:
        mov     $BUFFER, %di
        mov     $9 * 256, %cx
        xor     %ax, %ax
        rep     stosw
        movl    $BUFFER, flat_address
        mov     $0x42, %ah
        call    flat_call
        jc      fail
        jmp     flat_verdict

flat_write:                                     # what flat_read has left at 2345F0, to other sectors
        movl    $0x2345f0, flat_address
        movl    $3000, flat_packet + 8
        mov     $0x4300, %ax
        call    flat_call
        movl    $1000, flat_packet + 8
        jc      fail
        movw    $9, count
        movw    $BUFFER, buffer
        movl    $3000, lba
        call    extended_read
        jc      fail
        jmp     flat_verdict

flat_past_4_gib:
        movl    $0xfffffe00, flat_address
        mov     $0x42, %ah
        call    flat_call
        jnc     fail
        movl    $0x200000, flat_address
        movl    $1, flat_address + 4
        mov     $0x42, %ah
        call    flat_call
        movl    $0, flat_address + 4
        jnc     fail
        cmpw    $0, flat_packet + 2
        jne     fail
        jmp     pass

short_parameters:                               # no more is written than there is room for
        movl    $0xa5a5a5a5, BUFFER + 26
        movw    $26, BUFFER
        mov     $0x48, %ah
        mov     drive, %dl
        mov     $BUFFER, %si
        int     $0x13
        jc      fail
        cmpl    $0xa5a5a5a5, BUFFER + 26
        jne     fail
        movw    $25, BUFFER
        mov     $0x48, %ah
        mov     drive, %dl
        int     $0x13
        jnc     fail
        jmp     pass

no_emulation:
        mov     $0x4b01, %ax
        mov     drive, %dl
        mov     $BUFFER, %si
        int     $0x13
        jnc     fail
        jmp     pass

interrupt_vectors:                              # every vector to 1Ch leads to code that comes back
        int     $0x05
        int     $0x1b
        int     $0x1c
        mov     $0, %si
        mov     $0x1d, %cx
1:      cmpl    $0, (%si)
        je      fail
        add     $4, %si
        loop    1b
        jmp     pass

free_vectors:                                   # 60h to 67h are free for programs, the others come back
        int     $0x21
        int     $0x2f
        int     $0x80
        int     $0xff
        mov     $0x60 * 4, %si
        mov     $8, %cx
1:      cmpl    $0, (%si)
        jne     fail
        add     $4, %si
        loop    1b
        jmp     pass

fixed_disk_table:                               # of drive 80h: as function 08h has it
        mov     $8, %ah
        mov     $0x80, %dl
        int     $0x13
        jc      fail
        les     0x41 * 4, %bx
        mov     %cl, %al
        and     $0x3f, %al
        cmp     %al, %es:14(%bx)
        jne     fail
        inc     %dh
        cmp     %dh, %es:2(%bx)
        jne     fail
        mov     %ch, %al
        mov     %cl, %ah
        shr     $6, %ah
        inc     %ax
        cmp     %ax, %es:(%bx)
        jne     fail
        jmp     pass

apm_version:
        mov     $0x5300, %ax
        mov     $0, %bx
        int     $0x15
        jc      fail
        cmp     $0x0102, %ax
        jne     fail
        mov     $0x530e, %ax                    # only once connected
        mov     $0, %bx
        mov     $0x0102, %cx
        int     $0x15
        jnc     fail
        cmp     $0x03, %ah
        jne     fail
        mov     $0x5301, %ax
        mov     $0, %bx
        int     $0x15
        jc      fail
        mov     $apm_versions, %si
1:      lodsw                                   # the driver's, and what both can
        mov     %ax, %cx
        mov     $0x530e, %ax
        mov     $0, %bx
        int     $0x15
        jc      fail
        cmp     (%si), %ax
        jne     fail
        add     $2, %si
        cmp     $apm_versions_end, %si
        jb      1b
        mov     $0x5304, %ax
        mov     $0, %bx
        int     $0x15
        jc      fail
        jmp     pass
apm_versions:
        .word   0x0100, 0x0100, 0x0101, 0x0101, 0x0102, 0x0102, 0x0200, 0x0102, 0, 0x0100
apm_versions_end:

apm:    mov     $0x5300, %ax
        mov     $0, %bx
        int     $0x15
        jc      fail
        cmp     $0x504d, %bx
        jne     fail
        mov     $0x5304, %ax                    # not connected
        mov     $0, %bx
        int     $0x15
        jnc     fail
        mov     $0x5301, %ax
        mov     $0, %bx
        int     $0x15
        jc      fail
        mov     $0x5307, %ax                    # an unknown device
        mov     $0x0999, %bx
        mov     $3, %cx
        int     $0x15
        jnc     fail
        mov     $0x530a, %ax
        mov     $1, %bx
        int     $0x15
        jc      fail
        mov     $0x5304, %ax
        mov     $0, %bx
        int     $0x15
        jc      fail
        jmp     pass

        .section .rodata
