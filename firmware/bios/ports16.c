/* Int 14h: serial ports; int 17h: printers.

   Source   Ralf Brown's Interrupt List, int 14h, 17h; PC16550D data sheet; IEEE 1284, compatibility mode */

#include "bios.h"

enum { TIME_OUT = 0x80, LSR_READY = 0x01, LSR_EMPTY = 0x20 };

static const u16 divisors[] = {1047, 768, 384, 192, 96, 48, 24, 12, 6, 3, 2, 1};        /* 110 ... 115200 baud */

static int wait_for(u16 port, u8 mask, u8 seconds)
{
    struct timer t;
    if ((inb(port) & mask) == mask)
        return 1;
    timer_start(&t);
    while (!timer_expired(&t, seconds * 1000u)) {
        if ((inb(port) & mask) == mask)
            return 1;
        wait_a_bit();
    }
    return 0;
}

static void line_set(u16 port, u16 divisor, u8 lcr)
{
    outb(port + 3, lcr | 0x80);
    outb(port, divisor);
    outb(port + 1, divisor >> 8);
    outb(port + 3, lcr);
    outb(port + 1, 0);
}

static void serial_status(struct regs *r, u16 port)
{
    r->ah = inb(port + 5);
    r->al = inb(port + 6);
}

void int14(struct regs *r)
{
    u16 port = r->dx < 4 ? BDA16(BDA_COM + r->dx * 2) : 0;
    u8 seconds = r->dx < 4 ? BDA8(BDA_COM_TIMEOUT + r->dx) : 0;
    if (!port) {
        r->ah = TIME_OUT;
        return;
    }
    switch (r->ah) {
    case 0x00:
        line_set(port, divisors[r->al >> 5], r->al & 0x1F);
        serial_status(r, port);
        break;
    case 0x01:
        outb(port + 4, inb(port + 4) | 3);
        if (!wait_for(port + 5, LSR_EMPTY, seconds)) {
            r->ah = inb(port + 5) | TIME_OUT;
            break;
        }
        outb(port, r->al);
        r->ah = inb(port + 5) & 0x7F;
        break;
    case 0x02:
        outb(port + 4, inb(port + 4) | 1);
        if (!wait_for(port + 5, LSR_READY, seconds)) {
            r->ah = TIME_OUT;
            break;
        }
        r->ah = inb(port + 5) & 0x1E;
        r->al = inb(port);
        break;
    case 0x03:
        serial_status(r, port);
        break;
    case 0x04: {                                /* CL speed, CH bits, BL stop, BH parity, AL break */
        static const u8 parity[] = {0x00, 0x08, 0x18, 0x28, 0x38};
        if (r->cl >= ARRAY_SIZE(divisors) || r->bh >= ARRAY_SIZE(parity) || r->ch > 3 || r->bl > 1) {
            r->ah = TIME_OUT;
            break;
        }
        line_set(port, divisors[r->cl], r->ch | r->bl << 2 | parity[r->bh] | (r->al & 1) << 6);
        serial_status(r, port);
        break;
    }
    case 0x05:
        if (r->al == 1)
            outb(port + 4, r->bl & 0x1F);
        else
            r->bl = inb(port + 4);
        serial_status(r, port);
        break;
    default:
        r->ah = TIME_OUT;
    }
}

enum { NOT_BUSY = 0x80, STROBE = 0x01, INIT = 0x04, SELECT = 0x08 };

static u8 printer_status(u16 port) { return (inb(port + 1) ^ 0x48) & 0xF8; }

void int17(struct regs *r)
{
    u16 port = r->dx < 3 ? BDA16(BDA_LPT + r->dx * 2) : 0;
    if (!port || r->ah > 2) {
        r->ah = 0x01;
        return;
    }
    if (r->ah == 0) {
        outb(port, r->al);
        if (!wait_for(port + 1, NOT_BUSY, BDA8(BDA_LPT_TIMEOUT + r->dx))) {
            r->ah = printer_status(port) | 0x01;
            return;
        }
        outb(port + 2, INIT | SELECT | STROBE);
        outb(port + 2, INIT | SELECT);
    } else if (r->ah == 1) {
        outb(port + 2, SELECT);
        outb(port + 2, INIT | SELECT);
    }
    r->ah = printer_status(port);
}
