/* AH=12h: alternate select, and AH=1Bh: functionality and state. */
#ifndef SELECT_H
#define SELECT_H

#include "types.h"

extern const u8 combinations[]; /* display combination table: 4 bytes, then pairs */

void select_service(Regs r);
void describe_state(Regs r);

#endif
