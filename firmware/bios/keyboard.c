/* Int 09h: the keyboard; int 16h: its buffer.

   Source   IBM PC/AT Technical Reference (keyboard, scan code set 1); Ralf Brown's Interrupt List, int 09h, int 15h
            function 4Fh, int 16h; MEMORY.LST 0040:0017, 0018, 0096, 0097

   A key is (scan code << 8 | character). E0 as the character marks the grey keys of enhanced keyboards; the old
   functions 00h and 01h hide that mark, and keys that only the new functions know. */

#include "bios.h"

enum { RIGHT_SHIFT = 1, LEFT_SHIFT = 2, CTRL = 4, ALT = 8, SCROLL = 0x10, NUM = 0x20, CAPS = 0x40, INSERT = 0x80 };
enum { LEFT_CTRL = 1, LEFT_ALT = 2, SYSREQ = 4, PAUSED = 8, SCROLL_DOWN = 0x10, NUM_DOWN = 0x20, CAPS_DOWN = 0x40,
       INSERT_DOWN = 0x80 };
enum { LAST_E1 = 1, LAST_E0 = 2, RIGHT_CTRL = 4, RIGHT_ALT = 8, ENHANCED = 0x10 };

enum { NO_KEY = -1 };

struct key {
    u16 plain, shift, ctrl, alt;        /* 0: no key */
};

#define LETTER(scan, c) {(scan) << 8 | (c), (scan) << 8 | ((c) - 32), (scan) << 8 | ((c) - 96), (scan) << 8}
static const struct key keys[] = {
    [0x01] = {0x011B, 0x011B, 0x011B, 0x0100},
    [0x02] = {0x0231, 0x0221, 0, 0x7800},
    [0x03] = {0x0332, 0x0340, 0x0300, 0x7900},
    [0x04] = {0x0433, 0x0423, 0, 0x7A00},
    [0x05] = {0x0534, 0x0524, 0, 0x7B00},
    [0x06] = {0x0635, 0x0625, 0, 0x7C00},
    [0x07] = {0x0736, 0x075E, 0x071E, 0x7D00},
    [0x08] = {0x0837, 0x0826, 0, 0x7E00},
    [0x09] = {0x0938, 0x092A, 0, 0x7F00},
    [0x0A] = {0x0A39, 0x0A28, 0, 0x8000},
    [0x0B] = {0x0B30, 0x0B29, 0, 0x8100},
    [0x0C] = {0x0C2D, 0x0C5F, 0x0C1F, 0x8200},
    [0x0D] = {0x0D3D, 0x0D2B, 0, 0x8300},
    [0x0E] = {0x0E08, 0x0E08, 0x0E7F, 0x0E00},
    [0x0F] = {0x0F09, 0x0F00, 0x9400, 0xA500},
    LETTER(0x10, 'q'), LETTER(0x11, 'w'), LETTER(0x12, 'e'), LETTER(0x13, 'r'), LETTER(0x14, 't'),
    LETTER(0x15, 'y'), LETTER(0x16, 'u'), LETTER(0x17, 'i'), LETTER(0x18, 'o'), LETTER(0x19, 'p'),
    [0x1A] = {0x1A5B, 0x1A7B, 0x1A1B, 0x1A00},
    [0x1B] = {0x1B5D, 0x1B7D, 0x1B1D, 0x1B00},
    [0x1C] = {0x1C0D, 0x1C0D, 0x1C0A, 0x1C00},
    [0x1E] = LETTER(0x1E, 'a'), LETTER(0x1F, 's'), LETTER(0x20, 'd'), LETTER(0x21, 'f'), LETTER(0x22, 'g'),
    LETTER(0x23, 'h'), LETTER(0x24, 'j'), LETTER(0x25, 'k'), LETTER(0x26, 'l'),
    [0x27] = {0x273B, 0x273A, 0, 0x2700},
    [0x28] = {0x2827, 0x2822, 0, 0x2800},
    [0x29] = {0x2960, 0x297E, 0, 0x2900},
    [0x2B] = {0x2B5C, 0x2B7C, 0x2B1C, 0x2B00},
    LETTER(0x2C, 'z'), LETTER(0x2D, 'x'), LETTER(0x2E, 'c'), LETTER(0x2F, 'v'), LETTER(0x30, 'b'),
    LETTER(0x31, 'n'), LETTER(0x32, 'm'),
    [0x33] = {0x332C, 0x333C, 0, 0x3300},
    [0x34] = {0x342E, 0x343E, 0, 0x3400},
    [0x35] = {0x352F, 0x353F, 0, 0x3500},
    [0x37] = {0x372A, 0x372A, 0x9600, 0x3700},
    [0x39] = {0x3920, 0x3920, 0x3920, 0x3920},
    [0x3B] = {0x3B00, 0x5400, 0x5E00, 0x6800},
    [0x3C] = {0x3C00, 0x5500, 0x5F00, 0x6900},
    [0x3D] = {0x3D00, 0x5600, 0x6000, 0x6A00},
    [0x3E] = {0x3E00, 0x5700, 0x6100, 0x6B00},
    [0x3F] = {0x3F00, 0x5800, 0x6200, 0x6C00},
    [0x40] = {0x4000, 0x5900, 0x6300, 0x6D00},
    [0x41] = {0x4100, 0x5A00, 0x6400, 0x6E00},
    [0x42] = {0x4200, 0x5B00, 0x6500, 0x6F00},
    [0x43] = {0x4300, 0x5C00, 0x6600, 0x7000},
    [0x44] = {0x4400, 0x5D00, 0x6700, 0x7100},
    [0x47] = {0x4700, 0x4737, 0x7700, 0},
    [0x48] = {0x4800, 0x4838, 0x8D00, 0},
    [0x49] = {0x4900, 0x4939, 0x8400, 0},
    [0x4A] = {0x4A2D, 0x4A2D, 0x8E00, 0x4A00},
    [0x4B] = {0x4B00, 0x4B34, 0x7300, 0},
    [0x4C] = {0x4C00, 0x4C35, 0x8F00, 0},
    [0x4D] = {0x4D00, 0x4D36, 0x7400, 0},
    [0x4E] = {0x4E2B, 0x4E2B, 0x9000, 0x4E00},
    [0x4F] = {0x4F00, 0x4F31, 0x7500, 0},
    [0x50] = {0x5000, 0x5032, 0x9100, 0},
    [0x51] = {0x5100, 0x5133, 0x7600, 0},
    [0x52] = {0x5200, 0x5230, 0x9200, 0},
    [0x53] = {0x5300, 0x532E, 0x9300, 0},
    [0x56] = {0x565C, 0x567C, 0, 0},
    [0x57] = {0x8500, 0x8700, 0x8900, 0x8B00},
    [0x58] = {0x8600, 0x8800, 0x8A00, 0x8C00},
};

