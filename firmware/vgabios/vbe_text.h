/* Pixels and characters in VBE modes. */
#ifndef VBE_TEXT_H
#define VBE_TEXT_H

#include "types.h"

void vbe_scroll(int down, u8 lines, u8 top, u8 left, u8 rows, u8 columns);
void vbe_draw(u16 segment, u16 glyph, u8 attribute, u8 row, u8 column);
void vbe_write_pixel(u16 x, u16 y, u8 colour);
u8 vbe_read_pixel(u16 x, u16 y);

#endif
