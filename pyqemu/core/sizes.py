"""Sizes as QEMU's options write them: ``512``, ``64k``, ``1.5G``."""

from __future__ import annotations

import re

from pyqemu.core.errors import ConfigError

_SUFFIXES = {"": 0, "b": 0, "k": 10, "m": 20, "g": 30, "t": 40, "p": 50, "e": 60}
_PATTERN = re.compile(r"(0[xX][0-9a-fA-F]{1,32}|[0-9]{1,32})(?:\.([0-9]{1,32}))?([bkmgtpeBKMGTPE]?)")


def parse_size(text: str, what: str, *, default_suffix: str = "") -> int:
    """Bytes for *text*; *what* begins the message of the ConfigError, like ``Parameter 'size'``."""
    match = _PATTERN.fullmatch(text.strip())
    if match:
        whole, fraction, suffix = match.groups()
        shift = _SUFFIXES[(suffix or default_suffix).lower()]
        size = int(whole, 0 if whole[:2].lower() == "0x" else 10) << shift
        if fraction is not None:
            size += (int(fraction) << shift) // 10 ** len(fraction)
        if size < 1 << 64:
            return size
    raise ConfigError(
        f"{what} expects a non-negative number below 2^64",
        "Optional suffix k, M, G, T, P or E means kilo-, mega-, giga-, tera-, peta-\nand exabytes, respectively.",
    )
