"""Linux computes, writes to a disk and answers on its serial line while its machine is saved and loaded again and
again: no sum is wrong, no byte is lost or comes twice, time does not go back."""

from __future__ import annotations

import io
import os
import re
import shutil
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from migration.processes import Station, move

from pyqemu import migration
from pyqemu.api import VirtualMachine
from pyqemu.chardev import BufferChardev
from pyqemu.launch import DriveConfig, LaunchConfig

CHECKOUT = Path(__file__).resolve().parents[2]
GUESTS = Path(os.environ.get("PYQEMU_GUESTS") or CHECKOUT / ".cache" / "guests")
PATIENCE = float(os.environ.get("PYQEMU_BOOT_PATIENCE", "1"))
ROUNDS = [pytest.param(12), pytest.param(100, marks=pytest.mark.full)]

JOB = r"""
mount /dev/sda1 /mnt
cp /bin/busybox /mnt/fire
good=$(md5sum < /bin/busybox)
(while true; do
    [ "$(md5sum < /bin/busybox)" = "$good" ] || echo BAD-SUM
    cp /bin/busybox /mnt/fire; sync; echo 3 > /proc/sys/vm/drop_caches
    [ "$(md5sum < /mnt/fire)" = "$good" ] || echo BAD-DISK
done) &
before=0
while read word; do
    now=$(cut -d. -f1 /proc/uptime)
    [ $now -ge $before ] || echo BAD-TIME
    before=$now
    echo "pong-$word-"
done
"""


LOOPS = "> > > > > "  # the shell has asked for all lines of the last loop


class Line(BufferChardev):
    """The other end of the serial line. ``until`` runs the machine until it says something."""

    def __init__(self, vm: VirtualMachine) -> None:
        super().__init__()
        self.vm = vm
        self.seen = 0
        self.wanted = b""
        port = vm.board.devices["serial0"]
        port.chardev, port._send = self, self.write
        self.connect(port._receive, port._room)

    def write(self, data: bytes) -> int:
        count = super().write(data)
        if self.wanted and self.sent.find(self.wanted, self.seen) >= 0:
            self.vm.power.request_exit(0)
        return count

    def until(self, text: str, limit_s: float = 60) -> None:
        self.wanted = text.encode()
        if self.sent.find(self.wanted, self.seen) < 0:
            alarm = threading.Timer(limit_s * PATIENCE, lambda: self.vm.power.request_exit(9))
            alarm.start()
            status = self.vm.run()
            alarm.cancel()
            self.vm.power.exit_status = None
            assert status == 0, f"no {text!r}: {bytes(self.sent[-1500:]).decode(errors='replace')}"
        self.seen = self.sent.find(self.wanted, self.seen) + len(self.wanted)
        self.wanted = b""


def check_guests() -> None:
    for name in ("vmlinuz64", "shell64.gz", "disk64.img"):
        if not (GUESTS / name).exists():
            pytest.skip(f"no guest {name}")


@pytest.fixture
def linux():
    check_guests()
    vm = VirtualMachine(
        LaunchConfig(
            machine="pc-1.0",
            ram_bytes=256 << 20,
            kernel=str(GUESTS / "vmlinuz64"),
            initrd=str(GUESTS / "shell64.gz"),
            append="console=ttyS0 quiet",
            serials=["null"],
            display="none",
            drives=[DriveConfig(str(GUESTS / "disk64.img"), format="raw", snapshot=True)],
        )
    )
    line = Line(vm)
    vm.start()
    line.until("login: ", 120)
    line.send(b"root\n")
    line.until("# ")
    line.send(b"stty -echo\n")
    line.until("# ")
    yield vm, line
    vm.close()


@pytest.mark.parametrize("rounds", ROUNDS)
def test_saves_and_loads_while_it_works(rounds, linux):
    vm, line = linux
    line.send(JOB.encode())
    line.send(b"first\n")
    line.until("pong-first-", 120)
    for number in range(rounds):
        line.send(f"{number}\n".encode())
        if number % 2:
            line.until(f"pong-{number}-")  # saved between two words, else while the guest answers
        clock, ticks = vm.clock.now(), vm.cpu.engine.get_ticks()
        vm.pause()
        state = io.BytesIO()
        migration.save_vm(vm, state, run_state="running")
        state.seek(0)
        migration.load_vm(vm, state)
        assert vm.clock.now() >= clock and vm.cpu.engine.get_ticks() >= ticks
        vm.start()
        if not number % 2:
            line.until(f"pong-{number}-")
    output = bytes(line.sent).decode(errors="replace")
    assert not re.search("BAD-(SUM|DISK|TIME)", output.split("first")[-1]), output[-2000:]
    answers = re.findall(r"pong-(\w+)-", output)
    assert answers == ["first", *(str(number) for number in range(rounds))]


class Console:
    """The other end of the serial line, which stays when the guest moves."""

    def __init__(self) -> None:
        self.heard = bytearray()
        self.seen = 0

    def hear(self, data: bytes) -> None:
        self.heard += data

    def next(self) -> bytes:
        return b""

    def until(self, station: Station, text: str, limit_s: float = 120) -> None:
        end = time.monotonic() + limit_s * PATIENCE
        while (at := self.heard.find(text.encode(), self.seen)) < 0:
            assert time.monotonic() < end, f"no {text!r}: {self.heard[-1500:].decode(errors='replace')}"
            station.talk(self, 0.05)
        self.seen = at + len(text)


@pytest.mark.parametrize("rounds", [pytest.param(3), pytest.param(100, marks=pytest.mark.full)])
def test_from_process_to_process_while_it_works(rounds, tmp_path):
    """Its memory is sent while it runs; half of the words are on their way then."""
    check_guests()
    disk = tmp_path / "disk.img"
    shutil.copyfile(GUESTS / "disk64.img", disk)
    kernel = ("-kernel", GUESTS / "vmlinuz64", "-initrd", GUESTS / "shell64.gz", "-append", "console=ttyS0 quiet")
    options = ("-m", "128", *kernel, "-drive", f"file={disk},format=raw")
    console = Console()
    station = Station(tmp_path / "0", *options)
    with ExitStack() as stack:
        stack.callback(lambda: station.__exit__())
        steps = (
            ("login: ", b"root\n"),
            ("# ", b"stty -echo\n"),
            ("# ", JOB.encode()),
            (LOOPS, b"first\n"),
        )
        for text, reply in steps:
            console.until(station, text)
            station.tell(reply)
        console.until(station, "pong-first-")
        for number in range(rounds):
            station.tell(f"{number}\n".encode())
            if number % 2:
                console.until(station, f"pong-{number}-")
            old, way = station, ("unix", "exec", "tcp", "file")[number % 4]
            station = move(old, tmp_path / str(number + 1), way, console, *options)
            old.__exit__()
            shutil.rmtree(old.folder)
            if not number % 2:
                console.until(station, f"pong-{number}-")
        station.quit(console)
    output = console.heard.decode(errors="replace")
    assert not re.search("BAD-(SUM|DISK|TIME)", output.split("first")[-1]), output[-2000:]
    assert re.findall(r"pong-(\w+)-", output) == ["first", *(str(number) for number in range(rounds))]
