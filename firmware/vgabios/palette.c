/* Attribute controller and DAC: AH=0Bh and AH=10h, and the colours that a mode starts with.
 *
 * Source   IBM PS/2 and PC BIOS Interface Technical Reference, int 10h; IBM PS/2 Hardware Interface Technical
 *          Reference, Video Subsystems (1992), "Video digital-to-analog converter"
 */
#include "palette.h"
#include "modes.h"
#include "ports.h"

#define ATTR_BLINK 0x08
#define ATTR_P54_SELECT 0x80
#define SAVE_AREA_OVERSCAN 16

/* -- attribute controller -------------------------------------------------------------------------------- */

void write_attribute(u8 index, u8 value)
{
    status();
    out8(ATTRIBUTE, index);
    out8(ATTRIBUTE, value);
    out8(ATTRIBUTE, PALETTE_SOURCE);
}

u8 read_attribute(u8 index)
{
    u8 value;
    status();
    out8(ATTRIBUTE, index | PALETTE_SOURCE);
    value = in8(ATTRIBUTE_READ);
    status();
    return value;
}

/* Palette registers and overscan are kept in the dynamic save area, too, if a program has set one up. */
static void write_palette_register(u8 index, u8 value)
{
    u16 segment = SAVE_POINTER.segment, table = SAVE_POINTER.offset;
    u16 area = peek16(segment, table + 4), area_segment = peek16(segment, table + 6);
    if (index > ATTR_OVERSCAN)
        return;
    write_attribute(index, value);
    if (area | area_segment && index != ATTR_MODE)
        poke8(area_segment, area + (index == ATTR_OVERSCAN ? SAVE_AREA_OVERSCAN : index), value);
}

/* -- DAC ------------------------------------------------------------------------------------------------- */

static void write_rgb(u8 red, u8 green, u8 blue)
{
    out8(DAC_DATA, red);
    out8(DAC_DATA, green);
    out8(DAC_DATA, blue);
}

/* The colours that a mode starts with. One bit of a colour is 2/3 of full scale, the other 1/3. */
#define LEVEL(primary, secondary) ((primary) ? 0x2a : 0) + ((secondary) ? 0x15 : 0)
#define FOUR(colour, n) colour(n), colour((n) + 1), colour((n) + 2), colour((n) + 3)
#define SIXTEEN(colour, n) FOUR(colour, n), FOUR(colour, (n) + 4), FOUR(colour, (n) + 8), FOUR(colour, (n) + 12)
#define SIXTY_FOUR(colour) \
    SIXTEEN(colour, 0), SIXTEEN(colour, 16), SIXTEEN(colour, 32), SIXTEEN(colour, 48)

/* Bits 5-0 of an EGA colour: secondary red, green, blue; red, green, blue. */
#define EGA(n) LEVEL((n) & 4, (n) & 0x20), LEVEL((n) & 2, (n) & 0x10), LEVEL((n) & 1, (n) & 0x08)

/* IRGB as on a CGA monitor: dark yellow is brown. */
#define IRGB(n) LEVEL((n) & 4, (n) & 8), (n) == 6 ? 0x15 : LEVEL((n) & 2, (n) & 8), LEVEL((n) & 1, (n) & 8)
#define CGA(n) IRGB(((n) & 7) | ((n) & 0x10) >> 1)

#define MONO_LEVEL(n) (n) & 0x08 ? ((n) & 0x10 ? 0x3f : 0x2a) : 0
#define MONO(n) MONO_LEVEL(n), MONO_LEVEL(n), MONO_LEVEL(n)

#define GREY(level) level, level, level
#define GREYS \
    GREY(0x00), GREY(0x05), GREY(0x08), GREY(0x0b), GREY(0x0e), GREY(0x11), GREY(0x14), GREY(0x18), \
        GREY(0x1c), GREY(0x20), GREY(0x24), GREY(0x28), GREY(0x2d), GREY(0x32), GREY(0x38), GREY(0x3f)

/* Mode 13h: three brightnesses of three saturations of 24 hues, made of steps 0 to 4 of each colour. Once round
 * the circle: blue, magenta, red, yellow, green, cyan. */
