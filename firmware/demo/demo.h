/* What the parts of the demo guest know of each other.

   A report is some lines of text about one subject, made once and shown twice: in a panel of the screen and on the
   serial line. Sizes are in bytes unless a name says otherwise. */

#ifndef DEMO_H
#define DEMO_H

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

static inline void out8(u16 port, u8 value) { __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port)); }
static inline void out16(u16 port, u16 value) { __asm__ volatile("outw %0, %1" : : "a"(value), "Nd"(port)); }
static inline void out32(u16 port, u32 value) { __asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port)); }
static inline u8 in8(u16 port) { u8 v; __asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port)); return v; }
static inline u16 in16(u16 port) { u16 v; __asm__ volatile("inw %1, %0" : "=a"(v) : "Nd"(port)); return v; }
static inline u32 in32(u16 port) { u32 v; __asm__ volatile("inl %1, %0" : "=a"(v) : "Nd"(port)); return v; }

/* report.c */
#define REPORT_LINES 40
#define REPORT_COLUMNS 60
struct report {
    u32 count;                                  /* lines begun */
    char lines[REPORT_LINES][REPORT_COLUMNS + 1];
};
void new_line(struct report *r);
void put(struct report *r, const char *text);
void put_character(struct report *r, char c);
void put_hex(struct report *r, u32 value, u32 digits);
void put_number(struct report *r, u32 value, u32 width);
void put_size(struct report *r, u64 kib);       /* 8 columns: "  64 MiB" */
void put_padded(struct report *r, const char *text, u32 width);
u32 length(const char *text);
int same(const char *a, const char *b, u32 bytes);

/* screen.c: 80 columns, 25 rows, from 0 */
enum { COLUMNS = 80, ROWS = 25 };
enum look { PLAIN, DIM, BRIGHT, HEADING, TITLE, TITLE_DIM, KEY, KEY_TEXT, GOOD, WARNING };
void screen_start(void);
u32 screen_text(u32 column, u32 row, const char *text, u32 width, enum look look); /* column after it */
void screen_fill(u32 column, u32 row, u32 width, char c, enum look look);
void screen_panel(u32 column, u32 row, u32 width, u32 rows, const char *title);
void screen_cursor(u32 column, u32 row);

/* serial.c: COM1 */
void serial_start(void);                        /* with what has been received already */
void serial_put(const char *text);
void serial_character(char c);
void serial_interrupt(void);

/* interrupts.c */
enum { IRQ_KEYBOARD = 1, IRQ_CASCADE = 2, IRQ_COM1 = 4, IRQ_CLOCK = 8 };
enum { FROM_KEYBOARD, FROM_SERIAL, FROM_CLOCK };
struct event { u8 from, code; char character; };
void interrupts_start(void);
void interrupts_allow(u16 irqs);                /* a bit for each */
struct event next_event(void);                  /* sleeps until there is one */
void post_event(u8 from, u8 code, char character);

/* keyboard.c, clock.c */
void keyboard_start(void);                      /* with the keys that the BIOS has taken already */
void keyboard_interrupt(void);
void clock_start(void);
void clock_stop(void);
void clock_interrupt(void);
void clock_text(char *text);                    /* 19 characters: 2026-01-31 12:00:00 */

/* processor.c, memory.c, pci.c, drives.c: reports */
void report_processor(struct report *r, u32 width);
struct multiboot;
void report_memory(struct report *r, const struct multiboot *information);
void report_pci(struct report *r);
void report_drives(struct report *r);
int pci_present(void);
u32 pci_read(u32 function, u32 offset);         /* function: bus << 8 | device << 3 | function */
int pci_find(u32 id);                           /* a function, or -1 */
const char *pci_name(u32 id, u32 class);

/* power.c */
void power_off(void);                           /* comes back if the machine has no way */
void reboot(void);
const char *firmware_name(void);

/* What the loader hands over */
#define MULTIBOOT_MAGIC 0x2BADB002
struct multiboot {
    u32 flags, lower_kib, upper_kib, boot_device, line, module_count, modules, symbols[4], map_length, map;
};
enum { HAS_LINE = 4, HAS_MAP = 0x40 };

#endif
