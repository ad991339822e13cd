/* IDE: ATA disks and ATAPI packets, by bus-master DMA where it can be had, else by programmed I/O.

   Source   ATA/ATAPI-4 (T13 1153D), 8 and 9; ATA/ATAPI-6 (48-bit commands); Programming Interface for Bus Master
            IDE Controller 1.0; SFF-8020i

   DMA needs a physical address: in virtual 8086 mode we cannot know it and move the data ourselves. */

#include "bios.h"

enum { DATA, ERROR, COUNT, LBA0, LBA1, LBA2, DEVICE, STATUS };
#define FEATURES ERROR
#define COMMAND STATUS
enum { BSY = 0x80, DRDY = 0x40, DF = 0x20, DRQ = 0x08, ERR = 0x01 };
enum { NIEN = 0x02 };
enum { BM_COMMAND = 0, BM_STATUS = 2, BM_TABLE = 4, BM_START = 0x01, BM_TO_MEMORY = 0x08, BM_ERROR = 0x02, BM_IRQ = 0x04 };
enum { TIME_OUT = 0x80, CONTROLLER_FAILED = 0x20, BAD_SECTOR = 0x0A, NOT_FOUND = 0x04, NOT_READY = 0xAA,
       WRITE_PROTECTED = 0x03, NO_MEDIUM = 0x31 };

#define DMA_BYTES 0x10000       /* in one command */
#define TIMEOUT_MS 30000
#define POLLS_UNTIMED 500
#define PIO_SECTORS 8           /* so few are moved sooner than the engine is set up */

static struct { u32 base, bytes; } prd[3] __attribute__((aligned(32)));

/* Waits until BSY is clear; the status, or BSY after the time-out. */
static u8 wait_ready(struct drive *d)
{
    u8 status = inb(d->control_port);
    if (!(status & BSY))
        return status;
    struct timer t;
    timer_start(&t);
    do {
        wait_a_bit();
        status = inb(d->control_port);
    } while (status & BSY && !timer_expired(&t, TIMEOUT_MS));
    return status;
}

static u8 select_device(struct drive *d, u8 device)
{
    if (wait_ready(d) & BSY)
        return TIME_OUT;
    outb(d->command_port + DEVICE, device);
    inb(d->control_port);
    return wait_ready(d) & BSY ? TIME_OUT : 0;
}

static u8 error_code(struct drive *d, u8 status)
{
    if (status & BSY)
        return TIME_OUT;
    if (status & DF)
        return CONTROLLER_FAILED;
    u8 error = inb(d->command_port + ERROR);
    return error & 0x10 ? NOT_FOUND : error & 0x40 ? 0x10 : BAD_SECTOR;
}

/* An entry must not cross 64 KiB. */
static void build_prd(u32 address, u32 bytes)
{
    u32 i = 0;
    while (bytes) {
        u32 part = 0x10000 - (address & 0xFFFF);
        if (part > bytes)
            part = bytes;
        prd[i].base = address;
        prd[i].bytes = part & 0xFFFF;
        address += part;
        bytes -= part;
        i++;
    }
    prd[i - 1].bytes |= 0x80000000;
}

static void dma_prepare(struct drive *d, u32 address, u32 bytes, int to_memory)
{
    u16 bm = d->bus_master;
    build_prd(address, bytes);
    outl(bm + BM_TABLE, DATA_BASE + (u32)prd);
    outb(bm + BM_COMMAND, to_memory ? BM_TO_MEMORY : 0);
    outb(bm + BM_STATUS, (inb(bm + BM_STATUS) & 0x60) | BM_ERROR | BM_IRQ);
}

/* Starts the engine and waits until the drive has ended the command. */
static u8 dma_run(struct drive *d, int to_memory)
{
    u16 bm = d->bus_master;
    u8 direction = to_memory ? BM_TO_MEMORY : 0, status, engine;
    struct timer t;
    outb(bm + BM_COMMAND, direction | BM_START);
    for (u32 polls = 0;; polls++) {
        status = inb(d->control_port);
        if (!(status & (BSY | DRQ)))
            break;
        wait_a_bit();
        if (polls < POLLS_UNTIMED)              /* most commands end at once: no need to ask the PIT */
            continue;
        if (polls == POLLS_UNTIMED)
            timer_start(&t);
        if (inb(bm + BM_STATUS) & BM_ERROR)
            break;
        if (timer_expired(&t, TIMEOUT_MS)) {
            status = BSY;
            break;
        }
    }
    engine = inb(bm + BM_STATUS);
    outb(bm + BM_COMMAND, direction);
    if (!(status & BSY))
        status = inb(d->command_port + STATUS);
    if (engine & BM_ERROR || status & (BSY | DF | ERR))
        return engine & BM_ERROR && !(status & (BSY | DF | ERR)) ? CONTROLLER_FAILED : error_code(d, status);
    return 0;
}

