"""The backend ``ringbuf``: the last bytes of what the guest sent, kept in memory for a monitor to read."""

from __future__ import annotations

from pyqemu.chardev import Backend
from pyqemu.core.errors import ConfigError

DEFAULT_BYTES = 1 << 16
LIMIT_BYTES = 1 << 30


class RingbufChardev(Backend):
    def __init__(self, size: int = DEFAULT_BYTES) -> None:
        """Raises ConfigError unless *size* is a power of two."""
        super().__init__("ringbuf")
        if size <= 0 or size & (size - 1):
            raise ConfigError("size of ringbuf chardev must be power of two")
        if size > LIMIT_BYTES:
            raise ConfigError("size of ringbuf chardev is too big", f"Accepted: at most {LIMIT_BYTES} bytes.")
        self.size = size
        self._kept = bytearray()

    def write(self, data: bytes) -> int:
        self._kept += data
        if len(self._kept) > self.size:
            del self._kept[: -self.size]
        return len(data)

    def read(self, count: int) -> bytes:
        """Take out up to *count* of the oldest bytes."""
        data = bytes(self._kept[:count])
        del self._kept[:count]
        return data

    def inject(self, data: bytes) -> int:
        """Bytes for the guest; returns how many were taken, fewer if it does not read them."""
        taken = data[: max(0, self.size - len(self._held))]
        self._held += taken
        self.accept_input()
        return len(taken)
