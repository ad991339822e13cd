/* Int 13h for floppy drives, and IRQ 6.

   Source   82078 data sheet (290475); IBM PC/AT Technical Reference (diskette parameters, BDA 3Eh-42h, 8Bh-95h);
            Ralf Brown's Interrupt List, int 13h functions 00h-18h; 8237A data sheet

   The data rate is found by trying those that the drive can have until a sector's address can be read, and is
   kept in the media state until the drive reports a change. */

#include "bios.h"

enum { DOR = 0x3F2, MSR = 0x3F4, FIFO = 0x3F5, CCR = 0x3F7, DIR = 0x3F7 };
enum { MSR_READY = 0x80, MSR_FROM_CHIP = 0x40, MSR_BUSY = 0x10, CHANGED = 0x80 };
enum { BAD_COMMAND = 0x01, NO_ADDRESS_MARK = 0x02, PROTECTED = 0x03, NOT_FOUND = 0x04, DISK_CHANGED = 0x06,
       DMA_OVERRUN = 0x08, DMA_BOUNDARY = 0x09, CRC = 0x10, FAILED = 0x20, SEEK = 0x40, TIME_OUT = 0x80,
       MEDIA_UNKNOWN = 0x0C };
enum { STATE_KNOWN = 0x10, STATE_DOUBLE_STEP = 0x20 };
enum { INTERRUPTED = 0x80 };
enum { RATE_500, RATE_300, RATE_250, RATE_1000 };

#define MOTOR_TICKS 37
#define COMMAND_MS 2000

static const struct {
    u8 cylinders, heads, sectors;
    u8 rates[3];                                /* in the order to try; FF ends */
} types[] = {
    {0, 0, 0, {0xFF}},
    {40, 2, 9, {RATE_250, 0xFF}},
    {80, 2, 15, {RATE_500, RATE_300, 0xFF}},
    {80, 2, 9, {RATE_250, 0xFF}},
    {80, 2, 18, {RATE_500, RATE_250, 0xFF}},
    {80, 2, 36, {RATE_1000, RATE_500, RATE_250}},
};

/* Parameter tables for functions 08h and 18h, in the code segment, one for each type of medium. */
static const struct { u8 last_cylinder, sectors, table[11]; } media[] __attribute__((section(".text.media"))) = {
    {39, 9, {0xDF, 0x02, 0x25, 2, 9, 0x2A, 0xFF, 0x50, 0xF6, 15, 8}},
    {79, 15, {0xDF, 0x02, 0x25, 2, 15, 0x1B, 0xFF, 0x54, 0xF6, 15, 8}},
    {79, 9, {0xDF, 0x02, 0x25, 2, 9, 0x2A, 0xFF, 0x50, 0xF6, 15, 8}},
    {79, 18, {0xAF, 0x02, 0x25, 2, 18, 0x1B, 0xFF, 0x6C, 0xF6, 15, 8}},
    {79, 36, {0xAF, 0x02, 0x25, 2, 36, 0x1B, 0xFF, 0x53, 0xF6, 15, 8}},
};

static u8 bounce[512];
static u8 chip_ready, selected = 0xFF;

void irq6(struct regs *unused)
{
    (void)unused;
    BDA8(BDA_RECALIBRATED) |= INTERRUPTED;
    eoi(6);
}

static u8 table_byte(u8 index)
{
    set_fs(0);
    u16 offset = FAR16(0x1E * 4), segment = FAR16(0x1E * 4 + 2);
    set_fs(segment);
    return FAR8(offset + index);
}

static int send(u8 byte)
{
    struct timer t;
    if ((inb(MSR) & (MSR_READY | MSR_FROM_CHIP)) != MSR_READY) {
        timer_start(&t);
        while ((inb(MSR) & (MSR_READY | MSR_FROM_CHIP)) != MSR_READY)
            if (timer_expired(&t, 500))
                return 0;
    }
    outb(FIFO, byte);
    return 1;
}

/* Takes the result, at most seven bytes; their number. */
static int results(u8 *to, int most)
{
    int got = 0;
    while (got < most) {
        struct timer t;
        u8 status = inb(MSR);
        if ((status & (MSR_READY | MSR_FROM_CHIP | MSR_BUSY)) == MSR_READY)
            break;
        if ((status & (MSR_READY | MSR_FROM_CHIP)) != (MSR_READY | MSR_FROM_CHIP)) {
            timer_start(&t);
            while ((inb(MSR) & (MSR_READY | MSR_FROM_CHIP)) != (MSR_READY | MSR_FROM_CHIP))
                if (timer_expired(&t, 500))
                    return got;
        }
        to[got++] = inb(FIFO);
    }
    return got;
}

