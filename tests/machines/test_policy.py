"""The policy file, and life of types as releases go by."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pyqemu.core.errors import ConfigError
from pyqemu.machines.policy import Life, parse_release, read_policy
from pyqemu.machines.registry import Registry
from pyqemu.paths import machines_dir

Write = Callable[..., Path]
OLD = ["pc-1.0", "pc-0.15", "pc-0.14", "pc-0.13", "pc-0.12", "pc-0.11", "pc-0.10"]


@pytest.fixture
def frozen(ours: Path) -> Path:
    """Our types, and pc-2.0 as it will be."""
    (ours / "pc-2.0.yaml").write_text(
        "name: pc-2.0\ninherits: pc-next\nstability: stable\nsince: 2.0\nhw_version: 2.0\n"
    )
    return ours


def at(folder: Path, major: int, minor: int = 0) -> Registry:
    return Registry(folder, release=(major, minor))


def refusal(registry: Registry, name: str) -> str:
    with pytest.raises(ConfigError) as caught:
        registry.find(name)
    return f"{caught.value}\n{caught.value.hint}".rstrip()


def test_ours() -> None:
    policy = read_policy(machines_dir())
    assert (policy.locks_open, policy.cadence, policy.cadence_months) == (True, "major", 18)
    stable = policy.stability["stable"]
    assert (stable.lock, stable.supported, stable.deprecated) == ("frozen", 2, 1)
    assert policy.stability["next"].lock == "follows"


@pytest.mark.parametrize("release", [(1, 1), (1, 9), (2, 0), (2, 9)])
def test_pc_1_0_is_current_in_every_1_x_and_2_x(release: tuple[int, int], frozen: Path) -> None:
    registry = at(frozen, *release)
    for name in OLD:
        assert registry.find(name).life is Life.CURRENT
        assert not registry.deprecation(registry.get(name))
    assert registry.find().name == registry.find("pc").name == "pc-1.0"


def test_in_3_x_pc_1_0_and_its_heirs_still_run_and_name_the_type_to_move_to(frozen: Path) -> None:
    for minor in (0, 7):
        registry = at(frozen, 3, minor)
        for name in OLD:
            assert registry.find(name).life is Life.DEPRECATED
            assert registry.deprecation(registry.get(name)) == "past its support - use 'pc-2.0' instead"
        assert registry.find("pc-2.0").life is Life.CURRENT


def test_in_4_x_pc_1_0_and_its_heirs_are_refused_by_the_name_of_pc_2_0s_heir(frozen: Path) -> None:
    registry = at(frozen, 4)
    for name in OLD:
        assert refusal(registry, name) == (
            f"machine type '{name}' is past its life: the last release that supported it was 2.x"
        )
    (frozen / "pc-4.0.yaml").write_text("name: pc-4.0\ninherits: pc-next\nstability: stable\nsince: 4.0\n")
    registry = at(frozen, 4)
    assert refusal(registry, "pc").endswith("supported it was 2.x\nUse 'pc-4.0' instead.")
    assert registry.deprecation(registry.find("pc-2.0")) == "past its support - use 'pc-4.0' instead"
    assert registry.names() == ["pc-next", "pc-4.0", "pc-2.0", "isapc", "none"]


def test_pc_2_0_comes_with_2_0_and_lives_through_2_x_and_3_x(frozen: Path) -> None:
    assert refusal(at(frozen, 1, 9), "pc-2.0") == "machine type 'pc-2.0' comes with release 2.0"
    assert "pc-2.0" not in at(frozen, 1, 9).names()
    lives = [at(frozen, major, minor).get("pc-2.0").life.value for major in (2, 3, 4, 5) for minor in (0, 9)]
    assert lives == ["current"] * 4 + ["deprecated"] * 2 + ["removed"] * 2


def test_of_several_current_types_the_oldest_is_the_one_to_move_to(frozen: Path) -> None:
    (frozen / "pc-3.0.yaml").write_text("name: pc-3.0\ninherits: pc-next\nstability: stable\nsince: 3.0\n")
    assert at(frozen, 3).successor(at(frozen, 3).get("pc-1.0")) == "pc-2.0"
    assert at(frozen, 4).successor(at(frozen, 4).get("pc-1.0")) == "pc-3.0"


def test_pc_next_and_isapc_are_current_in_every_release(frozen: Path) -> None:
    for major in (1, 4, 40):
        assert {at(frozen, major, 1).find(name).life for name in ("pc-next", "isapc")} == {Life.CURRENT}


def test_an_heir_outlives_nobody_even_where_its_own_years_are_young(frozen: Path) -> None:
    (frozen / "pc-late.yaml").write_text("name: pc-late\ninherits: pc-1.0\nstability: stable\nsince: 2.5\n")
    assert at(frozen, 3).get("pc-late").life is Life.DEPRECATED


@pytest.mark.parametrize(
    ("version", "release"), [("1.1.0.dev0", (1, 1)), ("2.0", (2, 0)), ("10.12.3rc1", (10, 12))]
)
def test_versions(version: str, release: tuple[int, int]) -> None:
    assert parse_release(version) == release


@pytest.mark.parametrize("version", ["", "2", "two.zero", "2.x", "99999.1"])
def test_what_is_no_version(version: str) -> None:
    with pytest.raises(ConfigError, match="is not a version"):
        parse_release(version)


GOOD = """\
locks: closed
cadence: {release: major, months: 18}
releases:
  1.1: 2027-01-15
  1.2: planned
