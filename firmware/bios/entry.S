/* Entries into the 16-bit half: reset, software and hardware interrupts; ways out: calls of other code.

   Source   IBM PC/AT Technical Reference (fixed addresses); Intel SDM volume 3, 9.9 (mode switches)

   Handlers are C functions that take a struct regs (bios.h) and run on our stack. A caller on another stack
   gets the one at bios_stack; code that interrupts us, or that we called, continues where we are. Whoever
   lets other code run lowers bios_stack first. */

#include "layout.h"

        .code16
        .section .text
        .globl  bios_stack
        .comm   caller_sp, 4
        .comm   caller_ss, 4

        .section .data
        .globl  awake
awake:  .byte   0                               /* 0 in the ROM, 1 once power-on has begun */
        .balign 4
bios_stack:
        .long   STACK_TOP
        .word   SEG_DATA, 0

        .section .text

/* Caller's stack: handler (4), IP, CS, flags. */
enter:  pushw   %ds
        pushl   %eax
        movw    $SEG_DATA, %ax
        movw    %ax, %ds
        cld
        movw    %ss, caller_ss
        movl    %esp, caller_sp
        movw    %ss, %ax
        cmpw    $SEG_DATA, %ax
        je      1f
        lssl    bios_stack, %esp
        jmp     2f
1:      movzwl  %sp, %esp
2:      pushl   caller_ss
        pushl   caller_sp
        pushl   $0
        pushal
        pushw   %ds
        pushw   %es
        pushw   %fs
        pushw   %gs
        movl    %esp, %ebx
        movw    48(%ebx), %fs
        movzwl  44(%ebx), %esi
        movl    %fs:(%esi), %eax
        movl    %eax, 36(%ebx)
        movw    %fs:4(%esi), %ax
        movw    %ax, 6(%ebx)
        movw    %fs:14(%esi), %ax
        movw    %ax, 40(%ebx)
        movl    %fs:6(%esi), %ecx
        movw    %ds, %ax
        movw    %ax, %es
        movw    $0x40, %ax
        movw    %ax, %gs
        movl    %ebx, %eax
        calll   *%ecx
        cli
        movw    48(%ebx), %fs
        movzwl  44(%ebx), %esi
        movl    36(%ebx), %eax
        movl    %eax, %fs:(%esi)
        movw    6(%ebx), %ax
        movw    %ax, %fs:4(%esi)
        movw    40(%ebx), %ax
        movw    %ax, %fs:14(%esi)
        popw    %gs
        popw    %fs
        popw    %es
        popw    %ax
        popal
        addw    $4, %sp
        movzwl  %sp, %esp
        lssl    %ss:(%esp), %esp
        popl    %eax
        popw    %ds
        addw    $4, %sp
        iretw

.macro  interrupt name handler
        .globl  \name
\name:  pushl   $\handler
        jmp     enter
.endm

        interrupt entry_irq_pic1, irq_unused
        interrupt entry_irq0, irq0
        interrupt entry_irq1, irq1
        interrupt entry_irq6, irq6
        interrupt entry_irq8, irq8
        interrupt entry_irq12, irq12
        interrupt entry_irq_disk, irq_disk
        interrupt entry_fpu, irq13
        interrupt entry_int10, int10
        interrupt entry_int11, int11
        interrupt entry_int12, int12
        interrupt entry_int13, int13
        interrupt entry_int14, int14
        interrupt entry_int15, int15
        interrupt entry_int16, int16
        interrupt entry_int17, int17
        interrupt entry_int1a, int1a

        interrupt entry_int10_serial, int10_serial      /* in front of the VGA BIOS */

/* The POST memory manager: a far call with its arguments on the caller's stack, as an interrupt. */
        .globl  entry_pmm
entry_pmm:
        pushfw
        cli
        pushw   %cs
        pushw   $1f
        pushl   $pmm_call
        jmp     enter
1:      lretw

/* int 18h and 19h do not come back: fresh stack. */
        .globl  entry_int19, entry_int18
entry_int18:
        cli
        movl    $int18, %ecx
        jmp     1f
entry_int19:
        cli
        movl    $int19, %ecx
1:      cld
        movw    $SEG_DATA, %ax
        movw    %ax, %ds
        movw    %ax, %es
        movl    $STACK_TOP, bios_stack
        lssl    bios_stack, %esp
        movw    $0x40, %ax
        movw    %ax, %gs
        calll   *%ecx
