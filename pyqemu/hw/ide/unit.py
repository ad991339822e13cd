"""One of the two drive positions of a channel: the part of its state that a saved machine holds.

Both positions have a task file of their own. Command block writes go to both at once, as on the cable;
reads come from the selected one. A position without a drive keeps its registers (other than status and
error, which read zero): that is how the PIIX board looks to software that probes it.
"""

from __future__ import annotations

from typing import Any, cast

from pyqemu.core.state import Field, Record, State
from pyqemu.hw.ide.registers import Power, Select

BUFFER_BYTES = 256 * 1024
MULTIPLE_SECTORS = 16  # the largest block of READ and WRITE MULTIPLE, and the one set after power-on
FASTEST_MODE = 0x45  # UDMA 5, in SET FEATURES' coding


class _Buffer(Field):
    """Bytes of varying length, at most *size*; empty after reset."""

    def __init__(self, size: int) -> None:
        super().__init__(f"fifo:{size}", None, None, 0)
        self.size = size

    def fresh(self) -> bytearray:
        return bytearray()

    def save(self, value: bytearray) -> bytes:
        return bytes(value)

    def load(self, plain: Any, old: Any) -> bytearray:
        if not isinstance(plain, bytes) or len(plain) > self.size:
            raise self.fail(plain)
        return bytearray(plain)


def buffer(size: int) -> bytearray:
    """Declare a transfer buffer."""
    return cast(bytearray, _Buffer(size))


class Unit(Record):
    mult_sectors = State.u8(reset=MULTIPLE_SECTORS)
    feature = State.u8()
    error = State.u8()
    nsector = State.u8(reset=1)
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
    lba48 = State.bool()  # the command that runs has 48-bit addresses
    sense_key = State.u8()
    asc = State.u8()
    cdrom_changed = State.u8()

    ascq = State.u8()
    sense_info = State.u32()
    intrq = State.bool()
    heads = State.u8()  # CHS translation, from INITIALIZE DEVICE PARAMETERS
    sectors = State.u8()
    transfer_mode = State.u8(reset=FASTEST_MODE)
    write_cache = State.bool()
    read_ahead = State.bool(reset=True)
    smart_enabled = State.bool(reset=True)
    smart_autosave = State.bool(reset=True)
    smart_self_tests = State.u8()
    power = State.enum(Power, reset=Power.ACTIVE)
    tray_open = State.bool()
    tray_locked = State.bool()
    cd_fields = State.u8()  # the parts of a sector that READ CD wants; 0: user data
    media_event = State.u8()  # what GET EVENT STATUS NOTIFICATION reports next
