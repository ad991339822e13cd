/* Int 19h and 18h: one boot device after the other, and the menu.

   Source   BIOS Boot Specification 1.01, 5 and 6; IBM PC/AT Technical Reference (boot sector at 0:7C00)

   Power-on has sorted boot_entries[]. A device that cannot be booted, or whose code gives up by int 18h, is
   followed by the next; after the last we wait for a key or a minute and start again. */

#include "bios.h"

struct boot_entry boot_entries[MAX_BOOT];
u8 boot_count, connection_count, menu_enabled;
u16 menu_wait_ms = 2500;
s32 retry_wait_ms = -1;

enum { KEY_ESC = 0x011B, KEY_F12 = 0x8600 };
#define BOOT_ADDRESS 0x7C00
#define RETRY_MS 60000

static u8 next_entry;

static int pressed_key(void)
{
    struct regs r = {0};
    r.ah = 0x11;
    call_vector(&r, 0x16);
    if (r.flags & ZF)
        return 0;
    r.ah = 0x10;
    call_vector(&r, 0x16);
    return r.ax;
}

/* A key within the time, 0: none. */
static int key_within(u32 ms)
{
    u32 start = BDA32(BDA_TICKS), ticks = (ms + 54) / 55;
    for (;;) {
        int key = pressed_key();
        if (key)
            return key;
        u32 now = BDA32(BDA_TICKS);
        if (now < start)
            start = now;
        if (now - start >= ticks)
            return 0;
        wait_interrupt();
    }
}

static void describe(const struct boot_entry *entry)
{
    static const char *const kinds[] = {"", "Floppy", "Hard Disk", "DVD/CD", "ROM", "Hard Disk"};
    print(entry->kind >= BOOT_VECTOR && entry->name[0] ? entry->name : kinds[entry->kind]);
}

static void menu(void)
{
    print("\nSelect boot device:\n\n");
    for (u8 i = 0; i < boot_count; i++) {
        struct boot_entry *entry = &boot_entries[i];
        put_char(i < 9 ? '1' + i : 'a' + i - 9);
        print(". ");
        describe(entry);
        if (entry->kind < BOOT_VECTOR && entry->name[0]) {
            print(" (");
            print(entry->name);
            put_char(')');
        }
        print("\n");
    }
    print("\n");
    for (;;) {
        int key = key_within(0x7FFFFFF), c = key & 0xFF;
        if (key == KEY_ESC)
            return;
        int choice = c >= '1' && c <= '9' ? c - '1' : c >= 'a' && c <= 'z' ? c - 'a' + 9 : -1;
        if (choice >= 0 && choice < boot_count) {
            struct boot_entry chosen = boot_entries[choice];
            for (; choice; choice--)
                boot_entries[choice] = boot_entries[choice - 1];
            boot_entries[0] = chosen;
            return;
        }
    }
}

/* Called when power-on is done, or before disks of option ROMs are connected. */
void boot_menu(void)
{
    clock_set_ticks();
    if (!menu_enabled || !boot_count)
        return;
    print("Press F12 for boot menu.\n\n");
    int key = key_within(menu_wait_ms);
    if (key == KEY_F12 || key == KEY_ESC)
        menu();
    menu_enabled = 0;
}

/* The next number of int 13h. A ROM's boot connection vector takes it in the same way. */
static void add_disk(u8 drive)
{
    u8 number = BDA8(BDA_DISKS);
    if (number >= ARRAY_SIZE(disk_map))
        return;
    disk_map[number] = drive;
    BDA8(BDA_DISKS) = number + 1;
}

/* Disks of option ROMs and our own are numbered in the order in which they would be booted, then those of ours that are
   not to be booted. */