2:      hlt
        jmp     2b

/* void call_interrupt(regs, segment:offset) */
        .globl  call_interrupt, call_far
call_interrupt:
        pushl   %ebp
        movl    $1, %ecx
        jmp     1f
/* void call_far(regs, segment:offset) */
call_far:
        pushl   %ebp
        xorl    %ecx, %ecx
1:      pushl   %ebx
        pushl   %esi
        pushl   %edi
        pushl   bios_stack
        pushl   %eax
        movl    %esp, %ebx
        subl    $STACK_GAP, %ebx
        movl    %ebx, bios_stack
        testl   %ecx, %ecx
        jz      2f
        pushfw
2:      pushw   %cs
        pushw   $came_back
        pushl   %edx                            /* segment:offset, for the far return that calls it */
        movl    %eax, %ebp
        pushw   4(%ebp)                         /* ES */
        pushw   6(%ebp)                         /* DS */
        movl    8(%ebp), %edi
        movl    12(%ebp), %esi
        movl    24(%ebp), %ebx
        movl    28(%ebp), %edx
        movl    32(%ebp), %ecx
        movl    36(%ebp), %eax
        movl    16(%ebp), %ebp
        popw    %ds
        popw    %es
        lretw
came_back:
        cli
        cld
        movzwl  %sp, %esp                       /* SS is ours again; the six longs saved above are on top */
        pushfw
        pushw   %es
        pushw   %ds
        pushl   %ebp
        movl    10(%esp), %ebp                  /* regs */
        movl    %eax, %ss:36(%ebp)
        movl    %ecx, %ss:32(%ebp)
        movl    %edx, %ss:28(%ebp)
        movl    %ebx, %ss:24(%ebp)
        movl    %esi, %ss:12(%ebp)
        movl    %edi, %ss:8(%ebp)
        popl    %eax
        movl    %eax, %ss:16(%ebp)
        popw    %ss:6(%ebp)
        popw    %ss:4(%ebp)
        popw    %ss:40(%ebp)
        movw    $SEG_DATA, %ax
        movw    %ax, %ds
        movw    %ax, %es
        movw    $0x40, %ax
        movw    %ax, %gs
        popl    %eax
        popl    bios_stack
        popl    %edi
        popl    %esi
        popl    %ebx
        popl    %ebp
        retl

/* void call_with_words(segment:offset, words): the mouse handler's way of getting a packet */
        .globl  call_with_words
call_with_words:
        pushl   %ebp
        pushl   %ebx
        pushl   %esi
        pushl   %edi
        pushl   bios_stack
        movl    %esp, %ebx
        subl    $STACK_GAP, %ebx
        movl    %ebx, bios_stack
        pushl   4(%edx)
        pushl   (%edx)
        pushw   %cs
        pushw   $1f
        pushl   %eax
        xorl    %eax, %eax
        sti
        lretw
1:      cli
        cld
        movw    $SEG_DATA, %ax
        movw    %ax, %ds
        movw    %ax, %es
        movw    $0x40, %ax
        movw    %ax, %gs
        addw    $8, %sp
        movzwl  %sp, %esp
        popl    bios_stack
        popl    %edi
        popl    %esi
        popl    %ebx
        popl    %ebp
        retl

/* Interrupts may come now; what they run on our stack stays above bios_stack. */
        .globl  wait_a_bit, wait_interrupt
wait_interrupt:
        movb    $1, %al
        jmp     1f
wait_a_bit:
        xorb    %al, %al
1:      pushl   %ebx
        pushl   bios_stack
        pushfw
        movl    %esp, %ebx
        subl    $STACK_GAP, %ebx
        movl    %ebx, bios_stack
        testb   %al, %al
        jz      2f
        sti
        hlt
        jmp     3f
2:      sti
        nop
3:      popfw
        popl    bios_stack
        popl    %ebx
        retl

/* void boot_jump(segment:offset, dl); ES:DI is the Plug and Play installation check. */
        .globl  boot_jump
