/* SMBIOS: from fw_cfg, or a small set of our own, which the user's fields and structures may change.

   Source   System Management BIOS Reference Specification 2.4, 2.1 (entry point) and 3 (structures); fw_cfg files
            etc/smbios/smbios-anchor and smbios-tables, item 2 (UUID) */

#include "post.h"

#define TABLES_LIMIT 0xFF00     /* the entry point has 16 bits for their size */


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

struct head { u8 type, length; u16 handle; } PACKED;
#define HEAD(kind, body) {kind, sizeof(struct head) + sizeof(body), (kind) << 8}

/* Each structure is followed by its strings, which end with an empty one. */
struct bios_body {
    u8 vendor, version;
    u16 segment;
    u8 date, size;
    u64 features;
    u8 more_features[2], release[2], controller[2];
} PACKED;
struct bios { struct head h; struct bios_body b; char text[sizeof "pyqemu\0" "1.0\0" "11/24/2026\0"]; } PACKED;
struct system_body { u8 maker, product, version, serial; u8 uuid[16]; u8 wake, sku, family; } PACKED;
struct chassis_body { u8 maker, type, version, serial, tag, boot, power, heat, security; } PACKED;
struct cpu_body {
    u8 socket, type, family, maker;
    u32 id[2];
    u8 version, volts;
    u16 clock, most, now;
    u8 status, upgrade;
    u16 caches[3];
} PACKED;
struct array_body { u8 location, use, correction; u32 kib; u16 errors, devices; } PACKED;
struct module_body { u16 array, errors, width, data, mib; u8 form, set, place, bank, type; u16 detail; } PACKED;
struct range_body { u32 first, last; u16 array; u8 width; } PACKED;

/* PCI, Plug and Play, a BIOS that is shadowed; boot from CD, choice of the drive, EDD */
#define FEATURES (1 << 7 | 1 << 9 | 1 << 12 | 1 << 15 | 1 << 16 | 1 << 19)
#define BIOS {HEAD(0, struct bios_body), {1, 2, 0xE000, 3, 3, FEATURES, {0}, {0}, {0xFF, 0xFF}}, "pyqemu\0" "1.0\0" "11/24/2026\0"}

struct module { struct head h; struct module_body b; char text[sizeof "DIMM 0\0"]; } PACKED;
struct range { struct head h; struct range_body b; char text[2]; } PACKED;
#define DIGIT 5                 /* in the name of a module */

static const struct bios bios = BIOS;

static const struct structures {
    struct bios bios;
    struct { struct head h; struct system_body b; char text[sizeof "pyqemu\0" "Standard PC\0"]; } PACKED system;
    struct { struct head h; struct chassis_body b; char text[sizeof "pyqemu\0"]; } PACKED chassis;
    struct { struct head h; struct cpu_body b; char text[sizeof "CPU 1\0"]; } PACKED cpu;
    struct { struct head h; struct array_body b; char text[2]; } PACKED array;
    struct module module;
    struct range range;
    struct { struct head h; u8 b[7]; char text[2]; } PACKED boot;
    struct { struct head h; char text[2]; } PACKED end;
} PACKED structures = {
    .bios = BIOS,
    .system = {HEAD(1, struct system_body), {.maker = 1, .product = 2, .wake = 6}, "pyqemu\0" "Standard PC\0"},
    .chassis = {HEAD(3, struct chassis_body), {1, 1, 0, 0, 0, 3, 3, 3, 2}, "pyqemu\0"},
    .cpu = {HEAD(4, struct cpu_body),
            {.socket = 1, .type = 3, .family = 1, .most = 2000, .now = 2000, .status = 0x41, .upgrade = 1,
             .caches = {0xFFFF, 0xFFFF, 0xFFFF}}, "CPU 1\0"},
    .array = {HEAD(16, struct array_body), {1, 3, 3, 0, 0xFFFE, 1}, ""},
    .module = {HEAD(17, struct module_body), {16 << 8, 0xFFFE, 64, 64, 0, 9, 0, 1, 0, 7, 0}, "DIMM 0\0"},
    .range = {HEAD(19, struct range_body), {0, 0, 16 << 8, 1}, ""},
    .boot = {HEAD(32, u8[7]), {0}, ""},
    .end = {{127, sizeof(struct head), 127 << 8}, ""},
};
#define STRUCTURES 9

