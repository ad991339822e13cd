"""What saving, loading and moving an idle Linux costs, and how much watching its memory slows a busy one.

Method   one machine boots to its shell and is saved to a file; a second loads that; a third takes the guest of the
         first over a Unix socket while it runs. Before that, the guest computes with and without a migration that
         is so narrow that it does not end
Units    seconds, MiB; ``watched`` is the time of the work under a migration by that without one
Errors   GuestFailure; RuntimeError when the monitor refuses something
"""

from __future__ import annotations

import json
import socket
import tempfile
import time
from pathlib import Path
from typing import Any

from emulator import Emulator

LIMIT_S = 300
TURNS = 3
WORK = "time sh -c 'dd if=/dev/zero bs=1M count=64 2>/dev/null | md5sum'"
FAST, NARROW = 100 << 30, 100 << 10  # bytes per second


class Moved(Emulator):
    """An emulator with a monitor at *folder*/NAME."""

    def __init__(self, folder: Path, name: str, *words: str) -> None:
        path = folder / name
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
            listener.listen()
            super().__init__(*words[1:], "-qmp", f"unix:{path}", program=[words[0]])
            self._monitor = listener.accept()[0]
        self._replies = self._monitor.makefile()
        self._replies.readline()
        self.ask("qmp_capabilities")

    def __exit__(self, *exception: object) -> None:
        self._replies.close()
        self._monitor.close()
        super().__exit__(*exception)

    def ask(self, command: str, **arguments: Any) -> Any:
        self._monitor.sendall(json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n")
        while line := self._replies.readline():
            reply = json.loads(line)
            if "error" in reply:
                raise RuntimeError(f"{command}: {reply['error']['desc']}")
            if "return" in reply:
                return reply["return"]
        raise RuntimeError(self.report(f"no answer to {command}"))

    def send_away(self, uri: str, bandwidth: int) -> float:
        """Seconds until the guest is away."""
        self.ask("migrate-set-parameters", **{"max-bandwidth": bandwidth})
        began = time.monotonic()
        self.ask("migrate", uri=uri)
        while (status := self.ask("query-migrate")["status"]) != "completed":
            if status == "failed":
                raise RuntimeError(self.report("the migration has failed"))
            self.drain(0.002)
        return time.monotonic() - began

    def take(self, uri: str) -> float:
        """Seconds until a guest has come. It may run then: not every form of a stream says that it does not."""
        began = time.monotonic()
        self.ask("migrate-incoming", uri=uri)
        while self.ask("query-status")["status"] == "inmigrate":
            self.drain(0.002)
        return time.monotonic() - began

    def work(self) -> float:
        self.type(WORK + "\n")
        found = self.wait(r"real\s+(\d+)m ([\d.]+)s(?s:.*?)/root # ", LIMIT_S)
        return int(found[1]) * 60 + float(found[2])


def slowed_by_watching(guest: Moved, folder: Path) -> float:
    guest.work()  # and everything is translated
    guest.ask("migrate-set-parameters", **{"max-bandwidth": NARROW})
    plain, watched = [], []
    for _ in range(TURNS):
        plain.append(guest.work())
        guest.ask("migrate", uri=f"exec:cat > {folder}/narrow")
        watched.append(guest.work())
        guest.ask("migrate_cancel")
        while guest.ask("query-migrate")["status"] != "cancelled":
            guest.drain(0.01)
    return min(watched) / min(plain)


def measure(words: list[str]) -> dict[str, float]:
    """*words*: the command line of an emulator with Linux that comes to a shell on the serial line."""
    incoming = [*words, "-incoming", "defer"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        state, path = folder / "state", folder / "socket"
        with Moved(folder, "first", *words) as first:
            first.wait("login: ", LIMIT_S)
            first.type("root\n")
            first.wait("/root # ", 60)
            watched = slowed_by_watching(first, folder)
            first.ask("stop")
            save = first.send_away(f"exec:cat > {state}", FAST)
            first.ask("cont")
            with Moved(folder, "second", *incoming) as second:
                load = second.take(f"exec:cat {state}")
                second.ask("cont")
                second.type("echo $((6 * 7)).\n")
                second.wait(r"42\.", 60)
            with Moved(folder, "third", *incoming) as third:
                third.ask("migrate-incoming", uri=f"unix:{path}")
                first.send_away(f"unix:{path}", FAST)
                downtime = first.ask("query-migrate")["downtime"] / 1000
                third.type("echo $((6 * 7)).\n")
                third.wait(r"42\.", 60)
        return {
            "moving: save, s": save,
            "moving: load, s": load,
            "moving: saved, MiB": state.stat().st_size / (1 << 20),
            "moving: downtime of a live move, s": downtime,
            "moving: work while watched": watched,
        }
