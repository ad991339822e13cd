"""Scenes with a guest that runs: our BIOS waiting for a key, a kernel asleep, a guest under load."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

from migration import fire
from migration.conftest import run_for
from migration.fire import LIMIT_S, TX_WRAP

TICKS, MARK = 0x5000, 0x5008
TEXT, TEXT_CELLS = 0xB8000, 80 * 25
NO_DEVICE = "No bootable device"
SOURCES = {"idle": Path(__file__).with_name("idle.asm"), "fire": fire.SOURCE}


def assemble(directory: Path, name: str, *, isa: bool) -> Path:
    """The BIOS image of a guest. Writing streams needs nasm, loading them does not."""
    if name not in SOURCES:
        return directory
    assert shutil.which("nasm"), "nasm is not there"
    out = directory / f"{name}.bin"
    define = ["-DISA"] if isa else []
    subprocess.run(["nasm", "-f", "bin", *define, "-o", out, SOURCES[name]], check=True)
    return out


def run_until(scene: Any, condition: Any, what: str) -> None:
    end = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < end, f"no {what}"
        run_for(scene, 0.02)


def screen(scene: Any) -> str:
    """The text screen's characters."""
    return "".join(chr(scene.board.memory.load(TEXT + 2 * cell, 1)) for cell in range(TEXT_CELLS))


def wait_for_prompt(scene: Any) -> None:
    run_until(scene, lambda: NO_DEVICE in screen(scene), "prompt")
    run_for(scene, 0.05)


def press_a_key(scene: Any) -> None:
    """The prompt is still there; a key makes the BIOS try again, and say it again."""
    assert screen(scene).count(NO_DEVICE) == 1
    for pressed in (True, False):
        scene.typist.type("ret", pressed)
    run_until(scene, lambda: screen(scene).count(NO_DEVICE) > 1, "second prompt")


def number(scene: Any, address: int) -> int:
    return int(scene.board.memory.load(address, 8))


def fall_asleep(scene: Any) -> None:
    run_until(scene, lambda: number(scene, MARK) == int.from_bytes(b"IDLE", "little"), "mark")
    before = number(scene, TICKS)
    run_until(scene, lambda: number(scene, TICKS) > before + 3, "timer interrupt")


def wake(scene: Any) -> None:
    """Timer interrupts go on, time does not go back, and bytes are answered."""
    before = number(scene, TICKS)
    assert before > 3
    run_until(scene, lambda: number(scene, TICKS) > before + 3, "timer interrupt")
    scene.line.send(b"GCKL")
    run_until(scene, lambda: len(scene.line.sent) >= 4, "answer")
    assert scene.line.sent == b"HDLM"


def get_under_fire(scene: Any) -> None:
    scene.begin()
    before = scene.report()
    run_until(scene, lambda: scene.talk() or not scene.report().standing(before), "load")
    run_until(scene, lambda: scene.report().counts["rx"] == scene.told == scene.report().counts["tx"], "silence")
    run_for(scene, 0.01)


def stay_under_fire(scene: Any) -> None:
    assert scene.report().ready
    scene.report().check()
    scene.told = scene.report().counts["tx"]
    scene.line.sent[:] = bytes(n % TX_WRAP for n in range(scene.told))
    scene.see_all_go_on()
