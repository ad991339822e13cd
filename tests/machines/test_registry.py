"""Machine types of one directory: inheritance, names, and everything that can be wrong with a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pyqemu.boards.tree import machine_tree
from pyqemu.core.errors import ConfigError
from pyqemu.machines.check import check_types
from pyqemu.machines.document import MAX_BYTES
from pyqemu.machines.registry import MachineType, Registry
from pyqemu.machines.settings import check_settings
from pyqemu.paths import machines_dir

Write = Callable[..., Path]


def words(error: ConfigError, folder: Path) -> str:
    return f"{error}\n{error.hint}".replace(f"{folder}/", "").rstrip()


def complaint(folder: Path) -> str:
    """The message and hint for a built-in directory with something wrong in it."""
    with pytest.raises(ConfigError) as caught:
        for machine in Registry(folder).all():
            machine_tree(machine)
            check_settings(machine, defaults=True)
    return words(caught.value, folder)


def settings_of(machine: MachineType) -> list[str]:
    return [str(entry) for entry in machine.compat]


# -- names ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "match"),
    [
        ("pc-1.1", "Did you mean 'pc-1.0'?"),
        ("PC", "Did you mean 'pc'?"),
        ("PC-1.0", "Did you mean 'pc-1.0'?"),
        ("isa-pc", "Did you mean 'isapc'?"),
        ("something-else", ""),
    ],
)
def test_unknown_type_is_said_as_qemu_says_it(typed: str, match: str) -> None:
    with pytest.raises(ConfigError, match=r"^unsupported machine type$") as caught:
        Registry(machines_dir()).find(typed)
    expected = f"Use -machine help to list supported machines\nThe value was '{typed}'. {match}"
    assert caught.value.hint == expected.rstrip()


# -- inheritance ------------------------------------------------------------------------------------------


def test_own_properties_are_not_passed_on(write: Write) -> None:
    write("a", "board: pc", "compat: [{driver: d, property: p, value: a}]")
    write("b", "inherits: a", "alias: x", "compat_own: [{driver: d, property: own, value: b}]")
    registry = Registry(write("c", "inherits: b", "compat: [{driver: d, property: p, value: c}]"))
    assert settings_of(registry.get("b")) == ["d.p=a", "d.own=b"]
    assert settings_of(registry.get("c")) == ["d.p=a", "d.p=c"]
    assert registry.get("x").name == "b"
    assert (registry.get("c").alias, registry.get("b").default, registry.get("c").since) == ("", False, None)


def test_the_nearest_one_that_says_something_wins(write: Write) -> None:
    write("a", "board: pc", "max_cpus: 8", "default_ram: 64M", "desc: A")
    write("b", "inherits: a", "max_cpus: 4", "kvmclock: off")
    machine = Registry(write("c", "inherits: b", "desc: C")).get("c")
    assert (machine.max_cpus, machine.default_ram, machine.desc, machine.kvmclock) == (4, 64 << 20, "C", False)
    assert [machine.places[key].path.stem for key in ("max_cpus", "default_ram", "desc")] == ["b", "a", "c"]


def test_devices_are_added_and_left_out(write: Write) -> None:
    write("a", "board: pc", "without: [speaker]")
    folder = write("b", "inherits: a", "without: [fdc]", "devices: [{id: exit, type: isa-debug-exit}]")
    before, after = (machine_tree(machine).nodes for machine in (Registry(machines_dir()).get("pc-next"),
                                                                 Registry(folder).get("b")))  # fmt: skip
    assert [node.id for node in after] == [node.id for node in before if node.id not in ("speaker", "fdc")] + [
        "exit"
    ]


def test_values_are_the_text_that_global_would_have(write: Write) -> None:
    values = ["off", "yes", "0x10", "'0x10'", "text", "1.0", "'~'"]
    entries = ", ".join(f"{{driver: d, property: p, value: {value}}}" for value in values)
    machine = Registry(write("a", "board: pc", f"compat: [{entries}]")).get("a")
    assert [entry.value for entry in machine.compat] == ["off", "yes", "0x10", "0x10", "text", "1.0", "~"]
    assert str(machine.compat[1].place).endswith("a.yaml:3:48")


# -- mistakes ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["bord: pc"], "a.yaml:2:1: unknown key 'bord'\nDid you mean 'board'?"),
        (["1: pc"], "a.yaml:2:1: unknown key '1'\nAccepted: name, alias"),
        (["board: [x]"], "a.yaml:2:8: 'board' expects a name of letters"),
        (["board:"], "a.yaml:2:"),
        (["board: ../../etc/passwd"], "a.yaml:2:8: 'board' expects a name of letters"),
        (["board: pcc"], "a.yaml:2:8: there is no board 'pcc'\nDid you mean 'pc'?"),
        (["alias: pc-1.0"], "a.yaml:1:1: 'board' is missing"),
        (["board: pc", "desc: [a]"], "a.yaml:3:7: 'desc' expects one line of text"),
        (["board: pc", 'desc: "a\\nb"'], "a.yaml:3:7: 'desc' expects one line of text"),
        (["board: pc", "default: 1"], "a.yaml:3:10: 'default' expects on or off\nThe value was '1'."),
        (["board: pc", "max_cpus: 256"], "a.yaml:3:11: 'max_cpus' expects a number from 1 to 255"),
        (["board: pc", "max_cpus: true"], "a.yaml:3:11: 'max_cpus' expects a number"),
        (["board: pc", f"max_cpus: {'9' * 5000}"], "a.yaml:3:11: 'max_cpus' expects a number"),
        (["board: pc", "default_ram: 1Q"], "a.yaml:3:14: 'default_ram' expects a memory size"),
        (["board: pc", "default_ram: 1k"], "a.yaml:3:14: 'default_ram' expects a memory size"),
        (["board: pc", "default_display: vga"], "a.yaml:3:18: 'default_display' expects std, cirrus"),
        (["board: pc", "accel: hvf"], "a.yaml:3:8: 'accel' expects tcg, kvm or xen\nThe value was 'hvf'."),
        (["board: pc", "since: 1"], "a.yaml:3:8: 'since' expects a release, MAJOR.MINOR"),
        (["board: pc", "stability: stabel"], "a.yaml:3:12: there is no stability class 'stabel'\nDid you mean"),
        (["board: pc", "compat: x"], "a.yaml:3:9: 'compat' expects a list"),
        (["board: pc", "compat: [x]"], "a.yaml:3:10: expects lines of 'key: value'"),
        (["board: pc", "compat: [{driver: d}]"], "a.yaml:3:10: 'property' is missing"),
        (["board: pc", "compat: [{driver: [], property: p, value: 1}]"], "a.yaml:3:19: 'driver' expects a name"),
        (["board: pc", "compat: [{driver: d, property: p, valeu: 1}]"], "a.yaml:3:35: unknown key 'valeu'"),
        (["board: pc", "compat: [{driver: d, property: p, value: }]"], "a.yaml:3:42: 'value' expects one line"),
        (["board: pc", "defaults: {isa-fdc: 1}"], "a.yaml:3:21: expects {PROPERTY: VALUE, …}"),
        (["board: pc", "board: isapc"], "a.yaml:3:1: 'board' is there twice"),
        (["inherits: b"], "a.yaml:2:11: inherits 'b', which does not exist"),
        (["inherits: a"], "a.yaml:2:11: 'inherits' goes round in a circle\na → a"),
        (["board: pc", "without: [fcd]"], "a.yaml:3:10: board 'pc' has no device 'fcd'\nDid you mean 'fdc'?"),
        (["board: pc", "devices: [{id: x}]"], "a.yaml:3:11: 'type' is missing"),
        (["board: pc", "devices: [{id: x, type: VGA, slot: 32.0}]"], "a.yaml:3:36: 'slot' expects SLOT.FUNCTION"),
        (["board: pc", "devices: [{id: fdc, type: VGA}]"], "a.yaml:3:11: two devices are called 'fdc'"),
        (
            ["board: pc", "devices: [{id: x, type: Vga}]"],
            "a.yaml:3:11: there is no device type 'Vga'\nDid you mean",
        ),
        (
            ["board: pc", "compat:", "- {driver: VGA, property: vgamem, value: 8}"],
            "a.yaml:4:3: Property 'VGA.vgamem' not found\nDid you mean 'vgamem_mb'?",
        ),
        (
            ["board: pc", "compat_own: [{driver: VGA, property: vgamem_mb, value: lots}]"],
            "a.yaml:3:14: Parameter 'vgamem_mb' expects uint32\nThe value was 'lots'.",
        ),
        (
            ["board: pc", "defaults: {VGA: {vgamem_mb: 999}}"],
            "a.yaml:3:29: Property VGA.vgamem_mb doesn't take value",
        ),
    ],
)
def test_mistakes_are_told_with_their_place(lines: list[str], message: str, write: Write) -> None:
    assert complaint(write("a", *lines)).startswith(message)


def test_a_device_that_is_not_there_is_no_mistake(write: Write) -> None:
    machine = Registry(write("a", "board: pc", "compat: [{driver: qxl, property: revision, value: 3}]")).get("a")
    check_settings(machine)
    assert settings_of(machine) == ["qxl.revision=3"]


def test_a_device_that_is_not_there_keeps_a_type_from_running(write: Write) -> None:
    registry = Registry(write("a", "board: pc", "devices: [{id: x, type: qxl}]"))
    assert registry.names() == []
    with pytest.raises(ConfigError, match="'a' cannot run here: it needs the device qxl"):
        registry.find("a")


@pytest.mark.parametrize("text", ["", "- a\n", "just text", "~"])
def test_files_that_are_no_mapping(text: str, builtin: Path) -> None:
    (builtin / "a.yaml").write_text(text)
    assert complaint(builtin).startswith("a.yaml:1:1: expects lines of 'key: value'")


def test_the_name_is_the_files(builtin: Path) -> None:
    (builtin / "a.yaml").write_text("name: b\nboard: pc\n")
    assert complaint(builtin) == "a.yaml:1:7: 'name' expects 'a', like the file\nThe value was 'b'."
    (builtin / "a.yaml").write_text("board: pc\n")
    assert complaint(builtin).startswith("a.yaml:1:1: 'name' is missing")


def test_two_types_may_not_share_alias_or_default(write: Write) -> None:
    write("a", "board: pc", "alias: x", "default: on")
    folder = write("b", "board: pc", "alias: x")
    assert complaint(folder) == "b.yaml:3:8: alias 'x' belongs to 'a' already"
    write("b", "board: pc", "alias: a")
    assert complaint(folder) == "b.yaml:3:8: alias 'a' is the name of a machine type"
    write("b", "board: pc", "default: on")
    assert complaint(folder).startswith("b.yaml:3:10: 'default' belongs to 'a' already")


def test_circles_of_any_length(write: Write) -> None:
    write("a", "inherits: b")
    write("b", "inherits: c")
    assert complaint(write("c", "inherits: a")).startswith(
        "c.yaml:2:11: 'inherits' goes round in a circle\na → b → c"
    )


def test_a_line_of_ancestors_without_end(write: Write) -> None:
    write("t0", "board: pc")
    for number in range(1, 70):
        folder = write(f"t{number}", f"inherits: t{number - 1}")
    assert "has more than 64 ancestors" in complaint(folder)


def test_big_files_and_many_files(builtin: Path) -> None:
    (builtin / "a.yaml").write_text("#" * (MAX_BYTES + 1))
    assert complaint(builtin) == "a.yaml: larger than 256 KiB"
    for number in range(1001):
        (builtin / f"t{number}.yaml").touch()
    assert complaint(builtin).endswith("more than 1000 files")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("pci: true", "pci: maybe", ":7:6: 'pci' expects on or off"),
        ("pci: true", "pcie: true", ":7:1: unknown key 'pcie'\nDid you mean 'pci'?"),
        ("pci: true\n", "", ":7:1: 'pci' is missing"),
        ("type: isa-pit", "type: isa-pti", ":16:5: there is no device type 'isa-pti'\nDid you mean 'isa-pit'?"),
        ("id: pit,", "id: pic,", ":16:5: two devices are called 'pic'"),
        ('slot: "0.0"', 'slot: "0.8"', ":10:36: 'slot' expects SLOT.FUNCTION"),
        ("props: {iobase: 0x40}", "props: 3", ":16:37: 'props' expects {PROPERTY: VALUE"),
    ],
)
def test_mistakes_in_a_boards_file(old: str, new: str, message: str, ours: Path) -> None:
    path = ours / "boards" / "pc.yaml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    assert complaint(ours).startswith(f"boards/pc.yaml{message}")


KEYS = ("name", "alias", "inherits", "desc", "default", "board", "hw_version", "max_cpus", "default_ram", "compat",
        "compat_own", "defaults", "without", "devices", "since", "stability", "accel", "kvmclock")  # fmt: skip
INNER = ("driver", "property", "value", "id", "type", "slot", "props")
VALUES = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.sampled_from(["a", "pc"])
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS + INNER), inner, max_size=4),
    max_leaves=8,
)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.sampled_from(KEYS), VALUES), st.booleans())
def test_any_document_is_a_machine_type_or_a_complaint(
    builtin: Path, document: dict[str, object], named: bool
) -> None:
    import yaml

    if named:
        document |= {"name": "a", "board": "pc"}
    (builtin / "a.yaml").write_text(yaml.safe_dump(document))
    try:
        machine = Registry(builtin).get("a")
        assert machine.name == "a"
        machine_tree(machine)
        check_settings(machine, defaults=True)
    except ConfigError as error:
        assert f"{builtin}/a.yaml:" in str(error) or "unsupported" in str(error)


CHANGES = st.tuples(
    st.sampled_from(
        ["policy.yaml", "pc-1.0.yaml", "pc-0.13.yaml", "xenfv.yaml", "boards/pc.yaml", "boards/isapc.yaml"]
    ),
    st.floats(0, 1),
    st.integers(0, 12),
    st.text(alphabet="abc019 .:,-[]{}#'\"\n~&*!|>?%@\\\\", max_size=4),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(CHANGES, min_size=1, max_size=3))
def test_our_own_files_damaged_anywhere_are_types_or_a_complaint(
    ours: Path, changes: list[tuple[str, float, int, str]]
) -> None:
    """Some bytes cut out, others put in. Whatever is left, nothing but ConfigError comes of it."""
    whole = {name: (ours / name).read_text() for name, *_ in changes}
    texts = dict(whole)
    try:
        for name, where, cut, new in changes:
            at = int(where * len(texts[name]))
            texts[name] = texts[name][:at] + new + texts[name][at + cut :]
            (ours / name).write_text(texts[name])
        registry = Registry(ours)
        for finding in check_types(registry, locks=False):
            assert str(finding)
    except ConfigError as error:
        assert str(ours) in str(error)
    finally:
        for name, text in whole.items():
            (ours / name).write_text(text)
