"""Disks and CDs that boot Linux through GRUB 2, made as files: no root, no loop device, no mounting.

Source   GRUB manual, "BIOS installation": boot.img in the MBR loads the first sector of core.img, which
         loads the rest of it from the gap before the first partition
Disk     sector 0 boot.img and the partition table; 1.. core.img; 2048.. one ext2 partition with
         /boot/{vmlinuz,initrd.gz,grub/grub.cfg} and the root file system
Units    sectors of 512 bytes
"""

from __future__ import annotations

import os
import shutil
import stat
import struct
import subprocess
import tempfile
from pathlib import Path

import initramfs

SECTOR = 512
PARTITION_START = 2048
BOOT_KERNEL_SECTOR = 0x5C  # boot.img: 8 bytes, where core.img begins
PARTITION_TABLE, PARTITION_TABLE_END = 0x1BE, 0x1FE
CORE_BLOCK_LIST = 0x1F4  # core.img's first sector: start (8 bytes), sectors (2), segment (2)
CORE_SEGMENT = 0x820  # the rest of core.img goes to 0x8200
LINUX_PARTITION = 0x83
MODULES = (
    *("biosdisk", "part_msdos", "ext2", "iso9660"),
    *("normal", "linux", "serial", "terminal", "echo", "test", "ls", "minicmd", "reboot", "halt"),
)
FIXED = {
    "SOURCE_DATE_EPOCH": "0",
    "E2FSPROGS_FAKE_TIME": "1",
}  # nearly the same image each time: files' times differ
FILE_SYSTEM_ID = "70797165-6d75-4000-8000-000000000001"

CONFIG = """\
serial --unit=0 --speed=115200
terminal_input serial console
terminal_output serial console
set timeout=0
set default=0
menuentry "linux" {{
  echo "GRUB loading kernel"
  linux /boot/vmlinuz {arguments}
  echo "GRUB loading initrd"
  initrd /boot/initrd.gz
  echo "GRUB booting"
}}
"""


class ToolError(Exception):
    """A program needed to make an image is missing or failed."""


def config(arguments: str) -> bytes:
    return CONFIG.format(arguments=arguments).encode()


def disk(out: Path, files: initramfs.Tree, modules: Path, size_mib: int) -> None:
    """A raw hard disk of *size_mib* MiB whose first partition holds *files*; *modules* is GRUB's i386-pc."""
    sectors = size_mib * 2048
    core = _core_image(modules)
    boot = bytearray((modules / "boot.img").read_bytes())
    if len(core) > (PARTITION_START - 1) * SECTOR:
        raise ToolError("GRUB's core image does not fit before the first partition")
    struct.pack_into("<Q", boot, BOOT_KERNEL_SECTOR, 1)
    struct.pack_into("<QHH", core, CORE_BLOCK_LIST, 2, -(-len(core) // SECTOR) - 1, CORE_SEGMENT)
    boot[PARTITION_TABLE:PARTITION_TABLE_END] = bytes(PARTITION_TABLE_END - PARTITION_TABLE)  # was floppy code
    entry = (0x80, *_chs(PARTITION_START), LINUX_PARTITION, *_chs(sectors - 1))
    struct.pack_into("<8B2I", boot, PARTITION_TABLE, *entry, PARTITION_START, sectors - PARTITION_START)
    with tempfile.TemporaryDirectory() as folder:
        _spread(files, Path(folder))
        with out.open("wb") as image:
            image.truncate(sectors * SECTOR)
        options = f"offset={PARTITION_START * SECTOR},hash_seed={FILE_SYSTEM_ID},root_owner=0:0"
        blocks = f"{(sectors - PARTITION_START) // 2}k"
        _run("mke2fs", "-q", "-F", "-t", "ext2", "-U", FILE_SYSTEM_ID, "-E", options, "-d", folder, out, blocks)
    with out.open("r+b") as image:
        image.write(boot + core)


def cd(out: Path, files: initramfs.Tree, modules: Path) -> None:
    """A CD-ROM by grub-mkrescue, bootable by El Torito without emulation (and from a disk's MBR)."""
    with tempfile.TemporaryDirectory() as folder:
        _spread(files, Path(folder))
        options = ("--locales=", "--fonts=", "--themes=", "-d", modules)
        _run("grub-mkrescue", "-o", out, *options, folder)


def _core_image(modules: Path) -> bytearray:
    with tempfile.NamedTemporaryFile() as core:
        prefix = "(hd0,msdos1)/boot/grub"
        _run("grub-mkimage", "-O", "i386-pc", "-d", modules, "-p", prefix, "-o", core.name, *MODULES)
        return bytearray(Path(core.name).read_bytes())


def _spread(files: initramfs.Tree, folder: Path) -> None:
    """Write the tree's folders, files and links below *folder*; the guest's devtmpfs makes the devices."""
    for path, (mode, data, _) in sorted(files.nodes.items()):
        place = folder / path
        if stat.S_ISDIR(mode):
            place.mkdir(parents=True, exist_ok=True)
        elif stat.S_ISLNK(mode):
            place.symlink_to(data.decode())
        elif stat.S_ISREG(mode):
            place.write_bytes(data)
            place.chmod(mode & 0o777)


def _chs(sector: int) -> tuple[int, int, int]:
    """Cylinder, head and sector as three bytes of a partition entry, for 255 heads of 63 sectors."""
    cylinder, rest = divmod(sector, 255 * 63)
    if cylinder > 1023:
        return 0xFE, 0xFF, 0xFF
    head, number = divmod(rest, 63)
    return head, (number + 1) | (cylinder >> 2 & 0xC0), cylinder & 0xFF


def _run(tool: str, *arguments: str | Path) -> None:
    path = shutil.which(tool) or shutil.which(tool, path="/usr/sbin:/sbin")
    if path is None:
        raise ToolError(
            f"{tool} is needed and was not found (apt-get install grub-common xorriso mtools e2fsprogs)"
        )
    done = subprocess.run([path, *arguments], env=os.environ | FIXED, capture_output=True, text=True, timeout=300)
    if done.returncode:
        raise ToolError(f"{tool}: {done.stderr}")
