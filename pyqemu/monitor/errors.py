"""Errors as a QMP client sees them."""

from __future__ import annotations

COMMAND_NOT_FOUND = "CommandNotFound"
DEVICE_NOT_FOUND = "DeviceNotFound"
DEVICE_NOT_ACTIVE = "DeviceNotActive"
GENERIC = "GenericError"


class QmpError(Exception):
    """A refused command: *desc* for people, *error_class* for programs."""

    def __init__(self, desc: str, error_class: str = GENERIC) -> None:
        super().__init__(desc)
        self.error_class = error_class


def device_not_found(name: str) -> QmpError:
    return QmpError(f"Device '{name}' not found", DEVICE_NOT_FOUND)
