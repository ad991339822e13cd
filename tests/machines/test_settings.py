"""Whose value a property gets: default, defaults, hw_version, board, compat, -global, -device."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pyqemu.api import VirtualMachine
from pyqemu.hw.catalog import device_class
from pyqemu.launch import DeviceConfig, GlobalConfig, LaunchConfig
from pyqemu.machines import registry
from pyqemu.machines.document import Place
from pyqemu.machines.registry import Registry
from pyqemu.machines.schema import DeviceNode
from pyqemu.machines.settings import is_a, settings

Write = Callable[..., Path]


@pytest.fixture
def bios(tmp_path: Path) -> str:
    path = tmp_path / "bios.bin"
    path.write_bytes(b"\xf4" * 65536)
    return str(path)


@pytest.fixture
def build(builtin: Path, bios: str, monkeypatch: pytest.MonkeyPatch) -> Callable[..., VirtualMachine]:
    """``build("type", …)`` → a machine of that type, to look at; *builtin* holds the types."""
    monkeypatch.setattr(registry, "machines_dir", lambda: builtin)
    built: list[VirtualMachine] = []

    def build_one(name: str, **options: object) -> VirtualMachine:
        config = LaunchConfig(machine=name, bios=bios, nodefaults=True, ram_bytes=16 << 20)
        for option, value in options.items():
            setattr(config, option, value)
        built.append(VirtualMachine(config))
        return built[-1]

    yield build_one  # type: ignore[misc]
    for vm in built:
        vm.close()


def vgamem(vm: VirtualMachine) -> int:
    """MiB, as the guest sees it: the size of BAR 0 of slot 2."""
    assert vm.board
    ports = vm.board.isa.ports
    ports.write(0xCF8, 4, 0x80001010)
    ports.write(0xCFC, 4, 0xFFFFFFFF)
    mask = ports.read(0xCFC, 4) & ~0xF
    return ((mask ^ 0xFFFFFFFF) + 1) >> 20


def test_layers_in_order(write: Write) -> None:
    write("a", "board: pc", "hw_version: 0.1", "defaults: {piix3-ide: {ver: d}}")
    folder = write("b", "inherits: a", "compat: [{driver: piix3-ide, property: ver, value: c}]")
    node = DeviceNode("ide", "piix3-ide", props={"ver": "board"}, places={"ver": Place(Path("pc.yaml"), 1, 1)})
    found = list(settings(Registry(folder).get("b"), device_class("piix3-ide"), node))
    assert [(one.layer, one.value, one.owner) for one in found] == [
        ("defaults", "d", "a"),
        ("hw_version", "0.1", "a"),
        ("board", "board", "pc"),
        ("compat", "c", "b"),
    ]
    assert str(found[-1].place).endswith("b.yaml:3:10")


def test_a_driver_may_be_a_parent_of_the_device(write: Write) -> None:
    kind = device_class("VGA")
    assert is_a(kind, "VGA") and is_a(kind, "device") and not is_a(kind, "isa-vga")


def test_precedence_as_a_guest_sees_it(write: Write, build: Callable[..., VirtualMachine]) -> None:
    """Each layer wins over those before it: the size of the VGA memory, read from the BAR."""
    write("a", "board: pc", "default_display: std")
    write("b", "inherits: a", "defaults: {VGA: {vgamem_mb: 2}}")
    write("c", "inherits: b", "compat: [{driver: VGA, property: vgamem_mb, value: 4}]")
    write("d", "inherits: c", "compat: [{driver: VGA, property: vgamem_mb, value: 32}]")
    set_global = [GlobalConfig("VGA", "vgamem_mb", "64")]
    sizes = [vgamem(build(name, vga="std")) for name in "abcd"]
    assert sizes == [16, 2, 4, 32]
    assert vgamem(build("d", vga="std", globals=set_global)) == 64


def test_device_wins_over_global_wins_over_compat(write: Write, build: Callable[..., VirtualMachine]) -> None:
    write("a", "board: pc", "compat: [{driver: isa-debug-exit, property: iobase, value: 0x200}]")

    def port(props: dict[str, str], *given: GlobalConfig) -> int:
        vm = build("a", devices=[DeviceConfig("isa-debug-exit", props, id="exit")], globals=list(given))
        assert vm.board
        vm.board.isa.ports.write(vm.board.devices["exit"].iobase, 1, 3)  # type: ignore[attr-defined]
        assert vm.power.exit_status == 7  # it answers there
        return int(vm.board.devices["exit"].iobase)  # type: ignore[attr-defined]

    set_global = GlobalConfig("isa-debug-exit", "iobase", "0x300")
    assert port({}) == 0x200
    assert port({}, set_global) == 0x300
    assert port({"iobase": "0x400"}, set_global) == 0x400


def test_the_boards_own_properties_lose_to_compat(write: Write, build: Callable[..., VirtualMachine]) -> None:
    write("a", "board: pc", "compat: [{driver: isa-pit, property: iobase, value: 0x140}]")
    vm = build("a")
    assert vm.board
    assert vm.board.devices["pit"].iobase == 0x140  # type: ignore[attr-defined]


def test_a_type_may_have_no_graphics_card_by_default(write: Write, build: Callable[..., VirtualMachine]) -> None:
    write("a", "board: pc", "default_display: none")
    write("b", "board: pc", "default_display: cirrus")  # not here: the standard VGA stands in

    def slot_2(name: str, **options: object) -> int:
        vm = build(name, **{"nodefaults": False, **options})
        assert vm.board
        vm.board.isa.ports.write(0xCF8, 4, 0x80001000)
        return vm.board.isa.ports.read(0xCFC, 4)

    nothing, standard = 0xFFFFFFFF, 0x11111234
    assert [slot_2("a"), slot_2("a", vga="std"), slot_2("b"), slot_2("b", vga="none")] == [
        nothing,
        standard,
        standard,
        nothing,
    ]
    assert [slot_2("b", nodefaults=True), slot_2("b", nodefaults=True, vga="std")] == [nothing, standard]
