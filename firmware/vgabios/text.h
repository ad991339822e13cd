/* Cursor, scrolling and characters, in text and graphics modes. */
#ifndef TEXT_H
#define TEXT_H

#include "types.h"

void set_cursor_shape(u16 shape);
void place_cursor(u8 page, u16 place);
void show_page(u8 page);

void scroll(u8 page, int down, u8 lines, u8 attribute, u8 top, u8 left, u8 bottom, u8 right);
void write_cells(u8 character, u8 attribute, int with_attribute, u8 page, u8 row, u8 column, u16 count);
u16 read_cell(u8 page, u8 row, u8 column);
void teletype(u8 character, u8 attribute, int with_attribute, u8 page);
void write_string(Regs r);

#endif
