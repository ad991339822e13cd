/* Character sets: AH=11h. The bitmaps are in font_tables.S.
 *
 * Source   IBM PS/2 and PC BIOS Interface Technical Reference, int 10h AH=11h; IBM PS/2 Hardware Interface
 *          Technical Reference, Video Subsystems (1992), "RAM-loadable character generator"
 */
#include "fonts.h"
#include "modes.h"
#include "ports.h"
#include "text.h"

#define GLYPH_BYTES 32
#define GLYPHS_AT_ONCE 8

static const u8 *rom_font(u8 height)
{
    return height == 16 ? font_8x16 : height == 14 ? font_8x14 : font_8x8;
}

/* Blocks 0 to 3 lie 16 KiB apart, 4 to 7 between them. */
static u16 block_at(u8 block)
{
    return (block & 3) << 14 | (block & 4) << 11;
}

/* Characters into plane 2, which is opened at A0000 meanwhile. The glyphs follow each other in the source; here
 * each has 32 lines, those that it lacks are empty. Eight at a time: one long string instruction is much faster
 * than many short ones where the adapter's memory is slow. */
static void load_font(u16 segment, u16 at, u8 height, u16 first, u16 count, u8 block)
{
    u8 glyphs[GLYPHS_AT_ONCE * GLYPH_BYTES];
    u8 map_mask, memory, read_map, mode, misc;
    u16 to = block_at(block) + first * GLYPH_BYTES, stack = stack_segment();
    if (height == 0 || height > GLYPH_BYTES || first > 255)
        return;
    if (count > 256 - first)
        count = 256 - first;
    map_mask = read_indexed(SEQUENCER, SEQ_MAP_MASK);
    memory = read_indexed(SEQUENCER, SEQ_MEMORY);
    read_map = read_indexed(GRAPHICS, GFX_READ_MAP);
    mode = read_indexed(GRAPHICS, GFX_MODE);
    misc = read_indexed(GRAPHICS, GFX_MISC);
    write_seq(SEQ_MAP_MASK, 0x04);
    write_seq(SEQ_MEMORY, 0x06);
    write_gfx(GFX_READ_MAP, 0x02);
    write_gfx(GFX_MODE, 0x00);
    write_gfx(GFX_MISC, 0x04);
    fill32(stack, offset_of(glyphs), 0, sizeof glyphs / 4);
    while (count) {
        u16 here = offset_of(glyphs), some = count < GLYPHS_AT_ONCE ? count : GLYPHS_AT_ONCE;
        count -= some;
        for (u16 i = 0; i < some; i++, here += GLYPH_BYTES, at += height) {
            if (height == 16)
                copy32(stack, here, segment, at, 4);
            else
                copy8(stack, here, segment, at, height);
        }
        copy32(0xa000, to, stack, offset_of(glyphs), some * GLYPH_BYTES / 4);
        to += some * GLYPH_BYTES;
    }
    write_seq(SEQ_MAP_MASK, map_mask);
    write_seq(SEQ_MEMORY, memory);
    write_gfx(GFX_READ_MAP, read_map);
    write_gfx(GFX_MODE, mode);
    write_gfx(GFX_MISC, misc);
}

void load_rom_font(u8 height, u8 block)
{
    load_font(own_segment(), offset_of(rom_font(height)), height, 0, 256, block);
}

/* What draws characters in graphics modes. */
void point_to_font(u8 height)
{
    GRAPHICS_FONT.offset = offset_of(rom_font(height));
    GRAPHICS_FONT.segment = own_segment();
}

/* AL=1xh: as many rows as fit into the mode's scan lines. */
static void fit_rows(u8 height)
{
    u16 lines;
    u8 overflow, scan, twice, rows;
    u16 crtc = CRTC;
    if (!height || height > GLYPH_BYTES)
        return;
    overflow = read_indexed(crtc, 0x07);
    lines = (read_indexed(crtc, CRTC_DISPLAY_END) | (overflow & 0x02) << 7 | (overflow & 0x40) << 3) + 1;
    scan = read_indexed(crtc, CRTC_MAX_SCAN_LINE);
    twice = scan >> 7; /* 200 lines are shown as 400 */
    rows = (lines >> twice) / height;
    write_crtc(CRTC_MAX_SCAN_LINE, (scan & 0xe0) | (height - 1));
    write_crtc(CRTC_DISPLAY_END, (u8)((rows * height << twice) - 1));
    if (MODE == 7)
        write_crtc(CRTC_UNDERLINE, height - 1);
    CHAR_HEIGHT = height;
    LAST_ROW = rows - 1;
    PAGE_BYTES = rows * COLUMNS * 2;
    if (PAGE_BYTES & 0xff)
        PAGE_BYTES = (PAGE_BYTES | 0xff) + 1;
    set_cursor_shape(CURSOR_SHAPE);
}

/* AL=2xh: rows as bl says, 0: dl, else 14, 25 or 43. */
static void use_graphics_font(Regs r, u16 segment, u16 at, u8 height)
{
    GRAPHICS_FONT.offset = at;
    GRAPHICS_FONT.segment = segment;
    CHAR_HEIGHT = height;
    if (r->bl == 0)
        LAST_ROW = r->dl - 1;
    else
        LAST_ROW = (r->bl == 1 ? 14 : r->bl == 3 ? 43 : 25) - 1;
}

static void describe_font(Regs r)
{
    u16 at, segment = own_segment();
    switch (r->bh) {
    case 0:
        at = UPPER_FONT.offset;
        segment = UPPER_FONT.segment;
        break;
    case 1:
        at = GRAPHICS_FONT.offset;
        segment = GRAPHICS_FONT.segment;
        break;
    case 2:
        at = offset_of(font_8x14);
        break;
    case 3:
        at = offset_of(font_8x8);
        break;
    case 4:
        at = offset_of(font_8x8 + 128 * 8);
        break;
    case 5:
        at = offset_of(font_9x14_changes);
        break;
    case 6:
        at = offset_of(font_8x16);
        break;
    case 7:
        at = offset_of(font_9x16_changes);
        break;
    default:
        return;
    }
    r->es = segment;
    r->bp = at;
    r->cx = CHAR_HEIGHT;
    r->dl = LAST_ROW;
}

void font_service(Regs r)
{
    static const u8 heights[5] = {0, 14, 8, 0, 16};
    u8 function = r->al, kind = function & 0x0f, height = kind < 5 ? heights[kind] : 0;

    if (function == 0x30) {
        describe_font(r);
    } else if (function == 0x20) {
        UPPER_FONT.offset = r->bp;
        UPPER_FONT.segment = r->es;
    } else if (function == 0x21) {
        use_graphics_font(r, r->es, r->bp, (u8)r->cx);
    } else if (function >= 0x22 && function <= 0x24) {
        height = kind == 2 ? 14 : kind == 3 ? 8 : 16;
        use_graphics_font(r, own_segment(), offset_of(rom_font(height)), height);
    } else if (function == 0x03) {
        write_seq(SEQ_FONTS, r->bl);
    } else if (function <= 0x14 && (kind == 0 || height)) {
        if (height)
            load_rom_font(height, r->bl);
        else
            load_font(r->es, r->bp, height = r->bh, r->dx, r->cx, r->bl);
        if (function & 0x10)
            fit_rows(height);
    }
}
