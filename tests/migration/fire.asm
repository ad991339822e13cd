; A guest under load, as the whole BIOS: whatever can be halfway through is, nearly all the time, and the guest
; itself notices what goes wrong. 32-bit, flat; runs from RAM.
;
; Chains     each interrupt arms the next one, so that one lost stops its chain for ever: PIT one-shots (reloaded
;            byte by byte), the RTC's periodic interrupt (register C), the UART's receive and transmit interrupts,
;            IDE commands by PIO (string I/O) and by DMA, floppy seeks
; Serial     received bytes must count 0 to 250 and again; as many are sent, which count 0 to 240 and again
; Main loop  disk sectors written one way and read back the other, a megabyte copied and summed, A20 both ways, SSE
;            and x87 registers that must stay, time that must not go back (TSC, RTC, ACPI timer)
; Status     at 0x5000, see `status`: a mark, the first error with a detail, counters
;
; -DISA leaves out what only a PCI board has (DMA by the bus, the ACPI timer). -DINSTANT is for QEMU, whose drives
; seek in no time: the timer begins the next seek, because otherwise nothing but seeks would go on.

        bits 16
        cpu x64
        org 0
BASE    equ 0x10000             ; where the copy runs
STATUS  equ 0x5000
PRDT    equ 0x6000
OUTBUF  equ 0x20000             ; what is written to the disk
INBUF   equ 0x22000
BLOCK   equ 0x200000            ; a megabyte, and its copy
COPY    equ 0x400000
SECTORS equ 8                   ; of each disk operation
PLACES  equ 64                  ; on the disk, where operations go in turn

struc   status
.mark   resd 1                  ; 'FIRE' when everything is set up
.error  resd 1                  ; 0: none; see E_
.detail resd 1
.pit    resd 1
.rtc    resd 1
.rx     resd 1
.tx     resd 1
.disk   resd 1
.floppy resd 1
.rounds resd 1
endstruc
E_TSC equ 1
E_RX equ 2
E_OVERRUN equ 3
E_DISK equ 4
E_SUM equ 5
E_A20 equ 6
E_SSE equ 7
E_X87 equ 8
E_RTC equ 9
E_PMTIMER equ 10
E_FAULT equ 11
E_STATUS equ 12
E_SEGMENT equ 13

%define there(x) (BASE + (x) - start)

start:  cli
        cld
        mov al, 0x8F
        out 0x70, al
        mov ax, cs
        mov ds, ax
        mov ax, BASE >> 4
        mov es, ax
        xor si, si
        xor di, di
        mov cx, 0x4000
        rep movsd
        lgdt [gdtr]
        mov eax, cr0
        or al, 1
        mov cr0, eax
        jmp dword 8:there(flat)
        align 8
gdt:    dq 0, 0x00CF9B000000FFFF, 0x00CF93000000FFFF, 0x0040930050000FFF ; code, data, the status
gdtr:   dw 31
        dd 0xF0000 + gdt
idtr:   dw 0x7FF
        dd 0x1000

        bits 32
%macro  out8 2
        mov dx, %1
        mov al, %2
        out dx, al
%endmacro
%macro  in8 1
        mov dx, %1
        in al, dx
%endmacro
%macro  pci 3                   ; devfn, register, value
        mov dx, 0xCF8
        mov eax, 0x80000000 | (%1) << 8 | (%2)
        out dx, eax
        mov dx, 0xCFC
        mov eax, %3
        out dx, eax
%endmacro
%macro  fail 2                  ; code, detail: only the first one is kept; everything stops
        push dword %2
        push dword %1
        jmp failed
%endmacro

failed: pop eax
        pop ebx
        cli
        cmp dword [STATUS + status.error], 0
        jne .stop
        mov [STATUS + status.detail], ebx
        mov [STATUS + status.error], eax
.stop:  hlt
        jmp .stop

flat:   mov ax, 16
        mov ds, ax
        mov es, ax
        mov ss, ax
        mov gs, ax
        mov esp, 0x9000
        mov ax, 24
        mov fs, ax
        mov edi, STATUS
        mov ecx, 64
        xor eax, eax
        rep stosd
        mov edi, 0x1000
        mov ecx, 256
        mov eax, there(fault)
.gate:  call set_gate
        loop .gate
        mov eax, there(on_pit)
        mov edi, 0x1000 + 0x20 * 8
        call set_gate
        mov eax, there(on_com)
        mov edi, 0x1000 + 0x24 * 8
        call set_gate
        mov eax, there(on_floppy)
        mov edi, 0x1000 + 0x26 * 8
        call set_gate
        mov eax, there(on_rtc)
        mov edi, 0x1000 + 0x28 * 8
        call set_gate
        mov eax, there(on_ide)
        mov edi, 0x1000 + 0x2E * 8
        call set_gate
        lidt [there(idtr)]

        out8 0x20, 0x11         ; both 8259, vectors 20h and 28h
        out8 0xA0, 0x11
        out8 0x21, 0x20
        out8 0xA1, 0x28
        out8 0x21, 4
        out8 0xA1, 2
        out8 0x21, 1
        out8 0xA1, 1
        out8 0x21, 0xAA         ; 0, 2, 4, 6
        out8 0xA1, 0xBE         ; 8, 14
%ifndef ISA
        pci 0x0B, 0x40, 0xB001  ; the ACPI timer at B008h
        pci 0x0B, 0x80, 1
        pci 0x09, 0x20, 0xC001  ; IDE bus mastering at C000h
        pci 0x09, 0x04, 5
        pci 0x09, 0x40, 0x80008000
        pci 0x08, 0x04, 7
%endif
        out8 0x3FB, 0x83        ; the UART: 115200, FIFOs, interrupts at 8 bytes, sent, line
        out8 0x3F8, 1
        out8 0x3F9, 0
        out8 0x3FB, 3
        out8 0x3FA, 0x87
        out8 0x3FC, 0x0B
        out8 0x3F9, 7
        out8 0x70, 0x0A         ; the RTC: 256 Hz
        out8 0x71, 0x28
        out8 0x70, 0x0B
        in8 0x71
        or al, 0x40
        mov bl, al
        out8 0x70, 0x0B
        out8 0x71, bl
        out8 0x70, 0x0C
        in8 0x71
        out8 0x43, 0x30         ; the PIT: one shot
        out8 0x40, 0x00
        out8 0x40, 0x10
        out8 0x3F2, 0           ; the floppy controller, out of reset with interrupts: its first one
        out8 0x3F2, 0x0C
        out8 0x3F6, 0           ; IDE interrupts

        mov eax, cr0            ; SSE and x87
        and eax, ~4
        or eax, 2
        mov cr0, eax
        mov eax, cr4
        or eax, 0x600
        mov cr4, eax
        fninit
        fldpi
        movups xmm3, [there(pattern)]

        mov edi, BLOCK
        mov ecx, 0x40000
        mov eax, 0x12345678
.fill:  stosd                   ; the same for a kilobyte: states of this guest are kept, compressed
        test cl, cl
        jnz .same
        imul eax, 1664525
        add eax, 1013904223
.same:  loop .fill
        mov esi, BLOCK
        call sum
        mov [there(expected)], eax
        mov dword [STATUS + status.mark], 'FIRE'
        sti

main:   call disk
        call copy
        call a20
        call registers
        call clocks
        inc dword [STATUS + status.rounds]
        jmp main

set_gate:                       ; eax: the handler; edi: the gate, then the next one
        mov edx, eax
        and edx, 0xFFFF
        or edx, 8 << 16
        mov [edi], edx
        mov edx, eax
        and edx, 0xFFFF0000
        or edx, 0x8E00
        mov [edi + 4], edx
        add edi, 8
        ret

; -- the main loop's parts --------------------------------------------------------------------------------

sum:    mov ecx, 0x40000        ; esi: a megabyte → eax
        xor ebx, ebx
.next:  lodsd
        rol ebx, 1
        add ebx, eax
        loop .next
        mov eax, ebx
        ret

copy:   mov edi, COPY
        mov ecx, 0x40000
        xor eax, eax
        rep stosd
        mov esi, BLOCK
        mov edi, COPY
        mov ecx, 0x40000
        rep movsd
        mov esi, COPY
        call sum
        cmp eax, [there(expected)]
        je .good
        fail E_SUM, eax
.good:  ret

a20:    in8 0x92                ; off: 100500h is 500h
        and al, 0xFD
        out 0x92, al
        mov dword [0x500], 0x11111111
        mov ecx, 2000
.off:   mov [0x100500], ecx
        cmp [0x500], ecx
        jne .bad
        loop .off
        in8 0x92
        or al, 2
        out 0x92, al
        mov ecx, 2000
        mov dword [0x500], 0x11111111
.on:    mov [0x100500], ecx
        cmp dword [0x500], 0x11111111
        jne .bad
        loop .on
        ret
.bad:   fail E_A20, [0x500]

registers:
        movups [0x520], xmm3
        mov esi, 0x520
        mov edi, there(pattern)
        mov ecx, 4
        repe cmpsd
        je .sse
        fail E_SSE, ecx
.sse:   fld st0
        fstp tword [0x540]
        fldpi
        fstp tword [0x550]
        mov esi, 0x540
        mov edi, 0x550
        mov ecx, 10
        repe cmpsb
        je .x87
        fail E_X87, ecx
.x87:   cmp dword [fs:0], 'FIRE'
        je .good
        fail E_SEGMENT, [fs:0]
.good:  ret

tsc:    rdtsc                   ; interrupts off; must not be less than before
        cmp edx, [there(last_tsc) + 4]
        jb .back
        ja .good
        cmp eax, [there(last_tsc)]
        jb .back
.good:  mov [there(last_tsc)], eax
        mov [there(last_tsc) + 4], edx
        ret
.back:  fail E_TSC, eax

clocks: cli
        call tsc
        sti
%ifndef ISA
        mov dx, 0xB008
        in eax, dx
        mov ebx, eax
        xchg ebx, [there(last_pm)]
        sub eax, ebx
        and eax, 0xFFFFFF
        cmp eax, 0xFFFFFF - 3579545     ; back by up to a second
        jb .forward
        fail E_PMTIMER, eax
.forward:
%endif
.again: call time
        mov ebp, ebx
        call time
        cmp ebx, ebp
        jne .again
        cmp ebx, [there(last_time)]
        jae .good
        fail E_RTC, ebx
.good:  mov [there(last_time)], ebx
        ret
time:   mov al, 4               ; → ebx: hours, minutes, seconds
        call cmos
        movzx ebx, al
        mov al, 2
        call cmos
        shl ebx, 8
        mov bl, al
        mov al, 0
        call cmos
        shl ebx, 8
        mov bl, al
        ret
cmos:   cli
        out 0x70, al
        in al, 0x71
        sti
        ret

; -- the disk ----------------------------------------------------------------------------------------------

disk:   mov ebx, [STATUS + status.disk]
        mov edi, OUTBUF
        mov ecx, SECTORS * 128
        mov eax, ebx
        imul eax, 2654435761
.fill:  stosd
        add eax, ebx
        ror eax, 3
        loop .fill
        mov edi, INBUF
        mov ecx, SECTORS * 128
        xor eax, eax
        rep stosd
%ifndef ISA
        test bl, 1
        jnz .pio_first
        mov esi, OUTBUF
        mov eax, 0xCA           ; WRITE DMA, then READ SECTORS
        mov ecx, 0x01
        call dma
        call pio_in
        jmp .check
.pio_first:
        call pio_out
        mov esi, INBUF
        mov eax, 0xC8
        mov ecx, 0x09
        call dma
%else
        call pio_out
        call pio_in
%endif
.check: mov esi, OUTBUF
        mov edi, INBUF
        mov ecx, SECTORS * 128
        repe cmpsd
        je .good
        fail E_DISK, ecx
.good:  inc dword [STATUS + status.disk]
        ret

command:                        ; al: the ATA command, for this operation's place
        push eax
        mov ebx, [STATUS + status.disk]
        and ebx, PLACES - 1
        imul ebx, SECTORS
        mov dword [there(ide_done)], 0
        out8 0x1F6, 0xE0
        out8 0x1F2, SECTORS
        out8 0x1F3, bl
        out8 0x1F4, bh
        out8 0x1F5, 0
        pop eax
        mov dx, 0x1F7
        out dx, al
        ret

interrupted:                    ; wait for the drive's interrupt, asleep
        cli
        cmp dword [there(ide_done)], 0
        jne .done
        sti
        hlt
        jmp interrupted
.done:  mov dword [there(ide_done)], 0
        sti
        test byte [there(ide_status)], 0x21
        jz .good
        fail E_STATUS, [there(ide_status)]
.good:  ret

%ifndef ISA
dma:    mov [PRDT], esi         ; esi: memory; al: command; cl: the bus master's
        mov dword [PRDT + 4], 0x80000000 | SECTORS * 512
        push eax
        mov dx, 0xC004
        mov eax, PRDT
        out dx, eax
        out8 0xC002, 6
        mov al, cl
        and al, 8
        mov dx, 0xC000
        out dx, al
        pop eax
        call command
        mov al, cl
        mov dx, 0xC000
        out dx, al
        call interrupted
        out8 0xC000, 0
        ret
%endif

pio_in: mov al, 0x20
        call command
        mov edi, INBUF
        mov ebp, SECTORS
.next:  call interrupted
        mov dx, 0x1F0
        mov ecx, 256
        rep insw
        dec ebp
        jnz .next
        ret

pio_out:
        mov al, 0x30
        call command
        mov esi, OUTBUF
        mov ebp, SECTORS
.ready: in8 0x3F6               ; the first sector is asked for without an interrupt
        and al, 0x88
        cmp al, 8
        jne .ready
.next:  mov dx, 0x1F0
        mov ecx, 256
        rep outsw
        call interrupted
        dec ebp
        jnz .next
        ret

; -- interrupts --------------------------------------------------------------------------------------------

fault:  fail E_FAULT, [esp + 8]

on_pit: pushad
        call tsc
        inc dword [STATUS + status.pit]
        mov ebx, [STATUS + status.pit]
        and ebx, 0x3FF
        add ebx, 1193
        out8 0x43, 0x30
        out8 0x40, bl
        out8 0x40, bh
%ifdef INSTANT
        cmp dword [there(seeks_due)], 0
        je .seeks
        dec dword [there(seeks_due)]
        call seek
.seeks:
%endif
        out8 0x20, 0x20
        popad
        iretd

on_rtc: pushad
        out8 0x70, 0x0C
        in8 0x71
        inc dword [STATUS + status.rtc]
        out8 0xA0, 0x20
        out8 0x20, 0x20
        popad
        iretd

on_ide: pushad
        in8 0x1F7
        mov [there(ide_status)], al
%ifndef ISA
        in8 0xC002
        or al, 4
        mov dx, 0xC002
        out dx, al
%endif
        inc dword [there(ide_done)]
        out8 0xA0, 0x20
        out8 0x20, 0x20
        popad
        iretd

on_floppy:                      ; what the last command did, then the next one
        pushad
        mov bl, 0x08            ; SENSE INTERRUPT STATUS
        call fdc_out
        call fdc_in
        test al, 0xC0
        jnz .reset              ; after a reset: one for each of four drives
        call fdc_in
        jmp .next
.reset: call fdc_in
        cmp dword [there(fdc_reset)], 3
        jae .next
        inc dword [there(fdc_reset)]
        mov bl, 0x08
        call fdc_out
        call fdc_in
        jmp .reset
.next:  inc dword [STATUS + status.floppy]
%ifdef INSTANT
        inc dword [there(seeks_due)]
%else
        call seek
%endif
        out8 0x20, 0x20
        popad
        iretd

seek:   mov bl, 0x0F
        call fdc_out
        mov bl, 0
        call fdc_out
        mov bl, [STATUS + status.floppy]
        and bl, 63
        jmp fdc_out
fdc_out:
        in8 0x3F4
        and al, 0xC0
        cmp al, 0x80
        jne fdc_out
        out8 0x3F5, bl
        ret
fdc_in: in8 0x3F4
        and al, 0xC0
        cmp al, 0xC0
        jne fdc_in
        in8 0x3F5
        ret

on_com: pushad
.cause: in8 0x3FA
        test al, 1
        jnz .none
        and al, 0x0F
        cmp al, 2
        je .sent
        in8 0x3FD
        test al, 2
        jz .take
        fail E_OVERRUN, eax
.take:  test al, 1
        jz .reply
        in8 0x3F8
        movzx eax, al
        cmp eax, [there(next_rx)]
        je .right
        shl eax, 16
        or eax, [there(next_rx)]
        fail E_RX, eax
.right: inc eax
        cmp eax, 251
        jne .count
        xor eax, eax
.count: mov [there(next_rx)], eax
        inc dword [STATUS + status.rx]
        in8 0x3FD
        jmp .take
.sent:  mov byte [there(tx_idle)], 1
.reply: cmp byte [there(tx_idle)], 0
        je .cause
        mov ecx, 16
.send:  mov eax, [STATUS + status.tx]
        cmp eax, [STATUS + status.rx]
        je .cause
        out8 0x3F8, [there(next_tx)]
        mov byte [there(tx_idle)], 0
        inc dword [STATUS + status.tx]
        inc byte [there(next_tx)]
        cmp byte [there(next_tx)], 241
        jne .more
        mov byte [there(next_tx)], 0
.more:  loop .send
        jmp .cause
.none:  out8 0x20, 0x20
        popad
        iretd

        align 16
pattern:    dd 0x01234567, 0x89ABCDEF, 0xFEDCBA98, 0x76543210
expected:   dd 0
last_tsc:   dq 0
last_pm:    dd 0
last_time:  dd 0
ide_done:   dd 0
ide_status: dd 0
fdc_reset:  dd 0
%ifdef INSTANT
seeks_due:  dd 0
%endif
next_rx:    dd 0
next_tx:    db 0
tx_idle:    db 0

        bits 16
        times 0xFFF0 - ($ - $$) db 0xF4
        jmp 0xF000:start
        times 0x10000 - ($ - $$) db 0
