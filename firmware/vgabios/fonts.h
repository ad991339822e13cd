/* The character sets in ROM, and loading them: AH=11h. */
#ifndef FONTS_H
#define FONTS_H

#include "types.h"

extern const u8 font_8x8[], font_8x14[], font_8x16[];
extern const u8 font_9x14_changes[], font_9x16_changes[]; /* character, glyph; ...; 0 */

void load_rom_font(u8 height, u8 block);
void point_to_font(u8 height);
void font_service(Regs r);

#endif
