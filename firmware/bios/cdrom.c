/* Booting from CDs: El Torito images, without emulation or as a floppy or hard disk.

   Source   El Torito Bootable CD-ROM Format Specification 1.0; ISO 9660 (ECMA-119), 8.1

   Nothing on the disc is believed: an image is loaded only if it lies on the disc and fits between the BIOS data
   area and the EBDA. */

#include "bios.h"

enum { NO_EMULATION, FLOPPY_12, FLOPPY_144, FLOPPY_288, HARD_DISK };
#define LOWEST_LOAD 0x600
#define BLOCK 2048

static u8 buffer[BLOCK] __attribute__((aligned(2)));
static u32 buffered;            /* block in the buffer + 1 */

static struct specification {
    u8 size, media, drive, controller;
    u32 lba;
    u16 device, buffer_segment, load_segment, sectors;
    u8 ch, cl, dh;
} PACKED status;
static u8 active;               /* 0, 1 floppy, 2 hard disk */
static u8 cd_drive;
static u32 catalogue;

u8 emulation_active(void) { return active; }

int emulation_drive(u8 dl)
{
    return active && dl == status.drive ? EMULATED : -1;
}

/* The emulated drive is in front of the real ones. */
u8 emulation_shift(u8 dl)
{
    if (active == 1 && dl == 1)
        return 0;
    if (active == 2 && dl > 0x80 && dl < 0x90)
        return dl - 1;
    return dl;
}

static u8 read_block(u8 drive, u32 lba)
{
    struct transfer t = {.drive = drive, .op = OP_READ, .lba = lba, .count = 1,
                         .segment = SEG_DATA, .offset = (u32)buffer};
    buffered = 0;
    u8 failed = drive_transfer(&t);
    if (!failed)
        buffered = lba + 1;
    return failed;
}

/* Sectors of 512 bytes of the image. */
u8 image_transfer(struct drive *d, struct transfer *t)
{
    (void)d;
    if (t->op == OP_WRITE)
        return 0x03;
    while (t->count) {
        u32 block = status.lba + ((u32)t->lba >> 2), part = t->lba & 3;
        if (!part && t->count >= 4 && t->op == OP_READ) {
            struct transfer whole = {.drive = cd_drive, .op = OP_READ, .lba = block, .count = t->count >> 2,
                                     .segment = t->segment, .offset = t->offset};
            u8 failed = drive_transfer(&whole);
            t->done += whole.done * 4;
            if (failed)
                return failed;
            t->segment += whole.done * 128;
            t->lba += whole.done * 4;
            t->count -= whole.done * 4;
            continue;
        }
        if (t->op == OP_READ) {
            if (buffered != block + 1) {
                u8 failed = read_block(cd_drive, block);
                if (failed)
                    return failed;
            }
            far_copy_to(t->segment, t->offset, buffer + part * 512, 512);
            t->segment += 32;
        }
        t->lba++;
        t->count--;
        t->done++;
    }
    return 0;
}

static u16 word(u32 at) { return buffer[at] | buffer[at + 1] << 8; }
static u32 dword(u32 at) { return word(at) | (u32)word(at + 2) << 16; }

static const char *find_catalogue(u8 drive)
{
    u8 failed = cd_ready(&drives[drive]);
    if (failed)
        return failed == 0x31 ? "no medium" : "drive is not ready";
    if (read_block(drive, 17))
        return "could not read the boot record";
    if (buffer[0] != 0)
        return "not a bootable disc";
    for (u32 i = 0; i < 5; i++)
        if (buffer[1 + i] != "CD001"[i])
            return "not a bootable disc";
    for (u32 i = 0; i < 23; i++)
        if (buffer[7 + i] != "EL TORITO SPECIFICATION"[i])
            return "not a bootable disc";
    catalogue = dword(0x47);
    if (catalogue >= drives[drive].total || read_block(drive, catalogue))
        return "could not read the boot catalogue";
    u16 sum = 0;
    for (u32 i = 0; i < 32; i += 2)
        sum += word(i);
    if (buffer[0] != 1 || word(30) != 0xAA55 || sum)
        return "the boot catalogue is damaged";
    if (buffer[32] != 0x88)
        return "the catalogue's first entry is not bootable";
    return 0;
}

/* An image of a hard disk tells its geometry by where its first partition ends. */
static void disk_geometry(struct drive *d)
{
    u8 head = buffer[446 + 5], sector = buffer[446 + 6], cylinder = buffer[446 + 7];
    d->heads = head + 1u;
    d->sectors = sector & 0x3F ? sector & 0x3F : 1;
    d->cylinders = (cylinder | (sector & 0xC0) << 2) + 1;
    d->total = (u32)d->cylinders * d->heads * d->sectors;
}

