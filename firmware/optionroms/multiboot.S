# multiboot: an option ROM that boots the Multiboot kernel which the machine offers through fw_cfg (-kernel).
#
# Source   Multiboot Specification 0.6.96, 3.2 (machine state) and 3.3 (boot information); Plug and Play BIOS
#          Specification 1.0A, 3.2; BIOS Boot Specification 1.01, 3.3; ACPI 6.4, 15.1 (int 15h E820)
# Entry    init: called by the BIOS while it scans for ROMs. A Plug and Play BIOS boots us through the vector;
#          for any other we take interrupt 19h
#          boot: copies the information structure, adds sizes and map of memory, copies the kernel and jumps
# Stack    7000 to 8000; all variables live there, because the ROM is read-only by then
#
# The kernel and its modules are one item. So is the structure, at 9000, and the memory map goes behind it.

        .code16
        .text
        .globl  _start

        .equ    KEY_ID, 0x01
        .equ    KEY_KERNEL, 0x110807            # data, size, address
        .equ    KEY_INFORMATION, 0x120b0a
        .equ    KEY_ENTRY, 0x10
        .equ    DMA_CAPABLE, 0x02
        .equ    FLAT, 8                         # selectors
        .equ    REAL, 16
        .equ    CODE, 24
        .equ    STACK_TOP, 0x8000

# In the information structure: flags, KiB below 640 KiB and from 1 MiB up, length and address of the map.
        .equ    INFORMATION, 0x9000
        .equ    FLAGS, 0
        .equ    LOWER, 4
        .equ    UPPER, 8
        .equ    MAP_LENGTH, 44
        .equ    MAP_ADDRESS, 48
        .equ    HAS_MAP, 0x40
        .equ    MAP_END, 0xa000
        .equ    MAP_ENTRY, 20                   # without the field that holds this number
        .equ    SMAP, 0x534d4150
        .equ    MIB, 0x100000
        .equ    MULTIBOOT, 0x2badb002

        .include "boot_rom.inc"
        .asciz  "Multiboot loader"

# Variables, relative to %bp.
        .equ    HAS_DMA, -4
        .equ    SCRATCH, -8
        .equ    DMA_BLOCK, -24                  # control, length, address: big endian
        .equ    GDT_POINTER, -32
        .equ    LOCALS, 32

boot:
        cli
        cld
        xor     %ax, %ax
        mov     %ax, %ss
        mov     $STACK_TOP - LOCALS, %esp
        mov     $STACK_TOP, %ebp
        mov     %ax, %ds
        mov     %ax, %es
        sti

        in      $0x92, %al                      # A20 on, without touching the reset bit
        or      $0x02, %al
        and     $0xfe, %al
        out     %al, $0x92

        movb    $0, HAS_DMA(%bp)
        mov     $KEY_ID, %ax
        call    get_number
        and     $DMA_CAPABLE, %al
        mov     %al, HAS_DMA(%bp)

        mov     $(KEY_KERNEL >> 8 & 0xff), %ax
        call    get_number
        test    %eax, %eax
        jz      fail                            # no kernel here: the next boot device, please

        mov     $KEY_INFORMATION, %ebx
        mov     $INFORMATION, %edi
        call    load
        call    describe_memory
        mov     $(KEY_KERNEL & 0xff), %ax
        call    get_number
        mov     %eax, %edi
        mov     $KEY_KERNEL, %ebx
        call    load
        mov     $KEY_ENTRY, %ax
        call    get_number
        mov     %eax, %esi

# "A 32-bit code segment and data segments of 4 GiB, paging and interrupts off, eax and ebx as said."
        cli
        xor     %eax, %eax
        mov     %cs, %ax
        shl     $4, %eax
        lea     gdt(%eax), %edx
        movw    $gdt_end - gdt - 1, GDT_POINTER(%bp)
        mov     %edx, GDT_POINTER+2(%bp)
        lgdtl   GDT_POINTER(%bp)
        add     $protected, %eax
        pushl   $CODE
        push    %eax
        mov     %cr0, %eax
        or      $1, %al
        mov     %eax, %cr0
        lretl

        .code32
protected:
        mov     $FLAT, %eax
        mov     %eax, %ds
        mov     %eax, %es
        mov     %eax, %fs
        mov     %eax, %gs
        mov     %eax, %ss
        mov     $MULTIBOOT, %eax
        mov     $INFORMATION, %ebx
        jmp     *%esi
        .code16

fail:
        int     $0x18
        hlt
        jmp     fail

# The map that the BIOS has, in the form of the structure; then both sizes.
describe_memory:
        int     $0x12
        movzwl  %ax, %eax
        mov     %eax, INFORMATION + LOWER
        mov     INFORMATION + MAP_ADDRESS, %di
        xor     %ebx, %ebx
1:      movl    $MAP_ENTRY, (%di)
        add     $4, %di
        mov     $0xe820, %eax
        mov     $SMAP, %edx
        mov     $MAP_ENTRY, %ecx
        push    %di
        push    %bp
        int     $0x15
        pop     %bp
        pop     %di
        jc      2f
        cmp     $SMAP, %eax
        jne     2f
        call    note_upper
        add     $MAP_ENTRY, %di
        addw    $MAP_ENTRY + 4, INFORMATION + MAP_LENGTH
        cmp     $MAP_END - MAP_ENTRY - 4, %di
        ja      2f
        test    %ebx, %ebx
        jnz     1b
2:      cmpw    $0, INFORMATION + MAP_LENGTH
        jne     4f

        andb    $~HAS_MAP, INFORMATION + FLAGS  # a BIOS without a map: KiB up to 16 MiB, 64 KiB blocks beyond
        mov     $0xe801, %ax
        push    %bp
        int     $0x15
        pop     %bp
        jc      3f
        movzwl  %ax, %eax
        movzwl  %bx, %ebx
        shl     $6, %ebx
        cmp     $15 << 10, %eax
        jb      5f
        add     %ebx, %eax
        jmp     5f
3:      mov     $0x88, %ah
        int     $0x15
        movzwl  %ax, %eax
5:      mov     %eax, INFORMATION + UPPER
4:      ret

# ds:di = an entry of the map. RAM that holds the address 1 MiB gives the size above it.
note_upper:
        cmpl    $1, 16(%di)                     # RAM?
        jne     1f
        cmpl    $0, 4(%di)
        jne     1f
        mov     (%di), %eax
        cmp     $MIB, %eax
        ja      1f
        xor     %edx, %edx
        add     8(%di), %eax                    # its end
        adc     12(%di), %edx
        sub     $MIB, %eax
        sbb     $0, %edx
        jb      1f
        shrd    $10, %edx, %eax
        mov     %eax, INFORMATION + UPPER
1:      ret

        .include "fw_cfg.inc"

# All are marked accessed already: the processor cannot write to this table.
        .balign 8
gdt:    .quad   0
        .quad   0x00cf93000000ffff              # data, base 0, 4 GiB
        .quad   0x000093000000ffff              # data, base 0, 64 KiB
        .quad   0x00cf9b000000ffff              # 32-bit code, base 0, 4 GiB
gdt_end:
