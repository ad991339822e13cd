"""pyqemu as a process of its own, and tiny guests that are its whole BIOS.

Guests   nasm source; runs in real mode from F000:FFF0 on, with CS = DS = SS = F000h, in a 64 KiB image.
         ``say TEXT`` writes to the first serial port; DATA is at 0x10000 and free
Waiting  for text or for the exit, with a limit in host seconds, never for time alone
"""

from __future__ import annotations

import os
import re
import select
import shutil
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
PATIENCE = float(os.environ.get("PYQEMU_BOOT_PATIENCE", "1"))
LIMIT_S = 20.0

FRAME = """
        bits 16
        cpu x64
        org 0
%macro  out8 2
        mov dx, %1
        mov al, %2
        out dx, al
%endmacro
%macro  out16 2
        mov dx, %1
        mov ax, %2
        out dx, ax
%endmacro
%macro  out32 2
        mov dx, %1
        mov eax, %2
        out dx, eax
%endmacro
%macro  say 1
        jmp %%over
%%text: db %1, 10, 0
%%over: mov si, %%text
        call print
%endmacro
%macro  pci 3                   ; devfn, register, value (32 bits)
        out32 0xCF8, 0x80000000 | (%1) << 8 | (%2)
        out32 0xCFC, %3
%endmacro
start:  cli
        cld
        mov ax, cs
        mov ds, ax
        xor ax, ax
        mov ss, ax
        mov sp, 0x7000
        mov es, ax
{code}
stop:   cli
        hlt
        jmp stop
print:  mov dx, 0x3F8
.next:  lodsb
        test al, al
        jz .done
        out dx, al
        jmp .next
.done:  ret
        times 0xFFF0 - ($ - $$) db 0xF4
        jmp 0xF000:start
        times 0x10000 - ($ - $$) db 0
"""

READY = 'say "ready"\n'
EXIT = "isa-debug-exit,iobase=0xf4"
TIGHT_LOOP = READY + "jmp $\n"
HALTED = READY + "jmp stop\n"


def assemble(path: Path, code: str) -> Path:
    """A BIOS image that runs *code*."""
    if shutil.which("nasm") is None:
        pytest.skip("nasm is not there")
    source = path.with_suffix(".asm")
    source.write_text(FRAME.replace("{code}", code))
    done = subprocess.run(["nasm", "-f", "bin", "-o", path, source], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert path.stat().st_size == 0x10000
    return path


def arguments(*options: str | Path) -> list[str]:
    words = [str(option) for option in options]
    memory = [] if "-m" in words else ["-m", "16"]
    return [sys.executable, "-m", "pyqemu", "-M", "pc-1.0", *memory, *words]


def environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(CHECKOUT), "LC_ALL": "C.UTF-8", "TERM": "linux"}


class Program:
    """A running pyqemu. Its standard output is read here unless *stdout* says otherwise, and standard error
    with it if *errors_too*.
    """

    def __init__(
        self,
        *options: str | Path,
        terminal: bool = False,
        errors_too: bool = False,
        preexec: Callable[[], None] | None = None,
        stdin: Any = subprocess.DEVNULL,
        stdout: Any = None,
        program: list[str] | None = None,
    ) -> None:
        self.output = bytearray()
        self._stderr, stderr = os.pipe2(os.O_CLOEXEC)
        self._errors = bytearray()
        self.terminal: int | None = None
        self._line: int | None = None
        source, target = stdin, stdout
        write_end = None
        if terminal:
            self.terminal, self._line = os.openpty()
            self.settings = termios.tcgetattr(self._line)
            self._source, source, target = self.terminal, self._line, self._line
        elif stdout is None:
            self._source, write_end = os.pipe2(os.O_CLOEXEC)
            target = write_end
        else:
            self._source = -1
        line = self._line

        def prepare() -> None:
            if line is not None:
                import fcntl

                fcntl.ioctl(line, termios.TIOCSCTTY, 0)
            if preexec is not None:
                preexec()

        self.process = subprocess.Popen(
            program or arguments(*options),
            stdin=source,
            stdout=target,
            stderr=target if errors_too else stderr,
            env=environment(),
            start_new_session=True,
            preexec_fn=prepare if line is not None or preexec else None,
        )
        os.close(stderr)
        if write_end is not None:
            os.close(write_end)

    def __enter__(self) -> Program:
        return self

    def __exit__(self, *_exception: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for fd in (
            self._stderr,
            None if self._source == self.terminal else self._source,
            self.terminal,
            self._line,
        ):
            if fd is not None and fd >= 0:
                os.close(fd)
        self._source = self._stderr = -1

    # -- output ---------------------------------------------------------------------------------------

    def _take(self, seconds: float) -> None:
        """Read what there is, waiting at most *seconds* for the first piece."""
        while True:
            fds = [fd for fd in (self._source, self._stderr) if fd >= 0]
            ready = select.select(fds, [], [], seconds)[0] if fds else []
            if not ready:
                return
            progress = False
            for fd in ready:
                try:
                    data = os.read(fd, 65536)
                except OSError:
                    data = b""
                progress |= bool(data)
                (self._errors if fd == self._stderr else self.output).extend(data)
            if not progress:
                if self.process.poll() is None:
                    time.sleep(min(seconds, 0.01))  # both ends are closed; only the exit is left to wait for
                return
            seconds = 0

    @property
    def text(self) -> str:
        return self.output.decode("utf-8", "replace").replace("\r", "")

    @property
    def errors(self) -> str:
        self._take(0)
        return self._errors.decode("utf-8", "replace")

    def until(self, condition: Callable[[], Any], what: str, seconds: float = LIMIT_S) -> Any:
        """Wait until *condition* holds."""
        deadline = time.monotonic() + seconds * PATIENCE
        while True:
            ended = self.process.poll() is not None
            self._take(0 if ended else 0.02)
            if value := condition():
                return value
            assert not ended, self.report(f"ended with {self.process.returncode} before {what}")
            assert time.monotonic() < deadline, self.report(f"no {what} within {seconds:g} s")

    def wait(self, pattern: str, seconds: float = LIMIT_S) -> re.Match[str]:
        """Wait for *pattern* in the output."""
        found: re.Match[str] = self.until(lambda: re.search(pattern, self.text), repr(pattern), seconds)
        return found

    def wait_error(self, pattern: str, seconds: float = LIMIT_S) -> re.Match[str]:
        found: re.Match[str] = self.until(lambda: re.search(pattern, self.errors), repr(pattern), seconds)
        return found

    def status(self, seconds: float = LIMIT_S) -> int:
        """Wait for the end; the exit status, negative for a signal that killed it."""
        deadline = time.monotonic() + seconds * PATIENCE
        while self.process.poll() is None:
            assert time.monotonic() < deadline, self.report(f"still running after {seconds:g} s")
            self._take(0.02)
        self._take(0)
        return int(self.process.returncode)

    def report(self, reason: str) -> str:
        return f"{reason}\n--- output\n{self.text[-2000:]}\n--- errors\n{self._errors.decode()[-4000:]}"

    # -- the process ----------------------------------------------------------------------------------

    def end(self, number: signal.Signals = signal.SIGTERM, seconds: float = 10) -> int:
        """Send a signal and wait for the end."""
        self.process.send_signal(number)
        return self.status(seconds)

    def type(self, text: bytes) -> None:
        assert self.terminal is not None
        os.write(self.terminal, text)

    def terminal_settings(self) -> list[Any]:
        assert self._line is not None
        return termios.tcgetattr(self._line)

    def cpu_seconds(self) -> float:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def rss_bytes(self) -> int:
        return int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))


def run(*options: str | Path, seconds: float = LIMIT_S, **how: Any) -> Program:
    """Run to the end."""
    with Program(*options, **how) as program:
        program.status(seconds)
    return program


def wait_for(condition, what: str, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)
