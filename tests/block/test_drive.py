"""Drives with image files: opening, locks, tails, snapshots, host errors."""

from __future__ import annotations

import errno
import os
import resource
import socket
import subprocess
import sys

import pytest

from pyqemu.block.drive import FileDrive, open_drive
from pyqemu.core.errors import ConfigError

SECTOR = 512


def make(path, data):
    path.write_bytes(data)
    return str(path)


def read(drive, offset, length):
    buffer = bytearray(b"\xee" * length)
    drive.read_into(offset, buffer)
    return bytes(buffer)


@pytest.fixture
def image(tmp_path):
    return make(tmp_path / "disk.img", bytes(range(256)) * 16)


def refuse(path, **options):
    with pytest.raises(ConfigError) as caught:
        open_drive(path, id="d", **options)
    return str(caught.value), caught.value.hint


# -- data ---------------------------------------------------------------------------------------------


def test_reads_and_writes_go_to_the_file(image):
    drive = open_drive(image, id="d", format="raw")
    assert (drive.size, drive.inserted, drive.read_only, drive.media) == (4096, True, False, "disk")
    assert read(drive, 256, 4) == b"\0\1\2\3"
    drive.write(600, memoryview(b"hello"))
    drive.flush()
    with open(image, "rb") as file:
        assert file.read()[600:605] == b"hello"
    drive.close()
    assert not drive.inserted


def test_a_buffer_of_wider_elements_is_filled_as_bytes(image):
    buffer = memoryview(bytearray(8)).cast("I")
    open_drive(image, id="d", format="raw").read_into(0, buffer)
    assert buffer.tobytes() == bytes(range(8))


@pytest.mark.parametrize(("offset", "length"), [(4096, 1), (4095, 2), (-1, 1), (1 << 64, 1)])
def test_access_past_the_end_is_a_value_error(image, offset, length):
    drive = open_drive(image, id="d", format="raw")
    with pytest.raises(ValueError, match="outside the medium"):
        drive.read_into(offset, bytearray(length))
    with pytest.raises(ValueError, match="outside the medium"):
        drive.write(offset, bytes(length))


def test_a_partial_last_sector_reads_zeros_and_can_be_written(tmp_path):
    path = make(tmp_path / "odd.img", b"x" * 1000)
    drive = open_drive(path, id="d", format="raw")
    assert drive.size == 1024
    assert read(drive, 512, 512) == b"x" * 488 + bytes(24)
    assert os.path.getsize(path) == 1000
    drive.write(512, b"y" * 512)
    assert os.path.getsize(path) == 1024
    assert read(drive, 512, 512) == b"y" * 512


def test_an_empty_file_is_a_medium_of_no_size(tmp_path):
    drive = open_drive(make(tmp_path / "empty.img", b""), id="d", format="raw")
    assert drive.inserted
    assert drive.size == 0


def test_short_transfers_are_continued(image, monkeypatch):
    preadv, pwritev = os.preadv, os.pwritev
    drive = open_drive(image, id="d", format="raw")
    monkeypatch.setattr(os, "preadv", lambda fd, views, offset: preadv(fd, [views[0][:100]], offset))
    monkeypatch.setattr(os, "pwritev", lambda fd, views, offset: pwritev(fd, [views[0][:100]], offset))
    assert read(drive, 0, 512) == bytes(range(256)) * 2
    drive.write(1024, b"z" * 512)
    assert read(drive, 1024, 513) == b"z" * 512 + b"\0"


def test_a_file_cut_short_while_in_use_reads_zeros(image):
    drive = open_drive(image, id="d", format="raw")
    os.truncate(image, 100)
    assert read(drive, 0, 4096) == bytes(range(100)) + bytes(3996)


# -- opening ------------------------------------------------------------------------------------------


def test_refused_paths_have_qemus_wording(tmp_path):
    missing = str(tmp_path / "nosuch.img")
    assert refuse(missing)[0] == f"Could not open '{missing}': No such file or directory"
    assert refuse("/proc/nosuch/x", format="raw")[0] == "Could not open '/proc/nosuch/x': No such file or directory"
    assert refuse(str(tmp_path))[0] == f"'file' driver requires '{tmp_path}' to be a regular file"
    assert refuse("")[0] == 'A block device must be specified for "file"'
    assert refuse("a\0b")[0] == "Could not open 'a\0b': Invalid argument"
    assert refuse("/proc/version", format="raw")[0] == "Could not refresh total sector count: Invalid argument"


