/* Values in the caller's memory, byte by byte: at the end of its segment offsets wrap, as for string
 * instructions, and nothing behind it changes. */
#include "results.h"

void store16(u16 segment, u16 at, u16 value)
{
    poke8(segment, at, (u8)value);
    poke8(segment, at + 1, value >> 8);
}

void store32(u16 segment, u16 at, u32 value)
{
    store16(segment, at, (u16)value);
    store16(segment, at + 2, value >> 16);
}
