"""The demo guest, which boots when there is nothing to boot: what it shows, and the keys it knows."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from emulator import CHECKOUT, Emulator

import pyqemu

IMAGE = CHECKOUT / "firmware" / "images" / "pyqemu-demo.elf"
SEABIOS = Path("/usr/share/seabios/bios.bin")
LIMIT_S = 30
MIB = 1 << 20

Boot = Callable[..., Emulator]

pytestmark = pytest.mark.skipif("PYQEMU_BOOT_COMMAND" in os.environ, reason="pyqemu's own guest")


def at_prompt(emulator: Emulator) -> Emulator:
    emulator.wait(r"keys +on an empty line: h halt, r reboot, p power off[^>]*> ", LIMIT_S)
    return emulator


@pytest.mark.parametrize(
    ("machine", "words"),
    [
        ("pc-1.0", r"pc-1\.0 \(alias pc\), Standard PC"),
        ("pc-next", r"pc-next, Standard PC"),
        ("isapc", "isapc, ISA-only PC"),
    ],
)
def test_serial_line_tells_what_the_machine_is(machine: str, words: str, boot: Boot) -> None:
    emulator = at_prompt(boot("-M", machine, "-nographic", memory_mib=64))
    text = emulator.text
    assert re.search(rf"pyqemu {re.escape(pyqemu.__version__)} demo guest\n", text)
    assert re.search(rf"(?m)^machine +{words}$", text)
    assert re.search(r"(?m)^firmware +pyqemu BIOS$", text)
    assert re.search(r"(?m)^clock +20\d\d-\d\d-\d\d \d\d:\d\d:\d\d$", text)
    assert re.search(r"(?m)^memory +00000000-0009fbff  639 KiB RAM$", text)
    assert re.search(r"(?m)^ +00100000-0[0-9a-f]{7} +6[23] MiB RAM$", text)
    assert re.search(r"(?m)^drives +hdc    empty  QEMU DVD-ROM\n +fda 1\.44 MiB  3\.5-inch floppy$", text)
    if machine == "isapc":
        assert re.search(r"(?m)^processor +486 class\n +GenuineIntel, family 4 model \d+ step \d+\n +fpu ", text)
        assert re.search(r"(?m)^pci +There is no PCI bus, only ISA\.$", text)
    else:
        assert re.search(
            r"(?m)^processor +QEMU Virtual CPU version \S+\n +\w+, family \d+ model \d+ step \d+$", text
        )
        assert re.search(r"\bsse2\b[^:]*\bnx lm\b", text)
        assert re.search(r"(?m)^pci +00:00\.0 8086:1237 Intel 440FX host$", text)
        assert re.search(r"(?m)^ +00:01\.3 8086:7113 Intel PIIX4 power$", text)
        assert re.search(r"(?m)^ +00:02\.0 1234:1111 Standard VGA$", text)


def test_consoles_beside_the_screen(boot: Boot) -> None:
    emulator = boot(memory_mib=64)
    emulator.wait_screen(r"h  halt    r  reboot    p  power off", LIMIT_S)
    emulator.type("\x1b2info status\r")
    emulator.wait_screen(r"(?m)^\(qemu\) info status *\nVM status: running *\n\(qemu\)", 20)
    emulator.type("\x1b3")
    emulator.wait_screen(r"(?m)^keys .*echoed *\n *\n> *$", 20)
    emulator.type("typed\r")
    emulator.wait_screen(r"(?m)^> typed *\n>", 20)  # the demo guest is on the serial line too
    emulator.type("\x1b1")
    emulator.wait_screen(r"h  halt    r  reboot    p  power off", 20)
    emulator.type("\x1b2quit\r")
    assert emulator.exit_status(20) == 0


def test_screen_and_ps2_keyboard(boot: Boot) -> None:
    emulator = boot(memory_mib=64)  # on a terminal the screen is drawn there
    emulator.wait_screen(
        r"(?m)^ pyqemu \S+  pc-1\.0 \(alias pc\), Standard PC +20\d\d-\d\d-\d\d \d\d:\d\d:\d\d", LIMIT_S
    )
    emulator.wait_screen(r" h  halt    r  reboot    p  power off +pyqemu BIOS", 20)
    screen = emulator.screen.text()
    assert re.search("┌─ Processor ─+┐┌─ Memory ─+┐\n│ QEMU Virtual CPU version", screen)
    assert re.search("┌─ PCI devices ─+┐┌─ Drives ─+┐\n│ 00:00.0 8086:1237 Intel 440FX host +││ hdc +empty", screen)
    emulator.type("Some keys: ")
    emulator.wait_screen(r"│ > Some keys:.*keyboard, scan code 39 │", 20)
    emulator.type("\x7f\x7f=1")
    emulator.wait_screen(r"│ > Some keys=1 ", 20)
    emulator.type("\r")
    emulator.wait_screen(r"│ >  +keyboard, scan code 1c │", 20)
    emulator.type("p")
    assert emulator.exit_status(20) == 0


def test_clock_on_the_screen_runs(boot: Boot) -> None:
    emulator = boot(memory_mib=64)
    first = emulator.wait_screen(r"\d\d:\d\d:(\d\d) *\n", LIMIT_S)[1]
    emulator.wait_screen(rf"\d\d:\d\d:(?!{first})\d\d *\n", 10)


def test_keys_are_echoed_on_the_serial_line(boot: Boot) -> None:
    emulator = at_prompt(boot("-nographic", memory_mib=64))
    emulator.type("chirp\x7fd")  # h, r and p are commands on an empty line only
    emulator.wait(r"chirp\x08 \x08d", 20)
    emulator.type("\r")
    emulator.wait(r"\n> ", 20)
    emulator.type("x" * 60)
    emulator.wait(r"x{48}\n> x{12}", 20)


@pytest.mark.parametrize("when", ["pyqemu BIOS", "demo guest"])
def test_keys_typed_before_the_prompt_are_not_lost(when: str, boot: Boot) -> None:
    """Some the firmware takes for its own keyboard buffer; others come before the demo lets interrupts in."""
    emulator = boot("-nographic", memory_mib=64)
    emulator.wait(when, LIMIT_S)
    emulator.type("early")
    emulator.wait("> early", LIMIT_S)


@pytest.mark.parametrize("machine", ["pc-1.0", "isapc"])
def test_reboot_comes_back(machine: str, boot: Boot) -> None:
    emulator = at_prompt(boot("-M", machine, "-nographic", memory_mib=64))
    emulator.type("r")
    emulator.wait("Rebooting", 20)
    at_prompt(emulator).type("ok")
    emulator.wait("ok", 20)


@pytest.mark.parametrize("machine", ["pc-1.0", "pc-next"])
def test_power_off_ends_with_0(machine: str, boot: Boot) -> None:
    emulator = at_prompt(boot("-M", machine, "-nographic", memory_mib=64))
    emulator.type("p")
    assert emulator.exit_status(20) == 0


def test_power_off_on_a_machine_without_a_switch(boot: Boot) -> None:
    emulator = at_prompt(boot("-M", "isapc", "-nographic", memory_mib=64))
    emulator.type("p")
    emulator.wait("This machine has no power switch: halted", 20)
    emulator.type("\x01x")
    assert emulator.exit_status(20) == 0
    emulator = at_prompt(boot("-M", "isapc", "-nographic", "-device", "isa-debug-exit", memory_mib=64))
    emulator.type("p")
    assert emulator.exit_status(20) == 33


@pytest.mark.parametrize("keys", ["", "h"], ids=["at-the-prompt", "halted"])
def test_idle_demo_guest_uses_no_processor_time(keys: str, boot: Boot) -> None:
    emulator = at_prompt(boot("-nographic", memory_mib=64))
    emulator.type(keys)
    if keys:
        emulator.wait("Halted", 20)
    emulator.drain(1)
    before = emulator.cpu_seconds()
    emulator.drain(4)
    assert emulator.cpu_seconds() - before < 0.12, "one interrupt a second at most: the clock's"
    emulator.type("z")
    emulator.wait("> " if keys else "z", 20)


@pytest.mark.skipif(not SEABIOS.exists(), reason="needs SeaBIOS")
@pytest.mark.parametrize("machine", ["pc-1.0", "isapc"])
def test_demo_guest_on_seabios(machine: str, boot: Boot) -> None:
    kernel = ("-kernel", IMAGE, "-append", f"machine={machine}")
    emulator = at_prompt(boot("-M", machine, "-nographic", "-bios", SEABIOS, *kernel, memory_mib=64))
    assert re.search(rf"(?m)^machine +{re.escape(machine)}\nfirmware +SeaBIOS$", emulator.text)
    if machine != "isapc":
        emulator.type("p")
        assert emulator.exit_status(20) == 0


def test_drives_are_what_they_say_they_are(tmp_path: Path, boot: Boot) -> None:
    def image(name: str, size: int) -> Path:
        path = tmp_path / name
        with path.open("wb") as file:
            file.truncate(size)
        return path

    disk, large, cd = image("disk", 96 * MIB), image("large", 300 << 30), image("cd", 5 * MIB)
    drives = ("-hda", disk, "-hdb", large, "-cdrom", cd, "-fdb", image("floppy", 1474560))
    emulator = at_prompt(boot("-nographic", "-kernel", IMAGE, *drives, memory_mib=64))
    table = re.search(r"(?m)^drives +((?:\S.*\n +)*\S.*\n)keys", emulator.text)
    assert table
    assert [line.strip() for line in table[1].splitlines()] == [
        "hda   96 MiB  QEMU HARDDISK",
        "hdb  300 GiB  QEMU HARDDISK",
        "hdc    5 MiB  QEMU DVD-ROM",
        "fda 1.44 MiB  3.5-inch floppy",
        "fdb 1.44 MiB  3.5-inch floppy",
    ]
    assert re.search(r"(?m)^machine +a machine whose type nobody told$", emulator.text)


@pytest.mark.parametrize("memory_mib", [1, 5000])
def test_any_amount_of_memory_will_do(memory_mib: int, boot: Boot) -> None:
    text = at_prompt(boot("-nographic", memory_mib=memory_mib)).text
    above = re.search(r"(?m)^ +100000000-([0-9a-f]{9}) +\d+ MiB RAM$", text)
    assert bool(above) == (memory_mib > 3584)


@pytest.mark.parametrize("options", [("-boot", "c"), ("-boot", "menu=off,strict=on")])
def test_a_boot_order_is_for_the_firmware(options: tuple[str, ...], boot: Boot) -> None:
    boot("-nographic", *options, memory_mib=64).wait(r"No bootable device\.", LIMIT_S)


# -- installed ------------------------------------------------------------------------------------------------

WITHOUT_SYSTEM_FIRMWARE = """
import sys
from pyqemu.firmware import images
images.SYSTEM_DIRS = ()
from pyqemu.cli.entry import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Python of a fresh environment that has a wheel of this checkout. The libraries it needs are ours, by path."""
    folder = tmp_path_factory.mktemp("installed")
    source = folder / "source"  # of its own: what was built in the checkout before stays out
    for part in ("pyqemu", "machines", "firmware/images"):
        shutil.copytree(CHECKOUT / part, source / part, ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    for part in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(CHECKOUT / part, source)
    quiet = ["-q", "--disable-pip-version-check", "--no-deps", "--no-index"]
    pip = [sys.executable, "-m", "pip"]
    build = [*pip, "wheel", *quiet, "--no-build-isolation", "-w", folder, source]
    done = subprocess.run(build, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"], check=True)
    python = folder / "venv" / "bin" / "python"
    (wheel,) = folder.glob("pyqemu-*.whl")
    subprocess.run([*pip, "--python", python, "install", *quiet, wheel], check=True)
    (site,) = (folder / "venv" / "lib").glob("python*/site-packages")
    (own,) = {path for path in sys.path if path.endswith("site-packages")}
    (site / "libraries.pth").write_text(own + "\n")
    return python


@pytest.mark.parametrize("machine", ["pc-1.0", "isapc"])
def test_an_installed_wheel_boots_without_system_firmware(machine: str, installed: Path, boot: Boot) -> None:
    program = [str(installed), "-I", "-c", WITHOUT_SYSTEM_FIRMWARE]
    where = [*program[:2], "-c", "import pyqemu; print(pyqemu.__file__)"]
    path = subprocess.run(where, capture_output=True, text=True, check=True).stdout
    assert path.startswith(str(installed.parents[1])), "not the checkout"
    emulator = at_prompt(boot("-M", machine, "-nographic", program=program, memory_mib=64))
    emulator.type("p")
    if machine == "isapc":
        emulator.wait("no power switch", 20)
    else:
        assert emulator.exit_status(20) == 0
