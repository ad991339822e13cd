/* The dispi registers of the standard VGA, and where its linear memory is.
 *
 * Source   Bochs VBE display API, versions B0C0 to B0C5; QEMU's specification "standard VGA"; PCI Local Bus 2.1,
 *          3.7.4.1 (configuration mechanism 1) and 6.2.5.1 (base addresses)
 */
#include "dispi.h"
#include "results.h"

#define DISPI_ID_MASK 0xfff0
#define DISPI_ID_VALUE 0xb0c0
#define PCI_ADDRESS 0xcf8
#define PCI_DATA 0xcfc
#define PCI_ENABLE 0x80000000
#define STANDARD_VGA 0x11111234 /* device and vendor */
#define PCI_BAR_0 0x10
#define MEMORY_IF_UNKNOWN 0x400000

int have_dispi(void)
{
    return (read_dispi(DISPI_ID) & DISPI_ID_MASK) == DISPI_ID_VALUE;
}

void read_limits(__seg_gs struct limits *limits)
{
    u16 enable = read_dispi(DISPI_ENABLE), blocks;
    write_dispi(DISPI_ENABLE, enable | DISPI_LIMITS | DISPI_NO_CLEAR);
    limits->x = read_dispi(DISPI_X);
    limits->y = read_dispi(DISPI_Y);
    limits->bpp = read_dispi(DISPI_BPP);
    write_dispi(DISPI_ENABLE, enable);
    blocks = read_dispi(DISPI_MEMORY);
    limits->memory = blocks ? (u32)blocks << 16 : MEMORY_IF_UNKNOWN;
}

void disable_dispi(void)
{
    write_dispi(DISPI_ENABLE, 0);
}

/* 4 bits per pixel: of one plane. */
u32 line_bytes(u16 bpp, u16 width)
{
    return bpp == 4 ? width >> 3 : (u32)width * ((bpp + 7) >> 3);
}

void save_dispi(u16 segment, u16 at)
{
    for (u8 i = 1; i <= DISPI_SAVED; i++, at += 2)
        store16(segment, at, read_dispi(i));
}

void restore_dispi(u16 segment, u16 at)
{
    u16 enable = peek16(segment, at + 2 * (DISPI_ENABLE - 1));
    write_dispi(DISPI_ENABLE, 0);
    for (u8 i = DISPI_X; i <= DISPI_BPP; i++)
        write_dispi(i, peek16(segment, at + 2 * (i - 1)));
    if (!(enable & DISPI_ENABLED))
        return;
    write_dispi(DISPI_ENABLE, enable | DISPI_NO_CLEAR);
    for (u8 i = DISPI_BANK; i <= DISPI_Y_OFFSET; i++)
        if (i != DISPI_VIRTUAL_Y)
            write_dispi(i, peek16(segment, at + 2 * (i - 1)));
    write_dispi(DISPI_ENABLE, enable);
}

/* -- the PCI function ------------------------------------------------------------------------------------ */

/* Written while the ROM is started: a PCI ROM lies in RAM then. The second number keeps the sum of the bytes. */
extern volatile u32 pci_function, pci_function_balance;

static u32 read_config(u32 function, u8 offset)
{
    u32 before = in32(PCI_ADDRESS), value;
    out32(PCI_ADDRESS, function | offset);
    value = in32(PCI_DATA);
    out32(PCI_ADDRESS, before);
    return value;
}

static u32 byte_sum(u32 value)
{
    return value + (value >> 8) + (value >> 16) + (value >> 24);
}

void remember_pci_function(u16 function)
{
    u32 address = PCI_ENABLE | (u32)function << 8;
    if (pci_function == 0) /* the ISA image has 1 there */
        if (read_config(address, 0) == STANDARD_VGA) {
            pci_function = address;
            if (pci_function == address)
                pci_function_balance = -byte_sum(address) & 0xff;
        }
}

/* 0: none. The address is asked for each time, because an operating system may move it. */
u32 linear_memory(void)
{
    u32 function = pci_function;
    if (function == 1)
        return 0;
    if (function == 0) { /* the ROM could not be written to: the first such card is ours */
        for (function = PCI_ENABLE; function < (PCI_ENABLE | 0x10000); function += 0x800)
            if (read_config(function, 0) == STANDARD_VGA)
                break;
        if (function == (PCI_ENABLE | 0x10000))
            return 0;
    }
    return read_config(function, PCI_BAR_0) & ~0x0fu;
}
