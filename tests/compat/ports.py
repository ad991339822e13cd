"""Scenes without a guest: a machine is driven through its ports, and no CPU runs."""

from __future__ import annotations

from typing import Any

DISK_BYTES = 1 << 20


def disk_content() -> bytes:
    """Each 32-bit word is its own number."""
    return b"".join(number.to_bytes(4, "little") for number in range(DISK_BYTES // 4))


def read_half_a_sector(scene: Any) -> None:
    for port, value in ((0x1F6, 0xE0), (0x1F2, 2), (0x1F3, 5), (0x1F4, 0), (0x1F5, 0), (0x1F7, 0x20)):
        scene.out(port, value)
    for word in range(100):
        assert scene.inp(0x1F0, 2) == disk_word(5, word)


def read_the_rest(scene: Any) -> None:
    assert scene.inp(0x1F7) & 0x89 == 0x08
    for word in range(100, 512):
        assert scene.inp(0x1F0, 2) == disk_word(5, word)
    assert scene.inp(0x1F7) & 0x89 == 0


def disk_word(sector: int, word: int) -> int:
    number = 128 * sector + word // 2
    return number >> 16 if word % 2 else number & 0xFFFF


def write_half_a_sector(scene: Any) -> None:
    """Two sectors are written; the second one is half there."""
    for port, value in ((0x1F6, 0xE0), (0x1F2, 2), (0x1F3, 9), (0x1F4, 0), (0x1F5, 0), (0x1F7, 0x30)):
        scene.out(port, value)
    for word in range(256 + 100):
        scene.out(0x1F0, 0xA000 + word, 2)


def write_the_rest(scene: Any) -> None:
    """The first sector is the disk's, which is not in the stream; the second is on it as a whole."""
    assert scene.inp(0x1F7) & 0x89 == 0x08
    for word in range(256 + 100, 512):
        scene.out(0x1F0, 0xA000 + word, 2)
    assert scene.inp(0x1F7) & 0x89 == 0
    scene.drives["ide", 0].flush()
    words = scene.disk.read_bytes()[10 * 512 : 11 * 512]
    assert words == b"".join((0xA000 + word).to_bytes(2, "little") for word in range(256, 512))


def seek(scene: Any) -> None:
    scene.out(0x3F2, 0x1C)
    scene.wait(1)
    for _ in range(4):
        scene.out(0x3F5, 0x08)
        scene.inp(0x3F5), scene.inp(0x3F5)
    for byte in (0x0F, 0x00, 40):
        scene.out(0x3F5, byte)
    assert scene.inp(0x3F4) & 1, "the drive seeks"


def seek_ends(scene: Any) -> None:
    assert scene.inp(0x3F4) & 1
    scene.wait(100)
    scene.out(0x3F5, 0x08)
    assert (scene.inp(0x3F5), scene.inp(0x3F5)) == (0x20, 40)


def write_planes(scene: Any) -> None:
    """Mode 12h as far as the planes matter: plane 2 written through the map mask."""
    scene.out(0x3C2, 0x63)  # the memory answers
    for port, index, value in ((0x3C4, 4, 6), (0x3C4, 2, 4), (0x3CE, 5, 0), (0x3CE, 6, 5), (0x3CE, 8, 0xFF)):
        scene.out(port, index)
        scene.out(port + 1, value)
    scene.board.memory.store(0xA0000 + 123, 1, 0x5A)
    scene.out(0x3C8, 7)
    scene.out(0x3C9, 11)  # the palette waits for green and blue


def read_planes(scene: Any) -> None:
    scene.out(0x3CE, 4)
    scene.out(0x3CF, 2)
    assert scene.board.memory.load(0xA0000 + 123, 1) == 0x5A
    scene.out(0x3C9, 22)
    scene.out(0x3C9, 33)
    scene.out(0x3C7, 7)
    assert [scene.inp(0x3C9) for _ in range(3)] == [11, 22, 33]


def count_down(scene: Any) -> None:
    scene.out(0x43, 0x34)
    scene.out(0x40, 0x34)  # the low byte of a count; the high one is still to come
    scene.out(0x43, 0xB6)
    scene.out(0x42, 0x00)
    scene.out(0x42, 0x10)
    scene.out(0x70, 0x0A)


def count_on(scene: Any) -> None:
    scene.out(0x40, 0x12)
    scene.wait(1)
    scene.out(0x43, 0xE2)  # read back the status of counter 0
    assert scene.inp(0x40) & 0x3F == 0x34
    scene.out(0x43, 0xD2)
    assert 0 < scene.inp(0x40) + 256 * scene.inp(0x40) <= 0x1234
    assert scene.inp(0x71) & 0x7F == 0x26


def type_keys(scene: Any) -> None:
    keyboard = scene.board.devices["keyboard"]
    scene.out(0x64, 0xAE)
    for _ in range(4):
        if scene.inp(0x64) & 1:
            scene.inp(0x60)
    keyboard.keyboard.write(0xEE)  # echo
    keyboard.mouse.write(0xF2)  # identify


def keys_come(scene: Any) -> None:
    scene.board.devices["keyboard"]._refill()
    found = []
    for _ in range(3):
        assert scene.inp(0x64) & 1
        found.append(scene.inp(0x60))
    assert sorted(found) == sorted([0xEE, 0xFA, 0x00])
