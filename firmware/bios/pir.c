/* The PCI interrupt routing table ($PIR).

   Source   Microsoft PCI IRQ Routing Table Specification 1.0; 82371SB data sheet, 4.1.14 (PIRQRC)

   Device n's pin A goes to link n - 1, the next pins to the next links; a link's number is its register, 60-63. */

#include "post.h"

#define SLOTS 6
#define IRQ_MASK 0x0EF8         /* 3-7, 9-11 as the links allow; 10 and 11 are in use */

struct slot {
    u8 bus, devfn;
    struct { u8 link; u16 irqs; } PACKED pins[4];
    u8 number, reserved;
} PACKED;

struct pir {
    char signature[4];
    u16 version, size;
    u8 bus, devfn;
    u16 exclusive;
    u32 compatible, miniport;
    u8 reserved[11], sum;
    struct slot slots[SLOTS];
} PACKED;

void pir_build(void)
{
    struct pir *t = bridge_found ? table_alloc(sizeof *t, 16) : 0;
    if (!t)
        return;
    memset(t, 0, sizeof *t);
    memcpy(t->signature, "$PIR", 4);
    t->version = 0x0100;
    t->size = sizeof *t;
    t->devfn = bridge_bdf;
    t->compatible = 0x122E8086;                 /* PIIX */
    for (u32 i = 0; i < SLOTS; i++) {
        struct slot *s = &t->slots[i];
        s->devfn = (i + 1) << 3;
        s->number = i;
        for (u32 pin = 0; pin < 4; pin++) {
            s->pins[pin].link = 0x60 + ((i + pin) & 3);
            s->pins[pin].irqs = IRQ_MASK | 0xD000;
        }
    }
    t->sum = -sum(t, sizeof *t);
    pir_table = (u32)t - CODE_BASE;
    pir_length = sizeof *t;
}
