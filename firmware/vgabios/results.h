/* Values in the caller's memory. */
#ifndef RESULTS_H
#define RESULTS_H

#include "types.h"

void store16(u16 segment, u16 at, u16 value);
void store32(u16 segment, u16 at, u32 value);

#endif