static int wait_irq(void)
{
    struct timer t;
    timer_start(&t);
    while (!(BDA8(BDA_RECALIBRATED) & INTERRUPTED)) {
        if (timer_expired(&t, COMMAND_MS))
            return 0;
        wait_a_bit();
    }
    BDA8(BDA_RECALIBRATED) &= ~INTERRUPTED;
    return 1;
}

static u8 reset_chip(void)
{
    u8 dor = (BDA8(BDA_MOTOR) & 3) << 4 | 0x08, status[2];
    outb(0x21, inb(0x21) & ~0x40);
    BDA8(BDA_RECALIBRATED) = 0;
    outb(DOR, dor);
    outb(DOR, dor | 0x04);
    chip_ready = 0;
    if (!wait_irq())
        return TIME_OUT;
    for (int i = 0; i < 4; i++)
        if (!send(0x08) || results(status, 2) != 2)
            return FAILED;
    if (!send(0x03) || !send(table_byte(0)) || !send(table_byte(1)))
        return FAILED;
    chip_ready = 1;
    return 0;
}

static void motor_on(u8 unit)
{
    BDA8(BDA_MOTOR_TIMEOUT) = 255;              /* not while we work */
    if (BDA8(BDA_MOTOR) & 1 << unit && selected == unit)
        return;
    BDA8(BDA_MOTOR) |= 1 << unit;
    outb(DOR, 0x0C | (BDA8(BDA_MOTOR) & 3) << 4 | unit);
    selected = unit;
}

static u8 recalibrate(u8 unit)
{
    u8 status[2];
    for (int tries = 0; tries < 2; tries++) {
        BDA8(BDA_RECALIBRATED) &= ~INTERRUPTED;
        if (!send(0x07) || !send(unit) || !wait_irq())
            return TIME_OUT;
        if (!send(0x08) || results(status, 2) != 2)
            return FAILED;
        if ((status[0] & 0xF0) == 0x20) {
            BDA8(BDA_RECALIBRATED) |= 1 << unit;
            BDA8(BDA_FLOPPY_TRACK + unit) = 0;
            return 0;
        }
    }
    return SEEK;
}

static u8 seek(u8 unit, u8 head, u8 cylinder)
{
    u8 status[2];
    if (!(BDA8(BDA_RECALIBRATED) & 1 << unit)) {
        u8 failed = recalibrate(unit);
        if (failed)
            return failed;
    }
    if (BDA8(BDA_FLOPPY_MEDIA + unit) & STATE_DOUBLE_STEP)
        cylinder *= 2;
    if (BDA8(BDA_FLOPPY_TRACK + unit) == cylinder && !(inb(DIR) & CHANGED))
        return 0;
    BDA8(BDA_RECALIBRATED) &= ~INTERRUPTED;
    if (!send(0x0F) || !send(head << 2 | unit) || !send(cylinder) || !wait_irq())
        return TIME_OUT;
    if (!send(0x08) || results(status, 2) != 2)
        return FAILED;
    if ((status[0] & 0xF0) != 0x20)
        return SEEK;
    BDA8(BDA_FLOPPY_TRACK + unit) = cylinder;
    return 0;
}

static u8 result_code(const u8 *status)
{
    if (!(status[0] & 0xC0))
        return 0;
    if (status[1] & 0x02)
        return PROTECTED;
    if (status[1] & 0x04 || status[1] & 0x80)
        return NOT_FOUND;
    if (status[1] & 0x10)
        return DMA_OVERRUN;
    if (status[1] & 0x20)
        return CRC;
    if (status[1] & 0x01)
        return NO_ADDRESS_MARK;
    return FAILED;
}

static u8 end_command(void)
{
    u8 status[7];
    if (!wait_irq()) {
        chip_ready = 0;                         /* hanging in a command: only a reset helps */
        return TIME_OUT;
    }
    if (results(status, 7) != 7)
        return FAILED;
    for (int i = 0; i < 7; i++)
        BDA8(BDA_FLOPPY_RESULT + i) = status[i];
    return result_code(status);
}

/* Is there a sector address at this data rate? */
static u8 try_rate(u8 unit, u8 rate)
{
    outb(CCR, rate);
    BDA8(BDA_FLOPPY_RATE) = rate << 6;
    BDA8(BDA_RECALIBRATED) &= ~INTERRUPTED;
    if (!send(0x4A) || !send(unit))
        return FAILED;
    return end_command();
}

/* 40 tracks in a drive of 80: its track 2 is the disk's cylinder 1. */
static int double_step(u8 unit)
{
    enum { CYLINDER = 3 };                      /* in the result */
    return !seek(unit, 0, 2) && !try_rate(unit, RATE_300) && BDA8(BDA_FLOPPY_RESULT + CYLINDER) == 1;
}

