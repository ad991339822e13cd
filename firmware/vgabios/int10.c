/* Interrupt 10h: which function does what; video state and the small functions.
 *
 * Source   IBM PS/2 and PC BIOS Interface Technical Reference, int 10h
 */
#include "fonts.h"
#include "graphics.h"
#include "modes.h"
#include "palette.h"
#include "ports.h"
#include "select.h"
#include "state.h"
#include "text.h"
#include "vbe.h"

static void set_mode_service(Regs r)
{
    u8 number = r->al & 0x7f;
    if (!set_mode(number, r->al & 0x80))
        return;
    r->al = number > 7 ? 0x20 : number == 6 ? 0x3f : 0x30; /* as IBM's does; some programs look at it */
}

static void read_cursor(Regs r)
{
    r->cx = CURSOR_SHAPE;
    r->dx = CURSOR_AT(r->bh & 7);
}

static void write_characters(Regs r, int with_attribute)
{
    u16 place = CURSOR_AT(r->bh & 7);
    write_cells(r->al, r->bl, with_attribute, r->bh & 7, place >> 8, (u8)place, r->cx);
}

static void read_character(Regs r)
{
    u16 place = CURSOR_AT(r->bh & 7);
    r->ax = read_cell(r->bh & 7, place >> 8, (u8)place);
}

static void display_combination(Regs r)
{
    if (r->al == 0) {
        r->bl = EQUIPMENT & EQUIPMENT_MONO && CRTC == CRTC_MONO ? 7 : 8;
        r->bh = 0;
        if (DCC_INDEX != 0x0b && DCC_INDEX < 16) { /* set by a program */
            r->bl = combinations[4 + 2 * DCC_INDEX + 1];
            r->bh = combinations[4 + 2 * DCC_INDEX];
            if (!r->bl) {
                r->bl = r->bh;
                r->bh = 0;
            }
        }
        r->al = 0x1a;
    } else if (r->al == 1) {
        for (u8 i = 0; i < 16; i++) {
            u8 first = combinations[4 + 2 * i], second = combinations[4 + 2 * i + 1];
            if ((first == r->bl && second == r->bh) || (first == r->bh && second == r->bl))
                DCC_INDEX = i;
        }
        r->al = 0x1a;
    }
}

void int10(Regs r)
{
    switch (r->ah) {
    case 0x0e:
        teletype(r->al, r->bl, 0, PAGE);
        return;
    case 0x00:
        set_mode_service(r);
        return;
    case 0x01:
        set_cursor_shape(r->cx);
        return;
    case 0x02:
        place_cursor(r->bh, r->dx);
        return;
    case 0x03:
        read_cursor(r);
        return;
    case 0x04:
        r->ah = 0; /* no light pen */
        return;
    case 0x05:
        show_page(r->al);
        return;
    case 0x06:
    case 0x07:
        scroll(PAGE, r->ah & 1, r->al, r->bh, r->ch, r->cl, r->dh, r->dl);
        return;
    case 0x08:
        read_character(r);
        return;
    case 0x09:
        write_characters(r, 1);
        return;
    case 0x0a:
        write_characters(r, 0);
        return;
    case 0x0b:
        cga_palette_service(r);
        return;
    case 0x0c:
        write_pixel(r->bh, r->cx, r->dx, r->al);
        return;
    case 0x0d:
        r->al = read_pixel(r->bh, r->cx, r->dx);
        return;
    case 0x0f:
        r->al = MODE | (CONTROL & CONTROL_KEEP);
        r->ah = (u8)COLUMNS;
        r->bh = PAGE;
        return;
    case 0x10:
        palette_service(r);
        return;
    case 0x11:
        font_service(r);
        return;
    case 0x12:
        select_service(r);
        return;
    case 0x13:
        write_string(r);
        return;
    case 0x1a:
        display_combination(r);
        return;
    case 0x1b:
        describe_state(r);
        return;
    case 0x1c:
        state_service(r);
        return;
    case 0x4f:
        vbe_service(r);
        return;
    }
}
