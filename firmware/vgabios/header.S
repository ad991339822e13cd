# The start of the ROM: headers, and the ways in. C code runs with the segments that types.h describes.
#
# Source   PCI Firmware / PCI Local Bus 2.1, 6.3 (expansion ROMs); Plug and Play BIOS Specification 1.0A, 3.2
# Symbols  PCI: 1 for the card's ROM, 0 for the image of the ISA card; ROM_BYTES: size of the image

        .code16
        .section .header, "ax"
        .globl  rom, pci_function, pci_function_balance, vbe_window_function, print_screen_entry, set_vectors

        .equ    VENDOR, 0x1234
        .equ    DEVICE, 0x1111
        .equ    NO_FUNCTION, 1                  # of the ISA card: see dispi.c

rom:
        .word   0xaa55
        .byte   ROM_BYTES / 512
        jmp     enter                           # offset 3; ax is the PCI function
        .org    0x18
        .if     PCI
        .word   pci_data
        .else
        .word   0
        .endif
        .word   0
        .org    0x1e
        .ascii  "IBM"                           # as programs look for on a VGA
        .byte   0
        .ascii  "pyqemu VGA BIOS\r\n\0"

        .balign 4
        .if     PCI
pci_data:
        .ascii  "PCIR"
        .word   VENDOR, DEVICE
        .word   0                               # vital product data
        .word   24                              # length of this structure
        .byte   0                               # its revision
        .byte   0x00, 0x00, 0x03                # class: display, VGA
        .word   ROM_BYTES / 512
        .word   1                               # revision of the code
        .byte   0                               # for PC-AT
        .byte   0x80                            # the last image
        .word   0
        .endif

        .balign 4
pci_function:
        .if     PCI
        .long   0
        .else
        .long   NO_FUNCTION
        .endif
pci_function_balance:
        .long   0

# Saves everything, makes the segments and a 32-bit stack pointer, calls %target with gs:eax = the registers.
        .macro  enter_c target
        push    %ds
        push    %es
        push    %fs
        push    %gs
        pushal
        cld
        mov     %cs, %cx
        mov     %cx, %ds
        mov     %ss, %cx
        mov     %cx, %gs
        xor     %cx, %cx
        mov     %cx, %fs
        movzwl  %sp, %esp
        movzwl  %ax, %edx
        mov     %esp, %eax
        calll   \target
        mov     12(%esp), %eax                  # the upper half of esp was not ours
        mov     %sp, %ax
        mov     %eax, %esp
        popal
        pop     %gs
        pop     %fs
        pop     %es
        pop     %ds
        .endm

enter:
        enter_c start
        lret

int10_entry:
        enter_c int10
        iret

print_screen_entry:
        enter_c print_screen
        iret

# The window function of the mode information block: registers as for AX = 4F05h; ax and dx may change.
vbe_window_function:
        enter_c window_service
        lret

# int 10h and its VGA alias; what was int 10h before becomes int 42h. fs is 0.
set_vectors:
        push    %eax
        mov     %fs:0x10 * 4, %eax
        mov     %eax, %fs:0x42 * 4
        mov     %cs, %ax
        shl     $16, %eax
        mov     $int10_entry, %ax
        mov     %eax, %fs:0x10 * 4
        mov     %eax, %fs:0x6d * 4
        pop     %eax
        retl
