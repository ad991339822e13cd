/* Pixels and characters in the graphics modes of the VGA.
 *
 * Source   IBM PS/2 Hardware Interface Technical Reference, Video Subsystems (1992), "Video memory organization"
 *          and "Graphics controller"; IBM PS/2 and PC BIOS Interface Technical Reference, int 10h
 *
 * Between calls the graphics controller is in write mode 0, all planes, all bits, no set/reset, as after setting
 * the mode; whoever changes that here puts it back.
 */
#include "graphics.h"
#include "modes.h"
#include "ports.h"
#include "vbe_text.h"

#define XOR 0x80
#define CGA_BANK 0x2000 /* odd lines */
#define ALL_PLANES 0x0f

static u16 planar_at(u8 page, u8 row, u8 column)
{
    return page * PAGE_BYTES + row * CHAR_HEIGHT * COLUMNS + column;
}

/* Half the lines of a character lie in each bank; 80 bytes a line. */
static u16 cga_at(u8 row, u8 column, u8 bytes)
{
    return row * (4 * 80) + column * bytes;
}

static u16 packed_at(u8 row, u8 column)
{
    return row * (8 * 320) + column * 8;
}

/* -- scrolling ------------------------------------------------------------------------------------------- */

/* Moves and clears *bytes* wide lines *pitch* apart. */
static void move_lines(u16 segment, u16 at, u16 pitch, u16 bytes, u16 count, u16 by, int down, u8 fill)
{
    u16 moved = count - by;
    if (bytes == pitch && !down) {
        copy8(segment, at, segment, at + by * pitch, moved * pitch);
        fill8(segment, at + moved * pitch, fill, by * pitch);
        return;
    }
    u16 step = pitch, distance = by * pitch;
    if (down) {
        at += (count - 1) * pitch;
        step = -step;
        distance = -distance;
    }
    for (; moved; moved--, at += step)
        copy8(segment, at, segment, at + distance, bytes);
    for (; by; by--, at += step)
        fill8(segment, at, fill, bytes);
}

/* The latches move all planes at once; so the blank lines are made one by one and moved like others. */
static void scroll_planar(u8 page, int down, u8 lines, u8 colour, u8 top, u8 left, u8 rows, u8 columns)
{
    u16 segment = 0xa000, pitch = COLUMNS, height = (u8)CHAR_HEIGHT;
    u16 at = planar_at(page, top, left), count = rows * height, by = lines * height, moved = count - by;
    u16 step = pitch, distance = by * pitch;

    if (down) {
        at += (count - 1) * pitch;
        step = -step;
        distance = -distance;
    }
    write_gfx(GFX_MODE, 0x01);
    if (columns == pitch && !down) {
        copy8(segment, at, segment, at + distance, moved * pitch);
        at += moved * pitch;
    } else {
        for (; moved; moved--, at += step)
            copy8(segment, at, segment, at + distance, columns);
    }
    write_gfx(GFX_MODE, 0x00);
    write_gfx(GFX_SET_RESET, colour & 0x0f);
    write_gfx(GFX_ENABLE_SET_RESET, 0x0f);
    if (columns == pitch && !down) {
        fill8(segment, at, 0, by * pitch);
    } else {
        for (; by; by--, at += step)
            fill8(segment, at, 0, columns);
    }
    write_gfx(GFX_ENABLE_SET_RESET, 0x00);
    write_gfx(GFX_SET_RESET, 0x00);
}

void scroll_graphics(u8 page, int down, u8 lines, u8 attribute, u8 top, u8 left, u8 rows, u8 columns)
{
    const struct mode *mode = current_mode();
    u8 bytes;
    if (!mode)
        return;
    switch (mode->kind) {
    case CGA_4:
    case CGA_2:
        bytes = mode->kind == CGA_4 ? 2 : 1;
        for (u16 bank = 0; bank <= CGA_BANK; bank += CGA_BANK)
            move_lines(0xb800, cga_at(top, left, bytes) + bank, 80, columns * bytes, rows * 4, lines * 4, down,
                       attribute);
        break;
    case PACKED:
        move_lines(0xa000, packed_at(top, left), 320, columns * 8, rows * 8, lines * 8, down, attribute);
        break;
    case PLANAR:
        scroll_planar(page, down, lines, attribute, top, left, rows, columns);
        break;
    case VBE:
        vbe_scroll(down, lines, top, left, rows, columns);
    }
}

/* -- characters ------------------------------------------------------------------------------------------ */

