/* What the BIOS itself writes: through int 10h, so that screen and serial console both show it.

   Source   Ralf Brown's Interrupt List, int 10h function 0Eh */

#include "bios.h"

void put_char(char c)
{
    struct regs r = {0};
    if (c == '\n')
        put_char('\r');
    r.ax = 0x0E00 | (u8)c;
    r.bx = 7;
    call_vector(&r, 0x10);
}

void print(const char *text)
{
    while (*text)
        put_char(*text++);
}

void print_number(u32 n)
{
    if (n >= 10)
        print_number(n / 10);
    put_char('0' + n % 10);
}

void print_hex(u32 n, int digits)
{
    while (digits--)
        put_char("0123456789ABCDEF"[n >> digits * 4 & 15]);
}
