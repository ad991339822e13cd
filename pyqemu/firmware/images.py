"""Finding and reading firmware: the BIOS and option ROMs.

A name is looked for as a path, in the ``-L`` directories, among our own images, and where Debian's packages
put theirs.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pyqemu.core.errors import ConfigError
from pyqemu.paths import firmware_dir

SYSTEM_DIRS = ("/usr/share/seabios", "/usr/share/qemu", "/usr/lib/ipxe/qemu")
BIOS_GRANULE = 0x10000
BIOS_LIMIT = 16 << 20
OPTION_ROM_LIMIT = 0x20000
DEFAULT_BIOS = "pyqemu-bios.bin"  # ours; it fits every board


def find_image(name: str, directories: Iterable[str] = ()) -> Path | None:
    """The file that *name* means, or None."""
    if Path(name).is_file():
        return Path(name)
    if "/" not in name:
        for directory in (*map(Path, directories), firmware_dir(), *map(Path, SYSTEM_DIRS)):
            if (path := directory / name).is_file():
                return path
    return None


def load_bios(name: str, directories: Iterable[str] = ()) -> bytes:
    """The BIOS image: a multiple of 64 KiB, at most 16 MiB. Raises ConfigError."""
    path = find_image(name or DEFAULT_BIOS, directories)
    if path is None:
        raise ConfigError(
            f"could not load PC BIOS '{name or DEFAULT_BIOS}'", "Name one with -bios, or its directory with -L."
        )
    data = _read(path, BIOS_LIMIT + 1)
    if not data or len(data) % BIOS_GRANULE or len(data) > BIOS_LIMIT:
        raise ConfigError(
            f"could not load PC BIOS '{name or DEFAULT_BIOS}'",
            f"{path} has {len(data)} bytes; a BIOS has a multiple of 64 KiB, at most 16 MiB."
            if len(data) <= BIOS_LIMIT
            else f"{path} is larger than 16 MiB.",
        )
    return data


def load_option_rom(name: str, directories: Iterable[str] = ()) -> bytes | None:
    """An option ROM, or None if there is no such file. Raises ConfigError if it cannot be read."""
    path = find_image(name, directories)
    if path is None:
        return None
    data = _read(path, OPTION_ROM_LIMIT + 1)
    if not data or len(data) > OPTION_ROM_LIMIT:
        raise ConfigError(f"could not load option ROM '{name}'", f"{path} is empty or larger than 128 KiB.")
    return data


def _read(path: Path, limit: int) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(limit)
    except OSError as error:
        raise ConfigError(f"could not open '{path}': {error.strerror}") from None
