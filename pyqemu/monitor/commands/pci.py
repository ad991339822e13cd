"""The PCI bus and the interrupt controllers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyqemu.monitor.monitor import Monitor
from pyqemu.monitor.qapi import ANY, INT, STR, Array, Struct
from pyqemu.monitor.table import Hmp, command, hmp_command

if TYPE_CHECKING:
    from pyqemu.api import VirtualMachine

CLASSES = {
    0x0101: "IDE controller", 0x0200: "Ethernet controller", 0x0300: "VGA controller", 0x0401: "Audio controller",
    0x0600: "Host bridge", 0x0601: "ISA bridge", 0x0604: "PCI bridge", 0x0680: "Bridge", 0x0C03: "USB controller",
}  # fmt: skip
UNMAPPED = (1 << 64) - 1

PCI_DEVICE = Struct(
    "PciDeviceInfo",
    {
        "bus": INT, "slot": INT, "function": INT, "class_info": ANY, "id": ANY, "?irq": INT, "irq_pin": INT,
        "qdev_id": STR, "regions": Array(ANY),
    },
)  # fmt: skip
PCI = Struct("PciInfo", {"bus": INT, "devices": Array(PCI_DEVICE)})


def show_pci(reply: list[dict[str, Any]]) -> str:
    lines = []
    for bus in reply:
        for device in bus["devices"]:
            lines.append(f"  Bus {bus['bus']:2d}, device {device['slot']:3d}, function {device['function']}:")
            kind, ids = device["class_info"], device["id"]
            name = kind.get("desc") or f"Class {kind['class']:04x}"
            lines.append(f"    {name}: PCI device {ids['vendor']:04x}:{ids['device']:04x}")
            if ids.get("subsystem-vendor") or ids.get("subsystem"):
                lines.append(f"      PCI subsystem {ids['subsystem-vendor']:04x}:{ids['subsystem']:04x}")
            if "irq" in device:
                lines.append(f"      IRQ {device['irq']}, pin {chr(ord('A') + device['irq_pin'] - 1)}")
            for region in device["regions"]:
                lines.append(_region(region))
            lines.append(f'      id "{device["qdev_id"]}"')
    return "".join(f"{line}\n" for line in lines)


def _region(region: dict[str, Any]) -> str:
    address = region["address"] & UNMAPPED
    end = (address + region["size"] - 1) & UNMAPPED
    if region["type"] == "io":
        return f"      BAR{region['bar']}: I/O at 0x{address:04x} [0x{end:04x}]."
    prefetch = " prefetchable" if region["prefetch"] else ""
    return f"      BAR{region['bar']}: 32 bit{prefetch} memory at 0x{address:08x} [0x{end:08x}]."


@command("query-pci", returns=Array(PCI), hmp=Hmp("info pci", help="show PCI info", show=show_pci))
def query_pci(monitor: Monitor) -> list[dict[str, Any]]:
    bus = monitor.vm.board.pci
    if bus is None:
        return []
    devices = [_device(monitor.vm, devfn, device) for devfn, device in sorted(bus.devices.items())]
    return [{"bus": 0, "devices": devices}]


def _device(vm: VirtualMachine, devfn: int, device: Any) -> dict[str, Any]:
    config = device.config

    def word(offset: int) -> int:
        return int(config[offset] | config[offset + 1] << 8)

    kind: dict[str, Any] = {"class": word(0x0A)}
    if kind["class"] in CLASSES:
        kind["desc"] = CLASSES[kind["class"]]
    regions = []
    for bar in device.bars:
        region: dict[str, Any] = {
            "bar": bar.number,
            "type": "io" if bar.is_io else "memory",
            "address": bar.base,
            "size": bar.size,
        }
        if not bar.is_io:
            region |= {"prefetch": bool(bar.flags & 8), "mem_type_64": False}
        regions.append(region)
    entry: dict[str, Any] = {
        "bus": 0,
        "slot": devfn >> 3,
        "function": devfn & 7,
        "class_info": kind,
        "id": {
            "vendor": word(0x00),
            "device": word(0x02),
            "subsystem-vendor": word(0x2C),
            "subsystem": word(0x2E),
        },
        "irq_pin": config[0x3D],
        "qdev_id": device.id if device.id in {extra.id for extra in vm.config.devices} else "",
        "regions": regions,
    }
    if config[0x3D]:
        entry["irq"] = config[0x3C]
    return entry


@hmp_command("info pic", help="show PIC state")
def info_pic(monitor: Monitor) -> str:
    lines = []
    for number in (1, 0):
        pic = monitor.vm.devices.get(("pic", "pic2")[number])
        if pic is not None:
            lines.append(
                f"pic{number}: irr={pic.irr:02x} imr={pic.imr:02x} isr={pic.isr:02x} hprio={pic.priority_add} "
                f"irq_base={pic.irq_base:02x} rr_sel={int(pic.read_reg_select)} elcr={pic.elcr:02x} "
                f"fnm={int(pic.special_fully_nested_mode)}"
            )
    return "".join(f"{line}\n" for line in lines)