boot_jump:
        movl    %eax, %ebx
        xorl    %eax, %eax
        movl    $STACK_TOP, bios_stack
        movw    %ax, %ds
        movw    %ax, %ss
        movl    $0x7c00, %esp
        movw    $SEG_CODE, %ax
        movw    %ax, %es
        movl    $pnp_header, %edi
        xorw    %ax, %ax
        movw    %ax, %fs
        movw    %ax, %gs
        xorl    %ecx, %ecx
        xorl    %esi, %esi
        xorl    %ebp, %ebp
        pushl   %ebx
        xorl    %ebx, %ebx
        movl    $0xaa55, %eax
        sti
        lretw

/* void boot_vector(segment:offset): a boot entry in a ROM, on the stack that it expects below 7C00. If it comes
   back, that is as int 18h. */
        .globl  boot_vector
boot_vector:
        movl    $STACK_TOP, bios_stack
        xorl    %ebx, %ebx
        movw    %bx, %ds
        movw    %bx, %ss
        movl    $0x7c00, %esp
        pushw   %cs
        pushw   $entry_int18
        pushl   %eax
        movw    $SEG_CODE, %ax
        movw    %ax, %es
        movl    $pnp_header, %edi
        xorl    %eax, %eax
        xorl    %ecx, %ecx
        xorl    %edx, %edx
        xorl    %esi, %esi
        xorl    %ebp, %ebp
        sti
        lretw

/* ---- changes of mode */

        .section .text
        .balign 8
        .globl  gdt
gdt:    .quad   0
        .quad   0x00cf9b000000ffff              /* SEL_CODE32: flat */
        .quad   0x00cf93000000ffff              /* SEL_DATA32 */
        .quad   0x00009b0f0000ffff              /* SEL_CODE16: F0000 */
        .quad   0x0000930e0000ffff              /* SEL_DATA16: E0000 */
gdt_end:
gdt_pointer:
        .word   gdt_end - gdt - 1
        .long   CODE_BASE + gdt
idt_real:
        .word   0x3ff
        .long   0

/* Power-on: straight to 32 bits, in the ROM below 4 GiB, which stays when PAM opens the RAM below 1 MiB. */
power_on:
        cli
        cld
        movw    $SEG_DATA, %ax
        movw    %ax, %ds
        cmpb    $0, awake                       /* somebody has jumped here: chips need a reset, too */
        jne     hard_reset
        movw    %cs, %ax
        movw    %ax, %ds
        lgdtl   gdt_pointer
        movl    %cr0, %eax
        andl    $0x1fffffff, %eax               /* caches on */
        orl     $1, %eax
        movl    %eax, %cr0
        ljmpl   $SEL_CODE32, $(0xffff0000 + shadow)

hard_reset:
        movw    $0xcf9, %dx                     /* PIIX3, keyboard controller, triple fault */
        movb    $2, %al
        outb    %al, %dx
        movb    $6, %al
        outb    %al, %dx
        movb    $0xfe, %al
        outb    %al, $0x64
        lidtl   %cs:idt_none
        int3
idt_none:
        .word   0
        .long   0

        .code32
shadow: movl    $SEL_DATA32, %eax
        movl    %eax, %ds
        movl    %eax, %es
        movl    %eax, %ss
        movl    %eax, %fs
        movl    %eax, %gs
        movw    $0xcf8, %dx                     /* a 440FX at 00:00.0? Without it RAM needs no switch */
        movl    $0x80000000, %eax
        outl    %eax, %dx
        movw    $0xcfc, %dx
        inl     %dx, %eax
        cmpl    $0x12378086, %eax
        jne     1f
        movw    $0xcf8, %dx                     /* PAM0..6, 59-5F: read and write RAM */
        movl    $0x80000058, %eax
        outl    %eax, %dx
        movw    $0xcfc, %dx
        inl     %dx, %eax
        movb    %al, %bl                        /* 58 is another register */
        movl    $0x33333000, %eax
        movb    %bl, %al
        outl    %eax, %dx
        movw    $0xcf8, %dx
        movl    $0x8000005c, %eax
        outl    %eax, %dx
        movw    $0xcfc, %dx
        movl    $0x33333333, %eax
        outl    %eax, %dx
1:      movl    $0xfffe0000, %esi
        movl    $DATA_BASE, %edi
        movl    $0x8000, %ecx
        rep movsl
        movb    $1, DATA_BASE + awake
        movl    $(DATA_BASE + STACK_TOP), %esp
        movl    $DATA_BASE, %eax                /* the first bytes of the 32-bit half */
        jmp     *%eax

/* 32-bit caller: EAX = offset of a 16-bit function, EDX = its argument. The stack is the same memory. */
        .globl  call16
