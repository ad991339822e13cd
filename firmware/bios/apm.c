/* Int 15h function 53h: power management, real-mode interface.

   Source   APM BIOS Interface Specification 1.2, 4.6 and 4.7; 82371AB data sheet, 7.2.2 (PMCNTRL)

   A machine whose only states are on and off: standby is a HLT, suspend is refused. */

#include "bios.h"

static u8 connected;

enum { DISABLED = 0x01, NOT_CONNECTED = 0x03, ALREADY = 0x02, NO_16 = 0x06, NO_32 = 0x08, UNKNOWN_DEVICE = 0x09,
       BAD_PARAMETER = 0x0A, CANNOT_ENTER = 0x60, NO_EVENT = 0x80, NOT_PRESENT = 0x86 };
enum { OLDEST = 0x0100, NEWEST = 0x0102 };       /* versions of the interface */
enum { SLEEP_ENABLE = 0x2000, SOFT_OFF = 0 };

void power_off(void)
{
    static const char text[] = "Shutdown";
    for (u32 i = 0; text[i]; i++)
        outb(0x8900, text[i]);                  /* the emulator's own port, where there is no PIIX4 */
    if (power_port)
        outw(power_port, SLEEP_ENABLE | SOFT_OFF << 10);
    for (;;)
        asm volatile("cli; hlt");
}

void apm_services(struct regs *r)
{
    switch (r->al) {
    case 0x00:
        r->ax = NEWEST;
        r->bx = 0x504D;
        r->cx = 0;
        break;
    case 0x01:
        if (connected) {
            fail(r, ALREADY);
            return;
        }
        connected = 1;
        break;
    case 0x02:
        fail(r, NO_16);
        return;
    case 0x03:
        fail(r, NO_32);
        return;
    case 0x04:
        if (!connected) {
            fail(r, NOT_CONNECTED);
            return;
        }
        connected = 0;
        break;
    case 0x05:
        wait_interrupt();
        break;
    case 0x06:
    case 0x08:
    case 0x0D:
    case 0x0F:
    case 0x10:
        if (r->al == 0x10) {
            r->bl = 0;
            r->cx = 0;
        }
        break;
    case 0x07:
        if (r->bx != 1) {
            fail(r, UNKNOWN_DEVICE);
            return;
        }
        if (r->cx == 3)
            power_off();
        if (r->cx == 1)
            wait_interrupt();
        else if (r->cx != 0) {
            fail(r, CANNOT_ENTER);
            return;
        }
        break;
    case 0x0A:                                  /* on the mains, no battery */
        if (r->bx != 1) {
            fail(r, UNKNOWN_DEVICE);
            return;
        }
        r->bx = 0x01FF;
        r->cx = 0x80FF;
        r->dx = 0xFFFF;
        r->si = 0;
        break;
    case 0x0B:
        fail(r, connected ? NO_EVENT : NOT_CONNECTED);
        return;
    case 0x0C:
        r->cx = 0;
        break;
    case 0x0E:
        if (!connected) {
            fail(r, NOT_CONNECTED);
            return;
        }
        r->ax = r->cx < OLDEST ? OLDEST : r->cx > NEWEST ? NEWEST : r->cx;
        break;
    default:
        fail(r, NOT_PRESENT);
        return;
    }
    ok(r);
}
