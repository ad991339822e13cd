"""Putting drives into the positions of a controller, before it is realized."""

from __future__ import annotations

from pyqemu.block import Drive
from pyqemu.core.errors import ConfigError, nearest
from pyqemu.hw.ide.ata import AtaDisk
from pyqemu.hw.ide.atapi import AtapiDrive
from pyqemu.hw.ide.channel import Channel
from pyqemu.hw.ide.identify import Geometry, Label

TYPES = ("ide-drive", "ide-hd", "ide-cd")
MODELS = {"ide-hd": "QEMU HARDDISK", "ide-cd": "QEMU DVD-ROM"}


def attach_drive(
    channels: list[Channel],
    channel: int,
    unit: int,
    drive: Drive,
    kind: str,
    label: Label,
    geometry: Geometry | None,
) -> AtaDisk | AtapiDrive:
    """Raises ConfigError if there is no such position, or one that is taken, or no such kind of drive."""
    if kind not in MODELS:
        raise ConfigError(f"'{kind}' is not a valid device model name", nearest(kind, MODELS))
    if not 0 <= channel < len(channels) or unit not in (0, 1):
        raise ConfigError(
            f"Can't create IDE unit {unit}, bus {channel} supports only 2 units",
            f"Accepted: channel 0 to {len(channels) - 1}, unit 0 or 1.",
        )
    devices = channels[channel].devices
    if devices[unit] is not None:
        raise ConfigError(f"IDE unit {unit} is in use")
    device: AtaDisk | AtapiDrive
    if kind == "ide-cd":
        device = AtapiDrive(channels[channel], unit, drive, label)
    else:
        device = AtaDisk(channels[channel], unit, drive, label, geometry)
    devices[unit] = device
    return device


def label(kind: str, drive: Drive, position: int, serial: str, ver: str, model: str) -> Label:
    """What the drive says of itself: the user's words, or the board's. *position* counts drives from 0."""
    return Label(serial or drive.serial or f"QM{position + 1:05d}", ver, model or MODELS.get(kind, ""))
