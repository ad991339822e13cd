"""A machine driven by a Python program: for tests, automation and notebooks.

    from pyqemu import VirtualMachine

    with VirtualMachine("-m", "256", "disk.img") as vm:
        vm.expect("login: ", timeout=60)
        vm.send("root\\n")
        vm.expect("# ")

The machine runs in the thread that calls, and only while one of ``expect``, ``expect_screen``, ``expect_event``,
``type``, ``press``, ``run_for`` and ``wait`` waits; in between its time stands still. The first serial port is in
memory, unless the options say where it goes.
"""

from __future__ import annotations

import io
import re
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pyqemu import api
from pyqemu.chardev import Backend
from pyqemu.cli.messages import Answer
from pyqemu.cli.options import parse
from pyqemu.core.errors import ConfigError
from pyqemu.core.runstate import RunState
from pyqemu.display.screen import dump_text
from pyqemu.monitor.monitor import Monitor

TIMEOUT_S = 30.0
LOG_BYTES = 16 << 20  # of serial output that are kept
EVENTS = 10_000
REPORT_LINES = 40
SCREEN_NS = 50_000_000  # between two looks at a screen that is waited for
NS_PER_S = 1_000_000_000
SERIAL = "script"

Pattern = str | re.Pattern[str]


class Timeout(AssertionError):
    """What was waited for did not come. The text holds what the machine showed instead."""


class MachineEnded(Timeout):
    """The machine has ended before it came."""


class SerialLog(Backend):
    """A serial line in memory. ``output`` is what the guest has sent, without what was forgotten at its start."""

    def __init__(self) -> None:
        super().__init__("script")
        self.output = bytearray()
        self.forgotten = 0
        self.on_output: Callable[[], None] = lambda: None

    def write(self, data: bytes) -> int:
        self.output += data
        if len(self.output) > LOG_BYTES:
            surplus = len(self.output) - LOG_BYTES // 2
            del self.output[:surplus]
            self.forgotten += surplus
        self.on_output()
        return len(data)

    def send(self, data: bytes) -> None:
        """Bytes for the guest."""
        self._held += data
        self.accept_input()


