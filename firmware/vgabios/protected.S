# The VBE interface for 32-bit protected mode (function 0Ah): programs copy it and call into the copy.
#
# Source   VESA BIOS Extension (VBE) Core Functions Standard 3.0, 4.12; Bochs VBE display API

        .section .rodata
        .globl  protected_interface, protected_interface_end
        .code32

        .equ    DISPI_INDEX, 0x1ce
        .equ    DISPI_DATA, 0x1cf
        .equ    DAC_WRITE, 0x3c8
        .equ    DAC_DATA, 0x3c9
        .equ    BPP, 3
        .equ    BANK, 5
        .equ    VIRTUAL_X, 6
        .equ    X_OFFSET, 8
        .equ    Y_OFFSET, 9

        .balign 4
protected_interface:
        .word   set_window - protected_interface
        .word   set_start - protected_interface
        .word   set_palette - protected_interface
        .word   ports - protected_interface

ports:
        .word   DISPI_INDEX, DISPI_DATA, DAC_WRITE, DAC_DATA, 0xffff
        .word   0xffff                          # no memory

# bx = 0, dx = window position.
set_window:
        test    %bx, %bx
        jnz     fail
        push    %edx
        mov     %dx, %ax
        mov     $BANK, %dl
        call    write_dispi
        pop     %edx
done:
        mov     $0x004f, %ax
        ret
fail:
        mov     $0x014f, %ax
        ret

# bl = 0 or 80h, dx:cx = start in units of four bytes.
set_start:
        test    $0x7f, %bl
        jnz     fail
        push    %ebx
        push    %ecx
        push    %edx
        push    %esi
        mov     %dx, %si
        shl     $16, %esi
        mov     %cx, %si
        shl     $2, %esi                        # bytes
        mov     $BPP, %dl
        call    read_dispi
        movzwl  %ax, %ecx
        add     $7, %ecx
        and     $0x38, %ecx                     # bits that a pixel takes
        mov     $VIRTUAL_X, %dl
        call    read_dispi
        movzwl  %ax, %ebx
        imul    %ecx, %ebx
        shr     $3, %ebx                        # bytes per line
        jz      1f
        mov     %esi, %eax
        xor     %edx, %edx
        div     %ebx
        mov     %edx, %esi                      # the rest of the line
        mov     $Y_OFFSET, %dl
        call    write_dispi
        mov     %esi, %eax
        shl     $3, %eax
        xor     %edx, %edx
        div     %ecx
        mov     $X_OFFSET, %dl
        call    write_dispi
1:      pop     %esi
        pop     %edx
        pop     %ecx
        pop     %ebx
        jmp     done

# bl = 0 or 80h, cx = entries, dx = first, es:edi = blue, green, red, none for each.
set_palette:
        test    $0x7f, %bl
        jnz     fail
        push    %ecx
        push    %edx
        push    %edi
        movzwl  %cx, %ecx
        cmp     $256, %ecx
        ja      2f
        mov     %dl, %al
        mov     $DAC_WRITE, %dx
        out     %al, %dx
        mov     $DAC_DATA, %dx
        jecxz   2f
1:      mov     %es:2(%edi), %al
        out     %al, %dx
        mov     %es:1(%edi), %al
        out     %al, %dx
        mov     %es:(%edi), %al
        out     %al, %dx
        add     $4, %edi
        loop    1b
2:      pop     %edi
        pop     %edx
        pop     %ecx
        jmp     done

# dl = register, ax = value; keeps all but edx.
write_dispi:
        push    %eax
        movzbl  %dl, %eax
        mov     $DISPI_INDEX, %edx
        out     %ax, %dx
        pop     %eax
        inc     %edx
        out     %ax, %dx
        ret

read_dispi:
        movzbl  %dl, %eax
        mov     $DISPI_INDEX, %edx
        out     %ax, %dx
        inc     %edx
        in      %dx, %ax
        ret
protected_interface_end:
