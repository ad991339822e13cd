/* Int 11h, 12h, 15h: equipment, memory, system services; A20; unused interrupts.

   Source   Ralf Brown's Interrupt List, int 11h, 12h, 15h; ACPI 1.0b, 14.1 (E820h); 82371AB data sheet (port 92h) */

#include "bios.h"

void int11(struct regs *r) { r->ax = BDA16(BDA_EQUIPMENT); }
void int12(struct regs *r) { r->ax = BDA16(BDA_MEMORY); }

int a20_get(void) { return inb(0x92) >> 1 & 1; }
void a20_set(int on) { outb(0x92, (inb(0x92) & 0xFC) | (on ? 2 : 0)); }

/* Hardware interrupts that nobody has taken: acknowledge, and mask what keeps coming. */
void irq_unused(struct regs *unused)
{
    (void)unused;
    outb(0x20, 0x0B);
    u8 first = inb(0x20);
    outb(0xA0, 0x0B);
    u8 second = inb(0xA0);
    if (second) {
        outb(0xA1, inb(0xA1) | second);
        outb(0xA0, 0x20);
    }
    if (first) {
        if (first & ~4)
            outb(0x21, inb(0x21) | (first & ~4));
        outb(0x20, 0x20);
    }
}

/* IRQ 13: the coprocessor; software expects int 02h. */
void irq13(struct regs *unused)
{
    struct regs r = {0};
    (void)unused;
    outb(0xF0, 0);
    eoi(13);
    call_vector(&r, 2);
}

void irq_disk(struct regs *unused)
{
    (void)unused;
    BDA8(0x8E) = 0xFF;
    eoi(14);
}

static void memory_map_entry(struct regs *r)
{
    if (r->edx != 0x534D4150 || r->ebx >= e820_count || r->ecx < 20) {
        fail(r, 0x86);
        return;
    }
    const struct e820 *entry = &e820_map[r->ebx];
    far_copy_to(r->es, r->di, entry, sizeof *entry);
    r->eax = 0x534D4150;
    r->ecx = sizeof *entry;
    r->ebx = r->ebx + 1 < e820_count ? r->ebx + 1 : 0;
    ok(r);
}

/* KiB from 1 to 16 MiB, and 64 KiB blocks from there on, to the end of RAM or the first hole. */
static u32 extended_kib(void)
{
    return low_memory_end > 0x1000000 ? 0x3C00 : low_memory_end > 0x100000 ? (low_memory_end - 0x100000) >> 10 : 0;
}

static void big_memory(struct regs *r, int wide)
{
    u32 blocks = low_memory_end > 0x1000000 ? (low_memory_end - 0x1000000) >> 16 : 0;
    if (wide) {
        r->eax = r->ecx = extended_kib();
        r->ebx = r->edx = blocks;
    } else {
        r->ax = r->cx = extended_kib();
        r->bx = r->dx = blocks;
    }
    ok(r);
}

/* Function 87h: the caller's table has room for the descriptors of our code and stack; ES:SI points to it. */
static void move_block(struct regs *r)
{
    u32 table = ((u32)r->es << 4) + r->si;
    struct { u16 limit; u32 base; } PACKED saved_gdt, with = {0x2F, table};
    int a20 = a20_get();
    if (in_protected_mode()) {
        fail(r, 0x86);
        return;
    }
    if (r->cx > 0x8000) {
        fail(r, 0x03);
        return;
    }
    set_fs(r->es);
    FAR64(r->si + 0x08) = ((u64)(table >> 24) << 56) | 0x0000930000000000ull | ((u64)(table & 0xFFFFFF) << 16) | 0x2F;
    FAR64(r->si + 0x20) = 0x00009B0F0000FFFFull;
    FAR64(r->si + 0x28) = 0x0000930E0000FFFFull;
    FAR8(r->si + 0x15) = FAR8(r->si + 0x1D) = 0x93;     /* present, writable */
    FAR16(r->si + 0x10) = FAR16(r->si + 0x18) = 0xFFFF;
    if (!a20)
        a20_set(1);
    u32 words = r->cx, from = 0, to = 0;
    asm volatile(
        "sgdtl %[saved]\n"
        "lgdtl %[with]\n"
        "movl %%cr0, %%eax; orb $1, %%al; movl %%eax, %%cr0\n"
        "ljmpw $0x20, $1f\n"
        "1: pushw %%ds; pushw %%es\n"
        "movw $0x10, %%ax; movw %%ax, %%ds\n"
        "movw $0x18, %%ax; movw %%ax, %%es\n"
        "cld; rep; movsw\n"
        "movw $0x28, %%ax; movw %%ax, %%ds; movw %%ax, %%es\n"
        "movl %%cr0, %%eax; andb $0xFE, %%al; movl %%eax, %%cr0\n"
        "ljmpw $0xF000, $2f\n"
        "2: popw %%es; popw %%ds\n"
        "lgdtl %[saved]\n"
        : "+c"(words), "+S"(from), "+D"(to), [saved] "=m"(saved_gdt)
        : [with] "m"(with)
        : "eax", "memory");
    if (!a20)
        a20_set(0);
    r->ah = 0;
    ok(r);
}

static void a20_services(struct regs *r)
{
    switch (r->al) {
    case 0:
    case 1:
        a20_set(r->al);
        break;
    case 2:
        r->al = a20_get();
        r->cx = 0;
        break;
    case 3:
        r->bx = 3;                              /* keyboard controller and port 92h */
        break;
    default:
        fail(r, 0x86);
        return;
    }
    r->ah = 0;
    ok(r);
}

/* Function 89h is refused: its users have been dead since the 286. */
void int15(struct regs *r)
{
    switch (r->ah) {
    case 0x24:
        a20_services(r);
        return;
    case 0x4F:                                  /* keyboard intercept: keep the key */
        r->flags |= CF;
        return;
    case 0x52:                                  /* media may be ejected */
    case 0x80:
    case 0x81:
    case 0x82:
    case 0x85:
        r->ah = 0;
        ok(r);
        return;
    case 0x53:
        apm_services(r);
        return;
    case 0x83:
        event_wait(r);
        return;
    case 0x86:
        delay(r);
        return;
    case 0x87:
        move_block(r);
        return;
    case 0x88:
        r->ax = low_memory_end > 0x4000000 ? 0xFFFF : low_memory_end > 0x100000 ? (low_memory_end - 0x100000) >> 10 : 0;
        ok(r);
        return;
    case 0x90:
        ok(r);
        return;
    case 0x91:
        r->ah = 0;
        ok(r);
        return;
    case 0xC0:
        r->es = SEG_CODE;
        r->bx = (u32)configuration;
        r->ah = 0;
        ok(r);
        return;
    case 0xC1:
        if (!BDA16(BDA_EBDA))
            break;
        r->es = BDA16(BDA_EBDA);
        ok(r);
        return;
    case 0xC2:
        mouse_services(r);
        return;
    case 0xE8:
        if (r->al == 0x20)
            memory_map_entry(r);
        else if (r->al == 0x01 || r->al == 0x81)
            big_memory(r, r->al == 0x81);
        else
            break;
        return;
    }
    fail(r, 0x86);
}
