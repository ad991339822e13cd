"""``-add-fd``: descriptors that the process was started with."""

from __future__ import annotations

import os

from pyqemu.cli.messages import Typed
from pyqemu.cli.values import number, options


def add(typed: Typed) -> None:
    """Put a descriptor into a set, which ``/dev/fdset/N`` names. Raises ConfigError."""
    from pyqemu.core.fdset import fdsets

    values = options(typed, known=("fd", "set", "opaque"))
    fd, number_of_set = number(typed, values, "fd"), number(typed, values, "set")
    if fd is None or fd < 3:
        raise typed.error(
            "fd option is required and must be non-negative" if fd is None else "fd cannot be a standard I/O stream"
        )
    if number_of_set is None:
        raise typed.error("set option is required and must be non-negative")
    try:
        os.fstat(fd)
    except (OSError, OverflowError):
        raise typed.error("fd is not valid or already in use") from None
    taken = {member.fd for members in fdsets.sets.values() for member in members}
    if fd in taken:
        raise typed.error("fd is not valid or already in use")
    fdsets.add(fd, number_of_set, values.get("opaque", ""))
