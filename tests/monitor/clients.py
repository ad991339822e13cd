"""The other side of a monitor, in this process: what a client sends and gets."""

from __future__ import annotations

import json
from typing import Any

from pyqemu.api import VirtualMachine
from pyqemu.chardev import BufferChardev
from pyqemu.monitor.qmp import QmpSession


class SocketChardev(BufferChardev):
    """Like a socket: clients come and go, read slowly, and pass descriptors."""

    def __init__(self) -> None:
        super().__init__()
        self.on_open: Any = None
        self.on_close: Any = None
        self.on_writable: Any = None
        self.is_open = False
        self.room: int | None = None  # None: the client reads everything
        self.fds: list[int] = []

    def write(self, data: bytes) -> int:
        taken = data if self.room is None else data[: self.room]
        if self.room is not None:
            self.room -= len(taken)
        return super().write(taken)

    def take_fds(self) -> list[int]:
        fds, self.fds = self.fds, []
        return fds

    def open(self) -> None:
        self.is_open = True
        self.on_open()

    def disconnect(self) -> None:
        self.is_open = False
        self._held.clear()
        self.on_close()


class QmpClient:
    """A QMP client; ``negotiate=False`` leaves the greeting unread."""

    def __init__(self, vm: VirtualMachine, *, negotiate: bool = True, pretty: bool = False) -> None:
        self.chardev = SocketChardev()
        self.session = QmpSession(vm, self.chardev, "test", pretty=pretty)
        self.chardev.open()
        if negotiate:
            self.send('{"execute":"qmp_capabilities"}')
            self.read()

    def send(self, text: str | bytes) -> None:
        self.chardev.send(text.encode() if isinstance(text, str) else text)

    def read(self) -> list[dict[str, Any]]:
        """Everything that has come since the last time."""
        data = bytes(self.chardev.sent)
        self.chardev.sent.clear()
        lines = data.split(b"\r\n")
        assert lines.pop() == b""
        return [json.loads(line) for line in lines]

    def ask(self, text: str | bytes) -> list[dict[str, Any]]:
        self.send(text)
        return self.read()

    def execute(self, name: str, **arguments: Any) -> Any:
        """The reply's value; events before it are left out. An error comes back as it is."""
        arguments = {key.replace("_", "-"): value for key, value in arguments.items()}
        reply = self.ask(json.dumps({"execute": name, "arguments": arguments}))[-1]
        return reply.get("return", reply)
