/* fw_cfg: what the emulator tells the firmware.

   Source   "QEMU Firmware Configuration (fw_cfg) Device": ports 510h (selector) and 511h (data), the file directory */

#include "post.h"

enum { SELECT = 0x510, DATA = 0x511 };
enum { SIGNATURE = 0, DIRECTORY = 0x19 };
#define MAX_FILES 64

static u8 present;
static u32 count;
static struct fw_file files[MAX_FILES];

void fw_select(u16 key) { outw(SELECT, key); }
void fw_read(void *to, u32 bytes) { insb(DATA, to, bytes); }

void fw_skip(u32 bytes)
{
    u8 scratch[128];
    while (bytes) {
        u32 part = bytes > sizeof scratch ? sizeof scratch : bytes;
        fw_read(scratch, part);
        bytes -= part;
    }
}

int fw_present(void) { return present; }

u32 fw_number(u16 key)
{
    u32 value = 0;
    if (!present)
        return 0;
    fw_select(key);
    fw_read(&value, key == FW_NO_GRAPHICS || key == FW_MENU || key == FW_CPUS || key == FW_MAX_CPUS ? 2 : 4);
    return value;
}

void fw_init(void)
{
    char signature[4];
    fw_select(SIGNATURE);
    fw_read(signature, 4);
    present = !memcmp(signature, "QEMU", 4);
    if (!present)
        return;
    fw_select(DIRECTORY);
    fw_read(&count, 4);
    count = swap32(count);
    if (count > MAX_FILES)
        count = MAX_FILES;
    for (u32 i = 0; i < count; i++) {
        struct { u32 size; u16 key, reserved; char name[56]; } PACKED entry;
        fw_read(&entry, sizeof entry);
        files[i].size = swap32(entry.size);
        files[i].key = swap16(entry.key);
        memcpy(files[i].name, entry.name, sizeof entry.name);
        files[i].name[55] = 0;
    }
}

const struct fw_file *fw_file(u32 index) { return index < count ? &files[index] : 0; }

const struct fw_file *fw_find(const char *name)
{
    u32 length = strlen(name) + 1;
    if (length > sizeof files[0].name)
        return 0;
    for (u32 i = 0; i < count; i++)
        if (!memcmp(files[i].name, name, length))
            return &files[i];
    return 0;
}

/* A little-endian number of up to four bytes. */
u32 fw_file_number(const char *name, u32 otherwise)
{
    const struct fw_file *file = fw_find(name);
    u32 value = 0;
    if (!file || !file->size)
        return otherwise;
    fw_select(file->key);
    fw_read(&value, file->size > 4 ? 4 : file->size);
    return value;
}
