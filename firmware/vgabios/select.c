/* Alternate select (AH=12h), and functionality and state (AH=1Bh).
 *
 * Source   IBM PS/2 and PC BIOS Interface Technical Reference, int 10h
 */
#include "select.h"
#include "modes.h"
#include "ports.h"
#include "results.h"
#include "text.h"

#define DONE 0x12
#define MISC_RAM_ENABLE 0x02

extern const u8 static_functions[];
extern void print_screen_entry(void);

/* bh: 0 colour, 1 monochrome; bl: memory in 64 KiB less one; ch: feature bits; cl: switches. */
static void describe_card(Regs r)
{
    r->bh = CRTC == CRTC_MONO;
    r->bl = (CONTROL & CONTROL_256K) >> 5;
    r->ch = SWITCHES >> 4;
    r->cl = SWITCHES & 0x0f;
}

static void choose_lines(Regs r)
{
    static const u8 flags[3] = {FLAGS_200_LINES, 0, FLAGS_400_LINES};
    if (r->al > 2)
        return;
    FLAGS = (FLAGS & ~(FLAGS_200_LINES | FLAGS_400_LINES)) | flags[r->al];
    SWITCHES = (SWITCHES & 0xf0) | (r->al == 0 ? 8 : 9);
    r->al = DONE;
}

/* al = 0 enables what the flag disables. */
static void choose_flag(Regs r, u8 flag, int inverted)
{
    if (r->al > 1)
        return;
    FLAGS = r->al ^ inverted ? FLAGS | flag : FLAGS & ~flag;
    r->al = DONE;
}

void select_service(Regs r)
{
    u8 on;
    switch (r->bl) {
    case 0x10:
        describe_card(r);
        return;
    case 0x20:
        VECTOR(5).offset = offset_of(print_screen_entry);
        VECTOR(5).segment = own_segment();
        return;
    case 0x30:
        choose_lines(r);
        return;
    case 0x31:
        choose_flag(r, FLAGS_KEEP_PALETTE, 0);
        return;
    case 0x33:
        choose_flag(r, FLAGS_GREY, 1);
        return;
    case 0x32:
        if (r->al > 1)
            return;
        on = in8(MISC_READ) & ~MISC_RAM_ENABLE;
        out8(MISC_WRITE, r->al ? on : on | MISC_RAM_ENABLE);
        r->al = DONE;
        return;
    case 0x34:
        if (r->al > 1)
            return;
        CONTROL = r->al ? CONTROL | CONTROL_NO_EMULATION : CONTROL & ~CONTROL_NO_EMULATION;
        r->al = DONE;
        return;
    case 0x36:
        if (r->al > 1)
            return;
        on = read_indexed(SEQUENCER, SEQ_CLOCKING) & ~SEQ_SCREEN_OFF;
        write_seq(SEQ_CLOCKING, r->al ? on | SEQ_SCREEN_OFF : on);
        r->al = DONE;
        return;
    }
}

static u8 lines_code(void)
{
    u8 overflow = read_indexed(CRTC, 0x07);
    u16 lines = (read_indexed(CRTC, CRTC_DISPLAY_END) | (overflow & 0x02) << 7 | (overflow & 0x40) << 3) + 1;
    if (lines > 400)
        return 3;
    if (lines <= 350)
        return 1;
    return read_indexed(CRTC, CRTC_MAX_SCAN_LINE) & 0x80 ? 0 : 2;
}

/* AH=1Bh, bx = 0: 64 bytes at es:di. */
void describe_state(Regs r)
{
    const struct mode *mode = current_mode();
    u16 to = r->es, at = r->di;
    u8 fonts = read_indexed(SEQUENCER, SEQ_FONTS), flags = FLAGS;
    if (r->bx || !mode)
        return;
    fill8(to, at, 0, 64);
    store16(to, at, offset_of(static_functions));
    store16(to, at + 2, own_segment());
    copy8(to, at + 4, 0, 0x400 + VIDEO_FIELDS, VIDEO_FIELDS_BYTES);
    poke8(to, at + 0x22, LAST_ROW + 1);
    store16(to, at + 0x23, CHAR_HEIGHT);
    poke8(to, at + 0x25, CRTC == CRTC_MONO ? 7 : 8);
    store16(to, at + 0x27, mode->kind == TEXT && mode->number == 7 ? 0 : mode->colours_log2 == 8 ? 256
                          : 1 << mode->colours_log2);
    poke8(to, at + 0x29, mode->pages);
    poke8(to, at + 0x2a, lines_code());
    poke8(to, at + 0x2b, (fonts & 3) | (fonts >> 2 & 4));
    poke8(to, at + 0x2c, (fonts >> 2 & 3) | (fonts >> 3 & 4));
    poke8(to, at + 0x2d, 0x01 | (flags & FLAGS_GREY) | (flags & FLAGS_KEEP_PALETTE) |
                             (CONTROL & CONTROL_NO_EMULATION ? 0 : 0x10) | (MODE_CONTROL & 0x20));
    poke8(to, at + 0x31, 3); /* 256 KiB */
    poke8(to, at + 0x32, 0);
    r->al = 0x1b;
}

/* Interrupt 5 after AH=12h, BL=20h: all rows of the page to the first printer. 50:00 is 1 meanwhile, FFh if
 * the printer failed. */
static u8 print(u8 character)
{
    u16 ax = character, dx = 0;
    __asm__ volatile("int $0x17" : "+a"(ax), "+d"(dx) : : "memory");
    return ax >> 8 & 0x29; /* no paper, error, time-out */
}

void print_screen(void)
{
    if (BDA(u8, 0x100) == 1)
        return;
    BDA(u8, 0x100) = 1;
    u8 page = PAGE, failed = print('\r') | print('\n');
    for (u8 row = 0; !failed && row <= LAST_ROW; row++) {
        for (u8 column = 0; !failed && column < COLUMNS; column++) {
            u8 character = (u8)read_cell(page, row, column);
            failed = print(character ? character : ' ');
        }
        failed |= print('\r') | print('\n');
    }
    BDA(u8, 0x100) = failed ? 0xff : 0;
}
