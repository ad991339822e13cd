"""The machine types that can be run: definitions with their inheritance resolved.

    registry = Registry.load()
    registry.find("pc").name         # "pc-1.0"
    registry.find().compat           # of the default type, oldest ancestor's first

Errors   ConfigError: no such type (QEMU's wording), or definitions that contradict each other
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from pyqemu.core.errors import ConfigError, nearest
from pyqemu.machines.loader import read_definitions, search_path
from pyqemu.machines.schema import CompatProperty, Definition

_DEFAULT_DESC = "Standard PC"
_DEFAULT_RAM = 128 << 20


@dataclass(frozen=True, slots=True)
class MachineType:
    """A machine type, complete. Later entries of ``compat`` win over earlier ones.

    ``lineage`` begins with the type itself and ends with the one that inherits nothing. ``hw_version`` empty
    means the emulator's own version.
    """

    name: str
    lineage: tuple[str, ...]
    path: Path
    board: str
    alias: str = ""
    desc: str = _DEFAULT_DESC
    default: bool = False
    hw_version: str = ""
    max_cpus: int = 1
    default_cpu: str = "qemu64"
    default_ram: int = _DEFAULT_RAM
    compat: tuple[CompatProperty, ...] = ()


class Registry:
    """All types of some definitions, checked against each other."""

    def __init__(self, definitions: Iterable[Definition]) -> None:
        self._definitions: dict[str, Definition] = {}
        for definition in definitions:
            if other := self._definitions.get(definition.name):
                raise ConfigError(
                    f"machine type '{definition.name}' is defined twice", f"{other.path}\n{definition.path}"
                )
            self._definitions[definition.name] = definition
        self._aliases = self._check_aliases()
        self._types = {name: self._resolve(name) for name in self._definitions}
        self._default = self._check_default()

    @classmethod
    def load(cls, directories: Iterable[Path] | None = None) -> Registry:
        """The types in *directories*, or in the search path."""
        return cls(read_definitions(search_path() if directories is None else directories))

    def find(self, name: str = "") -> MachineType:
        """The type of that name or alias; the default one for no name. Raises ConfigError."""
        name = name or self._default
        found = self._types.get(self._aliases.get(name, name))
        if found is None:
            match = nearest(name, [*self._types, *self._aliases])
            raise ConfigError(
                "unsupported machine type",
                f"Use -machine help to list supported machines\nThe value was '{name}'. {match}".rstrip(),
            )
        return found

    def names(self) -> list[str]:
        """The default's family first, from the newest hardware to the oldest."""
        family = self._types[self._default].lineage[-1] if self._default else ""
        return sorted(
            self._types,
            key=lambda name: (
                self._types[name].lineage[-1] != family,
                self._types[name].lineage[-1],
                len(self._types[name].lineage),
                name,
            ),
        )

    def _check_aliases(self) -> dict[str, str]:
        aliases: dict[str, str] = {}
        for definition in self._definitions.values():
            if definition.alias is None:
                continue
            if definition.alias in self._definitions:
                raise ConfigError(f"{definition.path}: alias '{definition.alias}' is the name of a machine type")
            if other := aliases.get(definition.alias):
                raise ConfigError(f"{definition.path}: alias '{definition.alias}' belongs to '{other}' already")
            aliases[definition.alias] = definition.name
        return aliases

    def _check_default(self) -> str:
        defaults = [definition for definition in self._definitions.values() if definition.default]
        if len(defaults) > 1:
            raise ConfigError(
                f"{defaults[1].path}: 'default' belongs to '{defaults[0].name}' already",
                "One machine type is the default.",
            )
        return defaults[0].name if defaults else ""

    def _lineage(self, name: str) -> list[Definition]:
        """The definition and its ancestors, nearest first."""
        line = [self._definitions[name]]
        while (parent := line[-1].inherits) is not None:
            if parent not in self._definitions:
                raise ConfigError(
                    f"{line[-1].path}: inherits '{parent}', which does not exist",
                    nearest(parent, self._definitions),
                )
            if parent in [definition.name for definition in line]:
                circle = " → ".join([*(definition.name for definition in line), parent])
                raise ConfigError(f"{line[-1].path}: 'inherits' goes round in a circle", circle)
            line.append(self._definitions[parent])
        return line

    def _resolve(self, name: str) -> MachineType:
        line = self._lineage(name)
        own = line[0]
        boards = [definition.board for definition in line if definition.board is not None]
        if not boards:
            raise ConfigError(f"{own.path}: 'board' is missing", "Say which board, or inherit a type that does.")
        resolved = MachineType(
            name=name,
            lineage=tuple(definition.name for definition in line),
            path=own.path,
            board=boards[0],
            alias=own.alias or "",
            default=own.default,
        )
        for definition in reversed(line):
            resolved = replace(
                resolved,
                desc=definition.desc or resolved.desc,
                hw_version=definition.hw_version or resolved.hw_version,
                max_cpus=definition.max_cpus or resolved.max_cpus,
                default_cpu=definition.default_cpu or resolved.default_cpu,
                default_ram=definition.default_ram or resolved.default_ram,
                compat=resolved.compat + definition.compat,
            )
        return replace(resolved, compat=resolved.compat + own.compat_own)
