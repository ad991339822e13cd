"""What IDE drives say of themselves, asked through the task file.

Source   ATA/ATAPI-7 volume 1, 6.17 and 6.18
"""

from __future__ import annotations

from typing import Any

from pyqemu.boards.board import Board
from pyqemu.machines.abi.hexlines import hex_lines

CHANNELS = (0x1F0, 0x170)
SELECT, COMMAND = 6, 7
IDENTIFY, IDENTIFY_PACKET = 0xEC, 0xA1
ERROR, DATA_REQUEST = 0x01, 0x08
WORDS = 256
TEXTS = {"serial number": (10, 20), "firmware revision": (23, 27), "model": (27, 47)}  # words from, to


def identify(board: Board) -> dict[str, Any]:
    """``{"ide0 master disk": {"model": "QEMU HARDDISK", "bytes": {"000": …}}}``, of each drive that answers."""
    found = {}
    for channel, base in enumerate(CHANNELS):
        for unit in range(2):
            for command, kind in ((IDENTIFY, "disk"), (IDENTIFY_PACKET, "cdrom")):
                if data := _ask(board, base, unit, command):
                    name = f"ide{channel} {('master', 'slave')[unit]} {kind}"
                    found[name] = _described(data)
    return found


def _ask(board: Board, base: int, unit: int, command: int) -> bytes:
    ports = board.isa.ports
    ports.write(base + SELECT, 1, 0xA0 | unit << 4)
    ports.write(base + COMMAND, 1, command)
    status = ports.read(base + COMMAND, 1)
    if status == 0xFF or status & ERROR or not status & DATA_REQUEST:
        return b""
    return b"".join(ports.read(base, 2).to_bytes(2, "little") for _ in range(WORDS))


def _described(data: bytes) -> dict[str, Any]:
    """Texts as texts, and the bytes without them."""
    rest = bytearray(data)
    described: dict[str, Any] = {}
    for name, (first, end) in TEXTS.items():
        described[name] = swapped(data[2 * first : 2 * end]).decode("ascii", "replace").rstrip()
        rest[2 * first : 2 * end] = bytes(2 * (end - first))
    return described | {"bytes": hex_lines(bytes(rest))}


def swapped(data: bytes) -> bytes:
    """Text of IDENTIFY words, whose first character is in the high byte; and back."""
    return b"".join(data[i : i + 2][::-1] for i in range(0, len(data), 2))
