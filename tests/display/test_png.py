from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import pytest

from pyqemu.display.png import png_bytes, write_png


def read_png(data: bytes) -> tuple[int, int, bytes]:
    """Take a file apart by the specification; checks the CRCs."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    at, pixels, header = 8, b"", b""
    kinds = []
    while at < len(data):
        (length,) = struct.unpack_from(">I", data, at)
        kind, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        assert struct.unpack_from(">I", data, at + 8 + length)[0] == zlib.crc32(kind + body)
        kinds.append(kind)
        header = body if kind == b"IHDR" else header
        pixels += body if kind == b"IDAT" else b""
        at += 12 + length
    assert (kinds[0], kinds[-1]) == (b"IHDR", b"IEND")
    width, height, depth, colour, *rest = struct.unpack(">IIBBBBB", header)
    assert (depth, colour, rest) == (8, 2, [0, 0, 0])
    rows = zlib.decompress(pixels)
    stride = width * 3 + 1
    assert all(rows[at] == 0 for at in range(0, len(rows), stride))
    return width, height, b"".join(rows[at + 1 : at + stride] for at in range(0, len(rows), stride))


def test_a_picture_comes_back(tmp_path: Path) -> None:
    rgb = bytes(range(5 * 3 * 3))
    assert read_png(png_bytes(5, 3, rgb)) == (5, 3, rgb)
    write_png(tmp_path / "a.png", 5, 3, rgb)
    file = io.BytesIO()
    write_png(file, 5, 3, rgb)
    assert (tmp_path / "a.png").read_bytes() == file.getvalue() == png_bytes(5, 3, rgb)


@pytest.mark.parametrize(("width", "height", "size"), [(0, 1, 0), (2, 2, 11), (2, 2, 13)])
def test_a_wrong_size_is_refused(width: int, height: int, size: int) -> None:
    with pytest.raises(ValueError, match=f"{size} bytes are not a {width}x{height} picture"):
        png_bytes(width, height, bytes(size))
