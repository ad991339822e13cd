/* The 16-bit half: registers of the caller, far memory, the BIOS data area.

   Source   IBM PC/AT Technical Reference (BIOS data area); Ralf Brown's Interrupt List, MEMORY.LST

   GS holds 0040 in every handler. FS is free: set_fs() points it somewhere, and the FAR macros use it.
   Interrupts are off except in wait_a_bit() and in what we call. */
#ifndef BIOS_H
#define BIOS_H

#include "layout.h"
#include "types.h"
#include "shared.h"

#define REG(name) union { u32 e##name##x; u16 name##x; struct { u8 name##l, name##h; }; }

struct regs {
    u16 gs, fs, es, ds;
    union { u32 edi; u16 di; };
    union { u32 esi; u16 si; };
    union { u32 ebp; u16 bp; };
    u32 unused;
    REG(b); REG(d); REG(c); REG(a);
    u16 flags, pad;
    u32 caller_sp, caller_ss;
};

enum { CF = 0x01, ZF = 0x40, IF = 0x200 };

static inline void fail(struct regs *r, u8 ah) { r->ah = ah; r->flags |= CF; }
static inline void ok(struct regs *r) { r->flags &= ~CF; }

/* entry.S */
void call_interrupt(struct regs *r, u32 segment_offset);   /* PUSHF, CALL FAR */
void call_vector(struct regs *r, u8 vector);       /* INT */
void call_far(struct regs *r, u32 segment_offset); /* CALL FAR; r->ax, bx, ... in and out */
void boot_jump(u32 segment_offset, u32 dl);        /* to a boot sector with a fresh stack */
void boot_vector(u32 segment_offset);               /* to a ROM's boot entry; it comes back through int 18h */
u32 call32(u32 flat, u32 argument);                /* a function of the 32-bit half */
void wait_a_bit(void);                             /* let interrupts in */
void wait_interrupt(void);                         /* sleep until one comes */

extern u8 pnp_header[], configuration[];            /* entry.S, in the code segment */

/* far memory */
static inline void set_fs(u16 segment) { asm volatile("movw %0, %%fs" : : "r"(segment) : "memory"); }
#define FAR8(offset) (*(volatile u8 __seg_fs *)(u32)(u16)(offset))
#define FAR16(offset) (*(volatile u16 __seg_fs *)(u32)(u16)(offset))
#define FAR32(offset) (*(volatile u32 __seg_fs *)(u32)(u16)(offset))
#define FAR64(offset) (*(volatile u64 __seg_fs *)(u32)(u16)(offset))
void far_copy_to(u16 segment, u16 offset, const void *from, u32 count);
void far_copy_from(void *to, u16 segment, u16 offset, u32 count);
void far_insw(u16 port, u16 segment, u16 offset, u32 words);
void far_outsw(u16 port, u16 segment, u16 offset, u32 words);

/* BIOS data area, through GS */
#define BDA8(offset) (*(volatile u8 __seg_gs *)(u32)(offset))
#define BDA16(offset) (*(volatile u16 __seg_gs *)(u32)(offset))
#define BDA32(offset) (*(volatile u32 __seg_gs *)(u32)(offset))
enum {
    BDA_COM = 0x00, BDA_LPT = 0x08, BDA_EBDA = 0x0E, BDA_EQUIPMENT = 0x10, BDA_MEMORY = 0x13,
    BDA_SHIFT = 0x17, BDA_SHIFT2 = 0x18, BDA_ALT_NUMBER = 0x19, BDA_KEY_HEAD = 0x1A, BDA_KEY_TAIL = 0x1C,
    BDA_RECALIBRATED = 0x3E, BDA_MOTOR = 0x3F, BDA_MOTOR_TIMEOUT = 0x40, BDA_FLOPPY_STATUS = 0x41,
    BDA_FLOPPY_RESULT = 0x42, BDA_VIDEO_MODE = 0x49, BDA_COLUMNS = 0x4A, BDA_CURSOR = 0x50, BDA_PAGE = 0x62,
    BDA_TICKS = 0x6C, BDA_MIDNIGHT = 0x70, BDA_BREAK = 0x71, BDA_WARM = 0x72, BDA_DISK_STATUS = 0x74,
    BDA_DISKS = 0x75, BDA_LPT_TIMEOUT = 0x78, BDA_COM_TIMEOUT = 0x7C, BDA_KEY_START = 0x80, BDA_KEY_END = 0x82,
    BDA_ROWS = 0x84, BDA_FLOPPY_RATE = 0x8B, BDA_FLOPPY_MEDIA = 0x90, BDA_FLOPPY_TRACK = 0x94, BDA_KEY_MODE = 0x96,
    BDA_LEDS = 0x97, BDA_WAIT_FLAG = 0x98, BDA_WAIT_COUNT = 0x9C, BDA_WAIT_ACTIVE = 0xA0,
};

/* library16.c */
void *memcpy(void *to, const void *from, u32 count);
void *memset(void *to, int value, u32 count);
int in_protected_mode(void);                        /* we run in virtual 8086 mode */
struct timer { u32 elapsed; u16 last; };
void timer_start(struct timer *t);
int timer_expired(struct timer *t, u32 ms);         /* call it more often than every 50 ms */

/* printing, print.c */
void put_char(char c);
void print(const char *text);
void print_number(u32 n);
void print_address(u32 n);

/* disk.c and its drivers: 0, or the status that int 13h returns in AH */
enum { OP_READ, OP_WRITE, OP_VERIFY };
struct transfer {
    u8 drive, op;
    u64 lba;
    u32 count;                  /* sectors left */
    u16 segment, offset;
    u32 done;                   /* sectors moved */
};
u8 drive_transfer(struct transfer *t);
u8 ata_transfer(struct drive *d, struct transfer *t);
u8 cd_transfer(struct drive *d, struct transfer *t);
u8 image_transfer(struct drive *d, struct transfer *t);
u8 atapi_command(struct drive *d, const u8 *packet, u16 segment, u16 offset, u32 bytes, u32 *moved);
u8 cd_ready(struct drive *d);                       /* 0: a medium is there, d->total is set */
void floppy_services(struct regs *r);
int cd_boot_image(u8 drive, u16 *segment, u8 *dl);  /* 0: loaded; else prints why not */
void emulation_services(struct regs *r);
void end_emulation(void);
u8 emulation_active(void);                          /* 0, 1 floppy, 2 hard disk */
int emulation_drive(u8 dl);                         /* drives[] index of the emulated drive, or -1 */
u8 emulation_shift(u8 dl);                          /* what dl means without it */
int int13_drive(u8 dl);                             /* index into drives[], -1: none */
void disk_probe(void);
void fixed_disk_tables(void);                       /* what vectors 41h and 46h point to, for drives 80h and 81h */

/* others */
void event_wait(struct regs *r);
void delay(struct regs *r);
void clock_set_ticks(void);
int key_available(void);
u16 key_read(void);
int key_store(u16 key);
void console_poll(void);
void console_put(u8 c);
void mouse_services(struct regs *r);
void rom_call(u32 segment_offset);                  /* as Plug and Play says */
void call_with_words(u32 segment_offset, const u16 words[4]);   /* far call, words[3] pushed first */
void pci_services(struct regs *r, u32 buses);
void apm_services(struct regs *r);
void serial_console_input(void);
void a20_set(int on);
int a20_get(void);
void eoi(int irq);

#endif
