"""Running a machine, from the command line or from Python.

    config = LaunchConfig(machine="pc-1.0", bios="bios.bin", nographic=True)
    status = run(config)

``VirtualMachine`` is the same thing in steps. One thread owns it: CPU, chips, timers and callbacks all run
there.
"""

from __future__ import annotations

import contextlib
import gc
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from pyqemu.block.drive import FileDrive, open_drive
from pyqemu.block.graph import Graph
from pyqemu.boards.board import FLOPPY_DRIVES, IDE_DRIVES, SERIAL_PORTS, Board
from pyqemu.boards.cmos import DEFAULT_BOOT, set_boot_order
from pyqemu.boards.tree import machine_tree
from pyqemu.chardev.registry import Chardevs
from pyqemu.core import trace
from pyqemu.core.clock import Clock
from pyqemu.core.errors import ConfigError
from pyqemu.core.events import EventLoop
from pyqemu.core.logfile import LogOutput
from pyqemu.core.messages import report, warn
from pyqemu.core.runstate import PowerSwitch, RunState
from pyqemu.cpu.cpu_option import parse_cpu
from pyqemu.cpu.library import native
from pyqemu.cpu.models import find_model
from pyqemu.guest_events import announce, listen_to_drive
from pyqemu.launch import DriveConfig, LaunchConfig
from pyqemu.machines.registry import Registry
from pyqemu.machines.settings import check_settings

if TYPE_CHECKING:
    from pyqemu.block.jobs import Jobs
    from pyqemu.display import Source
    from pyqemu.display.typist import Typist

HOT_DRIVES = 1024  # more than anybody needs, less than the process has descriptors
CD_INDEX = 2  # the default CD-ROM drive: first unit of the second channel


