/* The keyboard of a PC: scan codes (set 1, as the 8042 translates them) to characters of a US keyboard.

   Source   IBM PS/2 technical reference, keyboard scan code set 1, BIOS data area 40:1A to 40:3D (keys that were
            typed early: circular, a word each, head and tail relative to 40:0); Intel 8042 as the PC/AT wires it */

#include "demo.h"

enum { DATA = 0x60, STATUS = 0x64, FULL = 0x01, FROM_MOUSE = 0x20 };
enum { BIOS_DATA = 0x400, HEAD = 0x41A, TAIL = 0x41C, FIRST = 0x1E, END = 0x3E };
enum { LEFT_SHIFT = 0x2A, RIGHT_SHIFT = 0x36, RELEASED = 0x80, EXTENDED = 0xE0 };

static const char plain[] = "\0\0331234567890-=\b\tqwertyuiop[]\n\0asdfghjkl;'`\0\\zxcvbnm,./\0*\0 ";
static const char shifted[] = "\0\033!@#$%^&*()_+\b\tQWERTYUIOP{}\n\0ASDFGHJKL:\"~\0|ZXCVBNM<>?\0*\0 ";

void keyboard_interrupt(void)
{
    static u8 shift, extended;
    while (in8(STATUS) & FULL) {
        u8 from_mouse = in8(STATUS) & FROM_MOUSE, code = in8(DATA), key = code & ~RELEASED;
        if (from_mouse)
            continue;
        if (code == EXTENDED) {
            extended = 1;
            continue;
        }
        if (!extended && (key == LEFT_SHIFT || key == RIGHT_SHIFT))
            shift = !(code & RELEASED);
        else if (!(code & RELEASED)) {
            char c = !extended && key < sizeof plain - 1 ? (shift ? shifted : plain)[key] : 0;
            post_event(FROM_KEYBOARD, code, c);
        }
        extended = 0;
    }
}

void keyboard_start(void)
{
    volatile u16 *head = (volatile u16 *)HEAD, *tail = (volatile u16 *)TAIL;
    for (u32 n = 0; n < (END - FIRST) / 2 && *head != *tail; n++) {
        if (*head < FIRST || *head >= END)
            return;
        u16 key = *(volatile u16 *)(BIOS_DATA + *head);
        post_event(FROM_KEYBOARD, key >> 8, key);
        *head = *head + 2 == END ? FIRST : *head + 2;
    }
}
