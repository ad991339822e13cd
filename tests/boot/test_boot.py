"""Boots real guests: a table of guest, arguments, what must be seen, what is typed, and how it ends.

Guests come from ``make guests``. Each row runs with our own firmware, the default; those named in WITH_SEABIOS also
with Debian's. Rows marked FULL belong to the long matrix (``make test-full``).
"""

from __future__ import annotations

import re
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from emulator import Emulator

SEABIOS = ("-bios", "bios-256k.bin", "-global", "VGA.romfile=vgabios-stdvga.bin")
SEABIOS_128K = ("-bios", "bios.bin", "-global", "VGA.romfile=vgabios-stdvga.bin")
DEBUG_EXIT = ("-device", "isa-debug-exit")
LINUX = "console=ttyS0 nokaslr panic=-1"
LINUX_BARE = f"{LINUX} acpi=off noapic nolapic"
FULL = pytest.mark.full
FIRMWARE_LIMIT_S = 60
LINUX_LIMIT_S = 120


@dataclass(frozen=True)
class Sees:
    """This must come in the output within so many seconds."""

    pattern: str
    seconds: float = LINUX_LIMIT_S


@dataclass(frozen=True)
class Types:
    text: str


@dataclass(frozen=True)
class Exits:
    status: int
    seconds: float = 60


Step = Sees | Types | Exits

LOGIN = (
    Sees("SYSTEM READY"),
    Sees("login: "),
    Types("root\n"),
    Sees("/root # "),
)
LOOK_AND_LEAVE = (
    Types("uname -a\n"),
    Sees(r"Linux guest 6\.\d+\.\S+ .*GNU/Linux", 20),
    Sees("/root # ", 20),
    Types("cat /proc/cpuinfo\n"),
    Sees(r"model name\s*: QEMU Virtual CPU version [\d.+]+", 20),
    Sees("/root # ", 20),
    Types("poweroff\n"),
    Sees("Power down", 30),
    Exits(0, 20),
)
ROOT_IS_DISK = (
    Types("grep ' / ' /proc/mounts\n"),
    Sees(r"/dev/sda1 / ext\d rw", 20),
    Sees("/root # ", 20),
)
USERLAND = (Sees("Linux version 6"), Sees("HELLO FROM USERLAND"), Sees("Power down"), Exits(0))
USERLAND_NO_POWER = (Sees("Linux version 6"), Sees("HELLO FROM USERLAND"), Sees("System halted"))
NO_BOOT = (Sees(r"SeaBIOS|pyqemu BIOS", 30), Sees(r"No bootable device\.", FIRMWARE_LIMIT_S))
FIVE_BOOTS = (*(Sees(f"BOOT {number}", FIRMWARE_LIMIT_S) for number in range(1, 6)), Exits(39))
PROMPT = (Sees(r"(ISO|SYS)LINUX (CD|DISK)"), Sees("boot: "), Types("linux\r"))
HELLO = (Sees("HELLO FROM BOOT SECTOR", FIRMWARE_LIMIT_S), Exits(33))


def row(name: str, arguments: tuple[str, ...], *steps: Step, full: bool = False):  # type: ignore[no-untyped-def]
    return pytest.param(arguments, steps, id=name, marks=(FULL,) if full else ())


def linux(bits: str, initrd: str, append: str = LINUX) -> tuple[str, ...]:
    kernel = ("-kernel", f"vmlinuz{bits}", "-initrd", f"{initrd}{bits}.gz", "-append", append)
    return ("-nographic", "-no-reboot", *kernel)


SERIAL = ("-nographic",)