static u8 find_rate(struct drive *d)
{
    u8 unit = d->unit, known = BDA8(BDA_FLOPPY_MEDIA + unit), failed;
    if (known & STATE_KNOWN && !(inb(DIR) & CHANGED)) {
        if (BDA8(BDA_FLOPPY_RATE) != (known & 0xC0)) {
            outb(CCR, known >> 6);
            BDA8(BDA_FLOPPY_RATE) = known & 0xC0;
        }
        return 0;
    }
    BDA8(BDA_FLOPPY_MEDIA + unit) = 0;
    failed = recalibrate(unit);
    if (!failed && inb(DIR) & CHANGED)
        failed = seek(unit, 0, 1);              /* a step takes the change line back, if there is a disk */
    if (!failed && inb(DIR) & CHANGED)
        failed = TIME_OUT;
    if (failed)
        return failed;
    failed = seek(unit, 0, 0);
    for (int i = 0; !failed && i < 3; i++) {
        u8 rate = types[d->floppy_type].rates[i];
        if (rate == 0xFF)
            break;
        if (!try_rate(unit, rate)) {
            u8 state = rate << 6 | STATE_KNOWN | (rate == RATE_500 && d->floppy_type == 2 ? 5 : 7);
            BDA8(BDA_FLOPPY_MEDIA + unit) = state;
            if (rate == RATE_300 && double_step(unit))
                BDA8(BDA_FLOPPY_MEDIA + unit) = (state & ~7) | STATE_DOUBLE_STEP | 3;
            return 0;
        }
    }
    return failed ? failed : TIME_OUT;
}

static void dma_set(u32 address, u32 bytes, u8 mode)
{
    outb(0x0A, 0x06);
    outb(0x0C, 0);
    outb(0x0B, mode | 0x02);
    outb(0x04, address);
    outb(0x04, address >> 8);
    outb(0x81, address >> 16);
    outb(0x0C, 0);
    outb(0x05, bytes - 1);
    outb(0x05, (bytes - 1) >> 8);
    outb(0x0A, 0x02);
}

/* One READ, WRITE or VERIFY command; the data must not cross 64 KiB. */
static u8 command(u8 unit, u8 op, u8 cylinder, u8 head, u8 sector, u32 count, u32 address)
{
    static const u8 codes[] = {0xE6, 0xC5, 0xE6}, modes[] = {0x44, 0x48, 0x40};
    u8 last = table_byte(4);                    /* the last sector of a track, for this medium */
    if (BDA8(BDA_FLOPPY_MEDIA + unit) >> 6 == RATE_1000)
        last = 36;
    else if (sector > last)
        last = sector + count - 1;
    dma_set(address, count * 512, modes[op]);
    BDA8(BDA_RECALIBRATED) &= ~INTERRUPTED;
    if (!send(codes[op]) || !send(head << 2 | unit) || !send(cylinder) || !send(head) || !send(sector)
        || !send(2) || !send(last) || !send(table_byte(5)) || !send(0xFF))
        return FAILED;
    return end_command();
}

static u8 prepare(struct drive *d, u8 cylinder, u8 head)
{
    u8 failed = 0;
    if (!chip_ready)
        failed = reset_chip();
    if (failed)
        return failed;
    motor_on(d->unit);
    failed = find_rate(d);
    return failed ? failed : seek(d->unit, head, cylinder);
}

static u8 transfer(struct drive *d, struct regs *r, u8 op, u32 *done)
{
    u8 unit = d->unit, sector = r->cl & 0x3F, failed;
    u32 left = r->al, address = ((u32)r->es << 4) + r->bx;
    *done = 0;
    failed = prepare(d, r->ch, r->dh);
    while (left && !failed) {
        u32 part = left, room = 0x10000 - (address & 0xFFFF);
        if (op == OP_VERIFY)
            failed = command(unit, op, r->ch, r->dh, sector, part, 0);
        else if (room >= 512) {
            if (part > room / 512)
                part = room / 512;
            failed = command(unit, op, r->ch, r->dh, sector, part, address);
        } else {                                /* this sector crosses 64 KiB */
            u16 segment = address >> 4, offset = address & 15;
            part = 1;
            if (op == OP_WRITE)
                far_copy_from(bounce, segment, offset, 512);
            failed = command(unit, op, r->ch, r->dh, sector, 1, DATA_BASE + (u32)bounce);
            if (!failed && op == OP_READ)
                far_copy_to(segment, offset, bounce, 512);
        }
        if (!failed) {
            left -= part;
            sector += part;
            address += part * 512;
            *done += part;
        }
    }
    BDA8(BDA_MOTOR_TIMEOUT) = MOTOR_TICKS;
    return failed;
}

