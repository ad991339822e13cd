"""Serial lines, processes and exits as scripts and CI jobs use them."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest
from process.program import EXIT, HALTED, READY, Program, arguments, assemble, environment, run, wait_for

PANIC = READY + "out8 0x505, 1\njmp stop\n"
ECHO = """
        say "ready"
.wait:  mov dx, 0x3FD
        in al, dx
        test al, 1
        jz .wait
        mov dx, 0x3F8
        in al, dx
        inc al
        out dx, al
        jmp .wait
"""
FLOOD = """
        out8 0x3FA, 7
        mov ecx, 32768
.burst: mov dx, 0x3FD
.wait:  in al, dx
        test al, 0x20
        jz .wait
        mov dx, 0x3F8
        mov bx, 16
.byte:  mov al, cl
        out dx, al
        dec bx
        jnz .byte
        dec ecx
        jnz .burst
        mov ebx, 8
.block: xor esi, esi
        mov ecx, 65536
        mov dx, 0x3F8
        a32 rep outsb
        dec ebx
        jnz .block
        out8 0xF4, 0
"""


def dial(path: Path) -> socket.socket:
    peer = socket.socket(socket.AF_UNIX)
    peer.settimeout(20)
    wait_for(path.exists, "no socket")
    peer.connect(str(path))
    return peer


# -- serial lines ---------------------------------------------------------------------------------------------


def test_a_flood_of_a_mebibyte_arrives_whole(tmp_path: Path) -> None:
    bios = assemble(tmp_path / "bios.bin", FLOOD)
    program = run("-bios", bios, "-display", "none", "-serial", f"file:{tmp_path}/out", "-device", EXIT)
    assert program.process.returncode == 1
    output = (tmp_path / "out").read_bytes()
    assert len(output) == 1 << 20
    assert output[: 1 << 19] == b"".join(bytes((number & 0xFF,)) * 16 for number in range(32768, 0, -1))
    assert output[1 << 19 :] == bios.read_bytes() * 8


def test_clients_come_and_go_while_the_guest_runs(tmp_path: Path) -> None:
    bios = assemble(tmp_path / "bios.bin", ECHO)
    path = tmp_path / "line"
    with Program("-bios", bios, "-display", "none", "-serial", f"unix:{path},server=on,wait=off") as program:
        for _ in range(3):
            with dial(path) as peer:
                peer.sendall(b"HAL")
                answer = b""
                while b"IBM" not in answer:
                    answer += peer.recv(100)
        assert program.end() == 0
    assert not path.exists()


def test_a_client_that_never_reads_does_not_stop_the_machine(tmp_path: Path) -> None:
    bios = assemble(tmp_path / "bios.bin", READY + "a: mov dx, 0x3F8\nmov al, 'x'\nout dx, al\njmp a\n")
    path = tmp_path / "line"
    serial = f"unix:{path},server=on,wait=off"
    with Program("-bios", bios, "-display", "none", "-serial", serial, "-qmp", "stdio") as program:
        with dial(path):
            time.sleep(0.5)
            program.wait('{"QMP"')
        assert program.end() == 0


def test_a_chardev_serves_a_device_and_logs(tmp_path: Path) -> None:
    bios = assemble(tmp_path / "bios.bin", READY + "out8 0xE9, 'D'\nout8 0xE9, 10\nout8 0xF4, 0\n")
    program = run(
        *("-bios", bios, "-nodefaults", "-display", "none", "-device", EXIT),
        *("-chardev", f"null,id=c,logfile={tmp_path}/serial", "-device", "isa-serial,chardev=c,id=s"),
        *("-chardev", f"file,id=d,path={tmp_path}/debug", "-device", "isa-debugcon,chardev=d,iobase=0xe9"),
    )
    assert (program.process.returncode, program.errors) == (1, "")
    assert (tmp_path / "serial").read_bytes() == b"ready\n"
    assert (tmp_path / "debug").read_bytes() == b"D\n"


def test_one_backend_for_two_devices_is_refused(tmp_path: Path) -> None:
    program = run("-nodefaults", "-chardev", "null,id=c", *("-device", "isa-serial,chardev=c") * 2)
    assert program.process.returncode == 1
    assert program.errors.splitlines()[0] == (
        "pyqemu: -device isa-serial,chardev=c: Property 'isa-serial.chardev' can't take value 'c': "
        "Device 'c' is in use"
    )


def test_a_pty_is_announced_and_talks(tmp_path: Path) -> None:
    bios = assemble(tmp_path / "bios.bin", ECHO)
    with Program("-bios", bios, "-display", "none", "-serial", "pty") as program:
        match = program.until(
            lambda: re.search(r"char device redirected to (/dev/pts/\d+) \(label serial0\)", program.text), "pty"
        )
        terminal = os.open(match[1], os.O_RDWR | os.O_NOCTTY)
        os.write(terminal, b"@")
        answer = b""
        while b"A" not in answer:
            answer += os.read(terminal, 100)
        os.close(terminal)
        assert program.end() == 0


def test_a_passed_descriptor_is_a_file(tmp_path: Path) -> None:
    bios = assemble(tmp_path / "bios.bin", READY + "out8 0xF4, 0\n")
    fd = os.open(tmp_path / "log", os.O_WRONLY | os.O_CREAT)
    words = ["-add-fd", f"set=1,fd={fd}", "-serial", "file:/dev/fdset/1", "-display", "none", "-device", EXIT]
    done = subprocess.run(arguments("-bios", bios, *words), env=environment(), pass_fds=[fd], timeout=60)
    os.close(fd)
    assert done.returncode == 1
    assert (tmp_path / "log").read_bytes() == b"ready\n"


def test_waiting_for_others_costs_nothing(tmp_path: Path) -> None:
    bios = assemble(tmp_path / "bios.bin", HALTED)
    lines = [f"unix:{tmp_path}/a,server=on,wait=off", f"unix:{tmp_path}/nosuch,reconnect=60", "pty", "udp::9"]
    words = [word for line in lines for word in ("-serial", line)]
    with Program("-bios", bios, "-display", "none", *words, "-debugcon", f"file:{tmp_path}/log") as program:
        program.until(lambda: "Unable to connect" in program.errors and "redirected" in program.text, "the lines")
        time.sleep(0.5)
        before = program.cpu_seconds()
        time.sleep(1)
        assert program.cpu_seconds() - before < 0.05
        assert program.end() == 0


# -- drives ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        [
            *("-blockdev", '{"driver":"file","filename":"DISK","node-name":"f"}'),
            *("-blockdev", '{"driver":"raw","file":"f","node-name":"d"}'),
            *("-device", '{"driver":"ide-hd","bus":"ide.0","unit":0,"drive":"d","id":"ide0-0-0","bootindex":1}'),
        ],
        ["-drive", "file=DISK,format=raw,if=none,id=d", "-device", "ide-hd,drive=d"],
        ["-blockdev", "raw,node-name=d,file.driver=file,file.filename=DISK", "-device", "ide-hd,drive=d,bus=ide.1"],
    ],
)
def test_a_disk_boots_however_it_is_said(tmp_path: Path, words: list[str]) -> None:
    disk = tmp_path / "disk.img"
    print_b = "mov dx, 0x3F8\nmov al, 'B'\nout dx, al\nmov dx, 0xF4\nout dx, al\n"
    code = f"org 0x7C00\nbits 16\n{print_b}times 510-($-$$) db 0\ndw 0xAA55\n"
    (tmp_path / "boot.asm").write_text(code)
    subprocess.run(["nasm", "-f", "bin", "-o", disk, tmp_path / "boot.asm"], check=True)
    os.truncate(disk, 1 << 20)
    words = [word.replace("DISK", str(disk)) for word in words]
    program = run(
        "-nodefaults", "-display", "none", "-serial", f"file:{tmp_path}/out", "-device", EXIT, *words, seconds=60
    )
    assert (program.process.returncode, program.errors) == (ord("B") * 2 + 1, "")
    assert (tmp_path / "out").read_bytes().endswith(b"B")


# -- ends -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("action", "status"), [([], 0), (["-action", "panic=exit-failure"], 1)])
def test_a_panic_ends_the_machine(tmp_path: Path, action: list[str], status: int) -> None:
    bios = assemble(tmp_path / "bios.bin", PANIC)
    program = run("-bios", bios, "-nographic", "-device", "pvpanic", *action)
    assert (program.process.returncode, program.errors) == (status, "")
    assert program.text == "ready\n"


@pytest.mark.parametrize("action", ["panic=none", "panic=pause", "shutdown=pause"])
def test_a_panic_may_leave_it_there(tmp_path: Path, action: str) -> None:
    bios = assemble(tmp_path / "bios.bin", PANIC)
    with Program("-bios", bios, "-nographic", "-device", "pvpanic", "-action", action) as program:
        program.wait("ready")
        time.sleep(0.3)
        assert program.process.poll() is None
        assert program.end() == 0


def test_a_signal_names_its_sender(tmp_path: Path) -> None:
    bios = assemble(tmp_path / "bios.bin", HALTED)
    with Program("-bios", bios, "-nographic", "-msg", "timestamp=on") as program:
        program.wait("ready")
        assert program.end(signal.SIGTERM) == 0
        assert f"pyqemu: terminating on signal 15 from pid {os.getpid()} (" in program.errors


def test_pidfile_is_ours_while_we_are_there(tmp_path: Path) -> None:
    bios = assemble(tmp_path / "bios.bin", HALTED)
    path = tmp_path / "pid"
    path.write_text("a stale one")
    with Program("-bios", bios, "-nographic", "-pidfile", path) as program:
        program.wait("ready")
        assert path.read_text() == f"{program.process.pid}\n"
        second = run("-bios", bios, "-display", "none", "-pidfile", path)
        assert second.process.returncode == 1
        assert second.errors == (
            "pyqemu: cannot create PID file: Cannot lock pid file: Resource temporarily unavailable\n"
        )
        assert program.end() == 0
    assert not path.exists()


def test_daemonize_returns_when_the_machine_is_there(tmp_path: Path) -> None:
    bios = assemble(tmp_path / "bios.bin", ECHO)
    path, pidfile = tmp_path / "line", tmp_path / "pid"
    serial = f"unix:{path},server=on,wait=off"
    words = ["-bios", str(bios), "-display", "none", "-serial", serial, "-pidfile", str(pidfile), "-daemonize"]
    done = subprocess.run(arguments(*words), env=environment(), capture_output=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    pid = int(pidfile.read_text())
    try:
        with dial(path) as peer:
            peer.sendall(b"HAL")
            assert peer.recv(1) in b"rI"
        assert os.readlink(f"/proc/{pid}/cwd") == "/"
        assert {os.readlink(f"/proc/{pid}/fd/{fd}") for fd in (0, 1, 2)} == {"/dev/null"}
    finally:
        os.kill(pid, signal.SIGTERM)
    wait_for(lambda: not pidfile.exists(), "the daemon stays")


def test_daemonize_reports_what_went_wrong(tmp_path: Path) -> None:
    words = ["-display", "none", "-serial", "unix:/nosuch/s,server=on,wait=off", "-daemonize"]
    done = subprocess.run(arguments(*words), env=environment(), capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "Failed to bind socket to /nosuch/s: No such file or directory" in done.stderr


def test_options_come_from_a_file_and_go_to_one(tmp_path: Path) -> None:
    bios = assemble(tmp_path / "bios.bin", READY + "out8 0xF4, 0\n")
    (tmp_path / "config").write_text(
        '# a machine\n[device]\n  driver = "isa-debug-exit"\n  iobase = "0xf4"\n'
        '[chardev "c"]\n  backend = "file"\n'
        f'  path = "{tmp_path}/a,b"\n'
    )
    program = run(
        *("-bios", bios, "-display", "none", "-readconfig", tmp_path / "config", "-serial", "chardev:c"),
        *("-writeconfig", tmp_path / "written"),
    )
    assert (program.process.returncode, program.errors) == (1, "")
    assert (tmp_path / "a,b").read_bytes() == b"ready\n"
    written = (tmp_path / "written").read_text()
    assert f'[chardev "c"]\n  backend = "file"\n  path = "{tmp_path}/a,b"\n' in written
    assert '[machine]\n  type = "pc-1.0"\n' in written and '[memory]\n  size = "16"\n' in written
