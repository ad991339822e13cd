# The save pointer table (40:A8 points to it) and what it leads to. Programs copy it and replace parts.
#
# Source   IBM PS/2 and PC BIOS Interface Technical Reference, int 10h: save pointer table, secondary save
#          pointer table, display combination code table, functionality information (AH=1Bh)

        .section .rodata
        .globl  save_table, combinations, static_functions
        .equ    ROM_SEGMENT, 0xc000             # where a BIOS puts the first display's ROM

        .balign 4
save_table:
        .word   parameter_table, ROM_SEGMENT
        .word   0, 0                            # dynamic save area
        .word   0, 0                            # alphanumeric character set
        .word   0, 0                            # graphics character set
        .word   secondary_table, ROM_SEGMENT
        .word   0, 0
        .word   0, 0

secondary_table:
        .word   26                              # its length
        .word   combinations, ROM_SEGMENT
        .word   0, 0                            # second alphanumeric character set
        .word   0, 0                            # user palette
        .word   0, 0
        .word   0, 0
        .word   0, 0

# Which displays may be there together; 40:8A is the index. 7: VGA, monochrome monitor; 8: VGA, colour monitor.
combinations:
        .byte   16, 1, 8, 0                     # entries, version, highest code
        .byte   0, 0,  0, 1,  0, 2,  2, 1,  0, 4,  4, 1,  0, 5,  2, 5
        .byte   0, 6,  6, 1,  6, 5,  0, 8,  8, 1,  0, 7,  7, 2,  7, 6

static_functions:
        .byte   0xff, 0xe0, 0x0f                # modes 0-7, 0Dh-0Fh, 10h-13h
        .long   0
        .byte   0x07                            # text in 200, 350 or 400 lines
        .byte   2, 8                            # character blocks: in use at a time, in all
        .byte   0xff                            # all of: all modes on all monitors, grey, fonts, palette, cursor
        .byte   0x0e                            # display combination, blinking selectable, save and restore
        .word   0
        .byte   0x3f                            # save area: everything
        .byte   0
