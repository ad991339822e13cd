"""What the board hands its firmware: the CMOS, fw_cfg, and the sizes of the images.

An image's content may change (it travels in a saved state), its size never: fw_cfg files that hold option ROMs
are therefore locked by size alone.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from pyqemu.boards.board import BELOW_4G_LIMIT, Board
from pyqemu.hw.fw_cfg.fw_cfg import FILE_FIRST, Key
from pyqemu.hw.rtc.mc146818 import CMOS_BYTES
from pyqemu.machines.abi.hexlines import hex_lines

IMAGE_FOLDERS = ("genroms/", "vgaroms/")
SHORT_BYTES = 64


def cmos(board: Board) -> dict[str, str]:
    """The 128 bytes behind ports 70 and 71."""
    ports = board.isa.ports
    data = bytearray()
    for index in range(CMOS_BYTES):
        ports.write(0x70, 1, index)
        data.append(ports.read(0x71, 1))
    return hex_lines(bytes(data))


def fw_cfg(board: Board) -> dict[str, str]:
    """Items by key, files by key and name."""
    device: Any = board.devices.get("fw_cfg")
    if device is None:
        return {}
    described = {
        f"item {key:04x}": content_text(_bytes(content))
        for key, content in device.items.items()
        if key != Key.FILE_DIR  # says of the files what is below
    }
    for number, (name, content) in enumerate(device.files):
        data = _bytes(content)
        image = name.startswith(IMAGE_FOLDERS)
        described[f"file {FILE_FIRST + number:04x} {name}"] = (
            f"image of {len(data)} bytes" if image else content_text(data)
        )
    return described


def content_text(data: bytes) -> str:
    """A short content itself, a long one by size and hash."""
    if len(data) <= SHORT_BYTES:
        return f"{len(data)} bytes" + (f": {data.hex(' ')}" if data else "")
    return f"{len(data)} bytes, SHA-256 {sha256(data).hexdigest()[:32]}"


def _bytes(content: Any) -> bytes:
    return content if isinstance(content, bytes) else bytes(content())


def memory_blocks(board: Board) -> dict[str, str]:
    """RAM and ROM chips by size, and where RAM is cut in two."""
    blocks = [board.ram, board.bios]
    for device in board.devices.values():
        blocks += getattr(device, "ram_blocks", list)()
    for span in board.memory.flat:
        block = getattr(span.region, "block", None)
        if block is not None and block not in blocks:
            blocks.append(block)
    sizes = {block.name: f"{block.size:x}" for block in blocks}
    return sizes | {"RAM from here on continues at 4 GiB": f"{BELOW_4G_LIMIT:x}"}
