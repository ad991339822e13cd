/* The demo guest: shows the machine it runs on, echoes keys, and can halt, reboot and power off.

   It is what pyqemu boots when it is given nothing to boot, as a Multiboot kernel whose command line says which
   machine type was asked for (machine= alias= version= desc=, the last to the end of the line). */

#include "demo.h"

enum { LEFT = 0, LEFT_WIDTH = 43, RIGHT = 43, RIGHT_WIDTH = 37 };
enum { UPPER = 1, UPPER_ROWS = 9, LOWER = 10, LOWER_ROWS = 9, KEYS = 19, KEYS_ROWS = 5, BAR = 24 };
enum { PROMPT = KEYS + 2, PROMPT_START = 4, PROMPT_END = 52, CLOCK_COLUMNS = 19 };
enum { WORD = 40 };

static char machine[WORD], alias[WORD], version[WORD], description[WORD];
static u32 column = PROMPT_START;
static int awake = 1;

/* The value of key= in the command line; up to the next blank, or with *rest* all of it. Not ASCII: '?'. */
static void option(const char *line, const char *key, char *value, int rest)
{
    u32 n = length(key);
    value[0] = 0;
    for (const char *at = line; *at; at++) {
        if ((at != line && at[-1] != ' ') || !same(at, key, n))
            continue;
        u32 i = 0;
        for (at += n; *at && (rest || *at != ' ') && i < WORD - 1; at++)
            value[i++] = *at >= ' ' && *at < 127 ? *at : '?';
        value[i] = 0;
        return;
    }
}

static void read_options(const struct multiboot *information)
{
    const char *line = information->flags & HAS_LINE ? (const char *)information->line : "";
    option(line, "machine=", machine, 0);
    option(line, "alias=", alias, 0);
    option(line, "version=", version, 0);
    option(line, "desc=", description, 1);
}

/* "pc-1.0 (alias pc), Standard PC" */
static void put_machine(struct report *r)
{
    put(r, machine[0] ? machine : "a machine whose type nobody told");
    if (alias[0]) {
        put(r, " (alias ");
        put(r, alias);
        put(r, ")");
    }
    if (description[0]) {
        put(r, ", ");
        put(r, description);
    }
}

/* -- the serial line ---------------------------------------------------------------------------------- */

static void serial_report(const char *title, const struct report *r)
{
    for (u32 i = 0; i < r->count; i++) {
        const char *head = i ? "" : title;
        serial_put(head);
        for (u32 n = length(head); n < 12; n++)
            serial_character(' ');
        serial_put(r->lines[i]);
        serial_put("\n");
    }
}

/* -- the screen --------------------------------------------------------------------------------------- */

static void title_bar(void)
{
    static struct report text;
    screen_fill(0, 0, COLUMNS, ' ', TITLE);
    u32 at = screen_text(1, 0, "pyqemu ", 7, TITLE);
    at = screen_text(at, 0, version, 16, TITLE_DIM);
    text.count = 0;
    new_line(&text);
    put_machine(&text);
    screen_text(at + 2, 0, text.lines[0], COLUMNS - CLOCK_COLUMNS - 3 - at, TITLE);
}

static void show_clock(void)
{
    char text[CLOCK_COLUMNS + 1];
    clock_text(text);
    screen_text(COLUMNS - CLOCK_COLUMNS - 1, 0, text, CLOCK_COLUMNS, TITLE_DIM);
}

/* *lead*: columns that are drawn brighter than the rest of a line. */
static void panel(u32 left, u32 top, u32 width, u32 rows, const char *title, const struct report *r, u32 lead)
{
    u32 room = rows - 2;
    screen_panel(left, top, width, rows, title);
    for (u32 i = 0; i < r->count && i < room; i++) {
        const char *line = r->lines[i];
        u32 first = length(line) < lead ? length(line) : lead;
        if (r->count > room && i == room - 1) {
            screen_text(left + 2, top + 1 + i, "... and more: see the serial line", width - 4, DIM);
            return;
        }
        screen_text(left + 2, top + 1 + i, line, first, BRIGHT);
        screen_text(left + 2 + first, top + 1 + i, line + first, width - 4 - first, PLAIN);
    }
}

static void key_bar(void)
{
    static const char *const keys[][2] = {{" h ", "halt"}, {" r ", "reboot"}, {" p ", "power off"}};
    u32 at = 1;
    screen_fill(0, BAR, COLUMNS, ' ', KEY_TEXT);
    for (u32 i = 0; i < 3; i++) {
        at = screen_text(at, BAR, keys[i][0], 3, KEY) + 1;
        at = screen_text(at, BAR, keys[i][1], 10, KEY_TEXT) + 3;
    }
    const char *firmware = firmware_name();
    screen_text(COLUMNS - 1 - length(firmware), BAR, firmware, 20, TITLE_DIM);
}

static void message(const char *text, enum look look)
{
    screen_fill(2, KEYS + 1, COLUMNS - 4, ' ', PLAIN);
    screen_text(2, KEYS + 1, text, COLUMNS - 4, look);
}

static void say(const char *text, enum look look)
{
    message(text, look);
    serial_put("\n");
    serial_put(text);
    serial_put("\n");
}

