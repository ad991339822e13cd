# The Multiboot header, the entry, and the stubs that interrupts go through.
#
# Source   Multiboot Specification 0.6.96, 3.1 and 3.2; Intel SDM volume 3, 6.12 (interrupt handlers)

        .equ    MAGIC, 0x1badb002
        .equ    FLAGS, 3                        # modules on pages, sizes of memory
        .equ    STACK_BYTES, 8192

        .section .header, "ax"
        .long   MAGIC, FLAGS, -(MAGIC + FLAGS)

        .text
        .globl  start, interrupt_stubs, load_tables, give_up
start:
        mov     $stack + STACK_BYTES, %esp
        push    %ebx                            # the information structure
        push    %eax                            # who called
        call    demo
give_up:
        cli
        hlt
        jmp     give_up

# load_tables(gdt pointer, idt pointer): a loader's own tables may be anywhere.
load_tables:
        mov     4(%esp), %eax
        lgdt    (%eax)
        mov     8(%esp), %eax
        lidt    (%eax)
        ljmp    $8, $1f
1:      mov     $16, %eax
        mov     %eax, %ds
        mov     %eax, %es
        mov     %eax, %fs
        mov     %eax, %gs
        mov     %eax, %ss
        ret

# 48 stubs of 16 bytes: 32 exceptions, 16 interrupts. Each pushes an error code, if the processor did not, and its
# number.
        .balign 16
interrupt_stubs:
        .set    number, 0
        .rept   48
        .balign 16
        .if     (number == 8) || (number >= 10 && number <= 14) || (number == 17) || (number == 21)
        .else
        push    $0
        .endif
        push    $number
        jmp     interrupt
        .set    number, number + 1
        .endr

        .balign 16
interrupt:
        pusha
        cld
        push    %esp                            # struct frame *
        call    handle_interrupt
        add     $4, %esp
        popa
        add     $8, %esp
        iret

        .bss
        .balign 16
stack:  .space  STACK_BYTES
