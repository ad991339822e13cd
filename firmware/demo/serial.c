/* COM1: plain text out, keys in.

   Source   PC16550D datasheet: divisor, line and modem control, line status, interrupt enable, scratch register

   If nobody takes what we send, it is dropped after a while: the guest must not wait for a line. The FIFO stays as it
   is: to switch it would throw away what has come since we looked. */

#include "demo.h"

enum { COM1 = 0x3F8, DATA = 0, ENABLE = 1, LINE = 3, MODEM = 4, STATUS = 5, SCRATCH = 7 };
enum { DELETE = 0x7F };
enum { READY_TO_SEND = 0x20, RECEIVED = 0x01, WAIT = 20000 };

static int present;

void serial_start(void)
{
    out8(COM1 + SCRATCH, 0x5A);
    present = in8(COM1 + SCRATCH) == 0x5A;
    if (!present)
        return;
    out8(COM1 + LINE, 0x03);                    /* data, not the divisor */
    serial_interrupt();                         /* what is there already */
    out8(COM1 + LINE, 0x80);                    /* 115200 baud */
    out8(COM1 + DATA, 1);
    out8(COM1 + ENABLE, 0);
    out8(COM1 + LINE, 0x03);                    /* 8 bits, no parity */
    out8(COM1 + MODEM, 0x0B);                   /* ready; OUT2 lets the interrupt through */
    out8(COM1 + ENABLE, 1);                     /* tell of received bytes */
}

void serial_character(char c)
{
    u32 left = WAIT;
    if (!present)
        return;
    while (!(in8(COM1 + STATUS) & READY_TO_SEND))
        if (!left--)
            return;
    out8(COM1 + DATA, c);
}

void serial_put(const char *text)
{
    for (; *text; text++) {
        if (*text == '\n')
            serial_character('\r');
        serial_character(*text);
    }
}

void serial_interrupt(void)
{
    while (present && in8(COM1 + STATUS) & RECEIVED) {
        u8 c = in8(COM1 + DATA);
        post_event(FROM_SERIAL, c, c == DELETE ? '\b' : c);
    }
}
