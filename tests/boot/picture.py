"""A machine whose screen a test can look at: run in this process, the picture taken from the card.

Waiting  for a condition that is asked about the picture a few times a second of the guest's time, with a limit in
         host seconds, as in emulator.py
Text     of a graphics mode is found by its glyphs: dots of one colour where the font has them and none between
Errors   GuestFailure; the picture is written beside the test's other files
"""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from emulator import PATIENCE, GuestFailure
from glyphs import Glyph

from pyqemu.api import VirtualMachine
from pyqemu.display.png import write_png
from pyqemu.display.typist import Typist
from pyqemu.launch import LaunchConfig

LOOK_NS = 200_000_000
KEY_NS, KEY_LIMIT_S = 5_000_000, 10
SHIFTED = "_"
KEYS = {"_": "minus", " ": "spc", "\n": "ret", "-": "minus", ".": "dot", "=": "equal", "/": "slash", ",": "comma"}

COLOURS = 32

Rgb = tuple[int, int, int]


class Picture:
    def __init__(self, width: int, height: int, rgb: bytes) -> None:
        self.width, self.height, self.rgb = width, height, rgb

    def dot(self, x: int, y: int) -> Rgb:
        at = (y * self.width + x) * 3
        return self.rgb[at], self.rgb[at + 1], self.rgb[at + 2]

    def colours(self) -> list[Rgb]:
        """Those of the picture, the most frequent first. Of a photograph only the first few."""
        dots = zip(self.rgb[0::3], self.rgb[1::3], self.rgb[2::3], strict=True)
        return [colour for colour, _ in Counter(dots).most_common(COLOURS)]

    def find(self, glyphs: Iterable[tuple[Glyph, int]], colour: Rgb) -> tuple[int, int] | None:
        """Where a line of (glyph, columns to the next) stands in *colour*: its upper left corner, or None."""
        rows: list[list[bool]] = []
        for glyph, advance in glyphs:
            rows = rows or [[] for _ in glyph]
            for row, bits in zip(rows, glyph, strict=True):
                row += [bool(bits & 0x8000 >> column) for column in range(advance)]
        wanted = [bytes(row) for row in rows]
        densest = max(range(len(wanted)), key=lambda index: sum(wanted[index]))
        mask, width = self._mask(colour), self.width
        at = mask.find(wanted[densest])
        while at >= 0:
            first = at - densest * width
            if first >= 0 and all(
                mask[first + i * width : first + i * width + len(row)] == row for i, row in enumerate(wanted)
            ):
                return first % width, first // width
            at = mask.find(wanted[densest], at + 1)
        return None

    def _mask(self, colour: Rgb) -> bytes:
        """One byte a dot: 1 where it has this colour."""
        equal = ~0
        for channel, value in enumerate(colour):
            table = bytes(level == value for level in range(256))
            equal &= int.from_bytes(self.rgb[channel::3].translate(table), "little")
        return equal.to_bytes(self.width * self.height, "little")


class Screen:
    """One run of a machine with a standard VGA; as a context it ends with the block."""

    def __init__(self, config: LaunchConfig, folder: Path) -> None:
        self.folder = folder
        self.vm = VirtualMachine(config)
        board = self.vm.board
        assert board is not None
        devices: list[Any] = list(board.devices.values())
        self.card = next(device for device in devices if hasattr(device, "scanout"))
        self.scanout = self.card.scanout
        self.keyboard = board.devices["keyboard"].keyboard
        self.typist = Typist(self.keyboard, self.vm.clock)
        self.memory = board.ram.view
        self.vm.start()

    def __enter__(self) -> Screen:
        return self

    def __exit__(self, *exception: object) -> None:
        self.vm.close()

    def picture(self) -> Picture:
        picture = self.scanout.picture(cursor_on=False)
        return Picture(picture.width, picture.height, picture.rgb)

    @property
    def depth(self) -> int:
        """Bits of a dot in the VBE mode that is set."""
        return int(self.card.vga.vbe_regs[3])

    def press(self, key: str) -> None:
        """Strike a key and let the guest take it: the BIOS holds only 15."""
        self.typist.type(key, True)
        self.typist.type(key, False)
        self._wait(self._keys_are_taken, KEY_LIMIT_S, KEY_NS)

    def _keys_are_taken(self) -> bool:
        head, tail = self.memory[0x41A:0x41C], self.memory[0x41C:0x41E]
        return not self.keyboard.keys and bytes(head) == bytes(tail)

    def type(self, text: str) -> None:
        for character in text:
            if character in SHIFTED:
                self.typist.type("shift", True)
            self.press(KEYS.get(character, character))
            if character in SHIFTED:
                self.typist.type("shift", False)

    def text(self) -> str:
        """The screen of a text mode, a line a row."""
        if self.scanout.is_blank or not self.scanout.is_text:
            return ""
        shown = self.scanout.text()
        codes = bytes(shown.cells[0::2]).replace(b"\0", b" ").decode("cp437")
        rows = [codes[at : at + shown.columns].rstrip() for at in range(0, len(codes), shown.columns)]
        return "\n".join(rows)

    def wait_text(self, pattern: str, seconds: float) -> None:
        """Run until *pattern* stands on the screen of a text mode."""
        self._wait(lambda: re.search(pattern, self.text()), seconds)

    def wait_picture(
        self, size: tuple[int, int], condition: Callable[[Picture], object], seconds: float
    ) -> Picture:
        """Run until the screen has this size and *condition* holds for the picture on it."""
        found: list[Picture] = []

        def look() -> bool:
            if self.scanout.size == size and not self.scanout.is_blank and condition(picture := self.picture()):
                found.append(picture)
            return bool(found)

        self._wait(look, seconds)
        return found[0]

    def _wait(self, condition: Callable[[], object], seconds: float, look_ns: int = LOOK_NS) -> None:
        deadline = time.monotonic() + seconds * PATIENCE
        clock, power = self.vm.clock, self.vm.power
        met: list[object] = []

        def look() -> None:
            if answer := condition():
                met.append(answer)
            if met or time.monotonic() > deadline:
                power.request_exit(0)
            else:
                timer.start(clock.now() + look_ns)

        timer = clock.timer(look)
        timer.start(clock.now() + look_ns)
        power.exit_status = None
        self.vm.run()
        timer.stop()
        if not met:
            picture, path = self.picture(), self.folder / "screen.png"
            write_png(path, picture.width, picture.height, picture.rgb)
            raise GuestFailure(f"not seen within {seconds:g} s; the last picture is {path}\n{self.text()}")
