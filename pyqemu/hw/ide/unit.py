"""One of the two drive positions of a channel: the part of its state that a saved machine holds.

Both positions have a task file of their own. Command block writes go to both at once, as on the cable;
reads come from the selected one. A position without a drive keeps its registers (other than status and
error, which read zero): that is how the PIIX board looks to software that probes it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from pyqemu.core.state import Record, State
from pyqemu.hw.ide.registers import Power, Select

BUFFER_BYTES = 256 * 1024
MULTIPLE_SECTORS = 16  # the largest block of READ and WRITE MULTIPLE, and the one set after power-on
FASTEST_MODE = 0x45  # UDMA 5, in SET FEATURES' coding


class PowerOn(NamedTuple):
    """What a drive begins with: where a saved state does not say otherwise it has that still."""

    heads: int = 0
    sectors: int = 0
    write_cache: bool = False


class Unit(Record, vmstate="ide_drive", version=3):
    mult_sectors = State.u8(reset=MULTIPLE_SECTORS, wire="int32")
    identify = State.view("flagged", lambda _unit: b"", count=512)  # QEMU sends what IDENTIFY said last
    feature = State.u8()
    error = State.u8()
    nsector = State.u8(reset=1, wire="uint32")
    sector = State.u8(reset=1)
    lcyl = State.u8()
    hcyl = State.u8()
    hob_feature = State.u8()
    hob_sector = State.u8()
    hob_nsector = State.u8()
    hob_lcyl = State.u8()
    hob_hcyl = State.u8()
    select = State.u8(reset=Select.FIXED)
    status = State.u8()
    lba48 = State.bool(wire="uint8")  # the command that runs has 48-bit addresses
    sense_key = State.u8()
    asc = State.u8()
    cdrom_changed = State.u8()

    tray_open = State.bool(sub="tray_state")
    tray_locked = State.bool(sub="tray_state")

    # What QEMU has outside of its stream, or not at all.
    ascq = State.u8(sub="sense")
    sense_info = State.u32(sub="sense")
    intrq = State.bool(sub="interrupt")
    # CHS translation, from INITIALIZE DEVICE PARAMETERS
    heads = State.u8(sub="geometry", implied=lambda unit: unit.at_power_on().heads)
    sectors = State.u8(sub="geometry", implied=lambda unit: unit.at_power_on().sectors)
    transfer_mode = State.u8(reset=FASTEST_MODE, sub="settings")
    write_cache = State.bool(sub="settings", implied=lambda unit: unit.at_power_on().write_cache)
    read_ahead = State.bool(reset=True, sub="settings")
    smart_enabled = State.bool(reset=True, sub="settings")
    smart_autosave = State.bool(reset=True, sub="settings")
    smart_self_tests = State.u8(sub="settings")
    power = State.enum(Power, reset=Power.ACTIVE, sub="power")
    cd_fields = State.u8(sub="cdrom")  # the parts of a sector that READ CD wants; 0: user data
    media_event = State.u8(sub="cdrom")  # what GET EVENT STATUS NOTIFICATION reports next

    def __init__(self) -> None:
        super().__init__()
        self.at_power_on: Callable[[], PowerOn] = PowerOn  # the drive's
