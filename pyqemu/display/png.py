"""PNG files from RGB pictures.

Source   PNG Specification, third edition (W3C): 5 (chunks), 9 (filters)
"""

from __future__ import annotations

import os
import struct
import zlib
from typing import BinaryIO

_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def png_bytes(width: int, height: int, rgb: bytes) -> bytes:
    """A whole file. *rgb* has three bytes a pixel, rows from the top, no padding. Raises ValueError."""
    stride = width * 3
    if width < 1 or height < 1 or len(rgb) != stride * height:
        raise ValueError(f"{len(rgb)} bytes are not a {width}x{height} picture")
    # Each row begins with its filter, 0: none. A screen is mostly equal rows, which deflate finds.
    rows = b"".join(b"\0" + rgb[at : at + stride] for at in range(0, len(rgb), stride))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return _SIGNATURE + _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(rows, 6)) + _chunk(b"IEND", b"")


def write_png(target: str | os.PathLike[str] | BinaryIO, width: int, height: int, rgb: bytes) -> None:
    """Write a picture to a path or an open binary file. Raises OSError, ValueError."""
    data = png_bytes(width, height, rgb)
    if isinstance(target, (str, os.PathLike)):
        with open(target, "wb") as file:
            file.write(data)
    else:
        target.write(data)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
