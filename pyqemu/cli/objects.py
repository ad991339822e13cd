"""-object, -audiodev and other things that management tools always say: checked, and of no effect where that is
what they ask for."""

from __future__ import annotations

from typing import Any

from pyqemu.cli import qemu_names
from pyqemu.cli.messages import Answer, Typed, accepted
from pyqemu.cli.values import identifier, json_object, options, pairs
from pyqemu.core.errors import ConfigError, nearest
from pyqemu.core.sizes import parse_size

OBJECTS = {
    "iothread": "a thread for devices; ours all run on one",
    "memory-backend-ram": "the guest's RAM, where -machine memory-backend= names it",
    "secret": "a password for other options; nothing asks for one",
}
"""The types of -object that are accepted."""


class Objects:
    """What -object has made so far, by id."""

    def __init__(self) -> None:
        self._made: dict[str, dict[str, Any]] = {}

    def add(self, typed: Typed) -> None:
        """Raises ConfigError; Answer for help."""
        if typed.value in ("help", "?"):
            raise Answer("\n".join(["List of user creatable objects:", *(f"  {name}" for name in OBJECTS)]))
        is_json = typed.value.startswith("{")
        values: dict[str, Any] = json_object(typed) if is_json else dict(pairs(typed, implied="qom-type"))
        kind = str(values.get("qom-type", ""))
        if kind not in OBJECTS and kind not in qemu_names.OBJECTS:
            hint = nearest(kind, OBJECTS) or accepted(tuple(OBJECTS))
            raise typed.error(f"Parameter 'qom-type' does not accept value '{kind}'", hint)
        id = identifier(typed, {key: str(value) for key, value in values.items()})
        if not id:
            raise typed.error("Parameter 'id' is missing")
        if kind in qemu_names.OBJECTS:
            raise typed.unsupported(f"the object '{kind}'", accepted(tuple(OBJECTS)))
        if id in self._made:
            raise typed.error(f"attempt to add duplicate property '{id}' to object (type 'container')")
        if kind == "memory-backend-ram":
            if "size" not in values:
                raise typed.error("Parameter 'size' is missing")
            try:
                values["size"] = parse_size(str(values["size"]), "Parameter 'size'")
            except ConfigError as error:
                raise typed.error(str(error), error.hint) from None
        self._made[id] = values

    def check_memory(self, id: str, ram_bytes: int) -> None:
        """``-machine memory-backend=ID``. Raises ConfigError unless it is the guest's RAM."""
        made = self._made.get(id)
        if made is None or made["qom-type"] != "memory-backend-ram":
            raise ConfigError(f"Memory backend '{id}' not found", nearest(id, self._made))
        if made["size"] != ram_bytes:
            raise ConfigError("Machine memory size does not match the size of the memory backend")


def audiodev(typed: Typed) -> None:
    """``-audiodev none,id=…``. Raises ConfigError; Answer for help."""
    if typed.value in ("help", "?"):
        raise Answer("Available audio drivers:\nnone")
    values = json_object(typed) if typed.value.startswith("{") else dict(options(typed, None, "driver"))
    driver = str(values.get("driver", ""))
    if driver != "none":
        raise typed.unsupported(f"the audio driver '{driver}'", "There is no sound.\nAccepted: none.")
    if not values.get("id"):
        raise typed.error("Parameter 'id' is missing")
