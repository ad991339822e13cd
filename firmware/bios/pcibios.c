/* Int 1Ah function B1h and the same for 32-bit callers: PCI BIOS.

   Source   PCI BIOS Specification 2.1, 4 and 5; PCI Local Bus Specification 2.1, 3.7.4 (configuration mechanism 1)

   Compiled twice. The 32-bit copy has neither variables nor constants, because the caller's segments start
   at unknown addresses. */

#ifdef PCI_BIOS_32
#include "types.h"
#define REG(name) union { u32 e##name##x; u16 name##x; struct { u8 name##l, name##h; }; }
struct regs {                                   /* as PUSHAL leaves them, then EFLAGS */
    union { u32 edi; u16 di; };
    union { u32 esi; u16 si; };
    u32 ebp, esp;
    REG(b); REG(d); REG(c); REG(a);
    u32 flags;
};
enum { CF = 1 };
#else
#include "bios.h"
#endif

enum { OK = 0x00, UNSUPPORTED = 0x81, BAD_VENDOR = 0x83, NOT_FOUND = 0x86, BAD_REGISTER = 0x87, SET_FAILED = 0x88,
       BUFFER_SMALL = 0x89 };

static void select(u16 bdf, u16 where) { outl(0xCF8, 0x80000000 | bdf << 8 | (where & 0xFC)); }

static u32 config_read(u16 bdf, u16 where)
{
    select(bdf, where);
    return inl(0xCFC);
}

/* Finds the index-th function whose register, shifted, has the value. */
static u8 find(struct regs *r, u16 where, u32 shift, u32 value, u16 index, u32 buses)
{
    for (u32 bus = 0; bus < buses; bus++)
        for (u32 device = 0; device < 32; device++) {
            u32 functions = 1;
            for (u32 function = 0; function < functions; function++) {
                u16 bdf = bus << 8 | device << 3 | function;
                if ((config_read(bdf, 0) & 0xFFFF) == 0xFFFF)
                    continue;
                if (!function && config_read(bdf, 0x0C) & 0x800000)
                    functions = 8;
                if (config_read(bdf, where) >> shift == value && !index--) {
                    r->bx = bdf;
                    return OK;
                }
            }
        }
    return NOT_FOUND;
}

static u8 access_config(struct regs *r)
{
    u32 width = (r->al - 8) % 3;                /* 0 byte, 1 word, 2 double word */
    u16 port = 0xCFC + (r->di & 3);
    if (r->di > 0xFF || r->di & ((1 << width) - 1))
        return BAD_REGISTER;
    select(r->bx, r->di);
    if (r->al < 0x0B) {
        if (width == 0)
            r->cl = inb(port);
        else if (width == 1)
            r->cx = inw(port);
        else
            r->ecx = inl(port);
    } else {
        if (width == 0)
            outb(port, r->cl);
        else if (width == 1)
            outw(port, r->cx);
        else
            outl(port, r->ecx);
    }
    return OK;
}

#ifndef PCI_BIOS_32
/* Function 0Eh: the routing table's slots go to the buffer at ES:DI { length, offset, segment }. */
static u8 routing_options(struct regs *r)
{
    u16 room, offset, segment, bytes = pir_length ? pir_length - 32 : 0;
    set_fs(r->es);
    room = FAR16(r->di);
    offset = FAR16(r->di + 2);
    segment = FAR16(r->di + 4);
    FAR16(r->di) = bytes;
    if (room < bytes)
        return BUFFER_SMALL;
    set_fs(SEG_CODE);
    for (u16 i = 0; i < bytes; i += 2) {
        set_fs(SEG_CODE);
        u16 word = FAR16(pir_table + 32 + i);
        set_fs(segment);
        FAR16(offset + i) = word;
    }
    r->bx = 0;                                  /* no interrupt is for PCI alone */
    return OK;
}
#endif

void pci_services(struct regs *r, u32 buses)
{
    u8 status = UNSUPPORTED;
#ifndef PCI_BIOS_32
    if (!has_pci) {
        r->ah = UNSUPPORTED;
        r->flags |= CF;
        return;
    }
#endif
    switch (r->al) {
    case 0x01:
        r->ax = 0x0001;                         /* AL: mechanism 1 */
        r->bx = 0x0210;
        r->cl = buses - 1;
        r->edx = 0x20494350;
#ifndef PCI_BIOS_32
        r->edi = pci_entry_32;
#endif
        r->flags &= ~CF;
        return;
    case 0x02:
        status = r->dx == 0xFFFF ? BAD_VENDOR : find(r, 0, 0, (u32)r->cx << 16 | r->dx, r->si, buses);
        break;
    case 0x03:
        status = find(r, 8, 8, r->ecx & 0xFFFFFF, r->si, buses);
        break;
    case 0x08: case 0x09: case 0x0A:
    case 0x0B: case 0x0C: case 0x0D:
        status = access_config(r);
        break;
#ifndef PCI_BIOS_32
    case 0x0E:
        status = routing_options(r);
        break;
    case 0x0F:
        status = SET_FAILED;                    /* the links are fixed */
        break;
#endif
    }
    r->ah = status;
    if (status)
        r->flags |= CF;
    else
        r->flags &= ~CF;
}
