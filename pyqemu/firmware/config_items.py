"""What the machine tells the firmware through fw_cfg.

Source   QEMU's fw_cfg specification (docs/specs/fw_cfg) and the keys that PC firmware reads
Units    numbers little-endian; sizes in bytes
"""

from __future__ import annotations

import struct
from typing import Any

from pyqemu.core.errors import ConfigError
from pyqemu.firmware import images
from pyqemu.launch import LaunchConfig

UUID, RAM_SIZE, NOGRAPHIC, CPUS = 0x02, 0x03, 0x04, 0x05
BOOT_MENU, MAX_CPUS = 0x0E, 0x0F
IRQ0_OVERRIDE = 0x8002
E820_RAM = 1
SERIAL_CONSOLE_PORT = 0x3F8
FOUR_GIB = 1 << 32


def fill(fw_cfg: Any, config: LaunchConfig, ram_bytes: int, below_4g_limit: int, *, has_pci: bool) -> None:
    """Add all items and files to *fw_cfg*."""
    fw_cfg.add(UUID, bytes(16))
    fw_cfg.add(RAM_SIZE, struct.pack("<Q", ram_bytes))
    fw_cfg.add(NOGRAPHIC, struct.pack("<H", config.nographic))
    fw_cfg.add(CPUS, struct.pack("<H", config.smp))
    fw_cfg.add(MAX_CPUS, struct.pack("<H", config.smp))
    fw_cfg.add(BOOT_MENU, struct.pack("<H", config.boot.menu))
    fw_cfg.add(IRQ0_OVERRIDE, struct.pack("<I", 1))
    fw_cfg.add_file("etc/boot-fail-wait", struct.pack("<i", -1))
    fw_cfg.add_file("etc/e820", _memory_map(ram_bytes, below_4g_limit))
    if has_pci:
        fw_cfg.add_file("etc/system-states", bytes([0x80, 0, 0, 0x81, 0x82, 0x80]))
    if config.boot.splash_time is not None:
        fw_cfg.add_file("etc/boot-menu-wait", struct.pack("<H", config.boot.splash_time & 0xFFFF))
    if config.nographic:
        fw_cfg.add_file("etc/sercon-port", struct.pack("<H", SERIAL_CONSOLE_PORT))
    order = _add_kernel(fw_cfg, config, ram_bytes, below_4g_limit)
    _add_option_roms(fw_cfg, config)
    if config.boot.strict and order:
        order.append(b"HALT")  # nothing that is not listed is tried
    fw_cfg.add_file("bootorder", b"\n".join(order) + b"\0" if order else b"")


def _memory_map(ram_bytes: int, below_4g_limit: int) -> bytes:
    ranges = [(0, min(ram_bytes, below_4g_limit))]
    if ram_bytes > below_4g_limit:
        ranges.append((FOUR_GIB, ram_bytes - below_4g_limit))
    return b"".join(struct.pack("<QQI", base, size, E820_RAM) for base, size in ranges)


def _add_kernel(fw_cfg: Any, config: LaunchConfig, ram_bytes: int, below_4g_limit: int) -> list[bytes]:
    """``-kernel``: the image in pieces, and an option ROM of ours that boots it."""
    if not config.kernel:
        return []
    from pyqemu.firmware.linux_loader import load_linux

    below_4g = min(ram_bytes, below_4g_limit)
    load_linux(fw_cfg, config.kernel, config.initrd or None, config.append, ram_below_4g=below_4g)
    rom = images.load_option_rom("linuxboot.bin", config.firmware_dirs)
    if rom is None:
        raise ConfigError("could not load option ROM 'linuxboot.bin'")
    fw_cfg.add_file("genroms/linuxboot.bin", rom)
    return [b"/rom@genroms/linuxboot.bin"]


def _add_option_roms(fw_cfg: Any, config: LaunchConfig) -> None:
    for name in config.option_roms:
        rom = images.load_option_rom(name, config.firmware_dirs)
        if rom is None:
            raise ConfigError(f"Could not open option rom '{name}': No such file or directory")
        fw_cfg.add_file(f"genroms/{name.rsplit('/', 1)[-1]}", rom)
