"""Reading a file of the host that must not be larger than the machine can use.

Errors   OSError, with EFBIG for a file that is too large, also for one that has no size (a pipe, a device)
"""

from __future__ import annotations

import errno
import os
import stat

PIECE_BYTES = 1 << 20


def read_file(path: str | os.PathLike[str], limit: int, stream_limit: int | None = None) -> bytes:
    """All of a file of at most *limit* bytes, or *stream_limit* of one without a size. Raises OSError.

    A pipe is read to its end, but nobody waits for somebody who might open its other end.
    """
    with open(path, "rb", buffering=0, opener=_without_waiting) as file:
        status = os.fstat(file.fileno())
        if stream_limit is not None and not stat.S_ISREG(status.st_mode):
            limit = stream_limit
        data = bytearray()
        piece = b"" if status.st_size > limit else file.read(PIECE_BYTES)
        if piece == b"" and stat.S_ISFIFO(status.st_mode):
            raise OSError(errno.EPIPE, "Nobody writes to this pipe", str(path))
        os.set_blocking(file.fileno(), True)
        if piece is None:  # a pipe that has a writer, but no bytes yet
            piece = file.read(PIECE_BYTES)
        while piece and len(data) <= limit:
            data += piece
            piece = file.read(PIECE_BYTES)
    if status.st_size > limit or len(data) > limit:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), str(path))
    return bytes(data)


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)
