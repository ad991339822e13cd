"""From options in the order typed to one ``LaunchConfig``.

Option handlers fill a ``Build``; what needs more than one option (the machine type, drive places) is settled
by ``finish()``, in QEMU's order, so that of two mistakes the same one is reported.
"""

from __future__ import annotations

from typing import Literal, cast

from pyqemu.cli import devices, drives, lists, machine, qemu_names
from pyqemu.cli.backends import Backends, check_monitor
from pyqemu.cli.messages import Answer, Typed, accepted
from pyqemu.cli.values import options, pairs, split, wants_help
from pyqemu.core.errors import ConfigError, nearest
from pyqemu.cpu.cpu_option import parse_cpu
from pyqemu.launch import LaunchConfig


class Build:
    """What has been said so far."""

    def __init__(self) -> None:
        self.config = LaunchConfig()
        self.backends = Backends()
        self.drive_requests: list[drives.Request] = []
        self.machine_props: dict[str, str] = {}
        self.boot_values: dict[str, str] = {}
        self.smp_values: dict[str, str] = {}
        self.accel_given = False
        self.machine_help: Typed | None = None
        self.device_help: Typed | None = None

    # -- one option each, in the order typed ----------------------------------------------------------

    def machine(self, typed: Typed) -> None:
        if wants_help(typed.value):
            self.machine_help = typed
            names = dict(split(typed.value, implied="type"))
            self.machine_props["type"] = names.get("type") or "help"
            return
        self.machine_props |= pairs(typed, implied="type")

    def accel(self, typed: Typed) -> None:
        machine.accel(typed)
        self.accel_given = True

    def memory(self, typed: Typed) -> None:
        self.config.ram_bytes = machine.memory(typed) or None

    def cpu(self, typed: Typed) -> None:
        self.config.cpu = typed.value

    def smp(self, typed: Typed) -> None:
        self.smp_values |= pairs(typed, implied="cpus")

    def boot(self, typed: Typed) -> None:
        self.boot_values |= pairs(typed, implied="order")

    def rtc(self, typed: Typed) -> None:
        self.config.rtc = machine.real_time_clock(typed)

    def name(self, typed: Typed) -> None:
        machine.name(self.config, typed)

    def drive(self, typed: Typed) -> None:
        self.drive_requests.append(drives.Request(typed, is_drive_option=True))

    def fixed_drive(self, typed: Typed, interface: str, index: int, media: str = "disk") -> None:
        self.drive_requests.append(drives.Request(typed, interface, index, media))

    def serial(self, typed: Typed) -> None:
        what = "could not connect serial device to character backend"
        self.config.serials.append(self.backends.check(typed, what))

    def parallel(self, typed: Typed) -> None:
        what = "could not connect parallel device to character backend"
        self.config.parallels.append(self.backends.check(typed, what))

    def debugcon(self, typed: Typed) -> None:
        if self.config.debugcon:
            raise typed.error("given twice")
        self.config.debugcon = self.backends.check(typed, "invalid character backend")

    def monitor(self, typed: Typed) -> None:
        self.config.monitor = check_monitor(typed)

    def vga(self, typed: Typed) -> None:
        if typed.value in ("help", "?"):
            raise Answer(lists.vga())
        if typed.value in lists.VGA:
            self.config.vga = cast(Literal["std", "none"], typed.value)
        elif typed.value in qemu_names.VGA:
            raise typed.unsupported("", accepted(tuple(lists.VGA)))
        else:
            hint = nearest(typed.value, lists.VGA) or accepted(tuple(lists.VGA))
            raise ConfigError(f"unknown vga type: {typed.value}", hint)

    def display(self, typed: Typed) -> None:
        if typed.value in ("help", "?"):
            raise Answer(lists.displays())
        values = pairs(typed, implied="type")
        if "vnc" in values:
            raise typed.unsupported("", accepted(lists.DISPLAYS))
        if "type" not in values:
            raise typed.error("Parameter 'type' is missing", accepted(lists.DISPLAYS))
        kind = values.pop("type")
        if kind in lists.DISPLAYS:
            self.config.display = cast(Literal["curses", "none"], kind)
        elif kind in qemu_names.DISPLAYS:
            raise typed.unsupported("", accepted(lists.DISPLAYS))
        else:
            hint = nearest(kind, lists.DISPLAYS) or accepted(lists.DISPLAYS)
            raise typed.error(f"Parameter 'type' does not accept value '{kind}'", hint)
        if values:
            raise typed.error(f"Parameter '{next(iter(values))}' is unexpected")

    def device(self, typed: Typed) -> None:
        if wants_help(typed.value):
            self.device_help = self.device_help or typed
        else:
            self.config.devices.append(devices.parse_device(typed))

    def set_global(self, typed: Typed) -> None:
        self.config.globals.append(devices.parse_global(typed))

    def log(self, typed: Typed) -> None:
        for item in typed.value.split(","):
            if item in lists.LOG_ITEMS:
                self.config.log_categories.append(item)
            elif item in qemu_names.LOG_ITEMS or item.startswith("trace:"):
                raise typed.unsupported(f"'{item}'", accepted(tuple(lists.LOG_ITEMS)))
            else:
                raise Answer(lists.log_items(), status=1)  # for "help" as well: QEMU has it so

    def firmware_dir(self, typed: Typed) -> None:
        if typed.value in ("help", "?"):
            raise Answer(lists.firmware_dirs(self.config.firmware_dirs))
        self.config.firmware_dirs.append(typed.value)

    def option_rom(self, typed: Typed) -> None:
        values = options(typed, known=("romfile", "bootindex"), implied="romfile")
        if "bootindex" in values:
            raise typed.unsupported("bootindex")
        self.config.option_roms.append(values.get("romfile", ""))

    # -- all of them together -------------------------------------------------------------------------

    def finish(self) -> LaunchConfig:
        """The whole configuration. Raises ConfigError, Answer."""
        if self.config.cpu in ("help", "?"):
            raise Answer(lists.cpus())
        if self.device_help is not None:
            self._answer_device_help(self.device_help)
        self._machine()
        self._kernel()
        self._cpu()
        self.config.drives = drives.place(self.drive_requests, self.config.snapshot)
        if self.config.globals:
            devices.check_globals(self.config.globals)
        if self.config.devices:
            devices.check_devices(self.config.devices)
        return self.config

    def _answer_device_help(self, typed: Typed) -> None:
        name = next((value for key, value in split(typed.value, "driver") if key == "driver"), None) or "help"
        if name in ("help", "?"):
            raise Answer(devices.device_list())
        try:
            raise Answer(devices.device_help(typed, name))
        except ConfigError as error:
            raise Answer("", 0, remark=str(error)) from None

    def _machine(self) -> None:
        from pyqemu.machines.registry import Registry

        registry = Registry.load()
        name = self.machine_props.pop("type", "")
        if self.machine_help is not None:
            if name in ("help", "?"):
                raise Answer(lists.machines(registry))
            raise Answer(machine.machine_help(registry.find(name)))
        found = registry.find(name)
        config = self.config
        config.machine = found.name
        machine.machine_properties(config, found, self.machine_props, self.accel_given)
        config.boot = machine.boot(self.boot_values)
        config.smp = machine.processors(self.smp_values, found)
        config.ram_bytes = config.ram_bytes or found.default_ram
        config.cpu = found.default_cpu if config.cpu is None else config.cpu

    def _kernel(self) -> None:
        for option in ("append", "initrd"):
            if getattr(self.config, option) and not self.config.kernel:
                raise ConfigError(f"-{option} only allowed with -kernel option")

    def _cpu(self) -> None:
        assert self.config.cpu is not None
        parse_cpu(self.config.cpu)