call16: pushl   %ebx
        pushl   %esi
        pushl   %edi
        pushl   %ebp
        movl    %eax, %ecx
        subl    $DATA_BASE, %esp
        ljmpl   $SEL_CODE16, $1f
        .code16
1:      movw    $SEL_DATA16, %ax
        movw    %ax, %ds
        movw    %ax, %es
        movw    %ax, %fs
        movw    %ax, %gs
        movw    %ax, %ss
        movl    %cr0, %eax
        andb    $0xfe, %al
        movl    %eax, %cr0
        ljmpw   $SEG_CODE, $2f
2:      movw    $SEG_DATA, %ax
        movw    %ax, %ds
        movw    %ax, %es
        movw    %ax, %ss
        movw    $0x40, %ax
        movw    %ax, %gs
        lidtl   %cs:idt_real
        movl    %edx, %eax
        calll   *%ecx
        cli
        movl    %eax, %edx
        lgdtl   %cs:gdt_pointer
        movl    %cr0, %eax
        orb     $1, %al
        movl    %eax, %cr0
        ljmpl   $SEL_CODE32, $(CODE_BASE + 3f)
        .code32
3:      movl    $SEL_DATA32, %eax
        movl    %eax, %ds
        movl    %eax, %es
        movl    %eax, %ss
        movl    %eax, %fs
        movl    %eax, %gs
        addl    $DATA_BASE, %esp
        movl    %edx, %eax
        popl    %ebp
        popl    %edi
        popl    %esi
        popl    %ebx
        ret

/* 16-bit caller: EAX = flat address of a 32-bit function, EDX = its argument. */
        .code16
        .globl  call32
call32: pushl   %ebx
        pushl   %esi
        pushl   %edi
        pushl   %ebp
        movl    %eax, %ecx
        lgdtl   %cs:gdt_pointer
        movl    %cr0, %eax
        orb     $1, %al
        movl    %eax, %cr0
        ljmpl   $SEL_CODE32, $(CODE_BASE + 1f)
        .code32
1:      movl    $SEL_DATA32, %eax
        movl    %eax, %ds
        movl    %eax, %es
        movl    %eax, %ss
        movl    %eax, %fs
        movl    %eax, %gs
        addl    $DATA_BASE, %esp
        movl    %edx, %eax
        call    *%ecx
        movl    %eax, %edx
        subl    $DATA_BASE, %esp
        ljmpl   $SEL_CODE16, $2f
        .code16
2:      movw    $SEL_DATA16, %ax
        movw    %ax, %ds
        movw    %ax, %es
        movw    %ax, %fs
        movw    %ax, %gs
        movw    %ax, %ss
        movl    %cr0, %eax
        andb    $0xfe, %al
        movl    %eax, %cr0
        ljmpw   $SEG_CODE, $3f
3:      movw    $SEG_DATA, %ax
        movw    %ax, %ds
        movw    %ax, %es
        movw    %ax, %ss
        movw    $0x40, %ax
        movw    %ax, %gs
        lidtl   %cs:idt_real
        movl    %edx, %eax
        popl    %ebp
        popl    %edi
        popl    %esi
        popl    %ebx
        retl

/* ---- addresses that software knows */

        .section .fixed.configuration, "ax"     /* F000:E6F5, int 15h function C0h: length, a PC/AT, revision 1 */
        .globl  configuration
configuration:
        .word   8
        .byte   0xfc, 0, 1
        .byte   0x74, 0x40, 0, 0, 0             /* second PIC, RTC, int 09h calls 4Fh, EBDA; int 16h function 09h */

        .section .fixed.diskette, "ax"          /* F000:EFC7, int 1Eh: a 1.44 MiB drive */
        .globl  diskette_table
diskette_table:
        .byte   0xaf, 0x02, 0x25, 2, 18, 0x1b, 0xff, 0x6c, 0xf6, 0x0f, 0x08

        .section .fixed.iret, "ax"              /* F000:FF53 */
entry_iret:
        iretw

        .section .fixed.reset, "ax"             /* F000:FFF0 */
        .code16
        .globl  reset_vector
reset_vector:
        ljmpw   $SEG_CODE, $power_on
        .ascii  "11/24/26"
        .byte   0
        .byte   0xfc                            /* a PC/AT */
        .byte   0
