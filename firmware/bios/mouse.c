/* Int 15h function C2h and IRQ 12: the PS/2 mouse.

   Source   IBM PS/2 and PC BIOS Interface Technical Reference, int 15h function C2h; MEMORY.LST, EBDA 22h-2Fh */

#include "bios.h"

enum { EBDA_HANDLER = 0x22, EBDA_INDEX = 0x26, EBDA_FLAGS = 0x27, EBDA_DATA = 0x28 };
enum { HANDLER_SET = 0x80, INDEX_MASK = 7 };
enum { BAD_FUNCTION = 1, BAD_INPUT = 2, INTERFACE_ERROR = 3, NO_HANDLER = 5 };
enum { OUTPUT_FULL = 0x01, INPUT_FULL = 0x02, FROM_MOUSE = 0x20 };

static int input_empty(void)
{
    for (u32 tries = 0; tries < 0x4000; tries++)
        if (!(inb(0x64) & INPUT_FULL))
            return 1;
    return 0;
}

static int receive(u8 *byte)
{
    struct timer t;
    timer_start(&t);
    do {
        u8 status = inb(0x64);
        if (status & OUTPUT_FULL) {
            u8 value = inb(0x60);
            if (status & FROM_MOUSE) {
                *byte = value;
                return 1;
            }
        }
    } while (!timer_expired(&t, 500));
    return 0;
}

static u8 command_byte(void)
{
    u8 value = 0;
    if (input_empty())
        outb(0x64, 0x20);
    for (u32 tries = 0; tries < 0x4000; tries++)
        if ((inb(0x64) & (OUTPUT_FULL | FROM_MOUSE)) == OUTPUT_FULL) {
            value = inb(0x60);
            break;
        }
    return value;
}

static void set_command_byte(u8 value)
{
    if (input_empty())
        outb(0x64, 0x60);
    if (input_empty())
        outb(0x60, value);
}

/* Sends a byte to the mouse and takes its acknowledge and *answers* more. */
static int mouse_command(u8 command, u8 *answer, u32 answers)
{
    u8 reply;
    if (!input_empty())
        return 0;
    outb(0x64, 0xD4);
    if (!input_empty())
        return 0;
    outb(0x60, command);
    if (!receive(&reply) || reply != 0xFA)
        return 0;
    while (answers--)
        if (!receive(answer++))
            return 0;
    return 1;
}

/* Runs a command with the mouse's interrupt off, so that we see the answers. */
static int quiet_command(u8 command, int parameter, u8 *answer, u32 answers)
{
    u8 mode = command_byte();
    set_command_byte((mode & ~0x22) | 0x01);
    int good = mouse_command(command, answer, parameter < 0 ? answers : 0);
    if (good && parameter >= 0)
        good = mouse_command(parameter, answer, answers);
    set_command_byte(mode & ~0x20);
    return good;
}

static void enable_interrupt(int on)
{
    u8 mode = command_byte() & ~0x22;
    set_command_byte(on ? mode | 2 : mode);
    if (on) {
        outb(0xA1, inb(0xA1) & ~0x10);
        outb(0x21, inb(0x21) & ~0x04);
    }
}

void mouse_services(struct regs *r)
{
    static const u8 rates[] = {10, 20, 40, 60, 80, 100, 200};
    u16 ebda = BDA16(BDA_EBDA);
    u8 answer[3], good = 1, status = INTERFACE_ERROR;
    set_fs(ebda);
    u8 flags = FAR8(EBDA_FLAGS);
    switch (r->al) {
    case 0:
        if (r->bh > 1) {
            good = 0;
            status = BAD_INPUT;
        } else if (r->bh && !(flags & HANDLER_SET)) {
            good = 0;
            status = NO_HANDLER;
        } else {
            good = quiet_command(r->bh ? 0xF4 : 0xF5, -1, answer, 0);
            enable_interrupt(r->bh && good);
        }
        break;
    case 1:
        good = quiet_command(0xFF, -1, answer, 2);
        if (good) {
            r->bl = answer[0];
            r->bh = answer[1];
        }
        break;
    case 2:
        good = r->bh < ARRAY_SIZE(rates);
        status = BAD_INPUT;
        if (good) {
            good = quiet_command(0xF3, rates[r->bh], answer, 0);
            status = INTERFACE_ERROR;
        }
        break;
    case 3:
        good = r->bh < 4;
        status = BAD_INPUT;
        if (good) {
            good = quiet_command(0xE8, r->bh, answer, 0);
            status = INTERFACE_ERROR;
        }
        break;
    case 4:
        good = quiet_command(0xF2, -1, answer, 1);
        if (good)
            r->bh = answer[0];
        break;
    case 5:
        if (!r->bh || r->bh > 8) {
            good = 0;
            status = BAD_INPUT;
            break;
        }
        set_fs(ebda);
        FAR8(EBDA_FLAGS) = (flags & ~INDEX_MASK) | (r->bh - 1);
        FAR8(EBDA_INDEX) = 0;
        good = quiet_command(0xFF, -1, answer, 2);
        if (good) {
            r->bl = answer[0];
            r->bh = answer[1];
        }
        break;
    case 6:
        if (r->bh == 0) {
            good = quiet_command(0xE9, -1, answer, 3);
            if (good) {
                r->bl = answer[0];
                r->cl = answer[1];
                r->dl = answer[2];
            }
        } else if (r->bh == 1 || r->bh == 2)
            good = quiet_command(r->bh == 1 ? 0xE6 : 0xE7, -1, answer, 0);
        else {
            good = 0;
            status = BAD_INPUT;
        }
        break;
    case 7:
        set_fs(ebda);
        FAR16(EBDA_HANDLER) = r->bx;
        FAR16(EBDA_HANDLER + 2) = r->es;
        FAR8(EBDA_FLAGS) = r->es || r->bx ? flags | HANDLER_SET : flags & ~HANDLER_SET;
        if (!(r->es || r->bx))
            enable_interrupt(0);
        break;
    default:
        good = 0;
        status = BAD_FUNCTION;
    }
    if (!good) {
        fail(r, status);
        return;
    }
    r->ah = 0;
    ok(r);
}

/* A complete packet goes to the handler on the stack: status, X, Y, Z as words. */
static void call_handler(u16 segment, u32 handler, u32 size)
{
    u16 packet[4];
    set_fs(segment);
    packet[3] = FAR8(EBDA_DATA);
    packet[2] = FAR8(EBDA_DATA + 1);
    packet[1] = FAR8(EBDA_DATA + 2);
    packet[0] = size > 3 ? FAR8(EBDA_DATA + 3) : 0;
    call_with_words(handler, packet);
}

void irq12(struct regs *unused)
{
    (void)unused;
    u8 status = inb(0x64);
    if ((status & (OUTPUT_FULL | FROM_MOUSE)) == (OUTPUT_FULL | FROM_MOUSE)) {
        u16 ebda = BDA16(BDA_EBDA);
        u8 byte = inb(0x60);
        set_fs(ebda);
        u8 flags = FAR8(EBDA_FLAGS), index = FAR8(EBDA_INDEX) & INDEX_MASK;
        if (flags & HANDLER_SET) {
            FAR8(EBDA_DATA + index) = byte;
            if (index < (flags & INDEX_MASK))
                FAR8(EBDA_INDEX) = index + 1;
            else {
                FAR8(EBDA_INDEX) = 0;
                u32 handler = FAR32(EBDA_HANDLER);
                eoi(12);
                call_handler(ebda, handler, (flags & INDEX_MASK) + 1);
                return;
            }
        }
    }
    eoi(12);
}
