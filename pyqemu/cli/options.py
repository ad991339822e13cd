"""Every option, in one table: names, value, help, and what it does to the ``Build``.

Syntax   QEMU's: long options with one dash or two, the value in the next argument, whatever that is;
         an argument without a dash is a disk image
Errors   ConfigError: no such option, one that QEMU has and we lack, a value missing
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from pyqemu.cli import qemu_names
from pyqemu.cli.build import Build
from pyqemu.cli.help import full_help, version
from pyqemu.cli.messages import Answer, Typed
from pyqemu.core.errors import ConfigError, nearest
from pyqemu.launch import LaunchConfig

Handler = Callable[[Build, Typed], None]


@dataclass(frozen=True, slots=True)
class Option:
    """``names``: without dashes. ``metavar`` empty: the option takes no value."""

    names: tuple[str, ...]
    metavar: str
    help: str
    handler: Handler


def _text(attribute: str) -> Handler:
    """An option whose value goes into the configuration as it is."""

    def handler(build: Build, typed: Typed) -> None:
        setattr(build.config, attribute, typed.value)

    return handler


def _switch(attribute: str) -> Handler:
    def handler(build: Build, typed: Typed) -> None:
        setattr(build.config, attribute, True)

    return handler


def _disk(index: int) -> Handler:
    return lambda build, typed: build.fixed_drive(typed, "ide", index)


def _floppy(index: int) -> Handler:
    return lambda build, typed: build.fixed_drive(typed, "floppy", index)


def _cdrom(build: Build, typed: Typed) -> None:
    build.fixed_drive(typed, "ide", 2, "cdrom")


def _nothing(build: Build, typed: Typed) -> None:
    """An option whose behaviour we have anyway."""


def _help(build: Build, typed: Typed) -> None:
    raise Answer(full_help(GROUPS), styled=True)


def _version(build: Build, typed: Typed) -> None:
    raise Answer(version())


GROUPS: dict[str, list[Option]] = {
    "Standard options": [
        Option(("h", "help"), "", "show this help and exit", _help),
        Option(("version",), "", "show the version and exit", _version),
        Option(
            ("machine", "M"),
            "[type=]name[,prop=value...]",
            "choose the machine; -machine help lists them",
            Build.machine,
        ),
        Option(("cpu",), "model[,+flag][,-flag]", "choose the CPU; -cpu help lists them", Build.cpu),
        Option(("accel",), "tcg", "how instructions are executed; there is one way", Build.accel),
        Option(("smp",), "[cpus=]1", "number of CPUs; there is one", Build.smp),
        Option(
            ("m",), "[size=]megs", "RAM in MiB, or with a suffix k, M, G, T; 0 is the default, 128", Build.memory
        ),
        Option(
            ("boot",),
            "[order=drives][,once=drives][,menu=on|off][,splash-time=ms][,strict=on|off]",
            "drives to boot from: a, b floppy, c disk, d CD-ROM, n network",
            Build.boot,
        ),
        Option(
            ("device",),
            "driver[,prop=value...]",
            "add a device; -device help and -device driver,help list what there is",
            Build.device,
        ),
        Option(("global",), "driver.prop=value", "set a property of every device of a type", Build.set_global),
        Option(("name",), "[guest=]name[,process=name]", "name of the machine, and of the process", Build.name),
        Option(
            ("nodefaults",),
            "",
            "only what the options name: no default serial or parallel port, display, CD-ROM or floppy",
            _switch("nodefaults"),
        ),
        Option(("no-user-config",), "", "read no configuration files (we never do)", _nothing),
    ],
    "Drive options": [
        Option(("fda",), "file", "image for floppy drive 0", _floppy(0)),
        Option(("fdb",), "file", "image for floppy drive 1", _floppy(1)),
        Option(("hda",), "file", "image for hard disk 0; a bare file name is the same", _disk(0)),
        Option(("hdb",), "file", "image for hard disk 1", _disk(1)),
        Option(("hdc",), "file", "image for hard disk 2", _disk(2)),
        Option(("hdd",), "file", "image for hard disk 3", _disk(3)),
        Option(("cdrom",), "file", "image for the CD-ROM drive (in place of hard disk 2)", _cdrom),
        Option(
            ("drive",),
            "[file=file][,if=ide|floppy|none][,index=i][,bus=n][,unit=m][,media=disk|cdrom]"
            "[,format=raw][,snapshot=on|off][,readonly=on|off][,cache=mode][,serial=text][,id=name]",
            "a drive, in full",
            Build.drive,
        ),
        Option(("snapshot",), "", "write to temporary files instead of the images", _switch("snapshot")),
    ],
    "Linux and firmware options": [
        Option(("kernel",), "bzImage", "boot this Linux kernel", _text("kernel")),
        Option(("append",), "cmdline", "its command line", _text("append")),
        Option(("initrd",), "file", "its initial RAM disk", _text("initrd")),
        Option(("bios",), "file", "firmware image", _text("bios")),
        Option(("L",), "dir", "look for firmware in this directory first; -L help lists them", Build.firmware_dir),
        Option(("option-rom",), "file", "put an option ROM where the firmware finds it", Build.option_rom),
    ],
    "Display and line options": [
        Option(("display",), "curses|none", "where the screen goes", Build.display),
        Option(("nographic",), "", "no screen; the first serial port is the terminal", _switch("nographic")),
        Option(("vga",), "std|none", "graphics card", Build.vga),
        Option(
            ("serial",),
            "dev",
            "where a serial port goes: stdio, file:path, null, none; may be repeated",
            Build.serial,
        ),
        Option(("parallel",), "dev", "where a parallel port goes, likewise", Build.parallel),
        Option(("monitor",), "none", "where the monitor goes", Build.monitor),
        Option(("debugcon",), "dev", "where the debug port 0xe9 goes", Build.debugcon),
    ],
    "Running and debugging options": [
        Option(("S",), "", "do not start the CPU", _switch("start_paused")),
        Option(("no-reboot",), "", "exit instead of rebooting", _switch("no_reboot")),
        Option(("no-shutdown",), "", "stop instead of exiting when the guest powers off", _switch("no_shutdown")),
        Option(
            ("rtc",),
            "[base=utc|localtime|datetime][,clock=host|rt|vm][,driftfix=none|slew]",
            "the clock's start and its source",
            Build.rtc,
        ),
        Option(("d",), "item,...", "log what happens; -d help lists the items", Build.log),
        Option(("D",), "file", "log to this file instead of stderr", _text("log_file")),
    ],
}

OPTIONS = {name: option for group in GROUPS.values() for option in group for name in option.names}


def parse(arguments: Sequence[str]) -> LaunchConfig:
    """The configuration that *arguments* describe. Raises ConfigError, Answer."""
    build = Build()
    for handler, typed in list(_typed_options(arguments)):
        handler(build, typed)
    return build.finish()


def _typed_options(arguments: Sequence[str]) -> Iterator[tuple[Handler, Typed]]:
    waiting = iter(arguments)
    for argument in waiting:
        if not argument.startswith("-"):
            yield _disk(0), Typed("", argument)
            continue
        name = argument[2:] if argument.startswith("--") else argument[1:]
        option = OPTIONS.get(name)
        if option is None:
            if name in qemu_names.OPTIONS:
                raise ConfigError(f"{argument}: not supported by pyqemu")
            raise ConfigError(f"{argument}: invalid option", _nearest_option(name))
        if not option.metavar:
            yield option.handler, Typed(argument)
            continue
        value = next(waiting, None)
        if value is None:
            raise ConfigError(f"{argument}: requires an argument", f"Accepted: {argument} {option.metavar}")
        yield option.handler, Typed(argument, value)


def _nearest_option(name: str) -> str:
    return nearest(f"-{name.partition('=')[0]}", [f"-{known}" for known in OPTIONS])
