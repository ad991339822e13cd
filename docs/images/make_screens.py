#!/usr/bin/env python3
"""Make the pictures of README.md from real runs: a serial console as SVG, a VGA screen as PNG.

Usage    make guests, then .venv/bin/python docs/images/make_screens.py
"""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path

from rich.console import Console

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parent.parent
sys.path[:0] = [str(CHECKOUT), str(CHECKOUT / "tests" / "boot")]

from emulator import COLUMNS, GUESTS, Emulator  # noqa: E402

from pyqemu.api import VirtualMachine  # noqa: E402
from pyqemu.display.png import write_png  # noqa: E402
from pyqemu.display.screen import dump_text  # noqa: E402
from pyqemu.display.typist import Typist  # noqa: E402
from pyqemu.launch import DriveConfig, LaunchConfig  # noqa: E402

FIRMWARE = str(GUESTS)
SECOND_NS = 1_000_000_000
LIMIT_S = 60
LOOK = ("clear\n", "uname -rm\n", "grep -m1 'model name' /proc/cpuinfo\n", "head -12 /proc/ioports\n")


def serial_console(out: Path) -> None:
    """Debian's kernel from a disk with GRUB, at the prompt of the terminal that runs the emulator."""
    drive = f"file={GUESTS / 'disk64.img'},format=raw,snapshot=on"
    with Emulator("-L", FIRMWARE, "-nographic", "-drive", drive) as emulator:
        emulator.wait("login: ", LIMIT_S)
        emulator.type("root\n")
        for command in (*LOOK, "poweroff\n"):
            emulator.wait(r"# $", LIMIT_S)
            emulator.type(command)
        emulator.wait("Power down", LIMIT_S)
        status = emulator.exit_status(LIMIT_S)
        text = emulator.screen.text().rstrip()
    started = "$ pyqemu -M pc-1.0 -m 256 -nographic -drive file=disk64.img,format=raw,snapshot=on"
    console = Console(record=True, width=COLUMNS, file=io.StringIO())
    console.print(f"{started}\n{text}\n$ echo $?\n{status}", markup=False, highlight=False)
    svg = console.export_svg(title="pyqemu", unique_id="pyqemu")
    out.write_text(re.sub(r"\s*@font-face \{.*?\}", "", svg, flags=re.DOTALL))  # no fonts from the network


def vga_screen(out: Path, config: LaunchConfig, wanted: str, typed: str = "") -> None:
    """The screen of a standard VGA, dot by dot, once *wanted* and then what is typed stand on it."""
    vm = VirtualMachine(config)
    scanout = vm.board.devices["vga"].scanout
    press = Typist(vm.board.devices["keyboard"].keyboard, vm.clock).type
    steps = [wanted, typed] if typed else [wanted]

    def look() -> None:
        if steps[0] in dump_text(scanout):
            del steps[0]
            if not steps:
                write_png(out, *scanout.picture())
                vm.power.request_shutdown("host-ui")
                return
            for character in typed:
                key = {" ": "spc"}.get(character, character)
                press(key, True)
                press(key, False)
        if vm.clock.now() > LIMIT_S * SECOND_NS:
            sys.exit(f"no {steps[0]!r} on the screen")
        timer.start(vm.clock.now() + SECOND_NS // 10)

    timer = vm.clock.timer(look)
    timer.start(0)
    try:
        vm.start()
        vm.run()
    finally:
        vm.close()
    if steps:
        sys.exit(f"ended without {steps[0]!r}")


def demo() -> LaunchConfig:
    """What ``pyqemu`` alone starts."""
    return LaunchConfig(machine="pc-1.0", serials=["null"], demo=True)


if __name__ == "__main__":
    vga_screen(HERE / "demo.png", demo(), "Type: keys are echoed", "it works")
    rescue = DriveConfig(str(GUESTS / "grub-rescue-cdrom.iso"), index=2, bus=1, media="cdrom", format="raw")
    grub = LaunchConfig(machine="pc-1.0", firmware_dirs=[FIRMWARE], drives=[rescue], serials=["null"])
    grub.boot.order = "d"
    vga_screen(HERE / "grub.png", grub, "Microsoft Windows")
    serial_console(HERE / "serial.svg")
