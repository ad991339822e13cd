# Moves within the first 4 GiB, for video memory that lies where real mode does not reach.
#
# Source   Intel 64 and IA-32 Architectures Software Developer's Manual 3A, 3.4.3 (segment registers keep what was
#          loaded), 9.9 (switching modes)
#
# Protected mode is on for as long as the move takes, with interrupts off. Code and stack segment keep what real
# mode loaded. Afterwards ds and es have real mode's limits again.

        .code16
        .section .text, "ax"
        .globl  linear_move, linear_clear

        .equ    FLAT, 8
        .equ    SMALL, 16
        .equ    TABLE_BYTES, 24

        .balign 8
table:  .quad   0
        .quad   0x00cf93000000ffff              # FLAT: data, all 4 GiB
        .quad   0x000093000000ffff              # SMALL: data, 64 KiB

        .macro  save
        push    %ebx
        push    %esi
        push    %edi
        push    %ebp
        .endm
        .equ    ARGUMENTS, 4 * 4 + 4            # on the stack: behind what "save" leaves and the return address

# void linear_move(u32 to, u32 from, u32 bytes, u32 lines, u32 to_pitch, u32 from_pitch)
linear_move:
        save
        mov     %eax, %edi
        mov     %edx, %esi
        mov     ARGUMENTS(%esp), %ebx
        mov     ARGUMENTS + 4(%esp), %ebp
        sub     %ecx, %ebp                      # from the end of a line to the next
        mov     ARGUMENTS + 8(%esp), %eax
        sub     %ecx, %eax
        push    %eax
        mov     %ecx, %edx
        calll   enter_protected
1:      mov     %edx, %ecx
        shr     $2, %ecx
        addr32 rep movsl
        mov     %edx, %ecx
        and     $3, %ecx
        addr32 rep movsb
        add     %ebp, %edi
        add     FROM(%esp), %esi
        dec     %ebx
        jnz     1b
        jmp     leave

# void linear_clear(u32 to, u32 bytes, u32 lines, u32 pitch)
linear_clear:
        save
        mov     %eax, %edi
        mov     %ecx, %ebx
        mov     ARGUMENTS(%esp), %ebp
        sub     %edx, %ebp
        push    %ebp
        calll   enter_protected
        xor     %eax, %eax
1:      mov     %edx, %ecx
        shr     $2, %ecx
        addr32 rep stosl
        mov     %edx, %ecx
        and     $3, %ecx
        addr32 rep stosb
        add     %ebp, %edi
        dec     %ebx
        jnz     1b
leave:
        mov     $SMALL, %ax
        mov     %ax, %ds
        mov     %ax, %es
        mov     %cr0, %eax
        and     $~1, %al
        mov     %eax, %cr0
        jmp     1f
1:      lgdtl   (%esp)                          # the caller's
        add     $12, %esp
        pop     %es
        pop     %ds
        popfl
        pop     %eax
        pop     %ebp
        pop     %edi
        pop     %esi
        pop     %ebx
        retl

# Leaves on the stack what "leave" takes; keeps all but eax and ecx.
        .equ    FROM, 12 + 2 + 2 + 4            # where the caller's last push is then
enter_protected:
        pop     %ecx                            # return address
        pushfl
        push    %ds
        push    %es
        sub     $12, %esp
        cli
        cld
        sgdtl   (%esp)
        xor     %eax, %eax
        mov     %cs, %ax
        shl     $4, %eax
        add     $table, %eax
        movw    $TABLE_BYTES - 1, 6(%esp)
        mov     %eax, 8(%esp)
        lgdtl   6(%esp)
        mov     %cr0, %eax
        or      $1, %al
        mov     %eax, %cr0
        jmp     1f
1:      mov     $FLAT, %ax
        mov     %ax, %ds
        mov     %ax, %es
        jmp     *%ecx
