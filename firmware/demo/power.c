/* Switching off and starting anew; who the firmware is.

   Source   ACPI 6.4: 5.2.5 (RSDP), 5.2.7 (RSDT), 5.2.9 (FADT), 4.8.3.2 (PM1 control), 7.4.2 (_S5); Intel 82371AB
            (PIIX4) datasheet 7.1.26 (PMBA) and 7.2.3 (PMCNTRL); Intel 8042: FEh pulses the reset line;
            reset control register at CF9 */

#include "demo.h"

enum { PM1_CONTROL = 4, SLEEP_ENABLE = 1 << 13, SLEEP_TYPE = 10, SCI_ENABLE = 1 };
enum { PIIX4 = 0x71138086, PMBA = 0x40, PMREGMISC = 0x80 };
enum { DEBUG_EXIT = 0x501, DEBUG_EXIT_VALUE = 0x10, DELAY = 0x80 };

static u32 word(u32 at) { return *(volatile u32 *)at; }

static u8 sum(u32 at, u32 bytes)
{
    u8 total = 0;
    while (bytes--)
        total += *(volatile u8 *)at++;
    return total;
}

static u32 find(const char *mark, u32 from, u32 to, u32 step)
{
    for (u32 at = from; at + 20 <= to; at += step)
        if (same((const char *)at, mark, length(mark)))
            return at;
    return 0;
}

/* A table with a good sum, of a length that makes sense. */
static int is_table(u32 at, const char *signature)
{
    return at && same((const char *)at, signature, 4) && word(at + 4) >= 36 && word(at + 4) < 0x100000
        && !sum(at, word(at + 4));
}

static u32 acpi_table(const char *signature)
{
    u32 ebda = *(volatile u16 *)0x40E << 4, rsdp = 0;
    if (ebda >= 0x80000 && ebda < 0xA0000)
        rsdp = find("RSD PTR ", ebda, ebda + 1024, 16);
    if (!rsdp)
        rsdp = find("RSD PTR ", 0xE0000, 0x100000, 16);
    if (!rsdp || sum(rsdp, 20) || !is_table(word(rsdp + 16), "RSDT"))
        return 0;
    u32 rsdt = word(rsdp + 16);
    for (u32 at = rsdt + 36; at + 4 <= rsdt + word(rsdt + 4); at += 4)
        if (is_table(word(at), signature))
            return word(at);
    return 0;
}

/* The sleep type of S5: the first element of the package named _S5_, or 0. */
static u32 sleep_type(u32 dsdt)
{
    if (!is_table(dsdt, "DSDT"))
        return 0;
    u32 at = find("_S5_", dsdt + 36, dsdt + word(dsdt + 4), 1);
    const u8 *code = (const u8 *)(at + 4);
    if (!at || *code++ != 0x12)                 /* a package */
        return 0;
    code += 1 + (*code >> 6);                   /* its length, in one to four bytes */
    code++;                                     /* how many elements */
    return code[0] == 0x0A ? code[1] & 7 : 0;   /* a byte; or 0 or 1 in one */
}

/* The PM1a control port: from the FADT, else from the PIIX4 itself. 0: there is none. */
static u16 control_port(u32 *type)
{
    u32 fadt = acpi_table("FACP");
    *type = 0;
    if (fadt && word(fadt + 64) && word(fadt + 64) < 0x10000) {
        *type = sleep_type(word(fadt + 40));
        return word(fadt + 64);
    }
    int piix4 = pci_find(PIIX4);
    if (piix4 < 0 || !(pci_read(piix4, PMREGMISC) & 1))
        return 0;
    return (pci_read(piix4, PMBA) & 0xFFC0) + PM1_CONTROL;
}

void power_off(void)
{
    u32 type;
    u16 port = control_port(&type);
    if (port)
        out16(port, (in16(port) & SCI_ENABLE) | type << SLEEP_TYPE | SLEEP_ENABLE);
    else
        out8(DEBUG_EXIT, DEBUG_EXIT_VALUE);     /* isa-debug-exit, if the user plugged one */
    for (u32 left = 100000; left; left--)       /* it may take a moment */
        in8(DELAY);
}

void reboot(void)
{
    static const struct { u16 limit; u32 base; } __attribute__((packed)) nothing = {0, 0};
    for (u32 left = 100000; in8(0x64) & 2 && left; left--)
        ;
    out8(0x64, 0xFE);
    out8(0xCF9, 0x02);
    out8(0xCF9, 0x06);
    __asm__ volatile("lidt %0; int3" : : "m"(nothing));
}

const char *firmware_name(void)
{
    if (find("SeaBIOS", 0xE0000, 0x100000, 1))
        return "SeaBIOS";
    return find("pyqemu BIOS", 0xE0000, 0x100000, 1) ? "pyqemu BIOS" : "an unknown BIOS";
}