void connect_disks(void)
{
    u8 taken = 0;
    memset(disk_map, 0xFF, sizeof disk_map);
    BDA8(BDA_DISKS) = 0;
    rom_bdf = 0;
    for (u8 i = 0; i < boot_count; i++) {
        struct boot_entry *entry = &boot_entries[i];
        if (entry->kind == BOOT_DISK) {
            taken |= 1 << entry->drive;
            add_disk(entry->drive);
        } else if (entry->kind == BOOT_CONNECTION) {
            u8 number = BDA8(BDA_DISKS);
            entry->drive = 0x80 + number;
            rom_call((u32)entry->segment << 16 | entry->offset);
            if (BDA8(BDA_DISKS) <= number)      /* there is no disk */
                entry->kind = BOOT_NONE;
        }
    }
    for (u8 i = IDE_FIRST; i < EMULATED; i++)
        if (drives[i].kind == DRIVE_ATA && !(taken >> i & 1))
            add_disk(i);
    fixed_disk_tables();
}

static u8 disk_number(u8 drive)
{
    u8 i = 0;
    while (i < ARRAY_SIZE(disk_map) - 1 && disk_map[i] != drive)
        i++;
    return 0x80 + i;
}

/* The disk that we boot from is 80h, if no option ROM has numbers of its own. */
static void make_first(u8 drive)
{
    for (u8 i = 0; !connection_count && i < disk_count; i++)
        if (disk_map[i] == drive) {
            for (; i; i--)
                disk_map[i] = disk_map[i - 1];
            disk_map[0] = drive;
        }
    fixed_disk_tables();
}

static void boot_sector(u8 dl, int need_signature)
{
    struct regs r = {0};
    for (int tries = 0; tries < 3; tries++) {
        memset(&r, 0, sizeof r);
        r.ax = 0x0201;
        r.bx = BOOT_ADDRESS;
        r.cx = 1;
        r.dl = dl;
        call_vector(&r, 0x13);
        if (!(r.flags & CF) || dl >= 0x80)
            break;
        r.ah = 0;
        r.dl = dl;
        call_vector(&r, 0x13);
        r.flags |= CF;
    }
    if (r.flags & CF) {
        print("Boot failed: could not read the boot disk\n\n");
        return;
    }
    set_fs(0);
    if (need_signature && FAR16(BOOT_ADDRESS + 510) != 0xAA55) {
        print("Boot failed: not a bootable disk\n\n");
        return;
    }
    boot_jump(BOOT_ADDRESS, dl);
}

static void boot(struct boot_entry *entry)
{
    u16 segment;
    u8 dl;
    if (entry->kind == BOOT_NONE)
        return;
    print("Booting from ");
    describe(entry);
    print("...\n");
    switch (entry->kind) {
    case BOOT_FLOPPY:
        boot_sector(drives[entry->drive].unit, !(cmos_read(0x38) & 1));
        break;
    case BOOT_DISK:
        make_first(entry->drive);
        boot_sector(disk_number(entry->drive), 1);
        break;
    case BOOT_CONNECTION:
        boot_sector(entry->drive, 1);
        break;
    case BOOT_CD:
        if (!cd_boot_image(entry->drive, &segment, &dl))
            boot_jump(segment == BOOT_ADDRESS >> 4 ? BOOT_ADDRESS : (u32)segment << 16, dl);
        print("\n");
        break;
    case BOOT_VECTOR:
        boot_vector((u32)entry->segment << 16 | entry->offset);
        break;
    }
}

static void boot_next(void)
{
    for (;;) {
        while (next_entry < boot_count)
            boot(&boot_entries[next_entry++]);
        next_entry = 0;
        print("No bootable device.");
        if (retry_wait_ms >= 0) {
            print("  Retrying in ");
            print_number(retry_wait_ms / 1000);
            print(" seconds.\n");
            key_within(retry_wait_ms);
            outb(0x64, 0xFE);
            wait_interrupt();
        }
        print("  A key tries again.\n");
        key_within(RETRY_MS);
        print("\n");
    }
}

/* What has given up may have been an image on a CD: the real drives are back. */
void int18(void)
{
    end_emulation();
    boot_next();
}

void int19(void)
{
    next_entry = 0;
    int18();
}
