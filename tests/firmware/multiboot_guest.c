/* A Multiboot kernel that prints what it was given, one fact a line, on COM1, and leaves through isa-debug-exit.

   Source   Multiboot Specification 0.6.96
   Build    gcc -m32 -ffreestanding, linked at 1 MiB; HEADER_FLAGS=, and FLAT=1 for a header with addresses */

#define TEXT(x) #x
#define NUMBER(x) TEXT(x)
#ifndef HEADER_FLAGS
#define HEADER_FLAGS 3
#endif

typedef unsigned int u32;
typedef unsigned char u8;

struct information {
    u32 flags, lower, upper, boot_device, line, module_count, modules;
    u32 section_count, section_size, sections, section_names;
    u32 map_length, map, drives_length, drives, config, loader;
};
struct module { u32 start, end, line, reserved; };
struct range { u32 size, base, base_high, length, length_high, kind; } __attribute__((packed));
struct section { u32 name, kind, flags, address, offset, size, link, info, align, entry; };

__asm__("        .section .header, \"ax\"\n"
        "        .balign 4\n"
        "header: .long 0x1badb002, flags, -(0x1badb002 + flags)\n"
#ifdef FLAT
        "        .set flags, " NUMBER(HEADER_FLAGS) " | 0x10000\n"
        "        .long header, header, 0, end, start\n"
#else
        "        .set flags, " NUMBER(HEADER_FLAGS) "\n"
#endif
        "        .globl start\n"
        "start:  mov $stack + 4096, %esp\n"
        "        push %ebx\n"
        "        push %eax\n"
        "        call main\n"
        "        .text\n");

u8 stack[4096] __attribute__((aligned(16)));
u8 zeros[3000];                 /* must be zero, though the file has nothing of it */

static void out8(u32 port, u8 value) { __asm__ volatile("outb %0, %w1" : : "a"(value), "Nd"(port)); }

static void print(const char *text)
{
    while (*text)
        out8(0x3F8, *text++);
}

static void number(const char *name, u32 value)
{
    print(name);
    print("=");
    for (int shift = 28; shift >= 0; shift -= 4)
        out8(0x3F8, "0123456789abcdef"[value >> shift & 15]);
    print("\n");
}

static void text(const char *name, u32 address)
{
    print(name);
    print("='");
    print((const char *)address);
    print("'\n");
}

/* A mark that only the symbol table's strings hold: found if the loader brought the sections along. */
void symbol_that_tells_of_sections(void) { __asm__ volatile(""); }

static int is(const char *a, const char *b)
{
    while (*a && *a == *b)
        a++, b++;
    return *a == *b;
}

static void sections(struct information *info)
{
    struct section *table = (struct section *)info->sections;
    const char *names = (const char *)table[info->section_names].address;
    for (u32 i = 0; i < info->section_count; i++)
        if (is(names + table[i].name, ".strtab"))
            for (u32 at = 0; at < table[i].size; at++)
                if (is((const char *)table[i].address + at, "symbol_that_tells_of_sections"))
                    print("symbols found\n");
}

void main(u32 magic, struct information *info)
{
    u32 flags, cr0, sum = 0;
    __asm__ volatile("pushf; pop %0; mov %%cr0, %1" : "=r"(flags), "=r"(cr0));
    number("magic", magic);
    number("interrupts", flags >> 9 & 1);
    number("paging", cr0 >> 31);
    *(volatile u32 *)0x200000 = 0x600D;         /* A20: not the same as 1 MiB lower */
    *(volatile u32 *)0x300000 = 0xBAD;
    number("a20", *(volatile u32 *)0x200000 == 0x600D);
    for (u32 i = 0; i < sizeof zeros; i++)
        sum += zeros[i];
    number("dirt", sum);
    number("flags", info->flags);
    number("lower", info->lower);
    number("upper", info->upper);
    number("device", info->boot_device);
    text("line", info->line);
    text("loader", info->loader);
    struct module *modules = (struct module *)info->modules;
    for (u32 i = 0; i < info->module_count; i++) {
        text("module", modules[i].line);
        number("start", modules[i].start);
        number("size", modules[i].end - modules[i].start);
        print("content=");
        for (u32 at = modules[i].start; at < modules[i].end && at < modules[i].start + 40; at++)
            out8(0x3F8, *(u8 *)at);
        print("\n");
    }
    for (u32 at = info->map; info->flags & 0x40 && at < info->map + info->map_length;) {
        struct range *range = (struct range *)at;
        number("base", range->base);
        number("length", range->length);
        number("kind", range->kind);
        at += range->size + 4;
    }
    if (info->flags & 0x20)
        sections(info);
    print("DONE\n");
    out8(0x501, 0x10);
    for (;;)
        __asm__ volatile("hlt");
}
