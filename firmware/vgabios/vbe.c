/* VBE: setting modes and the functions that work on the current one.
 *
 * Source   VESA BIOS Extension (VBE) Core Functions Standard 3.0, 4.5 to 4.14; VESA BIOS Extensions/Display Data
 *          Channel (VBE/DDC) 1.1
 */
#include "vbe.h"
#include "fonts.h"
#include "modes.h"
#include "palette.h"
#include "ports.h"
#include "results.h"
#include "state.h"
#include "vbe_modes.h"

#define SET_CRTC_VALUES 0x0800
#define NUMBER_BITS 0x3fff
#define PARAMETERS_256 0x1c /* of mode 13h: a VBE mode starts from it */
#define NUMBER_800_16 0x102
#define ROWS_MAX 255
#define COLUMNS_MAX 255

extern const u8 protected_interface[], protected_interface_end[];

static int is_enabled(void)
{
    return read_dispi(DISPI_ENABLE) & DISPI_ENABLED;
}

/* -- 02h, 03h: the mode ---------------------------------------------------------------------------------- */

static void describe_to_bios(const struct vbe_mode *mode)
{
    u16 columns = mode->x / 8, rows = mode->y / 16;
    MODE = VBE_MODE;
    COLUMNS = columns > COLUMNS_MAX ? COLUMNS_MAX : columns;
    LAST_ROW = rows > ROWS_MAX ? ROWS_MAX - 1 : rows - 1;
    CHAR_HEIGHT = 16;
    PAGE_BYTES = 0;
    PAGE_START = 0;
    PAGE = 0;
    CURSOR_SHAPE = 0;
    for (u8 page = 0; page < 8; page++)
        CURSOR_AT(page) = 0;
    CRTC = CRTC_COLOUR;
    EQUIPMENT = (EQUIPMENT & ~EQUIPMENT_MONO) | EQUIPMENT_COLOUR_80;
    CONTROL &= ~CONTROL_MONO;
    point_to_font(16);
}

static u16 set_vbe_mode(u16 wanted)
{
    struct limits limits;
    const struct vbe_mode *mode;
    u16 number = wanted & NUMBER_BITS & ~SET_CRTC_VALUES, flags = DISPI_ENABLED;
    const struct parameters *base;

    if (number < 0x100) {
        if (wanted & VBE_LINEAR || number > 0x7f)
            return VBE_FAILED;
        return set_mode((u8)number, wanted & VBE_KEEP) ? VBE_OK : VBE_FAILED;
    }
    mode = find_vbe_mode(number, (__seg_gs struct limits *)(u32)&limits);
    if (!mode)
        return VBE_FAILED;
    if (wanted & VBE_LINEAR) {
        if (mode->bpp == 4 || !linear_memory())
            return VBE_FAILED;
        flags |= DISPI_LINEAR;
    }
    if (wanted & VBE_KEEP)
        flags |= DISPI_NO_CLEAR;

    if (mode->bpp == 4)
        return set_mode(MODE_800_16, wanted & VBE_KEEP) ? VBE_OK : VBE_FAILED;
    disable_dispi();
    base = &parameter_table[PARAMETERS_256];
    load_registers(own_segment(), offset_of(base));
    out8(DAC_MASK, 0xff);
    if (mode->bpp == 8 && !(FLAGS & FLAGS_KEEP_PALETTE))
        load_dac(DAC_256);
    describe_to_bios(mode);
    CONTROL = (CONTROL & ~CONTROL_KEEP) | (wanted & VBE_KEEP ? CONTROL_KEEP : 0);
    write_dispi(DISPI_X, mode->x);
    write_dispi(DISPI_Y, mode->y);
    write_dispi(DISPI_BPP, mode->bpp);
    write_dispi(DISPI_ENABLE, flags);
    write_dispi(DISPI_BANK, 0);
    write_seq(SEQ_CLOCKING, base->sequencer[0]);
    return VBE_OK;
}

/* The registers tell: nothing is remembered that a program could change behind our back. */
static u16 current_vbe_mode(void)
{
    u16 enable = read_dispi(DISPI_ENABLE), x, y, bpp;
    if (!(enable & DISPI_ENABLED))
        return (MODE == MODE_800_16 ? NUMBER_800_16 : MODE) | (CONTROL & CONTROL_KEEP) << 8;
    x = read_dispi(DISPI_X);
    y = read_dispi(DISPI_Y);
    bpp = read_dispi(DISPI_BPP);
    for (u16 i = 0; i < vbe_mode_count; i++)
        if (vbe_modes[i].x == x && vbe_modes[i].y == y && vbe_modes[i].bpp == bpp)
            return vbe_modes[i].number | (enable & DISPI_LINEAR ? VBE_LINEAR : 0) |
                   (enable & DISPI_NO_CLEAR ? VBE_KEEP : 0);
    return MODE;
}

