/* Cursor, pages, scrolling, characters and strings: AH=01h to 0Ah, 0Eh, 13h. Graphics modes: graphics.c.
 *
 * Source   IBM PS/2 and PC BIOS Interface Technical Reference, int 10h
 */
#include "text.h"
#include "bell.h"
#include "graphics.h"
#include "modes.h"
#include "ports.h"

#define CURSOR_OFF 0x20
#define BELL 0x07
#define BACKSPACE 0x08
#define LINE_FEED 0x0a
#define CARRIAGE_RETURN 0x0d

static int is_text(void)
{
    u8 mode = MODE;
    return mode <= 3 || mode == 7;
}

/* -- cursor and pages ------------------------------------------------------------------------------------ */

/* Programs give the lines of an 8-line (or the 14-line monochrome) character. With emulation on (40:87 bit 0
 * clear) the same form is made for the real height: a thin cursor near the bottom, the lower half or a block. */
void set_cursor_shape(u16 shape)
{
    u8 first = shape >> 8 & 0x1f, last = shape & 0x1f, height = (u8)CHAR_HEIGHT;
    u8 hidden = shape >> 8 & 0x60;

    CURSOR_SHAPE = shape;
    if (hidden) {
        hidden = CURSOR_OFF;
    } else if (is_text() && !(CONTROL & CONTROL_NO_EMULATION) && height > 8 && last > 3 && last != height - 1 &&
               first <= last) {
        u8 thickness = last - first;
        if (thickness <= 2) {
            last = height >= 14 ? height - 2 : height - 1;
            first = last - thickness;
        } else if (last < 8) {
            first = first <= 1 ? 0 : height / 2;
            last = height - 1;
        }
    }
    write_crtc(CRTC_CURSOR_START, first | hidden);
    write_crtc(CRTC_CURSOR_END, last);
}

static void show_cursor(u8 page, u16 place)
{
    u16 at = page * PAGE_BYTES / 2 + (place >> 8) * COLUMNS + (place & 0xff);
    u16 crtc = CRTC;
    out16(crtc, CRTC_CURSOR_HIGH | (at & 0xff00));
    out16(crtc, CRTC_CURSOR_LOW | at << 8);
}

void place_cursor(u8 page, u16 place)
{
    page &= 7;
    CURSOR_AT(page) = place;
    if (page == PAGE && is_text())
        show_cursor(page, place);
}

void show_page(u8 page)
{
    const struct mode *mode = current_mode();
    u16 start;
    if (!mode || page >= mode->pages)
        return;
    PAGE = page;
    start = page * PAGE_BYTES;
    PAGE_START = start;
    if (mode->kind == TEXT)
        start /= 2;
    write_crtc(CRTC_START_HIGH, start >> 8);
    write_crtc(CRTC_START_LOW, (u8)start);
    if (mode->kind == TEXT)
        show_cursor(page, CURSOR_AT(page));
}

/* -- scrolling ------------------------------------------------------------------------------------------- */

static void scroll_text(u8 page, int down, u8 lines, u8 attribute, u8 top, u8 left, u8 rows, u8 columns)
{
    u16 segment = text_segment(), line_bytes = COLUMNS * 2;
    u16 at = page * PAGE_BYTES + top * line_bytes + left * 2;
    u16 blank = attribute << 8 | ' ', moved = rows - lines;

    if (columns * 2 == line_bytes) { /* whole rows follow each other */
        if (!down) {
            copy16(segment, at, segment, at + lines * line_bytes, moved * columns);
            fill16(segment, at + moved * line_bytes, blank, lines * columns);
            return;
        }
        if (lines == rows) {
            fill16(segment, at, blank, rows * columns);
            return;
        }
    }
    if (down) {
        u16 row = at + (rows - 1) * line_bytes;
        for (u16 i = 0; i < moved; i++, row -= line_bytes)
            copy16(segment, row, segment, row - lines * line_bytes, columns);
        for (u16 i = 0; i < lines; i++, row -= line_bytes)
            fill16(segment, row, blank, columns);
    } else {
        for (u16 i = 0; i < moved; i++, at += line_bytes)
            copy16(segment, at, segment, at + lines * line_bytes, columns);
        for (u16 i = 0; i < lines; i++, at += line_bytes)
            fill16(segment, at, blank, columns);
    }
}