/* Where the lines of a character are. In the CGA modes those from 128 up belong to the user. */
static u16 glyph_of(u8 character, u8 kind, __seg_gs u16 *segment)
{
    if (character >= 128 && (kind == CGA_4 || kind == CGA_2)) {
        *segment = UPPER_FONT.segment;
        return UPPER_FONT.offset + (character - 128) * 8;
    }
    *segment = GRAPHICS_FONT.segment;
    return GRAPHICS_FONT.offset + character * (u8)CHAR_HEIGHT;
}

static void draw_planar(u16 segment, u16 glyph, u8 colour, u16 at)
{
    u8 height = (u8)CHAR_HEIGHT;
    u16 pitch = COLUMNS;
    if (colour & XOR) {
        write_gfx(GFX_SET_RESET, colour & ALL_PLANES);
        write_gfx(GFX_ENABLE_SET_RESET, ALL_PLANES);
        write_gfx(GFX_ROTATE, GFX_XOR);
        for (; height; height--, glyph++, at += pitch) {
            write_gfx(GFX_BIT_MASK, peek8(segment, glyph));
            peek8(0xa000, at);
            poke8(0xa000, at, 0xff);
        }
        write_gfx(GFX_BIT_MASK, 0xff);
        write_gfx(GFX_ROTATE, 0);
        write_gfx(GFX_ENABLE_SET_RESET, 0);
        write_gfx(GFX_SET_RESET, 0);
        return;
    }
    colour &= ALL_PLANES;
    if (colour != ALL_PLANES) {
        u16 line = at;
        write_seq(SEQ_MAP_MASK, ALL_PLANES ^ colour);
        for (u8 i = 0; i < height; i++, line += pitch)
            poke8(0xa000, line, 0);
    }
    if (colour) {
        write_seq(SEQ_MAP_MASK, colour);
        for (; height; height--, glyph++, at += pitch)
            poke8(0xa000, at, peek8(segment, glyph));
    }
    write_seq(SEQ_MAP_MASK, ALL_PLANES);
}

/* Each bit twice: a line of a 4-colour character. */
static u16 doubled(u8 bits)
{
    u16 wide = 0;
    for (u8 i = 0; i < 8; i++, bits <<= 1)
        wide = wide << 2 | (bits & 0x80 ? 3 : 0);
    return wide;
}

static void draw_cga(u8 kind, u16 segment, u16 glyph, u8 colour, u16 at)
{
    for (u8 i = 0; i < 8; i++, glyph++) {
        u8 bits = peek8(segment, glyph);
        u16 place = at + (i >> 1) * 80 + (i & 1 ? CGA_BANK : 0);
        if (kind == CGA_2) {
            poke8(0xb800, place, colour & XOR ? peek8(0xb800, place) ^ bits : bits);
        } else {
            u16 dots = doubled(bits) & (colour & 3) * 0x5555;
            dots = dots << 8 | dots >> 8; /* the left half is the lower byte */
            poke16(0xb800, place, colour & XOR ? peek16(0xb800, place) ^ dots : dots);
        }
    }
}

static void draw_packed(u16 segment, u16 glyph, u8 colour, u16 at)
{
    for (u8 i = 0; i < 8; i++, glyph++, at += 320) {
        u8 bits = peek8(segment, glyph);
        for (u8 x = 0; x < 8; x++, bits <<= 1)
            poke8(0xa000, at + x, bits & 0x80 ? colour : 0);
    }
}

void draw_cells(u8 character, u8 attribute, u8 page, u8 row, u8 column, u16 count)
{
    const struct mode *mode = current_mode();
    u16 segment, glyph;
    if (!mode)
        return;
    if (page >= mode->pages)
        page = 0;
    glyph = glyph_of(character, mode->kind, (__seg_gs u16 *)(u32)&segment);
    for (; count && row <= LAST_ROW; count--) {
        switch (mode->kind) {
        case CGA_4:
        case CGA_2:
            draw_cga(mode->kind, segment, glyph, attribute, cga_at(row, column, mode->kind == CGA_4 ? 2 : 1));
            break;
        case PACKED:
            draw_packed(segment, glyph, attribute, packed_at(row, column));
            break;
        case PLANAR:
            draw_planar(segment, glyph, attribute, planar_at(page, row, column));
            break;
        case VBE:
            vbe_draw(segment, glyph, attribute, row, column);
        }
        if (++column >= COLUMNS || !column) {
            column = 0;
            if (!++row)
                return;
        }
    }
}

/* -- pixels ---------------------------------------------------------------------------------------------- */

static u8 shift_of(u8 kind, u16 x)
{
    return kind == CGA_4 ? 6 - (x & 3) * 2 : 7 - (x & 7);
}

static u16 cga_pixel_at(u8 kind, u16 x, u16 y)
{
    return (y >> 1) * 80 + (y & 1 ? CGA_BANK : 0) + (kind == CGA_4 ? x >> 2 : x >> 3);
}

