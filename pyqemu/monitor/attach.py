"""Putting a monitor onto the backend that an option names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyqemu.core.errors import ConfigError
from pyqemu.launch import MonitorConfig

if TYPE_CHECKING:
    from pyqemu.api import VirtualMachine


def open_monitor(vm: VirtualMachine, config: MonitorConfig, name: str) -> Any:
    """A session, QMP or HMP. Raises ConfigError if the backend cannot be opened."""
    try:
        chardev = vm.open_chardev(config.chardev, name)
    except ConfigError as error:
        raise ConfigError(f"{config.option}: {error}" if config.option else str(error), error.hint) from None
    if chardev is None:
        raise ConfigError(f"'{config.chardev}' is no backend for a monitor")
    if config.mode == "control":
        from pyqemu.monitor.qmp import QmpSession

        return QmpSession(vm, chardev, name, pretty=config.pretty)
    from pyqemu.monitor.hmp import HmpSession

    return HmpSession(vm, chardev, name)
