"""Image files: locks between processes, and a host disk that refuses to store."""

from __future__ import annotations

import resource
import signal
from pathlib import Path

import pytest
from process.program import EXIT, HALTED, Program, assemble, run

# Writes sectors 0, 1, 2… of the first disk by PIO until one fails; the exit status tells the error register.
WRITER = """
        xor ebp, ebp
next:   out8 0x1F6, 0xE0
        out8 0x1F2, 1
        mov eax, ebp
        mov dx, 0x1F3
        out dx, al
        inc dx
        mov al, ah
        out dx, al
        shr eax, 16
        inc dx
        out dx, al
        out8 0x1F7, 0x30
        call ready
        mov cx, 256
        mov ax, bp
        mov dx, 0x1F0
store:  out dx, ax
        loop store
        call ready
        inc ebp
        cmp ebp, 4096
        jb next
        out8 0x1F7, 0xE7        ; FLUSH CACHE
        call ready
        out8 0xF4, 0
ready:  mov dx, 0x1F7
.poll:  in al, dx
        test al, 0x80
        jnz .poll
        test al, 0x21           ; ERR, DF
        jz .good
        mov dx, 0x1F1
        in al, dx
        out 0xF4, al
.good:  ret
"""


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "disk.img"
    with open(path, "wb") as file:
        file.truncate(2 << 20)
    return path


@pytest.fixture
def halted(tmp_path: Path) -> Path:
    return assemble(tmp_path / "halted.bin", HALTED)


def test_a_second_writer_is_refused(image: Path, halted: Path) -> None:
    drive = f"file={image},format=raw"
    with Program("-bios", halted, "-nographic", "-drive", drive) as first:
        first.wait("ready")
        second = run("-bios", halted, "-nographic", "-drive", drive)
        assert second.status() == 1
        assert second.errors.startswith(f'pyqemu: -drive {drive}: Failed to get "write" lock\n')
        assert "Is another process using the image" in second.errors
        assert "Traceback" not in second.errors
        assert first.end() == 0


def test_the_same_image_twice_in_one_machine(image: Path, halted: Path) -> None:
    program = run("-bios", halted, "-nographic", "-hda", image, "-hdb", image)
    assert program.status() == 1
    assert 'Failed to get "write" lock' in program.errors


def test_readers_share_an_image(image: Path, halted: Path) -> None:
    drive = f"file={image},format=raw,media=cdrom"
    with (
        Program("-bios", halted, "-nographic", "-drive", drive) as first,
        Program("-bios", halted, "-nographic", "-drive", drive) as second,
    ):
        first.wait("ready")
        second.wait("ready")
        assert first.end() == second.end() == 0


def test_a_killed_process_leaves_no_lock(image: Path, halted: Path) -> None:
    drive = f"file={image},format=raw"
    with Program("-bios", halted, "-nographic", "-drive", drive) as first:
        first.wait("ready")
        assert first.end(signal.SIGKILL) == -signal.SIGKILL
    with Program("-bios", halted, "-nographic", "-drive", drive) as second:
        second.wait("ready")
        assert second.end() == 0


def test_what_a_guest_wrote_is_in_the_file(image: Path, tmp_path: Path) -> None:
    bios = assemble(tmp_path / "bios.bin", WRITER)
    program = run("-bios", bios, "-nographic", "-drive", f"file={image},format=raw", "-device", EXIT)
    assert program.status() == 1, program.report("the guest saw an error")
    assert not program.errors
    data = image.read_bytes()
    assert data == b"".join(number.to_bytes(2, "little") * 256 for number in range(4096))


def test_a_snapshot_leaves_the_image_alone(image: Path, tmp_path: Path) -> None:
    bios = assemble(tmp_path / "bios.bin", WRITER)
    program = run("-bios", bios, "-nographic", "-snapshot", "-hda", image, "-device", EXIT)
    assert program.status() == 1, program.report("the guest saw an error")
    assert image.read_bytes() == bytes(2 << 20)


def test_a_read_only_image_is_not_written(image: Path, tmp_path: Path) -> None:
    """QEMU's IDE disk cannot be read-only; if it is accepted, then nothing may be stored."""
    bios = assemble(tmp_path / "bios.bin", WRITER)
    run("-bios", bios, "-nographic", "-drive", f"file={image},format=raw,readonly=on", "-device", EXIT)
    assert image.read_bytes() == bytes(2 << 20)


@pytest.mark.parametrize("snapshot", [False, True])
def test_a_full_host_disk_is_an_ata_error_and_a_message(tmp_path: Path, snapshot: bool) -> None:
    """The host refuses everything beyond 64 KiB of a file."""
    (image := tmp_path / "disk.img").touch()
    with open(image, "r+b") as file:
        file.truncate(2 << 20)

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))

    bios = assemble(tmp_path / "bios.bin", WRITER)
    options = ["-drive", f"file={image},format=raw", *(["-snapshot"] if snapshot else [])]
    program = run("-bios", bios, "-nographic", *options, "-device", EXIT, preexec=limit)
    error = program.status() >> 1
    assert error, program.report("the guest saw no error")
    assert error & 0xC4, program.report("neither ABRT nor UNC")
    assert program.errors.startswith("pyqemu: ide0-hd0: "), program.errors
    assert "File too large" in program.errors
    assert len(program.errors.splitlines()) <= 2
    assert "Traceback" not in program.errors
