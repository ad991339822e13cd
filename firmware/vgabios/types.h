/* Types, segments, and access to memory and ports.
 *
 * Segments: cs = ds = this ROM, so constants are plain pointers; gs = the caller's stack, where the registers
 * and every local variable lie; fs = 0, for the interrupt vectors and the BIOS data area; es is free.
 * No address of a local variable may be used as a plain pointer: ds is not ss.
 */
#ifndef TYPES_H
#define TYPES_H

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;

struct regs {
    union { u32 edi; u16 di; };
    union { u32 esi; u16 si; };
    union { u32 ebp; u16 bp; };
    u32 esp;
    union { u32 ebx; u16 bx; struct { u8 bl, bh; }; };
    union { u32 edx; u16 dx; struct { u8 dl, dh; }; };
    union { u32 ecx; u16 cx; struct { u8 cl, ch; }; };
    union { u32 eax; u16 ax; struct { u8 al, ah; }; };
    u16 gs, fs, es, ds, ip, cs, flags;
};

typedef __seg_gs struct regs *Regs;

struct far {
    u16 offset, segment;
};

#define VECTOR(number) (((volatile __seg_fs struct far *)0)[number])

static inline u16 own_segment(void)
{
    u16 segment;
    __asm__("mov %%cs, %0" : "=r"(segment));
    return segment;
}

static inline u16 stack_segment(void)
{
    u16 segment;
    __asm__("mov %%ss, %0" : "=r"(segment));
    return segment;
}

static inline u16 offset_of(const void *here)
{
    return (u16)(u32)here;
}

static inline u8 in8(u16 port)
{
    u8 value;
    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static inline u16 in16(u16 port)
{
    u16 value;
    __asm__ volatile("inw %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static inline u32 in32(u16 port)
{
    u32 value;
    __asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static inline void out8(u16 port, u8 value)
{
    __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static inline void out16(u16 port, u16 value)
{
    __asm__ volatile("outw %0, %1" : : "a"(value), "Nd"(port));
}

static inline void out32(u16 port, u32 value)
{
    __asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port));
}

static inline u8 peek8(u16 segment, u16 offset)
{
    u8 value;
    __asm__ volatile("mov %1, %%es\n\tmovb %%es:(%2), %0" : "=q"(value) : "r"(segment), "r"((u32)offset) : "memory");
    return value;
}

static inline u16 peek16(u16 segment, u16 offset)
{
    u16 value;
    __asm__ volatile("mov %1, %%es\n\tmovw %%es:(%2), %0" : "=r"(value) : "r"(segment), "r"((u32)offset) : "memory");
    return value;
}

static inline u32 peek32(u16 segment, u16 offset)
{
    u32 value;
    __asm__ volatile("mov %1, %%es\n\tmovl %%es:(%2), %0" : "=r"(value) : "r"(segment), "r"((u32)offset) : "memory");
    return value;
}

static inline void poke8(u16 segment, u16 offset, u8 value)
{
    __asm__ volatile("mov %0, %%es\n\tmovb %1, %%es:(%2)" : : "r"(segment), "q"(value), "r"((u32)offset) : "memory");
}

static inline void poke16(u16 segment, u16 offset, u16 value)
{
    __asm__ volatile("mov %0, %%es\n\tmovw %1, %%es:(%2)" : : "r"(segment), "r"(value), "r"((u32)offset) : "memory");
}

static inline void poke32(u16 segment, u16 offset, u32 value)
{
    __asm__ volatile("mov %0, %%es\n\tmovl %1, %%es:(%2)" : : "r"(segment), "r"(value), "r"((u32)offset) : "memory");
}

/* The block operations of the processor, upwards. */

static inline void out_block8(u16 port, const u8 *from, u16 count)
{
    __asm__ volatile("rep outsb" : "+S"(from), "+c"(count) : "d"(port) : "memory");
}

static inline void fill8(u16 segment, u16 offset, u8 value, u16 count)
{
    __asm__ volatile("mov %3, %%es\n\trep stosb" : "+D"(offset), "+c"(count) : "a"(value), "r"(segment) : "memory");
}

static inline void fill16(u16 segment, u16 offset, u16 value, u16 count)
{
    __asm__ volatile("mov %3, %%es\n\trep stosw" : "+D"(offset), "+c"(count) : "a"(value), "r"(segment) : "memory");
}

static inline void fill32(u16 segment, u16 offset, u32 value, u16 count)
{
    __asm__ volatile("mov %3, %%es\n\trep stosl" : "+D"(offset), "+c"(count) : "a"(value), "r"(segment) : "memory");
}

static inline void copy8(u16 to_segment, u16 to, u16 from_segment, u16 from, u16 count)
{
    __asm__ volatile("pushw %%ds\n\tmov %3, %%es\n\tmov %4, %%ds\n\trep movsb\n\tpopw %%ds"
                     : "+D"(to), "+S"(from), "+c"(count)
                     : "r"(to_segment), "r"(from_segment)
                     : "memory");
}

static inline void copy16(u16 to_segment, u16 to, u16 from_segment, u16 from, u16 count)
{
    __asm__ volatile("pushw %%ds\n\tmov %3, %%es\n\tmov %4, %%ds\n\trep movsw\n\tpopw %%ds"
                     : "+D"(to), "+S"(from), "+c"(count)
                     : "r"(to_segment), "r"(from_segment)
                     : "memory");
}

static inline void copy32(u16 to_segment, u16 to, u16 from_segment, u16 from, u16 count)
{
    __asm__ volatile("pushw %%ds\n\tmov %3, %%es\n\tmov %4, %%ds\n\trep movsl\n\tpopw %%ds"
                     : "+D"(to), "+S"(from), "+c"(count)
                     : "r"(to_segment), "r"(from_segment)
                     : "memory");
}

#endif
