/* The BIOS data area's video fields (segment 40h), reached through fs = 0. */
#ifndef BDA_H
#define BDA_H

#include "types.h"

#define BDA(type, offset) (*(volatile __seg_fs type *)(0x400 + (offset)))

#define EQUIPMENT BDA(u16, 0x10)
#define MODE BDA(u8, 0x49)
#define COLUMNS BDA(u16, 0x4a)
#define PAGE_BYTES BDA(u16, 0x4c)
#define PAGE_START BDA(u16, 0x4e)
#define CURSOR_AT(page) BDA(u16, 0x50 + 2 * (page)) /* column, row */
#define CURSOR_SHAPE BDA(u16, 0x60)                 /* last line, first line */
#define PAGE BDA(u8, 0x62)
#define CRTC BDA(u16, 0x63)
#define MODE_CONTROL BDA(u8, 0x65) /* what a CGA's ports 3D8 and 3D9 would hold */
#define CGA_PALETTE BDA(u8, 0x66)
#define LAST_ROW BDA(u8, 0x84)
#define CHAR_HEIGHT BDA(u16, 0x85)
#define CONTROL BDA(u8, 0x87)
#define SWITCHES BDA(u8, 0x88)
#define FLAGS BDA(u8, 0x89)
#define DCC_INDEX BDA(u8, 0x8a)
#define SAVE_POINTER BDA(struct far, 0xa8)

#define VIDEO_FIELDS 0x49 /* 30 bytes to 66h */
#define VIDEO_FIELDS_BYTES 30
#define EGA_FIELDS 0x84 /* 7 bytes to 8Ah */
#define EGA_FIELDS_BYTES 7

#define EQUIPMENT_MONO 0x30
#define EQUIPMENT_COLOUR_80 0x20

#define CONTROL_NO_EMULATION 0x01
#define CONTROL_MONO 0x02
#define CONTROL_256K 0x60
#define CONTROL_KEEP 0x80

#define FLAGS_VGA 0x01
#define FLAGS_GREY 0x02
#define FLAGS_MONO 0x04
#define FLAGS_KEEP_PALETTE 0x08
#define FLAGS_400_LINES 0x10
#define FLAGS_200_LINES 0x80
#define FLAGS_COMBINATION 0x40

#define GRAPHICS_FONT VECTOR(0x43)
#define UPPER_FONT VECTOR(0x1f)

#endif