BOOTS = [
    row("nothing-to-boot", (*SERIAL, "-boot", "c"), *NO_BOOT),
    row("boot-sector", (*SERIAL, *DEBUG_EXIT, "hello.img"), *HELLO),
    row("four-kinds-of-reset", (*SERIAL, *DEBUG_EXIT, "reset.img"), *FIVE_BOOTS),
    row("no-reboot", (*SERIAL, "-no-reboot", "reset.img"), Sees("BOOT 1", FIRMWARE_LIMIT_S), Exits(0)),
    row("disk-write", (*SERIAL, *DEBUG_EXIT, "-snapshot", "write.img"), Sees("WROTE", FIRMWARE_LIMIT_S), Exits(37)),
    row("disk64", (*SERIAL, "-snapshot", "disk64.img"), *LOGIN, *ROOT_IS_DISK, *LOOK_AND_LEAVE),
    row("disk32-pae", (*SERIAL, "-snapshot", "disk32.img"), *LOGIN, *ROOT_IS_DISK, *LOOK_AND_LEAVE),
    row("kernel64", linux("64", "initrd"), *USERLAND),
    row("kernel32", linux("32", "initrd"), *USERLAND),
    row("kernel64-bare", linux("64", "initrd", LINUX_BARE), *USERLAND_NO_POWER, full=True),
    row("kernel32-bare", linux("32", "initrd", LINUX_BARE), *USERLAND_NO_POWER, full=True),
    row("shell64", linux("64", "shell"), *LOGIN, *LOOK_AND_LEAVE, full=True),
    row("shell32", linux("32", "shell"), *LOGIN, *LOOK_AND_LEAVE, full=True),
    row("shell32-pae", linux("32pae", "shell"), *LOGIN, *LOOK_AND_LEAVE, full=True),
    row("cd64", (*SERIAL, "-no-reboot", "-cdrom", "cd64.iso"), *USERLAND, full=True),
    row("cd32", (*SERIAL, "-no-reboot", "-cdrom", "cd32.iso", "-boot", "d"), *USERLAND, full=True),
    row("isolinux", (*SERIAL, "-no-reboot", "-cdrom", "isolinux.iso", "-boot", "d"), *PROMPT, *USERLAND),
    row("syslinux", (*SERIAL, "-no-reboot", "-snapshot", "syslinux.img"), *PROMPT, *USERLAND),
    row(
        "syslinux-floppy",
        (*SERIAL, *DEBUG_EXIT, "-snapshot", "-fda", "syslinux-floppy.img", "-boot", "a"),
        Sees("SYSLINUX FLOPPY", FIRMWARE_LIMIT_S),
        Sees("boot: ", FIRMWARE_LIMIT_S),
        Types("hello\r"),
        *HELLO,
    ),
    row("cd-as-disk", (*SERIAL, "-no-reboot", "-snapshot", "cd32.iso"), *USERLAND, full=True),
    row("disk64-small", (*SERIAL, "-snapshot", "-m", "128", "disk64.img"), *LOGIN, *LOOK_AND_LEAVE, full=True),
    row("disk64-above-4g", (*SERIAL, "-snapshot", "-m", "4096", "disk64.img"), *LOGIN, *LOOK_AND_LEAVE, full=True),
    row("isapc", ("-M", "isapc", *SERIAL, *DEBUG_EXIT, "hello.img"), *HELLO),
    row("read64", (*linux("64", "read"), "-snapshot", "-hda", "read.img"), Sees("DD DONE"), Exits(0), full=True),
    row("read32", (*linux("32", "read"), "-snapshot", "-hda", "read.img"), Sees("DD DONE"), Exits(0), full=True),
]

# What SeaBIOS boots shows that the hardware is real, and not only what our own firmware makes of it.
WITH_SEABIOS = {
    *("nothing-to-boot", "boot-sector", "four-kinds-of-reset", "disk64", "disk32-pae", "kernel64", "kernel32"),
    *("cd64", "cd32", "disk64-above-4g"),
}
BOOTS += [
    pytest.param((*SEABIOS, *arguments), steps, id=f"{entry.id}-seabios", marks=entry.marks)
    for entry in BOOTS
    if entry.id in WITH_SEABIOS
    for arguments, steps in [entry.values]
] + [
    row("nothing-to-boot-seabios-128k", (*SEABIOS_128K, *SERIAL), *NO_BOOT),
    row(
        "disk32-seabios-128k",
        (*SEABIOS_128K, *SERIAL, "-snapshot", "disk32.img"),
        *LOGIN,
        *LOOK_AND_LEAVE,
        full=True,
    ),
]


