"""Running, stopping, resetting and ending the machine."""

from __future__ import annotations

from typing import Any

from pyqemu.boards.cmos import set_boot_order
from pyqemu.cli.host import ACTIONS
from pyqemu.core.runstate import RunState
from pyqemu.monitor.errors import QmpError
from pyqemu.monitor.monitor import Monitor
from pyqemu.monitor.qapi import BOOL, Array, Enum, Struct
from pyqemu.monitor.table import Hmp, command, hmp_command

RUN_STATE = Enum("RunState", [state.value for state in RunState])
STATUS = Struct("StatusInfo", {"status": RUN_STATE, "singlestep": BOOL, "running": BOOL})
NEEDS_RESET = (RunState.SHUTDOWN, RunState.INTERNAL_ERROR)
BOOT_LETTERS = "acdn"
WATCHDOG_ACTION = Enum("WatchdogAction", ACTIONS["watchdog"])


@command("qmp_capabilities", {"?enable": Array(Enum("QMPCapability", ()))})
def qmp_capabilities(monitor: Monitor, enable: list[str] | None = None) -> None:
    """End the negotiation; there is nothing to enable."""


def show_status(reply: dict[str, Any]) -> str:
    state = reply["status"]
    detail = "" if reply["running"] or state == RunState.PAUSED else f" ({state})"
    return f"VM status: {'running' if reply['running'] else 'paused'}{detail}\n"


@command(
    "query-status",
    returns=STATUS,
    hmp=Hmp("info status", help="show the current VM status (running|paused)", show=show_status),
)
def query_status(monitor: Monitor) -> dict[str, Any]:
    state = monitor.vm.state
    return {"status": state.value, "singlestep": False, "running": state is RunState.RUNNING}


@command("stop", hmp=Hmp("stop|s", help="stop emulation"))
def stop(monitor: Monitor) -> None:
    if monitor.vm.state is RunState.INMIGRATE:
        monitor.vm.config.start_paused = True  # the state that comes in stays where it is
    monitor.vm.pause()


@command("cont", hmp=Hmp("cont|c", help="resume emulation"))
def cont(monitor: Monitor) -> None:
    vm = monitor.vm
    match vm.state:
        case state if state in NEEDS_RESET:
            raise QmpError("Resetting the Virtual Machine is required")
        case RunState.FINISH_MIGRATE:
            raise QmpError("Migration is not finalized yet")
        case RunState.INMIGRATE:
            vm.config.start_paused = False
            return
        case RunState.POSTMIGRATE:
            for drive in vm.drives.values():
                drive.activate()  # nobody else has taken the machine over
    vm.start()


@command("quit", hmp=Hmp("quit|q", help="quit the emulator"))
def quit_(monitor: Monitor) -> None:
    monitor.vm.power.request_shutdown("host-qmp-quit")
    monitor.vm.obey()


@command("system_reset", hmp=Hmp("system_reset", help="reset the system"))
def system_reset(monitor: Monitor) -> None:
    monitor.vm.power.request_reset("host-qmp-system-reset")
    monitor.vm.obey()


@command("system_powerdown", hmp=Hmp("system_powerdown", help="send system power down event"))
def system_powerdown(monitor: Monitor) -> None:
    """Press the power button; what follows is the guest's decision."""
    monitor.vm.press_power_button()


@command("system_wakeup", hmp=Hmp("system_wakeup", help="wakeup guest from suspend"))
def system_wakeup(monitor: Monitor) -> None:
    raise QmpError("Unable to wake up: guest is not in suspended state")


@command("inject-nmi", hmp=Hmp("nmi", help="inject an NMI"))
def inject_nmi(monitor: Monitor) -> None:
    monitor.vm.cpu.nmi()


@command(
    "set-action",
    {
        "?reboot": Enum("RebootAction", ("reset", "shutdown")),
        "?shutdown": Enum("ShutdownAction", ("poweroff", "pause")),
        "?panic": Enum("PanicAction", ACTIONS["panic"]),
        "?watchdog": WATCHDOG_ACTION,
    },
)
def set_action(
    monitor: Monitor,
    reboot: str | None = None,
    shutdown: str | None = None,
    panic: Any = None,
    watchdog: str | None = None,
) -> None:
    """There is no watchdog that could bite."""
    config = monitor.vm.config
    if panic is not None:
        config.panic_action = panic
    if reboot is not None:
        config.no_reboot = reboot == "shutdown"
    if shutdown is not None:
        config.no_shutdown = shutdown == "pause"


@command(
    "watchdog-set-action",
    {"action": WATCHDOG_ACTION},
    hmp=Hmp(
        "watchdog_action",
        "action:s",
        "[reset|shutdown|poweroff|pause|debug|none]",
        "change watchdog action",
        run=lambda monitor, action: _watchdog_action(monitor, action),
    ),
)
def watchdog_set_action(monitor: Monitor, action: str) -> None:
    """There is no watchdog."""


def _watchdog_action(monitor: Monitor, action: str) -> str:
    if action not in ACTIONS["watchdog"]:
        raise QmpError(f"invalid parameter value: {action}")
    watchdog_set_action(monitor, action)
    return ""


@hmp_command("boot_set", "bootdevice:s", "bootdevice", "define new values for the boot device list")
def boot_set(monitor: Monitor, bootdevice: str) -> str:
    rtc: Any = monitor.vm.devices.get("rtc")
    for position, letter in enumerate(bootdevice):
        if not "a" <= letter <= "p":
            return f"Invalid boot device '{letter}'\n"
        if letter in bootdevice[:position]:
            return f"Boot device '{letter}' was given twice\n"
    if len(bootdevice) > 3:
        return "Too many boot devices for PC\n"
    for letter in bootdevice:
        if letter not in BOOT_LETTERS:
            return f"Invalid boot device for PC: '{letter}'\n"
    if rtc is None:
        return "no function defined to set boot device list for this architecture\n"
    monitor.vm.config.boot.once = ""
    set_boot_order(rtc, bootdevice)
    return f"boot device list now set to {bootdevice}\n"
