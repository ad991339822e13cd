"""States of every version of pyqemu load, and what the machine was doing goes on."""

from __future__ import annotations

import io
import lzma
import shutil
from pathlib import Path

import pytest
from compat.scenes import MACHINES, SCENES, STREAMS, Scene
from migration.conftest import state_of

from pyqemu import __version__, migration
from pyqemu.machines.registry import Registry

KEPT = sorted(STREAMS.glob("*/*/*.xz"))
REMAKE = "If the layout is still open and this change is meant: make streams"


def play(path: Path, directory: Path) -> None:
    kind, machine = SCENES[path.stem], path.parent.name
    scene = Scene(machine, kind, directory, saved=True)
    try:
        before = state_of(scene)
        try:
            migration.load_vm(scene, io.BytesIO(lzma.decompress(path.read_bytes())))
        except migration.MigrationError as error:
            if machine != "pc-next":
                pytest.fail(f"{error}\n{error.hint}\n{REMAKE}")
            # What has no promise is loaded or refused with the difference, and nothing has changed then.
            assert "is not the one of this build" in str(error) and error.hint, error
            assert state_of(scene) == before
            return
        kind.go_on(scene)
    finally:
        scene.close()


@pytest.mark.parametrize("path", KEPT, ids=["-".join([*path.parts[-3:-1], path.stem]) for path in KEPT])
def test_a_state_of_then_goes_on_now(path, tmp_path):
    play(path, tmp_path)


@pytest.mark.parametrize("name", SCENES)
def test_the_scene_plays_without_a_stream(name, tmp_path):
    kind = SCENES[name]
    if kind.bios in ("idle", "fire") and shutil.which("nasm") is None:
        pytest.skip("nasm is not there")
    scene = Scene("pc-1.0", kind, tmp_path, saved=False)
    try:
        kind.enter(scene)
        kind.go_on(scene)
    finally:
        scene.close()


@pytest.mark.parametrize("name", SCENES)
def test_a_scene_does_not_go_on_from_power_on(name, tmp_path):
    """Or going on would prove nothing."""
    scene = Scene("pc-1.0", SCENES[name], tmp_path, saved=True)
    try:
        with pytest.raises(AssertionError):
            SCENES[name].go_on(scene)
    finally:
        scene.close()


def test_this_version_has_a_stream_of_every_machine_and_scene():
    found = {(path.parent.name, path.stem) for path in KEPT if path.parts[-3] == __version__}
    assert found == {(machine, name) for machine in MACHINES for name in SCENES}
    assert set(MACHINES) == set(Registry.load([]).names()) - {"pc", "xenfv", "none"}
