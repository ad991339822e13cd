/* The list of VBE modes. */
#ifndef VBE_MODES_H
#define VBE_MODES_H

#include "dispi.h"
#include "vbe.h"

const struct vbe_mode *find_vbe_mode(u16 number, __seg_gs struct limits *limits);
extern void vbe_window_function(void);

#endif
