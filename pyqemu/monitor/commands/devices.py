"""Adding and removing devices; what else the machine has, or has not."""

from __future__ import annotations

from typing import Any

from pyqemu.cli import drive_devices
from pyqemu.cli.devices import device_help, device_list
from pyqemu.cli.messages import Typed
from pyqemu.hw.catalog import device_class
from pyqemu.hw.pci.device import PciDevice
from pyqemu.monitor.errors import DEVICE_NOT_ACTIVE, QmpError, device_not_found
from pyqemu.monitor.monitor import Monitor
from pyqemu.monitor.qapi import ANY, BOOL, INT, STR, Array, Struct
from pyqemu.monitor.table import Hmp, command, hmp_command


class AnyMembers(Struct):
    """Members that depend on a driver: those here are checked, others are taken as they are."""

    def check(self, value: Any, path: str) -> dict[str, Any]:
        known = {key: value[key] for key in self.members if isinstance(value, dict) and key in value}
        return super().check(known, path) | {
            "properties": {k: v for k, v in value.items() if k not in self.members}
        }


@command(
    "device_add",
    AnyMembers("q_obj_device_add-arg", {"driver": STR, "?bus": STR, "?id": STR}),
    hmp=Hmp(
        "device_add",
        "device:O",
        "driver[,prop=value][,...]",
        "add device, like -device on the command line",
        run=lambda monitor, device: _add(monitor, device),
    ),
)
def device_add(
    monitor: Monitor, driver: str, properties: dict[str, Any], bus: str | None = None, id: str | None = None
) -> None:
    """No bus of this board takes devices while the machine runs; says which."""
    from pyqemu.cli.values import is_identifier
    from pyqemu.machines.devices import PLUGGABLE

    if id is not None and not is_identifier(id):
        raise QmpError("Parameter 'id' expects an identifier")
    kinds = {"isa.0": "ISA", "pci.0": "PCI", "ide.1": "IDE", "ide.0": "IDE", "floppy-bus.0": "floppy-bus"}
    if driver in drive_devices.TYPES:
        kind = drive_devices.BUS_NAMES[drive_devices.TYPES[driver]]
    else:
        found = device_class(driver)
        if driver not in PLUGGABLE or issubclass(found, PciDevice):  # the only ones are graphics cards
            raise QmpError("Parameter 'driver' expects a pluggable device type")
        kind = "ISA"
    if bus is not None and bus not in kinds:
        raise QmpError(f"Bus '{bus}' not found")
    if bus is not None and kinds[bus] != kind:
        raise QmpError(f"Device '{driver}' can't go on {kinds[bus]} bus")
    place = bus or next(name for name in kinds if kinds[name] == kind)
    raise QmpError(f"Bus '{place}' does not support hotplugging")


def _add(monitor: Monitor, device: dict[str, str]) -> str:
    driver = device.get("driver", "")
    if driver in ("help", "?"):
        return device_list() + "\n"
    if "help" in device or "?" in device:
        return device_help(Typed("", driver), driver) + "\n"
    monitor.execute("device_add", device)
    return ""


@command(
    "device_del",
    {"id": STR},
    hmp=Hmp("device_del", "id:s", "device", "remove device"),
)
def device_del(monitor: Monitor, id: str) -> None:
    device = monitor.vm.devices.get(id.removeprefix("/machine/peripheral/"))
    if device is None or device.id not in {extra.id for extra in monitor.vm.config.devices}:
        raise device_not_found(id)
    raise QmpError(f"Bus '{'pci.0' if hasattr(device, 'config') else 'isa.0'}' does not support hotplugging")


@command(
    "set_link",
    {"name": STR, "up": BOOL},
    hmp=Hmp("set_link", "name:s,up:b", "name on|off", "change the link status of a network adapter"),
)
def set_link(monitor: Monitor, name: str, up: bool) -> None:
    """There is no network yet, and so nobody of that name."""
    raise device_not_found(name)


@command("query-rx-filter", {"?name": STR}, Array(ANY))
def query_rx_filter(monitor: Monitor, name: str | None = None) -> list[Any]:
    if name is not None:
        raise QmpError(f"invalid net client name: {name}")
    return []


# -- what the board does not have, as clients ask for it ----------------------------------------------------------


@command(
    "query-balloon",
    returns=Struct("BalloonInfo", {"actual": INT}),
    hmp=Hmp("info balloon", help="show balloon information"),
)
def query_balloon(monitor: Monitor) -> dict[str, int]:
    raise QmpError("No balloon device has been activated", DEVICE_NOT_ACTIVE)


@command(
    "balloon",
    {"value": INT},
    hmp=Hmp("balloon", "value:M", "target", "request VM to change its memory allocation (in MB)"),
)
def balloon(monitor: Monitor, value: int) -> None:
    raise QmpError("No balloon device has been activated", DEVICE_NOT_ACTIVE)


@command(
    "query-iothreads", returns=Array(ANY), hmp=Hmp("info iothreads", help="show iothreads", show=lambda _reply: "")
)
def query_iothreads(monitor: Monitor) -> list[Any]:
    return []


@hmp_command("info network", help="show the network state")
def info_network(monitor: Monitor) -> str:
    return ""


@hmp_command("info usb", help="show guest USB devices")
def info_usb(monitor: Monitor) -> str:
    return "Error: USB support not enabled\n"


@hmp_command("info numa", help="show NUMA information")
def info_numa(monitor: Monitor) -> str:
    return "0 nodes\n"


@hmp_command("info roms", help="show roms")
def info_roms(monitor: Monitor) -> str:
    board = monitor.vm.board
    lines = []
    for device in board.devices.values():
        romfile = getattr(device, "romfile", "")
        if romfile and getattr(device, "rom", b""):
            lines.append(f'fw=genroms/{romfile} size=0x{len(device.rom):06x} name="{romfile}"')  # type: ignore[attr-defined]
    size = board.bios.size
    name = monitor.vm.config.bios.rpartition("/")[2] or "bios.bin"
    lines.append(f'addr={(1 << 32) - size:016x} size=0x{size:06x} mem=rom name="{name}"')
    return "".join(f"{line}\n" for line in lines)


@hmp_command(
    "info mtree",
    "flatview:-f,dispatch_tree:-d,owner:-o,disabled:-D",
    "[-f][-d][-o][-D]",
    "show memory tree (-f: dump flat view for address spaces;-d: dump dispatch tree, valid with -f only);"
    "-o: dump region owners/parents;-D: dump disabled regions",
)
def info_mtree(
    monitor: Monitor,
    flatview: bool = False,
    dispatch_tree: bool = False,
    owner: bool = False,
    disabled: bool = False,
) -> str:
    from pyqemu.monitor.memory_tree import flat_memory, flat_ports, mappings

    board = monitor.vm.board
    if not flatview:
        return mappings(board.memory, with_disabled=disabled)
    return flat_memory(board.memory) + "\n" + flat_ports(board.isa.ports)
