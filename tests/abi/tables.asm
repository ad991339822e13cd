; The tables that the firmware leaves in memory, looked for as an operating system does: booted from a disk's first
; sector, it prints each one's bytes as "table.NAME=…" on the debug console and resets the machine.
;
;   nasm -f bin -o tables.img tables.asm
;
; Source  ACPI 1.0b, 5.2; SMBIOS 2.8, 5.2; MultiProcessor Specification 1.4, 4; PCI IRQ Routing Table 1.0
; Memory  7c00 this program, 5000 stack, 100000 a line of output (tables are long, and A20 is open)

%define CONSOLE   0x402
%define LINE      0x100000
%define HERE      0x7c00
%define STACK     0x5000
%define SECTORS   8
%define LONGEST   0x10000

        org HERE
        cpu 686
        section .text
        bits 16
        xor ax, ax
        mov ds, ax
        mov es, ax
        mov ss, ax
        mov sp, STACK
        mov ax, 0x200 + SECTORS - 1
        mov bx, HERE + 512
        mov cx, 2
        mov dh, 0
        int 0x13
        jc dead
        cli
        lgdt [descriptors]
        mov eax, cr0
        or al, 1
        mov cr0, eax
        jmp dword 8:protected
dead:   cli
        hlt

        align 8
gdt:    dq 0
        dq 0x00cf9a000000ffff
        dq 0x00cf92000000ffff
descriptors:
        dw 23
        dd gdt
        times 510 - ($ - $$) db 0
        dw 0xaa55

        section .words follows=.text align=4
        section .text

%include "output.inc"

; table "NAME": the ECX bytes at ESI
%macro table 1
        say %1, "="
        call table_bytes
%endmacro

table_bytes:
        cmp ecx, LONGEST
        jbe .fits
        mov ecx, LONGEST
.fits:  call append_bytes
        end_line
        ret

; look for the EDX characters at EDI, every 16 bytes: in the first KiB of the EBDA, then in the BIOS → ESI, 0 if none
; EBX: how many bytes sum to zero there; 0: as many as the word at offset 6 says
find:   movzx esi, word [0x40e]
        shl esi, 4
        lea eax, [esi + 1024]
        call .look
        jz .found
        mov esi, 0xe0000
        mov eax, 0x100000
        call .look
        jz .found
        xor esi, esi
.found: ret
.look:  push esi
        push edi
        mov ecx, edx
        repe cmpsb
        pop edi
        pop esi
        jne .other
        call sums_to_zero
        jz .same
.other: add esi, 16
        cmp esi, eax
        jb .look
        or esi, esi                     ; not zero
.same:  ret

sums_to_zero:                           ; ESI, EBX as above → ZF
        push eax
        push esi
        mov ecx, ebx
        test ecx, ecx
        jnz .start
        movzx ecx, word [esi + 6]
.start: xor eax, eax
.next:  add al, [esi]
        inc esi
        dec ecx
        jg .next
        test al, al
        pop esi
        pop eax
        ret

acpi:
        mov edi, rsdp_name
        mov edx, 8
        mov ebx, 20
        call find
        test esi, esi
        jz .none
        mov ecx, 20
        table "table.ACPI RSDP"
        mov esi, [esi + 16]
        mov ecx, [esi + 4]
        table "table.ACPI RSDT"
        lea edx, [esi + ecx]            ; its end
        add esi, 36
.next:  cmp esi, edx
        jae .none
        push esi
        mov esi, [esi]
        call acpi_table
        cmp dword [esi], "FACP"
        jne .listed
        push dword [esi + 40]
        mov esi, [esi + 36]
        test esi, esi
        jz .no_facs
        mov ecx, 64
        table "table.ACPI FACS"
.no_facs:
        pop esi
        call acpi_table
.listed:
        pop esi
        add esi, 4
        jmp .next
.none:  ret

acpi_table:                             ; ESI: a table with the usual header
        say "table.ACPI "
        push esi
        mov eax, [esi]
        mov [name], eax
        mov esi, name
        call append_text
        pop esi
        mov ecx, [esi + 4]
        say "="
        jmp table_bytes

smbios:
        mov edi, smbios_name
        mov edx, 4
        mov ebx, 31
        call find
        test esi, esi
        jz .none
        mov ecx, 31
        table "table.SMBIOS entry point"
        movzx ecx, word [esi + 22]
        mov esi, [esi + 24]
        table "table.SMBIOS structures"
.none:  ret

multiprocessor:
        mov edi, mp_name
        mov edx, 4
        mov ebx, 16
        call find
        test esi, esi
        jz .none
        mov ecx, 16
        table "table.MP floating pointer"
        mov esi, [esi + 4]
        test esi, esi
        jz .none
        movzx ecx, word [esi + 4]
        table "table.MP configuration"
.none:  ret

routing:
        mov edi, pir_name
        mov edx, 4
        mov ebx, 0
        call find
        test esi, esi
        jz .none
        movzx ecx, word [esi + 6]
        table "table.$PIR"
.none:  ret

protected:
        mov eax, 16
        mov ds, eax
        mov es, eax
        mov ss, eax
        mov esp, STACK
        cld
        mov ebp, LINE
        call acpi
        call smbios
        call multiprocessor
        call routing
        say "tables.end=1"
        end_line
.reset: mov al, 0xfe
        out 0x64, al
        hlt
        jmp .reset

        section .words
digits: db "0123456789abcdef"
rsdp_name:
        db "RSD PTR "
smbios_name:
        db "_SM_"
mp_name:
        db "_MP_"
pir_name:
        db "$PIR"
name:   db "....", 0

        section .rest start=HERE+SECTORS*512-1
        db 0
