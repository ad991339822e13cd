/* Int 08h: the tick; int 70h: the real-time clock; int 1Ah: clock, alarm, PCI.

   Source   IBM PC/AT Technical Reference; Ralf Brown's Interrupt List, int 1Ah, int 15h functions 83h and 86h;
            MC146818A data sheet (registers A to D) */

#include "bios.h"

#define TICKS_PER_DAY 0x1800B0
#define LONGEST_WAIT_MS 3500000         /* the counter in struct timer turns over later */

enum { SECONDS, SECONDS_ALARM, MINUTES, MINUTES_ALARM, HOURS, HOURS_ALARM, WEEKDAY, DAY, MONTH, YEAR,
       STATUS_A, STATUS_B, STATUS_C, STATUS_D, CENTURY = 0x32 };
enum { UPDATE = 0x80 };
enum { SUMMER = 0x01, HALT_UPDATE = 0x80, PERIODIC = 0x40, ALARM = 0x20 };

void eoi(int irq)
{
    if (irq >= 8)
        outb(0xA0, 0x20);
    outb(0x20, 0x20);
}

void irq0(struct regs *unused)
{
    struct regs r = {0};
    (void)unused;
    u32 ticks = BDA32(BDA_TICKS) + 1;
    if (ticks >= TICKS_PER_DAY) {
        ticks = 0;
        BDA8(BDA_MIDNIGHT)++;
    }
    BDA32(BDA_TICKS) = ticks;
    if (BDA8(BDA_MOTOR_TIMEOUT) && !--BDA8(BDA_MOTOR_TIMEOUT)) {
        outb(0x3F2, 0x0C);
        BDA8(BDA_MOTOR) &= 0xF0;
    }
    serial_console_input();
    call_vector(&r, 0x1C);
    eoi(0);
}

static u8 rtc_flags(u8 set, u8 clear)
{
    u8 b = (cmos_read(STATUS_B) | set) & ~clear;
    cmos_write(STATUS_B, b);
    return b;
}

/* The wait's microseconds go down by a period of 1/1024 s. */
static void periodic(void)
{
    u32 left = BDA32(BDA_WAIT_COUNT);
    if (left > 976) {
        BDA32(BDA_WAIT_COUNT) = left - 976;
        return;
    }
    u32 flag = BDA32(BDA_WAIT_FLAG);
    BDA32(BDA_WAIT_COUNT) = 0;
    BDA8(BDA_WAIT_ACTIVE) = 0;
    rtc_flags(0, PERIODIC);
    set_fs(flag >> 16);
    FAR8(flag) |= 0x80;
}

void irq8(struct regs *unused)
{
    struct regs r = {0};
    (void)unused;
    u8 cause = cmos_read(STATUS_C) & cmos_read(STATUS_B);
    if (cause & PERIODIC && BDA8(BDA_WAIT_ACTIVE))
        periodic();
    if (cause & ALARM)
        call_vector(&r, 0x4A);
    eoi(8);
}

static int clock_stable(void)
{
    for (u32 tries = 0; tries < 0x4000; tries++)
        if (!(cmos_read(STATUS_A) & UPDATE))
            return 1;
    return 0;
}

static u8 from_bcd(u8 v) { return (v >> 4) * 10 + (v & 15); }

/* Ticks since midnight: 1193182 / 65536 in a second. */
void clock_set_ticks(void)
{
    clock_stable();
    u32 seconds = (from_bcd(cmos_read(HOURS)) * 60 + from_bcd(cmos_read(MINUTES))) * 60 + from_bcd(cmos_read(SECONDS));
    BDA32(BDA_TICKS) = seconds * 18 + (seconds * 13519 >> 16);      /* 18.20651 */
}

void int1a(struct regs *r)
{
    ok(r);
    switch (r->ah) {
    case 0x00:
        r->dx = BDA16(BDA_TICKS);
        r->cx = BDA16(BDA_TICKS + 2);
        r->al = BDA8(BDA_MIDNIGHT);
        BDA8(BDA_MIDNIGHT) = 0;
        r->ah = 0;
        return;
    case 0x01:
        BDA16(BDA_TICKS) = r->dx;
        BDA16(BDA_TICKS + 2) = r->cx;
        BDA8(BDA_MIDNIGHT) = 0;
        r->ah = 0;
        return;
    case 0x02:
        if (!clock_stable())
            break;
        r->ch = cmos_read(HOURS);
        r->cl = cmos_read(MINUTES);
        r->dh = cmos_read(SECONDS);
        r->dl = cmos_read(STATUS_B) & SUMMER;
        r->ah = 0;
        return;
    case 0x03:
        rtc_flags(HALT_UPDATE, SUMMER);
        cmos_write(HOURS, r->ch);
        cmos_write(MINUTES, r->cl);
        cmos_write(SECONDS, r->dh);
        rtc_flags(r->dl & SUMMER, HALT_UPDATE);
        r->ah = 0;
        return;
    case 0x04:
        if (!clock_stable())
            break;
        r->ch = cmos_read(CENTURY);
        r->cl = cmos_read(YEAR);
        r->dh = cmos_read(MONTH);
        r->dl = cmos_read(DAY);
        r->ah = 0;
        return;
    case 0x05:
        rtc_flags(HALT_UPDATE, 0);
        cmos_write(CENTURY, r->ch);
        cmos_write(YEAR, r->cl);
        cmos_write(MONTH, r->dh);
        cmos_write(DAY, r->dl);
        rtc_flags(0, HALT_UPDATE);
        r->ah = 0;
        return;
    case 0x06:
        if (cmos_read(STATUS_B) & ALARM)
            break;                              /* one is set already */
        cmos_write(HOURS_ALARM, r->ch);
        cmos_write(MINUTES_ALARM, r->cl);
        cmos_write(SECONDS_ALARM, r->dh);
        outb(0xA1, inb(0xA1) & ~1);
        rtc_flags(ALARM, 0);
        r->ah = 0;
        return;
    case 0x07:
        rtc_flags(0, ALARM);
        r->ah = 0;
        return;
    case 0xB1:
        pci_services(r, last_bus + 1);
        return;
    }
    r->flags |= CF;
}

/* Int 15h function 83h: set bit 7 of ES:BX after CX:DX microseconds, or stop that. */
void event_wait(struct regs *r)
{
    if (r->al == 1) {
        BDA8(BDA_WAIT_ACTIVE) = 0;
        rtc_flags(0, PERIODIC);
        ok(r);
        return;
    }
    if (r->al || BDA8(BDA_WAIT_ACTIVE) & 1) {
        r->flags |= CF;
        return;
    }
    BDA32(BDA_WAIT_FLAG) = (u32)r->es << 16 | r->bx;
    BDA32(BDA_WAIT_COUNT) = (u32)r->cx << 16 | r->dx;
    BDA8(BDA_WAIT_ACTIVE) = 1;
    outb(0xA1, inb(0xA1) & ~1);
    rtc_flags(PERIODIC, 0);
    ok(r);
}

/* Int 15h function 86h. The PIT measures it: no interrupt must come for the wait to end. */
void delay(struct regs *r)
{
    u32 microseconds = (u32)r->cx << 16 | r->dx;
    u32 ms = microseconds / 1000, rest = (microseconds % 1000) * 1193 / 1000;
    if (ms > LONGEST_WAIT_MS)
        ms = LONGEST_WAIT_MS;
    struct timer t;
    timer_start(&t);
    while (!timer_expired(&t, ms) || t.elapsed - ms * 1193 < rest)
        wait_a_bit();
    ok(r);
}
