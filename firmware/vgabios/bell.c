/* The bell: the speaker of the PC, by channel 2 of its timer, for 50 ms.
 *
 * Source   8254 data sheet (mode 3, a square wave); IBM PC/AT Technical Reference, port 61h
 *
 * How long it lasts is counted on the timer's output: we may be called with interrupts off, and from handlers.
 */
#include "bell.h"
#include "ports.h"

#define TIMER_CHANNEL_2 0x42
#define TIMER_CONTROL 0x43
#define SQUARE_WAVE 0xb6 /* channel 2, both bytes, mode 3 */
#define SYSTEM 0x61
#define SPEAKER 0x03 /* channel 2 counts, and is heard */
#define OUTPUT 0x20
#define DIVISOR 1193 /* 1 kHz */
#define CHANGES 100  /* of the output */
#define PATIENCE 0x4000 /* readings without a change: there is no timer */

void ring_bell(void)
{
    u8 before = in8(SYSTEM), level = before;
    out8(TIMER_CONTROL, SQUARE_WAVE);
    out8(TIMER_CHANNEL_2, (u8)DIVISOR);
    out8(TIMER_CHANNEL_2, DIVISOR >> 8);
    out8(SYSTEM, (before & 0x0f) | SPEAKER);
    for (u8 changes = 0; changes < CHANGES; changes++) {
        u16 left = PATIENCE;
        while (((in8(SYSTEM) ^ level) & OUTPUT) == 0 && left)
            left--;
        if (!left)
            break;
        level ^= OUTPUT;
    }
    out8(SYSTEM, before & 0x0f);
}
