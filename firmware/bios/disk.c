/* Int 13h: disks by cylinder, head and sector, and the extensions.

   Source   Ralf Brown's Interrupt List, int 13h; BIOS Enhanced Disk Drive Specification 3.0 (T13 1386), 8;
            Phoenix Enhanced Disk Drive Specification 1.1 (also for translated parameter tables); EDD-3 (T13 1572D) for 64-bit addresses

   drives[] holds the drives; int13_drive() says which one software means. The drivers move whole sectors
   between a drive and segment:offset. */

#include "bios.h"

struct drive drives[MAX_DRIVES];
u8 disk_map[8], floppy_map[2], disk_count;

enum { BAD_COMMAND = 0x01, SECTOR_NOT_FOUND = 0x04, DMA_BOUNDARY = 0x09, LOCKED = 0xB1, NOT_REMOVABLE = 0xB2,
       NOT_LOCKED = 0xB0, LOCK_OVERFLOW = 0xB4 };

#define ADDRESS_LIMIT 0x10FFF0

int int13_drive(u8 dl)
{
    if (emulation_active()) {
        int emulated = emulation_drive(dl);
        if (emulated >= 0)
            return emulated;
        dl = emulation_shift(dl);
    }
    if (dl < 2)
        return floppy_map[dl] == 0xFF ? -1 : floppy_map[dl];
    if (dl >= 0x80 && dl < 0x88)
        return disk_map[dl - 0x80] == 0xFF ? -1 : disk_map[dl - 0x80];
    if (dl >= 0xE0 && dl < 0xE4 && drives[IDE_FIRST + dl - 0xE0].kind == DRIVE_ATAPI)
        return IDE_FIRST + dl - 0xE0;
    return -1;
}

/* What software asks for may not wrap around the end of what real mode can address. */
u8 drive_transfer(struct transfer *t)
{
    struct drive *d = &drives[t->drive];
    u32 start = ((u32)t->segment << 4) + t->offset;
    if (t->op != OP_VERIFY && t->count > (ADDRESS_LIMIT - start) / d->sector_bytes)
        return DMA_BOUNDARY;
    t->segment += t->offset >> 4;
    t->offset &= 15;
    switch (d->kind) {
    case DRIVE_ATA:
        return ata_transfer(d, t);
    case DRIVE_ATAPI:
        return cd_transfer(d, t);
    case DRIVE_CDIMAGE:
        return image_transfer(d, t);
    }
    return BAD_COMMAND;
}

static void finish(struct regs *r, u8 status)
{
    r->ah = status;
    if (r->dl < 0x80)
        BDA8(BDA_FLOPPY_STATUS) = status;
    else
        BDA8(BDA_DISK_STATUS) = status;
    if (status)
        r->flags |= CF;
    else
        r->flags &= ~CF;
}

/* Functions 02h-04h */
static void chs_transfer(struct regs *r, struct drive *d, u8 index, u8 op)
{
    u32 cylinder = r->ch | (r->cl & 0xC0) << 2, sector = r->cl & 0x3F, count = r->al;
    struct transfer t = {.drive = index, .op = op, .segment = r->es, .offset = r->bx, .count = count};
    if (!count || count > 128 || !sector) {
        r->al = 0;
        finish(r, BAD_COMMAND);
        return;
    }
    if (cylinder >= d->cylinders || r->dh >= d->heads || sector > d->sectors || d->kind == DRIVE_ATAPI) {
        r->al = 0;
        finish(r, d->kind == DRIVE_ATAPI ? BAD_COMMAND : SECTOR_NOT_FOUND);
        return;
    }
    t.lba = (cylinder * d->heads + r->dh) * d->sectors + sector - 1;
    u8 status = drive_transfer(&t);
    r->al = t.done;
    finish(r, status);
}

/* Between a drive and a flat address: by a buffer of ours, since drivers know real mode's addresses, and function 87h of
   int 15h, which a memory manager that has us in virtual 8086 mode answers in our place. */
static u8 flat_transfer(struct transfer *t, u32 address)
{
    static u8 buffer[2048] __attribute__((aligned(16)));
    static u64 table[6];
    u32 here = DATA_BASE + (u32)buffer, sector_bytes = drives[t->drive].sector_bytes;
    while (t->count) {
        u32 most = sizeof buffer / sector_bytes, count = t->count < most ? t->count : most, bytes = count * sector_bytes;
        struct transfer part = {.drive = t->drive, .op = t->op, .lba = t->lba, .count = count,
                                .segment = SEG_DATA, .offset = (u32)buffer};
        u8 status = t->op == OP_READ ? drive_transfer(&part) : 0;
        if (!status) {
            u32 from = t->op == OP_READ ? here : address, to = t->op == OP_READ ? address : here;
            struct regs r = {.es = SEG_DATA, .si = (u32)table};
            table[2] = (u64)(from >> 24) << 56 | 0x930000000000ull | (u64)(from & 0xFFFFFF) << 16 | 0xFFFF;
            table[3] = (u64)(to >> 24) << 56 | 0x930000000000ull | (u64)(to & 0xFFFFFF) << 16 | 0xFFFF;
            r.ah = 0x87;
            r.cx = bytes / 2;
            call_vector(&r, 0x15);
            if (r.flags & CF)
                return DMA_BOUNDARY;
            if (t->op == OP_WRITE)
                status = drive_transfer(&part);
        }
        if (status)
            return status;
        t->done += count;
        t->lba += count;
        t->count -= count;
        address += bytes;
    }
    return 0;
}

