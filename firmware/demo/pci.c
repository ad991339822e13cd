/* The PCI bus: what is on it.

   Source   PCI Local Bus Specification 2.1, 3.7.4.1 (configuration mechanism #1) and 6.1 (header);
            PCI-to-PCI Bridge Architecture 1.1, 3.2 (bus numbers) */

#include "demo.h"

enum { ADDRESS = 0xCF8, DATA = 0xCFC, ENABLE = 0x80000000 };
enum { ID = 0, CLASS = 8, HEADER = 0x0C, BUSES = 0x18, BRIDGE = 1, MULTIFUNCTION = 0x80, BUS_LIMIT = 16 };

int pci_present(void)
{
    u32 before = in32(ADDRESS);
    out32(ADDRESS, ENABLE);
    int present = in32(ADDRESS) == ENABLE;
    out32(ADDRESS, before);
    return present;
}

u32 pci_read(u32 function, u32 offset)
{
    out32(ADDRESS, ENABLE | function << 8 | offset);
    return in32(DATA);
}

/* Call *visit* for each function until it returns something; buses behind bridges come after bus 0. */
static u32 each_function(u32 (*visit)(u32 function, void *with), void *with)
{
    u8 buses[BUS_LIMIT] = {0};
    u32 count = 1;
    for (u32 i = 0; i < count; i++)
        for (u32 device = 0; device < 32; device++)
            for (u32 number = 0, functions = 1; number < functions; number++) {
                u32 function = (u32)buses[i] << 8 | device << 3 | number;
                u32 id = pci_read(function, ID);
                if ((id & 0xFFFF) == 0xFFFF || !id)
                    continue;
                u8 header = pci_read(function, HEADER) >> 16;
                if (header & MULTIFUNCTION)
                    functions = 8;
                u8 below = pci_read(function, BUSES) >> 8;
                if ((header & 0x7F) == BRIDGE && below > buses[i] && count < BUS_LIMIT)
                    buses[count++] = below;
                u32 found = visit(function, with);
                if (found)
                    return found;
            }
    return 0;
}

static u32 matches(u32 function, void *id) { return pci_read(function, ID) == *(u32 *)id ? function + 1 : 0; }

int pci_find(u32 id) { return pci_present() ? (int)each_function(matches, &id) - 1 : -1; }

static u32 report_function(u32 function, void *report)
{
    struct report *r = report;
    u32 id = pci_read(function, ID);
    new_line(r);
    put_hex(r, function >> 8, 2);
    put(r, ":");
    put_hex(r, function >> 3 & 31, 2);
    put(r, ".");
    put_hex(r, function & 7, 1);
    put(r, " ");
    put_hex(r, id, 4);
    put(r, ":");
    put_hex(r, id >> 16, 4);
    put(r, " ");
    put(r, pci_name(id, pci_read(function, CLASS) >> 16));
    return 0;
}

void report_pci(struct report *r)
{
    if (pci_present())
        each_function(report_function, r);
    else {
        new_line(r);
        put(r, "There is no PCI bus, only ISA.");
    }
}
