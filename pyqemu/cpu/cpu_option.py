"""A CPU as text: ``MODEL,+feature,-feature,property=value``, as ``-cpu`` has it.

Errors   ConfigError in QEMU's wordings, with the nearest name that exists
"""

from __future__ import annotations

from pyqemu.core.errors import ConfigError, nearest
from pyqemu.cpu.model_names import FLAG_ALIASES, FLAG_NAMES, MODEL_NAMES

_SWITCH_VALUES = dict.fromkeys(("on", "yes", "true", "y"), "on") | dict.fromkeys(("off", "no", "false", "n"), "off")
_HOST_ONLY = ("host",)
_LACKING = ("base", "max", "EPYC-Milan")
NUMBERS = ("family", "model", "stepping", "level", "xlevel", "xlevel2", "tsc-frequency")
TEXTS = ("vendor", "model-id")
SWITCHES = ("check", "enforce", "migratable", "hypervisor")


def parse_cpu(text: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    """The model and its features as (name, value) in the order typed; flags have the value on or off.

    Raises ConfigError for a model, feature or value that does not exist.
    """
    model, *words = text.split(",")
    _check_model(model, text)
    return model, tuple(_feature(model, word) for word in words if word)


def _check_model(model: str, text: str) -> None:
    if not text:
        raise ConfigError("-cpu option cannot be empty")
    if model in MODEL_NAMES:
        return
    if model in _HOST_ONLY:
        raise ConfigError(f"CPU model '{model}' requires KVM or HVF")
    if model in _LACKING:
        raise ConfigError(f"CPU model '{model}' is not supported by pyqemu", "Use -cpu help to list CPU models")
    hint = nearest(model, MODEL_NAMES) or nearest(model.lower(), MODEL_NAMES)
    raise ConfigError(f"unable to find CPU model '{model}'", hint or "Use -cpu help to list CPU models")


def _feature(model: str, word: str) -> tuple[str, str]:
    signed = word[0] in "+-"
    name, _, value = (word[1:], "", "on" if word[0] == "+" else "off") if signed else word.partition("=")
    if not signed and "=" not in word:
        value = "on"
    name = name.replace("_", "-")
    name = FLAG_ALIASES.get(name, name)
    owner = f"{model}-x86_64-cpu"
    prefix = "" if signed else f"can't apply global {owner}.{name}={value}: "
    if name in FLAG_NAMES or name in SWITCHES:
        if value not in _SWITCH_VALUES:
            raise ConfigError(f"{prefix}Parameter '{name}' expects 'on' or 'off'", f"The value was '{value}'.")
        return name, _SWITCH_VALUES[value]
    if name in NUMBERS and not signed:
        try:
            return name, str(int(value, 0))
        except ValueError:
            raise ConfigError(f"{prefix}Parameter '{name}' expects uint64", f"The value was '{value}'.") from None
    if name in TEXTS and not signed:
        return name, value
    known = [*FLAG_NAMES, *NUMBERS, *TEXTS, *SWITCHES]
    raise ConfigError(f"{prefix}Property '{owner}.{name}' not found", nearest(name, known))
