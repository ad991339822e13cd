"""Machine types: our own definitions, inheritance, and everything that can be wrong with a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pyqemu.core.errors import ConfigError
from pyqemu.machines import loader
from pyqemu.machines.loader import MAX_FILE_BYTES, read_policy, read_yaml, search_path
from pyqemu.machines.registry import MachineType, Registry
from pyqemu.paths import machines_dir

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """``write("name", "board: pc", …)`` → the directory of a machine type file with these lines."""

    def write_file(name: str, *lines: str) -> Path:
        (tmp_path / f"{name}.yaml").write_text("\n".join([f"name: {name}", *lines]))
        return tmp_path

    return write_file


def complaint(directory: Path) -> str:
    """The message and hint for a directory with something wrong in it."""
    with pytest.raises(ConfigError) as caught:
        Registry.load([directory])
    return f"{caught.value}\n{caught.value.hint}".replace(f"{directory}/", "").rstrip()


def settings_of(machine: MachineType) -> list[str]:
    return [str(entry) for entry in machine.compat]


# -- our own types ----------------------------------------------------------------------------------------


def test_the_default_has_three_ways_to_say_it() -> None:
    registry = Registry.load([machines_dir()])
    assert registry.find() is registry.find("pc") is registry.find("pc-1.0")


def test_pc_next_is_never_the_default_and_has_no_alias() -> None:
    machine = Registry.load([machines_dir()]).find("pc-next")
    assert (machine.default, machine.alias, machine.compat) == (False, "", ())


def test_pc_1_0_is_complete() -> None:
    machine = Registry.load([machines_dir()]).find("pc-1.0")
    assert (machine.board, machine.hw_version, machine.max_cpus) == ("pc", "1.0", 255)
    assert (machine.default_cpu, machine.default_ram, machine.desc) == ("qemu64", 128 << 20, "Standard PC")
    assert machine.lineage == ("pc-1.0", "pc-next")
    expected = """
        pc-sysfw.rom_only=1 isa-fdc.check_media_rate=off virtio-balloon-pci.class=0x0500 apic.vapic=off
        usb-device.full-path=off virtio-scsi-pci.hotplug=off virtio-scsi-pci.param_change=off VGA.vgamem_mb=8
        vmware-svga.vgamem_mb=8 qxl-vga.vgamem_mb=8 qxl.vgamem_mb=8 virtio-blk-pci.config-wce=off
        nec-usb-xhci.msi=off nec-usb-xhci.msix=off ivshmem.use64=0 qxl.revision=3 qxl-vga.revision=3 VGA.mmio=off
        usb-tablet.usb_version=1 virtio-net-pci.ctrl_mac_addr=off virtio-net-pci.mq=off e1000.autonegotiation=off
        """
    assert sorted(settings_of(machine)) == sorted(expected.split())


def test_isapc_is_another_board() -> None:
    machine = Registry.load([machines_dir()]).find("isapc")
    assert (machine.board, machine.max_cpus, machine.default_cpu, machine.desc) == (
        "isapc",
        1,
        "486",
        "ISA-only PC",
    )
    assert settings_of(machine) == ["pc-sysfw.rom_only=1"]


def test_the_policy_reads() -> None:
    policy = read_policy()
    assert (policy.locks, policy.stable_types) == ("open", 4)


# -- inheritance ------------------------------------------------------------------------------------------


def test_a_vendor_type_inherits_and_differs(write: Write) -> None:
    directory = write(
        "acme-1",
        "inherits: pc-1.0",
        "alias: acme",
        "desc: ACME PC",
        "default_ram: 1G",
        "compat: [{driver: VGA, property: vgamem_mb, value: 16}]",
    )
    machine = Registry.load([machines_dir(), directory]).find("acme")
    assert (machine.name, machine.board, machine.hw_version, machine.default_ram) == (
        "acme-1",
        "pc",
        "1.0",
        1 << 30,
    )
    assert settings_of(machine)[-1] == "VGA.vgamem_mb=16"  # after what it inherits, so it wins
    assert "VGA.vgamem_mb=8" in settings_of(machine)
    assert not machine.default


def test_own_properties_are_not_passed_on(write: Write) -> None:
    write("a", "board: pc", "compat: [{driver: d, property: p, value: a}]")
    write("b", "inherits: a", "compat_own: [{driver: d, property: own, value: b}]")
    directory = write("c", "inherits: b", "compat: [{driver: d, property: p, value: c}]")
    registry = Registry.load([directory])
    assert settings_of(registry.find("b")) == ["d.p=a", "d.own=b"]
    assert settings_of(registry.find("c")) == ["d.p=a", "d.p=c"]


def test_names_are_in_order_of_age_within_a_family(write: Write) -> None:
    directory = write("acme", "inherits: pc-1.0")
    assert Registry.load([machines_dir(), directory]).names() == ["pc-next", "pc-1.0", "acme", "isapc"]


def test_values_are_what_global_would_have(write: Write) -> None:
    values = ["off", "yes", "0x10", "'0x10'", "text", "'1.0'"]
    entries = ", ".join(f"{{driver: d, property: p, value: {value}}}" for value in values)
    machine = Registry.load([write("a", "board: pc", f"compat: [{entries}]")]).find("a")
    assert [entry.value for entry in machine.compat] == ["off", "on", "16", "0x10", "text", "1.0"]


# -- mistakes ---------------------------------------------------------------------------------------------


def test_unknown_type_is_said_as_qemu_says_it() -> None:
    with pytest.raises(ConfigError, match=r"^unsupported machine type$") as caught:
        Registry.load([machines_dir()]).find("pc-1.1")
    assert caught.value.hint == (
        "Use -machine help to list supported machines\nThe value was 'pc-1.1'. Did you mean 'pc-1.0'?"
    )


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["bord: pc"], "a.yaml: unknown key 'bord'\nDid you mean 'board'?"),
        (["1: pc"], "a.yaml: unknown key '1'\nAccepted: name, alias"),
        (["board: 5"], "a.yaml: 'board' expects a name of letters"),
        (["board: ../../etc/passwd"], "a.yaml: 'board' expects a name of letters"),
        (["alias: pc-1.0"], "a.yaml: 'board' is missing"),
        (["board: pc", "hw_version: 1.0"], "a.yaml: 'hw_version' expects one line of text"),
        (["board: pc", "desc: [a]"], "a.yaml: 'desc' expects one line of text"),
        (["board: pc", 'desc: "a\\nb"'], "a.yaml: 'desc' expects one line of text"),
        (["board: pc", "default: 1"], "a.yaml: 'default' expects true or false"),
        (["board: pc", "max_cpus: 256"], "a.yaml: 'max_cpus' expects a number from 1 to 255\nThe value was 256."),
        (["board: pc", "max_cpus: true"], "a.yaml: 'max_cpus' expects a number"),
        (["board: pc", "default_ram: 1Q"], "a.yaml: 'default_ram' expects a memory size"),
        (["board: pc", "default_ram: 1k"], "a.yaml: 'default_ram' expects a memory size"),
        (["board: pc", "compat: x"], "a.yaml: 'compat' expects a list"),
        (["board: pc", "compat: [x]"], "a.yaml: 'compat' expects entries of exactly"),
        (["board: pc", "compat: [{driver: d}]"], "a.yaml: 'compat' expects entries of exactly"),
        (["board: pc", "compat: [{driver: d, property: p, value: 1.5}]"], "a.yaml: 'compat' expects text"),
        (["board: pc", "compat: [{driver: [], property: p, value: 1}]"], "a.yaml: 'compat' expects a name"),
        (["board: pc", "board: isapc"], "a.yaml: line 3: 'board' is there twice"),
        (["inherits: b"], "a.yaml: inherits 'b', which does not exist"),
        (["inherits: a"], "a.yaml: 'inherits' goes round in a circle\na → a"),
        (["board: !!python/object/apply:os.system [id]"], "a.yaml: line 2: could not determine a constructor"),
        (["board: ["], "a.yaml: line "),
        (["? [x, y]", ": z"], "a.yaml: line 2: found unhashable key"),
        (["board: &b [*b]"], "a.yaml: 'board' expects a name"),
        (["board: 9999-99-99"], "a.yaml: not valid YAML"),
        (["x: " + "[" * 5000], "a.yaml: "),
    ],
)
def test_bad_files_are_refused_by_name(lines: list[str], message: str, write: Write) -> None:
    assert complaint(write("a", *lines)).startswith(message)


@pytest.mark.parametrize("text", ["", "- a\n", "just text", "\x00", "\xff\xfe", "a: b: c"])
def test_files_that_are_no_mapping(text: str, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(text, encoding="latin-1")
    assert complaint(tmp_path).startswith("a.yaml: ")


def test_the_name_is_the_files(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("name: b\nboard: pc\n")
    assert complaint(tmp_path) == "a.yaml: 'name' expects 'a', like the file\nThe value was 'b'."
    (tmp_path / "a.yaml").write_text("board: pc\n")
    assert complaint(tmp_path) == "a.yaml: 'name' expects 'a', like the file\nThe key is missing."


def test_two_types_may_not_share_alias_default_or_name(write: Write, tmp_path: Path) -> None:
    write("a", "board: pc", "alias: x", "default: true")
    directory = write("b", "board: pc", "alias: x")
    assert complaint(directory) == "b.yaml: alias 'x' belongs to 'a' already"
    write("b", "board: pc", "alias: a")
    assert complaint(directory) == "b.yaml: alias 'a' is the name of a machine type"
    write("b", "board: pc", "default: true")
    assert complaint(directory).startswith("b.yaml: 'default' belongs to 'a' already")
    with pytest.raises(ConfigError, match=r"^machine type 'a' is defined twice$"):
        Registry.load([directory, directory])


def test_circles_of_any_length(write: Write) -> None:
    write("a", "inherits: b")
    write("b", "inherits: c")
    assert complaint(write("c", "inherits: a")) == "c.yaml: 'inherits' goes round in a circle\na → b → c → a"


def test_big_files_and_odd_files(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("#" * (MAX_FILE_BYTES + 1))
    assert complaint(tmp_path) == "a.yaml: larger than 256 KiB"
    path.unlink()
    path.mkdir()
    assert complaint(tmp_path) == "a.yaml: not a regular file"
    with pytest.raises(ConfigError, match=r"^Could not open '.*': No such file or directory$"):
        read_yaml(tmp_path / "b.yaml")


def test_search_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    system = tmp_path / "system"
    monkeypatch.setattr(loader, "SYSTEM_DIR", system)
    monkeypatch.setenv("PYQEMU_MACHINE_PATH", f":{tmp_path}:")
    assert search_path() == [machines_dir(), tmp_path]
    system.mkdir()
    assert search_path() == [machines_dir(), system, tmp_path]
    monkeypatch.setenv("PYQEMU_MACHINE_PATH", str(tmp_path / "nowhere"))
    with pytest.raises(ConfigError, match=r"^PYQEMU_MACHINE_PATH: '.*nowhere' is not a directory$"):
        search_path()


KEYS = ("name", "alias", "inherits", "desc", "default", "board", "hw_version", "max_cpus", "default_ram", "compat")
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.just("a")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.sampled_from(KEYS), VALUES))
def test_any_document_is_a_machine_type_or_a_complaint(tmp_path: Path, document: dict[str, object]) -> None:
    import yaml

    (tmp_path / "a.yaml").write_text(yaml.safe_dump(document))
    try:
        assert Registry.load([tmp_path]).find("a").name == "a"
    except ConfigError as error:
        assert "a.yaml" in str(error)
