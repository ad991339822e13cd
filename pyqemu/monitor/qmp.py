"""QMP: commands, replies and events as JSON objects.

Source   QEMU's QMP specification (docs/interop/qmp-spec); wire format and messages as QEMU 7.2's
Input    a stream of objects, with or without anything between them
Output   one object a line, CR LF at its end; several indented lines with ``pretty``
Errors   what the client does wrong is answered and never ends the session
Missing  out-of-band commands, which are not offered
"""

from __future__ import annotations

import json
import logging
import re
import time
from typing import TYPE_CHECKING, Any

from pyqemu.monitor.errors import COMMAND_NOT_FOUND, QmpError
from pyqemu.monitor.json_stream import JsonError, JsonStream
from pyqemu.monitor.link import Link
from pyqemu.monitor.monitor import Monitor

if TYPE_CHECKING:
    from pyqemu.api import VirtualMachine

log = logging.getLogger("pyqemu.monitor")

_ESCAPED = re.compile(r"\\(?:u[0-9a-f]{4}|.)")
_MEMBERS = ("execute", "arguments", "id")


class QmpSession:
    """The protocol over one backend. Clients may come and go; each negotiates anew."""

    def __init__(self, vm: VirtualMachine, chardev: Any, name: str, *, pretty: bool = False) -> None:
        self._pretty = pretty
        self._stream = JsonStream()
        self._negotiated = False
        self.monitor = Monitor(vm, lambda: self._link.take_fds())
        self._link = Link(chardev, name, receive=self._receive, opened=self._greet, closed=self._forget)
        vm.listeners.append(self.event)
        self._link.start()

    def event(self, name: str, data: dict[str, Any]) -> None:
        """Tell a client that has negotiated what has happened."""
        if self._negotiated:
            self._send(event_object(name, data))

    def _greet(self) -> None:
        from pyqemu.monitor.commands.about import version_info

        self._forget()
        self._send({"QMP": {"version": version_info(), "capabilities": []}})

    def _forget(self) -> None:
        """A client has gone, or comes: what the last one left does not matter any more."""
        self._stream.reset()
        self._negotiated = False
        self.monitor.close_fds()

    def _receive(self, data: bytes) -> None:
        for value in self._stream.feed(data):
            if isinstance(value, JsonError):
                log.info("%s: %s", self._link.name, value)
                self._send(_error(QmpError(str(value))))
            else:
                self._send(self._answer(value))
            if not self._link.is_open:
                return

    def _answer(self, request: Any) -> dict[str, Any]:
        reply: dict[str, Any] = {}
        try:
            if not isinstance(request, dict):
                raise QmpError("QMP input must be a JSON object")
            if "id" in request:
                reply["id"] = request["id"]
            name = _checked_name(request)
            result = self._execute(name, request.get("arguments", {}))
            return {"return": result} | reply
        except QmpError as error:
            return reply | _error(error)

    def _execute(self, name: str, arguments: dict[str, Any]) -> Any:
        if name == "qmp_capabilities":
            if self._negotiated:
                raise QmpError("Capabilities negotiation is already complete, command ignored", COMMAND_NOT_FOUND)
            result = self.monitor.execute(name, arguments)
            self._negotiated = True
            return result
        if not self._negotiated:
            raise QmpError("Expecting capabilities negotiation with 'qmp_capabilities'", COMMAND_NOT_FOUND)
        return self.monitor.execute(name, arguments)

    def _send(self, value: dict[str, Any]) -> None:
        self._link.send(encode(value, pretty=self._pretty))


def _checked_name(request: dict[str, Any]) -> str:
    """The command of a request that is in order."""
    for key in request:
        if key not in _MEMBERS:
            raise QmpError(f"QMP input member '{key}' is unexpected")
    name = request.get("execute")
    if "execute" not in request:
        raise QmpError("QMP input lacks member 'execute'")
    if not isinstance(name, str):
        raise QmpError("QMP input member 'execute' must be a string")
    if not isinstance(request.get("arguments", {}), dict):
        raise QmpError("QMP input member 'arguments' must be an object")
    return name


def _error(error: QmpError) -> dict[str, Any]:
    return {"error": {"class": error.error_class, "desc": str(error)}}


def event_object(name: str, data: dict[str, Any]) -> dict[str, Any]:
    """An event as QMP carries it, stamped with the host's time."""
    seconds, microseconds = divmod(time.time_ns() // 1000, 1_000_000)
    event: dict[str, Any] = {"timestamp": {"seconds": seconds, "microseconds": microseconds}, "event": name}
    return event | ({"data": data} if data else {})


def encode(value: Any, *, pretty: bool = False) -> bytes:
    """A line of output. Characters beyond ASCII are escaped, in upper case as QEMU does it."""
    text = json.dumps(value, indent=4 if pretty else None)
    if "\\u" in text:
        text = _ESCAPED.sub(_upper_case, text)
    return text.replace("\n", "\r\n").encode("ascii") + b"\r\n"


def _upper_case(escape: re.Match[str]) -> str:
    return "\\u" + escape[0][2:].upper() if escape[0][1] == "u" else escape[0]
