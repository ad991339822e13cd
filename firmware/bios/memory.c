/* The memory map, and room in it for tables.

   Source   ACPI 1.0b, 14.1 (E820h); fw_cfg files etc/e820, key 8003h; CMOS 30h-35h, 5Bh-5Dh as PC emulators set them

   Tables for the operating system come from the end of the RAM below 4 GiB; entry points and legacy tables from
   what the code has left of segment F000. */

#include "post.h"

extern u8 b16_text_end[];
u64 high_memory_end;
static u32 ram_end, tables_at;

/* Give a range a type; what it overlaps is cut. Type 0 only cuts. */
void e820_set(u64 base, u64 length, u32 type)
{
    static struct e820 next[MAX_E820 + 2];
    u64 end = base + length;
    u32 n = 0, placed = !type;
    for (u32 i = 0; i < e820_count && n < MAX_E820 - 2; i++) {
        struct e820 old = e820_map[i];
        u64 old_end = old.base + old.length;
        if (old.base < base) {
            next[n] = old;
            if (old_end > base)
                next[n].length = base - old.base;
            n++;
        }
        if (!placed && old_end > base) {
            next[n++] = (struct e820){base, length, type};
            placed = 1;
        }
        if (old_end > end) {
            next[n] = old;
            if (old.base < end) {
                next[n].base = end;
                next[n].length = old_end - end;
            }
            n++;
        }
    }
    if (!placed)
        next[n++] = (struct e820){base, length, type};
    e820_count = 0;
    for (u32 i = 0; i < n; i++) {               /* join neighbours */
        struct e820 *last = e820_count ? &e820_map[e820_count - 1] : 0;
        if (last && last->type == next[i].type && last->base + last->length == next[i].base)
            last->length += next[i].length;
        else
            e820_map[e820_count++] = next[i];
    }
}

static void from_cmos(void)
{
    u32 big = cmos_read(0x34) | cmos_read(0x35) << 8;
    u32 kib = cmos_read(0x30) | cmos_read(0x31) << 8;
    u64 above = (u64)(cmos_read(0x5B) | cmos_read(0x5C) << 8 | cmos_read(0x5D) << 16) << 16;
    low_memory_end = big ? 0x1000000 + (big << 16) : 0x100000 + (kib << 10);
    e820_set(0, low_memory_end, E820_RAM);
    if (above)
        e820_set(0x100000000ull, above, E820_RAM);
    high_memory_end = 0x100000000ull + above;
}

static int from_fw_cfg(int want_ram)
{
    const struct fw_file *file = fw_find("etc/e820");
    struct e820 entry;
    int found = 0;
    if (!file)
        return 0;
    fw_select(file->key);
    for (u32 left = file->size / sizeof entry; left; left--) {
        fw_read(&entry, sizeof entry);
        if ((entry.type == E820_RAM) != want_ram || !entry.length || entry.base + entry.length < entry.base)
            continue;
        e820_set(entry.base, entry.length, entry.type);
        u64 end = entry.base + entry.length;
        if (want_ram && end <= 0x100000000ull && end > low_memory_end)
            low_memory_end = end;
        if (want_ram && end > high_memory_end)
            high_memory_end = end;
        found = 1;
    }
    return found;
}

static void reserved_by_key(void)
{
    struct e820 entry;
    u32 count = fw_number(FW_E820);
    for (; count && count <= MAX_E820; count--) {
        fw_read(&entry, sizeof entry);
        if (entry.length && entry.base + entry.length > entry.base)
            e820_set(entry.base, entry.length, entry.type);
    }
}

void memory_init(void)
{
    e820_count = 0;
    low_memory_end = 0;
    high_memory_end = 0x100000000ull;
    if (!from_fw_cfg(1))
        from_cmos();
    if (fw_present()) {
        from_fw_cfg(0);
        reserved_by_key();
    }
    ram_end = low_memory_end;
    tables_at = CODE_BASE + (u32)b16_text_end;
    e820_set(0xA0000, 0x60000, 0);
    e820_set(EBDA_SEGMENT << 4, 0xA0000 - (EBDA_SEGMENT << 4), E820_RESERVED);
    e820_set(0xE0000, 0x20000, E820_RESERVED);
    e820_set(0xFFFC0000, 0x40000, E820_RESERVED);
}

/* From the end of RAM; 0: none left. */
void *high_alloc(u32 size, u32 align)
{
    u32 at;
    if (align < 16)
        align = 16;
    if (align & (align - 1) || size > low_memory_end || low_memory_end - size < 0x200000)
        return 0;
    at = (low_memory_end - size) & -align;
    low_memory_end = at;
    memset((void *)at, 0, size);
    return (void *)at;
}

/* From segment F000; 0: none left. */
void *table_alloc(u32 size, u32 align)
{
    if (align < 16)
        align = 16;
    u32 at = (tables_at + align - 1) & -align;
    if (align & (align - 1) || size > TABLES_END || at + size > CODE_BASE + TABLES_END)
        return 0;
    tables_at = at + size;
    return (void *)at;
}

void memory_finish(void)
{
    low_memory_end &= ~0xFFF;
    if (low_memory_end < ram_end)
        e820_set(low_memory_end, ram_end - low_memory_end, E820_RESERVED);
}
