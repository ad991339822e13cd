"""The multiplexer of ``-nographic`` and ``mon:stdio``: one terminal for the serial line and for commands to us.

Ctrl-A is the escape: the next key is a command, of which ``h`` lists all. Everything else goes to the front end
that has the focus: the guest's line, or the monitor. All of them may write.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

HELD_LIMIT = 4096  # typed but not yet taken by the guest
ESCAPE = 0x01

HELP = """
{key} h    print this help
{key} x    exit the emulator
{key} s    write back what the drives still hold
{key} t    toggle console timestamps
{key} b    send a break (magic SysRq)
{key} c    switch between console and monitor
{key} {key}  send {key}
"""


class Frontend:
    """One user of the terminal: a ``Chardev``, made by ``MuxChardev.frontend()``."""

    def __init__(self, mux: MuxChardev) -> None:
        self.on_writable: Callable[[], None] | None = None
        self.on_break: Callable[[], None] | None = None
        self.held = bytearray()
        self.receive: Callable[[bytes], None] = lambda _data: None
        self.can_receive: Callable[[], int] = lambda: 0
        self._mux = mux
        self.on_terminal = mux.on_terminal
        self.write = mux.write
        self.flush = mux.flush

    def connect(self, receive: Callable[[bytes], None], can_receive: Callable[[], int] = lambda: 1 << 16) -> None:
        self.receive, self.can_receive = receive, can_receive
        self._mux.connected()

    def accept_input(self) -> None:
        """There is room again."""
        self.deliver()
        self._mux.accept_more()

    def deliver(self) -> None:
        while self.held and (room := self.can_receive()) > 0:
            piece = bytes(self.held[:room])
            del self.held[:room]
            self.receive(piece)

    def close(self) -> None:
        """The terminal is the multiplexer's."""


class MuxChardev:
    """Sits between a backend and those who share it; it stands for the first of them, the serial port, itself.

    ``on_quit()`` and ``on_save()`` are the commands x and s; ``seconds()`` is the time for timestamps.
    ``on_monitor(frontend)`` is called when the user first asks for the monitor (c); None: there is none.
    """

    def __init__(
        self,
        backend: Any,
        on_quit: Callable[[], None],
        on_save: Callable[[], None] | None = None,
        escape: int = ESCAPE,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self.on_monitor: Callable[[Frontend], None] | None = None
        self._backend = backend
        self._on_quit = on_quit
        self._on_save = on_save
        self._escape = escape
        self._seconds = seconds
        self._escaped = False
        self._stamps_from: float | None = None  # None: no timestamps
        self._line_start = True
        self._unsent = bytearray()  # text of ours that the backend has not taken
        self._connected = False
        self._frontends: list[Frontend] = []
        self.on_terminal = getattr(backend, "on_terminal", False)
        self._first = self._focus = self.frontend()
        backend.on_writable = self._writable

    def frontend(self) -> Frontend:
        """A further user of the terminal."""
        frontend = Frontend(self)
        self._frontends.append(frontend)
        return frontend

    def connect(self, receive: Callable[[bytes], None], can_receive: Callable[[], int] = lambda: 1 << 16) -> None:
        self._first.connect(receive, can_receive)

    def connected(self) -> None:
        """For front ends only: one of them can take input now."""
        if not self._connected:
            self._connected = True
            self._backend.connect(self._input, lambda: HELD_LIMIT - len(self._focus.held))
        else:
            self.accept_more()

    @property
    def on_writable(self) -> Callable[[], None] | None:
        return self._first.on_writable

    @on_writable.setter
    def on_writable(self, callback: Callable[[], None] | None) -> None:
        self._first.on_writable = callback

    @property
    def on_break(self) -> Callable[[], None] | None:
        return self._first.on_break

    @on_break.setter
    def on_break(self, callback: Callable[[], None] | None) -> None:
        self._first.on_break = callback

    # -- from the guest -------------------------------------------------------------------------------

    def write(self, data: bytes) -> int:
        if self._unsent:
            return 0
        if self._stamps_from is None:
            self._line_start = data[-1:] == b"\n"
            return int(self._backend.write(data))
        self._send(self._stamped(data, self._stamps_from))
        return len(data)

    def flush(self) -> None:
        self._backend.flush()

    def close(self) -> None:
        self._backend.close()

    def _stamped(self, data: bytes, start: float) -> bytes:
        text = bytearray()
        for line in _lines(data):
            if self._line_start:
                milliseconds = int((self._seconds() - start) * 1000)
                minutes, rest = divmod(milliseconds, 60_000)
                text += b"[%02d:%02d:%02d.%03d] " % (minutes // 60, minutes % 60, rest // 1000, rest % 1000)
            text += line
            self._line_start = line.endswith(b"\n")
        return bytes(text)

    def _send(self, data: bytes) -> None:
        """Text that must go out whole; the guest waits meanwhile."""
        self._unsent += data
        del self._unsent[: self._backend.write(bytes(self._unsent))]

    def _writable(self) -> None:
        if self._unsent:
            del self._unsent[: self._backend.write(bytes(self._unsent))]
        for frontend in self._frontends:
            if not self._unsent and frontend.on_writable is not None:
                frontend.on_writable()

    # -- from the user --------------------------------------------------------------------------------

    def _input(self, data: bytes) -> None:
        if self._escaped or self._escape in data:
            for byte in data:
                if self._escaped:
                    self._escaped = False
                    self._command(byte)
                elif byte == self._escape:
                    self._escaped = True
                else:
                    self._focus.held.append(byte)
        else:
            self._focus.held += data
        self._focus.deliver()

    def accept_input(self) -> None:
        """The device has room again."""
        self._first.accept_input()

    def accept_more(self) -> None:
        """For front ends only: go on reading."""
        self._backend.accept_input()

    def _command(self, key: int) -> None:
        if key == self._escape:
            self._focus.held.append(key)
            return
        match chr(key):
            case "x":
                self._send(b"QEMU: Terminated\r\n")
                self._backend.flush()
                self._on_quit()
            case "h" | "?":
                name = f"C-{chr(self._escape + 0x60)}" if 1 <= self._escape <= 26 else chr(self._escape)
                self._send(HELP.format(key=name).replace("\n", "\r\n").encode())
            case "c":
                self._switch()
            case "b":
                if self._focus.on_break is not None:
                    self._focus.on_break()
            case "s":
                if self._on_save is not None:
                    self._on_save()
            case "t":
                self._stamps_from = None if self._stamps_from is not None else self._seconds()

    def _switch(self) -> None:
        """The next front end has the word from now on."""
        # What was typed before belongs to the old one.
        self._focus.deliver()
        if self.on_monitor is not None:
            open_monitor, self.on_monitor = self.on_monitor, None
            self._focus = self.frontend()
            open_monitor(self._focus)
            return
        if len(self._frontends) == 1:
            self._send(b"\r\nmonitor not available\r\n")
            return
        number = self._frontends.index(self._focus)
        self._focus = self._frontends[(number + 1) % len(self._frontends)]


def _lines(data: bytes) -> list[bytes]:
    """Lines with their newline; a carriage return does not end one."""
    parts = data.split(b"\n")
    return [part + b"\n" for part in parts[:-1]] + ([parts[-1]] if parts[-1] else [])
