"""The errors a user causes.

A guest's mistakes are logged (``Device.guest_error``) and never raised; our own mistakes are ordinary
exceptions. ``ConfigError`` is for what the person at the keyboard can mend.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class ConfigError(Exception):
    """A mistake in options, properties, files or machine definitions.

    ``str(error)`` is the message in QEMU's wording; ``hint`` holds further lines (what is accepted, the
    nearest match). The command line prints both on stderr and exits with 1.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


def nearest(typed: str, known: Iterable[str]) -> str:
    """One line naming the known word that looks most like *typed*, or an empty string."""
    folded = {word.casefold(): word for word in known}
    matches = difflib.get_close_matches(typed[:200].casefold(), folded, n=1)
    return f"Did you mean '{folded[matches[0]]}'?" if matches else ""
