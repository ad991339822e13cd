"""Machines in the middle of something, and how each goes on: what the streams in ``streams/`` hold.

    PYTHONPATH=tests python tests/compat/scenes.py          writes those of this version again (make streams)

A stream of a released version is never written again. Those of the version under development follow the layout as
long as it is open (``machines/policy.yaml``); the difference is in the commit.

Layout   streams/VERSION/MACHINE/SCENE.xz. Loading needs no assembler: memory and ROMs are in the stream
"""

from __future__ import annotations

import io
import lzma
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from compat import guests, ports
from migration.fire import FireMachine

from pyqemu import __version__, migration
from pyqemu.launch import DriveConfig, LaunchConfig

STREAMS = Path(__file__).parent / "streams"
MACHINES = (
    "pc-1.0", "pc-0.15", "pc-0.14", "pc-0.13", "pc-0.12", "pc-0.11", "pc-0.10", "isapc", "pc-next",
)  # fmt: skip
FLOPPY_BYTES = 1440 << 10
BIOS_BYTES = 0x10000
BLANK = ""  # a BIOS of zeros: the guest's is in the stream, or no CPU runs


@dataclass(frozen=True)
class Kind:
    """``enter`` brings a machine there; ``go_on`` checks that a loaded one continues.

    ``bios``: what runs until the state is saved (BLANK: nothing); "firmware" is ours, as users have it.
    ``vga``: the adapter, left out where it is only its ROM that would be kept.
    """

    enter: Callable[[Any], None]
    go_on: Callable[[Any], None]
    bios: str = BLANK
    ram_mib: int = 1
    vga: Literal["std", "none"] = "none"


SCENES: dict[str, Kind] = {
    "bios-prompt": Kind(guests.wait_for_prompt, guests.press_a_key, bios="firmware", vga="std"),
    "idle-kernel": Kind(guests.fall_asleep, guests.wake, bios="idle"),
    "under-fire": Kind(guests.get_under_fire, guests.stay_under_fire, bios="fire", ram_mib=8, vga="std"),
    "mid-disk-read": Kind(ports.read_half_a_sector, ports.read_the_rest),
    "mid-disk-write": Kind(ports.write_half_a_sector, ports.write_the_rest),
    "floppy-seeking": Kind(ports.seek, ports.seek_ends),
    "mid-vga-mode": Kind(ports.write_planes, ports.read_planes, vga="std"),
    "timers": Kind(ports.count_down, ports.count_on),
    "keys-waiting": Kind(ports.type_keys, ports.keys_come),
}


class Scene(FireMachine):
    """A machine with a disk, a floppy and a serial line. ``inp`` and ``out`` act as its guest would."""

    def __init__(self, machine: str, kind: Kind, directory: Path, *, saved: bool) -> None:
        """*saved*: its state will come from a stream."""
        disk, floppy, blank = directory / "disk.img", directory / "floppy.img", directory / "bios.bin"
        disk.write_bytes(ports.disk_content())
        floppy.write_bytes(bytes(FLOPPY_BYTES))
        blank.write_bytes(bytes(BIOS_BYTES))
        bios = blank if saved or not kind.bios else guests.assemble(directory, kind.bios, isa=machine == "isapc")
        super().__init__(
            LaunchConfig(
                machine=machine,
                ram_bytes=kind.ram_mib << 20,
                bios="" if kind.bios == "firmware" else str(bios),
                vga=kind.vga,
                cpu="qemu64" if kind.bios in ("idle", "fire") else None,
                display="none",
                drives=[
                    DriveConfig(str(disk), format="raw"),
                    DriveConfig(str(floppy), format="raw", interface="floppy"),
                ],
            )
        )
        board: Any = self.board
        self.inp: Callable[..., int] = lambda port, width=1: board.isa.ports.read(port, width)
        self.out: Callable[..., None] = lambda port, value, width=1: board.isa.ports.write(port, width, value)
        self.disk = disk

    def wait(self, milliseconds: int) -> None:
        """Let virtual time pass with the CPU standing still."""
        self.clock.set(self.clock.now() + milliseconds * 1_000_000)
        self.clock.run_due()


def write_scene(machine: str, name: str) -> int:
    kind = SCENES[name]
    with tempfile.TemporaryDirectory() as directory:
        scene = Scene(machine, kind, Path(directory), saved=False)
        try:
            kind.enter(scene)
            sink = io.BytesIO()
            migration.save_vm(scene, sink, run_state="paused")
        finally:
            scene.close()
    path = STREAMS / __version__ / machine / f"{name}.xz"
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.write_bytes(lzma.compress(sink.getvalue(), preset=9 | lzma.PRESET_EXTREME))


def write_all() -> None:
    began = time.monotonic()
    shutil.rmtree(STREAMS / __version__, ignore_errors=True)
    total = sum(write_scene(machine, name) for machine in MACHINES for name in SCENES)
    print(f"{len(MACHINES) * len(SCENES)} streams, {total} bytes, {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    write_all()
    sys.exit(0)
