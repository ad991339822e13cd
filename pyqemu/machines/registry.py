"""The machine types there are: definitions with their inheritance resolved, ours and those of vendors.

    registry = Registry.load()
    registry.find("pc").name         # "pc-1.0"
    registry.find().compat           # of the default type, oldest ancestor's first
    registry.get("xenfv").unavailable  # why it cannot run here

Search   the built-in directory; then, for vendors' types, /etc/pyqemu/machines.d, each directory of
         $PYQEMU_MACHINE_PATH, and what the caller adds (``-machine-dir``)
Errors   ConfigError: no such type (QEMU's wording), a type past its life, something wrong with our own files.
         What is wrong with a vendor's file is kept in ``problems``, and everything else works
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pyqemu import __version__
from pyqemu.core.errors import ConfigError, nearest
from pyqemu.machines.document import Place, read_document
from pyqemu.machines.policy import (
    DEFAULT_CLASS,
    POLICY_FILE,
    Life,
    Policy,
    parse_release,
    read_policy,
    release_name,
)
from pyqemu.machines.schema import CompatProperty, Definition, DeviceNode, Release, check_definition
from pyqemu.paths import machines_dir

SYSTEM_DIR = Path("/etc/pyqemu/machines.d")
PATH_VARIABLE = "PYQEMU_MACHINE_PATH"
UNLISTED = "qemu"
"""The directory of QEMU's own types: for moving machines from and to QEMU, known by name only."""

MAX_FILES = 1000
MAX_LINEAGE = 64
ACCELERATORS_HERE = ("tcg",)

OWN_KEYS = ("name", "alias", "inherits", "stability", "since", "default", "compat_own")
"""What a type does not pass on to its heirs."""

COLLECTED_KEYS = ("compat", "compat_own", "defaults", "without", "devices")
"""What adds up along the line, instead of the nearest replacing the others."""

_FALLBACK = {
    "desc": "Standard PC",
    "hw_version": "",
    "max_cpus": 1,
    "default_cpu": "qemu64",
    "default_ram": 128 << 20,
    "default_display": "std",
    "default_nic": "",
    "accel": "tcg",
    "kvmclock": True,
    "stream": "pyqemu",
}


@dataclass(frozen=True, slots=True, eq=False)
class MachineType:
    """A machine type, complete. Of ``defaults`` and ``compat``, later entries win over earlier ones.

    ``lineage`` begins with the type itself and ends with the one that inherits nothing; ``definitions`` are
    their files. ``hw_version`` empty means the emulator's own version. ``unavailable`` says why the type cannot
    run here, and is empty if it can.
    """

    name: str
    lineage: tuple[str, ...]
    path: Path
    definitions: tuple[Definition, ...]
    vendor: bool
    board: str
    board_path: Path
    alias: str
    default: bool
    stability: str
    since: Release | None
    desc: str
    hw_version: str
    max_cpus: int
    default_cpu: str
    default_ram: int
    default_display: str
    default_nic: str
    accel: str
    kvmclock: bool
    stream: str
    without: tuple[str, ...] = ()
    devices: tuple[DeviceNode, ...] = ()
    defaults: tuple[CompatProperty, ...] = ()
    compat: tuple[CompatProperty, ...] = ()
    unavailable: str = ""
    life: Life = Life.CURRENT
    places: dict[str, Place] = field(default_factory=dict, compare=False, repr=False)  # of the values in force


def vendor_directories(extra: Iterable[str | Path] = ()) -> list[Path]:
    """Where vendors' types are looked for. Raises ConfigError for a directory that the user named in vain."""
    variable = [Path(part) for part in os.environ.get(PATH_VARIABLE, "").split(os.pathsep) if part]
    option = [Path(part) for part in extra]
    for named, source in ((variable, PATH_VARIABLE), (option, "-machine-dir")):
        for directory in named:
            if not os.path.isdir(directory):  # no exception, whatever the name
                raise ConfigError(f"{source}: '{directory}' is not a directory")
    found = [*([SYSTEM_DIR] if SYSTEM_DIR.is_dir() else []), *variable, *option]
    return list(dict.fromkeys(found))


