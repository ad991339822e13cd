"""CDs, disks and floppies that boot by ISOLINUX and SYSLINUX 6, made as files with xorriso and mtools.

Source   SYSLINUX documentation: isolinux.txt (no emulation, boot information table), syslinux.txt (--install,
         --offset), config.txt, menu.txt (the graphical menu's colours)
CD       /isolinux: isolinux.bin, modules, isolinux.cfg; /boot: kernel and initrd
Disk     an MBR that starts the active partition; from sector 2048 a FAT file system with /syslinux
Floppy   1440 KiB FAT with ldlinux.sys in its root and a boot sector of ours to load
"""

from __future__ import annotations

import struct
import tempfile
from pathlib import Path

import initramfs
import packages
import tools

SECTOR = 512
PARTITION_START = 2048
HEADS, TRACK_SECTORS = 255, 63
FAT_PARTITION = 0x0C  # FAT, by LBA
MODULES = ("ldlinux.c32", "libcom32.c32", "libutil.c32", "vesamenu.c32")
BACKGROUND, SELECTED = "204080", "c06010"  # RGB of the menu; the tests look for them

CONFIG = """\
SERIAL 0 115200
DEFAULT linux
PROMPT 1
TIMEOUT 0
SAY {greeting}
LABEL linux
  KERNEL /boot/vmlinuz
  INITRD /boot/initrd.gz
  APPEND {arguments}
LABEL menu
  KERNEL vesamenu.c32
  APPEND menu.cfg
"""

MENU = f"""\
MENU TITLE Graphical menu
MENU COLOR screen 37;40 #ffffffff #ff{BACKGROUND} none
MENU COLOR border 30;44 #ffffffff #ff{BACKGROUND} none
MENU COLOR title 1;36;44 #ffffffff #ff{BACKGROUND} none
MENU COLOR unsel 37;44 #ffffffff #ff{BACKGROUND} none
MENU COLOR sel 7;37;40 #ffffffff #ff{SELECTED} none
LABEL first
  MENU LABEL First entry
  KERNEL /boot/vmlinuz
LABEL second
  MENU LABEL Second entry
  KERNEL /boot/vmlinuz
"""

FLOPPY_CONFIG = """\
SERIAL 0 115200
DEFAULT hello
PROMPT 1
TIMEOUT 0
SAY SYSLINUX FLOPPY
LABEL hello
  KERNEL hello.bs
"""


class Files:
    """What the three packages hold."""

    def __init__(self, isolinux: Path, syslinux: Path, common: Path) -> None:
        self.packages = [isolinux, syslinux, common]
        self._isolinux, self._syslinux, self._common = isolinux, syslinux, common

    def loader(self) -> bytes:
        path = "usr/lib/ISOLINUX/isolinux.bin"
        return packages.read(self._isolinux, path)[path]

    def master_boot_record(self) -> bytes:
        path = "usr/lib/syslinux/mbr/mbr.bin"
        return packages.read(self._common, path)[path]

    def modules(self) -> dict[str, bytes]:
        folder = "usr/lib/syslinux/modules/bios/"
        found = packages.read(self._common, folder + r"[^/]*\.c32")
        return {name: found[folder + name] for name in MODULES}

    def installer(self, folder: Path) -> Path:
        """The program that writes the loader into a FAT file system, put into *folder*."""
        path = "usr/bin/syslinux"
        program = folder / "syslinux"
        program.write_bytes(packages.read(self._syslinux, path)[path])
        program.chmod(0o755)
        return program


def config(greeting: str, arguments: str) -> bytes:
    return CONFIG.format(greeting=greeting, arguments=arguments).encode()


def cd(out: Path, files: Files, boot: initramfs.Tree, arguments: str) -> None:
    """A CD-ROM with the tree *boot*, which has /boot/vmlinuz and /boot/initrd.gz."""
    boot.file("isolinux/isolinux.bin", files.loader())
    boot.file("isolinux/isolinux.cfg", config("ISOLINUX CD", arguments))
    boot.file("isolinux/menu.cfg", MENU)
    for name, data in files.modules().items():
        boot.file(f"isolinux/{name}", data)
    with tempfile.TemporaryDirectory() as folder:
        boot.spread(Path(folder))
        record = ("-b", "isolinux/isolinux.bin", "-c", "isolinux/boot.cat", "-no-emul-boot")
        sizes = ("-boot-load-size", "4", "-boot-info-table")
        tools.run("xorriso", "-as", "mkisofs", "-quiet", "-o", out, *record, *sizes, folder)


def disk(out: Path, files: Files, boot: initramfs.Tree, arguments: str, size_mib: int) -> None:
    """A hard disk whose only partition holds the tree *boot*."""
    sectors = size_mib * 2048
    boot.file("syslinux/syslinux.cfg", config("SYSLINUX DISK", arguments))
    boot.file("syslinux/menu.cfg", MENU)
    for name, data in files.modules().items():
        boot.file(f"syslinux/{name}", data)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with out.open("wb") as image:
            image.truncate(sectors * SECTOR)
        there = f"{out}@@{PARTITION_START * SECTOR}"
        shape = ("-h", str(HEADS), "-s", str(TRACK_SECTORS), "-H", str(PARTITION_START))
        tools.run("mformat", "-i", there, "-T", str(sectors - PARTITION_START), *shape, "::")
        boot.spread(folder / "files")
        tools.run("mcopy", "-s", "-i", there, *sorted((folder / "files").iterdir()), "::")
        offset = str(PARTITION_START * SECTOR)
        tools.run(files.installer(folder), "--offset", offset, "--directory", "syslinux", "--install", out)
    record = bytearray(files.master_boot_record().ljust(SECTOR - 2, b"\0") + b"\x55\xaa")
    chs = (0xFE, 0xFF, 0xFF)  # beyond what cylinders can say: by LBA
    struct.pack_into(
        "<8B2I", record, 0x1BE, 0x80, *chs, FAT_PARTITION, *chs, PARTITION_START, sectors - PARTITION_START
    )
    with out.open("r+b") as image:
        image.write(record)


def floppy(out: Path, files: Files, hello: bytes) -> None:
    """A floppy whose loader can start *hello*, a boot sector."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        contents = {"syslinux.cfg": FLOPPY_CONFIG.encode(), "hello.bs": hello}
        contents |= {name: data for name, data in files.modules().items() if name != "vesamenu.c32"}
        for name, data in contents.items():
            (folder / name).write_bytes(data)
        tools.run("mformat", "-C", "-f", "1440", "-i", out, "::")
        tools.run("mcopy", "-i", out, *(folder / name for name in sorted(contents)), "::")
        tools.run(files.installer(folder), "--install", out)
