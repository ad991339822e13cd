"""Records what QEMU 7.2 answers to ``block_talk.py``: tests/golden/block.json. Run by hand.

The machine is stopped before its first instruction. What differs from run to run is written as ``plain()`` has it.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from block_talk import (
    COMMIT,
    COMMIT_OPTIONS,
    IMAGES,
    JOB_IMAGES,
    JOB_OPTIONS,
    JOBS,
    NODES,
    OPTIONS,
    awaited,
    is_awaited,
    placed,
    plain,
    told,
)

COMMAND = ["qemu-system-x86_64", "-S", "-M", "pc-i440fx-1.4", "-m", "16", "-display", "none", "-net", "none"]


def record(images: dict[str, int], words: tuple[str, ...], commands: tuple[Any, ...]) -> list[Any]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for image, size in images.items():
            (folder / image).write_bytes(b"\1" * size)
        options = [word.replace("@/", f"{folder}/") for word in words]
        path = folder / "qmp"
        process = subprocess.Popen(
            [*COMMAND, *options, "-qmp", f"unix:{path},server=on"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        connection = socket.socket(socket.AF_UNIX)
        while connection.connect_ex(str(path)):
            pass
        stream = connection.makefile("rw")
        stream.readline()
        answers = []
        for command in (("qmp_capabilities", {}), *commands):
            stream.write(placed(command, folder))
            stream.flush()
            replies = [json.loads(stream.readline())]
            print(placed(command, folder), file=sys.stderr)
            while all("event" in reply for reply in replies) or (
                (event := awaited(command)) and not any(is_awaited(reply, event) for reply in replies)
            ):
                replies.append(json.loads(stream.readline()))
            replies = told(replies)
            answers.append([plain(reply, folder) for reply in replies])
        process.kill()
        process.wait()
        return answers[1:]


def main() -> None:
    note = "recorded by tests/monitor/record_block.py from QEMU 7.2.22 (Debian 12)"
    answers = {
        "nodes": record(IMAGES, OPTIONS, NODES),
        "jobs": record(JOB_IMAGES, JOB_OPTIONS, JOBS),
        "commit": record(IMAGES, COMMIT_OPTIONS, COMMIT),
    }
    json.dump({"note": note, "emulator": COMMAND, **answers}, sys.stdout, indent=0)


if __name__ == "__main__":
    main()
