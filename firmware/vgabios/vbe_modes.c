/* VBE: what the controller is, which modes there are, and what each looks like (functions 00h and 01h).
 *
 * Source   VESA BIOS Extension (VBE) Core Functions Standard 3.0, 4.3 and 4.4
 *
 * A mode exists if the card's dispi registers say that it can show it and its memory holds a picture. Of those
 * with 16 colours there is 102h, which a VGA has without dispi: as QEMU's card ignores the sequencer in dispi
 * modes, planes cannot be written there.
 */
#include "dispi.h"
#include "modes.h"
#include "results.h"
#include "vbe.h"
#include "vbe_modes.h"

#define SIGNATURE_VBE2 0x32454256
#define SIGNATURE_VESA 0x41534556
#define VERSION 0x0300
#define SOFTWARE_REVISION 0x0100
#define CAPABLE_DAC_8BIT 0x01
#define LIST_AT 0x22
#define LIST_END 0x100
#define INFO_BYTES 256

#define SUPPORTED 0x1f /* by hardware, information complete, text output, colour, graphics */
#define HAS_LINEAR 0x80
#define WINDOW_FLAGS 0x07 /* there, readable, writable */
#define MODEL_PLANAR 3
#define MODEL_PACKED 4
#define MODEL_DIRECT 6
#define RESERVED_USABLE 0x02
#define MAX_PIXEL_CLOCK_HZ 400000000

/* The numbers of the standard, and from 140h our own: eight for each size. */
#define SIZE(number, x, y) \
    {number, x, y, 8}, {(number) + 1, x, y, 15}, {(number) + 2, x, y, 16}, {(number) + 3, x, y, 24}, \
        {(number) + 4, x, y, 32}

const struct vbe_mode vbe_modes[] = {
    {0x100, 640, 400, 8},    {0x101, 640, 480, 8},    {0x102, 800, 600, 4},    {0x103, 800, 600, 8},
    {0x105, 1024, 768, 8},   {0x107, 1280, 1024, 8},
    {0x10d, 320, 200, 15},   {0x10e, 320, 200, 16},   {0x10f, 320, 200, 24},   {0x110, 640, 480, 15},
    {0x111, 640, 480, 16},   {0x112, 640, 480, 24},   {0x113, 800, 600, 15},   {0x114, 800, 600, 16},
    {0x115, 800, 600, 24},   {0x116, 1024, 768, 15},  {0x117, 1024, 768, 16},  {0x118, 1024, 768, 24},
    {0x119, 1280, 1024, 15}, {0x11a, 1280, 1024, 16}, {0x11b, 1280, 1024, 24},

    {0x140, 320, 200, 8},    {0x144, 320, 200, 32},   {0x149, 640, 400, 15},   {0x14a, 640, 400, 16},
    {0x14b, 640, 400, 24},   {0x14c, 640, 400, 32},   {0x154, 640, 480, 32},   {0x15c, 800, 600, 32},
    {0x164, 1024, 768, 32},  SIZE(0x168, 1152, 864),  SIZE(0x170, 1280, 720),  SIZE(0x178, 1280, 768),
    SIZE(0x180, 1280, 800),  SIZE(0x188, 1280, 960),  {0x194, 1280, 1024, 32}, SIZE(0x198, 1360, 768),
    SIZE(0x1a0, 1400, 1050), SIZE(0x1a8, 1440, 900),  SIZE(0x1b0, 1600, 900),  SIZE(0x1b8, 1600, 1200),
    SIZE(0x1c0, 1680, 1050), SIZE(0x1c8, 1920, 1080), SIZE(0x1d0, 1920, 1200), SIZE(0x1d8, 2560, 1440),
    {0x1e2, 2560, 1600, 16}, {0x1e4, 2560, 1600, 32}, {0x1ea, 3840, 2160, 16}, {0x1ec, 3840, 2160, 32},
};

const u16 vbe_mode_count = sizeof vbe_modes / sizeof vbe_modes[0];

static const char oem[] = "pyqemu VGA", product[] = "Standard VGA", revision[] = "1";

_Static_assert(sizeof vbe_modes / sizeof vbe_modes[0] < (LIST_END - LIST_AT) / 2, "the list has a fixed place");

static u32 picture_bytes(const struct vbe_mode *mode)
{
    return line_bytes(mode->bpp, mode->x) * mode->y * (mode->bpp == 4 ? 4 : 1);
}

static int fits(const struct vbe_mode *mode, __seg_gs struct limits *limits)
{
    return mode->x <= limits->x && mode->y <= limits->y && mode->bpp <= limits->bpp &&
           picture_bytes(mode) <= limits->memory;
}

/* 0: there is none, or not on this card. */
const struct vbe_mode *find_vbe_mode(u16 number, __seg_gs struct limits *limits)
{
    for (u16 i = 0; i < vbe_mode_count; i++)
        if (vbe_modes[i].number == number) {
            read_limits(limits);
            return fits(&vbe_modes[i], limits) ? &vbe_modes[i] : 0;
        }
    return 0;
}

