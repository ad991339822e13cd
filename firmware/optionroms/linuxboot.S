# linuxboot: an option ROM that boots the Linux kernel which the machine offers through fw_cfg (-kernel).
#
# Source   Linux boot protocol (Documentation/arch/x86/boot.rst, "Running the kernel"); Plug and Play BIOS
#          Specification 1.0A, 3.2 (expansion header), BIOS Boot Specification 1.01, 3.3 (bootstrap entry
#          vector); fw_cfg (docs/specs/fw_cfg of QEMU)
# Entry    init: called by the BIOS while it scans for ROMs. A Plug and Play BIOS boots us through the vector;
#          for any other we take interrupt 19h
#          boot: copies setup, command line, kernel and RAM disk to the addresses in fw_cfg and jumps
# Stack    the BIOS's; all variables live there, because the ROM is read-only by then
#
# Items are (address key, size key, data key); numbers in them are little endian.

        .code16
        .text
        .globl  _start

        .equ    FW_SELECT, 0x510
        .equ    FW_DATA, 0x511
        .equ    FW_DMA, 0x514
        .equ    KEY_ID, 0x01
        .equ    KEY_KERNEL, 0x110807            # data, size, address
        .equ    KEY_INITRD, 0x120b0a
        .equ    KEY_CMDLINE, 0x151413
        .equ    KEY_SETUP, 0x181716
        .equ    DMA_CAPABLE, 0x02
        .equ    DMA_ERROR, 0x01
        .equ    DMA_READ_SELECT, 0x0a           # select the key in the upper half, then read
        .equ    RAMDISK_IMAGE, 0x218            # in the setup header
        .equ    FLAT, 8                         # selectors
        .equ    REAL, 16

_start:
        .word   0xaa55
        .byte   ROM_BYTES / 512
        jmp     init                            # offset 3
        .org    0x18
        .word   0                               # no PCI data structure
        .word   pnp

        .balign 16
pnp:    .ascii  "$PnP"
        .byte   1                               # revision
        .byte   (pnp_end - pnp) / 16
        .word   0                               # no further header
        .byte   0
pnp_checksum:
        .byte   0                               # made right by checksum.py
        .long   0                               # device identifier
        .word   manufacturer
        .word   product
        .byte   0, 0x80, 0x01                   # class: storage, other
        .byte   0x64                            # read cacheable, initial program load device
        .word   0                               # no boot connection vector: the BIOS keeps int 13h
        .word   0                               # no disconnect vector
        .word   boot                            # bootstrap entry vector
        .word   0
        .word   0
pnp_end:

manufacturer:
        .asciz  "pyqemu"
product:
        .asciz  "Linux loader"

# es:di points to the installation check of a Plug and Play BIOS, if there is one.
init:
        cmpl    $0x506e5024, %es:(%di)          # "$PnP"
        je      1f
        push    %ax
        push    %ds
        xor     %ax, %ax
        mov     %ax, %ds
        movw    $boot, 0x19 * 4
        mov     %cs, 0x19 * 4 + 2
        pop     %ds
        pop     %ax
1:      mov     $0x20, %ax                      # there is a boot device
        lret

# Variables, relative to %bp.
        .equ    SETUP_AT, -4
        .equ    CMDLINE_AT, -8
        .equ    INITRD_AT, -12
        .equ    HAS_DMA, -16
        .equ    SCRATCH, -20
        .equ    DMA_BLOCK, -36                  # control, length, address: big endian
        .equ    GDT_POINTER, -44
        .equ    LOCALS, 48

boot:
        cld
        movzwl  %sp, %ebp
        sub     $LOCALS, %bp
        and     $0xfff0, %bp
        mov     %bp, %sp                        # a red zone below what was there
        add     $LOCALS, %bp

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

        mov     $(KEY_SETUP & 0xff), %ax
        call    get_number
        mov     %eax, SETUP_AT(%bp)
        mov     $(KEY_CMDLINE & 0xff), %ax
        call    get_number
        mov     %eax, CMDLINE_AT(%bp)
        call    place_initrd

        mov     $KEY_SETUP, %ebx
        mov     SETUP_AT(%bp), %edi
        call    load
        mov     $KEY_CMDLINE, %ebx
        mov     CMDLINE_AT(%bp), %edi
        call    load
        mov     $(KEY_KERNEL & 0xff), %ax
        call    get_number
        mov     %eax, %edi
        mov     $KEY_KERNEL, %ebx
        call    load
        mov     INITRD_AT(%bp), %edi
        test    %edi, %edi
        jz      start
        mov     $KEY_INITRD, %ebx
        call    load

# "%ds = %es = %ss = the real-mode part's segment, %sp the top of its heap, interrupts off."
start:
        cli
        mov     SETUP_AT(%bp), %ebx
        mov     CMDLINE_AT(%bp), %ecx
        mov     INITRD_AT(%bp), %edx
        mov     %ebx, %eax
        shr     $4, %eax
        mov     %ax, %ds
        mov     %ax, %es
        mov     %ax, %fs
        mov     %ax, %gs
        mov     %ax, %ss
        sub     %ebx, %ecx
        sub     $16, %ecx
        movzwl  %cx, %esp
        test    %edx, %edx
        jz      1f
        mov     %edx, RAMDISK_IMAGE             # where the RAM disk really is
