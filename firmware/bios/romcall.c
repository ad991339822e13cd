/* Calls into option ROMs, and the first int 19h.

   Source   Plug and Play BIOS Specification 1.0A, 3.4 (AX bus, device and function; BX, DX: no card; ES:DI $PnP) */

#include "bios.h"

void rom_call(u32 segment_offset)
{
    struct regs r = {0};
    r.ax = rom_bdf;
    r.bx = r.dx = 0xFFFF;
    r.es = SEG_CODE;
    r.di = (u32)pnp_header;
    call_far(&r, segment_offset);
}

void start_boot(void)
{
    struct regs r = {0};
    call_vector(&r, 0x19);
}

/* 80 by 25, once the display has its BIOS. */
void text_mode(void)
{
    struct regs r = {0};
    r.ax = 0x0003;
    call_vector(&r, 0x10);
}
