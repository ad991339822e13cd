/* Setting a VGA mode (AH=00h) and the start of the card.
 *
 * Source   IBM PS/2 Hardware Interface Technical Reference, Video Subsystems (1992), "Programming considerations";
 *          IBM PS/2 and PC BIOS Interface Technical Reference, int 10h and BIOS data area
 */
#include "modes.h"
#include "dispi.h"
#include "fonts.h"
#include "palette.h"
#include "ports.h"
#include "text.h"

#define TEXT_BYTES 0x8000
#define PLANE_BYTES 0x10000
#define LAST_STANDARD_ENTRY 0x1c /* a program's own table may end here */

extern const u8 save_table[];

const struct mode *current_mode(void)
{
    return MODE == VBE_MODE ? &vbe_mode_text : find_mode(MODE);
}

u16 text_segment(void)
{
    return CRTC == CRTC_MONO ? 0xb000 : 0xb800;
}

/* The entry of the parameter table, which programs can replace. Text follows the lines chosen with AH=12h. */
static u16 parameters_of(const struct mode *mode, __seg_gs u16 *segment)
{
    u16 table_segment = SAVE_POINTER.segment, table = SAVE_POINTER.offset;
    u8 entry = mode->parameters;
    if (mode->kind == TEXT && !(FLAGS & FLAGS_400_LINES)) {
        if (mode->number == 7)
            entry = 7;
        else
            entry = FLAGS & FLAGS_200_LINES ? mode->number : mode->number + 0x13;
    }
    if (entry > LAST_STANDARD_ENTRY) {
        *segment = own_segment();
        return offset_of(&parameter_table[entry]);
    }
    *segment = peek16(table_segment, table + 2);
    return peek16(table_segment, table) + entry * PARAMETER_BYTES;
}

#define FIELD(name) ((u16)(u32)&((struct parameters *)0)->name)

/* The registers proper: what is at segment:at, laid out as a table entry. The screen is off until the end. */
void load_registers(u16 segment, u16 at)
{
    u8 misc = peek8(segment, at + FIELD(misc));
    u16 crtc = misc & 1 ? CRTC_COLOUR : CRTC_MONO;

    write_seq(SEQ_CLOCKING, read_indexed(SEQUENCER, SEQ_CLOCKING) | SEQ_SCREEN_OFF);
    write_seq(0, 0x01); /* synchronous reset while the clock changes */
    out8(MISC_WRITE, misc);
    write_seq(SEQ_CLOCKING, peek8(segment, at + FIELD(sequencer)) | SEQ_SCREEN_OFF);
    for (u16 i = 1; i < 4; i++)
        write_seq(i + 1, peek8(segment, at + FIELD(sequencer) + i));
    write_seq(0, 0x03);

    write_indexed(crtc, CRTC_RETRACE_END, 0); /* opens registers 0 to 7 */
    for (u16 i = 0; i < 25; i++)
        write_indexed(crtc, i, peek8(segment, at + FIELD(crtc) + i));
    for (u16 i = 0; i < 9; i++)
        write_gfx(i, peek8(segment, at + FIELD(graphics) + i));

    in8(crtc + 6);
    for (u16 i = 0; i < 20; i++) {
        out8(ATTRIBUTE, i);
        out8(ATTRIBUTE, peek8(segment, at + FIELD(attribute) + i));
    }
    out8(ATTRIBUTE, ATTR_COLOUR_SELECT);
    out8(ATTRIBUTE, 0);
    out8(ATTRIBUTE, PALETTE_SOURCE);
}

static void load_palette(const struct mode *mode)
{
    u8 table = mode->dac;
    if (mode->kind == TEXT && mode->number != 7 && !(FLAGS & FLAGS_400_LINES) && FLAGS & FLAGS_200_LINES)
        table = DAC_CGA;
    out8(DAC_MASK, 0xff);
    if (!(FLAGS & FLAGS_KEEP_PALETTE)) {
        load_dac(table);
        if (FLAGS & FLAGS_GREY)
            grey_dac(0, 256);
    }
}

