"""What a guest does that others hear of: QMP's events RTC_CHANGE, DEVICE_TRAY_MOVED and BLOCK_IO_ERROR.

A guest may do each of these in a loop; of each kind and drive there is one event a second at most, the newest.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

from pyqemu.core.throttle import Throttle

if TYPE_CHECKING:
    from pyqemu.api import VirtualMachine


def announce(vm: VirtualMachine) -> None:
    """Connect the chips of a machine that has been built to its listeners."""
    rtc: Any = vm.devices.get("rtc")
    if rtc is not None:
        rtc.on_set = Throttle(vm.loop, lambda offset_s: vm.emit("RTC_CHANGE", offset=offset_s)).set
    for device in vm.devices.values():
        for channel in getattr(device, "channels", ()):
            for position in getattr(channel, "devices", ()):
                if hasattr(position, "on_tray"):
                    position.on_tray = Throttle(vm.loop, _tray(vm, position.drive)).set
    for drive in vm.drives.values():
        listen_to_drive(vm, drive)


def listen_to_drive(vm: VirtualMachine, drive: Any) -> None:
    drive.on_error = Throttle(vm.loop, _error(vm, drive)).set


def _tray(vm: VirtualMachine, drive: Any) -> Any:
    def moved(is_open: bool) -> None:
        if vm.listeners:
            from pyqemu.monitor.object_tree import device_of

            vm.emit("DEVICE_TRAY_MOVED", **{"device": drive.name, "id": device_of(vm, drive), "tray-open": is_open})

    return moved


def _error(vm: VirtualMachine, drive: Any) -> Any:
    def failed(what: tuple[str, OSError]) -> None:
        operation, error = what
        vm.emit(
            "BLOCK_IO_ERROR",
            device=drive.name,
            operation="read" if operation == "read" else "write",
            action="report",
            nospace=error.errno == errno.ENOSPC,
            reason=error.strerror or str(error),
        )

    return failed
