/* Calls into option ROMs and from them, and the first int 19h.

   Source   Plug and Play BIOS Specification 1.0A, 3.4 (AX bus, device and function; BX, DX: no card; ES:DI $PnP);
            POST Memory Manager Specification 1.01, 3.2 (arguments on the stack, the result in DX:AX) */

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

void pmm_call(struct regs *r)
{
    enum { ABOVE = 4 + 2 + 4 + 6 + 4 };         /* EAX, DS, handler, what IRET takes, what the far return takes */
    u32 result = 0xFFFFFFFF;
    if (post_pmm)
        result = call32(post_pmm, ((r->caller_ss & 0xFFFF) << 4) + (u16)(r->caller_sp + ABOVE));
    r->ax = result;
    r->dx = result >> 16;
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
