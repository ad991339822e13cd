#!/usr/bin/env python3
"""Times pyqemu next to qemu-system-x86_64 on the same guests and prints the ratios.

The series ``firmware`` and ``video`` compare our firmware with SeaBIOS instead, both on pyqemu.

Usage     bench.py [SERIES ...] [--runs N] [--busy] [--json FILE]; with no series, all of them
Method    runs come in pairs, one of each emulator, in turns, so that a slow minute of the host hits both;
          medians of the pairs are compared. A run is thrown away and repeated, up to three times, if other
          processes used more than 0.3 of a core during it; before each run the host must be quiet
Units     seconds of host time unless the row says otherwise; a ratio is pyqemu / QEMU, so less is better
Output    one row per measurement: name, ratio, target, medians, runs; micro-benchmark checksums are checked
Errors    exit status 1 if a guest does not get to its mark or a checksum is wrong
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import re
import select
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(CHECKOUT / "tests" / "boot"))
sys.path.insert(0, str(CHECKOUT / "tests" / "guests"))

from assembly import boot_sector  # noqa: E402
from emulator import GUESTS, Emulator, GuestFailure, command  # noqa: E402
from moving import measure as measure_moving  # noqa: E402

QEMU = ["qemu-system-x86_64", "-M", "pc-i440fx-1.4", "-accel", "tcg"]
MEMORY_MIB = 256
LIMIT_S = 300
TRIES = 3
BUSY_CORES = 0.3
QUIET_CORES = 0.15
QUIET_WAIT_S = 40
IDLE_S = 8
FIRMWARE_RESETS = 20
FIRMWARE_DISK_BYTES = 65 << 20
NOISE = 1.15  # the same program differs by so much from one quarter of an hour to the next
HZ = os.sysconf("SC_CLK_TCK")
SERIAL = ["-nographic", "-nodefaults", "-serial", "stdio", "-no-reboot", "-bios", str(GUESTS / "bios-256k.bin")]
LINUX = "console=ttyS0 nokaslr panic=-1"
USERLAND = "HELLO FROM USERLAND"

MICRO = {  # test: checksum, the same in every emulator
    "start": "00000000",
    "int": "8E423BF0",
    "mem": "986DC85A",
    "pmem": "986DC85A",
    "movs": "AE6C0000",
    "out80": "00000000",
    "in3fd": "03D09000",
    "ins": "D799FBE5",
    "int80": "000F4240",
    "cr3": "1258D400",
    "smc": "2A06B550",
    "tick": "000003E8",
}

VIDEO_MODES = ("3", "12h", "13h", "103h", "115h")  # as in video.S

Measurements = dict[str, float]


class BenchError(Exception):
    """A measurement that means nothing."""


def busy_seconds() -> float:
    """CPU seconds that the whole host has used since it started."""
    times = [int(word) for word in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return (sum(times) - times[3] - times[4]) / HZ


def wait_quiet() -> None:
    end = time.monotonic() + QUIET_WAIT_S
    while time.monotonic() < end:
        before = busy_seconds()
        time.sleep(1)
        if busy_seconds() - before < QUIET_CORES:
            return


@dataclass
class Timed:
    """One run of a command to its last mark: seconds from its start to each mark, and what it cost."""

    marks: Measurements = field(default_factory=dict)
    output: bytes = b""
    memory_mib: float = 0.0  # peak, without the guest's RAM


def run_to_marks(arguments: list[str], marks: dict[str, str]) -> Timed:
    """Run until the last of *marks* (name: regular expression on the output) and stop the process."""
    waiting = [(name, re.compile(pattern.encode())) for name, pattern in marks.items()]
    result = Timed()
    with tempfile.TemporaryFile() as errors:
        started = time.monotonic()
        process = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors)
        assert process.stdout is not None
        try:
            os.set_blocking(process.stdout.fileno(), False)
            position = 0
            while waiting:
                now = wait_readable(process.stdout.fileno()) - started
                data = process.stdout.read()
                result.output += data or b""
                while waiting and (found := waiting[0][1].search(result.output, position)):
                    result.marks[waiting.pop(0)[0]] = now
                    position = found.end()
                if data == b"" or now > LIMIT_S:
                    break
            result.memory_mib = memory_without_guest_mib(process.pid) if process.poll() is None else 0.0
        finally:
            if process.poll() is None:
                process.terminate()
            process.wait()
            process.stdout.close()
        if waiting:
            errors.seek(0)
            tail = (
                result.output[-1500:].decode("utf-8", "replace") + errors.read().decode("utf-8", "replace")[-1500:]
            )
            raise BenchError(f"no {waiting[0][0]!r} in: {' '.join(arguments)}\n{tail}")
    return result


def wait_readable(descriptor: int) -> float:
    """Sleep until there is output, for at most half a second; the time at waking."""
    select.select([descriptor], [], [], 0.5)
    return time.monotonic()


def memory_without_guest_mib(pid: int) -> float:
    """Peak resident memory less what is resident of the guest's RAM.

    RAM is taken to be the fullest mapping of its size or up to a quarter more: the kernel joins neighbouring
    mappings, so some of the emulator's own memory may be counted as RAM.
    """
    wanted, areas = MEMORY_MIB << 10, []  # KiB
    for area in re.finditer(
        r"^[0-9a-f]+-[0-9a-f]+ .*\nSize:\s+(\d+) kB(?:\n\w+:.*)*?\nRss:\s+(\d+) kB",
        Path(f"/proc/{pid}/smaps").read_text(),
        re.MULTILINE,
    ):
        if wanted <= int(area[1]) <= wanted * 5 // 4:
            areas.append(int(area[2]))
    peak = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    assert peak is not None
    if not areas:
        raise BenchError(f"no mapping of the guest's {MEMORY_MIB} MiB in process {pid}")
    return (int(peak[1]) - max(areas)) / 1024


# Each series is one function: it runs an emulator once and returns its measurements.


def machine(emulator: list[str], *arguments: str) -> list[str]:
    return [*emulator, "-m", str(MEMORY_MIB), *SERIAL, *arguments]


def kernel(bits: str, initrd: str) -> list[str]:
    return [
        "-kernel",
        str(GUESTS / f"vmlinuz{bits}"),
        "-initrd",
        str(GUESTS / f"{initrd}{bits}.gz"),
        "-append",
        LINUX,
    ]


def boot_kernel(bits: str) -> Callable[[list[str]], Measurements]:
    def run(emulator: list[str]) -> Measurements:
        marks = {f"kernel{bits} first line": "Linux version", f"kernel{bits} userland": USERLAND}
        timed = run_to_marks(machine(emulator, *kernel(bits, "initrd")), marks)
        return timed.marks | {f"kernel{bits} memory, MiB": timed.memory_mib}

    return run


def grub_marks(name: str) -> dict[str, str]:
    return {f"{name} GRUB": "GRUB loading kernel", f"{name} loaded": "GRUB booting"}


def boot_cd(bits: str) -> Callable[[list[str]], Measurements]:
    def run(emulator: list[str]) -> Measurements:
        marks = grub_marks(f"cd{bits}") | {f"cd{bits} userland": USERLAND}
        arguments = machine(emulator, "-cdrom", str(GUESTS / f"cd{bits}.iso"), "-boot", "d")
        return run_to_marks(arguments, marks).marks

    return run


def boot_disk(bits: str) -> Callable[[list[str]], Measurements]:
    def run(emulator: list[str]) -> Measurements:
        marks = grub_marks(f"disk{bits}") | {f"disk{bits} login": "login: "}
        return run_to_marks(machine(emulator, "-drive", image(f"disk{bits}.img"), "-boot", "c"), marks).marks

    return run


def read_disk(bits: str) -> Callable[[list[str]], Measurements]:
    def run(emulator: list[str]) -> Measurements:
        arguments = machine(emulator, *kernel(bits, "read"), "-drive", image("read.img"))
        marks = run_to_marks(arguments, {"start": "DD START", "done": "DD DONE"}).marks
        return {f"read{bits} 256 MiB by DMA": marks["done"] - marks["start"]}

    return run


def micro(emulator: list[str]) -> Measurements:
    marks = {name: f"M[0-9A-F] {name} [0-9A-F]{{8}}" for name in MICRO}
    timed = run_to_marks(machine(emulator, "-drive", image("micro.img"), "-boot", "c"), marks)
    for name, checksum in MICRO.items():
        if f" {name} {checksum}".encode() not in timed.output:
            raise BenchError(f"micro {name}: not {checksum} but {timed.output.decode('latin-1')}")
    names = list(MICRO)
    return {f"micro {b}": timed.marks[b] - timed.marks[a] for a, b in itertools.pairwise(names)}


def idle(emulator: list[str]) -> Measurements:
    """Processor use at a shell prompt, in thousandths of a core."""
    with Emulator(*machine([], *kernel("64", "shell")), program=emulator) as guest:
        guest.wait("login: ", LIMIT_S)
        guest.type("root\n")
        guest.wait("/root # ", 60)
        guest.drain(2)
        before = guest.cpu_seconds()
        guest.drain(IDLE_S)
        return {"idle at a prompt, 1/1000 core": (guest.cpu_seconds() - before) * 1000 / IDLE_S}


def firmware(emulator: list[str]) -> Measurements:
    """Seconds from a reset to the boot sector, the mean of FIRMWARE_RESETS; and reading 64 MiB by int 13h."""
    with tempfile.TemporaryDirectory() as folder:
        disk = Path(folder) / "firmware.img"
        boot_sector(Path(__file__).with_name("firmware.S"), disk)
        os.truncate(disk, FIRMWARE_DISK_BYTES)
        marks = {"first": "S", "last": f"S{{{FIRMWARE_RESETS}}}", "start": "D", "done": "E"}
        serial = ["-display", "none", "-serial", "stdio"]
        drive = ["-drive", f"file={disk},format=raw,if=ide,snapshot=on"]
        timed = run_to_marks([*emulator, "-m", str(MEMORY_MIB), *serial, *drive], marks).marks
    reset = (timed["last"] - timed["first"]) / FIRMWARE_RESETS
    return {
        "firmware reset to boot sector": reset,
        "firmware reset to boot sector, s": reset,
        "firmware 64 MiB by int 13h": timed["done"] - timed["start"],
    }


def video(emulator: list[str]) -> Measurements:
    """Seconds of writing characters and of scrolling by int 10h."""
    work = [f"video {what}, mode {mode}" for mode in VIDEO_MODES for what in ("teletype", "scrolling")]
    marks = {name: chr(ord("A") + number) for number, name in enumerate(["start", *work])}
    with tempfile.TemporaryDirectory() as folder:
        disk = Path(folder) / "video.img"
        boot_sector(Path(__file__).with_name("video.S"), disk)
        os.truncate(disk, 1 << 20)
        options = ["-m", str(MEMORY_MIB), "-display", "none", "-serial", "stdio"]
        drive = ["-drive", f"file={disk},format=raw,if=ide,snapshot=on"]
        timed = run_to_marks([*emulator, *options, *drive], marks).marks
    return {name: timed[name] - timed[before] for before, name in itertools.pairwise(marks)}


def moving(emulator: list[str]) -> Measurements:
    return measure_moving(machine(emulator, *kernel("64", "shell")))


def version(emulator: list[str]) -> Measurements:
    started = time.monotonic()
    subprocess.run([emulator[0], *module_of(emulator), "-version"], check=True, stdout=subprocess.DEVNULL)
    return {"-version": time.monotonic() - started}


def module_of(emulator: list[str]) -> list[str]:
    return emulator[1:3] if emulator[1:2] == ["-m"] else []


def image(name: str) -> str:
    return f"file={GUESTS / name},format=raw,if=ide,snapshot=on"


SERIES: dict[str, Callable[[list[str]], Measurements]] = {
    "version": version,
    "kernel64": boot_kernel("64"),
    "kernel32": boot_kernel("32"),
    "cd64": boot_cd("64"),
    "cd32": boot_cd("32"),
    "disk64": boot_disk("64"),
    "disk32": boot_disk("32"),
    "micro": micro,
    "read64": read_disk("64"),
    "read32": read_disk("32"),
    "idle": idle,
    "firmware": firmware,
    "video": video,
    "moving": moving,
}
SEABIOS = ["-bios", str(GUESTS / "bios-256k.bin"), "-global", f"VGA.romfile={GUESTS / 'vgabios-stdvga.bin'}"]

# The highest ratio that is good enough; a measurement without one is shown for information.
TARGETS = {
    "kernel64 userland": 0.9,
    "kernel32 userland": 1.0,
    "cd64 userland": 1.0,
    "cd32 userland": 1.0,
    "disk64 login": 1.0,
    "disk32 login": 1.0,
    "read64 256 MiB by DMA": 1.5,
    "read32 256 MiB by DMA": 1.5,
    **{f"micro {name}": 1.1 for name in ("int", "mem", "pmem", "movs", "int80", "cr3", "smc")},
    "micro out80": 3.5,
    "micro in3fd": 3.5,
    "micro ins": 0.5,
    "micro tick": 1.01,
    "firmware reset to boot sector": 0.2,
    "firmware 64 MiB by int 13h": 0.5,
    **{f"video {what}, mode {mode}": 1.0 for mode in VIDEO_MODES for what in ("teletype", "scrolling")},
}

# What has a limit of its own, whatever QEMU needs.
LIMITS = {
    "idle at a prompt, 1/1000 core": 30.0,
    "-version": 0.15,
    "firmware reset to boot sector, s": 0.06,
    "kernel64 memory, MiB": 120.0,
    "kernel32 memory, MiB": 120.0,
    "moving: save, s": 1.0,
    "moving: load, s": 0.5,
    "moving: downtime of a live move, s": 0.3,
    "moving: work while watched": 1.1,
}


def undisturbed(series: Callable[[list[str]], Measurements], emulator: list[str], tries: int) -> Measurements:
    """One run during which the host did little else; the last try counts whatever happened."""
    for attempt in range(1, tries + 1):
        if tries > 1:
            wait_quiet()
        children = os.times()
        busy, started = busy_seconds(), time.monotonic()
        measured = series(emulator)
        now = os.times()
        own = now.children_user + now.children_system - children.children_user - children.children_system
        own += now.user + now.system - children.user - children.system
        other = (busy_seconds() - busy - own) / (time.monotonic() - started)
        if other <= BUSY_CORES or attempt == tries:
            return measured | {"other": other}
        print(f"  disturbed ({other:.1f} cores busy elsewhere), again", file=sys.stderr)
    raise AssertionError("unreachable")


def compare(
    name: str, ours: list[str], theirs: list[str], runs: int, tries: int
) -> dict[str, tuple[list[float], list[float]]]:
    """Pairs of runs in turns: for each measurement, our values and theirs."""
    rows: dict[str, tuple[list[float], list[float]]] = {}
    for number in range(runs):
        pair = (ours, theirs) if number % 2 == 0 else (theirs, ours)
        for emulator in pair:
            measured = undisturbed(SERIES[name], emulator, tries)
            print(f"  {name} run {number + 1} {Path(emulator[0]).name}: {rounded(measured)}", file=sys.stderr)
            for row, value in measured.items():
                if row != "other":
                    rows.setdefault(row, ([], []))[emulator is theirs].append(value)
    return rows


def rounded(measured: Measurements) -> str:
    return ", ".join(f"{name} {value:.3f}" for name, value in measured.items())


def print_rows(rows: dict[str, tuple[list[float], list[float]]]) -> None:
    for name, (ours, theirs) in rows.items():
        mine, reference = statistics.median(ours), statistics.median(theirs)
        ratio = mine / reference if reference else float("nan")
        absolute = LIMITS.get(name)
        target = TARGETS.get(name) if absolute is None else absolute
        value = ratio if absolute is None else mine
        if target is None:
            verdict = limit = ""
        else:
            verdict = "ok" if value <= target else "near" if value <= target * NOISE else "SLOW"
            limit = f"{target:.2f}" + ("" if absolute is None else "!")
        spread = f"{min(ours):.3f}-{max(ours):.3f}"
        medians = f"{mine:10.3f}{reference:10.3f}"
        print(f"{name:34s}{ratio:8.2f}{limit:>9s} {verdict:5s}{medians}  {spread:18s}{len(ours):3d}")


def main() -> int:
    parser = argparse.ArgumentParser(description="time pyqemu next to qemu-system-x86_64")
    parser.add_argument("series", nargs="*", metavar="SERIES", help=f"of: {', '.join(SERIES)}")
    parser.add_argument("--runs", type=int, default=5, help="pairs of runs per series (default 5)")
    parser.add_argument("--busy", action="store_true", help="do not wait for a quiet host: for a first look only")
    parser.add_argument("--json", type=Path, help="also write all values here")
    options = parser.parse_args()
    if unknown := [name for name in options.series if name not in SERIES]:
        parser.error(f"no series {unknown[0]!r}; there are: {', '.join(SERIES)}")
    if not shutil.which(QEMU[0]):
        parser.error(f"{QEMU[0]} is needed to compare with")
    ours, failed = command(), False
    results: dict[str, tuple[list[float], list[float]]] = {}
    print(
        f"{'':34s}{'ratio':>8s}{'target':>8s} {'':5s}{'pyqemu':>10s}{'QEMU':>10s}  {'pyqemu min-max':18s}{'n':>3s}"
    )
    for name in options.series or SERIES:
        try:
            theirs = [*ours, *SEABIOS] if name in ("firmware", "video") else QEMU
            rows = compare(name, ours, theirs, options.runs, 1 if options.busy else TRIES)
        except (BenchError, GuestFailure, subprocess.SubprocessError) as error:
            print(f"{name}: {error}", file=sys.stderr)
            failed = True
            continue
        print_rows(rows)
        sys.stdout.flush()
        results |= rows
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
