/* Pixels and characters in VBE modes, through the window of 64 KiB at A0000.
 *
 * Source   VBE 3.0, 4.7 (window); Bochs VBE display API
 * Units    addresses count bytes from the start of the memory
 */
#include "vbe_text.h"
#include "dispi.h"
#include "modes.h"
#include "ports.h"

#define WINDOW 0xa000
#define XOR 0x80
#define PIECE 256

/* The mode, and which part of the memory the window shows now. */
struct screen {
    u32 pitch;
    u16 bpp, bank;
    u8 pixel_bytes;
};
typedef __seg_gs struct screen *Screen;

static void look(Screen screen)
{
    screen->bpp = read_dispi(DISPI_BPP);
    screen->bank = read_dispi(DISPI_BANK);
    screen->pitch = line_bytes(screen->bpp, read_dispi(DISPI_VIRTUAL_X));
    screen->pixel_bytes = (screen->bpp + 7) >> 3;
}

static u16 place(Screen screen, u32 at)
{
    u16 bank = at >> 16;
    if (bank != screen->bank) {
        write_dispi(DISPI_BANK, bank);
        screen->bank = bank;
    }
    return (u16)at;
}

/* What a text colour looks like. */
static u32 pixel_value(u16 bpp, u8 colour)
{
    u32 high = colour & 8 ? 0x55 : 0;
    u32 red = (colour & 4 ? 0xaa : 0) + high, green = (colour & 2 ? 0xaa : 0) + high;
    u32 blue = (colour & 1 ? 0xaa : 0) + high;
    if (bpp == 8)
        return colour;
    if ((colour & 0x0f) == 6)
        green = 0x55;
    if (bpp == 15)
        return red >> 3 << 10 | green >> 3 << 5 | blue >> 3;
    if (bpp == 16)
        return red >> 3 << 11 | green >> 2 << 5 | blue >> 3;
    return red << 16 | green << 8 | blue;
}

/* -- pixels ---------------------------------------------------------------------------------------------- */

/* A pixel of two or four bytes lies in one bank. */
static void write_value(Screen screen, u32 at, u32 value, int xor)
{
    if (!xor && screen->pixel_bytes == 4) {
        poke32(WINDOW, place(screen, at), value);
        return;
    }
    if (!xor && screen->pixel_bytes == 2) {
        poke16(WINDOW, place(screen, at), (u16)value);
        return;
    }
    for (u8 i = 0; i < screen->pixel_bytes; i++, at++, value >>= 8) {
        u16 offset = place(screen, at);
        poke8(WINDOW, offset, xor ? peek8(WINDOW, offset) ^ (u8)value : (u8)value);
    }
}

void vbe_write_pixel(u16 x, u16 y, u8 colour)
{
    struct screen buffer;
    Screen screen = (Screen)(u32)&buffer;
    look(screen);
    write_value(screen, y * screen->pitch + x * screen->pixel_bytes, pixel_value(screen->bpp, colour), 0);
}

/* Of a direct colour only whether it is black. */
u8 vbe_read_pixel(u16 x, u16 y)
{
    struct screen buffer;
    Screen screen = (Screen)(u32)&buffer;
    u8 value = 0;
    u32 at;
    look(screen);
    at = y * screen->pitch + x * screen->pixel_bytes;
    for (u8 i = 0; i < screen->pixel_bytes; i++)
        value |= peek8(WINDOW, place(screen, at + i));
    return screen->bpp == 8 ? value : value ? 7 : 0;
}

void vbe_draw(u16 segment, u16 glyph, u8 attribute, u8 row, u8 column)
{
    struct screen buffer;
    Screen screen = (Screen)(u32)&buffer;
    u32 at, colour;
    u8 xor = attribute & XOR;
    look(screen);
    colour = pixel_value(screen->bpp, xor ? attribute & ~XOR : attribute);
    at = row * 16 * screen->pitch + column * 8 * screen->pixel_bytes;
    for (u8 i = 0; i < 16; i++, glyph++, at += screen->pitch) {
        u8 bits = peek8(segment, glyph);
        u32 pixel = at;
        for (u8 x = 0; x < 8; x++, bits <<= 1, pixel += screen->pixel_bytes)
            if (bits & 0x80 || !xor)
                write_value(screen, pixel, bits & 0x80 ? colour : 0, xor);
    }
}

/* -- scrolling ------------------------------------------------------------------------------------------- */

static u16 until_bank_end(u32 at, u32 wanted)
{
    u32 left = 0x10000 - (at & 0xffff);
    if (left > wanted)
        left = wanted;
    return left > 0xfffc ? 0xfffc : (u16)left;
}

static void copy(u16 to_segment, u16 to, u16 from_segment, u16 from, u16 bytes)
{
    u16 whole = bytes & ~3;
    copy32(to_segment, to, from_segment, from, whole / 4);
    copy8(to_segment, to + whole, from_segment, from + whole, bytes & 3);
}

/* Where both lie in one bank in the window itself, else by way of the stack. *to* is not above *from*. */
static void move(Screen screen, u32 to, u32 from, u32 bytes)
{
    u8 buffer[PIECE];
    while (bytes) {
        u16 count = until_bank_end(from, until_bank_end(to, bytes));
        if (to >> 16 == from >> 16) {
            copy(WINDOW, place(screen, to), WINDOW, (u16)from, count);
        } else {
            u16 stack;
            __asm__("mov %%ss, %0" : "=r"(stack));
            if (count > PIECE)
                count = PIECE;
            copy(stack, offset_of(buffer), WINDOW, place(screen, from), count);
            copy(WINDOW, place(screen, to), stack, offset_of(buffer), count);
        }
        to += count;
        from += count;
        bytes -= count;
    }
}

static void clear(Screen screen, u32 at, u32 bytes)
{
    while (bytes) {
        u16 count = until_bank_end(at, bytes);
        u16 offset = place(screen, at);
        fill32(WINDOW, offset, 0, count / 4);
        fill8(WINDOW, offset + (count & ~3), 0, count & 3);
        at += count;
        bytes -= count;
    }
}

static void move_and_clear(Screen screen, u32 at, u32 width, u16 lines, u16 by, int down)
{
    u32 pitch = screen->pitch, distance = by * pitch;
    u16 moved = lines - by;
    if (!down && width == pitch) {
        move(screen, at, at + distance, moved * pitch);
        clear(screen, at + moved * pitch, distance);
        return;
    }
    if (down) {
        at += (lines - 1) * pitch;
        pitch = -pitch;
        distance = -distance;
    }
    for (; moved; moved--, at += pitch)
        move(screen, at, at + distance, width);
    for (; by; by--, at += pitch)
        clear(screen, at, width);
}

/* Blank lines are black: an attribute means little to most of these modes. */
void vbe_scroll(int down, u8 lines, u8 top, u8 left, u8 rows, u8 columns)
{
    struct screen buffer;
    Screen screen = (Screen)(u32)&buffer;
    u32 at, width;
    look(screen);
    at = top * 16 * screen->pitch;
    width = columns * 8 * screen->pixel_bytes;
    move_and_clear(screen, at + left * 8 * screen->pixel_bytes, width, rows * 16, lines * 16, down);
}
