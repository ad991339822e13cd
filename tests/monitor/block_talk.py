"""What a client says about block nodes and drives, to QEMU when answers are recorded, and to pyqemu in the tests.

A command is (name, arguments), or a line for HMP. ``@/`` in a text is the folder with the images, ``CD`` and ``HD``
are the devices of the drives with these names.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

IMAGES = {"d.img": 1 << 20, "e.img": 1 << 20, "f.img": 1 << 20}
OPTIONS = (
    *("-drive", "file=@/d.img,format=raw,id=hd"),
    *("-drive", "if=none,id=cd,media=cdrom", "-device", "ide-cd,drive=cd,id=CD,bus=ide.1,unit=0"),
    *("-blockdev", '{"driver":"file","filename":"@/f.img","node-name":"fn","read-only":true}'),
    *("-blockdev", '{"driver":"raw","file":"fn","node-name":"rn","read-only":true}'),
    *("-device", "ide-cd,drive=rn,id=CD2,bus=ide.1,unit=1"),
)


def _add(**options: Any) -> tuple[str, dict[str, Any]]:
    return "blockdev-add", {key.replace("_", "-"): value for key, value in options.items()}


def _on(name: str, **arguments: Any) -> tuple[str, dict[str, Any]]:
    return name, {key.replace("_", "-"): value for key, value in arguments.items()}


NODES: tuple[Any, ...] = (
    _on("query-block"),
    _on("query-named-block-nodes"),
    _on("query-named-block-nodes", flat=True),
    "info block",
    "info block -v hd",
    "info block -n",
    "info block -n -v",
    "info block fn",
    "info block -n rn",
    "info block nosuch",
    _add(driver="file", node_name="e0", filename="@/e.img"),
    _add(driver="file", node_name="e0", filename="@/e.img"),
    _add(driver="file", node_name="hd", filename="@/e.img"),
    _add(driver="raw", node_name="r0", file="e0"),
    _add(driver="raw", node_name="r1", file="nosuch"),
    _add(driver="raw", node_name="r1"),
    _add(driver="file", node_name="x", filename="/nosuch"),
    _add(driver="file", filename="@/e.img"),
    _add(driver="file", node_name="x"),
    _add(node_name="x"),
    _add(driver="foo", node_name="x"),
    _add(driver="file", node_name="1x", filename="@/e.img"),
    _add(driver="file", node_name="#x", filename="@/e.img"),
    _add(driver="file", node_name="x" * 40, filename="@/e.img"),
    _add(driver="file", node_name="x", filename="@/e.img", foo=1),
    _add(driver="file", node_name="x", filename=3),
    _add(driver="file", node_name="x", filename="@/e.img", cache={"no-flush": True}),
    _add(driver="raw", node_name="x2", file={"driver": "file", "filename": "@/e.img"}),
    _add(driver="raw", node_name="x3", file={"driver": "file", "filename": "@/e.img", "node-name": "x4"}),
    _add(driver="raw", node_name="x5", read_only=True, file={"driver": "file", "filename": "@/e.img"}),
    _add(driver="null-co", node_name="n0"),
    _add(driver="null-aio", node_name="n1", size=1 << 20, read_only=True),
    _add(driver="null-co", node_name="n3", size=1000),
    _on("query-named-block-nodes", flat=True),
    "info block -n",
    _on("blockdev-del", node_name="nosuch"),
    _on("blockdev-del", node_name="e0"),
    _on("blockdev-del", node_name="r0"),
    _on("blockdev-del", node_name="e0"),
    _on("blockdev-del", node_name="x4"),
    _on("blockdev-del", node_name="rn"),
    _on("blockdev-del", node_name="fn"),
    _on("blockdev-del"),
    _on("blockdev-del", node_name="hd"),
    _on("eject", device="n0"),
    _on("blockdev-insert-medium", id="x", node_name="n1"),
    _on("blockdev-insert-medium", id="CD", node_name="n0"),
    _on("blockdev-open-tray", id="CD"),
    _on("blockdev-insert-medium", id="CD", node_name="nosuch"),
    _on("blockdev-insert-medium", id="CD", node_name="x5"),
    _on("blockdev-insert-medium", id="CD", node_name="x5"),
    _on("query-block"),
    "info block",
    _on("blockdev-del", node_name="x5"),
    _on("blockdev-close-tray", id="CD"),
    _on("blockdev-remove-medium", id="CD"),
    _on("blockdev-open-tray", id="CD"),
    _on("blockdev-remove-medium", id="CD"),
    _on("blockdev-remove-medium", id="CD"),
    _on("blockdev-del", node_name="x5"),
    _on("blockdev-insert-medium", id="CD", node_name="n1"),
    _on("blockdev-insert-medium", id="CD", node_name="n0"),
    _on("blockdev-close-tray", id="CD"),
    _on("query-block"),
    _on("blockdev-change-medium", id="CD", filename="@/f.img", format="raw"),
    _on("blockdev-del", node_name="n1"),
    _on("query-block"),
    _on("blockdev-change-medium", id="CD", filename="/nosuch", format="raw"),
    _on("blockdev-change-medium", id="CD", filename="@/f.img", format="bar"),
    _on("eject", device="hd"),
    _on("block_resize", device="hd", size=2 << 20),
    _on("block_resize", device="hd", size=-1),
    _on("block_resize", node_name="n0", size=512),
    _on("block_resize", size=512),
    _on("block_resize", device="nosuch", size=512),
    "block_resize hd 3",
    "info block -v hd",
    "block_resize hd 512k",
    "block_resize",
    "drive_add 0 if=none,id=x,file=@/e.img,format=raw",
    "drive_add 0 if=none,id=y,file=@/e.img,format=raw",
    "drive_add 0 if=none,id=y,file=@/f.img,format=raw,read-only=on",
    "drive_add 0 if=none,file=/nosuch,id=z",
    "drive_add 0 if=none,id=z",
    "drive_add 0 if=none,file=@/f.img,format=foo",
    "drive_add 0 if=foo",
    "drive_add -n 0 driver=null-co,node-name=nn",
    "drive_add",
    "drive_add 0",
    "info block",
    _on("query-block"),
    "drive_del",
    "drive_del nosuch",
    "drive_del y",
    "drive_del y",
    "drive_del z",
    "drive_del nn",
    "drive_del rn",
    "drive_del hd",
    "drive_del hd",
    "info block hd",
    "info block",
    _on("query-block"),
)


JOB_IMAGES = {"d.img": 8 << 20, "e.img": 8 << 20, "f.img": 8 << 20, "s.img": 4096}
JOB_OPTIONS = (
    *("-drive", "file=@/d.img,format=raw,id=hd"),
    *("-drive", "if=none,id=cd,media=cdrom", "-device", "ide-cd,drive=cd,id=CD,bus=ide.1,unit=0"),
    *("-blockdev", '{"driver":"file","filename":"@/e.img","node-name":"ro","read-only":true}'),
    *("-blockdev", '{"driver":"file","filename":"@/f.img","node-name":"f"}'),
    *("-blockdev", '{"driver":"raw","file":"f","node-name":"t"}'),
    *("-blockdev", '{"driver":"file","filename":"@/s.img","node-name":"small"}'),
)


def _backup(**arguments: Any) -> tuple[str, dict[str, Any]]:
    return _on(
        "drive-backup", **({"device": "hd", "target": "@/b.img", "sync": "full", "format": "raw"} | arguments)
    )


def _mirror(**arguments: Any) -> tuple[str, dict[str, Any]]:
    return _on(
        "drive-mirror", **({"device": "hd", "target": "@/m.img", "sync": "full", "format": "raw"} | arguments)
    )


def _to_node(kind: str, **arguments: Any) -> tuple[str, dict[str, Any]]:
    return _on(f"blockdev-{kind}", **({"device": "hd", "target": "t", "sync": "full", "job_id": "j"} | arguments))


def _until(event: str, command: Any) -> tuple[str, Any]:
    """A command after which the event comes, before or after the reply. A lower-case word is a job's state."""
    return event, command


