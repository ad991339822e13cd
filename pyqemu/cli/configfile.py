"""-readconfig and -writeconfig: options in a file of sections.

    [drive "disk"]
      file = "disk.img"
      format = "raw"

A section is an option, the word in quotes its id, each line one of its keys. Values are in quotes and know no
escape, so they cannot hold a quote.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator

from pyqemu.cli.messages import Typed
from pyqemu.cli.values import split
from pyqemu.core.errors import ConfigError, nearest

FILE_LIMIT = 1 << 20

SECTIONS = {
    "accel": ("accel", "accel"),
    "action": ("action", ""),
    "add-fd": ("add-fd", ""),
    "boot-opts": ("boot", "order"),
    "chardev": ("chardev", "backend"),
    "device": ("device", "driver"),
    "drive": ("drive", ""),
    "fw_cfg": ("fw_cfg", "name"),
    "global": ("global", ""),
    "machine": ("machine", "type"),
    "memory": ("m", "size"),
    "mon": ("mon", "chardev"),
    "msg": ("msg", ""),
    "name": ("name", "guest"),
    "netdev": ("netdev", "type"),
    "object": ("object", "qom-type"),
    "option-rom": ("option-rom", "romfile"),
    "overcommit": ("overcommit", ""),
    "rtc": ("rtc", ""),
    "sandbox": ("sandbox", "enable"),
    "smp-opts": ("smp", "cpus"),
}
"""Section → (option, the key that its first value may leave out)."""

_HEAD = re.compile(r'\[\s*([A-Za-z0-9_-]+)(?:\s+"([^"\n]*)")?\s*\]')
_LINE = re.compile(r'([A-Za-z0-9_.-]+)\s*=\s*"([^"\n]*)"')
_GLOBAL = re.compile(r"([^.=,]+)\.([^=,]+)=(.*)", re.DOTALL)


def read(typed: Typed) -> Iterator[Typed]:
    """The options in a file, as if they had been typed. Raises ConfigError naming the line."""
    try:
        with open(typed.value, encoding="utf-8", errors="surrogateescape") as file:
            text = file.read(FILE_LIMIT + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "Invalid argument"
        raise typed.error(f"Could not open '{typed.value}': {reason}") from None
    if len(text) > FILE_LIMIT:
        raise typed.error(f"'{typed.value}' is too long", f"Accepted: {FILE_LIMIT} bytes.")
    option, pairs = "", list[str]()
    for number, line in enumerate(text.split("\n"), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        if head := _HEAD.fullmatch(line):
            if option:
                yield Typed(f"-{option}", ",".join(pairs))
            if head[1] not in SECTIONS:
                hint = nearest(head[1], SECTIONS)
                raise ConfigError(f"{typed.value}:{number}: There is no option group '{head[1]}'", hint)
            option, pairs = SECTIONS[head[1]][0], [f"id={_doubled(head[2])}"] if head[2] else []
        elif (pair := _LINE.fullmatch(line)) and option:
            pairs.append(f"{pair[1]}={_doubled(pair[2])}")
        else:
            what = "no group defined" if pair else "parse error"
            raise ConfigError(f"{typed.value}:{number}: {what}", 'Accepted: [group], [group "id"], key = "value".')
    if option:
        yield Typed(f"-{option}", ",".join(pairs))


def _doubled(value: str) -> str:
    return value.replace(",", ",,")


def write(typed: Typed, options: Iterable[Typed]) -> None:
    """Write those of *options* that have a section; "-" is standard output. Raises ConfigError."""
    text = "\n".join(["# qemu config file", "", *(section for option in options for section in _section(option))])
    try:
        if typed.value == "-":
            sys.stdout.write(text)
        else:
            with open(typed.value, "w", encoding="utf-8", errors="surrogateescape") as file:
                file.write(text)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "Invalid argument"
        raise typed.error(f"Could not open '{typed.value}': {reason}") from None


def _section(typed: Typed) -> list[str]:
    """The lines of one section; none for an option that has no section."""
    name = typed.option.lstrip("-")
    name = {"M": "machine"}.get(name, name)
    group = next((group for group, (option, _) in SECTIONS.items() if option == name), "")
    if not group:
        return []
    implied = SECTIONS[group][1]
    values: list[tuple[str, str | None]] = list(split(typed.value, implied))
    if typed.value.startswith("{"):
        import json

        values = [(key, _scalar(value)) for key, value in json.loads(typed.value).items()]
    elif group == "global" and (match := _GLOBAL.fullmatch(typed.value)):
        values = [("driver", match[1]), ("property", match[2]), ("value", match[3])]
    id = next((value for key, value in values if key == "id"), "")
    lines = [f'[{group} "{id}"]' if id else f"[{group}]"]
    for key, value in values:
        value = "on" if value is None else value
        if '"' in value or "\n" in value:
            raise typed.error(f"the value of '{key}' cannot be written to a file", "Quotes have no escape there.")
        if key != "id":
            lines.append(f'  {key} = "{value}"')
    return [*lines, ""]


def _scalar(value: object) -> str:
    return {True: "on", False: "off"}[value] if isinstance(value, bool) else str(value)
