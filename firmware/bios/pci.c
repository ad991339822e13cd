/* PCI: finds all functions, numbers buses, gives addresses and interrupts; set-up of the PIIX chips.

   Source   PCI Local Bus Specification 2.1, 6.2.5 (base addresses), PCI-to-PCI Bridge Architecture 1.0;
            82371SB data sheet (290550), 82371AB data sheet (290562): PIRQ routing, IDE timing, PM and SMBus bases

   On each bus the largest ranges come first; a bridge's window follows its siblings. */

#include "post.h"

enum { COMMAND = 0x04, CLASS = 0x0A, HEADER = 0x0E, BAR0 = 0x10, ROM_BAR = 0x30, BRIDGE_ROM = 0x38, LINE = 0x3C, PIN = 0x3D };
enum { CMD_IO = 1, CMD_MEMORY = 2, CMD_MASTER = 4 };
enum { CLASS_IDE = 0x0101, CLASS_BRIDGE = 0x0604, CLASS_HOST = 0x0600, CLASS_ISA = 0x0601, CLASS_VGA = 0x0300 };
#define IO_FIRST 0xC000
#define IO_LIMIT 0x10000
#define MEMORY_LIMIT 0xFEC00000
#define PM_BASE 0xB000
#define SMBUS_BASE 0xB100

struct pci_device pci_devices[MAX_PCI];
u32 pci_count;
u16 bridge_bdf;
u8 bridge_found, pm_found;

static u32 io_next, memory_next;
static u64 wide_next;
static const u8 link_irqs[4] = {10, 10, 11, 11};

static void address(u16 bdf, u8 where) { outl(0xCF8, 0x80000000 | bdf << 8 | (where & 0xFC)); }
u32 pci_read(u16 bdf, u8 where) { address(bdf, where); return inl(0xCFC); }
u16 pci_read16(u16 bdf, u8 where) { address(bdf, where); return inw(0xCFC + (where & 2)); }
u8 pci_read8(u16 bdf, u8 where) { address(bdf, where); return inb(0xCFC + (where & 3)); }
void pci_write(u16 bdf, u8 where, u32 value) { address(bdf, where); outl(0xCFC, value); }
void pci_write16(u16 bdf, u8 where, u16 value) { address(bdf, where); outw(0xCFC + (where & 2), value); }
void pci_write8(u16 bdf, u8 where, u8 value) { address(bdf, where); outb(0xCFC + (where & 3), value); }

struct range { struct pci_device *device; u8 where, wide, io, bits; };      /* size: 1 << bits */
#define MAX_RANGES 96
#define LARGEST_BITS 63
#define LARGE_BITS 29           /* from here on above 4 GiB, where that can be */
#define PAGE_BITS 12
static struct range ranges[MAX_RANGES];

/* Size of a base address register: write ones, see which stay. Decoding is still off. */
static void measure(struct pci_device *d, u8 where, u32 *count)
{
    int rom = where == ROM_BAR || where == BRIDGE_ROM;
    address(d->bdf, where);
    outl(0xCFC, rom ? 0xFFFFF800 : 0xFFFFFFFF);
    u32 mask = inl(0xCFC);
    if (!mask || *count >= MAX_RANGES)
        return;
    outl(0xCFC, 0);
    if (mask == 0xFFFFFFFF)
        return;
    struct range *r = &ranges[*count];
    r->device = d;
    r->where = where;
    r->io = !rom && mask & 1;
    r->wide = !rom && (mask & 7) == 4;
    u32 wired = mask & (rom ? 0xFFFFF800 : r->io ? 0xFFFC : 0xFFFFFFF0);
    r->bits = 0;
    if (r->wide && !wired) {
        address(d->bdf, where + 4);
        outl(0xCFC, 0xFFFFFFFF);
        wired = inl(0xCFC);
        outl(0xCFC, 0);
        r->bits = 32;
    }
    if (!wired)
        return;
    r->bits += __builtin_ctz(wired);
    (*count)++;
}

static void place(struct range *r)
{
    u32 bits = r->bits, at, high = 0;
    if (r->io) {
        at = (io_next + (1 << bits) - 1) & -1u << bits;
        if (at + (1 << bits) > IO_LIMIT)
            return;
        io_next = at + (1 << bits);
    } else if (r->wide && bits >= LARGE_BITS) {
        u64 first = (wide_next + (1ull << bits) - 1) & -1ull << bits;
        wide_next = first + (1ull << bits);
        at = first;
        high = first >> 32;
    } else {
        if (bits < PAGE_BITS)
            bits = PAGE_BITS;
        at = (memory_next + (1u << bits) - 1) & -1u << bits;
        if (bits > 30 || at < memory_next || at > MEMORY_LIMIT - (1u << bits))
            return;
        memory_next = at + (1u << bits);
    }
    int rom = r->where == ROM_BAR;
    pci_write(r->device->bdf, r->where, at | rom);      /* ROMs can be read until roms.c has been there */
    if (rom)
        r->device->rom = (struct pci_rom){at, 1u << r->bits};
    if (high)
        pci_write(r->device->bdf, r->where + 4, high);
    r->device->command |= r->io ? CMD_IO : CMD_MEMORY;
}

/* The link (0-3) of a function's interrupt pin, through the bridges above it. */
static u8 link_of(u16 bdf, u8 pin, const u16 *parents)
{
    u32 turn = pin - 1 + (bdf >> 3 & 31);
    for (u8 bus = bdf >> 8; bus; ) {
        u16 bridge = parents[bus];
        turn = (turn & 3) + (bridge >> 3 & 31);
        bus = bridge >> 8;
    }
    return (turn - 1) & 3;
}

