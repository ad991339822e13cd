/* Building lines of text. What does not fit on a line, or in a report, is left out. */

#include "demo.h"

u32 length(const char *text)
{
    u32 n = 0;
    while (text[n])
        n++;
    return n;
}

int same(const char *a, const char *b, u32 bytes)
{
    while (bytes && *a == *b)
        a++, b++, bytes--;
    return !bytes;
}

void new_line(struct report *r)
{
    if (r->count < REPORT_LINES)
        r->lines[r->count++][0] = 0;
}

void put_character(struct report *r, char c)
{
    char *line = r->lines[r->count - 1];
    u32 n = length(line);
    if (n < REPORT_COLUMNS) {
        line[n] = c;
        line[n + 1] = 0;
    }
}

void put(struct report *r, const char *text)
{
    while (*text)
        put_character(r, *text++);
}

void put_padded(struct report *r, const char *text, u32 width)
{
    u32 n = length(text);
    put(r, text);
    for (; n < width; n++)
        put_character(r, ' ');
}

void put_hex(struct report *r, u32 value, u32 digits)
{
    while (digits--)
        put_character(r, "0123456789abcdef"[value >> (digits * 4) & 15]);
}

void put_number(struct report *r, u32 value, u32 width)
{
    char digits[11];
    u32 n = 0;
    do
        digits[n++] = '0' + value % 10;
    while (value /= 10);
    for (u32 i = n; i < width; i++)
        put_character(r, ' ');
    while (n)
        put_character(r, digits[--n]);
}

void put_size(struct report *r, u64 kib)
{
    static const char *const units[] = {" KiB", " MiB", " GiB", " TiB"};
    u32 unit = 0;
    while (unit < 3 && kib >= 10000 - 1000 * !(kib & 1023) && kib >> 10) {
        kib >>= 10;
        unit++;
    }
    while (unit < 3 && kib && !(kib & 1023)) {
        kib >>= 10;
        unit++;
    }
    put_number(r, kib, 4);
    put(r, units[unit]);
}
