/* The VGA's text screen, with colours of our own in place of the CGA's.

   Source   IBM VGA hardware: text memory at B8000, CRTC 0Ah, 0Eh and 0Fh (cursor), attribute controller 10h
            (bit 3: blinking or bright backgrounds), DAC at 3C8/3C9 (6 bits a colour) */

#include "demo.h"

#define CELLS ((volatile u16 *)0xB8000)
enum { CRTC = 0x3D4, ATTRIBUTE = 0x3C0, ATTRIBUTE_READ = 0x3C1, STATUS = 0x3DA, DAC_INDEX = 0x3C8, DAC_DATA = 0x3C9 };
enum { CURSOR_START = 0x0A, CURSOR_HIGH = 0x0E, CURSOR_LOW = 0x0F, ATTRIBUTE_MODE = 0x10, BLINK = 0x08,
       DISPLAY_ON = 0x20 };

/* Sixteen colours, red green blue in 6 bits. A terminal shows its own of the same names. */
static const u8 palette[16][3] = {
    {3, 5, 9}, {9, 24, 48}, {14, 45, 24}, {14, 44, 50}, {50, 16, 18}, {40, 24, 48}, {48, 30, 12}, {48, 51, 55},
    {22, 28, 36}, {24, 42, 62}, {30, 56, 36}, {28, 56, 62}, {62, 30, 30}, {54, 38, 62}, {63, 53, 24}, {62, 63, 63},
};

/* Where the BIOS's mode 3 finds each of the sixteen in the DAC. */
static const u8 dac_index[16] = {0, 1, 2, 3, 4, 5, 0x14, 7, 0x38, 0x39, 0x3A, 0x3B, 0x3C, 0x3D, 0x3E, 0x3F};

static const u8 attributes[] = {
    [PLAIN] = 0x07, [DIM] = 0x08, [BRIGHT] = 0x0F, [HEADING] = 0x0B, [TITLE] = 0x1F, [TITLE_DIM] = 0x1B,
    [KEY] = 0xE0, [KEY_TEXT] = 0x1F, [GOOD] = 0x0A, [WARNING] = 0x0E,
};

static u8 crtc_read(u8 index)
{
    out8(CRTC, index);
    return in8(CRTC + 1);
}

static void crtc_write(u8 index, u8 value)
{
    out8(CRTC, index);
    out8(CRTC + 1, value);
}

static void bright_backgrounds(void)
{
    in8(STATUS);                                /* the next write is an index */
    out8(ATTRIBUTE, ATTRIBUTE_MODE | DISPLAY_ON);
    u8 mode = in8(ATTRIBUTE_READ);
    out8(ATTRIBUTE, mode & ~BLINK);
}

void screen_start(void)
{
    for (u32 i = 0; i < 16; i++) {
        out8(DAC_INDEX, dac_index[i]);
        for (u32 part = 0; part < 3; part++)
            out8(DAC_DATA, palette[i][part]);
    }
    bright_backgrounds();
    crtc_write(CURSOR_START, crtc_read(CURSOR_START) & ~0x20);
    for (u32 row = 0; row < ROWS; row++)
        screen_fill(0, row, COLUMNS, ' ', PLAIN);
}

static void cell(u32 column, u32 row, char c, enum look look)
{
    if (column < COLUMNS && row < ROWS)
        CELLS[row * COLUMNS + column] = (u8)c | attributes[look] << 8;
}

u32 screen_text(u32 column, u32 row, const char *text, u32 width, enum look look)
{
    for (; *text && width; width--)
        cell(column++, row, *text++, look);
    return column;
}

void screen_fill(u32 column, u32 row, u32 width, char c, enum look look)
{
    while (width--)
        cell(column++, row, c, look);
}

void screen_panel(u32 column, u32 row, u32 width, u32 rows, const char *title)
{
    u32 right = column + width - 1, bottom = row + rows - 1;
    screen_fill(column + 1, row, width - 2, 0xC4, DIM);
    screen_fill(column + 1, bottom, width - 2, 0xC4, DIM);
    for (u32 i = row + 1; i < bottom; i++) {
        cell(column, i, 0xB3, DIM);
        cell(right, i, 0xB3, DIM);
    }
    cell(column, row, 0xDA, DIM);
    cell(right, row, 0xBF, DIM);
    cell(column, bottom, 0xC0, DIM);
    cell(right, bottom, 0xD9, DIM);
    cell(column + 2, row, ' ', DIM);
    u32 after = screen_text(column + 3, row, title, width - 6, HEADING);
    cell(after, row, ' ', DIM);
}

void screen_cursor(u32 column, u32 row)
{
    u32 at = row * COLUMNS + column;
    crtc_write(CURSOR_HIGH, at >> 8);
    crtc_write(CURSOR_LOW, at);
}