/* A packet of 24 bytes whose pointer is FFFF:FFFF has a flat address of 64 bits at its end. */
static u8 wide_transfer(struct transfer *t, u64 address)
{
    u64 bytes = (u64)t->count * drives[t->drive].sector_bytes;
    if (address + bytes <= 0x100000) {
        t->segment = address >> 4;
        t->offset = address & 15;
        return drive_transfer(t);
    }
    return address >= 0x100000000ull || bytes > 0x100000000ull - address ? DMA_BOUNDARY : flat_transfer(t, address);
}

/* Functions 42h, 43h, 44h, 47h: DS:SI holds size, 0, count, buffer, first sector */
static void packet_transfer(struct regs *r, u8 index, u8 op, int seek)
{
    struct drive *d = &drives[index];
    set_fs(r->ds);
    u8 size = FAR8(r->si);
    struct transfer t = {.drive = index, .op = op, .count = FAR16(r->si + 2), .offset = FAR16(r->si + 4),
                         .segment = FAR16(r->si + 6), .lba = FAR64(r->si + 8)};
    int wide = FAR32(r->si + 4) == 0xFFFFFFFF && op != OP_VERIFY;
    if (size < (wide ? 24 : 16)) {
        finish(r, BAD_COMMAND);
        return;
    }
    u8 status = 0;
    if (t.lba >= d->total || t.count > d->total - t.lba)
        status = SECTOR_NOT_FOUND;
    else if (!seek && t.count)
        status = wide ? wide_transfer(&t, FAR64(r->si + 16)) : drive_transfer(&t);
    if (!seek) {
        set_fs(r->ds);
        FAR16(r->si + 2) = t.done;
    }
    finish(r, status);
}

static u8 checksum(const u8 *bytes, u32 count)
{
    u8 sum = 0;
    while (count--)
        sum += *bytes++;
    return -sum;
}

struct parameters {
    u16 size, flags;
    u32 cylinders, heads, sectors;
    u64 total;
    u16 sector_bytes;
    u16 extension_offset, extension_segment;
    u16 key;
    u8 path_length, reserved[3];
    char bus[4], interface[8];
    u32 bus_path[2];
    u64 device_path;
    u8 reserved2, sum;
} PACKED;

struct extension {
    u16 command_port, control_port;
    u8 head, dma_channel, irq, block;
    u8 dma, pio_mode;
    u16 options, reserved;
    u8 revision, sum;
} PACKED;

static struct extension fixed_extension;

/* Function 48h */
static void get_parameters(struct regs *r, struct drive *d)
{
    struct parameters p;
    set_fs(r->ds);
    u16 size = FAR16(r->si);
    if (size < 26) {
        finish(r, BAD_COMMAND);
        return;
    }
    if (d->kind == DRIVE_CDIMAGE && size > 30)  /* no interface leads to it */
        size = 30;
    memset(&p, 0, sizeof p);
    p.size = size >= 66 ? 66 : size >= 30 ? 30 : 26;
    p.total = d->total;
    p.sector_bytes = d->sector_bytes;
    if (d->kind == DRIVE_ATAPI) {
        p.flags = 0x74;                         /* removable, line for changes, lockable; geometry is void */
        p.cylinders = p.heads = p.sectors = 0xFFFFFFFF;
        if (cd_ready(d))
            p.total = 0xFFFFFFFFFFFFFFFFull;
    } else {
        p.flags = d->real_cylinders ? 0x02 : 0;
        p.cylinders = d->real_cylinders ? d->real_cylinders : d->cylinders;
        p.heads = d->real_heads ? d->real_heads : d->heads;
        p.sectors = d->real_sectors ? d->real_sectors : d->sectors;
    }
    if (size >= 30) {
        p.extension_offset = p.extension_segment = 0xFFFF;
        if (d->kind == DRIVE_ATA || d->kind == DRIVE_ATAPI) {
            memset(&fixed_extension, 0, sizeof fixed_extension);
            fixed_extension.command_port = d->command_port;
            fixed_extension.control_port = d->control_port;
            fixed_extension.head = 0xE0 | (d->unit & 1) << 4;
            fixed_extension.irq = 14 + (d->unit >> 1);
            fixed_extension.dma = 0;
            fixed_extension.options = 0x10 | (d->translation ? 8 | (d->translation - 1) << 9 : 0)
                                    | (d->kind == DRIVE_ATAPI ? 0x60 : 0);
            fixed_extension.revision = 0x11;
            fixed_extension.sum = checksum((u8 *)&fixed_extension, sizeof fixed_extension - 1);
            p.extension_offset = (u32)&fixed_extension;
            p.extension_segment = SEG_DATA;
        }
    }
    if (size >= 66) {
        p.key = 0xBEDD;
        p.path_length = 36;
        memcpy(p.bus, has_pci ? "PCI " : "ISA ", 4);
        memcpy(p.interface, d->kind == DRIVE_ATAPI ? "ATAPI   " : "ATA     ", 8);
        p.bus_path[0] = has_pci ? ide_bdf >> 8 | (ide_bdf >> 3 & 31) << 8 | (ide_bdf & 7) << 16 | (d->unit >> 1) << 24
                                : d->command_port;
        p.device_path = d->unit & 1;
        p.sum = checksum((u8 *)&p.key, 35);
    }
    far_copy_to(r->ds, r->si, &p, p.size);
    finish(r, 0);
}

