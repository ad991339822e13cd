"""``docs/options.md``, made of the table that the parser uses.

To make it again: ``python -m pyqemu.cli.reference > docs/options.md``.
"""

from __future__ import annotations

from pyqemu.chardev.syntax import BACKENDS, COMMON
from pyqemu.chardev.syntax import UNSUPPORTED as UNSUPPORTED_BACKENDS
from pyqemu.cli.drive_devices import TYPES
from pyqemu.cli.options import GROUPS, OPTIONS
from pyqemu.cli.refused import REFUSED
from pyqemu.machines.devices import PLUGGABLE

HEAD = """\
# Options

Made by `python -m pyqemu.cli.reference` from the parser's own table; do not edit. How values are written, and what
the options mean in detail, is in [command-line.md](command-line.md).
"""

REFUSED_HEAD = """\
## Refused

QEMU has these, now or in its version 1.0. pyqemu says "not supported by pyqemu" and the reason, and exits with 1:
nothing is ignored silently.
"""


def reference() -> str:
    """The whole document."""
    lines = [HEAD]
    for heading, options in GROUPS.items():
        lines += [f"## {heading}", "", "| Option | Value | |", "|---|---|---|"]
        for option in options:
            names = ", ".join(f"`-{name}`" for name in option.names)
            lines.append(f"| {names} | {_code(option.metavar)} | {_cell(option.help)} |")
        lines.append("")
    lines += ["## Devices for -device", "", ", ".join(f"`{name}`" for name in sorted([*PLUGGABLE, *TYPES])), ""]
    lines += ["## Backends for -chardev", "", "| Backend | Key | |", "|---|---|---|"]
    for backend, keys in BACKENDS.items():
        lines += [f"| `{backend}` | {_code(key)} | {_cell(known.help)} |" for key, known in keys.items()] or [
            f"| `{backend}` | | |"
        ]
    lines += [f"| all | {_code(key)} | {_cell(known.help)} |" for key, known in COMMON.items()]
    lines += ["", REFUSED_HEAD, "| Option | Reason |", "|---|---|"]
    lines += [f"| `-{name}` | {_cell(why)} |" for name, why in sorted(REFUSED.items()) if name not in OPTIONS]
    lines += [f"| `-chardev {name}` | {_cell(why)} |" for name, why in sorted(UNSUPPORTED_BACKENDS.items())]
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _code(text: str) -> str:
    return f"`{_cell(text)}`" if text else ""


if __name__ == "__main__":
    print(reference(), end="")
