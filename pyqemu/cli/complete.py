"""What the shell offers after Tab, for bash, zsh and fish: ``eval "$(_PYQEMU_COMPLETE=bash_source pyqemu)"``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from click.shell_completion import CompletionItem

from pyqemu.cli import host, lists
from pyqemu.cli.drive_devices import TYPES
from pyqemu.cli.drives import KEYS as DRIVE_KEYS
from pyqemu.cli.objects import OBJECTS
from pyqemu.cli.options import OPTIONS

FILES = "fda fdb hda hdb hdc hdd cdrom kernel initrd bios option-rom D pidfile readconfig writeconfig"
DIRECTORIES = "L machine-dir chroot"


def complete(words: Sequence[str], incomplete: str) -> list[CompletionItem]:
    """*words*: those before the one at the cursor."""
    name = words[-1].lstrip("-") if words and words[-1].startswith("-") else ""
    option = OPTIONS.get(name)
    if option is not None and option.metavar:
        return _values(option.names[0], incomplete)
    if incomplete.startswith("-"):
        dashes = "--" if incomplete.startswith("--") else "-"
        return [
            CompletionItem(f"{dashes}{known}", help=found.help)
            for known, found in OPTIONS.items()
            if f"{dashes}{known}".startswith(incomplete)
        ]
    return [CompletionItem(incomplete, type="file")]


def _values(name: str, incomplete: str) -> list[CompletionItem]:
    if name in DIRECTORIES.split():
        return [CompletionItem(incomplete, type="dir")]
    if name in FILES.split():
        return [CompletionItem(incomplete, type="file")]
    known = _WORDS.get(name)
    before, comma, last = incomplete.rpartition(",")
    if known is None or (comma and name != "drive"):
        return [CompletionItem(incomplete, type="file")] if known is None else []
    return [CompletionItem(f"{before}{comma}{word}") for word in known() if word.startswith(last)]


def _machines() -> Iterable[str]:
    from pyqemu.machines.registry import Registry

    registry = Registry.load()
    return [*registry.names(), *(found.alias for name in registry.names() if (found := registry.get(name)).alias)]


def _cpus() -> Iterable[str]:
    from pyqemu.cpu.model_names import MODEL_NAMES

    return sorted(MODEL_NAMES)


def _devices() -> Iterable[str]:
    from pyqemu.machines.devices import PLUGGABLE

    return sorted([*PLUGGABLE, *TYPES])


def _backends() -> Iterable[str]:
    from pyqemu.chardev.syntax import BACKENDS

    return BACKENDS


def _lines() -> Iterable[str]:
    from pyqemu.chardev.syntax import SPECS

    plain = ("none", "null", "pty", "stdio", "vc")
    return [*(word if word in plain else f"{word}:" for word in SPECS), "mon:stdio", "chardev:"]


_WORDS: dict[str, Callable[[], Iterable[str]]] = {
    "accel": lambda: ("tcg",),
    "action": lambda: [f"{key}={value}" for key, values in host.ACTIONS.items() for value in values],
    "chardev": _backends,
    "cpu": _cpus,
    "d": lambda: lists.LOG_ITEMS,
    "debugcon": _lines,
    "device": _devices,
    "display": lambda: lists.DISPLAYS,
    "drive": lambda: [f"{key}=" for key in DRIVE_KEYS],
    "machine": _machines,
    "monitor": _lines,
    "net": lambda: ("none",),
    "nic": lambda: ("none",),
    "object": lambda: OBJECTS,
    "parallel": _lines,
    "qmp": _lines,
    "qmp-pretty": _lines,
    "sandbox": lambda: ("off",),
    "serial": _lines,
    "vga": lambda: lists.VGA,
    "watchdog-action": lambda: host.ACTIONS["watchdog"],
}