/* The tables of drives 80h and 81h lie in the EBDA, where others have them as well. A geometry that is not the drive's
   own is marked, and stands beside that. */
void fixed_disk_tables(void)
{
    enum { TABLES = 0x3D, TRANSLATED = 0xA0, MORE_THAN_8_HEADS = 8 };
    for (u8 i = 0; i < 2; i++) {
        u8 table[16] = {0};
        u16 at = TABLES + i * sizeof table, cylinders, vector = (i ? 0x46 : 0x41) * 4;
        if (disk_map[i] == 0xFF)
            continue;
        const struct drive *d = &drives[disk_map[i]];
        cylinders = d->translation ? d->real_cylinders : d->cylinders;
        table[0] = d->cylinders;
        table[1] = d->cylinders >> 8;
        table[2] = d->heads;
        table[5] = table[6] = 0xFF;             /* no write precompensation */
        table[8] = d->heads > 8 ? MORE_THAN_8_HEADS : 0;
        table[12] = cylinders;                  /* landing zone */
        table[13] = cylinders >> 8;
        table[14] = d->sectors;
        if (d->translation) {
            table[3] = TRANSLATED;
            table[4] = d->real_sectors;
            table[9] = cylinders;
            table[10] = cylinders >> 8;
            table[11] = d->real_heads;
            table[15] = checksum(table, 15);
        }
        far_copy_to(BDA16(BDA_EBDA), at, table, sizeof table);
        set_fs(0);
        FAR16(vector) = at;
        FAR16(vector + 2) = BDA16(BDA_EBDA);
    }
}

/* Function 08h */
static void drive_parameters(struct regs *r, struct drive *d)
{
    u32 last = d->cylinders - 1;
    if (d->kind == DRIVE_ATAPI) {
        finish(r, BAD_COMMAND);
        return;
    }
    if (r->dl >= 0x80)
        last = d->cylinders > 1 ? d->cylinders - 1 : 0;
    r->ch = last;
    r->cl = (last >> 2 & 0xC0) | (d->sectors & 0x3F);
    r->dh = d->heads - 1;
    r->al = 0;
    finish(r, 0);
    if (r->dl >= 0x80) {
        r->dl = BDA8(BDA_DISKS);                /* those of option ROMs and an emulated one count */
        return;
    }
    r->dl = (floppy_map[0] != 0xFF) + (floppy_map[1] != 0xFF) + 1;
    r->bx = d->floppy_type;
    set_fs(0);
    r->di = FAR16(0x1E * 4);
    r->es = FAR16(0x1E * 4 + 2);
}

static void lock(struct regs *r, struct drive *d)
{
    if (!d->removable) {
        if (r->al == 2)
            r->al = 0;
        finish(r, r->al > 2 ? BAD_COMMAND : 0);
        return;
    }
    switch (r->al) {
    case 0:
        if (d->locks == 255) {
            finish(r, LOCK_OVERFLOW);
            return;
        }
        d->locks++;
        r->al = d->locks != 0;
        break;
    case 1:
        if (!d->locks) {
            finish(r, NOT_LOCKED);
            return;
        }
        d->locks--;
        r->al = d->locks != 0;
        break;
    case 2:
        r->al = d->locks != 0;
        break;
    default:
        finish(r, BAD_COMMAND);
        return;
    }
    if (d->kind == DRIVE_ATAPI) {
        u8 packet[12] = {0x1E, 0, 0, 0, d->locks != 0};
        atapi_command(d, packet, 0, 0, 0, 0);
    }
    finish(r, 0);
}

