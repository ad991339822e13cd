"""The floppy controller's state as QEMU's ``fdc`` section has it.

There is one buffer with a position and a length, which holds what the phase is about: the bytes of a command that
have come, the data of a sector, or the result that has not been read. The functions compute each number from the
chip; ``restore`` goes the other way. What these fields have no place for is in subsections: QEMU's where it has one
(``reset_sensei``, ``result_timer``, ``phase``), and ours (``transfer``, ``seeks``, ``gate`` …), which are sent only
when what QEMU's fields mean is not what the chip holds.

Source   ``reference/migration/``: ``vmdesc-*.json``, ``values-*.json``; 82078 datasheet: SRA, SRB, MSR
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyqemu.block import SECTOR_BYTES
from pyqemu.core.clock import NEVER
from pyqemu.core.state import StateError
from pyqemu.hw.floppy import transfer as t

if TYPE_CHECKING:
    from pyqemu.hw.floppy.i82078 import I82078

COMMAND, EXECUTION, RESULT = range(3)

SRA_INTERRUPT = 0x80
SRA_NO_SECOND_DRIVE = 0x40

DOR_NOT_RESET = 0x04
DOR_GATE = 0x08
DSR_RESET = 0x80

MSR_NON_DMA = 0x20
MSR_TO_HOST = 0x40
MSR_READY = 0x80

STATE_MULTI_TRACK = 0x01
DIRECTIONS = (t.WRITE, t.READ, t.SCAN_EQUAL, t.SCAN_LOW, t.SCAN_HIGH, t.VERIFY)  # data_dir → the command
DIR_WRITE, DIR_READ = 0, 1


# -- what is sent -------------------------------------------------------------------------------------


def status_a(fdc: I82078) -> int:
    return SRA_INTERRUPT * fdc.interrupt | SRA_NO_SECOND_DRIVE * (fdc.drive_b is None)


def output(fdc: I82078) -> int:
    """The DOR. SPECIFY without DMA shows as a closed gate, which at any other time is closed in resets only."""
    return fdc.dor & ~DOR_GATE if fdc.non_dma else fdc.dor


def gate(fdc: I82078) -> int:
    return (1 if fdc.dor & DOR_GATE else 0) | fdc.non_dma << 1


def implied_gate(fdc: I82078) -> int:
    """What ``output`` alone says of it."""
    shown = output(fdc)
    if shown & DOR_GATE:
        return 1
    return 3 if shown & DOR_NOT_RESET else 0


def set_gate(fdc: I82078, value: int) -> None:
    if value > 3:
        raise StateError(f"{value:#x} is no gate")
    fdc.dor = fdc.dor & ~DOR_GATE | (DOR_GATE if value & 1 else 0)
    fdc.non_dma = bool(value & 2)


def status_0(fdc: I82078) -> int:
    """What SENSE INTERRUPT will say of the selected drive."""
    return fdc.seek_results[fdc.dor & 1]


def implied_seeks(fdc: I82078) -> list[int]:
    """The seeks that have ended, if all that is known of them is ``status_0`` and the interrupt."""
    seeks = [0] * len(fdc.seek_results)
    selected = fdc.dor & 1
    if fdc.interrupt and fdc.phase == COMMAND and not fdc.reset_interrupts and status_0(fdc):
        seeks[selected] = status_0(fdc) & ~0x07 | selected
    return seeks


def buffer(fdc: I82078) -> bytes:
    content = (bytes(fdc.command), bytes(fdc.transfer.buffer), bytes(fdc.result))[fdc.phase]
    return content.ljust(SECTOR_BYTES, b"\0")


def position(fdc: I82078) -> int:
    return (len(fdc.command), fdc.transfer.position, 0)[fdc.phase]


def length(fdc: I82078) -> int:
    if fdc.phase == COMMAND:
        return fdc.command_length(fdc.command[0]) if fdc.command else 1
    return fdc.transfer.length if fdc.phase == EXECUTION else len(fdc.result)


def multi_track(fdc: I82078) -> int:
    return STATE_MULTI_TRACK if fdc.transfer.options & t.MULTI_TRACK else 0


def direction(fdc: I82078) -> int:
    if fdc.phase == RESULT or fdc.transfer.code in t.TO_HOST:
        return DIR_READ
    return DIRECTIONS.index(fdc.transfer.code) if fdc.transfer.code in DIRECTIONS else DIR_WRITE


def step_timer(fdc: I82078) -> int:
    """The step rate; the head unload time is in the half of the byte where QEMU has zeros."""
    return fdc.step_rate >> 4 | (fdc.step_rate & 0x0F) << 4


def implied_head_load(fdc: I82078) -> int:
    """SPECIFY's second byte: its last bit is that of DMA, but 1 as long as there was no SPECIFY."""
    time = fdc.head_load & 0xFE
    return time | (fdc.non_dma or not (time or fdc.step_rate))


