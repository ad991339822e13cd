"""Backup and mirror of a disk that a guest writes to all the time, driven by QEMU's own Python client."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from process.program import PATIENCE, READY, Program, assemble

SECONDS = 60 * PATIENCE
SECTORS = 4096
STRIDE = 16  # a round writes every 16th sector: all clusters, 256 commands
ROUNDS = 3

# Round after round: every STRIDEth sector, in order, gets the round's number. [es:0x500] counts whole rounds.
WRITER = f"""
        mov ebp, 1
.round: xor ebx, ebx
.sector: mov dx, 0x1F7
.busy:  in al, dx
        test al, 0x80
        jnz .busy
        out8 0x1F2, 1
        mov dx, 0x1F3
        mov al, bl
        out dx, al
        inc dx
        mov al, bh
        out dx, al
        out8 0x1F5, 0
        out8 0x1F6, 0xE0
        out8 0x1F7, 0x30
.ready: in al, dx
        test al, 8
        jz .ready
        mov dx, 0x1F0
        mov cx, 256
.word:  mov ax, bp
        out dx, ax
        loop .word
        add bx, {STRIDE}
        cmp bx, {SECTORS}
        jb .sector
        mov [es:0x500], ebp
        cmp ebp, 1
        jne .next
        {READY}
.next:  inc ebp
        jmp .round
"""

Client = Any
Scene = Callable[[Client, Any, Path], Awaitable[None]]


def rounds_of(image: Path) -> list[int]:
    """The round of each sector that the guest writes; what is inside one must be of one round."""
    data = image.read_bytes()
    assert len(data) == SECTORS * 512
    found = []
    for sector in range(0, SECTORS, STRIDE):
        piece = data[sector * 512 : (sector + 1) * 512]
        assert piece == piece[:2] * 256, sector
        found.append(int.from_bytes(piece[:2], "little"))
    return found


def check_one_moment(image: Path) -> int:
    """A disk at one moment has this round up to where the guest is, and the round before behind that."""
    rounds = rounds_of(image)
    steps = [at for at in range(1, len(rounds)) if rounds[at] != rounds[at - 1]]
    assert len(steps) <= 1 and rounds[0] - rounds[-1] == len(steps), (image.name, steps, rounds[0], rounds[-1])
    return rounds[0]


async def count(client: Client) -> int:
    line = await client.execute("human-monitor-command", {"command-line": "xp/1xw 0x500"})
    return int(line.split(":")[1], 16)


async def some_rounds(client: Client) -> None:
    """Wait until the guest has written the whole disk several times more."""
    wanted = await count(client) + ROUNDS
    while await count(client) < wanted:
        await asyncio.sleep(0.01)


async def event(events: Any, name: str) -> dict[str, Any]:
    while (found := await events.get())["event"] != name:
        assert found["event"] != "BLOCK_JOB_ERROR"
    data: dict[str, Any] = found["data"]
    assert "error" not in data, data
    return data


def play(folder: Path, scene: Scene) -> None:
    pytest.importorskip("qemu.qmp")
    from qemu.qmp import QMPClient  # type: ignore[import-not-found]

    assemble(folder / "bios.bin", WRITER)
    (folder / "disk.img").write_bytes(bytes(SECTORS * 512))

    async def drive() -> None:
        client = QMPClient("test")
        await client.connect(str(folder / "qmp"))
        with client.listener() as events:
            await scene(client, events, folder)
            await client.execute("quit")
        with contextlib.suppress(EOFError):  # after quit the other side may be gone first
            await client.disconnect()

    disk = f"file={folder}/disk.img,format=raw,id=hd"
    where = ("-qmp", f"unix:{folder}/qmp,server=on,wait=off")
    with Program(
        "-display", "none", "-serial", "stdio", "-bios", folder / "bios.bin", "-drive", disk, *where
    ) as program:
        program.wait("ready")
        asyncio.run(asyncio.wait_for(drive(), SECONDS))
        assert program.status(SECONDS) == 0


def test_a_backup_holds_one_moment_of_a_disk_that_is_being_written(tmp_path: Path) -> None:
    async def scene(client: Client, events: Any, folder: Path) -> None:
        target = str(folder / "backup.img")
        before = await count(client)
        await client.execute("drive-backup", {"device": "hd", "target": target, "sync": "full", "speed": 1})
        after = await count(client)
        await some_rounds(client)
        await client.execute("block-job-set-speed", {"device": "hd", "speed": 0})
        await event(events, "BLOCK_JOB_COMPLETED")
        await client.execute("stop")
        moment = check_one_moment(folder / "backup.img")
        assert before <= moment <= after + 1
        assert check_one_moment(folder / "disk.img") >= moment + ROUNDS - 1

    play(tmp_path, scene)


def test_a_mirror_of_a_disk_that_is_being_written_ends_identical(tmp_path: Path) -> None:
    async def scene(client: Client, events: Any, folder: Path) -> None:
        target = str(folder / "mirror.img")
        await client.execute("drive-mirror", {"device": "hd", "target": target, "sync": "full"})
        await event(events, "BLOCK_JOB_READY")
        await some_rounds(client)
        await client.execute("stop")
        await client.execute("block-job-cancel", {"device": "hd"})
        await event(events, "BLOCK_JOB_COMPLETED")
        assert rounds_of(folder / "mirror.img") == rounds_of(folder / "disk.img")
        assert (folder / "mirror.img").read_bytes() == (folder / "disk.img").read_bytes()

    play(tmp_path, scene)


def test_a_guest_that_writes_goes_on_at_its_mirror(tmp_path: Path) -> None:
    """Nothing of what it writes is lost or comes twice: both images are those of one moment."""

    async def scene(client: Client, events: Any, folder: Path) -> None:
        target = str(folder / "mirror.img")
        await client.execute("drive-mirror", {"device": "hd", "target": target, "sync": "full"})
        await event(events, "BLOCK_JOB_READY")
        await client.execute("block-job-complete", {"device": "hd"})
        await event(events, "BLOCK_JOB_COMPLETED")
        left = (folder / "disk.img").read_bytes()
        await some_rounds(client)
        await client.execute("stop")
        assert (folder / "disk.img").read_bytes() == left
        assert check_one_moment(folder / "mirror.img") >= check_one_moment(folder / "disk.img") + ROUNDS - 1
        assert (await client.execute("query-block"))[0]["inserted"]["file"] == target
        assert await client.execute("query-block-jobs") == []

    play(tmp_path, scene)