/* Grey keys, with E0 before the scan code: those whose codes differ from the keypad's. */
static const struct { u8 scan; struct key key; } grey_keys[] = {
    {0x1C, {0xE00D, 0xE00D, 0xE00A, 0xA600}},
    {0x35, {0xE02F, 0xE02F, 0x9500, 0xA400}},
    {0x37, {0, 0, 0x7200, 0}},
    {0x47, {0x47E0, 0x47E0, 0x77E0, 0x9700}},
    {0x48, {0x48E0, 0x48E0, 0x8DE0, 0x9800}},
    {0x49, {0x49E0, 0x49E0, 0x84E0, 0x9900}},
    {0x4B, {0x4BE0, 0x4BE0, 0x73E0, 0x9B00}},
    {0x4D, {0x4DE0, 0x4DE0, 0x74E0, 0x9D00}},
    {0x4F, {0x4FE0, 0x4FE0, 0x75E0, 0x9F00}},
    {0x50, {0x50E0, 0x50E0, 0x91E0, 0xA000}},
    {0x51, {0x51E0, 0x51E0, 0x76E0, 0xA100}},
    {0x52, {0x52E0, 0x52E0, 0x92E0, 0xA200}},
    {0x53, {0x53E0, 0x53E0, 0x93E0, 0xA300}},
};

static u16 next_slot(u16 slot)
{
    slot += 2;
    return slot >= BDA16(BDA_KEY_END) ? BDA16(BDA_KEY_START) : slot;
}

int key_store(u16 key)
{
    u16 tail = BDA16(BDA_KEY_TAIL), next = next_slot(tail);
    if (next == BDA16(BDA_KEY_HEAD))
        return 0;
    BDA16(tail) = key;
    BDA16(BDA_KEY_TAIL) = next;
    return 1;
}

int key_available(void) { return BDA16(BDA_KEY_HEAD) != BDA16(BDA_KEY_TAIL); }

/* ---- keyboard commands */

static int controller_ready(u8 mask, u8 value)
{
    for (u32 tries = 0; tries < 0x4000; tries++)
        if ((inb(0x64) & mask) == value)
            return 1;
    return 0;
}

static void set_leds(void)
{
    u8 leds = BDA8(BDA_SHIFT) >> 4 & 7;
    if (leds == (BDA8(BDA_LEDS) & 7))
        return;
    BDA8(BDA_LEDS) = (BDA8(BDA_LEDS) & ~7) | leds;
    for (int i = 0; i < 2; i++) {
        if (!controller_ready(2, 0))
            return;
        outb(0x60, i ? leds : 0xED);
        if (!controller_ready(1, 1) || inb(0x60) != 0xFA)
            return;
    }
}

/* ---- int 09h */

