/* Names of PCI devices: of those that PC emulators have, else of their class. At most 21 columns.

   Source   PCI Local Bus Specification 2.1, appendix D (class codes); the device IDs are the makers' */

#include "demo.h"

struct name { u32 id; const char *text; };

#define DEVICE(vendor, device) ((u32)(device) << 16 | (vendor))

static const struct name devices[] = {
    {DEVICE(0x8086, 0x1237), "Intel 440FX host"},
    {DEVICE(0x8086, 0x7000), "Intel PIIX3 ISA"},
    {DEVICE(0x8086, 0x7010), "Intel PIIX3 IDE"},
    {DEVICE(0x8086, 0x7020), "Intel PIIX3 USB"},
    {DEVICE(0x8086, 0x7113), "Intel PIIX4 power"},
    {DEVICE(0x8086, 0x100E), "Intel 82540EM Ethernet"},
    {DEVICE(0x8086, 0x2415), "Intel AC'97 audio"},
    {DEVICE(0x8086, 0x2668), "Intel HD Audio"},
    {DEVICE(0x8086, 0x24CD), "Intel EHCI USB 2"},
    {DEVICE(0x8086, 0x25AB), "Intel watchdog"},
    {DEVICE(0x8086, 0x29C0), "Intel Q35 host"},
    {DEVICE(0x10EC, 0x8139), "Realtek 8139 Ethernet"},
    {DEVICE(0x10EC, 0x8029), "NE2000 Ethernet"},
    {DEVICE(0x1013, 0x00B8), "Cirrus VGA"},
    {DEVICE(0x1234, 0x1111), "Standard VGA"},
    {DEVICE(0x15AD, 0x0405), "VMware SVGA"},
    {DEVICE(0x1AF4, 0x1000), "virtio network"},
    {DEVICE(0x1AF4, 0x1001), "virtio disk"},
    {DEVICE(0x1AF4, 0x1002), "virtio balloon"},
    {DEVICE(0x1AF4, 0x1003), "virtio console"},
    {DEVICE(0x1AF4, 0x1004), "virtio SCSI"},
    {DEVICE(0x1AF4, 0x1005), "virtio random numbers"},
    {DEVICE(0x1AF4, 0x1009), "virtio 9P"},
    {DEVICE(0x1000, 0x0012), "LSI 53C895A SCSI"},
    {DEVICE(0x1022, 0x2000), "AMD PCnet Ethernet"},
};

static const struct name classes[] = {
    {0x0100, "SCSI"}, {0x0101, "IDE"}, {0x0106, "SATA"}, {0x0108, "NVMe"}, {0x0180, "storage"},
    {0x0200, "Ethernet"}, {0x0280, "network"}, {0x0300, "VGA"}, {0x0380, "display"}, {0x0401, "audio"},
    {0x0403, "audio"}, {0x0500, "memory"}, {0x0600, "host bridge"}, {0x0601, "ISA bridge"}, {0x0604, "PCI bridge"},
    {0x0680, "bridge"}, {0x0700, "serial port"}, {0x0780, "communication"}, {0x0C03, "USB"}, {0x0C05, "SMBus"},
};

static const char *find(const struct name *names, u32 count, u32 id)
{
    for (u32 i = 0; i < count; i++)
        if (names[i].id == id)
            return names[i].text;
    return 0;
}

const char *pci_name(u32 id, u32 class)
{
    const char *name = find(devices, sizeof devices / sizeof *devices, id);
    if (!name)
        name = find(classes, sizeof classes / sizeof *classes, class);
    return name ? name : "something else";
}
