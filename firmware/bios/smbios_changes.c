/* SMBIOS: the fields and structures by which a user changes ours.

   Source   fw_cfg key 8001h: u16 count, then entries, each u16 length and u8 kind (0 field, 1 structure); a field goes
            on with u8 type, u16 offset in the formatted area, and the value, a structure with itself. System Management
            BIOS Reference Specification 2.4, 3.1 (structures and their strings), 3.3.1 and 3.3.2 (types 0 and 1)

   A structure of the user's stands for ours of its type, the first of two fields counts, and types that we have not
   come last. Entries and what is made of them lie in conventional memory, which nobody uses so early; what would go
   beyond its part of it is left out. */

#include "post.h"

enum { FIELD = 0, STRUCTURE = 1, END_OF_TABLE = 127 };
#define MADE 0x10000
#define MADE_LIMIT 0xFF00u      /* the entry point has 16 bits for their size */
#define ENTRIES 0x20000
#define ENTRIES_LIMIT 0x60000u
#define TYPES 256

struct head { u8 type, length; u16 handle; } PACKED;
struct entry { u16 length; u8 kind, type; u16 offset; } PACKED;
#define ENTRY_HEAD 3            /* without what a kind adds */
#define FIELD_HEAD sizeof(struct entry)

static u32 entries_end, made_end;
static u16 count, largest;
static u8 done[TYPES];

static void read_entries(u32 number)
{
    entries_end = ENTRIES;
    while (number--) {
        u16 length;
        fw_read(&length, 2);
        if (length < ENTRY_HEAD || length > ENTRIES + ENTRIES_LIMIT - entries_end)
            return;
        POKE16(entries_end, length);
        fw_read((void *)(entries_end + 2), length - 2);
        entries_end += length;
    }
}

/* Each entry in turn, beginning with 0; 0: no more. */
static const struct entry *after(const struct entry *entry)
{
    u32 at = entry ? (u32)entry + entry->length : ENTRIES;
    return at < entries_end ? (const struct entry *)at : 0;
}

static const struct entry *field(u8 type, u16 offset)
{
    for (const struct entry *e = after(0); e; e = after(e))
        if (e->kind == FIELD && e->length > FIELD_HEAD && e->type == type && e->offset == offset)
            return e;
    return 0;
}

/* The strings of a structure end with an empty one. */
static const u8 *behind(const u8 *structure, const u8 *end)
{
    const u8 *at = structure + structure[1];
    while (at + 1 < end && (at[0] || at[1]))
        at++;
    return at + 2;
}

static int is_string(u8 type, u32 offset)
{
    static const u32 strings[] = {1 << 4 | 1 << 5 | 1 << 8, 1 << 4 | 1 << 5 | 1 << 6 | 1 << 7 | 1 << 25 | 1 << 26};
    return type < ARRAY_SIZE(strings) && offset < 32 && strings[type] >> offset & 1;
}

static void put(const void *from, u32 bytes)
{
    memcpy((void *)made_end, from, bytes);
    made_end += bytes;
}

static void finished(u32 start)
{
    u32 bytes = made_end - start;
    count++;
    if (bytes > largest)
        largest = bytes;
}

/* A structure that the user gave, with the two zeros that close it. */
static void put_given(const struct entry *e)
{
    const struct head *h = (const struct head *)&e->type;
    u32 bytes = e->length - ENTRY_HEAD, start = made_end;
    if (bytes < sizeof *h || h->length < sizeof *h || h->length > bytes || bytes + 2 > MADE + MADE_LIMIT - made_end)
        return;
    put(h, bytes);
    while (made_end - start < h->length + 2u || PEEK16(made_end - 2))
        POKE8(made_end++, 0);
    finished(start);
}

static int put_all_given(u8 type)
{
    u16 before = count;
    for (const struct entry *e = after(0); e; e = after(e))
        if (e->kind == STRUCTURE && e->length > ENTRY_HEAD && e->type == type)
            put_given(e);
    done[type] = 1;
    return count != before;
}

/* The length with its zero of a value that is text. */
static u32 text_bytes(const char *text, u32 limit)
{
    u32 n = 0;
    while (n < limit && text[n])
        n++;
    return n < limit ? n + 1 : 0;
}

static const char *string(const u8 *structure, u8 number)
{
    const char *at = (const char *)structure + structure[1];
    while (--number)
        at += strlen(at) + 1;
    return at;
}

/* One of ours with the user's fields; strings are numbered anew. */
static void put_ours(const u8 *ours)
{
    u32 start = made_end, length = ours[1];
    u8 strings = 0;
    put(ours, length);
    for (u32 offset = sizeof(struct head); offset < length; offset++) {
        const struct entry *e = field(ours[0], offset);
        const char *text = e ? (const char *)(e + 1) : 0;
        u32 bytes = e ? e->length - FIELD_HEAD : 0;
        if (!is_string(ours[0], offset)) {
            if (bytes <= length - offset)
                memcpy((void *)(start + offset), text, bytes);
            continue;
        }
        if (e)
            bytes = text_bytes(text, bytes);
        else if (ours[offset]) {
            text = string(ours, ours[offset]);
            bytes = strlen(text) + 1;
        }
        int fits = bytes > 1 && bytes + 2 <= MADE + MADE_LIMIT - made_end;
        POKE8(start + offset, fits ? ++strings : 0);
        if (fits)
            put(text, bytes);
    }
    if (!strings)
        POKE8(made_end++, 0);
    POKE8(made_end++, 0);
    finished(start);
}

int smbios_change(const void *structures, u32 bytes, struct smbios_set *made)
{
    const u8 *at = structures, *end = at + bytes;
    u32 number = 0;
    if (fw_present()) {
        fw_select(FW_SMBIOS);
        fw_read(&number, 2);
    }
    if (!number)
        return 0;
    read_entries(number);
    made_end = MADE;
    for (; at < end && at[0] != END_OF_TABLE; at = behind(at, end))
        if (!put_all_given(at[0])) {
            u32 length = behind(at, end) - at;
            if (at[0] < 2)
                put_ours(at);
            else if (length <= MADE + MADE_LIMIT - made_end) {
                u32 start = made_end;
                put(at, length);
                finished(start);
            }
        }
    for (u32 type = 0; type < TYPES; type++)
        if (!done[type] && type != END_OF_TABLE)
            put_all_given(type);
    if (at < end) {
        u32 start = made_end;
        put(at, end - at);
        finished(start);
    }
    *made = (struct smbios_set){(const u8 *)MADE, made_end - MADE, count, largest};
    return 1;
}
