"""Our own types are what the contract says they are, line by line."""

from __future__ import annotations

import time

import pytest

from pyqemu.core.errors import ConfigError
from pyqemu.machines.registry import MachineType, Registry
from pyqemu.paths import machines_dir

TYPES = [
    "pc-next",
    "pc-1.0",
    "pc-0.15",
    "pc-0.14",
    "pc-0.13",
    "pc-0.12",
    "pc-0.11",
    "pc-0.10",
    "isapc",
    "none",
    "xenfv",
]

# What each type adds to the one that it inherits, and what it sets for itself alone.
ADDED = {
    "pc-next": "",
    "pc-1.0": """
        pc-sysfw.rom_only=1 isa-fdc.check_media_rate=off virtio-balloon-pci.class=0x0500 apic.vapic=off
        usb-device.full-path=no virtio-scsi-pci.hotplug=off virtio-scsi-pci.param_change=off VGA.vgamem_mb=8
        vmware-svga.vgamem_mb=8 qxl-vga.vgamem_mb=8 qxl.vgamem_mb=8 virtio-blk-pci.config-wce=off
        nec-usb-xhci.msi=off nec-usb-xhci.msix=off ivshmem.use64=0 qxl.revision=3 qxl-vga.revision=3 VGA.mmio=off
        usb-tablet.usb_version=1 virtio-net-pci.ctrl_mac_addr=off virtio-net-pci.mq=off e1000.autonegotiation=off
        """,
    "pc-0.15": "",
    "pc-0.14": """
        virtio-blk-pci.event_idx=off virtio-serial-pci.event_idx=off virtio-net-pci.event_idx=off
        virtio-balloon-pci.event_idx=off
        """,
    "pc-0.13": "pci-device.command_serr_enable=off AC97.use_broken_id=1",
    "pc-0.12": "virtio-serial-pci.max_ports=1 virtio-serial-pci.vectors=0",
    "pc-0.11": "virtio-blk-pci.vectors=0 pci-device.rombar=0",
    "pc-0.10": "virtio-blk-pci.class=0x0180 virtio-serial-pci.class=0x0380 virtio-net-pci.vectors=0",
}
OWN = {
    "pc-0.14": "qxl.revision=2 qxl-vga.revision=2",
    "pc-0.13": "virtio-9p-pci.vectors=0 VGA.rombar=0 vmware-svga.rombar=0",
    "pc-0.12": "VGA.rombar=0 vmware-svga.rombar=0",
    "pc-0.11": "ide-drive.ver=0.11 scsi-disk.ver=0.11",
    "pc-0.10": "ide-drive.ver=0.10 scsi-disk.ver=0.10",
}


@pytest.fixture(scope="module")
def registry() -> Registry:
    return Registry(machines_dir())


def settings_of(machine: MachineType) -> list[str]:
    return [str(entry) for entry in machine.compat]


def test_these_types_and_no_others(registry: Registry) -> None:
    assert [machine.name for machine in registry.all()] == TYPES
    assert registry.names() == TYPES[:-1]


@pytest.mark.parametrize("name", ADDED)
def test_compat_properties_of_the_pc_types(name: str, registry: Registry) -> None:
    line = list(ADDED)[: list(ADDED).index(name) + 1]
    inherited = [entry for ancestor in line for entry in ADDED[ancestor].split()]
    machine = registry.get(name)
    assert sorted(settings_of(machine)) == sorted(inherited + OWN.get(name, "").split())
    assert machine.lineage == tuple(reversed(line))


def test_later_types_win_over_those_they_inherit(registry: Registry) -> None:
    def revision(name: str) -> str:
        return {f"{entry.driver}.{entry.property}": entry.value for entry in registry.get(name).compat}[
            "qxl.revision"
        ]

    assert [revision(name) for name in ("pc-0.15", "pc-0.14", "pc-0.13")] == ["3", "2", "3"]


def test_the_default_has_three_ways_to_say_it(registry: Registry) -> None:
    assert registry.find() is registry.find("pc") is registry.find("pc-1.0")


def test_pc_next_is_never_the_default_and_has_no_alias(registry: Registry) -> None:
    machine = registry.get("pc-next")
    assert (machine.default, machine.alias, machine.stability, machine.hw_version) == (False, "", "next", "")


def test_what_guests_read_as_the_version(registry: Registry) -> None:
    for name in TYPES[1:8]:
        assert registry.get(name).hw_version == name.removeprefix("pc-")
    assert (registry.get("xenfv").hw_version, registry.get("isapc").hw_version) == ("1.0", "")


def test_descriptions(registry: Registry) -> None:
    others = {
        "pc-0.11": "Standard PC, qemu 0.11",
        "pc-0.10": "Standard PC, qemu 0.10",
        "isapc": "ISA-only PC",
        "none": "empty machine",
        "xenfv": "Xen Fully-virtualized PC",
    }
    assert {name: registry.get(name).desc for name in TYPES} == dict.fromkeys(TYPES, "Standard PC") | others


def test_what_the_boards_have_by_default(registry: Registry) -> None:
    for name in TYPES:
        machine = registry.get(name)
        if name == "isapc":
            expected = ("isapc", 1, "486", "std", "ne2k_isa")
        elif name == "none":
            expected = ("none", 1, "qemu64", "none", "")
        else:
            expected = ("pc", 255, "qemu64", "std" if name == "pc-next" else "cirrus", "e1000")
        assert expected == (
            machine.board,
            machine.max_cpus,
            machine.default_cpu,
            machine.default_display,
            machine.default_nic,
        )
        assert machine.default_ram == (1 if name == "none" else 128) << 20


def test_kvm_guests_get_a_clock_from_0_14_on(registry: Registry) -> None:
    without = {name for name in TYPES if not registry.get(name).kvmclock}
    assert without == {"pc-0.13", "pc-0.12", "pc-0.11", "pc-0.10", "xenfv"}


def test_isapc_has_its_own_line(registry: Registry) -> None:
    assert (registry.get("isapc").lineage, settings_of(registry.get("isapc"))) == (
        ("isapc",),
        ["pc-sysfw.rom_only=1"],
    )


def test_xenfv_says_what_it_needs(registry: Registry) -> None:
    machine = registry.get("xenfv")
    assert (machine.accel, machine.lineage, [node.type for node in machine.devices]) == (
        "xen",
        ("xenfv", "pc-1.0", "pc-next"),
        ["xen-platform"],
    )
    with pytest.raises(ConfigError) as caught:
        registry.find("xenfv")
    assert str(caught.value) == (
        "machine type 'xenfv' cannot run here: it needs the accelerator xen and the device xen-platform"
    )


def test_loading_all_of_them_is_quick() -> None:
    """50 ms is the promise; it is about 5 on an idle machine. The best of some, as others use the host too."""

    def load() -> float:
        started = time.perf_counter()
        Registry(machines_dir())
        return time.perf_counter() - started

    assert min(load() for _ in range(5)) < 0.05
