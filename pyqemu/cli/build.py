"""From options in the order typed to one ``LaunchConfig``.

Option handlers fill a ``Build``; what needs more than one option (the machine type, drive places) is settled
by ``finish()``, in QEMU's order, so that of two mistakes the same one is reported.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Literal, cast

from pyqemu.cli import devices, drives, lists, machine, qemu_names
from pyqemu.cli.backends import Backends
from pyqemu.cli.messages import Answer, Typed, accepted
from pyqemu.cli.monitors import Monitors
from pyqemu.cli.values import integer, options, pairs, split, wants_help
from pyqemu.core.errors import ConfigError, nearest
from pyqemu.core.messages import warn
from pyqemu.cpu.cpu_option import parse_cpu
from pyqemu.launch import BootConfig, LaunchConfig, TraceConfig

if TYPE_CHECKING:
    from pyqemu.cli.nodes import Nodes
    from pyqemu.cli.objects import Objects
    from pyqemu.machines.registry import Registry


class Build:
    """What has been said so far."""

    def __init__(self) -> None:
        self.config = LaunchConfig()
        self.backends = Backends()
        self.monitors = Monitors()
        self.drive_requests: list[drives.Request] = []
        self.machine_props: dict[str, str] = {}
        self.boot_values: dict[str, str] = {}
        self.smp_values: dict[str, str] = {}
        self.accel_given = False
        self.device_help: Typed | None = None

    # -- one option each, in the order typed ----------------------------------------------------------

    def machine(self, typed: Typed) -> None:
        if wants_help(typed.value):
            named = dict(split(typed.value, implied="type")).get("type") or "help"
            self._answer_machine_help(self.machine_props.get("type", "") if named in ("help", "?") else named)
        self.machine_props |= pairs(typed, implied="type")

    def machine_dir(self, typed: Typed) -> None:
        self.config.machine_dirs.append(typed.value)

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

    @cached_property
    def nodes(self) -> Nodes:
        from pyqemu.cli.nodes import Nodes

        return Nodes()

    @cached_property
    def objects(self) -> Objects:
        from pyqemu.cli.objects import Objects

        return Objects()

    def blockdev(self, typed: Typed) -> None:
        self.nodes.add(typed)

    def chardev(self, typed: Typed) -> None:
        self.config.chardevs.append(self.backends.chardev(typed))

    def add_fd(self, typed: Typed) -> None:
        from pyqemu.cli import descriptors

        descriptors.add(typed)

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
        self.monitors.add(typed, self.backends.check(typed, "parse error:"), "readline")

    def qmp(self, typed: Typed, pretty: bool = False) -> None:
        self.monitors.add(typed, self.backends.check(typed, "parse error:"), "control", pretty=pretty)

    def mon(self, typed: Typed) -> None:
        self.monitors.mon(typed)

    def incoming(self, typed: Typed) -> None:
        from pyqemu.migration.transport import check_uri

        try:
            check_uri(typed.value, incoming=True)
        except ConfigError as error:
            raise typed.error(str(error), error.hint) from None
        self.config.incoming = typed.value

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

    def fw_cfg(self, typed: Typed) -> None:
        from pyqemu.cli import firmware_items

        self.config.fw_cfg.append(firmware_items.fw_cfg(typed))

    def smbios(self, typed: Typed) -> None:
        from pyqemu.cli import firmware_items
        from pyqemu.firmware import smbios_entries

        item = firmware_items.smbios(typed)
        self.config.smbios.append(item)
        self.config.uuid = smbios_entries.uuid_of(item) or self.config.uuid

    def acpi_table(self, typed: Typed) -> None:
        from pyqemu.cli import firmware_items

        self.config.acpi_tables.append(firmware_items.acpi_table(typed))

    def escape(self, typed: Typed) -> None:
        self.config.escape = integer(typed.value, f"{typed}: expects a number")
        if not 0 <= self.config.escape <= 0xFF:
            raise typed.error("expects a character's code", "Accepted: 0 to 255; 1 is Ctrl-A.")

    def add_object(self, typed: Typed) -> None:
        self.objects.add(typed)

    def set_global(self, typed: Typed) -> None:
        self.config.globals.append(devices.parse_global(typed))

    def log(self, typed: Typed) -> None:
        for item in typed.value.split(","):
            if item in lists.LOG_ITEMS:
                self.config.log_categories.append(item)
            elif item.startswith("trace:"):
                self.config.traces.append(TraceConfig(item.removeprefix("trace:"), option=str(typed)))
            elif item in qemu_names.LOG_ITEMS:
                raise typed.unsupported(f"'{item}'", accepted(tuple(lists.LOG_ITEMS)))
            else:
                raise Answer(lists.log_items(), status=1)  # for "help" as well: QEMU has it so

    def trace(self, typed: Typed) -> None:
        from pyqemu.cli.tracing import parse_trace

        self.config.traces += parse_trace(typed)

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
        if self.config.process.daemonize:
            from pyqemu.cli import host

            host.check_daemon(self.config, self.backends.stdio_refusal)
        self.monitors.finish(self.config, self.backends.stdio_taken)
        self._kernel()
        self._cpu()
        self.backends.check_references([*self.config.serials, *self.config.parallels, self.config.debugcon])
        self.config.drives = drives.place(self.drive_requests, self.config.snapshot)
        if "nodes" in self.__dict__:
            self._nodes()
        if self.config.devices or self.config.globals:
            self._devices()
        self.config.demo = _nothing_to_boot(self.config)
        return self.config

    def _devices(self) -> None:
        """Drives go into the board's drives, the rest to the board; then -global."""
        from pyqemu.cli import drive_devices

        plugged = [device for device in self.config.devices if device.driver in drive_devices.TYPES]
        self.config.devices = [device for device in self.config.devices if device not in plugged]
        devices.check_ids([*plugged, *self.config.devices])
        if self.config.devices:
            devices.check_devices(self.config.devices)
        drive_devices.plug(plugged, self.config.drives)
        self.config.globals = drive_devices.take_boot_globals(self.config.globals, self.config.drives)
        if self.config.globals:
            devices.check_globals(self.config.globals)

    def _answer_device_help(self, typed: Typed) -> None:
        name = next((value for key, value in split(typed.value, "driver") if key == "driver"), None) or "help"
        if name in ("help", "?"):
            raise Answer(devices.device_list())
        try:
            raise Answer(devices.device_help(typed, name))
        except ConfigError as error:
            raise Answer("", 0, remark=str(error)) from None

    def _answer_machine_help(self, name: str) -> None:
        """``-M help`` and ``-M NAME,help``; for a name that is not there the list as well, as QEMU has it."""
        registry = self._registry()
        try:
            found = registry.get(name) if name else None
        except ConfigError:
            found = None
        raise Answer(machine.machine_help(found) if found else lists.machines(registry))

    def _registry(self) -> Registry:
        from pyqemu.machines.registry import Registry

        registry = Registry.load(self.config.machine_dirs)
        for problem in registry.problems:
            warn("\n".join(filter(None, [str(problem), problem.hint])))
        return registry

    def _machine(self) -> None:
        registry = self._registry()
        name = self.machine_props.pop("type", None)
        if name == "":
            raise ConfigError("unsupported machine type", "Use -machine help to list supported machines")
        found = registry.find(name or "")
        if reason := registry.deprecation(found):
            warn(f"Machine type '{found.name}' is deprecated: {reason}")
        config = self.config
        config.machine, config.found = found.name, found
        machine.machine_properties(config, found, self.machine_props, self.accel_given)
        config.boot = machine.boot(self.boot_values)
        config.smp = machine.processors(self.smp_values, found)
        config.ram_bytes = config.ram_bytes or found.default_ram
        config.cpu = found.default_cpu if config.cpu is None else config.cpu
        if backend := config.machine_props.get("memory-backend"):
            self.objects.check_memory(backend, config.ram_bytes)

    def _nodes(self) -> None:
        """Nodes are drives that no -drive made; both kinds have names of one space."""
        self.config.blockdevs = self.nodes.options
        for drive in self.nodes.drives():
            if any(other.id == drive.id for other in self.config.drives):
                raise ConfigError(f"{drive.option}: node-name={drive.id} is conflicting with a device id")
            drive.snapshot = self.config.snapshot
            drive.index += sum(other.interface == "none" for other in self.config.drives)
            self.config.drives.append(drive)

    def _kernel(self) -> None:
        for option in ("append", "initrd"):
            if getattr(self.config, option) and not self.config.kernel:
                raise ConfigError(f"-{option} only allowed with -kernel option")

    def _cpu(self) -> None:
        assert self.config.cpu is not None
        parse_cpu(self.config.cpu)


def _nothing_to_boot(config: LaunchConfig) -> bool:
    """Whether the user named nothing that boots, nor a firmware or a boot order that might find something."""
    named = config.kernel or config.bios or config.option_roms or any(drive.file for drive in config.drives)
    return not named and not config.nodefaults and config.boot == BootConfig()