def definition_files(directory: Path) -> list[Path]:
    """The machine type files of a directory. Raises ConfigError."""
    try:
        names = sorted(name for name in os.listdir(directory) if name.endswith(".yaml") and name[0] != ".")
    except OSError as error:
        raise ConfigError(f"Could not open '{directory}': {error.strerror}") from None
    if len(names) > MAX_FILES:
        raise ConfigError(f"{directory}: more than {MAX_FILES} files")
    return [directory / name for name in names if name != POLICY_FILE]


def read_definition(path: Path) -> Definition:
    """One file. Raises ConfigError."""
    return check_definition(read_document(path), path)


class Registry:
    """All types, checked against each other, as they are in *release* (the program's own by default).

    Raises ConfigError for anything wrong in *directory*, where the built-in types and the policy are.
    """

    def __init__(
        self, directory: Path, vendor_dirs: Sequence[Path] = (), *, release: Release | None = None
    ) -> None:
        self.directory = directory
        self.release = release or parse_release(__version__)
        self.policy: Policy = read_policy(directory)
        self.problems: list[ConfigError] = []
        self._definitions: dict[str, Definition] = {}
        self._vendor: set[str] = set()
        self._aliases: dict[str, str] = {}
        self._broken: dict[str, ConfigError] = {}
        self._types: dict[str, MachineType] = {}
        self._default = ""
        for path in definition_files(directory):
            self._add(read_definition(path))
        self._check_builtin()
        for name in self._definitions:
            self._resolve(name)
        for folder in vendor_dirs:
            self._read_vendor(folder)
        for name in [name for name in self._definitions if name in self._vendor]:
            self._try(name, self._resolve, name)

    @classmethod
    def load(cls, extra: Iterable[str | Path] = (), *, release: Release | None = None) -> Registry:
        """Our types and those of the search path, with *extra* directories of vendors' types at its end."""
        ours = machines_dir()
        return cls(ours, [*vendor_directories(extra), ours / UNLISTED], release=release)

    # -- asking ---------------------------------------------------------------------------------------

    def find(self, name: str = "") -> MachineType:
        """The type of that name or alias, to run it; the default one for no name. Raises ConfigError if there
        is none, if it is past its life, or cannot run here."""
        machine = self.get(name)
        if machine.life is Life.REMOVED:
            successor = self.successor(machine)
            raise ConfigError(
                f"machine type '{machine.name}' is past its life: the last release that supported it was "
                f"{self.last_major(machine)}.x",
                f"Use '{successor}' instead." if successor else "",
            )
        if machine.life is Life.PLANNED:
            assert machine.since
            raise ConfigError(f"machine type '{machine.name}' comes with release {release_name(machine.since)}")
        if machine.unavailable:
            raise ConfigError(f"machine type '{machine.name}' cannot run here: {machine.unavailable}")
        return machine

    def get(self, name: str = "") -> MachineType:
        """As ``find``, but whether it can run or not."""
        name = name or self._default
        found = self._types.get(self._aliases.get(name, name))
        if found is None and name in self._broken:
            raise self._broken[name]
        if found is None:
            match = nearest(name, [*self._types, *self._aliases])
            raise ConfigError(
                "unsupported machine type",
                f"Use -machine help to list supported machines\nThe value was '{name}'. {match}".rstrip(),
            )
        return found

    def all(self) -> list[MachineType]:
        """Every type but the unlisted. In QEMU's order: the default's family, latest name first; then the others
        by name.

        A family is all that comes of one type: boards differ in it, as each frozen type has its own.
        """
        family = self._types[self._default].lineage[-1] if self._default else ""
        ours = [kind for kind in self._types.values() if kind.lineage[-1] == family and not kind.vendor]
        ours = [kind for kind in ours if not kind.unavailable]
        ours.sort(key=lambda kind: kind.name, reverse=True)
        unlisted = self.directory / UNLISTED
        others = [kind for kind in self._types.values() if kind not in ours and kind.path.parent != unlisted]
        return ours + sorted(others, key=lambda kind: kind.name)

    def names(self) -> list[str]:
        """The types that can run, as ``-M help`` lists them."""
        alive = (Life.CURRENT, Life.DEPRECATED)
        return [kind.name for kind in self.all() if kind.life in alive and not kind.unavailable]

    def last_major(self, machine: MachineType) -> int | None:
        """The last major release that supports a type; None: there is no end."""
        ends = [
            self.policy.last_major(self._stability(definition), definition.said.get("since"))
            for definition in machine.definitions
        ]
        return min((end for end in ends if end is not None), default=None)

    def successor(self, machine: MachineType) -> str:
        """The type to move to from one past its life: the oldest stable one of its family that is current, for
        it differs least. Empty if there is none."""
        found = [
            kind
            for kind in self._types.values()
            if kind.lineage[-1] == machine.lineage[-1] and not kind.vendor and not kind.unavailable
            if kind.life is Life.CURRENT and kind.since is not None and kind is not machine
        ]
        return min(found, key=lambda kind: (kind.since, kind.name)).name if found else ""

    def deprecation(self, machine: MachineType) -> str:
        """Why a type is deprecated; empty if it is not."""
        if machine.life is not Life.DEPRECATED:
            return ""
        successor = self.successor(machine)
        return "past its support" + (f" - use '{successor}' instead" if successor else "")

    # -- definitions against each other -----------------------------------------------------------------

    def _add(self, definition: Definition) -> None:
        if other := self._definitions.get(definition.name):
            raise definition.error("name", f"machine type '{definition.name}' is defined in {other.path} already")
        self._definitions[definition.name] = definition

    def _check_builtin(self) -> None:
        """Aliases and the default belong to one type each."""
        for definition in self._definitions.values():
            self._take_alias(definition)
        defaults = [definition for definition in self._definitions.values() if definition.default]
        if len(defaults) > 1:
            raise defaults[1].error(
                "default", f"'default' belongs to '{defaults[0].name}' already", "One machine type is the default."
            )
        self._default = defaults[0].name if defaults else ""

    def _take_alias(self, definition: Definition) -> None:
        alias = definition.alias
        if alias is None:
            return
        if alias in self._definitions:
            raise definition.error("alias", f"alias '{alias}' is the name of a machine type")
        if other := self._aliases.get(alias):
            raise definition.error("alias", f"alias '{alias}' belongs to '{other}' already")
        self._aliases[alias] = definition.name

    def _read_vendor(self, directory: Path) -> None:
        try:
            paths = definition_files(directory)
        except ConfigError as error:
            self.problems.append(error)
            return
        for path in paths:
            self._try(path.stem, self._add_vendor, path)

    def _add_vendor(self, path: Path) -> None:
        definition = read_definition(path)
        if definition.name in self._aliases:
            raise definition.error(
                "name", f"'{definition.name}' is the alias of '{self._aliases[definition.name]}' already"
            )
        if definition.default:
            raise definition.error("default", "a vendor's type cannot be the default")
        self._add(definition)
        try:
            self._take_alias(definition)
        except ConfigError:
            del self._definitions[definition.name]
            raise
        self._vendor.add(definition.name)

    def _try(self, name: str, step: Callable[[Any], None], argument: Any) -> None:
        """A step for a vendor's type; what goes wrong concerns that type alone."""
        try:
            step(argument)
        except ConfigError as error:
            self._broken.setdefault(name, error)
            if str(error) not in map(str, self.problems):  # heirs of a type share its mistake
                self.problems.append(error)
            if name in self._vendor and step == self._resolve:
                self._aliases = {alias: of for alias, of in self._aliases.items() if of != name}

    # -- inheritance ------------------------------------------------------------------------------------

    def _lineage(self, name: str) -> tuple[Definition, ...]:
        """The definition and its ancestors, nearest first."""
        line = [self._definitions[name]]
        while (parent := line[-1].inherits) is not None:
            if other := self._aliases.get(parent):
                raise line[-1].error(
                    "inherits", f"inherits '{parent}', which is an alias and may move on", f"Now it is '{other}'."
                )
            if parent not in self._definitions:
                raise line[-1].error(
                    "inherits",
                    f"inherits '{parent}', which does not exist",
                    "Its file has a mistake." if parent in self._broken else nearest(parent, self._definitions),
                )
            if parent in [definition.name for definition in line]:
                circle = " → ".join([*(definition.name for definition in line), parent])
                raise line[-1].error("inherits", "'inherits' goes round in a circle", circle)
            if len(line) == MAX_LINEAGE:
                raise line[0].error("inherits", f"has more than {MAX_LINEAGE} ancestors")
            line.append(self._definitions[parent])
        return tuple(line)

    def _resolve(self, name: str) -> None:
        line = self._lineage(name)
        own = line[0]
        values: dict[str, Any] = dict(_FALLBACK)
        lists: dict[str, list[Any]] = {key: [] for key in COLLECTED_KEYS}
        places: dict[str, Place] = {}
        for definition in reversed(line):
            for key, value in definition.said.items():
                if key in OWN_KEYS and definition is not own:
                    continue
                places[key] = definition.places[key]
                if key in COLLECTED_KEYS:
                    lists[key].extend(value)
                else:
                    values[key] = value
        if "board" not in values:
            raise own.error("board", "'board' is missing", "Say which board, or inherit a type that does.")
        stability = self._stability(own)
        since = own.said.get("since")
        self._types[name] = MachineType(
            name=name,
            lineage=tuple(definition.name for definition in line),
            path=own.path,
            definitions=line,
            vendor=name in self._vendor,
            board=values["board"],
            board_path=self._board_path(values["board"], places["board"]),
            alias=own.alias or "",
            default=own.default,
            stability=stability,
            since=since,
            without=tuple(lists["without"]),
            devices=tuple(lists["devices"]),
            defaults=tuple(lists["defaults"]),
            compat=(*lists["compat"], *lists["compat_own"]),
            unavailable=_unavailable(values["accel"], lists["devices"]),
            life=self._life(line),
            places=places,
            **{key: values[key] for key in _FALLBACK},
        )

    def _board_path(self, board: str, place: Place) -> Path:
        """Our boards first, so that no vendor's file takes their place."""
        ours = self.directory / "boards"
        for folder in (ours, place.path.parent / "boards"):
            if (path := folder / f"{board}.yaml").is_file():
                return path
        known = [path.stem for path in ours.glob("*.yaml")]
        raise place.error(f"there is no board '{board}'", nearest(board, known) or f"Accepted: {', '.join(known)}.")

    # -- life -------------------------------------------------------------------------------------------

    def _stability(self, definition: Definition) -> str:
        name: str = definition.said.get("stability", DEFAULT_CLASS)
        if definition.name in self._vendor and name != DEFAULT_CLASS:
            raise definition.error("stability", f"a vendor's type has the class '{DEFAULT_CLASS}'")
        if name not in self.policy.stability:
            raise definition.error(
                "stability",
                f"there is no stability class '{name}'",
                nearest(name, self.policy.stability) or f"Accepted: {', '.join(self.policy.stability)}.",
            )
        return name

    def _life(self, line: Sequence[Definition]) -> Life:
        """That of the type, but no longer than those of its ancestors."""
        lives = [
            self.policy.life(self._stability(definition), definition.said.get("since"), self.release)
            for definition in line
        ]
        order = list(Life)
        return lives[0] if lives[0] is Life.PLANNED else max(lives, key=order.index)


def _unavailable(accel: str, devices: Iterable[DeviceNode]) -> str:
    """What a type needs that is not here."""
    from pyqemu.hw.catalog import CATALOG

    needs = [] if accel in ACCELERATORS_HERE else [f"the accelerator {accel}"]
    needs += [f"the device {node.type}" for node in devices if node.type not in CATALOG]
    return f"it needs {' and '.join(needs)}" if needs else ""
