"""Freezing: what pc-next is today becomes a stable type, and nothing that happens to pc-next later reaches it."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from shutil import copytree

import pytest

from pyqemu.core.device import Prop
from pyqemu.core.errors import ConfigError
from pyqemu.hw.catalog import CATALOG, device_class
from pyqemu.machines import freeze as freezing
from pyqemu.machines.check import check_types
from pyqemu.machines.freeze import Frozen, freeze, scalar
from pyqemu.machines.lock import abi_of, compare, read_lock
from pyqemu.machines.policy import Life
from pyqemu.machines.registry import Registry
from pyqemu.paths import machines_dir

DAY = date(2029, 1, 15)  # two years after the first release


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def make(folder: Path) -> Path:
    """Our types as they may be when 2.0 is to come: locks closed, both releases listed. Some heirs are left out,
    since each takes time to build."""
    ours = copytree(machines_dir(), folder)
    for name in ("pc-0.14", "pc-0.13", "pc-0.12", "pc-0.11", "pc-0.10"):
        (ours / f"{name}.yaml").unlink()
        (ours / "abi" / f"{name}.json").unlink()
    replace(ours / "policy.yaml", "locks: open", "locks: closed")
    replace(ours / "policy.yaml", '"1.1": planned', '"1.1": 2027-01-15\n  "2.0": planned')
    return ours


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make(tmp_path / "types")


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Frozen]:
    """A directory in which pc-2.0 has been frozen, and what freezing said. Copy it to change it."""
    folder = make(tmp_path_factory.mktemp("frozen") / "types")
    return folder, freeze(Registry(folder, release=(2, 0)), "pc-2.0", today=DAY)


def at(folder: Path, major: int, minor: int = 0) -> Registry:
    return Registry(folder, release=(major, minor))


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def is_locked(name: str, registry: Registry) -> bool:
    return not compare(read_lock(name, registry.directory), abi_of(name, registry))


# -- what is written --------------------------------------------------------------------------------------


def test_a_type_a_board_and_a_lock(done: tuple[Path, Frozen]) -> None:
    folder, frozen = done
    assert [str(path.relative_to(folder)) for path in frozen.files] == [
        "boards/pc-2.0.yaml",
        "abi/pc-2.0.json",
        "pc-2.0.yaml",
        "pc-1.0.yaml",
    ]
    assert frozen.heirs == ("pc-1.0",)
    machine = at(folder, 2).find("pc-2.0")
    assert (machine.stability, machine.since, machine.hw_version) == ("stable", (2, 0), "2.0")
    assert (machine.board_path, machine.default, machine.alias) == (folder / "boards" / "pc-2.0.yaml", False, "")
    assert at(folder, 2).find().name == "pc-1.0"  # the default stays until somebody moves it


def test_it_is_pc_next_but_for_its_version(done: tuple[Path, Frozen]) -> None:
    texts = [str(difference) for difference in done[1].differences]
    assert texts
    assert all("2.0" in text and ("version" in text or ".ver:" in text or "revision" in text) for text in texts), (
        texts
    )


def test_every_check_passes_after_it(done: tuple[Path, Frozen]) -> None:
    assert [str(finding) for finding in check_types(at(done[0], 2))] == []


def test_the_older_type_only_inherits_another(done: tuple[Path, Frozen]) -> None:
    new = (done[0] / "pc-1.0.yaml").read_text()
    assert new.replace("inherits: pc-2.0", "inherits: pc-next") == (machines_dir() / "pc-1.0.yaml").read_text()
    assert at(done[0], 2).get("pc-0.15").lineage == ("pc-0.15", "pc-1.0", "pc-2.0", "pc-next")


def test_the_newest_hardware_still_leads_the_list(done: tuple[Path, Frozen]) -> None:
    assert at(done[0], 2).names() == ["pc-next", "pc-2.0", "pc-1.0", "pc-0.15", "isapc", "none"]


def test_its_life_is_the_policys(done: tuple[Path, Frozen]) -> None:
    folder = done[0]
    with pytest.raises(ConfigError, match=r"comes with release 2\.0"):
        at(folder, 1, 9).find("pc-2.0")
    lives = {
        release: [at(folder, release).get(name).life for name in ("pc-1.0", "pc-0.15", "pc-2.0", "pc-next")]
        for release in (2, 3, 4, 5)
    }
    current, deprecated, removed = Life.CURRENT, Life.DEPRECATED, Life.REMOVED
    assert lives == {
        2: [current, current, current, current],
        3: [deprecated, deprecated, current, current],
        4: [removed, removed, deprecated, current],
        5: [removed, removed, removed, current],
    }
    assert at(folder, 3).deprecation(at(folder, 3).find("pc-1.0")) == "past its support - use 'pc-2.0' instead"
    with pytest.raises(ConfigError) as caught:
        at(folder, 4).find("pc-1.0")
    assert "is past its life" in str(caught.value)
    assert at(folder, 1, 5).find("pc-1.0").life is current  # its parent's release does not matter


# -- what pc-next does later ------------------------------------------------------------------------------


@pytest.fixture
def later(done: tuple[Path, Frozen], tmp_path: Path) -> Path:
    return copytree(done[0], tmp_path / "later")


def assert_only_pc_next_changed(folder: Path) -> None:
    registry = at(folder, 2)
    assert not is_locked("pc-next", registry)
    for name in ("pc-2.0", "pc-1.0"):
        assert is_locked(name, registry), name


def test_a_new_default_of_a_property_reaches_pc_next_alone(later: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_class("VGA").props["vgamem_mb"], "default", 32)
    monkeypatch.setattr(device_class("isa-pcspk").props["iobase"], "default", 0x161)
    assert_only_pc_next_changed(later)


def test_a_new_device_on_the_board_reaches_pc_next_alone(later: Path) -> None:
    replace(
        later / "boards" / "pc.yaml",
        "  - {id: fdc, type: isa-fdc}\n",
        "  - {id: fdc, type: isa-fdc}\n  - {id: exit, type: isa-debug-exit}\n",
    )
    assert_only_pc_next_changed(later)


def test_a_device_that_moves_or_goes_does_so_on_pc_next_alone(later: Path) -> None:
    replace(later / "boards" / "pc.yaml", 'type: VGA, slot: "2.0"', 'type: VGA, slot: "5.0"')
    replace(later / "boards" / "pc.yaml", "  - {id: speaker, type: isa-pcspk, props: {pit: pit}}\n", "")
    assert_only_pc_next_changed(later)


def test_new_keys_of_pc_next_stay_there(later: Path) -> None:
    replace(later / "pc-next.yaml", "default_cpu: qemu64", "default_cpu: core2duo")
    replace(later / "pc-next.yaml", "max_cpus: 255", "max_cpus: 200")
    assert_only_pc_next_changed(later)
    assert at(later, 2).get("pc-2.0").max_cpus == at(later, 2).get("pc-1.0").max_cpus == 255


def test_behaviour_without_a_property_meets_the_lock(later: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_class("PIIX4_PM"), "revision", 9)
    findings = {finding.about: finding for finding in check_types(at(later, 2))}
    assert {"pc-2.0", "pc-1.0", "pc-next"} <= set(findings)
    assert "revision" in str(findings["pc-2.0"].differences[0])
    assert findings["pc-2.0"].hint.startswith("Its lock is closed. Give the new behaviour a property")
    assert findings["pc-next"].hint == "If that is meant, 'pyqemu-machine lock pc-next' in the same commit."


def test_every_property_has_its_default_written_down(done: tuple[Path, Frozen]) -> None:
    written = {(entry.driver, entry.property): entry.value for entry in at(done[0], 2).get("pc-2.0").defaults}
    for driver in CATALOG:
        kind = device_class(driver)
        for prop in kind.props.values():
            if prop.kind in ("device", "chardev", "drive"):
                continue
            assert prop.parse(driver, written[driver, prop.name]) == prop.default, (driver, prop.name)


def test_a_device_may_get_new_properties_later(later: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kind = device_class("isa-pit")
    field = Prop.u32(7)
    field.bind("extra")  # type: ignore[attr-defined]
    monkeypatch.setitem(kind.props, "extra", field)  # type: ignore[arg-type]
    registry = at(later, 2)
    changed = [str(each) for each in compare(read_lock("pc-2.0", later), abi_of("pc-2.0", registry))]
    assert all("extra" in text for text in changed)


# -- the next one -----------------------------------------------------------------------------------------


def test_the_one_after_it(later: Path) -> None:
    """pc-3.0: pc-2.0 inherits it then, and all older ones through that."""
    replace(later / "policy.yaml", '"2.0": planned', '"2.0": 2029-01-15\n  "3.0": planned')
    frozen = freeze(at(later, 3), "pc-3.0", today=date(2031, 1, 15))
    assert frozen.heirs == ("pc-2.0",)
    registry = at(later, 3)
    assert registry.get("pc-1.0").lineage == ("pc-1.0", "pc-2.0", "pc-3.0", "pc-next")
    for name in ("pc-3.0", "pc-2.0", "pc-1.0"):
        assert is_locked(name, registry), name


# -- refusals ---------------------------------------------------------------------------------------------


def refusal(folder: Path, name: str = "pc-2.0", release: tuple[int, int] = (2, 0), today: date = DAY) -> str:
    """What freezing says, and that it has written nothing."""
    before = contents(folder)
    with pytest.raises(ConfigError) as caught:
        freeze(Registry(folder, release=release), name, today=today)
    assert contents(folder) == before
    return f"{caught.value}\n{caught.value.hint}".replace(f"{folder}/", "")


@pytest.mark.parametrize(
    ("name", "release", "message"),
    [
        ("pc-2", (2, 0), "'pc-2' is no name of a stable type\nAccepted: FAMILY-MAJOR.MINOR, like pc-2.0."),
        ("../pc-2.0", (2, 0), "'../pc-2.0' is no name of a stable type"),
        ("pc-02.0", (2, 0), "'pc-02.0' is no name of a stable type"),
        ("pc-1.0", (1, 0), "machine type 'pc-1.0' exists\npc-1.0.yaml"),
        ("q35-2.0", (2, 0), "there is no machine type 'q35-next' to freeze"),
        ("pc-2.0", (1, 4), "machine type 'pc-2.0' comes with release 2.0\nThis is 1.4."),
        ("pc-3.0", (2, 0), "machine type 'pc-3.0' comes with release 3.0\nThis is 2.0."),
        ("pc-3.0", (3, 0), "release 3.0 is not listed in policy.yaml\nAdd \"3.0\": planned under 'releases'"),
    ],
)
def test_names_and_releases(name: str, release: tuple[int, int], message: str, folder: Path) -> None:
    assert refusal(folder, name, release).startswith(message)


def test_not_while_locks_are_open(folder: Path) -> None:
    replace(folder / "policy.yaml", "locks: closed", "locks: open")
    assert refusal(folder).startswith("machine type 'pc-2.0' cannot be frozen while locks are open\nThe first")


def test_not_before_its_time(folder: Path) -> None:
    assert refusal(folder, today=date(2028, 3, 1)).startswith(
        "the policy forbids a new stable type: 2.0 comes 13 months after 1.1; "
        "between stable types there are 18 at least (cadence)\npolicy.yaml:"
    )


def test_not_with_a_minor_release_unless_the_policy_says_so(folder: Path) -> None:
    replace(folder / "policy.yaml", '"2.0": planned', '"1.2": planned\n  "2.0": planned')
    assert "1.2 is no major release" in refusal(folder, "pc-1.2", (1, 2))
    replace(folder / "policy.yaml", "release: major", "release: minor")
    replace(folder / "policy.yaml", "months: 18", "months: 6")
    assert "comes 4 months after 1.1" in refusal(folder, "pc-1.2", (1, 2), date(2027, 6, 1))
    assert freeze(at(folder, 1, 2), "pc-1.2", today=date(2027, 9, 1)).name == "pc-1.2"


def test_not_while_pc_next_differs_from_its_lock(folder: Path) -> None:
    replace(folder / "pc-next.yaml", "default_cpu: qemu64", "default_cpu: core2duo")
    text = refusal(folder)
    assert text.startswith("machine type 'pc-next' is not the machine that its lock describes\n")
    assert text.endswith("Lock it first: pyqemu-machine lock pc-next")


def test_not_if_an_older_type_would_change(folder: Path) -> None:
    replace(folder / "pc-1.0.yaml", "vgamem_mb, value: 8", "vgamem_mb, value: 4")
    assert refusal(folder).startswith("machine type 'pc-1.0' would not be what its lock says\n")


def test_what_cannot_be_written_leaves_everything_as_it_was(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = freezing.os.replace
    moved: list[Path] = []

    def replace_twice(source: Path, target: Path) -> None:
        if str(folder) in str(target):
            moved.append(target)
            if len(moved) == 4:
                raise PermissionError(13, "Permission denied", str(target))
        real(source, target)

    monkeypatch.setattr(freezing.os, "replace", replace_twice)
    assert refusal(folder) == "Could not write 'pc-1.0.yaml': Permission denied\nNothing was changed."
    assert len(moved) == 4


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("x", "x"),
        ("0x3f8", "0x3f8"),
        ("", "''"),
        ("-1", "'-1'"),
        ("null", "'null'"),
        ("~", "'~'"),
        ("a, b", "'a, b'"),
        ("a: b", "'a: b'"),
        ("{", "'{'"),
        ("it's", "'it''s'"),
    ],
)
def test_scalars(text: str, written: str, tmp_path: Path) -> None:
    from pyqemu.machines.document import read_document

    assert scalar(text) == written
    (tmp_path / "a.yaml").write_text(f"a: {{b: {scalar(text)}}}\n")
    node = read_document(tmp_path / "a.yaml").value["a"].value["b"]  # type: ignore[index,call-overload,union-attr]
    assert node.value == text


def test_the_command(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from pyqemu.machines import registry
    from pyqemu.machines.tool import freezing as command
    from pyqemu.machines.tool.program import main

    class Day(date):
        @classmethod
        def today(cls) -> Day:
            return cls(2029, 1, 15)

    monkeypatch.setattr(registry, "machines_dir", lambda: folder)
    monkeypatch.setattr(command, "date", Day)
    assert main(["freeze", "pc-2.0"]) == 1
    assert capsys.readouterr().err == (
        "pyqemu-machine: machine type 'pc-2.0' comes with release 2.0\nThis is 1.1.\n"
    )
    monkeypatch.setattr(registry, "__version__", "2.0.0")
    assert main(["freeze", "pc-2.0"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0] == "pc-2.0 is what pc-next is today"
    assert "pc-1.0: inherits pc-2.0 now, and is the same machine." in out
    assert main(["check"]) == 0
