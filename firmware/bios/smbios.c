/* SMBIOS: from fw_cfg, or a small set of our own.

   Source   System Management BIOS Reference Specification 2.4, 2.1 (entry point) and 3 (structures); fw_cfg files
            etc/smbios/smbios-anchor and smbios-tables, item 2 (UUID) */

#include "post.h"

#define BIOS_ROOM 64            /* for the structure that fw_cfg leaves to us */

struct anchor {
    char signature[4];
    u8 sum, length, major, minor;
    u16 largest;
    u8 revision, formatted[5];
    char dmi[5];
    u8 dmi_sum;
    u16 bytes;
    u32 address;
    u16 count;
    u8 bcd;
} PACKED;

static void finish(struct anchor *a)
{
    a->sum = a->dmi_sum = 0;
    a->dmi_sum = -sum(a->dmi, sizeof *a - 16);
    a->sum = -sum(a, a->length);
}

static u8 *at, *limit;
static u16 count, largest;

/* Adds a structure: header, *size* bytes, then its strings; each ends with 0, the last with two. */
static void add(u8 type, const void *body, u8 size, const char *strings)
{
    u8 *start = at;
    u32 text = 0;
    while (strings[text])
        text += strlen(strings + text) + 1;
    u32 length = 4 + size + (text ? text + 1 : 2);
    if (length > (u32)(limit - at))
        return;
    at[0] = type;
    at[1] = 4 + size;
    *(u16 *)(at + 2) = type << 8;
    memcpy(at + 4, body, size);
    memcpy(at + 4 + size, strings, text);
    at += length;
    count++;
    if (at - start > largest)
        largest = at - start;
}

/* Type 0 is the firmware's own. */
static void add_bios(void)
{
    static const struct { u8 vendor, version; u16 segment; u8 date, size; u64 features; } PACKED bios = {
        1, 2, 0xE000, 3, 1, 0x08 | 1 << 7 | 1 << 15 | 1 << 16 | 1 << 9 | 1 << 10 | 1 << 11};
    add(0, &bios, sizeof bios, "pyqemu\0" "1.0\0" "11/24/2026\0");
}

/* Is there a structure of type 0? A structure's strings end with two zeros. */
static int has_bios(const u8 *table, u32 size)
{
    for (u32 i = 0; i + 4 <= size && table[i + 1] >= 4;) {
        if (table[i] == 0)
            return 1;
        for (i += table[i + 1]; i + 1 < size && (table[i] || table[i + 1]); i++)
            ;
        i += 2;
    }
    return 0;
}

static int from_fw_cfg(void)
{
    const struct fw_file *entry = fw_find("etc/smbios/smbios-anchor"), *tables = fw_find("etc/smbios/smbios-tables");
    struct anchor *a;
    if (!entry || !tables || entry->size != sizeof *a)
        return 0;
    a = table_alloc(sizeof *a, 16);
    u32 size = tables->size + BIOS_ROOM;
    u8 *first = size < 0x600 ? table_alloc(size, 16) : 0;
    if (!first)
        first = high_alloc(size, 16);
    if (!a || !first)
        return 1;
    at = first;
    limit = first + BIOS_ROOM;
    add_bios();
    fw_select(entry->key);
    fw_read(a, sizeof *a);
    if (memcmp(a->signature, "_SM_", 4) || a->length != sizeof *a) {
        a->signature[0] = 0;
        return 1;
    }
    fw_select(tables->key);
    fw_read(at, tables->size);
    int ours = !has_bios(at, tables->size);
    u8 *start = ours ? first : at;
    a->address = (u32)start;
    a->bytes = at + tables->size - start;
    a->count += ours;
    if (a->largest < largest)
        a->largest = largest;
    finish(a);
    return 1;
}

static u32 ram_mib(void) { return (low_memory_end + 0xFFFFF) >> 20; }

static void own_tables(void)
{
    struct { u8 maker, product, version, serial; u8 uuid[16]; u8 wake; } PACKED system = {.maker = 1, .product = 2, .wake = 6};
    static const struct { u8 maker, type, version, serial, tag, boot, power, heat, security; } PACKED chassis = {
        1, 1, 0, 0, 0, 3, 3, 3, 2};
    static const struct { u8 socket, type, family, maker; u32 id[2]; u8 version, volts; u16 clock, most, now; u8 status,
                          upgrade; u16 caches[3]; } PACKED cpu = {
        1, 3, 1, 0, {0, 0}, 0, 0, 0, 2000, 2000, 0x41, 1, {0xFFFF, 0xFFFF, 0xFFFF}};
    struct { u8 location, use, correction; u32 kib; u16 errors, devices; } PACKED array = {1, 3, 3, 0, 0xFFFE, 1};
    struct { u16 array, errors, width, data, mib; u8 form, set, place, bank, type; u16 detail; } PACKED module = {
        16 << 8, 0xFFFE, 64, 64, 0, 9, 0, 1, 0, 7, 0};
    struct { u32 first, last; u16 array; u8 width; } PACKED range = {0, 0, 16 << 8, 1};
    struct anchor *a = table_alloc(sizeof *a, 16);
    u8 *first = table_alloc(0x300, 16);
    if (!a || !first)
        return;
    at = first;
    limit = first + 0x300;
    if (fw_present()) {
        fw_select(FW_UUID);
        fw_read(system.uuid, 16);
    }
    add_bios();
    add(1, &system, sizeof system, "pyqemu\0" "Standard PC\0");
    add(3, &chassis, sizeof chassis, "pyqemu\0");
    add(4, &cpu, sizeof cpu, "CPU 1\0");
    array.kib = ram_mib() << 10;
    add(16, &array, sizeof array, "");
    module.mib = ram_mib() > 0x7FFF ? 0x7FFF : ram_mib();
    add(17, &module, sizeof module, "DIMM 0\0");
    range.last = array.kib - 1;
    add(19, &range, sizeof range, "");
    add(32, "\0\0\0\0\0\0\0", 7, "");
    add(127, "", 0, "");
    memset(a, 0, sizeof *a);
    memcpy(a->signature, "_SM_", 4);
    a->length = sizeof *a;
    a->major = 2;
    a->minor = 4;
    a->largest = largest;
    memcpy(a->dmi, "_DMI_", 5);
    a->bytes = at - first;
    a->address = (u32)first;
    a->count = count;
    a->bcd = 0x24;
    finish(a);
}

void smbios_build(void)
{
    if (!from_fw_cfg())
        own_tables();
}
