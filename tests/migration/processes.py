"""Machines as processes, which hand their guest to each other while the other end of its serial line talks on."""

from __future__ import annotations

import contextlib
import json
import os
import re
import select
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from migration.fire import LIMIT_S, RX_WRAP, STATUS, STATUS_BYTES, TX_WRAP, Report
from process.program import CHECKOUT

WINDOW = 64  # bytes on the line that the guest has not answered yet


class Line:
    """The other end of the guest's serial line, which stays when the guest moves."""

    def __init__(self) -> None:
        self.told = 0
        self.heard = bytearray()

    def hear(self, data: bytes) -> None:
        for byte in data:
            expected = len(self.heard) % TX_WRAP
            assert byte == expected, f"byte {len(self.heard)} is {byte}, not {expected}: lost or repeated"
            self.heard.append(byte)

    def next(self) -> bytes:
        count = max(0, WINDOW - (self.told - len(self.heard)))
        data = bytes((self.told + n) % RX_WRAP for n in range(count))
        self.told += count
        return data


class Station:
    """One process. *tree* is the checkout whose pyqemu runs."""

    def __init__(self, folder: Path, *options: str | Path, tree: Path = CHECKOUT) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        (folder / "qmp").unlink(missing_ok=True)
        self._stdin, self._to = os.pipe()  # what the process does not take is ours to pass on
        self._from, stdout = os.pipe()
        os.set_blocking(self._from, False)
        errors = os.open(folder / "stderr", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC)
        words = ["-display", "none", "-serial", "stdio", "-qmp", f"unix:{folder}/qmp,server=on,wait=off"]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "pyqemu", *words, *(str(option) for option in options)],
            stdin=self._stdin,
            stdout=stdout,
            stderr=errors,
            env=os.environ | {"PYTHONPATH": str(tree)},
            cwd=folder,
        )
        os.close(stdout)
        os.close(errors)
        self._qmp = b""
        self._connect()

    def __enter__(self) -> Station:
        return self

    def __exit__(self, *_exception: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._socket.close()
        for fd in (self._stdin, self._to, self._from):
            os.close(fd)

    @property
    def errors(self) -> str:
        return (self.folder / "stderr").read_text()

    # -- its monitor ----------------------------------------------------------------------------------

    def _connect(self) -> None:
        end = time.monotonic() + LIMIT_S
        while True:
            self._socket = socket.socket(socket.AF_UNIX)
            with contextlib.suppress(FileNotFoundError, ConnectionRefusedError):
                self._socket.connect(str(self.folder / "qmp"))
                break
            self._socket.close()
            assert self.process.poll() is None, self.errors
            assert time.monotonic() < end, "no monitor"
            time.sleep(0.01)
        self._socket.settimeout(LIMIT_S)
        self._read_json()
        self.ask("qmp_capabilities")

    def _read_json(self) -> dict[str, Any]:
        while b"\n" not in self._qmp:
            piece = self._socket.recv(65536)
            assert piece, f"the monitor is closed: {self.errors}"
            self._qmp += piece
        line, self._qmp = self._qmp.split(b"\n", 1)
        message: dict[str, Any] = json.loads(line)
        return message

    def ask(self, command: str, **arguments: Any) -> Any:
        """Execute a command of QMP's; events are passed over."""
        self._socket.sendall(json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n")
        while True:
            message = self._read_json()
            if "return" in message:
                return message["return"]
            assert "error" not in message, message

    def report(self) -> Report:
        """What the guest of ``fire.asm`` says of itself."""
        text = self.ask("human-monitor-command", **{"command-line": f"xp /{STATUS_BYTES // 4}xw {STATUS:#x}"})
        words = [int(word, 16) for word in re.findall(r"0x[0-9a-f]+", text)]
        return Report(b"".join(word.to_bytes(4, "little") for word in words))

    # -- its guest ------------------------------------------------------------------------------------

    def talk(self, line: Line, seconds: float) -> None:
        """Let the guest talk for a while."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if data := line.next():
                os.write(self._to, data)
            if select.select([self._from], [], [], min(left, 0.02))[0]:
                line.hear(os.read(self._from, 65536))

    def begin(self, line: Line) -> None:
        """Wait until the guest is under load."""
        end = time.monotonic() + LIMIT_S
        while not self.report().ready:
            assert time.monotonic() < end
            time.sleep(0.02)
        self.talk(line, 0.05)

    def see_all_go_on(self, line: Line) -> None:
        before, end = self.report(), time.monotonic() + LIMIT_S
        before.check()
        while standing := self.report().standing(before):
            assert time.monotonic() < end, f"no longer goes on: {', '.join(standing)}"
            self.talk(line, 0.05)
        self.report().check()

    def send_away(self, uri: str, line: Line) -> None:
        """Migrate, and talk on meanwhile."""
        self.ask("migrate", uri=uri)
        end = time.monotonic() + LIMIT_S
        while (found := self.ask("query-migrate"))["status"] != "completed":
            assert found["status"] not in ("failed", "cancelled"), found
            assert time.monotonic() < end, found
            self.talk(line, 0.01)

    def quit(self, line: Line) -> bytes:
        """End it. The last words are heard; returns what it was told and has not taken."""
        self._socket.sendall(b'{"execute":"quit"}\n')
        assert self.process.wait(LIMIT_S) == 0, self.errors
        while data := os.read(self._from, 65536):
            line.hear(data)
        os.set_blocking(self._stdin, False)
        left = b""
        with contextlib.suppress(BlockingIOError):
            while piece := os.read(self._stdin, 65536):
                left += piece
        return left

    def tell(self, data: bytes) -> None:
        if data:
            os.write(self._to, data)

    def wait_until_running(self) -> None:
        end = time.monotonic() + LIMIT_S
        while self.ask("query-status")["status"] != "running":
            assert time.monotonic() < end, self.errors
            time.sleep(0.005)


def move(source: Station, folder: Path, way: str, line: Line, *options: str | Path, **how: Any) -> Station:
    """Start a destination and hand the guest over by *way*: a protocol. The source ends."""
    folder.mkdir(exist_ok=True)
    if way == "tcp":
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        out, come_in = f"tcp:127.0.0.1:{port}", f"tcp:127.0.0.1:{port}"
    elif way == "unix":
        out = come_in = f"unix:{folder}/migration"
    elif way == "exec":
        out, come_in = f"exec:cat > {folder}/state", f"exec:cat {folder}/state"
    else:
        out = come_in = f"file:{folder}/state"
    lives = way in ("tcp", "unix")
    if not lives:
        source.send_away(out, line)
    destination = Station(folder, *options, "-incoming", come_in, **how)
    try:
        if lives:
            source.send_away(out, line)
        destination.wait_until_running()
        destination.tell(source.quit(line))
    except BaseException:
        destination.__exit__()
        raise
    return destination
