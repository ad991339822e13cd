/* Chips of the main board at power-on: interrupt controllers, timer, DMA, keyboard controller, ports, APIC.

   Source   8259A, 8254, 8237A data sheets; IBM PC/AT Technical Reference (keyboard controller, 14 CMOS);
            PC16550D data sheet; MultiProcessor Specification 1.4, 3.6.2.2 (virtual wire) */

#include "post.h"

extern u8 b16_serial_console_input[];

u8 apic_present;

static void interrupts(void)
{
    outb(0x20, 0x11);
    outb(0xA0, 0x11);
    outb(0x21, 0x08);
    outb(0xA1, 0x70);
    outb(0x21, 0x04);
    outb(0xA1, 0x02);
    outb(0x21, 0x01);
    outb(0xA1, 0x01);
    outb(0x21, 0xB8);                           /* timer, keyboard, cascade, floppy */
    outb(0xA1, 0x8E);                           /* clock, mouse, coprocessor, first IDE channel */
}

static void timer(void)
{
    outb(0x43, 0x34);                           /* channel 0: rate generator, 65536 */
    outb(0x40, 0);
    outb(0x40, 0);
    outb(0x43, 0x54);                           /* channel 1: refresh */
    outb(0x41, 18);
}

static void dma(void)
{
    outb(0x0D, 0);
    outb(0xDA, 0);
    outb(0xD6, 0xC0);                           /* the first controller hangs on channel 4 */
    outb(0xD4, 0);
}

/* Local APIC: the PIC's interrupts pass through LINT0, NMI through LINT1. */
static void apic(void)
{
    u32 a, b, c, d, low, high;
    asm volatile("cpuid" : "=a"(a), "=b"(b), "=c"(c), "=d"(d) : "a"(1));
    if (!(d & 1 << 9) || !(d & 1 << 5))
        return;
    asm volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(0x1B));
    if (!(low & 0x800))
        return;
    apic_present = 1;
    POKE32(0xFEE000F0, 0x1FF);
    POKE32(0xFEE00350, 0x700);
    POKE32(0xFEE00360, 0x400);
}

static int cpu_has_cpuid(void)
{
    u32 before, after;
    asm volatile("pushfl; popl %0; movl %0, %1; xorl $0x200000, %0; pushl %0; popfl; pushfl; popl %0; pushl %1; popfl"
                 : "=&r"(after), "=&r"(before));
    return (before ^ after) >> 21 & 1;
}

static int wait_status(u8 mask, u8 value)
{
    for (u32 tries = 0; tries < 0x8000; tries++)
        if ((inb(0x64) & mask) == value)
            return 1;
    return 0;
}

void keyboard_init(void)
{
    for (int i = 0; i < 16 && inb(0x64) & 1; i++)
        inb(0x60);
    if (!wait_status(2, 0))
        return;
    outb(0x64, 0x60);
    if (!wait_status(2, 0))
        return;
    outb(0x60, 0x65);                           /* interrupt 1, translation; the mouse waits for int 15h */
    if (!wait_status(2, 0))
        return;
    outb(0x64, 0xAE);
    if (!wait_status(2, 0))
        return;
    outb(0x60, 0xF4);
    if (wait_status(1, 1))
        inb(0x60);
}

static void serial_and_parallel(void)
{
    static const u16 serial[] = {0x3F8, 0x2F8, 0x3E8, 0x2E8}, parallel[] = {0x378, 0x278, 0x3BC};
    u32 serials = 0, parallels = 0;
    for (u32 i = 0; i < ARRAY_SIZE(serial); i++) {
        outb(serial[i] + 1, 0x02);
        if (inb(serial[i] + 1) == 0x02 && (inb(serial[i] + 2) & 0x3F) == 0x02) {
            outb(serial[i] + 1, 0);
            POKE16(BDA_BASE + serials * 2, serial[i]);
            POKE8(BDA_BASE + 0x7C + serials++, 1);
        }
    }
    for (u32 i = 0; i < ARRAY_SIZE(parallel); i++) {
        outb(parallel[i], 0xAA);
        if (inb(parallel[i]) == 0xAA) {
            POKE16(BDA_BASE + 0x08 + parallels * 2, parallel[i]);
            POKE8(BDA_BASE + 0x78 + parallels++, 20);
        }
    }
    u16 equipment = PEEK16(BDA_BASE + 0x10) & ~0xCE00;
    POKE16(BDA_BASE + 0x10, equipment | serials << 9 | parallels << 14);
}

static void floppies(void)
{
    u8 types = cmos_read(0x10), found = 0;
    for (u8 unit = 0; unit < 2; unit++) {
        u8 type = unit ? types & 15 : types >> 4;
        floppy_map[unit] = 0xFF;
        if (type < 1 || type > 5)
            continue;
        drives[unit].kind = DRIVE_FLOPPY;
        drives[unit].unit = unit;
        drives[unit].floppy_type = type;
        drives[unit].removable = 1;
        floppy_map[unit] = unit;
        POKE8(BDA_BASE + 0x8F, PEEK8(BDA_BASE + 0x8F) | 7 << unit * 4);    /* its properties are known */
        found++;
    }
    u16 equipment = PEEK16(BDA_BASE + 0x10) & ~0x00C1;
    POKE16(BDA_BASE + 0x10, equipment | (found ? 1 | (found - 1) << 6 : 0));
}

/* A byte that came before power-on is a key already: to switch the FIFO on would throw it away. */
static void serial_console_init(void)
{
    serial_console = fw_file_number("etc/sercon-port", 0);
    if (!serial_console && fw_number(FW_NO_GRAPHICS))
        serial_console = 0x3F8;
    if (!serial_console)
        return;
    outb(serial_console + 3, 0x83);
    outb(serial_console, 1);
    outb(serial_console + 1, 0);
    outb(serial_console + 3, 0x03);
    outb(serial_console + 4, 0x03);
    if (inb(serial_console + 5) & 1)
        call16(b16_serial_console_input, 0);
    outb(serial_console + 2, 0x01);
}

u32 cpu_count(void)
{
    u32 count = fw_number(FW_CPUS);
    return count ? count : 1;
}

void platform_init(void)
{
    outb(0x92, (inb(0x92) & 0xFC) | 2);         /* A20 */
    interrupts();
    timer();
    dma();
    cmos_write(0x0A, 0x26);
    cmos_write(0x0B, 0x02);
    cmos_read(0x0C);
    cmos_write(0x0F, 0);
    if (cpu_has_cpuid())
        apic();
    serial_and_parallel();
    floppies();
    serial_console_init();
}
