"""How a machine ends: signals, power-off, triple faults, and what the terminal looks like afterwards."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest
from process.program import EXIT, HALTED, LIMIT_S, TIGHT_LOOP, Program, arguments, assemble, run

# Continuous DMA: reads 64 KiB with one command after the other, and never looks for an interrupt.
ENDLESS_DMA = """
        mov ax, 0x1000
        mov es, ax
        mov dword [es:0], 0x20000       ; one region of 64 KiB at 128 KiB
        mov dword [es:4], 0x80000000
        pci 0x09, 0x20, 0xC001          ; bus master registers at C000h
        pci 0x09, 0x04, 0x5
        pci 0x09, 0x40, 0x80008000      ; both channels decode
        say "ready"
again:  out32 0xC004, 0x10000
        out8 0x1F6, 0xE0
        out8 0x1F2, 128
        out8 0x1F3, 0
        out8 0x1F4, 0
        out8 0x1F5, 0
        out8 0x1F7, 0xC8
        out8 0xC000, 9
.busy:  mov dx, 0xC002
        in al, dx
        test al, 1
        jnz .busy
        out8 0xC000, 0
        out8 0xC002, 6
        jmp again
"""
GUESTS = {
    "tight loop": TIGHT_LOOP,
    "halted": HALTED,
    "DMA": ENDLESS_DMA,
    "resets": 'say "ready"\nout8 0x64, 0xFE\njmp $\n',
    "string": 'say "ready"\nmov ecx, -1\nxor edi, edi\nmov ax, 0x2000\nmov es, ax\n'
    ".more: mov dx, 0x60\na32 rep insb\njmp .more\n",
}
TRIPLE_FAULT = 'say "ready"\nlidt [cs:none]\nud2\nnone: dw 0\ndd 0\n'
POWER_OFF = """
        pci 0x0B, 0x40, 0xB001          ; ACPI registers at B000h
        pci 0x0B, 0x80, 1
        say "ready"
        out16 0xB004, 0x2000            ; PM1 control: SLP_EN, type 0 is S5
"""


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    path = tmp_path / "disk.img"
    with open(path, "wb") as file:
        file.truncate(1 << 20)
    return path


@pytest.mark.parametrize(
    ("guest", "number"),
    [(guest, signal.SIGTERM) for guest in GUESTS]
    + [(guest, number) for guest in ("tight loop", "halted") for number in (signal.SIGINT, signal.SIGHUP)],
)
def test_signals_end_any_guest(tmp_path: Path, disk: Path, guest: str, number: signal.Signals) -> None:
    bios = assemble(tmp_path / "bios.bin", GUESTS[guest])
    with Program("-bios", bios, "-nographic", "-drive", f"file={disk},format=raw") as program:
        program.wait("ready")
        assert program.end(number, 5) == 0
        assert "Traceback" not in program.errors


@pytest.mark.parametrize("display", [("-nographic",), ("-display", "curses", "-debugcon", "file:@"), ()])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_signals_restore_the_terminal(tmp_path: Path, display: tuple[str, ...], number: signal.Signals) -> None:
    bios = assemble(tmp_path / "bios.bin", TIGHT_LOOP)
    options = [option.replace("@", str(tmp_path / "log")) for option in display]
    with Program("-bios", bios, *options, terminal=True) as program:
        program.until(lambda: program.terminal_settings() != program.settings, "raw mode")
        program.until(lambda: program.text, "output")
        assert program.end(number) == 0
        assert program.terminal_settings() == program.settings
        if "-nographic" not in display:
            assert program.text.endswith("\x1b[?1049l")


def test_control_a_x_ends_the_machine(tmp_path: Path) -> None:
    bios = assemble(tmp_path / "bios.bin", TIGHT_LOOP)
    with Program("-bios", bios, "-nographic", terminal=True) as program:
        program.wait("ready")
        program.type(b"\x01x")
        assert program.status(5) == 0
        assert program.terminal_settings() == program.settings


def test_the_terminal_hangs_up(tmp_path: Path) -> None:
    """Who closes a terminal window expects the machine to end."""
    bios = assemble(tmp_path / "bios.bin", HALTED)
    with Program("-bios", bios, "-nographic", terminal=True) as program:
        program.wait("ready")
        assert program.terminal is not None and program._line is not None
        os.close(program._line)
        os.close(program.terminal)
        program.terminal = program._line = None
        program._source = -1
        assert program.status(5) == 0
        assert "Traceback" not in program.errors


def test_signals_until_it_has_ended(tmp_path: Path) -> None:
    """The first one ends the machine, and no later one cuts off what is left to do."""
    bios = assemble(tmp_path / "bios.bin", TIGHT_LOOP)
    pidfile = tmp_path / "pid"
    with Program("-bios", bios, "-nographic", "-pidfile", pidfile) as program:
        program.wait("ready")
        deadline = time.monotonic() + LIMIT_S
        while program.process.poll() is None and time.monotonic() < deadline:
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
                program.process.send_signal(number)
        assert program.status(5) == 0
        assert "Traceback" not in program.errors
        assert not pidfile.exists()


# -- ends that the guest brings about ----------------------------------------------------------------


def test_a_triple_fault_resets(tmp_path: Path) -> None:
    bios = assemble(tmp_path / "bios.bin", TRIPLE_FAULT)
    with Program("-bios", bios, "-nographic") as program:
        program.wait("(ready\n){3}")
        assert program.end() == 0


@pytest.mark.parametrize("code", [TRIPLE_FAULT, 'say "ready"\nout8 0x64, 0xFE\njmp $\n'])
def test_a_reset_ends_with_no_reboot(tmp_path: Path, code: str) -> None:
    program = run("-bios", assemble(tmp_path / "bios.bin", code), "-nographic", "-no-reboot")
    assert program.status() == 0
    assert program.text.count("ready") == 1
    assert not program.errors


def test_power_off_ends(tmp_path: Path) -> None:
    program = run("-bios", assemble(tmp_path / "bios.bin", POWER_OFF), "-nographic")
    assert program.status() == 0
    assert program.text == "ready\n"


def test_no_shutdown_keeps_a_machine_that_is_off(tmp_path: Path) -> None:
    bios = assemble(tmp_path / "bios.bin", POWER_OFF)
    with Program("-bios", bios, "-nographic", "-no-shutdown") as program:
        program.wait("ready")
        assert _idle(program, 0.5)
        assert program.process.poll() is None
        assert program.end() == 0
        assert program.text == "ready\n"


@pytest.mark.parametrize("value", [0, 1, 0x2A, 0x7F])
def test_debug_exit_status(tmp_path: Path, value: int) -> None:
    bios = assemble(tmp_path / "bios.bin", f"out8 0xF4, {value}\njmp $\n")
    assert run("-bios", bios, "-nographic", "-device", EXIT).status() == (value << 1 | 1) & 0xFF


def test_paused_from_the_start(tmp_path: Path) -> None:
    bios = assemble(tmp_path / "bios.bin", TIGHT_LOOP)
    with Program("-bios", bios, "-nographic", "-S") as program:
        assert _idle(program, 0.5)
        assert program.text == ""
        assert program.end() == 0


# -- the host's side --------------------------------------------------------------------------------


def _idle(program: Program, seconds: float) -> bool:
    """Whether the process comes to rest and then uses less than 3 % of a CPU for so long."""
    deadline = time.monotonic() + LIMIT_S
    while time.monotonic() < deadline:
        before = program.cpu_seconds()
        program._take(0)
        time.sleep(seconds)
        if program.cpu_seconds() - before <= 0.03 * seconds:
            return True
    return False


@pytest.mark.parametrize(
    ("source", "serial"),
    [(source, ["-nographic"]) for source in ("closed", "null", "file", "pipe at its end", "pipe")]
    + [(source, ["-serial", "stdio"]) for source in ("closed", "file")],
)
def test_standard_input_of_any_kind(tmp_path: Path, source: str, serial: list[str]) -> None:
    bios = assemble(tmp_path / "bios.bin", HALTED)
    (tmp_path / "input").write_bytes(b"some input\n" * 1000)
    reader, writer = os.pipe()
    with open(tmp_path / "input", "rb") as file:
        stdin = {"file": file, "pipe at its end": reader, "pipe": reader}.get(source, subprocess.DEVNULL)
        if source == "pipe at its end":
            os.close(writer)
        program = Program(
            "-bios", bios, *serial, stdin=stdin, preexec=(lambda: os.close(0)) if source == "closed" else None
        )
    with program:
        program.wait("ready")
        assert _idle(program, 0.5), "the process spins"
        assert program.end() == 0
        assert re.fullmatch(r"pyqemu: terminating on signal 15 from pid \d+ \(.+\)\n", program.errors)
    os.close(reader)
    if source != "pipe at its end":
        os.close(writer)


@pytest.mark.parametrize("closed", [[1], [2], [0, 1], [0, 1, 2]])
def test_closed_standard_descriptors(tmp_path: Path, disk: Path, closed: list[int]) -> None:
    """What is opened later must not land on 0, 1 or 2, where messages would be written into it."""

    def close() -> None:
        for fd in closed:
            os.close(fd)

    bios = assemble(tmp_path / "bios.bin", 'say "ready"\nout8 0xF4, 3\njmp $\n')
    program = run(
        "-bios",
        bios,
        "-nographic",
        "-drive",
        f"file={disk}",
        "-device",
        EXIT,
        preexec=close,
        stdin=subprocess.DEVNULL,
    )
    assert program.status() == 7, program.report("wrong status")
    assert disk.read_bytes() == bytes(1 << 20)
    assert "Traceback" not in program.errors


def test_nobody_reads_the_output(tmp_path: Path) -> None:
    """``pyqemu … | head -1``: the output ends, the machine does not, and its end is quiet."""
    code = 'mov bp, 2000\n.more: say "a line of text"\ndec bp\njnz .more\nout8 0xF4, 3\njmp $\n'
    bios = assemble(tmp_path / "bios.bin", code)
    reader, writer = os.pipe()
    with Program("-bios", bios, "-nographic", "-device", EXIT, stdout=writer) as program:
        os.close(writer)
        assert os.read(reader, 1)
        os.close(reader)
        assert program.status() == 7, program.report("wrong status")
        assert program.errors == ""


def test_a_full_device_as_output(tmp_path: Path) -> None:
    bios = assemble(tmp_path / "bios.bin", 'say "ready"\nout8 0xF4, 3\njmp $\n')
    with (
        open("/dev/full", "wb") as full,
        Program("-bios", bios, "-nographic", "-device", EXIT, stdout=full) as program,
    ):
        assert program.status() == 7
        assert "Traceback" not in program.errors


def test_a_reader_that_stops_reading(tmp_path: Path) -> None:
    """A pipe that nobody empties holds back the guest's port, never the process's end."""
    bios = assemble(tmp_path / "bios.bin", '.more: say "a line of text that fills the pipe"\njmp .more\n')
    reader, writer = os.pipe()
    with Program("-bios", bios, "-nographic", stdout=writer) as program:
        os.close(writer)
        assert os.read(reader, 1)
        assert program.end(seconds=5) == 0
        assert "Traceback" not in program.errors
    os.close(reader)


@pytest.mark.parametrize("options", [["-help"], ["-M", "help"], ["-device", "help"], ["-cpu", "help"]])
def test_help_into_a_closed_pipe(options: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with Program(program=arguments(*options), stdout=writer) as program:
        os.close(writer)
        program.status()
        assert "Traceback" not in program.errors
        assert "BrokenPipe" not in program.errors


# -- logs and clocks --------------------------------------------------------------------------------


def test_guest_errors_go_to_the_log_file(tmp_path: Path) -> None:
    """A mistake is in the file, and not on standard error."""
    log = tmp_path / "log"
    bios = assemble(tmp_path / "bios.bin", "out8 0x64, 0x99\nout8 0xF4, 0\njmp $\n")
    program = run("-bios", bios, "-nographic", "-d", "guest_errors", "-D", log, "-device", EXIT)
    assert program.status() == 1
    assert not program.errors
    assert "unknown command 99" in log.read_text()


@pytest.mark.parametrize(("base", "year"), [("2011-12-01T13:14:15", 0x11), ("1999-12-31", 0x99)])
def test_clock_base(tmp_path: Path, base: str, year: int) -> None:
    bios = assemble(tmp_path / "bios.bin", "out8 0x70, 9\nin al, 0x71\nmov dx, 0xF4\nout dx, al\njmp $\n")
    program = run("-bios", bios, "-nographic", "-rtc", f"base={base}", "-device", EXIT)
    assert program.status() == (year << 1 | 1) & 0xFF


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_while_waiting_for_a_client_leaves_nothing(tmp_path: Path, number: signal.Signals) -> None:
    path = tmp_path / "line"
    with Program("-display", "none", "-serial", f"unix:{path},server=on") as program:
        program.wait_error("waiting for connection")
        assert path.exists()
        assert program.end(number) in (128 + number, -number)
    assert not path.exists()