def _about(commands: str, id: str, **more: Any) -> list[Any]:
    return [
        _on(name, **({"device" if name.startswith("block-job-") else "id": id} | more)) for name in commands.split()
    ]


JOBS: tuple[Any, ...] = (
    _on("query-block-jobs"),
    _on("query-jobs"),
    "info block-jobs",
    _until("null", _backup()),
    _backup(target="/nosuch/b.img"),
    _backup(device="nosuch"),
    _backup(device="cd"),
    _backup(target="@/s.img", mode="existing"),
    _backup(target="/nosuch/b.img", mode="existing"),
    _backup(sync="bad"),
    _backup(job_id="1x"),
    _backup(speed=1),
    *_about("block-job-complete job-complete", "hd"),
    _until("paused", _on("block-job-pause", device="hd")),
    _on("block-job-pause", device="hd"),
    _on("query-block-jobs"),
    _on("query-jobs"),
    *_about("block-job-cancel block-job-complete", "hd"),
    _until("running", _on("block-job-resume", device="hd")),
    _on("block-job-resume", device="hd"),
    _on("block-job-set-speed", device="hd", speed=-1),
    *_about("job-dismiss job-finalize", "hd"),
    _backup(target="@/b2.img"),
    _on("block_resize", device="hd", size=1 << 20),
    "drive_del hd",
    _until("null", _on("block-job-set-speed", device="hd", speed=0)),
    _backup(speed=1),
    _until("null", _on("block-job-cancel", device="hd")),
    _backup(speed=1),
    _until("paused", _on("block-job-pause", device="hd")),
    _until("null", _on("block-job-cancel", device="hd", force=True)),
    *_about("block-job-cancel block-job-pause block-job-resume block-job-complete", "hd"),
    *_about("job-cancel job-pause job-resume job-complete job-dismiss job-finalize", "hd"),
    _on("block-job-set-speed", device="hd", speed=1),
    _on("block-job-dismiss", id="hd"),
    _to_node("backup", target="small"),
    _to_node("backup", target="nosuch"),
    _to_node("backup", target="hd"),
    _to_node("backup", device="nosuch"),
    _to_node("backup", speed=1, auto_finalize=False, auto_dismiss=False),
    _on("blockdev-del", node_name="t"),
    _to_node("backup", job_id="k"),
    _until("BLOCK_JOB_PENDING", _on("block-job-set-speed", device="j", speed=0)),
    _on("query-block-jobs"),
    _on("query-jobs"),
    *_about("block-job-pause block-job-complete job-dismiss", "j"),
    _on("block-job-set-speed", device="j", speed=5),
    *_about("job-finalize", "j"),
    _on("query-block-jobs"),
    _on("query-jobs"),
    *_about("block-job-cancel job-pause job-finalize job-dismiss job-dismiss", "j"),
    _to_node("backup", speed=1, auto_dismiss=False),
    _until("concluded", _on("job-cancel", id="j")),
    _on("query-jobs"),
    *_about("job-cancel", "j"),
    _on("block-job-dismiss", id="j"),
    _until("BLOCK_JOB_READY", _mirror()),
    _on("query-block-jobs"),
    _on("query-jobs"),
    "info block-jobs",
    _until("null", _on("block-job-cancel", device="hd")),
    _until("BLOCK_JOB_READY", _mirror(job_id="m")),
    _until("null", _on("job-cancel", id="m")),
    _until("BLOCK_JOB_READY", _mirror(job_id="m")),
    _until("null", _on("block-job-cancel", device="m", force=True)),
    _mirror(job_id="m", speed=1),
    *_about("block-job-complete", "m"),
    _until("null", _on("block-job-cancel", device="m")),
    _until("null", _mirror(target="@/s.img", mode="existing", job_id="m")),
    _mirror(granularity=3),
    _mirror(format="foo"),
    _mirror(target="/nosuch/b.img"),
    _mirror(node_name="t"),
    _to_node("mirror", job_id="1x"),
    _until("BLOCK_JOB_READY", _to_node("mirror")),
    _on("blockdev-del", node_name="t"),
    _until("standby", _on("block-job-pause", device="j")),
    _until("ready", _on("block-job-resume", device="j")),
    _until("null", _on("block-job-complete", device="j")),
    _on("query-block"),
    "info block",
    _on("blockdev-del", node_name="t"),
    _until("BLOCK_JOB_READY", _mirror(node_name="new")),
    _until("null", _on("block-job-complete", device="hd")),
    "info block",
    _on("blockdev-del", node_name="t"),
    _on("blockdev-del", node_name="f"),
    "drive_backup hd",
    _until("null", "drive_backup -f hd @/h.img raw"),
    _until("null", "drive_backup -n hd @/h.img raw"),
    _until("BLOCK_JOB_READY", "drive_mirror -f hd @/h.img raw"),
    "block_job_set_speed hd 1M",
    "info block-jobs",
    _until("standby", "block_job_pause hd"),
    _until("ready", "block_job_resume hd"),
    _until("null", "block_job_complete hd"),
    "block_job_complete hd",
    "block_job_cancel hd",
    "block_job_set_speed hd 1M",
    "info block hd",
)


