/* What power-on finds out and the services use.

   Source   as in shared.h */

#include "shared.h"

struct e820 e820_map[MAX_E820];
u32 e820_count, low_memory_end, pci_entry_32, post_pmm;
u16 serial_console, ide_bus_master, ide_bdf, power_port, pir_table, pir_length, rom_bdf;
u8 has_vga, has_pci, last_bus;
