"""Running a machine, from the command line or from Python.

    config = LaunchConfig(machine="pc-1.0", bios="bios.bin", nographic=True)
    status = run(config)

``VirtualMachine`` is the same thing in steps. One thread owns it: CPU, chips, timers and callbacks all run
there.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from pyqemu.boards.board import FLOPPY_DRIVES, IDE_DRIVES, SERIAL_PORTS, Board
from pyqemu.boards.cmos import DEFAULT_BOOT, set_boot_order
from pyqemu.boards.tree import load_tree
from pyqemu.core.clock import Clock
from pyqemu.core.errors import ConfigError
from pyqemu.core.events import EventLoop
from pyqemu.core.runstate import PowerSwitch, RunState
from pyqemu.cpu.cpu_option import parse_cpu
from pyqemu.cpu.library import native
from pyqemu.cpu.models import find_model
from pyqemu.launch import DriveConfig, LaunchConfig
from pyqemu.machines.registry import Registry
from pyqemu.paths import machines_dir

SWITCH_INTERVAL_NS = 5_000_000  # other Python threads get their turn this often, as Python itself has it
CD_INDEX = 2  # the default CD-ROM drive: first unit of the second channel
END_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)


class VirtualMachine:
    """A machine that is built and ready to run. Raises ConfigError for anything in *config* that cannot be."""

    def __init__(self, config: LaunchConfig) -> None:
        self.config = config
        self.state = RunState.PRELAUNCH
        self.machine = Registry.load().find(config.machine) if config.machine else Registry.load().find()
        self._closers: list[Callable[[], None]] = []
        try:
            self._build()
        except BaseException:
            self.close()
            raise

    def _build(self) -> None:
        config, sysmode = self.config, native()
        model, features = parse_cpu(config.cpu or self.machine.default_cpu)
        self.clock = Clock()
        self.loop = EventLoop(self.clock, sysmode.timer_create(), sysmode.timer_set)
        self._closers.append(self.loop.close)
        self.power = PowerSwitch(self._kick)
        self.board: Board | None = None
        self.chardevs: list[Any] = []
        serials = self._open_serials()
        ports = config.parallels or ([] if config.nodefaults else ["null"])
        parallels = [self._open_chardev(spec) for spec in ports]
        debugcon = self._open_chardev(config.debugcon) if config.debugcon else None
        self.drives = drives = self._open_drives()
        board = Board(
            self.machine,
            load_tree(machines_dir() / "boards" / f"{self.machine.board}.yaml"),
            config,
            find_model(model, self.machine.hw_version).with_features(features),
            clock=self.clock,
            power=self.power,
            start_time=_start_time(config),
            drives=drives,
            serials=serials,
            parallels=[chardev for chardev in parallels if chardev is not None],
            debugcon=debugcon,
        )
        self.board = board
        self.cpu = board.cpu
        self._closers.append(board.close)
        self.cpu.engine.watch(self.loop.fileno())

    # -- backends -------------------------------------------------------------------------------------

    def _open_chardev(self, spec: str) -> Any:
        from pyqemu.chardev.factory import create_chardev

        chardev = create_chardev(spec, self.loop, on_quit=self._quit_from_terminal, on_save=self._flush_drives)
        if chardev is not None:
            self.chardevs.append(chardev)
            if close := getattr(chardev, "close", None):
                self._closers.append(close)
        return chardev

    def _open_serials(self) -> list[Any]:
        config = self.config
        specs = list(config.serials)
        if not specs and not config.nodefaults:
            specs = ["mon:stdio"] if config.nographic else ["null"]
        if len(specs) > len(SERIAL_PORTS):
            raise ConfigError(f"-serial: the board has {len(SERIAL_PORTS)} ports, not {len(specs)}")
        chardevs = []
        for spec in specs:
            try:
                chardevs.append(self._open_chardev(spec))
            except ConfigError as error:
                raise ConfigError(
                    f"-serial {spec}: {error}" if config.serials else str(error), error.hint
                ) from None
        return [chardev for chardev in chardevs if chardev is not None]

    def _open_drives(self) -> dict[tuple[str, int], Any]:
        wanted = list(self.config.drives)
        if not self.config.nodefaults:
            taken = {(drive.interface, drive.index) for drive in wanted}
            if ("ide", CD_INDEX) not in taken:
                wanted.append(DriveConfig("", index=CD_INDEX, bus=1, unit=0, media="cdrom"))
            if ("floppy", 0) not in taken:
                wanted.append(DriveConfig("", interface="floppy", index=0))
        drives: dict[tuple[str, int], Any] = {}
        for drive in wanted:
            limit = {"ide": IDE_DRIVES, "floppy": FLOPPY_DRIVES}.get(drive.interface)
            if limit is not None and drive.index < limit:
                drives[drive.interface, drive.index] = self._open_drive(drive)
        return drives

    def _open_drive(self, drive: DriveConfig) -> Any:
        from pyqemu.block.drive import open_drive

        names = {"ide": f"ide{drive.index // 2}-{'cd' if drive.media == 'cdrom' else 'hd'}{drive.index % 2}"}
        try:
            opened = open_drive(
                drive.file or None,
                id=drive.id or names.get(drive.interface, f"{drive.interface}{drive.index}"),
                media=drive.media,
                read_only=drive.read_only,
                snapshot=drive.snapshot,
                format=drive.format or None,
                serial=drive.serial,
                cache=drive.cache,
                index=drive.index,
            )
        except ConfigError as error:
            raise ConfigError(f"{drive.option}: {error}" if drive.option else str(error), error.hint) from None
        self._closers.append(opened.close)
        for warning in opened.warnings:
            print(warning, file=sys.stderr)
        return opened

    # -- requests -------------------------------------------------------------------------------------

    def _kick(self) -> None:
        if self.board is not None:
            self.board.cpu.kick()

    def _flush_drives(self) -> None:
        """Write back what the host still holds (Ctrl-A s)."""
        for drive in self.drives.values():
            try:
                drive.flush()
            except OSError as error:
                drive.report_error("flush", error)

    def _quit_from_terminal(self) -> None:
        self.power.request_shutdown("host-ui")

    # -- running --------------------------------------------------------------------------------------

    def start(self) -> None:
        """Let the guest run (from prelaunch or paused)."""
        self.state = RunState.RUNNING
        self.clock.start()

    def pause(self) -> None:
        """Stop the guest and its clock."""
        self.state = RunState.PAUSED
        self.clock.stop()

    def run(self) -> int:
        """Run until the machine ends; returns the exit status."""
        cpu, loop, power = self.cpu, self.loop, self.power
        arm = cpu.engine.arm
        turns = self.clock.timer(lambda: None)  # its deadline makes the CPU come back
        while True:
            loop.poll()
            if power.pending and (status := self._obey()) is not None:
                return status
            arm()
            if self.state is not RunState.RUNNING or cpu.halted:
                loop.wait()
                continue
            if threading.active_count() > 1 and not turns.pending:
                turns.start(self.clock.now() + SWITCH_INTERVAL_NS)
            if cpu.run() == "shutdown":
                power.request_reset("guest-reset")  # a triple fault

    def _obey(self) -> int | None:
        """Act on what has been requested; an exit status ends the machine."""
        power = self.power
        if power.exit_status is not None:
            return power.exit_status
        if power.shutdown_cause is not None:
            return self._shut_down()
        if power.take_reset() is not None:
            if self.config.no_reboot:
                power.request_shutdown("guest-reset")
                return self._shut_down()
            self.reset()
        return None

    def _shut_down(self) -> int | None:
        if self.config.no_shutdown and not (self.power.shutdown_cause or "").startswith("host-"):
            self.state = RunState.SHUTDOWN
            self.clock.stop()
            self.power.shutdown_cause = None
            return None
        return 0

    def reset(self) -> None:
        """What the reset button does."""
        assert self.board is not None
        boot = self.config.boot
        if boot.once and "rtc" in self.board.devices:
            set_boot_order(self.board.devices["rtc"], boot.order or DEFAULT_BOOT)
        self.board.reset()

    def close(self) -> None:
        """Flush and give back everything the host lent. Safe to call twice."""
        while self._closers:
            closer = self._closers.pop()
            try:
                closer()
            except OSError as error:
                print(f"pyqemu: {error}", file=sys.stderr)


def run(config: LaunchConfig) -> int:
    """Build a machine, run it to its end in this thread, and clean up; returns the exit status."""
    with _logging(config):
        vm = VirtualMachine(config)
        try:
            with _signals(vm), _display(vm):
                if not config.start_paused:
                    vm.start()
                return vm.run()
        finally:
            vm.close()


@contextlib.contextmanager
def _signals(vm: VirtualMachine) -> Iterator[None]:
    """SIGTERM, SIGINT, SIGHUP and SIGQUIT end the machine in order; they wake it wherever it sleeps."""
    reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def drain() -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(reader, 4096)

    def end(number: int, _frame: object) -> None:
        vm.power.request_shutdown("host-signal")

    vm.loop.add_reader(reader, drain)
    old_fd = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    old = {number: signal.signal(number, end) for number in END_SIGNALS}
    try:
        yield
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(old_fd)
        vm.loop.remove_reader(reader)
        os.close(reader)
        os.close(writer)


@contextlib.contextmanager
def _display(vm: VirtualMachine) -> Iterator[None]:
    """The VGA screen in the terminal, when that is wanted."""
    config = vm.config
    backends = [*config.serials, *config.parallels, config.debugcon]
    wanted = config.display == "curses" or (
        config.display is None
        and not config.nographic
        and not any(spec.endswith("stdio") for spec in backends)  # the terminal is taken
        and os.isatty(0)
        and os.isatty(1)
    )
    if not wanted:
        yield
        return
    from pyqemu.display.curses_ui import show

    with show(vm):
        yield


@contextlib.contextmanager
def _logging(config: LaunchConfig) -> Iterator[None]:
    """``-d`` categories go to stderr or to the file of ``-D``."""
    if not config.log_categories:
        yield
        return
    try:
        handler: logging.Handler = (
            logging.FileHandler(config.log_file) if config.log_file else logging.StreamHandler()
        )
    except OSError as error:
        raise ConfigError(f"could not open '{config.log_file}': {error.strerror}") from None
    handler.setFormatter(logging.Formatter("%(message)s"))
    loggers = [logging.getLogger(f"pyqemu.{category}") for category in config.log_categories]
    for logger in loggers:
        logger.setLevel(logging.INFO)
        logger.addHandler(handler)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeHandler(handler)
        handler.close()


def _start_time(config: LaunchConfig) -> int:
    """What the guest's clock shows at power-on, in seconds since 1970."""
    base = config.rtc.base
    if isinstance(base, datetime):
        return int(base.replace(tzinfo=UTC).timestamp())
    now = int(time.time())
    return now + time.localtime(now).tm_gmtoff if base == "localtime" else now
