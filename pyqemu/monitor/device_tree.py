"""``info qtree``: buses, the devices on them, and their properties."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pyqemu.hw.pci.device import PciDevice
from pyqemu.monitor.commands.pci import CLASSES
from pyqemu.monitor.object_tree import plain

if TYPE_CHECKING:
    from pyqemu.api import VirtualMachine

HOST = "i440FX-pcihost"


def device_tree(vm: VirtualMachine) -> str:
    """The whole tree. A device that the user did not name has an empty id."""
    named = {device.id for device in vm.config.devices}
    board = vm.board
    devices = list(board.devices.values())
    lines = ["bus: main-system-bus", "  type System"]
    depth = 1
    if board.pci is not None:
        for device in devices:
            if device.type == HOST:
                lines += _device(device, named, depth)
        lines += ["    bus: pci.0", "      type PCI"]
        for _, function in sorted(board.pci.devices.items(), reverse=True):
            lines += _device(function, named, 3)
            lines += _pci(function, 4)
            lines += _drives(function, 4)
        depth = 3
    lines += [f"{'  ' * depth}bus: isa.0", f"{'  ' * depth}  type ISA"]
    for device in reversed(devices):
        if not isinstance(device, PciDevice) and device.type != HOST:
            lines += _device(device, named, depth + 1)
            lines += _drives(device, depth + 2)
    return "".join(f"{line}\n" for line in lines)


def _device(device: Any, named: set[str], depth: int) -> Iterator[str]:
    margin = "  " * depth
    yield f'{margin}dev: {device.type}, id "{device.id if device.id in named else ""}"'
    for name, prop in device.props.items():
        value = getattr(device, prop.attribute)
        if name == "addr" and isinstance(device, PciDevice):
            value = next((devfn for devfn, other in device.bus.devices.items() if other is device), 0)
            yield f"{margin}  addr = {value >> 3:02x}.{value & 7:x}"
        else:
            yield f"{margin}  {name} = {_shown(value)}"


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value} ({value:#x})" if isinstance(value, int) else f'"{plain(value)}"'


def _pci(device: PciDevice, depth: int) -> Iterator[str]:
    margin = "  " * depth
    config = device.config
    kind, vendor, number = (int.from_bytes(config[at : at + 2], "little") for at in (0x0A, 0x00, 0x02))
    sub_vendor, sub = (int.from_bytes(config[at : at + 2], "little") for at in (0x2C, 0x2E))
    devfn = next((at for at, other in device.bus.devices.items() if other is device), 0)
    name = CLASSES.get(kind, f"Class {kind:04x}")
    yield (
        f"{margin}class {name}, addr 00:{devfn >> 3:02x}.{devfn & 7:x}, pci id {vendor:04x}:{number:04x} "
        f"(sub {sub_vendor:04x}:{sub:04x})"
    )
    for bar in device.bars:
        start = bar.base & (1 << 64) - 1
        end = bar.base + bar.size - 1 & (1 << 64) - 1
        yield f"{margin}bar {bar.number}: {'i/o' if bar.is_io else 'mem'} at {start:#x} [{end:#x}]"


def _drives(device: Any, depth: int) -> Iterator[str]:
    """What hangs on a disk controller's cables."""
    margin = "  " * depth
    for number, channel in reversed(list(enumerate(getattr(device, "channels", ())))):
        positions = getattr(channel, "devices", None)
        if positions is None:
            continue
        if getattr(device, "iobase", 0) == 0x170:
            number = 1
        yield f"{margin}bus: ide.{number}"
        yield f"{margin}  type IDE"
        for unit, position in enumerate(positions):
            if position is not None:
                yield f'{margin}  dev: {position.kind}, id ""'
                yield f'{margin}    drive = "{position.drive.id}"'
                yield f"{margin}    unit = {unit} ({unit:#x})"
    if device.type == "isa-fdc":
        yield f"{margin}bus: floppy-bus.0"
        yield f"{margin}  type floppy-bus"
        for unit, drive in enumerate((device.drive_a, device.drive_b)):
            if drive is not None:
                yield f'{margin}  dev: floppy, id ""'
                yield f"{margin}    unit = {unit} ({unit:#x})"
                yield f'{margin}    drive = "{drive.id}"'