class VirtualMachine(api.VirtualMachine):
    """A machine from the options of the command line. Use it as a context; ``-S`` leaves it stopped.

    ``serial``   the first serial port (None if an option names another place for it)
    ``events``   what has happened: (name, data), oldest first, at most 10 000
    Raises ConfigError for options that cannot be.
    """

    def __init__(self, *arguments: str | Path) -> None:
        self.arguments = tuple(str(argument) for argument in arguments)
        try:
            config = parse(self.arguments)
        except Answer as answer:
            raise ConfigError("the options ask for a help text, not for a machine", answer.text) from None
        config.display = config.display or "none"
        self.serial: SerialLog | None = None
        if not config.serials and not config.nodefaults:
            config.serials = [SERIAL]
            self.serial = SerialLog()
        self.events: deque[tuple[str, dict[str, Any]]] = deque(maxlen=EVENTS)
        self.exit_status: int | None = None
        self._matched = 0  # bytes of serial output that expect() has left behind, forgotten ones included
        self._monitor: Monitor | None = None
        super().__init__(config)
        self.listeners.append(lambda name, data: self.events.append((name, data)))

    def open_chardev(self, spec: str, label: str = "", option: str = "") -> Any:
        if spec == SERIAL and self.serial is not None:
            self.serial.label = label
            return self.serial
        return super().open_chardev(spec, label, option)

    def __enter__(self) -> VirtualMachine:
        if not self.config.start_paused:
            self.start()
            self.clock.stop()
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    # -- running --------------------------------------------------------------------------------------

    def wait(self, timeout: float | None = None) -> int:
        """Run to the machine's end; its exit status. Raises Timeout after *timeout* seconds."""
        if not self._run_for(timeout):
            assert self.exit_status is not None
            return self.exit_status
        raise Timeout(self.report(f"still running after {timeout:g} s"))

    def run_for(self, seconds: float) -> None:
        """Let the machine run for a while, or to its end."""
        if self.state is RunState.RUNNING:
            self._run_for(seconds)

    def _run_for(self, timeout: float | None) -> bool:
        """Run until ``interrupt()`` or for so many seconds of the host's time. False: the machine has ended."""
        if self.exit_status is None:
            with self._time_passes(timeout):
                self.exit_status = self.run_on()
        return self.exit_status is None

    @contextmanager
    def _time_passes(self, timeout: float | None) -> Iterator[None]:
        """The guest's clock runs, and the machine is interrupted after *timeout* seconds of the host's."""
        alarm = self.loop.call_later(timeout, self.interrupt) if timeout is not None else None
        if self.state is RunState.RUNNING:
            self.clock.start()
        try:
            yield
        finally:
            self.clock.stop()
            if alarm is not None:
                alarm.cancel()

    def _expect(
        self, found: Callable[[], Any], what: str, timeout: float, watch: Callable[[Callable[[], None]], Any]
    ) -> Any:
        """Run until *found* returns something. ``watch(look)`` arranges that *look* is called when it may have."""
        result = found()
        if result is not None:
            return result

        def look() -> None:
            nonlocal result
            if result is None and (result := found()) is not None:
                self.interrupt()

        stop_watching = watch(look)
        try:
            alive = self._run_for(timeout)
        finally:
            stop_watching()
        if result is None:
            result = found()  # the machine's last words
        if result is not None:
            return result
        if not alive:
            raise MachineEnded(self.report(f"the machine has ended with {self.exit_status} before {what}"))
        raise Timeout(self.report(f"no {what} within {timeout:g} s"))

    # -- serial line ----------------------------------------------------------------------------------

    @property
    def serial_text(self) -> str:
        """What the guest has sent, as text; a carriage return before a newline is left out."""
        return _text(bytes(self._serial().output))

    def _serial(self) -> SerialLog:
        if self.serial is None:
            raise ConfigError("the first serial port goes elsewhere: leave out -serial to read it here")
        return self.serial

    def send(self, text: str | bytes) -> None:
        """Bytes into the guest's serial port; it takes them when it runs."""
        self._serial().send(text.encode() if isinstance(text, str) else text)

    def expect(self, pattern: Pattern, timeout: float = TIMEOUT_S) -> re.Match[str]:
        """Run until *pattern* stands in the serial output, behind what was matched before. Raises Timeout."""
        serial = self._serial()
        regex = re.compile(pattern)

        def found() -> re.Match[str] | None:
            start = max(0, self._matched - serial.forgotten)
            text = serial.output[start:].decode("latin-1")
            match = regex.search(text)
            if match is None:
                return None
            self._matched = serial.forgotten + start + match.end()
            return match

        def watch(look: Callable[[], None]) -> Callable[[], None]:
            # Not for every byte: before the machine sleeps, or within a few milliseconds.
            serial.on_output = lambda: self.loop.call_idle(look)
            return lambda: setattr(serial, "on_output", lambda: None)

        match: re.Match[str] = self._expect(found, f"{regex.pattern!r} on the serial line", timeout, watch)
        return match

    # -- screen and keyboard --------------------------------------------------------------------------

    def screen_text(self) -> str:
        """What stands on the text screen; in a graphics mode one line that says which. Empty without a screen."""
        return dump_text(self.screen) if self.screen is not None else ""

    def screenshot(self, path: str | Path) -> Path:
        """Write the screen to a file: PNG, or PPM for a name that ends in .ppm. Raises ConfigError, OSError."""
        from pyqemu.display.png import png_bytes
        from pyqemu.monitor.commands.screen import ppm_bytes

        if self.screen is None:
            raise ConfigError("the machine has no display adapter")
        picture = self.screen.picture()
        path = Path(path)
        path.write_bytes(ppm_bytes(picture) if path.suffix == ".ppm" else png_bytes(*picture))
        return path

    def expect_screen(self, pattern: Pattern, timeout: float = TIMEOUT_S) -> re.Match[str]:
        """Run until *pattern* stands on the text screen. Raises Timeout."""
        regex = re.compile(pattern)

        def watch(look: Callable[[], None]) -> Callable[[], None]:
            def tick() -> None:
                timer.start(self.clock.now() + SCREEN_NS)
                look()

            timer = self.clock.timer(tick)
            timer.start(self.clock.now() + SCREEN_NS)
            return timer.stop

        match: re.Match[str] = self._expect(
            lambda: regex.search(self.screen_text()), f"{regex.pattern!r} on the screen", timeout, watch
        )
        return match

    def type(self, text: str, timeout: float = TIMEOUT_S) -> None:
        """Type on the keyboard (US layout), and run until the guest's keyboard has taken it. Raises Timeout."""
        from pyqemu.display.terminal_keys import KeyDecoder

        typist = self.typist
        if typist is None:
            raise ConfigError("the machine has no keyboard")
        if not text.isascii():
            raise ConfigError(f"a US keyboard cannot type {text!r:.80}")
        decoder = KeyDecoder(typist.type)
        for character in text:
            decoder.feed(character.encode())
            decoder.flush()
            self._until_typed(typist, timeout)

    def press(self, keys: str, hold_ms: int = 100, timeout: float = TIMEOUT_S) -> None:
        """Press keys together (``ctrl-alt-delete``, names as in HMP's sendkey). Raises Timeout, ConfigError."""
        problem = self.hmp(f"sendkey {keys} {hold_ms}")
        if problem:
            raise ConfigError(problem.strip())
        if self.typist is not None:
            self._until_typed(self.typist, timeout)

    def _until_typed(self, typist: Any, timeout: float) -> None:
        def watch(look: Callable[[], None]) -> Callable[[], None]:
            typist.on_done = look
            return lambda: setattr(typist, "on_done", None)

        self._expect(lambda: True if typist.is_done else None, "room in the keyboard's queue", timeout, watch)

    # -- monitor --------------------------------------------------------------------------------------

    def qmp(self, command: str, arguments: dict[str, Any] | None = None, **more: Any) -> Any:
        """A QMP command's reply. Keywords are arguments too, with ``_`` for ``-``. Raises QmpError."""
        named = {key.replace("_", "-"): value for key, value in more.items()}
        if self._monitor is None:
            self._monitor = Monitor(self)
        reply = self._monitor.execute(command, (arguments or {}) | named)
        self._hold_clock()
        return reply

    def hmp(self, line: str) -> str:
        """What an HMP command prints."""
        from pyqemu.monitor.hmp import Shell

        text = Shell(self).run_line(line)
        self._hold_clock()
        return text

    def _hold_clock(self) -> None:
        """``cont`` starts the clock; it goes on in the next call that waits."""
        self.clock.stop()

    def expect_event(self, name: str, timeout: float = TIMEOUT_S) -> dict[str, Any]:
        """Run until an event of that name is among ``events``, and take it out, with those before it; its data.

        Raises Timeout."""

        def found() -> dict[str, Any] | None:
            if all(event != name for event, _ in self.events):
                return None
            while True:
                event, data = self.events.popleft()
                if event == name:
                    return data

        def watch(look: Callable[[], None]) -> Callable[[], None]:
            def listener(_name: str, _data: dict[str, Any]) -> None:
                look()

            self.listeners.append(listener)
            return lambda: self.listeners.remove(listener)

        data: dict[str, Any] = self._expect(found, f"event {name}", timeout, watch)
        return data

    # -- memory and ports -----------------------------------------------------------------------------

    def read_memory(self, address: int, length: int) -> bytes:
        """Bytes of physical memory, as a device would read them."""
        return self.board.memory.read(address, length)

    def write_memory(self, address: int, data: bytes) -> None:
        """Store into physical memory. ROM and addresses without memory ignore it."""
        self.board.memory.write(address, data)

    def read_port(self, port: int, width: int = 1) -> int:
        """An IN of 1, 2 or 4 bytes."""
        return self.board.isa.ports.read(port, width)

    def write_port(self, port: int, value: int, width: int = 1) -> None:
        """An OUT of 1, 2 or 4 bytes."""
        self.board.isa.ports.write(port, width, value)

    # -- saved states ---------------------------------------------------------------------------------

    def snapshot(self) -> bytes:
        """The whole state, as a migration would send it; what is on disks is not in it. Raises MigrationError."""
        from pyqemu.migration import save_vm

        state = io.BytesIO()
        save_vm(self, state)
        return state.getvalue()

    def restore(self, state: bytes) -> None:
        """Go back to what ``snapshot()`` has returned, here or in a machine like this. Raises MigrationError."""
        from pyqemu.migration import load_vm

        self.state = load_vm(self, io.BytesIO(state))
        self._hold_clock()

    # -- reports --------------------------------------------------------------------------------------

    def report(self, reason: str) -> str:
        """*reason* with the end of the serial output and the screen: for a failure's message."""
        parts = [reason]
        if self.serial is not None:
            lines = self.serial_text.splitlines()[-REPORT_LINES:]
            parts += ["--- serial line, its end", *lines]
        if screen := self.screen_text().rstrip():
            parts += ["--- screen", screen]
        return "\n".join(parts)


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace").replace("\r\n", "\n")