/* -- 04h: save and restore ------------------------------------------------------------------------------- */

static u16 save_and_restore(Regs r)
{
    u8 parts = r->cx & 0x0f;
    switch (r->dl) {
    case 0:
        r->bx = (state_bytes(parts) + 63) / 64;
        return VBE_OK;
    case 1:
        save_state(parts, r->es, r->bx);
        return VBE_OK;
    case 2:
        restore_state(parts, r->es, r->bx);
        return VBE_OK;
    }
    return VBE_NOT_SUPPORTED;
}

/* -- 05h: window ----------------------------------------------------------------------------------------- */

u16 window_service(Regs r)
{
    if (MODE == MODE_800_16) { /* it fits into the window */
        if (r->bh)
            r->dx = 0;
        return r->dx || r->bl || r->bh > 1 ? VBE_FAILED : VBE_OK;
    }
    if (!is_enabled() || (r->bl == 0 && read_dispi(DISPI_ENABLE) & DISPI_LINEAR))
        return VBE_INVALID_IN_MODE;
    if (r->bl || r->bh > 1)
        return VBE_FAILED;
    if (r->bh) {
        r->dx = read_dispi(DISPI_BANK);
        return VBE_OK;
    }
    write_dispi(DISPI_BANK, r->dx);
    return read_dispi(DISPI_BANK) == r->dx ? VBE_OK : VBE_FAILED;
}

/* -- 06h, 07h: virtual screen ---------------------------------------------------------------------------- */

/* 0: in pixels, 1: ask, 2: in bytes, 3: ask for the longest. */
static u16 line_length(Regs r)
{
    struct limits buffer;
    __seg_gs struct limits *limits = (__seg_gs struct limits *)(u32)&buffer;
    u16 bpp, shown, width = r->cx, before;
    u32 most;
    if (!is_enabled())
        return VBE_INVALID_IN_MODE;
    bpp = read_dispi(DISPI_BPP);
    shown = read_dispi(DISPI_X);
    before = read_dispi(DISPI_VIRTUAL_X);
    read_limits(limits);
    most = limits->memory / read_dispi(DISPI_Y) / line_bytes(bpp, 8) * 8;
    if (most > limits->x)
        most = limits->x & ~7u;
    switch (r->bl) {
    case 2:
        width = (width + ((bpp + 7) >> 3) - 1) / ((bpp + 7) >> 3);
        /* fall through */
    case 0:
        width = (width + 7) & ~7;
        if (width < shown || width > most)
            return VBE_NOT_SUPPORTED;
        write_dispi(DISPI_VIRTUAL_X, width);
        if (read_dispi(DISPI_VIRTUAL_X) != width) {
            write_dispi(DISPI_VIRTUAL_X, before);
            return VBE_NOT_SUPPORTED;
        }
        break;
    case 1:
        width = before;
        break;
    case 3:
        width = (u16)most;
        break;
    default:
        return VBE_FAILED;
    }
    r->cx = width;
    r->bx = (u16)line_bytes(bpp, width);
    most = limits->memory / line_bytes(bpp, width);
    r->dx = most > 0xffff ? 0xffff : (u16)most;
    return VBE_OK;
}

/* Bit 7 of bl: wait for the vertical retrace; a picture here is whole at any time, so nobody has to. */
static u16 display_start(Regs r)
{
    if (!is_enabled())
        return VBE_INVALID_IN_MODE;
    switch (r->bl & 0x7f) {
    case 0:
        if (r->cx + read_dispi(DISPI_X) > read_dispi(DISPI_VIRTUAL_X) ||
            r->dx + read_dispi(DISPI_Y) > read_dispi(DISPI_VIRTUAL_Y))
            return VBE_FAILED;
        write_dispi(DISPI_X_OFFSET, r->cx);
        write_dispi(DISPI_Y_OFFSET, r->dx);
        return VBE_OK;
    case 1:
        r->bh = 0;
        r->cx = read_dispi(DISPI_X_OFFSET);
        r->dx = read_dispi(DISPI_Y_OFFSET);
        return VBE_OK;
    }
    return VBE_NOT_SUPPORTED;
}

/* -- 08h, 09h: palette ----------------------------------------------------------------------------------- */

static int has_palette(void)
{
    return !is_enabled() || read_dispi(DISPI_BPP) <= 8;
}

