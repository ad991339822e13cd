"""Block nodes and drives as QEMU's clients see them."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from monitor.block_talk import (
    COMMIT,
    COMMIT_OPTIONS,
    IMAGES,
    JOB_IMAGES,
    JOB_OPTIONS,
    JOBS,
    NODES,
    OPTIONS,
    awaited,
    is_awaited,
    placed,
    plain,
    told,
)
from monitor.clients import QmpClient
from process.program import PATIENCE

from pyqemu.api import VirtualMachine
from pyqemu.block.drive import open_drive
from pyqemu.cli.options import parse
from pyqemu.core.errors import ConfigError
from pyqemu.monitor.hmp import Shell

GOLDEN: dict[str, Any] = json.loads((Path(__file__).parents[1] / "golden" / "block.json").read_text())


@pytest.fixture
def images(tmp_path: Path) -> Path:
    for name, size in IMAGES.items():
        (tmp_path / name).write_bytes(b"\1" * size)
    return tmp_path


@pytest.fixture
def build(images: Path) -> Iterator[Callable[..., VirtualMachine]]:
    """``build(option…)`` → a machine that does not run; ``@/`` is the folder of the images."""
    machines: list[VirtualMachine] = []

    def make(*options: str) -> VirtualMachine:
        words = [word.replace("@/", f"{images}/") for word in options]
        machines.append(VirtualMachine(parse(["-M", "pc-1.0", "-m", "16", "-display", "none", "-S", *words])))
        return machines[-1]

    yield make
    for vm in machines:
        vm.close()


def until(vm: VirtualMachine, client: QmpClient, event: str, seen: list[dict[str, Any]]) -> None:
    """Let the machine's jobs go on until an event, or a job's state, is among what the client has *seen*."""
    alarm = vm.loop.call_later(60 * PATIENCE, lambda: pytest.fail(f"no {event} after {seen}"))
    while not any(is_awaited(reply, event) for reply in seen):
        vm.loop.wait()
        seen += client.read()
    alarm.cancel()


def compare(vm: VirtualMachine, folder: Path, commands: tuple[Any, ...], answers: list[Any]) -> None:
    client = QmpClient(vm)
    for command, expected in zip(commands, answers, strict=True):
        got = client.ask(placed(command, folder))
        if event := awaited(command):
            until(vm, client, event, got)
        assert told([plain(reply, folder) for reply in got]) == expected, command


def test_nodes_and_drives_as_qemu_has_them(images: Path, build: Callable[..., VirtualMachine]) -> None:
    compare(build(*OPTIONS), images, NODES, GOLDEN["nodes"])


def test_jobs_as_qemu_has_them(images: Path, build: Callable[..., VirtualMachine]) -> None:
    for name, size in JOB_IMAGES.items():
        (images / name).write_bytes(b"\1" * size)
    compare(build(*JOB_OPTIONS), images, JOBS, GOLDEN["jobs"])


def test_commit_as_qemu_has_it(images: Path, build: Callable[..., VirtualMachine]) -> None:
    compare(build(*COMMIT_OPTIONS), images, COMMIT, GOLDEN["commit"])


# -- media that are nodes -------------------------------------------------------------------------------------


def test_a_node_in_a_drive_is_read_and_written(images: Path, build: Callable[..., VirtualMachine]) -> None:
    node = ("-blockdev", "file,node-name=f,filename=@/d.img", "-blockdev", "raw,node-name=n,file=f")
    vm = build(*node, "-device", "ide-hd,drive=n,id=D")
    drive = vm.drives["ide", 0]
    drive.write(512, b"x" * 512)
    assert (images / "d.img").read_bytes()[512:1024] == b"x" * 512
    entry = next(entry for entry in QmpClient(vm).execute("query-block") if entry.get("qdev") == "D")
    assert (entry["device"], entry["inserted"]["node-name"]) == ("", "n")
    assert "D" in [item["name"] for item in QmpClient(vm).execute("qom-list", path="/machine/peripheral")]


def test_the_guest_sees_a_medium_that_came_as_a_node_once_the_tray_is_shut(
    build: Callable[..., VirtualMachine],
) -> None:
    vm = build("-device", "ide-cd,id=C,bus=ide.0")
    client, unit = QmpClient(vm), vm.devices["ide"].channels[0].devices[0].unit
    client.execute("blockdev-open-tray", id="C")
    client.execute("blockdev-add", driver="null-co", node_name="n", size=1 << 20)
    client.execute("blockdev-insert-medium", id="C", node_name="n")
    assert (unit.tray_open, unit.cdrom_changed) == (True, 1)
    client.execute("blockdev-close-tray", id="C")
    assert (unit.tray_open, unit.cdrom_changed) == (False, 1)


def test_an_image_is_locked_while_a_drive_has_it(images: Path, build: Callable[..., VirtualMachine]) -> None:
    """Nodes alone lock nothing: two of them may stand on one image until one is written to."""
    vm, other = build(), build()
    first, second = QmpClient(vm), QmpClient(other)
    path = str(images / "d.img")
    for client in (first, second):
        assert client.execute("blockdev-add", driver="file", node_name="f", filename=path) == {}
        assert client.execute("blockdev-add", driver="raw", node_name="n", file="f") == {}
    vm.drives["floppy", 0].attach(vm.blocks.find("n"))
    refused = second.execute("blockdev-insert-medium", id="floppy0", node_name="n")["error"]["desc"]
    assert refused == 'Failed to get "write" lock'
    assert not other.drives["floppy", 0].inserted
    vm.drives["floppy", 0].eject()
    assert second.execute("blockdev-insert-medium", id="floppy0", node_name="n") == {}
    assert first.execute("blockdev-del", node_name="n") == {}


def test_a_medium_that_came_by_its_path_leaves_no_node_behind(
    images: Path, build: Callable[..., VirtualMachine]
) -> None:
    vm = build()
    client = QmpClient(vm)
    client.execute("blockdev-change-medium", device="ide1-cd0", filename=str(images / "d.img"), format="raw")
    assert len(vm.blocks.nodes) == 2
    client.execute("blockdev-change-medium", device="ide1-cd0", filename=str(images / "e.img"), format="raw")
    assert [node["file"] for node in client.execute("query-named-block-nodes")] == [str(images / "e.img")] * 2
    client.execute("eject", device="ide1-cd0")
    assert vm.blocks.nodes == {}


def test_nodes_and_drives_have_an_end(
    build: Callable[..., VirtualMachine], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pyqemu.block.graph.NODES", 3)
    monkeypatch.setattr("pyqemu.api.HOT_DRIVES", 2)
    vm = build()
    client = QmpClient(vm)
    answers = [client.execute("blockdev-add", driver="null-co", node_name=f"n{number}") for number in range(4)]
    assert answers[:3] == [{}] * 3
    assert "Too many block nodes" in answers[3]["error"]["desc"]
    hmp = Shell(vm).run_line
    assert [hmp(f"drive_add 0 if=none,id=d{number}") for number in range(3)][:2] == ["OK\n"] * 2
    assert "Too many drives" in hmp("drive_add 0 if=none,id=d3")
    assert hmp("drive_del d0") + hmp("drive_add 0 if=none,id=d4") == "OK\n"


def test_nodes_within_nodes_have_an_end(build: Callable[..., VirtualMachine]) -> None:
    options: dict[str, Any] = {"driver": "null-co"}
    for _ in range(100):
        options = {"driver": "raw", "file": options}
    answer = QmpClient(build()).execute("blockdev-add", **options, node_name="deep")
    assert "nested too deep" in answer["error"]["desc"]


def test_a_node_with_a_wrong_part_leaves_nothing(images: Path, build: Callable[..., VirtualMachine]) -> None:
    vm = build()
    good = {"driver": "file", "filename": str(images / "d.img"), "node-name": "x"}
    answer = QmpClient(vm).execute("blockdev-add", driver="raw", node_name="x", file=good)
    assert answer["error"]["desc"] == "Duplicate nodes with node-name='x'"
    assert vm.blocks.nodes == {}


def test_auto_read_only_opens_what_may_not_be_written(
    images: Path, build: Callable[..., VirtualMachine], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.open

    def guarded(path: str, flags: int, *rest: Any) -> int:
        if flags & os.O_ACCMODE != os.O_RDONLY:
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(path, flags, *rest)

    client = QmpClient(build())
    monkeypatch.setattr(os, "open", guarded)
    options = {"driver": "file", "filename": str(images / "d.img"), "node_name": "f"}
    assert "Permission denied" in client.execute("blockdev-add", **options)["error"]["desc"]
    assert client.execute("blockdev-add", **options, auto_read_only=True) == {}
    assert client.execute("query-named-block-nodes")[0]["ro"]


def test_a_drive_without_its_medium_fails_and_the_guest_lives(build: Callable[..., VirtualMachine]) -> None:
    vm = build("-drive", "file=@/d.img,format=raw,id=hd")
    ata = vm.devices["ide"].channels[0].devices[0]
    assert ata.sectors > 0
    assert Shell(vm).run_line("drive_del hd") == ""
    assert ata.sectors == 0
    with pytest.raises(ValueError, match="outside the medium"):
        ata.drive.read_into(0, bytearray(512))


def test_a_disk_that_grows(images: Path, build: Callable[..., VirtualMachine]) -> None:
    vm = build("-drive", "file=@/d.img,format=raw,id=hd", "-drive", "file=@/e.img,format=raw,id=s,snapshot=on")
    client = QmpClient(vm)
    assert client.execute("block_resize", device="hd", size=3 << 20) == {}
    assert vm.devices["ide"].channels[0].devices[0].sectors == 3 << 11
    assert (images / "d.img").stat().st_size == 3 << 20
    answer = client.execute("block_resize", device="s", size=3 << 20)
    assert answer["error"]["desc"] == "Image format driver does not support resize"
    assert (images / "e.img").stat().st_size == 1 << 20


# -- jobs -----------------------------------------------------------------------------------------------------


def test_what_a_job_uses_stays(images: Path, build: Callable[..., VirtualMachine]) -> None:
    vm = build("-drive", "file=@/d.img,format=raw,media=cdrom,id=cd")
    client, target = QmpClient(vm), str(images / "b.img")
    assert client.execute("drive-backup", device="cd", target=target, sync="full", speed=1) == {}
    busy = "Node 'cd' is busy: block device is in use by block job: backup"
    for name, arguments in (
        ("eject", {"device": "cd"}),
        ("blockdev-change-medium", {"device": "cd", "filename": str(images / "e.img")}),
        ("drive-mirror", {"device": "cd", "target": target, "sync": "full", "job_id": "m"}),
    ):
        assert client.execute(name, **arguments)["error"]["desc"] == busy
    assert "Block job 'cd' uses" in client.execute("migrate", uri="exec:cat >/dev/null")["error"]["desc"]
    assert vm.drives["ide", 0].inserted


def test_a_job_ends_with_its_machine(images: Path, build: Callable[..., VirtualMachine]) -> None:
    vm = build("-drive", "file=@/d.img,format=raw,id=hd")
    client = QmpClient(vm)
    client.execute("drive-mirror", device="hd", target=str(images / "m.img"), sync="full", speed=1)
    vm.close()
    assert [reply["event"] for reply in client.read() if reply["event"] != "JOB_STATUS_CHANGE"] == [
        "BLOCK_JOB_CANCELLED"
    ]


def test_a_copy_is_not_made_where_it_would_harm(images: Path, build: Callable[..., VirtualMachine]) -> None:
    vm = build("-drive", "file=@/d.img,format=raw,id=hd", "-drive", "file=@/e.img,format=raw,id=other")
    client = QmpClient(vm)
    for kind in ("drive-backup", "drive-mirror"):
        for mode in ("existing", "absolute-paths"):
            for path in ("d.img", "e.img"):
                answer = client.execute(kind, device="hd", target=str(images / path), sync="full", mode=mode)
                assert 'Failed to get "write" lock' in answer["error"]["desc"]
    answer = client.execute("drive-backup", device="hd", target=str(images / "q"), sync="full", format="qcow2")
    assert answer["error"]["desc"] == "Images of format 'qcow2' cannot be made by pyqemu"
    assert not (images / "q").exists()
    assert (images / "d.img").read_bytes() == (images / "e.img").read_bytes() == b"\1" * IMAGES["d.img"]
    assert len(vm.blocks.nodes) == 4 and client.execute("query-jobs") == []


def test_commit_writes_what_the_guest_has_written_and_the_overlay_is_empty(
    images: Path, build: Callable[..., VirtualMachine]
) -> None:
    vm = build("-snapshot", "-drive", "file=@/d.img,format=raw,id=hd", "-drive", "file=@/e.img,format=raw,id=other")
    vm.drives["ide", 0].write(70000, b"x" * 100000)
    hmp = Shell(vm).run_line
    before = (images / "d.img").read_bytes()
    assert before == b"\1" * IMAGES["d.img"]
    assert hmp("commit all") == ""
    expected = before[:70000] + b"x" * 100000 + before[170000:]
    assert (images / "d.img").read_bytes() == expected
    vm.drives["ide", 0].write(0, b"only in the overlay")
    assert (images / "d.img").read_bytes() == expected
    assert hmp("commit nosuch") == "Device 'nosuch' not found\n"
    reader = open_drive(str(images / "d.img"), id="reader", format="raw", read_only=True)
    assert hmp("commit hd") == "'commit' error for 'hd': Failed to get \"write\" lock\n"
    reader.close()
    assert hmp("commit hd") == ""
    assert (images / "d.img").read_bytes()[:19] == b"only in the overlay"


def test_a_drive_that_forgets_is_no_part_of_a_snapshot(
    images: Path, build: Callable[..., VirtualMachine], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(images)
    vm = build("-drive", "file=null-co://,format=raw", "-drive", "file=@/d.img,format=raw")
    hmp = Shell(vm).run_line
    assert "null-co:// (raw)" in hmp("info block")
    assert hmp("savevm one") == hmp("loadvm one") == ""
    assert sorted(path.name for path in images.iterdir()) == sorted([*IMAGES, "d.img.snapshots"])
    assert [path.name for path in (images / "d.img.snapshots" / "1").glob("*.img")] == ["ide0-hd1.img"]


def test_a_node_stays_while_the_machine_waits_for_its_state(
    images: Path, build: Callable[..., VirtualMachine]
) -> None:
    """Then the image is another process's still, and not locked."""
    node = ("-blockdev", "file,node-name=f,filename=@/d.img", "-blockdev", "raw,node-name=n,file=f")
    vm = build(*node, "-device", "ide-hd,drive=n,id=D", "-incoming", "defer")
    client = QmpClient(vm)
    open_drive(str(images / "d.img"), id="other", format="raw").close()
    assert client.execute("blockdev-del", node_name="n")["error"]["desc"] == "Node n is in use"
    vm.drives["ide", 0].activate()
    with pytest.raises(ConfigError, match='Failed to get "write" lock'):
        open_drive(str(images / "d.img"), id="other", format="raw")
    vm.drives["ide", 0].deactivate()
    open_drive(str(images / "d.img"), id="other", format="raw").close()
