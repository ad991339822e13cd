"""-machine none: started by management tools to ask what this program can do.

Origin   command line and questions: libvirt 9.0.0 probing an emulator, as recorded from it
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest
from process.program import arguments, environment, run, wait_for

QUESTIONS = (
    "query-version", "query-target", "query-qmp-schema", "query-commands", "query-kvm", "qom-list-types",
    "query-machines", "query-cpu-definitions", "query-command-line-options", "query-migrate-capabilities",
    "query-tpm-models", "query-tpm-types", "query-status", "query-block", "query-chardev", "query-cpus-fast",
)  # fmt: skip
OPTIONAL = {"query-tpm-models", "query-tpm-types"}  # asked only of an emulator that lists them


class Client:
    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(20)
        self._socket.connect(str(path))
        self._lines = self._socket.makefile("rb")
        assert "QMP" in json.loads(self._lines.readline())
        self.ask("qmp_capabilities")

    def ask(self, command: str, **values: Any) -> dict[str, Any]:
        self._socket.sendall(json.dumps({"execute": command, "arguments": values, "id": command}).encode())
        while (reply := json.loads(self._lines.readline())).get("id") != command:
            pass
        return reply


def test_a_management_tool_probes_it(tmp_path: Path) -> None:
    path, pidfile = tmp_path / "qmp.monitor", tmp_path / "qmp.pid"
    words = ["-S", "-no-user-config", "-nodefaults", "-nographic", "-machine", "none,accel=kvm:tcg"]
    words += ["-qmp", f"unix:{path},server=on,wait=off", "-pidfile", str(pidfile), "-daemonize"]
    done = subprocess.run(arguments(*words), env=environment(), capture_output=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, b"")
    pid = int(pidfile.read_text())
    try:
        client = Client(path)
        answers = {question: client.ask(question) for question in QUESTIONS}
        commands = {row["name"] for row in answers["query-commands"]["return"]}
        for question, answer in answers.items():
            assert "return" in answer or question in OPTIONAL - commands, answer
        assert answers["query-status"]["return"]["status"] == "prelaunch"
        assert answers["query-block"]["return"] == answers["query-cpus-fast"]["return"] == []
        assert {"none", "pc-1.0", "isapc"} <= {row["name"] for row in answers["query-machines"]["return"]}
        missing = client.ask("device-list-properties", typename="virtio-net-ccw")["error"]
        assert missing == {"class": "DeviceNotFound", "desc": "Device 'virtio-net-ccw' not found"}
        assert "return" in client.ask("qom-list-properties", typename="none-machine")
        assert client.ask("quit") == {"return": {}, "id": "quit"}
    except BaseException:
        os.kill(pid, signal.SIGTERM)
        raise
    wait_for(lambda: not pidfile.exists(), "the daemon stays")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-device", "isa-serial"], "-device isa-serial: No 'ISA' bus found for device 'isa-serial'"),
        (["-device", "VGA"], "-device VGA: No 'PCI' bus found for device 'VGA'"),
        (["-fda", __file__], f"-fda {__file__}: machine type does not support if=floppy,bus=0,unit=0"),
        (["-kernel", "/dev/null"], "The -kernel parameter is not supported by machine 'none'"),
        (["-smp", "2"], "Invalid SMP CPUs 2. The max CPUs supported by machine 'none' is 1"),
    ],
)
def test_nothing_can_be_put_on_it(words: list[str], message: str) -> None:
    program = run("-machine", "none", "-display", "none", *words)
    assert program.process.returncode == 1
    assert f"pyqemu: {message}" in program.errors