class VirtualMachine:
    """A machine that is built and ready to run. Raises ConfigError for anything in *config* that cannot be."""

    def __init__(self, config: LaunchConfig) -> None:
        self.config = config
        self.state = RunState.PRELAUNCH
        self.listeners: list[Callable[[str, dict[str, Any]], None]] = []
        """Called with each event: QMP's name and data."""
        self.monitors: list[Any] = []
        self._status: int | None = None  # of the machine that has ended
        self.migration: Any = None  # the state that comes in or goes out
        self.fds: dict[str, int] = {}  # that a monitor's client gave a name, while a migration starts
        self._interrupted = False
        found = config.found if config.found and config.found.name == config.machine else None
        self.machine = found or Registry.load(config.machine_dirs).find(config.machine)
        check_settings(self.machine)
        self._closers: list[Callable[[], None]] = []
        try:
            self._build()
        except BaseException:
            self.close()
            raise

    def _build(self) -> None:
        config, sysmode = self.config, native()
        self.log = LogOutput(config.log_categories, config.log_file)
        self._closers.append(self.log.close)
        for wanted in config.traces:
            self.log.trace(wanted.pattern, wanted.on)
        model, features = parse_cpu(config.cpu or self.machine.default_cpu)
        self.clock = Clock()
        self.loop = EventLoop(self.clock, sysmode.timer_create(), sysmode.timer_set)
        self._closers.append(self.loop.close)
        self.power = PowerSwitch(lambda: self._kick())
        self._kick: Callable[[], None] = lambda: None
        self.chardevs = self._open_chardevs()
        serials = self._open_serials()
        ports = config.parallels or ([] if config.nodefaults else ["null" if config.nographic else "vc"])
        parallels = [self.open_chardev(spec, f"parallel{number}", "-parallel") for number, spec in enumerate(ports)]
        debugcon = self.open_chardev(config.debugcon, "debugcon", "-debugcon") if config.debugcon else None
        tree = machine_tree(self.machine)
        if tree.empty and config.kernel:
            raise ConfigError(f"The -kernel parameter is not supported by machine '{self.machine.name}'")
        self.blocks = self._open_nodes()
        self.drives = drives = self._open_drives(with_defaults=not (config.nodefaults or tree.empty))
        board = Board(
            self.machine,
            tree,
            config,
            find_model(model, self.machine.hw_version).with_features(features),
            clock=self.clock,
            power=self.power,
            start_time=_start_time(config),
            drives=drives,
            serials=serials,
            parallels=[chardev for chardev in parallels if chardev is not None],
            debugcon=debugcon,
            chardevs=self.chardevs,
        )
        self.board = board
        self.cpu = board.cpu
        self._kick = board.cpu.kick
        for wanted in config.traces:
            if "*" not in wanted.pattern and not trace.events(wanted.pattern):
                warn(f"trace event '{wanted.pattern}' does not exist", wanted.option)
        announce(self)
        self._closers.append(board.close)
        self.cpu.engine.watch(self.loop.fileno())
        self._open_monitors()

    # -- backends -------------------------------------------------------------------------------------

    def _open_chardevs(self) -> Chardevs:
        """A registry with the backends of ``-chardev``; those of ``-serial`` and its kin join later."""
        chardevs = Chardevs(
            self.loop,
            on_quit=self._quit_from_terminal,
            on_save=self._flush_drives,
            announce=lambda text: print(text, flush=True),
            escape=self.config.escape,
        )
        self._closers.append(chardevs.close)
        for config in self.config.chardevs:
            try:
                chardevs.add(config, config.option)
            except ConfigError as error:
                raise ConfigError(
                    f"{config.option}: {error}" if config.option else str(error), error.hint
                ) from None
        return chardevs

    def open_chardev(self, spec: str, label: str, option: str = "") -> Any:
        """A character backend as ``-serial`` takes it; None for "none". Raises ConfigError naming *option*."""
        typed = f"{option} {spec}"
        try:
            return self.chardevs.open(spec, label, typed)
        except ConfigError as error:
            raise ConfigError(f"{typed}: {error}" if option else str(error), error.hint) from None

    def _open_serials(self) -> list[Any]:
        config = self.config
        specs = list(config.serials)
        if not specs and not config.nodefaults:
            # A monitor that an option names takes the place of the one behind the serial port's Ctrl-A c.
            terminal = "stdio" if config.no_default_monitor else "mon:stdio"
            specs = [terminal] if config.nographic else ["vc"]
        if len(specs) > len(SERIAL_PORTS):
            raise ConfigError(f"-serial: the board has {len(SERIAL_PORTS)} ports, not {len(specs)}")
        option = "-serial" if config.serials else ""
        chardevs = [self.open_chardev(spec, f"serial{number}", option) for number, spec in enumerate(specs)]
        return [chardev for chardev in chardevs if chardev is not None]

    def _open_nodes(self) -> Graph:
        """The block nodes of ``-blockdev``; those of drives join later."""
        graph = Graph()
        self._closers.append(graph.close)
        for config in self.config.blockdevs:
            try:
                graph.add(config.options, snapshot=self.config.snapshot)
            except ConfigError as error:
                raise ConfigError(
                    f"{config.option}: {error}" if config.option else str(error), error.hint
                ) from None
        return graph

    def _open_drives(self, *, with_defaults: bool) -> dict[tuple[str, int], Any]:
        wanted = [drive for drive in self.config.drives if drive.has_name]
        if with_defaults:
            taken = {(drive.interface, drive.index) for drive in self.config.drives}
            if ("ide", CD_INDEX) not in taken:
                wanted.append(DriveConfig("", index=CD_INDEX, bus=1, unit=0, media="cdrom"))
            if ("floppy", 0) not in taken:
                wanted.append(DriveConfig("", interface="floppy", index=0))
        wanted += [drive for drive in self.config.drives if not drive.has_name]
        drives: dict[tuple[str, int], Any] = {}
        for drive in wanted:
            limit = {"ide": IDE_DRIVES, "floppy": FLOPPY_DRIVES}.get(drive.interface)
            unused = drive.node and drive.interface == "none"
            if not unused and (limit is None or drive.index < limit):
                opened = drives[drive.interface, drive.index] = self._open_drive(drive)
                for warning in opened.warnings:
                    print(warning, file=sys.stderr)
        return drives

    def _open_drive(self, drive: DriveConfig) -> FileDrive:
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
                active=not self.config.incoming,
                graph=self.blocks,
                node=self.blocks.find(drive.node) if drive.node else None,
            )
        except ConfigError as error:
            raise ConfigError(f"{drive.option}: {error}" if drive.option else str(error), error.hint) from None
        opened.device_id = drive.device_id
        if not drive.has_name:
            opened.name = ""
        else:
            self.blocks.taken_names.add(opened.name)
        self._closers.append(opened.close)
        return opened

    def add_drive(self, config: DriveConfig) -> list[str]:
        """A drive that no device has (``if=none``), while the machine runs; its warnings. Raises ConfigError."""
        taken = {index for interface, index in self.drives if interface == "none"}
        if len(taken) >= HOT_DRIVES:
            raise ConfigError(f"Too many drives (more than {HOT_DRIVES})")
        config.index = min(set(range(len(taken) + 1)) - taken)
        drive = self._open_drive(config)
        self.drives["none", config.index] = drive
        listen_to_drive(self, drive)
        return drive.warnings

    def remove_drive(self, drive: FileDrive) -> None:
        """The opposite of ``add_drive``."""
        del self.drives["none", drive.index]
        self.blocks.taken_names.discard(drive.name)
        self._closers.remove(drive.close)
        drive.close()

    def _open_monitors(self) -> None:
        """The monitors that options name, or one behind Ctrl-A c or on a console, made when it is wanted."""
        if self.config.monitors:
            from pyqemu.monitor.attach import open_monitor

            for number, wanted in enumerate(self.config.monitors):
                self.monitors.append(open_monitor(self, wanted, f"compat_monitor{number}"))
        elif not (self.config.nodefaults or self.config.no_default_monitor or self.chardevs.mon_muxes):
            console = self.open_chardev("vc", "compat_monitor0")
            console.on_shown = partial(self._show_monitor, console)
        for mux in self.chardevs.mon_muxes:
            mux.on_monitor = self._show_monitor

    def _show_monitor(self, frontend: Any) -> None:
        from pyqemu.monitor.hmp import HmpSession

        self.monitors.append(HmpSession(self, frontend, "monitor"))

    @property
    def has_ended(self) -> bool:
        """Whether ``run()`` returns at its next turn."""
        return self._status is not None

    def named_chardevs(self) -> list[tuple[str, Any]]:
        """The character backends with their labels."""
        return list(self.chardevs.items())

    # -- requests -------------------------------------------------------------------------------------

    @property
    def devices(self) -> dict[str, Any]:
        """The board's devices by id."""
        return self.board.devices

    @cached_property
    def typist(self) -> Typist | None:
        """Types on the machine's keyboard, at the guest's pace; None without a keyboard."""
        from pyqemu.display.typist import Typist

        keyboard = self.devices.get("keyboard")
        return Typist(keyboard.keyboard, self.clock) if keyboard is not None else None

    @cached_property
    def jobs(self) -> Jobs:
        """Block jobs; ``going_jobs`` does not make what nobody has used."""
        from pyqemu.block.jobs import Jobs

        jobs = Jobs(self.loop, self.emit)
        self._closers.append(jobs.close)
        return jobs

    @property
    def going_jobs(self) -> list[Any]:
        return list(self.jobs.going) if "jobs" in self.__dict__ else []

    @property
    def screen(self) -> Source | None:
        """What the display adapter shows; None without one."""
        vga = self.devices.get("vga")
        return vga.scanout if vga is not None else None

    def press_power_button(self) -> None:
        """What follows is the guest's decision; a board without ACPI has no such button."""
        if "pm" in self.devices:
            self.devices["pm"].power_button()
        self.emit("POWERDOWN")

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

    def emit(self, event: str, **data: Any) -> None:
        """Tell the listeners what has happened."""
        for listener in list(self.listeners):
            listener(event, data)

    def start(self) -> None:
        """Let the guest run (from prelaunch or paused)."""
        if self.state is not RunState.RUNNING:
            self.state = RunState.RUNNING
            self.clock.start()
            self.emit("RESUME")

    def pause(self, state: RunState = RunState.PAUSED) -> None:
        """Stop the guest and its clock, if it runs."""
        if self.state is RunState.RUNNING:
            self.state = state
            self.clock.stop()
            self.emit("STOP")

    def run(self) -> int:
        """Run until the machine ends; returns the exit status."""
        self._status = None
        while (status := self.run_on()) is None:
            pass
        return status

    def interrupt(self) -> None:
        """Make ``run_on()`` return. On the machine's thread."""
        self._interrupted = True
        self._kick()

    def run_on(self) -> int | None:
        """Run until the machine ends, and return its exit status, or until ``interrupt()``, and return None."""
        self._interrupted = False
        cpu, loop, power = self.cpu, self.loop, self.power
        arm = cpu.engine.arm
        turns = self.clock.timer(lambda: None)  # its deadline makes the CPU come back
        while True:
            loop.poll()
            if power.pending:
                self.obey()
            if self._status is not None:
                return self._status
            if self._interrupted:
                return None
            arm()
            if self.state is not RunState.RUNNING or cpu.halted:
                loop.wait()
                continue
            if threading.active_count() > 1 and not turns.pending:
                turns.start(self.clock.now() + loop.turn_ns)
            if cpu.run() == "shutdown":
                power.request_reset("guest-reset")  # a triple fault

    def obey(self) -> None:
        """Act on what the power switch has been asked for. On the machine's thread, between instructions."""
        power = self.power
        if power.exit_status is not None:
            self._status = power.exit_status
        elif (what := power.take_panic()) is not None:
            self._panicked(what)
        elif power.shutdown_cause is not None:
            self._shut_down(power.shutdown_cause)
        elif (cause := power.take_reset()) is not None:
            if self.config.no_reboot and cause.startswith("guest-"):
                self._shut_down(cause)
            else:
                self.reset(cause)

    def _panicked(self, what: str) -> None:
        """The guest has crashed, or hands over to its crash kernel."""
        action = self.config.panic_action
        shown = {"pause": "pause", "none": "run"}.get(action, "poweroff")
        if what == "crashloaded":
            self.emit("GUEST_CRASHLOADED", action="run")
            return
        self.emit("GUEST_PANICKED", action=shown)
        if action == "pause":
            self.pause(RunState.GUEST_PANICKED)
        elif action == "shutdown":
            self._shut_down("guest-panic")
        elif action == "exit-failure":
            self.emit("SHUTDOWN", guest=True, reason="guest-panic")
            self._status = 1

    def _shut_down(self, cause: str) -> None:
        guest = cause.startswith("guest-")
        self.power.shutdown_cause = None
        self.emit("SHUTDOWN", guest=guest, reason=cause)
        if self.config.no_shutdown and guest:
            self.pause(RunState.SHUTDOWN)
            self.state = RunState.SHUTDOWN
        else:
            self._status = 0

    def reset(self, cause: str = "host-qmp-system-reset") -> None:
        """What the reset button does."""
        boot = self.config.boot
        if boot.once and "rtc" in self.board.devices:
            set_boot_order(self.board.devices["rtc"], boot.order or DEFAULT_BOOT)
        self.board.reset()
        if self.state is not RunState.RUNNING:
            self.state = RunState.PRELAUNCH
        self.emit("RESET", guest=cause.startswith("guest-"), reason=cause)

    def close(self) -> None:
        """Flush and give back everything the host lent. Safe to call twice."""
        while self._closers:
            closer = self._closers.pop()
            try:
                closer()
            except OSError as error:
                report(str(error))


