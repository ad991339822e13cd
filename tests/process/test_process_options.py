"""Bad input: one message in QEMU's style on standard error, exit 1, no traceback, nothing written."""

from __future__ import annotations

import os
import re
import struct
from pathlib import Path

import pytest
from process.program import EXIT, HALTED, Program, assemble, run


def kernel(path: Path, setup_sectors: int = 4, payload: int = 4096, claimed: int | None = None) -> Path:
    """Something that looks like a bzImage as far as its header goes."""
    header = bytearray((setup_sectors + 1) * 512)
    header[0x1F1] = setup_sectors
    struct.pack_into("<I", header, 0x1F4, (payload if claimed is None else claimed) // 16)
    struct.pack_into("<H", header, 0x1FE, 0xAA55)
    header[0x202:0x206] = b"HdrS"
    struct.pack_into("<H", header, 0x206, 0x20C)
    header[0x211] = 1
    struct.pack_into("<I", header, 0x22C, 0x37FFFFFF)
    path.write_bytes(bytes(header) + bytes(payload))
    return path


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "empty").touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "odd").write_bytes(bytes(1000))
    (tmp_path / "noise").write_bytes(bytes(range(256)) * 256)
    with open(tmp_path / "large", "wb") as file:
        file.truncate(64 << 20)
    with open(tmp_path / "large.bin", "wb") as file:
        file.truncate(17 << 20)
    kernel(tmp_path / "kernel")
    kernel(tmp_path / "cut", claimed=1 << 20)
    (tmp_path / "cut.setup").write_bytes((tmp_path / "kernel").read_bytes()[:1500])
    (tmp_path / "cut.header").write_bytes((tmp_path / "kernel").read_bytes()[:0x204])
    return tmp_path


