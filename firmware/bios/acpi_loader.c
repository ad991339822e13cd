/* Tables that the emulator prepares: the table-loader protocol.

   Source   "QEMU BIOS Linker/Loader" commands as in ACPI set-up over fw_cfg: etc/table-loader, entries of 128 bytes

   ALLOCATE files, ADD_POINTER between them, ADD_CHECKSUM. Each command is checked against the size of its file; a bad
   one is passed over. WRITE_POINTER needs a writable fw_cfg, which the selector-and-data interface is not. */

#include "post.h"

enum { ALLOCATE = 1, ADD_POINTER = 2, ADD_CHECKSUM = 3 };
enum { ZONE_HIGH = 1, ZONE_TABLES = 2 };
#define NAME 56
#define MAX_BLOBS 16

struct command {
    u32 code;
    union {
        struct { char file[NAME]; u32 align; u8 zone; } PACKED allocate;
        struct { char to[NAME], from[NAME]; u32 offset; u8 size; } PACKED pointer;
        struct { char file[NAME]; u32 result, start, length; } PACKED checksum;
        u8 bytes[124];
    };
} PACKED;

static struct blob { const struct fw_file *file; u8 *at; u32 size; } blobs[MAX_BLOBS];
static u32 blob_count;

static struct blob *blob(const char *name)
{
    for (u32 i = 0; i < blob_count; i++)
        if (!memcmp(blobs[i].file->name, name, NAME) || !memcmp(blobs[i].file->name, name, strlen(blobs[i].file->name) + 1))
            return &blobs[i];
    return 0;
}

static int inside(const struct blob *b, u32 offset, u32 length)
{
    return b && length <= b->size && offset <= b->size - length;
}

static void allocate(struct command *c)
{
    c->allocate.file[NAME - 1] = 0;
    const struct fw_file *file = fw_find(c->allocate.file);
    u32 align = c->allocate.align;
    if (!file || blob_count == MAX_BLOBS || align & (align - 1) || align > 0x10000 || blob(c->allocate.file))
        return;
    u8 *at = c->allocate.zone == ZONE_TABLES ? table_alloc(file->size, align) : high_alloc(file->size, align);
    if (!at)
        return;
    fw_select(file->key);
    fw_read(at, file->size);
    blobs[blob_count++] = (struct blob){file, at, file->size};
}

static void add_pointer(struct command *c)
{
    c->pointer.to[NAME - 1] = c->pointer.from[NAME - 1] = 0;
    struct blob *to = blob(c->pointer.to), *from = blob(c->pointer.from);
    u32 size = c->pointer.size;
    u64 value = 0;
    if (!from || (size != 1 && size != 2 && size != 4 && size != 8) || !inside(to, c->pointer.offset, size))
        return;
    memcpy(&value, to->at + c->pointer.offset, size);
    value += (u32)from->at;
    memcpy(to->at + c->pointer.offset, &value, size);
}

static void add_checksum(struct command *c)
{
    c->checksum.file[NAME - 1] = 0;
    struct blob *b = blob(c->checksum.file);
    if (!inside(b, c->checksum.result, 1) || !inside(b, c->checksum.start, c->checksum.length))
        return;
    b->at[c->checksum.result] -= sum(b->at + c->checksum.start, c->checksum.length);
}

/* 0: the emulator has no tables. */
int acpi_load(void)
{
    const struct fw_file *loader = fw_find("etc/table-loader");
    struct command c;
    if (!loader)
        return 0;
    for (u32 at = 0; at + sizeof c <= loader->size; at += sizeof c) {
        fw_select(loader->key);
        fw_skip(at);
        fw_read(&c, sizeof c);
        if (c.code == ALLOCATE)
            allocate(&c);
        else if (c.code == ADD_POINTER)
            add_pointer(&c);
        else if (c.code == ADD_CHECKSUM)
            add_checksum(&c);
    }
    return blob_count != 0;
}
