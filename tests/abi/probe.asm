; A look at the hardware from inside: run as the whole BIOS, it prints what it finds as "key=value" lines on the
; debug console and resets the machine.
;
;   nasm -f bin -o probe.bin probe.asm
;   pyqemu -M pc-1.0 -bios probe.bin -debugcon file:found.txt -no-reboot -display none …
;
; Nothing has set the hardware up before. Up to the line "stage=active" the probe only reads, apart from index
; registers and memory cells that it puts back. Numbers are hexadecimal; what is not there has no line. The keys are
; those of recordings made on the real QEMU, so that the two can be compared line by line (report.py).
;
; Runs      in 32-bit protected mode with interrupts off, from RAM: it may switch its own ROM off
; Memory    500 registers at reset · 1000 a line of output · 2000 buffer · 4000 list of PCI functions · 7000 stack ·
;           20000 this image
; Registers EBP is the end of the line of output, everywhere; routines keep all others unless they say so

%define CONSOLE   0x402
%define AT_RESET  0x500
%define LINE      0x1000
%define BUFFER    0x2000
%define FUNCTIONS 0x4000
%define STACK     0x7000
%define HERE      0x20000
%define IMAGE     0x10000
%define ROM       0xf0000

        org HERE
        cpu 686
        section .text
        section .words follows=.text align=4

%include "output.inc"
%include "processor.inc"
%include "pci.inc"
%include "spaces.inc"
%include "firmware.inc"
%include "drives.inc"
%include "display.inc"

backdoor:                               ; VMware's: the version call
        mov eax, 0x564d5868
        xor ebx, ebx
        mov ecx, 10
        mov edx, 0x5658
        in eax, dx
        cmp ebx, 0x564d5868
        jne .none
        say "vmport.0a="
        hex eax, 8
        end_line
.none:  ret

main:
        cld
        mov ebp, LINE
        say "probe.version=1"
        end_line
        say "stage=passive"
        end_line
        call registers_at_reset
        call cpuid_leaves
        call cmos_bytes
        call pci_find
        for_each_function pci_config
        call display
        call all_ports
        call all_memory
        call fw_cfg_items
        say "stage=active"
        end_line
        call ide_drives
        call display_limits
        call backdoor
        for_each_function pci_bars
        for_each_function pci_rom
        for_each_function display_window
        call ports_with_windows
        for_each_function pci_writable
        say "probe.end=1"
        end_line
.reset: mov al, 0xfe                    ; the keyboard controller's reset line
        out 0x64, al
        hlt
        jmp .reset

        bits 16
from_reset:
        mov [AT_RESET], eax
        mov [AT_RESET + 4], ebx
        mov [AT_RESET + 8], ecx
        mov [AT_RESET + 12], edx
        mov [AT_RESET + 16], esi
        mov [AT_RESET + 20], edi
        mov [AT_RESET + 24], ebp
        mov [AT_RESET + 28], esp
        mov eax, cr0
        mov [AT_RESET + 32], eax
        mov sp, STACK
        pushfd
        pop dword [AT_RESET + 36]
        cli
        o32 lgdt [cs:descriptors - $$]
        mov eax, cr0
        or al, 1
        mov cr0, eax
        jmp dword 8:ROM + protected - HERE
        bits 32
protected:
        mov eax, 16
        mov ds, eax
        mov es, eax
        mov ss, eax
        mov esp, STACK
        cld
        mov esi, ROM
        mov edi, HERE
        mov ecx, IMAGE / 4
        rep movsd
        mov eax, main
        jmp eax

        align 8
table:  dq 0
        dq 0x00cf9a000000ffff           ; code, 4 GiB
        dq 0x00cf92000000ffff           ; data, 4 GiB
descriptors:
        dw 23
        dd ROM + table - HERE

        section .words
digits: db "0123456789abcdef"
register_names:
        db "eax", 0, "ebx", 0, "ecx", 0, "edx", 0, "esi", 0, "edi", 0, "ebp", 0, "esp", 0, "cr0", 0, "efl", 0
register_count equ ($ - register_names) / 4
kind_names:
        db "ram", 0, 0, 0, 0, 0, "zero", 0, 0, 0, 0, "ones", 0, 0, 0, 0, "fixed", 0, 0, 0
bar_registers:
        db 0x10, 0x14, 0x18, 0x1c, 0x20, 0x24, 0x30, 0
        align 4, db 0
cpuid_ranges:
        dd 0, 0x40000000, 0x80000000
cpuid_ranges_end:
subleaf_table:                          ; leaf, how many subleaves
        dd 0x4, 8, 0x7, 2, 0xb, 3, 0xd, 16, 0x14, 2, 0x8000001d, 5
subleaf_table_end:
cpuid_last dd 0
run_start dd 0
run_kind dd 0

        section .reset start=IMAGE-16+HERE
        bits 16
        jmp 0xf000:from_reset - HERE
        times 16 - ($ - $$) db 0
