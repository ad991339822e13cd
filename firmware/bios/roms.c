/* Option ROMs: from PCI ROM base addresses, from fw_cfg, and those that lie between C0000 and E0000 already.

   Source   PCI Local Bus Specification 2.1, 6.3 (expansion ROMs); Plug and Play BIOS Specification 1.0A, 3;
            BIOS Boot Specification 1.01, 3.3 and 3.4 (BCV, BEV)

   A ROM is copied, checked and called at its offset 3; then what it kept of its length counts. ROMs start at
   multiples of 2 KiB. */

#include "post.h"

extern u8 b16_pnp_header[], b16_rom_call[], b16_entry_int10_serial[];
extern u32 vga_vector;

#define ALIGN 0x800
#define CLASS_VGA 0x0300
enum { ROM_BAR = 0x30 };

static u32 rom_next = ROM_START;

static u32 rom_length(u32 at) { return PEEK16(at) == 0xAA55 ? PEEK8(at + 2) * 512 : 0; }

static void complain(u32 at, const char *what)
{
    greet();
    print("Option ROM at ");
    print_address(at);
    print(what);
}

/* A ROM of *room* bytes at *at*: good if it says a length that fits and sums to 0. */
static int rom_good(u32 at, u32 room)
{
    u32 length = rom_length(at);
    if (!length)
        return 0;
    if (length > room) {
        complain(at, ": wrong length, skipped\n");
        return 0;
    }
    if (sum((void *)at, length)) {
        complain(at, ": bad checksum, skipped\n");
        return 0;
    }
    return 1;
}

static void copy_text(char *to, u32 rom, u32 length, u32 offset)
{
    u32 i = 0;
    for (; offset && offset + i < length && i < 43 && PEEK8(rom + offset + i) >= 0x20; i++)
        to[i] = PEEK8(rom + offset + i);
    to[i] = 0;
}

/* Expansion headers: each device that can be booted becomes an entry. */
static void take_headers(u32 rom, const char *path)
{
    u32 length = rom_length(rom), at = PEEK16(rom + 0x1A);
    for (int i = 0; i < 8 && at && at + 32 <= length && PEEK32(rom + at) == 0x506E5024; i++) {
        char name[44];
        u16 connection = PEEK16(rom + at + 0x16), entry = PEEK16(rom + at + 0x1A);
        copy_text(name, rom, length, PEEK16(rom + at + 0x10));
        if (entry)
            boot_add(BOOT_VECTOR, 0, rom >> 4, entry, name, path);
        else if (connection && boot_add(BOOT_CONNECTION, 0, rom >> 4, connection, name, path))
            connection_count++;
        at = PEEK16(rom + at + 6);
    }
}

/* The ROM lies at rom_next. */
static int run(u16 bdf, const char *path, int display)
{
    u32 at = rom_next;
    if (!rom_good(at, ROM_LIMIT - at))
        return 0;
    rom_next = (at + rom_length(at) + ALIGN - 1) & -ALIGN;
    rom_bdf = bdf;
    if (!display)
        greet();
    call16(b16_rom_call, (u32)(at >> 4) << 16 | 3);
    u32 length = rom_length(at);                /* it may have given some back */
    if (!length)
        rom_next = at;
    else if (at + length <= ROM_LIMIT)
        rom_next = (at + length + ALIGN - 1) & -ALIGN;
    if (length && !display)
        take_headers(at, path);
    return 1;
}

/* The image for a PC in a PCI ROM at *from*; 0: none. */
static u32 pci_image(u32 from, u32 size, u32 id)
{
    for (u32 at = from; at + 0x1A < from + size && PEEK16(at) == 0xAA55;) {
        u32 data = at + PEEK16(at + 0x18);
        if (data + 24 > from + size || PEEK32(data) != 0x52494350)
            return at == from ? at : 0;         /* an old ROM without data structure */
        u32 length = PEEK16(data + 0x10) * 512;
        if (PEEK8(data + 0x14) == 0 && PEEK32(data + 4) == id)
            return at;
        if (PEEK8(data + 0x15) & 0x80 || !length || length > from + size - at)
            break;
        at += length;
    }
    return 0;
}

