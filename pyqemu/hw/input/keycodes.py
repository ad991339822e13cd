"""Key names and what a PS/2 keyboard sends for them.

Source   IBM PS/2 Hardware Interface Technical Reference, keyboard section (scan code sets 1 to 3);
         Microsoft "Keyboard Scan Code Specification" (keys of later keyboards); key names: QEMU's QKeyCode

A code is what a key sends in set 2 and set 3 when pressed; 0xE0xx stands for two bytes, zero for none. Set 1 is
set 2 after the keyboard controller's translation, which is how the controller came to have it.
"""

from __future__ import annotations

TRANSLATION = bytes.fromhex(
    "ff43413f3d3b3c58 64444240 3e0f2959 6538 2a70 1d10025a 66712c1f1e1103 5b"
    "672e2d2012050 45c 68 39 2f21 14130 65d 69 31 3023 22150 75e 6a 72 3224 16080 95f"
    "6b 33 2517180b0a60 6c 34352627190c61 6d 73 28741a0d62 6e 3a36 1c1b75 2b63 76"
    "55 56 77 78 79 7a 0e7b 7c 4f7d 4b477e 7f6f 5253 504c4d48 0145 574e51 4a37 4946 54"
)
