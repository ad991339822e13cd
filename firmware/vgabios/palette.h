/* Attribute controller and DAC: AH=0Bh and AH=10h. */
#ifndef PALETTE_H
#define PALETTE_H

#include "types.h"

void load_dac(u8 table);
void grey_dac(u16 first, u16 count);
void read_dac(u8 number, __seg_gs u8 *rgb);
void write_attribute(u8 index, u8 value);
u8 read_attribute(u8 index);
void set_cga_fields(u8 mode);
void cga_palette_service(Regs r);
void palette_service(Regs r);

#endif
