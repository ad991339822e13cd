/* What can be booted, in which order.

   Source   fw_cfg file bootorder (Open Firmware device paths, one a line; HALT: nothing else); CMOS 3Dh and 38h
            (1 floppy, 2 hard disk, 3 CD, 4 network); BIOS Boot Specification 1.01, 6

   What neither names comes last: floppies, disks, CDs, ROMs. */

#include "post.h"

#define ORDER_BYTES 1024
#define UNNAMED 500             /* priority of what bootorder does not name */
static char order[ORDER_BYTES];
static u32 order_length;

static void read_order(void)
{
    const struct fw_file *file = fw_find("bootorder");
    if (!file || order_length)
        return;
    order_length = file->size > ORDER_BYTES ? ORDER_BYTES : file->size;
    fw_select(file->key);
    fw_read(order, order_length);
}

/* The line that holds the path, 0xFFFF: none. */
static u16 line_with(const char *path)
{
    u32 start = 0, line = 0, size = strlen(path);
    for (u32 i = 0; i <= order_length; i++)
        if (i == order_length || order[i] == '\n' || !order[i]) {
            for (u32 at = start; size && at + size <= i; at++)
                if (!memcmp(order + at, path, size)
                    && (at + size == i || order[at + size] == '/' || path[size - 1] == '/'))
                    return line;
            start = i + 1;
            line++;
        }
    return 0xFFFF;
}

static u16 cmos_rank(u8 kind)
{
    static const u8 codes[] = {[BOOT_FLOPPY] = 1, [BOOT_DISK] = 2, [BOOT_CD] = 3, [BOOT_VECTOR] = 4,
                               [BOOT_CONNECTION] = 2};
    u8 wanted[3], pair = cmos_read(0x3D);
    wanted[0] = pair & 15;
    wanted[1] = pair >> 4;
    wanted[2] = cmos_read(0x38) >> 4;
    for (u16 i = 0; i < 3; i++)
        if (wanted[i] == codes[kind])
            return i;
    return 0xFFFF;
}

/* 0: not in the list. */
int boot_add(u8 kind, u8 drive, u16 segment, u16 offset, const char *name, const char *path)
{
    read_order();
    u16 priority = line_with(path);
    if (priority == 0xFFFF) {
        if (order_length && contains(order, order_length, "HALT"))
            return 0;
        u16 rank = cmos_rank(kind);
        priority = UNNAMED + (rank == 0xFFFF ? kind + 10 : rank);
    }
    if (boot_count == MAX_BOOT)
        return 0;
    u32 at = boot_count++;
    for (; at && boot_entries[at - 1].priority > priority; at--)
        boot_entries[at] = boot_entries[at - 1];
    struct boot_entry *entry = &boot_entries[at];
    memset(entry, 0, sizeof *entry);
    entry->kind = kind;
    entry->drive = drive;
    entry->priority = priority;
    entry->segment = segment;
    entry->offset = offset;
    for (u32 i = 0; i < sizeof entry->name - 1 && name[i]; i++)
        entry->name[i] = name[i];
    return 1;
}

void boot_list(void)
{
    for (u8 i = 0; i < EMULATED; i++) {
        struct drive *d = &drives[i];
        if (d->kind == DRIVE_FLOPPY) {
            char path[] = "/fdc@03f0/floppy@0";
            path[sizeof path - 2] += d->unit;
            boot_add(BOOT_FLOPPY, i, 0, 0, "", path);
        } else if (d->kind == DRIVE_ATA || d->kind == DRIVE_ATAPI) {
            char path[] = "@1,1/drive@0/disk@0", old[] = "/ide@01f0/drive@0/disk@0";
            path[1] = '0' + (ide_bdf >> 3 & 31);
            path[3] = '0' + (ide_bdf & 7);
            path[11] += d->unit >> 1;
            path[18] += d->unit & 1;
            if (d->unit >> 1) {
                old[6] = '0';
                old[7] = '1';
                old[8] = '7';
                old[9] = '0';
                old[5] = '@';
            }
            old[sizeof old - 2] += d->unit & 1;
            boot_add(d->kind == DRIVE_ATA ? BOOT_DISK : BOOT_CD, i, 0, 0, d->model, has_pci ? path : old);
        }
    }
    menu_enabled = fw_number(FW_MENU);
    menu_wait_ms = fw_file_number("etc/boot-menu-wait", 2500);
    retry_wait_ms = fw_file_number("etc/boot-fail-wait", 0xFFFFFFFF);
}
