/* ACPI tables of our own, for a PIIX4 whose emulator gives none.

   Source   ACPI 1.0b, 5.2; 82371AB data sheet, 7.2 (PM registers, at B000h here); fw_cfg key 8000h (extra tables) */

#include "post.h"

struct header {
    char signature[4];
    u32 length;
    u8 revision, sum;
    char oem[6], oem_table[8];
    u32 oem_revision;
    char creator[4];
    u32 creator_revision;
} PACKED;

struct rsdp { char signature[8]; u8 sum; char oem[6]; u8 revision; u32 rsdt; } PACKED;

struct facp {
    struct header h;
    u32 facs, dsdt;
    u8 model, r1;
    u16 sci;
    u32 smi_command;
    u8 enable, disable, s4, r2;
    u32 pm1a_event, pm1b_event, pm1a_control, pm1b_control, pm2_control, timer, gpe0, gpe1;
    u8 event_length, control_length, pm2_length, timer_length, gpe0_length, gpe1_length, gpe1_base, r3;
    u16 c2_latency, c3_latency, flush_size, flush_stride;
    u8 duty_offset, duty_width, day_alarm, month_alarm, century, r4[3];
    u32 flags;
} PACKED;

struct madt_cpu { u8 type, length, cpu, apic; u32 flags; } PACKED;
struct madt_io { u8 type, length, id, reserved; u32 address, base; } PACKED;
struct madt_override { u8 type, length, bus, source; u32 global; u16 flags; } PACKED;
struct madt_nmi { u8 type, length, cpu; u16 flags; u8 lint; } PACKED;

#define PM_BASE 0xB000
#define GPE_BASE 0xAFE0
#define FLAGS 0xA5              /* WBINVD, C1, no sleep button, RTC wakes from S4 */
#define ROOT_ENTRIES 16
#define ACTIVE_HIGH_LEVEL 0x0D
#define HEADER(name, bytes) {name, bytes, 1, 0, "PYQEMU", "PYQ" name " ", 1, "PYQM", 1}

static const u8 dsdt[] = {
#include "dsdt.inc"
};

static const struct facp facp = {
    .h = HEADER("FACP", sizeof(struct facp)), .sci = 9, .smi_command = 0xB2, .enable = 0xF1, .disable = 0xF0,
    .pm1a_event = PM_BASE, .pm1a_control = PM_BASE + 4, .timer = PM_BASE + 8, .gpe0 = GPE_BASE,
    .event_length = 4, .control_length = 2, .timer_length = 4, .gpe0_length = 4,
    .c2_latency = 0xFFF, .c3_latency = 0xFFF, .century = 0x32, .flags = FLAGS,
};
static const struct header madt = HEADER("APIC", 0), rsdt = HEADER("RSDT", 0);
static const struct rsdp rsdp = {"RSD PTR ", 0, "PYQEMU", 0, 0};

static struct { struct header h; u32 tables[ROOT_ENTRIES]; } *root;
static u32 root_count;

static void *copy(const void *from, u32 size, u32 align)
{
    void *to = high_alloc(size, align);
    return to ? memcpy(to, from, size) : 0;
}

static void seal(struct header *h)
{
    h->sum = 0;
    h->sum = -sum(h, h->length);
}

static void finish(struct header *h)
{
    seal(h);
    if (root_count < ROOT_ENTRIES)
        root->tables[root_count++] = (u32)h;
}

static u32 install_dsdt(void)
{
    u8 *to = copy(dsdt, sizeof dsdt, 16);
    if (!to)
        return 0;
    *(u32 *)(to + DSDT_WINDOW) = low_memory_end > 0xC0000000 ? (low_memory_end + 0xFFFFFF) & ~0xFFFFFF : 0xC0000000;
    seal((struct header *)to);
    return (u32)to;
}

static void install_facp(u32 dsdt_at)
{
    struct facp *f = copy(&facp, sizeof facp, 16);
    u8 *facs = high_alloc(64, 64);
    if (!f || !facs)
        return;
    memcpy(facs, "FACS", 4);
    facs[4] = 64;
    f->facs = (u32)facs;
    f->dsdt = dsdt_at;
    f->model = apic_present;
    finish(&f->h);
}

/* Interrupt controllers: local APICs, one I/O APIC, and how ISA interrupts reach it. */
static void install_madt(void)
{
    static const u8 levels[] = {5, 9, 10, 11};
    u32 cpus = cpu_count();
    if (!apic_present || cpus > 255)
        return;
    u32 length = sizeof(struct header) + 8 + cpus * sizeof(struct madt_cpu) + sizeof(struct madt_io)
               + 5 * sizeof(struct madt_override) + sizeof(struct madt_nmi);
    struct header *h = high_alloc(length, 16);
    if (!h)
        return;
    u8 *at = (u8 *)(h + 1);
    *h = madt;
    h->length = length;
    *(u32 *)at = 0xFEE00000;
    *(u32 *)(at + 4) = 1;                       /* there is a PIC, too */
    at += 8;
    for (u32 i = 0; i < cpus; i++, at += sizeof(struct madt_cpu))
        *(struct madt_cpu *)at = (struct madt_cpu){0, sizeof(struct madt_cpu), i, i, 1};
    *(struct madt_io *)at = (struct madt_io){1, sizeof(struct madt_io), 0, 0, 0xFEC00000, 0};
    at += sizeof(struct madt_io);
    *(struct madt_override *)at = (struct madt_override){2, sizeof(struct madt_override), 0, 0, 2, 0};
    at += sizeof(struct madt_override);
    for (u32 i = 0; i < ARRAY_SIZE(levels); i++, at += sizeof(struct madt_override))
        *(struct madt_override *)at =
            (struct madt_override){2, sizeof(struct madt_override), 0, levels[i], levels[i], ACTIVE_HIGH_LEVEL};
    *(struct madt_nmi *)at = (struct madt_nmi){4, sizeof(struct madt_nmi), 0xFF, 0, 1};
    finish(h);
}

/* Tables that the user gives: a count, then each with its length before it. */
static void install_extra(void)
{
    u16 count = 0, length;
    if (!fw_present())
        return;
    fw_select(FW_ACPI);
    fw_read(&count, 2);
    for (; count && root_count < ROOT_ENTRIES; count--) {
        fw_read(&length, 2);
        struct header *h = length >= sizeof *h ? high_alloc(length, 16) : 0;
        if (!h)
            return;
        fw_read(h, length);
        root->tables[root_count++] = (u32)h;
    }
}

void acpi_build(void)
{
    if (!pm_found)
        return;
    struct rsdp *r = table_alloc(sizeof *r, 16);
    root = high_alloc(sizeof *root, 16);
    u32 dsdt_at = install_dsdt();
    if (!r || !root || !dsdt_at)
        return;
    install_facp(dsdt_at);
    install_madt();
    install_extra();
    root->h = rsdt;
    root->h.length = sizeof(struct header) + root_count * 4;
    seal(&root->h);
    *r = rsdp;
    r->rsdt = (u32)root;
    r->sum = -sum(r, sizeof *r);
}
