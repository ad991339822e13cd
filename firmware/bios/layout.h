/* Where everything lies in the 128 KiB that the BIOS occupies below 1 MiB.

   Source   82441FX data sheet 290549, 3.2.14: PAM switches E0000-EFFFF in pieces of 16 KiB, F0000 as a whole

   E0000    power-on code, 32-bit, and what it needs (POST_LIMIT bytes)
   EA000    constants of the 16-bit services
   EC000    variables, then the stack that grows down from F0000: the only part that stays writable
   F0000    16-bit services; behind them tables for the operating system up to TABLES_END; fixed entries

   The 16-bit half runs with CS = F000 and DS = ES = SS = E000; the 32-bit half is linked at its flat address. */
#ifndef LAYOUT_H
#define LAYOUT_H

#define SEG_CODE 0xF000
#define SEG_DATA 0xE000
#define DATA_BASE 0xE0000
#define CODE_BASE 0xF0000
#define STACK_TOP 0xFFF0        /* in SEG_DATA */
#define TABLES_END 0xE6F0       /* in SEG_CODE */
#define STACK_GAP 384           /* left below the stack pointer for code that we call or that interrupts us */

#define EBDA_SEGMENT 0x9FC0
#define ROM_START 0xC0000       /* option ROMs */
#define ROM_LIMIT 0xE0000

/* Selectors of the table in entry.S */
#define SEL_CODE32 0x08
#define SEL_DATA32 0x10
#define SEL_CODE16 0x18
#define SEL_DATA16 0x20

#endif
