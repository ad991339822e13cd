/* Int 10h without a VGA BIOS, and the serial console in front of one.

   Source   Ralf Brown's Interrupt List, int 10h; ECMA-48 (control sequences); PC16550D data sheet

   The serial console shows what is written by functions 0Eh, 09h, 0Ah and 13h, and follows 00h and 02h.
   Its input goes into the keyboard's buffer. */

#include "bios.h"

u32 vga_vector;
static u8 shown_row, shown_column;
static u16 written_at;          /* cursor where function 09h last put one character, plus 1 */
static u8 written;

enum { LSR = 5, DATA_READY = 0x01, TRANSMIT_EMPTY = 0x20 };

void console_put(u8 c)
{
    if (!serial_console)
        return;
    for (u32 tries = 0; tries < 0x10000; tries++)
        if (inb(serial_console + LSR) & TRANSMIT_EMPTY)
            break;
    outb(serial_console, c);
}

static void console_number(u32 n)
{
    if (n >= 10)
        console_number(n / 10);
    console_put('0' + n % 10);
}

static void console_move(u8 row, u8 column)
{
    console_put(0x1B);
    console_put('[');
    console_number(row + 1);
    console_put(';');
    console_number(column + 1);
    console_put('H');
    shown_row = row;
    shown_column = column;
}

/* The PC's character set in what every terminal shows. */
static u8 plain(u8 c)
{
    static const char controls[] = "          o   *#><|!P#-|^v><L-^v";        /* 00-1F */
    static const char lines[] = "|++++++|++++++++++-++++++++=++++++++++++";    /* B3-DA */
    if (c < 0x20)
        return controls[c];
    if (c >= 0xB3 && c <= 0xDA)
        return lines[c - 0xB3];
    return c < 0x7F ? c : c >= 0xB0 && c <= 0xDF ? '#' : '?';
}

/* A character at the place where the terminal's cursor is. */
static void console_text(u8 c)
{
    if (c == '\r')
        shown_column = 0;
    else if (c == '\n')
        shown_row += shown_row < 24;
    else if (c == '\b')
        shown_column -= shown_column > 0;
    else if (c != '\a') {
        c = plain(c);
        if (++shown_column >= 80) {
            shown_column = 0;
            shown_row += shown_row < 24;
        }
    }
    console_put(c);
}

static u16 cursor(void) { return BDA16(BDA_CURSOR + (BDA8(BDA_PAGE) & 7) * 2); }

static void console_follow(void)
{
    u8 column = cursor(), row = cursor() >> 8;
    if (row == shown_row && column == shown_column)
        return;
    if (row == shown_row && column == 0) {
        console_put('\r');
        shown_column = 0;
        return;
    }
    console_move(row, column);
}

static void console_string(struct regs *r)
{
    u16 step = r->al & 2 ? 2 : 1;
    console_move(r->dh, r->dl);
    for (u16 i = 0; i < r->cx; i++) {
        set_fs(r->es);
        console_text(FAR8(r->bp + i * step));
    }
}

static void console_output(struct regs *r)
{
    switch (r->ah) {
    case 0x00:
        if ((r->al & 0x7F) <= 7) {
            console_put(0x1B);
            console_put('c');
            shown_row = shown_column = 0;
        }
        break;
    case 0x09:
    case 0x0A:
        if (BDA8(BDA_VIDEO_MODE) > 7)
            break;
        console_follow();
        for (u16 i = 0; i < r->cx && i < 80; i++)
            console_text(r->al);
        written_at = r->cx == 1 ? cursor() + 1 : 0;
        written = r->al;
        break;
    case 0x0E:
        if (r->al >= 0x20 && written_at == cursor() + 1 && written == r->al) {
            written_at = 0;                     /* its colour came before by function 09h */
            break;
        }
        written_at = 0;
        if (r->al >= 0x20)
            console_follow();
        console_text(r->al);
        break;
    case 0x13:
        console_string(r);
        break;
    }
}

void int10_serial(struct regs *r)
{
    console_output(r);
    call_interrupt(r, vga_vector);
}

static void place_cursor(u8 row, u8 column)
{
    BDA8(BDA_CURSOR) = column;
    BDA8(BDA_CURSOR + 1) = row;
}

