#!/usr/bin/env python3
"""Make the guests that boot tests and benchmarks run, from Debian's packages and our own assembly.

Usage    build.py [--only NAME ...] [--list]
Output   .cache/guests/ in the checkout, or $PYQEMU_GUESTS; versions.json there says what each was made of
Renewal  a guest is made again when its packages have a newer version or this folder's code has changed;
         package lists are looked at once a day, and with no network what is there is used
Errors   what cannot be made is reported with its reason and the rest is made; exit status 1
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import assembly
import grub
import initramfs
import linux
import packages
import syslinux
import tools

HERE = Path(__file__).resolve().parent
OUT = Path(os.environ.get("PYQEMU_GUESTS") or HERE.parent.parent / ".cache" / "guests")
ARGUMENTS = "console=ttyS0 nokaslr panic=-1"
DISK_MIB = 96
READ_DISK_MIB = 256


@dataclass
class Kernel:
    """One kernel package with its architecture; contents are read when first used."""

    metapackage: str
    architecture: str
    files: dict[str, Path] = field(default_factory=dict)

    def fetch(self, archive: packages.Archive) -> None:
        name = archive.resolve(self.metapackage)
        found = archive.fetch(name, "busybox-static")
        self.files = {"kernel": found[name], "busybox": found["busybox-static"]}

    def image(self) -> bytes:
        return next(iter(packages.read(self.files["kernel"], r"boot/vmlinuz-.*").values()))

    def modules(self) -> dict[str, bytes]:
        return packages.read(self.files["kernel"], linux.DRIVER_PATHS)

    def busybox(self) -> bytes:
        return packages.read(self.files["busybox"], r"(usr/)?bin/busybox")["bin/busybox"]


KERNELS = {
    "64": Kernel("linux-image-cloud-amd64", "amd64"),
    "32": Kernel("linux-image-686", "i386"),
    "32pae": Kernel("linux-image-686-pae", "i386"),
}
LOADERS = ["grub-pc-bin", "grub-rescue-pc", "grub-common", "seabios", "ipxe-qemu"]
SYSLINUX = ["isolinux", "syslinux", "syslinux-common"]
SYSLINUX_DISK_MIB = 40


@dataclass
class Guest:
    """One output: what it is made of (package files, sources) and how."""

    parts: list[Path]
    make: Callable[[Path], None]

    def version(self) -> str:
        """Package files are named by version; sources, the builder's included, count by content."""
        digest = hashlib.sha256()
        for part in sorted({*self.parts, *HERE.glob("*.py")}):
            digest.update(part.name.encode() + b"\0")
            if part.suffix != ".deb":
                digest.update(part.read_bytes())
        return digest.hexdigest()[:16]


def linux_guests(label: str, kernel: Kernel, grub_modules: Path, loader: list[Path]) -> dict[str, Guest]:
    """All guests of one kernel: image, initramfs files, GRUB disk and CD."""
    disk_label = "32" if label == "32pae" else label
    parts = list(kernel.files.values())

    def pack(tree: Callable[[], initramfs.Tree]) -> Callable[[Path], None]:
        return lambda out: put(out, tree().pack())

    def boot_files(tree: initramfs.Tree, initrd: initramfs.Tree, arguments: str) -> initramfs.Tree:
        tree.file("boot/vmlinuz", kernel.image())
        tree.file("boot/initrd.gz", initrd.pack())
        tree.file("boot/grub/grub.cfg", grub.config(arguments))
        return tree

    def make_disk(out: Path) -> None:
        busybox, modules = kernel.busybox(), kernel.modules()
        files = boot_files(linux.root(busybox), linux.system(busybox, modules), f"{ARGUMENTS} root=/dev/sda1")
        grub.disk(out, files, grub_modules, DISK_MIB)

    def make_cd(out: Path) -> None:
        grub.cd(out, boot_files(initramfs.Tree(), linux.bench(kernel.busybox()), ARGUMENTS), grub_modules)

    guests = {
        f"vmlinuz{label}": Guest(parts, lambda out: put(out, kernel.image())),
        f"shell{label}.gz": Guest(parts, pack(lambda: linux.system(kernel.busybox(), kernel.modules()))),
    }
    if label != "32pae":  # the benchmarks' kernels
        guests |= {
            f"initrd{label}.gz": Guest(parts, pack(lambda: linux.bench(kernel.busybox()))),
            f"read{label}.gz": Guest(parts, pack(lambda: linux.reader(kernel.busybox(), kernel.modules()))),
            f"cd{label}.iso": Guest(parts + loader, make_cd),
        }
    if label != "32":
        guests[f"disk{disk_label}.img"] = Guest(parts + loader, make_disk)
    return guests


def rescue_guests(package: Path) -> dict[str, Guest]:
    def copy(name: str) -> Guest:
        path = f"usr/lib/grub-rescue/{name}"
        return Guest([package], lambda out: put(out, packages.read(package, path)[path]))

    return {name: copy(name) for name in ("grub-rescue-cdrom.iso", "grub-rescue-floppy.img")}


def graphical_guests(common: Path, loader: Path, modules: Path) -> dict[str, Guest]:
    def font() -> bytes:
        path = "usr/share/grub/unicode.pf2"
        return packages.read(common, path)[path]

    return {
        "grub-graphics.iso": Guest([common, loader], lambda out: grub.cd(out, grub.graphical(font()), modules)),
        "unicode.pf2": Guest([common], lambda out: put(out, font())),
    }


