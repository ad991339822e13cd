/* Interrupt vectors, BIOS data area, extended BIOS data area.

   Source   IBM PC/AT Technical Reference; Ralf Brown's Interrupt List, MEMORY.LST */

#include "post.h"

#define V(name) extern u8 b16_##name[]
V(entry_irq_pic1); V(entry_irq0); V(entry_irq1); V(entry_irq6); V(entry_irq8); V(entry_irq12); V(entry_irq_disk);
V(entry_fpu); V(entry_int10); V(entry_int11); V(entry_int12); V(entry_int13); V(entry_int14); V(entry_int15);
V(entry_int16); V(entry_int17); V(entry_int18); V(entry_int19); V(entry_int1a); V(entry_iret); V(diskette_table);

#define EQUIPMENT_FPU 0x02
#define EQUIPMENT_80_COLUMNS 0x20
#define EQUIPMENT_MOUSE 0x04

static const struct { u8 vector; const u8 *offset; } vectors[] = {
    {0x08, b16_entry_irq0}, {0x09, b16_entry_irq1}, {0x0E, b16_entry_irq6}, {0x10, b16_entry_int10},
    {0x11, b16_entry_int11}, {0x12, b16_entry_int12}, {0x13, b16_entry_int13}, {0x14, b16_entry_int14},
    {0x15, b16_entry_int15}, {0x16, b16_entry_int16}, {0x17, b16_entry_int17}, {0x18, b16_entry_int18},
    {0x19, b16_entry_int19}, {0x1A, b16_entry_int1a}, {0x1E, b16_diskette_table}, {0x40, b16_entry_int13},
    {0x70, b16_entry_irq8}, {0x74, b16_entry_irq12}, {0x75, b16_entry_fpu}, {0x76, b16_entry_irq_disk},
    {0x77, b16_entry_irq_disk},
};

static void set_vector(u8 vector, const u8 *offset) { POKE32(vector * 4, SEG_CODE << 16 | (u32)offset); }

void vectors_init(void)
{
    u16 warm = PEEK16(BDA_BASE + 0x72);
    memset((void *)0, 0, 0x500);
    for (u32 v = 0; v < 0x100; v++)
        if (v < 0x60 || v > 0x67)               /* those are for programs, which take 0 for free */
            set_vector(v, b16_entry_iret);
    for (u32 v = 0x08; v < 0x10; v++)
        set_vector(v, b16_entry_irq_pic1);
    for (u32 v = 0x70; v < 0x78; v++)
        set_vector(v, b16_entry_irq_pic1);
    POKE32(0x1D * 4, 0);
    POKE32(0x1F * 4, 0);
    for (u32 i = 0; i < ARRAY_SIZE(vectors); i++)
        set_vector(vectors[i].vector, vectors[i].offset);

    memset((void *)(EBDA_SEGMENT << 4), 0, 1024);
    POKE8(EBDA_SEGMENT << 4, 1);                /* KiB */
    POKE16(BDA_BASE + 0x0E, EBDA_SEGMENT);
    POKE16(BDA_BASE + 0x10, EQUIPMENT_FPU | EQUIPMENT_MOUSE | EQUIPMENT_80_COLUMNS);
    POKE16(BDA_BASE + 0x13, EBDA_SEGMENT >> 6);
    POKE16(BDA_BASE + 0x1A, 0x1E);
    POKE16(BDA_BASE + 0x1C, 0x1E);
    POKE16(BDA_BASE + 0x80, 0x1E);
    POKE16(BDA_BASE + 0x82, 0x3E);
    POKE8(BDA_BASE + 0x49, 3);
    POKE8(BDA_BASE + 0x4A, 80);
    POKE8(BDA_BASE + 0x84, 24);
    POKE16(BDA_BASE + 0x72, warm == 0x1234 ? warm : 0);
    POKE8(BDA_BASE + 0x96, 0x10);               /* an enhanced keyboard */
    POKE8(BDA_BASE + 0x97, 0x10);
}
