/* The dispi registers of the standard VGA, and where its linear memory is. */
#ifndef DISPI_H
#define DISPI_H

#include "types.h"

#define DISPI_INDEX 0x1ce
#define DISPI_DATA 0x1cf

enum { DISPI_ID, DISPI_X, DISPI_Y, DISPI_BPP, DISPI_ENABLE, DISPI_BANK, DISPI_VIRTUAL_X, DISPI_VIRTUAL_Y,
       DISPI_X_OFFSET, DISPI_Y_OFFSET, DISPI_MEMORY };

#define DISPI_SAVED 9 /* registers 1 to 9 */

#define DISPI_ENABLED 0x01
#define DISPI_LIMITS 0x02
#define DISPI_DAC_8BIT 0x20
#define DISPI_LINEAR 0x40
#define DISPI_NO_CLEAR 0x80

static inline u16 read_dispi(u16 index)
{
    out16(DISPI_INDEX, index);
    return in16(DISPI_DATA);
}

static inline void write_dispi(u16 index, u16 value)
{
    out16(DISPI_INDEX, index);
    out16(DISPI_DATA, value);
}

/* What the card can do at most. */
struct limits {
    u16 x, y, bpp;
    u32 memory; /* bytes */
};

int have_dispi(void);
void read_limits(__seg_gs struct limits *limits);
void disable_dispi(void);
u32 line_bytes(u16 bpp, u16 width);
void save_dispi(u16 segment, u16 at);
void restore_dispi(u16 segment, u16 at);

void remember_pci_function(u16 function);
u32 linear_memory(void);

#endif
