/* Video modes of the VGA and what int 10h needs to know about each. */
#ifndef MODES_H
#define MODES_H

#include "types.h"

enum kind { TEXT, CGA_4, CGA_2, PLANAR, PACKED, VBE };
enum dac { DAC_MONO, DAC_CGA, DAC_EGA, DAC_256 };

struct mode {
    u8 number, kind, dac, parameters; /* the last: entry of the parameter table */
    u16 segment;
    u8 colours_log2, pages;
};

/* One entry of the video parameter table, as the save pointer table publishes it. */
struct parameters {
    u8 columns, last_row, char_height;
    u8 page_low, page_high;
    u8 sequencer[4]; /* registers 1 to 4 */
    u8 misc;
    u8 crtc[25];
    u8 attribute[20];
    u8 graphics[9];
};

#define PARAMETER_BYTES 64
#define MODE_800_16 0x6a /* VBE 102h */
#define VBE_MODE 0x7f /* in the BIOS data area while a VBE mode is set */

extern const struct parameters parameter_table[];
extern const struct mode vbe_mode_text;

const struct mode *find_mode(u8 number);
const struct mode *current_mode(void);
int set_mode(u8 number, int keep);
void load_registers(u16 segment, u16 at);
void set_vectors(void);
u16 text_segment(void);

#endif