static const struct anchor anchor = {
    .signature = "_SM_", .length = sizeof(struct anchor), .major = 2, .minor = 4, .largest = sizeof structures.system,
    .dmi = "_DMI_", .bytes = sizeof structures, .count = STRUCTURES, .bcd = 0x24,
};

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
    if (!entry || !tables || entry->size != sizeof *a || tables->size > TABLES_LIMIT)
        return 0;
    a = table_alloc(sizeof *a, 16);
    u32 size = tables->size + sizeof bios;
    u8 *first = size < 0x600 ? table_alloc(size, 16) : 0, *at;
    if (!first)
        first = high_alloc(size, 16);
    if (!a || !first)
        return 1;
    fw_select(entry->key);
    fw_read(a, sizeof *a);
    if (memcmp(a->signature, "_SM_", 4) || a->length != sizeof *a) {
        a->signature[0] = 0;
        return 1;
    }
    memcpy(first, &bios, sizeof bios);          /* type 0 is the firmware's own */
    at = first + sizeof bios;
    fw_select(tables->key);
    fw_read(at, tables->size);
    int ours = !has_bios(at, tables->size);
    u8 *start = ours ? first : at;
    a->address = (u32)start;
    a->bytes = at + tables->size - start;
    a->count += ours;
    if (a->largest < sizeof bios)
        a->largest = sizeof bios;
    finish(a);
    return 1;
}

#define MODULE_MIB (16u << 10)  /* a size has 15 bits */
#define MOST_MODULES 16         /* as their names have a digit */

static u32 ram_mib(void) { return (low_memory_end + 0xFFFFF) >> 20; }
static u32 ram_above_mib(void) { return (high_memory_end - 0x100000000ull) >> 20; }

/* What smbios_change() has made of our structures goes where there is room for it. */
static void changed_tables(struct anchor *a, const struct structures *s, u32 bytes)
{
    struct smbios_set made;
    if (!smbios_change(s, bytes, &made))
        return;
    u8 *to = made.bytes < 0x600 ? table_alloc(made.bytes, 16) : 0;
    if (!to)
        to = high_alloc(made.bytes, 16);
    if (!to)
        return;
    memcpy(to, made.at, made.bytes);
    a->address = (u32)to;
    a->bytes = made.bytes;
    a->count = made.count;
    a->largest = made.largest;
}

static u8 *append(u8 *at, const void *what, u32 bytes)
{
    memcpy(at, what, bytes);
    return at + bytes;
}

static void own_tables(void)
{
    u32 below = ram_mib(), above = ram_above_mib(), mib = below + above;
    u32 modules = (mib + MODULE_MIB - 1) / MODULE_MIB, ranges = above ? 2 : 1;
    if (modules > MOST_MODULES)
        modules = MOST_MODULES;
    u32 bytes = sizeof structures + (modules - 1) * sizeof structures.module + (ranges - 1) * sizeof structures.range;
    struct anchor *a = table_alloc(sizeof *a, 16);
    struct structures *s = table_alloc(bytes, 16);
    if (!a || !s)
        return;
    *s = structures;
    if (fw_present()) {
        fw_select(FW_UUID);
        fw_read(s->system.b.uuid, 16);
    }
    s->array.b.kib = mib << 10;
    s->array.b.devices = modules;
    u8 *at = (u8 *)&s->module;
    for (u32 i = 0; i < modules; i++, mib -= MODULE_MIB) {
        struct module m = structures.module;
        m.h.handle += i;
        m.b.mib = mib < MODULE_MIB ? mib : MODULE_MIB;
        m.text[DIGIT] = "0123456789ABCDEF"[i];
        at = append(at, &m, sizeof m);
    }
    for (u32 i = 0; i < ranges; i++) {
        struct range r = structures.range;
        r.h.handle += i;
        r.b.first = i << 22;                    /* in KiB: 0 and 4 GiB */
        r.b.last = r.b.first + ((i ? above : below) << 10) - 1;
        at = append(at, &r, sizeof r);
    }
    append(at, &structures.boot, (const u8 *)(&structures + 1) - (const u8 *)&structures.boot);
    *a = anchor;
    a->address = (u32)s;
    a->bytes = bytes;
    a->count += modules - 1 + ranges - 1;
    changed_tables(a, s, bytes);
    finish(a);
}

void smbios_build(void)
{
    if (!from_fw_cfg())
        own_tables();
}