def implied_phase(fdc: I82078) -> int:
    """QEMU counts phases from 1."""
    return phase_of(fdc.main_status()) + 1


def phase_of(main_status: int) -> int:
    if main_status & MSR_NON_DMA or not main_status & MSR_READY:
        return EXECUTION
    return RESULT if main_status & MSR_TO_HOST else COMMAND


def implied_transfer(fdc: I82078) -> dict[str, Any] | None:
    """What is known of a transfer without our subsection: a READ ID; for anything else None."""
    known = fdc.transfer.save_fields()
    if fdc.phase != EXECUTION:
        return known
    if fdc.transfer.code:
        return None
    selected = fdc.dor & 1
    return known | {"unit": selected, "side": fdc.units[selected].head & 1}


def implied_deadline(fdc: I82078) -> int:
    """A data command that has moved nothing begins at once."""
    begins = fdc.phase == EXECUTION and fdc.transfer.code and not fdc.transfer.length
    return 0 if begins else NEVER


# -- what is loaded -----------------------------------------------------------------------------------


def restore(fdc: I82078, values: dict[str, Any]) -> None:
    """Set what has no field of its own in a stream. Raises StateError for what a chip cannot hold."""
    phase = values["phase_number"] - 1 if "phase_number" in values else phase_of(values["msr"])
    if not COMMAND <= phase <= RESULT:
        raise StateError(f"field 'phase' is {phase + 1}, which is no phase")
    fdc.phase = phase
    fdc.interrupt = bool(values["sra"] & SRA_INTERRUPT)
    fdc.dor = values["dor_vmstate"]
    fdc.non_dma = not fdc.dor & DOR_GATE and bool(fdc.dor & DOR_NOT_RESET)
    if fdc.non_dma:
        fdc.dor |= DOR_GATE
    fdc.dsr = values["dsr_bits"] & ~DSR_RESET
    fdc.step_rate = values["timer0"] << 4 & 0xF0 | values["timer0"] >> 4
    fdc.head_load = values["timer1"] << 1 & 0xFE
    fdc.seek_results[:] = [0] * len(fdc.seek_results)
    fdc.seek_results[fdc.dor & 1] = values["status0"]

    data, begin, end = bytes(values["fifo"]), values["data_pos"], values["data_len"]
    fdc.command.clear()
    fdc.result.clear()
    fdc.transfer.reset_fields()
    if phase == COMMAND:
        if begin > fdc.LONGEST_COMMAND:
            raise StateError(f"field 'data_pos' is {begin}: no command is that long")
        fdc.command.extend(data[:begin])
    elif phase == RESULT:
        if not begin < end <= fdc.LONGEST_RESULT:
            raise StateError(f"a result of {end} bytes cannot be read from {begin}")
        fdc.result.extend(data[begin:end])
    elif "transfer_parts" in values:
        if not begin <= end <= SECTOR_BYTES:
            raise StateError(f"a sector of {end} bytes cannot be at {begin}")
        fdc.transfer.position, fdc.transfer.length, fdc.transfer.buffer[:] = begin, end, data
    else:
        _resume(fdc, values, data)


def _resume(fdc: I82078, values: dict[str, Any], data: bytes) -> None:
    """A command that another program's chip has under way."""
    transfer, selected = fdc.transfer, fdc.dor & 1
    drive = values["units"][selected]
    if "execute_deadline" in values:  # READ ID
        transfer.unit, transfer.side = selected, drive["head"] & 1
    elif not values["msr"] & MSR_NON_DMA:
        # The DMA controller has asked for nothing yet, so the buffer still is the command.
        if data[0] & t.CODE not in t.CODES:
            raise StateError(f"field 'fifo' begins with {data[0]:#x}, which moves no data")
        transfer.prepare(list(data[: fdc.command_length(data[0])]))
    else:
        if values["data_dir"] >= len(DIRECTIONS):
            raise StateError(f"field 'data_dir' is {values['data_dir']}, which is no direction")
        code = DIRECTIONS[values["data_dir"]]
        transfer.code, transfer.unit, transfer.side = code, selected, drive["head"] & 1
        transfer.options = t.MULTI_TRACK if values["data_state"] & STATE_MULTI_TRACK else 0
        transfer.cylinder, transfer.head, transfer.sector = drive["track"], transfer.side, drive["sector"]
        transfer.size_code, transfer.last = t.SIZE_CODE, values["end_of_track"]
        begin = values["data_pos"] % SECTOR_BYTES
        if begin:
            transfer.buffer[:], transfer.position, transfer.length = data, begin, SECTOR_BYTES
        elif values["data_pos"] and code in t.TO_HOST:
            transfer.advance()
