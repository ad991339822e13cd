"""What the Linux guests run: root file systems of one static busybox and a few scripts.

Bench    /init prints HELLO FROM USERLAND, runs 100 processes and powers off
Reader   /init loads the disk drivers, reads all of /dev/sda between DD START and DD DONE, powers off
System   busybox's init: getty and login (root, no password) on ttyS0 and the screen; with root=/dev/sda1
         on the kernel's command line the same tree on the disk takes over from the initramfs
"""

from __future__ import annotations

import initramfs

DISK_DRIVERS = ["ata_piix", "crct10dif_generic", "sd_mod", "sr_mod"]
DISK_FILE_SYSTEMS = ["crc32c_generic", "ext4", "isofs"]
NETWORK_DRIVERS = ["e1000"]
DRIVER_PATHS = r"lib/modules/[^/]+/kernel/(drivers/(ata|scsi|cdrom|net/ethernet/intel)|block|crypto|fs|lib)/.*\.ko"

BENCH_INIT = """\
#!/bin/sh
/bin/busybox mount -t proc none /proc
/bin/busybox mount -t sysfs none /sys
/bin/busybox echo "HELLO FROM USERLAND $(/bin/busybox uname -a)"
/bin/busybox cat /proc/interrupts
/bin/busybox ls /sys/bus/pci/devices
/bin/busybox sh -c 'i=0; while [ $i -lt 100 ]; do /bin/busybox true; i=$((i+1)); done'
/bin/busybox dmesg | /bin/busybox tail -2
/bin/busybox poweroff -f
"""

EARLY = """\
#!/bin/sh
/bin/busybox --install -s 2>/dev/null
mount -t proc none /proc
mount -t sysfs none /sys
mount -t devtmpfs none /dev
while read module; do insmod "$module"; done < /etc/drivers
"""

READER_INIT = (
    EARLY
    + """\
while [ ! -b /dev/sda ]; do sleep 0.1; done
echo "DD START"
dd if=/dev/sda of=/dev/null bs=1M
echo "DD DONE"
poweroff -f
"""
)

SYSTEM_INIT = (
    EARLY
    + """\
root=$(sed -n 's/.*root=\\([^ ]*\\).*/\\1/p' /proc/cmdline)
[ -n "$root" ] || exec /sbin/init
tries=0
while [ ! -b "$root" ] && [ $tries -lt 100 ]; do sleep 0.1; tries=$((tries+1)); done
mount "$root" /mnt || exec /sbin/init
umount /proc /sys
mount --move /dev /mnt/dev
exec switch_root /mnt /sbin/init
"""
)

SYSTEM_START = """\
#!/bin/sh
/bin/busybox --install -s 2>/dev/null
[ -d /proc/self ] || mount -t proc none /proc
[ -d /sys/block ] || mount -t sysfs none /sys
hostname guest
echo "SYSTEM READY"
"""

INITTAB = """\
::sysinit:/etc/start
ttyS0::respawn:/sbin/getty -L 115200 ttyS0 vt100
tty1::respawn:/sbin/getty 38400 tty1 linux
::ctrlaltdel:/sbin/reboot
::shutdown:/bin/umount -a -r
"""


def base(busybox: bytes) -> initramfs.Tree:
    tree = initramfs.Tree()
    tree.folder("bin", "sbin", "usr/bin", "usr/sbin", "dev", "proc", "sys", "mnt", "tmp", "etc")
    tree.file("bin/busybox", busybox, 0o755)
    tree.link("bin/sh", "busybox")
    return tree


def bench(busybox: bytes) -> initramfs.Tree:
    tree = initramfs.Tree()
    tree.folder("bin", "proc", "sys", "dev")
    tree.file("bin/busybox", busybox, 0o755)
    tree.link("bin/sh", "busybox")
    tree.file("init", BENCH_INIT, 0o755)
    return tree


def reader(busybox: bytes, modules: dict[str, bytes]) -> initramfs.Tree:
    tree = base(busybox)
    _add_drivers(tree, modules, DISK_DRIVERS)
    tree.file("init", READER_INIT, 0o755)
    return tree


def system(busybox: bytes, modules: dict[str, bytes]) -> initramfs.Tree:
    """The initramfs of the system guest: drivers, and a complete system for when there is no disk."""
    tree = root(busybox)
    _add_drivers(tree, modules, DISK_DRIVERS + DISK_FILE_SYSTEMS + NETWORK_DRIVERS)
    tree.file("init", SYSTEM_INIT, 0o755)
    tree.character("dev/console", 5, 1)
    return tree


def root(busybox: bytes) -> initramfs.Tree:
    """The system guest's root, without drivers: what lies on its disk."""
    tree = base(busybox)
    tree.folder("root")
    tree.link("sbin/init", "/bin/busybox")
    tree.file("etc/passwd", "root::0:0:root:/root:/bin/sh\n")
    tree.file("etc/group", "root:x:0:\n")
    tree.file("etc/inittab", INITTAB)
    tree.file("etc/start", SYSTEM_START, 0o755)
    return tree


def _add_drivers(tree: initramfs.Tree, modules: dict[str, bytes], wanted: list[str]) -> None:
    order = initramfs.loading_order(modules, wanted)
    for path in order:
        tree.file(path, modules[path])
    tree.file("etc/drivers", "".join(f"/{path}\n" for path in order))
