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

        .equ    KEY_ID, 0x01
        .equ    KEY_KERNEL, 0x110807            # data, size, address
        .equ    KEY_INITRD, 0x120b0a
        .equ    KEY_CMDLINE, 0x151413
        .equ    KEY_SETUP, 0x181716
        .equ    DMA_CAPABLE, 0x02
        .equ    RAMDISK_IMAGE, 0x218            # in the setup header
        .equ    FLAT, 8                         # selectors
        .equ    REAL, 16

        .include "boot_rom.inc"
        .asciz  "Linux loader"

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

        .include "fw_cfg.inc"

# Both are marked accessed already: the processor cannot write to this table.
        .balign 8
gdt:    .quad   0
        .quad   0x008f93000000ffff              # data, base 0, 4 GiB
        .quad   0x000093000000ffff              # data, base 0, 64 KiB
gdt_end:
