"""Runs an emulator the way a person does, on a terminal, and waits for what it shows.

Command  python -m pyqemu of this checkout, or $PYQEMU_BOOT_COMMAND (for example qemu-system-x86_64, to
         tell a mistake in a test from one in pyqemu); a QEMU gets its oldest machine, software emulation
Waiting  for text or for the exit, with a limit in host seconds and never for time alone;
         $PYQEMU_BOOT_PATIENCE multiplies every limit
Errors   GuestFailure, whose text holds the command, the end of the output, the screen and standard error
"""

from __future__ import annotations

import fcntl
import os
import re
import select
import shlex
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
from pathlib import Path
from typing import Any

from screen import Screen

CHECKOUT = Path(__file__).resolve().parents[2]
GUESTS = Path(os.environ.get("PYQEMU_GUESTS") or CHECKOUT / ".cache" / "guests")
PATIENCE = float(os.environ.get("PYQEMU_BOOT_PATIENCE", "1"))
ROWS, COLUMNS = 30, 100
REPORTED_LINES = 40
CONTROL_SEQUENCE = re.compile(r"\x1b(?:\[[\d;?]*[@-~]|[()][A-Z0-9]|[A-Za-z0-9=>])")


class GuestFailure(AssertionError):
    """What was waited for did not come."""


def command() -> list[str]:
    """The emulator and the options that choose its machine."""
    override = os.environ.get("PYQEMU_BOOT_COMMAND")
    if not override:
        return [sys.executable, "-m", "pyqemu", "-M", "pc-1.0"]
    words = shlex.split(override)
    if "qemu-system" in Path(words[0]).name and "-M" not in words:
        words += ["-M", "pc-i440fx-1.4", "-accel", "tcg"]
    return words


class Emulator:
    """One run of the emulator. Use it as a context: the process ends with the block."""

    def __init__(self, *arguments: str | Path, memory_mib: int = 256, program: list[str] | None = None) -> None:
        options = [str(argument) for argument in arguments]
        self.arguments = [*(program or command()), *(() if "-m" in options else ("-m", str(memory_mib))), *options]
        self.raw = bytearray()
        self.screen = Screen(ROWS, COLUMNS)
        self._seen = 0
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 (closed in __exit__)
        self._terminal, self._line = os.openpty()
        fcntl.ioctl(self._line, termios.TIOCSWINSZ, struct.pack("4H", ROWS, COLUMNS, 0, 0))
        self.settings: list[Any] = termios.tcgetattr(self._line)
        self.process = subprocess.Popen(
            self.arguments,
            stdin=self._line,
            stdout=self._line,
            stderr=self._errors,
            env=os.environ | {"TERM": "linux", "LC_ALL": "C.UTF-8", "PYTHONPATH": str(CHECKOUT)},
            start_new_session=True,
        )

    def __enter__(self) -> Emulator:
        return self

    def __exit__(self, *exception: object) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        os.close(self._terminal)
        os.close(self._line)
        self._errors.close()

    @property
    def text(self) -> str:
        """All output so far without control sequences."""
        return CONTROL_SEQUENCE.sub("", self.raw.decode("utf-8", "replace")).replace("\r", "")

    @property
    def errors(self) -> str:
        self._errors.seek(0)
        return self._errors.read().decode("utf-8", "replace")

    def wait(self, pattern: str, seconds: float) -> re.Match[str]:
        """Wait for *pattern* in the output after the last match."""
        return self._wait(pattern, seconds, self._in_output)

    def wait_screen(self, pattern: str, seconds: float) -> re.Match[str]:
        """Wait until *pattern* stands on the screen drawn on the terminal."""
        return self._wait(pattern, seconds, lambda regex: regex.search(self.screen.text()))

    def type(self, text: str) -> None:
        os.write(self._terminal, text.encode())

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def exit_status(self, seconds: float) -> int:
        """Wait until the emulator ends; its exit status, negative for a signal."""
        deadline = time.monotonic() + seconds * PATIENCE
        while self.process.poll() is None:
            if time.monotonic() > deadline:
                raise GuestFailure(self.report(f"still running after {seconds:g} s"))
            self._read(0.1)
        self._read(0)
        return int(self.process.returncode)

    def terminal_settings(self) -> list[Any]:
        return termios.tcgetattr(self._line)

    def cpu_seconds(self) -> float:
        """CPU time that the process has used."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def drain(self, seconds: float) -> None:
        """Take output for so long, so that the emulator never waits for its terminal."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self._read(left)

    def report(self, reason: str) -> str:
        lines = self.text.splitlines()[-REPORTED_LINES:]
        parts = [reason, "command: " + shlex.join(self.arguments), "--- output, its end", *lines]
        if self.screen.text().strip():
            parts += ["--- screen", self.screen.text().rstrip()]
        return "\n".join([*parts, "--- standard error", self.errors[-4000:], "---"])

    def _in_output(self, regex: re.Pattern[str]) -> re.Match[str] | None:
        found = regex.search(self.text, self._seen)
        if found:
            self._seen = found.end()
        return found

    def _wait(self, pattern: str, seconds: float, search: Any) -> re.Match[str]:
        regex = re.compile(pattern)
        deadline = time.monotonic() + seconds * PATIENCE
        while True:
            ended = self.process.poll() is not None
            self._read(0 if ended else 0.1)
            found: re.Match[str] | None = search(regex)
            if found:
                return found
            if ended:
                raise GuestFailure(self.report(f"ended with {self.process.returncode} before {pattern!r}"))
            if time.monotonic() > deadline:
                raise GuestFailure(self.report(f"no {pattern!r} within {seconds:g} s"))

    def _read(self, seconds: float) -> None:
        """Take what the terminal has, waiting at most *seconds* for something to come."""
        while select.select([self._terminal], [], [], seconds)[0]:
            data = os.read(self._terminal, 65536)
            self.raw += data
            self.screen.feed(data)
            seconds = 0
