"""Reading machine type files: YAML from directories that people drop files into.

Search   the built-in directory, /etc/pyqemu/machines.d, then each directory of $PYQEMU_MACHINE_PATH
Errors   ConfigError naming the file: too big, not YAML, a key twice, a directory that is not there
"""

from __future__ import annotations

import os
from collections.abc import Hashable, Iterable
from pathlib import Path
from typing import Any

import yaml

from pyqemu.core.errors import ConfigError
from pyqemu.machines.schema import Definition, Policy, check_definition, check_policy
from pyqemu.paths import machines_dir

SYSTEM_DIR = Path("/etc/pyqemu/machines.d")
PATH_VARIABLE = "PYQEMU_MACHINE_PATH"
POLICY_FILE = "policy.yaml"
MAX_FILE_BYTES = 256 * 1024


# libyaml's parser where the package was built with it: four times as fast.
_SafeLoader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _UniqueKeyLoader(_SafeLoader):  # type: ignore[misc]
    """The safe loader, which also refuses what it would settle silently: the same key twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key, _value in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    problem = f"'{key.value}' is there twice"
                    raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
                seen.add(key.value)
        mapping: dict[Hashable, Any] = super().construct_mapping(node, deep)
        return mapping


def read_yaml(path: Path) -> Any:
    """The document in a file of at most MAX_FILE_BYTES. Raises ConfigError."""
    if path.exists() and not path.is_file():
        raise ConfigError(f"{path}: not a regular file")
    try:
        with path.open("rb") as file:
            text = file.read(MAX_FILE_BYTES + 1)
        if len(text) > MAX_FILE_BYTES:
            raise ConfigError(f"{path}: larger than {MAX_FILE_BYTES // 1024} KiB")
        return yaml.load(text, _UniqueKeyLoader)
    except OSError as error:
        raise ConfigError(f"Could not open '{path}': {error.strerror}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f"line {mark.line + 1}: " if mark else ""
        problem = getattr(error, "problem", None) or "not valid YAML"
        raise ConfigError(f"{path}: {place}{problem}") from None


def search_path() -> list[Path]:
    """Where machine types are looked for. Raises ConfigError for a directory that the user named in vain."""
    named = [Path(part) for part in os.environ.get(PATH_VARIABLE, "").split(os.pathsep) if part]
    for directory in named:
        if not directory.is_dir():
            raise ConfigError(f"{PATH_VARIABLE}: '{directory}' is not a directory")
    return [machines_dir(), *([SYSTEM_DIR] if SYSTEM_DIR.is_dir() else []), *named]


def read_definitions(directories: Iterable[Path]) -> list[Definition]:
    """Every machine type in *directories*. Raises ConfigError."""
    return [
        check_definition(read_yaml(path), path)
        for directory in directories
        for path in sorted(directory.glob("*.yaml"))
        if path.name != POLICY_FILE
    ]


def read_policy() -> Policy:
    """The policy that our machine types live by. Raises ConfigError."""
    path = machines_dir() / POLICY_FILE
    return check_policy(read_yaml(path), path)