@pytest.mark.parametrize(("arguments", "steps"), BOOTS)
def test_boot(
    arguments: tuple[str, ...], steps: tuple[Step, ...], guest: Callable[..., Path], boot: Callable[..., Emulator]
) -> None:
    play(boot(*with_guests(arguments, guest)), *steps)


def play(emulator: Emulator, *steps: Step) -> None:
    for step in steps:
        match step:
            case Sees(pattern, seconds):
                emulator.wait(pattern, seconds)
            case Types(text):
                emulator.type(text)
            case Exits(status, seconds):
                assert emulator.exit_status(seconds) == status, emulator.report("wrong exit status")


def with_guests(arguments: tuple[str, ...], guest: Callable[..., Path]) -> list[str]:
    """The arguments with the names of guests' files replaced by their paths."""

    def is_guest(word: str) -> bool:
        return word.endswith((".img", ".iso", ".gz", ".bin")) or word.startswith("vmlinuz")

    def replaced(word: str) -> str:
        key, equals, name = word.rpartition("=")
        return f"{key}{equals}{guest(name)}" if is_guest(name) else word

    return [replaced(word) for word in arguments]


# What needs more than a row: files looked at afterwards, a screen, signals, two processes.


def serial_log(path: Path) -> tuple[str, ...]:
    return ("-display", "curses", "-serial", f"file:{path}")


@pytest.mark.parametrize(("options", "changed"), [(("-snapshot",), False), ((), True)], ids=["snapshot", "direct"])
def test_writes_reach_the_image_unless_snapshot(options, changed, guest, boot) -> None:  # type: ignore[no-untyped-def]
    image = guest("write.img", copy=True)
    before = image.read_bytes()
    emulator = boot(*SERIAL, *DEBUG_EXIT, *options, image)
    emulator.wait("WROTE", FIRMWARE_LIMIT_S)
    assert emulator.exit_status(20) == 37
    after = before[:512] + b"\x5a" * 512 + before[1024:] if changed else before
    assert image.read_bytes() == after


@pytest.mark.parametrize("size", [512 * 3 + 1, 1_000_000, (1 << 20) + 511])
def test_image_of_odd_size_boots(size, tmp_path, guest, boot) -> None:  # type: ignore[no-untyped-def]
    image = tmp_path / "odd.img"
    image.write_bytes(guest("hello.img").read_bytes().ljust(size, b"\xe5"))
    emulator = boot(*SERIAL, *DEBUG_EXIT, image)
    emulator.wait("HELLO FROM BOOT SECTOR", FIRMWARE_LIMIT_S)
    assert emulator.exit_status(20) == 33


def test_floppy_boots(tmp_path, guest, boot) -> None:  # type: ignore[no-untyped-def]
    image = tmp_path / "floppy.img"
    image.write_bytes(guest("hello.img").read_bytes().ljust(1_474_560, b"\0"))
    emulator = boot(*SERIAL, *DEBUG_EXIT, "-fda", image, "-boot", "a")
    emulator.wait("HELLO FROM BOOT SECTOR", FIRMWARE_LIMIT_S)
    assert emulator.exit_status(20) == 33


def test_typed_keys_reach_the_guest_through_the_screen(tmp_path, guest, boot) -> None:  # type: ignore[no-untyped-def]
    log = tmp_path / "serial.log"
    emulator = boot(*serial_log(log), *DEBUG_EXIT, "-snapshot", guest("keys.img"))
    emulator.wait_screen("KEYS", FIRMWARE_LIMIT_S)
    for key in "aZ1=?":
        emulator.type(key)
        emulator.wait_screen(r"KEYS\s+\S*" + re.escape(key), 20)
    emulator.type("q")
    assert emulator.exit_status(20) == 35
    assert log.read_bytes() == b"KEYS\r\naZ1=?q"


@pytest.mark.parametrize(
    "arguments",
    [("-cdrom", "grub-rescue-cdrom.iso", "-boot", "d"), ("-fda", "grub-rescue-floppy.img", "-boot", "a")],
    ids=["cd", "floppy"],
)
@pytest.mark.parametrize("firmware", [(), SEABIOS], ids=["ours", "seabios"])
def test_grub_rescue_prompt(arguments, firmware, tmp_path, guest, boot) -> None:  # type: ignore[no-untyped-def]
    words = with_guests((*firmware, "-snapshot", *arguments), guest)
    emulator = boot(*words, *serial_log(tmp_path / "serial.log"))
    emulator.wait_screen("GNU GRUB[^$]*Microsoft Windows", FIRMWARE_LIMIT_S)
    emulator.type("c")
    emulator.wait_screen(r"(?m)^ *grub>$", 30)
    emulator.type("echo two$unset-words\n")
    emulator.wait_screen(r"(?m)^ *two-words$", 30)


def test_ipxe_rom_shows_its_prompt(tmp_path, guest, boot) -> None:  # type: ignore[no-untyped-def]
    emulator = boot(*serial_log(tmp_path / "serial.log"), "-option-rom", guest("ipxe.bin"))
    emulator.wait_screen("Ctrl-B", FIRMWARE_LIMIT_S)
    emulator.type("\x02")
    emulator.wait_screen(r"(?m)^ *iPXE>", 30)
    emulator.type("echo two$" + "{unset}-words\n")
    emulator.wait_screen(r"(?m)^ *two-words$", 30)


def test_sigterm_ends_with_0_and_restores_the_terminal(guest, boot) -> None:  # type: ignore[no-untyped-def]
    emulator = boot(*SERIAL, guest("idle.img"))
    emulator.wait("IDLE", FIRMWARE_LIMIT_S)
    assert emulator.terminal_settings() != emulator.settings, "raw mode: keys must go to the guest one by one"
    emulator.signal(signal.SIGTERM)
    assert emulator.exit_status(10) == 0
    assert emulator.terminal_settings() == emulator.settings


def test_second_process_on_the_same_image_is_refused(guest, boot) -> None:  # type: ignore[no-untyped-def]
    image = guest("idle.img", copy=True)
    first = boot(*SERIAL, image)
    first.wait("IDLE", FIRMWARE_LIMIT_S)
    second = boot(*SERIAL, image)
    assert second.exit_status(20) == 1
    assert 'Failed to get "write" lock' in second.errors
    assert first.process.poll() is None


def test_idle_guest_uses_no_processor_time(guest, boot) -> None:  # type: ignore[no-untyped-def]
    emulator = boot(*SERIAL, guest("idle.img"))
    emulator.wait("IDLE", FIRMWARE_LIMIT_S)
    before = emulator.cpu_seconds()
    emulator.drain(3)
    assert emulator.cpu_seconds() - before < 0.3, "18 timer interrupts a second cost nearly nothing"


@pytest.mark.full
def test_files_written_in_the_guest_are_there_after_a_boot(guest, boot) -> None:  # type: ignore[no-untyped-def]
    image = guest("disk64.img", copy=True)
    for commands, expected in [
        ("echo kept > /root/file; sha256sum /bin/busybox > /root/sum\n", "/root # "),
        ("cat /root/file; sha256sum -c /root/sum\n", r"kept\n/bin/busybox: OK"),
    ]:
        emulator = boot(*SERIAL, image)
        play(emulator, *LOGIN, Types(commands), Sees(expected, 30), Types("poweroff\n"), Exits(0, 60))