def run(config: LaunchConfig) -> int:
    """Build a machine, run it to its end in this thread, and clean up; returns the exit status."""
    from pyqemu.end_signals import unwind_on_signals
    from pyqemu.process import process

    with process(config.process) as own:
        unwind_on_signals()  # building it may wait for a client
        vm = VirtualMachine(config)
        gc.freeze()  # none of that is garbage before the end
        gc.enable()
        try:
            with _signals(vm), _display(vm) as drawing:
                own.settle()
                _begin(vm, watched=not drawing)
                return vm.run()
        finally:
            gc.unfreeze()
            vm.close()


def _begin(vm: VirtualMachine, *, watched: bool) -> None:
    """From power-on, from a snapshot, or with the state that somebody sends. *watched*: a bar may be drawn."""
    config = vm.config
    if not config.incoming and not config.load_snapshot:
        if not config.start_paused:
            vm.start()
        return
    from pyqemu.display.progress import Bar
    from pyqemu.migration import Incoming, resume_snapshot

    bar = Bar("Loading", wanted=watched)
    if config.incoming:

        def changed(status: str) -> None:
            if status in ("completed", "failed"):
                bar.close()
            vm.emit("MIGRATION", status=status)

        vm.migration = Incoming(vm, config.incoming, on_change=changed)
        vm.migration.on_progress = bar.show
        vm.migration.start()
        return
    with bar:
        resume_snapshot(vm, config.load_snapshot, bar.show)


