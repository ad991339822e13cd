"""Real clients drive a real process: QEMU's own Python library, its qmp-shell, and a terminal."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from process.program import PATIENCE, READY, Program, assemble

SECONDS = 30 * PATIENCE
COUNTER = READY + "again: inc dword [es:0x500]\n jmp again\n"


@pytest.fixture
def files(tmp_path: Path) -> Path:
    assemble(tmp_path / "bios.bin", COUNTER)
    (tmp_path / "disk.img").write_bytes(bytes(1 << 20))
    return tmp_path


def options(files: Path, *more: str) -> list[str]:
    disk = f"file={files}/disk.img,format=raw"
    return ["-display", "none", "-serial", "stdio", "-bios", f"{files}/bios.bin", "-drive", disk, *more]


def qmp_socket(files: Path) -> list[str]:
    return options(files, "-qmp", f"unix:{files}/qmp,server=on,wait=off")


def wait_for(program: Program, path: Path) -> None:
    program.until(path.exists, f"file {path}")


def test_the_library_of_qemu_drives_a_machine(files: Path) -> None:
    """Boot, pause, snapshot, change, go back, picture, quit; with the events on the way."""
    pytest.importorskip("qemu.qmp")
    from qemu.qmp import ExecuteError, QMPClient  # type: ignore[import-not-found]

    async def drive() -> list[str]:
        client = QMPClient("test")
        await client.connect(str(files / "qmp"))
        seen = []

        async def hmp(line: str) -> Any:
            return await client.execute("human-monitor-command", {"command-line": line})

        with client.listener() as events:
            assert (await client.execute("query-status"))["status"] == "running"
            await client.execute("stop")
            assert await hmp("savevm one") == ""
            before = await hmp("xp/1xw 0x500")
            await client.execute("cont")
            while await hmp("xp/1xw 0x500") == before:
                await asyncio.sleep(0.01)
            await client.execute("stop")
            assert await hmp("loadvm one") == ""
            assert await hmp("xp/1xw 0x500") == before
            await client.execute("screendump", {"filename": str(files / "screen.png"), "format": "png"})
            with pytest.raises(ExecuteError, match="Device 'nodev' not found"):
                await client.execute("eject", {"device": "nodev"})
            await client.execute("system_reset")
            await client.execute("cont")
            await client.execute("quit")
            while not seen or seen[-1] != "SHUTDOWN":
                seen.append((await events.get())["event"])
        with contextlib.suppress(EOFError):  # after quit the other side may be gone first
            await client.disconnect()
        return seen

    with Program(*qmp_socket(files)) as program:
        program.wait("ready")
        seen = asyncio.run(asyncio.wait_for(drive(), SECONDS))
        assert seen == ["STOP", "RESUME", "STOP", "RESET", "RESUME", "SHUTDOWN"]
        assert program.status(SECONDS) == 0
    assert (files / "screen.png").read_bytes().startswith(b"\x89PNG")
    assert not (files / "qmp").exists()


@pytest.mark.parametrize(
    ("mode", "typed", "wanted"),
    [
        ([], "query-status\nstop\nscreendump filename=@/s.ppm\ncont\nquit\n", ['"status": "running"']),
        (["-H"], "info status\nstop\nsavevm one\ninfo snapshots\nquit\n", ["VM status: running", " one "]),
    ],
)  # fmt: skip
def test_qmp_shell_drives_a_machine(files: Path, mode: list[str], typed: str, wanted: list[str]) -> None:
    shell = shutil.which("qmp-shell", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    if shell is None:
        pytest.skip("qmp-shell is not there: pip install qemu.qmp")
    with Program(*qmp_socket(files)) as program:
        program.wait("ready")
        done = subprocess.run(
            [shell, *mode, str(files / "qmp")],
            input=typed.replace("@", str(files)),
            capture_output=True,
            text=True,
            timeout=SECONDS,
            env=os.environ | {"HOME": str(files)},
        )
        assert all(text in done.stdout for text in wanted), done.stdout + done.stderr
        assert program.status(SECONDS) == 0
    if not mode:
        assert (files / "s.ppm").read_bytes().startswith(b"P6\n")


def test_a_restarted_manager_finds_its_machine(files: Path) -> None:
    """The socket takes one client after the other, and the guest goes on without any."""
    pytest.importorskip("qemu.qmp")
    from qemu.qmp import QMPClient

    async def visit(last: bool) -> None:
        client = QMPClient("test")
        await client.connect(str(files / "qmp"))
        assert (await client.execute("query-status"))["running"]
        assert await client.execute("query-jobs") == []
        if last:
            await client.execute("quit")
        with contextlib.suppress(EOFError):  # after quit the other side may be gone first
            await client.disconnect()

    with Program(*qmp_socket(files)) as program:
        program.wait("ready")
        for number in range(3):
            asyncio.run(asyncio.wait_for(visit(number == 2), SECONDS))
        assert program.status(SECONDS) == 0


def test_ctrl_a_c_on_the_terminal_of_nographic(files: Path) -> None:
    arguments = [word for word in options(files) if word not in ("-display", "none", "-serial", "stdio")]
    with Program(*arguments, "-nographic", terminal=True) as program:
        program.wait("ready")
        program.type(b"\x01c")
        program.wait(r"QEMU .* monitor - type 'help' for more information\n\(qemu\) ")
        program.type(b"info sta\t\r")
        program.wait(r"VM status: running\n\(qemu\) ")
        program.type(b"stop\rinfo status\r")
        program.wait("VM status: paused")
        program.type(b"q\r")
        assert program.status(SECONDS) == 0
        assert program.terminal_settings() == program.settings


def test_nothing_of_the_monitor_is_loaded_before_it_is_used(files: Path) -> None:
    code = "import sys; from pyqemu.api import VirtualMachine; from pyqemu.cli.options import parse\n"
    code += "VirtualMachine(parse(['-m', '16', '-nographic', '-S'])).close()\n"
    code += "print([name for name in sys.modules if name.startswith(('pyqemu.monitor', 'pyqemu.migration'))])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert done.stdout == "[]\n", done.stderr


def test_a_monitor_on_standard_input_that_ends_leaves_the_machine_alone(files: Path) -> None:
    command = options(files, "-monitor", "stdio")
    command[command.index("-serial") + 1] = f"file:{files}/log"
    with Program(*command, stdin=subprocess.DEVNULL) as program:
        program.until(
            lambda: b"ready" in (files / "log").read_bytes() if (files / "log").exists() else False, "log"
        )
        assert program.process.poll() is None
        assert "(qemu) " in program.text
