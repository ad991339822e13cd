/* Setting modes: AH=00h, the start of the card, and where its tables are.
 *
 * Source   IBM PS/2 Hardware Interface Technical Reference, Video Subsystems (1992), "Programming considerations";
 *          IBM PS/2 and PC BIOS Interface Technical Reference, int 10h and the video save pointer table
 */
#include "modes.h"
#include "dispi.h"
#include "fonts.h"
#include "palette.h"
#include "ports.h"
#include "text.h"
#include "vbe.h"

/* Where the tables of the ROM are, for programs that replace some of them: seven far pointers each. Their
 * segments are those of a video BIOS at C0000. */
struct secondary_table {
    u16 bytes;
    struct far display_combination, second_font, user_palette, reserved[3];
} __attribute__((packed));

/* Display combination codes: one pair an entry. 07h: VGA with monochrome monitor, 08h: with colour monitor. */
static const struct {
    u8 entries, version, highest, reserved;
    u8 pair[16][2];
} combinations = {16, 1, 8, 0, {{0, 0}, {0, 1}, {0, 2}, {2, 1}, {0, 4}, {4, 1}, {0, 5}, {2, 5}, {0, 6}, {6, 1}, {6, 5},
                                {0, 8}, {8, 1}, {0, 7}, {7, 2}, {7, 6}}};

#define ROM_SEGMENT 0xc000
#define FAR_TO(object) {.offset = (u16)0, .segment = ROM_SEGMENT}

extern const struct far save_table[7]; /* in header.S: the linker fills the offsets in */
extern const u8 combination_table[] __attribute__((alias("combinations_bytes")));
