/* The Plug and Play installation check, the 32-bit directory and PCI entry: structures in the code segment that
   software finds by searching F0000-FFFFF for their signatures.

   Source   Plug and Play BIOS Specification 1.0A, 4.4; Standard BIOS 32-bit Service Directory Proposal 0.4;
            PCI BIOS Specification 2.1, 3.3; POST Memory Manager Specification 1.01, 3.1

   Checksums are set by mkimage.py. */

#include "layout.h"

        .code16
        .section .text
        .globl  pnp_header, bios32_header, pmm_header, pci_buses
        .balign 16
pnp_header:
        .ascii  "$PnP"
        .byte   0x10, 33                        /* version, length */
        .word   0                               /* no events */
        .byte   0                               /* checksum */
        .long   0
        .word   pnp_entry, SEG_CODE
        .word   pnp_entry                       /* protected mode: offset in, and base of, the code */
        .long   CODE_BASE
        .long   0
        .word   SEG_CODE                        /* real mode data */
        .long   CODE_BASE

        .balign 16
bios32_header:
        .ascii  "_32_"
        .long   CODE_BASE + bios32_entry
        .byte   0, 1, 0                         /* revision, length, checksum */
        .zero   5

/* No function is offered: FUNCTION_NOT_SUPPORTED. */
pnp_entry:
        movw    $0x82, %ax
        lretw

        .code32
/* EAX: the service that is looked for; EBX: 0. Out: AL 0, EBX base, ECX length, EDX entry. */
bios32_entry:
        cmpl    $0x49435024, %eax               /* "$PCI" */
        jne     1f
        cmpb    $0, %bl
        jne     2f
        movl    $CODE_BASE, %ebx
        movl    $0x10000, %ecx
        movl    $pci_entry, %edx
        movb    $0, %al
        lret
1:      movb    $0x80, %al
        lret
2:      movb    $0x81, %al
        lret

        .globl  pci_entry
pci_entry:
        pushfl
        pushal
        cld
        movl    %esp, %eax
        call    1f
1:      popl    %edx
        movzbl  %cs:pci_buses - 1b(%edx), %edx
        call    pci_services_32
        testb   $1, 32(%esp)
        popal
        jz      2f
        popfl
        stc
        lret
2:      popfl
        clc
        lret

/* What power-on changes here is behind the code, on other pages. */
        .section .changing, "ax"
        .balign 16
pmm_header:
        .ascii  "$PMM"
        .byte   1, 16, 0                        /* revision, length, checksum */
        .word   entry_pmm, SEG_CODE
        .zero   5
pci_buses:
        .byte   1