@pytest.mark.parametrize("kind", ["fifo", "socket", "char"])
def test_special_files_are_refused_without_blocking(tmp_path, kind):
    path = str(tmp_path / "special")
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(path)
    else:
        path = "/dev/null"
    for read_only in (False, True):
        assert "to be a regular file" in refuse(path, format="raw", read_only=read_only)[0]


def test_no_permission_to_write_is_an_error_but_read_only_works(image, monkeypatch):
    real = os.open

    def guarded(path, flags, *rest):
        if flags & os.O_ACCMODE != os.O_RDONLY:
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(path, flags, *rest)

    monkeypatch.setattr(os, "open", guarded)
    assert refuse(image, format="raw")[0] == f"Could not open '{image}': Permission denied"
    assert open_drive(image, id="d", format="raw", read_only=True).read_only


def test_bad_options(image):
    assert refuse(image, format="foo")[0] == "Unknown driver 'foo'"
    assert refuse(image, format="qcow2")[0] == "Image is not in qcow2 format"
    assert refuse(image, format="raw", cache="foo")[0] == "invalid cache option"
    assert refuse(image, format="raw", media="foo")[0] == "'foo' invalid media"


HEADS = {
    "qcow": b"QFI\xfb\0\0\0\1",
    "qcow2": b"QFI\xfb\0\0\0\3",
    "qed": b"QED\0",
    "vmdk": b"KDMV\1\0\0\0",
    "vdi": b"<<< any text >>>".ljust(64, b"\0") + b"\x7f\x10\xda\xbe",
    "vhdx": b"vhdxfile",
    "vpc": b"conectix",
    "parallels": b"WithouFreSpacExt",
    "luks": b"LUKS\xba\xbe",
}


@pytest.mark.parametrize("format", HEADS)
def test_other_formats_are_recognised_and_refused(tmp_path, format):
    path = make(tmp_path / "image", HEADS[format].ljust(1024, b"\0"))
    for said in (None, format):
        message, _ = refuse(path, format=said)
        assert f"format '{format}' is not supported by pyqemu yet; convert with qemu-img convert -O raw" in message
    assert not open_files(path)
    assert open_drive(path, id="d", format="raw").size == 1024


def open_files(path):
    """Descriptors of this process that are open on *path*."""
    links = [f"/proc/self/fd/{fd}" for fd in os.listdir("/proc/self/fd")]
    return [link for link in links if os.path.islink(link) and os.readlink(link) == path]


def test_a_guessed_format_warns_and_guards_block_0(image):
    drive = open_drive(image, id="d")
    assert drive.warnings == [
        f"WARNING: Image format was not specified for '{image}' and probing guessed raw.\n"
        "         Automatically detecting the format is dangerous for raw images, write operations on block 0 "
        "will be restricted.\n"
        "         Specify the 'raw' format explicitly to remove the restrictions."
    ]
    for data, offset in ((HEADS["qcow2"].ljust(512), 0), (HEADS["vdi"], 0), (b"QFI\xfb" + bytes(2000), 0)):
        with pytest.raises(PermissionError):
            drive.write(offset, data)
    drive.write(0, b"QF")
    with pytest.raises(PermissionError):
        drive.write(2, b"I\xfb")  # a mark in two pieces is one as well
    drive.write(512, HEADS["qcow2"])
    drive.write(0, b"\xeb\x3c" + bytes(510))
    assert read(drive, 0, 2) == b"\xeb\x3c"


def test_a_stated_or_read_only_raw_image_has_no_warning(image):
    drive = open_drive(image, id="d", format="raw")
    assert drive.warnings == []
    drive.write(0, HEADS["qcow2"])
    drive.write(0, bytes(512))
    drive.close()
    for options in ({"read_only": True}, {"media": "cdrom"}, {"snapshot": True}):
        drive = open_drive(image, id="d", **options)
        assert drive.warnings == []
        drive.close()


# -- sharing ------------------------------------------------------------------------------------------


def test_one_writer_excludes_everybody_else(image):
    writer = open_drive(image, id="d", format="raw")
    hint = f"Is another process using the image [{image}]?"
    assert refuse(image, format="raw") == ('Failed to get "write" lock', hint)
    assert refuse(image, format="raw", read_only=True) == ('Failed to get shared "write" lock', hint)
    assert refuse(image, format="raw", snapshot=True) == ('Failed to get shared "write" lock', hint)
    writer.close()
    readers = [open_drive(image, id="d", format="raw", read_only=True) for _ in range(2)]
    readers.append(open_drive(image, id="d", format="raw", snapshot=True))
    assert refuse(image, format="raw") == ('Failed to get "write" lock', hint)
    for reader in readers:
        reader.close()
    open_drive(image, id="d", format="raw").close()