/* A window of the page; lines = 0, or more than it has, clears it. */
void scroll(u8 page, int down, u8 lines, u8 attribute, u8 top, u8 left, u8 bottom, u8 right)
{
    u8 rows, columns;
    if (bottom > LAST_ROW)
        bottom = LAST_ROW;
    if (right >= COLUMNS)
        right = (u8)COLUMNS - 1;
    if (top > bottom || left > right)
        return;
    rows = bottom - top + 1;
    columns = right - left + 1;
    if (!rows || !columns) /* 256: no mode has so many */
        return;
    if (!lines || lines > rows)
        lines = rows;
    if (is_text())
        scroll_text(page, down, lines, attribute, top, left, rows, columns);
    else
        scroll_graphics(page, down, lines, attribute, top, left, rows, columns);
}

/* -- characters ------------------------------------------------------------------------------------------ */

static u16 cell_at(u8 page, u8 row, u8 column)
{
    return page * PAGE_BYTES + (row * COLUMNS + column) * 2;
}

void write_cells(u8 character, u8 attribute, int with_attribute, u8 page, u8 row, u8 column, u16 count)
{
    u16 segment, at;
    if (!is_text()) {
        draw_cells(character, attribute, page, row, column, count);
        return;
    }
    segment = text_segment();
    at = cell_at(page, row, column);
    if (count > 0x4000)
        count = 0x4000; /* all of the memory */
    if (with_attribute) {
        fill16(segment, at, attribute << 8 | character, count);
        return;
    }
    for (; count; count--, at += 2)
        poke8(segment, at, character);
}

/* Attribute and character. */
u16 read_cell(u8 page, u8 row, u8 column)
{
    if (!is_text())
        return recognise_cell(page, row, column);
    return peek16(text_segment(), cell_at(page, row, column));
}

/* One character as on a terminal; the attribute counts in graphics modes and if with_attribute. */
void teletype(u8 character, u8 attribute, int with_attribute, u8 page)
{
    u16 place;
    u8 row, column;
    page &= 7;
    place = CURSOR_AT(page);
    row = place >> 8;
    column = (u8)place;
    switch (character) {
    case BELL:
        ring_bell();
        return;
    case BACKSPACE:
        if (column)
            column--;
        break;
    case LINE_FEED:
        row++;
        break;
    case CARRIAGE_RETURN:
        column = 0;
        break;
    default:
        write_cells(character, attribute, with_attribute, page, row, column, 1);
        if (++column >= COLUMNS) {
            column = 0;
            row++;
        }
    }
    if (row > LAST_ROW) {
        u8 blank = 0;
        row = LAST_ROW;
        if (is_text())
            blank = with_attribute ? attribute : read_cell(page, row, column) >> 8;
        scroll(page, 0, 1, blank, 0, 0, row, 0xff);
    }
    place_cursor(page, row << 8 | column);
}

static int is_control(u8 character)
{
    return character == BELL || character == BACKSPACE || character == LINE_FEED || character == CARRIAGE_RETURN;
}

/* AH=13h: bit 0 of al: the cursor moves; bit 1: an attribute follows each character that is not a control. */
void write_string(Regs r)
{
    u8 page = r->bh & 7, attribute = r->bl;
    u16 before = CURSOR_AT(page), at = r->bp, segment = r->es;
    if (r->al > 3)
        return;
    place_cursor(page, r->dx);
    for (u16 left = r->cx; left; left--) {
        u8 character = peek8(segment, at++);
        if (r->al & 2 && !is_control(character))
            attribute = peek8(segment, at++);
        teletype(character, attribute, 1, page);
    }
    if (!(r->al & 1))
        place_cursor(page, before);
}