static u8 format(struct drive *d, struct regs *r)
{
    u32 address = ((u32)r->es << 4) + r->bx, count = r->al;
    u8 failed = prepare(d, r->ch, r->dh);
    if (!failed && (address & 0xFFFF) + count * 4 > 0x10000)
        failed = DMA_BOUNDARY;
    if (!failed) {
        dma_set(address, count * 4, 0x48);
        BDA8(BDA_RECALIBRATED) &= ~INTERRUPTED;
        if (!send(0x4D) || !send(r->dh << 2 | d->unit) || !send(table_byte(3)) || !send(count) || !send(table_byte(7))
            || !send(table_byte(8)))
            failed = FAILED;
        else
            failed = end_command();
    }
    BDA8(BDA_MOTOR_TIMEOUT) = MOTOR_TICKS;
    return failed;
}

static void finish(struct regs *r, u8 status)
{
    r->ah = status;
    BDA8(BDA_FLOPPY_STATUS) = status;
    if (status)
        r->flags |= CF;
    else
        r->flags &= ~CF;
}

static void parameters(struct regs *r, struct drive *d)
{
    r->ax = 0;
    r->bx = d->floppy_type;
    r->ch = types[d->floppy_type].cylinders - 1;
    r->cl = types[d->floppy_type].sectors;
    r->dh = 1;
    r->dl = (floppy_map[0] != 0xFF) + (floppy_map[1] != 0xFF) + (emulation_active() == 1);
    r->es = SEG_CODE;
    r->di = (u32)media[d->floppy_type - 1].table;
    r->flags &= ~CF;
}

static u8 set_media(struct regs *r, struct drive *d)
{
    u32 cylinder = r->ch | (r->cl & 0xC0) << 2, sectors = r->cl & 0x3F;
    for (u32 i = 0; i < ARRAY_SIZE(media); i++)
        if (media[i].last_cylinder == cylinder && media[i].sectors == sectors && i + 1 <= d->floppy_type
            && !(d->floppy_type == 2 && i == 2)) {
            r->es = SEG_CODE;
            r->di = (u32)media[i].table;
            return 0;
        }
    return MEDIA_UNKNOWN;
}

void floppy_services(struct regs *r)
{
    u32 done;
    u8 status;
    int index = int13_drive(r->dl);
    struct drive *d = index < 0 ? 0 : &drives[index];
    if (r->ah == 0x01) {
        u8 last = BDA8(BDA_FLOPPY_STATUS);
        finish(r, last);
        BDA8(BDA_FLOPPY_STATUS) = 0;
        return;
    }
    if (!d || d->kind != DRIVE_FLOPPY) {
        if (r->ah == 0x08) {                    /* not there, but the call is good */
            r->ax = r->bx = r->cx = 0;
            r->dx = (floppy_map[0] != 0xFF) + (floppy_map[1] != 0xFF);
            r->es = r->di = 0;
            r->flags &= ~CF;
        } else if (r->ah == 0x15) {
            r->ah = 0;
            r->flags &= ~CF;
        } else
            finish(r, r->ah == 0 ? TIME_OUT : BAD_COMMAND);
        return;
    }
    switch (r->ah) {
    case 0x00:
        finish(r, reset_chip());
        break;
    case 0x02:
    case 0x03:
    case 0x04:
        if (!r->al || r->al > 72 || !(r->cl & 0x3F) || r->dh > 1 || r->ch > 84) {
            r->al = 0;
            finish(r, BAD_COMMAND);
            break;
        }
        status = transfer(d, r, r->ah - 2, &done);
        r->al = done;
        finish(r, status);
        break;
    case 0x05:
        finish(r, !r->al || r->dh > 1 || r->ch > 84 ? BAD_COMMAND : format(d, r));
        break;
    case 0x08:
        parameters(r, d);
        break;
    case 0x15:
        r->ah = d->floppy_type == 1 ? 1 : 2;
        r->flags &= ~CF;
        break;
    case 0x16:
        if (!chip_ready)
            reset_chip();
        motor_on(d->unit);
        status = inb(DIR) & CHANGED ? DISK_CHANGED : 0;
        BDA8(BDA_MOTOR_TIMEOUT) = MOTOR_TICKS;
        finish(r, status);
        break;
    case 0x17:                                  /* old way of function 18h: the type of disk in the drive */
        BDA8(BDA_FLOPPY_MEDIA + d->unit) &= ~STATE_KNOWN;
        finish(r, r->al >= 1 && r->al <= 4 ? 0 : BAD_COMMAND);
        break;
    case 0x18:
        finish(r, set_media(r, d));
        break;
    default:
        finish(r, BAD_COMMAND);
    }
}
