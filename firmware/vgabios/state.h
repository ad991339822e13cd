/* Saving and restoring the card's state: AH=1Ch, and for VBE. */
#ifndef STATE_H
#define STATE_H

#include "types.h"

#define STATE_HARDWARE 0x01
#define STATE_BIOS 0x02
#define STATE_DAC 0x04
#define STATE_DISPI 0x08

u16 state_bytes(u8 parts);
void save_state(u8 parts, u16 segment, u16 at);
void restore_state(u8 parts, u16 segment, u16 at);
void state_service(Regs r);

#endif