/* Text: a blank screen on every page. Graphics: four planes of zeros; dispi clears what a mode shows when it is
 * switched on, which is much faster than through the window. */
static void clear_memory(const struct mode *mode)
{
    if (mode->kind == TEXT) {
        fill32(mode->segment, 0, 0x07200720, TEXT_BYTES / 4);
    } else if (!have_dispi()) {
        fill32(mode->segment, 0, 0, mode->segment == 0xb800 ? TEXT_BYTES / 4 : PLANE_BYTES / 4);
    }
}

static void clear_planes(void)
{
    write_dispi(DISPI_X, 1024); /* 1024 * 64 dots of 4 bytes are 256 KiB */
    write_dispi(DISPI_Y, 64);
    write_dispi(DISPI_BPP, 32);
    write_dispi(DISPI_ENABLE, DISPI_ENABLED);
    disable_dispi();
}

/* Returns whether there is such a mode. */
int set_mode(u8 number, int keep)
{
    const struct mode *mode = find_mode(number);
    u16 segment, at, page_bytes;
    if (!mode)
        return 0;
    at = parameters_of(mode, (__seg_gs u16 *)(u32)&segment);
    disable_dispi();
    if (!keep && mode->kind != TEXT && have_dispi())
        clear_planes();
    load_registers(segment, at);
    load_palette(mode);

    MODE = number;
    COLUMNS = peek8(segment, at + FIELD(columns));
    LAST_ROW = peek8(segment, at + FIELD(last_row));
    CHAR_HEIGHT = peek8(segment, at + FIELD(char_height));
    page_bytes = peek16(segment, at + FIELD(page_low));
    PAGE_BYTES = page_bytes;
    PAGE_START = 0;
    PAGE = 0;
    for (u16 page = 0; page < 8; page++)
        CURSOR_AT(page) = 0;
    CRTC = number == 7 || number == 0x0f ? CRTC_MONO : CRTC_COLOUR;
    CONTROL = (CONTROL & ~(CONTROL_KEEP | CONTROL_MONO)) | (keep ? CONTROL_KEEP : 0) |
              (CRTC == CRTC_MONO ? CONTROL_MONO : 0) | CONTROL_256K;
    EQUIPMENT = (EQUIPMENT & ~EQUIPMENT_MONO) | (CRTC == CRTC_MONO ? EQUIPMENT_MONO : EQUIPMENT_COLOUR_80);
    set_cga_fields(number);
    UPPER_FONT.offset = offset_of(font_8x8 + 128 * 8);
    UPPER_FONT.segment = own_segment();

    if (mode->kind == TEXT) {
        load_rom_font((u8)CHAR_HEIGHT, 0);
        set_cursor_shape(number == 7 ? 0x0b0c : 0x0607);
    } else {
        CURSOR_SHAPE = 0;
    }
    point_to_font((u8)CHAR_HEIGHT);
    if (!keep)
        clear_memory(mode);
    write_seq(SEQ_CLOCKING, peek8(segment, at + FIELD(sequencer)));
    return 1;
}

/* What the BIOS calls once, with the card's address on the PCI bus in ax. */
void start(u16 pci_function)
{
    out8(0x46e8, 0x0e); /* cards on a PS/2 adapter: awake */
    out8(VGA_ENABLE, 0x01);
    remember_pci_function(pci_function);
    set_vectors();

    SAVE_POINTER.offset = offset_of(save_table);
    SAVE_POINTER.segment = own_segment();
    CONTROL = CONTROL_256K;
    SWITCHES = 0xf9;
    FLAGS = FLAGS_VGA | FLAGS_400_LINES | FLAGS_COMBINATION;
    DCC_INDEX = 0x0b;
    set_mode(3, 0);
}
