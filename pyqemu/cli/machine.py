"""The options that shape the machine: -machine, -accel, -m, -smp, -boot, -rtc, -name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, cast

from pyqemu.cli import qemu_names
from pyqemu.cli.messages import Answer, Typed, accepted
from pyqemu.cli.values import boolean, integer, options, switch
from pyqemu.core.errors import ConfigError, nearest
from pyqemu.core.messages import warn
from pyqemu.core.sizes import parse_size
from pyqemu.launch import BootConfig, LaunchConfig, RtcConfig

if TYPE_CHECKING:
    from datetime import datetime

    from pyqemu.machines.registry import MachineType

RAM_GRANULE = 8192  # sizes are rounded up to it
MAX_BOOT_DEVICES = 3  # that many fit into the CMOS
BOOT_LETTERS = {"a": "first floppy", "b": "second floppy", "c": "hard disk", "d": "CD-ROM", "n": "network"}
ACCELERATORS = ("tcg",)

SWITCHES = {
    "dump-guest-core": "include guest memory in a core dump of the emulator",
    "graphics": "off is -nographic",
    "mem-merge": "let the host merge equal pages of guest memory",
    "usb": "USB controller (off only)",
}
FILES = {
    "append": "Linux kernel command line",
    "firmware": "firmware image, like -bios",
    "initrd": "Linux initial RAM disk file",
    "kernel": "Linux kernel image file",
}


def machine_properties(
    config: LaunchConfig, machine: MachineType, typed: dict[str, str], accel_given: bool
) -> None:
    """Put the properties of ``-machine TYPE,prop=value`` into *config*. Raises ConfigError."""
    owner = f"{machine.name}-machine"
    for key, value in typed.items():
        if key == "accel":
            if accel_given:
                raise ConfigError('The -accel and "-machine accel=" options are incompatible')
            choose_accelerator(value)
        elif key in SWITCHES:
            on = boolean(value, key)
            if key == "usb" and on:
                raise ConfigError(f"Property '{owner}.usb': on is not supported by pyqemu", "Accepted: off.")
            config.machine_props[key] = "on" if on else "off"
            config.nographic |= key == "graphics" and not on
        elif key == "memory-backend":
            config.machine_props[key] = value
        elif key in FILES:
            attribute = "bios" if key == "firmware" else key
            setattr(config, attribute, getattr(config, attribute) or value)
        elif key in qemu_names.MACHINE_PROPERTIES:
            raise ConfigError(f"Property '{owner}.{key}' is not supported by pyqemu")
        else:
            raise ConfigError(f"Property '{owner}.{key}' not found", nearest(key, ["accel", *SWITCHES, *FILES]))


def machine_help(machine: MachineType) -> str:
    """``-M TYPE,help``: the properties, then what the type sets on devices."""
    from pyqemu.machines.devices import compat_remark

    rows = {f"{key}=<bool>": text for key, text in SWITCHES.items()}
    rows |= {f"{key}=<string>": text for key, text in FILES.items()}
    rows["accel=<string>"] = "accelerators to try, separated by colons"
    lines = [f"{machine.name}-machine options:", *(f"  {key:<22} - {rows[key]}" for key in sorted(rows))]
    if machine.compat:
        lines += ["", f"{machine.name} sets on devices:"]
        lines += [f"  {entry!s:<40} {compat_remark(entry)}".rstrip() for entry in machine.compat]
    return "\n".join(lines)


def accel(typed: Typed) -> None:
    """``-accel``: there is one. Raises ConfigError, Answer for help."""
    values = options(typed, known=None, implied="accel")
    name = values.pop("accel", "")
    if name in ("", "help", "?"):
        raise Answer(accelerator_list())
    if name not in ACCELERATORS:
        raise typed.error(f"invalid accelerator {name}", accepted(ACCELERATORS))
    if values:
        raise typed.unsupported(f"the property '{next(iter(values))}'")


def accelerator_list() -> str:
    return "\n".join(["Accelerators supported in QEMU binary:", *ACCELERATORS])


def choose_accelerator(names: str) -> None:
    """``-machine accel=A:B``: the first that exists. Raises ConfigError if none does."""
    for position, name in enumerate(tried := names.split(":")):
        if name in ACCELERATORS:
            if position:
                warn(f"{', '.join(tried[:position])}: no such accelerator here; falling back to {name}")
            return
    raise ConfigError(f"invalid accelerator {tried[0]}", accepted(ACCELERATORS))


def memory(typed: Typed) -> int:
    """Bytes of RAM for ``-m``; 0 means the default, as QEMU has it."""
    values = options(typed, known=("size", "slots", "maxmem"), implied="size")
    for key in ("slots", "maxmem"):
        if key in values:
            raise typed.unsupported(f"memory hot-plug ('{key}')")
    if "size" not in values:
        return 0
    size = parse_size(values["size"], f"{typed}: Parameter 'size'", default_suffix="M")
    return -(-size // RAM_GRANULE) * RAM_GRANULE


def processors(values: dict[str, str], machine: MachineType) -> int:
    """The number of CPUs for the merged ``-smp`` options. Raises ConfigError unless it is 1."""
    topology = ("sockets", "dies", "clusters", "cores", "threads")
    known = ("cpus", "maxcpus", *topology)
    numbers: dict[str, int] = {}
    for key, value in values.items():
        if key not in known:
            raise ConfigError(f"Parameter 'smp.{key}' is unexpected", nearest(key, known))
        numbers[key] = integer(value, f"Parameter 'smp.{key}' expects integer")
    if any(number == 0 for number in numbers.values()):
        warn("Deprecated CPU topology (considered invalid): CPU topology parameters must be greater than zero")
    product = 1
    for key in topology:
        product *= numbers.get(key) or 1
    count = numbers.get("cpus") or numbers.get("maxcpus") or product
    most = numbers.get("maxcpus") or count
    if not 1 <= count <= machine.max_cpus or not 1 <= most <= machine.max_cpus:
        raise ConfigError(
            f"Invalid SMP CPUs {max(count, most) if count > 0 else count}. "
            f"The max CPUs supported by machine '{machine.name}' is {machine.max_cpus}"
        )
    if any(numbers.get(key) for key in topology) and product != most:
        sizes = " * ".join(f"{key} ({numbers.get(key) or 1})" for key in topology if key in numbers)
        raise ConfigError(
            f"Invalid CPU topology: product of the hierarchy must match maxcpus: {sizes} != maxcpus ({most})"
        )
    if most != 1:
        raise ConfigError("-smp: more than one CPU is not supported by pyqemu", "Accepted: 1.")
    return count


def boot(values: dict[str, str]) -> BootConfig:
    """The merged ``-boot`` options. Raises ConfigError."""
    known = ("order", "once", "menu", "splash", "splash-time", "reboot-timeout", "strict")
    for key in values:
        if key not in known:
            raise ConfigError(f"Parameter 'boot.{key}' is unexpected", nearest(key, known))
        if key == "splash":
            raise ConfigError(f"-boot {key}= is not supported by pyqemu")
    for key in ("order", "once"):
        _check_boot_devices(values.get(key, ""))
    splash_time = None
    if "splash-time" in values:
        splash_time = integer(values["splash-time"], "Parameter 'boot.splash-time' expects integer")
        if not 0 <= splash_time <= 0xFFFF:
            raise ConfigError("splash-time is invalid,it should be a value between 0 and 65535")
    reboot_timeout = -1
    if "reboot-timeout" in values:
        reboot_timeout = integer(values["reboot-timeout"], "Parameter 'boot.reboot-timeout' expects integer")
        if not -1 <= reboot_timeout <= 0xFFFF:
            raise ConfigError("reboot timeout is invalid,it should be a value between -1 and 65535")
    return BootConfig(
        order=values.get("order", ""),
        once=values.get("once", ""),
        menu=boolean(values.get("menu", "off"), "boot.menu"),
        splash_time=splash_time,
        reboot_timeout=reboot_timeout,
        strict=boolean(values.get("strict", "off"), "boot.strict"),
    )


def _check_boot_devices(letters: str) -> None:
    hint = accepted([f"{letter} ({name})" for letter, name in BOOT_LETTERS.items()])
    for position, letter in enumerate(letters):
        if not "a" <= letter <= "p":
            raise ConfigError(f"Invalid boot device '{letter}'", hint)
        if letter in letters[:position]:
            raise ConfigError(f"Boot device '{letter}' was given twice")
    if len(letters) > MAX_BOOT_DEVICES:
        raise ConfigError("Too many boot devices for PC", f"Accepted: at most {MAX_BOOT_DEVICES}.")
    for letter in letters:
        if letter not in BOOT_LETTERS:
            raise ConfigError(f"Invalid boot device for PC: '{letter}'", hint)


def real_time_clock(typed: Typed) -> RtcConfig:
    """``-rtc``. Raises ConfigError."""
    values = options(typed, known=("base", "clock", "driftfix"))
    return RtcConfig(
        base=_rtc_base(values.get("base", "utc")),
        clock=cast(Literal["host", "rt", "vm"], _rtc_choice(values.get("clock", "host"), ("host", "rt", "vm"))),
        driftfix=cast(Literal["none", "slew"], _rtc_choice(values.get("driftfix", "none"), ("none", "slew"))),
    )


def _rtc_choice(value: str, choices: tuple[str, ...]) -> Any:
    if value not in choices:
        raise ConfigError(f"invalid option value '{value}'", accepted(choices))
    return value


def _rtc_base(text: str) -> datetime | Literal["utc", "localtime"]:
    from datetime import datetime

    if text in ("utc", "localtime"):
        return cast(Literal["utc", "localtime"], text)
    for layout in ("%Y-%m-%dT%H:%M:%S", "%Y-%m-%d"):
        try:
            return datetime.strptime(text, layout)
        except ValueError:
            continue
    raise ConfigError(
        "invalid datetime format",
        "valid formats: '2006-06-17T16:01:21' or '2006-06-17'\n"
        f"The value was '{text}'; utc and localtime are accepted, too.",
    )


def name(config: LaunchConfig, typed: Typed) -> None:
    """``-name``. Raises ConfigError."""
    values = options(typed, known=("guest", "process", "debug-threads"), implied="guest")
    switch(typed, values, "debug-threads")  # our threads have their names always
    config.name = values.get("guest", config.name)
    config.process_name = values.get("process", config.process_name)