def test_another_process_is_kept_out(image):
    script = (
        "import sys\nfrom pyqemu.block.drive import open_drive\n"
        "try: open_drive(sys.argv[1], id='d', format='raw')\nexcept Exception as e: print(e)"
    )
    writer = open_drive(image, id="d", format="raw")
    command = [sys.executable, "-c", script, image]
    assert subprocess.run(command, capture_output=True, text=True).stdout == 'Failed to get "write" lock\n'
    writer.close()
    assert subprocess.run(command, capture_output=True, text=True).stdout == ""


def test_the_lock_bytes_are_those_of_qemu(image):
    """Seen in /proc/locks for QEMU's own drives: used permissions at 100+n, unshared ones at 200+n."""

    def locks():
        inode = f":{os.stat(image).st_ino}"
        with open("/proc/locks") as file:
            lines = [line.split() for line in file]
        return {
            byte
            for line in lines
            if line[1] == "OFDLCK" and line[3] == "READ" and line[5].endswith(inode)
            for byte in range(int(line[6]), int(line[7]) + 1)
        }

    for options, expected in (
        ({}, {100, 101, 201}),
        ({"read_only": True}, {100, 201}),
        ({"snapshot": True}, {100, 201, 203}),
    ):
        drive = open_drive(image, id="d", format="raw", **options)
        assert locks() == expected
        drive.close()
        assert locks() == set()


def test_a_file_system_without_locks_is_used_without(image, monkeypatch):
    import fcntl

    def no_locks(*_):
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(fcntl, "fcntl", no_locks)
    assert open_drive(image, id="d", format="raw").size == 4096


# -- media, errors ------------------------------------------------------------------------------------


def test_a_cdrom_slot_takes_and_loses_media(image, tmp_path):
    events = []
    drive = open_drive(None, id="ide1-cd0", media="cdrom")
    drive.on_change.append(lambda: events.append(drive.size))
    assert (drive.inserted, drive.size, drive.read_only) == (False, 0, True)
    with pytest.raises(ValueError, match="outside"):
        drive.read_into(0, bytearray(1))
    drive.insert(image)
    assert (drive.inserted, drive.size, drive.read_only, drive.warnings) == (True, 4096, True, [])
    with pytest.raises(PermissionError):
        drive.write(0, bytes(512))
    with pytest.raises(ConfigError):
        drive.insert(str(tmp_path / "nosuch"))
    assert drive.size == 4096
    drive.insert(make(tmp_path / "b.iso", bytes(2048)))
    drive.eject()
    drive.eject()
    drive.flush()
    assert events == [4096, 2048, 0]
    open_drive(image, id="d", format="raw").close()  # the slot has let go of it


def test_a_file_that_may_not_grow_raises_and_is_reported_once(tmp_path):
    messages = []
    path = make(tmp_path / "odd.img", bytes(600))
    drive = open_drive(path, id="hd0", format="raw", on_message=messages.append)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (600, hard))
    try:
        for _ in range(3):
            with pytest.raises(OSError, match="File too large") as caught:
                drive.write(512, b"x" * 512)
            drive.report_error("write", caught.value)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert messages == [f"hd0: write of '{path}' failed: File too large"]
    drive.report_error("flush", OSError(errno.EIO, "Input/output error"))
    assert len(messages) == 2


def test_cache_modes(image, monkeypatch):
    synced = []
    monkeypatch.setattr(os, "fdatasync", synced.append)
    for cache, write_cache, flushes in (
        ("writeback", True, 1),
        ("none", True, 1),
        ("unsafe", True, 0),
        ("writethrough", False, 1),
        ("directsync", False, 1),
    ):
        synced.clear()
        drive = open_drive(image, id="d", format="raw", cache=cache)
        drive.flush()
        assert (drive.write_cache, len(synced)) == (write_cache, flushes)
        drive.close()


def test_an_empty_slot_is_made_by_the_class_too():
    drive = FileDrive(id="floppy0")
    drive.flush()
    assert not drive.inserted
    assert not drive.read_only
