/* The PCI interrupt routing table ($PIR).

   Source   Microsoft PCI IRQ Routing Table Specification 1.0; 82371SB data sheet, 4.1.14 (PIRQRC)

   Device n's pin A goes to link n - 1, the next pins to the next links; a link's number is its register, 60-63. */

#include "post.h"

#define SLOTS 6
#define IRQS 0xDEF8             /* 3-7, 9-12, 14, 15 as the links allow; 10 and 11 are in use */

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

#define PINS(a, b, c, d) {{a, IRQS}, {b, IRQS}, {c, IRQS}, {d, IRQS}}
#define SLOT(n, ...) {0, (n) << 3, PINS(__VA_ARGS__), (n) - 1, 0}

static const struct pir table = {
    .signature = "$PIR", .version = 0x0100, .size = sizeof(struct pir),
    .compatible = 0x122E8086,                   /* PIIX */
    .slots = {SLOT(1, 0x60, 0x61, 0x62, 0x63), SLOT(2, 0x61, 0x62, 0x63, 0x60), SLOT(3, 0x62, 0x63, 0x60, 0x61),
              SLOT(4, 0x63, 0x60, 0x61, 0x62), SLOT(5, 0x60, 0x61, 0x62, 0x63), SLOT(6, 0x61, 0x62, 0x63, 0x60)},
};

void pir_build(void)
{
    struct pir *t = bridge_found ? table_alloc(sizeof *t, 16) : 0;
    if (!t)
        return;
    *t = table;
    t->devfn = bridge_bdf;
    t->sum = -sum(t, sizeof *t);
    pir_table = (u32)t - CODE_BASE;
    pir_length = sizeof *t;
}