static void shift_key(u8 flag, u8 up)
{
    if (up)
        BDA8(BDA_SHIFT) &= ~flag;
    else
        BDA8(BDA_SHIFT) |= flag;
}

static void lock_key(u8 flag, u8 down_flag, u8 up)
{
    if (up)
        BDA8(BDA_SHIFT2) &= ~down_flag;
    else if (!(BDA8(BDA_SHIFT2) & down_flag)) {
        BDA8(BDA_SHIFT2) |= down_flag;
        BDA8(BDA_SHIFT) ^= flag;
    }
}

/* Ctrl and Alt exist twice; the key counts as up when both are. */
static void double_key(u8 flag, u8 left, u8 right, int is_right, u8 up)
{
    u32 at = is_right ? BDA_KEY_MODE : BDA_SHIFT2;
    u8 bit = is_right ? right : left;
    BDA8(at) = up ? BDA8(at) & ~bit : BDA8(at) | bit;
    int down = BDA8(BDA_SHIFT2) & left || BDA8(BDA_KEY_MODE) & right;
    shift_key(flag, !down);
    if (flag == ALT && !down && BDA8(BDA_ALT_NUMBER)) {
        key_store(BDA8(BDA_ALT_NUMBER));
        BDA8(BDA_ALT_NUMBER) = 0;
    }
}

static void pause_until_key(void)
{
    BDA8(BDA_SHIFT2) |= PAUSED;
    eoi(1);
    while (BDA8(BDA_SHIFT2) & PAUSED)
        wait_interrupt();
}

static void press(u8 scan, int grey)
{
    static const s8 digits[] = {7, 8, 9, -1, 4, 5, 6, -1, 1, 2, 3, 0};
    u8 shift = BDA8(BDA_SHIFT);
    struct key key;
    u16 code;
    if (scan >= ARRAY_SIZE(keys))
        return;
    key = keys[scan];
    if (grey)
        for (u32 i = 0; i < ARRAY_SIZE(grey_keys); i++)
            if (grey_keys[i].scan == scan)
                key = grey_keys[i].key;
    if (scan == 0x53 && (shift & (CTRL | ALT)) == (CTRL | ALT)) {
        BDA16(BDA_WARM) = 0x1234;
        outb(0x64, 0xFE);
        for (;;)
            asm volatile("hlt");
    }
    if (scan == 0x37 && (grey || shift & (LEFT_SHIFT | RIGHT_SHIFT)) && !(shift & (CTRL | ALT))) {
        struct regs r = {0};
        eoi(1);
        call_vector(&r, 5);
        return;
    }
    if (scan == 0x46 && shift & CTRL && grey) { /* Ctrl-Break; without E0 it is Ctrl with Scroll Lock */
        struct regs r = {0};
        BDA16(BDA_KEY_HEAD) = BDA16(BDA_KEY_TAIL) = BDA16(BDA_KEY_START);
        BDA8(BDA_BREAK) |= 0x80;
        call_vector(&r, 0x1B);
        key_store(0);
        return;
    }
    if (shift & ALT && !grey && scan >= 0x47 && scan <= 0x52 && digits[scan - 0x47] >= 0) {
        BDA8(BDA_ALT_NUMBER) = BDA8(BDA_ALT_NUMBER) * 10 + digits[scan - 0x47];
        return;
    }
    if (shift & ALT)
        code = key.alt;
    else if (shift & CTRL)
        code = key.ctrl;
    else {
        int shifted = !!(shift & (LEFT_SHIFT | RIGHT_SHIFT));
        u8 c = key.plain;
        if (c >= 'a' && c <= 'z' && !grey)
            shifted ^= !!(shift & CAPS);
        if (scan >= 0x47 && scan <= 0x53 && !grey && scan != 0x4A && scan != 0x4E)
            shifted ^= !!(shift & NUM);
        code = shifted ? key.shift : key.plain;
    }
    if (code)
        key_store(code);
}