/* Copies, switches off and runs the ROM of a device. */
static int pci_rom(struct pci_device *d)
{
    static const char hex[] = "0123456789abcdef";
    char path[] = "@00,0\0", *end = path + 1;
    u32 slot = d->bdf >> 3 & 31;
    if (!d->rom.size)
        return 0;
    u32 image = pci_image(d->rom.at, d->rom.size, d->id), length = image ? rom_length(image) : 0;
    int fits = length && length <= d->rom.at + d->rom.size - image && length <= ROM_LIMIT - rom_next;
    if (fits)
        memcpy((void *)rom_next, (void *)image, length);
    pci_write(d->bdf, ROM_BAR, d->rom.at);
    if (!fits) {
        if (length)
            complain(rom_next, ": wrong length or no room, skipped\n");
        return 0;
    }
    if (slot > 15)
        *end++ = hex[slot >> 4];
    *end++ = hex[slot & 15];
    if (d->bdf & 7) {
        *end++ = ',';
        *end++ = hex[d->bdf & 7];
    }
    *end = 0;
    return run(d->bdf, path, d->class == CLASS_VGA);
}

static void fw_roms(const char *folder, int display)
{
    u32 length = strlen(folder);
    const struct fw_file *file;
    for (u32 i = 0; (file = fw_file(i)); i++) {
        if (memcmp(file->name, folder, length))
            continue;
        if (file->size > ROM_LIMIT - rom_next || file->size < 512) {
            complain(rom_next, ": wrong length, skipped\n");
            continue;
        }
        fw_select(file->key);
        fw_read((void *)rom_next, file->size);
        if (rom_length(rom_next) > file->size)
            complain(rom_next, ": wrong length, skipped\n");
        else
            run(0, file->name, display);
    }
}

void rom_vga(void)
{
    u32 ours = PEEK32(0x10 * 4);
    for (u32 i = 0; i < pci_count; i++)
        if (pci_devices[i].class == CLASS_VGA && !(pci_devices[i].bdf >> 8) && pci_rom(&pci_devices[i]))
            break;
    fw_roms("vgaroms/", 1);
    if (rom_next == ROM_START && rom_length(rom_next))
        run(0, "", 1);
    has_vga = PEEK32(0x10 * 4) != ours;
    if (has_vga && serial_console) {
        vga_vector = PEEK32(0x10 * 4);
        POKE32(0x10 * 4, SEG_CODE << 16 | (u32)b16_entry_int10_serial);
    }
}

void rom_others(void)
{
    for (u32 i = 0; i < pci_count; i++)
        if (pci_devices[i].class != CLASS_VGA)
            pci_rom(&pci_devices[i]);
    fw_roms("genroms/", 0);
    if (!has_pci)
        while (rom_next < ROM_LIMIT)
            if (!rom_length(rom_next) || !run(0, "", 0))
                rom_next += ALIGN;
}

/* Our code, our constants and the ROMs become read-only; what ROMs left free stays memory. */
void rom_lock(void)
{
    u8 registers[8];
    if (!has_pci || pci_read(0, 0) != 0x12378086)
        return;
    for (u32 i = 0; i < 6; i++) {
        u32 base = ROM_START + i * 0x8000;
        u8 low = rom_next > base || base >= ROM_LIMIT ? 1 : 3;
        u8 high = rom_next > base + 0x4000 || base >= ROM_LIMIT ? 1 : 3;
        registers[2 + i] = high << 4 | low;
    }
    registers[7] = 0x31;                        /* EC000: variables and stack */
    pci_write(0, 0x58, pci_read8(0, 0x58) | 0x1000 | registers[2] << 16 | registers[3] << 24);
    pci_write(0, 0x5C, registers[4] | registers[5] << 8 | registers[6] << 16 | registers[7] << 24);
}