static void eject(struct regs *r, struct drive *d)
{
    static const u8 packet[12] = {0x1B, 0, 0, 0, 2};
    if (!d->removable)
        finish(r, NOT_REMOVABLE);
    else if (d->locks)
        finish(r, LOCKED);
    else {
        struct regs ask = {0};
        ask.ah = 0x52;
        ask.dl = r->dl;
        call_vector(&ask, 0x15);
        if (ask.flags & CF)
            finish(r, ask.ah ? ask.ah : LOCKED);
        else
            finish(r, atapi_command(d, packet, 0, 0, 0, 0));
    }
}

static void disk_services(struct regs *r, u8 index)
{
    struct drive *d = &drives[index];
    switch (r->ah) {
    case 0x00:                                  /* drivers need no state: nothing to bring back */
    case 0x0D:
    case 0x10:                                  /* drive is ready */
    case 0x11:
    case 0x14:
        finish(r, 0);
        break;
    case 0x01:
        r->ah = BDA8(BDA_DISK_STATUS);
        BDA8(BDA_DISK_STATUS) = 0;
        if (r->ah)
            r->flags |= CF;
        else
            r->flags &= ~CF;
        break;
    case 0x02:
        chs_transfer(r, d, index, OP_READ);
        break;
    case 0x03:
        chs_transfer(r, d, index, OP_WRITE);
        break;
    case 0x04:
        chs_transfer(r, d, index, OP_VERIFY);
        break;
    case 0x08:
        drive_parameters(r, d);
        break;
    case 0x09:
        finish(r, 0);
        break;
    case 0x0C: {
        u32 cylinder = r->ch | (r->cl & 0xC0) << 2;
        finish(r, cylinder >= d->cylinders || r->dh >= d->heads ? SECTOR_NOT_FOUND : 0);
        break;
    }
    case 0x15:
        if (d->kind == DRIVE_ATAPI) {
            finish(r, BAD_COMMAND);
            break;
        }
        if (r->dl < 0x80) {                     /* a floppy that does not tell when it is changed */
            r->ah = 1;
            r->flags &= ~CF;
            break;
        }
        {
            u32 sectors = d->total > 0xFFFFFFFF ? 0xFFFFFFFF : d->total;
            u32 chs = (u32)d->cylinders * d->heads * d->sectors;
            if (sectors > chs)
                sectors = chs;
            r->cx = sectors >> 16;
            r->dx = sectors;
            r->ah = 3;
            r->flags &= ~CF;
        }
        break;
    case 0x41:
        if (r->bx != 0x55AA) {
            finish(r, BAD_COMMAND);
            break;
        }
        r->bx = 0xAA55;
        r->cx = 0x0F;                           /* packets, locking, EDD, 64-bit addresses */
        finish(r, 0);
        r->ah = 0x30;
        break;
    case 0x42:
        packet_transfer(r, index, OP_READ, 0);
        break;
    case 0x43:
        if (r->al > 2)
            finish(r, BAD_COMMAND);
        else
            packet_transfer(r, index, OP_WRITE, 0);
        break;
    case 0x44:
        packet_transfer(r, index, OP_VERIFY, 0);
        break;
    case 0x45:
        lock(r, d);
        break;
    case 0x46:
        eject(r, d);
        break;
    case 0x47:
        packet_transfer(r, index, OP_VERIFY, 1);
        break;
    case 0x48:
        get_parameters(r, d);
        break;
    case 0x49:                                  /* no medium of ours can change unseen: CF set only for CDs */
        finish(r, 0);
        break;
    case 0x4E:                                  /* set-up of the hardware: PIO and DMA choose themselves */
        if (r->al > 6 && r->al != 0x80)
            finish(r, BAD_COMMAND);
        else {
            r->al = 0;
            finish(r, 0);
        }
        break;
    default:
        finish(r, BAD_COMMAND);
    }
}

void int13(struct regs *r)
{
    if (r->ah >= 0x4A && r->ah <= 0x4D) {
        emulation_services(r);
        return;
    }
    int index = int13_drive(r->dl);
    if (index >= 0 && drives[index].kind != DRIVE_FLOPPY) {     /* also the floppy that a CD emulates */
        disk_services(r, index);
        return;
    }
    if (r->dl < 0x80) {
        floppy_services(r);
        return;
    }
    if (r->ah == 0x15) {
        r->ah = 0;
        r->flags &= ~CF;
        return;
    }
    if (r->ah == 0 || r->ah == 1) {
        finish(r, r->dl == 0x80 || r->ah ? 0 : BAD_COMMAND);
        return;
    }
    finish(r, BAD_COMMAND);
}
