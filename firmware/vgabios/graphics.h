/* Pixels and characters in graphics modes. */
#ifndef GRAPHICS_H
#define GRAPHICS_H

#include "types.h"

void scroll_graphics(u8 page, int down, u8 lines, u8 attribute, u8 top, u8 left, u8 rows, u8 columns);
void draw_cells(u8 character, u8 attribute, u8 page, u8 row, u8 column, u16 count);
u16 recognise_cell(u8 page, u8 row, u8 column);
void write_pixel(u8 page, u16 x, u16 y, u8 colour);
u8 read_pixel(u8 page, u16 x, u16 y);

#endif
