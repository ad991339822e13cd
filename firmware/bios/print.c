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

/* An address below 1 MiB. */
void print_address(u32 n)
{
    for (int shift = 16; shift >= 0; shift -= 4)
        put_char("0123456789ABCDEF"[n >> shift & 15]);
}
