/* Interrupts: tables, the two 8259, and a queue between the handlers and the demo, which sleeps on it.

   Source   Intel SDM volume 3, 3.4.5 and 6.11 (descriptors), 6.15 (exceptions); Intel 8259A datasheet */

#include "demo.h"

enum { MASTER = 0x20, SLAVE = 0xA0, END = 0x20, FIRST_IRQ = 32, GATES = 48, QUEUE = 64 };

struct frame { u32 edi, esi, ebp, esp, ebx, edx, ecx, eax, number, error, eip, cs, flags; };
struct pointer { u16 limit; u32 base; } __attribute__((packed));

extern u8 interrupt_stubs[];
void load_tables(const struct pointer *gdt, const struct pointer *idt);
void give_up(void);

/* Flat code and data of 4 GiB, marked accessed. */
static const u64 gdt[3] = {0, 0x00CF9B000000FFFF, 0x00CF93000000FFFF};
static u64 idt[GATES];

static volatile struct event queue[QUEUE];
static volatile u32 head, tail;

static void pic_start(u16 base, u8 vector, u8 wiring)
{
    out8(base, 0x11);                           /* four words follow */
    out8(base + 1, vector);
    out8(base + 1, wiring);
    out8(base + 1, 0x01);                       /* 8086 */
    out8(base + 1, 0xFF);                       /* all masked */
}

void interrupts_start(void)
{
    for (u32 i = 0; i < GATES; i++) {
        u32 stub = (u32)interrupt_stubs + i * 16;
        idt[i] = (u64)((stub & 0xFFFF0000) | 0x8E00) << 32 | 8 << 16 | (stub & 0xFFFF);
    }
    static struct pointer gdt_pointer, idt_pointer;
    gdt_pointer = (struct pointer){sizeof gdt - 1, (u32)gdt};
    idt_pointer = (struct pointer){sizeof idt - 1, (u32)idt};
    load_tables(&gdt_pointer, &idt_pointer);
    pic_start(MASTER, FIRST_IRQ, 1 << IRQ_CASCADE);
    pic_start(SLAVE, FIRST_IRQ + 8, IRQ_CASCADE);
}

void interrupts_allow(u16 irqs)
{
    irqs |= 1 << IRQ_CASCADE;
    out8(MASTER + 1, ~irqs);
    out8(SLAVE + 1, ~(irqs >> 8));
}

/* A full queue loses what comes. */
void post_event(u8 from, u8 code, char character)
{
    if (head - tail == QUEUE)
        return;
    queue[head % QUEUE].from = from;
    queue[head % QUEUE].code = code;
    queue[head % QUEUE].character = character;
    head++;
}

struct event next_event(void)
{
    for (;;) {
        __asm__ volatile("cli");
        if (head != tail)
            break;
        __asm__ volatile("sti; hlt");           /* the shadow of STI: nothing is missed in between */
    }
    volatile struct event *first = &queue[tail++ % QUEUE];
    struct event event = {first->from, first->code, first->character};
    __asm__ volatile("sti");
    return event;
}

static void fault(const struct frame *frame)
{
    static struct report text;
    text.count = 0;
    new_line(&text);
    put(&text, "Exception ");
    put_number(&text, frame->number, 1);
    put(&text, ", error code ");
    put_hex(&text, frame->error, 8);
    put(&text, ", at ");
    put_hex(&text, frame->eip, 8);
    screen_text(0, ROWS - 1, text.lines[0], COLUMNS, WARNING);
    serial_put("\n");
    serial_put(text.lines[0]);
    serial_put("\n");
    give_up();
}

void handle_interrupt(const struct frame *frame)
{
    if (frame->number < FIRST_IRQ)
        fault(frame);
    u32 irq = frame->number - FIRST_IRQ;
    if (irq == IRQ_KEYBOARD)
        keyboard_interrupt();
    else if (irq == IRQ_COM1)
        serial_interrupt();
    else if (irq == IRQ_CLOCK)
        clock_interrupt();
    else if ((irq & 7) == 7)
        return;                                 /* nobody asked: no end of it either */
    if (irq >= 8)
        out8(SLAVE, END);
    out8(MASTER, END);
}
