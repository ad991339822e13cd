/* The real-time clock: date and time, and an interrupt each second.

   Source   Motorola MC146818A datasheet: registers 0-9, A (update in progress), B, C; the PC's century in CMOS 32h */

#include "demo.h"

enum { INDEX = 0x70, DATA = 0x71, NO_NMI = 0x80 };
enum { SECONDS = 0, MINUTES = 2, HOURS = 4, DAY = 7, MONTH = 8, YEAR = 9, REG_A = 0x0A, REG_B = 0x0B, REG_C = 0x0C,
       CENTURY = 0x32 };
enum { UPDATING = 0x80, HOURS_24 = 0x02, BINARY = 0x04, UPDATE_INTERRUPT = 0x10, AFTERNOON = 0x80 };

static u8 cmos(u8 index)
{
    out8(INDEX, index | NO_NMI);
    return in8(DATA);
}

static void cmos_set(u8 index, u8 value)
{
    out8(INDEX, index | NO_NMI);
    out8(DATA, value);
}

void clock_start(void)
{
    cmos_set(REG_B, cmos(REG_B) | UPDATE_INTERRUPT);
    cmos(REG_C);
}

void clock_stop(void)
{
    cmos_set(REG_B, cmos(REG_B) & ~UPDATE_INTERRUPT);
    cmos(REG_C);
}

void clock_interrupt(void)
{
    cmos(REG_C);                                /* or there is no further one */
    post_event(FROM_CLOCK, 0, 0);
}

static u8 binary(u8 value, u8 mode) { return mode & BINARY ? value : (value >> 4) * 10 + (value & 15); }

static void two_digits(char *to, u8 value)
{
    to[0] = '0' + value / 10 % 10;
    to[1] = '0' + value % 10;
}

void clock_text(char *text)
{
    static const u8 registers[] = {CENTURY, YEAR, MONTH, DAY, HOURS, MINUTES, SECONDS};
    static const u8 places[] = {0, 2, 5, 8, 11, 14, 17};
    static const char form[] = "    -  -     :  :  ";
    u8 values[7], before;
    do {                                        /* twice the same second: no update in between */
        for (u32 wait = 100000; cmos(REG_A) & UPDATING && wait; wait--)
            ;
        before = cmos(SECONDS);
        for (u32 i = 0; i < 7; i++)
            values[i] = cmos(registers[i]);
    } while (values[6] != before);
    u8 mode = cmos(REG_B), afternoon = !(mode & HOURS_24) && values[4] & AFTERNOON;
    values[4] &= mode & HOURS_24 ? 0xFF : ~AFTERNOON;
    for (u32 i = 0; i < sizeof form; i++)
        text[i] = form[i];
    for (u32 i = 0; i < 7; i++) {
        u8 value = binary(values[i], mode);
        if (i == 4 && !(mode & HOURS_24))
            value = value % 12 + (afternoon ? 12 : 0);
        two_digits(text + places[i], value);
    }
}
