/* Pixels and characters in VBE modes. */
#ifndef VBE_TEXT_H
#define VBE_TEXT_H

#include "types.h"

void vbe_scroll(int down, u8 lines, u8 top, u8 left, u8 rows, u8 columns);
void vbe_draw(u16 segment, u16 glyph, u8 attribute, u8 row, u8 column);
void vbe_write_pixel(u16 x, u16 y, u8 colour);
u8 vbe_read_pixel(u16 x, u16 y);

/* linear.S: physical addresses, lines upwards; in real mode only. */
void linear_move(u32 to, u32 from, u32 bytes, u32 lines, u32 to_pitch, u32 from_pitch);
void linear_clear(u32 to, u32 bytes, u32 lines, u32 pitch);

#endif
