/* The memory map, as the loader got it from the BIOS (int 15h E820).

   Source   Multiboot Specification 0.6.96, 3.3 (mmap); ACPI 6.4, 15 (kinds of ranges) */

#include "demo.h"

struct range { u32 size; u64 base, bytes; u32 kind; } __attribute__((packed));

static void put_address(struct report *r, u64 address)
{
    u32 digits = 0, high = address >> 32;
    while (digits < 8 && high >> digits * 4)
        digits++;
    put_hex(r, high, digits);
    put_hex(r, address, 8);
}

void report_memory(struct report *r, const struct multiboot *information)
{
    static const char *const kinds[] = {"rsvd", "RAM", "rsvd", "ACPI", "NVS", "bad"};
    if (!(information->flags & HAS_MAP)) {
        new_line(r);
        put_size(r, information->lower_kib);
        put(r, " from 0");
        new_line(r);
        put_size(r, information->upper_kib);
        put(r, " from 1 MiB");
        return;
    }
    u32 end = information->map + information->map_length;
    for (u32 at = information->map; at < end;) {
        const struct range *range = (const struct range *)at;
        new_line(r);
        put_address(r, range->base);
        put(r, "-");
        put_address(r, range->base + range->bytes - 1);
        put_character(r, ' ');
        put_size(r, range->bytes >> 10);
        put_character(r, ' ');
        put(r, range->kind < 6 ? kinds[range->kind] : "rsvd");
        at += range->size + 4;
    }
}
