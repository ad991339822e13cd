"""The board: chips on their buses, wired, with drives and lines plugged in.

Read ``Board.__init__`` from top to bottom like a schematic. Which chips there are comes from the device tree
(``machines/boards/``); what each of them does is in ``pyqemu/hw``; this file connects them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

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
from pyqemu.launch import LaunchConfig, parse_devfn
from pyqemu.machines.registry import MachineType
from pyqemu.machines.settings import is_a, settings

if TYPE_CHECKING:
    from pyqemu.chardev.registry import Chardevs

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
    """*drives*: block backends by (interface, index). *serials*, *parallels*, *debugcon*: one character backend
    for each port, made by the caller. *chardevs*: those that devices name by their ids."""

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
        chardevs: Chardevs | None = None,
    ) -> None:
        self.machine = machine
        self.config = config
        self.tree = tree
        self.drives = drives
        self.chardevs = chardevs
        self.start_time = start_time
        self.devices: dict[str, Device] = {}
        self.ram_bytes = config.ram_bytes or machine.default_ram

        # Buses.
        self.memory = AddressSpace()
        self.isa = Bus(PortSpace(), self.memory, clock, power)
        self.isa.ports.on_unclaimed = _log_unclaimed
        self.pci = PciBus(self.isa) if tree.pci else None

        # Memory.
        self.ram = RamBlock("pc.ram", self.ram_bytes)
        bios = images.load_bios(config.bios, config.firmware_dirs)
        self.bios = RamBlock("pc.bios", len(bios))
        self.bios.view[:] = bios
        self.isa_rom: RamBlock | None = None
        self._writable_roms: list[tuple[RamBlock, bytes]] = []  # what a reset must put back
        self._video_roms: dict[str, bytes] = {}  # those that fw_cfg hands over
        if not tree.pci and not tree.empty:
            self._map_isa_memory(bios)

        # What is soldered to the board.
        self.places: set[tuple[str, int]] = set()  # for drives, on controllers
        for node in tree.nodes:
            self._plug(node)
        if "pic" not in self.devices and not tree.empty:
            raise ConfigError(f"board '{tree.name}' has no interrupt controller", "Its id is 'pic'.")
        self._refuse_drives_without_a_place()

        # What is plugged in.
        for number, chardev in enumerate([] if tree.empty else serials):
            iobase, irq = SERIAL_PORTS[number]
            self._add(f"serial{number}", "isa-serial", iobase=iobase, irq=irq, index=number, chardev=chardev)
        for number, chardev in enumerate([] if tree.empty else parallels):
            iobase, irq = PARALLEL_PORTS[number]
            self._add(f"parallel{number}", "isa-parallel", iobase=iobase, irq=irq, index=number, chardev=chardev)
        if debugcon is not None:
            self._add("debugcon", "isa-debugcon", chardev=debugcon)
        for number, extra in enumerate(config.devices):
            props = {key: value for key, value in extra.props.items() if key not in ("bus", "addr")}
            devfn = parse_devfn(extra.props["addr"]) if "addr" in extra.props else -1
            # The display has one adapter to show, whatever its name.
            key = "vga" if extra.driver == "VGA" and not self._wants_vga() else extra.id or f"device{number}"
            try:
                self._plug(Node(key, extra.driver, devfn, props), late=True)
            except ConfigError as error:
                raise ConfigError(f"{extra.option}: {error}" if extra.option else str(error), error.hint) from None

        # The CPU and its wires.
        pic: Any = self.devices.get("pic")
        self.cpu = Cpu(model, self.isa.ports, self.memory, pic.acknowledge if pic else int)
        if pic:
            pic.on_intr = self.cpu.set_irq
        self.cpu.engine.set_ticks(0, clock.running)
        clock.on_run.append(self.cpu.count)
        for gate in ("port92", "keyboard"):
            if gate in self.devices:
                self.devices[gate].a20_line = A20Gate(self.cpu.set_a20)  # type: ignore[attr-defined]

        if vmport := self.devices.get("vmport"):
            backdoor: Any = vmport
            backdoor.get_register, backdoor.set_register = self.cpu.get, self.cpu.set
            backdoor.ram_bytes = self.ram_bytes

        # What the firmware finds.
        cmos.fill(self)
        self._fill_fw_cfg()
        self.reset()

    # -- plugging -------------------------------------------------------------------------------------

    def _plug(self, node: Node, *, late: bool = False) -> None:
        """Make one device; ``machines/settings.py`` says whose value wins. *late*: added by ``-device``."""
        if node.id in self.devices:
            raise ConfigError(f"Duplicate device ID '{node.id}'")
        if node.id == "vga" and not late and not self._wants_vga():
            return
        device = device_class(node.type)()
        device.id = node.id
        for setting in settings(self.machine, type(device), None if late else node):
            try:
                self._set_props(device, {setting.property: setting.value})
            except ConfigError as error:
                raise setting.place.error(str(error), error.hint) if setting.place else error from None
        for entry in self.config.globals:
            if is_a(type(device), entry.driver):
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
        elif self.tree.empty:
            raise ConfigError(f"No 'ISA' bus found for device '{device.type}'")
        else:
            device.attach(self.isa)
        self.devices[node.id] = device

    def _wants_vga(self) -> bool:
        """The standard VGA stands in for a default card that is not here."""
        default = "none" if self.config.nodefaults else self.machine.default_display
        return (self.config.vga or default) != "none"

    def _add(self, id: str, type_name: str, **props: Any) -> None:
        self._plug(Node(id, type_name, props=props))

    def _set_props(self, device: Device, props: dict[str, Any]) -> None:
        """Set properties; the text of a link is the id of another device of this board."""
        for name, value in props.items():
            prop = device.props.get(name)
            if prop is not None and prop.kind in LINKS and isinstance(value, str):
                value = self._find(prop.kind, value, f"Property '{device.type}.{name}'")
            device.set(name, value)

    def _find(self, kind: str, id: str, what: str) -> Any:
        """The device or backend of that id. Raises ConfigError that begins with *what*."""
        found: Any = None
        if kind == "device":
            found = self.devices.get(id)
        elif kind == "chardev" and self.chardevs is not None and self.chardevs.get(id) is not None:
            try:
                found = self.chardevs.user(id)
            except ConfigError as error:
                raise ConfigError(f"{what} can't take value '{id}': {error}", error.hint) from None
        if found is None:
            raise ConfigError(f"{what} can't find value '{id}'")
        return found

    def _prepare(self, device: Device) -> None:
        """Give a device what only the board has, before it is realized."""
        prepare: dict[str, Callable[[Any], None]] = {
            "i440FX-pcihost": self._join_pci,
            "i440FX": lambda host: host.set_memory(self.ram, self.bios),
            "mc146818rtc": self._set_start_time,
            "VGA": self._load_vga_rom,
            "isa-vga": self._load_isa_vga_rom,
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

    def _read_vga_rom(self, vga: Any) -> None:
        if vga.romfile:
            rom = images.load_option_rom(vga.romfile, self.config.firmware_dirs)
            if rom is None:
                raise ConfigError(f'failed to find romfile "{vga.romfile}"')
            vga.rom = rom

    def _load_vga_rom(self, vga: Any) -> None:
        """Behind the ROM BAR; on machines from before there was one, in a file for the firmware."""
        self._read_vga_rom(vga)
        if vga.rom and not vga.rombar:
            self._video_roms[PurePath(vga.romfile).name] = vga.rom

    def _load_isa_vga_rom(self, vga: Any) -> None:
        self._read_vga_rom(vga)
        if vga.rom and self.isa_rom is not None:
            self._writable_roms.append((self.isa_rom, vga.rom))

    def _attach_ide(self, ide: Any) -> None:
        """Channel and unit follow from a drive's index: two units a channel."""
        first = 2 if getattr(ide, "iobase", 0x1F0) == 0x170 else 0
        for index in range(first, first + 2 * len(ide.channels)):
            self.places.add(("ide", index))
            drive = self.drives.get(("ide", index))
            if drive is not None:
                kind = "ide-cd" if drive.media == "cdrom" else "ide-hd"
                ide.attach_drive((index - first) // 2, index % 2, drive, kind)

    def _attach_floppies(self, fdc: Any) -> None:
        for index, prop in enumerate(("driveA", "driveB")):
            self.places.add(("floppy", index))
            drive = self.drives.get(("floppy", index))
            if drive is not None:
                fdc.set(prop, drive)

    def _refuse_drives_without_a_place(self) -> None:
        """A type may lack a controller; then the drives of options have nowhere to go."""
        for drive in self.config.drives:
            if drive.interface != "none" and (drive.interface, drive.index) not in self.places:
                place = f"if={drive.interface},bus={drive.bus},unit={drive.unit}"
                option = f"{drive.option}: " if drive.option else ""
                raise ConfigError(f"{option}machine type does not support {place}")

    # -- memory and firmware --------------------------------------------------------------------------

    def _map_isa_memory(self, image: bytes) -> None:
        """Without a host bridge there is no shadowing: the BIOS and the option ROM area are RAM."""
        self.memory.map(0, Ram(self.ram, size=min(self.ram.size, BELOW_4G_LIMIT)), priority=-1)
        if self.ram.size > BELOW_4G_LIMIT:
            self.memory.map(FOUR_GIB, Ram(self.ram, BELOW_4G_LIMIT), priority=-1)
        bios = Ram(self.bios)
        self._writable_roms.append((self.bios, image))
        self.memory.map(FOUR_GIB - self.bios.size, bios)
        low = min(self.bios.size, 0x20000)
        self.memory.map(0x100000 - low, bios, offset=self.bios.size - low, size=low)
        self.isa_rom = RamBlock("pc.rom", ISA_ROM_BYTES)
        self.memory.map(ISA_ROM_BASE, Ram(self.isa_rom))

    def _fill_fw_cfg(self) -> None:
        from pyqemu.firmware import config_items

        fw_cfg: Any = self.devices.get("fw_cfg")
        if fw_cfg is not None:
            config_items.fill(
                fw_cfg,
                self.machine,
                self.config,
                self.ram_bytes,
                BELOW_4G_LIMIT,
                has_pci=self.pci is not None,
                video_roms=self._video_roms,
            )

    def ram_blocks(self) -> list[RamBlock]:
        """All memory that a saved state holds."""
        blocks = [self.ram, self.bios, *([self.isa_rom] if self.isa_rom else [])]
        return blocks + [block for device in self.devices.values() for block in device.ram_blocks()]

    # -- life -----------------------------------------------------------------------------------------

    def reset(self) -> None:
        """Power-on and reset: every chip, then the CPU."""
        with self.memory.transaction():
            for device in self.devices.values():
                device.reset()
            for block, image in self._writable_roms:
                block.view[: len(image)] = image
                self.memory.on_ram_written(block, 0, len(image))
        self.cpu.reset()
        self.cpu.set_a20(True)
        if self.tree.empty:
            self.cpu.engine.set_requests(True, 0)  # nothing will ever wake it

    def close(self) -> None:
        self.cpu.close()


def _log_unclaimed(kind: str, port: int, _width: int, value: int) -> None:
    unimplemented.info("unassigned port: %s %#06x%s", kind, port, f" = {value:#04x}" if kind == "write" else "")