#define HUES(s0, s1, s2, s3, s4) \
    s0, s0, s4, s1, s0, s4, s2, s0, s4, s3, s0, s4, s4, s0, s4, s4, s0, s3, s4, s0, s2, s4, s0, s1, \
        s4, s0, s0, s4, s1, s0, s4, s2, s0, s4, s3, s0, s4, s4, s0, s3, s4, s0, s2, s4, s0, s1, s4, s0, \
        s0, s4, s0, s0, s4, s1, s0, s4, s2, s0, s4, s3, s0, s4, s4, s0, s3, s4, s0, s2, s4, s0, s1, s4
#define ALL_HUES \
    HUES(0x00, 0x10, 0x1f, 0x2f, 0x3f), HUES(0x1f, 0x27, 0x2f, 0x37, 0x3f), HUES(0x2d, 0x31, 0x36, 0x3a, 0x3f), \
        HUES(0x00, 0x07, 0x0e, 0x15, 0x1c), HUES(0x0e, 0x11, 0x15, 0x18, 0x1c), \
        HUES(0x14, 0x16, 0x18, 0x1a, 0x1c), HUES(0x00, 0x04, 0x08, 0x0c, 0x10), \
        HUES(0x08, 0x0a, 0x0c, 0x0e, 0x10), HUES(0x0b, 0x0c, 0x0d, 0x0f, 0x10)

static const u8 ega_colours[3 * 64] = {SIXTY_FOUR(EGA)};
static const u8 cga_colours[3 * 64] = {SIXTY_FOUR(CGA)};
static const u8 mono_colours[3 * 64] = {SIXTY_FOUR(MONO)};
static const u8 all_colours[3 * 256] = {SIXTEEN(IRGB, 0), GREYS, ALL_HUES}; /* the last eight are black */

void load_dac(u8 table)
{
    out8(DAC_WRITE, 0);
    if (table == DAC_256)
        out_block8(DAC_DATA, all_colours, sizeof all_colours);
    else
        out_block8(DAC_DATA, table == DAC_EGA ? ega_colours : table == DAC_CGA ? cga_colours : mono_colours,
                   sizeof ega_colours);
}

void read_dac(u8 number, __seg_gs u8 *rgb)
{
    out8(DAC_READ, number);
    rgb[0] = in8(DAC_DATA);
    rgb[1] = in8(DAC_DATA);
    rgb[2] = in8(DAC_DATA);
}

/* Brightness instead of colour: 30 % red, 59 % green, 11 % blue. */
static u8 grey_of(u8 red, u8 green, u8 blue)
{
    u16 grey = (red * 77 + green * 151 + blue * 28 + 128) >> 8;
    return grey > 0x3f ? 0x3f : grey;
}

void grey_dac(u16 first, u16 count)
{
    u8 rgb[3];
    __seg_gs u8 *entry = (__seg_gs u8 *)(u32)rgb;
    for (; count && first < 256; count--, first++) {
        u8 grey;
        read_dac((u8)first, entry);
        grey = grey_of(entry[0], entry[1], entry[2]);
        out8(DAC_WRITE, (u8)first);
        write_rgb(grey, grey, grey);
    }
}

static void write_dac_entry(u8 number, u8 red, u8 green, u8 blue)
{
    if (FLAGS & FLAGS_GREY)
        red = green = blue = grey_of(red, green, blue);
    out8(DAC_WRITE, number);
    write_rgb(red, green, blue);
}

/* -- AH=0Bh: the colours of a CGA ------------------------------------------------------------------------ */

void set_cga_fields(u8 mode)
{
    static const u8 control[8] = {0x2c, 0x28, 0x2d, 0x29, 0x2a, 0x2e, 0x1e, 0x29};
    if (mode < 8)
        MODE_CONTROL = control[mode];
    CGA_PALETTE = mode == 6 ? 0x3f : 0x30;
}

