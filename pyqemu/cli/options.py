"""Every option, in one table: names, value, help, and what it does to the ``Build``.

Syntax   QEMU's: long options with one dash or two, the value in the next argument, whatever that is;
         an argument without a dash is a disk image
Errors   ConfigError: no such option, one that QEMU has and we lack, a value missing
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module

from pyqemu.cli.build import Build
from pyqemu.cli.help import full_help, version
from pyqemu.cli.messages import Answer, Typed
from pyqemu.cli.refused import REFUSED
from pyqemu.core.errors import ConfigError, nearest
from pyqemu.core.messages import style
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


def _pretty_qmp(build: Build, typed: Typed) -> None:
    build.qmp(typed, pretty=True)


def _of_config(place: str) -> Handler:
    """An option that *place*, ``module.function`` of this package, puts into the configuration.

    The module is imported when the option is used, so that it costs nobody else's start.
    """
    module, function = place.split(".")

    def handler(build: Build, typed: Typed) -> None:
        getattr(import_module(f"pyqemu.cli.{module}"), function)(build.config, typed)

    return handler


def _checked(place: str) -> Handler:
    """An option that is checked, likewise, and has no effect."""
    module, function = place.split(".")

    def handler(build: Build, typed: Typed) -> None:
        getattr(import_module(f"pyqemu.cli.{module}"), function)(typed)

    return handler


def _elsewhere(build: Build, typed: Typed) -> None:
    """``parse`` deals with it."""


def _process(attribute: str) -> Handler:
    def handler(build: Build, typed: Typed) -> None:
        setattr(build.config.process, attribute, typed.value or True)

    return handler


def _nothing(build: Build, typed: Typed) -> None:
    """An option whose behaviour we have anyway."""


def _help(build: Build, typed: Typed) -> None:
    raise Answer(full_help(GROUPS), styled=True)


def _version(build: Build, typed: Typed) -> None:
    raise Answer(version())


def _seed(build: Build, typed: Typed) -> None:
    if not typed.value.isdecimal():
        raise typed.error(f"Invalid seed number: {typed.value}", "Accepted: a number.")


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
        Option(("machine-dir",), "dir", "find machine types in this directory, too", Build.machine_dir),
        Option(("cpu",), "model[,+flag][,-flag]", "choose the CPU; -cpu help lists them", Build.cpu),
        Option(("accel",), "tcg", "how instructions are executed; there is one way", Build.accel),
        Option(("smp",), "[cpus=]1", "number of CPUs; there is one", Build.smp),
        Option(
            ("m",), "[size=]megs", "RAM in MiB, or with a suffix k, M, G, T; 0 is the default, 128", Build.memory
        ),
        Option(
            ("boot",),
            "[order=drives][,once=drives][,menu=on|off][,splash-time=ms][,reboot-timeout=ms][,strict=on|off]",
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
        Option(("uuid",), "uuid", "the machine's own number, for the firmware", _of_config("host.uuid")),
        Option(("no-user-config", "nodefconfig"), "", "read no configuration files (we never do)", _nothing),
        Option(
            ("object",),
            "type,id=id[,prop=value...]",
            "iothread, secret, memory-backend-ram; -object help lists them",
            Build.add_object,
        ),
        Option(("no-acpi",), "", "(no effect: the firmware's tables are as they are)", _nothing),
        Option(("no-hpet",), "", "no HPET (there is none)", _nothing),
        Option(("k",), "layout", "keyboard layout for remote displays (no effect: there is none)", _nothing),
        Option(("audiodev",), "none,id=id", "audio backend; none is the only one", _checked("objects.audiodev")),
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
        Option(
            ("blockdev",),
            "driver=file|raw|null-co|null-aio,node-name=name[,filename=file][,file=node][,size=n]"
            "[,read-only=on|off][,cache.direct=on|off]",
            "a block node for -device ide-hd and its kin; also as JSON",
            Build.blockdev,
        ),
        Option(("snapshot",), "", "write to temporary files instead of the images", _switch("snapshot")),
    ],
    "Linux and firmware options": [
        Option(("kernel",), "file", "boot this Linux (bzImage) or Multiboot kernel", _text("kernel")),
        Option(("append",), "cmdline", "its command line", _text("append")),
        Option(
            ("initrd",),
            "file",
            "its initial RAM disk; for Multiboot its modules: file args,file args",
            _text("initrd"),
        ),
        Option(("bios",), "file", "firmware image", _text("bios")),
        Option(
            ("fw_cfg",),
            "[name=]opt/name,file=file|string=text",
            "hand a file or a text over to the firmware and the guest",
            Build.fw_cfg,
        ),
        Option(
            ("smbios",),
            "type=0|1[,field=value...] or file=file",
            "fields of the BIOS (vendor, version, date, release) and of the system (manufacturer, product, "
            "version, serial, uuid, sku, family) in the SMBIOS tables, or a whole table",
            Build.smbios,
        ),
        Option(
            ("acpitable",),
            "[sig=str][,rev=n][,oem_id=str][,oem_table_id=str][,oem_rev=n][,asl_compiler_id=str]"
            "[,asl_compiler_rev=n],data|file=file[:file...]",
            "add an ACPI table: file with its header, data without",
            Build.acpi_table,
        ),
        Option(("L",), "dir", "look for firmware in this directory first; -L help lists them", Build.firmware_dir),
        Option(("option-rom",), "file", "put an option ROM where the firmware finds it", Build.option_rom),
    ],
    "Display and line options": [
        Option(("display",), "curses|none", "where the screen goes", Build.display),
        Option(("nographic",), "", "no screen; the first serial port is the terminal", _switch("nographic")),
        Option(("vga",), "std|none", "graphics card", Build.vga),
        Option(
            ("chardev",),
            "backend,id=id[,mux=on|off][,logfile=file][,logappend=on|off][,key=value...]",
            "a character backend for devices to use; -chardev help and -chardev backend,help list what there is",
            Build.chardev,
        ),
        Option(
            ("add-fd",),
            "fd=fd,set=set[,opaque=text]",
            "an open file that was passed to us, from now on /dev/fdset/SET",
            Build.add_fd,
        ),
        Option(
            ("serial",),
            "dev",
            "where a serial port goes: stdio, file:path, unix:path, tcp:host:port, pty, null, none, chardev:id...",
            Build.serial,
        ),
        Option(("parallel",), "dev", "where a parallel port goes, likewise", Build.parallel),
        Option(("monitor",), "dev", "where the monitor (HMP) goes, likewise", Build.monitor),
        Option(("qmp",), "dev", "where the monitor for programs (QMP) goes, likewise", Build.qmp),
        Option(("qmp-pretty",), "dev", "the same, its output indented", _pretty_qmp),
        Option(
            ("mon",),
            "[chardev=]id[,mode=readline|control][,pretty=on|off]",
            "a monitor on a -chardev",
            Build.mon,
        ),
        Option(("debugcon",), "dev", "where the debug port 0xe9 goes", Build.debugcon),
    ],
    "Network options": [
        Option(("nic",), "none", "network card; there is none", _checked("network.nic")),
        Option(("net",), "none", "likewise, the older spelling", _checked("network.net")),
        Option(("netdev",), "type,id=id", "network backend; there is none", _checked("network.netdev")),
    ],
    "Running and debugging options": [
        Option(("S",), "", "do not start the CPU", _switch("start_paused")),
        Option(
            ("incoming",),
            "uri",
            "wait for a machine's state: tcp:[host]:port, unix:path, exec:command, fd:n, file:path, defer",
            Build.incoming,
        ),
        Option(("loadvm",), "name", "start from this snapshot", _text("load_snapshot")),
        Option(("no-reboot",), "", "exit instead of rebooting", _switch("no_reboot")),
        Option(("no-shutdown",), "", "stop instead of exiting when the guest powers off", _switch("no_shutdown")),
        Option(
            ("action",),
            "[reboot=reset|shutdown][,shutdown=poweroff|pause][,panic=pause|shutdown|exit-failure|none]"
            "[,watchdog=action]",
            "what follows when the guest resets, powers off or crashes (-device pvpanic)",
            _of_config("host.action"),
        ),
        Option(
            ("watchdog-action",), "action", "(no effect: there is no watchdog)", _checked("host.watchdog_action")
        ),
        Option(
            ("pidfile",), "file", "write our process id to a file while the machine is there", _process("pidfile")
        ),
        Option(("daemonize",), "", "go to the background when the machine is built", _process("daemonize")),
        Option(("chroot",), "dir", "go into this directory before the guest runs", _process("chroot")),
        Option(("runas",), "user|uid:gid", "become this user before the guest runs", _of_config("host.runas")),
        Option(
            ("msg",),
            "[timestamp=on|off][,guest-name=on|off]",
            "what messages begin with",
            _of_config("host.message_style"),
        ),
        Option(("sandbox",), "off", "filter of system calls; there is none", _checked("host.sandbox")),
        Option(("readconfig",), "file", "take options from a file of sections", _elsewhere),
        Option(("writeconfig",), "file", "write the options to such a file; - is standard output", _elsewhere),
        Option(
            ("overcommit",),
            "[mem-lock=off][,cpu-pm=off]",
            "how the host's memory and CPU are used (off only)",
            _checked("host.overcommit"),
        ),
        Option(("echr",), "code", "the key before a command to us (default 1, Ctrl-A)", Build.escape),
        Option(("only-migratable",), "", "only devices whose state can be moved (all are)", _nothing),
        Option(("mem-prealloc",), "", "(no effect: memory comes as it is used)", _nothing),
        Option(("seed",), "number", "(no effect: nothing here is random)", _seed),
        Option(("compat",), "deprecated-input=accept,...", "treatment of old features", _checked("host.compat")),
        Option(
            ("rtc",),
            "[base=utc|localtime|datetime][,clock=host|rt|vm][,driftfix=none|slew]",
            "the clock's start and its source",
            Build.rtc,
        ),
        Option(("d",), "item,...", "log what happens; -d help lists the items", Build.log),
        Option(("D",), "file", "log to this file instead of stderr", _text("log_file")),
        Option(
            ("trace",),
            "[[enable=]pattern][,events=file]",
            "tell about these events as -d does; -trace help lists them",
            Build.trace,
        ),
    ],
}

OPTIONS = {name: option for group in GROUPS.values() for option in group for name in option.names}


def parse(arguments: Sequence[str]) -> LaunchConfig:
    """The configuration that *arguments* describe. Raises ConfigError, Answer."""
    style.reset()
    build = Build()
    typed_options = list(_typed_options(arguments))
    typed_options.sort(key=lambda option: option[0] is not Build.machine_dir)  # -M help lists what is there
    for handler, typed in typed_options:
        handler(build, typed)
    config = build.finish()
    for _, typed in typed_options:
        if typed.option.lstrip("-") == "writeconfig":
            from pyqemu.cli import configfile

            configfile.write(typed, [option for _, option in typed_options])
    return config


def _typed_options(arguments: Sequence[str]) -> Iterator[tuple[Handler, Typed]]:
    waiting = iter(arguments)
    for argument in waiting:
        if not argument.startswith("-"):
            yield _disk(0), Typed("", argument)
            continue
        option = _find(argument)
        if not option.metavar:
            yield option.handler, Typed(argument)
            continue
        value = next(waiting, None)
        if value is None:
            raise ConfigError(f"{argument}: requires an argument", f"Accepted: {argument} {option.metavar}")
        typed = Typed(argument, value)
        yield option.handler, typed
        if "readconfig" in option.names:
            from pyqemu.cli import configfile

            for inner in configfile.read(typed):
                yield OPTIONS[inner.option[1:]].handler, inner


def _find(argument: str) -> Option:
    """The option that *argument* names, with one dash or two. Raises ConfigError."""
    name = argument[2:] if argument.startswith("--") else argument[1:]
    if option := OPTIONS.get(name):
        return option
    if name in REFUSED:
        raise ConfigError(f"{argument}: not supported by pyqemu", f"Reason: {REFUSED[name]}.")
    raise ConfigError(f"{argument}: invalid option", _nearest_option(name))


def _nearest_option(name: str) -> str:
    return nearest(f"-{name.partition('=')[0]}", [f"-{known}" for known in OPTIONS])