def syslinux_guests(kernel: Kernel, files: syslinux.Files) -> dict[str, Guest]:
    """The benchmarks' Linux on a CD and on a FAT disk, and a floppy that starts our own boot sector."""
    parts = [*kernel.files.values(), *files.packages]
    sector = HERE / "hello.S"

    def boot() -> initramfs.Tree:
        tree = initramfs.Tree()
        tree.file("boot/vmlinuz", kernel.image())
        tree.file("boot/initrd.gz", linux.bench(kernel.busybox()).pack())
        return tree

    def make_floppy(out: Path) -> None:
        with tempfile.TemporaryDirectory() as folder:
            assembly.boot_sector(sector, Path(folder) / "hello")
            syslinux.floppy(out, files, (Path(folder) / "hello").read_bytes())

    return {
        "isolinux.iso": Guest(parts, lambda out: syslinux.cd(out, files, boot(), ARGUMENTS)),
        "syslinux.img": Guest(parts, lambda out: syslinux.disk(out, files, boot(), ARGUMENTS, SYSLINUX_DISK_MIB)),
        "syslinux-floppy.img": Guest([*files.packages, sector, *HERE.glob("*.inc")], make_floppy),
    }


def ipxe(package: Path) -> bytes:
    """The option ROM for a network card; it shows its prompt without one, too."""
    path = "usr/lib/ipxe/qemu/pxe-e1000.rom"
    return packages.read(package, path)[path]


def firmware_guests(package: Path) -> dict[str, Guest]:
    """SeaBIOS and its video BIOSes, as they are."""

    def copy(name: str) -> Guest:
        path = f"usr/share/seabios/{name}"
        return Guest([package], lambda out: put(out, packages.read(package, path)[path]))

    return {name: copy(name) for name in ("bios.bin", "bios-256k.bin", "vgabios-cirrus.bin", "vgabios-stdvga.bin")}


def own_guests() -> dict[str, Guest]:
    def sector(source: Path) -> Guest:
        return Guest([source, *HERE.glob("*.inc")], lambda out: assembly.boot_sector(source, out))

    guests = {f"{source.stem}.img": sector(source) for source in assembly.SOURCES}
    guests["micro.img"] = Guest([assembly.MICRO], assembly.micro)
    guests["read.img"] = Guest([], lambda out: put(out, bytes(range(256)) * 4096 * READ_DISK_MIB))
    return guests


def put(out: Path, data: bytes) -> None:
    out.write_bytes(data)


def unpack_grub(package: Path) -> Path:
    """GRUB's modules and boot sectors in a folder of their own; returns it."""
    folder = OUT / "packages" / package.stem
    if not folder.exists():
        fresh = folder.with_suffix(".part")
        fresh.mkdir(parents=True, exist_ok=True)
        for path, data in packages.read(package, r"usr/lib/grub/i386-pc/[^/]*").items():
            (fresh / path.rpartition("/")[2]).write_bytes(data)
        fresh.rename(folder)
    return folder


def all_guests(failed: dict[str, str]) -> dict[str, Guest]:
    """Every guest that can be made here; *failed* receives what cannot and why."""
    guests = own_guests()
    store = OUT / "packages"
    try:
        store.mkdir(parents=True, exist_ok=True)
        native, foreign = (packages.Archive(architecture, store) for architecture in ("amd64", "i386"))
        native.refresh()
        foreign.refresh()
        loaders = native.fetch(*LOADERS)
        files = syslinux.Files(*native.fetch(*SYSLINUX).values())
    except packages.PackageError as error:
        failed["packages"] = str(error)
        return guests
    guests |= rescue_guests(loaders["grub-rescue-pc"]) | firmware_guests(loaders["seabios"])
    modules = unpack_grub(loaders["grub-pc-bin"])
    guests |= graphical_guests(loaders["grub-common"], loaders["grub-pc-bin"], modules)
    guests["ipxe.bin"] = Guest([loaders["ipxe-qemu"]], lambda out: put(out, ipxe(loaders["ipxe-qemu"])))
    for label, kernel in KERNELS.items():
        try:
            kernel.fetch(native if kernel.architecture == "amd64" else foreign)
        except packages.PackageError as error:
            failed[f"Linux {label}"] = str(error)
        else:
            guests |= linux_guests(label, kernel, modules, [loaders["grub-pc-bin"]])
            if label == "64":
                guests |= syslinux_guests(kernel, files)
    return guests


def main() -> int:
    parser = argparse.ArgumentParser(description="make the guests of the boot tests and benchmarks")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="make these alone")
    parser.add_argument("--list", action="store_true", help="print the names of all guests")
    options = parser.parse_args()
    failed: dict[str, str] = {}
    guests = all_guests(failed)
    if options.list:
        print("\n".join(sorted(guests)))
        return 0
    record = OUT / "versions.json"
    made = json.loads(record.read_text()) if record.exists() else {}
    for name, guest in guests.items():
        out, version = OUT / name, guest.version()
        if (options.only and name not in options.only) or (out.exists() and made.get(name) == version):
            continue
        print(f"guest {name}", flush=True)
        fresh = OUT / f".{name}"
        try:
            guest.make(fresh)
        except (
            packages.PackageError,
            tools.ToolError,
            assembly.AssemblyError,
            subprocess.SubprocessError,
        ) as error:
            fresh.unlink(missing_ok=True)
            failed[name] = str(error)
            continue
        fresh.rename(out)
        made[name] = version
        record.write_text(json.dumps(made, indent=1, sort_keys=True) + "\n")
    for name, reason in failed.items():
        print(f"build.py: {name}: {reason.strip()}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
