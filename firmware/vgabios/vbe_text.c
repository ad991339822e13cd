/* Pixels and characters in VBE modes, through the window of 64 KiB at A0000; scrolling in the linear memory, if
 * it can be reached.
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
#define CHAR_LINES 16
#define PIECE 256 /* bytes of stack */
#define SCRATCH 0x4f0 /* of the BIOS data area: for communication between programs */

/* The mode, and which part of the memory the window shows now. *linear* is where the memory begins, or 0: it
 * cannot be reached. */
struct screen {
    u32 pitch, linear;
    u16 bpp, bank, width;
    u16 buffer; /* on the stack: where dots are collected; 0: they go to the window */
    u8 pixel_bytes;
};
typedef __seg_gs struct screen *Screen;

static void look(Screen screen)
{
    screen->bpp = read_dispi(DISPI_BPP);
    screen->bank = read_dispi(DISPI_BANK);
    screen->width = read_dispi(DISPI_VIRTUAL_X);
    screen->pitch = line_bytes(screen->bpp, screen->width);
    screen->pixel_bytes = (screen->bpp + 7) >> 3;
}

/* Real mode, not virtual 8086 mode; and address line 20 is open, as the low memory does not come again at 1 MiB. */
static int reaches_linear_memory(void)
{
    u32 machine_status;
    u16 before = peek16(0, SCRATCH), other = before ^ 0xffff, above;
    __asm__("smsw %0" : "=r"(machine_status));
    if (machine_status & 1)
        return 0;
    poke16(0, SCRATCH, other);
    above = peek16(0xffff, SCRATCH + 0x10);
    poke16(0, SCRATCH, before);
    return above != other;
}

/* The offset in the window. */
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
static void write_value(Screen screen, u32 at, u32 value)
{
    if (screen->pixel_bytes == 4) {
        poke32(WINDOW, place(screen, at), value);
    } else if (screen->pixel_bytes == 2) {
        poke16(WINDOW, place(screen, at), (u16)value);
    } else {
        for (u8 i = 0; i < screen->pixel_bytes; i++, at++, value >>= 8)
            poke8(WINDOW, place(screen, at), (u8)value);
    }
}

void vbe_write_pixel(u16 x, u16 y, u8 colour)
{
    struct screen buffer;
    Screen screen = (Screen)(u32)&buffer;
    look(screen);
    if (x >= screen->width)
        return;
    write_value(screen, y * screen->pitch + x * screen->pixel_bytes, pixel_value(screen->bpp, colour));
}

/* Of a direct colour only whether it is black. */
u8 vbe_read_pixel(u16 x, u16 y)
{
    struct screen buffer;
    Screen screen = (Screen)(u32)&buffer;
    u8 value = 0;
    u32 at;
    look(screen);
    if (x >= screen->width)
        return 0;
    at = y * screen->pitch + x * screen->pixel_bytes;
    for (u8 i = 0; i < screen->pixel_bytes; i++)
        value |= peek8(WINDOW, place(screen, at + i));
    return screen->bpp == 8 ? value : value ? 7 : 0;
}

/* Four bytes of a line. Lines and characters begin at multiples of 8 bytes, so they lie in one bank. */
static u32 put(Screen screen, u32 at, u32 dots, u8 xor)
{
    if (screen->buffer) {
        *(__seg_gs u32 *)(u32)screen->buffer = dots;
        screen->buffer += 4;
    } else {
        u16 offset = place(screen, at);
        poke32(WINDOW, offset, xor ? peek32(WINDOW, offset) ^ dots : dots);
    }
    return at + 4;
}

/* A byte for each of four bits. */
static const u32 spread[16] = {0x00000000, 0x01000000, 0x00010000, 0x01010000, 0x00000100, 0x01000100,
                               0x00010100, 0x01010100, 0x00000001, 0x01000001, 0x00010001, 0x01010001,
                               0x00000101, 0x01000101, 0x00010101, 0x01010101};

/* Four dots, the leftmost from bit 3 of *bits*. */
static u32 put_four(Screen screen, u32 at, u8 bits, u32 colour, u8 xor)
{
    u32 a = bits & 8 ? colour : 0, b = bits & 4 ? colour : 0, c = bits & 2 ? colour : 0, d = bits & 1 ? colour : 0;
    switch (screen->pixel_bytes) {
    case 1:
        return put(screen, at, spread[bits & 15] * colour, xor);
    case 2:
        at = put(screen, at, a | b << 16, xor);
        return put(screen, at, c | d << 16, xor);
    case 3:
        at = put(screen, at, a | b << 24, xor);
        at = put(screen, at, b >> 8 | c << 16, xor);
        return put(screen, at, c >> 16 | d << 8, xor);
    }
    at = put(screen, at, a, xor);
    at = put(screen, at, b, xor);
    at = put(screen, at, c, xor);
    return put(screen, at, d, xor);
}

