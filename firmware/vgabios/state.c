/* Saving and restoring the card's state: AH=1Ch and VBE function 04h.
 *
 * Source   IBM PS/2 and PC BIOS Interface Technical Reference, int 10h AH=1Ch; VBE 3.0, function 04h
 * Layout   the parts that are asked for, one after the other: registers, BIOS data, DAC, dispi
 */
#include "state.h"
#include "dispi.h"
#include "palette.h"
#include "ports.h"

#define HARDWARE_BYTES (5 + 1 + 25 + 21 + 9 + 4)
#define VECTORS_BYTES 12
#define BIOS_BYTES (VIDEO_FIELDS_BYTES + EGA_FIELDS_BYTES + 2 + 4 + VECTORS_BYTES)
#define DAC_BYTES (768 + 2)
#define DISPI_BYTES (2 * DISPI_SAVED)

u16 state_bytes(u8 parts)
{
    return (parts & STATE_HARDWARE ? HARDWARE_BYTES : 0) + (parts & STATE_BIOS ? BIOS_BYTES : 0) +
           (parts & STATE_DAC ? DAC_BYTES : 0) + (parts & STATE_DISPI ? DISPI_BYTES : 0);
}

/* -- registers ------------------------------------------------------------------------------------------- */

static void save_hardware(u16 to, u16 at)
{
    u16 crtc = in8(MISC_READ) & 1 ? CRTC_COLOUR : CRTC_MONO;
    poke8(to, at++, in8(SEQUENCER));
    poke8(to, at++, in8(crtc));
    poke8(to, at++, in8(GRAPHICS));
    poke8(to, at++, in8(FEATURE_READ));
    for (u8 i = 1; i < 5; i++)
        poke8(to, at++, read_indexed(SEQUENCER, i));
    poke8(to, at++, in8(MISC_READ));
    for (u8 i = 0; i < 25; i++)
        poke8(to, at++, read_indexed(crtc, i));
    for (u8 i = 0; i < 21; i++)
        poke8(to, at++, read_attribute(i));
    for (u8 i = 0; i < 9; i++)
        poke8(to, at++, read_indexed(GRAPHICS, i));
    in8(crtc + 6);
    out8(ATTRIBUTE, PALETTE_SOURCE);
}

static void restore_hardware(u16 from, u16 at)
{
    u16 crtc;
    u8 sequencer = peek8(from, at), crtc_index = peek8(from, at + 1), graphics = peek8(from, at + 2);
    u8 feature = peek8(from, at + 3);
    at += 4;
    out8(MISC_WRITE, peek8(from, at + 4));
    crtc = peek8(from, at + 4) & 1 ? CRTC_COLOUR : CRTC_MONO;
    for (u8 i = 1; i < 5; i++)
        write_seq(i, peek8(from, at++));
    at++;
    write_indexed(crtc, CRTC_RETRACE_END, 0);
    for (u8 i = 0; i < 25; i++)
        write_indexed(crtc, i, peek8(from, at++));
    in8(crtc + 6);
    for (u8 i = 0; i < 21; i++) {
        out8(ATTRIBUTE, i);
        out8(ATTRIBUTE, peek8(from, at++));
    }
    for (u8 i = 0; i < 9; i++)
        write_gfx(i, peek8(from, at++));
    out8(crtc + 6, feature);
    out8(SEQUENCER, sequencer);
    out8(crtc, crtc_index);
    out8(GRAPHICS, graphics);
    in8(crtc + 6);
    out8(ATTRIBUTE, PALETTE_SOURCE);
}

/* -- BIOS data: the fields, equipment, the save pointer, the vectors of int 5 and of the fonts -------------- */

static void move_bios_data(u16 segment, u16 at, int save)
{
    static const struct {
        u16 at, bytes;
    } pieces[] = {{0x400 + VIDEO_FIELDS, VIDEO_FIELDS_BYTES}, {0x400 + EGA_FIELDS, EGA_FIELDS_BYTES}, {0x410, 2},
                  {0x4a8, 4}, {0x05 * 4, 4}, {0x1f * 4, 4}, {0x43 * 4, 4}};
    u16 equipment = EQUIPMENT & ~EQUIPMENT_MONO;
    for (u8 i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        if (save)
            copy8(segment, at, 0, pieces[i].at, pieces[i].bytes);
        else
            copy8(0, pieces[i].at, segment, at, pieces[i].bytes);
        at += pieces[i].bytes;
    }
    if (!save) /* of the equipment word only the display is ours */
        EQUIPMENT = equipment | (EQUIPMENT & EQUIPMENT_MONO);
}

/* -- DAC ------------------------------------------------------------------------------------------------- */

static void save_dac(u16 to, u16 at)
{
    poke8(to, at++, in8(DAC_MASK));
    poke8(to, at++, read_attribute(ATTR_COLOUR_SELECT));
    out8(DAC_READ, 0);
    for (u16 i = 0; i < 768; i++)
        poke8(to, at++, in8(DAC_DATA));
}

static void restore_dac(u16 from, u16 at)
{
    out8(DAC_MASK, peek8(from, at++));
    write_attribute(ATTR_COLOUR_SELECT, peek8(from, at++));
    out8(DAC_WRITE, 0);
    for (u16 i = 0; i < 768; i++)
        out8(DAC_DATA, peek8(from, at++));
}

/* -------------------------------------------------------------------------------------------------------- */

void save_state(u8 parts, u16 segment, u16 at)
{
    if (parts & STATE_HARDWARE) {
        save_hardware(segment, at);
        at += HARDWARE_BYTES;
    }
    if (parts & STATE_BIOS) {
        move_bios_data(segment, at, 1);
        at += BIOS_BYTES;
    }
    if (parts & STATE_DAC) {
        save_dac(segment, at);
        at += DAC_BYTES;
    }
    if (parts & STATE_DISPI)
        save_dispi(segment, at);
}

/* The dispi registers first: switching them changes those of the VGA. */
void restore_state(u8 parts, u16 segment, u16 at)
{
    if (parts & STATE_DISPI)
        restore_dispi(segment, at + state_bytes(parts & ~STATE_DISPI));
    if (parts & STATE_HARDWARE) {
        restore_hardware(segment, at);
        at += HARDWARE_BYTES;
    }
    if (parts & STATE_BIOS) {
        move_bios_data(segment, at, 0);
        at += BIOS_BYTES;
    }
    if (parts & STATE_DAC)
        restore_dac(segment, at);
}

/* AH=1Ch: cx = parts, es:bx = buffer. */
void state_service(Regs r)
{
    u8 parts = r->cx & 7;
    switch (r->al) {
    case 0:
        r->bx = (state_bytes(parts) + 63) / 64;
        break;
    case 1:
        save_state(parts, r->es, r->bx);
        break;
    case 2:
        restore_state(parts, r->es, r->bx);
        break;
    default:
        return;
    }
    r->al = 0x1c;
}
