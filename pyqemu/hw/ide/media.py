"""Reading and writing a drive's medium so that a host error costs no more than the sectors it hits."""

from __future__ import annotations

from pyqemu.block import Drive
from pyqemu.hw.ide.registers import SECTOR_BYTES


def read(drive: Drive, offset: int, buffer: memoryview | bytearray) -> int:
    """Fill *buffer* from byte *offset*; returns how many bytes are good: all, or up to the failing sector.

    The error is reported to the user.
    """
    try:
        drive.read_into(offset, buffer)
        return len(buffer)
    except ValueError:
        return 0  # the medium has been changed for a smaller one
    except OSError as error:
        failure = error.with_traceback(None)  # which would hold on to the buffer
    view = memoryview(buffer)
    good = 0
    if len(view) > SECTOR_BYTES:
        try:
            for good in range(0, len(view), SECTOR_BYTES):
                drive.read_into(offset + good, view[good : good + SECTOR_BYTES])
            return len(view)
        except ValueError:
            return good
        except OSError as error:
            failure = error.with_traceback(None)  # which would hold on to the buffer
    drive.report_error("read", failure)
    return good


def write(drive: Drive, offset: int, data: memoryview | bytearray) -> int:
    """Store *data* at byte *offset*; returns how many bytes are on the medium."""
    try:
        drive.write(offset, data)
        return len(data)
    except ValueError:
        return 0
    except OSError as error:
        failure = error.with_traceback(None)  # which would hold on to the buffer
    view = memoryview(data)
    good = 0
    if len(view) > SECTOR_BYTES:
        try:
            for good in range(0, len(view), SECTOR_BYTES):
                drive.write(offset + good, view[good : good + SECTOR_BYTES])
            return len(view)
        except ValueError:
            return good
        except OSError as error:
            failure = error.with_traceback(None)  # which would hold on to the buffer
    drive.report_error("write", failure)
    return good


def flush(drive: Drive) -> bool:
    """Put everything on stable storage; whether that worked."""
    try:
        drive.flush()
    except OSError as error:
        drive.report_error("flush", error)
        return False
    return True
