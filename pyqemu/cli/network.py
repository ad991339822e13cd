"""-nic, -net and -netdev: there is no network yet, which is what ``none`` asks for."""

from __future__ import annotations

from pyqemu.cli import qemu_names
from pyqemu.cli.messages import Answer, Typed, accepted
from pyqemu.cli.values import identifier, options, pairs, wants_help
from pyqemu.core.errors import nearest

REASON = "There is no network card and no network backend yet."
LEGACY = ("nic", "none", *qemu_names.NETDEVS)


def nic(typed: Typed) -> None:
    """``-nic none``. Raises ConfigError, Answer for help."""
    values = pairs(typed, implied="type") if not wants_help(typed.value) else {"model": "help"}
    if values.get("model") in ("help", "?"):
        raise Answer("Supported NIC models:")
    kind = values.get("type", "")
    if kind == "none":
        return
    if kind not in qemu_names.NETDEVS:
        raise typed.error(
            f"Parameter 'type' does not accept value '{kind}'",
            nearest(kind, qemu_names.NETDEVS) or accepted(("none",)),
        )
    raise typed.unsupported("", f"{REASON}\nAccepted: none.")


def net(typed: Typed) -> None:
    """``-net none``, the older spelling. Raises ConfigError, Answer for help."""
    values = options(typed, known=None, implied="type") if not wants_help(typed.value) else {"model": "help"}
    if values.get("model") in ("help", "?"):
        raise Answer("Supported NIC models:")
    kind = values.get("type", "")
    if kind == "none":
        return
    if kind not in LEGACY:
        raise typed.error(
            f"Parameter 'type' does not accept value '{kind}'", nearest(kind, LEGACY) or accepted(("none",))
        )
    raise typed.unsupported("", f"{REASON}\nAccepted: none.")


def netdev(typed: Typed) -> None:
    """``-netdev``: refused. Raises ConfigError, Answer for help."""
    if typed.value in ("help", "?"):
        raise Answer("Available netdev backend types:")
    values = _json(typed) if typed.value.startswith("{") else pairs(typed, implied="type")
    kind = values.get("type", "")
    if kind not in qemu_names.NETDEVS:
        raise typed.error(f"Parameter 'type' does not accept value '{kind}'", nearest(kind, qemu_names.NETDEVS))
    if not identifier(typed, values):
        raise typed.error("Parameter 'id' is missing")
    raise typed.unsupported("", REASON)


def _json(typed: Typed) -> dict[str, str]:
    from pyqemu.cli.values import json_object

    return {key: str(value) for key, value in json_object(typed).items()}
