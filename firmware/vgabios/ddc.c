/* VBE/DDC: what the monitor says about itself (function 15h).
 *
 * Source   VESA BIOS Extensions/Display Data Channel (VBE/DDC) 1.1; VESA E-EDID 1.3, section 3
 *
 * No real monitor hangs on this card, so the EDID is that of one which shows every common size.
 */
#include "vbe.h"

#define DDC2 0x02
#define EDID_BYTES 128

/* 5 bits a letter, A is 1. */
#define VENDOR(a, b, c) ((a) - '@') << 2 | ((b) - '@') >> 3, (((b) - '@') << 5 & 0xff) | ((c) - '@')
/* Width / 8 - 31; bits 7-6 the ratio (0: 16:10, 1: 4:3, 2: 5:4, 3: 16:9), 5-0 the rate - 60. */
#define STANDARD(width, ratio) (width) / 8 - 31, (ratio) << 6

static const u8 edid[EDID_BYTES] = {
    0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00,
    VENDOR('P', 'Y', 'Q'), 0x01, 0x00,              /* product 1 */
    0x00, 0x00, 0x00, 0x00,                         /* no serial number */
    0x01, 34,                                       /* first week of 2024 */
    0x01, 0x03,                                     /* EDID 1.3 */
    0x08, 34, 26, 120, 0x0a,                        /* analog, 34 x 26 cm, gamma 2.2; RGB, preferred timing first */
    0xee, 0x91, 0xa3, 0x54, 0x4c, 0x99, 0x26, 0x0f, 0x50, 0x54, /* chromaticity: sRGB */
    0x21, 0x08, 0x00,                               /* 640x480, 800x600, 1024x768, all at 60 Hz */
    STANDARD(1920, 3), STANDARD(1680, 0), STANDARD(1600, 1), STANDARD(1440, 0),
    STANDARD(1280, 2), STANDARD(1280, 0), STANDARD(1280, 3), STANDARD(1152, 1),

    /* 1024x768 at 60 Hz: 65 MHz; 320 dots and 38 lines of blanking; syncs 24 + 136 dots, 3 + 6 lines. */
    6500 & 0xff, 6500 >> 8, 1024 & 0xff, 320 & 0xff, 1024 >> 8 << 4 | 320 >> 8,
    768 & 0xff, 38, 768 >> 8 << 4, 24, 136, 3 << 4 | 6, 0x00,
    340 & 0xff, 260 & 0xff, 340 >> 8 << 4 | 260 >> 8, 0, 0, 0x18,

    0, 0, 0, 0xfd, 0, 50, 125, 30, 160, 40, 0x00, '\n', ' ', ' ', ' ', ' ', ' ', ' ', /* 50-125 Hz, 30-160 kHz */
    0, 0, 0, 0xfc, 0, 'p', 'y', 'q', 'e', 'm', 'u', '\n', ' ', ' ', ' ', ' ', ' ', ' ',
    0, 0, 0, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0,                                              /* no extension */
    0x93,                                           /* all 128 bytes add up to 0 */
};

/* cx: which controller, dx: which block; there is one of each. */
u16 read_edid(Regs r)
{
    if (r->cx)
        return VBE_FAILED;
    switch (r->bl) {
    case 0:
        r->bh = 1; /* at most a second */
        r->bl = DDC2;
        return VBE_OK;
    case 1:
        if (r->dx)
            return VBE_FAILED;
        copy8(r->es, r->di, own_segment(), offset_of(edid), EDID_BYTES);
        return VBE_OK;
    }
    return VBE_NOT_SUPPORTED;
}