static u8 issue(struct drive *d, u64 lba, u32 count, u8 op, int dma)
{
    static const u8 commands[2][3][2] = {       /* [48-bit][operation][DMA] */
        {{0x20, 0xC8}, {0x30, 0xCA}, {0x40, 0x40}},
        {{0x24, 0x25}, {0x34, 0x35}, {0x42, 0x42}},
    };
    u16 port = d->command_port;
    int wide = lba + count > 0x0FFFFFFF;
    u8 status = select_device(d, 0xE0 | (d->unit & 1) << 4 | (wide ? 0 : lba >> 24 & 15));
    if (status)
        return status;
    if (wide) {
        if (!d->has_lba48)
            return NOT_FOUND;
        outb(port + COUNT, count >> 8);
        outb(port + LBA0, lba >> 24);
        outb(port + LBA1, lba >> 32);
        outb(port + LBA2, lba >> 40);
    }
    outb(port + COUNT, count);
    outb(port + LBA0, lba);
    outb(port + LBA1, lba >> 8);
    outb(port + LBA2, lba >> 16);
    outb(port + COMMAND, commands[wide][op][dma]);
    return 0;
}

static u8 pio(struct drive *d, struct transfer *t, u32 count)
{
    while (count--) {
        u8 status = wait_ready(d);
        if (status & (BSY | DF | ERR))
            return error_code(d, status);
        if (!(status & DRQ))
            return CONTROLLER_FAILED;
        if (t->op == OP_READ)
            far_insw(d->command_port, t->segment, t->offset, 256);
        else
            far_outsw(d->command_port, t->segment, t->offset, 256);
        t->segment += 32;
        t->done++;
        inb(d->control_port);
    }
    u8 status = wait_ready(d);
    inb(d->command_port + STATUS);
    return status & (BSY | DF | ERR) ? error_code(d, status) : 0;
}

static u8 transfer_part(struct drive *d, struct transfer *t, u32 count)
{
    u32 address = ((u32)t->segment << 4) + t->offset;
    int dma = t->op != OP_VERIFY && d->has_dma && count > PIO_SECTORS && !(address & 1) && !in_protected_mode();
    if (dma)
        dma_prepare(d, address, count * 512, t->op == OP_READ);
    u8 status = issue(d, t->lba, count, t->op, dma);
    if (status)
        return status;
    if (dma) {
        status = dma_run(d, t->op == OP_READ);
        if (!status) {
            t->done += count;
            t->segment += count * 32;
        }
        return status;
    }
    if (t->op == OP_VERIFY) {
        u8 ended = wait_ready(d);
        inb(d->command_port + STATUS);
        if (ended & (BSY | DF | ERR))
            return error_code(d, ended);
        t->done += count;
        return 0;
    }
    inb(d->control_port);
    return pio(d, t, count);
}

u8 ata_transfer(struct drive *d, struct transfer *t)
{
    u8 status = 0;
    outb(d->control_port, NIEN);
    while (t->count && !status) {
        u32 part = t->count > DMA_BYTES / 512 ? DMA_BYTES / 512 : t->count;
        status = transfer_part(d, t, part);
        t->count -= part;
        t->lba += part;
    }
    outb(d->control_port, 0);
    return status;
}

/* ---- ATAPI */

