; The program of selfcheck.py: one interrupt, one fault, one system call, one kick.
; nasm -f bin selfcheck.asm; the bytes are in selfcheck.py, a test compares them.
;
; Ports: 10h raises the interrupt line, 11h lowers it, 12h kicks the CPU, 13h takes the result.

        bits 16
        org 0x1000
start:  cli
        lgdt [gdtr]
        lidt [idtr]
        mov eax, cr0
        or al, 1
        mov cr0, eax
        jmp 8:protected

        bits 32
protected:
        mov ax, 16
        mov ds, ax
        mov ss, ax
        mov esp, 0x9000
        xor ebx, ebx            ; bit 0 interrupt, 1 fault, 2 system call, 3 kicked loop exact
        sti
        nop
        out 0x10, al            ; the interrupt comes at the next block
        jmp .taken
.taken: cli
        ud2
        mov ecx, 0xC0000080     ; EFER.SCE
        rdmsr
        or al, 1
        wrmsr
        mov ecx, 0xC0000081     ; STAR: selectors 8 and 16, entry point
        mov eax, entry
        mov edx, 8
        wrmsr
        syscall
entry:  or bl, 4
        xor edx, edx            ; a loop that is kicked out of must count right
        mov ecx, 1000
        mov dword [counter], 0
.loop:  cmp ecx, 500
        jne .next
        out 0x12, al
.next:  add dword [counter], ecx
        dec ecx
        jnz .loop
        cmp dword [counter], 500500
        jne .done
        or bl, 8
.done:  mov al, bl
        out 0x13, al
        hlt

interrupt:
        out 0x11, al
        or bl, 1
        iretd
fault:  add dword [esp], 2      ; past the UD2
        or bl, 2
        iretd

        align 8
gdt:    dq 0
        dq 0x00CF9A000000FFFF
        dq 0x00CF92000000FFFF
gdtr:   dw 23
        dd gdt
idtr:   dw 33 * 8 - 1
        dd idt
counter dd 0
        align 8
idt:    times 6 dq 0
        dw fault, 8, 0x8E00, 0
        times 25 dq 0
        dw interrupt, 8, 0x8E00, 0
