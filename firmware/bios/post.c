/* Power-on: the order of things.

   Source   IBM PC/AT Technical Reference; BIOS Boot Specification 1.01, 4 */

#include "post.h"

extern u8 b16_text_mode[], b16_disk_probe[], b16_boot_menu[], b16_connect_disks[], b16_start_boot[], b16_pci_entry[], b16_pci_buses[];

enum { VIDEO_MODE = 0x49, TEXT_MODE = 3, NO_MODE = 0xFF };

/* Said before an option ROM runs or is complained about, else last: once memory is write-protected, an emulator
   translates all code there anew, and what writes text is a good part of it. */
void greet(void)
{
    static u8 greeted;
    if (!greeted)
        print("pyqemu BIOS\n\n");
    greeted = 1;
}

void post_main(void)
{
    vectors_init();
    fw_init();
    platform_init();
    memory_init();
    pci_init();
    POKE8(CODE(b16_pci_buses), last_bus + 1);
    pci_entry_32 = CODE_BASE + (u32)b16_pci_entry;
    post_pmm = (u32)pmm;
    POKE8(BDA_BASE + VIDEO_MODE, NO_MODE);
    rom_vga();
    if (PEEK8(BDA_BASE + VIDEO_MODE) != TEXT_MODE) {    /* the display's BIOS may have set it already */
        POKE8(BDA_BASE + VIDEO_MODE, TEXT_MODE);
        call16(b16_text_mode, 0);
    }
    keyboard_init();
    call16(b16_disk_probe, 0);
    if (!acpi_load())
        acpi_build();
    pir_build();
    mp_build();
    smbios_build();
    boot_list();
    rom_others();
    if (connection_count) {                     /* which disk is 80h is chosen while ROMs can be written still */
        greet();
        call16(b16_boot_menu, 0);
        call16(b16_connect_disks, 0);
    }
    pmm_end();
    memory_finish();
    rom_lock();
    greet();
    call16(b16_boot_menu, 0);
    call16(b16_start_boot, 0);
}
