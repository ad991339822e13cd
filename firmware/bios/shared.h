/* What power-on (32-bit) and the services (16-bit) both know: variables in the writable part of segment E000.

   Source   BIOS Boot Specification 1.01 (boot entries); ATA/ATAPI-4 (drives); ACPI 1.0b, 14.1 (memory map) */
#ifndef SHARED_H
#define SHARED_H

#include "types.h"

enum { DRIVE_NONE, DRIVE_FLOPPY, DRIVE_ATA, DRIVE_ATAPI, DRIVE_CDIMAGE };

#define MAX_DRIVES 8            /* two floppies, four IDE units, the image that a CD emulates */
#define IDE_FIRST 2             /* drives[]: 0, 1 floppies; 2..5 IDE; 6 the emulated drive */
#define EMULATED 6

struct drive {
    u8 kind;
    u8 unit;                    /* IDE: channel * 2 + device; floppy: 0, 1 */
    u8 floppy_type;             /* CMOS 10h: 1 360 KiB, 2 1.2 MiB, 3 720 KiB, 4 1.44 MiB, 5 2.88 MiB */
    u8 has_dma;
    u8 has_lba48;
    u8 removable;
    u8 translation;             /* int 13h function 48h: 0 none, 1 LBA, 2 large, 3 revised ECHS */
    u8 locks;
    u16 command_port, control_port, bus_master;
    u16 cylinders, heads, sectors;      /* as software sees them */
    u16 real_cylinders, real_heads, real_sectors;
    u16 sector_bytes;
    u64 total;                  /* sectors */
    char model[41];
};

enum { BOOT_NONE, BOOT_FLOPPY, BOOT_DISK, BOOT_CD, BOOT_VECTOR, BOOT_CONNECTION };
#define PRIORITY_LAST 1000
#define MAX_BOOT 16

struct boot_entry {
    u8 kind;
    u8 drive;                   /* index into drives[]; BOOT_CONNECTION: the number that int 13h knows, once connected */
    u16 priority;               /* lower is tried first */
    u16 segment, offset;        /* BOOT_VECTOR, BOOT_CONNECTION: where to call */
    char name[44];
};

enum { E820_RAM = 1, E820_RESERVED = 2, E820_ACPI = 3, E820_NVS = 4 };
#define MAX_E820 32

struct e820 {
    u64 base, length;
    u32 type;
} PACKED;

extern struct drive drives[MAX_DRIVES];
extern u8 disk_map[8];          /* int 13h 80h+n: index into drives[], 0xFF: none */
extern u8 floppy_map[2];
extern struct boot_entry boot_entries[MAX_BOOT];
extern u8 boot_count;
extern u8 disk_count;
extern u8 connection_count;      /* disks that option ROMs bring */
extern u8 menu_enabled;
extern u16 menu_wait_ms;
extern s32 retry_wait_ms;       /* -1: the user's key only, as the default of 60 s */
extern struct e820 e820_map[MAX_E820];
extern u32 e820_count;
extern u32 low_memory_end;      /* end of usable RAM below 4 GiB */
extern u16 serial_console;      /* port, 0: none */
extern u16 rom_bdf;              /* AX for the next option ROM */
extern u8 has_vga;
extern u8 has_pci;
extern u8 last_bus;
extern u32 pci_entry_32;         /* flat */
extern u16 ide_bus_master, ide_bdf;
extern u16 power_port;          /* PM1a control register, 0: none */
extern u16 pir_table;           /* offsets in segment F000, 0: none */
extern u16 pir_length;
extern u32 post_pmm;            /* flat address of a function of the 32-bit half, 0: power-on is over */

#endif