static void scan_byte(u8 scan)
{
    u8 mode = BDA8(BDA_KEY_MODE);
    if (scan == 0xE0 || scan == 0xE1) {
        BDA8(BDA_KEY_MODE) |= scan == 0xE0 ? LAST_E0 : LAST_E1;
        return;
    }
    int grey = mode & LAST_E0;
    u8 up = scan & 0x80, key = scan & 0x7F;
    if (mode & LAST_E1) {                       /* Pause: E1 1D 45 E1 9D C5 */
        if (key == 0x45) {
            BDA8(BDA_KEY_MODE) &= ~(LAST_E1 | LAST_E0);
            if (!up)
                pause_until_key();
        }
        return;
    }
    BDA8(BDA_KEY_MODE) &= ~(LAST_E0 | LAST_E1);
    if (!up && BDA8(BDA_SHIFT2) & PAUSED) {
        BDA8(BDA_SHIFT2) &= ~PAUSED;
        return;
    }
    switch (key) {
    case 0x1D:
        double_key(CTRL, LEFT_CTRL, RIGHT_CTRL, grey, up);
        return;
    case 0x38:
        double_key(ALT, LEFT_ALT, RIGHT_ALT, grey, up);
        return;
    case 0x2A:
        if (!grey)
            shift_key(LEFT_SHIFT, up);
        return;
    case 0x36:
        if (!grey)
            shift_key(RIGHT_SHIFT, up);
        return;
    case 0x3A:
        lock_key(CAPS, CAPS_DOWN, up);
        return;
    case 0x45:
        lock_key(NUM, NUM_DOWN, up);
        return;
    case 0x46:
        if (!(BDA8(BDA_SHIFT) & CTRL)) {
            lock_key(SCROLL, SCROLL_DOWN, up);
            return;
        }
        break;
    case 0x52:
        if (!(BDA8(BDA_SHIFT) & (CTRL | ALT | LEFT_SHIFT | RIGHT_SHIFT)) && (grey || !(BDA8(BDA_SHIFT) & NUM)))
            lock_key(INSERT, INSERT_DOWN, up);
        break;
    case 0x54: {                                /* SysReq: int 15h function 85h */
        struct regs r = {0};
        r.ax = 0x8500 | !!up;
        call_vector(&r, 0x15);
        return;
    }
    }
    if (!up)
        press(key, grey);
}

void irq1(struct regs *unused)
{
    (void)unused;
    u8 status = inb(0x64);
    if ((status & 0x21) == 0x01) {
        struct regs r = {0};
        r.ax = 0x4F00 | inb(0x60);
        r.flags = CF;
        call_vector(&r, 0x15);                  /* keyboard intercept: carry clear swallows the key */
        if (r.flags & CF)
            scan_byte(r.al);
        set_leds();
    }
    eoi(1);
}

/* ---- int 16h */

/* What functions 00h and 01h return; NO_KEY: the key is not for them. */
static s32 old_key(u16 key)
{
    u8 character = key, scan = key >> 8;
    if (character == 0xE0 && scan)
        return scan << 8;
    if (scan == 0xE0)                           /* grey Enter and / look like the main ones */
        return (character == 0x2F ? 0x3500 : 0x1C00) | character;
    return character || scan <= 0x84 ? key : NO_KEY;
}

/* The next key, 0000 after Ctrl-Break, or NO_KEY. What the caller cannot have is dropped. */
static s32 take(int enhanced, int remove)
{
    while (key_available()) {
        u16 head = BDA16(BDA_KEY_HEAD), key = BDA16(head);
        s32 seen = enhanced ? key : old_key(key);
        if (remove || seen == NO_KEY)
            BDA16(BDA_KEY_HEAD) = next_slot(head);
        if (seen != NO_KEY)
            return seen;
    }
    return NO_KEY;
}

static u16 wait_key(int enhanced)
{
    for (;;) {
        s32 key = take(enhanced, 1);
        if (key != NO_KEY)
            return key;
        wait_interrupt();
    }
}

u16 key_read(void) { return wait_key(0); }

static void set_rate(struct regs *r)
{
    if (r->al == 5 && controller_ready(2, 0)) {
        outb(0x60, 0xF3);
        if (controller_ready(1, 1))
            inb(0x60);
        if (!controller_ready(2, 0))
            return;
        outb(0x60, (r->bh & 3) << 5 | (r->bl & 31));
        if (controller_ready(1, 1))
            inb(0x60);
    }
}

void int16(struct regs *r)
{
    s32 key;
    switch (r->ah) {
    case 0x00:
    case 0x10:
        r->ax = wait_key(r->ah);
        break;
    case 0x01:
    case 0x11:
        key = take(r->ah & 0x10, 0);
        if (key != NO_KEY) {
            r->ax = key;
            r->flags &= ~ZF;
        } else {
            r->flags |= ZF;
            wait_a_bit();                       /* programs poll this with interrupts off, too */
        }
        break;
    case 0x02:
        r->al = BDA8(BDA_SHIFT);
        break;
    case 0x03:
        set_rate(r);
        break;
    case 0x05:
        r->al = !key_store(r->cx);
        break;
    case 0x09:                                  /* 10h-12h, 0Ah and setting of the rate (0305h) */
        r->al = 0x34;
        break;
    case 0x0A:
        r->bx = 0x41AB;
        break;
    case 0x12:
        r->al = BDA8(BDA_SHIFT);
        r->ah = (BDA8(BDA_SHIFT2) & 0x73) | (BDA8(BDA_SHIFT2) & SYSREQ ? 0x80 : 0)
              | (BDA8(BDA_KEY_MODE) & (RIGHT_CTRL | RIGHT_ALT));
        break;
    case 0x92:
        r->ah = 0x80;
        break;
    case 0xA2:
        break;
    }
}
