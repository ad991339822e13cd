/* The 32-bit half: power-on. Flat addresses, interrupts off, its variables read-only once it is done.

   Source   as named in each file */
#ifndef POST_H
#define POST_H

#include "layout.h"
#include "types.h"
#include "shared.h"

#define BDA_BASE 0x400
#define POKE8(address, v) (*(volatile u8 *)(address) = (v))
#define POKE16(address, v) (*(volatile u16 *)(address) = (v))
#define POKE32(address, v) (*(volatile u32 *)(address) = (v))
#define PEEK8(address) (*(volatile u8 *)(address))
#define PEEK16(address) (*(volatile u16 *)(address))
#define PEEK32(address) (*(volatile u32 *)(address))

/* 16-bit half: functions and code-segment data are known by their offset, b16_name (bios16.sym) */
u32 call16(const void *offset, u32 argument);
#define CODE(symbol) ((u8 *)CODE_BASE + (u32)(symbol))

/* library32.c */
void *memcpy(void *to, const void *from, u32 count);
void *memset(void *to, int value, u32 count);
int memcmp(const void *a, const void *b, u32 count);
u32 strlen(const char *s);
int contains(const char *text, u32 length, const char *part);
u8 sum(const void *from, u32 count);
void print(const char *text);
void print_address(u32 n);

/* fw_cfg.c */
enum { FW_UUID = 2, FW_NO_GRAPHICS = 4, FW_CPUS = 5, FW_MENU = 0x0E, FW_MAX_CPUS = 0x0F, FW_ACPI = 0x8000, FW_SMBIOS = 0x8001, FW_E820 = 0x8003 };
struct fw_file { u32 size; u16 key; char name[56]; };
void fw_init(void);
int fw_present(void);
void fw_select(u16 key);
void fw_read(void *to, u32 count);
void fw_skip(u32 count);
u32 fw_number(u16 key);
const struct fw_file *fw_find(const char *name);
const struct fw_file *fw_file(u32 index);
u32 fw_file_number(const char *name, u32 otherwise);

/* memory.c */
void memory_init(void);
void e820_set(u64 base, u64 length, u32 type);
void *high_alloc(u32 size, u32 align);
void *table_alloc(u32 size, u32 align);
void memory_finish(void);
extern u64 high_memory_end;

/* pci.c */
u32 pci_read(u16 bdf, u8 where);
u16 pci_read16(u16 bdf, u8 where);
u8 pci_read8(u16 bdf, u8 where);
void pci_write(u16 bdf, u8 where, u32 value);
void pci_write16(u16 bdf, u8 where, u16 value);
void pci_write8(u16 bdf, u8 where, u8 value);
void pci_init(void);
struct pci_rom { u32 at, size; };               /* size 0: none */
struct pci_device { u16 bdf, class, command; u32 id; u8 header, pin; struct pci_rom rom; };     /* command: bits that it needs */
#define MAX_PCI 64
extern struct pci_device pci_devices[MAX_PCI];
extern u32 pci_count;
extern u16 bridge_bdf;          /* PIIX3 */
extern u8 bridge_found, pm_found;

/* others */
void greet(void);
void platform_init(void);
void keyboard_init(void);
void vectors_init(void);
void rom_vga(void);
void rom_others(void);
void rom_lock(void);
void boot_list(void);
int boot_add(u8 kind, u8 drive, u16 segment, u16 offset, const char *name, const char *path);
void pir_build(void);
void acpi_build(void);
void smbios_build(void);
struct smbios_set { const u8 *at; u32 bytes; u16 count, largest; };
int smbios_change(const void *structures, u32 bytes, struct smbios_set *made);  /* 0: nothing to change */
void mp_build(void);
int acpi_load(void);
u32 pmm(u32 arguments);
void pmm_end(void);
extern u8 apic_present;
u32 cpu_count(void);

#endif