/* Keeps the cursor that a screen of 80 by 25 would show. */
static void advance(u8 c)
{
    u8 column = BDA8(BDA_CURSOR), row = BDA8(BDA_CURSOR + 1);
    if (c == '\r')
        column = 0;
    else if (c == '\n')
        row++;
    else if (c == '\b')
        column -= column > 0;
    else if (c != 7 && ++column >= 80) {
        column = 0;
        row++;
    }
    place_cursor(row > 24 ? 24 : row, column);
}

/* No display adapter: what a program needs to go on. */
void int10(struct regs *r)
{
    console_output(r);
    switch (r->ah) {
    case 0x00:
        place_cursor(0, 0);
        r->al = 0x30;
        break;
    case 0x02:
        place_cursor(r->dh, r->dl);
        break;
    case 0x03:
        r->cx = 0x0607;
        r->dl = BDA8(BDA_CURSOR);
        r->dh = BDA8(BDA_CURSOR + 1);
        break;
    case 0x08:
        r->ax = 0x0720;
        break;
    case 0x0E:
        advance(r->al);
        break;
    case 0x0F:
        r->ax = 0x5003;
        r->bh = 0;
        break;
    case 0x13:
        place_cursor(r->dh, r->dl);
        break;
    }
}

/* Keys that a terminal sends as ESC [ x, and the AT key codes for them. */
static const struct { char final; u16 key; } arrow_keys[] = {
    {'A', 0x4800}, {'B', 0x5000}, {'C', 0x4D00}, {'D', 0x4B00}, {'H', 0x4700}, {'F', 0x4F00},
};
static const u16 tilde_keys[] = {
    0, 0x4700, 0x5200, 0x5300, 0x4F00, 0x4900, 0x5100, 0, 0, 0, 0,
    0x3B00, 0x3C00, 0x3D00, 0x3E00, 0x3F00, 0, 0x4000, 0x4100, 0x4200, 0x4300, 0, 0x4400, 0x8500, 0x8600,
};
static u8 sequence[6], sequence_length;

static u16 scan_code(u8 c)
{
    static const char rows[] = "\0331234567890-=\b\tqwertyuiop[]\r\0asdfghjkl;'`\0\\zxcvbnm,./\0*\0 ";
    if (c == '\n')
        c = '\r';
    u8 lower = c >= 'A' && c <= 'Z' ? c + 32 : c;
    for (u32 i = 0; i < sizeof rows - 1; i++)
        if (rows[i] && (u8)rows[i] == lower)
            return (i + 1) << 8 | c;
    if (c == 0x7F)
        return 0x0E08;
    if (c && c < 27)
        return (scan_code(c + 'a' - 1) & 0xFF00) | c;
    return c;
}

static void flush_sequence(void)
{
    for (u8 i = 0; i < sequence_length; i++)
        key_store(scan_code(sequence[i]));
    sequence_length = 0;
}

static void sequence_byte(u8 c)
{
    sequence[sequence_length++] = c;
    if (sequence_length == 2) {
        if (c != '[' && c != 'O')
            flush_sequence();
        return;
    }
    u16 key = 0;
    if (sequence_length == 3)
        for (u32 i = 0; i < ARRAY_SIZE(arrow_keys); i++)
            if (arrow_keys[i].final == (char)c)
                key = arrow_keys[i].key;
    if (c == '~') {
        u32 n = 0;
        for (u8 i = 2; i < sequence_length - 1; i++)
            n = n * 10 + sequence[i] - '0';
        if (n < ARRAY_SIZE(tilde_keys))
            key = tilde_keys[n];
    }
    if (key) {
        key_store(key);
        sequence_length = 0;
    } else if (c < '0' || c > '9' || sequence_length == sizeof sequence)
        flush_sequence();
}

/* Called at every timer tick: an ESC that nothing followed is the key. */
void serial_console_input(void)
{
    if (!serial_console)
        return;
    int got = 0;
    for (int i = 0; i < 16 && inb(serial_console + LSR) & DATA_READY; i++) {
        u8 c = inb(serial_console);
        got = 1;
        if (sequence_length)
            sequence_byte(c);
        else if (c == 0x1B)
            sequence[sequence_length++] = c;
        else
            key_store(scan_code(c));
    }
    if (!got && sequence_length)
        flush_sequence();
}
