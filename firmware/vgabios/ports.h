/* The VGA's registers. */
#ifndef PORTS_H
#define PORTS_H

#include "bda.h"

#define ATTRIBUTE 0x3c0
#define ATTRIBUTE_READ 0x3c1
#define MISC_WRITE 0x3c2
#define VGA_ENABLE 0x3c3
#define SEQUENCER 0x3c4
#define DAC_MASK 0x3c6
#define DAC_READ 0x3c7
#define DAC_WRITE 0x3c8
#define DAC_DATA 0x3c9
#define FEATURE_READ 0x3ca
#define MISC_READ 0x3cc
#define GRAPHICS 0x3ce
#define CRTC_MONO 0x3b4
#define CRTC_COLOUR 0x3d4

#define PALETTE_SOURCE 0x20 /* attribute index: the screen is on */
#define ATTR_MODE 0x10
#define ATTR_OVERSCAN 0x11
#define ATTR_COLOUR_SELECT 0x14

#define SEQ_CLOCKING 1
#define SEQ_MAP_MASK 2
#define SEQ_FONTS 3
#define SEQ_MEMORY 4
#define SEQ_SCREEN_OFF 0x20

#define GFX_SET_RESET 0
#define GFX_ENABLE_SET_RESET 1
#define GFX_COMPARE 2
#define GFX_ROTATE 3
#define GFX_READ_MAP 4
#define GFX_MODE 5
#define GFX_MISC 6
#define GFX_DONT_CARE 7
#define GFX_BIT_MASK 8
#define GFX_XOR 0x18

#define CRTC_MAX_SCAN_LINE 0x09
#define CRTC_CURSOR_START 0x0a
#define CRTC_CURSOR_END 0x0b
#define CRTC_START_HIGH 0x0c
#define CRTC_START_LOW 0x0d
#define CRTC_CURSOR_HIGH 0x0e
#define CRTC_CURSOR_LOW 0x0f
#define CRTC_RETRACE_END 0x11
#define CRTC_DISPLAY_END 0x12
#define CRTC_UNDERLINE 0x14
#define CRTC_MODE 0x17

static inline void write_indexed(u16 port, u8 index, u8 value)
{
    out16(port, index | value << 8);
}

static inline u8 read_indexed(u16 port, u8 index)
{
    out8(port, index);
    return in8(port + 1);
}

static inline void write_seq(u8 index, u8 value)
{
    write_indexed(SEQUENCER, index, value);
}

static inline void write_gfx(u8 index, u8 value)
{
    write_indexed(GRAPHICS, index, value);
}

static inline void write_crtc(u8 index, u8 value)
{
    write_indexed(CRTC, index, value);
}

/* Input status 1: reading it makes the next write to 3C0 an index. */
static inline u8 status(void)
{
    return in8(CRTC + 6);
}

#endif