static void draw_256(Screen screen, u32 at, u16 segment, u16 glyph, u8 colour, u8 xor)
{
    u32 pitch = screen->pitch;
    for (u8 i = 0; i < CHAR_LINES; i++, glyph++, at += pitch) {
        u8 bits = peek8(segment, glyph);
        u16 offset = place(screen, at);
        u32 left = spread[bits >> 4] * colour, right = spread[bits & 15] * colour;
        if (xor) {
            left ^= peek32(WINDOW, offset);
            right ^= peek32(WINDOW, offset + 4);
        }
        poke32(WINDOW, offset, left);
        poke32(WINDOW, offset + 4, right);
    }
}

/* A character that lies in two banks is drawn on the stack first, as far as that may be used, and moved to the
 * linear memory: changing the bank is dear. */
void vbe_draw(u16 segment, u16 glyph, u8 attribute, u8 row, u8 column)
{
    struct screen buffer;
    Screen screen = (Screen)(u32)&buffer;
    u8 dots[PIECE], xor = attribute & XOR;
    u32 at, colour, linear = 0;
    u16 bytes, lines;
    look(screen);
    if ((column + 1) * 8 > screen->width)
        return;
    colour = pixel_value(screen->bpp, xor ? attribute & ~XOR : attribute);
    at = row * CHAR_LINES * screen->pitch + column * 8 * screen->pixel_bytes;
    bytes = 8 * screen->pixel_bytes;
    if ((at ^ (at + (CHAR_LINES - 1) * screen->pitch)) >> 16) {
        if (!xor && (row + 1) * CHAR_LINES <= read_dispi(DISPI_VIRTUAL_Y) && reaches_linear_memory())
            linear = linear_memory();
    } else if (bytes == 8) {
        draw_256(screen, at, segment, glyph, colour, xor);
        return;
    }
    lines = bytes > PIECE / CHAR_LINES ? CHAR_LINES / 2 : CHAR_LINES;
    for (u16 done = 0; done < CHAR_LINES; done += lines) {
        u32 first = at;
        screen->buffer = linear ? offset_of(dots) : 0;
        for (u16 i = 0; i < lines; i++, glyph++, at += screen->pitch) {
            u8 bits = peek8(segment, glyph);
            put_four(screen, put_four(screen, at, bits >> 4, colour, xor), bits, colour, xor);
        }
        if (linear)
            linear_move(linear + first, ((u32)stack_segment() << 4) + offset_of(dots), bytes, lines, screen->pitch,
                        bytes);
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
            u16 stack = stack_segment();
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

/* *pitch* is negative from the last line to the first. */
static void move_lines(Screen screen, u32 to, u32 from, u32 width, u16 lines, u32 pitch)
{
    if (!lines)
        return;
    if (screen->linear)
        linear_move(screen->linear + to, screen->linear + from, width, lines, pitch, pitch);
    else
        for (; lines; lines--, to += pitch, from += pitch)
            move(screen, to, from, width);
}

static void clear_lines(Screen screen, u32 at, u32 width, u16 lines, u32 pitch)
{
    if (!lines)
        return;
    if (screen->linear)
        linear_clear(screen->linear + at, width, lines, pitch);
    else
        for (; lines; lines--, at += pitch)
            clear(screen, at, width);
}

/* Blank lines are black: an attribute means little to most of these modes. */
void vbe_scroll(int down, u8 lines, u8 top, u8 left, u8 rows, u8 columns)
{
    struct screen buffer;
    Screen screen = (Screen)(u32)&buffer;
    u32 at, width, pitch, distance;
    u16 count = rows * CHAR_LINES, by = lines * CHAR_LINES;
    look(screen);
    pitch = screen->pitch;
    distance = by * pitch;
    at = top * CHAR_LINES * pitch + left * 8 * screen->pixel_bytes;
    width = columns * 8 * screen->pixel_bytes;
    if ((left + columns) * 8 > screen->width || (top + rows) * CHAR_LINES > read_dispi(DISPI_VIRTUAL_Y))
        return; /* a program has changed what the BIOS knows about the mode */
    screen->linear = reaches_linear_memory() ? linear_memory() : 0;
    if (down) {
        at += (count - 1) * pitch;
        pitch = -pitch;
        distance = -distance;
    }
    move_lines(screen, at, at + distance, width, count - by, pitch);
    clear_lines(screen, at + (count - by) * pitch, width, by, pitch);
}