static void poke_pointer(u16 segment, u16 at, u16 offset, u16 to_segment)
{
    store16(segment, at, offset);
    store16(segment, at + 2, to_segment);
}

/* Function 00h. A caller that does not know VBE 2 has a buffer of 256 bytes and gets the first fields. */
u16 vbe_info(u16 segment, u16 at)
{
    struct limits buffer;
    __seg_gs struct limits *limits = (__seg_gs struct limits *)(u32)&buffer;
    u16 list = at + LIST_AT;
    int knows_vbe2 = (peek16(segment, at) | (u32)peek16(segment, at + 2) << 16) == SIGNATURE_VBE2;

    read_limits(limits);
    fill8(segment, at, 0, knows_vbe2 ? 2 * INFO_BYTES : INFO_BYTES);
    store32(segment, at, SIGNATURE_VESA);
    store16(segment, at + 0x04, VERSION);
    poke_pointer(segment, at + 0x06, offset_of(oem), own_segment());
    store32(segment, at + 0x0a, CAPABLE_DAC_8BIT);
    poke_pointer(segment, at + 0x0e, list, segment);
    store16(segment, at + 0x12, limits->memory >> 16);
    if (knows_vbe2) {
        store16(segment, at + 0x14, SOFTWARE_REVISION);
        poke_pointer(segment, at + 0x16, offset_of(oem), own_segment());
        poke_pointer(segment, at + 0x1a, offset_of(product), own_segment());
        poke_pointer(segment, at + 0x1e, offset_of(revision), own_segment());
    }
    for (u16 i = 0; i < vbe_mode_count; i++)
        if (fits(&vbe_modes[i], limits)) {
            store16(segment, list, vbe_modes[i].number);
            list += 2;
        }
    store16(segment, list, 0xffff);
    return VBE_OK;
}

/* Size and position of red, green, blue and the unused bits. */
static void poke_masks(u16 segment, u16 at, u8 bpp)
{
    static const u8 masks[4][8] = {
        {5, 10, 5, 5, 5, 0, 1, 15}, {5, 11, 6, 5, 5, 0, 0, 0}, {8, 16, 8, 8, 8, 0, 0, 0}, {8, 16, 8, 8, 8, 0, 8, 24}};
    const u8 *mask = masks[bpp == 15 ? 0 : bpp == 16 ? 1 : bpp == 24 ? 2 : 3];
    copy8(segment, at, own_segment(), offset_of(mask), 8);
}

/* Function 01h. */
u16 vbe_mode_info(u16 number, u16 segment, u16 at)
{
    struct limits buffer;
    const struct vbe_mode *mode;
    u32 linear, line, pages;
    mode = find_vbe_mode(number & 0x3fff, (__seg_gs struct limits *)(u32)&buffer);
    if (!mode)
        return VBE_FAILED;
    linear = mode->bpp == 4 ? 0 : linear_memory();
    line = line_bytes(mode->bpp, mode->x);
    pages = ((__seg_gs struct limits *)(u32)&buffer)->memory / picture_bytes(mode) - 1;
    if (pages > 255)
        pages = 255;
    if (mode->bpp == 4)
        pages = 0;

    fill8(segment, at, 0, INFO_BYTES);
    store16(segment, at + 0x00, SUPPORTED | (linear ? HAS_LINEAR : 0));
    poke8(segment, at + 0x02, WINDOW_FLAGS);
    store16(segment, at + 0x04, 64); /* granularity and size in KiB */
    store16(segment, at + 0x06, 64);
    store16(segment, at + 0x08, 0xa000);
    poke_pointer(segment, at + 0x0c, offset_of(vbe_window_function), own_segment());
    store16(segment, at + 0x10, (u16)line);
    store16(segment, at + 0x12, mode->x);
    store16(segment, at + 0x14, mode->y);
    poke8(segment, at + 0x16, 8); /* character cell */
    poke8(segment, at + 0x17, 16);
    poke8(segment, at + 0x18, mode->bpp == 4 ? 4 : 1); /* planes */
    poke8(segment, at + 0x19, mode->bpp);
    poke8(segment, at + 0x1a, 1); /* banks */
    poke8(segment, at + 0x1b, mode->bpp == 4 ? MODEL_PLANAR : mode->bpp == 8 ? MODEL_PACKED : MODEL_DIRECT);
    poke8(segment, at + 0x1d, (u8)pages);
    poke8(segment, at + 0x1e, 1);
    if (mode->bpp > 8) {
        poke_masks(segment, at + 0x1f, mode->bpp);
        poke8(segment, at + 0x27, RESERVED_USABLE);
        if (linear)
            poke_masks(segment, at + 0x36, mode->bpp);
    }
    store32(segment, at + 0x28, linear);
    poke8(segment, at + 0x34, (u8)pages);
    if (linear) {
        store16(segment, at + 0x32, (u16)line);
        poke8(segment, at + 0x35, (u8)pages);
        store32(segment, at + 0x3e, MAX_PIXEL_CLOCK_HZ);
    }
    return VBE_OK;
}
