/* A Linux kernel that the emulator hands over in fw_cfg (-kernel), when no option ROM comes for it.

   Source   "The Linux/x86 Boot Protocol" (protocol 2.02 and later, 16-bit entry); fw_cfg keys 07h-18h

   fw_cfg holds where each part goes, how long it is, and the part. The addresses are the emulator's, but a part
   is taken only if it fits into RAM below what we reserved. */

#include "post.h"

enum { KERNEL_AT = 0x07, KERNEL_BYTES = 0x08, INITRD_AT = 0x0A, INITRD_BYTES = 0x0B, KERNEL = 0x11, INITRD = 0x12,
       CMDLINE_AT = 0x13, CMDLINE_BYTES = 0x14, CMDLINE = 0x15, SETUP_AT = 0x16, SETUP_BYTES = 0x17, SETUP = 0x18 };
#define HEADER_MAGIC 0x53726448
#define LOADED_AT 0x218         /* ramdisk_image in the header */
#define LOWEST 0x10000

extern u8 b16_kernel_jump[];

int kernel_given(void)
{
    return fw_present() && fw_number(KERNEL_BYTES) && fw_number(SETUP_BYTES)
        && !fw_find("genroms/linuxboot.bin") && !fw_find("genroms/linuxboot_dma.bin")
        && !fw_find("genroms/multiboot.bin") && !fw_find("genroms/multiboot_dma.bin");
}

static int fits(u32 at, u32 bytes)
{
    if (at + bytes < at)
        return 0;
    return at >= 0x100000 ? at + bytes <= low_memory_end : at >= LOWEST && at + bytes <= EBDA_SEGMENT << 4;
}

static int load(u32 at, u32 bytes, u16 key)
{
    if (!fits(at, bytes))
        return 0;
    fw_select(key);
    fw_read((void *)at, bytes);
    return 1;
}

/* Comes back only if something does not fit. */
u32 boot_kernel(u32 unused)
{
    u32 setup = fw_number(SETUP_AT), setup_bytes = fw_number(SETUP_BYTES);
    u32 cmdline = fw_number(CMDLINE_AT), cmdline_bytes = fw_number(CMDLINE_BYTES);
    u32 kernel = fw_number(KERNEL_AT), kernel_bytes = fw_number(KERNEL_BYTES);
    u32 initrd = fw_number(INITRD_AT), initrd_bytes = fw_number(INITRD_BYTES);
    (void)unused;
    if (setup_bytes < 0x400 || setup & 15 || !load(setup, setup_bytes, SETUP) || PEEK32(setup + 0x202) != HEADER_MAGIC)
        return 1;
    if (cmdline_bytes && (cmdline <= setup + 0x200 || !load(cmdline, cmdline_bytes, CMDLINE)))
        return 1;
    if (!load(kernel, kernel_bytes, KERNEL))
        return 1;
    if (initrd_bytes) {
        if (initrd_bytes > low_memory_end - 0x100000)
            return 1;
        if (initrd > low_memory_end - initrd_bytes)     /* our tables took the place */
            initrd = (low_memory_end - initrd_bytes) & ~0xFFF;
        if (initrd < kernel + kernel_bytes || !load(initrd, initrd_bytes, INITRD))
            return 1;
        POKE32(setup + LOADED_AT, initrd);
    }
    u32 top = cmdline_bytes ? cmdline : setup + 0xFFF0;
    u32 sp = top - setup > 0xFFF0 ? 0xFFF0 : (top - setup) & ~15;
    call16(b16_kernel_jump, (setup >> 4) << 16 | sp);
    return 1;
}
