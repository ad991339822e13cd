"""Image formats, known by their first bytes.

A raw image has no mark of its own: what looks like nothing else is taken for raw. That is why a guest on an
image whose format was guessed must not write another format's mark: the next start would read the image
as that format, with files of the host as its backing.
"""

from __future__ import annotations

HEAD_BYTES = 512  # enough for every mark below

# (format, offset, mark), more particular marks first
_MARKS = (
    ("qcow", 0, b"QFI\xfb\x00\x00\x00\x01"),
    ("qcow2", 0, b"QFI\xfb"),
    ("qed", 0, b"QED\x00"),
    ("vmdk", 0, b"KDMV"),
    ("vmdk", 0, b"COWD"),
    ("vmdk", 0, b"# Disk DescriptorFile"),
    ("vdi", 0x40, b"\x7f\x10\xda\xbe"),
    ("vhdx", 0, b"vhdxfile"),
    ("vpc", 0, b"conectix"),
    ("parallels", 0, b"WithoutFreeSpace"),
    ("parallels", 0, b"WithouFreSpacExt"),
    ("luks", 0, b"LUKS\xba\xbe"),
    ("bochs", 0, b"Bochs Virtual HD Image"),
    ("cloop", 0, b"#!/bin/sh\n#V2.0 Format"),
)

KNOWN_FORMATS = ("raw", *dict.fromkeys(name for name, _, _ in _MARKS), "dmg")


def probe_format(head: bytes | bytearray | memoryview) -> str:
    """The format of an image that starts with *head*; ``raw`` if it looks like no other."""
    for name, offset, mark in _MARKS:
        if head[offset : offset + len(mark)] == mark:
            return name
    return "raw"
