/* The processor, as CPUID describes it; older ones are told by the flags they know.

   Source   Intel SDM volume 2, CPUID; volume 1, 20.1.2 (EFLAGS.AC and ID); AMD APM volume 3, appendix E */

#include "demo.h"

enum { FLAG_AC = 1 << 18, FLAG_ID = 1 << 21, EXTENDED = 0x80000000 };

struct features { u32 leaf; char reg; const char *names[32]; };

static const struct features known[] = {
    {1, 'd', {"fpu", "vme", "de", "pse", "tsc", "msr", "pae", "mce", "cx8", "apic", 0, "sep", "mtrr", "pge", "mca",
              "cmov", "pat", "pse36", "pn", "clflush", 0, "dts", "acpi", "mmx", "fxsr", "sse", "sse2", "ss", "ht",
              "tm", "ia64", "pbe"}},
    {1, 'c', {"sse3", "pclmul", "dtes64", "monitor", "ds_cpl", "vmx", "smx", "est", "tm2", "ssse3", "cid", 0, "fma",
              "cx16", "xtpr", "pdcm", 0, "pcid", "dca", "sse4.1", "sse4.2", "x2apic", "movbe", "popcnt", "tscdl",
              "aes", "xsave", "osxsave", "avx", "f16c", "rdrand", "hypervisor"}},
    {EXTENDED | 1, 'd', {[11] = "syscall", [20] = "nx", [22] = "mmxext", [25] = "fxsr_opt", [26] = "pdpe1gb",
                         [27] = "rdtscp", [29] = "lm", [30] = "3dnowext", [31] = "3dnow"}},
    {EXTENDED | 1, 'c', {[0] = "lahf", [2] = "svm", [5] = "abm", [6] = "sse4a"}},
};

struct leaf { u32 eax, ebx, ecx, edx; };

static struct leaf cpuid(u32 number)
{
    struct leaf leaf;
    __asm__ volatile("cpuid" : "=a"(leaf.eax), "=b"(leaf.ebx), "=c"(leaf.ecx), "=d"(leaf.edx) : "a"(number), "c"(0));
    return leaf;
}

static int can_change(u32 flag)
{
    u32 before, after;
    __asm__ volatile("pushfl; popl %0; movl %0, %1; xorl %2, %1; pushl %1; popfl; pushfl; popl %1; pushl %0; popfl"
                     : "=&r"(before), "=&r"(after) : "ri"(flag) : "cc");
    return (before ^ after) & flag;
}

static void put_registers(char *to, const u32 *registers, u32 count)
{
    for (u32 i = 0; i < count * 4; i++)
        to[i] = registers[i / 4] >> i % 4 * 8;
    to[count * 4] = 0;
}

static void put_vendor(struct report *r)
{
    struct leaf zero = cpuid(0), one = cpuid(1);
    u32 family = one.eax >> 8 & 15, model = one.eax >> 4 & 15;
    char vendor[13];
    put_registers(vendor, (u32[]){zero.ebx, zero.edx, zero.ecx}, 3);
    if (family == 15)
        family += one.eax >> 20 & 255;
    if (family == 6 || family >= 15)
        model += one.eax >> 12 & 0xF0;
    new_line(r);
    put(r, vendor);
    put(r, ", family ");
    put_number(r, family, 1);
    put(r, " model ");
    put_number(r, model, 1);
    put(r, " step ");
    put_number(r, one.eax & 15, 1);
}

static void put_features(struct report *r, u32 width)
{
    u32 highest = cpuid(0).eax, extended = cpuid(EXTENDED).eax;
    new_line(r);
    for (u32 i = 0; i < sizeof known / sizeof *known; i++) {
        u32 leaf = known[i].leaf;
        if (leaf & EXTENDED ? extended < leaf || !(extended & EXTENDED) : highest < leaf)
            continue;
        struct leaf found = cpuid(leaf);
        u32 bits = known[i].reg == 'c' ? found.ecx : found.edx;
        for (u32 bit = 0; bit < 32; bit++) {
            const char *name = known[i].names[bit];
            if (!(bits >> bit & 1) || !name)
                continue;
            u32 used = length(r->lines[r->count - 1]);
            if (used && used + 1 + length(name) > width) {
                new_line(r);
                used = 0;
            }
            put(r, used ? " " : "");
            put(r, name);
        }
    }
}

void report_processor(struct report *r, u32 width)
{
    new_line(r);
    if (!can_change(FLAG_ID)) {
        put(r, can_change(FLAG_AC) ? "80486" : "80386");
        put(r, " (it has no CPUID)");
        return;
    }
    u32 extended = cpuid(EXTENDED).eax;
    if (extended & EXTENDED && extended >= (EXTENDED | 4)) {
        char brand[49], *name = brand;
        for (u32 i = 0; i < 3; i++) {
            struct leaf leaf = cpuid(EXTENDED | (2 + i));
            put_registers(brand + 16 * i, (u32[]){leaf.eax, leaf.ebx, leaf.ecx, leaf.edx}, 4);
        }
        while (*name == ' ')
            name++;
        put(r, name);
    } else {
        put_number(r, cpuid(1).eax >> 8 & 15, 1);       /* as the makers called them then */
        put(r, "86 class");
    }
    put_vendor(r);
    put_features(r, width);
}