void cga_palette_service(Regs r)
{
    u8 value = r->bl, graphics = MODE == 4 || MODE == 5;
    if (r->bh == 0) {
        u8 colour = (value & 7) | (value & 8) << 1;
        CGA_PALETTE = (CGA_PALETTE & 0xe0) | (value & 0x1f);
        write_palette_register(ATTR_OVERSCAN, colour);
        if (MODE <= 3)
            return;
        write_palette_register(0, colour);
        if (graphics) /* bit 4: the bright palette */
            for (u8 i = 1; i < 4; i++)
                write_palette_register(i, (read_attribute(i) & ~0x10) | (value & 0x10));
    } else if (r->bh == 1) {
        CGA_PALETTE = (CGA_PALETTE & ~0x20) | (value & 1) << 5;
        if (graphics) /* green, red, brown or cyan, magenta, white */
            for (u8 i = 1; i < 4; i++)
                write_palette_register(i, (read_attribute(i) & 0x10) | i << 1 | (value & 1));
    }
}

/* -- AH=10h ---------------------------------------------------------------------------------------------- */

static void select_colour_page(Regs r)
{
    u8 mode = read_attribute(ATTR_MODE);
    if (r->bl == 0) {
        write_attribute(ATTR_MODE, (mode & ~ATTR_P54_SELECT) | (r->bh & 1 ? ATTR_P54_SELECT : 0));
    } else if (r->bl == 1) { /* 16 pages of 16, or 4 of 64 */
        write_attribute(ATTR_COLOUR_SELECT, mode & ATTR_P54_SELECT ? r->bh & 0x0f : (r->bh & 3) << 2);
    }
}

void palette_service(Regs r)
{
    u8 rgb[3], value;
    __seg_gs u8 *entry = (__seg_gs u8 *)(u32)rgb;
    u16 at = r->dx;

    switch (r->al) {
    case 0x00:
        write_palette_register(r->bl & 0x1f, r->bh);
        break;
    case 0x01:
        write_palette_register(ATTR_OVERSCAN, r->bh);
        break;
    case 0x02:
        for (u8 i = 0; i < 16; i++)
            write_palette_register(i, peek8(r->es, at + i));
        write_palette_register(ATTR_OVERSCAN, peek8(r->es, at + 16));
        break;
    case 0x03:
        value = read_attribute(ATTR_MODE) & ~ATTR_BLINK;
        write_attribute(ATTR_MODE, value | (r->bl & 1 ? ATTR_BLINK : 0));
        MODE_CONTROL = (MODE_CONTROL & ~0x20) | (r->bl & 1) << 5;
        break;
    case 0x07:
        r->bh = read_attribute(r->bl & 0x1f);
        break;
    case 0x08:
        r->bh = read_attribute(ATTR_OVERSCAN);
        break;
    case 0x09:
        for (u8 i = 0; i < 16; i++)
            poke8(r->es, at + i, read_attribute(i));
        poke8(r->es, at + 16, read_attribute(ATTR_OVERSCAN));
        break;
    case 0x10:
        write_dac_entry(r->bl, r->dh, r->ch, r->cl);
        break;
    case 0x12:
        for (u16 i = 0; i < r->cx && i < 256; i++, at += 3)
            write_dac_entry((u8)(r->bx + i), peek8(r->es, at), peek8(r->es, at + 1), peek8(r->es, at + 2));
        break;
    case 0x13:
        select_colour_page(r);
        break;
    case 0x15:
        read_dac(r->bl, entry);
        r->dh = entry[0];
        r->ch = entry[1];
        r->cl = entry[2];
        break;
    case 0x17:
        for (u16 i = 0; i < r->cx && i < 256; i++, at += 3) {
            read_dac((u8)(r->bx + i), entry);
            for (u8 colour = 0; colour < 3; colour++)
                poke8(r->es, at + colour, entry[colour]);
        }
        break;
    case 0x18:
        out8(DAC_MASK, r->bl);
        break;
    case 0x19:
        r->bl = in8(DAC_MASK);
        break;
    case 0x1a:
        value = read_attribute(ATTR_COLOUR_SELECT);
        r->bl = read_attribute(ATTR_MODE) & ATTR_P54_SELECT ? 1 : 0;
        r->bh = r->bl ? value : value >> 2;
        break;
    case 0x1b:
        grey_dac(r->bx, r->cx);
        break;
    }
}