static void emulate(u8 media)
{
    static const u8 floppy_sectors[] = {15, 18, 36}, floppy_types[] = {2, 4, 5};
    struct drive *d = &drives[EMULATED];
    memset(d, 0, sizeof *d);
    d->kind = DRIVE_CDIMAGE;
    d->sector_bytes = 512;
    if (media == HARD_DISK)
        disk_geometry(d);
    else {
        d->cylinders = 80;
        d->heads = 2;
        d->sectors = floppy_sectors[media - 1];
        d->total = 160 * d->sectors;
        d->floppy_type = floppy_types[media - 1];
    }
    status.drive = media == HARD_DISK ? 0x80 : 0;
    active = media == HARD_DISK ? 2 : 1;
    status.ch = d->cylinders - 1;
    status.cl = ((d->cylinders - 1) >> 2 & 0xC0) | d->sectors;
    status.dh = d->heads - 1;
    if (active == 2)
        BDA8(BDA_DISKS)++;
    else
        BDA16(BDA_EQUIPMENT) |= 1;
}

void end_emulation(void)
{
    if (active == 2)
        BDA8(BDA_DISKS)--;
    else if (active && floppy_map[0] == 0xFF)
        BDA16(BDA_EQUIPMENT) &= ~1;
    active = 0;
}

/* Read the image that is wanted, if it is to be booted, and begin its emulation; what is wrong, or 0. */
static const char *enter(const struct specification *wanted, u8 drive, int to_boot)
{
    u8 media = wanted->media & 15;
    u16 segment = wanted->load_segment ? wanted->load_segment : 0x07C0;
    u32 count = to_boot ? wanted->sectors : 1, blocks = (count + 3) / 4, at = (u32)segment << 4;
    if (media > HARD_DISK)
        return "unknown kind of boot image";
    if (!count || at < LOWEST_LOAD || at + blocks * BLOCK > (u32)BDA16(BDA_MEMORY) << 10)
        return "the boot image does not fit into memory";
    if (wanted->lba >= drives[drive].total || blocks > drives[drive].total - wanted->lba)
        return "the boot image is not on the disc";
    struct transfer t = {.drive = drive, .op = OP_READ, .lba = wanted->lba, .count = blocks, .segment = segment};
    if ((to_boot && drive_transfer(&t)) || (media != NO_EMULATION && read_block(drive, wanted->lba)))
        return "could not read the boot image";
    end_emulation();
    status = *wanted;
    status.size = sizeof status;
    status.device = drive - IDE_FIRST;
    status.load_segment = segment;
    status.drive = 0xE0 + drive - IDE_FIRST;
    if (drive != cd_drive)
        catalogue = 0;
    cd_drive = drive;
    if (media != NO_EMULATION)
        emulate(media);
    return 0;
}

static const char *load(u8 drive)
{
    const char *trouble = find_catalogue(drive);
    if (trouble)
        return trouble;
    struct specification wanted = {.media = buffer[33] & 15, .load_segment = word(34), .sectors = word(38),
                                   .lba = dword(40)};
    cd_drive = drive;
    return enter(&wanted, drive, 1);
}

int cd_boot_image(u8 drive, u16 *segment, u8 *dl)
{
    const char *trouble = load(drive);
    *segment = status.load_segment;
    *dl = status.drive;
    if (!trouble)
        return 0;
    print("Boot failed: ");
    print(trouble);
    print("\n");
    return 1;
}

/* Function 4Dh: sectors of the boot catalogue */
static u8 copy_catalogue(struct regs *r)
{
    set_fs(r->ds);
    u8 count = FAR8(r->si + 1);
    u16 offset = FAR16(r->si + 2), segment = FAR16(r->si + 4), first = FAR16(r->si + 6);
    struct transfer t = {.drive = cd_drive, .op = OP_READ, .lba = (u64)catalogue + first, .count = count,
                         .segment = segment, .offset = offset};
    if (FAR8(r->si) < 8 || !catalogue)
        return 0x01;
    return count ? drive_transfer(&t) : 0;
}

/* Functions 4Ah and 4Ch: an image that the caller names; if it is to be booted we do not come back. */
static u8 initiate(struct regs *r)
{
    struct specification wanted;
    u32 drive;
    far_copy_from(&wanted, r->ds, r->si, sizeof wanted);
    drive = IDE_FIRST + wanted.device;
    if (r->al || wanted.size < sizeof wanted || drive >= EMULATED || drives[drive].kind != DRIVE_ATAPI
        || (r->ah == 0x4A && !(wanted.media & 15)))
        return 0x01;
    u8 failed = cd_ready(&drives[drive]);
    if (failed)
        return failed;
    if (enter(&wanted, drive, r->ah == 0x4C))
        return 0x04;
    if (r->ah == 0x4C)
        boot_jump(status.load_segment == 0x07C0 ? 0x7C00 : (u32)status.load_segment << 16, status.drive);
    return 0;
}

/* Functions 4Ah-4Dh */
void emulation_services(struct regs *r)
{
    u8 failed = 0x01;
    if (r->ah == 0x4A || r->ah == 0x4C)
        failed = initiate(r);
    else if (r->ah == 0x4B && r->al < 2 && catalogue && (r->dl == status.drive || (r->dl == 0x7F && !r->al))) {
        far_copy_to(r->ds, r->si, &status, sizeof status);
        if (r->al == 0)
            end_emulation();
        failed = 0;
    } else if (r->ah == 0x4D && catalogue)
        failed = copy_catalogue(r);
    r->ah = failed;
    if (failed)
        r->flags |= CF;
    else
        r->flags &= ~CF;
}