/* Sends a packet; *bytes* of answer go to segment:offset. Returns 0, or 1 with the sense key to be fetched. */
static u8 packet(struct drive *d, const u8 *command, u16 segment, u16 offset, u32 bytes, u32 *moved)
{
    u16 port = d->command_port;
    u32 address = ((u32)segment << 4) + offset, got = 0;
    int dma = bytes >= 2048 && d->has_dma && !(address & 1) && !in_protected_mode() && !(bytes & 1);
    u8 status = select_device(d, 0xA0 | (d->unit & 1) << 4);
    if (moved)
        *moved = 0;
    if (status)
        return status;
    u32 limit = bytes > 0xF800 ? 0xF800 : bytes ? bytes : 2;
    if (dma)
        dma_prepare(d, address, bytes, 1);
    outb(port + FEATURES, dma);
    outb(port + LBA1, limit);
    outb(port + LBA2, limit >> 8);
    outb(port + COMMAND, 0xA0);
    inb(d->control_port);
    status = wait_ready(d);
    if (status & (BSY | ERR) || !(status & DRQ))
        return error_code(d, status);
    outsw(port, command, 6);
    if (dma) {
        status = dma_run(d, 1);
        if (!status && moved)
            *moved = bytes;
        return status;
    }
    for (;;) {
        inb(d->control_port);
        status = wait_ready(d);
        if (status & (BSY | ERR | DF))
            return error_code(d, status);
        if (!(status & DRQ))
            break;
        u32 count = inb(port + LBA1) | inb(port + LBA2) << 8, take = count;
        if (take > bytes - got)
            take = bytes - got;
        far_insw(port, segment, offset, take >> 1);
        for (u32 rest = (count + 1) >> 1, i = take >> 1; i < rest; i++)
            inw(port);
        segment += take >> 4;
        offset += take & 15;
        got += take & ~1;
    }
    inb(port + STATUS);
    if (moved)
        *moved = got;
    return 0;
}

/* The status for the sense data of the last command. */
static u8 sense(struct drive *d)
{
    static const u8 request[12] = {0x03, 0, 0, 0, 18};
    u8 data[18];
    memset(data, 0, sizeof data);
    if (packet(d, request, SEG_DATA, (u32)data, sizeof data, 0))
        return CONTROLLER_FAILED;
    switch (data[2] & 15) {
    case 0:
    case 1:
        return 0;
    case 2:
        return data[12] == 0x3A ? NO_MEDIUM : NOT_READY;
    case 3:
        return BAD_SECTOR;
    case 5:
        return NOT_FOUND;
    case 6:
        return 0x06;                            /* medium changed */
    }
    return CONTROLLER_FAILED;
}

u8 atapi_command(struct drive *d, const u8 *command, u16 segment, u16 offset, u32 bytes, u32 *moved)
{
    u8 status = 0;
    outb(d->control_port, NIEN);
    for (int tries = 0; tries < 5; tries++) {
        status = packet(d, command, segment, offset, bytes, moved);
        if (!status)
            break;
        if (status == TIME_OUT)
            break;
        status = sense(d);
        if (status && status != 0x06 && status != NOT_READY)
            break;
    }
    outb(d->control_port, 0);
    return status;
}

/* READ CAPACITY: the number of blocks, once the drive has a medium. */
u8 cd_ready(struct drive *d)
{
    static const u8 capacity[12] = {0x25};
    u32 answer[2];
    u32 moved;
    u8 status = atapi_command(d, capacity, SEG_DATA, (u32)answer, sizeof answer, &moved);
    if (status)
        return status;
    if (moved != sizeof answer)
        return CONTROLLER_FAILED;
    d->total = (u64)swap32(answer[0]) + 1;
    d->sector_bytes = 2048;
    return 0;
}

/* Sectors of 2048 bytes */
u8 cd_transfer(struct drive *d, struct transfer *t)
{
    if (t->op == OP_WRITE)
        return WRITE_PROTECTED;
    while (t->count) {
        u32 part = t->count > 31 ? 31 : t->count, moved;
        if (t->op == OP_READ) {
            u32 lba = t->lba;
            u8 command[12] = {0x28, 0, lba >> 24, lba >> 16, lba >> 8, lba, 0, 0, part};
            u8 status = atapi_command(d, command, t->segment, t->offset, part * 2048, &moved);
            if (status)
                return status;
            if (moved != part * 2048)
                return BAD_SECTOR;
            t->segment += part * 128;
        }
        t->done += part;
        t->lba += part;
        t->count -= part;
    }
    return 0;
}

/* ---- finding drives */

static u16 identity[256];

/* Words hold the characters swapped; trailing blanks go. */
static void copy_model(char *to)
{
    int length = 40;
    for (int i = 0; i < 40; i += 2) {
        to[i] = identity[27 + i / 2] >> 8;
        to[i + 1] = identity[27 + i / 2];
    }
    while (length && (to[length - 1] == ' ' || !to[length - 1]))
        length--;
    to[length] = 0;
}