def _signals(vm: VirtualMachine) -> contextlib.AbstractContextManager[None]:
    """SIGTERM, SIGINT, SIGHUP and SIGQUIT end the machine in order; they wake it wherever it sleeps."""
    from pyqemu.end_signals import end_signals, sender

    def end(number: int, pid: int) -> None:
        # Ctrl-C at the terminal comes from nobody; the line it was typed on ends here.
        if pid:
            report(f"terminating on signal {number} from pid {pid} ({sender(pid)})")
        else:
            print(file=sys.stderr)
        vm.power.request_shutdown("host-signal")

    return end_signals(vm.loop, end)


@contextlib.contextmanager
def _display(vm: VirtualMachine) -> Iterator[bool]:
    """The VGA screen in the terminal, when that is wanted; whether it is."""
    config = vm.config
    backends = [*config.serials, *config.parallels, config.debugcon, *(m.chardev for m in config.monitors)]
    backends += [chardev.backend for chardev in config.chardevs]
    wanted = config.display == "curses" or (
        config.display is None
        and not config.nographic
        and not config.process.daemonize
        and not any(spec.endswith("stdio") for spec in backends)  # the terminal is taken
        and not any(chardev.backend == "stdio" for chardev in config.chardevs)
        and os.isatty(0)
        and os.isatty(1)
    )
    if not wanted:
        yield False
        return
    from pyqemu.display.curses_ui import show

    with show(vm):
        yield True


def _start_time(config: LaunchConfig) -> int:
    """What the guest's clock shows at power-on, in seconds since 1970."""
    base = config.rtc.base
    if isinstance(base, datetime):
        return int(base.replace(tzinfo=UTC).timestamp())
    now = int(time.time())
    return now + time.localtime(now).tm_gmtoff if base == "localtime" else now