BAD = {
    "missing image": ("-hda @/nothing", "-hda @/nothing: Could not open '@/nothing': No such file or directory"),
    "missing image, bare": ("@/nothing", "@/nothing: Could not open"),
    "directory as image": ("-hda @/folder", "-hda @/folder: .*'@/folder'"),
    "directory as CD": ("-cdrom @/folder", "-cdrom @/folder: .*'@/folder'"),
    "directory as floppy": ("-fda @/folder", "-fda @/folder: .*'@/folder'"),
    "device file as image": ("-hda /dev/zero", "-hda /dev/zero: "),
    "no drive letter": ("-drive file=@/empty,if=nothing", "-drive .*unsupported bus type 'nothing'"),
    "memory with a tail": ("-m 1G5", "-m 1G5: Parameter 'size' expects"),
    "negative memory": ("-m -1", "-m -1: Parameter 'size' expects"),
    "memory of another host": ("-m 64T", "cannot set up guest memory 'pc.ram': Cannot allocate memory"),
    "memory beyond all": ("-m 99999999999999999999", "-m 9+: "),
    "memory at the limit": ("-m 15E", "cannot set up guest memory 'pc.ram'"),
    "missing BIOS": ("-bios @/nothing", "could not load PC BIOS '@/nothing'"),
    "empty BIOS": ("-bios @/empty", "could not load PC BIOS '@/empty'"),
    "odd BIOS": ("-bios @/odd", "could not load PC BIOS '@/odd'"),
    "large BIOS": ("-bios @/large.bin", "could not load PC BIOS '@/large.bin'"),
    "directory as BIOS": ("-bios @/folder", "could not load PC BIOS '@/folder'"),
    "machine": ("-M pc-1.O", "unsupported machine type"),
    "CPU": ("-cpu quemu64", "unable to find CPU model 'quemu64'"),
    "CPU property": ("-cpu qemu64,+nothing", "Property 'qemu64-x86_64-cpu.nothing' not found"),
    "device": ("-device nothing", "-device nothing: 'nothing' is not a valid device model name"),
    "device property": ("-device isa-debug-exit,x=1", "-device .*: Property 'isa-debug-exit.x' not found"),
    "device value": ("-device isa-debug-exit,iobase=x", "-device .*: Parameter 'iobase' expects"),
    "device port taken": ("-device isa-debug-exit,iobase=0x60", "-device .*0x60"),
    "global property": ("-global VGA.nothing=1", "VGA.nothing|nothing"),
    "option": ("-nothing", "-nothing: invalid option"),
    "kernel is noise": ("-kernel @/noise", "invalid kernel header"),
    "kernel is empty": ("-kernel @/empty", "invalid kernel header"),
    "kernel is a directory": ("-kernel @/folder", "could not open kernel file '@/folder'"),
    "kernel is missing": ("-kernel @/nothing", "could not open kernel file '@/nothing': No such file"),
    "kernel ends in its header": ("-kernel @/cut.header", "invalid kernel header"),
    "kernel ends in its setup": ("-kernel @/cut.setup", "invalid kernel header"),
    "kernel ends in its payload": ("-kernel @/cut", "kernel"),
    "initrd missing": ("-kernel @/kernel -initrd @/nothing", "error reading initrd @/nothing: No such file"),
    "initrd is a directory": ("-kernel @/kernel -initrd @/folder", "error reading initrd @/folder"),
    "initrd too large": ("-m 32 -kernel @/kernel -initrd @/large", "initrd is too large"),
    "initrd without kernel": ("-initrd @/odd", "-initrd only allowed with -kernel option"),
    "serial file": ("-serial file:@/nothing/x", "-serial file:@/nothing/x: Could not open"),
    "serial backend": ("-serial nothing", "-serial nothing: 'nothing' is not a valid char driver"),
    "two users of stdio": ("-serial stdio -serial stdio", "cannot use stdio by multiple character devices"),
    "log file": ("-d guest_errors -D @/nothing/x", "[Cc]ould not open '@/nothing/x'"),
    "clock": ("-rtc base=yesterday", "invalid datetime format"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_message(files: Path, name: str) -> None:
    options, message = (text.replace("@", str(files)) for text in BAD[name])
    before = {path: path.stat() for path in sorted(files.rglob("*"))}
    program = run(*options.split(), *([] if "-serial" in options else ["-nographic"]))
    assert program.status() == 1, program.report("wrong status")
    assert re.match(f"pyqemu: .*{message}|pyqemu: {message}", program.errors), program.errors
    assert "Traceback" not in program.errors
    assert not program.output
    after = {path: path.stat() for path in sorted(files.rglob("*"))}
    assert after.keys() == before.keys()
    assert all((after[p].st_size, after[p].st_mtime_ns) == (s.st_size, s.st_mtime_ns) for p, s in before.items())


@pytest.mark.parametrize("display", [["-nographic"], ["-display", "curses"], ["-serial", "stdio"]])
def test_a_late_error_leaves_the_terminal_alone(files: Path, display: list[str]) -> None:
    """The kernel is looked at after the console has been taken."""
    with Program(*display, "-kernel", files / "noise", terminal=True) as program:
        assert program.status() == 1
        assert program.terminal_settings() == program.settings
        assert "invalid kernel header" in program.errors
        assert "\x1b" not in program.text


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_image(tmp_path: Path) -> None:
    (image := tmp_path / "disk.img").write_bytes(bytes(512))
    image.chmod(0)
    program = run("-hda", image, "-nographic")
    assert program.status() == 1
    assert "Permission denied" in program.errors


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become somebody else")
def test_an_image_that_another_user_owns(tmp_path: Path) -> None:
    """Root reads everything, so the program gives up its capabilities first."""
    (image := tmp_path / "disk.img").write_bytes(bytes(512))
    image.chmod(0o400)
    os.chown(image, 12345, 12345)

    def drop() -> None:
        import ctypes

        for capability in (0, 1, 2):  # chown, dac_override, dac_read_search
            ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)
        header, data = struct.pack("<II", 0x20080522, 0), bytes(24)
        ctypes.CDLL(None).capset(header, data)

    program = run("-drive", f"file={image},format=raw", "-nographic", preexec=drop)
    assert program.status() == 1, program.report("wrong status")
    assert f"Could not open '{image}': Permission denied" in program.errors


def test_an_empty_image_is_an_empty_disk(tmp_path: Path) -> None:
    (image := tmp_path / "disk.img").touch()
    bios = assemble(tmp_path / "bios.bin", HALTED)
    with Program("-bios", bios, "-nographic", "-drive", f"file={image},format=raw") as program:
        program.wait("ready")
        assert program.end() == 0
    assert image.stat().st_size == 0


def test_no_memory_means_the_default(tmp_path: Path) -> None:
    """QEMU, too, takes -m 0 for its default of 128 MiB: CMOS 34h counts 64 KiB blocks above 16 MiB."""
    code = """
        out8 0x70, 0x35
        in al, 0x71
        out 0xF4, al
    """
    bios = assemble(tmp_path / "bios.bin", code)
    program = run("-bios", bios, "-m", "0", "-nographic", "-device", EXIT)
    assert program.status() == (((128 - 16) * 16) >> 8) * 2 + 1
    assert not program.errors


def test_what_is_traced_is_told_and_what_does_not_exist_is_warned_of(tmp_path: Path) -> None:
    bios = assemble(tmp_path / "bios.bin", "out8 0xF4, 0\n")
    words = ("-trace", "nosuch", "-trace", "qemu_system_*", "-D", tmp_path / "log", "-no-reboot")
    done = run("-bios", bios, "-display", "none", *words, "-device", EXIT)
    assert done.errors == "pyqemu: -trace nosuch: warning: trace event 'nosuch' does not exist\n"
    reset = assemble(tmp_path / "reset.bin", "out8 0x64, 0xFE\n")
    assert run("-bios", reset, "-display", "none", *words).process.returncode == 0
    assert re.search(r":qemu_system_reset_request reason=guest-reset\n", (tmp_path / "log").read_text())
