/* VBE: int 10h, AH=4Fh. */
#ifndef VBE_H
#define VBE_H

#include "types.h"

#define VBE_OK 0x004f
#define VBE_FAILED 0x014f
#define VBE_NOT_SUPPORTED 0x024f
#define VBE_INVALID_IN_MODE 0x034f

#define VBE_LINEAR 0x4000
#define VBE_KEEP 0x8000

struct vbe_mode {
    u16 number, x, y;
    u8 bpp;
} __attribute__((packed));

extern const struct vbe_mode vbe_modes[];
extern const u16 vbe_mode_count;

void vbe_service(Regs r);
u16 vbe_info(u16 segment, u16 at);
u16 vbe_mode_info(u16 number, u16 segment, u16 at);
u16 read_edid(Regs r);

#endif
