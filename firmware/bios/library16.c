/* Far memory, memory functions that the compiler calls, and time measured by the PIT, for the 16-bit half.

   Source   Intel SDM volume 2 (string instructions, SMSW); 8254 data sheet (counter latch) */

#include "bios.h"

void *memcpy(void *to, const void *from, u32 count)
{
    void *at = to;
    asm volatile("rep movsb" : "+D"(at), "+S"(from), "+c"(count) : : "memory");
    return to;
}

void *memset(void *to, int value, u32 count)
{
    void *at = to;
    asm volatile("rep stosb" : "+D"(at), "+c"(count) : "a"(value) : "memory");
    return to;
}

/* Far pointers come from software: an offset near the segment's end moves into the segment. */
static u32 normalise(u16 *segment, u16 offset)
{
    *segment += offset >> 4;
    return offset & 15;
}

void far_copy_to(u16 segment, u16 offset, const void *from, u32 count)
{
    u32 at = normalise(&segment, offset);
    asm volatile("pushw %%es; movw %3, %%es; rep movsb; popw %%es"
                 : "+D"(at), "+S"(from), "+c"(count) : "r"(segment) : "memory");
}

void far_copy_from(void *to, u16 segment, u16 offset, u32 count)
{
    u32 at = normalise(&segment, offset);
    asm volatile("pushw %%ds; movw %3, %%ds; rep movsb; popw %%ds"
                 : "+D"(to), "+S"(at), "+c"(count) : "r"(segment) : "memory");
}

void far_insw(u16 port, u16 segment, u16 offset, u32 words)
{
    u32 at = normalise(&segment, offset);
    asm volatile("pushw %%es; movw %2, %%es; rep insw; popw %%es"
                 : "+D"(at), "+c"(words) : "r"(segment), "d"(port) : "memory");
}

void far_outsw(u16 port, u16 segment, u16 offset, u32 words)
{
    u32 at = normalise(&segment, offset);
    asm volatile("pushw %%ds; movw %2, %%ds; rep outsw; popw %%ds"
                 : "+S"(at), "+c"(words) : "r"(segment), "d"(port) : "memory");
}

void call_vector(struct regs *r, u8 vector)
{
    set_fs(0);
    call_interrupt(r, FAR32(vector * 4));
}

/* SMSW is not privileged: the only place where 8086 mode shows. */
int in_protected_mode(void)
{
    u16 word;
    asm volatile("smsw %0" : "=r"(word));
    return word & 1;
}

static u16 pit_count(void)
{
    outb(0x43, 0x00);
    u8 low = inb(0x40);
    return low | inb(0x40) << 8;
}

void timer_start(struct timer *t)
{
    t->elapsed = 0;
    t->last = pit_count();
}

/* Counter 0 counts down, 1193 steps a millisecond. */
int timer_expired(struct timer *t, u32 ms)
{
    u16 now = pit_count();
    t->elapsed += (u16)(t->last - now);
    t->last = now;
    return t->elapsed / 1193 >= ms;
}
