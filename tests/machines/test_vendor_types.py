"""Vendors' types: files in other directories, which can add to ours and change nothing of them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pyqemu.api import VirtualMachine
from pyqemu.boards.tree import machine_tree
from pyqemu.core.errors import ConfigError
from pyqemu.launch import DriveConfig, LaunchConfig
from pyqemu.machines import registry as registry_module
from pyqemu.machines.policy import Life
from pyqemu.machines.registry import Registry, vendor_directories
from pyqemu.paths import machines_dir

Write = Callable[..., Path]
OURS = Registry(machines_dir()).names()


def load(*folders: Path) -> Registry:
    return Registry(machines_dir(), folders)


def problems(registry: Registry) -> list[str]:
    return [f"{error}".rsplit("/", 1)[-1] for error in registry.problems]


def test_a_type_inherits_ours_and_differs(vendor: Write) -> None:
    folder = vendor(
        "acme-1",
        "inherits: pc-1.0",
        "alias: acme",
        "desc: ACME PC",
        "default_ram: 1G",
        "compat: [{driver: VGA, property: vgamem_mb, value: 16}]",
    )
    registry = load(folder)
    machine = registry.find("acme")
    assert (machine.name, machine.board, machine.hw_version, machine.default_ram) == (
        "acme-1",
        "pc",
        "1.0",
        1 << 30,
    )
    assert str(machine.compat[-1]) == "VGA.vgamem_mb=16"  # after what it inherits, so it wins
    assert (machine.stability, machine.vendor, machine.default, machine.alias) == ("vendor", True, False, "acme")
    assert not registry.problems


def test_vendors_types_inherit_each_other_whatever_the_order(vendor: Write, tmp_path: Path) -> None:
    vendor("acme-1", "inherits: zulu-2")
    first = vendor("zulu-2", "inherits: pc-0.15")
    second = tmp_path / "second"
    second.mkdir()
    (second / "b-3.yaml").write_text("name: b-3\ninherits: acme-1\n")
    registry = load(second, first)
    assert registry.get("b-3").lineage[:4] == ("b-3", "acme-1", "zulu-2", "pc-0.15")
    assert registry.names() == [
        *OURS[:-2],
        "acme-1",
        "b-3",
        "isapc",
        "none",
        "zulu-2",
    ]  # not of our family: by name


def test_a_board_of_ones_own(vendor: Write) -> None:
    folder = vendor("acme-1", "board: acme", "default_cpu: 486")
    (folder / "boards").mkdir()
    (folder / "boards" / "acme.yaml").write_text("pci: off\ndevices: [{id: pic, type: isa-i8259}]\n")
    assert [node.id for node in machine_tree(load(folder).find("acme-1")).nodes] == ["pic"]


def test_a_board_named_like_ours_is_ours(vendor: Write) -> None:
    folder = vendor("acme-1", "board: pc")
    (folder / "boards").mkdir()
    (folder / "boards" / "pc.yaml").write_text("pci: off\ndevices: []\n")
    assert load(folder).find("acme-1").board_path == machines_dir() / "boards" / "pc.yaml"


@pytest.mark.parametrize(
    ("missing", "interface", "message"),
    [
        ("ide", "ide", "-hda x: machine type does not support if=ide,bus=0,unit=0"),
        ("fdc", "floppy", "-hda x: machine type does not support if=floppy,bus=0,unit=0"),
        ("pic, pic2", "none", "board 'pc' has no interrupt controller"),
    ],
)
def test_what_a_type_lacks_is_missed(missing: str, interface: Any, message: str, vendor: Write) -> None:
    """A disk that the user names never vanishes because the type has no controller for it."""
    folder = vendor("acme", "inherits: pc-1.0", f"without: [{missing}]")
    drive = DriveConfig("", interface, media="cdrom", option="-hda x")
    with pytest.raises(ConfigError, match=f"^{message}"):
        VirtualMachine(LaunchConfig(machine="acme", machine_dirs=[str(folder)], drives=[drive]))
    VirtualMachine(LaunchConfig(machine="pc", drives=[drive])).close()


@pytest.mark.parametrize(
    ("name", "lines", "message"),
    [
        ("pc-1.0", ["board: isapc"], "pc-1.0.yaml:1:7: machine type 'pc-1.0' is defined in "),
        ("pc", ["board: isapc"], "/pc.yaml:1:7: 'pc' is the alias of 'pc-1.0' already"),
        ("none", ["inherits: pc-1.0"], "/none.yaml:1:7: machine type 'none' is defined in "),
        ("help", ["inherits: pc-1.0"], "/help.yaml:1:7: 'name' expects a name other than 'help'"),
        ("x", ["inherits: pc-1.0", "alias: help"], "x.yaml:3:8: 'alias' expects a name other than 'help'"),
        ("x", ["inherits: pc", "default: on"], "x.yaml:3:10: a vendor's type cannot be the default"),
        ("x", ["inherits: pc-1.0", "alias: pc"], "x.yaml:3:8: alias 'pc' belongs to 'pc-1.0' already"),
        ("x", ["inherits: pc-1.0", "alias: isapc"], "x.yaml:3:8: alias 'isapc' is the name of a machine type"),
        ("x", ["inherits: pc-1.0", "stability: stable"], "x.yaml:3:12: a vendor's type has the class 'vendor'"),
        ("x", ["inherits: pc-1.0", "stability: stabel"], "x.yaml:3:12: a vendor's type has the class 'vendor'"),
        ("x", ["inherits: pc"], "x.yaml:2:11: inherits 'pc', which is an alias and may move on"),
        ("x", ["inherits: pc-1.0", 'desc: "\\e[2J"'], "x.yaml:3:7: 'desc' expects one line of text"),
        ("x", ["inherits: pc-1.1"], "x.yaml:2:11: inherits 'pc-1.1', which does not exist"),
        ("x", ["inherits: x"], "x.yaml:2:11: 'inherits' goes round in a circle"),
        ("x", ["inherits: pc-1.0", "bord: pc"], "x.yaml:3:1: unknown key 'bord'"),
        ("x", ["board: acme"], "x.yaml:2:8: there is no board 'acme'"),
        ("x", ["{"], "x.yaml:"),
    ],
)
def test_a_bad_file_is_told_and_stops_nothing_else(
    name: str, lines: list[str], message: str, vendor: Write
) -> None:
    vendor("good", "inherits: pc-1.0")
    registry = load(vendor(name, *lines))
    (problem,) = registry.problems
    assert message in str(problem)
    assert all(line.isprintable() for line in f"{problem}\n{problem.hint}".splitlines())
    assert registry.find().name == registry.find("pc").name == "pc-1.0"
    assert registry.find("pc-1.0").path.parent == machines_dir()
    assert registry.names() == [*OURS[:-2], "good", "isapc", "none"]
    if name == "x":
        with pytest.raises(ConfigError) as caught:
            registry.find("x")  # by name, it is the file's mistake that counts
        assert caught.value is registry.problems[0]


def test_heirs_of_a_broken_file_share_its_mistake(vendor: Write) -> None:
    vendor("a", "inherits: b")
    vendor("b", "inherits: pc-1.0", "max_cpus: many")
    registry = load(vendor("c", "inherits: a"))
    assert [problem.split(": ")[0] for problem in problems(registry)] == ["b.yaml:3:11", "a.yaml:2:11"]
    assert registry.problems[1].hint == "Its file has a mistake."
    with pytest.raises(ConfigError, match="inherits 'b', which does not exist"):
        registry.find("c")
    assert registry.names() == OURS


def test_the_first_of_two_files_with_one_name_or_alias_counts(vendor: Write, tmp_path: Path) -> None:
    first = vendor("a", "inherits: pc-1.0", "alias: x", "desc: first")
    second = tmp_path / "second"
    second.mkdir()
    (second / "a.yaml").write_text("name: a\ninherits: pc-1.0\ndesc: second\n")
    (second / "b.yaml").write_text("name: b\ninherits: pc-1.0\nalias: x\n")
    registry = load(first, second)
    assert registry.find("a").desc == registry.find("x").desc == "first"
    assert [str(error).partition(": ")[2] for error in registry.problems] == [
        f"machine type 'a' is defined in {first}/a.yaml already",
        "alias 'x' belongs to 'a' already",
    ]


def test_odd_things_in_the_directory(vendor: Write) -> None:
    folder = vendor("good", "inherits: pc-1.0")
    os.mkfifo(folder / "pipe.yaml")
    (folder / "folder.yaml").mkdir()
    (folder / "gone.yaml").symlink_to("nowhere")
    (folder / "policy.yaml").write_text("locks: open")  # not theirs to say
    (folder / "notes.txt").write_text("{")
    (folder / ".hidden.yaml").write_text("{")
    registry = load(folder)
    assert len(registry.problems) == 3
    assert "good" in registry.names()


def test_a_directory_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    registry = load(tmp_path / "nowhere")
    assert str(registry.problems[0]) == f"Could not open '{tmp_path}/nowhere': No such file or directory"
    assert registry.names() == OURS


def test_a_vendors_type_lives_as_long_as_the_one_it_inherits(vendor: Write) -> None:
    folder = vendor("acme", "inherits: pc-0.15", "since: 2.4")
    lives = [Registry(machines_dir(), [folder], release=(major, 5)).get("acme").life for major in (2, 3, 4)]
    assert lives == [Life.CURRENT, Life.DEPRECATED, Life.REMOVED]


def test_the_search_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    system = tmp_path / "system"
    option = tmp_path / "option"
    option.mkdir()
    monkeypatch.setattr(registry_module, "SYSTEM_DIR", system)
    monkeypatch.setenv("PYQEMU_MACHINE_PATH", f":{tmp_path}:")
    assert vendor_directories() == [tmp_path]
    system.mkdir()
    assert vendor_directories([str(option)]) == [system, tmp_path, option]
    assert vendor_directories([str(tmp_path)]) == [system, tmp_path]
    with pytest.raises(ConfigError, match=r"^-machine-dir: '.*nowhere' is not a directory$"):
        vendor_directories([str(tmp_path / "nowhere")])
    monkeypatch.setenv("PYQEMU_MACHINE_PATH", str(tmp_path / "nowhere"))
    with pytest.raises(ConfigError, match=r"^PYQEMU_MACHINE_PATH: '.*nowhere' is not a directory$"):
        vendor_directories()


NAMES = st.sampled_from(["a", "b", "c", "pc", "pc-1.0", "isapc", "boards", "policy"])
LINES = st.dictionaries(
    st.sampled_from(["inherits", "alias", "board", "default", "stability"]),
    st.sampled_from(["a", "b", "c", "pc", "pc-1.0", "isapc", "on", "stable", "vendor", "x"]),
)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(NAMES, LINES, max_size=5))
def test_no_set_of_vendors_files_changes_ours(vendor: Write, files: dict[str, dict[str, str]]) -> None:
    path = vendor("a") / "a.yaml"
    for other in path.parent.glob("*.yaml"):
        other.unlink()
    for name, lines in files.items():
        vendor(name, *(f"{key}: {value}" for key, value in lines.items()))
    registry = load(path.parent)
    assert [known for known in registry.names() if not registry.get(known).vendor] == OURS
    assert registry.find().name == registry.find("pc").name == "pc-1.0"
    assert all(registry.get(known).path.parent == machines_dir() for known in OURS)
