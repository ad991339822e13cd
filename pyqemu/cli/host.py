"""Options about our own process and its messages: -pidfile, -daemonize, -chroot, -runas, -msg, -action…"""

from __future__ import annotations

from typing import Literal, cast

from pyqemu.cli.messages import Typed, accepted
from pyqemu.cli.values import boolean, options, pairs, switch
from pyqemu.core.errors import ConfigError, nearest
from pyqemu.core.messages import style
from pyqemu.launch import LaunchConfig

ACTIONS = {
    "reboot": ("reset", "shutdown"),
    "shutdown": ("poweroff", "pause"),
    "panic": ("pause", "shutdown", "exit-failure", "none"),
    "watchdog": ("reset", "shutdown", "poweroff", "inject-nmi", "pause", "debug", "none"),
}
SANDBOX_KEYS = ("enable", "obsolete", "elevateprivileges", "spawn", "resourcecontrol")


def action(config: LaunchConfig, typed: Typed) -> None:
    """``-action reboot=…,shutdown=…,panic=…,watchdog=…``. Raises ConfigError."""
    for key, value in pairs(typed).items():
        if key not in ACTIONS:
            raise typed.error(f"Invalid parameter '{key}'", nearest(key, ACTIONS) or accepted(tuple(ACTIONS)))
        if value not in ACTIONS[key]:
            raise typed.error(
                f"Parameter '{key}' does not accept value '{value}'",
                nearest(value, ACTIONS[key]) or accepted(ACTIONS[key]),
            )
        match key:
            case "reboot":
                config.no_reboot = value == "shutdown"
            case "shutdown":
                config.no_shutdown = value == "pause"
            case "panic":
                config.panic_action = cast(Literal["pause", "shutdown", "exit-failure", "none"], value)


def watchdog_action(typed: Typed) -> None:
    """``-watchdog-action``: checked; there is no watchdog that could bite. Raises ConfigError."""
    choices = ACTIONS["watchdog"]
    if typed.value not in choices:
        raise typed.error("invalid parameter", nearest(typed.value, choices) or accepted(choices))


def message_style(config: LaunchConfig, typed: Typed) -> None:
    """``-msg timestamp=on,guest-name=on``. Raises ConfigError."""
    values = options(typed, known=("timestamp", "guest-name"))
    style.timestamp = switch(typed, values, "timestamp", style.timestamp)
    if switch(typed, values, "guest-name"):
        style.name = lambda: config.name


def sandbox(typed: Typed) -> None:
    """``-sandbox off``. Raises ConfigError: we have none to switch on."""
    values = options(typed, known=SANDBOX_KEYS, implied="enable")
    try:
        on = boolean(values.get("enable", "off"), "enable")
    except ConfigError as error:
        raise typed.error(str(error), error.hint) from None
    if on:
        raise typed.unsupported("", "There is no filter of system calls.\nAccepted: off.")


def overcommit(typed: Typed) -> None:
    """``-overcommit mem-lock=off,cpu-pm=off``. Raises ConfigError."""
    values = options(typed, known=("mem-lock", "cpu-pm"))
    for key in values:
        if switch(typed, values, key):
            raise typed.unsupported(
                f"{key}=on", "Guest memory is locked, and the host's CPU idle, as the host sees fit."
            )


def runas(config: LaunchConfig, typed: Typed) -> None:
    """``-runas USER`` or ``UID:GID``. Raises ConfigError."""
    import pwd

    user, colon, group = typed.value.partition(":")
    if colon and user.isdecimal() and group.isdecimal():
        numbers = int(user), int(group)
    else:
        try:
            entry = pwd.getpwnam(typed.value)
            numbers = entry.pw_uid, entry.pw_gid
        except (KeyError, ValueError):
            raise typed.error(f'User "{typed.value}" doesn\'t exist (and is not <uid>:<gid>)') from None
    if max(numbers) > 0xFFFFFFFE:
        raise typed.error(f'User "{typed.value}" doesn\'t exist (and is not <uid>:<gid>)')
    config.process.user, config.process.group = numbers


def uuid(config: LaunchConfig, typed: Typed) -> None:
    """``-uuid``: the machine's own. Raises ConfigError."""
    from uuid import UUID

    parts = typed.value.split("-")
    if [len(part) for part in parts] != [8, 4, 4, 4, 12]:
        raise typed.error("failed to parse UUID string: wrong format", "Accepted: 8-4-4-4-12 hexadecimal digits.")
    try:
        config.uuid = UUID(typed.value)
    except ValueError:
        raise typed.error(
            "failed to parse UUID string: wrong format", "Accepted: 8-4-4-4-12 hexadecimal digits."
        ) from None


def compat(typed: Typed) -> None:
    """``-compat``: what management tools say of deprecated features; all values keep today's behaviour."""
    choices = {
        "deprecated-input": ("accept", "reject", "crash"),
        "deprecated-output": ("accept", "hide"),
        "unstable-input": ("accept", "reject", "crash"),
        "unstable-output": ("accept", "hide"),
    }
    for key, value in pairs(typed).items():
        if key not in choices:
            raise typed.error(f"Parameter '{key}' is unexpected", nearest(key, choices))
        if value not in choices[key]:
            raise typed.error(f"Parameter '{key}' does not accept value '{value}'", accepted(choices[key]))
        if value != "accept":
            raise typed.unsupported(f"{key}={value}", "Accepted: accept.")


def check_daemon(config: LaunchConfig, stdio_error: ConfigError | None) -> None:
    """With -daemonize: what needs a terminal cannot be in the background. Raises ConfigError."""
    if stdio_error is not None:
        raise stdio_error
    if config.nographic and not config.nodefaults:
        raise ConfigError("-nographic cannot be used with -daemonize", "-display none can.")
    if config.display == "curses":
        raise ConfigError("curses display cannot be used with -daemonize", "-display none can.")
