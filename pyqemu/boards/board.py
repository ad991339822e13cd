"""The board: chips on their buses, wired, with drives and lines plugged in.

Read ``Board.__init__`` from top to bottom like a schematic. Which chips there are comes from the device tree
(``machines/boards/``); what each of them does is in ``pyqemu/hw``; this file connects them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from pyqemu.boards import cmos
from pyqemu.boards.tree import Node, Tree
from pyqemu.core.bus import Bus, Power
from pyqemu.core.clock import Clock
from pyqemu.core.device import Device
from pyqemu.core.errors import ConfigError
from pyqemu.core.memory import AddressSpace, Ram, RamBlock
from pyqemu.core.ports import PortSpace
from pyqemu.cpu.cpu import Cpu
from pyqemu.cpu.models import CpuModel
from pyqemu.firmware import images
from pyqemu.hw.catalog import device_class
from pyqemu.hw.pci.bus import PciBus
from pyqemu.hw.pci.device import PciDevice
from pyqemu.launch import LaunchConfig
from pyqemu.machines.registry import MachineType

unimplemented = logging.getLogger("pyqemu.unimp")

BELOW_4G_LIMIT = 0xE0000000  # RAM beyond this continues at 4 GiB
FOUR_GIB = 1 << 32
ISA_ROM_BYTES = 0x20000
ISA_ROM_BASE = 0xC0000
SERIAL_PORTS = ((0x3F8, 4), (0x2F8, 3), (0x3E8, 4), (0x2E8, 3))
PARALLEL_PORTS = ((0x378, 7), (0x278, 7), (0x3BC, 7))
IDE_DRIVES = 4
FLOPPY_DRIVES = 2
LINKS = ("device", "chardev", "drive")


class A20Gate:
    """The A20 gate as the chips see it. On this board the last one to write decides, whatever the other holds."""

    def __init__(self, set_gate: Callable[[bool], None]) -> None:
        self.set = set_gate


class Board:
    """*drives*: block backends by (interface, index). *chardevs*: one for each serial and parallel port,
    and the debug console, made by the caller (None: the port does not exist)."""

    def __init__(
        self,
        machine: MachineType,
        tree: Tree,
        config: LaunchConfig,
        model: CpuModel,
        *,
        clock: Clock,
        power: Power,
        start_time: int,
        drives: dict[tuple[str, int], Any],
        serials: list[Any],
        parallels: list[Any],
        debugcon: Any = None,
    ) -> None:
        self.machine = machine
        self.config = config
        self.tree = tree
        self.drives = drives
        self.start_time = start_time
        self.devices: dict[str, Device] = {}
        self.ram_bytes = config.ram_bytes or machine.default_ram

        # Buses.
        self.memory = AddressSpace()
        self.isa = Bus(PortSpace(), self.memory, clock, power)
        if unimplemented.isEnabledFor(logging.INFO):
            self.isa.ports.on_unclaimed = _log_unclaimed
        self.pci = PciBus(self.isa) if tree.pci else None

        # Memory.
        self.ram = RamBlock("pc.ram", self.ram_bytes)
        bios = images.load_bios(config.bios, config.firmware_dirs)
        self.bios = RamBlock("pc.bios", len(bios))
        self.bios.view[:] = bios
        if not tree.pci:
            self._map_isa_memory()

        # What is soldered to the board.
        for node in tree.nodes:
            self._plug(node)

        # What is plugged in.
        for number, chardev in enumerate(serials):
            iobase, irq = SERIAL_PORTS[number]
            self._add(f"serial{number}", "isa-serial", iobase=iobase, irq=irq, index=number, chardev=chardev)
        for number, chardev in enumerate(parallels):
            iobase, irq = PARALLEL_PORTS[number]
            self._add(f"parallel{number}", "isa-parallel", iobase=iobase, irq=irq, index=number, chardev=chardev)
        if debugcon is not None:
            self._add("debugcon", "isa-debugcon", chardev=debugcon)
        for number, extra in enumerate(config.devices):
            node = Node(extra.id or f"device{number}", extra.driver, props=dict(extra.props))
            try:
                self._plug(node, late=True)
            except ConfigError as error:
                raise ConfigError(f"{extra.option}: {error}" if extra.option else str(error), error.hint) from None

        # The CPU and its wires.
        pic: Any = self.devices["pic"]
        self.cpu = Cpu(model, self.isa.ports, self.memory, pic.acknowledge)
        pic.on_intr = self.cpu.set_irq
        for gate in ("port92", "keyboard"):
            if gate in self.devices:
                self.devices[gate].a20_line = A20Gate(self.cpu.set_a20)  # type: ignore[attr-defined]

        # What the firmware finds.
        cmos.fill(self)
        self._fill_fw_cfg()
        self.reset()

    # -- plugging -------------------------------------------------------------------------------------

    def _plug(self, node: Node, *, late: bool = False) -> None:
        """Make one device: defaults, then the board's properties, compat properties, -global; -device's own
        properties win over all of them."""
        if node.id in self.devices:
            raise ConfigError(f"Duplicate device ID '{node.id}'")
        if node.id == "vga" and not self._wants_vga():
            return
        device = device_class(node.type)()
        device.id = node.id
        if "ver" in device.props and self.machine.hw_version:
            device.set("ver", self.machine.hw_version)  # IDE drives report the machine type's version
        if not late:
            self._set_props(device, node.props)
        for compat in self.machine.compat:
            if _is_a(device, compat.driver) and compat.property in device.props:
                self._set_props(device, {compat.property: compat.value})
        for entry in self.config.globals:
            if _is_a(device, entry.driver):
                self._set_props(device, {entry.property: entry.value})
        if late:
            self._set_props(device, node.props)
        self._prepare(device)
        if isinstance(device, PciDevice):
            if self.pci is None:
                raise ConfigError(f"No 'PCI' bus found for device '{device.type}'")
            if node.devfn >= 0:
                device.addr = node.devfn
            device.attach(self.pci)
        else:
            device.attach(self.isa)
        self.devices[node.id] = device

    def _wants_vga(self) -> bool:
        return self.config.vga != "none" and not (self.config.nodefaults and self.config.vga is None)

    def _add(self, id: str, type_name: str, **props: Any) -> None:
        self._plug(Node(id, type_name, props=props))

    def _set_props(self, device: Device, props: dict[str, Any]) -> None:
        """Set properties; the text of a link is the id of another device of this board."""
        for name, value in props.items():
            prop = device.props.get(name)
            if prop is not None and prop.kind in LINKS and isinstance(value, str):
                found = self.devices.get(value) if prop.kind == "device" else None
                if found is None:
                    raise ConfigError(f"Property '{device.type}.{name}' can't find value '{value}'")
                value = found
            device.set(name, value)

    def _prepare(self, device: Device) -> None:
        """Give a device what only the board has, before it is realized."""
        prepare: dict[str, Callable[[Any], None]] = {
            "i440FX-pcihost": self._join_pci,
            "i440FX": lambda host: host.set_memory(self.ram, self.bios),
            "mc146818rtc": self._set_start_time,
            "VGA": self._load_vga_rom,
            "piix3-ide": self._attach_ide,
            "isa-ide": self._attach_ide,
            "isa-fdc": self._attach_floppies,
        }
        if device.type in prepare:
            prepare[device.type](device)

    def _join_pci(self, host: Any) -> None:
        host.pci = self.pci

    def _set_start_time(self, rtc: Any) -> None:
        rtc.start_time = self.start_time

    def _load_vga_rom(self, vga: Any) -> None:
        if vga.romfile:
            rom = images.load_option_rom(vga.romfile, self.config.firmware_dirs)
            if rom is None:
                raise ConfigError(f'failed to find romfile "{vga.romfile}"')
            vga.rom = rom

    def _attach_ide(self, ide: Any) -> None:
        """Channel and unit follow from a drive's index: two units a channel."""
        first = 2 if getattr(ide, "iobase", 0x1F0) == 0x170 else 0
        for index in range(first, first + 2 * len(ide.channels)):
            drive = self.drives.get(("ide", index))
            if drive is not None:
                kind = "ide-cd" if drive.media == "cdrom" else "ide-hd"
                ide.attach_drive((index - first) // 2, index % 2, drive, kind)

    def _attach_floppies(self, fdc: Any) -> None:
        for index, prop in enumerate(("driveA", "driveB")):
            drive = self.drives.get(("floppy", index))
            if drive is not None:
                fdc.set(prop, drive)

    # -- memory and firmware --------------------------------------------------------------------------

    def _map_isa_memory(self) -> None:
        """Without a host bridge there is no shadowing: the BIOS and the option ROM area are RAM."""
        self.memory.map(0, Ram(self.ram, size=min(self.ram.size, BELOW_4G_LIMIT)), priority=-1)
        if self.ram.size > BELOW_4G_LIMIT:
            self.memory.map(FOUR_GIB, Ram(self.ram, BELOW_4G_LIMIT), priority=-1)
        bios = Ram(self.bios)
        self.memory.map(FOUR_GIB - self.bios.size, bios)
        low = min(self.bios.size, 0x20000)
        self.memory.map(0x100000 - low, bios, offset=self.bios.size - low, size=low)
        rom = RamBlock("pc.rom", ISA_ROM_BYTES)
        vga = images.load_option_rom("vgabios.bin", self.config.firmware_dirs) if self._wants_vga() else None
        if vga:
            rom.view[: len(vga)] = vga
        self.memory.map(ISA_ROM_BASE, Ram(rom))

    def _fill_fw_cfg(self) -> None:
        from pyqemu.firmware import config_items

        fw_cfg: Any = self.devices.get("fw_cfg")
        if fw_cfg is not None:
            config_items.fill(fw_cfg, self.config, self.ram_bytes, BELOW_4G_LIMIT, has_pci=self.pci is not None)

    # -- life -----------------------------------------------------------------------------------------

    def reset(self) -> None:
        """Power-on and reset: every chip, then the CPU."""
        with self.memory.transaction():
            for device in self.devices.values():
                device.reset()
        self.cpu.reset()
        self.cpu.set_a20(True)

    def close(self) -> None:
        self.cpu.close()


def _log_unclaimed(kind: str, port: int, _width: int, value: int) -> None:
    unimplemented.info("unassigned port: %s %#06x%s", kind, port, f" = {value:#04x}" if kind == "write" else "")


def _is_a(device: Device, driver: str) -> bool:
    """Whether *driver* names the device's type or one of its parents (``pci-device``)."""
    return any(getattr(cls, "type", None) == driver for cls in type(device).__mro__)
