"""What the machine tells the firmware through fw_cfg.

Source   QEMU's fw_cfg specification (docs/specs/fw_cfg) and the keys that PC firmware reads
Units    numbers little-endian; sizes in bytes
"""

from __future__ import annotations

import struct
from typing import Any

from pyqemu.core.errors import ConfigError
from pyqemu.core.messages import report
from pyqemu.firmware import images
from pyqemu.launch import LaunchConfig
from pyqemu.machines.registry import MachineType

UUID, RAM_SIZE, NOGRAPHIC, CPUS = 0x02, 0x03, 0x04, 0x05
BOOT_MENU, MAX_CPUS = 0x0E, 0x0F
ACPI_TABLES, SMBIOS_ENTRIES, IRQ0_OVERRIDE = 0x8000, 0x8001, 0x8002
ITEM_LIMIT = 64 << 20  # bytes of a file that -fw_cfg hands over
E820_RAM = 1
SERIAL_CONSOLE_PORT = 0x3F8
FOUR_GIB = 1 << 32


def fill(
    fw_cfg: Any,
    machine: MachineType,
    config: LaunchConfig,
    ram_bytes: int,
    below_4g_limit: int,
    *,
    has_pci: bool,
    video_roms: dict[str, bytes],
) -> None:
    """Add all items and files to *fw_cfg*; the files in QEMU's order, for a file's key is its place.

    *video_roms*: option ROMs of display cards that have no BAR for them, by file name.
    """
    fw_cfg.add(UUID, config.uuid.bytes if config.uuid is not None else bytes(16))
    fw_cfg.add(RAM_SIZE, struct.pack("<Q", ram_bytes))
    fw_cfg.add(NOGRAPHIC, struct.pack("<H", config.nographic))
    fw_cfg.add(CPUS, struct.pack("<H", config.smp))
    fw_cfg.add(MAX_CPUS, struct.pack("<H", config.smp))
    fw_cfg.add(BOOT_MENU, struct.pack("<H", config.boot.menu))
    fw_cfg.add(IRQ0_OVERRIDE, struct.pack("<I", 1))
    if config.boot.splash_time is not None:
        fw_cfg.add_file("etc/boot-menu-wait", struct.pack("<H", config.boot.splash_time & 0xFFFF))
    fw_cfg.add_file("etc/boot-fail-wait", struct.pack("<i", config.boot.reboot_timeout))
    fw_cfg.add_file("etc/e820", _memory_map(ram_bytes, below_4g_limit))
    order = _add_kernel(fw_cfg, machine, config, min(ram_bytes, below_4g_limit))
    for name, rom in video_roms.items():
        fw_cfg.add_file(f"vgaroms/{name}", rom)
    if has_pci:
        fw_cfg.add_file("etc/system-states", bytes([0x80, 0, 0, 0x81, 0x82, 0x80]))
    if config.nographic:
        fw_cfg.add_file("etc/sercon-port", struct.pack("<H", SERIAL_CONSOLE_PORT))
    _add_user_items(fw_cfg, config)
    order += _drives_in_order(config, has_pci=has_pci)
    if config.boot.strict and order:
        order.append(b"HALT")  # nothing that is not listed is tried
    fw_cfg.add_file("bootorder", b"\n".join(order) + b"\0" if order else b"")
    _add_option_roms(fw_cfg, config)


def _memory_map(ram_bytes: int, below_4g_limit: int) -> bytes:
    ranges = [(0, min(ram_bytes, below_4g_limit))]
    if ram_bytes > below_4g_limit:
        ranges.append((FOUR_GIB, ram_bytes - below_4g_limit))
    return b"".join(struct.pack("<QQI", base, size, E820_RAM) for base, size in ranges)


