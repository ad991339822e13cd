"""Disks and CDs that boot Linux through GRUB 2, made as files: no root, no loop device, no mounting.

Source   GRUB manual, "BIOS installation": boot.img in the MBR loads the first sector of core.img, which
         loads the rest of it from the gap before the first partition
Disk     sector 0 boot.img and the partition table; 1.. core.img; 2048.. one ext2 partition with
         /boot/{vmlinuz,initrd.gz,grub/grub.cfg} and the root file system
Units    sectors of 512 bytes
"""

from __future__ import annotations

import struct
import tempfile
from pathlib import Path

import initramfs
import tools

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


# A menu in a picture: what is drawn, with which colours, is what the tests look for.
GRAPHICS_MODE = "800x600x32"
BACKGROUND = ((0x20, 0x40, 0x80), (0x80, 0x20, 0x20), (0x20, 0x80, 0x20), (0x60, 0x60, 0x20))  # of the quarters
GRAPHICS_CONFIG = f"""\
insmod all_video
insmod gfxterm
insmod gfxterm_background
insmod tga
loadfont /boot/grub/fonts/unicode.pf2
set gfxmode={GRAPHICS_MODE}
terminal_output gfxterm
background_image -m stretch /boot/grub/background.tga
set menu_color_normal=yellow/black
set menu_color_highlight=white/red
set timeout=-1
menuentry "Alpha entry" {{
  true
}}
menuentry "Beta entry" {{
  true
}}
"""


def background() -> bytes:
    """A TGA picture of 80 by 60 dots (uncompressed, 24 bits, top row first)."""
    rows = []
    for y in range(60):
        left, right = BACKGROUND[y // 30 * 2 : y // 30 * 2 + 2]
        rows.append(bytes(reversed(left)) * 40 + bytes(reversed(right)) * 40)
    return struct.pack("<BBBHHBHHHHBB", 0, 0, 2, 0, 0, 0, 0, 0, 80, 60, 24, 0x20) + b"".join(rows)


def graphical(font: bytes) -> initramfs.Tree:
    """The files of a CD whose menu is drawn in a VBE mode with *font*, a PF2 file."""
    tree = initramfs.Tree()
    tree.file("boot/grub/grub.cfg", GRAPHICS_CONFIG)
    tree.file("boot/grub/background.tga", background())
    tree.file("boot/grub/fonts/unicode.pf2", font)
    return tree


def config(arguments: str) -> bytes:
    return CONFIG.format(arguments=arguments).encode()


def disk(out: Path, files: initramfs.Tree, modules: Path, size_mib: int) -> None:
    """A raw hard disk of *size_mib* MiB whose first partition holds *files*; *modules* is GRUB's i386-pc."""
    sectors = size_mib * 2048
    core = _core_image(modules)
    boot = bytearray((modules / "boot.img").read_bytes())
    if len(core) > (PARTITION_START - 1) * SECTOR:
        raise tools.ToolError("GRUB's core image does not fit before the first partition")
    struct.pack_into("<Q", boot, BOOT_KERNEL_SECTOR, 1)
    struct.pack_into("<QHH", core, CORE_BLOCK_LIST, 2, -(-len(core) // SECTOR) - 1, CORE_SEGMENT)
    boot[PARTITION_TABLE:PARTITION_TABLE_END] = bytes(PARTITION_TABLE_END - PARTITION_TABLE)  # was floppy code
    entry = (0x80, *_chs(PARTITION_START), LINUX_PARTITION, *_chs(sectors - 1))
    struct.pack_into("<8B2I", boot, PARTITION_TABLE, *entry, PARTITION_START, sectors - PARTITION_START)
    with tempfile.TemporaryDirectory() as folder:
        files.spread(Path(folder))
        with out.open("wb") as image:
            image.truncate(sectors * SECTOR)
        options = f"offset={PARTITION_START * SECTOR},hash_seed={FILE_SYSTEM_ID},root_owner=0:0"
        blocks = f"{(sectors - PARTITION_START) // 2}k"
        tools.run(
            "mke2fs", "-q", "-F", "-t", "ext2", "-U", FILE_SYSTEM_ID, "-E", options, "-d", folder, out, blocks
        )
    with out.open("r+b") as image:
        image.write(boot + core)


def cd(out: Path, files: initramfs.Tree, modules: Path) -> None:
    """A CD-ROM by grub-mkrescue, bootable by El Torito without emulation (and from a disk's MBR)."""
    with tempfile.TemporaryDirectory() as folder:
        files.spread(Path(folder))
        options = ("--locales=", "--fonts=", "--themes=", "-d", modules)
        tools.run("grub-mkrescue", "-o", out, *options, folder)


def _core_image(modules: Path) -> bytearray:
    with tempfile.NamedTemporaryFile() as core:
        prefix = "(hd0,msdos1)/boot/grub"
        tools.run("grub-mkimage", "-O", "i386-pc", "-d", modules, "-p", prefix, "-o", core.name, *MODULES)
        return bytearray(Path(core.name).read_bytes())


def _chs(sector: int) -> tuple[int, int, int]:
    """Cylinder, head and sector as three bytes of a partition entry, for 255 heads of 63 sectors."""
    cylinder, rest = divmod(sector, 255 * 63)
    if cylinder > 1023:
        return 0xFE, 0xFF, 0xFF
    head, number = divmod(rest, 63)
    return head, (number + 1) | (cylinder >> 2 & 0xC0), cylinder & 0xFF