COMMIT_OPTIONS = (
    *("-drive", "file=@/d.img,format=raw,id=hd"),
    *("-drive", "file=@/e.img,format=raw,id=sn,snapshot=on"),
)
COMMIT: tuple[Any, ...] = (
    _on("block-commit", device="hd"),
    _on("block-commit", device="nosuch"),
    _on("block-commit", device="sn", job_id="1x"),
    _until("BLOCK_JOB_READY", _on("block-commit", device="sn")),
    _on("query-block-jobs"),
    _on("query-jobs"),
    "info block-jobs",
    _until("null", _on("block-job-complete", device="sn")),
    "info block sn",
    _on("block-commit", device="sn"),
    "commit nosuch",
    "commit hd",
    "commit sn",
    "commit all",
)


def awaited(command: Any) -> str:
    """The event that follows, or an empty string."""
    return "" if isinstance(command, str) or isinstance(command[1], dict) else str(command[0])


def is_awaited(reply: dict[str, Any], event: str) -> bool:
    return event in (reply.get("event"), reply.get("data", {}).get("status"))


def told(replies: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The reply first, then the events: which comes when is a matter of time. So is how far a job has come that is
    slow; and QEMU pauses jobs for a moment whenever it changes its graph."""
    kept: list[dict[str, Any]] = []
    for event in (reply for reply in replies if "event" in reply):
        status = event["data"].get("status")
        if status == "running" and kept and kept[-1]["data"].get("status") == "paused":
            kept.pop()
        else:
            kept.append(event)
        if event["event"] == "BLOCK_JOB_CANCELLED":
            event["data"].pop("offset")
    for reply in replies:
        for entry in reply["return"] if isinstance(reply.get("return"), list) else []:
            if entry.get("offset") != entry.get("len"):
                entry.pop("offset")
            if entry.get("current-progress") != entry.get("total-progress"):
                entry.pop("current-progress")
            entry.pop("busy", None)
    return [reply for reply in replies if "event" not in reply] + kept


def placed(command: Any, folder: Path) -> str:
    """The JSON to send."""
    if not isinstance(command, str) and not isinstance(command[1], dict):
        command = command[1]
    if isinstance(command, str):
        command = ("human-monitor-command", {"command-line": command})
    return json.dumps({"execute": command[0], "arguments": command[1]}).replace("@/", f"{folder}/")


DEVICE_PATH = re.compile(r"/machine/unattached/device\[\d+\]")


def plain(reply: dict[str, Any], folder: Path) -> dict[str, Any]:
    """A reply or an event without what differs from run to run and from board to board."""
    reply = {key: value for key, value in reply.items() if key != "timestamp"}
    text = json.dumps(reply).replace(f"{folder}/", "@/")
    text = re.sub(r"#block\d+", "#block", text)
    text = DEVICE_PATH.sub("/device", text)
    text = re.sub(r'"actual-size": \d+', '"actual-size": 0', text)
    text = re.sub(r"disk size: [^\\]*", "disk size: 0", text)
    found: dict[str, Any] = json.loads(text)
    if isinstance(found.get("return"), list):
        found["return"] = [entry for entry in found["return"] if entry.get("device") != "sd0"]
        for entry in found["return"]:
            if not entry.get("inserted"):
                entry.pop("io-status", None)  # QEMU forgets it with drive_del
    if isinstance(found.get("return"), str):
        found["return"] = re.sub(r"(\r\n)?sd0: .*\r\n.*closed\r\n", "", found["return"])
    return found
