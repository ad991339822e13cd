/* Memory and text functions of the 32-bit half.

   Source   Intel SDM volume 2 (string instructions) */

#include "post.h"

extern u8 b16_print[], b16_print_address[];

void *memcpy(void *to, const void *from, u32 count)
{
    void *at = to;
    u32 words = count >> 2, bytes = count & 3;
    asm volatile("rep movsl; movl %3, %%ecx; rep movsb" : "+D"(at), "+S"(from), "+c"(words) : "r"(bytes) : "memory");
    return to;
}

void *memset(void *to, int value, u32 count)
{
    void *at = to;
    asm volatile("rep stosb" : "+D"(at), "+c"(count) : "a"(value) : "memory");
    return to;
}

int memcmp(const void *a, const void *b, u32 count)
{
    const u8 *x = a, *y = b;
    for (; count; count--, x++, y++)
        if (*x != *y)
            return *x - *y;
    return 0;
}

u32 strlen(const char *s)
{
    u32 n = 0;
    while (s[n])
        n++;
    return n;
}

int contains(const char *text, u32 length, const char *part)
{
    u32 size = strlen(part);
    for (u32 i = 0; i + size <= length; i++)
        if (!memcmp(text + i, part, size))
            return 1;
    return 0;
}

u8 sum(const void *from, u32 count)
{
    const u32 *words = from;
    u32 total = 0;
    for (u32 left = count >> 2; left; left--, words++) {
        u32 pairs = (*words & 0x00FF00FF) + (*words >> 8 & 0x00FF00FF);
        total += pairs + (pairs >> 16);         /* its low byte counts */
    }
    for (const u8 *p = (const u8 *)words; count & 3; count--)
        total += *p++;
    return total;
}

/* Text and stack of this half lie in segment E000, too. */
void print(const char *text) { call16(b16_print, (u32)text - DATA_BASE); }

void print_address(u32 n) { call16(b16_print_address, n); }
