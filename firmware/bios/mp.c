/* MultiProcessor tables, for machines with local APICs.

   Source   MultiProcessor Specification 1.4, 4 (floating pointer, configuration table, entries)

   ISA interrupts go to the I/O APIC's inputs of the same number, the timer to 2; 10 and 11 are PCI's. */

#include "post.h"

struct pointer { char signature[4]; u32 table; u8 length, revision, sum, features[5]; } PACKED;
struct table {
    char signature[4];
    u16 length;
    u8 revision, sum;
    char oem[8], product[12];
    u32 oem_table;
    u16 oem_bytes, count;
    u32 apic;
    u16 extended;
    u8 extended_sum, reserved;
} PACKED;
struct cpu { u8 type, apic, version, flags; u32 signature, features, reserved[2]; } PACKED;
struct bus { u8 type, id; char name[6]; } PACKED;
struct io_apic { u8 type, id, version, flags; u32 address; } PACKED;
struct line { u8 type, kind; u16 flags; u8 bus, irq, apic, input; } PACKED;

#define ISA_BUS 1
#define IO_VERSION 0x11
#define LOCAL_VERSION 0x14

static void cpu_identity(u32 *signature, u32 *features)
{
    u32 b, c;
    asm volatile("cpuid" : "=a"(*signature), "=b"(b), "=c"(c), "=d"(*features) : "a"(1));
}

void mp_build(void)
{
    u32 cpus = cpu_count(), signature, features;
    if (!apic_present || !has_pci || cpus > 254)
        return;
    u32 most = sizeof(struct table) + cpus * sizeof(struct cpu) + 2 * sizeof(struct bus) + sizeof(struct io_apic)
             + (31 * 4 + 15 + 2) * sizeof(struct line);
    struct pointer *p = table_alloc(sizeof *p, 16);
    struct table *t = table_alloc(most, 16);
    if (!p || !t)
        return;
    memset(t, 0, most);
    u8 *at = (u8 *)(t + 1), io_id = cpus;
    cpu_identity(&signature, &features);
    for (u32 i = 0; i < cpus; i++, at += sizeof(struct cpu), t->count++)
        *(struct cpu *)at = (struct cpu){0, i, LOCAL_VERSION, 1 | (i ? 0 : 2), signature, features, {0, 0}};
    *(struct bus *)at = (struct bus){1, 0, "PCI   "};
    at += sizeof(struct bus);
    *(struct bus *)at = (struct bus){1, ISA_BUS, "ISA   "};
    at += sizeof(struct bus);
    *(struct io_apic *)at = (struct io_apic){2, io_id, IO_VERSION, 1, 0xFEC00000};
    at += sizeof(struct io_apic);
    t->count += 3;
    for (u32 i = 0; i < pci_count; i++) {
        struct pci_device *d = &pci_devices[i];
        if (d->bdf >> 8 || !d->pin)
            continue;
        *(struct line *)at = (struct line){3, 0, 0, 0, (d->bdf >> 3 & 31) << 2 | (d->pin - 1), io_id,
                                           pci_read8(d->bdf, 0x3C)};
        at += sizeof(struct line);
        t->count++;
    }
    for (u32 irq = 0; irq < 16; irq++) {
        if (irq == 2 || irq == 10 || irq == 11)
            continue;
        *(struct line *)at = (struct line){3, 0, 0, ISA_BUS, irq, io_id, irq ? irq : 2};
        at += sizeof(struct line);
        t->count++;
    }
    *(struct line *)at = (struct line){4, 3, 0, ISA_BUS, 0, 0, 0};
    at += sizeof(struct line);
    *(struct line *)at = (struct line){4, 1, 0, ISA_BUS, 0, 0xFF, 1};
    at += sizeof(struct line);
    t->count += 2;
    memcpy(t->signature, "PCMP", 4);
    t->length = at - (u8 *)t;
    t->revision = 4;
    memcpy(t->oem, "PYQEMU  ", 8);
    memcpy(t->product, "STANDARD PC ", 12);
    t->apic = 0xFEE00000;
    t->sum = -sum(t, t->length);
    memset(p, 0, sizeof *p);
    memcpy(p->signature, "_MP_", 4);
    p->table = (u32)t;
    p->length = 1;
    p->revision = 4;
    p->sum = -sum(p, 16);
}