static u16 parents[256];

static void chip_setup(struct pci_device *d)
{
    switch (d->id) {
    case 0x70008086:                            /* PIIX3: links to interrupts 10 and 11, level triggered */
    case 0x71108086:
        bridge_bdf = d->bdf;
        bridge_found = 1;
        pci_write(d->bdf, 0x60, link_irqs[0] | link_irqs[1] << 8 | link_irqs[2] << 16 | link_irqs[3] << 24);
        outb(0x4D0, 0);
        outb(0x4D1, 0x0C);
        break;
    case 0x70108086:                            /* IDE: both channels answer at their old ports */
    case 0x71118086:
        pci_write(d->bdf, 0x40, 0x80008000);
        d->command |= CMD_IO | CMD_MASTER;
        ide_bus_master = pci_read(d->bdf, 0x20) & 0xFFF0;
        ide_bdf = d->bdf;
        break;
    case 0x71138086:                            /* PIIX4 power management */
        pci_write(d->bdf, 0x40, PM_BASE | 1);
        pci_write8(d->bdf, 0x80, 1);
        pci_write(d->bdf, 0x90, SMBUS_BASE | 1);
        pci_write8(d->bdf, 0xD2, 0x09);
        pci_write8(d->bdf, LINE, 9);
        power_port = PM_BASE + 4;
        pm_found = 1;
        break;
    }
}

static void scan_bus(u8 bus)
{
    u32 first = pci_count, count = 0;
    for (u32 devfn = 0; devfn < 256; devfn++) {
        u16 bdf = bus << 8 | devfn;
        u32 id = pci_read(bdf, 0);
        if ((id & 0xFFFF) == 0xFFFF || !(id & 0xFFFF)) {
            if (!(devfn & 7))
                devfn += 7;
            continue;
        }
        if (pci_count == MAX_PCI)
            break;
        struct pci_device *d = &pci_devices[pci_count++];
        d->bdf = bdf;
        d->command = 0;
        d->rom.size = 0;
        d->id = id;
        d->class = pci_read16(bdf, CLASS);
        d->header = pci_read8(bdf, HEADER);
        d->pin = pci_read8(bdf, PIN);
        if (d->class != CLASS_HOST && d->class != CLASS_ISA) {
            int bridge = d->class == CLASS_BRIDGE, bars = bridge ? 2 : (d->header & 0x7F) == 0 ? 6 : 0;
            for (int i = 0; i < bars; i++) {
                u32 before = count;
                if (d->class == CLASS_IDE && i < 4)
                    continue;                   /* old ports */
                measure(d, BAR0 + i * 4, &count);
                if (count > before && ranges[before].wide)
                    i++;
            }
            measure(d, bridge ? BRIDGE_ROM : ROM_BAR, &count);
        }
        if (!(devfn & 7) && !(d->header & 0x80))
            devfn += 7;
    }
    for (u32 bits = LARGEST_BITS; bits; bits--)
        for (u32 i = 0; i < count; i++)
            if (ranges[i].bits == bits)
                place(&ranges[i]);
    u32 end = pci_count;
    for (u32 i = first; i < end; i++) {
        struct pci_device *d = &pci_devices[i];
        if (d->pin >= 1 && d->pin <= 4)
            pci_write8(d->bdf, LINE, link_irqs[link_of(d->bdf, d->pin, parents)]);
        chip_setup(d);
        if (d->class == CLASS_VGA)
            d->command |= CMD_IO | CMD_MEMORY;  /* the old ports and A0000 */
        if (d->command)
            pci_write16(d->bdf, COMMAND, pci_read16(d->bdf, COMMAND) | d->command);
    }
    for (u32 i = first; i < end; i++) {
        struct pci_device *d = &pci_devices[i];
        if (d->class != CLASS_BRIDGE || last_bus == 255)
            continue;
        u8 below = ++last_bus;
        u16 b = d->bdf;
        parents[below] = b;
        pci_write(b, 0x18, bus | below << 8 | 0xFF << 16);
        io_next = (io_next + 0xFFF) & ~0xFFF;
        memory_next = (memory_next + 0xFFFFF) & ~0xFFFFF;
        u32 io = io_next, memory = memory_next;
        scan_bus(below);
        io_next = (io_next + 0xFFF) & ~0xFFF;
        memory_next = (memory_next + 0xFFFFF) & ~0xFFFFF;
        pci_write8(b, 0x1A, last_bus);
        pci_write16(b, 0x1C, io_next > io ? (io >> 8) | ((io_next - 1) & 0xF000) : 0x00F0);
        pci_write(b, 0x20, memory_next > memory ? memory >> 16 | ((memory_next - 1) & 0xFFF00000) : 0x0000FFF0);
        pci_write(b, 0x24, 0x0000FFF0);
        pci_write16(b, COMMAND, pci_read16(b, COMMAND) | CMD_IO | CMD_MEMORY | CMD_MASTER);
    }
}

void pci_init(void)
{
    outl(0xCF8, 0x80000000);
    if (inl(0xCF8) != 0x80000000 || (inl(0xCFC) & 0xFFFF) == 0xFFFF)
        return;
    has_pci = 1;
    io_next = IO_FIRST;
    memory_next = low_memory_end > 0xC0000000 ? (low_memory_end + 0xFFFFFF) & ~0xFFFFFF : 0xC0000000;
    wide_next = (high_memory_end + 0x3FFFFFFF) & ~0x3FFFFFFFull;
    scan_bus(0);
}
