/* The POST Memory Manager: memory that option ROMs borrow until the first int 19h.

   Source   POST Memory Manager Specification 1.01, 3 (structure and services)

   A block is conventional memory that nobody uses at power-on, or extended memory below our tables, from the top
   down. Nothing is kept: what a ROM left there survives until the system that is booted wants the memory. */

#include "post.h"

enum { ALLOCATE, FIND, DEALLOCATE };
enum { CONVENTIONAL = 1, EXTENDED = 2, ALIGNED = 4 };
#define ANONYMOUS 0xFFFFFFFF
#define NOT_SUPPORTED 0xFFFFFFFF
#define MAX_BLOCKS 32
#define CONVENTIONAL_FIRST 0x10000
#define EXTENDED_FIRST 0x200000
#define TABLES_ROOM 0x100000    /* tables may still come below the end of RAM */

struct call {
    u16 function;
    union {
        struct { u32 paragraphs, handle; u16 flags; } PACKED allocate;
        u32 handle, buffer;
    };
} PACKED;

static struct block { u32 at, end, handle; } blocks[MAX_BLOCKS];
static u32 block_count;
static u32 extended_end;        /* fixed with the first call, so that blocks stay clear of later tables */

extern u8 b16_pmm_header[];

static u32 zone_end(u32 zone)
{
    if (zone == CONVENTIONAL)
        return PEEK16(BDA_BASE + 0x13) << 10;
    if (!extended_end)
        extended_end = low_memory_end > EXTENDED_FIRST + TABLES_ROOM ? low_memory_end - TABLES_ROOM : EXTENDED_FIRST;
    return extended_end;
}

/* The block that lies highest of those that reach below *end* and above *start*. */
static struct block *highest_between(u32 start, u32 end)
{
    struct block *found = 0;
    for (u32 i = 0; i < block_count; i++)
        if (blocks[i].at < end && blocks[i].end > start && (!found || blocks[i].at > found->at))
            found = &blocks[i];
    return found;
}

/* A place for *size* bytes, 0: none. */
static u32 place(u32 zone, u32 size, u32 align)
{
    u32 first = zone == CONVENTIONAL ? CONVENTIONAL_FIRST : EXTENDED_FIRST, end = zone_end(zone);
    struct block *taken;
    for (;;) {
        if (end < first || size > end - first)
            return 0;
        u32 at = (end - size) & -align;
        if (at < first)
            return 0;
        taken = highest_between(at, at + size);
        if (!taken)
            return at;
        end = taken->at;
    }
}

static u32 largest(u32 zone)
{
    u32 first = zone == CONVENTIONAL ? CONVENTIONAL_FIRST : EXTENDED_FIRST, end = zone_end(zone), most = 0;
    while (end > first) {
        struct block *below = highest_between(first, end);
        u32 start = below ? below->end : first;
        if (end > start && end - start > most)
            most = end - start;
        end = below ? below->at : first;
    }
    return most;
}

static u32 allocate(u32 paragraphs, u32 handle, u32 flags)
{
    u32 at = 0, size = paragraphs << 4, align = flags & ALIGNED ? size & -size : 16;
    if (!(flags & (CONVENTIONAL | EXTENDED)) || paragraphs > 0x0FFFFFFF)
        return 0;
    if (!paragraphs) {
        u32 low = flags & CONVENTIONAL ? largest(CONVENTIONAL) : 0, high = flags & EXTENDED ? largest(EXTENDED) : 0;
        return (low > high ? low : high) >> 4;
    }
    if (block_count == MAX_BLOCKS)
        return 0;
    for (u32 i = 0; i < block_count; i++)
        if (handle != ANONYMOUS && blocks[i].handle == handle)
            return 0;
    if (flags & EXTENDED)
        at = place(EXTENDED, size, align);
    if (!at && flags & CONVENTIONAL)
        at = place(CONVENTIONAL, size, align);
    if (at)
        blocks[block_count++] = (struct block){at, at + size, handle};
    return at;
}

static u32 find(u32 handle)
{
    for (u32 i = 0; i < block_count; i++)
        if (handle != ANONYMOUS && blocks[i].handle == handle)
            return blocks[i].at;
    return 0;
}

static u32 deallocate(u32 at)
{
    for (u32 i = 0; i < block_count; i++)
        if (blocks[i].at == at) {
            blocks[i] = blocks[--block_count];
            return 0;
        }
    return 1;
}

/* The 16-bit half calls this with the address of what the caller has pushed. */
u32 pmm(u32 arguments)
{
    const struct call *c = (const struct call *)arguments;
    switch (c->function) {
    case ALLOCATE:
        return allocate(c->allocate.paragraphs, c->allocate.handle, c->allocate.flags);
    case FIND:
        return find(c->handle);
    case DEALLOCATE:
        return deallocate(c->buffer);
    }
    return NOT_SUPPORTED;
}

/* The structure goes with the services. */
void pmm_end(void)
{
    memset(CODE(b16_pmm_header), 0, 16);
    post_pmm = 0;
}