/* Bit 7 of the colour: exclusive or (not with 256 colours). */
void write_pixel(u8 page, u16 x, u16 y, u8 colour)
{
    const struct mode *mode = current_mode();
    u16 at;
    u8 mask, shift, old;
    if (!mode)
        return;
    switch (mode->kind) {
    case CGA_4:
    case CGA_2:
        at = cga_pixel_at(mode->kind, x, y);
        shift = shift_of(mode->kind, x);
        mask = mode->kind == CGA_4 ? 3 : 1;
        old = peek8(0xb800, at);
        if (colour & XOR)
            old ^= (colour & mask) << shift;
        else
            old = (old & ~(mask << shift)) | (colour & mask) << shift;
        poke8(0xb800, at, old);
        break;
    case PACKED:
        poke8(0xa000, y * 320 + x, colour);
        break;
    case PLANAR:
        at = (page < mode->pages ? page : 0) * PAGE_BYTES + y * COLUMNS + (x >> 3);
        write_gfx(GFX_BIT_MASK, 0x80 >> (x & 7));
        write_gfx(GFX_SET_RESET, colour & ALL_PLANES);
        write_gfx(GFX_ENABLE_SET_RESET, ALL_PLANES);
        if (colour & XOR)
            write_gfx(GFX_ROTATE, GFX_XOR);
        peek8(0xa000, at);
        poke8(0xa000, at, 0xff);
        if (colour & XOR)
            write_gfx(GFX_ROTATE, 0);
        write_gfx(GFX_ENABLE_SET_RESET, 0);
        write_gfx(GFX_SET_RESET, 0);
        write_gfx(GFX_BIT_MASK, 0xff);
        break;
    case VBE:
        vbe_write_pixel(x, y, colour);
    }
}

u8 read_pixel(u8 page, u16 x, u16 y)
{
    const struct mode *mode = current_mode();
    u16 at;
    u8 colour = 0;
    if (!mode)
        return 0;
    switch (mode->kind) {
    case CGA_4:
    case CGA_2:
        return peek8(0xb800, cga_pixel_at(mode->kind, x, y)) >> shift_of(mode->kind, x) &
               (mode->kind == CGA_4 ? 3 : 1);
    case PACKED:
        return peek8(0xa000, y * 320 + x);
    case PLANAR:
        at = (page < mode->pages ? page : 0) * PAGE_BYTES + y * COLUMNS + (x >> 3);
        for (u8 plane = 0; plane < 4; plane++) {
            write_gfx(GFX_READ_MAP, plane);
            if (peek8(0xa000, at) & 0x80 >> (x & 7))
                colour |= 1 << plane;
        }
        write_gfx(GFX_READ_MAP, 0);
        return colour;
    case VBE:
        return vbe_read_pixel(x, y);
    }
    return 0;
}

/* -- reading characters ---------------------------------------------------------------------------------- */

/* The dots of one line that are not of the background colour. */
static u8 line_bits(const struct mode *mode, u8 page, u8 row, u8 column, u8 line)
{
    u16 y = row * (u8)CHAR_HEIGHT + line;
    u8 bits = 0;
    if (mode->kind == CGA_2)
        return peek8(0xb800, cga_pixel_at(CGA_2, column * 8, y));
    for (u8 x = 0; x < 8; x++)
        bits = bits << 1 | (read_pixel(page, column * 8 + x, y) != 0);
    return bits;
}

/* The colour of the first dot that is set (as attribute), and the character that looks like this; 0: none. */
u16 recognise_cell(u8 page, u8 row, u8 column)
{
    const struct mode *mode = current_mode();
    u8 lines[32], height = (u8)CHAR_HEIGHT, colour = 0;
    __seg_gs u8 *seen = (__seg_gs u8 *)(u32)lines;
    u16 segment, glyph;
    if (!mode || height > 32)
        return 0;
    for (u8 i = 0; i < height; i++) {
        seen[i] = line_bits(mode, page, row, column, i);
        for (u8 x = 0; !colour && x < 8; x++)
            if (seen[i] & 0x80 >> x)
                colour = read_pixel(page, column * 8 + x, row * height + i);
    }
    for (u16 character = 0; character < 256; character++) {
        u8 i = 0;
        glyph = glyph_of((u8)character, mode->kind, (__seg_gs u16 *)(u32)&segment);
        while (i < height && peek8(segment, glyph + i) == seen[i])
            i++;
        if (i == height)
            return colour << 8 | (character ? character : ' '); /* 0 looks like a space */
    }
    return colour << 8;
}