stability:
  vendor: {lock: none, promise: theirs}
  stable: {lock: frozen, promise: ours, supported: 2, deprecated: 1}
"""


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("locks: closed", "locks: shut", "policy.yaml:1:8: 'locks' expects open or closed"),
        ("locks: closed\n", "", "policy.yaml:1:1: 'locks' is missing"),
        ("release: major", "release: yearly", "policy.yaml:2:20: 'release' expects major or minor"),
        ("months: 18", "months: -1", "policy.yaml:2:35: 'months' expects a number from 0 to 240"),
        ("2027-01-15", "soon", "policy.yaml:4:8: expects the day of the release"),
        ("2027-01-15", "2027-02-30", "policy.yaml:4:8: expects the day of the release"),
        ("1.2: planned", "1.0: planned", "policy.yaml:5:3: release 1.0 stands after 1.1"),
        ("1.2: planned", "1.2: 2026-01-01", "policy.yaml:5:8: release 1.2 was made before 1.1"),
        (
            "2027-01-15\n  1.2: planned",
            "planned\n  1.2: 2027-01-15",
            "policy.yaml:5:8: release 1.2 was made before",
        ),
        ("1.2: planned", "next: planned", "policy.yaml:5:3: expects a release, MAJOR.MINOR"),
        ("lock: none", "lock: maybe", "policy.yaml:7:18: 'lock' expects frozen, follows or none"),
        (", promise: theirs", "", "policy.yaml:7:11: 'promise' is missing"),
        ("supported: 2", "suported: 2", "policy.yaml:8:41: unknown key 'suported'\nDid you mean 'supported'?"),
        ("  vendor:", "  vendors:", "policy.yaml:7:3: the class 'vendor' is missing"),
    ],
)
def test_mistakes_in_the_policy(old: str, new: str, message: str, tmp_path: Path) -> None:
    assert old in GOOD
    (tmp_path / "policy.yaml").write_text(GOOD)
    assert not read_policy(tmp_path).locks_open
    (tmp_path / "policy.yaml").write_text(GOOD.replace(old, new))
    with pytest.raises(ConfigError) as caught:
        read_policy(tmp_path)
    assert f"{caught.value}\n{caught.value.hint}".replace(f"{tmp_path}/", "").startswith(message)
