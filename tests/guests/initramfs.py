"""Initial RAM file systems: the kernel's "newc" cpio format, and kernel modules in loading order.

Source   Linux, Documentation/driver-api/early-userspace/buffer-format.rst
Layout   per file: "070701", 13 fields of 8 hex digits, name, NUL, padding to 4, data, padding to 4;
         the archive ends with a file named TRAILER!!!
Units    same tree, same bytes: order sorted, times 0, owner root
"""

from __future__ import annotations

import gzip
import re
import stat
from dataclasses import dataclass, field
from pathlib import Path

MAGIC = "070701"


@dataclass
class Tree:
    """Files by path ("bin/sh", no leading slash): (mode, contents, device numbers)."""

    nodes: dict[str, tuple[int, bytes, tuple[int, int]]] = field(default_factory=dict)

    def folder(self, *paths: str) -> None:
        for path in paths:
            if path not in self.nodes:
                if "/" in path:
                    self.folder(path.rpartition("/")[0])
                self.nodes[path] = (stat.S_IFDIR | 0o755, b"", (0, 0))

    def file(self, path: str, data: bytes | str, mode: int = 0o644) -> None:
        self._parent(path)
        self.nodes[path] = (stat.S_IFREG | mode, data.encode() if isinstance(data, str) else data, (0, 0))

    def link(self, path: str, target: str) -> None:
        self._parent(path)
        self.nodes[path] = (stat.S_IFLNK | 0o777, target.encode(), (0, 0))

    def character(self, path: str, major: int, minor: int) -> None:
        self._parent(path)
        self.nodes[path] = (stat.S_IFCHR | 0o600, b"", (major, minor))

    def pack(self) -> bytes:
        """The gzipped archive."""
        out = bytearray()
        for number, path in enumerate(sorted(self.nodes), 1):
            mode, data, device = self.nodes[path]
            out += _entry(number, path, mode, data, device)
        out += _entry(0, "TRAILER!!!", 0, b"", (0, 0))
        return gzip.compress(bytes(out), compresslevel=9, mtime=0)

    def spread(self, folder: Path) -> None:
        """Write folders, files and links below *folder*; a guest's devtmpfs makes the devices."""
        folder.mkdir(parents=True, exist_ok=True)
        for path, (mode, data, _) in sorted(self.nodes.items()):
            place = folder / path
            if stat.S_ISDIR(mode):
                place.mkdir(parents=True, exist_ok=True)
            elif stat.S_ISLNK(mode):
                place.symlink_to(data.decode())
            elif stat.S_ISREG(mode):
                place.write_bytes(data)
                place.chmod(mode & 0o777)

    def _parent(self, path: str) -> None:
        if "/" in path:
            self.folder(path.rpartition("/")[0])


def _entry(number: int, path: str, mode: int, data: bytes, device: tuple[int, int]) -> bytes:
    name = path.encode() + b"\0"
    links = 2 if stat.S_ISDIR(mode) else 1
    fields = (number, mode, 0, 0, links, 0, len(data), 0, 0, *device, len(name), 0)
    head = MAGIC.encode() + b"".join(b"%08X" % value for value in fields) + name
    return head + bytes(-len(head) % 4) + data + bytes(-len(data) % 4)


def loading_order(modules: dict[str, bytes], wanted: list[str]) -> list[str]:
    """Paths of *wanted* modules and all that they depend on, each after its dependencies.

    *modules* maps a path ending in NAME.ko to its contents. Debian's package has no modules.dep (depmod
    writes it at installation), so the dependencies are read from each module's own ``depends=`` line.
    A wanted module that is not among *modules* is built into the kernel.
    """
    paths = {_name(path): path for path in modules}
    order: list[str] = []

    def add(name: str) -> None:
        path = paths.get(name)
        if path is None or path in order:
            return
        line = re.search(rb"\0depends=([^\0]*)\0", modules[path])
        for dependency in line[1].decode().split(",") if line else ():
            add(dependency.replace("-", "_"))
        order.append(path)

    for name in wanted:
        add(name)
    return order


def _name(path: str) -> str:
    return path.rpartition("/")[2].removesuffix(".ko").replace("-", "_")
