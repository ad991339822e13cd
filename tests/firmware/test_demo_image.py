"""The demo guest's image, and how it is handed over; what it does is in tests/boot/test_demo.py."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

import pyqemu
from pyqemu.core.errors import ConfigError
from pyqemu.firmware import demo
from pyqemu.firmware.multiboot_image import parse
from pyqemu.machines.registry import Registry
from pyqemu.paths import firmware_dir

IMAGE = firmware_dir() / demo.IMAGE
SOURCE = Path(__file__).parents[2] / "firmware" / "demo"
MIB = 1 << 20
PC = Registry.load().find("pc")


class Items(dict[int, bytes]):
    def add(self, key: int, content: bytes) -> None:
        self[key] = content


def test_command_line_says_the_machine_type() -> None:
    assert demo.command_line(PC) == f"machine=pc-1.0 alias=pc version={pyqemu.__version__} desc=Standard PC"
    assert "alias" not in demo.command_line(replace(PC, alias=""))
    items = Items()
    demo.load_demo(items, PC, ram_below_4g=MIB)
    assert b"pyqemu-demo.elf machine=pc-1.0 alias=pc " in items[0x11]


def test_it_fits_into_the_smallest_machine() -> None:
    image = parse(IMAGE.read_bytes(), "demo", MIB)
    assert image.base == 0x20000 and image.end < 0x80000 and not image.warnings


def test_an_installation_without_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "firmware_dir", lambda: tmp_path)
    with pytest.raises(ConfigError, match="could not load the demo guest"):
        demo.load_demo(Items(), PC, ram_below_4g=MIB)


@pytest.mark.skipif(not all(map(shutil.which, ("make", "gcc", "ld", "objcopy"))), reason="needs make and gcc")
def test_image_is_what_its_source_makes(tmp_path: Path) -> None:
    command = ["make", "-s", "-C", SOURCE, f"BUILD={tmp_path}", "check"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