/* -- the prompt --------------------------------------------------------------------------------------- */

static void prompt(void)
{
    screen_fill(2, PROMPT, PROMPT_END - 1, ' ', PLAIN);
    screen_text(2, PROMPT, ">", 1, HEADING);
    column = PROMPT_START;
    screen_cursor(column, PROMPT);
    serial_put("> ");
}

static void welcome(void)
{
    message("Type: keys are echoed here and on COM1. On an empty line, h, r and p act.", PLAIN);
    prompt();
}

static void show_source(const struct event *event)
{
    static struct report text;
    text.count = 0;
    new_line(&text);
    put(&text, event->from == FROM_KEYBOARD ? "keyboard, scan code " : "COM1, character ");
    put_hex(&text, event->code, 2);
    screen_fill(PROMPT_END + 2, PROMPT, 24, ' ', PLAIN);
    screen_text(COLUMNS - 2 - length(text.lines[0]), PROMPT, text.lines[0], 24, DIM);
}

static void echo(char c)
{
    if (c == '\n' || c == '\r') {
        serial_put("\n");
        prompt();
    } else if (c == '\b') {
        if (column > PROMPT_START) {
            screen_fill(--column, PROMPT, 1, ' ', PLAIN);
            serial_put("\b \b");
        }
    } else if (c >= ' ' && c < 127) {
        char text[] = {c, 0};
        if (column == PROMPT_END) {
            serial_put("\n");
            prompt();
        }
        screen_text(column++, PROMPT, text, 1, BRIGHT);
        serial_character(c);
    }
    screen_cursor(column, PROMPT);
}

/* -- commands ----------------------------------------------------------------------------------------- */

static void sleep(const char *why, enum look look)
{
    awake = 0;
    clock_stop();
    say(why, look);
}

static void wake(void)
{
    awake = 1;
    clock_start();
    show_clock();
    welcome();
}

/* Commands are single letters, but words may have them: they act where no word has begun. */
static void obey(char c)
{
    if (column != PROMPT_START)
        echo(c);
    else if (c == 'h')
        sleep("Halted: the processor sleeps until an interrupt. Any key wakes it.", GOOD);
    else if (c == 'r') {
        say("Rebooting.", WARNING);
        clock_stop();
        reboot();
    } else if (c == 'p') {
        say("Powering off.", WARNING);
        power_off();
        sleep("This machine has no power switch: halted. Ctrl-A x ends pyqemu on a serial console.", WARNING);
    } else
        echo(c);
}

/* -- all of it ---------------------------------------------------------------------------------------- */

static void show_machine(const struct multiboot *information)
{
    static struct report r;
    char now[CLOCK_COLUMNS + 1];
    screen_start();
    title_bar();
    key_bar();
    screen_panel(LEFT, KEYS, COLUMNS, KEYS_ROWS, "Keys");

    serial_put("\npyqemu ");
    serial_put(version);
    serial_put(" demo guest\n\n");
    new_line(&r);
    put_machine(&r);
    serial_report("machine", &r);
    r.count = 0;
    new_line(&r);
    put(&r, firmware_name());
    serial_report("firmware", &r);
    clock_text(now);
    r.count = 0;
    new_line(&r);
    put(&r, now);
    serial_report("clock", &r);

    r.count = 0;
    report_processor(&r, LEFT_WIDTH - 4);
    panel(LEFT, UPPER, LEFT_WIDTH, UPPER_ROWS, "Processor", &r, 0);
    screen_text(LEFT + 2, UPPER + 1, r.lines[0], LEFT_WIDTH - 4, BRIGHT);
    serial_report("processor", &r);
    r.count = 0;
    report_memory(&r, information);
    panel(RIGHT, UPPER, RIGHT_WIDTH, UPPER_ROWS, "Memory", &r, 0);
    serial_report("memory", &r);
    r.count = 0;
    report_pci(&r);
    panel(LEFT, LOWER, LEFT_WIDTH, LOWER_ROWS, "PCI devices", &r, 7);
    serial_report("pci", &r);
    r.count = 0;
    report_drives(&r);
    panel(RIGHT, LOWER, RIGHT_WIDTH, LOWER_ROWS, "Drives", &r, 3);
    serial_report("drives", &r);
    serial_put("keys        on an empty line: h halt, r reboot, p power off; others are echoed\n\n");
}

void demo(u32 magic, const struct multiboot *information)
{
    if (magic != MULTIBOOT_MAGIC)
        return;
    keyboard_start();
    serial_start();
    read_options(information);
    show_machine(information);
    interrupts_start();
    interrupts_allow(1 << IRQ_KEYBOARD | 1 << IRQ_COM1 | 1 << IRQ_CLOCK);
    keyboard_interrupt();                       /* a line that was high before the 8259 was set up makes no edge */
    serial_interrupt();
    show_clock();
    clock_start();
    welcome();
    for (;;) {
        struct event event = next_event();
        if (event.from == FROM_CLOCK)
            show_clock();
        else if (!awake)
            wake();
        else {
            show_source(&event);
            obey(event.character);
        }
    }
}
