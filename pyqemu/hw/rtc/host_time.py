"""The clock chip's time in QEMU's saved states, where it runs with the host's clock, also while nobody runs it.

The guest's time is ``base_rtc`` seconds plus what has passed since ``last_update``, plus ``offset`` ns; the
registers show the second that it was when the state was saved.

Source   ``reference/migration/``: section mc146818rtc; what QEMU does with the fields is seen by loading ours in it
Units    ns since 1970 by the host's clock
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from pyqemu.core.clock import NEVER, NS_PER_SECOND

if TYPE_CHECKING:
    from pyqemu.hw.rtc.mc146818 import Mc146818

NO_ALARM = (1 << 64) - 1
LONGEST_NS = 30 * 366 * 86400 * NS_PER_SECOND  # a state that is older is not believed


def of(chip: Mc146818, virtual_ns: int) -> int:
    """The host's time at a virtual time."""
    return time.time_ns() - (chip.bus.clock.now() - virtual_ns)


def next_update(chip: Mc146818) -> int:
    return of(chip, chip.updated_ns + NS_PER_SECOND) if chip.is_running else NEVER


def next_alarm(chip: Mc146818) -> int:
    ns = chip.alarm_ns() if chip.is_running else None
    return NO_ALARM if ns is None else of(chip, ns)


def restore(chip: Mc146818, values: dict[str, Any]) -> None:
    """Set when the second began that the registers show; time has gone on since."""
    now = chip.bus.clock.now()
    if "settled_ns" not in values:
        chip.settled_ns = now
    if "nmi_masked" not in values:
        chip.nmi_masked = False
    chip.updated_ns = now
    if not chip.is_running:
        return
    guest_ns = values["base_rtc"] * NS_PER_SECOND + time.time_ns() - values["last_update"] + values["offset"]
    passed = guest_ns - chip.shown_seconds() * NS_PER_SECOND
    if 0 < passed < LONGEST_NS:
        chip.updated_ns = now - passed
