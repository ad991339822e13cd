/* Drives: what IDE units say of themselves, and what the CMOS says of floppies.

   Source   ATA/ATAPI-4 (T13/1153D): 8.12 IDENTIFY DEVICE, 8.13 IDENTIFY PACKET DEVICE, 8.21 PACKET; SFF-8020i
            10.8.1 (READ CD-ROM CAPACITY); IBM PC/AT: CMOS 10h holds the floppy drives' types

   Every wait has an end: a channel may be absent or hang. */

#include "demo.h"

enum { DATA = 0, BYTES_LOW = 4, BYTES_HIGH = 5, UNIT = 6, STATUS = 7, COMMAND = 7, CONTROL = 0x206 };
enum { BUSY = 0x80, REQUEST = 0x08, ERROR = 0x01, NO_INTERRUPT = 0x02, WAIT = 100000 };
enum { IDENTIFY = 0xEC, IDENTIFY_PACKET = 0xA1, PACKET = 0xA0, ATAPI_MARK = 0xEB14 };
enum { TEST_UNIT_READY = 0x00, READ_CAPACITY = 0x25 };
enum { WORD_MODEL = 27, MODEL_WORDS = 20, WORD_SECTORS = 60, WORD_FEATURES = 83, HAS_LBA48 = 1 << 10,
       WORD_SECTORS_48 = 100 };

/* Until the unit is not busy; -1 if that does not come. */
static int settled(u16 base)
{
    for (u32 left = WAIT; left; left--) {
        u8 status = in8(base + STATUS);
        if (!(status & BUSY))
            return status;
    }
    return -1;
}

/* Send a command that answers with data; whether the data is there. */
static int ask(u16 base, u8 command)
{
    out8(base + COMMAND, command);
    int status = settled(base);
    return status > 0 && !(status & ERROR) && status & REQUEST;
}

static void read_words(u16 base, u16 *to, u32 count)
{
    while (count--)
        *to++ = in16(base + DATA);
}

/* A packet of 12 bytes; whether it went well. Takes *words* of the answer. */
static int packet(u16 base, u8 operation, u16 *answer, u32 words)
{
    out8(base + 1, 0);                          /* no DMA */
    out8(base + BYTES_LOW, words * 2);
    out8(base + BYTES_HIGH, 0);
    if (!ask(base, PACKET))
        return 0;
    for (u32 i = 0; i < 6; i++)
        out16(base + DATA, i ? 0 : operation);
    int status = settled(base);
    if (status < 0 || status & ERROR || (words && !(status & REQUEST)))
        return 0;
    read_words(base, answer, words);
    return settled(base) >= 0;
}

static u32 big_endian(const u16 *words)
{
    u16 high = words[0] << 8 | words[0] >> 8, low = words[1] << 8 | words[1] >> 8;
    return (u32)high << 16 | low;
}

/* KiB of the medium; 0: there is none. */
static u32 medium_kib(u16 base)
{
    u16 answer[4];
    for (u32 attempt = 0; attempt < 3 && !packet(base, TEST_UNIT_READY, answer, 0); attempt++)
        ;                                       /* a changed medium is reported once */
    if (!packet(base, READ_CAPACITY, answer, 4))
        return 0;
    return (big_endian(answer) + 1) * (big_endian(answer + 2) >> 10);
}

static u64 disk_kib(const u16 *words)
{
    if (words[WORD_FEATURES] & HAS_LBA48) {
        u64 sectors = 0;
        for (u32 i = 0; i < 4; i++)
            sectors |= (u64)words[WORD_SECTORS_48 + i] << i * 16;
        return sectors >> 1;
    }
    return ((u32)words[WORD_SECTORS + 1] << 16 | words[WORD_SECTORS]) >> 1;
}

static void put_model(struct report *r, const u16 *words)
{
    char model[MODEL_WORDS * 2 + 1];
    u32 used = 0;
    for (u32 i = 0; i < MODEL_WORDS * 2; i++) {
        u8 c = words[WORD_MODEL + i / 2] >> (i & 1 ? 0 : 8);
        model[i] = c >= 0x20 && c < 0x7F ? c : '?';
        if (model[i] != ' ')
            used = i + 1;
    }
    model[used] = 0;
    put(r, model);
}

static void unit(struct report *r, u16 base, u32 number)
{
    static char name[] = "hda ";
    u16 words[256];
    out8(base + CONTROL, NO_INTERRUPT);
    out8(base + UNIT, 0xA0 | (number & 1) << 4);
    int status = settled(base);
    if (status < 0 || status == 0xFF)
        return;
    int is_disk = ask(base, IDENTIFY);
    if (!is_disk && ((u32)in8(base + BYTES_HIGH) << 8 | in8(base + BYTES_LOW)) != ATAPI_MARK)
        return;
    if (!is_disk && !ask(base, IDENTIFY_PACKET))
        return;
    read_words(base, words, 256);
    name[2] = 'a' + number;
    new_line(r);
    put(r, name);
    u64 kib = is_disk ? disk_kib(words) : medium_kib(base);
    if (is_disk || kib)
        put_size(r, kib);
    else
        put(r, "   empty");
    put(r, "  ");
    put_model(r, words);
}

static void floppy(struct report *r, u32 number, u32 kind)
{
    static const char *const sizes[] = {0, " 360 KiB", " 1.2 MiB", " 720 KiB", "1.44 MiB", "2.88 MiB"};
    static char name[] = "fda ";
    if (!kind || kind > 5)
        return;
    name[2] = 'a' + number;
    new_line(r);
    put(r, name);
    put(r, sizes[kind]);
    put(r, kind < 3 ? "  5.25-inch floppy" : "  3.5-inch floppy");
}

void report_drives(struct report *r)
{
    for (u32 number = 0; number < 4; number++)
        unit(r, number < 2 ? 0x1F0 : 0x170, number);
    out8(0x70, 0x90);
    u8 kinds = in8(0x71);
    floppy(r, 0, kinds >> 4);
    floppy(r, 1, kinds & 15);
    if (!r->count) {
        new_line(r);
        put(r, "There are none.");
    }
}