static u16 dac_format(Regs r)
{
    u16 enable = read_dispi(DISPI_ENABLE);
    if (!has_palette())
        return VBE_INVALID_IN_MODE;
    if (r->bl > 1)
        return VBE_FAILED;
    if (r->bl == 0 && enable & DISPI_ENABLED) {
        enable = r->bh >= 8 ? enable | DISPI_DAC_8BIT : enable & ~DISPI_DAC_8BIT;
        write_dispi(DISPI_ENABLE, enable);
    }
    r->bh = enable & DISPI_DAC_8BIT ? 8 : 6;
    return VBE_OK;
}

/* Four bytes an entry: blue, green, red, none. */
static u16 palette_data(Regs r)
{
    u8 rgb[3];
    __seg_gs u8 *entry = (__seg_gs u8 *)(u32)rgb;
    u16 at = r->di, count = r->cx, first = r->dx;
    if (!has_palette())
        return VBE_INVALID_IN_MODE;
    if (r->bl == 2 || r->bl == 3)
        return VBE_NOT_SUPPORTED; /* there is no second palette */
    if (r->bl & 0x7e || first > 255 || count > 256 - first)
        return VBE_FAILED;
    if (r->bl == 1) {
        for (; count; count--, first++, at += 4) {
            read_dac((u8)first, entry);
            poke8(r->es, at, entry[2]);
            poke8(r->es, at + 1, entry[1]);
            store16(r->es, at + 2, entry[0]);
        }
        return VBE_OK;
    }
    out8(DAC_WRITE, (u8)first);
    for (; count; count--, at += 4) {
        out8(DAC_DATA, peek8(r->es, at + 2));
        out8(DAC_DATA, peek8(r->es, at + 1));
        out8(DAC_DATA, peek8(r->es, at));
    }
    return VBE_OK;
}

/* -- 0Ah: the interface for protected mode --------------------------------------------------------------- */

static u16 protected_mode(Regs r)
{
    if (r->bl)
        return VBE_FAILED;
    r->es = own_segment();
    r->di = offset_of(protected_interface);
    r->cx = offset_of(protected_interface_end) - offset_of(protected_interface);
    return VBE_OK;
}

/* -- 0Bh: pixel clock ------------------------------------------------------------------------------------ */

/* The card makes no clock: whichever is asked for is the closest. */
static u16 pixel_clock(Regs r)
{
    u16 number = r->dx & 0x1ff;
    if (r->bl)
        return VBE_FAILED;
    for (u16 i = 0; i < vbe_mode_count; i++)
        if (vbe_modes[i].number == number)
            return VBE_OK;
    return VBE_FAILED;
}

/* -- 10h: power of the display --------------------------------------------------------------------------- */

#define POWER_ON 0
#define POWER_OFF 4
#define SYNC_RUNS 0x80

/* Off: no picture, and neither of the two signals that a monitor looks for. One alone a VGA cannot stop. */
static u16 display_power(Regs r)
{
    u8 clocking = read_indexed(SEQUENCER, SEQ_CLOCKING), mode = read_indexed(CRTC, CRTC_MODE);
    switch (r->bl) {
    case 0:
        r->bx = POWER_OFF << 8 | 0x10;
        return VBE_OK;
    case 1:
        if (r->bh != POWER_ON && r->bh != POWER_OFF)
            return VBE_FAILED;
        write_seq(SEQ_CLOCKING, r->bh ? clocking | SEQ_SCREEN_OFF : clocking & ~SEQ_SCREEN_OFF);
        write_crtc(CRTC_MODE, r->bh ? mode & ~SYNC_RUNS : mode | SYNC_RUNS);
        return VBE_OK;
    case 2:
        r->bh = mode & SYNC_RUNS ? POWER_ON : POWER_OFF;
        return VBE_OK;
    }
    return VBE_FAILED;
}

/* -------------------------------------------------------------------------------------------------------- */

void vbe_service(Regs r)
{
    u16 status = VBE_NOT_SUPPORTED;
    if (!have_dispi())
        return;
    switch (r->al) {
    case 0x00:
        status = vbe_info(r->es, r->di);
        break;
    case 0x01:
        status = vbe_mode_info(r->cx, r->es, r->di);
        break;
    case 0x02:
        status = set_vbe_mode(r->bx);
        break;
    case 0x03:
        r->bx = current_vbe_mode();
        status = VBE_OK;
        break;
    case 0x04:
        status = save_and_restore(r);
        break;
    case 0x05:
        status = window_service(r);
        break;
    case 0x06:
        status = line_length(r);
        break;
    case 0x07:
        status = display_start(r);
        break;
    case 0x08:
        status = dac_format(r);
        break;
    case 0x09:
        status = palette_data(r);
        break;
    case 0x0a:
        status = protected_mode(r);
        break;
    case 0x0b:
        status = pixel_clock(r);
        break;
    case 0x10:
        status = display_power(r);
        break;
    case 0x15:
        status = read_edid(r);
        break;
    }
    r->ax = status;
}