1:      add     $0x20, %ax
        push    %ax
        xor     %ax, %ax
        push    %ax
        xor     %eax, %eax
        xor     %ebx, %ebx
        xor     %ecx, %ecx
        xor     %edx, %edx
        xor     %esi, %esi
        xor     %edi, %edi
        xor     %ebp, %ebp
        lret

fail:
        int     $0x18
        hlt
        jmp     fail

# The RAM disk's address (0: none): what fw_cfg says, or lower if the firmware put its tables there.
place_initrd:
        mov     $(KEY_INITRD >> 8 & 0xff), %ax
        call    get_number
        mov     %eax, INITRD_AT(%bp)
        test    %eax, %eax
        jz      2f
        push    %eax
        mov     $(KEY_INITRD & 0xff), %ax
        call    get_number
        mov     %eax, INITRD_AT(%bp)
        xor     %ecx, %ecx
        xor     %edx, %edx
        mov     $0xe801, %ax                    # bx or dx: 64 KiB blocks from 16 MiB up
        push    %bp
        int     $0x15
        pop     %bp
        pop     %esi                            # size
        jc      2f
        test    %dx, %dx
        jnz     1f
        mov     %bx, %dx
1:      movzwl  %dx, %edx
        test    %edx, %edx
        jz      2f                              # all RAM is below 16 MiB
        shl     $16, %edx
        add     $0x1000000, %edx
        sub     %esi, %edx
        and     $0xfffff000, %edx
        cmp     INITRD_AT(%bp), %edx
        jae     2f
        mov     %edx, INITRD_AT(%bp)
2:      ret

# ax = key -> eax = its first four bytes.
get_number:
        push    %ebx
        movzwl  %ax, %ebx
        shl     $16, %ebx
        mov     $4, %ecx
        xor     %edi, %edi
        mov     %ss, %di
        shl     $4, %edi
        lea     SCRATCH(%bp), %ax
        movzwl  %ax, %eax
        add     %eax, %edi
        movl    $0, SCRATCH(%bp)
        call    read_item
        mov     SCRATCH(%bp), %eax
        pop     %ebx
        ret

# ebx = keys, edi = linear address: copy a whole item there.
load:
        push    %edi
        movzbw  %bh, %ax
        call    get_number
        mov     %eax, %ecx
        pop     %edi

# bits 16-31 of ebx = key, ecx = bytes, edi = linear address.
read_item:
        shr     $16, %ebx
        cmpb    $0, HAS_DMA(%bp)
        jne     read_dma
        pushf
        cli                                     # a handler might leave %es with another limit
        call    flat_es
        mov     %bx, %ax
        mov     $FW_SELECT, %dx
        out     %ax, %dx
        mov     $FW_DATA, %dx
        addr32 rep insb                         # es:edi
        call    real_es
        popf
        ret

read_dma:
        shl     $16, %ebx
        mov     $DMA_READ_SELECT, %bl
        bswap   %ebx
        mov     %ebx, DMA_BLOCK(%bp)
        bswap   %ecx
        mov     %ecx, DMA_BLOCK+4(%bp)
        movl    $0, DMA_BLOCK+8(%bp)
        bswap   %edi
        mov     %edi, DMA_BLOCK+12(%bp)
        mov     $FW_DMA, %dx
        xor     %eax, %eax
        out     %eax, %dx
        mov     %ss, %ax
        shl     $4, %eax
        lea     DMA_BLOCK(%bp), %cx
        movzwl  %cx, %ecx
        add     %ecx, %eax
        bswap   %eax
        mov     $FW_DMA + 4, %dx
        out     %eax, %dx
1:      mov     DMA_BLOCK(%bp), %eax
        bswap   %eax
        test    $DMA_ERROR, %al
        jnz     fail
        test    %eax, %eax
        jnz     1b                              # still at it
        ret

# "Flat real mode": es keeps base 0 and a limit of 4 GiB from a visit to protected mode. Interrupts are off.
flat_es:
        push    %dx
        mov     $FLAT, %dx
        jmp     visit
real_es:
        push    %dx
        mov     $REAL, %dx
visit:
        push    %eax
        xor     %eax, %eax
        mov     %cs, %ax
        shl     $4, %eax
        add     $gdt, %eax
        movw    $gdt_end - gdt - 1, GDT_POINTER(%bp)
        mov     %eax, GDT_POINTER+2(%bp)
        lgdtl   GDT_POINTER(%bp)
        mov     %cr0, %eax
        or      $1, %al
        mov     %eax, %cr0
        jmp     1f
1:      mov     %dx, %es
        and     $0xfe, %al
        mov     %eax, %cr0
        jmp     1f
1:      xor     %dx, %dx                        # a value that agrees with the base
        mov     %dx, %es
        pop     %eax
        pop     %dx
        ret

# Both are marked accessed already: the processor cannot write to this table.
        .balign 8
gdt:    .quad   0
        .quad   0x008f93000000ffff              # data, base 0, 4 GiB
        .quad   0x000093000000ffff              # data, base 0, 64 KiB
gdt_end:

        .org    ROM_BYTES - 1
        .byte   0                               # checksum, made right by checksum.py