def _add_kernel(fw_cfg: Any, machine: MachineType, config: LaunchConfig, below_4g: int) -> list[bytes]:
    """``-kernel``, or the demo guest: the image in pieces, and an option ROM of ours that boots it."""
    if not config.kernel and not config.demo:
        return []
    from pyqemu.firmware import linux_loader, multiboot_loader

    if not config.kernel:
        from pyqemu.firmware.demo import load_demo

        load_demo(fw_cfg, machine, ram_below_4g=below_4g)
        return _add_loader(fw_cfg, config, multiboot_loader.OPTION_ROM)
    kernel = linux_loader.read_kernel(config.kernel, below_4g)
    if multiboot_loader.is_multiboot(kernel) and not linux_loader.is_linux(kernel):
        loaded = multiboot_loader.load_multiboot(
            fw_cfg, kernel, config.kernel, config.initrd, config.append, ram_below_4g=below_4g
        )
        for warning in loaded.warnings:
            report(warning)
        return _add_loader(fw_cfg, config, multiboot_loader.OPTION_ROM)
    linux_loader.load_linux(
        fw_cfg, kernel, config.initrd or None, config.append, name=config.kernel, ram_below_4g=below_4g
    )
    return _add_loader(fw_cfg, config, "linuxboot.bin")


def _add_loader(fw_cfg: Any, config: LaunchConfig, name: str) -> list[bytes]:
    """The option ROM that boots the kernel; its place in the boot order."""
    rom = images.load_option_rom(name, config.firmware_dirs)
    if rom is None:
        raise ConfigError(f"could not load option ROM '{name}'")
    fw_cfg.add_file(f"genroms/{name}", rom)
    return [f"/rom@genroms/{name}".encode()]


def _drives_in_order(config: LaunchConfig, *, has_pci: bool) -> list[bytes]:
    """Open Firmware paths of the drives that have a ``bootindex``."""
    paths = []
    for drive in config.drives:
        if drive.bootindex is None or drive.interface == "none":
            continue
        if drive.interface == "floppy":
            path = f"{'/pci@i0cf8/isa@1' if has_pci else '/isa'}/fdc@03f0/floppy@{drive.unit}"
        elif has_pci:
            path = f"/pci@i0cf8/ide@1,1/drive@{drive.bus}/disk@{drive.unit}"
        else:
            path = f"/isa/ide@{'0170' if drive.bus else '01f0'}/drive@{drive.bus}/disk@{drive.unit}"
        paths.append((drive.bootindex, path.encode()))
    return [path for _, path in sorted(paths)]


def _add_user_items(fw_cfg: Any, config: LaunchConfig) -> None:
    """-fw_cfg, -smbios and -acpitable. Raises ConfigError."""
    if config.acpi_tables:
        from pyqemu.firmware import acpi_user_tables

        fw_cfg.add(ACPI_TABLES, acpi_user_tables.tables(config.acpi_tables))
    if config.smbios or config.uuid is not None:
        from pyqemu.firmware import smbios_entries

        fw_cfg.add(SMBIOS_ENTRIES, smbios_entries.entries(config.smbios, config.uuid))
    for item in config.fw_cfg:
        if "string" in item.values:
            content = item.values["string"].encode("utf-8", "surrogateescape")
        else:
            content = _read_item(item.values["file"], item.option)
        try:
            fw_cfg.add_file(item.values["name"], content)
        except ValueError as error:
            raise ConfigError(f"{item.option}: {error}") from None


def _read_item(path: str, option: str) -> bytes:
    try:
        with open(path, "rb") as file:
            content = file.read(ITEM_LIMIT + 1)
    except (OSError, ValueError):
        raise ConfigError(f"{option}: can't load {path}") from None
    if len(content) > ITEM_LIMIT:
        raise ConfigError(f"{option}: {path} is too big", f"Accepted: up to {ITEM_LIMIT} bytes.")
    return content


def _add_option_roms(fw_cfg: Any, config: LaunchConfig) -> None:
    for name in config.option_roms:
        rom = images.load_option_rom(name, config.firmware_dirs)
        if rom is None:
            raise ConfigError(f"Could not open option rom '{name}': No such file or directory")
        fw_cfg.add_file(f"genroms/{name.rsplit('/', 1)[-1]}", rom)
