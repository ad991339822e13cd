"""Where our own data lies: beside the package in a source checkout, inside it in an installed wheel.

``machines/`` and ``firmware/images/`` of the checkout are the packages ``pyqemu.data.machines`` and
``pyqemu.data.firmware`` of the wheel (``setup.py`` maps them).
"""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def _data(installed: str, checkout: str) -> Path:
    inside = _PACKAGE / "data" / installed
    return inside if inside.is_dir() else _PACKAGE.parent / checkout


def machines_dir() -> Path:
    """The built-in machine types, with ``boards/`` and ``policy.yaml``."""
    return _data("machines", "machines")


def firmware_dir() -> Path:
    """The built firmware images."""
    return _data("firmware", "firmware/images")