/* Geometry that fits int 13h: CMOS 39h says how to translate, two bits a drive; else the size decides. */
static void set_geometry(struct drive *d)
{
    u32 total = d->total > 0xFFFFFFFF ? 0xFFFFFFFF : d->total;
    u8 how = cmos_read(0x39) >> d->unit * 2 & 3;
    u32 c = identity[1], h = identity[3], s = identity[6];
    if (!c || !h || !s || h > 16 || s > 63) {
        h = 16;
        s = 63;
        c = total / (16 * 63);
        if (c > 16383)
            c = 16383;
        if (!c)
            c = 1;
    }
    d->real_cylinders = c;
    d->real_heads = h;
    d->real_sectors = s;
    if (!how && (c > 1024 || total > 1024 * 16 * 63))
        how = 1;
    if (how == 1) {
        s = 63;
        for (h = 16; h < 128 && total > 1024 * h * 63;)
            h *= 2;
        if (total > 1024u * 128 * 63)
            h = 255;
        c = total / (h * s);
    } else if (how >= 2) {
        if (how == 3 && h == 16) {
            h = 15;
            c = c * 16 / 15;
        }
        while (c > 1024 && h < 128) {
            c /= 2;
            h *= 2;
        }
    }
    d->translation = how;
    d->cylinders = c > 1024 ? 1024 : c ? c : 1;
    d->heads = h;
    d->sectors = s;
}

static int identify(struct drive *d, u8 command)
{
    u16 port = d->command_port;
    outb(port + COMMAND, command);
    inb(d->control_port);
    u8 status = wait_ready(d);
    if (status & (BSY | ERR | DF) || !(status & DRQ)) {
        inb(port + STATUS);
        return 0;
    }
    insw(port, identity, 256);
    inb(port + STATUS);
    return 1;
}

static void probe(struct drive *d)
{
    u16 port = d->command_port;
    u8 status = inb(d->control_port);
    if (status == 0xFF || select_device(d, 0xA0 | (d->unit & 1) << 4))
        return;
    outb(port + COUNT, 0x55);
    outb(port + LBA0, 0xAA);
    if (inb(port + COUNT) != 0x55 || inb(port + LBA0) != 0xAA)
        return;
    if (inb(d->control_port) == 0 && (d->unit & 1) && inb(port + STATUS) == 0 && drives[IDE_FIRST + d->unit - 1].kind == 0)
        return;
    if (identify(d, 0xEC)) {
        d->kind = DRIVE_ATA;
        d->sector_bytes = 512;
        d->has_lba48 = identity[83] >> 10 & 1;
        d->total = identity[60] | (u32)identity[61] << 16;
        if (d->has_lba48) {
            u64 wide = identity[100] | (u32)identity[101] << 16 | (u64)identity[102] << 32;
            if (wide > d->total)
                d->total = wide;
        }
        if (!(identity[49] & 0x200))
            d->total = (u32)identity[1] * identity[3] * identity[6];
        set_geometry(d);
    } else if (identify(d, 0xA1)) {
        d->kind = DRIVE_ATAPI;
        d->removable = 1;
        d->sector_bytes = 2048;
        if ((identity[0] >> 8 & 0x1F) != 5)     /* not a CD */
            d->kind = DRIVE_NONE;
    } else
        return;
    d->has_dma = d->bus_master && identity[49] & 0x100;
    copy_model(d->model);
}

/* Called once at power-on: fills drives[] and the numbers of int 13h. */
void disk_probe(void)
{
    static const u16 ports[] = {0x1F0, 0x170};
    memset(disk_map, 0xFF, sizeof disk_map);
    for (u8 unit = 0; unit < 4; unit++) {
        struct drive *d = &drives[IDE_FIRST + unit];
        d->unit = unit;
        d->command_port = ports[unit >> 1];
        d->control_port = d->command_port + 0x206;
        d->bus_master = ide_bus_master ? ide_bus_master + (unit >> 1) * 8 : 0;
        outb(d->control_port, NIEN);
        probe(d);
        outb(d->control_port, 0);
        if (d->kind == DRIVE_ATA)
            disk_map[disk_count++] = IDE_FIRST + unit;
    }
    BDA8(BDA_DISKS) = disk_count;
}
