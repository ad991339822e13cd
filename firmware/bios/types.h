/* Integer types and port access, for both halves of the BIOS.

   Source   Intel SDM volume 2: IN, OUT, INS, OUTS */
#ifndef TYPES_H
#define TYPES_H

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef signed char s8;
typedef short s16;
typedef int s32;

#define PACKED __attribute__((packed))
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

static inline u8 inb(u16 port) { u8 v; asm volatile("inb %w1, %b0" : "=a"(v) : "Nd"(port)); return v; }
static inline u16 inw(u16 port) { u16 v; asm volatile("inw %w1, %w0" : "=a"(v) : "Nd"(port)); return v; }
static inline u32 inl(u16 port) { u32 v; asm volatile("inl %w1, %0" : "=a"(v) : "Nd"(port)); return v; }
static inline void outb(u16 port, u8 v) { asm volatile("outb %b0, %w1" : : "a"(v), "Nd"(port)); }
static inline void outw(u16 port, u16 v) { asm volatile("outw %w0, %w1" : : "a"(v), "Nd"(port)); }
static inline void outl(u16 port, u32 v) { asm volatile("outl %0, %w1" : : "a"(v), "Nd"(port)); }

static inline void insb(u16 port, void *to, u32 count)
{
    asm volatile("rep insb" : "+D"(to), "+c"(count) : "d"(port) : "memory");
}

static inline void insw(u16 port, void *to, u32 count)
{
    asm volatile("rep insw" : "+D"(to), "+c"(count) : "d"(port) : "memory");
}

static inline void outsw(u16 port, const void *from, u32 count)
{
    asm volatile("rep outsw" : "+S"(from), "+c"(count) : "d"(port) : "memory");
}

static inline u8 cmos_read(u8 index) { outb(0x70, index | 0x80); u8 v = inb(0x71); outb(0x70, 0x0D); return v; }
static inline void cmos_write(u8 index, u8 v) { outb(0x70, index | 0x80); outb(0x71, v); outb(0x70, 0x0D); }

static inline u16 swap16(u16 v) { return v << 8 | v >> 8; }
static inline u32 swap32(u32 v) { return v << 24 | (v & 0xFF00) << 8 | (v >> 8 & 0xFF00) | v >> 24; }

#endif
